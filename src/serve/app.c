/* See app.h. */
#include "serve/app.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/io.h"
#include "base/log.h"
#include "serve/auth.h"
#include "serve/books.h"
#include "serve/budget.h"
#include "serve/chores.h"
#include "serve/events.h"
#include "serve/outcomes.h"
#include "serve/pump.h"
#include "serve/s3.h"
#include "serve/settings.h"
#include "serve/telegram.h"
#include "serve/tier.h"
#include "serve/tier_uses.h"
#include "site/engines/ytdlp.h"
#include "site/youtube/challenges/js.h"
#include "site/youtube/clients.h"
#include "site/youtube/fill.h"
#include "site/youtube/po_token.h"
#include "store/jobs.h"

static int call_net(void *ctx, const struct net_call *call, struct net_answer *answer, struct err *err)
{
    return net_call(ctx, call, answer, err);
}

static int call_cookies(void *ctx, const char *url, struct buf *out)
{
    return net_cookies(ctx, url, out);
}

/* What extraction remembers between calls (visitor data) lies in the same table as descriptions, under its
 * own keys. */
static int memo_get(void *ctx, const char *key, struct buf *out)
{
    struct err ignored;
    int64_t expires;
    return store_cache_get(ctx, key, clock_unix_s(), out, &expires, &ignored) == 1 ? 0 : -1;
}

static void memo_put(void *ctx, const char *key, const char *value, int64_t expires_unix_s)
{
    struct err err;
    if (store_cache_put(ctx, key, value, strlen(value), expires_unix_s, &err) < 0)
        log_event(LOG_WARN, "memo-not-kept", "error", err.text, NULL);
}

static int open_shelf(struct app *app, struct err *err)
{
    auto_ptr(char) char *dir = NULL;
    if (asprintf(&dir, "%s/plans", app->config.data_dir) < 0)
        return err_set(err, ERR_INTERNAL, "out of memory");
    return shelf_open(&app->shelf, app->cache, dir, (uint64_t)app->config.plan_cache_bytes, err);
}

/* slices_opts.count */
static void count_slices(void *ctx, enum slices_event event, uint64_t n)
{
    const struct app *app = ctx;
    books_slices(app->books, event, n);
}

/* slices_opts.hurry */
static void hurry_chores(void *ctx)
{
    struct app *app = ctx;
    chores_hurry(app);
}

static int open_slices(struct app *app, struct err *err)
{
    const struct slices_opts opts = {
        .store = app->store,
        .data_dir = app->config.data_dir,
        .place = app->place,
        .max_bytes = app->config.cache_bytes,
        .ttl_s = app->config.slice_ttl_s,
        .count = count_slices,
        .hurry = hurry_chores,
        .ctx = app,
    };
    return slices_open(&app->slices, &opts, err);
}

static struct gate_limits stream_limits(const struct config *c)
{
    return (struct gate_limits){c->max_connections, c->max_active, c->queue_wait_s};
}

static struct gate_limits worker_limits(const struct config *c)
{
    int64_t at_once = c->max_workers ? c->max_workers : sysconf(_SC_NPROCESSORS_ONLN);
    return (struct gate_limits){c->max_connections, at_once, c->queue_wait_s};
}

void app_set_gates(struct app *app)
{
    const struct gate_limits streams = stream_limits(&app->config);
    const struct gate_limits workers = worker_limits(&app->config);
    gate_limit(app->gate, &streams);
    gate_limit(app->workers, &workers);
}

static int open_gates(struct app *app, struct err *err)
{
    const struct gate_limits streams = stream_limits(&app->config);
    const struct gate_limits workers = worker_limits(&app->config);
    auto_ptr(char) char *dir = NULL;
    if (asprintf(&dir, "%s/workers", app->config.data_dir) < 0)
        return err_set(err, ERR_INTERNAL, "out of memory");
    return io_make_dirs(dir, err) < 0 || gate_open(&app->gate, app->config.data_dir, &streams, err) < 0
               ? -1
               : gate_open(&app->workers, dir, &workers, err);
}

