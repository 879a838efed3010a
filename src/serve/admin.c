/* See admin.h. */
#include "serve/admin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

const char *admin_cookie_name(const struct http_request *req)
{
    return req->https ? "__Host-sluice_admin" : "sluice_admin";
}

void admin_csrf(const char *session_text, char out[HASH_HEX_LEN + 1])
{
    char text[STORE_SESSION_TEXT_LEN + 8];
    (void)snprintf(text, sizeof text, "csrf:%s", session_text);
    hash_sha256_hex(text, strlen(text), out);
}

/* The value of our cookie; -1: it is not there, or is none of ours. */
static int find_cookie(const struct http_request *req, char out[STORE_SESSION_TEXT_LEN + 1])
{
    const char *name = admin_cookie_name(req);
    size_t name_len = strlen(name);
    for (const char *at = req->cookie ? req->cookie : ""; *at;) {
        at += strspn(at, "; \t");
        size_t len = strcspn(at, ";");
        if (len == name_len + 1 + STORE_SESSION_TEXT_LEN && strncmp(at, name, name_len) == 0 &&
            at[name_len] == '=') {
            memcpy(out, at + name_len + 1, STORE_SESSION_TEXT_LEN);
            out[STORE_SESSION_TEXT_LEN] = '\0';
            return 0;
        }
        at += len;
    }
    return -1;
}

int admin_check_origin(const struct http_request *req, struct err *err)
{
    const char *host = req->origin ? strstr(req->origin, "://") : NULL;
    bool own = !req->origin || (host && req->host && text_equal_nocase(host + 3, req->host));
    if (req->fetch_site && strcmp(req->fetch_site, "same-origin") != 0)
        own = false;
    return own ? 0 : err_set(err, ERR_FORBIDDEN, "a request from another origin");
}

int admin_enter(struct app *app, const struct http_request *req, struct http_response *res,
                enum admin_right right, struct admin *out, struct err *err)
{
    *out = (struct admin){.csrf = ""};
    (void)http_set_header(res, "Cache-Control", "no-store");
    int rc = find_cookie(req, out->text) < 0 ? 0
                                             : store_session_find(app->store, out->text, &out->session, err);
    if (rc < 0)
        return -1;
    if (rc == 0)
        return err_set(err, ERR_AUTH_REQUIRED, "nobody is signed in");
    admin_csrf(out->text, out->csrf);
    if (right == ADMIN_LOOK)
        return 0;
    if (admin_check_origin(req, err) < 0)
        return -1;
    if (!req->csrf_token || strlen(req->csrf_token) != HASH_HEX_LEN ||
        !hash_equal(req->csrf_token, out->csrf, HASH_HEX_LEN))
        return err_set(err, ERR_FORBIDDEN, "no CSRF token, or another session's");
    if (right == ADMIN_CHANGE && !out->session.may_change)
        return err_set(err, ERR_FORBIDDEN, "a viewer changes nothing");
    return 0;
}

int admin_send(struct http_response *res, json_t *root, struct err *err)
{
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    if (!text)
        return err_set(err, ERR_INTERNAL, "out of memory");
    (void)http_set_header(res, "Cache-Control", "no-store");
    (void)http_send(res, "application/json", text, strlen(text));
    free(text);
    return 0;
}

int admin_note(struct app *app, const struct admin *who, const char *action, const char *subject,
               json_t *before, json_t *after, struct err *err)
{
    char *old = before ? json_dumps(before, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    char *new = after ? json_dumps(after, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    struct store_audit line = {
        .name = who->session.name,
        .action = action,
        .subject = subject,
        .before = old ? old : "",
        .after = new ? new : "",
    };
    int rc = store_audit_add(app->store, &line, err);
    json_decref(before);
    json_decref(after);
    free(old);
    free(new);
    return rc;
}

int admin_param(const struct http_request *req, const char *name, const char **out, struct err *err)
{
    *out = http_param(req, name);
    return *out && **out ? 0 : err_set(err, ERR_BAD_REQUEST, "%s is missing", name);
}

int admin_number(const struct http_request *req, const char *name, int64_t fallback, int64_t max,
                 int64_t *out, struct err *err)
{
    uint64_t n;
    const char *text = http_param(req, name);
    *out = fallback;
    if (!text || !*text)
        return 0;
    if (text_parse_u64(text, 0, (uint64_t)max, &n) < 0)
        return err_set(err, ERR_BAD_REQUEST, "%s must be a whole number from 0 to %lld", name,
                       (long long)max);
    *out = (int64_t)n;
    return 0;
}

json_t *admin_text(const char *text)
{
    auto_(buf) struct buf clean = BUF_INIT(16384);
    return text_utf8_clean(&clean, text, strlen(text)) < 0 ? json_string("")
                                                           : json_stringn(buf_str(&clean), clean.len);
}

json_t *admin_time(int64_t unix_s)
{
    char text[24];
    if (unix_s == 0)
        return json_null();
    clock_format_utc(unix_s, text, sizeof text);
    return json_string(text);
}
