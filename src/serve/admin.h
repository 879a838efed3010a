/* What all routes of the admin pages have in common: who is signed in, and whether that is what they want.
 *
 * A session is a cookie (HttpOnly, SameSite=Strict, over TLS Secure and __Host-) whose hash the store knows.
 * Changes are POSTs that also carry the session's CSRF token in X-CSRF-Token, which only a page of this
 * origin can read, and come from no other origin; every change is a line in the audit log. */
#ifndef SLUICE_SERVE_ADMIN_H
#define SLUICE_SERVE_ADMIN_H

#include <jansson.h>

#include "base/hash.h"
#include "serve/app.h"
#include "store/admin.h"
#include "store/usage.h"

enum admin_right {
    ADMIN_LOOK,
    ADMIN_OWN,    /* a change of what is one's own: also viewers */
    ADMIN_CHANGE, /* role admin */
};

struct admin {
    struct store_session session;
    char text[STORE_SESSION_TEXT_LEN + 1]; /* of the cookie */
    char csrf[HASH_HEX_LEN + 1];
};

/* The first line of every handler. ERR_AUTH_REQUIRED; ERR_FORBIDDEN. */
int admin_enter(struct app *app, const struct http_request *req, struct http_response *res,
                enum admin_right right, struct admin *out, struct err *err);
/* That the request comes from a page of this origin, or from no page at all. */
int admin_check_origin(const struct http_request *req, struct err *err);
/* That who is signed in knows his password; wrong ones count as at signing in. ERR_BAD_LOGIN,
 * ERR_QUOTA_EXCEEDED. */
int admin_prove(struct app *app, const struct admin *who, const char *password, struct err *err);
/* The name of the cookie of this request's scheme. */
const char *admin_cookie_name(const struct http_request *req);
void admin_csrf(const char *session_text, char out[HASH_HEX_LEN + 1]);

/* Answers with *root, which it takes; NULL: no memory. */
int admin_send(struct http_response *res, json_t *root, struct err *err);
/* Writes a line of the audit log; takes both, NULL: nothing. A change that cannot be written down is an
 * error: it is told, though it has happened. */
int admin_note(struct app *app, const struct admin *who, const char *action, const char *subject,
               json_t *before, json_t *after, struct err *err);

/* A parameter of the request, which must be there. ERR_BAD_REQUEST. */
int admin_param(const struct http_request *req, const char *name, const char **out, struct err *err);
/* A number; `fallback` where it is absent. ERR_BAD_REQUEST. */
int admin_number(const struct http_request *req, const char *name, int64_t fallback, int64_t max,
                 int64_t *out, struct err *err);
/* {"requests","errors","bytes","cached","ttfb":[…]} */
json_t *admin_counts(const struct store_usage_counts *c);
/* [{"name","value",…}] of all settings; those of them that hold secrets without these. */
json_t *admin_settings(struct app *app, struct err *err);
/* [{"program","pid",…}] of this host, and where the database lies and what it takes. */
json_t *admin_processes(struct app *app);
json_t *admin_database(const struct app *app);
/* Text of the outside, as JSON wants it: bytes that are no UTF-8 are replaced. */
json_t *admin_text(const char *text);
/* "2026-11-20T18:00:00Z", or null for 0. */
json_t *admin_time(int64_t unix_s);

#endif
