/* GET /api/v1/usage: what whoever asks may still do, and what a key was used for lately. Costs nothing. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "serve/auth.h"
#include "serve/books.h"
#include "serve/budget.h"
#include "serve/report.h"
#include "serve/serve.h"

enum { HOURS = 24, DAYS = 30 };

/* `unit`: how much one of the policy's is. */
static json_t *quota_json(const struct gcra *p, int64_t unit, int64_t full_unix_us, int64_t now_unix_us)
{
    return p->limit == 0 ? json_null()
                         : json_pack("{s:I, s:I, s:I, s:I}", "limit", (json_int_t)p->limit * unit, "window_s",
                                     (json_int_t)p->window_s, "remaining",
                                     (json_int_t)gcra_remaining(p, full_unix_us, now_unix_us) * unit,
                                     "full_in_s", (json_int_t)gcra_full_s(full_unix_us, now_unix_us));
}

static json_t *limit_json(int64_t limit)
{
    return limit ? json_integer((json_int_t)limit) : json_null();
}

static json_t *key_json(const struct auth *who)
{
    char expires[24] = "";
    if (!who->has_key)
        return json_null();
    if (who->key.expires_unix_s)
        clock_format_utc(who->key.expires_unix_s, expires, sizeof expires);
    return json_pack("{s:s, s:s, s:s, s:o}", "id", who->key.id, "label", who->key.label, "allow",
                     who->key.addresses, "expires_at", *expires ? json_string(expires) : json_null());
}

/* How many there are on this host; of clients without a key it is not known. */
static json_t *streams_json(struct app *app, const struct auth *who)
{
    struct live_stream *streams = NULL;
    struct err ignored;
    size_t count = 0;
    json_int_t active = 0;
    if (!who->has_key || live_list(app->live, &streams, &count, &ignored) < 0)
        return json_pack("{s:o, s:n}", "limit", limit_json(who->streams), "active");
    for (size_t i = 0; i < count; i++)
        active += strcmp(streams[i].key, who->key.id) == 0;
    free(streams);
    return json_pack("{s:o, s:I}", "limit", limit_json(who->streams), "active", active);
}

static json_t *sites_json(const struct auth *who)
{
    if (!who->has_key || !*who->key.sites)
        return json_null();
    json_t *array = json_array();
    for (const char *at = who->key.sites; *at; at += *at == ',') {
        size_t len = strcspn(at, ",");
        (void)json_array_append_new(array, json_stringn(at, len));
        at += len;
    }
    return array;
}

int serve_usage(struct app *app, const struct http_request *req, struct http_response *res, struct err *err)
{
    struct auth who;
    int64_t now = clock_unix_us();
    int64_t full = now;
    int64_t bytes_full = now;
    if (auth_identify(app, req, NULL, &who, err) < 0)
        return -1;
    const struct store_rate rate = {who.subject, now, who.policy.interval_us, who.policy.capacity_us};
    if ((who.policy.limit && store_rate_look(app->store, &rate, &full, err) < 0) ||
        budget_look(app, &who, &bytes_full, err) < 0)
        return -1;
    auth_note(res, &who);
    auth_set_headers(res, &who, full, now);
    books_tick(app->books); /* what this program has counted itself */
    json_t *use = who.has_key ? report_lately(app->store, who.key.id, HOURS, DAYS, err) : json_null();
    if (!use)
        return -1;
    json_t *root = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "key", key_json(&who), "requests",
                             quota_json(&who.policy, 1, full, now), "bytes",
                             quota_json(&who.bytes, BUDGET_UNIT_BYTES, bytes_full, now), "streams",
                             streams_json(app, &who), "sites", sites_json(&who), "use", use);
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    if (!text)
        return err_set(err, ERR_INTERNAL, "out of memory");
    (void)http_set_header(res, "Cache-Control", "private, no-store");
    (void)http_send(res, "application/json", text, strlen(text));
    free(text);
    return 0;
}
