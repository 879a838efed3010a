/* See intake.h. */
#include "serve/intake.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "serve/fills.h"
#include "serve/width.h"

enum {
    STRETCH_BYTES = 8 << 20,
    FAST_READ_BYTES = 64 << 10,
    SLOW_AHEAD_BYTES = SLICE_BYTES / 2, /* begun before a slow client needs it: a round trip at 5 MB/s */
    TRIES_MAX = 8,                      /* looks at a slice that others delete as fast as they are made */
};

/* Has bytes read from a slow disk on another thread; outlives an intake that is closed meanwhile. */
struct warming {
    struct pump_task task;
    struct intake *in; /* NULL: closed */
    int fd;
    size_t offset;
};

/* A fill that this one began. */
struct begun {
    struct fill *fill; /* NULL: none */
    uint64_t number;
    bool further; /* beside others */
    bool outdated;
};

struct intake {
    struct intake_opts opts;
    bool sliced;
    struct slice_content content;
    struct lanes *lanes; /* a stretch without slices; NULL: out of them */
    uint64_t at;         /* of the first byte in hand, where lanes do not know better */
    struct slice *slice; /* that holds `at`, … */
    uint64_t number;     /* … and its number */
    unsigned tries;      /* to get it */
    uint64_t version;    /* of the slices so far; 0 unknown */
    unsigned char *own;  /* bytes [from, from + len) are in hand */
    size_t own_room, from, len;
    bool warm; /* what is next has been brought from the disk */
    struct warming *warming;
    struct loop_timer look; /* at what another process writes */
    struct begun begun[LANES_MAX + 1];
    unsigned begun_count;
    bool alone;     /* not more at once than width.h says: more have failed */
    uint64_t ahead; /* number of the next slice to be begun ahead */
    struct err why; /* code not ERR_OK: the fill of slice `failed` did */
    uint64_t failed;
    bool outdated; /* that fill's source */
    bool broken;
    size_t want;
    struct width width;
};

/* ---- Fills of ours ---- */

static void came(void *ctx, size_t bytes)
{
    struct intake *in = ctx;
    width_came(&in->width, bytes);
}

/* One of several may have failed because of the others: then what is missing is asked for again, alone. */
static void over(void *ctx, uint64_t number, const struct err *why)
{
    struct intake *in = ctx;
    struct begun *b = in->begun;
    while (!b->fill || b->number != number)
        b++;
    b->fill = NULL;
    in->begun_count--;
    if (why && b->further && why->code != ERR_BAD_RANGE) {
        log_event(LOG_INFO, "connection-given-up", "why", why->text, NULL);
        in->alone = true;
        if (!b->outdated)
            width_fail(&in->width);
    } else if (why) {
        in->why = *why;
        in->failed = number;
        in->outdated = b->outdated;
    }
    if (!in->slice)
        in->opts.lanes.on_change(in->opts.lanes.ctx);
}

/* As fills_begin(). */
static int begin_fill(struct intake *in, uint64_t number, struct err *err)
{
    struct begun *b = in->begun;
    const struct fill_owner owner = {came, over, in};
    while (b->fill)
        b++; /* there is one more than are ever begun at once */
    int rc = fills_begin(in->opts.fills, &in->content, number, in->opts.lanes.source, &owner, &b->fill, err);
    if (rc == 1) {
        b->number = number;
        b->further = in->begun_count > 0;
        b->outdated = false;
        in->begun_count++;
    }
    return rc;
}

/* One more than the width says: so the source does not pause between two of them. */
static unsigned fills_at_once(const struct intake *in, unsigned width)
{
    return in->alone || width == in->opts.lanes.width_max ? width : width + 1;
}

static bool is_fast(const struct intake *in)
{
    return in->want >= FETCH_RING_BYTES;
}

static void fill_ahead(struct intake *in)
{
    struct err ignored = {0};
    unsigned width = width_decide(&in->width, loop_now_us(in->opts.lanes.loop));
    unsigned most = fills_at_once(in, width);
    uint64_t ahead = is_fast(in) || width > 1 ? (uint64_t)(most + 1) * SLICE_BYTES : SLOW_AHEAD_BYTES;
    uint64_t to = in->opts.lanes.end - in->at < ahead ? in->opts.lanes.end : in->at + ahead;
    if (in->ahead <= in->number)
        in->ahead = in->number + 1;
    while (in->want && in->ahead * SLICE_BYTES < to && in->begun_count < most) {
        if (begin_fill(in, in->ahead, &ignored) < 0)
            return;
        in->ahead++;
    }
}

/* ---- One slice ---- */

static void wake(void *ctx)
{
    struct intake *in = ctx;
    in->opts.lanes.on_change(in->opts.lanes.ctx);
}

static void look_later(struct intake *in)
{
    (void)loop_timer_set(in->opts.lanes.loop, &in->look, clock_mono_us() + (int64_t)SLICES_LOOK_MS * 1000);
}

static void leave_slice(struct intake *in)
{
    slice_close(steal(&in->slice));
    in->warm = false;
}

