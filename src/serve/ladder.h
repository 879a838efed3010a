/* What is tried next for a source that has died under a stream, after its own retries (net/fetch.h): the
 * other media host; the site again, and the other host of what it says then; another client of the site; the
 * site once more. What its own retries do not repeat, an answer that is none, is first asked for once more at
 * each place. Progress leads back to the first step; the number of steps of a stream is bounded all the
 * same.
 *
 * Pure; threads: none of its own. */
#ifndef SLUICE_SERVE_LADDER_H
#define SLUICE_SERVE_LADDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum {
    LADDER_PROGRESS_BYTES = 1 << 20, /* hosts that want a token serve about so much without one (measured) */
    LADDER_STEPS_MAX = 24,           /* of one stream */
    LADDER_SOURCES_MAX = 2,
};

enum ladder_step {
    LADDER_SAME,   /* nothing has changed: once more */
    LADDER_HOST,   /* the same file on another host */
    LADDER_AGAIN,  /* described anew */
    LADDER_CLIENT, /* described as another client sees it */
    LADDER_LAST,   /* described anew, once more */
    LADDER_END,    /* nothing: the stream ends short */
};

struct ladder_place {
    unsigned next;
    bool repeated; /* where it is now */
    uint64_t at;   /* bytes of the stream when it failed last */
};

struct ladder {     /* all zero: at the bottom */
    unsigned steps; /* of all sources */
    struct ladder_place of[LADDER_SOURCES_MAX];
};

/* This source has failed with *why after `at` bytes of the stream; or the step that this told could not be
 * taken. */
enum ladder_step ladder_next(struct ladder *l, unsigned source, const struct err *why, uint64_t at);

const char *ladder_name(enum ladder_step step); /* for the log */

#endif
