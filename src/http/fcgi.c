/* FastCGI requests. libfcgi reads them; we accept connections and write answers ourselves:
 * - FCGX_PutStr copies into 8 KiB and writes that: twice the CPU of one writev per buffer (measured);
 * - FCGX_Finish_r waits up to 2 s for the peer to close, and would end a broken answer like a whole one;
 * - accepting inside libfcgi may poll 2 s for a silent peer and cannot be woken without losing a request.
 * For that we set or read ipcFd, requestId, keepConnection and detached, which its header calls private, and
 * the head of its stream's own data: they are the same from 2.4.0 (2003) to 2.4.5. */
#include <errno.h>
#include <fcgiapp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "http/edge.h"

enum {
    READ_TIMEOUT_S = 10,      /* the peer is a web server on this machine which has the request already */
    BODY_TIMEOUT_S = 20,      /* mod_proxy_fcgi passes a body on as slowly as the client sends it */
    RECORD_MAX_BYTES = 65528, /* 65535 by format; a multiple of 8 as the specification advises */
    /* lighttpd (1.4.69) takes records as wholes, and what would make more than 64 KiB in its hands goes
     * through a temporary file: 0.6 CPU s per GB with four of these at a time, 1.3 to 4 with larger ones or
     * more. */
    RECORD_LIGHTTPD_BYTES = 12280,
    RECORDS_PER_WRITE = 16, /* 1 MiB */
    PIECES_MAX = 18,        /* of one http_push() */
    RECORDS_PER_PUSH = 4,
    HEADER_BYTES = 8,
    TAIL_BYTES = 3 * HEADER_BYTES,
    TYPE_ABORT_REQUEST = 2,
    TYPE_END_REQUEST = 3,
    TYPE_STDOUT = 6,
};

struct fcgi {
    FCGX_Request request;
    int fd;
    struct buf body;
    bool end_short;
    bool begun, ended; /* the first record, END_REQUEST is out */
    bool left;         /* sending failed */
    bool slim;         /* the request is freed */
    bool keep;         /* the connection, for another request */
    int id;            /* of the request */
    size_t record_max;
    /* What push() has begun: a record of which so many bytes of payload are missing, and bytes of our own
     * that come before them: a record's header, or the end. */
    size_t record_left;
    uint8_t frame[TAIL_BYTES];
    size_t frame_at, frame_len;
};

int fcgi_init(struct err *err)
{
    int rc = FCGX_Init();
    return rc ? err_set(err, ERR_INTERNAL, "libfcgi cannot start: %d", rc) : 0;
}

static void set_timeout(int fd, int option, unsigned seconds)
{
    struct timeval tv = {.tv_sec = (time_t)seconds};
    (void)setsockopt(fd, SOL_SOCKET, option, &tv, sizeof tv);
}

/* Reads STDIN to its end, even beyond what the buffer takes: closing a socket that holds unread bytes resets
 * it, and the peer may lose the answer. */
static int read_body(struct fcgi *f)
{
    FCGX_Stream *in = f->request.in;
    int64_t deadline_us = clock_mono_us() + (int64_t)BODY_TIMEOUT_S * 1000000;
    int c;
    while ((c = FCGX_GetChar(in)) != EOF) {
        size_t n = (size_t)(in->stop - in->rdNext); /* what came with it */
        (void)buf_addc(&f->body, (char)c);
        (void)buf_add(&f->body, in->rdNext, n);
        in->rdNext += n;
        if (clock_mono_us() > deadline_us)
            return -1;
    }
    if (FCGX_GetError(in) != 0)
        return -1;
    /* A client that left in the middle of its body. */
    const char *announced = FCGX_GetParam("CONTENT_LENGTH", f->request.envp);
    uint64_t length = 0;
    if (!f->body.failed && announced && text_parse_u64(announced, 0, UINT64_MAX, &length) == 0 &&
        f->body.len < length)
        return -1;
    return 0;
}

/* Whether libfcgi holds bytes that came behind the request. They would be lost to the next one: a web server
 * that sends it before this one is answered had better find the connection closed. */
static bool has_read_on(const FCGX_Stream *in)
{
    const struct { /* how FCGX_Stream_Data begins, in fcgiapp.c */
        unsigned char *buffer;
        int size;
        unsigned char *allocated, *stop;
    } *own = in->data;
    return own->stop != in->rdNext;
}

