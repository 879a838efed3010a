/* Opening a store, and the cache rows; see store.h. */
#include "store/store.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/log.h"
#include "base/text.h"
#include "store/admin.h"
#include "store/care.h"
#include "store/internal.h"

enum { PRUNE_PORTION = 200, EVICT_PORTION = 20, LOOKS = 16, ROW_BYTES = 300 };

/* Written by store_check(); expired from the start, so that no store_cache_get() sees it. */
static const char check_key[] = "store:check";

static int find_path(char **out, const char *data_dir, struct err *err)
{
    if (io_make_dirs(data_dir, err) < 0)
        return -1;
    auto_ptr(char) char *dir = realpath(data_dir, NULL);
    if (!dir)
        return err_set(err, ERR_INTERNAL, "data_dir %s: %s", data_dir, strerror(errno));
    if (asprintf(out, "%s/sluice.db", dir) < 0)
        return err_set(err, ERR_INTERNAL, "out of memory");
    return 0;
}

int store_settle(struct store *s, const char *where, struct err *err)
{
    static const char file[] = "sqlite:";
    if (text_starts_with(where, "postgresql://") || text_starts_with(where, "postgres://"))
        return postgres_parse(&s->url, where, err);
    if (!text_starts_with(where, file))
        return find_path(&s->where, where, err);
    where += strlen(file);
    if (*where != '/' || where[strspn(where, "/")] == '\0')
        return err_set(err, ERR_INTERNAL, "database must be sqlite:/path or postgresql://…");
    s->where = strdup(where);
    s->url.needs.directory = strndup(where, (size_t)(strrchr(where, '/') - where) + 1);
    return s->where && s->url.needs.directory ? 0 : err_set(err, ERR_INTERNAL, "out of memory");
}

static const char *where_of(const struct store *s)
{
    return s->url.where ? s->url.where : s->where;
}

static int connect_first(struct store *s, struct err *err)
{
    auto_(lease) struct lease l = {0};
    struct err why = {0};
    if (lease_begin(&l, &s->pool, DB_USUAL_WAIT_MS, &why) == 0)
        return 0;
    if (s->url.where && why.code == ERR_BUSY) {
        log_event(LOG_WARN, "database-unreachable", "error", why.text, NULL);
        return 0;
    }
    *err = why;
    return -1;
}

int store_open(struct store **out, const char *where, struct err *err)
{
    struct store *s = calloc(1, sizeof *s);
    if (!s)
        return err_set(err, ERR_INTERNAL, "out of memory");
    s->place = "";
    int rc = store_settle(s, where, err);
    if (rc == 0 && (pthread_mutex_init(&s->ring_lock, NULL) != 0 || credits_init(&s->credits) < 0 ||
                    key_cache_init(&s->key_cache) < 0 || pthread_mutex_init(&s->day_lock, NULL) != 0 ||
                    pool_init(&s->pool, where_of(s), s->url.name ? s->url.name : s->where) < 0))
        rc = err_set(err, ERR_INTERNAL, "out of memory");
    if (rc < 0) {
        postgres_url_fini(&s->url);
        free(s->where);
        free(s);
        return -1;
    }
    if (connect_first(s, err) < 0) {
        store_close(s);
        return -1;
    }
    *out = s;
    return 0;
}

int store_try(const char *where, struct err *err)
{
    struct store s = {0};
    struct db *db = NULL;
    int rc = store_settle(&s, where, err);
    if (rc == 0 && s.url.where)
        rc = db_postgres.open(&db, s.url.where, DB_USUAL_WAIT_MS, err);
    db_close(db);
    postgres_url_fini(&s.url);
    free(s.where);
    return rc;
}

const struct store_needs *store_needs(const struct store *s)
{
    return &s->url.needs;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    credits_fini(s);
    key_cache_fini(&s->key_cache);
    pool_fini(&s->pool);
    (void)pthread_mutex_destroy(&s->ring_lock);
    postgres_url_fini(&s->url);
    free(s->where);
    free(s);
}

void store_limit_cache(struct store *s, uint64_t max_bytes)
{
    /* Processes that live for one request look in proportion. */
    uint16_t chance;
    hash_random(&chance, sizeof chance);
    s->cache_max = max_bytes;
    atomic_store(&s->cache_written, max_bytes / LOOKS / UINT16_MAX * chance);
}

/* A key as the database has it. PostgreSQL's indexes take 2,704 bytes of a row, and its text is UTF-8 only:
 * what is longer or no UTF-8 is known by its hash. */
enum { PLAIN_KEY_MAX_BYTES = 1000 };

struct cache_key {
    char hash[sizeof "sha256:" + HASH_HEX_LEN];
    struct db_value value; /* borrows the key, or hash */
};