/* Reads the source itself for a while. 1, or -1. */
static int open_stretch(struct intake *in, struct err *err)
{
    struct lanes_opts opts = in->opts.lanes;
    opts.offset = in->at;
    if (in->sliced && opts.end - in->at > STRETCH_BYTES)
        opts.end = (in->at + STRETCH_BYTES) / SLICE_BYTES * SLICE_BYTES;
    if (lanes_open(&in->lanes, &opts, err) < 0)
        return -1;
    lanes_want(in->lanes, in->want);
    return 1;
}

/* The slice is nowhere: begins to have it filled. 1: look again, 0: later, -1. */
static int miss(struct intake *in, struct err *err)
{
    bool failed = in->why.code != ERR_OK && in->failed == in->number;
    if (failed && in->why.code != ERR_BAD_RANGE) {
        *err = in->why;
        in->why.code = ERR_OK;
        return -1;
    }
    if (failed)
        in->sliced = false;
    else if (in->alone && in->begun_count)
        return 0; /* over() will tell */
    struct err why = {0};
    int rc = failed || in->begun_count > LANES_MAX ? -1 : begin_fill(in, in->number, &why);
    if (rc < 0 && why.code != ERR_OK) {
        *err = why;
        return -1;
    }
    return rc < 0 ? open_stretch(in, err) : 1;
}

/* Finds the slice that holds `at`. 1: it is open, or look again; 0: later; -1. */
static int enter_slice(struct intake *in, struct err *err)
{
    in->number = in->at / SLICE_BYTES;
    if (++in->tries > TRIES_MAX) {
        in->tries = 0;
        look_later(in);
        return 0;
    }
    if (slice_find(fills_slices(in->opts.fills), &in->content, in->number, &in->slice) == SLICE_NONE)
        return miss(in, err);
    slice_on_change(in->slice, in->opts.lanes.loop, wake, in);
    return 1;
}

/* ---- A disk that is slow ---- */

static void warm(void *ctx)
{
    struct warming *w = ctx;
    slice_warm(w->fd, w->offset);
}

static void warmed(void *ctx)
{
    struct warming *w = ctx;
    struct intake *in = w->in;
    (void)close(w->fd);
    free(w);
    if (!in)
        return;
    in->warming = NULL;
    in->warm = true;
    wake(in);
}

/* False: the loop has to wait. */
static bool start_warming(struct intake *in)
{
    struct warming *w = in->warming ? NULL : malloc(sizeof *w);
    if (!w)
        return in->warming != NULL;
    *w = (struct warming){
        .task = {.run = warm, .done = warmed, .ctx = w},
        .in = in,
        .fd = slice_dup(in->slice),
        .offset = (size_t)(in->at % SLICE_BYTES),
    };
    if (w->fd < 0) {
        free(w);
        return false;
    }
    in->warming = w;
    pump_run_task(in->opts.place, &w->task);
    return true;
}

/* ---- Bytes in hand ---- */

static bool has_room(struct intake *in)
{
    size_t room = is_fast(in) ? FAST_READ_BYTES : SLICE_BLOCK_BYTES;
    if (in->own_room == room)
        return true;
    free(in->own);
    in->own = malloc(room);
    in->own_room = in->own ? room : 0;
    return in->own;
}

static void drop_own(struct intake *in)
{
    free(steal(&in->own));
    in->own_room = in->len = 0;
}

/* Slices of one file all have the same version, or none. */
static int check_version(struct intake *in, struct err *err)
{
    uint64_t version = slice_version(in->slice);
    if (version && in->version && version != in->version) {
        log_event(LOG_WARN, "slices-of-two-versions", NULL);
        slices_forget(fills_slices(in->opts.fills), &in->content);
        leave_slice(in);
        return err_set(err, ERR_UPSTREAM_FAILED, "the resource has changed");
    }
    in->version = version ? version : in->version;
    return 0;
}

/* Bytes of the slice at hand: 1; 0: later; -1. With 1 there may be none: look again. */
static int read_slice(struct intake *in, struct err *err)
{
    if (!has_room(in))
        return err_set(err, ERR_INTERNAL, "out of memory");
    size_t offset = (size_t)(in->at % SLICE_BYTES);
    switch (slice_read(in->slice, offset, in->warm, in->own, in->own_room, &in->from, &in->len)) {
    case SLICE_BYTES_READ:
        in->tries = 0;
        in->warm = false;
        if (check_version(in, err) < 0) {
            drop_own(in);
            return -1;
        }
        if (in->len > in->opts.lanes.end - in->at)
            in->len = (size_t)(in->opts.lanes.end - in->at);
        return 1;
    case SLICE_WAIT:
        if (slice_is_remote(in->slice))
            look_later(in);
        break;
    case SLICE_COLD:
        if (start_warming(in))
            break;
        in->warm = true;
        return 1;
    case SLICE_GONE:
        leave_slice(in);
        return 1;
    }
    drop_own(in);
    return 0;
}

