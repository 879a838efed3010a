/* From address to handler, and what every answer has in common; see route.h. */
#include "http/route.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

/* What scripts of other origins may send and see. */
#define CORS_REQUEST_HEADERS                                                                                 \
    "Authorization, X-API-Key, Content-Type, Range, If-Range, If-None-Match, Last-Event-ID"
#define CORS_ANSWER_HEADERS                                                                                            \
    "Accept-Ranges, Content-Disposition, Content-Length, Content-Range, ETag, Location, RateLimit, RateLimit-Policy, " \
    "Retry-After, X-Request-Id, X-Sluice-Cache, X-Sluice-Choice"

static const struct http_route *find(const struct http_route *routes, size_t count, unsigned program,
                                     const char *path)
{
    for (size_t i = 0; i < count; i++) {
        if ((routes[i].flags & program) &&
            (routes[i].flags & HTTP_ROUTE_BELOW ? text_starts_with(path, routes[i].path)
                                                : strcmp(routes[i].path, path) == 0))
            return &routes[i];
    }
    return NULL;
}

/* Headers of every answer of this route, problems included. */
static void prepare(const struct http_route *route, const struct http_request *req, struct http_response *res)
{
    (void)http_set_header(res, "X-Request-Id", req->id);
    if (route && (route->flags & HTTP_ROUTE_HTML))
        http_allow_html(res);
    if (route && (route->flags & HTTP_ROUTE_CORS)) {
        (void)http_set_header(res, "Access-Control-Allow-Origin", "*");
        (void)http_set_header(res, "Access-Control-Expose-Headers", CORS_ANSWER_HEADERS);
    }
}

static unsigned methods_of(const struct http_route *route)
{
    return route->methods | (route->methods & HTTP_GET ? HTTP_HEAD : 0) | HTTP_OPTIONS;
}

static void list_methods(const struct http_route *route, char *out, size_t room)
{
    static const struct {
        enum http_method method;
        const char *name;
    } methods[] = {
        {HTTP_GET, "GET"},       {HTTP_HEAD, "HEAD"},       {HTTP_POST, "POST"},
        {HTTP_DELETE, "DELETE"}, {HTTP_OPTIONS, "OPTIONS"},
    };
    size_t n = 0;
    out[0] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(methods) && n < room; i++) {
        if (methods_of(route) & methods[i].method)
            n += (size_t)snprintf(out + n, room - n, "%s%s", n ? ", " : "", methods[i].name);
    }
}

static void answer_options(const struct http_route *route, struct http_response *res, const char *methods)
{
    (void)http_set_header(res, "Allow", methods);
    if (route->flags & HTTP_ROUTE_CORS) { /* a preflight, or as good as one */
        (void)http_set_header(res, "Access-Control-Allow-Methods", methods);
        (void)http_set_header(res, "Access-Control-Allow-Headers", CORS_REQUEST_HEADERS);
        (void)http_set_header(res, "Access-Control-Max-Age", "86400");
    }
    (void)http_set_status(res, 204);
    (void)http_begin(res, 0);
}

/* The one line a request leaves behind. The route is the table's: what the client sent is not logged. */
int http_end_and_log(const struct http_route *route, const char *id, struct http_response *res,
                     const struct err *err, int64_t started_us)
{
    char status[8];
    char ms[24];
    char bytes[24];
    int rc = http_response_end(res);
    const char *end = rc == 0 ? "whole" : http_left(res) ? "left" : "short";
    enum err_code code = http_error(res);
    (void)snprintf(status, sizeof status, "%d", http_status(res));
    (void)snprintf(ms, sizeof ms, "%lld", (long long)(clock_mono_us() - started_us) / 1000);
    (void)snprintf(bytes, sizeof bytes, "%llu", (unsigned long long)http_bytes_sent(res));
    log_event(http_status(res) >= 500 ? LOG_WARN : LOG_INFO, "request", "id", id, "route",
              route ? route->path : "-", "status", status, "code", err_info(code)->name, "ms", ms, "bytes",
              bytes, "end", end, err->text[0] ? "error" : NULL, err->text, NULL);
    return rc;
}

const struct http_route *http_find_route(const struct http_route *routes, size_t count, unsigned program,
                                         const struct http_request *req, struct http_response *res)
{
    const struct http_route *route = find(routes, count, program, req->path);
    prepare(route, req, res);
    return route;
}

int http_dispatch(const struct http_route *routes, size_t count, unsigned program, struct app *app,
                  const struct http_request *req, struct http_response *res, const struct http_route **found,
                  struct err *err)
{
    char methods[64];
    const struct http_route *route = http_find_route(routes, count, program, req, res);
    *found = route;
    if (!route)
        return err_set(err, ERR_NOT_FOUND, "no such route");
    list_methods(route, methods, sizeof methods);
    if (!(methods_of(route) & req->method)) {
        (void)http_set_header(res, "Allow", methods);
        return err_set(err, ERR_BAD_METHOD, "method not allowed");
    }
    if (req->method == HTTP_OPTIONS) {
        answer_options(route, res, methods);
        return 0;
    }
    return route->run(app, req, res, err);
}
