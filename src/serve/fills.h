/* Slices being read from their sources to disk, in one loop (cache/slices.h). A fill runs at the speed of its
 * source, whoever began it and however slow that client is, and goes on when that client has left: others
 * may be reading along. It holds one ring at most (net/flow.h), and a mebibyte later it is over. Threads: the
 * loop's. */
#ifndef SLUICE_SERVE_FILLS_H
#define SLUICE_SERVE_FILLS_H

#include "cache/slices.h"
#include "net/flow.h"

struct pump_source;
struct fills;
struct fill;

/* All borrowed. flows NULL: none is ever begun, for a loop that does not run all the time; what is there, or
 * written by others, may be read. */
int fills_open(struct fills **out, struct slices *slices, struct flow_set *flows, struct err *err);
/* Ends all of them. In the loop's thread, or when it does not run any more. NULL is fine. */
void fills_close(struct fills *set);
struct slices *fills_slices(const struct fills *set);

/* Whoever began one, as long as it wants to know. */
struct fill_owner {
    void (*came)(void *ctx, size_t bytes);
    /* It is over, and the fill of this slice gone. `why` NULL: the slice is whole, or cannot be written;
     * ERR_BAD_RANGE: the source knows no ranges, so that there will be no slices of it. */
    void (*over)(void *ctx, uint64_t number, const struct err *why);
    void *ctx;
};

/* Begins to read slice number `number` of a source. As slice_fill_begin(); 1: *out is there until over() or
 * fill_disown(). -1: not now, or (err->code not ERR_OK) the source cannot be asked. */
int fills_begin(struct fills *set, const struct slice_content *content, uint64_t number,
                const struct pump_source *source, const struct fill_owner *owner, struct fill **out,
                struct err *err);
/* The owner leaves; the fill goes on. */
void fill_disown(struct fill *f);

#endif
