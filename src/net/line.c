/* See line.h. HTTP/1.1 as RFC 9112 has it; all that a server says is hostile. */
#include "net/line.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "net/chunked.h"
#include "net/cookies.h"
#include "net/tls.h"

enum {
    IDLE_MAX = 32,
    REQUEST_MAX = 64 * 1024,
    BLOCKED = -1, /* of reads and writes; nothing at all is 0, the end */
    BROKEN = -2,
};

enum stage {
    STAGE_SHAKING, /* hands, for TLS */
    STAGE_ASKING,
    STAGE_HEAD,
    STAGE_BODY,
    STAGE_IDLE,
};

enum framing { BY_LENGTH, BY_CHUNKS, BY_CLOSE };

struct line {
    struct line_pool *pool;
    struct line *next; /* in the pool */
    int64_t idle_since_us;
    char peer[GUARD_PEER_MAX];
    char looks_like[TLS_PEER_MAX]; /* peer and look: what sessions are kept by */
    unsigned look;
    struct egress egress; /* by which it goes */
    SSL *ssl;             /* NULL: plain */
    struct loop_watch watch;
    uint32_t wanted; /* events; those that are watched for may be more */
    enum stage stage;
    bool used;  /* by an earlier request */
    bool spent; /* not to be used again */

    /* The request under way. */
    struct transfer *t;
    void (*done)(void *ctx, CURLcode code);
    void *ctx;
    struct buf out;
    size_t out_at;
    bool heard;    /* a byte of an answer */
    struct buf in; /* read, but not looked at: from in_at on */
    size_t in_at;
    enum framing framing;
    uint64_t left; /* BY_LENGTH */
    struct chunked chunks;
};

/* ---- Bytes ---- */

static ssize_t tls_result(struct line *l, int n)
{
    switch (SSL_get_error(l->ssl, n)) {
    case SSL_ERROR_WANT_READ:
        l->wanted = EPOLLIN;
        return BLOCKED;
    case SSL_ERROR_WANT_WRITE:
        l->wanted = EPOLLOUT;
        return BLOCKED;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        l->spent = true;
        return BROKEN;
    }
}

static ssize_t socket_result(struct line *l, ssize_t n, uint32_t event)
{
    if (n >= 0)
        return n;
    if (errno == EAGAIN || errno == EINTR) {
        l->wanted = event;
        return BLOCKED;
    }
    l->spent = true;
    return BROKEN;
}

static ssize_t read_some(struct line *l, void *data, size_t room)
{
    if (!l->ssl)
        return socket_result(l, recv(l->watch.fd, data, room, 0), EPOLLIN);
    ERR_clear_error();
    int n = SSL_read(l->ssl, data, room < INT_MAX ? (int)room : INT_MAX);
    return n > 0 ? n : tls_result(l, n);
}

static ssize_t write_some(struct line *l, const void *data, size_t len)
{
    if (!l->ssl)
        return socket_result(l, send(l->watch.fd, data, len, MSG_NOSIGNAL), EPOLLOUT);
    ERR_clear_error();
    int n = SSL_write(l->ssl, data, (int)len);
    return n > 0 ? n : tls_result(l, n);
}

/* Why the last of these broke. */
static void explain(struct line *l)
{
    struct wire *w = l->t->wire;
    if (l->ssl)
        tls_explain(l->ssl, w->message, sizeof w->message);
    else
        (void)snprintf(w->message, sizeof w->message, "%s", strerror(errno));
}

/* ---- The request ---- */

static bool names(const struct curl_slist *headers, const char *name)
{
    size_t len = strlen(name);
    for (; headers; headers = headers->next) {
        if (strncasecmp(headers->data, name, len) == 0 && headers->data[len] == ':')
            return true;
    }
    return false;
}

