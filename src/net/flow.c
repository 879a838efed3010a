/* Forward reads driven by an event loop. See flow.h.
 *
 * Bodies come through lines, which libcurl's multi_socket interface connects; where lines do not serve,
 * libcurl reads them as well. It must not be called from its own callbacks; so what they tell is noted in
 * `changed`, and readers are called when libcurl has returned. */
#include "net/flow.h"

#include <stdlib.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "net/line.h"

enum { IDLE_MAX = 32 }; /* handles, and connections beyond those in use */

struct flow_set {
    struct net *net;
    struct loop *loop;
    struct line_pool lines;
    CURLM *multi;
    struct loop_timer timer; /* libcurl's */
    struct flow *changed;    /* whose readers are to be called */
    struct wire *idle;
    unsigned idle_count;
    long count; /* of flows */
};

struct flow {
    struct transfer t;
    struct line *line; /* that the request under way was sent on */
    bool connecting;   /* libcurl, for one */
    struct flow_set *set;
    void (*on_change)(void *ctx);
    void *ctx;
    struct loop_timer timer; /* the next request, or the end of patience */
    bool is_changed;
    struct flow *next, **at; /* in set->changed */
};

/* A socket of libcurl. It is no longer watched only when an event comes that nobody wants: most pauses are
 * over before that, and would cost two system calls each. */
struct socket {
    struct loop_watch watch;
    struct flow_set *set;
    uint32_t wanted;
};

/* ---- What has changed ---- */

static void mark(void *ctx)
{
    struct flow *f = ctx;
    if (f->is_changed)
        return;
    f->is_changed = true;
    f->next = f->set->changed;
    f->at = &f->set->changed;
    if (f->next)
        f->next->at = &f->next;
    f->set->changed = f;
}

static void unmark(struct flow *f)
{
    if (!f->is_changed)
        return;
    f->is_changed = false;
    *f->at = f->next;
    if (f->next)
        f->next->at = f->at;
}

static void notify(void *ctx)
{
    struct flow_set *set = ctx;
    for (struct flow *f; (f = set->changed);) {
        unmark(f);
        f->on_change(f->ctx);
    }
}

/* ---- Driving it ---- */

/* Sends the next request when it is time, and looks again when something is due. */
static void drive(struct flow *f)
{
    struct transfer *t = &f->t;
    if (!t->running && !transfer_over(t) && clock_mono_us() >= t->retry_us)
        transfer_begin(t);
    if (transfer_over(t))
        mark(f);
    int64_t due_us = transfer_due_us(t);
    if (due_us == INT64_MAX)
        loop_timer_clear(f->set->loop, &f->timer);
    else if (!f->timer.place || due_us < f->timer.at_us) /* later ones are looked at when it expires */
        (void)loop_timer_set(f->set->loop, &f->timer, due_us);
}

/* ---- Lines ---- */

static int connect_line(struct flow *f, struct err *err)
{
    struct transfer *t = &f->t;
    if (wire_prepare_connection(t->wire, &t->request, err) < 0)
        return -1;
    if (curl_easy_setopt(t->wire->easy, CURLOPT_PRIVATE, f) != CURLE_OK ||
        curl_multi_add_handle(t->wire->multi, t->wire->easy) != CURLM_OK)
        return err_set(err, ERR_INTERNAL, "a connection could not be set up");
    f->connecting = true;
    return 0;
}

static void answered(void *ctx, CURLcode code)
{
    struct flow *f = ctx;
    bool stale = line_was_stale(f->line);
    line_put(steal(&f->line));
    if (!stale || connect_line(f, NULL) < 0)
        transfer_done(&f->t, code);
    drive(f);
}

/* The connection is there, or will never be. */
static void connected(struct flow *f, CURLcode code)
{
    struct transfer *t = &f->t;
    struct err err = {0};
    f->connecting = false;
    t->alive_us = clock_mono_us();
    int fd = code == CURLE_OK ? wire_steal_socket(t->wire) : -1;
    if (fd >= 0 && line_open(&f->line, &f->set->lines, &t->request, fd, &err) == 0 &&
        line_send(f->line, t, answered, f) == 0)
        return;
    transfer_done(t, code == CURLE_OK ? CURLE_SEND_ERROR : code);
}

static int flow_send(struct transfer *t, struct err *err)
{
    struct flow *f = (struct flow *)t;
    struct line_pool *lines = &f->set->lines;
    if (!line_serves(&t->request))
        return transfer_by_curl.send(t, err);
    f->line = line_reuse(lines, &t->request);
    if (f->line && line_send(f->line, t, answered, f) == 0)
        return 0;
    line_put(steal(&f->line));
    return connect_line(f, err);
}

