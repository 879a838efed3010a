/* The tier of whole files (files.c), for who looks after it. */
#ifndef SLUICE_SERVE_FILES_H
#define SLUICE_SERVE_FILES_H

#include "serve/tier.h"

/* Whether the web server sends them by itself: the setting `sendfile`. */
bool files_are_sent_by_server(const struct app *app);
/* Reads all of it: 1 it is what was stored, 0 it is not or not there, -1 it cannot be read. */
int files_verify(struct app *app, const struct store_content *c, struct err *err);

#endif
