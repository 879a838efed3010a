/* The accept loop: threads that each answer one request at a time, and their orderly end; see server.h.
 *
 * How the threads are woken at the end: they sleep in accept(), which a signal interrupts. WAKE_SIGNAL is
 * unblocked in them around accept() only, so it never cuts a read or a write short; the main thread sends it
 * again and again until all have gone, so the moment between looking at `stopping` and sleeping costs at most
 * one round. Neither a descriptor flag nor a shutdown() would do: other processes share the socket. */
#include "http/server.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "http/edge.h"

enum {
    WAKE_SIGNAL = SIGURG, /* does nothing to whoever gets it unprepared */
    WAKE_EVERY_MS = 20,
    SEND_TIMEOUT_S = 60,
    GRACE_S = 30,
    CUT_GRACE_S = 5, /* for handlers to notice that their connection is gone */
};

struct server;

struct worker {
    struct server *server;
    pthread_t thread;
};

struct server {
    struct http_server_opts opts;
    struct listener own;
    int listen_fd;
    bool end_short; /* how to break an answer off */
    atomic_bool stopping;
    atomic_uint alive;
    struct exchanges exchanges;
    unsigned worker_count;
    struct worker workers[];
};

static int begin(const struct http_server_opts *o, struct err *err)
{
    return o->before_serving ? o->before_serving(o->before_serving_ctx, err) : 0;
}

/* --- plain CGI --- */

static int serve_cgi(const struct http_server_opts *o, struct err *err)
{
    auto_(buf) struct buf body = BUF_INIT(HTTP_BODY_MAX_BYTES);
    struct cgi_output out;
    struct exchanges one;
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    int result = -1;
    /* Web servers send it as soon as they have the last byte, or their client has left, which the output
     * shows as well; what is noted then is still to be written. */
    (void)sigaction(SIGTERM, &ignore, NULL);
    if (begin(o, err) < 0)
        return -1;
    if (cgi_read_body(&body) < 0)
        return err_set(err, ERR_BAD_REQUEST, "the request's body ended early");
    cgi_output_init(&out, o->send_timeout_s);
    exchanges_init(&one, o);
    (void)exchange_serve_cgi(&one, o, &out, &body, &result);
    exchanges_wait(&one);
    exchanges_fini(&one);
    cgi_output_fini(&out);
    return result < 0 ? err_set(err, ERR_INTERNAL, "the answer ended early") : 0;
}

/* --- threads --- */

static void mask(int how, int signo)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, signo);
    (void)pthread_sigmask(how, &set, NULL);
}

static void serve_one(void *ctx, int fd)
{
    struct server *s = ctx;
    exchange_serve_fcgi(&s->exchanges, &s->opts, fd, s->end_short);
}

static void *run_worker(void *arg)
{
    struct worker *w = arg;
    struct server *s = w->server;
    while (!atomic_load(&s->stopping)) {
        mask(SIG_UNBLOCK, WAKE_SIGNAL);
        int fd = atomic_load(&s->stopping) ? -1 : listener_accept(s->listen_fd);
        mask(SIG_BLOCK, WAKE_SIGNAL);
        if (fd >= 0)
            serve_one(s, fd);
    }
    (void)atomic_fetch_sub(&s->alive, 1);
    return NULL;
}

/* Starts as many as it can; the signals that end the process stay with the thread that called http_serve().
 */
