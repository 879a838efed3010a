/* What there is to look at: streams, audit log, the site's clients. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "serve/admin.h"
#include "serve/outcomes.h"
#include "serve/serve.h"

enum { PAGE_MAX = 500, PAGE = 100 };

/* ---- Streams ---- */

static json_t *stream_json(const struct live_stream *s)
{
    char title[17];
    (void)snprintf(title, sizeof title, "%016llx", (unsigned long long)s->title_hash);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:s, s:I, s:I, s:I}", "request", s->request, "state",
                     live_state_name(s->state), "site", s->site, "choice", s->choice, "key", s->key,
                     "started_at", admin_time(s->started_unix_s), "title_hash", title, "sent_bytes",
                     (json_int_t)s->sent_bytes, "total_bytes", (json_int_t)s->total_bytes, "bytes_per_s",
                     (json_int_t)s->bytes_per_s);
}

int serve_admin_streams(struct app *app, const struct http_request *req, struct http_response *res,
                        struct err *err)
{
    struct admin a;
    struct live_stream *streams = NULL;
    size_t count = 0;
    int64_t limit;
    if (admin_enter(app, req, res, ADMIN_LOOK, &a, err) < 0 ||
        admin_number(req, "limit", PAGE, PAGE_MAX, &limit, err) < 0 ||
        live_list(app->live, &streams, &count, err) < 0)
        return -1;
    json_t *list = json_array();
    for (size_t i = 0; i < count && i < (size_t)limit; i++)
        (void)json_array_append_new(list, stream_json(&streams[i]));
    free(streams);
    return admin_send(res, json_pack("{s:o, s:I}", "streams", list, "total", (json_int_t)count), err);
}

int serve_admin_streams_stop(struct app *app, const struct http_request *req, struct http_response *res,
                             struct err *err)
{
    struct admin a;
    const char *request;
    if (admin_enter(app, req, res, ADMIN_CHANGE, &a, err) < 0 ||
        admin_param(req, "request", &request, err) < 0)
        return -1;
    int rc = live_stop(app->live, request, err);
    if (rc <= 0)
        return rc < 0 ? -1 : err_set(err, ERR_NOT_FOUND, "no such stream");
    if (admin_note(app, &a, "stream-stop", request, NULL, NULL, err) < 0)
        return -1;
    return admin_send(res, json_pack("{s:b}", "stopped", 1), err);
}

/* ---- Audit ---- */

static json_t *audit_value(const char *text)
{
    json_t *value = *text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
    return value ? value : json_null();
}

static void add_line(void *ctx, const struct store_audit *line)
{
    json_t *one = json_pack("{s:o, s:s, s:s, s:s, s:s, s:o, s:o}", "at",
                            admin_time(line->at_unix_us / 1000000), "cursor", "", "name", line->name,
                            "action", line->action, "subject", line->subject, "before",
                            audit_value(line->before), "after", audit_value(line->after));
    char cursor[24];
    (void)snprintf(cursor, sizeof cursor, "%lld", (long long)line->at_unix_us);
    if (one)
        (void)json_object_set_new(one, "cursor", json_string(cursor));
    (void)json_array_append_new(ctx, one ? one : json_null());
}

int serve_admin_audit(struct app *app, const struct http_request *req, struct http_response *res,
                      struct err *err)
{
    struct admin a;
    int64_t before;
    int64_t limit;
    const char *name = http_param(req, "name");
    const char *action = http_param(req, "action");
    if (admin_enter(app, req, res, ADMIN_LOOK, &a, err) < 0 ||
        admin_number(req, "before", INT64_MAX, INT64_MAX, &before, err) < 0 ||
        admin_number(req, "limit", PAGE, PAGE_MAX, &limit, err) < 0)
        return -1;
    json_t *lines = json_array();
    if (store_audit_list(app->store, before, name ? name : "", action ? action : "", (int)limit, add_line,
                         lines, err) < 0) {
        json_decref(lines);
        return -1;
    }
    return admin_send(res, json_pack("{s:o}", "lines", lines), err);
}

/* ---- Extraction ---- */

int serve_admin_clients(struct app *app, const struct http_request *req, struct http_response *res,
                        struct err *err)
{
    struct admin a;
    if (admin_enter(app, req, res, ADMIN_LOOK, &a, err) < 0)
        return -1;
    json_t *root = outcomes_json(app->store, clock_unix_s(), err);
    json_t *failures = root ? failures_json(app->store, err) : NULL;
    if (!failures || json_object_update_missing(root, failures) < 0) {
        json_decref(root);
        json_decref(failures);
        return -1;
    }
    json_decref(failures);
    return admin_send(res, root, err);
}
