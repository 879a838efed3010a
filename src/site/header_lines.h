/* The header fields that a source wants to be asked with, as they are kept (one text) and as the fetch gate
 * takes them (a list). Some sites give a file only to who names the page it belongs to. */
#ifndef SLUICE_SITE_HEADER_LINES_H
#define SLUICE_SITE_HEADER_LINES_H

#include "base/buf.h"

enum { HEADER_LINES_MAX = 8, HEADER_LINES_BYTES = 8192 };

struct header_lines {
    char *text; /* owned */
    const char *lines[HEADER_LINES_MAX + 1];
};

/* Splits "Name: value\n…" (NULL: none). header_lines_fini() in any case. -1: out of memory. */
int header_lines_init(struct header_lines *h, const char *text);
void header_lines_fini(struct header_lines *h);

/* Appends one field to such a text, if it is one that a site may ask for (Accept, Accept-Language, Cookie,
 * Origin, Referer, and Authorization); everything else, and what cannot be a value, is left out without an
 * error. -1: no room. */
int header_lines_add(struct buf *text, const char *name, const char *value);

DEFINE_AUTO(header_lines, header_lines_fini)

#endif
