/* See jobs.h. Each thread that works has a slot: the keeper puts a claimed job into an empty one, the thread
 * runs it and empties the slot. */
#include "serve/jobs.h"
#include "serve/settings.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

enum { LEASE_PARTS = 3 /* a lease is renewed after so much of it */, AGAIN_MAX_S = 3600 };

struct job {
    struct jobs *all;
    enum { SLOT_EMPTY, SLOT_READY, SLOT_RUNNING } state; /* guarded, as all but input and cancelled */
    struct store_job row; /* whoever runs it, and the keeper for its progress */
    json_t *input;
    atomic_bool cancelled;
    bool lost;  /* it is not ours any more */
    bool moved; /* progress that the table does not have yet */
    int64_t renewed_mono_us;
    pthread_t thread;
};

struct jobs {
    struct app *app;
    pthread_t keeper;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    unsigned alive; /* threads, the keeper among them */
    bool stopping;
    bool idle;  /* nothing was due at the last look */
    bool blind; /* the table cannot be read; said once */
    unsigned count;
    struct job slots[];
};

/* ---- For kinds ---- */

struct app *job_app(const struct job *job)
{
    return job->all->app;
}

const struct store_job *job_row(const struct job *job)
{
    return &job->row;
}

const json_t *job_input(const struct job *job)
{
    return job->input;
}

const atomic_bool *job_cancelled(const struct job *job)
{
    return &job->cancelled;
}

void job_progress(struct job *job, uint64_t done_bytes, uint64_t total_bytes, const char *message)
{
    (void)pthread_mutex_lock(&job->all->lock);
    job->row.done_bytes = done_bytes;
    job->row.total_bytes = total_bytes;
    (void)snprintf(job->row.message, sizeof job->row.message, "%s", message);
    job->moved = true;
    (void)pthread_mutex_unlock(&job->all->lock);
}

const struct job_kind *job_kind_find(const char *name)
{
    for (size_t i = 0; i < job_kind_count; i++) {
        if (strcmp(job_kinds[i].name, name) == 0)
            return &job_kinds[i];
    }
    return NULL;
}

/* ---- Running one ---- */

static int64_t backoff_ms(int64_t attempts, const struct err *err)
{
    uint16_t random;
    int64_t ms = JOBS_BACKOFF_MS;
    for (int64_t i = 1; i < attempts && ms < JOBS_BACKOFF_MAX_MS; i++)
        ms *= 2;
    if (ms > JOBS_BACKOFF_MAX_MS)
        ms = JOBS_BACKOFF_MAX_MS;
    hash_random(&random, sizeof random);
    ms = ms / 2 + ms * random / UINT16_MAX;
    int64_t asked_ms = (err->retry_after_s < AGAIN_MAX_S ? err->retry_after_s : AGAIN_MAX_S) * INT64_C(1000);
    return ms > asked_ms ? ms : asked_ms;
}

static int run_kind(struct job *job, char **result, struct err *err)
{
    const struct job_kind *kind = job_kind_find(job->row.kind);
    if (!kind)
        return err_set(err, ERR_INTERNAL, "no such kind of job here");
    job->input = json_loads(job->row.input, 0, NULL);
    json_t *out = json_object();
    int rc = job->input && out ? kind->run(job, out, err)
                               : err_set(err, ERR_INTERNAL, "a job's input does not read");
    *result = rc == 0 ? json_dumps(out, JSON_COMPACT) : NULL;
    json_decref(out);
    json_decref(steal(&job->input));
    return rc == 0 && !*result ? err_set(err, ERR_INTERNAL, "out of memory") : rc;
}

/* How far it was at its end, which the keeper has not told the table yet. */
static void note_progress(struct job *job)
{
    struct err err;
    (void)pthread_mutex_lock(&job->all->lock);
    bool moved = job->moved && !job->lost;
    job->moved = false;
    (void)pthread_mutex_unlock(&job->all->lock);
    if (moved)
        (void)store_job_progress(job->all->app->store, &job->row, &err); /* nobody depends on it */
}

