/* The loops, and the client's side of every stream; see pump.h. */
#include "serve/pump.h"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "serve/width.h"

enum {
    TASK_THREADS_MAX = 16,        /* renewals are rare, and one serves all streams of a link */
    TURN_BYTES = 2 * 1024 * 1024, /* one stream sends at a time while others wait for their turn */
    FAST_BYTES_PER_S = 8 << 20,   /* a client that takes so much gets large pieces; others small buffers */
    TRIM_ORDERS = 64,             /* what fewer leave behind is not worth looking for */
};

struct pump_loop {
    struct loop *loop;
    struct flow_set *flows;
    struct fills *fills;
    pthread_t thread;
};

struct pumps {
    struct gate *gate;
    int64_t stall_us;
    struct pump_loop *loops;
    unsigned loop_count, next_loop;

    pthread_mutex_t lock; /* guards what follows and next_loop */
    pthread_cond_t changed;
    unsigned orders; /* not released yet */
    unsigned most;   /* of them, since memory was last given back */
    struct pump_task trim;
    bool trimming; /* it is under way */
    struct pump_task *first, **last;
    unsigned task_threads, idle_threads;
    bool closing;
};

enum stage {
    STAGE_WAITING, /* for a place */
    STAGE_OPENING, /* for the first bytes */
    STAGE_SENDING,
    STAGE_ENDING,   /* the last bytes are on their way */
    STAGE_BREAKING, /* the web server is given a moment before it is told that no more comes */
};

/* One stream. */
struct pump {
    struct pumps *all;
    struct pump_loop *home;
    struct pump_order order;
    struct http_response *res;
    enum stage stage;
    struct loop_watch client;
    struct loop_timer timer;
    struct loop_post post;
    bool full; /* the client's socket */
    int64_t moved_us;
    int64_t second_us; /* when the second began in which it has taken: */
    size_t second_bytes, last_second_bytes;
    uint64_t taken_bytes;
    struct err err;
};

/* ---- Blocking work ---- */

