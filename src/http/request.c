/* From CGI meta-variables to a typed request; see request.h. */
#include "http/request.h"

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/text.h"

enum {
    HEADER_MAX_BYTES = 8192,
    PREFIX_MAX_BYTES = 1024, /* it is repeated in every link we write */
};

static char nothing[] = ""; /* what prefix and path are before they are known */

static int no_memory(struct err *err)
{
    return err_set(err, ERR_INTERNAL, "out of memory");
}

/* --- headers --- */

/* Leaves *out NULL when the header is absent or empty. A tab is legal between words. */
static int read_header(const char **out, const char *name, const char *value, struct err *err)
{
    if (!value || !*value)
        return 0;
    if (strnlen(value, HEADER_MAX_BYTES + 1) > HEADER_MAX_BYTES)
        return err_set(err, ERR_BAD_REQUEST, "%s is longer than %d bytes", name, HEADER_MAX_BYTES);
    for (const char *p = value; *p; p++) {
        if (((unsigned char)*p < 0x20 && *p != '\t') || *p == 0x7f)
            return err_set(err, ERR_BAD_REQUEST, "%s holds a control character", name);
    }
    *out = value;
    return 0;
}

static enum http_method method_of(const char *name)
{
    static const struct {
        const char *name;
        enum http_method method;
    } methods[] = {
        {"GET", HTTP_GET},       {"HEAD", HTTP_HEAD},       {"POST", HTTP_POST},
        {"DELETE", HTTP_DELETE}, {"OPTIONS", HTTP_OPTIONS},
    };
    for (size_t i = 0; name && i < ARRAY_LEN(methods); i++) {
        if (strcmp(name, methods[i].name) == 0)
            return methods[i].method;
    }
    return HTTP_OTHER;
}

static int read_headers(struct http_request *req, http_getenv_fn *get, void *ctx, struct err *err)
{
    const struct {
        const char *name, *else_name;
        const char **out;
    } headers[] = {
        {"HTTP_RANGE", NULL, &req->range},
        {"HTTP_IF_RANGE", NULL, &req->if_range},
        {"HTTP_IF_MATCH", NULL, &req->if_match},
        {"HTTP_IF_NONE_MATCH", NULL, &req->if_none_match},
        {"HTTP_ACCEPT", NULL, &req->accept},
        {"HTTP_ACCEPT_LANGUAGE", NULL, &req->accept_language},
        /* Apache renames what a rewrite rule has set. */
        {"HTTP_AUTHORIZATION", "REDIRECT_HTTP_AUTHORIZATION", &req->authorization},
        {"HTTP_X_API_KEY", NULL, &req->api_key},
        {"CONTENT_TYPE", NULL, &req->content_type},
        {"HTTP_HOST", NULL, &req->host},
        {"HTTP_ORIGIN", NULL, &req->origin},
        {"HTTP_LAST_EVENT_ID", NULL, &req->last_event_id},
        {"HTTP_COOKIE", NULL, &req->cookie},
        {"HTTP_X_CSRF_TOKEN", NULL, &req->csrf_token},
        {"HTTP_SEC_FETCH_SITE", NULL, &req->fetch_site},
        {"REMOTE_ADDR", NULL, &req->remote_addr},
        {"HTTP_X_FORWARDED_FOR", NULL, &req->forwarded_for},
    };
    req->method = method_of(get(ctx, "REQUEST_METHOD"));
    const char *https = get(ctx, "HTTPS");
    const char *scheme = get(ctx, "REQUEST_SCHEME");
    req->https = (https && *https && !text_equal_nocase(https, "off")) ||
                 (scheme && text_equal_nocase(scheme, "https"));
    for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
        const char *value = get(ctx, headers[i].name);
        if ((!value || !*value) && headers[i].else_name)
            value = get(ctx, headers[i].else_name);
        if (read_header(headers[i].out, headers[i].name, value, err) < 0)
            return -1;
    }
    return 0;
}

/* --- target --- */

/* Appends a path so that it can stand in a link and in HTML as it is; escapes that are there already stay if
 * `encoded` is set. Doubled slashes become one: "//host" would be a link to another host. */
