/* See lanes.h. */
#include "serve/lanes.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "serve/width.h"
#include "site/header_lines.h"

/* One connection and its part. */
struct lane {
    struct lanes *all;
    struct lane *next;  /* the one that reads what follows */
    struct flow *flow;  /* NULL: all has come, or (the first one's) it failed */
    uint64_t at;        /* of the first byte in hand */
    uint64_t stop;      /* its part ends before this one; UINT64_MAX unknown */
    uint64_t asked;     /* its flow would go on to here */
    unsigned char *own; /* bytes [from, from + len) came while others were first; before those of the flow */
    size_t own_room, from, len;
    bool further; /* it was opened beside others, which may be why it failed */
    bool outdated;
};

struct lanes {
    struct lanes_opts opts;
    struct lane *first, *last;
    unsigned count;
    uint64_t next; /* nobody reads from here on yet */
    struct width width;
    size_t want;
};

/* ---- One lane ---- */

static void free_own(struct lane *n)
{
    if (n->own)
        (void)atomic_fetch_add(n->all->opts.pool, (long long)n->own_room);
    free(steal(&n->own));
    n->own_room = n->from = n->len = 0;
}

static void lane_free(struct lane *n)
{
    flow_close(n->flow);
    free_own(n);
    free(n);
}

/* Those behind `n`; NULL: all. */
static void drop_behind(struct lanes *l, struct lane *n)
{
    struct lane **from = n ? &n->next : &l->first;
    while (*from) {
        struct lane *gone = *from;
        *from = gone->next;
        lane_free(gone);
        l->count--;
    }
    l->last = n;
}

/* Memory for what comes before its turn. */
static bool get_own(struct lane *n, size_t bytes)
{
    atomic_llong *pool = n->all->opts.pool;
    if (atomic_fetch_sub(pool, (long long)bytes) >= (long long)bytes)
        n->own = malloc(bytes);
    if (n->own)
        n->own_room = bytes;
    else
        (void)atomic_fetch_add(pool, (long long)bytes);
    return n->own;
}

static void lane_changed(void *ctx);

/* Reads from n->at to n->asked. */
static int lane_connect(struct lane *n, struct err *err)
{
    struct lanes *l = n->all;
    const struct pump_source *from = l->opts.source;
    auto_(header_lines) struct header_lines headers;
    if (header_lines_init(&headers, from->headers) < 0)
        return err_set(err, ERR_INTERNAL, "out of memory");
    const struct fetch_opts opts = {
        .url = from->url,
        .user_agent = from->user_agent,
        .headers = headers.lines,
        .egress = from->egress,
        .offset = n->at + n->len,
        .length = n->asked == UINT64_MAX ? 0 : n->asked - n->at - n->len,
        .total = from->size,
    };
    n->outdated = false;
    return flow_open(&n->flow, l->opts.flows, &opts, lane_changed, n, err);
}

/* One more, for [l->next, stop). */
static int lane_add(struct lanes *l, uint64_t stop, struct err *err)
{
    struct lane *n = calloc(1, sizeof *n);
    if (!n)
        return err_set(err, ERR_INTERNAL, "out of memory");
    *n = (struct lane){.all = l, .at = l->next, .stop = stop, .asked = stop};
    int rc = l->first && !get_own(n, (size_t)(stop - l->next))
                 ? err_set(err, ERR_BUSY, "no memory for a part")
                 : lane_connect(n, err);
    if (rc < 0) {
        lane_free(n);
        return -1;
    }
    n->further = l->first;
    if (l->first)
        l->last->next = n;
    else
        l->first = n;
    l->last = n;
    l->count++;
    l->next = stop;
    return 0;
}

/* ---- Not first yet ---- */

/* `n` and those before it are all there are. */
static void end_with(struct lanes *l, struct lane *n)
{
    drop_behind(l, n);
    n->stop = n->asked; /* what others were to take over, it may still be reading */
    l->next = n->stop;
}

