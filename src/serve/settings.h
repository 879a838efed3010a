/* Settings that are changed while programs run, in the admin pages or by `sluice`: rows of the table
 * `setting`, which count for more than file and environment. Every program that stays looks at the table once
 * a second, on every host that shares the database; one that serves a single request when it begins.
 * Threads: all functions are safe from any. */
#ifndef SLUICE_SERVE_SETTINGS_H
#define SLUICE_SERVE_SETTINGS_H

#include "serve/app.h"

/* Notes what file and environment say, and takes up what the table says. A table that cannot be read is no
 * reason not to serve. Before threads; the last thing of app_open(). */
int settings_open(struct app *app, struct err *err);
void settings_close(struct app *app);
/* Takes up what has changed. */
void settings_tick(struct app *app);

/* Whether a setting may have that value: config_try(), and what is asked of it here. ERR_BAD_REQUEST. */
int settings_try(const struct config_key *key, const char *value, struct err *err);
/* Changes one (of config.h's, `live`); value NULL: back to what file and environment say. Here at once,
 * elsewhere within a second. `by`: who does it. ERR_BAD_REQUEST: there is none, it is not changed like this,
 * or may not have that value. */
int settings_change(struct app *app, const char *name, const char *value, const char *by, struct err *err);
/* What file and environment say of it, appended. */
int settings_without(struct app *app, const struct config_key *key, struct buf *out,
                     enum config_source *source);

/* Whether new streams and jobs are begun now. ERR_MAINTENANCE, with the operator's message. */
int settings_admit(const struct app *app, struct err *err);
bool settings_maintenance(const struct app *app);

#endif