static void add_path(struct buf *out, const char *s, size_t len, bool encoded)
{
    for (size_t i = 0; i < len; i++) {
        char one[2] = {s[i], '\0'};
        if (s[i] == '/' && out->len && out->data[out->len - 1] == '/')
            continue;
        if (strchr("/:@!$()*+,;=", s[i]) || (encoded && s[i] == '%'))
            (void)buf_addc(out, s[i]);
        else
            (void)text_percent_encode(out, one);
    }
}

/* Where the route begins in an encoded path; NULL when it holds none of our roots. */
static const char *find_root(const char *path)
{
    static const char *const last[] = {"/livez",    "/metrics",   "/readyz", "/health",
                                       "/info",     "/download",  "/stream", "/stream_video",
                                       "/progress", "/api/video", "/tiktok", "/api/upload-s3"};
    for (const char *p = strchr(path, '/'); p; p = strchr(p + 1, '/')) {
        if (text_starts_with(p, "/api/v1/"))
            return p;
        for (size_t i = 0; i < ARRAY_LEN(last); i++) {
            if (strcmp(p, last[i]) == 0)
                return p;
        }
    }
    return NULL;
}

/* The path of REQUEST_URI, which some servers pass in absolute form. */
static const char *path_of_uri(const char *uri, size_t *len)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        if (text_starts_with(uri, schemes[i])) {
            uri += strlen(schemes[i]);
            uri += strcspn(uri, "/?#");
        }
    }
    *len = strcspn(uri, "?#");
    return uri;
}

/* Fills prefix and path from an encoded path. */
static int set_path(struct http_request *req, const char *path, const char *root, struct err *err)
{
    auto_(buf) struct buf decoded = BUF_INIT(HTTP_TARGET_MAX_BYTES);
    size_t prefix_len = (size_t)(root - path);
    if (*path != '/' && *path != '\0') /* "javascript:…/livez" must not become a link */
        return err_set(err, ERR_BAD_URL, "the path does not begin with /");
    if (prefix_len > PREFIX_MAX_BYTES)
        return err_set(err, ERR_BAD_URL, "the folder's name is longer than %d bytes", PREFIX_MAX_BYTES);
    if (text_percent_decode(&decoded, path, prefix_len, false) < 0 || text_has_control(buf_str(&decoded)))
        return err_set(err, ERR_BAD_URL, "bad escape or control character in the path");
    buf_clear(&decoded);
    if (text_percent_decode(&decoded, root, strlen(root), false) < 0 || text_has_control(buf_str(&decoded)))
        return err_set(err, ERR_BAD_URL, "bad escape or control character in the path");
    char *prefix = strndup(path, prefix_len);
    char *route = buf_steal(&decoded);
    if (!prefix || !route) {
        free(prefix);
        free(route);
        return no_memory(err);
    }
    req->prefix = prefix;
    req->path = route;
    return 0;
}

static int read_path(struct http_request *req, const char *uri, http_getenv_fn *get, void *ctx,
                     struct err *err)
{
    /* Encoding makes three bytes of one. */
    auto_(buf) struct buf path = BUF_INIT((size_t)3 * HTTP_TARGET_MAX_BYTES);
    auto_(buf) struct buf mapped = BUF_INIT((size_t)3 * HTTP_TARGET_MAX_BYTES);
    size_t len = 0;
    const char *raw = path_of_uri(uri, &len);
    add_path(&path, raw, len, true);
    const char *root = find_root(buf_str(&path));
    if (!root) { /* no REQUEST_URI, or the server rewrote the address */
        const char *script = get(ctx, "SCRIPT_NAME");
        const char *info = get(ctx, "PATH_INFO");
        add_path(&mapped, script ? script : "", script ? strlen(script) : 0, false);
        add_path(&mapped, info ? info : "", info ? strlen(info) : 0, false);
        root = find_root(buf_str(&mapped));
        if (root)
            return set_path(req, buf_str(&mapped), root, err);
    }
    if (path.failed || mapped.failed)
        return err_set(err, ERR_BAD_URL, "path too long");
    return set_path(req, buf_str(&path), root ? root : buf_str(&path), err);
}