/* A plan can take as long as plan_wait_s, and eight connections. Were there no limit, a few dozen links to
 * slow sources would take every thread of stream.fcgi: half of them may make plans, a quarter may wait for
 * that, and the rest is for whoever asks for something else. Those in line hold up one video's plan for no
 * longer than PLAN_QUEUE_WAIT_S. Formed alike in all programs, as the gate wants. */
static int open_plans(struct app *app, struct err *err)
{
    enum { PLAN_QUEUE_WAIT_S = 5 };
    int64_t threads = app->config.max_connections < APP_STREAM_THREADS ? app->config.max_connections
                                                                       : APP_STREAM_THREADS;
    int64_t at_once = threads / 2 ? threads / 2 : 1;
    const struct gate_limits limits = {
        .max_connections = at_once + threads / 4,
        .max_active = at_once,
        .queue_wait_s = PLAN_QUEUE_WAIT_S,
    };
    auto_ptr(char) char *dir = NULL;
    if (asprintf(&dir, "%s/planners", app->config.data_dir) < 0)
        return err_set(err, ERR_INTERNAL, "out of memory");
    return io_make_dirs(dir, err) < 0 ? -1 : gate_open(&app->plans, dir, &limits, err);
}

static int open_calls(struct app *app, struct err *err)
{
    const struct gate_limits limits = {
        .max_connections = app->config.upstream_calls * 16,
        .max_active = app->config.upstream_calls,
        .queue_wait_s = (app->config.upstream_timeout_ms + 999) / 1000,
    };
    auto_ptr(char) char *dir = NULL;
    if (asprintf(&dir, "%s/calls", app->config.data_dir) < 0)
        return err_set(err, ERR_INTERNAL, "out of memory");
    return io_make_dirs(dir, err) < 0 ? -1 : gate_open(&app->calls, dir, &limits, err);
}

enum { PLACE_LEN = 32 };
_Static_assert((int)PLACE_LEN <= (int)STORE_PLACE_MAX, "fits");

/* A name that no other directory has, made by whoever comes first. */
static int open_place(struct app *app, struct err *err)
{
    uint8_t random[PLACE_LEN / 2];
    char name[PLACE_LEN + 1];
    auto_(buf) struct buf text = BUF_INIT(PLACE_LEN);
    auto_ptr(char) char *path = NULL;
    auto_ptr(char) char *own = NULL;
    hash_random(random, sizeof random);
    for (size_t i = 0; i < sizeof random; i++)
        (void)snprintf(name + 2 * i, 3, "%02x", random[i]);
    if (asprintf(&path, "%s/place", app->config.data_dir) < 0 || asprintf(&own, "%s.%s", path, name) < 0)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (access(path, F_OK) < 0) {
        if (io_write_file(own, name, PLACE_LEN, err) < 0)
            return -1;
        if (link(own, path) < 0 && errno != EEXIST) /* a filesystem without links */
            (void)rename(own, path);
        (void)unlink(own);
    }
    if (io_read_file(path, &text, err) < 0)
        return -1;
    if (text.len != PLACE_LEN || strspn(buf_str(&text), "0123456789abcdef") != PLACE_LEN)
        return err_set(err, ERR_INTERNAL, "%s is damaged: remove it", path);
    memcpy(app->place, buf_str(&text), PLACE_LEN);
    store_jobs_here(app->store, app->place);
    return 0;
}

struct net_opts app_net_opts(const struct config *c)
{
    return (struct net_opts){
        .proxy_url = c->proxy_url,
        .ipv6_subnet = c->ipv6_subnet,
        .cookies_dir = c->cookies_dir,
        .ca_file = c->upstream_ca_file,
        .ports = c->upstream_ports,
        .connect_ms = (int)c->upstream_connect_ms,
        .timeout_ms = (int)c->upstream_timeout_ms,
        .stall_s = (int)c->stall_timeout_s,
    };
}

static struct engine_settings engines_of(const struct config *c)
{
    return (struct engine_settings){
        .order = c->engines,
        .invidious = c->invidious_instances,
        .resolver_url = c->resolver_url,
        .resolver_fields = c->resolver_fields,
        .resolver_key = c->resolver_key,
        .resolver_iv = c->resolver_iv,
    };
}