static void start_workers(struct server *s)
{
    sigset_t before;
    (void)pthread_sigmask(SIG_BLOCK, NULL, &before);
    mask(SIG_BLOCK, SIGTERM);
    mask(SIG_BLOCK, SIGINT);
    mask(SIG_BLOCK, WAKE_SIGNAL);
    for (unsigned i = 0; i < s->opts.threads; i++) {
        struct worker *w = &s->workers[i];
        *w = (struct worker){.server = s};
        (void)atomic_fetch_add(&s->alive, 1);
        if (pthread_create(&w->thread, NULL, run_worker, w) != 0) {
            (void)atomic_fetch_sub(&s->alive, 1);
            break;
        }
        s->worker_count++;
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* --- signals --- */

static int stop_fd = -1; /* an eventfd; a signal handler has no other way to reach anything */

static void on_stop_signal(int signo)
{
    (void)signo;
    int saved = errno;
    ssize_t ignored = write(stop_fd, &(uint64_t){1}, sizeof(uint64_t));
    (void)ignored;
    errno = saved;
}

static void on_wake_signal(int signo)
{
    (void)signo;
}

/* Waits for SIGTERM or SIGINT; false when none came for `ms` (-1: forever). */
static bool stop_was_asked(int ms)
{
    uint64_t count;
    struct pollfd asked = {.fd = stop_fd, .events = POLLIN};
    while (poll(&asked, 1, ms) < 0) {
        if (errno != EINTR)
            return false;
        /* Interrupted by the signal itself: poll again. */
    }
    return (asked.revents & POLLIN) && read(stop_fd, &count, sizeof count) == (ssize_t)sizeof count;
}

static int catch_signals(struct err *err)
{
    struct sigaction stop = {.sa_handler = on_stop_signal, .sa_flags = SA_RESTART};
    struct sigaction wake = {.sa_handler = on_wake_signal}; /* no SA_RESTART: it has to interrupt accept() */
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    if (stop_fd < 0)
        stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (stop_fd < 0)
        return err_set(err, ERR_INTERNAL, "eventfd: %s", strerror(errno));
    (void)sigaction(SIGTERM, &stop, NULL);
    (void)sigaction(SIGINT, &stop, NULL);
    (void)sigaction(WAKE_SIGNAL, &wake, NULL);
    if (fcgi_init(err) < 0) /* behind our handlers, and before SIGPIPE, which it would take as well */
        return -1;
    (void)sigaction(SIGPIPE, &ignore, NULL);
    return 0;
}

/* --- the end --- */

/* None of its threads runs. */
static void server_free(struct server *s)
{
    listener_close(&s->own);
    kept_free(s->exchanges.kept);
    exchanges_fini(&s->exchanges);
    free(s);
}

/* Threads that still run or, if there are more, requests: those that were handed over have none. */
static unsigned busy(struct server *s)
{
    unsigned requests = exchanges_count(&s->exchanges);
    unsigned workers = atomic_load(&s->alive) + kept_threads(s->exchanges.kept);
    return requests > workers ? requests : workers;
}

/* Waits until nothing is busy; true when that came true in time. A second signal makes it hurry. */
static bool wait_for_workers(struct server *s, unsigned seconds)
{
    int64_t deadline_us = clock_mono_us() + (int64_t)seconds * 1000000;
    while (busy(s) > 0) {
        if (clock_mono_us() > deadline_us)
            return false;
        for (unsigned i = 0; i < s->worker_count && atomic_load(&s->alive); i++)
            (void)pthread_kill(s->workers[i].thread, WAKE_SIGNAL);
        if (stop_was_asked(WAKE_EVERY_MS))
            deadline_us = 0;
    }
    return true;
}

static int stop(struct server *s, struct err *err)
{
    char alive[16];
    atomic_store(&s->stopping, true);
    kept_stop(s->exchanges.kept);
    (void)snprintf(alive, sizeof alive, "%u", atomic_load(&s->alive));
    log_event(LOG_INFO, "stopping", "threads", alive, NULL);
    if (s->opts.stopping)
        s->opts.stopping(s->opts.before_serving_ctx);
    bool ended = wait_for_workers(s, s->opts.grace_s);
    if (!ended) {
        exchanges_cut(&s->exchanges);
        ended = wait_for_workers(s, CUT_GRACE_S);
    }
    listener_close(&s->own);
    if (!ended) /* they go on using *s and the app: the caller leaves by _exit() */
        return err_set(err, ERR_BUSY, "%u requests do not end", busy(s));
    for (unsigned i = 0; i < s->worker_count; i++)
        (void)pthread_join(s->workers[i].thread, NULL);
    server_free(s);
    return 0;
}

static int serve_fastcgi(const struct http_server_opts *o, struct err *err)
{
    char threads[16];
    struct server *s = calloc(1, sizeof *s + o->threads * sizeof s->workers[0]);
    if (!s)
        return err_set(err, ERR_INTERNAL, "out of memory");
    s->opts = *o;
    s->own.fd = -1;
    exchanges_init(&s->exchanges, &s->opts);
    if ((o->socket && listener_open(&s->own, o->socket, err) < 0) || catch_signals(err) < 0 ||
        kept_open(&s->exchanges.kept, o->threads, serve_one, s, err) < 0 || begin(o, err) < 0) {
        server_free(s);
        return -1;
    }
    s->listen_fd = o->socket ? s->own.fd : STDIN_FILENO;
    s->end_short = listener_is_mod_fcgid(s->listen_fd);
    start_workers(s);
    if (s->worker_count == 0) {
        server_free(s);
        return err_set(err, ERR_INTERNAL, "cannot start a thread");
    }
    (void)snprintf(threads, sizeof threads, "%u", s->worker_count);
    log_event(LOG_INFO, "serving", "socket", o->socket ? o->socket : "inherited", "threads", threads, NULL);
    while (!stop_was_asked(-1))
        ;
    return stop(s, err);
}

bool http_serves_on(const char *socket)
{
    return socket || listener_is(STDIN_FILENO);
}

int http_serve(const struct http_server_opts *opts, struct err *err)
{
    struct http_server_opts o = *opts;
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    if (o.threads == 0)
        o.threads = 1;
    if (o.send_timeout_s == 0)
        o.send_timeout_s = SEND_TIMEOUT_S;
    if (o.grace_s == 0)
        o.grace_s = GRACE_S;
    if (http_serves_on(o.socket))
        return serve_fastcgi(&o, err);
    if (!cgi_is())
        return err_set(err, ERR_INTERNAL,
                       "nothing to serve: no socket named, none inherited, and no CGI environment");
    (void)sigaction(SIGPIPE, &ignore, NULL);
    return serve_cgi(&o, err);
}
