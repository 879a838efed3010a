/* See prepare.h. */
#include "serve/prepare.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "serve/describe.h"
#include "serve/planned.h"

struct task {
    enum { TASK_NONE, TASK_WAITING, TASK_RUNNING } state;
    uint64_t order;
    char *link;
    char choice[CHOICE_ID_MAX];
    char answer_key[SERVE_KEY_MAX];
};

struct prepare {
    struct app *app;
    pthread_t threads[PREPARE_THREADS];
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    struct task tasks[PREPARE_QUEUE_MAX];
    uint64_t next_order;
    unsigned alive; /* threads */
    bool stopping;
};

/* Exactly what a stream does up to its first byte. */
static int plan_ahead(struct app *app, const struct task *t, struct err *err)
{
    const struct merge_opts usual = {0};
    struct choice choice;
    auto_ptr(description) struct description *d = NULL;
    auto_(planned) struct planned planned = {0};
    if (serve_describe(app, t->link, NULL, &d, NULL, err) < 0 ||
        choice_find(d, t->choice, NULL, &choice, err) < 0)
        return -1;
    const struct planned_wish wish = {.link = t->link, .description = &d, .choice = &choice, .opts = &usual};
    return planned_get(app, &wish, &planned, err);
}

static void run(struct app *app, const struct task *t)
{
    struct err err = {0};
    int rc = plan_ahead(app, t, &err);
    if (rc == 0 && *t->answer_key)
        rc = store_cache_delete(app->store, t->answer_key, &err);
    if (rc < 0)
        log_event(LOG_INFO, "not-prepared", "why", err.text, NULL);
}

/* With the lock held: the one that waits longest. */
static struct task *next_task(struct prepare *p)
{
    struct task *first = NULL;
    for (size_t i = 0; i < PREPARE_QUEUE_MAX; i++) {
        struct task *t = &p->tasks[i];
        if (t->state == TASK_WAITING && (!first || t->order < first->order))
            first = t;
    }
    return first;
}

static void *worker(void *arg)
{
    struct prepare *p = arg;
    (void)pthread_mutex_lock(&p->lock);
    while (!p->stopping) {
        struct task *t = next_task(p);
        if (!t) {
            (void)pthread_cond_wait(&p->changed, &p->lock);
            continue;
        }
        t->state = TASK_RUNNING; /* nobody else touches it now */
        (void)pthread_mutex_unlock(&p->lock);
        run(p->app, t);
        (void)pthread_mutex_lock(&p->lock);
        free(t->link);
        *t = (struct task){0};
    }
    p->alive--;
    (void)pthread_cond_broadcast(&p->changed);
    (void)pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* Signals are for the thread that serves. */
static unsigned start_threads(struct prepare *p)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    (void)pthread_mutex_lock(&p->lock);
    while (p->alive < PREPARE_THREADS && pthread_create(&p->threads[p->alive], NULL, worker, p) == 0)
        p->alive++;
    unsigned started = p->alive;
    (void)pthread_mutex_unlock(&p->lock);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

static void destroy(struct prepare *p)
{
    for (size_t i = 0; i < PREPARE_QUEUE_MAX; i++)
        free(p->tasks[i].link);
    (void)pthread_cond_destroy(&p->changed);
    (void)pthread_mutex_destroy(&p->lock);
    free(p);
}

int prepare_start(struct app *app, struct err *err)
{
    pthread_condattr_t monotonic;
    if (!app->config.prepare || !app->config.plan_cache_bytes)
        return 0;
    struct prepare *p = calloc(1, sizeof *p);
    if (!p || pthread_condattr_init(&monotonic) != 0) {
        free(p);
        return err_set(err, ERR_INTERNAL, "out of memory");
    }
    p->app = app;
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&p->lock, NULL);
    (void)pthread_cond_init(&p->changed, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    if (start_threads(p) < PREPARE_THREADS) {
        app->prepare = p;
        (void)prepare_stop(app); /* whatever was started waits for work and ends at once */
        return err_set(err, ERR_INTERNAL, "cannot start a thread");
    }
    app->prepare = p;
    return 0;
}

bool prepare_stop(struct app *app)
{
    struct prepare *p = app->prepare;
    if (!p)
        return true;
    int64_t until_us = clock_mono_us() + PREPARE_STOP_MS * INT64_C(1000);
    const struct timespec until = {.tv_sec = (time_t)(until_us / 1000000),
                                   .tv_nsec = (long)(until_us % 1000000) * 1000};
    (void)pthread_mutex_lock(&p->lock);
    unsigned started = p->alive;
    p->stopping = true;
    (void)pthread_cond_broadcast(&p->changed);
    for (int rc = 0; p->alive && rc == 0;)
        rc = pthread_cond_timedwait(&p->changed, &p->lock, &until);
    bool ended = p->alive == 0;
    (void)pthread_mutex_unlock(&p->lock);
    if (!ended)
        return false;
    for (unsigned i = 0; i < started; i++)
        (void)pthread_join(p->threads[i], NULL);
    app->prepare = NULL;
    destroy(p);
    return true;
}

/* With the lock held: the place of this task, else an empty one; NULL when there is none. */
static struct task *find_place(struct prepare *p, const char *link, const char *choice)
{
    struct task *empty = NULL;
    for (size_t i = 0; i < PREPARE_QUEUE_MAX; i++) {
        struct task *t = &p->tasks[i];
        if (t->state == TASK_NONE)
            empty = t;
        else if (strcmp(t->link, link) == 0 && strcmp(t->choice, choice) == 0)
            return t;
    }
    return empty;
}

bool prepare_choice(struct app *app, const char *link, const struct choice *c, const char *answer_key)
{
    struct prepare *p = app->prepare;
    if (!p || c->make != CHOICE_SPLICE)
        return false;
    (void)pthread_mutex_lock(&p->lock);
    struct task *t = p->stopping ? NULL : find_place(p, link, c->id);
    char *copy = t && t->state == TASK_NONE ? strdup(link) : NULL;
    if (copy) {
        *t = (struct task){.state = TASK_WAITING, .order = p->next_order++, .link = copy};
        (void)text_copy(t->choice, sizeof t->choice, c->id);
        (void)text_copy(t->answer_key, sizeof t->answer_key, answer_key);
        (void)pthread_cond_signal(&p->changed);
    }
    bool in_hand = t && t->state != TASK_NONE;
    (void)pthread_mutex_unlock(&p->lock);
    return in_hand;
}