int app_check(const struct config *c, struct err *err)
{
    const struct net_opts opts = app_net_opts(c);
    const struct engine_settings engines = engines_of(c);
    struct net *net = NULL;
    auto_ptr(s3) struct s3 *s3 = NULL;
    auto_ptr(clients) struct clients *clients = NULL;
    auto_(buf) struct buf text = BUF_INIT(CLIENTS_MAX_BYTES);
    if (auth_check_config(c, err) < 0 || po_token_check(c->pot_provider_url, c->po_tokens, err) < 0 ||
        engines_check(&engines, err) < 0 || tiers_check(c, err) < 0 || telegram_check(c, err) < 0 ||
        s3_open(&s3, c, err) < 0 || net_open(&net, &opts, err) < 0)
        return -1;
    net_close(net);
    if (*c->database && store_try(c->database, err) < 0)
        return -1;
    if (!*c->clients_file)
        return 0;
    return io_read_file(c->clients_file, &text, err) < 0 ||
                   clients_parse(&clients, buf_str(&text), text.len, err) < 0
               ? -1
               : 0;
}

/* The operator's, or the one that the control room writes. */
static int find_clients_file(struct app *app)
{
    const struct config *c = &app->config;
    if (*c->clients_file && access(c->clients_file, R_OK) < 0)
        log_event(LOG_ERROR, "clients", "file", c->clients_file, "error", "cannot be read", NULL);
    if (asprintf(&app->clients_file, "%s%s", *c->clients_file ? c->clients_file : c->data_dir,
                 *c->clients_file ? "" : "/clients.json") >= 0)
        return 0;
    app->clients_file = NULL;
    return -1;
}

int app_open(struct app *app, struct config *config, struct err *err)
{
    *app = (struct app){.config = *config};
    *config = (struct config){0};
    const struct config *c = &app->config;
    const struct net_opts net = app_net_opts(c);
    app->engines = engines_of(c);
    if (hash_init(err) < 0 || auth_check_config(c, err) < 0 ||
        po_token_check(c->pot_provider_url, c->po_tokens, err) < 0 || engines_check(&app->engines, err) < 0 ||
        tiers_check(c, err) < 0 || telegram_check(c, err) < 0 || io_make_dirs(c->data_dir, err) < 0 ||
        store_open(&app->store, *c->database ? c->database : c->data_dir, err) < 0 ||
        open_place(app, err) < 0 || cache_open(&app->cache, app->store, c->data_dir, err) < 0 ||
        open_shelf(app, err) < 0 || open_gates(app, err) < 0 || open_plans(app, err) < 0 ||
        open_calls(app, err) < 0 || live_open(&app->live, c->data_dir, err) < 0 ||
        net_open(&app->net, &net, err) < 0 || s3_open(&app->s3, c, err) < 0 ||
        outcomes_open(&app->outcomes, app->store, err) < 0 ||
        budgets_open(&app->budgets, app->store, err) < 0 ||
        tier_uses_open(&app->tier_uses, app->store, err) < 0 ||
        books_open(&app->books, app->store, c, err) < 0 || open_slices(app, err) < 0) {
        app_close(app);
        return -1;
    }
    if (asprintf(&app->players_dir, "%s/players", c->data_dir) < 0)
        app->players_dir = NULL;
    if (find_clients_file(app) < 0) {
        app_close(app);
        return err_set(err, ERR_INTERNAL, "out of memory");
    }
    atomic_init(&app->parts, c->parallel_bytes);
    store_limit_cache(app->store, (uint64_t)c->description_bytes);
    store_jobs_keep(app->store, c->job_keep_s);
    store_token_keys_rotate(app->store, c->token_ttl_s, c->token_rotate_s);
    if (settings_open(app, err) < 0) {
        app_close(app);
        return -1;
    }
    app->site = (struct site_env){
        .call = call_net,
        .call_ctx = app->net,
        .get = memo_get,
        .put = memo_put,
        .memo_ctx = app->store,
        .cookies = call_cookies,
        .cookies_ctx = app->net,
        .clients_file = app->clients_file,
        .players_dir = app->players_dir,
        .pot_provider_url = c->pot_provider_url,
        .po_tokens = c->po_tokens,
        .date_wait_ms = (int)c->date_wait_ms,
        .note = outcomes_note,
        .note_ctx = app->outcomes,
        .score = outcomes_score,
        .score_ctx = app->outcomes,
        .engines = &app->engines,
    };
    app_learn_looks(app);
    return 0;
}

