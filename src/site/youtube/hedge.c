/* See hedge.h. */
#include "site/youtube/hedge.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

struct hedge {
    struct hedge_leg *first, *second;
    struct timespec start; /* of the second */
    pthread_mutex_t lock;  /* guards what follows, and `won` of both */
    pthread_cond_t changed;
    bool first_ended;
};

static void finish(struct hedge *h, struct hedge_leg *leg, struct hedge_leg *other, bool good)
{
    (void)pthread_mutex_lock(&h->lock);
    leg->won = good && !other->won;
    if (leg->won)
        atomic_store(&other->cancelled, true);
    h->first_ended |= leg == h->first;
    (void)pthread_cond_signal(&h->changed);
    (void)pthread_mutex_unlock(&h->lock);
}

static void *run_second(void *arg)
{
    struct hedge *h = arg;
    (void)pthread_mutex_lock(&h->lock);
    for (int rc = 0; !h->first_ended && rc == 0;)
        rc = pthread_cond_timedwait(&h->changed, &h->lock, &h->start);
    h->second->began = !h->first_ended;
    (void)pthread_mutex_unlock(&h->lock);
    if (h->second->began)
        finish(h, h->second, h->first, h->second->run(h->second));
    return NULL;
}

static bool start_thread(struct hedge *h, pthread_t *thread)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all); /* signals are for the thread that serves */
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(thread, NULL, run_second, h);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc == 0;
}

void hedge_run(struct hedge_leg *first, struct hedge_leg *second, int delay_ms)
{
    struct hedge h = {.first = first, .second = second, .lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_condattr_t monotonic;
    pthread_t thread;
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&h.changed, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    (void)clock_gettime(CLOCK_MONOTONIC, &h.start);
    h.start.tv_sec += delay_ms / 1000;
    h.start.tv_nsec += delay_ms % 1000 * 1000000L;
    if (h.start.tv_nsec >= 1000000000L) {
        h.start.tv_sec++;
        h.start.tv_nsec -= 1000000000L;
    }
    first->began = true;
    bool has_second = start_thread(&h, &thread);
    finish(&h, first, second, first->run(first));
    if (has_second)
        (void)pthread_join(thread, NULL);
    (void)pthread_cond_destroy(&h.changed);
    (void)pthread_mutex_destroy(&h.lock);
}
