/* See work.h. */
#include "serve/work.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct work {
    struct gate *places;
    work_fn *run;
    void *ctx;
    void (*on_change)(void *ctx); /* under `lock`; NULL: nobody asks (any more) */
    void *change_ctx;
    pthread_t thread;
    bool started;
    atomic_bool cancelled;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t filled, drained;
    bool done;
    int rc;
    struct err err;
    size_t from, len;    /* what is in the ring */
    size_t handed;       /* of that, what the consumer looks at */
    unsigned char *ring; /* WORK_RING_BYTES */
};

/* With the lock. */
static void tell(struct work *w)
{
    (void)pthread_cond_signal(&w->filled);
    if (w->on_change)
        w->on_change(w->change_ctx);
}

static void *job(void *arg)
{
    struct work *w = arg;
    struct err err = {0};
    struct gate_ticket place = {0};
    int rc = gate_enter(w->places, &place, &w->cancelled, &err);
    if (rc == 0)
        rc = w->run(w->ctx, w, &err);
    gate_depart(w->places, &place);
    (void)pthread_mutex_lock(&w->lock);
    w->done = true;
    w->rc = rc;
    w->err = err;
    tell(w);
    (void)pthread_mutex_unlock(&w->lock);
    return NULL;
}

int work_start(struct work **out, struct gate *places, work_fn *run, void *ctx,
               void (*on_change)(void *change_ctx), void *change_ctx, struct err *err)
{
    pthread_condattr_t monotonic;
    struct work *w = calloc(1, sizeof *w);
    if (!w || !(w->ring = malloc(WORK_RING_BYTES)) || pthread_condattr_init(&monotonic) != 0) {
        free(w ? w->ring : NULL);
        free(w);
        return err_set(err, ERR_INTERNAL, "out of memory");
    }
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&w->lock, NULL);
    (void)pthread_cond_init(&w->filled, &monotonic);
    (void)pthread_cond_init(&w->drained, NULL);
    (void)pthread_condattr_destroy(&monotonic);
    w->run = run;
    w->ctx = ctx;
    w->places = places;
    w->on_change = on_change;
    w->change_ctx = change_ctx;
    w->started = pthread_create(&w->thread, NULL, job, w) == 0;
    if (!w->started) {
        work_close(w);
        return err_set(err, ERR_INTERNAL, "no thread for a job");
    }
    *out = w;
    return 0;
}

void work_cancel(struct work *w)
{
    (void)pthread_mutex_lock(&w->lock);
    atomic_store(&w->cancelled, true);
    w->on_change = NULL;
    (void)pthread_cond_signal(&w->drained);
    (void)pthread_mutex_unlock(&w->lock);
}

void work_close(struct work *w)
{
    if (!w)
        return;
    work_cancel(w);
    if (w->started)
        (void)pthread_join(w->thread, NULL);
    (void)pthread_cond_destroy(&w->drained);
    (void)pthread_cond_destroy(&w->filled);
    (void)pthread_mutex_destroy(&w->lock);
    free(w->ring);
    free(w);
}

const atomic_bool *work_cancelled(const struct work *w)
{
    return &w->cancelled;
}

/* Copies as much as there is room for in one piece. With the lock. */
static size_t put(struct work *w, const unsigned char *data, size_t len)
{
    size_t at = (w->from + w->len) % WORK_RING_BYTES;
    size_t room = WORK_RING_BYTES - w->len;
    size_t piece = WORK_RING_BYTES - at;
    piece = piece < room ? piece : room;
    piece = piece < len ? piece : len;
    if (piece)
        memcpy(w->ring + at, data, piece);
    w->len += piece;
    return piece;
}

int work_write(struct work *w, const void *data, size_t len)
{
    const unsigned char *at = data;
    (void)pthread_mutex_lock(&w->lock);
    while (len && !atomic_load(&w->cancelled)) {
        size_t n = put(w, at, len);
        at += n;
        len -= n;
        if (n && w->len == n)
            tell(w);
        else if (!n)
            (void)pthread_cond_wait(&w->drained, &w->lock);
    }
    bool wanted = !atomic_load(&w->cancelled);
    (void)pthread_mutex_unlock(&w->lock);
    return wanted ? 0 : -1;
}

static void wait_filled(struct work *w, int wait_ms)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    until.tv_sec += wait_ms / 1000 + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    while (w->len == 0 && !w->done && pthread_cond_timedwait(&w->filled, &w->lock, &until) == 0)
        ;
}

enum work_state work_next(struct work *w, int wait_ms, const void **data, size_t *len, struct err *err)
{
    enum work_state state = WORK_LATER;
    (void)pthread_mutex_lock(&w->lock);
    w->from = (w->from + w->handed) % WORK_RING_BYTES;
    w->len -= w->handed;
    if (w->handed)
        (void)pthread_cond_signal(&w->drained);
    w->handed = 0;
    wait_filled(w, wait_ms);
    if (w->len) {
        size_t piece = WORK_RING_BYTES - w->from;
        w->handed = w->len < piece ? w->len : piece;
        *data = w->ring + w->from;
        *len = w->handed;
        state = WORK_BYTES;
    } else if (w->done) {
        state = w->rc == 0 ? WORK_DONE : WORK_FAILED;
        if (w->rc < 0 && err)
            *err = w->err;
    }
    (void)pthread_mutex_unlock(&w->lock);
    return state;
}
