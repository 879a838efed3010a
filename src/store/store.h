/* State that outlives a request: one SQLite file in the data directory, shared by all processes of the host.
 * The only user of sqlite3. STRICT tables, WAL where the filesystem can (else the default journal),
 * migrations from sql/ applied in order under a lock by whichever process comes first. Threads: all functions
 * are safe from any thread (a connection per call from a small pool). Errors: ERR_INTERNAL with SQLite's
 * words; ERR_BUSY when a lock was not had in time. */
#ifndef SLUICE_STORE_STORE_H
#define SLUICE_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"

struct store;

/* Opens (creates, migrates) data_dir/sluice.db. */
int store_open(struct store **out, const char *data_dir, struct err *err);
void store_close(struct store *s);
/* A cheap round trip, for readiness: the database answers and can be written. */
int store_check(struct store *s, struct err *err);
/* Deletes what has expired; call now and then. */
int store_prune(struct store *s, int64_t now_unix_s, struct err *err);

/* media_cache: values by key until they expire. get: 1 found (appended), 0 not there or expired, -1 error. */
int store_cache_get(struct store *s, const char *key, int64_t now_unix_s, struct buf *value,
                    int64_t *expires_unix_s, struct err *err);
int store_cache_put(struct store *s, const char *key, const void *value, size_t len, int64_t expires_unix_s,
                    struct err *err);
int store_cache_delete(struct store *s, const char *key, struct err *err);

/* Key ring of `data` tokens. current: the newest key, made at the first call of the first process. */
struct store_token_key {
    uint32_t id;
    uint8_t key[SEAL_KEY_BYTES];
};
int store_token_key_current(struct store *s, struct store_token_key *out, struct err *err);
/* 1 found, 0 unknown, -1 error. */
int store_token_key_find(struct store *s, uint32_t id, struct store_token_key *out, struct err *err);

#endif
