/* A thread that does something now and then, until it is told to end.
 * Threads: ticker_start() and ticker_stop() from one thread at a time. */
#ifndef SLUICE_BASE_TICKER_H
#define SLUICE_BASE_TICKER_H

#include "base/err.h"

struct ticker;

/* Calls tick(ctx) on a thread of its own, which takes no signals, whenever `every_ms` have passed since the
 * last call returned; the first time after as long. *out: ticker_stop(). Error: ERR_INTERNAL. */
int ticker_start(struct ticker **out, unsigned every_ms, void (*tick)(void *ctx), void *ctx, struct err *err);
/* Has the next tick begin now, or right after the one under way. From any thread. */
void ticker_hurry(struct ticker *t);
/* Ends it; waits for a tick that is under way. NULL is fine. */
void ticker_stop(struct ticker *t);

#endif
