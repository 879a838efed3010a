/* GET /api/v1/usage: what whoever asks may still do. Costs nothing. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "serve/auth.h"
#include "serve/serve.h"

static json_t *quota_json(const struct auth *who, int64_t full_unix_us, int64_t now_unix_us)
{
    const struct gcra *p = &who->policy;
    return p->limit == 0 ? json_null()
                         : json_pack("{s:I, s:I, s:I, s:I}", "limit", (json_int_t)p->limit, "window_s",
                                     (json_int_t)p->window_s, "remaining",
                                     (json_int_t)gcra_remaining(p, full_unix_us, now_unix_us), "full_in_s",
                                     (json_int_t)gcra_full_s(full_unix_us, now_unix_us));
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

int serve_usage(struct app *app, const struct http_request *req, struct http_response *res, struct err *err)
{
    struct auth who;
    int64_t now = clock_unix_us();
    int64_t full = now;
    if (auth_identify(app, req, NULL, &who, err) < 0)
        return -1;
    const struct store_rate rate = {.subject = who.subject, .now_unix_us = now};
    if (who.policy.limit && store_rate_look(app->store, &rate, &full, err) < 0)
        return -1;
    auth_set_headers(res, &who, full, now);
    json_t *root = json_pack("{s:o, s:o}", "key", key_json(&who), "requests", quota_json(&who, full, now));
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    if (!text)
        return err_set(err, ERR_INTERNAL, "out of memory");
    (void)http_set_header(res, "Cache-Control", "private, no-store");
    (void)http_send(res, "application/json", text, strlen(text));
    free(text);
    return 0;
}
