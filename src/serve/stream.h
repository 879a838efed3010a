/* What GET /api/v1/stream does, for routes that word the question otherwise. */
#ifndef SLUICE_SERVE_STREAM_H
#define SLUICE_SERVE_STREAM_H

#include "serve/app.h"

/* Borrowed for the call. */
struct stream_ask {
    const char *data;   /* a `data` link's token; NULL: none, then */
    const char *link;   /* this, and */
    const char *wanted; /* a choice as choice_find() takes it; NULL or "": the best */
};

/* Admits, finds and sends it; all else (lang, start, subs …) is read from the request's parameters. Returns
 * what a handler does. */
int serve_stream_of(struct app *app, const struct http_request *req, const struct stream_ask *ask,
                    struct http_response *res, struct err *err);

#endif
