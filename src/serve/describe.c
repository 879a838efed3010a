/* See describe.h. */
#include "serve/describe.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "serve/outcomes.h"
#include "serve/outward.h"
#include "site/trace.h"

enum {
    DESCRIPTION_MAX_BYTES = 4 << 20,
    EXPIRY_MARGIN_S = 60,   /* URLs about to die are not handed out */
    UNKNOWN_EXPIRY_S = 300, /* a plain file may be replaced at any time */
};

struct job {
    struct app *app;
    struct link link;
    const char *client; /* the only one to be asked; NULL: whoever answers */
};

static int64_t keep_until(const struct app *app, const struct description *d)
{
    int64_t now = clock_unix_s();
    int64_t until = now + app->config.cache_ttl_s;
    int64_t dies = d->expires_unix_s ? d->expires_unix_s - EXPIRY_MARGIN_S : now + UNKNOWN_EXPIRY_S;
    if (dies < until)
        until = dies;
    return until > now ? until : 0;
}

int serve_extract_by(struct app *app, const struct link *link, const struct extract_by *by,
                     struct description **out, json_t **steps, struct err *err)
{
    struct outward outward = {.app = app, .only_way = by->way, .until_mono_us = by->until_mono_us};
    struct trace trace;
    struct site_env env = app->site;
    struct engine_settings one = app->engines;
    env.only_client = by->client;
    if (by->engine) {
        one.order = by->engine;
        env.engines = &one;
    }
    trace_begin(&trace, &env);
    int rc = outward_begin(&outward, link, err);
    for (int tries = 1; rc == 0; tries++) {
        struct site_env by_way = env;
        outward_join(&outward, &by_way);
        rc = site_describe(&by_way, link, out, err);
        if (rc == 0 || tries == OUTWARD_TRIES || !outward_again(&outward, err))
            break;
        rc = 0;
    }
    *steps = trace_end(&trace);
    return rc < 0 ? -1 : outward_mark(&outward, *out, err);
}

int serve_extract(struct app *app, const struct link *link, const char *only_client, struct description **out,
                  json_t **steps, struct err *err)
{
    return serve_extract_by(app, link, &(struct extract_by){.client = only_client}, out, steps, err);
}

static int produce(void *ctx, struct buf *value, int64_t *expires_unix_s, struct err *err)
{
    struct job *job = ctx;
    auto_ptr(description) struct description *d = NULL;
    json_t *steps = NULL;
    int rc = serve_extract(job->app, &job->link, job->client, &d, &steps, err);
    if (rc < 0)
        outcomes_failed(job->app->outcomes, &job->link, err, steps);
    json_decref(steps);
    if (rc < 0 || !d)
        return -1;
    *expires_unix_s = keep_until(job->app, d);
    return description_serialise(d, value) < 0 ? err_set(err, ERR_INTERNAL, "description too large") : 0;
}

int serve_parse_link(struct link *link, const char *text, struct err *err)
{
    auto_(buf) struct buf ascii = BUF_INIT(2 * LINK_MAX_BYTES);
    if (net_url_ascii(text, &ascii, err) < 0)
        return -1;
    switch (link_parse(link, buf_str(&ascii), ascii.len)) {
    case LINK_YOUTUBE_VIDEO:
    case LINK_DIRECT:
        return 0;
    case LINK_YOUTUBE_OTHER:
        return err_set(err, ERR_UNSUPPORTED_SITE, "a link to the site but to no single video");
    case LINK_BAD:
        break;
    }
    return err_set(err, ERR_BAD_URL, "not a usable link");
}

enum {
    KEY_HALF = HASH_HEX_LEN / 2, /* of the link, of the salt: 128 bits each */
    KEY_HOST = 8,                /* before them, of the link's host: all of one host are found by that */
};

static void host_key(const char *host, size_t len, char out[HASH_HEX_LEN + 1])
{
    hash_sha256_hex(host, len, out);
    out[KEY_HOST] = '\0';
}

