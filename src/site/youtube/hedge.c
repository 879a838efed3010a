/* See hedge.h. */
#include "site/youtube/hedge.h"

#include "base/thread.h"

struct hedge {
    struct hedge_leg *first, *second;
    int delay_ms, grace_ms;
    pthread_mutex_t lock; /* guards what follows, and all of both legs but `run` and `cancelled` */
    pthread_cond_t changed;
};

/* With the lock. Returns when the leg has ended, or so long after. */
static void await_end(struct hedge *h, const struct hedge_leg *leg, int ms)
{
    struct timespec until = thread_time_after((unsigned)ms);
    for (int rc = 0; !leg->ended && rc == 0;)
        rc = pthread_cond_timedwait(&h->changed, &h->lock, &until);
}

static void finish(struct hedge *h, struct hedge_leg *leg, struct hedge_leg *other, enum hedge_end end)
{
    (void)pthread_mutex_lock(&h->lock);
    leg->end = end;
    leg->ended = true;
    (void)pthread_cond_broadcast(&h->changed);
    bool late = other->ended && other->end != HEDGE_FAILED; /* if it has not won yet, it is about to */
    if (end == HEDGE_POOR && other->began)
        await_end(h, other, h->grace_ms);
    if (end == HEDGE_GOOD || (end == HEDGE_POOR && !late && other->end != HEDGE_GOOD))
        leg->won = !other->won;
    if (leg->won)
        atomic_store(&other->cancelled, true);
    (void)pthread_mutex_unlock(&h->lock);
}

static void *run_second(void *arg)
{
    struct hedge *h = arg;
    (void)pthread_mutex_lock(&h->lock);
    await_end(h, h->first, h->delay_ms);
    h->second->began = !h->first->ended;
    (void)pthread_mutex_unlock(&h->lock);
    if (h->second->began)
        finish(h, h->second, h->first, h->second->run(h->second));
    return NULL;
}

void hedge_run(struct hedge_leg *first, struct hedge_leg *second, int delay_ms, int grace_ms)
{
    struct hedge h = {.first = first,
                      .second = second,
                      .delay_ms = delay_ms,
                      .grace_ms = grace_ms,
                      .lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_t thread;
    (void)thread_cond_init(&h.changed);
    first->began = true;
    bool has_second = thread_start(&thread, run_second, &h) == 0;
    finish(&h, first, second, first->run(first));
    if (has_second)
        (void)pthread_join(thread, NULL);
    (void)pthread_cond_destroy(&h.changed);
    (void)pthread_mutex_destroy(&h.lock);
}
