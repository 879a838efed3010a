/* One source read forward, over one connection, or over several where the client takes more than one brings
 * (width.h decides). The bytes come out in order: each further connection reads the next part of the file
 * into memory of its own, while the client is sent what the first one brings. With one connection nothing is
 * copied, and this is a flow (net/flow.h).
 *
 * Memory: a ring for each connection, and for each but the first one at most LANES_PART_MAX_BYTES, all of
 * them out of the program's pool; where that is empty, no further connection is opened. A further connection
 * that fails costs nothing but itself: what is missing is asked for again when its turn comes, and there is
 * one connection for a while. So a server that knows no ranges, or wants no more than one connection, still
 * serves.
 *
 * Threads: all of it belongs to the loop's, but the pool is shared. */
#ifndef SLUICE_SERVE_LANES_H
#define SLUICE_SERVE_LANES_H

#include "serve/feed.h"

enum {
    LANES_MAX = 8,
    /* What one connection brings in a second, within these bounds: shorter parts cost round trips, longer
     * ones memory, and would let the client wait where the source is slow. */
    LANES_PART_MIN_BYTES = 256 << 10,
    LANES_PART_MAX_BYTES = 2 << 20,
};

struct lanes;

struct lanes_opts {
    struct flow_set *flows;
    struct loop *loop;
    atomic_llong *pool; /* bytes that parts may still take; NULL: never more than one connection */
    const struct pump_source *source; /* borrowed; looked at whenever a connection is opened */
    uint64_t offset, end;             /* end UINT64_MAX: of the source, wherever that is; one connection */
    unsigned width_max;               /* 1 … LANES_MAX */
    void (*on_change)(void *ctx);     /* as flow_open()'s, for what is next in order */
    void *ctx;
};

/* Begins to read. *out: lanes_close(). */
int lanes_open(struct lanes **out, const struct lanes_opts *opts, struct err *err);
void lanes_close(struct lanes *l); /* NULL is fine */

/* The source's offset of the first byte in hand. */
uint64_t lanes_at(const struct lanes *l);
/* As flow_peek(): the next bytes in order. */
int lanes_peek(struct lanes *l, const unsigned char **data, size_t *len, struct err *err);
/* As flow_hand(). */
int lanes_hand(const struct lanes *l, const unsigned char **data, size_t *len);
void lanes_take(struct lanes *l, size_t n);
/* As flow_want(), of the connection that is next in order; 0 also says that the client is sent another
 * source. */
void lanes_want(struct lanes *l, size_t bytes);

/* lanes_peek() has failed: what failed is closed, … */
void lanes_break(struct lanes *l);
bool lanes_broken(const struct lanes *l);
/* … and opened again, for the bytes that are missing. */
int lanes_mend(struct lanes *l, struct err *err);
/* The source has another URL from now on. What is open goes on; when it fails, … */
void lanes_renewed(struct lanes *l);
/* … this tells that it had been opened before. */
bool lanes_outdated(const struct lanes *l);

DEFINE_AUTO_PTR(lanes, lanes_close)

#endif