/* It always says what it is, which may have been set to nothing. */
static bool is_lighttpd(const struct fcgi *f)
{
    const char *software = FCGX_GetParam("SERVER_SOFTWARE", f->request.envp);
    return software && (!*software || text_starts_with(software, "lighttpd"));
}

int fcgi_open(struct fcgi **out, int fd, unsigned send_timeout_s, bool end_short)
{
    auto_ptr(fcgi) struct fcgi *f = calloc(1, sizeof *f);
    if (!f) {
        (void)close(fd);
        return -1;
    }
    set_timeout(fd, SO_RCVTIMEO, READ_TIMEOUT_S);
    set_timeout(fd, SO_SNDTIMEO, send_timeout_s);
    buf_init(&f->body, HTTP_BODY_MAX_BYTES);
    /* With no socket to accept from, FCGX_Accept_r() does nothing but read a request from the connection we
     * hand it; keepConnection makes it believe that it has one. When the request is no good it closes the
     * connection; detached: without waiting for the peer. */
    (void)FCGX_InitRequest(&f->request, -1, 0);
    f->request.ipcFd = fd;
    f->request.keepConnection = 1;
    f->request.detached = 1;
    f->end_short = end_short;
    f->fd = -1;
    if (FCGX_Accept_r(&f->request) != 0)
        return -1;
    f->fd = fd;
    f->id = f->request.requestId;
    if (read_body(f) < 0)
        return -1;
    f->record_max = is_lighttpd(f) ? RECORD_LIGHTTPD_BYTES : RECORD_MAX_BYTES;
    f->keep = f->request.keepConnection && !has_read_on(f->request.in);
    *out = steal(&f);
    return 0;
}

const char *fcgi_getenv(void *fcgi, const char *name)
{
    struct fcgi *f = fcgi;
    return FCGX_GetParam(name, f->request.envp);
}

const struct buf *fcgi_body(const struct fcgi *fcgi)
{
    return &fcgi->body;
}

/* --- sending --- */

/* Sends all of iov[0…count), which it changes. MSG_NOSIGNAL: a client that left is an error, not a signal. */
static int send_all(int fd, struct iovec *iov, size_t count)
{
    while (count) {
        struct msghdr msg = {.msg_iov = iov, .msg_iovlen = count};
        ssize_t sent = sendmsg(fd, &msg, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0) /* EAGAIN: not one byte moved during the timeout */
            return -1;
        size_t n = (size_t)sent;
        for (; count && n >= iov->iov_len; iov++, count--)
            n -= iov->iov_len;
        if (count) {
            iov->iov_base = (char *)iov->iov_base + n;
            iov->iov_len -= n;
        }
    }
    return 0;
}

static void put_header(uint8_t out[HEADER_BYTES], uint8_t type, int id, size_t len)
{
    const uint8_t header[HEADER_BYTES] = {
        1, type, (uint8_t)(id >> 8), (uint8_t)id, (uint8_t)(len >> 8), (uint8_t)len};
    memcpy(out, header, sizeof header);
}

/* Empty STDOUT; END_REQUEST with status 0, FCGI_REQUEST_COMPLETE. */
static void put_tail(uint8_t out[TAIL_BYTES], int id)
{
    memset(out, 0, TAIL_BYTES);
    put_header(out, TYPE_STDOUT, id, 0);
    put_header(out + HEADER_BYTES, TYPE_END_REQUEST, id, HEADER_BYTES);
}

/* STDOUT records, and the end of the request behind the last of them if `end` is set. */
static int send_records(struct fcgi *f, const char *data, size_t len, bool end)
{
    int id = f->id;
    f->begun = true;
    uint8_t tail[TAIL_BYTES];
    put_tail(tail, id);
    do {
        uint8_t headers[RECORDS_PER_WRITE][HEADER_BYTES];
        struct iovec iov[2 * RECORDS_PER_WRITE + 1];
        size_t count = 0;
        for (size_t i = 0; i < RECORDS_PER_WRITE && len; i++) {
            size_t n = len < f->record_max ? len : f->record_max;
            put_header(headers[i], TYPE_STDOUT, id, n);
            iov[count++] = (struct iovec){headers[i], HEADER_BYTES};
            iov[count++] = (struct iovec){(char *)(uintptr_t)data, n};
            data += n;
            len -= n;
        }
        if (end && len == 0)
            iov[count++] = (struct iovec){tail, sizeof tail};
        if (send_all(f->fd, iov, count) < 0) {
            f->left = true;
            return -1;
        }
    } while (len);
    f->ended = end;
    return 0;
}

