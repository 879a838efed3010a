/* See events.h. */
#include "serve/events.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/loop.h"

enum {
    STALL_S = 60, /* who takes no byte for so long has left */
    COMMENT_BYTES = 8,
};

/* One answer. Only the loop touches it once it has arrived. */
struct listener {
    struct events *all;
    struct listener *next, **at;
    struct http_exchange *x;
    struct http_response *res;
    struct events_source source;
    struct loop_watch client;
    struct loop_post arrival;
    struct buf out; /* what the client has not taken yet, from out_at */
    size_t out_at;
    int64_t looked_us;
    int64_t moved_us; /* when the client took something */
    bool full;        /* its socket */
    bool ending;      /* nothing follows what is in `out` */
};

struct events {
    pthread_mutex_t lock; /* guards what follows */
    struct loop *loop;    /* NULL: nobody has come yet */
    pthread_t thread;
    unsigned count;
    bool hushed;
    /* The loop's: */
    struct loop_timer timer;
    struct loop_post hush;
    struct listener *first;
};

/* ---- One listener ---- */

static void forget(struct listener *l)
{
    buf_fini(&l->out);
    free(l);
}

static void finish(struct listener *l)
{
    struct events *e = l->all;
    loop_unwatch(e->loop, &l->client);
    *l->at = l->next;
    if (l->next)
        l->next->at = l->at;
    http_exchange_end(l->x, NULL);
    l->source.free(l->source.ctx);
    forget(l);
    (void)pthread_mutex_lock(&e->lock);
    e->count--;
    (void)pthread_mutex_unlock(&e->lock);
}

/* Sends what goes. False: it is over with this listener. */
static bool send_some(struct listener *l)
{
    while (!l->full && l->out_at < l->out.len) {
        struct iovec iov = {l->out.data + l->out_at, l->out.len - l->out_at};
        ssize_t sent = http_push(l->res, &iov, 1);
        if (sent < 0) {
            finish(l);
            return false;
        }
        if (sent > 0)
            l->moved_us = loop_now_us(l->all->loop);
        l->out_at += (size_t)sent;
        l->full = l->out_at < l->out.len;
    }
    if (l->full)
        return true;
    buf_clear(&l->out);
    l->out_at = 0;
    if (!l->ending)
        return true;
    int rc = http_flush(l->res);
    l->full = rc == 0;
    if (rc != 0)
        finish(l);
    return rc == 0;
}

/* -1: its source cannot say now. */
static int look(struct listener *l)
{
    int rc = l->source.look(l->source.ctx, &l->out);
    l->looked_us = loop_now_us(l->all->loop);
    if (rc == EVENTS_END || l->out.failed)
        l->ending = true;
    return rc < 0 ? -1 : 0;
}

static void client_ready(void *ctx, uint32_t events)
{
    struct listener *l = ctx;
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP) && http_look(l->res)) {
        finish(l);
        return;
    }
    if (events & EPOLLOUT) {
        l->full = false;
        (void)send_some(l);
    }
}

