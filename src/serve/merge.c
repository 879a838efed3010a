/* See merge.h. */
#include "serve/merge.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "media/splice.h"
#include "serve/cover.h"
#include "serve/small.h"
#include "serve/subtitles.h"

enum {
    PARALLEL =
        8, /* header ranges under way at once: the media hosts take it, more brings nothing (measured) */
    HEAD_MAX_BYTES = 4 << 20,
    URL_MAX_BYTES = 8192,
};

/* One call, made by a thread of its own: background_begin(), background_end(). */
struct background {
    struct app *app;
    const struct format *format;
    struct net_call call;
    pthread_t thread;
    bool started;
    int rc;
    struct err err;
    struct net_answer answer;
    char *moved;
};

/* One plan being made: workers take ranges from the splice and feed it, all under `lock`. */
struct work {
    struct app *app;
    const struct choice *choice;
    const char *urls[CHOICE_FORMATS_MAX]; /* where each source lies, behind its redirects */
    char *moved[CHOICE_FORMATS_MAX];      /* those of them that are ours: on another host */
    struct splice *splice;
    enum splice_layout layout;
    int64_t until_mono_us; /* then the fragmented layout, which needs less, has to do */
    pthread_mutex_t lock;
    pthread_cond_t fed;
    unsigned under_way;
    bool failed;
    struct err err; /* the first failure */
};

static void work_fini(struct work *w)
{
    for (size_t i = 0; i < CHOICE_FORMATS_MAX; i++)
        free(w->moved[i]);
}

DEFINE_AUTO(work, work_fini)

static struct net_call range_call(const struct format *f, const char *url, uint64_t offset, uint64_t length)
{
    return (struct net_call){
        .url = url,
        .user_agent = f->user_agent,
        .egress = f->egress,
        .max_bytes = length,
        .range_offset = offset,
        .range_length = length,
    };
}

/* What came is what was asked for, of the file that was described: a plan made of another one would be
 * remembered as that of the one described. */
static int check_range(const struct net_call *call, const struct format *f, const struct net_answer *answer,
                       struct err *err)
{
    if (answer->status != 206 || answer->body.len != call->range_length) {
        (void)err_set(err, ERR_UPSTREAM_FAILED, "header range answered with %d and %zu bytes", answer->status,
                      answer->body.len);
        err->upstream_status = answer->status;
        return -1;
    }
    if (answer->total_size && f->size_bytes && answer->total_size != f->size_bytes)
        return err_set(err, ERR_UPSTREAM_FAILED, "a source of another size than described");
    return 0;
}

/* A range of a source from where the call says, or else, asked once, from the other host that its own URL
 * names; then that is where it is from now on: *moved, the caller's. */