/* Fields as libcurl sends them; one without a value is its sign for one that it shall not send. */
static int write_request(struct line *l)
{
    const struct wire_request *r = &l->t->request;
    const char *host = strstr(r->url->text, "//") + 2;
    size_t host_len = strcspn(host, "/?");
    const char *path = host + host_len;
    struct buf *out = &l->out;
    auto_(buf) struct buf cookies = BUF_INIT(COOKIES_MAX_BYTES);
    buf_init(out, REQUEST_MAX);
    (void)buf_addf(out, "GET %s%s HTTP/1.1\r\nHost: %.*s\r\nRange: bytes=%llu-%llu\r\n",
                   *path == '/' ? "" : "/", path, (int)host_len, host, (unsigned long long)l->t->span.first,
                   (unsigned long long)l->t->span.last);
    (void)buf_addf(out, "User-Agent: %s\r\n", r->user_agent ? r->user_agent : "Sluice/" SLUICE_VERSION);
    if (!names(r->headers, "Accept"))
        (void)buf_adds(out, "Accept: */*\r\n");
    (void)buf_adds(out, "Accept-Encoding: identity\r\n");
    for (const struct curl_slist *h = r->headers; h; h = h->next) {
        if (strchr(h->data, ':')[1] != '\0' && strncasecmp(h->data, "Cookie:", 7) != 0)
            (void)buf_addf(out, "%s\r\n", h->data);
    }
    wire_cookies(l->pool->net, r, &cookies);
    if (cookies.len)
        (void)buf_addf(out, "Cookie: %s\r\n", buf_str(&cookies));
    l->out_at = 0;
    return buf_adds(out, "\r\n");
}

/* ---- One step of a stage ---- */

enum turn {
    TURN_AGAIN,   /* there may be more to do */
    TURN_BLOCKED, /* by the socket, or by the reader */
    TURN_OVER,    /* the answer is, with *code */
};

static enum turn over(CURLcode *code, CURLcode why)
{
    *code = why;
    return TURN_OVER;
}

/* Nothing came: it is blocked, broken or at its end. */
static enum turn no_bytes(struct line *l, ssize_t n, CURLcode *code)
{
    if (n == BLOCKED)
        return TURN_BLOCKED;
    l->spent = true;
    if (n == BROKEN)
        explain(l);
    return over(code, n == BROKEN ? CURLE_RECV_ERROR : l->heard ? CURLE_PARTIAL_FILE : CURLE_GOT_NOTHING);
}

static enum turn shake(struct line *l, CURLcode *code)
{
    ERR_clear_error();
    int rc = SSL_do_handshake(l->ssl);
    if (rc == 1) {
        l->stage = STAGE_ASKING;
        return TURN_AGAIN;
    }
    if (tls_result(l, rc) == BLOCKED)
        return TURN_BLOCKED;
    l->spent = true;
    explain(l);
    bool refused = SSL_get_verify_result(l->ssl) != X509_V_OK;
    return over(code, refused ? CURLE_PEER_FAILED_VERIFICATION : CURLE_SSL_CONNECT_ERROR);
}

static enum turn ask(struct line *l, CURLcode *code)
{
    while (l->out_at < l->out.len) {
        ssize_t n = write_some(l, l->out.data + l->out_at, l->out.len - l->out_at);
        if (n == BLOCKED)
            return TURN_BLOCKED;
        if (n <= 0) {
            l->spent = true;
            explain(l);
            return over(code, CURLE_SEND_ERROR);
        }
        l->out_at += (size_t)n;
    }
    buf_fini(&l->out);
    l->wanted = EPOLLIN;
    l->stage = STAGE_HEAD;
    return TURN_BLOCKED; /* no server answers that fast */
}

static void forget_read(struct line *l)
{
    buf_fini(&l->in);
    l->in_at = 0;
}

/* The head is complete: what follows it? */
static enum turn begin_body(struct line *l, CURLcode *code)
{
    const struct head *h = &l->t->head;
    bool none = h->status == 204 || h->status == 304;
    l->stage = STAGE_BODY;
    l->left = none ? 0 : h->length;
    l->framing = none ? BY_LENGTH : h->chunked ? BY_CHUNKS : h->has_length ? BY_LENGTH : BY_CLOSE;
    l->chunks = (struct chunked){0};
    l->spent |= h->closes || l->framing == BY_CLOSE;
    if (l->in_at == l->in.len)
        forget_read(l);
    if (transfer_accept(l->t) < 0) {
        l->spent = true;
        return over(code, CURLE_WRITE_ERROR);
    }
    return TURN_AGAIN;
}

