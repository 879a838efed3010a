/* `data` tokens: what to stream and until when, sealed (base/hash.h). They outlive the source's own URLs and
 * our restarts: the source is described again when needed. Inside: {"l": canonical link, "c": choice, "x":
 * expiry, unix seconds, "k": id of the key it was made with, if any}. */
#ifndef SLUICE_SERVE_TOKEN_H
#define SLUICE_SERVE_TOKEN_H

#include "serve/app.h"
#include "store/keys.h"

struct token {
    char *link;
    char *choice;
    char key_id[STORE_KEY_ID_LEN + 1]; /* the key it counts against; "": none */
    int64_t expires_unix_s;
};

/* Who links are made for. */
struct token_holder {
    const char *prefix; /* as of http_request */
    const char *key_id; /* "": no key */
};

/* Appends a token for (link, choice) that lives config.token_ttl_s. */
int token_make(struct app *app, const char *key_id, const char *link, const char *choice, struct buf *out,
               struct err *err);
/* Errors: ERR_TOKEN_INVALID, ERR_TOKEN_EXPIRED. token_fini() on success. */
int token_read(struct app *app, const char *text, struct token *out, struct err *err);
void token_fini(struct token *t);

/* Appends "{prefix}/api/v1/{route}?data={token}": the link a client follows. */
int token_link(struct app *app, const struct token_holder *holder, const char *route, const char *link,
               const char *choice, struct buf *out, struct err *err);

DEFINE_AUTO(token, token_fini)

#endif
