/* A small HTTP server for the tests of net/: the proxy and every host behind it at once, so that the gate
 * runs with real host names and all its rules. What it answers is up to the test's `serve` function, which
 * may misbehave in any way a socket allows. One thread per connection; listens on 127.0.0.1. */
#ifndef TESTS_NET_ORIGIN_H
#define TESTS_NET_ORIGIN_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"

enum { ORIGIN_CONNECTIONS_MAX = 256 };

struct origin_request {
    int fd;
    unsigned number; /* of all requests, from 0 */
    char method[16];
    char url[4096];   /* absolute where we are an HTTP proxy */
    const char *path; /* of the URL, with query */
    bool ranged;
    unsigned long long first, last; /* inclusive */
    char head[16384];               /* all of it */
    char body[4096];
    size_t body_len;
};

struct origin {
    int fd;
    uint16_t port;
    char url[64];   /* "http://127.0.0.1:port" */
    char socks[64]; /* the same as a SOCKS proxy */
    pthread_t thread;
    atomic_uint connections, requests, open;
    atomic_bool closing;
    /* Returns true to keep the connection. */
    bool (*serve)(struct origin *o, struct origin_request *r);
    void *ctx;
    pthread_mutex_t lock;
    int fds[ORIGIN_CONNECTIONS_MAX];
};

struct origin_connection {
    struct origin *origin;
    int fd;
    size_t slot;
};

static inline void origin_send(const struct origin_request *r, const char *text)
{
    (void)send(r->fd, text, strlen(text), MSG_NOSIGNAL);
}

