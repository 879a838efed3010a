/* How an extraction meets the outside world: the way out it takes (net/egress.h), and that it takes its turn.
 *
 * A way is chosen by weight among those that can be reached and that the site has not told to wait. Calls to
 * a site's API are paced: by each way out one in `upstream_interval_ms`, more or less by half, with a few at
 * once after a pause; and on this host `upstream_calls` at once in all. Where the site answers 429, the way
 * is left alone for as long as it says. All of it holds across processes. */
#ifndef SLUICE_SERVE_OUTWARD_H
#define SLUICE_SERVE_OUTWARD_H

#include "net/egress.h"
#include "serve/app.h"

enum { OUTWARD_TRIES = 2 };

/* One extraction's; the first three are set by the caller. */
struct outward {
    struct app *app;
    const char *only_way;  /* the name of the one to take, even if it has been told to wait; NULL: any */
    int64_t until_mono_us; /* no call takes longer than that; 0: as long as the settings say */
    struct site_env under;
    bool cookies;
    bool is_one_of; /* there are several ways */
    char way[EGRESS_WAY_NAME_MAX];
    char egress[EGRESS_MAX];
};

/* Whether a way has been told to wait. Without the database nobody can know. */
bool outward_is_left_alone(struct app *app, const char *way);
/* Chooses a way. ERR_RATE_LIMITED_UPSTREAM, with retry_after_s: all of them have been told to wait. */
int outward_begin(struct outward *o, const struct link *link, struct err *err);
/* All calls of `env` go that way from now on, as long as `o` lives. */
void outward_join(struct outward *o, struct site_env *env);
/* After an extraction that failed: whether that may have been the way's fault and another one was chosen. */
bool outward_again(struct outward *o, const struct err *why);
/* What was found is to be fetched the same way. */
int outward_mark(const struct outward *o, struct description *d, struct err *err);

#endif
