/* HTML escaping, named by the place the text goes to. All append to *out; input is cleaned to valid UTF-8.
 * Dropped between tags and in attributes: control characters, and marks that turn the direction of what
 * follows. */
#ifndef SLUICE_HTTP_HTML_H
#define SLUICE_HTTP_HTML_H

#include "base/buf.h"

int html_text(struct buf *out, const char *s);    /* between tags */
int html_attr(struct buf *out, const char *s);    /* inside a double-quoted attribute */
int html_url_arg(struct buf *out, const char *s); /* one value in a query, inside an attribute */

#endif
