/* A few links, extracted on a schedule, so that an operator hears of a site that has changed before people
 * tell him. Whichever program of all that share the database comes first does a round; all of them know how
 * it went.
 */
#ifndef SLUICE_SERVE_CANARY_H
#define SLUICE_SERVE_CANARY_H

#include <jansson.h>

#include "serve/app.h"

enum { CANARY_LINKS_MAX = 16 };

/* Starts the thread that does rounds every `canary_interval_s`, where there are `canary_links`. */
int canary_start(struct app *app, struct err *err);
/* Ends a round that is under way. Does nothing where none was started. */
void canary_stop(struct app *app);

/* One round, now: asks for each link past the cache, and keeps how it went. How many failed. */
int canary_run(struct app *app);

enum canary_state {
    CANARY_NONE,     /* no links, or no round yet */
    CANARY_OK,       /* all could be had */
    CANARY_DEGRADED, /* some could not */
    CANARY_FAILING,  /* none could */
};
/* "ok"; static. */
const char *canary_state_name(enum canary_state state);

struct canary_summary {
    enum canary_state state;
    int links, failed;
    int64_t at_unix_s;
};
/* How the last round went. Without the database: CANARY_NONE. */
void canary_look(struct app *app, struct canary_summary *out);
/* The same in full, the caller's: {"at","state","links":[{"link","ok","code","engine","took_ms"}]}; a
 * link by its site and id, of a file its host. NULL: there was none. */
json_t *canary_json(struct app *app);

#endif