static int fill_key(struct cache_key *out, const char *key, struct err *err)
{
    size_t len = strnlen(key, STORE_KEY_MAX_BYTES + 1);
    if (len > STORE_KEY_MAX_BYTES)
        return err_set(err, ERR_INTERNAL, "cache key is longer than %d bytes", STORE_KEY_MAX_BYTES);
    uint32_t ignored;
    size_t valid = 0;
    for (size_t n = 1; valid < len && n; valid += n)
        n = text_utf8_next(key + valid, len - valid, &ignored);
    out->value = (struct db_value)DB_TEXT_VALUE(key);
    if (len > PLAIN_KEY_MAX_BYTES || valid < len) {
        memcpy(out->hash, "sha256:", strlen("sha256:"));
        hash_sha256_hex(key, len, out->hash + strlen("sha256:"));
        out->value = (struct db_value)DB_TEXT_VALUE(out->hash);
    }
    return 0;
}

static int put(struct db *db, struct db_value key, int64_t expires_unix_s, struct db_value value,
               struct err *err)
{
    return db_run(db, DB_CACHE_PUT, (struct db_value[]){key, DB_INT_VALUE(expires_unix_s), value}, err);
}

int store_check(struct store *s, struct err *err)
{
    auto_(lease) struct lease l = {0};
    if (lease_begin(&l, &s->pool, STORE_CHECK_WAIT_MS, err) < 0)
        return -1;
    return put(l.db, (struct db_value)DB_TEXT_VALUE(check_key), 0, (struct db_value)DB_BLOB_VALUE(NULL, 0),
               err);
}

static int prune(struct store *s, enum db_stmt id, int64_t now, int64_t *deleted, struct err *err)
{
    for (int64_t portion = PRUNE_PORTION; portion == PRUNE_PORTION; *deleted += portion) {
        auto_(lease) struct lease l = {0};
        if (lease_begin(&l, &s->pool, STORE_CACHE_WAIT_MS, err) < 0 ||
            db_run(l.db, id, (struct db_value[]){DB_INT_VALUE(now), DB_INT_VALUE(PRUNE_PORTION)}, err) < 0)
            return -1;
        portion = db_changes(l.db);
    }
    return 0;
}

/* All but what is over the cache's limit. */
static int prune_all(struct store *s, int64_t now_unix_s, struct store_swept *out, struct err *err)
{
    *out = (struct store_swept){0};
    return prune(s, DB_CACHE_PRUNE, now_unix_s, &out->cache_rows, err) < 0 ||
                   prune(s, DB_RATE_PRUNE, now_unix_s * 1000000, &out->rate_rows, err) < 0 ||
                   prune(s, DB_TOKEN_MARK_PRUNE, now_unix_s, &out->token_rows, err) < 0 ||
                   store_token_key_prune(s, err) < 0 ||
                   (s->keep_jobs_s &&
                    prune(s, DB_JOB_PRUNE, (now_unix_s - s->keep_jobs_s) * 1000, &out->jobs, err) < 0) ||
                   store_admin_prune(s, now_unix_s, err) < 0
               ? -1
               : 0;
}

int store_prune(struct store *s, int64_t now_unix_s, struct err *err)
{
    struct store_swept ignored;
    return prune_all(s, now_unix_s, &ignored, err);
}

/* What they take, about. */
static int cache_size(struct store *s, uint64_t *bytes, struct err *err)
{
    auto_(lease) struct lease l = {0};
    if (lease_begin(&l, &s->pool, STORE_CACHE_WAIT_MS, err) < 0 || db_run(l.db, DB_CACHE_SIZE, NULL, err) < 0)
        return -1;
    *bytes = (uint64_t)db_column_int(l.db, DB_CACHE_SIZE, 0);
    db_reset(l.db, DB_CACHE_SIZE);
    return 0;
}

int store_cache_count(struct store *s, int64_t now_unix_s, int64_t *count, uint64_t *bytes, struct err *err)
{
    if (cache_size(s, bytes, err) < 0)
        return -1;
    auto_(lease) struct lease l = {0};
    if (lease_begin(&l, &s->pool, STORE_CACHE_WAIT_MS, err) < 0 ||
        db_run(l.db, DB_CACHE_COUNT, (struct db_value[]){DB_INT_VALUE(now_unix_s)}, err) < 0)
        return -1;
    *count = db_column_int(l.db, DB_CACHE_COUNT, 0);
    db_reset(l.db, DB_CACHE_COUNT);
    return 0;
}

int store_cache_forget(struct store *s, const char *prefix, struct err *err)
{
    auto_(buf) struct buf end = BUF_INIT(STORE_KEY_MAX_BYTES);
    auto_(lease) struct lease l = {0};
    if (buf_addf(&end, "%sg", prefix) < 0) /* comes after all hexadecimal digits */
        return err_set(err, ERR_INTERNAL, "out of memory");
    return lease_begin(&l, &s->pool, DB_USUAL_WAIT_MS, err) < 0
               ? -1
               : db_run(l.db, DB_CACHE_FORGET,
                        (struct db_value[]){DB_TEXT_VALUE(prefix), DB_TEXT_VALUE(buf_str(&end))}, err);
}