/* It may have failed because of the others. */
static void one_is_enough(struct lanes *l, const struct lane *failed, const struct err *why)
{
    log_event(LOG_INFO, "connection-given-up", "why", why->text, NULL);
    if (!failed->outdated)
        width_fail(&l->width);
}

/* What one that is not first has no hope of getting, it leaves to those to come. */
static void lane_lost(struct lane *n, const struct err *why)
{
    struct lanes *l = n->all;
    struct lane *before = l->first;
    one_is_enough(l, n, why);
    flow_close(steal(&n->flow));
    n->asked = n->at + n->len;
    while (before->next != n)
        before = before->next;
    end_with(l, n->len ? n : before);
}

/* Its bytes are moved out of the flow, which goes on reading. */
static void lane_fill(struct lane *n)
{
    struct err why = {0};
    for (;;) {
        const unsigned char *data = NULL;
        size_t len = 0;
        int rc = flow_peek(n->flow, &data, &len, &why);
        if (rc == 0)
            return;
        if (rc == 2 || n->len == n->own_room) { /* whole */
            flow_close(steal(&n->flow));
            return;
        }
        if (rc < 0) {
            lane_lost(n, &why);
            return;
        }
        if (len > n->own_room - n->len)
            len = n->own_room - n->len;
        memcpy(n->own + n->len, data, len);
        n->len += len;
        flow_take(n->flow, len);
        width_came(&n->all->width, len);
    }
}

static void lane_changed(void *ctx)
{
    struct lane *n = ctx;
    if (n == n->all->first)
        n->all->opts.on_change(n->all->opts.ctx);
    else
        lane_fill(n);
}

/* ---- All of them ---- */

static uint64_t part_bytes(const struct lanes *l)
{
    uint64_t each = l->width.each;
    return each < LANES_PART_MIN_BYTES   ? LANES_PART_MIN_BYTES
           : each > LANES_PART_MAX_BYTES ? LANES_PART_MAX_BYTES
                                         : each;
}

/* Where the part that begins at `from` ends. */
static uint64_t part_end(const struct lanes *l, uint64_t from)
{
    uint64_t part = part_bytes(l);
    return l->opts.end - from < part ? l->opts.end : from + part;
}

/* The only connection reads to the end: from now on only as far as others take over. Its request is longer,
 * so that it will not be used for another one. */
static void cut_first(struct lanes *l)
{
    struct lane *n = l->first;
    const unsigned char *data = NULL;
    size_t len = 0;
    if (l->count > 1 || !n->flow || n->stop != l->opts.end)
        return;
    (void)flow_hand(n->flow, &data, &len);
    uint64_t cut = part_end(l, n->at + n->len + len);
    if (l->opts.end - cut >= LANES_PART_MIN_BYTES)
        n->stop = l->next = cut;
}

/* Has as many connections as there are to be. */
static void spread(struct lanes *l)
{
    unsigned width = width_decide(&l->width, loop_now_us(l->opts.loop));
    struct err err = {0};
    if (width <= l->count)
        return;
    cut_first(l);
    while (l->count < width && l->next < l->opts.end) {
        if (lane_add(l, part_end(l, l->next), &err) < 0)
            break;
    }
    if (l->count == 1) /* there is none to be had */
        end_with(l, l->first);
}

/* The first one exists. */
static int begin(struct lanes *l, struct err *err)
{
    if (l->first)
        return 0;
    bool alone = width_decide(&l->width, loop_now_us(l->opts.loop)) == 1;
    if (lane_add(l, alone ? l->opts.end : part_end(l, l->next), err) < 0)
        return -1;
    flow_want(l->first->flow, l->want);
    return 0;
}

int lanes_open(struct lanes **out, const struct lanes_opts *opts, struct err *err)
{
    auto_ptr(lanes) struct lanes *l = calloc(1, sizeof *l);
    if (!l)
        return err_set(err, ERR_INTERNAL, "out of memory");
    l->opts = *opts;
    l->next = opts->offset;
    width_init(&l->width, opts->pool && opts->end != UINT64_MAX ? opts->width_max : 1);
    if (begin(l, err) < 0)
        return -1;
    *out = steal(&l);
    return 0;
}

