/* The key ring of `data` tokens; see store.h. Every link that is made or opened asks for a key, so the ring
 * is kept in memory; what the memory may miss is bounded by STORE_KEYS_FRESH_MS. */
#include <stdbool.h>
#include <string.h>

#include "base/clock.h"
#include "store/internal.h"

enum {
    FIRST_KEY_ID = 1,
    ROTATE_TRIES = 10,
    RETIRE_MARGIN_S = 60, /* others may still seal with it for STORE_KEYS_FRESH_MS, by clocks of their own */
};

/* Processes that come at once all offer a key of their own; the first one stays, and all read that. */
static int add_key(struct db *db, uint32_t id, struct err *err)
{
    uint8_t key[SEAL_KEY_BYTES];
    hash_random(key, sizeof key);
    return db_run(
        db, DB_KEY_ADD,
        (struct db_value[]){DB_INT_VALUE(id), DB_BLOB_VALUE(key, sizeof key), DB_INT_VALUE(clock_unix_s())},
        err);
}

/* With ring_lock held. A failure leaves the ring as it was. */
static int read_ring(struct store *s, struct db *db, struct err *err)
{
    struct store_token_key ring[KEY_RING_MAX] = {0};
    size_t n = 0;
    int rc = db_run(db, DB_KEY_LIST, (struct db_value[]){DB_INT_VALUE(KEY_RING_MAX)}, err);
    for (; rc == 1; rc = db_next(db, DB_KEY_LIST, err)) {
        size_t len;
        const void *key = db_column_blob(db, DB_KEY_LIST, 1, &len);
        if (!key || len != SEAL_KEY_BYTES || n == KEY_RING_MAX) {
            db_reset(db, DB_KEY_LIST);
            return err_set(err, ERR_INTERNAL, "%s: token key of %zu bytes", s->pool.name, len);
        }
        ring[n].id = (uint32_t)db_column_int(db, DB_KEY_LIST, 0);
        ring[n].created_unix_s = db_column_int(db, DB_KEY_LIST, 2);
        memcpy(ring[n++].key, key, SEAL_KEY_BYTES);
    }
    if (rc < 0)
        return -1;
    memcpy(s->ring, ring, n * sizeof ring[0]);
    s->ring_count = n;
    s->ring_read_mono_us = clock_mono_us();
    return 0;
}

static bool is_old(const struct store *s)
{
    return s->rotate_s && s->ring_count && s->ring_count < KEY_RING_MAX && s->ring[0].id < UINT32_MAX &&
           s->ring[0].created_unix_s + s->rotate_s <= clock_unix_s();
}

/* `add`: whoever asks wants to seal, with a key that is there and not too old. */
static int refresh(struct store *s, bool add, struct err *err)
{
    auto_(lease) struct lease l = {0};
    if (lease_begin(&l, &s->pool, DB_USUAL_WAIT_MS, err) < 0 || read_ring(s, l.db, err) < 0)
        return -1;
    if (!add || (s->ring_count && !is_old(s)))
        return 0;
    uint32_t id = s->ring_count ? s->ring[0].id + 1 : FIRST_KEY_ID;
    return add_key(l.db, id, err) < 0 ? -1 : read_ring(s, l.db, err);
}

static bool is_fresh(const struct store *s)
{
    return s->ring_count && clock_mono_us() - s->ring_read_mono_us < STORE_KEYS_FRESH_MS * INT64_C(1000);
}

/* refresh(), if the ring is old. One that cannot be read is left as it is for a while, so that not everybody
 * waits for the file. */
static int freshen(struct store *s, bool add, struct err *err)
{
    struct err why = {0};
    if (is_fresh(s) || refresh(s, add, &why) == 0)
        return 0;
    if (s->ring_count > 0)
        s->ring_read_mono_us = clock_mono_us();
    else if (err)
        *err = why;
    return s->ring_count > 0 ? 0 : -1;
}

