/* What the files of store/ share: the store itself. */
#ifndef SLUICE_STORE_INTERNAL_H
#define SLUICE_STORE_INTERNAL_H

#include "store/credit.h"
#include "store/key_cache.h"
#include "store/pool.h"
#include "store/postgres.h"
#include "store/store.h"

/* A rotation adds a key; keys whose tokens have all expired may go. More than these are not looked at. */
enum { KEY_RING_MAX = 32 };

struct store {
    char *where; /* for db_open(); absolute: connections are opened later, maybe from another directory */
    struct postgres_url url; /* of an SQLite file: empty */
    struct pool pool;
    _Atomic uint64_t cache_max;
    _Atomic uint64_t cache_written;            /* since the cache's size was last looked at, or more */
    pthread_mutex_t ring_lock;                 /* guards what follows */
    struct store_token_key ring[KEY_RING_MAX]; /* newest first */
    size_t ring_count;
    int64_t ring_read_mono_us;
    _Atomic int64_t keep_jobs_s;   /* not guarded, */
    const char *place;             /* nor this: of store_jobs_here() */
    int64_t token_ttl_s, rotate_s; /* see store_token_keys_rotate(); not guarded */
    struct credits credits;
    struct key_cache key_cache;
    pthread_mutex_t day_lock; /* guards what follows, of day_key.c */
    int64_t day;              /* whose key it is; 0: none is known */
    uint8_t day_key[SEAL_KEY_BYTES];
};

/* Fills `where` or `url` of a zeroed store. */
int store_settle(struct store *s, const char *where, struct err *err);

#endif
