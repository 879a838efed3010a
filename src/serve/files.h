/* The tier of whole files (files.c), for who looks after it. */
#ifndef SLUICE_SERVE_FILES_H
#define SLUICE_SERVE_FILES_H

#include "http/range.h"
#include "serve/tier.h"

/* Where the snippet for nginx has them, for nobody but us. */
#define FILES_SERVER_PREFIX "/.sluice-outputs/"

/* Whether the web server sends them by itself: the setting `sendfile`. */
bool files_are_sent_by_server(const struct app *app);
/* Whether we say which part it is to send; else it finds out by itself. */
bool files_server_wants_range(const struct app *app);
/* What tells it to. */
struct files_server_header {
    const char *name;
    bool says_ranges; /* it writes Accept-Ranges by itself, and does not notice ours */
    struct buf value; /* appended to */
};
int files_server_header(const struct app *app, const char *key, const struct http_range *range,
                        struct files_server_header *out, struct err *err);
/* Deletes files that the table does not know, which somebody took a row of away: how many, -1 error. */
int64_t files_remove_strays(struct app *app, struct err *err);
/* Reads all that are kept here, and forgets and deletes those that are not what was stored. */
struct files_findings {
    int64_t good, damaged;
};
int files_verify(struct app *app, struct files_findings *out, struct err *err);

#endif
