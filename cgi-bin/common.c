/* See common.h. */
#include "common.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/config.h"
#include "base/log.h"
#include "http/server.h"
#include "serve/app.h"
#include "serve/books.h"
#include "serve/canary.h"
#include "serve/chores.h"
#include "serve/events.h"
#include "serve/jobs.h"
#include "serve/prepare.h"
#include "serve/pump.h"
#include "serve/s3_upload.h"
#include "store/admin.h"

int door_check_config(const char *path)
{
    struct err err = {0};
    struct config config;
    int rc = config_load(&config, path, &err);
    if (rc == 0) {
        rc = app_check(&config, &err);
        config_fini(&config);
    }
    if (rc < 0)
        fprintf(stderr, "%s\n", err.text);
    else
        puts("configuration is fine");
    return rc < 0;
}

/* Streams take no thread (serve/pump.h), but finding out what to send does, where it waits for the outside
 * world. Beside those that may: threads that say "busy" to the next one, and answer what is at hand, health
 * first of all. */
enum { SPARE_THREADS = 16, ADMIN_THREADS = 16 };

struct door {
    struct app app;
    unsigned program;
    const char *socket; /* NULL: inherited, or plain CGI */
};

/* The sockets are open and no thread runs: what comes after this line cannot do more than serve. */
static int make_ready(void *ctx, struct err *err)
{
    struct door *d = ctx;
    const struct sandbox *sandbox = &d->app.sandbox;
    bool stays = http_serves_on(d->socket);
    char abi[16];
    app_start_js(&d->app, NULL);
    app_start_ytdlp(&d->app, NULL);
    if (app_confine(&d->app, d->socket && *d->socket != ':' ? d->socket : "", err) < 0)
        return -1;
    (void)snprintf(abi, sizeof abi, "%d", sandbox->landlock_abi);
    log_event(!stays              ? LOG_DEBUG /* one line per request would be too many */
              : *sandbox->missing ? LOG_WARN
                                  : LOG_INFO,
              "sandbox", "level", sandbox_level(sandbox), "landlock", abi, "missing", sandbox->missing, NULL);
    const struct pumps_opts pumps = {
        .net = d->app.net,
        .gate = d->app.gate,
        .slices = d->app.slices,
        .loops = stays ? 0 : 1,
        .stall_s = (unsigned)d->app.config.client_timeout_s,
    };
    if (d->program == HTTP_ROUTE_STREAM && pumps_open(&d->app.pumps, &pumps, err) < 0)
        return -1;
    if (d->program == HTTP_ROUTE_INFO && stays && prepare_start(&d->app, err) < 0)
        log_event(LOG_WARN, "nothing-is-prepared", "error", err->text, NULL);
    if (d->program != HTTP_ROUTE_STREAM && events_open(&d->app.events, err) < 0)
        return -1;
    if (d->program == HTTP_ROUTE_STREAM && stays && d->app.config.job_threads &&
        jobs_start(&d->app, (unsigned)d->app.config.job_threads, err) < 0)
        log_event(LOG_WARN, "no-jobs-are-run", "error", err->text, NULL);
    if (d->program == HTTP_ROUTE_STREAM && stays && s3_upload_sweep_start(&d->app, err) < 0)
        log_event(LOG_WARN, "uploads-are-not-swept", "error", err->text, NULL);
    if (d->program == HTTP_ROUTE_INFO && stays && canary_start(&d->app, err) < 0)
        log_event(LOG_WARN, "no-canary", "error", err->text, NULL);
    if (stays && chores_start(&d->app, err) < 0)
        log_event(LOG_WARN, "chores-are-not-done", "error", err->text, NULL);
    return 0;
}

/* What would go on by itself. */
static void hush(void *ctx)
{
    struct door *d = ctx;
    atomic_store(&d->app.ending, true);
    jobs_hush(&d->app);
    events_hush(d->app.events);
}

/* The first user, where the settings have a password and nobody is there yet. */
static void make_first_admin(struct app *app)
{
    struct err err = {0};
    if (!*app->config.admin_password || store_admin_exists(app->store, &err) != 0)
        return;
    if (store_admin_create(app->store, "admin", app->config.admin_password, true, &err) < 0)
        log_event(LOG_WARN, "no-first-admin", "error", err.text, NULL);
}

static int serve(unsigned program, const char *config_file, const char *socket)
{
    struct err err = {0};
    struct config config;
    struct door door = {.program = program, .socket = socket};
    struct app *app = &door.app;
    if (config_load(&config, config_file, &err) < 0) {
        log_event(LOG_ERROR, "bad-configuration", "error", err.text, NULL);
        return 1;
    }
    log_set_level(config.log_level);
    if (app_open(app, &config, &err) < 0) {
        log_event(LOG_ERROR, "cannot-start", "error", err.text, NULL);
        return 1;
    }
    if (program == HTTP_ROUTE_ADMIN)
        make_first_admin(app);
    unsigned requests = program == HTTP_ROUTE_ADMIN ? ADMIN_THREADS : (unsigned)app->config.info_threads;
    if (program == HTTP_ROUTE_STREAM)
        requests = app->config.max_connections < APP_STREAM_THREADS ? (unsigned)app->config.max_connections
                                                                    : APP_STREAM_THREADS;
    app_limit(app, requests);
    struct http_server_opts opts = {
        .socket = socket,
        .threads = requests + SPARE_THREADS,
        .send_timeout_s = (unsigned)app->config.stall_timeout_s,
        .grace_s = (unsigned)app->config.stop_grace_s,
        .program = program,
        .routes = serve_routes,
        .route_count = serve_route_count,
        .app = app,
        .ended = books_note,
        .before_serving = make_ready,
        .before_serving_ctx = &door,
        .stopping = hush,
    };
    int rc = http_serve(&opts, &err);
    if (rc < 0)
        log_event(LOG_ERROR, "cannot-serve", "error", err.text, NULL);
    canary_stop(app);
    chores_stop(app);
    s3_upload_sweep_stop(app);
    bool ended = jobs_stop(app);
    if (!prepare_stop(app) || !ended || (rc < 0 && err.code == ERR_BUSY))
        _exit(rc < 0 ? 1 : 0); /* something that did not end in time is still using the app */
    app_close(app);
    return rc < 0 ? 1 : 0;
}

int door_main(int argc, char **argv, const char *name, unsigned program)
{
    const char *socket = NULL;
    const char *config_file = NULL;
    log_init(name, LOG_INFO);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--socket") == 0 && i + 1 < argc) {
            socket = argv[++i];
        } else if (strcmp(argv[i], "--config") == 0 && i + 1 < argc) {
            config_file = argv[++i];
        } else if (strcmp(argv[i], "--check-config") == 0) {
            return door_check_config(config_file);
        } else if (strcmp(argv[i], "--version") == 0) {
            puts(SLUICE_VERSION);
            return 0;
        } else {
            fprintf(stderr, "usage: %s [--config FILE] [--socket PATH|:PORT] [--check-config] [--version]\n",
                    name);
            return 2;
        }
    }
    return serve(program, config_file, socket);
}