/* Writes down what came of it: 1, 0 it was not ours any more, -1. */
static int settle(struct job *job, int rc, const char *result, const struct err *why, struct err *err)
{
    struct store *store = job->all->app->store;
    const struct store_job *row = &job->row;
    if (rc == 0)
        return store_job_done(store, row, result, err);
    (void)pthread_mutex_lock(&job->all->lock);
    bool stopping = job->all->stopping;
    bool lost = job->lost;
    (void)pthread_mutex_unlock(&job->all->lock);
    if (lost)
        return 0;
    if (stopping)
        return store_job_release(store, row, err);
    const struct err_info *info = err_info(why->code);
    bool again = info->retryable && row->attempts < row->max_attempts;
    return store_job_failed(store, row, info->name, again ? backoff_ms(row->attempts, why) : -1, err);
}

static void run_job(struct job *job)
{
    char attempt[24];
    char ms[24];
    struct err why = {0};
    struct err err = {0};
    auto_ptr(char) char *result = NULL;
    int64_t started_us = clock_mono_us();
    /* Its workers were killed that often: it may be what kills them. */
    bool worn_out = job->row.attempts > job->row.max_attempts;
    int rc = worn_out ? err_set(&why, ERR_INTERNAL, "its workers have been killed")
                      : run_kind(job, &result, &why);
    note_progress(job);
    int settled = settle(job, rc, result, &why, &err);
    (void)snprintf(attempt, sizeof attempt, "%lld", (long long)job->row.attempts);
    (void)snprintf(ms, sizeof ms, "%lld", (long long)(clock_mono_us() - started_us) / 1000);
    log_event(settled < 0 ? LOG_WARN : LOG_INFO, "job", "kind", job->row.kind, "attempt", attempt, "code",
              settled == 0 ? "cancelled" : err_info(rc == 0 ? ERR_OK : why.code)->name, "ms", ms,
              rc < 0        ? "error"
              : settled < 0 ? "not-noted"
                            : NULL,
              rc < 0 ? why.text : err.text, NULL);
}

static void *work(void *ctx)
{
    struct job *job = ctx;
    struct jobs *all = job->all;
    (void)pthread_mutex_lock(&all->lock);
    while (!all->stopping) {
        if (job->state != SLOT_READY) {
            (void)pthread_cond_wait(&all->changed, &all->lock);
            continue;
        }
        job->state = SLOT_RUNNING;
        (void)pthread_mutex_unlock(&all->lock);
        run_job(job);
        (void)pthread_mutex_lock(&all->lock);
        job->state = SLOT_EMPTY;
        store_job_fini(&job->row);
        (void)pthread_cond_broadcast(&all->changed); /* there may be more of the kind */
    }
    all->alive--;
    (void)pthread_cond_broadcast(&all->changed);
    (void)pthread_mutex_unlock(&all->lock);
    return NULL;
}

/* ---- Looking after the table ---- */

static int64_t lease_ms(const struct jobs *all)
{
    return all->app->config.job_lease_s * 1000;
}

/* What the keeper needs of a running job while the lock is not held. */
static bool copy_names(const struct job *job, struct store_job *out)
{
    if (job->state == SLOT_EMPTY || job->lost)
        return false;
    *out = job->row;
    out->input = out->result = NULL;
    return true;
}

/* 1 or -1 (not known): it may go on; 0: it is lost. */
static int keep(struct jobs *all, const struct store_job *row, bool moved, bool due)
{
    struct err err = {0};
    struct store *store = all->app->store;
    int rc = due ? store_job_renew(store, row, lease_ms(all), &err) : 1;
    if (rc == 1 && moved)
        rc = store_job_progress(store, row, &err);
    if (rc == 1 && !due && !moved) {
        auto_(store_job) struct store_job seen = {0};
        rc = store_job_get(store, row->id, &seen, &err);
        if (rc == 1)
            rc = seen.state == STORE_JOB_RUNNING && strcmp(seen.lease, row->lease) == 0;
    }
    return rc;
}

