/* See outcomes.h. */
#include "serve/outcomes.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "store/health.h"

enum {
    PENDING_MAX = 64,
    FAILURE_US = 1000 * 1000, /* when everything fails, one of a second tells enough */
    HALF_LIVES = 8,           /* what is older counts less than 1/256 */
};

struct outcomes {
    struct store *store;
    pthread_mutex_t lock; /* guards what follows */
    struct store_health pending[PENDING_MAX];
    size_t pending_count;
    int64_t pending_since_us;
    struct store_health *recent;
    size_t recent_count;
    int64_t read_us;    /* 0: never */
    int64_t failure_us; /* when a failure was last kept; 0: never */
};

int outcomes_open(struct outcomes **out, struct store *store, struct err *err)
{
    struct outcomes *o = calloc(1, sizeof *o);
    if (!o)
        return err_set(err, ERR_INTERNAL, "out of memory");
    o->store = store;
    (void)pthread_mutex_init(&o->lock, NULL);
    *out = o;
    return 0;
}

/* ---- Writing ---- */

/* With the lock, which is given up meanwhile. What cannot be written is lost: it is not worth a wait. */
static void write_pending(struct outcomes *o)
{
    struct err err;
    struct store_health rows[PENDING_MAX];
    size_t count = o->pending_count;
    memcpy(rows, o->pending, count * sizeof *rows);
    o->pending_count = 0;
    o->read_us = 0; /* the next one who asks shall see them */
    (void)pthread_mutex_unlock(&o->lock);
    if (count && store_health_add(o->store, rows, count, clock_unix_s(), &err) < 0)
        log_event(LOG_WARN, "outcomes-not-kept", "error", err.text, NULL);
    (void)pthread_mutex_lock(&o->lock);
}

static bool is_due(const struct outcomes *o)
{
    return o->pending_count &&
           (o->pending_count == PENDING_MAX || clock_mono_us() - o->pending_since_us >= OUTCOMES_WRITE_US);
}

void outcomes_tick(struct outcomes *o)
{
    (void)pthread_mutex_lock(&o->lock);
    if (is_due(o))
        write_pending(o);
    (void)pthread_mutex_unlock(&o->lock);
}

void outcomes_close(struct outcomes *o)
{
    if (!o)
        return;
    (void)pthread_mutex_lock(&o->lock);
    write_pending(o);
    (void)pthread_mutex_unlock(&o->lock);
    (void)pthread_mutex_destroy(&o->lock);
    free(o->recent);
    free(o);
}

/* The site's words, as a database takes them: whole characters, nothing that controls. */
static void set_why(char out[sizeof((struct store_health *)0)->why], const char *why)
{
    size_t room = sizeof((struct store_health *)0)->why;
    size_t len = 0;
    for (size_t left = strlen(why), n = 0; left > 0; why += n, left -= n) {
        uint32_t c = 0;
        n = text_utf8_next(why, left, &c);
        bool plain = n > 0 && c >= 0x20 && c != 0x7f;
        n = n ? n : 1;
        if (len + n >= room)
            break;
        if (plain)
            memcpy(out + len, why, n);
        else
            memset(out + len, '?', n);
        len += n;
    }
    out[len] = '\0';
}

void outcomes_note(void *ctx, const struct site_note *note)
{
    struct outcomes *o = ctx;
    struct store_health row = {.credit = note->credit, .took_ms = note->took_ms, .count = 1};
    if (note->step != SITE_OUTCOME || text_copy(row.client, sizeof row.client, note->client) < 0 ||
        text_copy(row.kind, sizeof row.kind, note->kind) < 0 ||
        text_copy(row.outcome, sizeof row.outcome, note->outcome) < 0)
        return;
    set_why(row.why, note->why);
    row.last_unix_s = clock_unix_s();
    (void)pthread_mutex_lock(&o->lock);
    if (is_due(o))
        write_pending(o);
    size_t i = 0;
    while (i < o->pending_count &&
           (strcmp(o->pending[i].client, row.client) != 0 || strcmp(o->pending[i].kind, row.kind) != 0 ||
            strcmp(o->pending[i].outcome, row.outcome) != 0))
        i++;
    if (i < o->pending_count) {
        row.count += o->pending[i].count;
        row.took_ms += o->pending[i].took_ms;
    } else if (i < PENDING_MAX) {
        o->pending_since_us = o->pending_count++ ? o->pending_since_us : clock_mono_us();
    }
    if (i < PENDING_MAX)
        o->pending[i] = row;
    (void)pthread_mutex_unlock(&o->lock);
}

