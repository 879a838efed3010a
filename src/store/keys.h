/* API keys: who may ask, and how much. A key's text is `slc_ID_SECRET`: a public id of 8 hex digits and 256
 * random bits in base64url. Only the SHA-256 of the secret is stored; the text is told once, by
 * store_key_create(). Threads and errors as in store.h. */
#ifndef SLUICE_STORE_KEYS_H
#define SLUICE_STORE_KEYS_H

#include "store/store.h"

enum {
    STORE_KEY_ID_LEN = 8,
    STORE_KEY_TEXT_LEN = 4 + STORE_KEY_ID_LEN + 1 + 43,
    STORE_KEY_LABEL_MAX = 200,
    STORE_KEY_ADDRESSES_MAX = 1000,
    STORE_KEY_RATE_DEFAULT = 1000,
    STORE_KEY_RATE_MAX = 1000000000,
    STORE_KEY_STREAMS_MAX = 20000,
    STORE_KEY_SITES_MAX = 200,
    /* So long a process may go by a row that it has read. Who changes one waits as long before it returns, so
     * that a change counts from then on, in all processes. */
    STORE_KEY_FRESH_MS = 20,
};

/* Per day. 2^46: a KiB each 1.26 us, which is as fine as GCRA counts. */
#define STORE_KEY_BYTES_MAX INT64_C(70368744177664)

enum store_key_state { STORE_KEY_ACTIVE, STORE_KEY_DISABLED, STORE_KEY_REVOKED };

struct store_api_key {
    char id[STORE_KEY_ID_LEN + 1];
    char label[STORE_KEY_LABEL_MAX + 1];
    char owner[STORE_KEY_LABEL_MAX + 1];
    enum store_key_state state;
    int64_t rate_per_hour;                       /* 0: no limit */
    int64_t expires_unix_s;                      /* 0: never */
    char addresses[STORE_KEY_ADDRESSES_MAX + 1]; /* CIDR blocks, comma-separated; "": from anywhere */
    int64_t created_unix_s;
    int64_t bytes_per_day;               /* 0: no limit */
    int64_t streams_max;                 /* at once; 0: the setting max_streams_per_client */
    char sites[STORE_KEY_SITES_MAX + 1]; /* names, comma-separated; "": any */
};

const char *store_key_state_name(enum store_key_state state);

/* Makes a key of what *key says (id and created_unix_s are filled in); `text` gets what its holder needs. */
int store_key_create(struct store *s, struct store_api_key *key, char text[STORE_KEY_TEXT_LEN + 1],
                     struct err *err);
/* By the text a client sent; 1 it is that key (whatever its state), 0 it is none, -1 error. The time it takes
 * depends on whether the public id exists, and on nothing in the secret. */
int store_key_check(struct store *s, const char *text, struct store_api_key *key, struct err *err);
/* 1 found, 0 no such id, -1 error. */
int store_key_get(struct store *s, const char *id, struct store_api_key *key, struct err *err);
/* Calls `each` for every key, oldest first; it must not call the store. */
int store_key_list(struct store *s, void (*each)(void *ctx, const struct store_api_key *key), void *ctx,
                   struct err *err);
/* The same for a page of those whose id, label or owner contain `search` (""; all), in the order "label",
 * "owner", "state" or else the newest first; *total: of all pages. */
struct store_key_page {
    const char *search, *order;
    int64_t limit, offset;
};
int store_key_list_page(struct store *s, const struct store_key_page *page,
                        void (*each)(void *ctx, const struct store_api_key *key), void *ctx, int64_t *total,
                        struct err *err);
/* 1 done, 0 there is none, or it is revoked: that is for ever. */
int store_key_set_state(struct store *s, const char *id, enum store_key_state state, struct err *err);
/* Label, owner, limits, expiry, addresses, as *key says. 1 done, 0 there is none. */
int store_key_update(struct store *s, const struct store_api_key *key, struct err *err);

#endif