static void flow_stop(struct transfer *t)
{
    struct flow *f = (struct flow *)t;
    f->connecting = false;
    line_put(steal(&f->line));
    transfer_by_curl.stop(t);
}

static void flow_resume(struct transfer *t)
{
    const struct flow *f = (const struct flow *)t;
    if (f->line)
        line_resume(f->line);
    else
        transfer_by_curl.resume(t);
}

static const struct transfer_driver by_lines = {flow_send, flow_stop, flow_resume};

/* ---- libcurl ---- */

/* The ends of requests; then the readers. */
static void collect(struct flow_set *set)
{
    int left;
    for (CURLMsg *m; (m = curl_multi_info_read(set->multi, &left));) {
        struct flow *f = NULL;
        CURLcode result = m->data.result; /* gone when the handle is taken out */
        if (m->msg != CURLMSG_DONE || curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &f) != CURLE_OK)
            continue;
        if (f->connecting)
            connected(f, result);
        else
            transfer_done(&f->t, result);
        drive(f);
    }
    notify(set);
}

static void flow_due(void *ctx)
{
    struct flow *f = ctx;
    if (f->t.running && transfer_due_us(&f->t) <= clock_mono_us())
        transfer_stalled(&f->t);
    drive(f);
    notify(f->set);
}

static void socket_ready(void *ctx, uint32_t events)
{
    struct socket *s = ctx;
    struct flow_set *set = s->set;
    if (!(events & (s->wanted | EPOLLERR | EPOLLHUP))) {
        (void)loop_watch(set->loop, &s->watch, s->wanted);
        return;
    }
    int what = (events & (EPOLLIN | EPOLLHUP) ? CURL_CSELECT_IN : 0) |
               (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) | (events & EPOLLERR ? CURL_CSELECT_ERR : 0);
    int running;
    (void)curl_multi_socket_action(set->multi, s->watch.fd, what, &running);
    collect(set);
}

static void timer_expired(void *ctx)
{
    struct flow_set *set = ctx;
    int running;
    (void)curl_multi_socket_action(set->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    collect(set);
}

/* A CURLMOPT_SOCKETFUNCTION. */
static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *known)
{
    struct flow_set *set = ctx;
    struct socket *s = known;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (s)
            loop_unwatch(set->loop, &s->watch);
        free(s);
        (void)curl_multi_assign(set->multi, fd, NULL);
        return 0;
    }
    if (!s) {
        s = calloc(1, sizeof *s);
        if (!s)
            return -1;
        *s = (struct socket){.watch = {.ready = socket_ready, .ctx = s, .fd = fd}, .set = set};
        (void)curl_multi_assign(set->multi, fd, s);
    }
    s->wanted = (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);
    return s->wanted & ~s->watch.events ? loop_watch(set->loop, &s->watch, s->wanted) : 0;
}

/* A CURLMOPT_TIMERFUNCTION. */
static int watch_timer(CURLM *multi, long timeout_ms, void *ctx)
{
    struct flow_set *set = ctx;
    (void)multi;
    if (timeout_ms < 0) {
        loop_timer_clear(set->loop, &set->timer);
        return 0;
    }
    return loop_timer_set(set->loop, &set->timer, clock_mono_us() + timeout_ms * 1000);
}

/* ---- The set ---- */

int flow_set_open(struct flow_set **out, struct net *net, struct loop *loop, struct err *err)
{
    auto_ptr(flow_set) struct flow_set *set = calloc(1, sizeof *set);
    if (!set)
        return err_set(err, ERR_INTERNAL, "no memory");
    set->net = net;
    set->loop = loop;
    set->timer = (struct loop_timer){.expired = timer_expired, .ctx = set};
    set->lines = (struct line_pool){.net = net, .loop = loop, .settle = notify, .ctx = set};
    set->multi = curl_multi_init();
    if (!set->multi || curl_multi_setopt(set->multi, CURLMOPT_SOCKETFUNCTION, watch_socket) != CURLM_OK ||
        curl_multi_setopt(set->multi, CURLMOPT_SOCKETDATA, set) != CURLM_OK ||
        curl_multi_setopt(set->multi, CURLMOPT_TIMERFUNCTION, watch_timer) != CURLM_OK ||
        curl_multi_setopt(set->multi, CURLMOPT_TIMERDATA, set) != CURLM_OK)
        return err_set(err, ERR_INTERNAL, "no memory");
    *out = steal(&set);
    return 0;
}

