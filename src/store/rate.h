/* Rate limits (GCRA), one row per subject, exact across all processes that share the database, however they
 * end: more than N are never admitted, and each that is was taken from the row before. Where many are asked
 * for, a process takes some ahead and spends them from memory (store/credit.h), which a kill loses; and
 * whoever waits for the same within a process is served by one statement.
 *
 * A subject is a key ("k:ID") or a person's address, which is known here only as a hash under a key of the
 * day: see store_address_hash(). Threads and errors as in store.h. */
#ifndef SLUICE_STORE_RATE_H
#define SLUICE_STORE_RATE_H

#include "store/store.h"

enum { STORE_SUBJECT_MAX = 96 };

/* Limit and time, in the terms of GCRA: see gate/gcra.h. */
struct store_rate {
    const char *subject;
    int64_t now_unix_us;
    int64_t interval_us; /* what one admission costs */
    int64_t capacity_us; /* what a subject may have taken at once */
};

/* 1 admitted, 0 refused, -1 error; *full_unix_us: when the subject will have all of its quota back. A refusal
 * may wait for what other processes hold: CREDIT_MS, and CREDIT_LENT_MS after one of them was killed. */
int store_rate_admit(struct store *s, const struct store_rate *rate, int64_t *full_unix_us, struct err *err);
/* The same without taking anything: 0 or -1. */
int store_rate_look(struct store *s, const struct store_rate *rate, int64_t *full_unix_us, struct err *err);
/* Notes something that happens once: 1 it is noted now, 0 it was noted already and counts until then, -1
 * error. */
int store_rate_note(struct store *s, const char *subject, int64_t now_unix_us, int64_t until_unix_us,
                    struct err *err);
/* Whether it is noted: 1, 0, -1. */
int store_rate_noted(struct store *s, const char *subject, int64_t now_unix_us, struct err *err);
/* Takes `count` at once or none: 1, 0, -1. */
int store_rate_take(struct store *s, const struct store_rate *rate, int64_t count, int64_t *full_unix_us,
                    struct err *err);
/* A subject's limit has changed from `before` to `now`: as many as were used are used of the new one, all of
 * it at most. Waits for what processes hold: CREDIT_LENT_MS at most. */
int store_rate_rescale(struct store *s, const struct store_rate *before, const struct store_rate *now,
                       struct err *err);
/* Gives as many back. */
int store_rate_refund(struct store *s, const struct store_rate *rate, int64_t count, struct err *err);

/* 32 hex digits that stand for `text` (an address, say) today. The key behind them is deleted on the next day
 * (UTC), after which nobody can find out what they stood for. */
enum { STORE_ADDRESS_HASH_LEN = 32 };
int store_address_hash(struct store *s, const char *text, char out[STORE_ADDRESS_HASH_LEN + 1],
                       struct err *err);

#endif