/* ---- Failures ---- */

/* Whether it is the extractor's, and not the video's. */
static bool is_ours(enum err_code code)
{
    return code == ERR_UPSTREAM_FAILED || code == ERR_BOT_CHECK || code == ERR_RATE_LIMITED_UPSTREAM ||
           code == ERR_INTERNAL;
}

void outcomes_failed(struct outcomes *o, const struct link *link, const struct err *why, const json_t *steps)
{
    struct err err;
    int64_t now_us = clock_mono_us();
    if (link->kind != LINK_YOUTUBE_VIDEO || !is_ours(why->code))
        return;
    (void)pthread_mutex_lock(&o->lock);
    bool keep = !o->failure_us || now_us - o->failure_us >= FAILURE_US;
    if (keep)
        o->failure_us = now_us;
    (void)pthread_mutex_unlock(&o->lock);
    char *trace = keep ? json_dumps(steps, JSON_COMPACT) : NULL;
    char text[sizeof((struct store_health *)0)->why];
    set_why(text, why->text);
    const struct store_failure failure = {clock_unix_us(),           "youtube", link->id,
                                          err_info(why->code)->name, text,      trace ? trace : "[]"};
    if (keep && store_failure_add(o->store, &failure, &err) < 0)
        log_event(LOG_WARN, "failure-not-kept", "error", err.text, NULL);
    free(trace);
}

/* ---- Reading ---- */

/* With the lock. What cannot be read is not known; it is not asked for again at once. */
static void refresh(struct outcomes *o, int half_life_s)
{
    struct err err;
    if (o->read_us && clock_mono_us() - o->read_us < OUTCOMES_READ_US)
        return;
    o->read_us = clock_mono_us();
    if (!o->recent)
        o->recent = malloc(STORE_HEALTH_ROWS_MAX * sizeof *o->recent);
    if (!o->recent)
        return;
    int64_t since = clock_unix_s() - (int64_t)HALF_LIVES * half_life_s;
    int64_t count = store_health_recent(o->store, since, o->recent, STORE_HEALTH_ROWS_MAX, &err);
    o->recent_count = count > 0 ? (size_t)count : 0;
    if (count < 0)
        log_event(LOG_WARN, "outcomes-not-read", "error", err.text, NULL);
}

/* 2^(-age / half life), straight between whole half lives. */
static double weight_of(int64_t age_s, int half_life_s)
{
    double weight = 1;
    for (; age_s >= half_life_s && weight > 1e-6; age_s -= half_life_s)
        weight /= 2;
    return weight > 1e-6 ? weight * (1 - 0.5 * (double)age_s / half_life_s) : 0;
}

struct sum {
    double good, bad, took_ms;
};

static void add_rows(struct sum *sum, const struct store_health *rows, size_t count, const char *client,
                     const char *kind, int half_life_s)
{
    int64_t now = clock_unix_s();
    for (size_t i = 0; rows && i < count; i++) {
        const struct store_health *r = &rows[i];
        if (strcmp(r->client, client) != 0 || strcmp(r->kind, kind) != 0 || r->credit == 0)
            continue;
        int64_t age_s = now > r->last_unix_s ? now - r->last_unix_s : 0;
        double weight = weight_of(age_s, half_life_s);
        if (r->credit < 0) {
            sum->bad += weight * (double)r->count;
        } else {
            sum->good += weight * (double)r->count;
            sum->took_ms += weight * (double)r->took_ms;
        }
    }
}

