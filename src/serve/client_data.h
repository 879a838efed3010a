/* The client data of the site (site/youtube/clients.h) as operators change them in the control room.
 *
 * On a host they are a file, clients.json in data_dir, which every process reads again when it has changed;
 * without it the built-in ones are in force. The database has what was saved last, and hosts that share it
 * take a change up once, within a second or two: what somebody edits by hand after that stays. Where the
 * operator's own file is in force (clients_file), all of this does nothing.
 * Threads: all functions from any, but for client_data_tick(). */
#ifndef SLUICE_SERVE_CLIENT_DATA_H
#define SLUICE_SERVE_CLIENT_DATA_H

#include "base/hash.h"
#include "serve/app.h"

/* Whether it is not the operator's own file that is in force. */
bool client_data_is_editable(const struct app *app);
/* Appends the text of the file, or (*built_in) the built-in one. It need not be usable. */
int client_data_read(const struct app *app, struct buf *text, bool *built_in, struct err *err);
/* Saves `text`, which has been checked; NULL: back to the built-in ones. What it replaces, if that was a
 * file, is kept as a version (store/client_versions.h) of `by`. ERR_PRECONDITION_FAILED: what is there has
 * not the hash `base`. */
int client_data_save(struct app *app, const char *by, const char *text, const char *base, struct err *err);
/* Takes up what was saved elsewhere. By one thread of a process, now and then. */
void client_data_tick(struct app *app);

#endif
