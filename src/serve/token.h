/* `data` tokens: what to stream and until when, sealed (base/hash.h). They outlive the source's own URLs and
 * our restarts: the source is described again when needed. Inside: {"l": canonical link, "c": choice, "x":
 * expiry, unix seconds}. */
#ifndef SLUICE_SERVE_TOKEN_H
#define SLUICE_SERVE_TOKEN_H

#include "serve/app.h"

struct token {
    char *link;
    char *choice;
    int64_t expires_unix_s;
};

/* Appends a token for (link, choice) that lives config.token_ttl_s. */
int token_make(struct app *app, const char *link, const char *choice, struct buf *out, struct err *err);
/* Errors: ERR_TOKEN_INVALID, ERR_TOKEN_EXPIRED. token_fini() on success. */
int token_read(struct app *app, const char *text, struct token *out, struct err *err);
void token_fini(struct token *t);

/* Appends "{prefix}/api/v1/{route}?data={token}": the link a client follows. `prefix` as of http_request. */
int token_link(struct app *app, const char *prefix, const char *route, const char *link, const char *choice,
               struct buf *out, struct err *err);

DEFINE_AUTO(token, token_fini)

#endif
