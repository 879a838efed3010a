/* See shelf.h; what is on disk is in shelf_file.c. */
#include "cache/shelf.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "cache/shelf_file.h"

enum { BUCKETS = 256 }; /* 9,500 streams of as many videos: 37 each */

/* What is in use in this process, so that a thousand streams of one video check and map its plan once. */
struct shelf_value {
    struct shelf *shelf;
    struct shelf_value *next; /* in its bucket; this and refs under shelf.lock */
    unsigned refs;
    int64_t used_unix_s; /* as noted on disk; under shelf.lock */
    struct shelf_file file;
};

struct shelf {
    struct cache *cache;
    char *dir;
    uint64_t max_bytes;
    pthread_mutex_t lock; /* guards what follows */
    struct shelf_value *buckets[BUCKETS];
    uint64_t unscanned_bytes; /* written since this process last looked at all files */
};

int shelf_open(struct shelf **out, struct cache *cache, const char *dir, uint64_t max_bytes, struct err *err)
{
    struct shelf *s = calloc(1, sizeof *s);
    if (!s || !(s->dir = strdup(dir)) || pthread_mutex_init(&s->lock, NULL) != 0) {
        if (s)
            free(s->dir);
        free(s);
        return err_set(err, ERR_INTERNAL, "out of memory");
    }
    s->cache = cache;
    s->max_bytes = max_bytes;
    /* Somewhere in the first round: processes that live for one request look in proportion. */
    hash_random(&s->unscanned_bytes, sizeof s->unscanned_bytes);
    s->unscanned_bytes %= max_bytes / 16 + 1;
    if (max_bytes == 0)
        shelf_file_evict(s->dir, 0, 0);
    *out = s;
    return 0;
}

void shelf_close(struct shelf *s)
{
    if (!s)
        return;
    (void)pthread_mutex_destroy(&s->lock);
    free(s->dir);
    free(s);
}

int64_t shelf_sweep(struct shelf *s)
{
    int64_t expired = shelf_file_expire(s->dir, clock_unix_s());
    shelf_file_evict(s->dir, s->max_bytes / 8 * 7, s->max_bytes / 4 * 3);
    return expired;
}

void shelf_purge(struct shelf *s)
{
    shelf_file_evict(s->dir, 0, 0);
}

/* --- values in use --- */

static struct shelf_value **bucket_of(struct shelf *s, const char *name)
{
    unsigned high = name[0] <= '9' ? name[0] - '0' : name[0] - 'a' + 10;
    unsigned low = name[1] <= '9' ? name[1] - '0' : name[1] - 'a' + 10;
    return &s->buckets[(high * 16 + low) % BUCKETS];
}

/* With shelf.lock held: one more user of a value that is still good. */
static struct shelf_value *find(struct shelf *s, const char *name, int64_t now_unix_s)
{
    for (struct shelf_value *v = *bucket_of(s, name); v; v = v->next) {
        if (memcmp(v->file.name, name, SHELF_NAME_LEN) == 0 && v->file.expires_unix_s > now_unix_s) {
            v->refs++;
            return v;
        }
    }
    return NULL;
}

static struct shelf_value *find_in_use(struct shelf *s, const char *name)
{
    int64_t now = clock_unix_s();
    (void)pthread_mutex_lock(&s->lock);
    struct shelf_value *v = find(s, name, now);
    bool touch = v && now - v->used_unix_s >= SHELF_TOUCH_S;
    if (touch)
        v->used_unix_s = now;
    (void)pthread_mutex_unlock(&s->lock);
    if (touch)
        shelf_file_touch(s->dir, name);
    return v;
}

/* Makes a value of a file, which it takes over, unless another thread was faster. NULL: out of memory. */
static struct shelf_value *use(struct shelf *s, struct shelf_file *file)
{
    struct shelf_value *v = calloc(1, sizeof *v);
    if (!v) {
        shelf_file_fini(file);
        return NULL;
    }
    int64_t now = clock_unix_s();
    (void)pthread_mutex_lock(&s->lock);
    struct shelf_value *other = find(s, file->name, now);
    if (!other) {
        struct shelf_value **bucket = bucket_of(s, file->name);
        *v = (struct shelf_value){.shelf = s, .next = *bucket, .refs = 1, .used_unix_s = now, .file = *file};
        *bucket = v;
    }
    (void)pthread_mutex_unlock(&s->lock);
    if (!other)
        return v;
    shelf_file_fini(file);
    free(v);
    return other;
}

void shelf_value_free(struct shelf_value *v)
{
    if (!v)
        return;
    struct shelf *s = v->shelf;
    (void)pthread_mutex_lock(&s->lock);
    bool last = --v->refs == 0;
    if (last) {
        struct shelf_value **at = bucket_of(s, v->file.name);
        while (*at != v)
            at = &(*at)->next;
        *at = v->next;
    }
    (void)pthread_mutex_unlock(&s->lock);
    if (last) {
        shelf_file_fini(&v->file);
        free(v);
    }
}

