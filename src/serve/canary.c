/* See canary.h. */
#include "serve/canary.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/ticker.h"
#include "serve/describe.h"
#include "serve/outcomes.h"
#include "store/rate.h"

enum { RESULT_MAX_BYTES = 64 * 1024, LOOK_MS = 1000 };

static const char result_key[] = "canary";
static const char turn_subject[] = "canary";

/* ---- One round ---- */

/* The next of the list, in `out`; false: that was the last. */
static bool next_link(const char **list, char *out, size_t room)
{
    static const char blanks[] = ", \t";
    const char *p = *list + strspn(*list, blanks);
    size_t len = strcspn(p, blanks);
    *list = p + len;
    if (len == 0 || len >= room)
        return false;
    memcpy(out, p, len);
    out[len] = '\0';
    return true;
}

/* Host and path without a query may name what is private; the id of a video does not. */
static void name_of(const struct link *link, const char *text, char out[300])
{
    const char *host = strstr(link->url, "://");
    if (link->kind == LINK_YOUTUBE_VIDEO)
        (void)snprintf(out, 300, "youtube %s", link->id);
    else if (host)
        (void)snprintf(out, 300, "%.*s", (int)strcspn(host + 3, "/?#"), host + 3);
    else
        (void)snprintf(out, 300, "%.40s", text);
}

static json_t *try_link(struct app *app, const char *text, bool *ok)
{
    struct err err = {.code = ERR_OK};
    struct link link = {.kind = LINK_BAD};
    auto_ptr(description) struct description *d = NULL;
    json_t *steps = NULL;
    char name[300];
    int64_t began_us = clock_mono_us();
    if (serve_parse_link(&link, text, &err) == 0 && serve_extract(app, &link, NULL, &d, &steps, &err) < 0)
        outcomes_failed(app->outcomes, &link, &err, steps);
    json_decref(steps);
    *ok = d != NULL;
    name_of(&link, text, name);
    return json_pack("{s:s, s:b, s:s, s:s, s:I}", "link", name, "ok", d != NULL, "code",
                     d ? "ok" : err_info(err.code)->name, "engine", d ? d->engine : "", "took_ms",
                     (json_int_t)((clock_mono_us() - began_us) / 1000));
}

static void keep(struct app *app, json_t *root)
{
    struct err err;
    char *text = json_dumps(root, JSON_COMPACT);
    /* A round that nobody does any more says nothing about today. */
    int64_t expires = clock_unix_s() + 3 * app->config.canary_interval_s;
    if (text && store_cache_put(app->store, result_key, text, strlen(text), expires, &err) < 0)
        log_event(LOG_WARN, "canary-not-kept", "error", err.text, NULL);
    free(text);
}

int canary_run(struct app *app)
{
    const char *list = app->config.canary_links;
    char link[LINK_MAX_BYTES];
    char at[24];
    int failed = 0;
    json_t *links = json_array();
    while (json_array_size(links) < CANARY_LINKS_MAX && !atomic_load(&app->ending) &&
           next_link(&list, link, sizeof link)) {
        bool ok = false;
        (void)json_array_append_new(links, try_link(app, link, &ok));
        failed += !ok;
    }
    int count = (int)json_array_size(links);
    enum canary_state state = failed == 0 ? CANARY_OK : failed < count ? CANARY_DEGRADED : CANARY_FAILING;
    clock_format_utc(clock_unix_s(), at, sizeof at);
    json_t *root = json_pack("{s:s, s:I, s:s, s:i, s:o}", "at", at, "at_unix_s", (json_int_t)clock_unix_s(),
                             "state", canary_state_name(state), "failed", failed, "links", links);
    if (count > 0 && !atomic_load(&app->ending))
        keep(app, root);
    json_decref(root);
    if (failed)
        log_event(LOG_WARN, "canary", "state", canary_state_name(state), NULL);
    return failed;
}

/* ---- How it went ---- */

const char *canary_state_name(enum canary_state state)
{
    static const char *const names[] = {[CANARY_NONE] = "none",
                                        [CANARY_OK] = "ok",
                                        [CANARY_DEGRADED] = "degraded",
                                        [CANARY_FAILING] = "failing"};
    return names[state];
}

json_t *canary_json(struct app *app)
{
    struct err ignored;
    auto_(buf) struct buf text = BUF_INIT(RESULT_MAX_BYTES);
    if (!*app->config.canary_links ||
        store_cache_get(app->store, result_key, clock_unix_s(), &text, NULL, &ignored) != 1)
        return NULL;
    return json_loadb(buf_str(&text), text.len, 0, NULL);
}

void canary_look(struct app *app, struct canary_summary *out)
{
    json_t *root = canary_json(app);
    const char *state = json_string_value(json_object_get(root, "state"));
    *out = (struct canary_summary){
        .state = CANARY_NONE,
        .links = (int)json_array_size(json_object_get(root, "links")),
        .failed = (int)json_integer_value(json_object_get(root, "failed")),
        .at_unix_s = json_integer_value(json_object_get(root, "at_unix_s")),
    };
    for (int i = CANARY_OK; state && i <= CANARY_FAILING; i++) {
        if (strcmp(state, canary_state_name((enum canary_state)i)) == 0)
            out->state = (enum canary_state)i;
    }
    json_decref(root);
}

/* ---- On a schedule ---- */

/* One of all programs that share the database gets the turn. */
static bool is_our_turn(struct app *app)
{
    struct err ignored;
    int64_t now_us = clock_unix_us();
    return store_rate_note(app->store, turn_subject, now_us, now_us + app->config.canary_interval_s * 1000000,
                           &ignored) == 1;
}

static void tick(void *ctx)
{
    if (is_our_turn(ctx))
        (void)canary_run(ctx);
}

int canary_start(struct app *app, struct err *err)
{
    return *app->config.canary_links ? ticker_start(&app->canary, LOOK_MS, tick, app, err) : 0;
}

void canary_stop(struct app *app)
{
    if (app->canary)
        atomic_store(&app->ending, true);
    ticker_stop(steal(&app->canary));
}
