/* See credit.h. */
#include "store/credit.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "store/internal.h"
#include "store/rate_row.h"

enum { ASK_AGAIN_MS = 10 };

int credits_init(struct credits *all)
{
    pthread_condattr_t monotonic;
    if (pthread_condattr_init(&monotonic) != 0)
        return -1;
    bool ok = pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0 &&
              pthread_cond_init(&all->lending, &monotonic) == 0 &&
              pthread_cond_init(&all->served, NULL) == 0 && pthread_mutex_init(&all->lock, NULL) == 0;
    (void)pthread_condattr_destroy(&monotonic);
    return ok ? 0 : -1;
}

/* ---- At the database: one after the other, and without the lock ---- */

/* False: somebody before us has failed meanwhile. */
static bool wait_for_turn(struct credits *all)
{
    unsigned failures = all->failures;
    while (all->busy)
        (void)pthread_cond_wait(&all->served, &all->lock);
    if (all->failures != failures)
        return false;
    all->busy = true;
    return true;
}

static void begin(struct credits *all)
{
    (void)pthread_mutex_unlock(&all->lock);
}

static void end(struct credits *all)
{
    (void)pthread_mutex_lock(&all->lock);
    all->busy = false;
    (void)pthread_cond_broadcast(&all->served);
}

static struct store_rate rate_of(const struct credit *c)
{
    return (struct store_rate){c->subject, 0, c->interval_us, c->capacity_us};
}

/* All that is left of `c`, which is the caller's (busy). What cannot be given back is lost: no more than N
 * are admitted in any case. */
static void give_back(struct store *s, struct credit *c)
{
    const struct store_rate rate = rate_of(c);
    int64_t count = c->left;
    struct err ignored;
    struct lease l = {0};
    c->left = 0;
    c->lent = false;
    while (!wait_for_turn(&s->credits))
        ;
    begin(&s->credits);
    if (lease_begin(&l, &s->pool, STORE_CACHE_WAIT_MS, &ignored) == 0)
        (void)rate_row_give_back(l.db, &rate, count, &ignored);
    lease_end(&l);
    end(&s->credits);
    c->full_unix_us -= count * c->interval_us;
}

/* ---- The thread that gives back ---- */

/* One that is due; else when to look again, 0: nothing is held. */
static struct credit *find_due(struct credits *all, int64_t now_mono_us, int64_t *again_mono_us)
{
    *again_mono_us = 0;
    for (size_t i = 0; i < ARRAY_LEN(all->of); i++) {
        struct credit *c = &all->of[i];
        if (!c->lent || c->busy)
            continue;
        if (all->closing || c->until_mono_us <= now_mono_us)
            return c;
        if (*again_mono_us == 0 || c->until_mono_us < *again_mono_us)
            *again_mono_us = c->until_mono_us;
    }
    return NULL;
}

static void *keep(void *ctx)
{
    struct store *s = ctx;
    struct credits *all = &s->credits;
    (void)pthread_mutex_lock(&all->lock);
    for (;;) {
        int64_t again_us;
        struct credit *c = find_due(all, clock_mono_us(), &again_us);
        if (c) {
            c->busy = true;
            give_back(s, c);
            c->busy = false;
            (void)pthread_cond_broadcast(&all->served);
        } else if (all->closing) {
            break;
        } else if (again_us == 0) {
            (void)pthread_cond_wait(&all->lending, &all->lock);
        } else {
            const struct timespec at = {.tv_sec = (time_t)(again_us / 1000000),
                                        .tv_nsec = (long)(again_us % 1000000) * 1000};
            (void)pthread_cond_timedwait(&all->lending, &all->lock, &at);
        }
    }
    (void)pthread_mutex_unlock(&all->lock);
    return NULL;
}

