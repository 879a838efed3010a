/* See feed.h. */
#include "serve/feed.h"

#include <stdlib.h>

#include "serve/intake.h"

enum {
    SKIP_MAX_BYTES = 256 * 1024, /* a shorter gap is read over, a longer one is a new request */
    NOBODY = PLAN_SOURCES_MAX,
    SLOW_BYTES = 16 * 1024, /* in hand for a slow client */
};

/* One source being read. */
struct reader {
    struct feed *feed;
    struct intake *intake;
    uint64_t begin, end; /* what is needed of it; end UINT64_MAX: all there is; 0: none */
};

/* A renewal under way; it outlives a feed that is closed meanwhile. */
struct renewal {
    struct pump_task task;
    struct feed_opts opts; /* whose functions are called */
    struct feed *feed;     /* NULL: closed */
    unsigned source;       /* that has failed, … */
    uint64_t at;           /* … here, … */
    struct err why;        /* … with this */
    void *fresh;
    struct err err;
};

struct feed {
    struct feed_opts opts;
    struct pump_place where;
    struct reader readers[PLAN_SOURCES_MAX];
    uint64_t at, end; /* of the output; end UINT64_MAX: unknown */
    size_t segment;   /* that holds `at` */
    unsigned turn;    /* the source that is read ahead */
    bool slow;
    bool started;            /* the first source has answered */
    struct renewal *renewal; /* under way */
    bool over;               /* failed for good: */
    struct err err;
};

/* ---- Plan ---- */

/* The segment of a feed without a plan. */
static struct plan_segment whole_source(void)
{
    return (struct plan_segment){.length = UINT64_MAX, .source = 0};
}

static struct plan_segment segment_at(const struct feed *f, size_t i)
{
    return f->opts.plan ? *plan_segment(f->opts.plan, i) : whole_source();
}

static size_t segment_count(const struct feed *f)
{
    return f->opts.plan ? plan_segment_count(f->opts.plan) : 1;
}

/* Where each source is first needed, and up to where. */
static void find_spans(struct feed *f)
{
    size_t last = f->opts.plan ? plan_find(f->opts.plan, f->end - 1) : 0;
    for (size_t i = last + 1; i-- > f->segment;) {
        const struct plan_segment s = segment_at(f, i);
        if (s.source == PLAN_LITERAL)
            continue;
        struct reader *r = &f->readers[s.source];
        uint64_t from = s.out < f->at ? f->at - s.out : 0;
        uint64_t to = s.length < f->end - s.out ? s.length : f->end - s.out;
        r->begin = s.offset + from;
        if (r->end == 0)
            r->end = f->opts.plan ? s.offset + to : UINT64_MAX;
    }
}

/* ---- Sources ---- */

static void changed(void *ctx)
{
    const struct reader *r = ctx;
    r->feed->where.wake(r->feed->where.wake_ctx);
}

static void reader_want(struct reader *r)
{
    const struct feed *f = r->feed;
    bool on_turn = f->turn == (unsigned)(r - f->readers);
    if (r->intake)
        intake_want(r->intake, !on_turn ? 0 : f->slow ? SLOW_BYTES : FETCH_RING_BYTES);
}

static int reader_open(struct reader *r, uint64_t offset, struct err *err)
{
    struct feed *f = r->feed;
    const struct intake_opts opts = {
        .lanes = {.flows = f->where.flows,
                  .loop = f->where.loop,
                  .pool = f->opts.pool,
                  .source = &f->opts.sources[r - f->readers],
                  .offset = offset,
                  .end = r->end,
                  .width_max = f->opts.parallel,
                  .on_change = changed,
                  .ctx = r},
        .fills = f->where.fills,
        .place = &f->where,
    };
    intake_close(steal(&r->intake));
    if (intake_open(&r->intake, &opts, err) < 0)
        return -1;
    reader_want(r);
    return 0;
}

static void take_turn(struct feed *f, unsigned source)
{
    if (f->turn == source)
        return;
    unsigned before = f->turn;
    f->turn = source;
    if (before != NOBODY)
        reader_want(&f->readers[before]);
    reader_want(&f->readers[source]);
}

static void reader_take(struct reader *r, uint64_t to)
{
    intake_take(r->intake, (size_t)(to - intake_at(r->intake)));
}

/* ---- Renewal ---- */

