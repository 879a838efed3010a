/* See outward.h. */
#include "serve/outward.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "store/rate.h"

enum {
    BURST = 20,              /* calls at once after a pause */
    BACKOFF_S = 30,          /* where the site does not say how long */
    BACKOFF_MAX_S = 3600,    /* a site that says more is not believed */
    PACE_LOOK_US = 20 * 1000 /* the least to wait before asking for a turn again */
};

static void subject_of(const char *kind, const char *way, char out[STORE_SUBJECT_MAX])
{
    (void)snprintf(out, STORE_SUBJECT_MAX, "%s:%.*s", kind, EGRESS_WAY_NAME_MAX, way);
}

/* ---- Which way ---- */

bool outward_is_left_alone(struct app *app, const char *way)
{
    char subject[STORE_SUBJECT_MAX];
    struct err ignored;
    subject_of("b", way, subject);
    return store_rate_noted(app->store, subject, clock_unix_us(), &ignored) == 1;
}

static const struct egress_way *draw(const struct egress_way *ways, const bool *out_of, size_t count)
{
    uint64_t random;
    uint64_t sum = 0;
    hash_random(&random, sizeof random);
    for (size_t i = 0; i < count; i++)
        sum += out_of[i] ? 0 : ways[i].weight;
    random = sum ? random % sum : 0;
    for (size_t i = 0; i < count && sum; i++) {
        if (out_of[i])
            continue;
        if (random < ways[i].weight)
            return &ways[i];
        random -= ways[i].weight;
    }
    return NULL;
}

/* NULL: none but `avoid` (which may be NULL), or all have been told to wait. */
static const struct egress_way *choose(struct app *app, const struct egress_way *ways, size_t count,
                                       const char *avoid)
{
    bool out_of[EGRESS_WAYS_MAX];
    bool ailing[EGRESS_WAYS_MAX];
    for (size_t i = 0; i < count; i++) {
        out_of[i] = (avoid && strcmp(ways[i].name, avoid) == 0) || outward_is_left_alone(app, ways[i].name);
        ailing[i] = out_of[i] || ways[i].ailing;
    }
    const struct egress_way *way = draw(ways, ailing, count);
    return way ? way : draw(ways, out_of, count);
}

static const struct egress_way *find(const struct egress_way *ways, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(ways[i].name, name) == 0)
            return &ways[i];
    }
    return NULL;
}

static bool take(struct outward *o, const char *avoid)
{
    struct egress_way ways[EGRESS_WAYS_MAX];
    size_t count = egress_ways(o->app->net, ways);
    const struct egress_way *way = o->only_way ? find(ways, count, o->only_way)
                                               : choose(o->app, ways, count, avoid);
    if (!way)
        return false;
    o->is_one_of = count > 1;
    memcpy(o->way, way->name, sizeof o->way);
    egress_name(o->app->net, way, o->cookies, o->egress);
    return true;
}

int outward_begin(struct outward *o, const struct link *link, struct err *err)
{
    o->cookies = link->kind == LINK_DIRECT;
    if (take(o, NULL))
        return 0;
    (void)err_set(err, ERR_RATE_LIMITED_UPSTREAM, "the site wants us to wait, by every way out");
    if (err)
        err->retry_after_s = BACKOFF_S;
    return -1;
}

bool outward_again(struct outward *o, const struct err *why)
{
    char before[EGRESS_WAY_NAME_MAX];
    memcpy(before, o->way, sizeof before);
    switch (why->code) {
    case ERR_UPSTREAM_FAILED:
    case ERR_RATE_LIMITED_UPSTREAM:
    case ERR_BOT_CHECK:
    case ERR_GEO_BLOCKED:
        return o->is_one_of && !o->only_way && take(o, before);
    default:
        return false;
    }
}

int outward_mark(const struct outward *o, struct description *d, struct err *err)
{
    for (size_t i = 0; i < d->format_count && *o->egress; i++) {
        struct format *f = &d->formats[i];
        if (!f->egress && description_set_text(&f->egress, o->egress, strlen(o->egress), EGRESS_MAX) < 0)
            return err_set(err, ERR_INTERNAL, "out of memory");
    }
    return 0;
}

/* ---- Taking turns ---- */

/* Half to one and a half times as long: whoever looks on should not see a clock. */
static int64_t interval_us(const struct app *app)
{
    uint16_t random;
    hash_random(&random, sizeof random);
    return app->config.upstream_interval_ms * 1000 * (500 + random % 1001) / 1000;
}