/* Something is in hand, or the end: 1. */
static int fetch_some(struct intake *in, struct err *err)
{
    int rc = 1;
    while (rc == 1 && !in->lanes && in->len == 0 && in->at < in->opts.lanes.end)
        rc = in->slice ? read_slice(in, err) : in->sliced ? enter_slice(in, err) : open_stretch(in, err);
    return rc;
}

/* ---- The same as lanes ---- */

bool intake_content_of(const struct pump_source *source, struct slice_content *out)
{
    return slice_content_of(
        &(struct slice_source){source->site, source->id, source->format, source->version, source->size}, out);
}

int intake_open(struct intake **out, const struct intake_opts *opts, struct err *err)
{
    struct intake *in = calloc(1, sizeof *in);
    if (!in)
        return err_set(err, ERR_INTERNAL, "out of memory");
    in->opts = *opts;
    in->at = opts->lanes.offset;
    in->look = (struct loop_timer){.expired = wake, .ctx = in};
    in->sliced = opts->fills && opts->lanes.end <= opts->lanes.source->size &&
                 slices_are_on(fills_slices(opts->fills)) &&
                 intake_content_of(opts->lanes.source, &in->content);
    width_init(&in->width, in->sliced ? opts->lanes.width_max : 1);
    /* What is not here is asked for at once, like a connection would be. */
    if (fetch_some(in, err) < 0) {
        intake_close(in);
        return -1;
    }
    *out = in;
    return 0;
}

void intake_close(struct intake *in)
{
    if (!in)
        return;
    for (size_t i = 0; i < ARRAY_LEN(in->begun); i++) {
        if (in->begun[i].fill)
            fill_disown(in->begun[i].fill);
    }
    if (in->warming)
        in->warming->in = NULL;
    loop_timer_clear(in->opts.lanes.loop, &in->look);
    slice_close(in->slice);
    lanes_close(in->lanes);
    free(in->own);
    free(in);
}

uint64_t intake_at(const struct intake *in)
{
    return in->lanes ? lanes_at(in->lanes) : in->at;
}

static int own_hand(const struct intake *in, const unsigned char **data, size_t *len)
{
    *data = in->own + in->from;
    *len = in->len;
    return in->len > 0;
}

int intake_hand(struct intake *in, const unsigned char **data, size_t *len)
{
    struct err ignored;
    if (in->lanes)
        return lanes_hand(in->lanes, data, len);
    if (in->len == 0 && in->slice && in->at < in->opts.lanes.end)
        (void)read_slice(in, &ignored);
    return own_hand(in, data, len);
}

int intake_peek(struct intake *in, const unsigned char **data, size_t *len, struct err *err)
{
    int64_t now_us = loop_now_us(in->opts.lanes.loop);
    if (in->lanes) {
        int rc = lanes_peek(in->lanes, data, len, err);
        if (rc != 2 || lanes_at(in->lanes) >= in->opts.lanes.end || !in->sliced)
            return rc;
        in->at = lanes_at(in->lanes);
        lanes_close(steal(&in->lanes));
    }
    int rc = fetch_some(in, err);
    if (rc < 0)
        return -1;
    if (in->lanes)
        return lanes_peek(in->lanes, data, len, err);
    width_wait(&in->width, now_us, rc == 0);
    if (in->at >= in->opts.lanes.end)
        return 2;
    fill_ahead(in);
    return own_hand(in, data, len);
}

void intake_take(struct intake *in, size_t n)
{
    if (in->lanes) {
        lanes_take(in->lanes, n);
        return;
    }
    in->at += n;
    in->from += n;
    in->len -= n;
    if (in->len == 0 && !is_fast(in))
        drop_own(in);
    if (in->at / SLICE_BYTES != in->number && in->slice)
        leave_slice(in);
}

void intake_want(struct intake *in, size_t bytes)
{
    in->want = bytes;
    width_turn(&in->width, loop_now_us(in->opts.lanes.loop), bytes > 0);
    if (in->lanes)
        lanes_want(in->lanes, bytes);
}

/* ---- Failing ---- */

void intake_break(struct intake *in)
{
    if (in->lanes)
        lanes_break(in->lanes);
    else
        in->broken = true;
}

bool intake_broken(const struct intake *in)
{
    return in->lanes ? lanes_broken(in->lanes) : in->broken && in->len == 0;
}

int intake_mend(struct intake *in, struct err *err)
{
    if (in->lanes)
        return lanes_mend(in->lanes, err);
    in->broken = false;
    in->why.code = ERR_OK;
    in->tries = 0;
    return fetch_some(in, err) < 0 ? -1 : 0;
}

void intake_renewed(struct intake *in)
{
    for (size_t i = 0; i < ARRAY_LEN(in->begun); i++)
        in->begun[i].outdated = true;
    if (in->lanes)
        lanes_renewed(in->lanes);
}

bool intake_outdated(const struct intake *in)
{
    return in->lanes ? lanes_outdated(in->lanes) : in->outdated;
}
