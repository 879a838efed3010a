/* See ticker.h. */
#include "base/ticker.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/thread.h"

struct ticker {
    void (*tick)(void *ctx);
    void *ctx;
    unsigned every_ms;
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    bool stopping, hurried;
};

/* True when it is time to end. */
static bool wait_turn(struct ticker *t)
{
    struct timespec until = thread_time_after(t->every_ms);
    (void)pthread_mutex_lock(&t->lock);
    for (int rc = 0; !t->stopping && !t->hurried && rc == 0;)
        rc = pthread_cond_timedwait(&t->changed, &t->lock, &until);
    bool stopping = t->stopping;
    t->hurried = false;
    (void)pthread_mutex_unlock(&t->lock);
    return stopping;
}

static void *work(void *arg)
{
    struct ticker *t = arg;
    while (!wait_turn(t))
        t->tick(t->ctx);
    return NULL;
}

static void destroy(struct ticker *t)
{
    (void)pthread_cond_destroy(&t->changed);
    (void)pthread_mutex_destroy(&t->lock);
    free(t);
}

int ticker_start(struct ticker **out, unsigned every_ms, void (*tick)(void *ctx), void *ctx, struct err *err)
{
    struct ticker *t = calloc(1, sizeof *t);
    if (!t || thread_cond_init(&t->changed) != 0) {
        free(t);
        return err_set(err, ERR_INTERNAL, "out of memory");
    }
    t->tick = tick;
    t->ctx = ctx;
    t->every_ms = every_ms;
    (void)pthread_mutex_init(&t->lock, NULL);
    if (thread_start(&t->thread, work, t) != 0) {
        destroy(t);
        return err_set(err, ERR_INTERNAL, "cannot start a thread");
    }
    *out = t;
    return 0;
}

void ticker_hurry(struct ticker *t)
{
    (void)pthread_mutex_lock(&t->lock);
    t->hurried = true;
    (void)pthread_cond_signal(&t->changed);
    (void)pthread_mutex_unlock(&t->lock);
}

void ticker_stop(struct ticker *t)
{
    if (!t)
        return;
    (void)pthread_mutex_lock(&t->lock);
    t->stopping = true;
    (void)pthread_cond_signal(&t->changed);
    (void)pthread_mutex_unlock(&t->lock);
    (void)pthread_join(t->thread, NULL);
    destroy(t);
}
