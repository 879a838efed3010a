/* See loop.h. epoll, an eventfd to be woken by, and a binary heap of timers. */
#include "base/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"

enum { EVENTS_AT_ONCE = 64, TIMERS_AT_FIRST = 64 };

struct loop {
    int epoll_fd, wake_fd;
    int64_t now_us;
    bool stopped;
    struct epoll_event events[EVENTS_AT_ONCE]; /* of this round; a watch that ends is taken out of it */
    int event_count;
    struct loop_timer **timers; /* from 1 */
    size_t timer_count, timer_room;
    pthread_mutex_t lock; /* guards what follows */
    struct loop_post *first, **last;
    bool stopping;
};

int loop_open(struct loop **out, struct err *err)
{
    struct loop *l = calloc(1, sizeof *l);
    if (!l)
        return err_set(err, ERR_INTERNAL, "out of memory");
    l->last = &l->first;
    l->now_us = clock_mono_us();
    (void)pthread_mutex_init(&l->lock, NULL);
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event wake = {.events = EPOLLIN, .data.ptr = NULL};
    if (l->epoll_fd < 0 || l->wake_fd < 0 || epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, l->wake_fd, &wake) < 0) {
        (void)err_set(err, ERR_INTERNAL, "no event loop: %s", strerror(errno));
        loop_close(l);
        return -1;
    }
    *out = l;
    return 0;
}

void loop_close(struct loop *l)
{
    if (!l)
        return;
    if (l->wake_fd >= 0)
        (void)close(l->wake_fd);
    if (l->epoll_fd >= 0)
        (void)close(l->epoll_fd);
    (void)pthread_mutex_destroy(&l->lock);
    free(l->timers);
    free(l);
}

int64_t loop_now_us(const struct loop *l)
{
    return l->now_us;
}

/* ---- Descriptors ---- */

int loop_watch(struct loop *l, struct loop_watch *w, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = w};
    if (events == w->events)
        return 0;
    if (events == 0) {
        loop_unwatch(l, w);
        return 0;
    }
    if (epoll_ctl(l->epoll_fd, w->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, w->fd, &e) < 0)
        return -1;
    w->events = events;
    return 0;
}

void loop_unwatch(struct loop *l, struct loop_watch *w)
{
    if (w->events)
        (void)epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
    w->events = 0;
    for (int i = 0; i < l->event_count; i++) {
        if (l->events[i].data.ptr == w)
            l->events[i].events = 0;
    }
}

/* ---- Timers ---- */

static void place(struct loop *l, struct loop_timer *t, size_t at)
{
    l->timers[at] = t;
    t->place = at;
}

static void sift_up(struct loop *l, struct loop_timer *t, size_t at)
{
    for (; at > 1 && l->timers[at / 2]->at_us > t->at_us; at /= 2)
        place(l, l->timers[at / 2], at);
    place(l, t, at);
}

static void sift_down(struct loop *l, struct loop_timer *t, size_t at)
{
    for (size_t child; (child = at * 2) <= l->timer_count; at = child) {
        if (child < l->timer_count && l->timers[child + 1]->at_us < l->timers[child]->at_us)
            child++;
        if (l->timers[child]->at_us >= t->at_us)
            break;
        place(l, l->timers[child], at);
    }
    place(l, t, at);
}

void loop_timer_clear(struct loop *l, struct loop_timer *t)
{
    size_t at = t->place;
    if (at == 0)
        return;
    t->place = 0;
    struct loop_timer *moved = l->timers[l->timer_count--];
    if (moved == t)
        return;
    if (at > 1 && l->timers[at / 2]->at_us > moved->at_us)
        sift_up(l, moved, at);
    else
        sift_down(l, moved, at);
}

int loop_timer_set(struct loop *l, struct loop_timer *t, int64_t at_us)
{
    if (t->place && t->at_us == at_us)
        return 0;
    loop_timer_clear(l, t);
    if (l->timer_count + 1 >= l->timer_room) {
        size_t room = l->timer_room ? l->timer_room * 2 : TIMERS_AT_FIRST;
        struct loop_timer **longer = reallocarray(l->timers, room, sizeof(void *));
        if (!longer)
            return -1;
        l->timers = longer;
        l->timer_room = room;
    }
    t->at_us = at_us;
    sift_up(l, t, ++l->timer_count);
    return 0;
}

/* Those set anew by a callback for now or earlier wait for the next round: descriptors get their turn. */
static void run_timers(struct loop *l)
{
    for (size_t n = l->timer_count; n && l->timer_count && l->timers[1]->at_us <= l->now_us; n--) {
        struct loop_timer *t = l->timers[1];
        loop_timer_clear(l, t);
        t->expired(t->ctx);
    }
}

/* ---- Calls from elsewhere ---- */

static void wake(struct loop *l)
{
    ssize_t ignored = write(l->wake_fd, &(uint64_t){1}, sizeof(uint64_t));
    (void)ignored; /* it is only full when the loop is awake anyway */
}

void loop_post(struct loop *l, struct loop_post *p)
{
    (void)pthread_mutex_lock(&l->lock);
    bool first = !l->first;
    if (!p->queued) {
        p->queued = true;
        p->next = NULL;
        *l->last = p;
        l->last = &p->next;
    }
    (void)pthread_mutex_unlock(&l->lock);
    if (first)
        wake(l);
}

void loop_unpost(struct loop *l, struct loop_post *p)
{
    (void)pthread_mutex_lock(&l->lock);
    struct loop_post **at = &l->first;
    while (*at && *at != p)
        at = &(*at)->next;
    if (*at) {
        *at = p->next;
        if (!*at)
            l->last = at;
        p->queued = false;
    }
    (void)pthread_mutex_unlock(&l->lock);
}

static struct loop_post *next_post(struct loop *l)
{
    (void)pthread_mutex_lock(&l->lock);
    struct loop_post *p = l->first;
    if (p) {
        l->first = p->next;
        if (!l->first)
            l->last = &l->first;
        p->queued = false;
    }
    l->stopped = l->stopping;
    (void)pthread_mutex_unlock(&l->lock);
    return p;
}

static void run_posts(struct loop *l)
{
    uint64_t count;
    ssize_t ignored = read(l->wake_fd, &count, sizeof count);
    (void)ignored;
    for (struct loop_post *p; (p = next_post(l));)
        p->run(p->ctx);
}

void loop_stop(struct loop *l)
{
    (void)pthread_mutex_lock(&l->lock);
    l->stopping = true;
    (void)pthread_mutex_unlock(&l->lock);
    wake(l);
}

/* ---- Running ---- */

static int sleep_ms(const struct loop *l)
{
    if (!l->timer_count)
        return -1;
    int64_t ms = (l->timers[1]->at_us - clock_mono_us() + 999) / 1000;
    return ms < 0 ? 0 : ms > 60000 ? 60000 : (int)ms;
}

void loop_run(struct loop *l)
{
    while (!l->stopped) {
        int n = epoll_wait(l->epoll_fd, l->events, EVENTS_AT_ONCE, sleep_ms(l));
        bool woken = false;
        l->now_us = clock_mono_us();
        l->event_count = n > 0 ? n : 0;
        for (int i = 0; i < l->event_count; i++) {
            struct loop_watch *w = l->events[i].data.ptr;
            if (!w)
                woken = true;
            else if (l->events[i].events)
                w->ready(w->ctx, l->events[i].events);
        }
        l->event_count = 0;
        run_timers(l);
        if (woken)
            run_posts(l);
    }
    (void)pthread_mutex_lock(&l->lock);
    l->stopped = l->stopping = false;
    (void)pthread_mutex_unlock(&l->lock);
}
