/* See trial.h. */
#include "serve/trial.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "net/egress.h"
#include "serve/admin.h"
#include "serve/describe.h"
#include "site/youtube/clients.h"
#include "site/youtube/po_token.h"

/* The site's first video, from 2005. */
static const char usual_video[] = "jNQXAC9IVRw";

enum { COOKIE_PAGE_MAX_BYTES = 4 << 20 };

int trial_part_of(const char *text, enum trial_part *out)
{
    static const char *const names[TRIAL_PART_COUNT] = {"engine", "client", "way", "cookies", "tokens"};
    for (int i = 0; i < TRIAL_PART_COUNT; i++) {
        if (strcmp(names[i], text) == 0) {
            *out = (enum trial_part)i;
            return 0;
        }
    }
    return -1;
}

int trial_limit_ms(const struct app *app)
{
    int64_t twice = 2 * app->config.upstream_timeout_ms;
    return twice < TRIAL_LIMIT_S * 1000 ? (int)twice : TRIAL_LIMIT_S * 1000;
}

void trial_usual_link(const struct app *app, char out[LINK_MAX_BYTES])
{
    const char *links = app->config.canary_links;
    links += strspn(links, ", \t");
    int len = (int)strcspn(links, ", \t");
    if (len > 0 && len < LINK_MAX_BYTES)
        (void)snprintf(out, LINK_MAX_BYTES, "%.*s", len, links);
    else
        (void)snprintf(out, LINK_MAX_BYTES, "https://www.youtube.com/watch?v=%s", usual_video);
}

/* ---- An extraction ---- */

static void add_found(json_t *result, const struct description *d)
{
    (void)json_object_update_new(result,
                                 json_pack("{s:o, s:o, s:I}", "engine", admin_text(d->engine), "title",
                                           admin_text(d->title), "formats", (json_int_t)d->format_count));
}

static int extract(struct app *app, const struct trial *t, json_t *result, struct err *err)
{
    struct link link;
    char usual[LINK_MAX_BYTES];
    json_t *steps = NULL;
    auto_ptr(description) struct description *d = NULL;
    const struct extract_by by = {
        .client = t->part == TRIAL_CLIENT ? t->name : NULL,
        .engine = t->part == TRIAL_ENGINE ? t->name : NULL,
        .way = t->part == TRIAL_WAY ? t->name : NULL,
        .until_mono_us = clock_mono_us() + trial_limit_ms(app) * INT64_C(1000),
    };
    trial_usual_link(app, usual);
    if (serve_parse_link(&link, t->link && *t->link ? t->link : usual, err) < 0)
        return -1;
    int rc = serve_extract_by(app, &link, &by, &d, &steps, err);
    if (rc == 0)
        add_found(result, d);
    (void)json_object_set_new(result, "trace", steps ? steps : json_array());
    return rc;
}

/* ---- Cookies ---- */

/* The host's first page, with them. Whether it takes who asks for whom they are of, only a person can see;
 * but a site that is done with them says so by its status. */
static int try_cookies(struct app *app, const struct trial *t, struct err *err)
{
    struct egress_way ways[EGRESS_WAYS_MAX];
    char egress[EGRESS_MAX];
    char url[EGRESS_HOST_MAX + 16];
    auto_(net_answer) struct net_answer answer = {.status = 0};
    (void)egress_ways(app->net, ways);
    egress_name(app->net, &ways[0], true, egress);
    (void)snprintf(url, sizeof url, "https://%.*s/", EGRESS_HOST_MAX, t->name);
    const struct net_call call = {
        .url = url,
        .max_bytes = COOKIE_PAGE_MAX_BYTES,
        .timeout_ms = trial_limit_ms(app),
        .compressed = true,
        .egress = egress,
        .cancelled = &app->ending,
    };
    if (net_call(app->net, &call, &answer, err) < 0)
        return -1;
    return answer.status < 400 ? 0
                               : err_set(err, ERR_UPSTREAM_FAILED, "%s answers %d", t->name, answer.status);
}

/* ---- Tokens ---- */

/* All that the client needs, freshly made. */
static int try_tokens(struct app *app, const struct trial *t, struct err *err)
{
    struct site_env env = app->site;
    auto_ptr(clients) struct clients *clients = clients_acquire(app->clients_file);
    const struct client *c = clients ? clients_find(clients, t->name) : NULL;
    env.get = NULL;
    env.put = NULL;
    if (!c || !c->po_contexts)
        return err_set(err, ERR_NOT_FOUND, "no client of that name needs any");
    for (int i = 0; i < PO_CONTEXT_COUNT; i++) {
        auto_(buf) struct buf token = BUF_INIT(PO_TOKEN_MAX);
        if (po_token_get(&env, c, (enum po_context)i, "sluice-test", usual_video, &token, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- */

static bool is_known(struct app *app, const struct trial *t)
{
    struct engine_state engines[ENGINES_MAX];
    struct egress_way ways[EGRESS_WAYS_MAX];
    struct egress_cookies hosts[TRIAL_COOKIE_HOSTS_MAX];
    bool known = false;
    if (t->part == TRIAL_ENGINE) {
        for (size_t i = engines_look(&app->engines, engines); i > 0; i--)
            known |= strcmp(engines[i - 1].name, t->name) == 0;
    } else if (t->part == TRIAL_WAY) {
        for (size_t i = egress_ways(app->net, ways); i > 0; i--)
            known |= strcmp(ways[i - 1].name, t->name) == 0;
    } else if (t->part == TRIAL_COOKIES) {
        for (size_t i = egress_cookies(app->net, hosts, TRIAL_COOKIE_HOSTS_MAX); i > 0; i--)
            known |= strcmp(hosts[i - 1].host, t->name) == 0;
    } else {
        auto_ptr(clients) struct clients *clients = clients_acquire(app->clients_file);
        known = clients && clients_find(clients, t->name);
    }
    return known;
}

static json_t *try_it(struct app *app, const struct trial *t)
{
    struct err failed = {.code = ERR_OK};
    char at[24];
    json_t *result = json_object();
    int64_t began_us = clock_mono_us();
    clock_format_utc(clock_unix_s(), at, sizeof at);
    int rc = t->part == TRIAL_COOKIES  ? try_cookies(app, t, &failed)
             : t->part == TRIAL_TOKENS ? try_tokens(app, t, &failed)
                                       : extract(app, t, result, &failed);
    (void)json_object_update_new(result,
                                 json_pack("{s:b, s:s, s:o, s:s, s:I}", "ok", rc == 0, "code",
                                           rc == 0 ? "ok" : err_info(failed.code)->name, "error",
                                           admin_text(rc == 0 ? "" : failed.text), "at", at, "took_ms",
                                           (json_int_t)((clock_mono_us() - began_us) / 1000)));
    return result;
}

json_t *trial_run(struct app *app, const struct trial *t, struct err *err)
{
    static atomic_int running;
    json_t *result = NULL;
    if (!is_known(app, t)) {
        (void)err_set(err, ERR_NOT_FOUND, "nothing of that kind has that name");
        return NULL;
    }
    if (atomic_fetch_add(&running, 1) >= TRIAL_AT_ONCE)
        (void)err_set(err, ERR_BUSY, "others are being tried");
    else if (!(result = try_it(app, t)))
        (void)err_set(err, ERR_INTERNAL, "out of memory");
    (void)atomic_fetch_sub(&running, 1);
    return result;
}
