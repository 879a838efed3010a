/* What a tier (tier.h) has, as a feed of the pump: a file of this host, or what another server keeps, read
 * over one or several connections like a source (feed.h).
 *
 * A way that turns out to be dead is asked of the tier anew, a few times at most; then, and when the file is
 * not what it should be, the feed fails, the content is forgotten there if it is gone, and whoever reads goes
 * on elsewhere, at the same byte.
 *
 * A file is read where it is needed, HELD_CHUNK_BYTES at a time, on the loop's thread, as web servers do: the
 * kernel reads ahead, and a disk that does not follow slows the streams of that loop, each by one such
 * piece. Threads: the loop's. */
#ifndef SLUICE_SERVE_HELD_H
#define SLUICE_SERVE_HELD_H

#include "serve/pump.h"
#include "serve/tier.h"

enum { HELD_CHUNK_BYTES = 64 * 1024, HELD_RENEWALS_MAX = 2 };

struct held;

/* Of `found`, which is taken over in any case, from `offset` on, `length` bytes. */
int held_open(struct held **out, struct app *app, struct tier_found *found, uint64_t offset, uint64_t length,
              const struct pump_place *where, struct err *err);
/* As in struct pump_order. */
enum pump_state held_gather(struct held *h, struct iovec *iov, int *count, struct err *err);
void held_take(struct held *h, size_t bytes, bool slow);
/* Ends all that is under way. NULL is fine. */
void held_close(struct held *h);

#endif
