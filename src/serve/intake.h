/* One source as a feed reads it: out of slices (cache/slices.h) where they are on and the source is one that
 * can be told apart, else over connections of its own (lanes.h). What is not among the slices is read into
 * them by fills (fills.h), and from there: so there is one copy more than without, and one reading of the
 * source for all who want it.
 *
 * A fast client has the next slices filled ahead, as many at once as width.h finds worth it and one more, so
 * that a source does not pause between two of them; a slow one has half a slice. Where slices are refused
 * (too many begun, disk full) it reads STRETCH_BYTES of the source itself, then looks again.
 *
 * Memory: as lanes.h, or one ring. Threads: the loop's. Functions are as those of lanes.h. */
#ifndef SLUICE_SERVE_INTAKE_H
#define SLUICE_SERVE_INTAKE_H

#include "serve/lanes.h"

struct intake;

struct intake_opts {
    struct lanes_opts lanes;
    struct fills *fills;            /* NULL: no slices */
    const struct pump_place *place; /* for tasks; outlives it */
};

/* What its slices are of. False: there are none of such a source. */
bool intake_content_of(const struct pump_source *source, struct slice_content *out);

int intake_open(struct intake **out, const struct intake_opts *opts, struct err *err);
void intake_close(struct intake *in); /* NULL is fine */

uint64_t intake_at(const struct intake *in);
int intake_peek(struct intake *in, const unsigned char **data, size_t *len, struct err *err);
int intake_hand(struct intake *in, const unsigned char **data, size_t *len);
void intake_take(struct intake *in, size_t n);
void intake_want(struct intake *in, size_t bytes);

void intake_break(struct intake *in);
bool intake_broken(const struct intake *in);
int intake_mend(struct intake *in, struct err *err);
void intake_renewed(struct intake *in);
bool intake_outdated(const struct intake *in);

#endif