/* Without it nothing is lent. Signals are for other threads. */
static bool has_keeper(struct store *s)
{
    struct credits *all = &s->credits;
    sigset_t every, before;
    if (all->has_keeper || all->closing)
        return all->has_keeper;
    (void)sigfillset(&every);
    (void)pthread_sigmask(SIG_SETMASK, &every, &before);
    all->has_keeper = pthread_create(&all->keeper, NULL, keep, s) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return all->has_keeper;
}

void credits_fini(struct store *s)
{
    struct credits *all = &s->credits;
    (void)pthread_mutex_lock(&all->lock);
    all->closing = true;
    bool kept = all->has_keeper && s->pool.owner == getpid(); /* a forked child has no such thread */
    (void)pthread_cond_signal(&all->lending);
    (void)pthread_mutex_unlock(&all->lock);
    if (kept)
        (void)pthread_join(all->keeper, NULL);
    (void)pthread_cond_destroy(&all->lending);
    (void)pthread_cond_destroy(&all->served);
    (void)pthread_mutex_destroy(&all->lock);
}

/* ---- Taking ---- */

static void count_demand(struct credit *c, int64_t now_mono_us)
{
    int64_t windows = (now_mono_us - c->window_mono_us) / (CREDIT_MS * INT64_C(1000));
    if (windows > 0) {
        c->asked_before = windows == 1 ? c->asked : 0;
        c->asked = 0;
        c->window_mono_us = now_mono_us;
    }
    c->asked++;
}

/* How many to take beside `need`. */
static int64_t worth_taking(struct store *s, const struct credit *c, int64_t need, int64_t now_unix_us)
{
    int64_t asked = c->asked > c->asked_before ? c->asked : c->asked_before;
    int64_t ahead = c->full_unix_us > now_unix_us ? c->full_unix_us - now_unix_us : 0;
    int64_t most = ((c->capacity_us - ahead) / c->interval_us - need) / CREDIT_SHARE;
    int64_t extra = asked < most ? asked : most;
    bool known = c->full_unix_us != 0;
    return known && extra >= CREDIT_LEAST && has_keeper(s) ? extra : 0;
}

/* A lender no longer: what is past its time, and when nothing more is lent, so that nobody waits for us. */
static void stop_lending(struct store *s, struct credit *c)
{
    if (c->lent)
        give_back(s, c);
}

/* What came of asking. */
enum outcome { DECIDED, OTHERS_HOLD };

/* After asking for wish->need and more, `taken` were had. */
static enum outcome settle(struct store *s, struct credit *c, const struct rate_wish *wish, int64_t taken,
                           const struct rate_row *row)
{
    bool others = row->lent > c->lent;
    if (taken < wish->need)
        stop_lending(s, c);
    c->full_unix_us = row->full_unix_us;
    c->left += taken;
    if (taken > wish->need) {
        c->lent = true;
        c->until_mono_us = clock_mono_us() + CREDIT_MS * INT64_C(1000);
    }
    if (taken < wish->need && !others)
        c->refused_round = c->round;
    return taken == 0 && others ? OTHERS_HOLD : DECIDED;
}

/* Those who came meanwhile would wait for the same in vain, one after the other. */
static enum outcome fail(struct credits *all, struct credit *c)
{
    c->err = all->err;
    c->failed_round = ++c->round;
    return DECIDED;
}

/* Takes for all that wait for `c`, which is the caller's (busy). */
static enum outcome take(struct store *s, struct credit *c, int64_t now_unix_us)
{
    struct store_rate rate = rate_of(c);
    struct rate_row row = {0};
    struct credits *all = &s->credits;
    struct err err = {0};
    struct lease l = {0};
    int64_t taken = -1;
    rate.now_unix_us = now_unix_us;
    if (c->left > 0 || worth_taking(s, c, 1, now_unix_us) == 0)
        stop_lending(s, c);
    if (!wait_for_turn(all))
        return fail(all, c);
    struct rate_wish wish = {.need = 1 + (int64_t)c->waiting, .holds = c->lent};
    wish.extra = worth_taking(s, c, wish.need, now_unix_us);
    c->round++;
    begin(&s->credits);
    if (lease_begin(&l, &s->pool, STORE_CACHE_WAIT_MS, &err) == 0)
        taken = rate_row_take(l.db, &rate, &wish, &row, &err);
    lease_end(&l);
    end(&s->credits);
    if (taken < 0) {
        all->failures++;
        all->err = err;
        return fail(all, c);
    }
    return settle(s, c, &wish, taken, &row);
}

