/* The plan of a choice, remembered: made once, then read by every request for any part of the file, in any
 * process, until it is displaced (cache/shelf.h).
 *
 * Remembered under what decides the bytes: the layout's version, site, id, the formats with their sizes and
 * version stamps, the clip, the tags; not under URLs, which change with every extraction. A plan of formats
 * whose version nobody knows is kept as long as a description of such would be. */
#ifndef SLUICE_SERVE_PLANNED_H
#define SLUICE_SERVE_PLANNED_H

#include "cache/shelf.h"
#include "serve/merge.h"

enum { PLANNED_ETAG_MAX = 48 };

/* A plan in use: planned_fini(). All zero: none. */
struct planned {
    struct plan *plan;
    char etag[PLANNED_ETAG_MAX]; /* strong, quotes included: of the sources' identity and of every byte of the
                                    plan, so that equal tags mean equal files across processes, restarts and
                                    extractions */
    struct shelf_value *value;   /* what the plan lies on; NULL: it has its own memory */
};

/* What is to be made. */
struct planned_wish {
    const char *link;                 /* leads to the description */
    const struct choice_wish *wish;   /* with which the choice was found; may be NULL */
    struct description **description; /* replaced, and the choice with it, when its URLs have died early */
    struct choice *choice;            /* size_bytes known */
    const struct merge_opts *opts;
};

/* Gets the plan or makes it; of all who ask at once one makes it. What is there never waits; at most
 * app->plans are made at once on this host. Errors: ERR_BUSY: they are, and others are in line for that, or
 * this one was too long; merge_plan()'s, remembered for a
 * few seconds (a source that refuses has been extracted anew by then, and was tried again);
 * ERR_SOURCE_CHANGED: that extraction found other files than the description has. */
int planned_get(struct app *app, const struct planned_wish *wish, struct planned *out, struct err *err);
void planned_fini(struct planned *p);

/* Fills in the exact sizes of the choices whose plans, made without options, are there. About 10 µs a choice.
 */
void planned_sizes(struct app *app, const struct description *d, struct choice *list, size_t count);

DEFINE_AUTO(planned, planned_fini)

#endif
