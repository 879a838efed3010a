/* One job on a thread of its own, and the bounded ring through which its bytes reach the response.
 *
 * Jobs are what cannot be planned: libav reads, makes and writes at its own pace and blocks. How many run at
 * once on this host is a gate of its own (app->workers): more wait for a place there, and get ERR_BUSY in the
 * end. The ring's room is the back-pressure: a slow client slows the job, which stops reading its source.
 *
 * Threads: the job's, which calls work_write() and looks at work_cancelled(); and one consumer, for all else.
 */
#ifndef SLUICE_SERVE_WORK_H
#define SLUICE_SERVE_WORK_H

#include <stdatomic.h>

#include "gate/gate.h"

enum { WORK_RING_BYTES = 1 << 20 };

struct work;

/* Does the job. -1 with *err: what it has written is not all; after a failed work_write() it does not matter
 * what it returns. */
typedef int work_fn(void *ctx, struct work *w, struct err *err);

/* Starts the thread, which takes a place before it runs the job (ERR_BUSY: none in time). `ctx` must live
 * until work_close(). `on_change`, called on the job's thread when bytes have come where there were none, or
 * it has ended: work_next() has something to say. NULL: nobody asks. */
int work_start(struct work **out, struct gate *places, work_fn *run, void *ctx,
               void (*on_change)(void *change_ctx), void *change_ctx, struct err *err);
/* From any thread: the job is to end. on_change is not called any more when this has returned. */
void work_cancel(struct work *w);

/* For the job: blocks until there is room for all of it. -1: it is cancelled. */
int work_write(struct work *w, const void *data, size_t len);
/* For the job: true when nobody wants the rest. Lives until work_close(). */
const atomic_bool *work_cancelled(const struct work *w);

enum work_state {
    WORK_BYTES,  /* *data, *len: borrowed until the next call */
    WORK_LATER,  /* nothing came in `wait_ms` */
    WORK_DONE,   /* all bytes have been handed out, and they are all there are */
    WORK_FAILED, /* *err says why */
};
enum work_state work_next(struct work *w, int wait_ms, const void **data, size_t *len, struct err *err);

/* Cancels the job if it still runs and waits for its end, with which its place is free. NULL is fine. */
void work_close(struct work *w);

DEFINE_AUTO_PTR(work, work_close)

#endif