static int write_some(void *ctx, const void *data, size_t len)
{
    return send_records(ctx, data, len, false);
}

static int write_last(void *ctx, const void *data, size_t len)
{
    return send_records(ctx, data, len, true);
}

/* --- sending without waiting --- */

/* A message in the making: records whose payload lies in the caller's pieces, perhaps the end behind them. */
struct message {
    struct iovec out[PIECES_MAX + 2 * RECORDS_PER_PUSH + 3];
    int count;
    size_t bytes;
    struct { /* each record begun in it: where in the message its header lies (or the end), and its payload */
        uint8_t frame[TAIL_BYTES];
        size_t frame_len, at, payload;
    } records[RECORDS_PER_PUSH + 1];
    int record_count;
};

static void add_bytes(struct message *m, void *data, size_t len)
{
    if (len)
        m->out[m->count++] = (struct iovec){data, len};
    m->bytes += len;
}

/* Moves `len` bytes of the pieces into the message. */
static void add_payload(struct message *m, const struct iovec *iov, int *piece, size_t *into, size_t len)
{
    while (len) {
        size_t n = iov[*piece].iov_len - *into < len ? iov[*piece].iov_len - *into : len;
        add_bytes(m, (char *)iov[*piece].iov_base + *into, n);
        len -= n;
        *into += n;
        if (*into == iov[*piece].iov_len) {
            (*piece)++;
            *into = 0;
        }
    }
}

/* `sent` bytes of the message are gone: what was begun and has to be gone on with. */
static void note_sent(struct fcgi *f, const struct message *m, size_t sent)
{
    size_t of_frame = sent < f->frame_len - f->frame_at ? sent : f->frame_len - f->frame_at;
    f->frame_at += of_frame;
    size_t of_open = sent - of_frame < f->record_left ? sent - of_frame : f->record_left;
    f->record_left -= of_open;
    for (int i = 0; i < m->record_count && m->records[i].at < sent; i++) {
        size_t gone = sent - m->records[i].at;
        memcpy(f->frame, m->records[i].frame, TAIL_BYTES);
        f->frame_len = m->records[i].frame_len;
        f->frame_at = gone < f->frame_len ? gone : f->frame_len;
        f->ended = f->frame_len == TAIL_BYTES;
        size_t payload = gone - f->frame_at;
        f->record_left = payload < m->records[i].payload ? m->records[i].payload - payload : 0;
    }
}

/* How much of the payload that the message holds is gone with its first `sent` bytes. */
static size_t payload_of(const struct message *m, size_t frame, size_t sent)
{
    size_t other = sent < frame ? sent : frame;
    for (int i = 0; i < m->record_count && m->records[i].at < sent; i++) {
        size_t of_frame = sent - m->records[i].at;
        other += of_frame < m->records[i].frame_len ? of_frame : m->records[i].frame_len;
    }
    return sent - other;
}

static ssize_t send_message(struct fcgi *f, struct message *m)
{
    struct msghdr msg = {.msg_iov = m->out, .msg_iovlen = (size_t)m->count};
    ssize_t sent = m->bytes ? sendmsg(f->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        f->left = true;
        return -1;
    }
    return sent < 0 ? 0 : sent;
}

static bool is_between_records(const struct fcgi *f)
{
    return f->frame_at == f->frame_len && f->record_left == 0;
}

static void frame_tail(struct fcgi *f)
{
    put_tail(f->frame, f->id);
    f->frame_at = 0;
    f->frame_len = TAIL_BYTES;
    f->ended = f->begun = true;
}

/* Begins a record, or the end; what to fill in. */
static uint8_t *add_frame(struct message *m, size_t frame_len, size_t payload)
{
    uint8_t *frame = m->records[m->record_count].frame;
    m->records[m->record_count].frame_len = frame_len;
    m->records[m->record_count].at = m->bytes;
    m->records[m->record_count++].payload = payload;
    add_bytes(m, frame, frame_len);
    return frame;
}