static inline void origin_sendf(const struct origin_request *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static inline void origin_sendf(const struct origin_request *r, const char *fmt, ...)
{
    char text[8192];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    origin_send(r, text);
}

/* Sends all; false when the client has left. */
static inline bool origin_send_bytes(const struct origin_request *r, const void *data, size_t len)
{
    const char *p = data;
    while (len) {
        ssize_t n = send(r->fd, p, len, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        p += n;
        len -= (size_t)n;
    }
    return true;
}

/* Ends the connection with a reset instead of an orderly close. */
static inline void origin_reset(const struct origin_request *r)
{
    struct linger hard = {.l_onoff = 1};
    (void)setsockopt(r->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
}

/* Waits until the client leaves or the test ends, saying nothing. */
static inline void origin_stall(const struct origin *o, const struct origin_request *r)
{
    char c;
    while (!atomic_load(&o->closing)) {
        struct pollfd p = {.fd = r->fd, .events = POLLIN};
        if (poll(&p, 1, 20) > 0 && recv(r->fd, &c, 1, 0) <= 0)
            return;
    }
}

/* Answers CONNECT: carries bytes between the client and 127.0.0.1:port until either side ends. */
static inline void origin_tunnel(const struct origin *o, const struct origin_request *r, uint16_t port)
{
    char block[65536];
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fds[2] = {r->fd, socket(AF_INET, SOCK_STREAM, 0)};
    bool open = fds[1] >= 0 && connect(fds[1], (struct sockaddr *)&a, sizeof a) == 0;
    origin_send(r, open ? "HTTP/1.1 200 Connected\r\n\r\n" : "HTTP/1.1 502 Failed\r\n\r\n");
    while (open && !atomic_load(&o->closing)) {
        struct pollfd p[2] = {{.fd = fds[0], .events = POLLIN}, {.fd = fds[1], .events = POLLIN}};
        (void)poll(p, 2, 50);
        for (int i = 0; i < 2 && open; i++) {
            ssize_t n = p[i].revents ? recv(fds[i], block, sizeof block, 0) : 1;
            struct origin_request to = {.fd = fds[!i]};
            open = n > 0 && (!p[i].revents || origin_send_bytes(&to, block, (size_t)n));
        }
    }
    if (fds[1] >= 0)
        (void)close(fds[1]);
}

static inline bool origin_read_request(struct origin_request *r)
{
    size_t len = 0;
    char *end = NULL;
    while (!end) {
        ssize_t n = len < sizeof r->head - 1 ? recv(r->fd, r->head + len, sizeof r->head - 1 - len, 0) : 0;
        if (n <= 0)
            return false;
        len += (size_t)n;
        r->head[len] = '\0';
        end = strstr(r->head, "\r\n\r\n");
    }
    end += 4;
    if (sscanf(r->head, "%15s %4095s ", r->method, r->url) != 2)
        return false;
    const char *path = strstr(r->url, "://");
    path = path ? strchr(path + 3, '/') : r->url;
    r->path = path ? path : "/";
    const char *range = strcasestr(r->head, "\r\nRange: bytes=");
    r->ranged = range && sscanf(range + 15, "%llu-%llu", &r->first, &r->last) == 2;
    const char *length = strcasestr(r->head, "\r\nContent-Length: ");
    size_t want = length ? (size_t)strtoull(length + 18, NULL, 10) : 0;
    r->body_len = (size_t)(r->head + len - end);
    if (want >= sizeof r->body || r->body_len > want)
        return false;
    memcpy(r->body, end, r->body_len);
    *end = '\0';
    while (r->body_len < want) {
        ssize_t n = recv(r->fd, r->body + r->body_len, want - r->body_len, 0);
        if (n <= 0)
            return false;
        r->body_len += (size_t)n;
    }
    r->body[r->body_len] = '\0';
    return true;
}

/* SOCKS 5 (RFC 1928) to a name, without credentials: everything leads here. */
static inline bool origin_greet(int fd)
{
    unsigned char block[512];
    static const unsigned char welcome[] = {5, 0};
    static const unsigned char connected[] = {5, 0, 0, 1, 0, 0, 0, 0, 0, 0};
    if (recv(fd, block, 1, MSG_PEEK) != 1 || block[0] != 5)
        return true; /* no SOCKS */
    if (recv(fd, block, 2, MSG_WAITALL) != 2 || recv(fd, block + 2, block[1], MSG_WAITALL) != block[1] ||
        send(fd, welcome, sizeof welcome, MSG_NOSIGNAL) != sizeof welcome ||
        recv(fd, block, 5, MSG_WAITALL) != 5 || block[3] != 3 ||
        recv(fd, block + 5, block[4] + 2, MSG_WAITALL) != block[4] + 2)
        return false;
    return send(fd, connected, sizeof connected, MSG_NOSIGNAL) == sizeof connected;
}

static inline void *origin_serve_connection(void *arg)
{
    struct origin_connection *c = arg;
    struct origin *o = c->origin;
    struct origin_request *r = calloc(1, sizeof *r);
    for (bool keep = r && origin_greet(c->fd); keep;) {
        memset(r, 0, sizeof *r);
        r->fd = c->fd;
        keep = origin_read_request(r);
        if (keep) {
            r->number = atomic_fetch_add(&o->requests, 1);
            keep = o->serve(o, r) && !atomic_load(&o->closing);
        }
    }
    free(r);
    (void)pthread_mutex_lock(&o->lock);
    (void)close(c->fd);
    o->fds[c->slot] = -1;
    (void)pthread_mutex_unlock(&o->lock);
    free(c);
    (void)atomic_fetch_sub(&o->open, 1);
    return NULL;
}

static inline void *origin_accept(void *arg)
{
    struct origin *o = arg;
    for (;;) {
        int one = 1;
        int fd = accept(o->fd, NULL, NULL);
        if (fd < 0)
            return NULL;
        struct origin_connection *c = calloc(1, sizeof *c);
        pthread_t thread;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        (void)atomic_fetch_add(&o->connections, 1);
        (void)pthread_mutex_lock(&o->lock);
        size_t slot = 0;
        while (slot < ORIGIN_CONNECTIONS_MAX - 1 && o->fds[slot] >= 0)
            slot++;
        o->fds[slot] = fd;
        (void)pthread_mutex_unlock(&o->lock);
        if (!c)
            abort();
        *c = (struct origin_connection){o, fd, slot};
        (void)atomic_fetch_add(&o->open, 1);
        if (pthread_create(&thread, NULL, origin_serve_connection, c) != 0)
            abort();
        (void)pthread_detach(thread);
    }
}

static inline struct origin *origin_start(bool (*serve)(struct origin *, struct origin_request *), void *ctx)
{
    struct origin *o = calloc(1, sizeof *o);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    if (!o)
        abort();
    o->serve = serve;
    o->ctx = ctx;
    (void)pthread_mutex_init(&o->lock, NULL);
    for (size_t i = 0; i < ORIGIN_CONNECTIONS_MAX; i++)
        o->fds[i] = -1;
    o->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (o->fd < 0 || bind(o->fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(o->fd, 64) < 0 ||
        getsockname(o->fd, (struct sockaddr *)&a, &len) < 0)
        abort();
    o->port = ntohs(a.sin_port);
    (void)snprintf(o->url, sizeof o->url, "http://127.0.0.1:%u", o->port);
    (void)snprintf(o->socks, sizeof o->socks, "socks5h://127.0.0.1:%u", o->port);
    if (pthread_create(&o->thread, NULL, origin_accept, o) != 0)
        abort();
    return o;
}

static inline void origin_stop(struct origin *o)
{
    atomic_store(&o->closing, true);
    (void)shutdown(o->fd, SHUT_RDWR);
    (void)pthread_join(o->thread, NULL);
    (void)close(o->fd);
    (void)pthread_mutex_lock(&o->lock);
    for (size_t i = 0; i < ORIGIN_CONNECTIONS_MAX; i++) {
        if (o->fds[i] >= 0)
            (void)shutdown(o->fds[i], SHUT_RDWR);
    }
    (void)pthread_mutex_unlock(&o->lock);
    while (atomic_load(&o->open))
        clock_sleep_ms(1);
    (void)pthread_mutex_destroy(&o->lock);
    free(o);
}

#endif