void flow_set_close(struct flow_set *set)
{
    if (!set)
        return;
    while (set->idle) {
        struct wire *w = set->idle;
        set->idle = w->next;
        wire_free(w);
    }
    line_pool_close(&set->lines);
    (void)curl_multi_cleanup(set->multi); /* closes the connections, and tells so */
    loop_timer_clear(set->loop, &set->timer);
    free(set);
}

/* libcurl counts those in use as well. */
static void count_flow(struct flow_set *set, int more)
{
    set->count += more;
    (void)curl_multi_setopt(set->multi, CURLMOPT_MAXCONNECTS, set->count + IDLE_MAX);
}

static struct wire *take_wire(struct flow_set *set)
{
    struct wire *w = set->idle;
    if (!w)
        return wire_new(set->net, set->multi);
    set->idle = w->next;
    set->idle_count--;
    return w;
}

static void put_wire(struct flow_set *set, struct wire *w)
{
    if (!w)
        return;
    if (w->easy) {
        (void)curl_multi_remove_handle(set->multi, w->easy);
        curl_easy_reset(w->easy);
    }
    if (set->idle_count >= IDLE_MAX) {
        wire_free(w);
        return;
    }
    w->next = set->idle;
    set->idle = w;
    set->idle_count++;
}

/* ---- A flow ---- */

int flow_open(struct flow **out, struct flow_set *set, const struct fetch_opts *opts,
              void (*on_change)(void *ctx), void *ctx, struct err *err)
{
    struct flow *f = calloc(1, sizeof *f);
    if (!f)
        return err_set(err, ERR_INTERNAL, "no memory");
    f->set = set;
    f->on_change = on_change;
    f->ctx = ctx;
    f->timer = (struct loop_timer){.expired = flow_due, .ctx = f};
    count_flow(set, 1);
    if (transfer_init(&f->t, set->net, &by_lines, opts, err) < 0) {
        flow_close(f);
        return -1;
    }
    f->t.wire = take_wire(set);
    if (!f->t.wire) {
        flow_close(f);
        return err_set(err, ERR_INTERNAL, "no memory for a connection");
    }
    f->t.on_bytes = mark;
    f->t.on_bytes_ctx = f;
    drive(f);
    if (f->is_changed) /* over before it began: told when the caller has returned */
        (void)loop_timer_set(set->loop, &f->timer, 0);
    *out = f;
    return 0;
}

void flow_close(struct flow *f)
{
    if (!f)
        return;
    unmark(f);
    loop_timer_clear(f->set->loop, &f->timer);
    line_put(f->line);
    put_wire(f->set, f->t.wire);
    count_flow(f->set, -1);
    transfer_fini(&f->t);
    free(f);
}

/* Goes on reading if there is room again. */
static void go_on(struct flow *f)
{
    if (f->t.paused && f->t.len < f->t.enough) {
        transfer_resume(&f->t);
        drive(f);
    }
}

int flow_hand(const struct flow *f, const unsigned char **data, size_t *len)
{
    *data = (const unsigned char *)f->t.bytes + f->t.from;
    *len = f->t.len;
    return f->t.len > 0;
}

int flow_peek(struct flow *f, const unsigned char **data, size_t *len, struct err *err)
{
    struct transfer *t = &f->t;
    go_on(f);
    unmark(f); /* whoever asks need not be told */
    if (t->len)
        return flow_hand(f, data, len);
    if (t->over.code != ERR_OK) {
        if (err)
            *err = t->over;
        return -1;
    }
    return span_done(&t->span) ? 2 : 0;
}

void flow_take(struct flow *f, size_t n)
{
    transfer_take(&f->t, n);
}

void flow_want(struct flow *f, size_t bytes)
{
    struct transfer *t = &f->t;
    t->enough = bytes == 0 ? 1 : bytes < TRANSFER_ENOUGH_BYTES ? bytes : TRANSFER_ENOUGH_BYTES;
    transfer_slim(t);
    go_on(f);
    if (f->is_changed) /* told when the caller has returned */
        (void)loop_timer_set(f->set->loop, &f->timer, 0);
}

bool flow_is_over(const struct flow *f)
{
    return transfer_over(&f->t);
}

const char *flow_version(const struct flow *f)
{
    /* Servers behind one name often disagree about ETags. */
    const struct span *span = &f->t.span;
    return span->last_modified[0] ? span->last_modified : span->etag;
}

bool flow_is_unranged(const struct flow *f)
{
    return f->t.head.status == 200;
}