/* Takes lines of the head out of what has been read. 1: all of it is there, 0 not yet, -1 no head. */
static int read_lines(struct line *l)
{
    struct head *h = &l->t->head;
    while (!h->complete) {
        char *line = l->in.data + l->in_at;
        const char *end = memchr(line, '\n', l->in.len - l->in_at);
        if (!end)
            return 0;
        size_t len = (size_t)(end - line) + 1;
        bool is_status = strncasecmp(line, "HTTP/", 5) == 0;
        bool first = h->status == 0 || h->status < 200; /* until the final head's first line was seen */
        if ((h->status == 0 && strncmp(line, "HTTP/1.", 7) != 0) || (is_status && !first) ||
            head_line(line, 1, len, h) == 0 || h->status == 0)
            return -1;
        l->in_at += len;
    }
    return 1;
}

static enum turn read_head(struct line *l, CURLcode *code)
{
    char block[TRANSFER_READ_BYTES];
    ssize_t n = read_some(l, block, sizeof block);
    if (n <= 0)
        return no_bytes(l, n, code);
    l->heard = true;
    l->t->alive_us = clock_mono_us();
    int rc = buf_add(&l->in, block, (size_t)n) < 0 ? -1 : read_lines(l);
    if (rc < 0) {
        l->spent = true;
        return over(code, CURLE_WEIRD_SERVER_REPLY);
    }
    return rc == 0 ? TURN_AGAIN : begin_body(l, code); /* which may be in hand */
}

/* Hands `len` bytes of the answer to the transfer. The number of them that are done with; -1: it wants no
 * more of it. */
static ssize_t deliver(struct line *l, const char *data, size_t len, bool *ended)
{
    if (l->framing == BY_CHUNKS) {
        size_t at = 0;
        while (at < len && !*ended) {
            const char *body = NULL;
            size_t body_len = 0;
            ssize_t n = chunked_read(&l->chunks, data + at, len - at, &body, &body_len);
            if (n < 0 || (body_len && transfer_body(l->t, body, body_len) != body_len))
                return -1;
            at += (size_t)n;
            *ended = l->chunks.ended;
        }
        return (ssize_t)at;
    }
    size_t take = l->framing == BY_LENGTH && l->left < len ? (size_t)l->left : len;
    if (take && transfer_body(l->t, data, take) != take)
        return -1;
    l->left -= l->framing == BY_LENGTH ? take : 0;
    *ended = l->framing == BY_LENGTH && l->left == 0;
    return (ssize_t)take;
}

static bool is_resource(const struct head *h)
{
    return h->status == 200 || h->status == 206;
}

/* What has been read beyond the head. */
static enum turn deliver_rest(struct line *l, CURLcode *code)
{
    bool ended = false;
    size_t room;
    if (is_resource(&l->t->head) && !transfer_room(l->t, &room))
        return TURN_BLOCKED;
    ssize_t n = deliver(l, l->in.data + l->in_at, l->in.len - l->in_at, &ended);
    if (n < 0) {
        l->spent = true;
        return over(code, CURLE_WRITE_ERROR);
    }
    l->in_at += (size_t)n;
    l->spent |= ended && l->in_at < l->in.len; /* more than the answer */
    forget_read(l);
    return ended ? over(code, CURLE_OK) : TURN_AGAIN;
}

/* The end of what is read until the connection is closed. */
static enum turn no_body(struct line *l, ssize_t n, CURLcode *code)
{
    if (n == 0 && l->framing == BY_CLOSE)
        return over(code, CURLE_OK);
    return no_bytes(l, n, code);
}

