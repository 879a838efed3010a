/* Link text → description, through the cache: what every endpoint begins with. */
#ifndef SLUICE_SERVE_DESCRIBE_H
#define SLUICE_SERVE_DESCRIBE_H

#include <jansson.h>

#include "serve/app.h"
#include "serve/auth.h"

/* *out: description_free(). *cached (may be NULL): this request was spared the upstream call. `stale` (may be
 * NULL): a description found wanting because its source URLs died early; a newer one is returned. Errors:
 * ERR_BAD_URL, ERR_UNSUPPORTED_SITE, and every reason a video cannot be had. */
int serve_describe(struct app *app, const char *link_text, const struct description *stale,
                   struct description **out, bool *cached, struct err *err);

/* The same for a link, past the cache, nothing remembered: by one way out, and where it is that which fails,
 * by another one. `only_client`: as in site_env. *steps, also of a failure: json_decref(); see site/trace.h.
 */
int serve_extract(struct app *app, const struct link *link, const char *only_client, struct description **out,
                  json_t **steps, struct err *err);

/* The same, for who wants to know how one part does. All of it may be NULL or 0: as usual. */
struct extract_by {
    const char *client; /* as in site_env */
    const char *engine; /* the only one */
    const char *way;    /* out, the only one */
    int64_t until_mono_us;
};
int serve_extract_by(struct app *app, const struct link *link, const struct extract_by *by,
                     struct description **out, json_t **steps, struct err *err);

/* The same as one client of the site alone tells it (site_other_client()); remembered apart. */
int serve_describe_by(struct app *app, const char *client, const char *link_text,
                      const struct description *stale, struct description **out, struct err *err);

/* What a pasted text leads to, if we can do anything with it. ERR_BAD_URL, ERR_UNSUPPORTED_SITE. */
int serve_parse_link(struct link *link, const char *text, struct err *err);

/* The same for an endpoint: also ERR_SITE_NOT_ALLOWED, and noted in `res` for the books. */
int serve_describe_for(struct app *app, const struct auth *who, const char *link_text,
                       struct http_response *res, struct description **out, struct err *err);

enum { SERVE_KEY_MAX = HASH_HEX_LEN + 16 };

/* A cache key of what a link leads to: `kind` (a few letters with a version) and a hash of the canonical link
 * and `salt` (may be ""). Two links to one video have one key. Errors as above for the link itself. */
int serve_link_key(const char *link_text, const char *kind, const char *salt, char key[SERVE_KEY_MAX],
                   struct err *err);
/* The kind of whole answers that are remembered (info.c). */
extern const char serve_answer_kind[];
/* The key of such an answer: its links are those of one place and one key, which may be for some sites only.
 */
int serve_answer_key(const struct http_request *req, const struct auth *who, const char *link_text,
                     char key[SERVE_KEY_MAX], struct err *err);
/* Forgets the description of a link and the answers made of it; those of all links to a host, in lower case
 * (of YouTube's: www.youtube.com). */
int serve_forget(struct app *app, const char *link_text, struct err *err);
int serve_forget_host(struct app *app, const char *host, struct err *err);

#endif
