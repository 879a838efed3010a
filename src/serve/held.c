/* See held.h. */
#include "serve/held.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "serve/feed.h"

struct held {
    atomic_uint holders; /* the reader, and tasks under way */
    struct app *app;
    struct tier_found found;
    struct pump_place where;
    uint64_t at, end;
    bool failed;
    struct err why;
    struct pump_task forgetting;
    /* A file: */
    int fd; /* -1: none */
    unsigned char *chunk;
    size_t chunk_at, chunk_len;
    /* Or what is read from a server: */
    struct plan *plan;
    struct feed *feed;
    unsigned renewals;
};

static void hold(void *ctx)
{
    struct held *h = ctx;
    (void)atomic_fetch_add(&h->holders, 1);
}

static void drop(void *ctx)
{
    struct held *h = ctx;
    if (atomic_fetch_sub(&h->holders, 1) > 1)
        return;
    tier_way_fini(&h->found.way);
    plan_free(h->plan);
    free(h);
}

/* ---- Files ---- */

static int open_file(struct held *h, struct err *err)
{
    struct stat st;
    h->fd = open(h->found.way.at, O_RDONLY | O_CLOEXEC);
    if (h->fd < 0)
        return err_set(err, ERR_NOT_FOUND, "%s: %s", h->found.way.at, strerror(errno));
    if (fstat(h->fd, &st) < 0 || (uint64_t)st.st_size != h->found.content.bytes)
        return err_set(err, ERR_NOT_FOUND, "%s: not the file that was stored", h->found.way.at);
    h->chunk = malloc(HELD_CHUNK_BYTES);
    return h->chunk ? 0 : err_set(err, ERR_INTERNAL, "out of memory");
}

static enum pump_state gather_file(struct held *h, struct iovec *iov, int *count, struct err *err)
{
    if (h->chunk_at == h->chunk_len && h->at < h->end) {
        uint64_t left = h->end - h->at;
        ssize_t n = pread(h->fd, h->chunk, left < HELD_CHUNK_BYTES ? (size_t)left : HELD_CHUNK_BYTES,
                          (off_t)h->at);
        if (n <= 0) {
            (void)err_set(err, ERR_NOT_FOUND, "a kept file: %s", n < 0 ? strerror(errno) : "too short");
            return PUMP_FAILED;
        }
        h->chunk_at = 0;
        h->chunk_len = (size_t)n;
    }
    *count = h->at < h->end;
    iov[0] = (struct iovec){h->chunk + h->chunk_at, h->chunk_len - h->chunk_at};
    return *count ? PUMP_BYTES : PUMP_END;
}

/* ---- Servers ---- */

static struct pump_source source_of(const struct held *h)
{
    return (struct pump_source){
        .url = h->found.way.at,
        .headers = h->found.way.headers,
        .egress = h->found.way.egress,
        .size = h->found.content.bytes,
    };
}

/* feed_opts.renew: the same content by another way, where the one it had is dead. */
static void *renew(void *ctx, unsigned source, uint64_t at, const struct err *why, struct err *err)
{
    struct held *h = ctx;
    struct tier_way *fresh = calloc(1, sizeof *fresh);
    const struct tier_ask ask = {.stale = &h->found.way};
    const int status = why->upstream_status;
    (void)source;
    (void)at;
    *err = *why;
    if (fresh && (status == 403 || status == 404 || status == 410) && h->renewals++ < HELD_RENEWALS_MAX &&
        h->found.tier->find(h->app, &h->found.content, &ask, fresh, err) == 0 && fresh->kind == TIER_URL)
        return fresh;
    if (fresh)
        tier_way_fini(fresh);
    free(fresh);
    return NULL;
}

static void adopt(void *ctx, void *fresh, struct pump_source sources[PLAN_SOURCES_MAX])
{
    struct held *h = ctx;
    tier_way_fini(&h->found.way);
    memcpy(&h->found.way, fresh, sizeof h->found.way);
    free(fresh);
    sources[0] = source_of(h);
}

static void discard(void *fresh)
{
    tier_way_fini(fresh);
    free(fresh);
}

static int open_url(struct held *h, struct err *err)
{
    h->plan = plan_new();
    if (!h->plan || plan_add_source(h->plan, 0, 0, h->found.content.bytes, err) < 0)
        return err_set(err, ERR_INTERNAL, "out of memory");
    const struct feed_opts opts = {
        .plan = h->plan,
        .offset = h->at,
        .length = h->end - h->at,
        .sources = {source_of(h)},
        .source_count = 1,
        .parallel = (unsigned)h->app->config.parallel,
        .pool = &h->app->parts,
        .ctx = h,
        .hold = hold,
        .drop = drop,
        .renew = renew,
        .adopt = adopt,
        .discard = discard,
    };
    return feed_open(&h->feed, &opts, &h->where, err);
}

/* ---- Both ---- */

/* pump_task.run */
static void forget(void *ctx)
{
    struct held *h = ctx;
    tier_failed(h->app, &h->found.content, &h->why);
}

static void fail(struct held *h, const struct err *why)
{
    h->failed = true;
    h->why = *why;
    h->forgetting = (struct pump_task){.run = forget, .done = drop, .ctx = h};
    hold(h);
    pump_run_task(&h->where, &h->forgetting);
}

int held_open(struct held **out, struct app *app, struct tier_found *found, uint64_t offset, uint64_t length,
              const struct pump_place *where, struct err *err)
{
    struct held *h = calloc(1, sizeof *h);
    if (!h) {
        tier_way_fini(&found->way);
        return err_set(err, ERR_INTERNAL, "out of memory");
    }
    *h = (struct held){
        .app = app, .found = *found, .where = *where, .at = offset, .end = offset + length, .fd = -1};
    found->way = (struct tier_way){0};
    atomic_init(&h->holders, 1);
    if ((h->found.way.kind == TIER_FILE ? open_file : open_url)(h, err) < 0) {
        fail(h, err);
        held_close(h);
        return -1;
    }
    *out = h;
    return 0;
}

enum pump_state held_gather(struct held *h, struct iovec *iov, int *count, struct err *err)
{
    enum pump_state state = PUMP_FAILED;
    *err = h->why;
    if (!h->failed)
        state = h->feed ? feed_gather(h->feed, iov, count, err) : gather_file(h, iov, count, err);
    if (state == PUMP_FAILED && !h->failed)
        fail(h, err);
    return state;
}

void held_take(struct held *h, size_t bytes, bool slow)
{
    h->at += bytes;
    h->chunk_at += bytes;
    if (h->feed)
        feed_take(h->feed, bytes, slow);
}

void held_close(struct held *h)
{
    if (!h)
        return;
    feed_close(steal(&h->feed));
    if (h->fd >= 0)
        (void)close(h->fd);
    h->fd = -1;
    free(steal(&h->chunk));
    drop(h);
}