const void *shelf_value_data(const struct shelf_value *v)
{
    return v->file.data;
}

size_t shelf_value_size(const struct shelf_value *v)
{
    return v->file.len;
}

/* --- getting and making --- */

/* One call of shelf_get(). */
struct job {
    struct shelf *shelf;
    char name[SHELF_NAME_LEN + 1];
    cache_produce_fn *produce;
    void *ctx;
    struct shelf_value *value; /* what came of it */
};

static void look(struct job *job)
{
    struct shelf *s = job->shelf;
    struct shelf_file file;
    job->value = find_in_use(s, job->name);
    if (!job->value && s->max_bytes && shelf_file_open(s->dir, job->name, clock_unix_s(), &file) == 0)
        job->value = use(s, &file);
}

/* Before `len` bytes are written: now and then, looks at all files and deletes what is too much. */
static void make_room(struct shelf *s, uint64_t len)
{
    (void)pthread_mutex_lock(&s->lock);
    s->unscanned_bytes += len;
    bool due = s->unscanned_bytes > s->max_bytes / 16;
    if (due)
        s->unscanned_bytes = 0;
    (void)pthread_mutex_unlock(&s->lock);
    if (due)
        shelf_file_evict(s->dir, s->max_bytes / 8 * 7 - len, s->max_bytes / 4 * 3 - len);
}

/* Writes a sealed value; whether it could. */
static bool keep(struct shelf *s, const char *name, const struct buf *content)
{
    struct err err = {0};
    make_room(s, content->len);
    if (shelf_file_write(s->dir, name, content, &err) == 0)
        return true;
    log_event(LOG_WARN, "shelf-not-written", "error", err.text, NULL);
    return false;
}

static int make(struct job *job, struct err *err)
{
    struct shelf *s = job->shelf;
    struct shelf_file file;
    int64_t expires_unix_s = 0;
    auto_(buf) struct buf content = BUF_INIT(SHELF_VALUE_MAX_BYTES);
    if (shelf_file_begin(&content) < 0)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (job->produce(job->ctx, &content, &expires_unix_s, err) < 0)
        return -1;
    if (content.failed)
        return err_set(err, ERR_INTERNAL, "a value too large for the shelf");
    int64_t now = clock_unix_s();
    bool lasts = expires_unix_s > now && content.len <= s->max_bytes / 8; /* one must not displace all */
    shelf_file_seal(&content, job->name, lasts ? expires_unix_s : now + CACHE_HANDOVER_TTL_S);
    if (!lasts || !keep(s, job->name, &content) || shelf_file_open(s->dir, job->name, now, &file) < 0)
        shelf_file_adopt(&file, &content);
    job->value = use(s, &file);
    return job->value ? 0 : err_set(err, ERR_INTERNAL, "out of memory");
}

/* A cache_produce_fn with the key's flight in hand. What is handed over to those who wait is nothing but that
 * it has landed: the value is on the disk or in use. */
static int produce(void *ctx, struct buf *nothing, int64_t *expires_unix_s, struct err *err)
{
    struct job *job = ctx;
    (void)nothing;
    *expires_unix_s = 0;
    look(job); /* whoever had the flight before may have left it */
    return job->value ? 0 : make(job, err);
}

int shelf_get(struct shelf *s, const char *key, cache_produce_fn *make_value, void *ctx,
              struct shelf_value **out, struct err *err)
{
    struct job job = {.shelf = s, .produce = make_value, .ctx = ctx};
    char flight[SHELF_NAME_LEN + 16];
    auto_(buf) struct buf nothing = BUF_INIT(CACHE_FAILURE_MAX_BYTES);
    hash_sha256_hex(key, strlen(key), job.name);
    look(&job);
    if (!job.value) {
        (void)snprintf(flight, sizeof flight, "shelf:%s", job.name);
        if (cache_get(s->cache, flight, NULL, produce, &job, &nothing, NULL, err) < 0)
            return -1;
    }
    if (!job.value)
        look(&job);
    /* Made by another process that could not write it, or deleted already: then without a flight, so that a
     * crowd does not queue for what it cannot share. */
    if (!job.value && make(&job, err) < 0)
        return -1;
    *out = job.value;
    return 0;
}

bool shelf_peek(const struct shelf *s, const char *key, void *out, size_t len)
{
    char name[SHELF_NAME_LEN + 1];
    hash_sha256_hex(key, strlen(key), name);
    return s->max_bytes && shelf_file_peek(s->dir, name, clock_unix_s(), out, len);
}
