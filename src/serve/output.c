/* See output.h. A feed of the pump on an event loop of its own, which runs only while somebody waits for
 * bytes. */
#include "serve/output.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/loop.h"
#include "serve/describe.h"
#include "serve/feed.h"
#include "serve/mend.h"
#include "serve/shape.h"

struct output {
    struct app *app;
    const atomic_bool *cancelled;
    const struct choice_wish *wish;
    char *link;
    struct description *description;
    struct choice choice;
    struct shape shape;
    struct http_range range; /* of it; its length 0: all there is */

    struct loop *loop;
    struct flow_set *flows;
    struct fills *fills;
    struct mend mend;
    struct feed *feed; /* either this or shape.made is read */
    bool begun;
    bool moved;                  /* the loop ran until there was something to look at */
    struct loop_post made_moved; /* from the job's thread */
    struct loop_timer look;      /* whether it is cancelled */
};

/* ---- Finding ---- */

static int find(struct output *o, const struct output_ask *ask, struct err *err)
{
    static const struct merge_opts usual = {0};
    const struct planned_wish wish = {
        .link = o->link,
        .wish = ask->wish,
        .description = &o->description,
        .choice = &o->choice,
        .opts = ask->opts ? ask->opts : &usual,
    };
    if (serve_describe(o->app, o->link, NULL, &o->description, NULL, err) < 0 ||
        (ask->who && auth_check_site(ask->who, o->description->site, err) < 0) ||
        choice_find(o->description, ask->wanted, ask->wish, &o->choice, err) < 0)
        return -1;
    return shape_find(o->app, &wish, false, &o->shape, err);
}

int output_find(struct output **out, struct app *app, const struct output_ask *ask, struct err *err)
{
    struct output *o = calloc(1, sizeof *o);
    char *link = strdup(ask->link);
    if (!o || !link) {
        free(o);
        free(link);
        return err_set(err, ERR_INTERNAL, "out of memory");
    }
    *o = (struct output){.app = app, .cancelled = ask->cancelled, .wish = ask->wish, .link = link};
    int rc = find(o, ask, err);
    if (rc < 0)
        output_close(steal(&o));
    *out = o;
    return rc;
}

void output_close(struct output *o)
{
    if (!o)
        return;
    feed_close(o->feed);
    made_free(steal(&o->shape.made)); /* waits for its job, which may post until then */
    if (o->loop) {
        loop_timer_clear(o->loop, &o->look);
        loop_unpost(o->loop, &o->made_moved);
        loop_stop(o->loop);
        loop_run(o->loop); /* the end of a renewal may be queued */
    }
    fills_close(o->fills);
    flow_set_close(o->flows);
    loop_close(o->loop);
    shape_fini(&o->shape);
    mend_fini(&o->mend);
    description_free(o->description);
    free(o->link);
    free(o);
}

const struct description *output_description(const struct output *o)
{
    return o->description;
}

const struct choice *output_choice(const struct output *o)
{
    return &o->choice;
}

uint64_t output_length(const struct output *o)
{
    return o->shape.length;
}

const char *output_etag(const struct output *o)
{
    return shape_etag(&o->shape);
}

/* ---- Renewal: see mend.h ---- */

static void *renew(void *ctx, unsigned source, uint64_t at, const struct err *why, struct err *err)
{
    struct output *o = ctx;
    return mend_renew(&o->mend, source, at, why, err);
}

static void adopt(void *ctx, void *fresh, struct pump_source sources[PLAN_SOURCES_MAX])
{
    struct output *o = ctx;
    mend_adopt(&o->mend, fresh, sources);
}

/* source_job.renew: on the job's thread, which is then the only one to look at the description. */
static int renew_job(void *ctx, struct source_job *job, const struct source_failure *failure, struct err *err)
{
    struct output *o = ctx;
    void *fresh = mend_renew(&o->mend, failure->source, failure->at, &failure->why, err);
    if (!fresh)
        return -1;
    mend_adopt(&o->mend, fresh, job->sources);
    return 0;
}

/* The feed's tasks run on our own thread: nothing can be gone meanwhile. */
static void nothing(void *ctx)
{
    (void)ctx;
}

/* ---- Beginning ---- */

/* There is something to look at. In the loop. */
static void wake(void *ctx)
{
    struct output *o = ctx;
    o->moved = true;
    loop_stop(o->loop);
}

/* From the job's thread. */
static void made_changed(void *ctx)
{
    struct output *o = ctx;
    loop_post(o->loop, &o->made_moved);
}

static int begin_made(struct output *o, struct err *err)
{
    struct source_job job = {.net = o->app->net,
                             .slices = o->app->slices,
                             .source_count = o->choice.format_count,
                             .renew = renew_job,
                             .renew_ctx = o};
    mend_sources(&o->mend, job.sources);
    return made_start(o->shape.made, &job, made_changed, o, err);
}

