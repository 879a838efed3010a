/* See budget.h. */
#include "serve/budget.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

enum { OPEN_MAX = 4096, SECOND_US = 1000000 };

struct open_account {
    struct budget budget;
    int64_t more; /* to be taken; negative: to be given back */
};

struct budgets {
    struct store *store;
    pthread_mutex_t lock;
    size_t count;
    struct open_account open[OPEN_MAX];
};

static int64_t units_of(uint64_t bytes)
{
    return (int64_t)(bytes / BUDGET_UNIT_BYTES) + (bytes % BUDGET_UNIT_BYTES != 0);
}

struct gcra budget_of(int64_t bytes_per_day)
{
    return bytes_per_day > 0 ? gcra_of(units_of((uint64_t)bytes_per_day), BUDGET_WINDOW_S) : (struct gcra){0};
}

static struct store_rate rate_of(const struct budget *b)
{
    return (struct store_rate){b->subject, clock_unix_us(), b->policy.interval_us, b->policy.capacity_us};
}

void budget_subject(const char *subject, char out[STORE_SUBJECT_MAX])
{
    (void)snprintf(out, STORE_SUBJECT_MAX, "b:%s", subject);
}

static void name(const struct auth *who, struct budget *out)
{
    *out = (struct budget){.policy = who->bytes};
    budget_subject(who->subject, out->subject);
}

int budget_look(struct app *app, const struct auth *who, int64_t *full_unix_us, struct err *err)
{
    struct budget b;
    name(who, &b);
    const struct store_rate rate = rate_of(&b);
    *full_unix_us = rate.now_unix_us;
    return who->bytes.limit ? store_rate_look(app->store, &rate, full_unix_us, err) : 0;
}

static int refuse(const struct budget *b, int64_t count, int64_t full, int64_t now, struct http_response *res,
                  struct err *err)
{
    const struct gcra *p = &b->policy;
    (void)http_set_headerf(res, "RateLimit-Policy", "\"bytes\";q=%lld;w=%d;qu=\"content-bytes\"",
                           (long long)p->limit * BUDGET_UNIT_BYTES, BUDGET_WINDOW_S);
    (void)http_set_headerf(res, "RateLimit", "\"bytes\";r=%lld;t=%lld",
                           (long long)gcra_remaining(p, full, now) * BUDGET_UNIT_BYTES,
                           (long long)gcra_full_s(full, now));
    (void)err_set(err, ERR_QUOTA_EXCEEDED, "%lld KiB of %lld a day are not left", (long long)count,
                  (long long)p->limit);
    int64_t wait_us = full + count * p->interval_us - p->capacity_us - now;
    if (err)
        err->retry_after_s = count > p->limit      ? BUDGET_WINDOW_S
                             : wait_us > SECOND_US ? (int)(wait_us / SECOND_US) + 1
                                                   : 1;
    return -1;
}

int budget_begin(struct app *app, const struct auth *who, uint64_t length, struct http_response *res,
                 struct budget *out, struct err *err)
{
    *out = (struct budget){0};
    if (who->bytes.limit == 0)
        return 0;
    struct budget b;
    name(who, &b);
    const struct store_rate rate = rate_of(&b);
    int64_t count = length ? units_of(length) : 1;
    int64_t full = rate.now_unix_us;
    int rc = store_rate_take(app->store, &rate, count, &full, err);
    if (rc <= 0)
        return rc < 0 ? -1 : refuse(&b, count, full, rate.now_unix_us, res, err);
    b.taken = count;
    *out = b;
    return 0;
}

/* ---- Afterwards ---- */

void budget_end(struct app *app, struct budget *b, uint64_t sent_bytes)
{
    struct budgets *all = app->budgets;
    int64_t more = units_of(sent_bytes) - b->taken;
    if (b->taken == 0)
        return;
    if (more) {
        (void)pthread_mutex_lock(&all->lock);
        size_t i = 0;
        while (i < all->count && strcmp(all->open[i].budget.subject, b->subject) != 0)
            i++;
        if (i < all->count)
            all->open[i].more += more;
        else if (all->count < OPEN_MAX) /* else the database was away for long: what was taken stays taken */
            all->open[all->count++] = (struct open_account){*b, more};
        (void)pthread_mutex_unlock(&all->lock);
    }
    *b = (struct budget){0};
}

static int settle(struct budgets *all, const struct open_account *a, struct err *err)
{
    struct store_rate rate = rate_of(&a->budget);
    int64_t full;
    if (a->more < 0)
        return store_rate_refund(all->store, &rate, -a->more, err);
    rate.capacity_us = INT64_MAX / 4; /* it was sent, whether there was so much left or not */
    return store_rate_take(all->store, &rate, a->more, &full, err);
}

void budgets_tick(struct budgets *all)
{
    for (;;) {
        struct err err = {0};
        (void)pthread_mutex_lock(&all->lock);
        bool any = all->count > 0;
        const struct open_account a = any ? all->open[all->count - 1] : (struct open_account){0};
        all->count -= any;
        (void)pthread_mutex_unlock(&all->lock);
        if (!any)
            return;
        if (settle(all, &a, &err) >= 0)
            continue;
        log_event(LOG_WARN, "bytes-not-settled", "error", err.text, NULL);
        (void)pthread_mutex_lock(&all->lock);
        if (all->count < OPEN_MAX)
            all->open[all->count++] = a;
        (void)pthread_mutex_unlock(&all->lock);
        return;
    }
}

int budgets_open(struct budgets **out, struct store *store, struct err *err)
{
    struct budgets *b = calloc(1, sizeof *b);
    if (!b || pthread_mutex_init(&b->lock, NULL) != 0) {
        free(b);
        return err_set(err, ERR_INTERNAL, "out of memory");
    }
    b->store = store;
    *out = b;
    return 0;
}

void budgets_close(struct budgets *b)
{
    if (!b)
        return;
    budgets_tick(b);
    (void)pthread_mutex_destroy(&b->lock);
    free(b);
}
