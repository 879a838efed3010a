/* `data` tokens: what to stream and until when, sealed (base/hash.h). They outlive the source's own URLs and
 * our restarts: the source is described again when needed. Inside: {"l": canonical link, "c": choice, "x":
 * expiry, unix seconds, "k": id of the key it was made with, if any, "u": 1 for one delivery, "a": hash of
 * the address that it is for}.
 *
 * For one delivery: the first address that asks for bytes becomes its holder, others are told that it has
 * expired. Until the whole file has been sent, in however many parts and attempts, the holder goes on; for
 * TOKEN_TAIL_S after that, parts are still sent, because what has left us may have been lost on the way.
 * For an address: that is hashed with the key that seals the token, and stands in the token alone. */
#ifndef SLUICE_SERVE_TOKEN_H
#define SLUICE_SERVE_TOKEN_H

#include "serve/app.h"
#include "store/keys.h"
#include "store/token_mark.h"

enum { TOKEN_ADDRESS_HASH_LEN = 32, TOKEN_TAIL_S = 60 };

struct token {
    char id[STORE_TOKEN_ID_LEN + 1];
    char *link;
    char *choice;
    char key_id[STORE_KEY_ID_LEN + 1]; /* the key it counts against; "": none */
    int64_t expires_unix_s;
    bool once;                                /* for one delivery */
    char address[TOKEN_ADDRESS_HASH_LEN + 1]; /* the hash of the address it is for; "": any */
    struct store_token_mark mark;
};

/* Who links are made for. */
struct token_holder {
    const char *prefix;  /* as of http_request */
    const char *key_id;  /* "": no key */
    bool once;           /* for one delivery */
    const char *address; /* for this one only (auth_address()); NULL: for any */
};

/* Appends a token for (link, choice) that lives config.token_ttl_s. */
int token_make(struct app *app, const struct token_holder *holder, const char *link, const char *choice,
               struct buf *out, struct err *err);
/* Who asks with it is at `address` (auth_address()); NULL: that does not matter. Errors: ERR_TOKEN_INVALID,
 * also when it is for another address; ERR_TOKEN_EXPIRED, also when it was revoked. token_fini() on success.
 */
int token_read(struct app *app, const char *text, const char *address, struct token *out, struct err *err);
void token_fini(struct token *t);

/* Before bytes are sent to `address`; `part`: not all of them are asked for. ERR_TOKEN_EXPIRED: it was for
 * one delivery, and that is over or another one's. */
int token_use(struct app *app, const struct token *t, const char *address, bool part, struct err *err);

/* Appends "{prefix}/api/v1/{route}?data={token}": the link a client follows. */
int token_link(struct app *app, const struct token_holder *holder, const char *route, const char *link,
               const char *choice, struct buf *out, struct err *err);

DEFINE_AUTO(token, token_fini)

#endif