static bool find(const struct store *s, uint32_t id, struct store_token_key *out)
{
    for (size_t i = 0; i < s->ring_count; i++) {
        if (s->ring[i].id == id) {
            *out = s->ring[i];
            return true;
        }
    }
    return false;
}

int store_token_key_current(struct store *s, struct store_token_key *out, struct err *err)
{
    (void)pthread_mutex_lock(&s->ring_lock);
    int rc = freshen(s, true, err);
    if (rc == 0 && s->ring_count == 0)
        rc = err_set(err, ERR_INTERNAL, "%s: no token key", s->pool.name);
    if (rc == 0)
        *out = s->ring[0];
    (void)pthread_mutex_unlock(&s->ring_lock);
    return rc;
}

int store_token_key_find(struct store *s, uint32_t id, struct store_token_key *out, struct err *err)
{
    (void)pthread_mutex_lock(&s->ring_lock);
    int rc = freshen(s, false, err);
    bool found = rc == 0 && find(s, id, out);
    if (rc == 0 && !found && (rc = refresh(s, false, err)) == 0)
        found = find(s, id, out);
    (void)pthread_mutex_unlock(&s->ring_lock);
    return rc < 0 ? -1 : found;
}

/* ---- Rotation ---- */

void store_token_keys_rotate(struct store *s, int64_t token_ttl_s, int64_t every_s)
{
    s->token_ttl_s = token_ttl_s;
    s->rotate_s = every_s;
}

/* With ring_lock held. */
static int rotate(struct store *s, bool alone, struct err *err)
{
    auto_(lease) struct lease l = {0};
    if (lease_begin(&l, &s->pool, DB_USUAL_WAIT_MS, err) < 0)
        return -1;
    for (int tries = 0; tries < ROTATE_TRIES; tries++) {
        if (read_ring(s, l.db, err) < 0)
            return -1;
        if (s->ring_count && s->ring[0].id == UINT32_MAX)
            return err_set(err, ERR_INTERNAL, "%s: no id is left for a token key", s->pool.name);
        uint32_t id = s->ring_count ? s->ring[0].id + 1 : FIRST_KEY_ID;
        if (add_key(l.db, id, err) < 0)
            return -1;
        if (db_changes(l.db) != 1)
            continue; /* somebody else was first with this id */
        if (alone && db_run(l.db, DB_KEY_KEEP, (struct db_value[]){DB_INT_VALUE(id)}, err) < 0)
            return -1;
        return read_ring(s, l.db, err);
    }
    return err_set(err, ERR_BUSY, "%s: others rotate the token keys all the time", s->pool.name);
}

int store_token_key_rotate(struct store *s, bool alone, struct store_token_key *out, struct err *err)
{
    (void)pthread_mutex_lock(&s->ring_lock);
    int rc = rotate(s, alone, err);
    if (rc == 0)
        *out = s->ring[0];
    (void)pthread_mutex_unlock(&s->ring_lock);
    return rc;
}

int store_token_key_list(struct store *s, struct store_token_key **out, size_t *count, struct err *err)
{
    (void)pthread_mutex_lock(&s->ring_lock);
    int rc = refresh(s, false, err);
    *count = s->ring_count;
    *out = rc == 0 ? calloc(KEY_RING_MAX, sizeof **out) : NULL;
    if (*out)
        memcpy(*out, s->ring, s->ring_count * sizeof **out);
    (void)pthread_mutex_unlock(&s->ring_lock);
    return rc < 0 ? -1 : *out ? 0 : err_set(err, ERR_INTERNAL, "out of memory");
}

int store_token_key_prune(struct store *s, struct err *err)
{
    auto_(lease) struct lease l = {0};
    if (!s->token_ttl_s)
        return 0;
    const struct db_value before[] = {DB_INT_VALUE(clock_unix_s() - s->token_ttl_s - RETIRE_MARGIN_S)};
    return lease_begin(&l, &s->pool, STORE_CACHE_WAIT_MS, err) < 0 ? -1
                                                                   : db_run(l.db, DB_KEY_RETIRE, before, err);
}