static int get_range(struct app *app, const struct format *f, const struct net_call *call,
                     struct net_answer *answer, char **moved, struct err *err)
{
    auto_(buf) struct buf other = BUF_INIT(URL_MAX_BYTES);
    if (small_call(app, call, answer, err) == 0 && check_range(call, f, answer, err) == 0)
        return 0;
    if (err->code != ERR_UPSTREAM_FAILED || site_other_host(&app->site, f->url, &other) < 0)
        return -1;
    log_event(LOG_WARN, "header-range-elsewhere", "why", err->text, NULL);
    net_answer_fini(answer);
    *answer = (struct net_answer){0};
    struct net_call again = *call;
    again.url = buf_str(&other);
    if (net_call(app->net, &again, answer, err) < 0 || check_range(&again, f, answer, err) < 0)
        return -1;
    *moved = buf_steal(&other);
    return 0;
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
    auto_ptr(char) char *moved = NULL;
    const struct format *f = w->choice->formats[range->source];
    const struct net_call call = range_call(f, w->urls[range->source], range->offset, range->length);
    w->under_way++;
    (void)pthread_mutex_unlock(&w->lock);
    int rc = get_range(w->app, f, &call, &answer, &moved, &err);
    (void)pthread_mutex_lock(&w->lock);
    w->under_way--;
    if (moved && !w->moved[range->source])
        w->urls[range->source] = w->moved[range->source] = steal(&moved);
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

/* The picture for the tags, wanted beside the headers. */
struct covering {
    const struct description *of;
    struct shelf_value *value;
    bool missed; /* there may be one another time */
};

static void covering_fini(struct covering *c)
{
    shelf_value_free(c->value);
}

DEFINE_AUTO(covering, covering_fini)

/* `c` NULL: without. Its picture is fetched by this very thread, which the cache has let in already, so that
 * a plan counts once. */
static int fetch_headers(struct work *w, struct covering *c, struct err *err)
{
    pthread_t threads[PARALLEL];
    unsigned started = 0;
    (void)pthread_mutex_init(&w->lock, NULL);
    (void)pthread_cond_init(&w->fed, NULL);
    while (started < PARALLEL && pthread_create(&threads[started], NULL, worker, w) == 0)
        started++;
    if (c)
        c->missed = cover_get(w->app, c->of, &c->value) < 0;
    if (started == 0)
        (void)worker(w);
    for (unsigned i = 0; i < started; i++)
        (void)pthread_join(threads[i], NULL);
    (void)pthread_cond_destroy(&w->fed);
    (void)pthread_mutex_destroy(&w->lock);
    if (w->failed)
        *err = w->err;
    return w->failed ? -1 : 0;
}

static void *run_background(void *arg)
{
    struct background *b = arg;
    b->rc = get_range(b->app, b->format, &b->call, &b->answer, &b->moved, &b->err);
    return NULL;
}

static void background_begin(struct background *b)
{
    b->started = pthread_create(&b->thread, NULL, run_background, b) == 0;
    if (!b->started)
        (void)run_background(b);
}

static void background_end(struct background *b)
{
    if (b->started)
        (void)pthread_join(b->thread, NULL);
    b->started = false;
}

static void background_fini(struct background *b)
{
    background_end(b);
    net_answer_fini(&b->answer);
    free(b->moved);
}

/* The sources' heads. */
struct heads {
    struct background calls[CHOICE_FORMATS_MAX];
};

static void heads_fini(struct heads *h)
{
    for (size_t i = 0; i < CHOICE_FORMATS_MAX; i++)
        background_fini(&h->calls[i]);
}

DEFINE_AUTO(heads, heads_fini)

/* The sources' heads, all at once; they then hold what w->urls point to. */
static int add_sources(struct work *w, struct background *heads, struct err *err)
{
    const struct choice *c = w->choice;
    for (unsigned i = 0; i < c->format_count; i++) {
        if (c->formats[i]->index.end >= HEAD_MAX_BYTES)
            return err_set(err, ERR_UNSUPPORTED_SITE, "an index of %llu bytes",
                           (unsigned long long)c->formats[i]->index.end);
    }
    for (unsigned i = 0; i < c->format_count; i++) {
        heads[i].app = w->app;
        heads[i].format = c->formats[i];
        heads[i].call = range_call(c->formats[i], c->formats[i]->url, 0, c->formats[i]->index.end + 1);
        background_begin(&heads[i]);
    }
    for (unsigned i = 0; i < c->format_count; i++) {
        struct background *b = &heads[i];
        background_end(b);
        if (b->rc < 0) {
            *err = b->err;
            return -1;
        }
        if (splice_add_source(w->splice, i, b->answer.body.data, b->answer.body.len,
                              c->formats[i]->size_bytes, err) < 0)
            return -1;
        w->urls[i] = b->answer.final_url;
    }
    return 0;
}

/* Clips and subtitles are for that layout alone, however long its headers take. */
static bool needs_progressive(const struct merge_opts *opts)
{
    return opts->start_ms || opts->end_ms || (opts->subtitles && opts->subtitles->count);
}

static enum splice_layout layout_for(const struct app *app, const struct splice *splice,
                                     const struct merge_opts *opts)
{
    if (needs_progressive(opts))
        return SPLICE_PROGRESSIVE;
    bool is_long = splice_duration_ms(splice) > (uint64_t)app->config.progressive_max_s * 1000;
    return opts->fragmented || is_long ? SPLICE_FRAGMENTED : SPLICE_PROGRESSIVE;
}

struct texts {
    struct subtitle_cues cues[SPLICE_SUBTITLES_MAX];
};

static void texts_fini(struct texts *t)
{
    for (size_t i = 0; i < SPLICE_SUBTITLES_MAX; i++)
        subtitle_cues_fini(&t->cues[i]);
}
DEFINE_AUTO(texts, texts_fini)

static int add_subtitles(struct splice *splice, const struct subtitle_set *set, struct texts *texts,
                         struct err *err)
{
    for (size_t i = 0; set && i < set->count; i++) {
        const struct shelf_value *vtt = set->tracks[i].vtt;
        if (subtitle_parse_vtt(&texts->cues[i], shelf_value_data(vtt), shelf_value_size(vtt), err) < 0 ||
            splice_add_subtitles(splice, &texts->cues[i], set->tracks[i].language, err) < 0)
            return -1;
    }
    return 0;
}

/* Up to PARALLEL of the checks at once. */
static int check_some(const struct work *w, const struct splice_range *ranges, size_t count, struct err *err)
{
    struct background calls[PARALLEL] = {0};
    int rc = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned source = ranges[i].source;
        calls[i].app = w->app;
        calls[i].format = w->choice->formats[source];
        calls[i].call = range_call(w->choice->formats[source], w->urls[source], ranges[i].offset,
                                   ranges[i].length);
        background_begin(&calls[i]);
    }
    for (size_t i = 0; i < count; i++) {
        struct background *b = &calls[i];
        background_end(b);
        if (rc == 0 && b->rc < 0)
            *err = b->err;
        if (rc == 0 && (b->rc < 0 || splice_check(w->splice, &ranges[i], b->answer.body.data, err) < 0))
            rc = -1;
        background_fini(b);
    }
    return rc;
}

