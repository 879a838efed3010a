/* See usage.h. */
#include "store/usage.h"

#include <string.h>

#include "base/clock.h"
#include "store/internal.h"

enum { LIMIT_USUAL = 1000 };

const int64_t store_usage_ttfb_ms[STORE_USAGE_BUCKETS - 1] = {10, 30, 100, 300, 1000, 3000, 10000};

/* ---- Adding ---- */

static int add(struct db *db, enum db_stmt id, int64_t start_unix_s, const struct store_usage_row *r,
               struct err *err)
{
    const struct store_usage_what *w = &r->what;
    const struct store_usage_counts *c = &r->counts;
    const struct db_value values[] = {
        DB_INT_VALUE(start_unix_s), DB_TEXT_VALUE(w->key),    DB_TEXT_VALUE(w->route),
        DB_TEXT_VALUE(w->site),     DB_TEXT_VALUE(w->choice), DB_TEXT_VALUE(w->code),
        DB_INT_VALUE(c->requests),  DB_INT_VALUE(c->bytes),   DB_INT_VALUE(c->cached),
        DB_INT_VALUE(c->ttfb[0]),   DB_INT_VALUE(c->ttfb[1]), DB_INT_VALUE(c->ttfb[2]),
        DB_INT_VALUE(c->ttfb[3]),   DB_INT_VALUE(c->ttfb[4]), DB_INT_VALUE(c->ttfb[5]),
        DB_INT_VALUE(c->ttfb[6]),   DB_INT_VALUE(c->ttfb[7]),
    };
    return db_run(db, id, values, err);
}

struct batch {
    const struct store_usage_row *rows;
    size_t count;
};

static int add_all(struct db *db, void *ctx, struct err *err)
{
    const struct batch *b = ctx;
    for (size_t i = 0; i < b->count; i++) {
        int64_t hour = b->rows[i].what.hour_unix_s;
        if (add(db, DB_USAGE_ADD_HOUR, hour, &b->rows[i], err) < 0 ||
            add(db, DB_USAGE_ADD_DAY, hour - hour % STORE_DAY_S, &b->rows[i], err) < 0)
            return -1;
    }
    return 0;
}

int store_usage_add(struct store *s, const struct store_usage_row *rows, size_t count, struct err *err)
{
    struct batch b = {rows, count};
    auto_(lease) struct lease l = {0};
    if (lease_begin(&l, &s->pool, STORE_CACHE_WAIT_MS, err) < 0)
        return -1;
    return db_transact(l.db, add_all, &b, err);
}

/* ---- Reading ---- */

static const char *const names[STORE_USAGE_BY_END] = {"hour", "day",    "key",  "route",
                                                      "site", "choice", "error"};

enum store_usage_by store_usage_by_name(const char *name)
{
    enum store_usage_by by = 0;
    while (by < STORE_USAGE_BY_END && strcmp(names[by], name) != 0)
        by++;
    return by;
}

const char *store_usage_by_text(enum store_usage_by by)
{
    return names[by];
}

static int read_sum(struct db *db, enum db_stmt id, bool by_time, struct store_usage_sum *out,
                    struct err *err)
{
    int column = 1;
    *out = (struct store_usage_sum){0};
    if (by_time) {
        out->start_unix_s = db_column_int(db, id, 0);
    } else {
        size_t len;
        const void *name = db_column_blob(db, id, 0, &len);
        if (len >= sizeof out->name || (len && !name))
            return err_set(err, ERR_INTERNAL, "a row of usage does not read");
        if (len)
            memcpy(out->name, name, len);
    }
    int64_t *const into[] = {&out->counts.requests, &out->counts.errors, &out->counts.bytes,
                             &out->counts.cached};
    for (size_t i = 0; i < ARRAY_LEN(into); i++)
        *into[i] = db_column_int(db, id, column++);
    for (size_t i = 0; i < STORE_USAGE_BUCKETS; i++)
        out->counts.ttfb[i] = db_column_int(db, id, column++);
    return 0;
}

