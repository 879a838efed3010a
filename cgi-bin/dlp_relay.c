/* See dlp_relay.h. */
#include "dlp_relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "net/dial.h"

enum { REQUEST_MAX = 300, PIECE_BYTES = 16 * 1024, LOOK_MS = 500 };

/* One connection: `fd` is our end of the pair. */
struct relay {
    struct relays *all;
    unsigned round;
    int fd;
    struct dial *dial;
};

/* A piece on its way. */
struct piece {
    char data[PIECE_BYTES];
    size_t at, len;
    bool ended; /* no more will come */
};

static bool is_later(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* Both return -1 when the connection is over. */
static int move_out(struct relay *r, struct piece *p)
{
    if (p->at == p->len && !p->ended) {
        ssize_t n = recv(r->fd, p->data, sizeof p->data, 0);
        if (n <= 0)
            return n < 0 && is_later() ? 0 : -1; /* nobody is left to read what might still come */
        p->at = 0;
        p->len = (size_t)n;
    }
    ssize_t n = p->at < p->len ? dial_send(r->dial, p->data + p->at, p->len - p->at) : 0;
    if (n > 0) {
        p->at += (size_t)n;
        (void)atomic_fetch_add(&r->all->bytes, (unsigned long long)n);
    }
    return n < 0 && !is_later() ? -1 : 0;
}

static int move_in(struct relay *r, struct piece *p)
{
    if (p->at == p->len && !p->ended) {
        ssize_t n = dial_receive(r->dial, p->data, sizeof p->data);
        if (n < 0 && !is_later())
            return -1;
        p->ended = n == 0;
        p->at = 0;
        p->len = n > 0 ? (size_t)n : 0;
    }
    if (p->ended)
        return -1;
    ssize_t n = p->at < p->len ? send(r->fd, p->data + p->at, p->len - p->at, MSG_NOSIGNAL) : 0;
    if (n > 0) {
        p->at += (size_t)n;
        (void)atomic_fetch_add(&r->all->bytes, (unsigned long long)n);
    }
    return n < 0 && !is_later() ? -1 : 0;
}

static bool may_go_on(const struct relay *r)
{
    return atomic_load(&r->all->round) == r->round && atomic_load(&r->all->bytes) <= RELAY_BYTES_MAX;
}

/* libcurl may hold bytes that poll() does not see (a proxy over TLS), so what is there is asked for, and only
 * then waited for. */
static void run(struct relay *r)
{
    struct piece *out = calloc(2, sizeof *out);
    struct piece *in = out ? out + 1 : NULL;
    while (in && may_go_on(r)) {
        if (move_out(r, out) < 0 || move_in(r, in) < 0)
            break;
        bool out_full = out->at < out->len;
        bool in_full = in->at < in->len;
        struct pollfd p[] = {
            {.fd = r->fd, .events = (short)((out_full ? 0 : POLLIN) | (in_full ? POLLOUT : 0))},
            {.fd = dial_fd(r->dial), .events = (short)((in_full ? 0 : POLLIN) | (out_full ? POLLOUT : 0))},
        };
        if (poll(p, 2, LOOK_MS) < 0 && errno != EINTR)
            break;
    }
    free(out);
}

static void relay_end(struct relay *r)
{
    (void)close(r->fd);
    dial_close(r->dial);
    (void)atomic_fetch_sub(&r->all->running, 1);
    free(r);
}

static void *relay_thread(void *ctx)
{
    run(ctx);
    relay_end(ctx);
    return NULL;
}

/* With `fd` ≥ 0 that, else the text. */
static int reply(int gate, int fd, const char *text)
{
    char control[CMSG_SPACE(sizeof fd)] = {0};
    struct iovec iov = {(void *)(uintptr_t)text, strlen(text)};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    if (fd >= 0) {
        m.msg_control = control;
        m.msg_controllen = sizeof control;
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(c), &fd, sizeof fd);
    }
    return sendmsg(gate, &m, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

/* "host port" */
static int read_request(char *text, uint16_t *port)
{
    uint64_t n;
    char *space = strchr(text, ' ');
    if (!space || text_parse_u64(space + 1, 1, UINT16_MAX, &n) < 0)
        return -1;
    *space = '\0';
    *port = (uint16_t)n;
    return 0;
}

/* Connects, and starts its thread; *end is the child's end of the pair. */
static int begin(struct relays *all, const char *host, uint16_t port, int *end, struct err *err)
{
    int pair[2];
    pthread_t thread;
    auto_ptr(dial) struct dial *dial = NULL;
    if (atomic_load(&all->running) >= RELAYS_MAX)
        return err_set(err, ERR_BUSY, "too many connections at once");
    const struct dial_to to = {host, port, all->egress};
    if (dial_open(&dial, all->net, &to, err) < 0)
        return -1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return err_set(err, ERR_INTERNAL, "no socket pair: %s", strerror(errno));
    struct relay *r = malloc(sizeof *r);
    int rc = r && fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0 ? 0 : -1;
    if (rc == 0) {
        *r = (struct relay){all, atomic_load(&all->round), pair[0], dial};
        (void)atomic_fetch_add(&all->running, 1);
        rc = pthread_create(&thread, NULL, relay_thread, r);
        if (rc)
            (void)atomic_fetch_sub(&all->running, 1);
    }
    if (rc) {
        free(r);
        (void)close(pair[0]);
        (void)close(pair[1]);
        return err_set(err, ERR_INTERNAL, "no thread");
    }
    (void)pthread_detach(thread);
    dial = NULL; /* the thread's */
    *end = pair[1];
    return 0;
}

int relay_serve(struct relays *r, int gate)
{
    char text[REQUEST_MAX + 1];
    uint16_t port;
    int end = -1;
    struct err err = {.code = ERR_OK};
    ssize_t n = recv(gate, text, REQUEST_MAX, 0);
    if (n <= 0)
        return -1;
    text[n] = '\0';
    if (strlen(text) != (size_t)n || read_request(text, &port) < 0)
        return reply(gate, -1, "not a host and a port");
    if (begin(r, text, port, &end, &err) < 0)
        return reply(gate, -1, err.text);
    int rc = reply(gate, end, "connected");
    (void)close(end);
    return rc;
}

void relay_next_round(struct relays *r)
{
    (void)atomic_fetch_add(&r->round, 1);
    atomic_store(&r->bytes, 0);
}
