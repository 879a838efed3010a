/* See jobs.h. Each step of a job's life is one statement that names the state it leads from, so two that act
 * at once cannot both do it. */
#include "store/jobs.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "store/internal.h"

static const char *const state_names[STORE_JOB_STATES] = {
    [STORE_JOB_QUEUED] = "queued", [STORE_JOB_RUNNING] = "running", [STORE_JOB_WAITING] = "waiting",
    [STORE_JOB_DONE] = "done",     [STORE_JOB_FAILED] = "failed",   [STORE_JOB_CANCELLED] = "cancelled",
};

const char *store_job_state_name(enum store_job_state state)
{
    return state_names[state];
}

int store_job_state_of(const char *name, enum store_job_state *out)
{
    for (size_t i = 0; i < ARRAY_LEN(state_names); i++) {
        if (strcmp(state_names[i], name) == 0) {
            *out = (enum store_job_state)i;
            return 0;
        }
    }
    return -1;
}

bool store_job_is_over(enum store_job_state state)
{
    return state == STORE_JOB_DONE || state == STORE_JOB_FAILED || state == STORE_JOB_CANCELLED;
}

static int64_t now_ms(void)
{
    return clock_unix_us() / 1000;
}

/* 128 random bits as hex digits, for ids and leases. */
static void make_name(char out[STORE_JOB_ID_LEN + 1])
{
    uint8_t bytes[STORE_JOB_ID_LEN / 2];
    hash_random(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++)
        (void)snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}
_Static_assert((int)STORE_JOB_LEASE_LEN == (int)STORE_JOB_ID_LEN, "made alike");

/* ---- Rows ---- */

/* As JOB_COLUMNS of db.c has them. */
enum {
    COL_ID,
    COL_KIND,
    COL_STATE,
    COL_OWNER,
    COL_INPUT,
    COL_RESULT,
    COL_ERROR,
    COL_MESSAGE,
    COL_DONE_BYTES,
    COL_TOTAL_BYTES,
    COL_ATTEMPTS,
    COL_MAX_ATTEMPTS,
    COL_RUN,
    COL_LEASE,
    COL_LEASE_UNTIL,
    COL_CREATED,
    COL_UPDATED,
};

static int read_json(struct db *db, enum db_stmt id, int column, char **out)
{
    size_t len;
    const void *text = db_column_blob(db, id, column, &len);
    if (len > STORE_JOB_JSON_MAX_BYTES || (len && !text))
        return -1;
    *out = strndup(len ? text : "", len);
    return *out ? 0 : -1;
}

/* What does not fit was not written by us. */
static int read_row(struct db *db, enum db_stmt id, struct store_job *job, struct err *err)
{
    char state[16];
    *job = (struct store_job){0};
    int rc = db_column_text(db, id, COL_ID, job->id, sizeof job->id);
    rc |= db_column_text(db, id, COL_KIND, job->kind, sizeof job->kind);
    rc |= db_column_text(db, id, COL_STATE, state, sizeof state);
    rc |= db_column_text(db, id, COL_OWNER, job->owner, sizeof job->owner);
    rc |= db_column_text(db, id, COL_ERROR, job->error, sizeof job->error);
    rc |= db_column_text(db, id, COL_MESSAGE, job->message, sizeof job->message);
    rc |= db_column_text(db, id, COL_LEASE, job->lease, sizeof job->lease);
    rc |= read_json(db, id, COL_INPUT, &job->input);
    rc |= read_json(db, id, COL_RESULT, &job->result);
    job->done_bytes = (uint64_t)db_column_int(db, id, COL_DONE_BYTES);
    job->total_bytes = (uint64_t)db_column_int(db, id, COL_TOTAL_BYTES);
    job->attempts = db_column_int(db, id, COL_ATTEMPTS);
    job->max_attempts = db_column_int(db, id, COL_MAX_ATTEMPTS);
    job->run_unix_ms = db_column_int(db, id, COL_RUN);
    job->lease_unix_ms = db_column_int(db, id, COL_LEASE_UNTIL);
    job->created_unix_ms = db_column_int(db, id, COL_CREATED);
    job->updated_unix_ms = db_column_int(db, id, COL_UPDATED);
    if (rc == 0 && store_job_state_of(state, &job->state) == 0)
        return 0;
    store_job_fini(job);
    return err_set(err, ERR_INTERNAL, "a job's row does not read");
}

void store_job_fini(struct store_job *job)
{
    free(job->input);
    free(job->result);
    *job = (struct store_job){0};
}

/* Of a statement that gives one row or none: 1, 0, -1. */
static int read_one(struct db *db, enum db_stmt id, const struct db_value *values, struct store_job *out,
                    struct err *err)
{
    int rc = db_run(db, id, values, err);
    if (rc <= 0)
        return rc;
    rc = read_row(db, id, out, err);
    db_reset(db, id);
    return rc < 0 ? -1 : 1;
}

