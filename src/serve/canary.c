/* See canary.h. */
#include "serve/canary.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "serve/describe.h"
#include "serve/outcomes.h"
#include "store/rate.h"

enum { RESULT_MAX_BYTES = 64 * 1024, LOOK_S = 1 };

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

struct canary {
    struct app *app;
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    bool stopping;
};

static bool wait_look(struct canary *c)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += LOOK_S;
    (void)pthread_mutex_lock(&c->lock);
    for (int rc = 0; !c->stopping && rc == 0;)
        rc = pthread_cond_timedwait(&c->changed, &c->lock, &until);
    bool stopping = c->stopping;
    (void)pthread_mutex_unlock(&c->lock);
    return stopping;
}

/* One of all programs that share the database gets the turn. */
static bool is_our_turn(struct app *app)
{
    struct err ignored;
    int64_t now_us = clock_unix_us();
    return store_rate_note(app->store, turn_subject, now_us, now_us + app->config.canary_interval_s * 1000000,
                           &ignored) == 1;
}

static void *work(void *arg)
{
    struct canary *c = arg;
    while (!wait_look(c)) {
        if (is_our_turn(c->app))
            (void)canary_run(c->app);
    }
    return NULL;
}

static void destroy(struct canary *c)
{
    (void)pthread_cond_destroy(&c->changed);
    (void)pthread_mutex_destroy(&c->lock);
    free(c);
}

int canary_start(struct app *app, struct err *err)
{
    pthread_condattr_t monotonic;
    sigset_t all;
    sigset_t before;
    if (!*app->config.canary_links)
        return 0;
    struct canary *c = calloc(1, sizeof *c);
    if (!c || pthread_condattr_init(&monotonic) != 0) {
        free(c);
        return err_set(err, ERR_INTERNAL, "out of memory");
    }
    c->app = app;
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&c->lock, NULL);
    (void)pthread_cond_init(&c->changed, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    (void)sigfillset(&all); /* signals are for the thread that serves */
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&c->thread, NULL, work, c);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        destroy(c);
        return err_set(err, ERR_INTERNAL, "cannot start a thread");
    }
    app->canary = c;
    return 0;
}

void canary_stop(struct app *app)
{
    struct canary *c = steal(&app->canary);
    if (!c)
        return;
    atomic_store(&app->ending, true);
    (void)pthread_mutex_lock(&c->lock);
    c->stopping = true;
    (void)pthread_cond_signal(&c->changed);
    (void)pthread_mutex_unlock(&c->lock);
    (void)pthread_join(c->thread, NULL);
    destroy(c);
}
