/* What is remembered, and single-flight: of any number of simultaneous callers with one key, in any number of
 * processes and threads, one produces and the others get its result, value or failure.
 *
 * The flight is a lock the kernel releases (an OFD lock on one byte of data_dir/flight.lock), so a killed
 * producer blocks nobody: within FLIGHT_PAUSE_MAX_MS a waiter takes over. Definite failures (private,
 * not_found, …: those that err_info() does not call retryable) are remembered for CACHE_ERROR_TTL_S, others
 * for CACHE_TRANSIENT_TTL_S, so that a crowd asking for a broken video is also one upstream call.
 *
 * A value that its producer does not want kept is still handed to everybody who was asking while it was made,
 * in this process and others, and to nobody who came later: it is stored for CACHE_HANDOVER_TTL_S with the
 * time it was made, and a caller takes it only when it had begun to ask by then.
 *
 * Cost: a remembered value is one SELECT, no lock. Threads: all functions are safe from any. Processes: open
 * after fork() (see store.h). A producer may ask for another key inside, as long as no ring of keys waits for
 * itself. */
#ifndef SLUICE_CACHE_CACHE_H
#define SLUICE_CACHE_CACHE_H

#include "store/store.h"

enum {
    CACHE_ERROR_TTL_S = 60,
    CACHE_TRANSIENT_TTL_S = 5,
    CACHE_HANDOVER_TTL_S = 2,
    CACHE_WAIT_MAX_MS = 60000,
    CACHE_FAILURE_MAX_BYTES =
        512, /* a remembered failure passes through the caller's buffer: room for that */
    CACHE_VALUE_MAX_BYTES = STORE_VALUE_MAX_BYTES - 16, /* the rest says what kind of entry it is */
};

struct cache;

/* `store` is borrowed and must outlive the cache. */
int cache_open(struct cache **out, struct store *store, const char *data_dir, struct err *err);
/* All calls must have returned. NULL is fine. */
void cache_close(struct cache *c);
DEFINE_AUTO_PTR(cache, cache_close)
/* How many callers may make values or wait for them at once; more get ERR_BUSY. 0, as at the start: any
 * number. So a process keeps threads for what is remembered, however slow the rest of the world is. Call
 * before threads. */
void cache_limit(struct cache *c, unsigned callers);

/* Appends the value to *value (empty, at most CACHE_VALUE_MAX_BYTES) and sets when it expires (0: do not
 * keep). Which of several callers' producers runs is chance, so with one key they must all do the same. */
typedef int cache_produce_fn(void *ctx, struct buf *value, int64_t *expires_unix_s, struct err *err);

/* Gets or produces; the value is appended. *was_cached (may be NULL) tells whether this caller was spared the
 * work. `stale` (may be NULL) is a value the caller found wanting, e.g. its URLs died early: a remembered
 * value equal to it is not used unless it was made after this call began; a different one is. Errors: the
 * producer's; ERR_BUSY after waiting CACHE_WAIT_MAX_MS for another's flight, over cache_limit(), or when the
 * store is locked; a store that cannot be used otherwise costs only the memory, and a line in the log. */
int cache_get(struct cache *c, const char *key, const struct buf *stale, cache_produce_fn *produce, void *ctx,
              struct buf *value, bool *was_cached, struct err *err);

#endif
