/* One HTTP request as handlers see it: typed, bounded, already validated. Built by the edge (http/server.h)
 * from FastCGI parameters or a CGI environment; lives until the handler returns. All strings are borrowed,
 * UTF-8 is not guaranteed, none holds control characters (header values may hold a tab). */
#ifndef SLUICE_HTTP_REQUEST_H
#define SLUICE_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/locale.h"

enum http_method {
    HTTP_OTHER = 0,
    HTTP_GET = 1,
    HTTP_HEAD = 2,
    HTTP_POST = 4,
    HTTP_DELETE = 8,
    HTTP_OPTIONS = 16, /* answered by the dispatcher, never by a handler */
};

enum {
    HTTP_TARGET_MAX_BYTES = 32768, /* REQUEST_URI; longer: ERR_BAD_URL */
    HTTP_BODY_MAX_BYTES = 65536,   /* request bodies; longer: ERR_BAD_REQUEST */
    HTTP_PARAMS_MAX = 64,
};

struct http_param {
    char *name;
    char *value;
};

struct http_request {
    enum http_method method;
    char *prefix; /* the sub-folder Sluice is mounted in, as in the URL: "" or "/media"; never NULL */
    char *path;   /* the route, after the prefix: "/api/v1/info"; never NULL */
    struct http_param params[HTTP_PARAMS_MAX]; /* query, then form or flat JSON body */
    size_t param_count;
    /* Header values, borrowed from the environment; NULL when absent or empty. */
    const char *range, *if_range, *if_match, *if_none_match, *accept, *accept_language, *authorization,
        *api_key, *content_type, *host, *origin, *last_event_id, *cookie, *csrf_token, *fetch_site;
    const char *remote_addr, *forwarded_for; /* for limits only, never logged; the latter is only a claim */
    bool https;
    char id[17]; /* random hex: in logs and in problem bodies */
};

/* A meta-variable by CGI name ("REQUEST_URI"); NULL when absent. What it returns outlives the request. */
typedef const char *http_getenv_fn(void *ctx, const char *name);

/* Builds *req from meta-variables and the body (NULL when none; one that has failed was over its limit).
 * Route and prefix come from REQUEST_URI (its path up to the first known root: "/api/v1/", or a path that
 * ends in "/livez", "/readyz", "/health" or an older client's route), else SCRIPT_NAME + PATH_INFO. The
 * prefix comes out percent-encoded and without doubled slashes, so that it fits into a link as it is and
 * never names another host. White space around a parameter's value is dropped: links are pasted. Errors:
 * ERR_BAD_URL target too long or with bad escapes, or control characters in it or in a parameter;
 * ERR_BAD_REQUEST body or parameters over their limits, or not well-formed. http_request_fini() in either
 * case: also after an error `id`, the header values and, if it was readable, the path are there, for the
 * answer. */
int http_request_init(struct http_request *req, http_getenv_fn *get, void *ctx, const struct buf *body,
                      struct err *err);
void http_request_fini(struct http_request *req);

/* The first value of a parameter; NULL when absent. Borrowed. */
const char *http_param(const struct http_request *req, const char *name);
/* The Accept header prefers text/html over application/json (a browser without our script). */
bool http_wants_html(const struct http_request *req);
/* The language of a page: the parameter `lang` where it names one of ours, else what Accept-Language likes
 * best of them (RFC 9110 §12.5.4), else English. `req` may be NULL. */
const struct locale *http_locale(const struct http_request *req);

DEFINE_AUTO(http_request, http_request_fini)

#endif
