/* See rate.h. */
#include "store/rate.h"

#include <string.h>

#include "base/clock.h"
#include "store/internal.h"

static int look(struct db *db, const char *subject, int64_t now_unix_us, int64_t *full, struct err *err)
{
    int rc = db_run(db, DB_RATE_GET, (struct db_value[]){DB_TEXT_VALUE(subject)}, err);
    *full = now_unix_us;
    if (rc == 1) {
        int64_t kept = db_column_int(db, DB_RATE_GET, 0);
        *full = kept > now_unix_us ? kept : now_unix_us;
        db_reset(db, DB_RATE_GET);
    }
    return rc < 0 ? -1 : 0;
}

/* Takes `count` admissions or none. */
static int take(struct db *db, const struct store_rate *r, int64_t count, int64_t *full, struct err *err)
{
    const struct db_value values[] = {
        DB_TEXT_VALUE(r->subject),
        DB_INT_VALUE(r->now_unix_us),
        DB_INT_VALUE(count * r->interval_us),
        DB_INT_VALUE(r->capacity_us),
    };
    int rc = db_run(db, DB_RATE_TAKE, values, err);
    if (rc == 1) {
        *full = db_column_int(db, DB_RATE_TAKE, 0);
        db_reset(db, DB_RATE_TAKE);
    }
    return rc;
}

/* As many of `count` as there are; how many, or -1. Others may take some between our two statements, so it is
 * tried again with what is left, down to nothing. */
static int64_t take_some(struct db *db, const struct store_rate *r, int64_t count, int64_t *full,
                         struct err *err)
{
    int64_t most = r->capacity_us / r->interval_us;
    count = count < most ? count : most; /* the statement does not ask when there is no row yet */
    while (count > 0) {
        int rc = take(db, r, count, full, err);
        if (rc != 0)
            return rc < 0 ? -1 : count;
        if (look(db, r->subject, r->now_unix_us, full, err) < 0)
            return -1;
        int64_t left = (r->now_unix_us + r->capacity_us - *full) / r->interval_us;
        count = left < count - 1 ? left : count - 1;
    }
    return 0;
}

/* ---- Those of one process that wait for each other ---- */

/* One for each of those who wait, on their own stacks, linked in the store. */
struct rate_waiter {
    struct rate_waiter *next;
    const struct store_rate *rate;
    bool done;
    int result;
    int64_t full;
    struct err err;
};

static bool goes_together(const struct store_rate *a, const struct store_rate *b)
{
    return a->interval_us == b->interval_us && a->capacity_us == b->capacity_us &&
           strcmp(a->subject, b->subject) == 0;
}

/* Moves all that go together with `rate` to a list of their own. With the lock. */
static struct rate_waiter *gather(struct store *s, const struct store_rate *rate, int64_t *count)
{
    struct rate_waiter *batch = NULL;
    *count = 0;
    for (struct rate_waiter **at = &s->rate_waiting; *at;) {
        struct rate_waiter *w = *at;
        if (!goes_together(rate, w->rate)) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        w->next = batch;
        batch = w;
        ++*count;
    }
    return batch;
}

/* `taken` of them are admitted; all fail when it is negative. */
static void settle(struct rate_waiter *batch, int64_t taken, int64_t full, const struct err *err)
{
    for (struct rate_waiter *w = batch, *next; w; w = next) {
        next = w->next;
        w->result = taken < 0 ? -1 : taken > 0;
        taken -= taken > 0;
        w->full = full;
        w->err = *err;
        w->done = true;
    }
}

/* For all that wait for the same as `rate`: without the lock, which is held before and after. */
static void serve_batch(struct store *s, const struct store_rate *rate)
{
    int64_t count;
    int64_t full = 0;
    struct err err = {0};
    struct lease l = {0};
    struct rate_waiter *batch = gather(s, rate, &count);
    (void)pthread_mutex_unlock(&s->rate_lock);
    int64_t taken = -1;
    if (lease_begin(&l, &s->pool, STORE_CACHE_WAIT_MS, &err) == 0)
        taken = take_some(l.db, rate, count, &full, &err);
    lease_end(&l);
    (void)pthread_mutex_lock(&s->rate_lock);
    settle(batch, taken, full, &err);
    if (taken < 0) /* the others would have to wait for the same in vain, one after the other */
        settle(steal(&s->rate_waiting), taken, full, &err);
    (void)pthread_cond_broadcast(&s->rate_served);
}

int store_rate_admit(struct store *s, const struct store_rate *rate, int64_t *full_unix_us, struct err *err)
{
    struct rate_waiter me = {.rate = rate};
    (void)pthread_mutex_lock(&s->rate_lock);
    me.next = s->rate_waiting;
    s->rate_waiting = &me; // cppcheck-suppress autoVariables ; it is out again when this returns
    while (!me.done) {
        if (s->rate_busy) {
            (void)pthread_cond_wait(&s->rate_served, &s->rate_lock);
            continue;
        }
        s->rate_busy = true;
        serve_batch(s, rate);
        s->rate_busy = false;
    }
    (void)pthread_cond_broadcast(&s->rate_served); /* somebody else's turn */
    (void)pthread_mutex_unlock(&s->rate_lock);
    *full_unix_us = me.full;
    if (me.result < 0 && err)
        *err = me.err;
    return me.result;
}

/* ---- The rest ---- */

int store_rate_look(struct store *s, const struct store_rate *rate, int64_t *full_unix_us, struct err *err)
{
    auto_(lease) struct lease l = {0};
    if (lease_begin(&l, &s->pool, STORE_CACHE_WAIT_MS, err) < 0)
        return -1;
    return look(l.db, rate->subject, rate->now_unix_us, full_unix_us, err);
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
    int64_t until;
    auto_(lease) struct lease l = {0};
    if (lease_begin(&l, &s->pool, STORE_CACHE_WAIT_MS, err) < 0 ||
        look(l.db, subject, now_unix_us, &until, err) < 0)
        return -1;
    return until > now_unix_us;
}

int store_rate_refund(struct store *s, const struct store_rate *rate, struct err *err)
{
    auto_(lease) struct lease l = {0};
    if (lease_begin(&l, &s->pool, STORE_CACHE_WAIT_MS, err) < 0)
        return -1;
    return db_run(l.db, DB_RATE_REFUND,
                  (struct db_value[]){DB_INT_VALUE(rate->interval_us), DB_TEXT_VALUE(rate->subject)}, err);
}