/* With the lock, which it lets go meanwhile. */
static void look_after(struct jobs *all, struct job *job)
{
    struct store_job row;
    if (!copy_names(job, &row))
        return;
    int64_t now_us = clock_mono_us();
    int64_t age_us = now_us - job->renewed_mono_us;
    bool due = age_us >= lease_ms(all) * 1000 / LEASE_PARTS;
    bool moved = job->moved;
    job->moved = false;
    (void)pthread_mutex_unlock(&all->lock);
    int rc = keep(all, &row, moved, due);
    (void)pthread_mutex_lock(&all->lock);
    if (job->state == SLOT_EMPTY || strcmp(job->row.lease, row.lease) != 0)
        return; /* it has ended meanwhile */
    if (rc == 1 && due)
        job->renewed_mono_us = now_us;
    job->moved |= rc < 0 && moved;
    /* One whose lease has run out is somebody else's by now, known or not. */
    if (rc == 0 || (rc < 0 && age_us >= lease_ms(all) * 1000)) {
        job->lost = true;
        atomic_store(&job->cancelled, true);
    }
}

/* *count: how many there are. */
static struct job *empty_slot(struct jobs *all, unsigned *count)
{
    struct job *empty = NULL;
    *count = 0;
    for (unsigned i = 0; i < all->count; i++) {
        if (all->slots[i].state == SLOT_EMPTY) {
            empty = &all->slots[i];
            (*count)++;
        }
    }
    return empty;
}

/* With the lock, which it lets go meanwhile: fills the empty slots with what is due. */
static void claim(struct jobs *all)
{
    struct job *job;
    unsigned empty;
    int rc = 1;
    if (settings_maintenance(all->app)) {
        all->idle = true;
        return;
    }
    while (rc == 1 && !all->stopping && (job = empty_slot(all, &empty))) {
        struct err err = {0};
        struct store_job row = {0};
        int64_t now_us = clock_mono_us();
        /* The last thread is for work that somebody waits for. */
        bool any = empty > 1 || all->count == 1;
        (void)pthread_mutex_unlock(&all->lock);
        rc = (any ? store_job_claim : store_job_claim_urgent)(all->app->store, lease_ms(all), &row, &err);
        (void)pthread_mutex_lock(&all->lock);
        if (rc < 0 && !all->blind)
            log_event(LOG_WARN, "jobs-are-not-taken", "error", err.text, NULL);
        all->blind = rc < 0;
        all->idle = rc == 0 && any;
        if (rc != 1)
            break;
        job->row = row;
        job->state = SLOT_READY;
        job->lost = job->moved = false;
        job->renewed_mono_us = now_us;
        atomic_store(&job->cancelled, false);
        (void)pthread_cond_broadcast(&all->changed);
    }
}

static void *look_on(void *ctx)
{
    struct jobs *all = ctx;
    (void)pthread_mutex_lock(&all->lock);
    while (!all->stopping) {
        for (unsigned i = 0; i < all->count; i++)
            look_after(all, &all->slots[i]);
        claim(all);
        int64_t until_us = clock_mono_us() + JOBS_LOOK_MS * 1000;
        const struct timespec until = {.tv_sec = (time_t)(until_us / 1000000),
                                       .tv_nsec = (long)(until_us % 1000000) * 1000};
        if (!all->stopping)
            (void)pthread_cond_timedwait(&all->changed, &all->lock, &until);
    }
    all->alive--;
    (void)pthread_cond_broadcast(&all->changed);
    (void)pthread_mutex_unlock(&all->lock);
    return NULL;
}

bool jobs_are_idle(struct app *app)
{
    struct jobs *all = app->jobs;
    (void)pthread_mutex_lock(&all->lock);
    bool idle = all->idle;
    for (unsigned i = 0; i < all->count; i++)
        idle &= all->slots[i].state == SLOT_EMPTY;
    (void)pthread_mutex_unlock(&all->lock);
    return idle;
}

/* ---- Start and end ---- */

