/* See cache.h. */
#include "cache/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "cache/entry.h"
#include "cache/flight.h"

enum { PRUNE_EVERY_S = 60, BUSY_RETRY_S = 2 };

/* The callers of one key in this process. The first one leads: it alone competes with other processes and
 * maybe produces; the others wait for it to land. What the leader leaves is its own before landing and
 * read-only after; the rest is guarded by cache.lock. Parties are kept for the next flight and freed with the
 * cache, so there are as many as there were ever keys in flight at once. */
struct party {
    struct party *next;
    const char *key; /* the leader's; NULL: landed, or idle */
    int refs;        /* 0: idle */
    pthread_cond_t on_landing;
    /* what the leader leaves */
    enum { PARTY_GAVE_UP, PARTY_VALUE, PARTY_FAILURE } outcome; /* gave up: the flight was never had */
    bool fresh;                                                 /* made by this very flight */
    struct buf value;
    struct err failure;
};

struct cache {
    struct store *store;
    int dir_fd;
    unsigned callers_max; /* 0: any number */
    atomic_uint callers;  /* that are making values or waiting for them */
    pthread_mutex_t lock; /* guards what follows */
    struct party *parties;
    int64_t next_prune_mono_us;
};

/* One call of cache_get(). */
struct call {
    struct cache *cache;
    const char *key;
    const struct buf *stale; /* NULL: none */
    cache_produce_fn *produce;
    void *ctx;
    int64_t began_unix_us;
    int64_t deadline_mono_us;
};