int store_usage_sum(struct store *s, const struct store_usage_query *q,
                    void (*each)(void *ctx, const struct store_usage_sum *sum), void *ctx, struct err *err)
{
    static const enum db_stmt statements[STORE_USAGE_BY_END] = {
        DB_USAGE_BY_HOUR, DB_USAGE_BY_DAY,    DB_USAGE_BY_KEY,  DB_USAGE_BY_ROUTE,
        DB_USAGE_BY_SITE, DB_USAGE_BY_CHOICE, DB_USAGE_BY_CODE,
    };
    bool by_time = q->by <= STORE_USAGE_BY_DAY;
    static const enum db_stmt soon[STORE_USAGE_BY_END] = {
        DB_USAGE_BY_HOUR,      DB_USAGE_BY_DAY,         DB_USAGE_SOON_BY_KEY,  DB_USAGE_SOON_BY_ROUTE,
        DB_USAGE_SOON_BY_SITE, DB_USAGE_SOON_BY_CHOICE, DB_USAGE_SOON_BY_CODE,
    };
    int64_t from = q->from_unix_s;
    bool of_hours = q->by == STORE_USAGE_BY_HOUR ||
                    (!by_time && q->until_unix_s - from <= STORE_USAGE_SOON_S);
    enum db_stmt id = of_hours ? soon[q->by] : statements[q->by];
    if (q->by == STORE_USAGE_BY_HOUR && q->key)
        id = DB_USAGE_BY_HOUR_OF_KEY;
    else if (q->by == STORE_USAGE_BY_DAY && q->key)
        id = DB_USAGE_BY_DAY_OF_KEY;
    from -= from % (of_hours ? STORE_HOUR_S : STORE_DAY_S);
    const struct db_value values[] = {
        DB_TEXT_VALUE(q->key ? q->key : "*"),
        DB_INT_VALUE(from),
        DB_INT_VALUE(q->until_unix_s),
        DB_INT_VALUE(q->limit ? q->limit : LIMIT_USUAL),
        DB_INT_VALUE(q->offset),
    };
    auto_(lease) struct lease l = {0};
    if (lease_begin(&l, &s->pool, STORE_CACHE_WAIT_MS, err) < 0)
        return -1;
    int rc = db_run(l.db, id, values, err);
    for (; rc == 1; rc = db_next(l.db, id, err)) {
        struct store_usage_sum sum;
        if (read_sum(l.db, id, by_time, &sum, err) < 0) {
            db_reset(l.db, id);
            return -1;
        }
        each(ctx, &sum);
    }
    return rc;
}

/* ---- Minutes ---- */

int store_usage_minute_add(struct store *s, const struct store_usage_minute *m, struct err *err)
{
    auto_(lease) struct lease l = {0};
    const struct db_value values[] = {
        DB_INT_VALUE(m->start_unix_s), DB_INT_VALUE(m->requests), DB_INT_VALUE(m->errors),
        DB_INT_VALUE(m->quota),        DB_INT_VALUE(m->bytes),    DB_INT_VALUE(m->cached),
    };
    if (lease_begin(&l, &s->pool, STORE_CACHE_WAIT_MS, err) < 0)
        return -1;
    return db_run(l.db, DB_USAGE_ADD_MINUTE, values, err);
}

int store_usage_minutes(struct store *s, int64_t since_unix_s,
                        void (*each)(void *ctx, const struct store_usage_minute *m), void *ctx,
                        struct err *err)
{
    const enum db_stmt id = DB_USAGE_BY_MINUTE;
    auto_(lease) struct lease l = {0};
    if (lease_begin(&l, &s->pool, STORE_CACHE_WAIT_MS, err) < 0)
        return -1;
    int rc = db_run(l.db, id, (struct db_value[]){DB_INT_VALUE(since_unix_s)}, err);
    for (; rc == 1; rc = db_next(l.db, id, err)) {
        int64_t column[6];
        for (int i = 0; i < (int)ARRAY_LEN(column); i++)
            column[i] = db_column_int(l.db, id, i);
        each(ctx,
             &(struct store_usage_minute){column[0], column[1], column[2], column[3], column[4], column[5]});
    }
    return rc;
}

/* ---- Forgetting ---- */

/* An hour or a day at a time, so that other writers get between. */
static int forget(struct store *s, enum db_stmt id, int64_t before_unix_s, struct err *err)
{
    for (int64_t deleted = 1; deleted > 0;) {
        auto_(lease) struct lease l = {0};
        if (lease_begin(&l, &s->pool, STORE_CACHE_WAIT_MS, err) < 0 ||
            db_run(l.db, id, (struct db_value[]){DB_INT_VALUE(before_unix_s)}, err) < 0)
            return -1;
        deleted = db_changes(l.db);
    }
    return 0;
}

int store_usage_forget(struct store *s, int64_t hours_before_unix_s, int64_t days_before_unix_s,
                       struct err *err)
{
    return forget(s, DB_USAGE_FORGET_MINUTES, clock_unix_s() - STORE_MINUTES_KEPT_S, err) < 0 ||
                   forget(s, DB_USAGE_FORGET_HOURS, hours_before_unix_s, err) < 0 ||
                   forget(s, DB_USAGE_FORGET_DAYS, days_before_unix_s, err) < 0
               ? -1
               : 0;
}