static enum turn read_body(struct line *l, CURLcode *code)
{
    char block[TRANSFER_READ_BYTES];
    struct transfer *t = l->t;
    bool direct = l->framing == BY_LENGTH && is_resource(&t->head);
    if (l->framing == BY_LENGTH && l->left == 0)
        return over(code, CURLE_OK);
    if (direct && transfer_wanted(t) == 0) {
        l->spent = true; /* the rest of a file that was not asked for */
        return over(code, CURLE_WRITE_ERROR);
    }
    size_t room = sizeof block;
    char *to = is_resource(&t->head) ? transfer_room(t, &room) : block;
    if (!to)
        return TURN_BLOCKED;
    if (!direct) {
        to = block;
        room = sizeof block;
    }
    if (l->framing == BY_LENGTH && room > l->left)
        room = (size_t)l->left;
    if (l->ssl)
        tls_set_fast(l->ssl, t->enough > TRANSFER_READ_BYTES);
    ssize_t n = read_some(l, to, room);
    if (n <= 0)
        return no_body(l, n, code);
    if (direct) {
        transfer_got(t, (size_t)n);
        l->left -= (size_t)n;
        return l->left ? TURN_AGAIN : over(code, CURLE_OK);
    }
    bool ended = false;
    ssize_t took = deliver(l, block, (size_t)n, &ended);
    l->spent |= took < n;
    return took < 0 ? over(code, CURLE_WRITE_ERROR) : ended ? over(code, CURLE_OK) : TURN_AGAIN;
}

/* ---- Its turn ---- */

/* Nobody waits for anything: what comes now is a session, or the end. */
static void look_at_idle(struct line *l)
{
    char c;
    if (read_some(l, &c, 1) == BLOCKED)
        return;
    struct line **at = &l->pool->idle;
    while (*at && *at != l)
        at = &(*at)->next;
    if (*at) {
        *at = l->next;
        l->pool->idle_count--;
    }
    l->spent = true;
    line_put(l);
}

static void run(struct line *l)
{
    CURLcode code = CURLE_OK;
    enum turn turn = TURN_AGAIN;
    while (turn == TURN_AGAIN) {
        switch (l->stage) {
        case STAGE_SHAKING:
            turn = shake(l, &code);
            break;
        case STAGE_ASKING:
            turn = ask(l, &code);
            break;
        case STAGE_HEAD:
            turn = read_head(l, &code);
            break;
        case STAGE_BODY:
            turn = l->in.len ? deliver_rest(l, &code) : read_body(l, &code);
            break;
        case STAGE_IDLE:
            look_at_idle(l);
            return;
        }
    }
    if (turn == TURN_OVER)
        l->done(l->ctx, code);
    else if (!l->t->paused && (l->wanted & ~l->watch.events))
        (void)loop_watch(l->pool->loop, &l->watch, l->wanted);
}

/* Events that nobody wants are no longer watched for when one comes: most pauses are over before that. */
static void line_ready(void *ctx, uint32_t events)
{
    struct line *l = ctx;
    struct line_pool *pool = l->pool;
    bool paused = l->stage == STAGE_BODY && l->t->paused;
    if (paused || !(events & (l->wanted | EPOLLERR | EPOLLHUP))) {
        (void)loop_watch(pool->loop, &l->watch, paused ? 0 : l->wanted);
        return;
    }
    run(l);
    pool->settle(pool->ctx);
}

/* ---- The interface ---- */

bool line_serves(const struct wire_request *request)
{
    const char *proxy = request->egress.way->url;
    bool is_http = strncmp(proxy, "http:", 5) == 0;
    return strncmp(proxy, "https:", 6) != 0 && (request->url->tls || !is_http);
}

static void line_close(struct line *l)
{
    if (l->ssl && !l->spent)
        (void)SSL_shutdown(l->ssl); /* says so, and does not wait for the answer */
    ERR_clear_error();
    SSL_free(l->ssl);
    loop_unwatch(l->pool->loop, &l->watch);
    (void)close(l->watch.fd);
    buf_fini(&l->out);
    buf_fini(&l->in);
    free(l);
}