static int begin_feed(struct output *o, struct err *err)
{
    const struct pump_place place = {NULL, o->loop, o->flows, o->fills, wake, o};
    struct feed_opts opts = {
        .plan = o->shape.planned.plan,
        .offset = o->range.offset,
        .length = o->range.length,
        .source_count = o->choice.format_count,
        .parallel = (unsigned)o->app->config.parallel,
        .pool = &o->app->parts,
        .ctx = o,
        .hold = nothing,
        .drop = nothing,
        .renew = o->shape.planned.plan ? renew : NULL,
        .adopt = adopt,
        .discard = mend_discard,
    };
    mend_sources(&o->mend, opts.sources);
    return feed_open(&o->feed, &opts, &place, err);
}

static bool is_cancelled(const struct output *o)
{
    return o->cancelled && atomic_load(o->cancelled);
}

static void look(void *ctx)
{
    struct output *o = ctx;
    if (is_cancelled(o))
        loop_stop(o->loop);
    else
        (void)loop_timer_set(o->loop, &o->look, loop_now_us(o->loop) + NET_CANCEL_MS * 1000);
}

int output_begin(struct output *o, uint64_t offset, struct err *err)
{
    uint64_t length = o->shape.length;
    if (o->begun || (offset && !*output_etag(o)) || (length && offset > length))
        return err_set(err, ERR_INTERNAL, "a file is begun where it cannot be");
    o->begun = true;
    o->range = (struct http_range){
        .kind = offset ? HTTP_RANGE_PART : HTTP_RANGE_WHOLE, .offset = offset, .length = length - offset};
    o->mend = (struct mend){
        .app = o->app,
        .link = o->link,
        .wish = o->wish,
        .description = &o->description,
        .choice = &o->choice,
        .length = length,
    };
    o->look = (struct loop_timer){.expired = look, .ctx = o};
    o->made_moved = (struct loop_post){.run = wake, .ctx = o};
    if (loop_open(&o->loop, err) < 0 || flow_set_open(&o->flows, o->app->net, o->loop, err) < 0 ||
        fills_open(&o->fills, o->app->slices, NULL, err) < 0) /* our loop rests between two reads */
        return -1;
    if (length && offset == length)
        return 0;
    return o->shape.made ? begin_made(o, err) : begin_feed(o, err);
}

/* ---- Reading ---- */

/* The site was wrong about the length of an MP3, which is known with its first bytes. */
static int check_length(struct output *o, struct err *err)
{
    uint64_t real = made_length(o->shape.made);
    if (real == o->shape.length)
        return 0;
    if (o->range.offset)
        return err_set(err, ERR_SOURCE_CHANGED, "a file that is not as long as it was");
    o->shape.length = real;
    o->range.length = real;
    return 0;
}

static enum pump_state gather(struct output *o, struct iovec iov[PUMP_PIECES_MAX], int *count,
                              struct err *err)
{
    if (o->shape.made) {
        enum pump_state state = made_gather(o->shape.made, &o->range, iov, count, err);
        return state == PUMP_BYTES && check_length(o, err) < 0 ? PUMP_FAILED : state;
    }
    return o->feed ? feed_gather(o->feed, iov, count, err) : PUMP_END;
}

static size_t copy(struct output *o, const struct iovec *iov, int count, unsigned char *to, size_t room)
{
    size_t len = 0;
    for (int i = 0; i < count && len < room; i++) {
        size_t n = iov[i].iov_len < room - len ? iov[i].iov_len : room - len;
        memcpy(to + len, iov[i].iov_base, n);
        len += n;
    }
    if (o->shape.made)
        made_take(o->shape.made, len);
    else
        feed_take(o->feed, len, false);
    return len;
}

int output_read(struct output *o, void *to, size_t room, size_t *got, struct err *err)
{
    *got = 0;
    for (;;) {
        struct iovec iov[PUMP_PIECES_MAX];
        int count = 0;
        if (is_cancelled(o))
            return err_set(err, ERR_BUSY, "cancelled");
        switch (gather(o, iov, &count, err)) {
        case PUMP_BYTES:
            *got = copy(o, iov, count, to, room);
            return 0;
        case PUMP_END:
            return 0;
        case PUMP_FAILED:
            return -1;
        case PUMP_LATER:
            break;
        }
        for (o->moved = false; !o->moved && !is_cancelled(o);) {
            if (o->cancelled && loop_timer_set(o->loop, &o->look, clock_mono_us()) < 0)
                return err_set(err, ERR_INTERNAL, "out of memory");
            loop_run(o->loop);
        }
    }
}
