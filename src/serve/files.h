/* The tier of whole files (files.c), for who looks after it. */
#ifndef SLUICE_SERVE_FILES_H
#define SLUICE_SERVE_FILES_H

#include "serve/tier.h"

/* Where the snippet for nginx has them, for nobody but us. */
#define FILES_SERVER_PREFIX "/.sluice-outputs/"

/* Whether the web server sends them by itself: the setting `sendfile`. */
bool files_are_sent_by_server(const struct app *app);
/* What tells it to send one: the header's name, and its value, appended. */
const char *files_server_header_name(const struct app *app);
int files_server_header(const struct app *app, const char *key, struct buf *value, struct err *err);
/* Reads all of it: 1 it is what was stored, 0 it is not or not there, -1 it cannot be read. */
int files_verify(struct app *app, const struct store_content *c, struct err *err);

#endif