static void *run_tasks(void *ctx)
{
    struct pumps *p = ctx;
    (void)pthread_mutex_lock(&p->lock);
    for (;;) {
        struct pump_task *t = p->first;
        if (!t && p->closing)
            break;
        if (!t) {
            p->idle_threads++;
            (void)pthread_cond_wait(&p->changed, &p->lock);
            p->idle_threads--;
            continue;
        }
        p->first = t->next;
        if (!p->first)
            p->last = &p->first;
        (void)pthread_mutex_unlock(&p->lock);
        t->run(t->ctx);
        loop_post(t->loop, &t->post);
        (void)pthread_mutex_lock(&p->lock);
    }
    p->task_threads--;
    (void)pthread_cond_broadcast(&p->changed);
    (void)pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* Threads of ours take no signals: those are for the thread that serves. */
static int start_thread(pthread_t *thread, bool detached, void *(*run)(void *), void *ctx)
{
    sigset_t all;
    sigset_t before;
    pthread_attr_t attr;
    (void)sigfillset(&all);
    if (pthread_attr_init(&attr) != 0)
        return -1;
    if (detached)
        (void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(thread, &attr, run, ctx);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attr);
    return rc == 0 ? 0 : -1;
}

/* With the lock. */
static void queue_task(struct pumps *p, struct loop *loop, struct pump_task *task)
{
    pthread_t thread;
    task->loop = loop;
    task->post = (struct loop_post){.run = task->done, .ctx = task->ctx};
    task->next = NULL;
    *p->last = task;
    p->last = &task->next;
    if (p->idle_threads == 0 && p->task_threads < TASK_THREADS_MAX &&
        start_thread(&thread, true, run_tasks, p) == 0)
        p->task_threads++;
    (void)pthread_cond_broadcast(&p->changed);
}

void pump_run_task(const struct pump_place *where, struct pump_task *task)
{
    struct pumps *p = where->pumps;
    if (!p) {
        task->run(task->ctx);
        task->post = (struct loop_post){.run = task->done, .ctx = task->ctx};
        loop_post(where->loop, &task->post);
        return;
    }
    (void)pthread_mutex_lock(&p->lock);
    queue_task(p, where->loop, task);
    (void)pthread_mutex_unlock(&p->lock);
}

/* ---- Memory ---- */

/* malloc keeps what thousands of streams have left behind, in holes; nobody needs it for hours perhaps. */
static void trim_memory(void *ctx)
{
    (void)ctx;
    (void)malloc_trim(0);
}

static void trimmed(void *ctx)
{
    struct pumps *p = ctx;
    (void)pthread_mutex_lock(&p->lock);
    p->trimming = false;
    (void)pthread_mutex_unlock(&p->lock);
}

/* With the lock: whether it is time, half of the streams having gone. */
static bool is_time_to_trim(struct pumps *p)
{
    if (p->trimming || p->orders > p->most / 2)
        return false;
    p->trimming = p->most >= TRIM_ORDERS;
    p->most = p->orders;
    return p->trimming;
}

/* ---- One stream ---- */

static void release(struct pump *s)
{
    struct pumps *p = s->all;
    struct loop *loop = s->home->loop;
    loop_unwatch(s->home->loop, &s->client);
    loop_timer_clear(s->home->loop, &s->timer);
    loop_unpost(s->home->loop, &s->post);
    gate_depart(p->gate, s->order.ticket);
    s->order.release(s->order.ctx);
    free(s);
    (void)pthread_mutex_lock(&p->lock);
    if (--p->orders == 0)
        (void)pthread_cond_broadcast(&p->changed);
    if (is_time_to_trim(p))
        queue_task(p, loop, &p->trim);
    (void)pthread_mutex_unlock(&p->lock);
}

/* Its answer is over, one way or the other. */
static void finish(struct pump *s)
{
    loop_unwatch(s->home->loop, &s->client);
    http_exchange_end(s->order.exchange, &s->err);
    release(s);
}

static void fail(struct pump *s)
{
    if (!http_begun(s->res) && s->order.failed(s->order.ctx, &s->err)) {
        release(s);
        return;
    }
    if (!http_exchange_breaks(s->order.exchange)) {
        finish(s);
        return;
    }
    s->stage = STAGE_BREAKING;
    if (loop_timer_set(s->home->loop, &s->timer, clock_mono_us() + HTTP_BREAK_PAUSE_MS * 1000) < 0)
        finish(s);
}

/* The client has left, which is nobody's error. */
static void left(struct pump *s)
{
    s->err = (struct err){0};
    finish(s);
}

static bool is_slow(struct pump *s, size_t taken)
{
    int64_t now_us = loop_now_us(s->home->loop);
    if (now_us - s->second_us >= 1000000) {
        s->last_second_bytes = now_us - s->second_us < 2000000 ? s->second_bytes : 0;
        s->second_bytes = 0;
        s->second_us = now_us;
    }
    s->second_bytes += taken;
    s->taken_bytes += taken;
    return s->taken_bytes < WIDTH_START_BYTES || /* which web servers take for slow ones, too */
           (s->second_bytes < FAST_BYTES_PER_S && s->last_second_bytes < FAST_BYTES_PER_S);
}

/* Sends what is in hand. True: the stream goes on, and there may be more at once. */
static bool send_some(struct pump *s, size_t *sent_bytes)
{
    struct iovec iov[PUMP_PIECES_MAX];
    int count = 0;
    switch (s->order.gather(s->order.ctx, iov, &count, &s->err)) {
    case PUMP_LATER:
        return false;
    case PUMP_FAILED:
        fail(s);
        return false;
    case PUMP_END:
        if (s->stage == STAGE_OPENING && s->order.begin(s->order.ctx, s->res, &s->err) < 0) {
            fail(s);
            return false;
        }
        s->stage = STAGE_ENDING;
        return true;
    case PUMP_BYTES:
        break;
    }
    if (s->stage == STAGE_OPENING) {
        if (s->order.begin(s->order.ctx, s->res, &s->err) < 0) {
            fail(s);
            return false;
        }
        http_exchange_slim(s->order.exchange);
        s->stage = STAGE_SENDING;
    }
    size_t offered = 0;
    for (int i = 0; i < count; i++)
        offered += iov[i].iov_len;
    ssize_t sent = http_push(s->res, iov, count);
    if (sent < 0) {
        left(s);
        return false;
    }
    if (sent > 0)
        s->moved_us = loop_now_us(s->home->loop);
    s->full = (size_t)sent < offered;
    s->order.take(s->order.ctx, (size_t)sent, is_slow(s, (size_t)sent));
    *sent_bytes += (size_t)sent;
    return !s->full;
}

static void send_last(struct pump *s)
{
    int rc = http_flush(s->res);
    if (rc < 0)
        left(s);
    else if (rc == 0)
        s->full = true;
    else
        finish(s);
}

static void step(struct pump *s)
{
    size_t sent = 0;
    while (!s->full && (s->stage == STAGE_OPENING || s->stage == STAGE_SENDING)) {
        if (!send_some(s, &sent))
            return;
        if (sent >= TURN_BYTES) {
            loop_post(s->home->loop, &s->post);
            return;
        }
    }
    if (!s->full && s->stage == STAGE_ENDING)
        send_last(s);
}

static void wake(void *ctx)
{
    struct pump *s = ctx;
    if (!s->full)
        step(s);
}

static void open_feed(struct pump *s)
{
    const struct pump_place place = {s->all, s->home->loop, s->home->flows, s->home->fills, wake, s};
    s->stage = STAGE_OPENING;
    s->moved_us = clock_mono_us();
    if (s->order.start(s->order.ctx, &place, &s->err) < 0)
        fail(s);
    else
        step(s);
}

static void ask_gate(struct pump *s)
{
    int64_t again_us = 0;
    int rc = gate_poll(s->all->gate, s->order.ticket, &again_us, &s->err);
    if (rc < 0) {
        fail(s);
        return;
    }
    if (rc == 1)
        again_us = clock_mono_us() + s->all->stall_us / 4;
    if (loop_timer_set(s->home->loop, &s->timer, again_us) < 0) {
        (void)err_set(&s->err, ERR_INTERNAL, "out of memory");
        fail(s);
    } else if (rc == 1) {
        open_feed(s);
    }
}

static void timer_expired(void *ctx)
{
    struct pump *s = ctx;
    int64_t now_us = clock_mono_us();
    if (s->stage == STAGE_WAITING) {
        ask_gate(s);
    } else if (s->stage == STAGE_BREAKING) {
        finish(s);
    } else if (s->full && now_us - s->moved_us >= s->all->stall_us) {
        left(s); /* as good as */
    } else {
        (void)loop_timer_set(s->home->loop, &s->timer, now_us + s->all->stall_us / 4);
    }
}

static void client_ready(void *ctx, uint32_t events)
{
    struct pump *s = ctx;
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP) && http_look(s->res)) {
        left(s);
        return;
    }
    if (events & EPOLLOUT) {
        s->full = false;
        step(s);
    }
}

