/* The key of the day, under which addresses are hashed; see store_address_hash() in rate.h. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "store/internal.h"
#include "store/rate.h"

enum { DAY_S = 86400 };

/* Whoever comes first today makes the key, and deletes those of the days before. */
static int make(struct db *db, int64_t day, struct err *err)
{
    uint8_t key[SEAL_KEY_BYTES];
    hash_random(key, sizeof key);
    return db_run(db, DB_DAY_KEY_ADD, (struct db_value[]){DB_INT_VALUE(day), DB_BLOB_VALUE(key, sizeof key)},
                  err) < 0 ||
                   db_run(db, DB_DAY_KEY_FORGET, (struct db_value[]){DB_INT_VALUE(day)}, err) < 0
               ? -1
               : 0;
}

/* 1 found, 0 there is none yet, -1 error. */
static int read_key(struct db *db, int64_t day, uint8_t key[SEAL_KEY_BYTES], struct err *err)
{
    size_t len;
    int rc = db_run(db, DB_DAY_KEY_GET, (struct db_value[]){DB_INT_VALUE(day)}, err);
    if (rc <= 0)
        return rc;
    const void *data = db_column_blob(db, DB_DAY_KEY_GET, 0, &len);
    if (data && len == SEAL_KEY_BYTES)
        memcpy(key, data, len);
    else
        rc = err_set(err, ERR_INTERNAL, "a day's key does not read");
    db_reset(db, DB_DAY_KEY_GET);
    return rc;
}

/* With the lock. */
static int renew(struct store *s, int64_t day, struct err *err)
{
    auto_(lease) struct lease l = {0};
    if (lease_begin(&l, &s->pool, STORE_CACHE_WAIT_MS, err) < 0)
        return -1;
    int rc = read_key(l.db, day, s->day_key, err);
    if (rc == 0 && (rc = make(l.db, day, err)) == 0)
        rc = read_key(l.db, day, s->day_key, err);
    if (rc == 0)
        return err_set(err, ERR_INTERNAL, "the day's key is gone");
    s->day = rc == 1 ? day : 0;
    return rc < 0 ? -1 : 0;
}

int store_address_hash(struct store *s, const char *text, char out[STORE_ADDRESS_HASH_LEN + 1],
                       struct err *err)
{
    char hex[HASH_HEX_LEN + 1];
    auto_(buf) struct buf keyed = BUF_INIT(1024);
    int64_t day = clock_unix_s() / DAY_S;
    (void)pthread_mutex_lock(&s->day_lock);
    int rc = s->day == day ? 0 : renew(s, day, err);
    if (rc == 0)
        (void)buf_add(&keyed, s->day_key, sizeof s->day_key);
    (void)pthread_mutex_unlock(&s->day_lock);
    if (rc < 0)
        return -1;
    if (buf_adds(&keyed, text) < 0)
        return err_set(err, ERR_INTERNAL, "an address is too long");
    hash_sha256_hex(buf_str(&keyed), keyed.len, hex);
    memcpy(out, hex, STORE_ADDRESS_HASH_LEN);
    out[STORE_ADDRESS_HASH_LEN] = '\0';
    return 0;
}
