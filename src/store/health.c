/* See health.h. */
#include "store/health.h"

#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "store/internal.h"

static int64_t minute_of(int64_t unix_s)
{
    return unix_s / 60;
}

/* ---- Outcomes ---- */

struct batch {
    const struct store_health *rows;
    size_t count;
    int64_t now_unix_s;
};

static int add_all(struct db *db, void *ctx, struct err *err)
{
    const struct batch *b = ctx;
    for (size_t i = 0; i < b->count; i++) {
        const struct store_health *r = &b->rows[i];
        const struct db_value values[] = {
            DB_INT_VALUE(minute_of(b->now_unix_s)),
            DB_TEXT_VALUE(r->client),
            DB_TEXT_VALUE(r->kind),
            DB_TEXT_VALUE(r->outcome),
            DB_INT_VALUE(r->credit),
            DB_INT_VALUE(r->count),
            DB_INT_VALUE(r->took_ms),
            DB_INT_VALUE(r->last_unix_s),
            DB_TEXT_VALUE(r->why),
        };
        if (db_run(db, DB_HEALTH_ADD, values, err) < 0)
            return -1;
    }
    const struct db_value before[] = {DB_INT_VALUE(minute_of(b->now_unix_s - STORE_HEALTH_KEPT_S))};
    return db_run(db, DB_HEALTH_FORGET, before, err);
}

int store_health_add(struct store *s, const struct store_health *rows, size_t count, int64_t now_unix_s,
                     struct err *err)
{
    struct batch batch = {rows, count, now_unix_s};
    auto_(lease) struct lease l = {0};
    if (lease_begin(&l, &s->pool, STORE_CACHE_WAIT_MS, err) < 0)
        return -1;
    return db_transact(l.db, add_all, &batch, err);
}

static void read_row(struct db *db, enum db_stmt id, struct store_health *r)
{
    int column = 0;
    *r = (struct store_health){.credit = 0};
    (void)db_column_text(db, id, column++, r->client, sizeof r->client);
    (void)db_column_text(db, id, column++, r->kind, sizeof r->kind);
    if (id == DB_HEALTH_SUMS)
        (void)db_column_text(db, id, column++, r->outcome, sizeof r->outcome);
    r->credit = (int)db_column_int(db, id, column++);
    r->count = db_column_int(db, id, column++);
    r->took_ms = db_column_int(db, id, column++);
    r->last_unix_s = db_column_int(db, id, column++);
    if (id == DB_HEALTH_SUMS)
        (void)db_column_text(db, id, column, r->why, sizeof r->why);
}

static int64_t read_rows(struct store *s, enum db_stmt id, int64_t since_unix_s, struct store_health *out,
                         size_t room, struct err *err)
{
    int64_t count = 0;
    auto_(lease) struct lease l = {0};
    const struct db_value values[] = {DB_INT_VALUE(minute_of(since_unix_s)), DB_INT_VALUE((int64_t)room)};
    if (lease_begin(&l, &s->pool, STORE_CACHE_WAIT_MS, err) < 0)
        return -1;
    int rc = db_run(l.db, id, values, err);
    for (; rc == 1 && count < (int64_t)room; rc = db_next(l.db, id, err))
        read_row(l.db, id, &out[count++]);
    if (rc == 1)
        db_reset(l.db, id);
    return rc < 0 ? -1 : count;
}

int64_t store_health_recent(struct store *s, int64_t since_unix_s, struct store_health *out, size_t room,
                            struct err *err)
{
    return read_rows(s, DB_HEALTH_RECENT, since_unix_s, out, room, err);
}

int64_t store_health_sums(struct store *s, int64_t since_unix_s, struct store_health *out, size_t room,
                          struct err *err)
{
    return read_rows(s, DB_HEALTH_SUMS, since_unix_s, out, room, err);
}

/* ---- Failures ---- */

static int add_failure(struct db *db, void *ctx, struct err *err)
{
    const struct store_failure *f = ctx;
    const struct db_value values[] = {
        DB_INT_VALUE(f->at_unix_us), DB_TEXT_VALUE(f->site),  DB_TEXT_VALUE(f->id),
        DB_TEXT_VALUE(f->code),      DB_TEXT_VALUE(f->error), DB_TEXT_VALUE(f->trace),
    };
    const struct db_value kept[] = {DB_INT_VALUE(STORE_FAILURES_MAX)};
    return db_run(db, DB_FAILURE_ADD, values, err) < 0 ? -1 : db_run(db, DB_FAILURE_FORGET, kept, err);
}

int store_failure_add(struct store *s, const struct store_failure *failure, struct err *err)
{
    struct store_failure f = *failure;
    auto_(lease) struct lease l = {0};
    if (strlen(f.trace) > STORE_TRACE_MAX_BYTES)
        f.trace = "[]";
    if (lease_begin(&l, &s->pool, STORE_CACHE_WAIT_MS, err) < 0)
        return -1;
    return db_transact(l.db, add_failure, &f, err);
}

int store_failure_list(struct store *s, size_t most, void (*each)(void *ctx, const struct store_failure *f),
                       void *ctx, struct err *err)
{
    enum { TEXTS = 5, TEXT_MAX = 512 };
    auto_(lease) struct lease l = {0};
    auto_(buf) struct buf room = BUF_INIT(STORE_TRACE_MAX_BYTES + 1);
    char *trace = buf_reserve(&room, STORE_TRACE_MAX_BYTES + 1);
    const struct db_value values[] = {DB_INT_VALUE((int64_t)most)};
    if (!trace)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (lease_begin(&l, &s->pool, STORE_CACHE_WAIT_MS, err) < 0)
        return -1;
    int rc = db_run(l.db, DB_FAILURE_LIST, values, err);
    for (; rc == 1; rc = db_next(l.db, DB_FAILURE_LIST, err)) {
        char texts[TEXTS - 1][TEXT_MAX];
        for (int i = 0; i < TEXTS - 1; i++)
            (void)db_column_text(l.db, DB_FAILURE_LIST, i + 1, texts[i], TEXT_MAX);
        (void)db_column_text(l.db, DB_FAILURE_LIST, TEXTS, trace, STORE_TRACE_MAX_BYTES + 1);
        const struct store_failure f = {
            db_column_int(l.db, DB_FAILURE_LIST, 0), texts[0], texts[1], texts[2], texts[3], trace};
        each(ctx, &f);
    }
    return rc;
}