int store_job_get(struct store *s, const char *id, struct store_job *out, struct err *err)
{
    auto_(lease) struct lease l = {0};
    if (lease_begin(&l, &s->pool, STORE_CACHE_WAIT_MS, err) < 0)
        return -1;
    return read_one(l.db, DB_JOB_GET, (struct db_value[]){DB_TEXT_VALUE(id)}, out, err);
}

/* ---- Adding ---- */

struct adding {
    const struct store_job_order *order;
    char *id;
};

/* Within a transaction, so that the count is still right when the row is added. */
static int add(struct db *db, void *ctx, struct err *err)
{
    const struct adding *a = ctx;
    const struct store_job_order *o = a->order;
    int rc = db_run(db, DB_JOB_COUNT_OPEN, (struct db_value[]){DB_TEXT_VALUE(o->owner)}, err);
    if (rc <= 0)
        return rc < 0 ? -1 : err_set(err, ERR_INTERNAL, "no count of jobs");
    int64_t of_all = db_column_int(db, DB_JOB_COUNT_OPEN, 0);
    int64_t of_owner = db_column_int(db, DB_JOB_COUNT_OPEN, 1);
    db_reset(db, DB_JOB_COUNT_OPEN);
    if (of_owner >= o->max_of_owner)
        return err_set(err, ERR_QUOTA_EXCEEDED, "%lld jobs of one owner are in hand", (long long)of_owner);
    if (of_all >= o->max_of_all)
        return err_set(err, ERR_BUSY, "%lld jobs are in hand", (long long)of_all);
    const struct db_value values[] = {DB_TEXT_VALUE(a->id),
                                      DB_TEXT_VALUE(o->kind),
                                      DB_TEXT_VALUE(o->owner),
                                      DB_TEXT_VALUE(o->input),
                                      DB_INT_VALUE(o->max_attempts),
                                      DB_INT_VALUE(now_ms()),
                                      DB_TEXT_VALUE(o->place ? o->place : ""),
                                      DB_INT_VALUE(o->later)};
    return db_run(db, DB_JOB_ADD, values, err);
}

int store_job_add(struct store *s, const struct store_job_order *order, char id[STORE_JOB_ID_LEN + 1],
                  struct err *err)
{
    enum { RETRY_AFTER_S = 10 };
    struct adding a = {.order = order, .id = id};
    auto_(lease) struct lease l = {0};
    if (strlen(order->kind) > STORE_JOB_KIND_MAX || strlen(order->input) > STORE_JOB_JSON_MAX_BYTES)
        return err_set(err, ERR_BAD_REQUEST, "a job's input is over %d bytes", STORE_JOB_JSON_MAX_BYTES);
    make_name(id);
    if (lease_begin(&l, &s->pool, DB_USUAL_WAIT_MS, err) < 0)
        return -1;
    int rc = db_transact(l.db, add, &a, err);
    if (rc < 0 && err && err->code == ERR_QUOTA_EXCEEDED)
        err->retry_after_s = RETRY_AFTER_S;
    return rc;
}

/* ---- Working ---- */