/* --- parameters --- */

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Adds a parameter; takes both buffers' content. */
static int add_param(struct http_request *req, struct buf *name, struct buf *value, struct err *err)
{
    size_t from = 0;
    if (req->param_count == HTTP_PARAMS_MAX)
        return err_set(err, ERR_BAD_REQUEST, "more than %d parameters", HTTP_PARAMS_MAX);
    while (value->len && is_space(value->data[value->len - 1]))
        value->data[--value->len] = '\0';
    while (from < value->len && is_space(value->data[from]))
        from++;
    if (text_has_control(buf_str(name)) || text_has_control(buf_str(value) + from))
        return err_set(err, ERR_BAD_URL, "control character in a parameter");
    struct http_param *p = &req->params[req->param_count];
    *p = (struct http_param){strdup(buf_str(name)), strdup(buf_str(value) + from)};
    req->param_count++;
    return p->name && p->value ? 0 : no_memory(err);
}

/* "a=1&b=2", from a query or a form. */
static int read_pairs(struct http_request *req, const char *s, struct err *err)
{
    while (*s) {
        auto_(buf) struct buf name = BUF_INIT(HTTP_BODY_MAX_BYTES);
        auto_(buf) struct buf value = BUF_INIT(HTTP_BODY_MAX_BYTES);
        size_t len = strcspn(s, "&");
        const char *equals = memchr(s, '=', len);
        size_t name_len = equals ? (size_t)(equals - s) : len;
        if (text_percent_decode(&name, s, name_len, true) < 0 ||
            (equals && text_percent_decode(&value, equals + 1, len - name_len - 1, true) < 0))
            return err_set(err, ERR_BAD_URL, "bad escape in a parameter");
        if (len && add_param(req, &name, &value, err) < 0)
            return -1;
        s += len;
        s += *s == '&';
    }
    return 0;
}

/* A flat JSON object; null counts as absent. */
static int read_json(struct http_request *req, const struct buf *body, struct err *err)
{
    const char *key = NULL;
    json_t *member = NULL;
    int rc = 0;
    json_t *root = json_loadb(buf_str(body), body->len, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(root))
        rc = err_set(err, ERR_BAD_REQUEST, "the body is not a JSON object");
    json_object_foreach (root, key, member) {
        auto_(buf) struct buf name = BUF_INIT(HTTP_BODY_MAX_BYTES);
        auto_(buf) struct buf value = BUF_INIT(HTTP_BODY_MAX_BYTES);
        (void)buf_adds(&name, key);
        if (json_is_string(member))
            (void)buf_adds(&value, json_string_value(member));
        else if (json_is_integer(member))
            (void)buf_addf(&value, "%" JSON_INTEGER_FORMAT, json_integer_value(member));
        else if (json_is_real(member))
            (void)buf_addf(&value, "%.17g", json_real_value(member));
        else if (json_is_boolean(member))
            (void)buf_adds(&value, json_is_true(member) ? "true" : "false");
        else if (json_is_null(member))
            continue;
        else
            rc = err_set(err, ERR_BAD_REQUEST, "the JSON body is nested");
        if (rc == 0)
            rc = name.failed || value.failed ? no_memory(err) : add_param(req, &name, &value, err);
        if (rc < 0)
            break;
    }
    json_decref(root);
    return rc;
}

/* `content_type` names `type`, whatever its parameters. */
static bool is_type(const char *content_type, const char *type)
{
    char name[64];
    size_t len = strcspn(content_type, "; ");
    if (len >= sizeof name)
        return false;
    memcpy(name, content_type, len);
    name[len] = '\0';
    return text_equal_nocase(name, type);
}

static int read_body(struct http_request *req, const struct buf *body, struct err *err)
{
    if (body && body->failed)
        return err_set(err, ERR_BAD_REQUEST, "the body is longer than %d bytes", HTTP_BODY_MAX_BYTES);
    if (!body || body->len == 0 || req->method != HTTP_POST)
        return 0;
    const char *type = req->content_type ? req->content_type : "";
    if (is_type(type, "application/json"))
        return read_json(req, body, err);
    if (!is_type(type, "application/x-www-form-urlencoded"))
        return err_set(err, ERR_BAD_REQUEST, "the body is neither a form nor JSON");
    if (memchr(body->data, '\0', body->len))
        return err_set(err, ERR_BAD_URL, "zero byte in a form");
    return read_pairs(req, buf_str(body), err);
}

/* --- all --- */