static void renew(void *ctx)
{
    struct renewal *n = ctx;
    n->fresh = n->opts.renew(n->opts.ctx, n->source, n->at, &n->why, &n->err);
}

static void renewed(void *ctx)
{
    struct renewal *n = ctx;
    struct feed *f = n->feed;
    if (f && n->fresh) {
        /* Readers that are well go on with what they have: their connections hold copies. */
        n->opts.adopt(n->opts.ctx, n->fresh, f->opts.sources);
        for (size_t i = 0; i < ARRAY_LEN(f->readers); i++) {
            if (f->readers[i].intake)
                intake_renewed(f->readers[i].intake);
        }
    } else if (n->fresh) {
        n->opts.discard(n->fresh);
    } else if (f) {
        f->over = true;
        f->err = n->err;
    }
    if (f)
        f->renewal = NULL;
    n->opts.drop(n->opts.ctx);
    free(n);
    if (f)
        f->where.wake(f->where.wake_ctx);
}

/* This reader has failed with *why, at its turn. PUMP_LATER: there is hope. */
static enum pump_state reader_failed(struct reader *r, struct err *why)
{
    struct feed *f = r->feed;
    if (r->intake) {
        bool outdated = intake_outdated(r->intake);
        intake_break(r->intake);
        if (outdated && intake_mend(r->intake, why) == 0)
            return PUMP_LATER; /* with what has been renewed meanwhile */
    }
    struct renewal *n = f->opts.renew ? calloc(1, sizeof *n) : NULL;
    if (!n) {
        f->over = true;
        f->err = *why;
        return PUMP_FAILED;
    }
    f->renewal = n;
    *n = (struct renewal){
        .task = {.run = renew, .done = renewed, .ctx = n},
        .opts = f->opts,
        .feed = f,
        .source = (unsigned)(r - f->readers),
        .at = f->at,
        .why = *why,
    };
    f->opts.hold(f->opts.ctx);
    pump_run_task(&f->where, &n->task);
    return PUMP_LATER;
}

/* It reads, from `offset` on or a little before. -1: it does not, *why. */
static int reader_go(struct reader *r, uint64_t offset, struct err *why)
{
    if (r->intake && offset - intake_at(r->intake) > SKIP_MAX_BYTES + FETCH_RING_BYTES)
        intake_close(steal(&r->intake));
    if (!r->intake)
        return reader_open(r, offset, why);
    return intake_broken(r->intake) ? intake_mend(r->intake, why) : 0;
}

/* Bytes of the source at `offset`, or why there are none now. `first`: the feed waits for just these. */
static enum pump_state reader_peek(struct reader *r, uint64_t offset, bool first, struct iovec *out)
{
    struct err why = {0};
    bool broken = !r->intake || intake_broken(r->intake);
    if (broken && (r->feed->renewal || !first))
        return PUMP_LATER;
    if (first && reader_go(r, offset, &why) < 0)
        return reader_failed(r, &why);
    for (;;) {
        const unsigned char *data = NULL;
        size_t len = 0;
        uint64_t at = intake_at(r->intake);
        int rc = first ? intake_peek(r->intake, &data, &len, &why) : intake_hand(r->intake, &data, &len);
        if (rc == 1 && offset - at < len) {
            size_t skip = (size_t)(offset - at);
            *out = (struct iovec){(void *)(uintptr_t)(data + skip), len - skip};
            return PUMP_BYTES;
        }
        if (rc == 0 || !first)
            return PUMP_LATER;
        if (rc == 2 && r->end == UINT64_MAX)
            return PUMP_END;
        if (rc == 2)
            (void)err_set(&why, ERR_UPSTREAM_FAILED, "source ended early");
        if (rc != 1)
            return reader_failed(r, &why);
        intake_take(r->intake, len); /* a gap */
    }
}

/* ---- The feed ---- */

/* What is to be read. */
static void aim(struct feed *f, const struct feed_opts *opts)
{
    f->opts = *opts;
    f->at = opts->plan ? opts->offset : 0;
    f->end = opts->plan ? opts->offset + opts->length : UINT64_MAX;
    f->segment = opts->plan ? plan_find(opts->plan, f->at) : 0;
    find_spans(f);
}

bool feed_is_in_slices(const struct feed_opts *opts, struct slices *slices)
{
    struct feed f = {.slow = false};
    bool all = opts->plan && opts->length;
    if (all)
        aim(&f, opts);
    for (size_t i = 0; all && i < ARRAY_LEN(f.readers); i++) {
        const struct reader *r = &f.readers[i];
        struct slice_content content;
        if (r->end)
            all = intake_content_of(&opts->sources[i], &content) &&
                  slices_have(slices, &content, r->begin, r->end - r->begin);
    }
    return all;
}

