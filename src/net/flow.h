/* A forward read like fetch.h, with the same promises, for an event loop: nothing blocks, and whoever reads
 * is called when there is something to look at.
 *
 * All flows of a loop share one libcurl multi handle and with it their idle connections. Back-pressure:
 * beyond FETCH_RING_BYTES in hand (or less, see flow_want) nothing is read, and TCP slows the sender.
 *
 * Threads: all of it belongs to the loop's thread. */
#ifndef SLUICE_NET_FLOW_H
#define SLUICE_NET_FLOW_H

#include "base/loop.h"
#include "net/fetch.h"

struct flow_set;
struct flow;

/* `loop` and `net` must outlive it. */
int flow_set_open(struct flow_set **out, struct net *net, struct loop *loop, struct err *err);
/* All flows must be closed. NULL is fine. */
void flow_set_close(struct flow_set *set);

/* Begins to read; `opts` is copied, `opts->cancelled` has no meaning here. `on_change` is called, never from
 * within a function of this header, when bytes have come or nothing more will. *out: flow_close(). Errors:
 * those that can be told before anything is sent; all others by flow_peek(). */
int flow_open(struct flow **out, struct flow_set *set, const struct fetch_opts *opts,
              void (*on_change)(void *ctx), void *ctx, struct err *err);
/* Cancels what is under way, at once. */
void flow_close(struct flow *f); /* NULL is fine */

/* What is in hand: 1 and bytes, borrowed until the next call on this flow; 0 nothing yet, on_change will
 * tell; 2 the end; -1 it failed, as fetch_next(). */
int flow_peek(struct flow *f, const unsigned char **data, size_t *len, struct err *err);
/* The same without going on to read, so that what was peeked at stays where it is: 1 or 0. */
int flow_hand(const struct flow *f, const unsigned char **data, size_t *len);
/* The first `n` bytes of them are no longer needed. */
void flow_take(struct flow *f, size_t n);
/* Reads ahead until `bytes` or a little more are in hand; 0: it is not this one's turn, some bytes are
 * enough. At first, and at most: all of the ring. */
void flow_want(struct flow *f, size_t bytes);
/* Nothing will come beyond what is in hand. */
bool flow_is_over(const struct flow *f);
/* Of an answer some of whose bytes are in hand: what it says of the version of the resource, or ""
 * (borrowed); whether its server knows no ranges, and sends all there is. */
const char *flow_version(const struct flow *f);
bool flow_is_unranged(const struct flow *f);

DEFINE_AUTO_PTR(flow, flow_close)
DEFINE_AUTO_PTR(flow_set, flow_set_close)

#endif
