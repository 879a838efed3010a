/* Connections that their web server keeps (FCGI_KEEP_CONN) while nothing is asked on them; see edge.h.
 *
 * They lie in an epoll set, each good for one event. Threads wait on it, of which there are none before the
 * first connection is kept: most web servers never ask for that. Whoever takes an event owns its connection:
 * it is taken from the list, and whatever else is known about it. */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/edge.h"

enum { KEPT_MAX = 1024 }; /* each is a descriptor that nobody uses just now */

struct connection {
    struct connection *next, **at;
    int fd;
};

struct kept {
    void (*serve)(void *ctx, int fd);
    void *ctx;
    int epoll;
    int stop;             /* an eventfd in the set, the one without a connection */
    pthread_mutex_t lock; /* guards what follows */
    struct connection *first;
    unsigned count;
    bool stopping;
    unsigned started, running, idle; /* threads */
    unsigned threads_max;
    pthread_t threads[];
};

static struct connection *link_it(struct kept *k, int fd)
{
    struct connection *c = malloc(sizeof *c);
    if (!c)
        return NULL;
    *c = (struct connection){.next = k->first, .at = &k->first, .fd = fd};
    if (c->next)
        c->next->at = &c->next;
    k->first = c;
    k->count++;
    return c;
}

static void unlink_it(struct kept *k, struct connection *c)
{
    *c->at = c->next;
    if (c->next)
        c->next->at = c->at;
    k->count--;
    free(c);
}

static void *run(void *ctx);

/* With the lock. Signals are for others. */
static bool start_thread(struct kept *k)
{
    sigset_t all;
    sigset_t before;
    if (k->started == k->threads_max)
        return false;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    bool ok = pthread_create(&k->threads[k->started], NULL, run, k) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    k->started += ok;
    k->running += ok;
    k->idle += ok;
    return ok;
}

/* One event's connection, or -1 at the end. */
static int take(struct kept *k)
{
    struct epoll_event event = {0};
    while (epoll_wait(k->epoll, &event, 1, -1) < 1)
        ; /* EINTR: a debugger */
    struct connection *c = event.data.ptr;
    if (!c)
        return -1;
    (void)pthread_mutex_lock(&k->lock);
    int fd = c->fd;
    unlink_it(k, c);
    if (--k->idle == 0)
        (void)start_thread(k); /* if it cannot: this one comes back */
    (void)pthread_mutex_unlock(&k->lock);
    (void)epoll_ctl(k->epoll, EPOLL_CTL_DEL, fd, NULL);
    return fd;
}

static void *run(void *ctx)
{
    struct kept *k = ctx;
    for (int fd; (fd = take(k)) >= 0;) {
        k->serve(k->ctx, fd);
        (void)pthread_mutex_lock(&k->lock);
        k->idle++;
        (void)pthread_mutex_unlock(&k->lock);
    }
    (void)pthread_mutex_lock(&k->lock);
    k->idle--;
    k->running--;
    (void)pthread_mutex_unlock(&k->lock);
    return NULL;
}

int kept_open(struct kept **out, unsigned threads, void (*serve)(void *ctx, int fd), void *ctx,
              struct err *err)
{
    struct kept *k = calloc(1, sizeof *k + threads * sizeof k->threads[0]);
    if (!k)
        return err_set(err, ERR_INTERNAL, "out of memory");
    struct epoll_event event = {.events = EPOLLIN};
    k->serve = serve;
    k->ctx = ctx;
    k->threads_max = threads;
    k->epoll = epoll_create1(EPOLL_CLOEXEC);
    k->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    (void)pthread_mutex_init(&k->lock, NULL);
    if (k->epoll < 0 || k->stop < 0 || epoll_ctl(k->epoll, EPOLL_CTL_ADD, k->stop, &event) < 0) {
        kept_free(k);
        return err_set(err, ERR_INTERNAL, "no descriptors left");
    }
    *out = k;
    return 0;
}

void kept_add(struct kept *k, int fd)
{
    (void)pthread_mutex_lock(&k->lock);
    struct connection *c = NULL;
    if (!k->stopping && k->count < KEPT_MAX && (k->running || start_thread(k)))
        c = link_it(k, fd);
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLONESHOT, .data.ptr = c};
    if (c && epoll_ctl(k->epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
        unlink_it(k, c);
        c = NULL;
    }
    (void)pthread_mutex_unlock(&k->lock);
    if (!c)
        (void)close(fd);
}

void kept_stop(struct kept *k)
{
    (void)pthread_mutex_lock(&k->lock);
    k->stopping = true;
    for (struct connection *c = k->first; c; c = c->next)
        (void)shutdown(c->fd, SHUT_RDWR);
    (void)pthread_mutex_unlock(&k->lock);
    ssize_t ignored = write(k->stop, &(uint64_t){1}, sizeof(uint64_t));
    (void)ignored;
}

unsigned kept_threads(struct kept *k)
{
    (void)pthread_mutex_lock(&k->lock);
    unsigned running = k->running;
    (void)pthread_mutex_unlock(&k->lock);
    return running;
}

void kept_free(struct kept *k)
{
    if (!k)
        return;
    for (unsigned i = 0; i < k->started; i++)
        (void)pthread_join(k->threads[i], NULL);
    for (struct connection *c = k->first, *next; c; c = next) {
        next = c->next;
        (void)close(c->fd);
        free(c);
    }
    if (k->epoll >= 0)
        (void)close(k->epoll);
    if (k->stop >= 0)
        (void)close(k->stop);
    (void)pthread_mutex_destroy(&k->lock);
    free(k);
}