int cache_open(struct cache **out, struct store *store, const char *data_dir, struct err *err)
{
    if (io_make_dirs(data_dir, err) < 0)
        return -1;
    int dir_fd = open(data_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        return err_set(err, ERR_INTERNAL, "cannot open %s: %s", data_dir, strerror(errno));
    struct cache *c = calloc(1, sizeof *c);
    if (!c || pthread_mutex_init(&c->lock, NULL) != 0 || flight_prepare(dir_fd, err) < 0) {
        if (!c)
            (void)err_set(err, ERR_INTERNAL, "out of memory");
        free(c);
        (void)close(dir_fd);
        return -1;
    }
    /* Somewhere within the first minute: processes that live for one request prune in proportion. */
    uint32_t chance;
    hash_random(&chance, sizeof chance);
    c->next_prune_mono_us = clock_mono_us() + chance % PRUNE_EVERY_S * INT64_C(1000000);
    c->store = store;
    c->dir_fd = dir_fd;
    *out = c;
    return 0;
}

void cache_close(struct cache *c)
{
    if (!c)
        return;
    while (c->parties) {
        struct party *p = c->parties;
        c->parties = p->next;
        (void)pthread_cond_destroy(&p->on_landing);
        free(p);
    }
    (void)pthread_mutex_destroy(&c->lock);
    (void)close(c->dir_fd);
    free(c);
}

void cache_limit(struct cache *c, unsigned callers)
{
    c->callers_max = callers;
}

static bool equals(const struct buf *stale, const struct buf *value, size_t from)
{
    return stale && stale->len == value->len - from &&
           (stale->len == 0 || memcmp(stale->data, value->data + from, stale->len) == 0);
}

/* 1 with a value appended, 0 when there is nothing that this call may use, -1 with a remembered failure, or
 * with ERR_BUSY when the store is. A store that cannot be read for another reason remembers nothing: the work
 * can be done without. *value is as it was unless 1. */
static int recall(const struct call *call, struct buf *value, struct err *err)
{
    size_t from = value->len;
    enum entry_kind kind;
    int64_t made_unix_us;
    value->max += ENTRY_TRAILER_BYTES; /* it comes off again, so the caller's maximum holds */
    int rc = store_cache_get(call->cache->store, call->key, clock_unix_s(), value, NULL, err);
    value->max -= ENTRY_TRAILER_BYTES;
    if (rc < 0 && err->code != ERR_BUSY && !value->failed) {
        log_event(LOG_WARN, "cache_get", "error", err->text, NULL);
        *err = (struct err){0};
        return 0;
    }
    if (rc <= 0)
        return rc;
    bool ok = entry_open(value, from, &kind, &made_unix_us) == 0;
    if (ok && kind == ENTRY_FAILURE && entry_read_failure(value->data + from, err) == 0) {
        rc = -1;
    } else if (ok && kind != ENTRY_FAILURE) {
        bool for_all = kind == ENTRY_VALUE && !equals(call->stale, value, from);
        rc = for_all || made_unix_us >= call->began_unix_us;
    } else {
        rc = 0; /* not ours, or of another version: as if it were not there */
    }
    if (rc != 1) {
        value->len = from;
        value->data[from] = '\0';
    }
    return rc;
}

static void remember(const struct call *call, struct buf *content, enum entry_kind kind,
                     int64_t expires_unix_s)
{
    struct err err;
    size_t len = content->len;
    int rc = entry_seal(content, kind, clock_unix_us()) < 0
                 ? err_set(&err, ERR_INTERNAL, "too large")
                 : store_cache_put(call->cache->store, call->key, content->data, content->len, expires_unix_s,
                                   &err);
    if (rc < 0)
        log_event(LOG_WARN, "cache_put", "error", err.text, NULL);
    content->len = len;
}

static void remember_failure(const struct call *call, const struct err *failure)
{
    auto_(buf) struct buf content = BUF_INIT(sizeof failure->text + 128);
    int ttl_s = err_info(failure->code)->retryable ? CACHE_TRANSIENT_TTL_S : CACHE_ERROR_TTL_S;
    if (failure->retry_after_s > 0 && failure->retry_after_s <= ttl_s)
        ttl_s = failure->retry_after_s - 1; /* whoever comes back when he was told to finds it gone */
    if (entry_add_failure(&content, failure) == 0)
        remember(call, &content, ENTRY_FAILURE, clock_unix_s() + ttl_s);
}

static void make(const struct call *call, struct party *p)
{
    int64_t expires_unix_s = 0;
    p->fresh = true;
    int rc = call->produce(call->ctx, &p->value, &expires_unix_s, &p->failure);
    if (rc == 0 && (p->value.failed || p->value.len > CACHE_VALUE_MAX_BYTES))
        rc = err_set(&p->failure, ERR_INTERNAL, "a value too large to remember");
    if (rc < 0 && p->failure.code == ERR_OK)
        (void)err_set(&p->failure, ERR_INTERNAL, "the producer gave no reason");
    if (rc < 0) {
        p->outcome = PARTY_FAILURE;
        remember_failure(call, &p->failure);
        return;
    }
    p->outcome = PARTY_VALUE;
    int64_t now = clock_unix_s();
    bool keep = expires_unix_s > now;
    remember(call, &p->value, keep ? ENTRY_VALUE : ENTRY_HANDOVER,
             keep ? expires_unix_s : now + CACHE_HANDOVER_TTL_S);
}

static void prune_now_and_then(struct cache *c)
{
    struct err err;
    int64_t now_us = clock_mono_us();
    (void)pthread_mutex_lock(&c->lock);
    bool due = now_us >= c->next_prune_mono_us;
    if (due)
        c->next_prune_mono_us = now_us + PRUNE_EVERY_S * INT64_C(1000000);
    (void)pthread_mutex_unlock(&c->lock);
    if (due && store_prune(c->store, clock_unix_s(), &err) < 0)
        log_event(LOG_WARN, "cache_prune", "error", err.text, NULL);
}

static void lead(const struct call *call, struct party *p)
{
    int fd = flight_begin(call->cache->dir_fd, call->key, call->deadline_mono_us, &p->failure);
    if (fd < 0) {
        p->outcome = PARTY_GAVE_UP;
        return;
    }
    int rc = recall(call, &p->value, &p->failure); /* the one who had the flight before may have left it */
    if (rc == 0)
        make(call, p);
    else
        p->outcome = rc == 1 ? PARTY_VALUE : PARTY_FAILURE;
    (void)close(fd);
}
/* With cache.lock held. */
static struct party *party_new(struct cache *c)
{
    pthread_condattr_t monotonic;
    struct party *p = calloc(1, sizeof *p);
    if (!p || pthread_condattr_init(&monotonic) != 0) {
        free(p);
        return NULL;
    }
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&p->on_landing, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    p->next = c->parties;
    c->parties = p;
    return p;
}

/* With cache.lock held: the key's party, or a new one that this caller leads. NULL: out of memory. */
static struct party *join(const struct call *call, bool *is_leader)
{
    struct party *idle = NULL;
    *is_leader = false;
    for (struct party *p = call->cache->parties; p; p = p->next) {
        if (p->key && strcmp(p->key, call->key) == 0) {
            p->refs++;
            return p;
        }
        if (p->refs == 0)
            idle = p;
    }
    struct party *p = idle ? idle : party_new(call->cache);
    if (!p)
        return NULL;
    *is_leader = true;
    p->key = call->key;
    p->refs = 1;
    p->outcome = PARTY_GAVE_UP;
    p->fresh = false;
    p->failure = (struct err){0};
    buf_init(&p->value, STORE_VALUE_MAX_BYTES);
    return p;
}

static void land(struct cache *c, struct party *p)
{
    (void)pthread_mutex_lock(&c->lock);
    p->key = NULL;
    (void)pthread_cond_broadcast(&p->on_landing);
    (void)pthread_mutex_unlock(&c->lock);
}

static void leave(struct cache *c, struct party *p)
{
    (void)pthread_mutex_lock(&c->lock);
    if (--p->refs == 0)
        buf_fini(&p->value);
    (void)pthread_mutex_unlock(&c->lock);
}

/* What a landed flight means to one of its callers: as fly(). */
static int share(const struct call *call, const struct party *p, bool is_leader, struct buf *value,
                 struct err *err)
{
    if (p->outcome == PARTY_GAVE_UP && !is_leader)
        return 0; /* the leader had less time left than we may have */
    if (p->outcome != PARTY_VALUE) {
        if (err)
            *err = p->failure;
        return -1;
    }
    if (!is_leader && !p->fresh && equals(call->stale, &p->value, 0))
        return 0;
    if (buf_add(value, buf_str(&p->value), p->value.len) < 0)
        return err_set(err, ERR_INTERNAL, "value of %zu bytes does not fit", p->value.len);
    return 1;
}

/* Leads a flight or waits for one: 1 with a value, -1 with a failure, 0 when it must be tried again. */
static int fly(const struct call *call, struct buf *value, bool *was_cached, struct err *err)
{
    struct cache *c = call->cache;
    struct timespec until = {.tv_sec = (time_t)(call->deadline_mono_us / 1000000),
                             .tv_nsec = (long)(call->deadline_mono_us % 1000000) * 1000};
    bool is_leader;
    (void)pthread_mutex_lock(&c->lock);
    struct party *p = join(call, &is_leader);
    for (int rc = 0; p && !is_leader && p->key && rc == 0;)
        rc = pthread_cond_timedwait(&p->on_landing, &c->lock, &until);
    bool landed = p && !p->key;
    (void)pthread_mutex_unlock(&c->lock);
    if (!p)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (is_leader) {
        lead(call, p);
        land(c, p);
        landed = true;
    }
    int rc = landed ? share(call, p, is_leader, value, err)
                    : err_set(err, ERR_BUSY, "the producer takes too long");
    *was_cached = !(is_leader && p->fresh);
    if (!*was_cached)
        prune_now_and_then(c);
    leave(c, p);
    return rc;
}

/* Flies until there is a result. A producer that asks for another key has been let in already. */
static int fly_on(const struct call *call, struct buf *value, bool *was_cached, struct err *err)
{
    static _Thread_local bool inside;
    struct cache *c = call->cache;
    int rc = 0;
    bool outermost = !inside;
    if (outermost && atomic_fetch_add(&c->callers, 1) >= c->callers_max && c->callers_max)
        rc = err_set(err, ERR_BUSY, "%u callers wait already for what is not remembered", c->callers_max);
    inside = true;
    while (rc == 0)
        rc = fly(call, value, was_cached, err);
    inside = !outermost;
    if (outermost)
        (void)atomic_fetch_sub(&c->callers, 1);
    return rc;
}

int cache_get(struct cache *c, const char *key, const struct buf *stale, cache_produce_fn *produce, void *ctx,
              struct buf *value, bool *was_cached, struct err *err)
{
    struct call call = {
        .cache = c,
        .key = key,
        .stale = stale,
        .produce = produce,
        .ctx = ctx,
        .began_unix_us = clock_unix_us(),
        .deadline_mono_us = clock_mono_us() + CACHE_WAIT_MAX_MS * INT64_C(1000),
    };
    struct err why = {0};
    bool cached = true;
    int rc = recall(&call, value, &why);
    if (rc == 0)
        rc = fly_on(&call, value, &cached, &why);
    if (rc < 0 && why.code == ERR_BUSY && why.retry_after_s == 0)
        why.retry_after_s = BUSY_RETRY_S;
    if (rc < 0 && err)
        *err = why;
    if (was_cached)
        *was_cached = cached;
    return rc < 0 ? -1 : 0;
}
