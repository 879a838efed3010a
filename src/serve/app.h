/* What the endpoints share: one struct app per process, opened before threads start, read-only afterwards
 * (its parts are each safe from any thread). */
#ifndef SLUICE_SERVE_APP_H
#define SLUICE_SERVE_APP_H

#include <stdatomic.h>

#include "base/config.h"
#include "base/sandbox.h"
#include "cache/cache.h"
#include "cache/shelf.h"
#include "cache/slices.h"
#include "gate/gate.h"
#include "gate/live.h"
#include "http/route.h"
#include "net/net.h"
#include "site/engines/engines.h"
#include "site/site.h"
#include "store/contents.h"
#include "store/store.h"

/* How many threads of a program that sends streams may wait for the outside world. */
enum { APP_STREAM_THREADS = 64 };

struct ticker; /* base/ticker.h */

struct app {
    struct config config;
    struct settings *settings; /* what changes `config` while we run; see settings.h */
    struct store *store;
    struct cache *cache;
    struct shelf *shelf;   /* of plans */
    struct slices *slices; /* of sources; see cache/slices.h */
    struct gate *gate;     /* of streams */
    struct gate *workers;  /* of files that are made (serve/made.h) */
    struct gate *plans;    /* of plans being made (serve/planned.h) */
    struct gate *calls;    /* of calls of sites' APIs (serve/outward.h) */
    struct live *live;     /* what streams on this host */
    struct net *net;
    struct site_env site;
    struct engine_settings engines;
    char *players_dir;
    int64_t client_change; /* of client data, the last one taken up; of chores alone */
    char *clients_file;    /* the profiles in force, where it is there; else the built-in ones are */
    char
        place[STORE_PLACE_MAX + 1]; /* the name of this data directory, among those that share the database */
    struct outcomes *outcomes;      /* of asking the site's clients; see outcomes.h */
    struct budgets *budgets;        /* of bytes per day, to be settled; see budget.h */
    struct books *books;            /* of what was asked for; see books.h */
    struct ticker *canary;          /* NULL: no links to look at, or not here; see canary.h */
    atomic_bool ending;             /* nobody waits for an answer any more: calls end soon */
    struct ticker *chores;          /* NULL: this process does not stay; see chores.h */
    struct clients *looks_of;       /* whose looks the gate knows */
    int64_t helpers_us;             /* when it was last said that they are gone; see helpers.h */
    atomic_llong parts;             /* bytes that parallel connections may still read ahead (serve/lanes.h) */
    struct pumps *pumps;            /* NULL: this program sends no streams; see pump.h */
    struct jobs *jobs;              /* NULL: this program runs none; see jobs.h */
    struct events *events;          /* of jobs, to whoever listens; see events.h */
    int64_t swept_mono_us;          /* of tiers_tick() */
    struct tier_uses *tier_uses;    /* see tier_uses.h */
    struct s3 *s3;                  /* where uploads go; NULL: nowhere; see s3.h */
    struct ticker *s3_sweep;        /* NULL: nothing is swept up here; see s3_upload.h */
    struct prepare *prepare;        /* NULL: nothing is planned ahead; see prepare.h */
    struct sandbox sandbox;         /* what app_confine() reached */
};

/* Opens everything the programs need, from a loaded config that the app then owns. On error all is closed
 * again. */
int app_open(struct app *app, struct config *config, struct err *err);
/* Whether app_open() would find fault with settings that are in range by themselves, and with the files they
 * name. Touches nothing. */
int app_check(const struct config *config, struct err *err);
/* How these settings reach the outside world. Borrows from them. */
struct net_opts app_net_opts(const struct config *config);
/* Gives the gates the limits that the settings say now. */
void app_set_gates(struct app *app);
/* At most so many requests at once may wait for the outside world; more are told that we are busy. Call
 * before threads. */
void app_limit(struct app *app, unsigned requests);
void app_close(struct app *app);

/* Starts what runs player scripts, found in `directory` (NULL: beside this program); without it the clients
 * that need one are not asked. Before app_confine(). */
void app_start_js(struct app *app, const char *directory);

/* Starts what asks yt-dlp, likewise, if it is among the engines. Before app_confine(). */
void app_start_ytdlp(struct app *app, const char *directory);
/* Whether yt-dlp and its Python are there. */
bool app_has_ytdlp(const struct config *config);

/* Leaves this process only what serving takes (base/sandbox.h), as the setting `sandbox` says; app->sandbox
 * tells what came of it. `socket`: the path of a Unix socket that the program opened itself and removes at
 * the end, or "". Before any thread is started, after everything is open. Error: not all of it can be had,
 * but it is required. */
int app_confine(struct app *app, const char *socket, struct err *err);

/* Tells the gate how the site's clients shake hands (net_set_looks()), where their profiles have changed.
 * From one thread at a time. */
void app_learn_looks(struct app *app);

/* The table of all endpoints (routes.c). */
extern const struct http_route serve_routes[];
extern const size_t serve_route_count;

#endif