static void destroy(struct jobs *all)
{
    for (unsigned i = 0; i < all->count; i++)
        store_job_fini(&all->slots[i].row);
    (void)pthread_cond_destroy(&all->changed);
    (void)pthread_mutex_destroy(&all->lock);
    free(all);
}

/* Signals are for the thread that serves. */
static bool start_threads(struct jobs *all, unsigned threads)
{
    sigset_t every;
    sigset_t before;
    (void)sigfillset(&every);
    (void)pthread_sigmask(SIG_SETMASK, &every, &before);
    (void)pthread_mutex_lock(&all->lock);
    bool ok = pthread_create(&all->keeper, NULL, look_on, all) == 0;
    all->alive = ok;
    for (unsigned i = 0; ok && i < threads; i++) {
        struct job *job = &all->slots[i];
        job->all = all;
        ok = pthread_create(&job->thread, NULL, work, job) == 0;
        all->alive += ok;
        all->count += ok;
    }
    (void)pthread_mutex_unlock(&all->lock);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return ok;
}

int jobs_start(struct app *app, unsigned threads, struct err *err)
{
    pthread_condattr_t monotonic;
    struct jobs *all = calloc(1, sizeof *all + threads * sizeof all->slots[0]);
    if (!all || pthread_condattr_init(&monotonic) != 0) {
        free(all);
        return err_set(err, ERR_INTERNAL, "out of memory");
    }
    all->app = app;
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&all->lock, NULL);
    (void)pthread_cond_init(&all->changed, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    bool ok = start_threads(all, threads);
    if (all->alive == 0) {
        destroy(all);
        return err_set(err, ERR_INTERNAL, "cannot start a thread");
    }
    app->jobs = all;
    if (ok)
        return 0;
    (void)jobs_stop(app); /* whatever was started waits for work and ends at once */
    return err_set(err, ERR_INTERNAL, "cannot start a thread");
}

void jobs_hush(struct app *app)
{
    struct jobs *all = app->jobs;
    if (!all)
        return;
    (void)pthread_mutex_lock(&all->lock);
    all->stopping = true;
    for (unsigned i = 0; i < all->count; i++)
        atomic_store(&all->slots[i].cancelled, true);
    (void)pthread_cond_broadcast(&all->changed);
    (void)pthread_mutex_unlock(&all->lock);
}

/* What is claimed and not finished is somebody else's from now on. */
static void give_back(struct jobs *all)
{
    for (unsigned i = 0; i < all->count; i++) {
        struct store_job row;
        struct err err = {0};
        (void)pthread_mutex_lock(&all->lock);
        bool ours = copy_names(&all->slots[i], &row);
        (void)pthread_mutex_unlock(&all->lock);
        if (ours && store_job_release(all->app->store, &row, &err) < 0)
            log_event(LOG_WARN, "job-not-given-back", "error", err.text, NULL);
    }
}

static int join(pthread_t thread)
{
    return pthread_join(thread, NULL);
}

bool jobs_stop(struct app *app)
{
    struct jobs *all = app->jobs;
    if (!all)
        return true;
    int64_t until_us = clock_mono_us() + JOBS_STOP_MS * INT64_C(1000);
    const struct timespec until = {.tv_sec = (time_t)(until_us / 1000000),
                                   .tv_nsec = (long)(until_us % 1000000) * 1000};
    jobs_hush(app);
    (void)pthread_mutex_lock(&all->lock);
    for (int rc = 0; all->alive && rc == 0;)
        rc = pthread_cond_timedwait(&all->changed, &all->lock, &until);
    bool ended = all->alive == 0;
    (void)pthread_mutex_unlock(&all->lock);
    give_back(all);
    int (*let_go)(pthread_t) = ended ? join : pthread_detach;
    (void)let_go(all->keeper);
    for (unsigned i = 0; i < all->count; i++)
        (void)let_go(all->slots[i].thread);
    if (!ended)
        return false;
    app->jobs = NULL;
    destroy(all);
    return true;
}
