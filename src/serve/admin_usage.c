/* Usage for the admin pages, by whatever it is asked by. */
#include <jansson.h>
#include <string.h>

#include "base/clock.h"
#include "serve/admin.h"
#include "serve/serve.h"
#include "store/usage.h"

enum { HOURS_SHOWN = 24, DAYS_KEPT_AT_MOST = 3660, ROWS_MAX = 1000 };

/* ---- Usage ---- */

json_t *admin_counts(const struct store_usage_counts *c)
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
    json_t *one = admin_counts(&sum->counts);
    if (one && sum->start_unix_s)
        (void)json_object_set_new(one, "start", admin_time(sum->start_unix_s));
    else if (one)
        (void)json_object_set_new(one, "name", json_string(sum->name));
    (void)json_array_append_new(ctx, one ? one : json_null());
}

static void add_minute(void *ctx, const struct store_usage_minute *m)
{
    json_t *one = json_pack("{s:o, s:I, s:I, s:I, s:I, s:I}", "start", admin_time(m->start_unix_s),
                            "requests", (json_int_t)m->requests, "errors", (json_int_t)m->errors, "quota",
                            (json_int_t)m->quota, "bytes", (json_int_t)m->bytes, "cached",
                            (json_int_t)m->cached);
    (void)json_array_append_new(ctx, one ? one : json_null());
}

/* Of all keys: {"by":"minute","hours","rows":[{"start","requests","errors","quota","bytes","cached"}]}. */
static int send_minutes(struct app *app, int64_t hours, struct http_response *res, struct err *err)
{
    json_t *rows = json_array();
    if (store_usage_minutes(app->store, clock_unix_s() - hours * STORE_HOUR_S, add_minute, rows, err) < 0) {
        json_decref(rows);
        return -1;
    }
    return admin_send(
        res, json_pack("{s:s, s:I, s:o}", "by", "minute", "hours", (json_int_t)hours, "rows", rows), err);
}

/* {"by","hours","rows":[{"start" or "name","requests","errors","bytes","cached","ttfb":[…]}],"ttfb_ms":[…]}
 * of the last `hours`, by minute (another form, and of all keys), hour, day, key, route, site, choice or
 * error; `key`: only of that one. */
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
    if (by && strcmp(by, "minute") == 0 && !q.key)
        return send_minutes(app, hours, res, err);
    if (q.by == STORE_USAGE_BY_END)
        return err_set(err, ERR_BAD_REQUEST, "by: minute, hour, day, key, route, site, choice or error");
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
