/* What is remembered of single `data` links: that one is revoked, or good for one delivery and how far that
 * is. A link is known by an id that does not open it. Threads and errors as in store.h. */
#ifndef SLUICE_STORE_TOKEN_MARK_H
#define SLUICE_STORE_TOKEN_MARK_H

#include "store/rate.h"

enum { STORE_TOKEN_ID_LEN = 32 };

struct store_token_mark {
    bool revoked;
    char holder[STORE_ADDRESS_HASH_LEN + 1]; /* who has begun with it; "": nobody */
    int64_t holder_day;
    int64_t done_unix_s; /* when all of it had been sent; 0: not yet */
};

/* The id of a token: the beginning of its SHA-256. */
void store_token_id(const char *token, char id[STORE_TOKEN_ID_LEN + 1]);
/* *mark is zeroed when nothing is known of it. 0 or -1. */
int store_token_look(struct store *s, const char *id, struct store_token_mark *mark, struct err *err);
/* From now until then, which is when the token expires at the latest. */
int store_token_revoke(struct store *s, const char *id, int64_t until_unix_s, struct err *err);
/* Whoever comes first becomes its holder; `holder` is a hash of today (store_address_hash()), and one of an
 * earlier day, which nobody can compare any more, gives way. *mark: what holds afterwards. 1 it is ours, 0 it
 * is another one's, -1. */
int store_token_claim(struct store *s, const char *id, int64_t until_unix_s, const char *holder,
                      struct store_token_mark *mark, struct err *err);
/* So many bytes of a file of `of_bytes` (0: not known) were sent; `at_end`: the last one was among them. All
 * has been sent when the last one has, and as many as there are. Of a token without a row nothing is noted.
 */
int store_token_sent(struct store *s, const char *id, uint64_t bytes, uint64_t of_bytes, bool at_end,
                     struct err *err);

#endif
