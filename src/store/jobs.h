/* Jobs: work that outlives a request, in a table that all processes and hosts share.
 *
 *   queued ──claim──▶ running ──▶ done
 *      ▲                │ └─────▶ failed          for good, or after max_attempts
 *      └── waiting ◀────┘                         failed for now: again at run_unix_ms
 *   queued, waiting, running ──▶ cancelled;  failed, cancelled ──retry──▶ queued
 *
 * Who claims a job holds a lease on it, and renews that while it works. When the lease ends (the worker was
 * killed, or cut off from the database) the next claim takes the job over; the former worker is told so by
 * whatever it calls next, and changes nothing any more. So a job may be begun more than once, but is never
 * done twice. Any number of workers may claim at once, on both engines. Threads and errors as in store.h. */
#ifndef SLUICE_STORE_JOBS_H
#define SLUICE_STORE_JOBS_H

#include "store/rate.h"

enum {
    STORE_JOB_ID_LEN = 32, /* hex digits of 128 random bits: without a key, who has it may see the job */
    STORE_JOB_KIND_MAX = 16,
    STORE_JOB_LEASE_LEN = 32,
    STORE_JOB_MESSAGE_MAX = 200,
    STORE_JOB_JSON_MAX_BYTES = 65536, /* input, result */
};

enum store_job_state {
    STORE_JOB_QUEUED,
    STORE_JOB_RUNNING,
    STORE_JOB_WAITING,
    STORE_JOB_DONE,
    STORE_JOB_FAILED,
    STORE_JOB_CANCELLED,
    STORE_JOB_STATES,
};
const char *store_job_state_name(enum store_job_state state);
/* -1: there is no such state. */
int store_job_state_of(const char *name, enum store_job_state *out);
/* Whether a job in that state will not change by itself. */
bool store_job_is_over(enum store_job_state state);

struct store_job {
    char id[STORE_JOB_ID_LEN + 1];
    char kind[STORE_JOB_KIND_MAX + 1];
    enum store_job_state state;
    char owner[STORE_SUBJECT_MAX];
    char *input;    /* JSON */
    char *result;   /* JSON; "": none yet */
    char error[32]; /* name of the code it failed with last; "": none */
    char message[STORE_JOB_MESSAGE_MAX + 1];
    uint64_t done_bytes, total_bytes;
    int64_t attempts, max_attempts;
    int64_t run_unix_ms;
    char lease[STORE_JOB_LEASE_LEN + 1];
    int64_t lease_unix_ms;
    int64_t created_unix_ms, updated_unix_ms;
};
void store_job_fini(struct store_job *job);
DEFINE_AUTO(store_job, store_job_fini)

/* What is to be done, and how many may be in hand (queued, waiting, running) with it. */
struct store_job_order {
    const char *kind, *owner, *input;
    int64_t max_attempts;
    int64_t max_of_owner; /* more: ERR_QUOTA_EXCEEDED */
    int64_t max_of_all;   /* more: ERR_BUSY */
    const char *place;    /* whose workers alone may do it (store_jobs_here()); NULL: any */
    bool later;           /* it can wait until no other job is due */
};
int store_job_add(struct store *s, const struct store_job_order *order, char id[STORE_JOB_ID_LEN + 1],
                  struct err *err);
/* 1 found (*out: store_job_fini()), 0 there is none, -1 error. */
int store_job_get(struct store *s, const char *id, struct store_job *out, struct err *err);

/* ---- For workers ---- */

/* The job that has been due for longest, with a lease of `lease_ms`: 1 it is ours (*out: store_job_fini()), 0
 * none is due, -1 error. Cheap while none is. attempts counts this one; more than max_attempts of them: its
 * workers have all been killed. */
int store_job_claim(struct store *s, int64_t lease_ms, struct store_job *out, struct err *err);
/* The same, only of those that cannot wait (store_job_order.later). */
int store_job_claim_urgent(struct store *s, int64_t lease_ms, struct store_job *out, struct err *err);
/* The following want the id and the lease of a claimed job, and return 1, or 0 when it is no longer ours:
 * cancelled, or taken over; -1 error. */
int store_job_renew(struct store *s, const struct store_job *job, int64_t lease_ms, struct err *err);
/* Says how far it is: done_bytes, total_bytes, message. */
int store_job_progress(struct store *s, const struct store_job *job, struct err *err);
int store_job_done(struct store *s, const struct store_job *job, const char *result, struct err *err);
/* With the name of an error's code; again_ms: from now on it waits so long for its next attempt, -1: there is
 * none. */
int store_job_failed(struct store *s, const struct store_job *job, const char *code, int64_t again_ms,
                     struct err *err);
/* Gives it back undone, for another worker, as if it had never been claimed. */
int store_job_release(struct store *s, const struct store_job *job, struct err *err);

/* ---- For owners and operators ---- */

/* 1 done, 0 it is over already or there is none. */
int store_job_cancel(struct store *s, const char *id, struct err *err);
/* Queues one that has failed or was cancelled anew: 1 done, 0 it has not, or there is none. */
int store_job_retry(struct store *s, const char *id, struct err *err);

/* A page of the list, newest first. */
struct store_job_page {
    const char *owner;              /* NULL: of all */
    const enum store_job_state *in; /* NULL: any */
    int64_t limit;                  /* how many at most */
    int64_t before_unix_ms;         /* where the last page ended: the job with this created_unix_ms */
    const char *before_id;          /* and id; NULL: the first page */
};
/* Calls `each` with jobs that are its to borrow; it must not call the store. */
int store_job_list(struct store *s, const struct store_job_page *page,
                   void (*each)(void *ctx, const struct store_job *job), void *ctx, struct err *err);
/* How many there are in each state. */
int store_job_count(struct store *s, int64_t counts[STORE_JOB_STATES], struct err *err);
/* The place of this process (borrowed), for jobs that only it can do; at the start "", which is none. Call
 * before threads. */
void store_jobs_here(struct store *s, const char *place);
/* How long jobs that are over are kept; 0, as at the start: for ever. store_prune() deletes them then. Call
 * at any time. */
void store_jobs_keep(struct store *s, int64_t keep_s);

#endif