void app_learn_looks(struct app *app)
{
    struct net_look looks[CLIENTS_MAX];
    struct fill fills[CLIENTS_MAX];
    struct err err;
    struct clients *c = clients_acquire(app->clients_file);
    if (!c || c == app->looks_of) {
        clients_release(c);
        return;
    }
    for (size_t i = 0; i < c->count; i++) {
        (void)fill_init(&fills[i], &c->list[i], "", ""); /* was checked when they were read */
        looks[i] = c->list[i].look;
        looks[i].user_agent = fills[i].user_agent;
    }
    if (net_set_looks(app->net, looks, c->count, &err) < 0)
        log_event(LOG_WARN, "looks", "error", err.text, NULL);
    clients_release(app->looks_of);
    app->looks_of = c;
}

/* `directory`, or (NULL) that of this program. */
static const char *find_directory(const char *directory, char own[PATH_MAX])
{
    if (directory)
        return directory;
    ssize_t n = readlink("/proc/self/exe", own, PATH_MAX - 1);
    own[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(own, '/');
    if (slash)
        *slash = '\0';
    return own;
}

void app_start_js(struct app *app, const char *directory)
{
    struct err err;
    char own[PATH_MAX];
    if (js_open(&app->site.js, find_directory(directory, own), &err) < 0)
        log_event(LOG_WARN, "no-player-scripts", "error", err.text, NULL);
}

/* Where Debian and pip put it. */
bool app_has_ytdlp(const struct config *c)
{
    static const char *const places[] = {
        "/usr/lib/python3*/dist-packages/yt_dlp",
        "/usr/local/lib/python3*/dist-packages/yt_dlp",
        "/usr/lib/python3*/site-packages/yt_dlp",
        "/usr/local/lib/python3*/site-packages/yt_dlp",
    };
    bool found = *c->ytdlp_path && access(c->ytdlp_path, R_OK) == 0;
    for (size_t i = 0; i < ARRAY_LEN(places) && !found; i++) {
        glob_t found_there;
        found = glob(places[i], GLOB_NOSORT, NULL, &found_there) == 0;
        if (found)
            globfree(&found_there);
    }
    return found && access(c->ytdlp_python, X_OK) == 0;
}

void app_start_ytdlp(struct app *app, const char *directory)
{
    struct err err;
    char own[PATH_MAX];
    const struct config *c = &app->config;
    const struct ytdlp_opts opts = {
        .directory = find_directory(directory, own),
        .python = c->ytdlp_python,
        .path = c->ytdlp_path,
        .proxy_url = c->proxy_url,
        .ipv6_subnet = c->ipv6_subnet,
        .ca_file = c->upstream_ca_file,
        .ports = c->upstream_ports,
        .connect_ms = (int)c->upstream_connect_ms,
        .timeout_s = (int)c->ytdlp_timeout_s,
    };
    if (!strstr(c->engines, "yt-dlp") || !app_has_ytdlp(c))
        return;
    if (ytdlp_open(&app->engines.ytdlp, &opts, &err) < 0)
        log_event(LOG_WARN, "no-yt-dlp", "error", err.text, NULL);
}

void app_limit(struct app *app, unsigned requests)
{
    cache_limit(app->cache, requests);
}

void app_close(struct app *app)
{
    js_close(app->site.js);
    ytdlp_close(app->engines.ytdlp);
    free(app->players_dir);
    free(app->clients_file);
    events_close(app->events);
    pumps_close(app->pumps);
    net_close(app->net);
    clients_release(app->looks_of);
    s3_close(app->s3);
    gate_close(app->gate);
    gate_close(app->workers);
    gate_close(app->plans);
    gate_close(app->calls);
    live_close(app->live);
    shelf_close(app->shelf);
    slices_close(app->slices);
    cache_close(app->cache);
    outcomes_close(app->outcomes);
    budgets_close(app->budgets);
    tier_uses_close(app->tier_uses);
    books_close(app->books);
    settings_close(app);
    store_close(app->store);
    config_fini(&app->config);
    *app = (struct app){0};
}
