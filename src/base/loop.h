/* An event loop: descriptors, timers, and calls from other threads, all in one thread.
 *
 * Threads: everything belongs to the thread that runs the loop, or to the one that opened it as long as it
 * does not run; only loop_post() and loop_stop() are for any thread. Nothing is copied: watches, timers and
 * posts live in their owner's structs, zeroed before first use, and are taken out before they are freed.
 * A callback may watch, unwatch, set and clear anything, itself included. */
#ifndef SLUICE_BASE_LOOP_H
#define SLUICE_BASE_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/defs.h"
#include "base/err.h"

struct loop;

int loop_open(struct loop **out, struct err *err);
void loop_close(struct loop *l); /* NULL is fine */
/* Runs callbacks until loop_stop() was called, from any thread or before. Posts made before that are run. It
 * may be run again. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);
/* Monotonic time at which this round of callbacks began: good enough for timers, and free. */
int64_t loop_now_us(const struct loop *l);

struct loop_watch {
    void (*ready)(void *ctx, uint32_t events); /* EPOLLIN, EPOLLOUT, EPOLLHUP, EPOLLERR, … */
    void *ctx;
    int fd;
    uint32_t events; /* watched for; 0: not watched. With EPOLLET every change is told once */
};

/* Begins to watch w->fd, or changes what for; 0 ends it. -1: the kernel refuses (EPERM for plain files). */
int loop_watch(struct loop *l, struct loop_watch *w, uint32_t events);
/* Before w->fd is closed. */
void loop_unwatch(struct loop *l, struct loop_watch *w);

struct loop_timer {
    void (*expired)(void *ctx);
    void *ctx;
    int64_t at_us;
    size_t place; /* in the loop's heap, from 1; 0: not set */
};

/* Sets it, or sets it anew; it expires once. -1: out of memory. */
int loop_timer_set(struct loop *l, struct loop_timer *t, int64_t at_us);
void loop_timer_clear(struct loop *l, struct loop_timer *t);

struct loop_post {
    void (*run)(void *ctx);
    void *ctx;
    struct loop_post *next;
    bool queued;
};

/* Has it run once in the loop's thread, soon. One that is queued already is not queued again. */
void loop_post(struct loop *l, struct loop_post *p);
/* In the loop's thread: what was posted is not run any more. Nobody may post it meanwhile. */
void loop_unpost(struct loop *l, struct loop_post *p);

DEFINE_AUTO_PTR(loop, loop_close)

#endif