/* Waits for a turn, no longer than a call may take. Where the database cannot say, it is our turn. */
static int pace(const struct outward *o, const atomic_bool *cancelled, struct err *err)
{
    struct app *app = o->app;
    char subject[STORE_SUBJECT_MAX];
    int64_t until_us = clock_mono_us() + app->config.upstream_timeout_ms * 1000;
    if (o->until_mono_us && o->until_mono_us < until_us)
        until_us = o->until_mono_us;
    if (app->config.upstream_interval_ms == 0)
        return 0;
    subject_of("x", o->way, subject);
    for (;;) {
        struct err ignored;
        int64_t full_us = 0;
        if (cancelled && atomic_load(cancelled))
            return err_set(err, ERR_UPSTREAM_FAILED, "cancelled");
        const struct store_rate rate = {
            .subject = subject,
            .now_unix_us = clock_unix_us(),
            .interval_us = interval_us(app),
            .capacity_us = app->config.upstream_interval_ms * 1000 * BURST,
        };
        if (store_rate_admit(app->store, &rate, &full_us, &ignored) != 0)
            return 0;
        int64_t wait_us = full_us + rate.interval_us - rate.capacity_us - rate.now_unix_us;
        wait_us = wait_us > PACE_LOOK_US ? wait_us : PACE_LOOK_US;
        if (clock_mono_us() + wait_us > until_us) {
            (void)err_set(err, ERR_BUSY, "too many questions at once by %s", o->way);
            if (err)
                err->retry_after_s = (int)(wait_us / 1000000) + 1;
            return -1;
        }
        clock_sleep_ms((unsigned)(wait_us / 1000));
    }
}

static void note_429(const struct outward *o, int retry_after_s)
{
    char subject[STORE_SUBJECT_MAX];
    char text[16];
    struct err err;
    uint16_t random;
    hash_random(&random, sizeof random);
    int64_t wait_us = (int64_t)(retry_after_s > 0 ? retry_after_s : BACKOFF_S) * 1000000;
    if (wait_us > BACKOFF_MAX_S * INT64_C(1000000))
        wait_us = BACKOFF_MAX_S * INT64_C(1000000);
    wait_us += wait_us / 4 * random / UINT16_MAX; /* processes should not come back together */
    subject_of("b", o->way, subject);
    (void)snprintf(text, sizeof text, "%d", (int)(wait_us / 1000000));
    log_event(LOG_WARN, "told-to-wait", "way", o->way, "seconds", text, NULL);
    if (store_rate_note(o->app->store, subject, clock_unix_us(), clock_unix_us() + wait_us, &err) < 0)
        log_event(LOG_WARN, "not-noted", "error", err.text, NULL);
}

/* What is left of the time for all calls together is the most for one. */
static int limit_time(const struct outward *o, struct net_call *call, struct err *err)
{
    int64_t left_ms = (o->until_mono_us - clock_mono_us()) / 1000;
    if (o->until_mono_us == 0)
        return 0;
    if (left_ms <= 0)
        return err_set(err, ERR_UPSTREAM_FAILED, "the time for all of it is over");
    if (left_ms < (call->timeout_ms ? call->timeout_ms : o->app->config.upstream_timeout_ms))
        call->timeout_ms = (int)left_ms;
    return 0;
}

static int outward_call(void *ctx, const struct net_call *call, struct net_answer *answer, struct err *err)
{
    const struct outward *o = ctx;
    struct net_call by_way = *call;
    struct gate_ticket ticket = {0};
    by_way.egress = call->egress ? call->egress : o->egress;
    by_way.cancelled = call->cancelled ? call->cancelled : &o->app->ending;
    if (limit_time(o, &by_way, err) < 0)
        return -1;
    if (!call->asked_as)
        return o->under.call(o->under.call_ctx, &by_way, answer, err);
    if (gate_enter(o->app->calls, &ticket, by_way.cancelled, err) < 0)
        return atomic_load(by_way.cancelled) ? err_set(err, ERR_UPSTREAM_FAILED, "cancelled") : -1;
    int rc = pace(o, by_way.cancelled, err);
    if (rc == 0)
        rc = o->under.call(o->under.call_ctx, &by_way, answer, err);
    gate_depart(o->app->calls, &ticket);
    if (rc == 0 && answer->status == 429)
        note_429(o, answer->retry_after_s);
    return rc;
}

void outward_join(struct outward *o, struct site_env *env)
{
    o->under = *env;
    env->call = outward_call;
    env->call_ctx = o;
    env->way = o->is_one_of ? o->way : NULL;
    env->egress = o->egress;
    env->proxy = egress_proxy(o->app->net, o->way);
}