static ssize_t push(void *ctx, struct iovec *iov, int count, bool last)
{
    struct fcgi *f = ctx;
    struct message m = {.count = 0};
    size_t frame = f->frame_len - f->frame_at;
    size_t all = 0;
    int piece = 0;
    size_t into = 0;
    for (int i = 0; i < count; i++)
        all += iov[i].iov_len;
    size_t open = f->record_left < all ? f->record_left : all;
    add_bytes(&m, f->frame + f->frame_at, frame);
    add_payload(&m, iov, &piece, &into, open);
    size_t in_message = open;
    while (in_message < all && open == f->record_left && m.record_count < RECORDS_PER_PUSH) {
        size_t n = all - in_message < f->record_max ? all - in_message : f->record_max;
        put_header(add_frame(&m, HEADER_BYTES, n), TYPE_STDOUT, f->id, n);
        add_payload(&m, iov, &piece, &into, n);
        in_message += n;
    }
    /* In one message with the last bytes: a web server whose client has got those may close both connections
     * before it looks for more. */
    if (last && in_message == all && open == f->record_left && !f->ended)
        put_tail(add_frame(&m, TAIL_BYTES, 0), f->id);
    f->begun |= m.bytes > 0;
    ssize_t sent = send_message(f, &m);
    if (sent < 0)
        return -1;
    size_t gone = payload_of(&m, frame, (size_t)sent);
    note_sent(f, &m, (size_t)sent);
    if (last && gone == all && is_between_records(f) && !f->ended)
        frame_tail(f);
    return (ssize_t)gone;
}

static int flush(void *ctx)
{
    struct fcgi *f = ctx;
    struct message m = {.count = 0};
    add_bytes(&m, f->frame + f->frame_at, f->frame_len - f->frame_at);
    ssize_t sent = send_message(f, &m);
    if (sent < 0)
        return -1;
    f->frame_at += (size_t)sent;
    return f->frame_at == f->frame_len;
}

/* A web server whose client has left closes the connection, or says so in a record. Other records are for
 * later. One that has only ended its own half is still waiting. */
static bool peer_gone(void *ctx)
{
    const struct fcgi *f = ctx;
    struct pollfd p = {.fd = f->fd, .events = POLLIN};
    uint8_t record[HEADER_BYTES];
    if (poll(&p, 1, 0) <= 0)
        return false;
    return p.revents & (POLLHUP | POLLERR) ||
           (recv(f->fd, record, sizeof record, MSG_PEEK | MSG_DONTWAIT) == sizeof record &&
            record[1] == TYPE_ABORT_REQUEST);
}

struct http_sink fcgi_sink(struct fcgi *fcgi)
{
    return (struct http_sink){write_some, fcgi, write_last, peer_gone, push, flush};
}

/* --- the end --- */

/* Makes the web server break its answer off, so that the client sees an error. Closing the connection without
 * END_REQUEST does for lighttpd and mod_proxy_fcgi. nginx takes the bare end of the connection for the end of
 * the answer; a record that is no record makes it, and the others too, give up. */
static void break_off(struct fcgi *f)
{
    static const uint8_t nonsense[HEADER_BYTES] = {0}; /* version 0 */
    struct iovec iov = {(void *)(uintptr_t)nonsense, sizeof nonsense};
    (void)send_all(f->fd, &iov, 1);
}

bool fcgi_breaks(const struct fcgi *f)
{
    return f->begun && !f->ended && !f->left && !f->end_short;
}

void fcgi_slim(struct fcgi *f)
{
    if (f->fd >= 0 && !f->slim)
        FCGX_Free(&f->request, 0); /* memory only */
    f->slim = true;
    buf_fini(&f->body);
}

int fcgi_fd(const struct fcgi *f)
{
    return f->fd;
}

int fcgi_take_kept(struct fcgi *f)
{
    if (!f->keep || !f->ended || f->left || f->frame_at < f->frame_len)
        return -1;
    fcgi_slim(f);
    int fd = f->fd;
    f->fd = -1;
    return fd;
}

void fcgi_close(struct fcgi *f)
{
    if (!f)
        return;
    if (f->begun && !f->ended && !f->left) {
        if (f->record_left || f->frame_at < f->frame_len)
            ; /* in the middle of a record: no more can be said, and the bare end is wrong enough */
        else if (f->end_short)
            (void)send_records(f, NULL, 0, true);
        else
            break_off(f);
    }
    fcgi_slim(f);
    if (f->fd >= 0)
        (void)close(f->fd);
    free(f);
}