int64_t store_cache_purge(struct store *s, struct err *err)
{
    int64_t purged = 0;
    for (int64_t deleted = 1; deleted > 0; purged += deleted) {
        auto_(lease) struct lease l = {0};
        if (lease_begin(&l, &s->pool, DB_USUAL_WAIT_MS, err) < 0 ||
            db_run(l.db, DB_CACHE_PURGE, (struct db_value[]){DB_INT_VALUE(EVICT_PORTION)}, err) < 0)
            return -1;
        deleted = db_changes(l.db);
    }
    return purged;
}

/* Deletes rows until no more than `left` of `size` bytes are left, or nobody is there to delete. */
static int evict(struct store *s, uint64_t size, uint64_t left, struct err *err)
{
    for (int64_t deleted = 1; deleted > 0 && size > left;) {
        auto_(lease) struct lease l = {0};
        if (lease_begin(&l, &s->pool, STORE_CACHE_WAIT_MS, err) < 0)
            return -1;
        int rc = db_run(l.db, DB_CACHE_EVICT, (struct db_value[]){DB_INT_VALUE(EVICT_PORTION)}, err);
        for (deleted = 0; rc == 1; rc = db_next(l.db, DB_CACHE_EVICT, err))
            deleted += db_column_int(l.db, DB_CACHE_EVICT, 0);
        if (rc < 0)
            return -1;
        size = (uint64_t)deleted < size ? size - (uint64_t)deleted : 0;
    }
    return 0;
}

/* Brings the cache's rows within their limit; `*evicted` bytes of them went. */
static int enforce_limit(struct store *s, int64_t *evicted, struct err *err)
{
    uint64_t size = 0;
    *evicted = 0;
    if (cache_size(s, &size, err) < 0)
        return -1;
    if (!s->cache_max || size <= s->cache_max)
        return 0;
    uint64_t left = s->cache_max / 4 * 3;
    if (evict(s, size, left, err) < 0)
        return -1;
    *evicted = (int64_t)(size - left);
    return 0;
}

/* After `written` more bytes: see store_limit_cache(). */
static int keep_limit(struct store *s, uint64_t written, struct err *err)
{
    int64_t ignored;
    if (!s->cache_max || atomic_fetch_add(&s->cache_written, written) + written < s->cache_max / LOOKS)
        return 0;
    atomic_store(&s->cache_written, 0);
    return enforce_limit(s, &ignored, err);
}

int store_sweep(struct store *s, int64_t now_unix_s, struct store_swept *out, struct err *err)
{
    enum { DAY_S = 86400 };
    if (prune_all(s, now_unix_s, out, err) < 0 || enforce_limit(s, &out->evicted, err) < 0)
        return -1;
    auto_(lease) struct lease l = {0};
    if (lease_begin(&l, &s->pool, STORE_CACHE_WAIT_MS, err) < 0 ||
        db_run(l.db, DB_DAY_KEY_FORGET, (struct db_value[]){DB_INT_VALUE(now_unix_s / DAY_S)}, err) < 0)
        return -1;
    out->address_keys = db_changes(l.db);
    return 0;
}

int store_cache_get(struct store *s, const char *key, int64_t now_unix_s, struct buf *value,
                    int64_t *expires_unix_s, struct err *err)
{
    struct cache_key k;
    auto_(lease) struct lease l = {0};
    if (fill_key(&k, key, err) < 0 || lease_begin(&l, &s->pool, STORE_CACHE_WAIT_MS, err) < 0)
        return -1;
    int rc = db_run(l.db, DB_CACHE_GET, (struct db_value[]){k.value, DB_INT_VALUE(now_unix_s)}, err);
    if (rc <= 0)
        return rc;
    size_t len;
    const void *data = db_column_blob(l.db, DB_CACHE_GET, 0, &len);
    if ((len && !data) || buf_add(value, data ? data : "", len) < 0)
        rc = err_set(err, ERR_INTERNAL, "cached value of %zu bytes does not fit", len);
    if (expires_unix_s)
        *expires_unix_s = db_column_int(l.db, DB_CACHE_GET, 1);
    db_reset(l.db, DB_CACHE_GET);
    return rc;
}

int store_cache_put(struct store *s, const char *key, const void *value, size_t len, int64_t expires_unix_s,
                    struct err *err)
{
    struct cache_key k;
    struct lease l = {0};
    if (len > STORE_VALUE_MAX_BYTES)
        return err_set(err, ERR_INTERNAL, "%zu bytes are too many for the cache", len);
    if (fill_key(&k, key, err) < 0 || lease_begin(&l, &s->pool, STORE_CACHE_WAIT_MS, err) < 0)
        return -1;
    int rc = put(l.db, k.value, expires_unix_s, (struct db_value)DB_BLOB_VALUE(value, len), err);
    lease_end(&l);
    return rc < 0 ? -1 : keep_limit(s, len + ROW_BYTES, err);
}

int store_cache_delete(struct store *s, const char *key, struct err *err)
{
    struct cache_key k;
    auto_(lease) struct lease l = {0};
    if (fill_key(&k, key, err) < 0 || lease_begin(&l, &s->pool, STORE_CACHE_WAIT_MS, err) < 0)
        return -1;
    return db_run(l.db, DB_CACHE_DELETE, (struct db_value[]){k.value}, err);
}
