/* What a file will be, once its choice is found: a plan; something that libav makes; or its source as it
 * comes, where nobody knows how long that is. What downloads and whatever else wants the file have in common
 * before its first byte. */
#ifndef SLUICE_SERVE_SHAPE_H
#define SLUICE_SERVE_SHAPE_H

#include "serve/made.h"
#include "serve/planned.h"

/* All zero: of a source as it comes, or none yet. shape_fini(), or whoever takes its parts frees those. */
struct shape {
    struct planned planned; /* either this, */
    struct made *made;      /* or this, or neither */
    uint64_t length;        /* 0: unknown until the end */
};

/* Finds it out. Where the choice's size is not known, the source is asked; what cannot be planned is made by
 * libav, and wish->choice says so then, unless `only_planned` forbids it (clips and the like). Errors:
 * planned_get()'s; ERR_UNSUPPORTED_SITE: it would have to be planned, and cannot be. */
int shape_find(struct app *app, const struct planned_wish *wish, bool only_planned, struct shape *out,
               struct err *err);
/* Of the bytes; "": none. Borrowed. */
const char *shape_etag(const struct shape *s);
void shape_fini(struct shape *s);

DEFINE_AUTO(shape, shape_fini)

#endif