int line_open(struct line **out, struct line_pool *p, const struct wire_request *request, int fd,
              struct err *err)
{
    const struct guard_url *url = request->url;
    struct line *l = calloc(1, sizeof *l);
    if (!l) {
        (void)close(fd);
        return err_set(err, ERR_INTERNAL, "no memory");
    }
    *l = (struct line){.pool = p,
                       .watch = {.ready = line_ready, .ctx = l, .fd = fd},
                       .stage = STAGE_IDLE,
                       .egress = request->egress,
                       .wanted = EPOLLIN};
    memcpy(l->peer, url->peer, sizeof l->peer);
    l->look = looks_id(&p->net->looks, request->user_agent);
    (void)snprintf(l->looks_like, sizeof l->looks_like, "%s %u", l->peer, l->look);
    if (url->tls && (!(l->ssl = tls_begin(p->net->tls, url, l->looks_like, fd)) ||
                     looks_dress_tls(&p->net->looks, request->user_agent, l->ssl) < 0)) {
        l->spent = true;
        line_close(l);
        return err_set(err, ERR_INTERNAL, "no memory");
    }
    *out = l;
    return 0;
}

static bool leads(const struct line *l, const struct wire_request *request, unsigned look)
{
    return strcmp(l->peer, request->url->peer) == 0 && l->look == look &&
           l->egress.way == request->egress.way && strcmp(l->egress.source, request->egress.source) == 0;
}

struct line *line_reuse(struct line_pool *p, const struct wire_request *request)
{
    struct line **at = &p->idle;
    unsigned look = *at ? looks_id(&p->net->looks, request->user_agent) : 0;
    while (*at && !leads(*at, request, look))
        at = &(*at)->next;
    struct line *l = *at;
    if (!l)
        return NULL;
    *at = l->next;
    p->idle_count--;
    return l;
}

int line_send(struct line *l, struct transfer *t, void (*done)(void *ctx, CURLcode code), void *ctx)
{
    CURLcode code = CURLE_OK;
    l->t = t;
    l->done = done;
    l->ctx = ctx;
    l->heard = false;
    l->stage = l->ssl && !SSL_is_init_finished(l->ssl) ? STAGE_SHAKING : STAGE_ASKING;
    buf_init(&l->in, HEAD_BYTES_MAX + TRANSFER_READ_BYTES);
    enum turn turn = write_request(l) < 0 ? TURN_OVER : TURN_AGAIN;
    while (turn == TURN_AGAIN)
        turn = l->stage == STAGE_SHAKING ? shake(l, &code) : ask(l, &code);
    if (turn == TURN_BLOCKED &&
        (!(l->wanted & ~l->watch.events) || loop_watch(l->pool->loop, &l->watch, l->wanted) == 0))
        return 0;
    l->spent = true;
    return -1;
}

void line_resume(struct line *l)
{
    if (l->stage == STAGE_BODY)
        run(l);
}

bool line_was_stale(const struct line *l)
{
    return l->used && !l->heard;
}

void line_put(struct line *l)
{
    if (!l)
        return;
    struct line_pool *p = l->pool;
    int64_t now_us = clock_mono_us();
    bool whole = l->stage == STAGE_BODY && l->in.len == 0 &&
                 (l->framing == BY_CHUNKS ? l->chunks.ended : l->framing == BY_LENGTH && l->left == 0);
    if (!whole || l->spent) {
        l->spent |= l->stage == STAGE_SHAKING;
        line_close(l);
        return;
    }
    if (l->ssl)
        tls_set_fast(l->ssl, false);
    l->stage = STAGE_IDLE;
    l->used = true;
    l->idle_since_us = now_us;
    l->next = p->idle;
    p->idle = l;
    p->idle_count++;
    if (!(l->watch.events & EPOLLIN))
        (void)loop_watch(p->loop, &l->watch, EPOLLIN);
    struct line **at = &p->idle; /* in order of age: all from here on are too many or too old */
    for (unsigned n = 0; *at && n < IDLE_MAX && now_us - (*at)->idle_since_us < WIRE_IDLE_US; n++)
        at = &(*at)->next;
    for (struct line *old; (old = *at);) {
        *at = old->next;
        p->idle_count--;
        line_close(old);
    }
}

void line_pool_close(struct line_pool *p)
{
    for (struct line *l; (l = p->idle);) {
        p->idle = l->next;
        line_close(l);
    }
    p->idle_count = 0;
}