void lanes_close(struct lanes *l)
{
    if (!l)
        return;
    drop_behind(l, NULL);
    free(l);
}

uint64_t lanes_at(const struct lanes *l)
{
    return l->first ? l->first->at : l->next;
}

int lanes_hand(const struct lanes *l, const unsigned char **data, size_t *len)
{
    const struct lane *n = l->first;
    *len = n ? n->len : 0;
    if (*len) {
        *data = n->own + n->from;
        if (*len > FETCH_RING_BYTES)
            *len = FETCH_RING_BYTES; /* not more at once than of one connection */
        return 1;
    }
    if (!n || !n->flow || !flow_hand(n->flow, data, len))
        return 0;
    if (*len > n->stop - n->at)
        *len = (size_t)(n->stop - n->at);
    return 1;
}

/* The first one, which was opened beside others, has failed. Alone it may do better. */
static int try_alone(struct lanes *l, struct err *err)
{
    struct lane *n = l->first;
    one_is_enough(l, n, err);
    flow_close(steal(&n->flow));
    end_with(l, n);
    n->further = false;
    return lanes_mend(l, err);
}

int lanes_peek(struct lanes *l, const unsigned char **data, size_t *len, struct err *err)
{
    int64_t now_us = loop_now_us(l->opts.loop);
    if (l->next == l->opts.end && !l->first)
        return 2;
    if (begin(l, err) < 0)
        return -1;
    spread(l);
    struct lane *n = l->first;
    int rc = n->len || !n->flow ? 0 : flow_peek(n->flow, data, len, err);
    if (rc < 0 && n->further)
        rc = try_alone(l, err);
    if (rc == 0 || rc == 1)
        rc = lanes_hand(l, data, len);
    width_wait(&l->width, now_us, rc == 0);
    return rc;
}

/* The first one has done its part. */
static void pass_on(struct lanes *l)
{
    struct lane *gone = l->first;
    const unsigned char *data;
    size_t len;
    if (gone->next && gone->asked > gone->stop && gone->flow && gone->next->len == 0 &&
        !flow_hand(gone->next->flow, &data, &len)) {
        end_with(l, gone); /* nothing has come where it was to take over: it goes on itself */
        return;
    }
    l->first = gone->next;
    if (!l->first)
        l->last = NULL;
    else if (l->first->flow)
        flow_want(l->first->flow, l->want);
    l->count--;
    lane_free(gone);
}

void lanes_take(struct lanes *l, size_t n)
{
    struct lane *from = l->first;
    from->at += n;
    if (from->len) {
        from->from += n;
        from->len -= n;
        if (from->len == 0)
            free_own(from);
    } else {
        flow_take(from->flow, n);
        width_came(&l->width, n);
    }
    if (from->at == from->stop)
        pass_on(l);
}

void lanes_want(struct lanes *l, size_t bytes)
{
    l->want = bytes;
    width_turn(&l->width, loop_now_us(l->opts.loop), bytes > 0);
    if (l->first && l->first->flow)
        flow_want(l->first->flow, bytes);
}

/* ---- Failing ---- */

void lanes_break(struct lanes *l)
{
    if (l->first)
        flow_close(steal(&l->first->flow));
}

bool lanes_broken(const struct lanes *l)
{
    return l->first && !l->first->flow && l->first->len == 0;
}

int lanes_mend(struct lanes *l, struct err *err)
{
    l->first->asked = l->first->stop;
    if (lane_connect(l->first, err) < 0)
        return -1;
    flow_want(l->first->flow, l->want);
    return 0;
}

void lanes_renewed(struct lanes *l)
{
    for (struct lane *n = l->first; n; n = n->next)
        n->outdated = true;
}

bool lanes_outdated(const struct lanes *l)
{
    return l->first && l->first->outdated;
}