static int claim(struct store *s, int64_t lease_ms, bool later, struct store_job *out, struct err *err)
{
    enum { TRIES = 4 }; /* others may be quicker */
    char lease[STORE_JOB_LEASE_LEN + 1];
    auto_(lease) struct lease l = {0};
    if (lease_begin(&l, &s->pool, STORE_CACHE_WAIT_MS, err) < 0)
        return -1;
    make_name(lease);
    for (int i = 0; i < TRIES; i++) {
        int64_t now = now_ms();
        int rc = db_run(l.db, DB_JOB_DUE,
                        (struct db_value[]){DB_INT_VALUE(now), DB_TEXT_VALUE(s->place), DB_INT_VALUE(later)},
                        err);
        if (rc <= 0)
            return rc;
        db_reset(l.db, DB_JOB_DUE);
        const struct db_value values[] = {DB_TEXT_VALUE(lease), DB_INT_VALUE(now + lease_ms),
                                          DB_INT_VALUE(now), DB_TEXT_VALUE(s->place), DB_INT_VALUE(later)};
        rc = read_one(l.db, DB_JOB_CLAIM, values, out, err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

int store_job_claim(struct store *s, int64_t lease_ms, struct store_job *out, struct err *err)
{
    return claim(s, lease_ms, true, out, err);
}

int store_job_claim_urgent(struct store *s, int64_t lease_ms, struct store_job *out, struct err *err)
{
    return claim(s, lease_ms, false, out, err);
}

/* 1 it changed a row, 0 it did not. */
static int change(struct store *s, enum db_stmt id, const struct db_value *values, struct err *err)
{
    auto_(lease) struct lease l = {0};
    if (lease_begin(&l, &s->pool, DB_USUAL_WAIT_MS, err) < 0 || db_run(l.db, id, values, err) < 0)
        return -1;
    return db_changes(l.db) > 0;
}

int store_job_renew(struct store *s, const struct store_job *job, int64_t lease_ms, struct err *err)
{
    return change(s, DB_JOB_RENEW,
                  (struct db_value[]){DB_INT_VALUE(now_ms() + lease_ms), DB_TEXT_VALUE(job->id),
                                      DB_TEXT_VALUE(job->lease)},
                  err);
}

int store_job_progress(struct store *s, const struct store_job *job, struct err *err)
{
    const struct db_value values[] = {
        DB_INT_VALUE((int64_t)job->done_bytes),
        DB_INT_VALUE((int64_t)job->total_bytes),
        DB_TEXT_VALUE(job->message),
        DB_INT_VALUE(now_ms()),
        DB_TEXT_VALUE(job->id),
        DB_TEXT_VALUE(job->lease),
    };
    return change(s, DB_JOB_PROGRESS, values, err);
}

int store_job_done(struct store *s, const struct store_job *job, const char *result, struct err *err)
{
    if (strlen(result) > STORE_JOB_JSON_MAX_BYTES)
        return err_set(err, ERR_INTERNAL, "a job's result is over %d bytes", STORE_JOB_JSON_MAX_BYTES);
    const struct db_value values[] = {DB_TEXT_VALUE(result), DB_INT_VALUE(now_ms()), DB_TEXT_VALUE(job->id),
                                      DB_TEXT_VALUE(job->lease)};
    return change(s, DB_JOB_DONE, values, err);
}

int store_job_failed(struct store *s, const struct store_job *job, const char *code, int64_t again_ms,
                     struct err *err)
{
    int64_t now = now_ms();
    const struct db_value values[] = {
        DB_TEXT_VALUE(state_names[again_ms < 0 ? STORE_JOB_FAILED : STORE_JOB_WAITING]),
        DB_TEXT_VALUE(code),
        DB_INT_VALUE(again_ms < 0 ? now : now + again_ms),
        DB_INT_VALUE(now),
        DB_TEXT_VALUE(job->id),
        DB_TEXT_VALUE(job->lease),
    };
    return change(s, DB_JOB_FAILED, values, err);
}

int store_job_release(struct store *s, const struct store_job *job, struct err *err)
{
    const struct db_value values[] = {DB_INT_VALUE(now_ms()), DB_TEXT_VALUE(job->id),
                                      DB_TEXT_VALUE(job->lease)};
    return change(s, DB_JOB_RELEASE, values, err);
}

/* ---- Looking on ---- */

int store_job_cancel(struct store *s, const char *id, struct err *err)
{
    return change(s, DB_JOB_CANCEL, (struct db_value[]){DB_INT_VALUE(now_ms()), DB_TEXT_VALUE(id)}, err);
}

int store_job_retry(struct store *s, const char *id, struct err *err)
{
    return change(s, DB_JOB_RETRY, (struct db_value[]){DB_INT_VALUE(now_ms()), DB_TEXT_VALUE(id)}, err);
}

int store_job_list(struct store *s, const struct store_job_page *page,
                   void (*each)(void *ctx, const struct store_job *job), void *ctx, struct err *err)
{
    auto_(lease) struct lease l = {0};
    const struct db_value values[] = {
        DB_TEXT_VALUE(page->owner ? page->owner : ""),
        DB_TEXT_VALUE(page->in ? state_names[*page->in] : ""),
        DB_INT_VALUE(page->before_id ? page->before_unix_ms : INT64_MAX),
        DB_TEXT_VALUE(page->before_id ? page->before_id : ""),
        DB_INT_VALUE(page->limit),
    };
    if (lease_begin(&l, &s->pool, STORE_CACHE_WAIT_MS, err) < 0)
        return -1;
    int rc = db_run(l.db, DB_JOB_LIST, values, err);
    for (; rc == 1; rc = db_next(l.db, DB_JOB_LIST, err)) {
        auto_(store_job) struct store_job job = {0};
        if (read_row(l.db, DB_JOB_LIST, &job, err) < 0) {
            db_reset(l.db, DB_JOB_LIST);
            return -1;
        }
        each(ctx, &job);
    }
    return rc;
}

int store_job_count(struct store *s, int64_t counts[STORE_JOB_STATES], struct err *err)
{
    auto_(lease) struct lease l = {0};
    memset(counts, 0, STORE_JOB_STATES * sizeof *counts);
    if (lease_begin(&l, &s->pool, STORE_CACHE_WAIT_MS, err) < 0)
        return -1;
    int rc = db_run(l.db, DB_JOB_COUNT, NULL, err);
    for (; rc == 1; rc = db_next(l.db, DB_JOB_COUNT, err)) {
        char name[16];
        enum store_job_state state;
        if (db_column_text(l.db, DB_JOB_COUNT, 0, name, sizeof name) == 0 &&
            store_job_state_of(name, &state) == 0)
            counts[state] = db_column_int(l.db, DB_JOB_COUNT, 1);
    }
    return rc;
}

void store_jobs_here(struct store *s, const char *place)
{
    s->place = place;
}

void store_jobs_keep(struct store *s, int64_t keep_s)
{
    s->keep_jobs_s = keep_s;
}
