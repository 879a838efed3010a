/* Numbers for the admin pages: the dashboard, and usage by whatever it is asked by. */
#include <jansson.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/clock.h"
#include "serve/admin.h"
#include "serve/serve.h"
#include "store/usage.h"

enum { HOURS_SHOWN = 24, DAYS_KEPT_AT_MOST = 3660, ROWS_MAX = 1000 };

/* ---- Usage ---- */

static json_t *counts_json(const struct store_usage_counts *c)
{
    json_t *ttfb = json_array();
    for (size_t i = 0; i < STORE_USAGE_BUCKETS; i++)
        (void)json_array_append_new(ttfb, json_integer((json_int_t)c->ttfb[i]));
    return json_pack("{s:I, s:I, s:I, s:I, s:o}", "requests", (json_int_t)c->requests, "errors",
                     (json_int_t)c->errors, "bytes", (json_int_t)c->bytes, "cached", (json_int_t)c->cached,
                     "ttfb", ttfb);
}

static void add_sum(void *ctx, const struct store_usage_sum *sum)
{
    json_t *one = counts_json(&sum->counts);
    if (one && sum->start_unix_s)
        (void)json_object_set_new(one, "start", admin_time(sum->start_unix_s));
    else if (one)
        (void)json_object_set_new(one, "name", json_string(sum->name));
    (void)json_array_append_new(ctx, one ? one : json_null());
}

/* {"by","hours","rows":[{"start" or "name","requests","errors","bytes","cached","ttfb":[…]}],"ttfb_ms":[…]}
 * of the last `hours`, by hour, day, key, route, site, choice or error; `key`: only of that one. */
int serve_admin_usage(struct app *app, const struct http_request *req, struct http_response *res,
                      struct err *err)
{
    struct admin a;
    int64_t hours;
    const char *by = http_param(req, "by");
    struct store_usage_query q = {.by = store_usage_by_name(by ? by : "hour"), .key = http_param(req, "key")};
    if (admin_enter(app, req, res, ADMIN_LOOK, &a, err) < 0 ||
        admin_number(req, "hours", HOURS_SHOWN, (int64_t)DAYS_KEPT_AT_MOST * 24, &hours, err) < 0 ||
        admin_number(req, "limit", ROWS_MAX, ROWS_MAX, &q.limit, err) < 0 ||
        admin_number(req, "offset", 0, INT32_MAX, &q.offset, err) < 0)
        return -1;
    if (q.by == STORE_USAGE_BY_END)
        return err_set(err, ERR_BAD_REQUEST, "by: hour, day, key, route, site, choice or error");
    int64_t now = clock_unix_s();
    q.from_unix_s = now - hours * STORE_HOUR_S;
    q.until_unix_s = now + 1;
    json_t *ends = json_array();
    for (size_t i = 0; i < STORE_USAGE_BUCKETS - 1; i++)
        (void)json_array_append_new(ends, json_integer((json_int_t)store_usage_ttfb_ms[i]));
    json_t *rows = json_array();
    if (store_usage_sum(app->store, &q, add_sum, rows, err) < 0) {
        json_decref(rows);
        json_decref(ends);
        return -1;
    }
    return admin_send(res,
                      json_pack("{s:s, s:I, s:o, s:o}", "by", store_usage_by_text(q.by), "hours",
                                (json_int_t)hours, "rows", rows, "ttfb_ms", ends),
                      err);
}

/* ---- Dashboard ---- */

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

static json_t *last_hours(struct app *app, int64_t hours, struct err *err)
{
    int64_t now = clock_unix_s();
    struct store_usage_counts all = {0};
    const struct store_usage_query q = {
        .by = STORE_USAGE_BY_HOUR, .from_unix_s = now - hours * STORE_HOUR_S, .until_unix_s = now + 1};
    return store_usage_sum(app->store, &q, add_up, &all, err) < 0 ? NULL : counts_json(&all);
}

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

int serve_admin_dashboard(struct app *app, const struct http_request *req, struct http_response *res,
                          struct err *err)
{
    struct admin a;
    struct live_counts live = {0};
    struct live_stream *streams = NULL;
    size_t count = 0;
    uint64_t rate = 0;
    struct err ignored;
    if (admin_enter(app, req, res, ADMIN_LOOK, &a, err) < 0)
        return -1;
    if (live_list(app->live, &streams, &count, &ignored) == 0) {
        for (size_t i = 0; i < count; i++)
            rate += streams[i].bytes_per_s;
    }
    free(streams);
    (void)live_count(app->live, &live, &ignored);
    json_t *hour = last_hours(app, 1, err);
    json_t *day = hour ? last_hours(app, HOURS_SHOWN, err) : NULL;
    if (!day) {
        json_decref(hour);
        return -1;
    }
    return admin_send(res,
                      json_pack("{s:o, s:s, s:{s:I, s:I, s:I, s:I}, s:o, s:o, s:o, s:o, s:o}", "time",
                                admin_time(clock_unix_s()), "version", SLUICE_VERSION, "streams", "streaming",
                                (json_int_t)live.streaming, "making", (json_int_t)live.making, "waiting",
                                (json_int_t)live.waiting, "bytes_per_s", (json_int_t)rate, "places",
                                places_json(app->gate), "conversions", places_json(app->workers), "last_hour",
                                hour, "last_day", day, "disk", disk_json(app)),
                      err);
}
