/* See rate.h and rate_row.h. */
#include "store/rate.h"

#include <string.h>

#include "base/clock.h"
#include "store/credit.h"
#include "store/internal.h"
#include "store/rate_row.h"

enum { RESCALE_PAUSE_MS = 20 };

/* ---- Rows ---- */

int rate_row_look(struct db *db, const char *subject, int64_t now_unix_us, struct rate_row *out,
                  struct err *err)
{
    int rc = db_run(db, DB_RATE_GET, (struct db_value[]){DB_TEXT_VALUE(subject)}, err);
    *out = (struct rate_row){.full_unix_us = now_unix_us};
    if (rc == 1) {
        int64_t kept = db_column_int(db, DB_RATE_GET, 0);
        out->full_unix_us = kept > now_unix_us ? kept : now_unix_us;
        if (db_column_int(db, DB_RATE_GET, 2) > now_unix_us)
            out->lent = db_column_int(db, DB_RATE_GET, 1);
        db_reset(db, DB_RATE_GET);
    }
    return rc < 0 ? -1 : 0;
}

/* Takes `count` admissions or none. */
static int take(struct db *db, const struct store_rate *r, int64_t count, const struct rate_wish *wish,
                int64_t *full, struct err *err)
{
    bool lends = count > wish->need || wish->holds;
    const struct db_value values[] = {
        DB_TEXT_VALUE(r->subject),
        DB_INT_VALUE(r->now_unix_us),
        DB_INT_VALUE(count * r->interval_us),
        DB_INT_VALUE(lends && !wish->holds),
        DB_INT_VALUE(lends ? r->now_unix_us + CREDIT_LENT_MS * INT64_C(1000) : 0),
        DB_INT_VALUE(r->capacity_us),
    };
    int rc = db_run(db, DB_RATE_TAKE, values, err);
    if (rc == 1) {
        *full = db_column_int(db, DB_RATE_TAKE, 0);
        db_reset(db, DB_RATE_TAKE);
    }
    return rc;
}

/* Others may take some between our two statements, so it is tried again with what is left, down to nothing.
 */
int64_t rate_row_take(struct db *db, const struct store_rate *r, const struct rate_wish *wish,
                      struct rate_row *row, struct err *err)
{
    int64_t most = r->capacity_us / r->interval_us; /* the statement does not ask when there is no row yet */
    int64_t count = wish->need + wish->extra;
    count = count < most ? count : most;
    *row = (struct rate_row){.full_unix_us = r->now_unix_us};
    while (count > 0) {
        int rc = take(db, r, count, wish, &row->full_unix_us, err);
        if (rc != 0)
            return rc < 0 ? -1 : count;
        if (rate_row_look(db, r->subject, r->now_unix_us, row, err) < 0)
            return -1;
        int64_t left = (r->now_unix_us + r->capacity_us - row->full_unix_us) / r->interval_us;
        count = left < count - 1 ? left : count - 1;
        count = count < wish->need ? count : wish->need;
    }
    return 0;
}

int rate_row_give_back(struct db *db, const struct store_rate *r, int64_t count, struct err *err)
{
    const struct db_value values[] = {DB_INT_VALUE(count * r->interval_us), DB_TEXT_VALUE(r->subject)};
    return db_run(db, DB_RATE_GIVE_BACK, values, err);
}

/* ---- What has no credit ---- */

int store_rate_look(struct store *s, const struct store_rate *rate, int64_t *full_unix_us, struct err *err)
{
    struct rate_row row;
    auto_(lease) struct lease l = {0};
    if (lease_begin(&l, &s->pool, STORE_CACHE_WAIT_MS, err) < 0 ||
        rate_row_look(l.db, rate->subject, rate->now_unix_us, &row, err) < 0)
        return -1;
    *full_unix_us = row.full_unix_us - credits_held(s, rate);
    return 0;
}

int store_rate_note(struct store *s, const char *subject, int64_t now_unix_us, int64_t until_unix_us,
                    struct err *err)
{
    auto_(lease) struct lease l = {0};
    const struct db_value values[] = {
        DB_TEXT_VALUE(subject),
        DB_INT_VALUE(until_unix_us),
        DB_INT_VALUE(now_unix_us),
    };
    if (lease_begin(&l, &s->pool, STORE_CACHE_WAIT_MS, err) < 0 ||
        db_run(l.db, DB_RATE_NOTE, values, err) < 0)
        return -1;
    return db_changes(l.db) > 0;
}

int store_rate_noted(struct store *s, const char *subject, int64_t now_unix_us, struct err *err)
{
    struct rate_row row;
    auto_(lease) struct lease l = {0};
    if (lease_begin(&l, &s->pool, STORE_CACHE_WAIT_MS, err) < 0 ||
        rate_row_look(l.db, subject, now_unix_us, &row, err) < 0)
        return -1;
    return row.full_unix_us > now_unix_us;
}

int store_rate_take(struct store *s, const struct store_rate *rate, int64_t count, int64_t *full_unix_us,
                    struct err *err)
{
    struct rate_row row;
    auto_(lease) struct lease l = {0};
    const struct rate_wish all = {.need = count};
    if (lease_begin(&l, &s->pool, STORE_CACHE_WAIT_MS, err) < 0)
        return -1;
    if (count <=
        rate->capacity_us / rate->interval_us) { /* else the statement would not ask, without a row */
        int rc = take(l.db, rate, count, &all, full_unix_us, err);
        if (rc != 0)
            return rc;
    }
    if (rate_row_look(l.db, rate->subject, rate->now_unix_us, &row, err) < 0)
        return -1;
    *full_unix_us = row.full_unix_us;
    return 0;
}

static int rescale(struct store *s, const struct db_value *values, const struct store_rate *now,
                   struct rate_row *row, struct err *err)
{
    auto_(lease) struct lease l = {0};
    if (lease_begin(&l, &s->pool, DB_USUAL_WAIT_MS, err) < 0 ||
        db_run(l.db, DB_RATE_RESCALE, values, err) < 0)
        return -1;
    *row = (struct rate_row){0};
    return db_changes(l.db) > 0 ? 0 : rate_row_look(l.db, now->subject, now->now_unix_us, row, err);
}

int store_rate_rescale(struct store *s, const struct store_rate *before, const struct store_rate *now,
                       struct err *err)
{
    const struct db_value values[] = {
        DB_INT_VALUE(now->now_unix_us),    DB_INT_VALUE(now->interval_us),
        DB_INT_VALUE(before->interval_us), DB_INT_VALUE(now->capacity_us / now->interval_us),
        DB_TEXT_VALUE(now->subject),
    };
    for (int waited_ms = 0;; waited_ms += RESCALE_PAUSE_MS) {
        struct rate_row row;
        if (rescale(s, values, now, &row, err) < 0)
            return -1;
        if (row.lent == 0 || waited_ms >= CREDIT_LENT_MS)
            return 0;
        clock_sleep_ms(RESCALE_PAUSE_MS);
    }
}

int store_rate_refund(struct store *s, const struct store_rate *rate, int64_t count, struct err *err)
{
    auto_(lease) struct lease l = {0};
    if (lease_begin(&l, &s->pool, STORE_CACHE_WAIT_MS, err) < 0)
        return -1;
    return db_run(l.db, DB_RATE_REFUND,
                  (struct db_value[]){DB_INT_VALUE(count * rate->interval_us), DB_TEXT_VALUE(rate->subject)},
                  err);
}