void outcomes_score(void *ctx, const char *client, const char *kind, int half_life_s, struct site_score *out)
{
    struct outcomes *o = ctx;
    struct sum sum = {0, 0, 0};
    (void)pthread_mutex_lock(&o->lock);
    refresh(o, half_life_s);
    add_rows(&sum, o->recent, o->recent_count, client, kind, half_life_s);
    add_rows(&sum, o->pending, o->pending_count, client, kind, half_life_s);
    (void)pthread_mutex_unlock(&o->lock);
    *out = (struct site_score){sum.good, sum.bad, sum.good > 0 ? sum.took_ms / sum.good : 0};
}

/* ---- For operators ---- */

static json_t *time_json(int64_t unix_s)
{
    char text[24];
    clock_format_utc(unix_s, text, sizeof text);
    return json_string(text);
}

/* The rows of one client and kind, from rows[0] on; *used: how many. */
static json_t *span_json(const struct store_health *rows, size_t count, const char *client, const char *kind)
{
    int64_t asked = 0;
    int64_t good = 0;
    int64_t bad = 0;
    int64_t took_ms = 0;
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        const struct store_health *r = &rows[i];
        if (strcmp(r->client, client) != 0 || strcmp(r->kind, kind) != 0)
            continue;
        asked += r->count;
        good += r->credit > 0 ? r->count : 0;
        bad += r->credit < 0 ? r->count : 0;
        took_ms += r->took_ms;
        (void)json_array_append_new(list, json_pack("{s:s, s:I, s:o, s:s}", "outcome", r->outcome, "count",
                                                    (json_int_t)r->count, "last_at",
                                                    time_json(r->last_unix_s), "why", r->why));
    }
    return json_pack("{s:I, s:I, s:I, s:o, s:I, s:o}", "asked", (json_int_t)asked, "succeeded",
                     (json_int_t)good, "failed", (json_int_t)bad, "success_rate",
                     good + bad ? json_real((double)good / (double)(good + bad)) : json_null(), "took_ms",
                     (json_int_t)(asked ? took_ms / asked : 0), "outcomes", list);
}

json_t *outcomes_json(struct store *store, int64_t now_unix_s, struct err *err)
{
    struct store_health *rows = calloc(2 * STORE_HEALTH_ROWS_MAX, sizeof *rows);
    struct store_health *hour = rows ? rows + STORE_HEALTH_ROWS_MAX : NULL;
    json_t *list = NULL;
    int64_t in_day = -1;
    int64_t in_hour = -1;
    if (!rows)
        (void)err_set(err, ERR_INTERNAL, "out of memory");
    else
        in_day = store_health_sums(store, now_unix_s - 86400, rows, STORE_HEALTH_ROWS_MAX, err);
    if (in_day >= 0)
        in_hour = store_health_sums(store, now_unix_s - 3600, hour, STORE_HEALTH_ROWS_MAX, err);
    if (in_hour >= 0)
        list = json_array();
    for (int64_t i = 0; i < in_day && list; i++) {
        const struct store_health *r = &rows[i];
        if (i > 0 && strcmp(r[-1].client, r->client) == 0 && strcmp(r[-1].kind, r->kind) == 0)
            continue;
        (void)json_array_append_new(
            list, json_pack("{s:s, s:s, s:o, s:o}", "client", r->client, "kind", r->kind, "last_hour",
                            span_json(hour, (size_t)in_hour, r->client, r->kind), "last_day",
                            span_json(rows, (size_t)in_day, r->client, r->kind)));
    }
    free(rows);
    return list ? json_pack("{s:o}", "clients", list) : NULL;
}

static void add_failure(void *ctx, const struct store_failure *f)
{
    json_t *list = ctx;
    json_t *trace = json_loads(f->trace, 0, NULL);
    (void)json_array_append_new(list, json_pack("{s:o, s:s, s:s, s:s, s:s, s:o}", "at",
                                                time_json(f->at_unix_us / 1000000), "site", f->site, "id",
                                                f->id, "code", f->code, "error", f->error, "trace",
                                                trace ? trace : json_array()));
}

json_t *failures_json(struct store *store, struct err *err)
{
    json_t *list = json_array();
    if (list && store_failure_list(store, STORE_FAILURES_MAX, add_failure, list, err) == 0)
        return json_pack("{s:o}", "failures", list);
    json_decref(list);
    return NULL;
}
