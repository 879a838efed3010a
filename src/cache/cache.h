/* What is remembered, and single-flight: of any number of simultaneous callers with one key, in any number of
 * processes and threads, one produces and the others get its result.
 *
 * The flight is a lock the kernel releases (F_OFD byte-range lock in data_dir/flight.lock), so a killed
 * producer blocks nobody: a waiter takes over. Definite failures (private, not_found, …) are remembered for
 * CACHE_ERROR_TTL_S, transient ones for CACHE_TRANSIENT_TTL_S, so that a crowd asking for a broken video is
 * also one upstream call. */
#ifndef SLUICE_CACHE_CACHE_H
#define SLUICE_CACHE_CACHE_H

#include "store/store.h"

enum { CACHE_ERROR_TTL_S = 60, CACHE_TRANSIENT_TTL_S = 5, CACHE_WAIT_MAX_MS = 60000 };

struct cache;

int cache_open(struct cache **out, struct store *store, const char *data_dir, struct err *err);
void cache_close(struct cache *c);

/* Appends the value to *value and sets when it expires (0: do not keep). */
typedef int cache_produce_fn(void *ctx, struct buf *value, int64_t *expires_unix_s, struct err *err);

/* Gets or produces. *was_cached (may be NULL) tells whether this caller was spared the work. `stale` (may be
 * NULL) is a value the caller found wanting, e.g. its URLs died early: a remembered value equal to it is not
 * used, a newer one is. Errors: the producer's; ERR_BUSY after waiting CACHE_WAIT_MAX_MS for another's
 * flight. */
int cache_get(struct cache *c, const char *key, const struct buf *stale, cache_produce_fn *produce, void *ctx,
              struct buf *value, bool *was_cached, struct err *err);

#endif