static void arrive(void *ctx)
{
    struct listener *l = ctx;
    struct events *e = l->all;
    l->next = e->first;
    l->at = &e->first;
    if (l->next)
        l->next->at = &l->next;
    e->first = l;
    l->moved_us = loop_now_us(e->loop);
    l->client = (struct loop_watch){.ready = client_ready, .ctx = l, .fd = http_exchange_fd(l->x)};
    (void)loop_watch(e->loop, &l->client, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
    (void)pthread_mutex_lock(&e->lock);
    l->ending = e->hushed;
    (void)pthread_mutex_unlock(&e->lock);
    if (http_prepare(l->res, HTTP_LENGTH_UNKNOWN) < 0) {
        finish(l);
        return;
    }
    http_exchange_slim(l->x);
    (void)look(l); /* if not now, then at the next look */
    if (l->out.len == 0)
        (void)buf_adds(&l->out, ":\n\n"); /* takes the head along */
    (void)send_some(l);
}

/* ---- All of them ---- */

static void look_at_all(void *ctx)
{
    struct events *e = ctx;
    int64_t now_us = loop_now_us(e->loop);
    bool readable = true;
    for (struct listener *l = e->first, *next; l; l = next) {
        next = l->next;
        if (l->full) { /* it gets what is new when it has taken what is old */
            if (now_us - l->moved_us >= STALL_S * INT64_C(1000000))
                finish(l);
            continue;
        }
        bool due = now_us - l->looked_us >= l->source.every_ms * INT64_C(1000) - EVENTS_LOOK_MS * 500;
        if (readable && due && !l->ending)
            readable = look(l) == 0;
        if (l->out.len == 0 && now_us - l->moved_us >= EVENTS_COMMENT_S * INT64_C(1000000))
            (void)buf_adds(&l->out, ":\n\n");
        (void)send_some(l);
    }
    (void)loop_timer_set(e->loop, &e->timer, now_us + EVENTS_LOOK_MS * 1000);
}

static void hush_all(void *ctx)
{
    struct events *e = ctx;
    for (struct listener *l = e->first, *next; l; l = next) {
        next = l->next;
        l->ending = true;
        (void)send_some(l);
    }
}

static void *run(void *ctx)
{
    struct events *e = ctx;
    loop_run(e->loop);
    return NULL;
}

/* With the lock. Signals are for the thread that serves. */
static int start(struct events *e, struct err *err)
{
    sigset_t all;
    sigset_t before;
    if (loop_open(&e->loop, err) < 0)
        return -1;
    e->timer = (struct loop_timer){.expired = look_at_all, .ctx = e};
    e->hush = (struct loop_post){.run = hush_all, .ctx = e};
    int rc = loop_timer_set(e->loop, &e->timer, clock_mono_us());
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    if (rc == 0)
        rc = pthread_create(&e->thread, NULL, run, e) == 0 ? 0 : -1;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc == 0)
        return 0;
    loop_close(steal(&e->loop));
    return err_set(err, ERR_INTERNAL, "cannot start an event loop");
}

int events_open(struct events **out, struct err *err)
{
    struct events *e = calloc(1, sizeof *e);
    if (!e)
        return err_set(err, ERR_INTERNAL, "out of memory");
    (void)pthread_mutex_init(&e->lock, NULL);
    *out = e;
    return 0;
}

/* With the lock. */
static int enter(struct events *e, struct err *err)
{
    if (e->count >= EVENTS_LISTENERS_MAX)
        return err_set(err, ERR_BUSY, "%u listen already", e->count);
    if (!e->loop && start(e, err) < 0)
        return -1;
    e->count++;
    return 0;
}

int events_listen(struct events *e, struct http_exchange *x, const struct events_source *source,
                  struct err *err)
{
    struct listener *l = calloc(1, sizeof *l);
    if (!l)
        return err_set(err, ERR_INTERNAL, "out of memory");
    l->source = *source;
    l->all = e;
    l->x = x;
    l->res = http_exchange_response(x);
    l->arrival = (struct loop_post){.run = arrive, .ctx = l};
    buf_init(&l->out, source->max_bytes + COMMENT_BYTES);
    (void)pthread_mutex_lock(&e->lock);
    int rc = enter(e, err);
    (void)pthread_mutex_unlock(&e->lock);
    if (rc < 0)
        forget(l);
    else
        loop_post(e->loop, &l->arrival);
    return rc;
}

void events_hush(struct events *e)
{
    if (!e)
        return;
    (void)pthread_mutex_lock(&e->lock);
    e->hushed = true;
    if (e->loop)
        loop_post(e->loop, &e->hush);
    (void)pthread_mutex_unlock(&e->lock);
}

void events_close(struct events *e)
{
    if (!e)
        return;
    if (e->loop) {
        loop_stop(e->loop);
        (void)pthread_join(e->thread, NULL);
        loop_close(e->loop);
    }
    (void)pthread_mutex_destroy(&e->lock);
    free(e);
}