/* The same until it is decided, or what others hold should have come back long ago. */
static void fetch(struct store *s, struct credit *c, int64_t now_unix_us)
{
    int64_t began_us = clock_mono_us();
    int64_t waited_us = 0;
    while (take(s, c, now_unix_us + waited_us) == OTHERS_HOLD) {
        if (waited_us > 2 * CREDIT_LENT_MS * INT64_C(1000)) { /* a clock that goes wrong */
            c->refused_round = c->round;
            return;
        }
        (void)pthread_mutex_unlock(&s->credits.lock);
        clock_sleep_ms(ASK_AGAIN_MS);
        (void)pthread_mutex_lock(&s->credits.lock);
        waited_us = clock_mono_us() - began_us;
    }
}

static bool is_for(const struct credit *c, const struct store_rate *r)
{
    return c->interval_us == r->interval_us && c->capacity_us == r->capacity_us &&
           strcmp(c->subject, r->subject) == 0;
}

static size_t place_of(const char *subject)
{
    return hash_check64(subject, strlen(subject)) % CREDIT_SUBJECTS;
}

/* The subject's; `own`, which nobody else sees, where another one is in its place. */
static struct credit *find(struct credits *all, const struct store_rate *r, struct credit *own)
{
    struct credit *c = &all->of[place_of(r->subject)];
    if (is_for(c, r))
        return c;
    if (c->busy || c->lent || c->waiting)
        c = own;
    *c = (struct credit){.interval_us = r->interval_us, .capacity_us = r->capacity_us};
    (void)text_copy(c->subject, sizeof c->subject, r->subject);
    return c;
}

/* With the lock. */
static int admit(struct store *s, struct credit *c, const struct store_rate *rate, struct err *err)
{
    unsigned arrived = c->round;
    for (;;) {
        if (c->left > 0 && (!c->lent || clock_mono_us() < c->until_mono_us)) {
            c->left--;
            return 1;
        }
        if ((int)(c->refused_round - arrived) > 0)
            return 0;
        if ((int)(c->failed_round - arrived) > 0) {
            if (err)
                *err = c->err;
            return -1;
        }
        if (!c->busy) {
            c->busy = true;
            fetch(s, c, rate->now_unix_us);
            c->busy = false;
            (void)pthread_cond_broadcast(&s->credits.served);
            if (c->lent)
                (void)pthread_cond_signal(&s->credits.lending);
            continue;
        }
        c->waiting++;
        (void)pthread_cond_wait(&s->credits.served, &s->credits.lock);
        c->waiting--;
    }
}

int store_rate_admit(struct store *s, const struct store_rate *rate, int64_t *full_unix_us, struct err *err)
{
    struct credit own;
    (void)pthread_mutex_lock(&s->credits.lock);
    struct credit *c = find(&s->credits, rate, &own);
    count_demand(c, clock_mono_us());
    int rc = admit(s, c, rate, err);
    *full_unix_us = c->full_unix_us - c->left * c->interval_us;
    (void)pthread_mutex_unlock(&s->credits.lock);
    return rc;
}

int64_t credits_held(struct store *s, const struct store_rate *rate)
{
    (void)pthread_mutex_lock(&s->credits.lock);
    const struct credit *c = &s->credits.of[place_of(rate->subject)];
    int64_t held = is_for(c, rate) ? c->left * c->interval_us : 0;
    (void)pthread_mutex_unlock(&s->credits.lock);
    return held;
}
