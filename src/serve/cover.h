/* The picture of a video, for the tags of files: fetched once, then remembered on the shelf for a day, so
 * that every part of a file that is asked for later has the same one. */
#ifndef SLUICE_SERVE_COVER_H
#define SLUICE_SERVE_COVER_H

#include "serve/app.h"

enum { COVER_MAX_BYTES = 2 << 20 };

/* *out: shelf_value_free(), or NULL when there is none. -1: it cannot be had now, which is no reason to fail:
 * without it a file is as good. Blocks. */
int cover_get(struct app *app, const struct description *d, struct shelf_value **out);

#endif
