/* The dashboard's numbers, asked for once, or sent as server-sent events for as long as somebody looks. */
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/clock.h"
#include "serve/admin.h"
#include "serve/events.h"
#include "serve/outcomes.h"
#include "serve/serve.h"
#include "serve/settings.h"
#include "store/jobs.h"

/* What the database adds up is asked for less often than what lies in memory. */
enum { EVENT_MS = 2000, SUMS_S = 5, HOURS_SHOWN = 24, EVENT_MAX_BYTES = 512 * 1024 };

/* ---- Sums ---- */

static void add_up(void *ctx, const struct store_usage_sum *sum)
{
    struct store_usage_counts *all = ctx;
    all->requests += sum->counts.requests;
    all->errors += sum->counts.errors;
    all->bytes += sum->counts.bytes;
    all->cached += sum->counts.cached;
    for (size_t i = 0; i < STORE_USAGE_BUCKETS; i++)
        all->ttfb[i] += sum->counts.ttfb[i];
}

static json_t *last_day(struct app *app, int64_t now, struct err *err)
{
    struct store_usage_counts all = {0};
    const struct store_usage_query q = {
        .by = STORE_USAGE_BY_HOUR, .from_unix_s = now - HOURS_SHOWN * STORE_HOUR_S, .until_unix_s = now + 1};
    return store_usage_sum(app->store, &q, add_up, &all, err) < 0 ? NULL : admin_counts(&all);
}

static void add_minute(void *ctx, const struct store_usage_minute *m)
{
    struct store_usage_minute *all = ctx;
    all->requests += m->requests;
    all->errors += m->errors;
    all->quota += m->quota;
    all->bytes += m->bytes;
    all->cached += m->cached;
}

static json_t *last_hour(struct app *app, int64_t now, struct err *err)
{
    struct store_usage_minute all = {0};
    if (store_usage_minutes(app->store, now - STORE_HOUR_S, add_minute, &all, err) < 0)
        return NULL;
    return json_pack("{s:I, s:I, s:I, s:I, s:I}", "requests", (json_int_t)all.requests, "errors",
                     (json_int_t)all.errors, "quota", (json_int_t)all.quota, "bytes", (json_int_t)all.bytes,
                     "cached", (json_int_t)all.cached);
}

static void add_code(void *ctx, const struct store_usage_sum *sum)
{
    if (strcmp(sum->name, "ok") != 0)
        (void)json_array_append_new(
            ctx, json_pack("{s:s, s:I}", "code", sum->name, "requests", (json_int_t)sum->counts.requests));
}

static json_t *codes(struct app *app, int64_t now, struct err *err)
{
    enum { MOST = 12 };
    json_t *list = json_array();
    const struct store_usage_query q = {.by = STORE_USAGE_BY_CODE,
                                        .from_unix_s = now - HOURS_SHOWN * STORE_HOUR_S,
                                        .until_unix_s = now + 1,
                                        .limit = MOST};
    if (store_usage_sum(app->store, &q, add_code, list, err) == 0)
        return list;
    json_decref(list);
    return NULL;
}

static json_t *jobs_json(struct app *app, struct err *err)
{
    int64_t counts[STORE_JOB_STATES];
    if (store_job_count(app->store, counts, err) < 0)
        return NULL;
    json_t *root = json_object();
    for (int i = 0; i < STORE_JOB_STATES; i++)
        (void)json_object_set_new(root, store_job_state_name((enum store_job_state)i),
                                  json_integer((json_int_t)counts[i]));
    return root;
}

/* NULL: the database does not answer. */
static json_t *sums_json(struct app *app, struct err *err)
{
    int64_t now = clock_unix_s();
    json_t *root = outcomes_json(app->store, now, err);
    const struct {
        const char *name;
        json_t *(*make)(struct app *app, int64_t now, struct err *err);
    } parts[] = {{"last_hour", last_hour}, {"last_day", last_day}, {"errors", codes}};
    for (size_t i = 0; root && i < ARRAY_LEN(parts); i++) {
        json_t *part = parts[i].make(app, now, err);
        if (json_object_set_new(root, parts[i].name, part) < 0)
            json_decref(steal(&root));
    }
    if (root && json_object_set_new(root, "jobs", jobs_json(app, err)) < 0)
        json_decref(steal(&root));
    return root;
}

/* ---- What lies in memory ---- */

static json_t *places_json(struct gate *gate)
{
    struct gate_counts c = {0};
    struct err ignored;
    (void)gate_count(gate, &c, &ignored);
    return json_pack("{s:i, s:i, s:i}", "max", (int)c.max, "active", (int)c.active, "waiting",
                     (int)c.waiting);
}

static json_t *disk_json(const struct app *app)
{
    struct statvfs fs;
    if (statvfs(app->config.data_dir, &fs) < 0)
        return json_null();
    return json_pack("{s:I, s:I}", "free_bytes", (json_int_t)fs.f_bavail * (json_int_t)fs.f_frsize,
                     "total_bytes", (json_int_t)fs.f_blocks * (json_int_t)fs.f_frsize);
}