/* Posted: it is new, it may have its turn at the gate, or it goes on sending. */
static void again(void *ctx)
{
    struct pump *s = ctx;
    if (s->stage == STAGE_WAITING)
        ask_gate(s);
    else
        wake(s);
}

/* gate_arrive()'s on_turn. */
static void turn_comes(void *ctx)
{
    struct pump *s = ctx;
    loop_post(s->home->loop, &s->post);
}

static void arrive(void *ctx)
{
    struct pump *s = ctx;
    s->post.run = again;
    s->client = (struct loop_watch){
        .ready = client_ready, .ctx = s, .fd = http_exchange_fd(s->order.exchange)};
    /* What cannot be watched (CGI into a plain file) never blocks either. */
    (void)loop_watch(s->home->loop, &s->client, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
    if (gate_arrive(s->all->gate, s->order.ticket, turn_comes, s, &s->err) < 0)
        fail(s);
    else
        ask_gate(s);
}

void pump_submit(struct pumps *p, const struct pump_order *order)
{
    static const struct err no_memory = {.code = ERR_INTERNAL};
    struct pump *s = calloc(1, sizeof *s);
    if (!s) {
        http_exchange_end(order->exchange, &no_memory);
        gate_depart(p->gate, order->ticket);
        order->release(order->ctx);
        return;
    }
    *s = (struct pump){
        .all = p,
        .order = *order,
        .res = http_exchange_response(order->exchange),
        .timer = {.expired = timer_expired, .ctx = s},
        .post = {.run = arrive, .ctx = s},
    };
    (void)pthread_mutex_lock(&p->lock);
    p->orders++;
    p->most = p->most > p->orders ? p->most : p->orders;
    s->home = &p->loops[p->next_loop++ % p->loop_count];
    (void)pthread_mutex_unlock(&p->lock);
    loop_post(s->home->loop, &s->post);
}

/* ---- All of them ---- */

static void *run_loop(void *ctx)
{
    struct pump_loop *l = ctx;
    loop_run(l->loop);
    return NULL;
}

static int start_loop(struct pump_loop *l, const struct pumps_opts *opts, struct err *err)
{
    if (loop_open(&l->loop, err) < 0)
        return -1;
    if (flow_set_open(&l->flows, opts->net, l->loop, err) == 0 &&
        fills_open(&l->fills, opts->slices, l->flows, err) == 0 &&
        start_thread(&l->thread, false, run_loop, l) == 0)
        return 0;
    fills_close(l->fills);
    flow_set_close(l->flows);
    loop_close(l->loop);
    return err_set(err, ERR_INTERNAL, "cannot start an event loop");
}

int pumps_open(struct pumps **out, const struct pumps_opts *opts, struct err *err)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    auto_ptr(pumps) struct pumps *p = calloc(1, sizeof *p);
    if (!p)
        return err_set(err, ERR_INTERNAL, "out of memory");
    p->gate = opts->gate;
    p->stall_us = (int64_t)opts->stall_s * 1000000;
    p->last = &p->first;
    p->trim = (struct pump_task){.run = trim_memory, .done = trimmed, .ctx = p};
    (void)pthread_mutex_init(&p->lock, NULL);
    (void)pthread_cond_init(&p->changed, NULL);
    unsigned wanted = opts->loops ? opts->loops : cores > 0 ? (unsigned)cores : 1;
    p->loops = calloc(wanted, sizeof *p->loops);
    if (!p->loops)
        return err_set(err, ERR_INTERNAL, "out of memory");
    for (; p->loop_count < wanted; p->loop_count++) {
        if (start_loop(&p->loops[p->loop_count], opts, err) < 0)
            return -1;
    }
    *out = steal(&p);
    return 0;
}

bool pumps_are_idle(struct pumps *p)
{
    if (!p)
        return true;
    (void)pthread_mutex_lock(&p->lock);
    bool idle = p->orders == 0;
    (void)pthread_mutex_unlock(&p->lock);
    return idle;
}

void pumps_close(struct pumps *p)
{
    if (!p)
        return;
    (void)pthread_mutex_lock(&p->lock);
    while (p->orders)
        (void)pthread_cond_wait(&p->changed, &p->lock);
    p->closing = true;
    (void)pthread_cond_broadcast(&p->changed);
    while (p->task_threads)
        (void)pthread_cond_wait(&p->changed, &p->lock);
    (void)pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->loop_count; i++) {
        struct pump_loop *l = &p->loops[i];
        loop_stop(l->loop);
        (void)pthread_join(l->thread, NULL);
        fills_close(l->fills);
        flow_set_close(l->flows);
        loop_close(l->loop);
    }
    (void)pthread_cond_destroy(&p->changed);
    (void)pthread_mutex_destroy(&p->lock);
    free(p->loops);
    free(p);
}
