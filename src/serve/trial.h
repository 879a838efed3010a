/* Trying one part of extraction on its own, for an operator who wants to know whether that is what fails: an
 * engine, a client of the site, a way out, the cookies of a host, or the tokens of a client. */
#ifndef SLUICE_SERVE_TRIAL_H
#define SLUICE_SERVE_TRIAL_H

#include <jansson.h>

#include "serve/app.h"

enum {
    TRIAL_LIMIT_S = 20,         /* web servers wait a minute */
    TRIAL_AT_ONCE = 2,          /* of a process: they must not take its threads */
    TRIAL_COOKIE_HOSTS_MAX = 64 /* that are listed */
};

enum trial_part { TRIAL_ENGINE, TRIAL_CLIENT, TRIAL_WAY, TRIAL_COOKIES, TRIAL_TOKENS, TRIAL_PART_COUNT };
/* "engine", …; -1: no such part. */
int trial_part_of(const char *text, enum trial_part *out);

struct trial {
    enum trial_part part;
    const char *name; /* the engine's, …; for cookies a host */
    const char *link; /* NULL or "": the usual one; cookies and tokens ask for none */
};

/* The most that all calls of one may take together: twice what one may, but not above TRIAL_LIMIT_S. */
int trial_limit_ms(const struct app *app);

/* The first of the canary's links, or a video that will stay. */
void trial_usual_link(const struct app *app, char out[LINK_MAX_BYTES]);

/* {"ok","code","error","at","took_ms","engine","title","formats","trace"}; the last four only of an
 * extraction. NULL: it was not begun. ERR_NOT_FOUND nothing has that name, ERR_BUSY others are being tried.
 */
json_t *trial_run(struct app *app, const struct trial *t, struct err *err);

#endif