static json_t *streams_json(struct app *app)
{
    struct live_counts live = {0};
    struct live_stream *streams = NULL;
    size_t count = 0;
    uint64_t rate = 0;
    struct err ignored;
    if (live_list(app->live, &streams, &count, &ignored) == 0) {
        for (size_t i = 0; i < count; i++)
            rate += streams[i].bytes_per_s;
    }
    free(streams);
    (void)live_count(app->live, &live, &ignored);
    return json_pack("{s:I, s:I, s:I, s:I}", "streaming", (json_int_t)live.streaming, "making",
                     (json_int_t)live.making, "waiting", (json_int_t)live.waiting, "bytes_per_s",
                     (json_int_t)rate);
}

/* With the `sums` in it. NULL: no memory. */
static json_t *dashboard_json(struct app *app, json_t *sums)
{
    json_t *maintenance = settings_maintenance(app) ? json_string(app->config.maintenance_message)
                                                    : json_null();
    json_t *root = json_pack("{s:o, s:I, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "time",
                             admin_time(clock_unix_s()), "time_ms", (json_int_t)(clock_unix_us() / 1000),
                             "version", SLUICE_VERSION, "maintenance", maintenance, "streams",
                             streams_json(app), "places", places_json(app->gate), "conversions",
                             places_json(app->workers), "processes", admin_processes(app), "disk",
                             disk_json(app), "database", admin_database(app));
    if (root && json_object_update(root, sums) < 0)
        json_decref(steal(&root));
    return root;
}

int serve_admin_dashboard(struct app *app, const struct http_request *req, struct http_response *res,
                          struct err *err)
{
    struct admin a;
    if (admin_enter(app, req, res, ADMIN_LOOK, &a, err) < 0)
        return -1;
    json_t *sums = sums_json(app, err);
    if (!sums)
        return err->code ? -1 : err_set(err, ERR_INTERNAL, "out of memory");
    json_t *root = dashboard_json(app, sums);
    json_decref(sums);
    return admin_send(res, root, err);
}

/* ---- Events ---- */

struct onlooker {
    struct app *app;
    char session[STORE_SESSION_TEXT_LEN + 1];
    json_t *sums;
    int64_t summed_mono_us;
};

static void leave(void *ctx)
{
    struct onlooker *o = ctx;
    json_decref(o->sums);
    free(o);
}

/* Every SUMS_S: adds up, and looks whether the session is still one; who has left or may no longer look gets
 * nothing more. An open dashboard keeps its session from being idle. */
static int refresh(struct onlooker *o)
{
    struct err ignored = {0};
    struct store_session session;
    int64_t now_us = clock_mono_us();
    if (o->sums && now_us - o->summed_mono_us < SUMS_S * INT64_C(1000000))
        return 0;
    int found = store_session_find(o->app->store, o->session, &session, &ignored);
    if (found <= 0)
        return found < 0 ? -1 : EVENTS_END;
    json_t *sums = sums_json(o->app, &ignored);
    if (!sums)
        return -1;
    json_decref(o->sums);
    o->sums = sums;
    o->summed_mono_us = now_us;
    return 0;
}

static int look(void *ctx, struct buf *out)
{
    struct onlooker *o = ctx;
    int rc = refresh(o);
    if (rc != 0)
        return rc;
    json_t *root = dashboard_json(o->app, o->sums);
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL; /* has no line breaks */
    json_decref(root);
    if (text)
        (void)buf_addf(out, "event: dashboard\ndata: %s\n\n", text);
    free(text);
    return 0;
}

int serve_admin_events(struct app *app, const struct http_request *req, struct http_response *res,
                       struct err *err)
{
    struct admin a;
    if (admin_enter(app, req, res, ADMIN_LOOK, &a, err) < 0)
        return -1;
    (void)http_set_header(res, "Cache-Control", "no-store, no-transform");
    (void)http_set_header(res, "Content-Type", "text/event-stream; charset=utf-8");
    (void)http_set_header(res, "X-Accel-Buffering", "no"); /* nginx would hold it back */
    if (req->method == HTTP_HEAD)
        return http_begin(res, HTTP_LENGTH_UNKNOWN);
    struct onlooker *o = calloc(1, sizeof *o);
    if (!o)
        return err_set(err, ERR_INTERNAL, "out of memory");
    o->app = app;
    memcpy(o->session, a.text, sizeof o->session);
    const struct events_source source = {
        .look = look, .free = leave, .ctx = o, .every_ms = EVENT_MS, .max_bytes = EVENT_MAX_BYTES};
    if (events_listen(app->events, http_exchange_of(res), &source, err) == 0)
        return HTTP_LATER;
    leave(o);
    return -1;
}
