/* Jobs (store/jobs.h) being run: threads of a process that stays, which take what is due, and the kinds of
 * work there are, one row each in job_kinds.c.
 *
 * One thread of the process looks after the table: twice a second it claims what is due, says how far the
 * running jobs are, and keeps their leases. The others do the work. A process that is told to end gives back
 * what it has not finished; what a killed one held is taken over by another when its lease ends, after
 * `job_lease_s`. A job that fails for now is tried again after JOBS_BACKOFF_MS, twice that, four times …,
 * each half to one and a half of it at random. */
#ifndef SLUICE_SERVE_JOBS_H
#define SLUICE_SERVE_JOBS_H

#include <jansson.h>
#include <stdatomic.h>

#include "serve/app.h"
#include "store/jobs.h"

enum {
    JOBS_LOOK_MS = 500,
    JOBS_BACKOFF_MS = 2000,
    JOBS_BACKOFF_MAX_MS = 600000,
    JOBS_STOP_MS = 3000,
};

/* A job that is being run, as its kind sees it. */
struct job;
struct app *job_app(const struct job *job);
const struct store_job *job_row(const struct job *job); /* as it was when it was claimed */
const json_t *job_input(const struct job *job);
/* How far it is, for whoever looks; cheap. `message` is for people: no link, no title, no address. */
void job_progress(struct job *job, uint64_t done_bytes, uint64_t total_bytes, const char *message);
/* True when nobody wants the rest: it was cancelled, taken over, or the process ends. */
const atomic_bool *job_cancelled(const struct job *job);

/* A kind of work. */
struct job_kind {
    const char *name;
    int64_t max_attempts;
    /* Whether a request may have this, and what run() will need of it, added to `input`. NULL: no request
     * may; it is Sluice's own. */
    int (*accept)(struct app *app, const struct http_request *req, json_t *input, struct err *err);
    /* Does it, on a thread that may block, and adds to `result` what its owner is to know. May be begun again
     * after it was broken off at any point. -1: errors that err_info() calls retryable are tried again. */
    int (*run)(struct job *job, json_t *result, struct err *err);
};
extern const struct job_kind job_kinds[];
extern const size_t job_kind_count;
/* NULL: there is no such kind. */
const struct job_kind *job_kind_find(const char *name);

/* Sets app->jobs: `threads` jobs at once. After app_confine(). */
int jobs_start(struct app *app, unsigned threads, struct err *err);
/* Takes no more jobs, and tells those that run to end. Returns at once. */
void jobs_hush(struct app *app);
/* The same, waits for JOBS_STOP_MS, and gives back what is not finished. False: a thread still uses the app,
 * so the program has to leave by _exit(). True where none were started. */
bool jobs_stop(struct app *app);
/* Whether nothing is being run, and nothing was due at the last look. */
bool jobs_are_idle(struct app *app);

#endif