int feed_open(struct feed **out, const struct feed_opts *opts, const struct pump_place *where,
              struct err *err)
{
    struct feed *f = calloc(1, sizeof *f);
    if (!f)
        return err_set(err, ERR_INTERNAL, "out of memory");
    f->where = *where;
    f->turn = NOBODY;
    f->slow = true; /* until it is known better */
    for (size_t i = 0; i < ARRAY_LEN(f->readers); i++)
        f->readers[i].feed = f;
    aim(f, opts);
    for (size_t i = 0; i < ARRAY_LEN(f->readers); i++) {
        struct reader *r = &f->readers[i];
        if (r->end && reader_open(r, r->begin, err) < 0) {
            feed_close(f);
            return -1;
        }
    }
    *out = f;
    return 0;
}

void feed_close(struct feed *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < ARRAY_LEN(f->readers); i++)
        intake_close(f->readers[i].intake);
    if (f->renewal)
        f->renewal->feed = NULL;
    free(f);
}

/* The first bytes may be the plan's own; but whether the source is there has to be known before the head
 * leaves. */
static enum pump_state wait_for_first_source(struct feed *f)
{
    size_t i = f->segment;
    struct iovec unused;
    while (i < segment_count(f) && segment_at(f, i).source == PLAN_LITERAL)
        i++;
    const struct plan_segment s = i < segment_count(f) ? segment_at(f, i)
                                                       : (struct plan_segment){.out = f->end};
    if (s.out >= f->end)
        return PUMP_BYTES;
    take_turn(f, s.source);
    return reader_peek(&f->readers[s.source], s.offset + (s.out < f->at ? f->at - s.out : 0), true, &unused);
}

enum pump_state feed_gather(struct feed *f, struct iovec iov[PUMP_PIECES_MAX], int *count, struct err *err)
{
    uint64_t at = f->at;
    size_t bytes = 0;
    enum pump_state state = PUMP_END;
    *count = 0;
    if (!f->started) {
        state = f->over ? PUMP_FAILED : wait_for_first_source(f);
        if (state == PUMP_FAILED)
            *err = f->err;
        if (state != PUMP_BYTES)
            return state;
        f->started = true;
        state = PUMP_END;
    }
    for (size_t i = f->segment; at < f->end && *count < PUMP_PIECES_MAX && bytes < FETCH_RING_BYTES; i++) {
        if (i >= segment_count(f))
            break;
        const struct plan_segment s = segment_at(f, i);
        uint64_t into = at - s.out;
        uint64_t left = (s.length < f->end - s.out ? s.length : f->end - s.out) - into;
        struct iovec *piece = &iov[*count];
        if (s.source == PLAN_LITERAL) {
            state = PUMP_BYTES;
            *piece = (struct iovec){(void *)(uintptr_t)(plan_literal(f->opts.plan, &s) + into), (size_t)left};
        } else {
            if (*count == 0)
                take_turn(f, s.source);
            state = f->over && *count == 0
                        ? PUMP_FAILED
                        : reader_peek(&f->readers[s.source], s.offset + into, *count == 0, piece);
        }
        if (state != PUMP_BYTES)
            break;
        if (piece->iov_len > left)
            piece->iov_len = (size_t)left;
        at += piece->iov_len;
        bytes += piece->iov_len;
        (*count)++;
        if (piece->iov_len < left)
            break;
    }
    if (*count)
        return PUMP_BYTES;
    if (state == PUMP_FAILED)
        *err = f->err;
    return state;
}

void feed_take(struct feed *f, size_t bytes, bool slow)
{
    while (bytes) {
        const struct plan_segment s = segment_at(f, f->segment);
        uint64_t into = f->at - s.out;
        size_t n = s.length - into < bytes ? (size_t)(s.length - into) : bytes;
        if (s.source != PLAN_LITERAL)
            reader_take(&f->readers[s.source], s.offset + into + n);
        f->at += n;
        bytes -= n;
        if (into + n == s.length)
            f->segment++;
    }
    if (slow != f->slow && f->turn != NOBODY) {
        f->slow = slow;
        reader_want(&f->readers[f->turn]);
    }
}
