/* State that outlives a request: one SQLite file in the data directory, shared by all processes of the host,
 * or a PostgreSQL database shared by those of several.
 *
 * The only user of sqlite3 and libpq. Of SQLite: STRICT tables; WAL where the filesystem can, else a rollback
 * journal; migrations from sql/ applied in order under a lock by whichever process comes first. A process may
 * be killed at any moment; the file stays whole. One that is removed or replaced while processes run is
 * noticed at the next call and made anew.
 *
 * Threads: all functions are safe from any thread, each call borrows a connection from a small pool.
 * Processes: open after fork(), never before: an SQLite connection carried over a fork corrupts the file. A
 * store used in a forked child answers ERR_INTERNAL.
 * Errors: ERR_INTERNAL with the engine's words and what the operator can do; ERR_BUSY when a lock, a
 * connection or the server was not had in time: STORE_CACHE_WAIT_MS for the cache, STORE_CHECK_WAIT_MS, else
 * five seconds. */
#ifndef SLUICE_STORE_STORE_H
#define SLUICE_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"

enum {
    STORE_VALUE_MAX_BYTES = 8 << 20,
    STORE_KEY_MAX_BYTES = 4096,
    STORE_CACHE_WAIT_MS = 1000, /* for a connection, and for locks: longer is no help to whoever asks */
    STORE_CHECK_WAIT_MS = 700,
    STORE_KEYS_FRESH_MS = 10000, /* so long may a process miss that another one changed the key ring */
};

struct store;

/* Opens (creates, migrates) what `where` says:
 *   /data/dir         sluice.db there; a missing directory is made too, mode 0700;
 *   sqlite:/a/file    that file, in a directory that exists;
 *   postgresql://…    a database, by a URL as libpq takes it. One that cannot be reached now is tried again
 * at each call, which answers ERR_BUSY until then. */
int store_open(struct store **out, const char *where, struct err *err);
/* Whether `where` is written rightly and, of a server, lets us in. Changes nothing. */
int store_try(const char *where, struct err *err);
/* What connections that are made later need of a sandbox; empty for a file. Owned by the store. */
struct store_needs {
    uint16_t ports[8];
    size_t port_count;
    char *paths[8]; /* to read: certificates, password file */
    size_t path_count;
    char *directory; /* to write: of sqlite:/a/file; NULL otherwise, then it is the data directory */
};
const struct store_needs *store_needs(const struct store *s);
/* All calls must have returned. NULL is fine. */
void store_close(struct store *s);
DEFINE_AUTO_PTR(store, store_close)
/* What the cache's rows may take on disk; 0, as at the start: no limit. A process that has written a
 * sixteenth of it looks at them all, and if they take more deletes those that expire first, until 3/4 are
 * left. At any time. */
void store_limit_cache(struct store *s, uint64_t max_bytes);
/* A cheap round trip, for readiness: one row is written. Waits twice STORE_CHECK_WAIT_MS at most. */
int store_check(struct store *s, struct err *err);
/* Deletes what has expired; call now and then. */
int store_prune(struct store *s, int64_t now_unix_s, struct err *err);

/* media_cache: values by key until they expire. get: 1 found (appended; expires_unix_s may be NULL), 0 not
 * there or expired, -1 error. A value longer than *value may still take is an error, and *value has failed.
 */
int store_cache_get(struct store *s, const char *key, int64_t now_unix_s, struct buf *value,
                    int64_t *expires_unix_s, struct err *err);
int store_cache_put(struct store *s, const char *key, const void *value, size_t len, int64_t expires_unix_s,
                    struct err *err);
/* How many values are good, and what all of them take on disk, about. */
int store_cache_count(struct store *s, int64_t now_unix_s, int64_t *count, uint64_t *bytes, struct err *err);
/* Deletes those whose keys begin with that, which ends within hexadecimal digits. */
int store_cache_forget(struct store *s, const char *prefix, struct err *err);
/* Deletes all of them; how many there were, -1 error. */
int64_t store_cache_purge(struct store *s, struct err *err);
int store_cache_delete(struct store *s, const char *key, struct err *err);

/* Key ring of `data` tokens, kept in memory and read again when an unknown id turns up or it is
 * STORE_KEYS_FRESH_MS old. While the file cannot be read, what is in memory goes on being used. The newest
 * key seals, all that are listed open. */
struct store_token_key {
    uint32_t id;
    int64_t created_unix_s;
    uint8_t key[SEAL_KEY_BYTES];
};
/* How long tokens live (a key that a newer one took over from goes when so much time has passed since), and
 * how old a key may become before store_token_key_current() makes a newer one, whichever process comes first;
 * 0: any age. Without this call keys are neither made anew nor forgotten. Call before threads. */
void store_token_keys_rotate(struct store *s, int64_t token_ttl_s, int64_t every_s);
/* The newest key; made at the first call of the first process. */
int store_token_key_current(struct store *s, struct store_token_key *out, struct err *err);
/* 1 found, 0 unknown, -1 error. */
int store_token_key_find(struct store *s, uint32_t id, struct store_token_key *out, struct err *err);
/* Makes a new key now. `alone`: older ones are deleted, and what they have sealed opens nowhere any more
 * after STORE_KEYS_FRESH_MS. */
int store_token_key_rotate(struct store *s, bool alone, struct store_token_key *out, struct err *err);
/* All keys, newest first; free(*out). */
int store_token_key_list(struct store *s, struct store_token_key **out, size_t *count, struct err *err);
/* Deletes keys that no living token was sealed with. Part of store_prune(). */
int store_token_key_prune(struct store *s, struct err *err);

#endif