static void link_key(const struct link *link, const char *kind, const char *salt, char key[SERVE_KEY_MAX])
{
    char of_host[HASH_HEX_LEN + 1];
    char of_link[HASH_HEX_LEN + 1];
    char of_salt[HASH_HEX_LEN + 1];
    const char *scheme = strstr(link->url, "://");
    const char *host = scheme ? scheme + 3 : link->url;
    host_key(host, strcspn(host, ":/?#"), of_host);
    hash_sha256_hex(link->url, strlen(link->url), of_link);
    hash_sha256_hex(salt, strlen(salt), of_salt);
    (void)snprintf(key, SERVE_KEY_MAX, "%s:%.*s%.*s%.*s", kind, KEY_HOST, of_host, KEY_HALF, of_link,
                   KEY_HALF, of_salt);
}

/* 6: the version of the private form; a changed form changes the key. */
static const char description_kind[] = "d6";
const char serve_answer_kind[] = "i6";
static const char *const kinds[] = {description_kind, serve_answer_kind};

int serve_forget_host(struct app *app, const char *host, struct err *err)
{
    char key[SERVE_KEY_MAX];
    char of_host[HASH_HEX_LEN + 1];
    host_key(host, strlen(host), of_host);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        (void)snprintf(key, sizeof key, "%s:%s", kinds[i], of_host);
        if (store_cache_forget(app->store, key, err) < 0)
            return -1;
    }
    return 0;
}

int serve_forget(struct app *app, const char *link_text, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        char key[SERVE_KEY_MAX];
        if (serve_link_key(link_text, kinds[i], "", key, err) < 0)
            return -1;
        key[strlen(key) - KEY_HALF] = '\0';
        if (store_cache_forget(app->store, key, err) < 0)
            return -1;
    }
    return 0;
}

int serve_link_key(const char *link_text, const char *kind, const char *salt, char key[SERVE_KEY_MAX],
                   struct err *err)
{
    struct link link;
    if (serve_parse_link(&link, link_text, err) < 0)
        return -1;
    link_key(&link, kind, salt, key);
    return 0;
}

int serve_answer_key(const struct http_request *req, const struct auth *who, const char *link_text,
                     char key[SERVE_KEY_MAX], struct err *err)
{
    auto_(buf) struct buf holder = BUF_INIT(HTTP_TARGET_MAX_BYTES * 4);
    if (buf_addf(&holder, "%s\n%s\n%s", req->prefix, auth_key_id(who), who->has_key ? who->key.sites : "") <
        0)
        return err_set(err, ERR_BAD_URL, "prefix too long");
    return serve_link_key(link_text, serve_answer_kind, buf_str(&holder), key, err);
}

static int describe(struct job *job, const char *link_text, const struct description *stale,
                    struct description **out, bool *cached, struct err *err)
{
    char key[SERVE_KEY_MAX];
    if (serve_parse_link(&job->link, link_text, err) < 0)
        return -1;
    link_key(&job->link, description_kind, job->client ? job->client : "", key);

    auto_(buf) struct buf old = BUF_INIT(DESCRIPTION_MAX_BYTES);
    if (stale && description_serialise(stale, &old) < 0)
        return err_set(err, ERR_INTERNAL, "description too large");
    auto_(buf) struct buf value = BUF_INIT(DESCRIPTION_MAX_BYTES);
    if (cache_get(job->app->cache, key, stale ? &old : NULL, produce, job, &value, cached, err) < 0)
        return -1;
    return description_parse(out, buf_str(&value), value.len, err);
}

int serve_describe(struct app *app, const char *link_text, const struct description *stale,
                   struct description **out, bool *cached, struct err *err)
{
    struct job job = {.app = app};
    return describe(&job, link_text, stale, out, cached, err);
}

int serve_describe_by(struct app *app, const char *client, const char *link_text,
                      const struct description *stale, struct description **out, struct err *err)
{
    struct job job = {.app = app, .client = client};
    return describe(&job, link_text, stale, out, NULL, err);
}

int serve_describe_for(struct app *app, const struct auth *who, const char *link_text,
                       struct http_response *res, struct description **out, struct err *err)
{
    struct http_notes *notes = http_notes(res);
    if (serve_describe(app, link_text, NULL, out, &notes->cached, err) < 0)
        return -1;
    http_note(notes->site, sizeof notes->site, (*out)->site);
    return auth_check_site(who, (*out)->site, err);
}
