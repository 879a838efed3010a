/* See merge.h. */
#include "serve/merge.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/log.h"
#include "media/splice.h"

enum {
    PARALLEL =
        8, /* header ranges under way at once: the media hosts take it, more brings nothing (measured) */
    HEAD_MAX_BYTES = 4 << 20,
    COVER_MAX_BYTES = 2 << 20,
    ATTEMPTS = 3,    /* of one header range */
    AGAIN_MS = 5000, /* an attempt that took longer is not repeated */
    PAUSE_MS = 100,  /* before the second; twice as long before the third */
};

/* One plan being made: workers take ranges from the splice and feed it, all under `lock`. */
struct work {
    struct app *app;
    const struct choice *choice;
    struct splice *splice;
    enum splice_layout layout;
    int64_t until_mono_us; /* then the fragmented layout, which needs less, has to do */
    pthread_mutex_t lock;
    pthread_cond_t fed;
    unsigned under_way;
    bool failed;
    struct err err; /* the first failure */
};

/* A hiccup of one range must not cost the hundred others. */
static int call_again(struct app *app, const struct net_call *call, struct net_answer *answer,
                      struct err *err)
{
    for (unsigned attempt = 1;; attempt++) {
        int64_t start_us = clock_mono_us();
        int rc = net_call(app->net, call, answer, err);
        bool hiccup = rc < 0 ? err->code == ERR_UPSTREAM_FAILED
                             : answer->status >= 500 || answer->status == 429;
        if (!hiccup || attempt == ATTEMPTS || clock_mono_us() - start_us > AGAIN_MS * INT64_C(1000))
            return rc;
        if (rc == 0)
            net_answer_fini(answer);
        clock_sleep_ms(PAUSE_MS * attempt);
    }
}

static int fetch_bytes(struct app *app, const struct format *f, uint64_t offset, uint64_t length,
                       struct net_answer *answer, struct err *err)
{
    struct net_call call = {
        .url = f->url,
        .user_agent = f->user_agent,
        .max_bytes = length,
        .range_offset = offset,
        .range_length = length,
    };
    if (call_again(app, &call, answer, err) < 0)
        return -1;
    if (answer->status == 206 && answer->body.len == length)
        return 0;
    int status = answer->status;
    (void)err_set(err, ERR_UPSTREAM_FAILED, "header range answered with %d and %zu bytes", status,
                  answer->body.len);
    err->upstream_status = status;
    return -1;
}

static bool enough(const struct work *w)
{
    return w->failed || splice_ready(w->splice, w->layout);
}

/* Called and returns with the lock held; fetches without it. */
static void take_one(struct work *w, const struct splice_range *range)
{
    struct err err = {0};
    auto_(net_answer) struct net_answer answer = {0};
    w->under_way++;
    (void)pthread_mutex_unlock(&w->lock);
    int rc = fetch_bytes(w->app, w->choice->formats[range->source], range->offset, range->length, &answer,
                         &err);
    (void)pthread_mutex_lock(&w->lock);
    w->under_way--;
    if (!w->failed && (rc < 0 || splice_feed(w->splice, range, answer.body.data, &err) < 0)) {
        w->failed = true;
        w->err = err;
    }
    if (clock_mono_us() > w->until_mono_us && splice_ready(w->splice, SPLICE_FRAGMENTED))
        w->layout = SPLICE_FRAGMENTED;
    (void)pthread_cond_broadcast(&w->fed);
}

static void *worker(void *ctx)
{
    struct work *w = ctx;
    struct splice_range range;
    (void)pthread_mutex_lock(&w->lock);
    while (!enough(w)) {
        if (splice_next_range(w->splice, &range))
            take_one(w, &range);
        else if (w->under_way)
            (void)pthread_cond_wait(&w->fed, &w->lock);
        else
            break; /* nothing to ask for and nothing on its way: splice_plan() will say what is missing */
    }
    (void)pthread_mutex_unlock(&w->lock);
    return NULL;
}

static int fetch_headers(struct work *w, struct err *err)
{
    pthread_t threads[PARALLEL];
    unsigned started = 0;
    (void)pthread_mutex_init(&w->lock, NULL);
    (void)pthread_cond_init(&w->fed, NULL);
    while (started < PARALLEL - 1 && pthread_create(&threads[started], NULL, worker, w) == 0)
        started++;
    (void)worker(w);
    for (unsigned i = 0; i < started; i++)
        (void)pthread_join(threads[i], NULL);
    (void)pthread_cond_destroy(&w->fed);
    (void)pthread_mutex_destroy(&w->lock);
    if (w->failed)
        *err = w->err;
    return w->failed ? -1 : 0;
}

static int add_sources(struct work *w, struct err *err)
{
    for (unsigned i = 0; i < w->choice->format_count; i++) {
        const struct format *f = w->choice->formats[i];
        auto_(net_answer) struct net_answer answer = {0};
        if (f->index.end >= HEAD_MAX_BYTES)
            return err_set(err, ERR_UNSUPPORTED_SITE, "an index of %llu bytes",
                           (unsigned long long)f->index.end);
        if (fetch_bytes(w->app, f, 0, f->index.end + 1, &answer, err) < 0 ||
            splice_add_source(w->splice, i, answer.body.data, answer.body.len, f->size_bytes, err) < 0)
            return -1;
    }
    return 0;
}

/* The cover is a nicety: without it the file is as good. */
static void fetch_cover(struct app *app, const struct description *d, struct net_answer *answer)
{
    struct err err = {0};
    struct net_call call = {.url = d->thumbnail, .max_bytes = COVER_MAX_BYTES};
    if (!d->thumbnail)
        return;
    if (net_call(app->net, &call, answer, &err) < 0 || answer->status != 200)
        log_event(LOG_INFO, "no-cover", "why", err.text, NULL);
}

int merge_plan(struct app *app, const struct description *d, const struct choice *c,
               const struct merge_opts *opts, struct merged *out, struct err *err)
{
    const struct splice_opts clip = {.start_ms = opts->start_ms, .end_ms = opts->end_ms};
    auto_ptr(splice) struct splice *splice = splice_new(&clip);
    auto_(net_answer) struct net_answer cover = {0};
    struct work w = {.app = app, .choice = c, .splice = splice};
    struct mp4_tags tags = {.title = d->title, .artist = d->author, .comment = d->url};
    if (!splice)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (add_sources(&w, err) < 0)
        return -1;
    bool is_long = splice_duration_ms(splice) > (uint64_t)app->config.progressive_max_s * 1000;
    w.layout = opts->fragmented || is_long ? SPLICE_FRAGMENTED : SPLICE_PROGRESSIVE;
    w.until_mono_us = clock_mono_us() + app->config.plan_wait_s * 1000000;
    if (opts->start_ms || opts->end_ms)
        w.layout = SPLICE_PROGRESSIVE; /* the only one that clips */
    enum splice_layout wanted = w.layout;
    if (!opts->no_tags)
        fetch_cover(app, d, &cover);
    if (cover.status == 200) {
        tags.cover = cover.body.data;
        tags.cover_len = cover.body.len;
    }
    if (fetch_headers(&w, err) < 0)
        return -1;
    out->hurried = w.layout != wanted;
    return splice_plan(splice, w.layout, opts->no_tags ? NULL : &tags, &out->plan, err);
}
