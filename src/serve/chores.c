/* See chores.h. */
#include "serve/chores.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "serve/books.h"
#include "serve/budget.h"
#include "serve/outcomes.h"

enum { TICK_S = 1 };

struct chores {
    struct app *app;
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    bool stopping;
};

/* True when it is time to end. */
static bool wait_tick(struct chores *c)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += TICK_S;
    (void)pthread_mutex_lock(&c->lock);
    for (int rc = 0; !c->stopping && rc == 0;)
        rc = pthread_cond_timedwait(&c->changed, &c->lock, &until);
    bool stopping = c->stopping;
    (void)pthread_mutex_unlock(&c->lock);
    return stopping;
}

static void *work(void *arg)
{
    struct chores *c = arg;
    while (!wait_tick(c)) {
        outcomes_tick(c->app->outcomes);
        budgets_tick(c->app->budgets);
        books_tick(c->app->books);
    }
    return NULL;
}

static void destroy(struct chores *c)
{
    (void)pthread_cond_destroy(&c->changed);
    (void)pthread_mutex_destroy(&c->lock);
    free(c);
}

int chores_start(struct app *app, struct err *err)
{
    pthread_condattr_t monotonic;
    sigset_t all;
    sigset_t before;
    struct chores *c = calloc(1, sizeof *c);
    if (!c || pthread_condattr_init(&monotonic) != 0) {
        free(c);
        return err_set(err, ERR_INTERNAL, "out of memory");
    }
    c->app = app;
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&c->lock, NULL);
    (void)pthread_cond_init(&c->changed, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    (void)sigfillset(&all); /* signals are for the thread that serves */
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&c->thread, NULL, work, c);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        destroy(c);
        return err_set(err, ERR_INTERNAL, "cannot start a thread");
    }
    app->chores = c;
    return 0;
}

void chores_stop(struct app *app)
{
    struct chores *c = steal(&app->chores);
    if (!c)
        return;
    (void)pthread_mutex_lock(&c->lock);
    c->stopping = true;
    (void)pthread_cond_signal(&c->changed);
    (void)pthread_mutex_unlock(&c->lock);
    (void)pthread_join(c->thread, NULL);
    destroy(c);
}