int http_request_init(struct http_request *req, http_getenv_fn *get, void *ctx, const struct buf *body,
                      struct err *err)
{
    *req = (struct http_request){.prefix = nothing, .path = nothing};
    uint64_t id;
    hash_random(&id, sizeof id);
    (void)snprintf(req->id, sizeof req->id, "%016llx", (unsigned long long)id);
    if (read_headers(req, get, ctx, err) < 0)
        return -1;
    const char *uri = get(ctx, "REQUEST_URI");
    const char *query = get(ctx, "QUERY_STRING");
    if (!uri)
        uri = "";
    if (!query || !*query) {
        query = uri + strcspn(uri, "?");
        query += *query == '?';
    }
    if (strnlen(uri, HTTP_TARGET_MAX_BYTES + 1) > HTTP_TARGET_MAX_BYTES ||
        strnlen(query, HTTP_TARGET_MAX_BYTES + 1) > HTTP_TARGET_MAX_BYTES)
        return err_set(err, ERR_BAD_URL, "the address is longer than %d bytes", HTTP_TARGET_MAX_BYTES);
    if (read_path(req, uri, get, ctx, err) < 0 || read_pairs(req, query, err) < 0)
        return -1;
    return read_body(req, body, err);
}

void http_request_fini(struct http_request *req)
{
    if (req->prefix != nothing)
        free(req->prefix);
    if (req->path != nothing)
        free(req->path);
    for (size_t i = 0; i < req->param_count; i++) {
        free(req->params[i].name);
        free(req->params[i].value);
    }
    *req = (struct http_request){0};
}

const char *http_param(const struct http_request *req, const char *name)
{
    for (size_t i = 0; i < req->param_count; i++) {
        if (strcmp(req->params[i].name, name) == 0)
            return req->params[i].value;
    }
    return NULL;
}

/* --- Accept, Accept-Language --- */

/* The weight in the parameters of one element ("; level=1; q=0.8"), in thousandths. */
static int weight(const char *s, size_t len)
{
    static const int unit[] = {1000, 0, 100, 10, 1}; /* "0.123": what a digit there is worth */
    const char *end = s + len;
    while ((s = memchr(s, ';', (size_t)(end - s)))) {
        s += 1 + strspn(s + 1, " ");
        if ((*s != 'q' && *s != 'Q') || s[1] != '=')
            continue;
        int q = 0;
        s += 2;
        for (size_t i = 0; i < ARRAY_LEN(unit) && s + i < end; i++) {
            if (s[i] >= '0' && s[i] <= '9')
                q += unit[i] * (s[i] - '0');
        }
        return q;
    }
    return 1000;
}

/* How much `accept` wants a type, 0…1000: its most specific range decides (RFC 9110 §12.5.1). */
static int wanted(const char *accept, const char *type, const char *group)
{
    int found = 0;
    int best_rank = 0;
    while (*accept) {
        accept += strspn(accept, " ,");
        size_t len = strcspn(accept, ",");
        size_t name_len = strcspn(accept, ",; ");
        char name[64] = "";
        if (name_len < sizeof name)
            memcpy(name, accept, name_len);
        int rank = text_equal_nocase(name, type)    ? 3
                   : text_equal_nocase(name, group) ? 2
                   : strcmp(name, "*/*") == 0       ? 1
                                                    : 0;
        if (rank > best_rank) {
            best_rank = rank;
            found = weight(accept, len);
        }
        accept += len;
    }
    return found;
}

bool http_wants_html(const struct http_request *req)
{
    return req->accept && wanted(req->accept, "text/html", "text/*") >
                              wanted(req->accept, "application/json", "application/*");
}

const struct locale *http_locale(const struct http_request *req)
{
    const char *named = req ? http_param(req, "lang") : NULL;
    const struct locale *best = named ? locale_find(named) : NULL;
    const char *rest = req && req->accept_language && !best ? req->accept_language : "";
    for (int most = 0; *rest;) {
        rest += strspn(rest, " \t,");
        size_t len = strcspn(rest, ",");
        const struct locale *l = locale_find(rest);
        int q = l ? weight(rest, len) : 0;
        if (q > most) {
            best = l;
            most = q;
        }
        rest += len;
    }
    return best ? best : locale_find("en");
}