static int check_fragments(const struct work *w, struct err *err)
{
    struct splice_range ranges[SPLICE_CHECKS_MAX];
    size_t count = splice_checks(w->splice, ranges);
    for (size_t i = 0; i < count; i += PARALLEL) {
        if (check_some(w, ranges + i, count - i < PARALLEL ? count - i : PARALLEL, err) < 0)
            return -1;
    }
    return 0;
}

/* The sources may be of a shape that only the progressive layout can take; that has no need for haste then.
 */
static int plan_layout(struct work *w, const struct mp4_tags *tags, struct plan **out, struct err *err)
{
    int rc = w->layout == SPLICE_FRAGMENTED ? check_fragments(w, err) : 0;
    if (rc == 0)
        rc = splice_plan(w->splice, w->layout, tags, out, err);
    if (rc == 0 || err->code != ERR_UNSUPPORTED_SITE || w->layout == SPLICE_PROGRESSIVE)
        return rc;
    w->layout = SPLICE_PROGRESSIVE;
    w->until_mono_us = INT64_MAX;
    if (fetch_headers(w, NULL, err) < 0)
        return -1;
    return splice_plan(w->splice, w->layout, tags, out, err);
}

int merge_plan(struct app *app, const struct description *d, const struct choice *c,
               const struct merge_opts *opts, struct merged *out, struct err *err)
{
    const struct splice_opts clip = {.start_ms = opts->start_ms, .end_ms = opts->end_ms};
    auto_(texts) struct texts texts = {0}; /* outlives the splice, which borrows it */
    auto_ptr(splice) struct splice *splice = splice_new(&clip);
    auto_(heads) struct heads heads = {0};
    auto_(covering) struct covering cover = {.of = d};
    auto_(work) struct work w = {.app = app, .choice = c, .splice = splice};
    struct mp4_tags tags = {.title = d->title, .artist = d->author, .date = d->published, .comment = d->url};
    if (!splice)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (add_sources(&w, heads.calls, err) < 0 || add_subtitles(splice, opts->subtitles, &texts, err) < 0)
        return -1;
    w.layout = layout_for(app, splice, opts);
    w.until_mono_us = needs_progressive(opts) ? INT64_MAX
                                              : clock_mono_us() + app->config.plan_wait_s * 1000000;
    enum splice_layout wanted = w.layout;
    if (fetch_headers(&w, opts->no_tags ? NULL : &cover, err) < 0)
        return -1;
    if (cover.value) {
        tags.cover = shelf_value_data(cover.value);
        tags.cover_len = shelf_value_size(cover.value);
    }
    out->second_best = w.layout != wanted || cover.missed;
    return plan_layout(&w, opts->no_tags ? NULL : &tags, &out->plan, err);
}
