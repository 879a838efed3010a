/* The response state machine; see response.h. */
#include "http/response.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/text.h"
#include "http/exchange.h"
#include "http/problem.h"

enum {
    HEADERS_MAX_BYTES = 16384, /* web servers take 32 KiB (lighttpd) or less (nginx: its buffer) */
    VALUE_MAX_BYTES = 8192,
    ONE_WRITE_MAX_BYTES =
        65536,                 /* bodies up to here are copied behind their headers: one write, one packet */
    RETRY_AFTER_DEFAULT_S = 5, /* for 503 when nobody knows better */
};

enum state {
    STATE_HEADERS, /* nothing is sent */
    STATE_BODY,    /* the headers are out */
    STATE_ENDED,
};

struct http_response {
    struct http_sink sink;
    bool head; /* the request's method is HEAD */
    bool html;
    struct http_exchange *exchange; /* NULL: none */

    enum state state;
    int status;
    struct buf headers; /* lines, CR LF included */
    uint64_t length;    /* of the body, or HTTP_LENGTH_UNKNOWN */
    uint64_t sent;      /* body bytes */
    struct buf pushed;  /* the head that http_push() sends */
    size_t pushed_at;
    bool flushed;  /* the end is with the sink */
    bool complete; /* the last byte is out */
    bool broken;   /* the answer is wrong: the client must not take it for whole */
    bool left;     /* the client has */
    enum err_code error;
    int64_t begun_mono_us;
    struct http_notes notes;
};

struct http_response *http_response_new(const struct http_sink *sink, bool head)
{
    struct http_response *res = calloc(1, sizeof *res);
    if (!res)
        return NULL;
    res->sink = *sink;
    res->head = head;
    res->status = 200;
    buf_init(&res->headers, HEADERS_MAX_BYTES);
    buf_init(&res->pushed, HEADERS_MAX_BYTES + 1024);
    return res;
}

void http_response_free(struct http_response *res)
{
    if (res) {
        buf_fini(&res->headers);
        buf_fini(&res->pushed);
    }
    free(res);
}

/* --- headers --- */

int http_set_status(struct http_response *res, int status)
{
    if (res->state != STATE_HEADERS || status < 200 || status > 599)
        return -1;
    res->status = status;
    return 0;
}

static bool is_token(const char *s)
{
    return *s && s[strspn(s, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                             "ABCDEFGHIJKLMNOPQRSTUVWXYZ")] == '\0';
}

/* The line of a header that is set: its offset, and its length with CR LF; 0 when there is none. */
static size_t find_header(const struct http_response *res, const char *name, size_t *offset)
{
    size_t name_len = strlen(name);
    for (size_t i = 0; i < res->headers.len;) {
        const char *line = res->headers.data + i;
        size_t len = (size_t)(strchr(line, '\n') - line) + 1;
        char found[64] = "";
        if (len > name_len && name_len < sizeof found && line[name_len] == ':')
            memcpy(found, line, name_len);
        if (text_equal_nocase(found, name)) {
            *offset = i;
            return len;
        }
        i += len;
    }
    return 0;
}

void http_drop_header(struct http_response *res, const char *name)
{
    struct buf *h = &res->headers;
    size_t at = 0;
    size_t len = find_header(res, name, &at);
    if (len == 0)
        return;
    memmove(h->data + at, h->data + at + len, h->len - at - len);
    h->len -= len;
    h->data[h->len] = '\0';
}

int http_set_header(struct http_response *res, const char *name, const char *value)
{
    /* Framing is this file's business alone. */
    static const char *const ours[] = {"Status", "Content-Length", "Transfer-Encoding", "Connection"};
    size_t len = strlen(value);
    if (res->state != STATE_HEADERS || !is_token(name) || text_has_control(value) || len > VALUE_MAX_BYTES)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
        if (text_equal_nocase(name, ours[i]))
            return -1;
    }
    http_drop_header(res, name);
    /* Checked here because a failed buffer would take the other headers with it. */
    if (strlen(name) + len + 4 > res->headers.max - res->headers.len)
        return -1;
    return buf_addf(&res->headers, "%s: %s\r\n", name, value);
}

int http_set_headerf(struct http_response *res, const char *name, const char *fmt, ...)
{
    char value[VALUE_MAX_BYTES + 1];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(value, sizeof value, fmt, ap);
    va_end(ap);
    return n < 0 || (size_t)n >= sizeof value ? -1 : http_set_header(res, name, value);
}

/* Servers pass the phrase on; HTTP/1.1 wants one, even though nobody reads it. */
static const char *reason(int status)
{
    static const struct {
        int status;
        const char *text;
    } reasons[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {409, "Conflict"},
        {410, "Gone"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {416, "Range Not Satisfiable"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {500, "Internal Server Error"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
    };
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
        if (reasons[i].status == status)
            return reasons[i].text;
    }
    return status < 400 ? "Success" : "Error";
}

/* --- sending --- */

static bool is_bodyless(const struct http_response *res)
{
    return res->head || res->status == 204 || res->status == 304;
}

static int emit(struct http_response *res, const void *data, size_t len, bool last)
{
    bool finish = last && res->sink.finish;
    if (!res->left && (finish || len) &&
        (finish ? res->sink.finish : res->sink.write)(res->sink.ctx, data, len) < 0)
        res->left = true;
    if (res->left)
        return -1;
    res->complete = last;
    return 0;
}

static int add_head(const struct http_response *res, struct buf *out)
{
    (void)buf_addf(out, "Status: %d %s\r\n", res->status, reason(res->status));
    (void)buf_add(out, buf_str(&res->headers), res->headers.len);
    (void)buf_adds(out, "X-Content-Type-Options: nosniff\r\n");
    if (res->length != HTTP_LENGTH_UNKNOWN && res->status != 204 && res->status != 304)
        (void)buf_addf(out, "Content-Length: %llu\r\n", (unsigned long long)res->length);
    return buf_adds(out, "\r\n");
}

static void begin_body(struct http_response *res)
{
    res->state = STATE_BODY;
    res->begun_mono_us = clock_mono_us();
}

int http_begin(struct http_response *res, uint64_t length)
{
    auto_(buf) struct buf head = BUF_INIT(HEADERS_MAX_BYTES + 1024);
    if (res->state != STATE_HEADERS)
        return -1;
    res->length = length;
    if (add_head(res, &head) < 0)
        return -1;
    begin_body(res);
    return emit(res, head.data, head.len, is_bodyless(res) || length == 0);
}

int http_write(struct http_response *res, const void *data, size_t len)
{
    if (res->state != STATE_BODY || res->left || res->broken)
        return -1;
    if (is_bodyless(res) || len == 0)
        return 0;
    if (res->length != HTTP_LENGTH_UNKNOWN && len > res->length - res->sent) {
        res->broken = true;
        return -1;
    }
    /* HTTP_LENGTH_UNKNOWN is never reached. */
    if (emit(res, data, len, res->sent + len == res->length) < 0)
        return -1;
    res->sent += len;
    return 0;
}

int http_send(struct http_response *res, const char *content_type, const void *body, size_t len)
{
    auto_(buf) struct buf all = BUF_INIT(HEADERS_MAX_BYTES + 1024 + ONE_WRITE_MAX_BYTES);
    if (res->state != STATE_HEADERS || http_set_header(res, "Content-Type", content_type) < 0)
        return -1;
    if (len > ONE_WRITE_MAX_BYTES || is_bodyless(res))
        return http_begin(res, len) < 0 ? -1 : http_write(res, body, len);
    res->length = len;
    if (add_head(res, &all) < 0 || buf_add(&all, body, len) < 0)
        return -1;
    begin_body(res);
    if (emit(res, all.data, all.len, true) < 0)
        return -1;
    res->sent = len;
    return 0;
}

/* --- sending without waiting --- */

int http_prepare(struct http_response *res, uint64_t length)
{
    if (res->state != STATE_HEADERS || !res->sink.push)
        return -1;
    res->length = length;
    if (add_head(res, &res->pushed) < 0)
        return -1;
    begin_body(res); /* its first bytes are in hand: they leave at once */
    return 0;
}

enum { PUSH_PIECES_MAX = 16 };

/* The rest of the head and the body, in one go. */
ssize_t http_push(struct http_response *res, struct iovec *iov, int count)
{
    struct iovec all[PUSH_PIECES_MAX + 1];
    uint64_t len = 0;
    if (res->state != STATE_BODY || res->left || res->broken || count > PUSH_PIECES_MAX)
        return -1;
    for (int i = 0; i < count; i++)
        len += iov[i].iov_len;
    if (res->length != HTTP_LENGTH_UNKNOWN && len > res->length - res->sent) {
        res->broken = true;
        return -1;
    }
    size_t head = res->pushed.len - res->pushed_at;
    int n = 0;
    if (head)
        all[n++] = (struct iovec){res->pushed.data + res->pushed_at, head};
    if (count)
        memcpy(all + n, iov, (size_t)count * sizeof *iov);
    bool last = res->sent + len == res->length;
    ssize_t gone = res->sink.push(res->sink.ctx, all, n + count, last);
    if (gone < 0) {
        res->left = true;
        return -1;
    }
    size_t of_head = (size_t)gone < head ? (size_t)gone : head;
    res->pushed_at += of_head;
    if (of_head == head)
        buf_fini(&res->pushed), res->pushed_at = 0;
    res->sent += (uint64_t)gone - of_head;
    res->flushed |= last && res->sent == res->length;
    return gone - (ssize_t)of_head;
}

int http_flush(struct http_response *res)
{
    if (res->left || res->broken)
        return -1;
    if (!res->flushed && (res->length != HTTP_LENGTH_UNKNOWN || res->pushed.len))
        return http_push(res, NULL, 0) < 0 ? -1 : 0; /* head only */
    if (!res->flushed && res->sink.push(res->sink.ctx, NULL, 0, true) < 0) {
        res->left = true;
        return -1;
    }
    res->flushed = true;
    int rc = res->sink.flush(res->sink.ctx);
    res->left |= rc < 0;
    res->complete = rc == 1;
    return rc;
}

int http_response_end(struct http_response *res)
{
    const struct err forgotten = {.code = ERR_INTERNAL};
    if (res->state == STATE_HEADERS && !res->left)
        http_problem(res, NULL, &forgotten);
    if (res->state == STATE_BODY && !res->broken && !res->complete && res->length == HTTP_LENGTH_UNKNOWN)
        (void)emit(res, NULL, 0, true);
    res->state = STATE_ENDED;
    return res->complete && !res->broken && !res->left ? 0 : -1;
}

/* --- errors --- */

void http_set_exchange(struct http_response *res, struct http_exchange *x)
{
    res->exchange = x;
}

struct http_exchange *http_exchange_of(const struct http_response *res)
{
    return res->exchange;
}

bool http_breaks(const struct http_response *res)
{
    return res->state == STATE_BODY && !res->complete && !res->left;
}

void http_allow_html(struct http_response *res)
{
    res->html = true;
}

void http_problem(struct http_response *res, const struct http_request *req, const struct err *err)
{
    /* What described the answer that is not coming. */
    static const char *const stale[] = {"Content-Disposition", "Content-Security-Policy", "ETag",
                                        "Last-Modified", "Accept-Ranges"};
    struct err shown = *err;
    if (shown.code == ERR_OK) /* a handler that failed without saying why */
        shown.code = ERR_INTERNAL;
    const struct err_info *info = err_info(shown.code);
    if (!res->left) /* else nothing has failed but the client */
        res->error = shown.code;
    if (res->state != STATE_HEADERS) {
        res->broken = !res->complete;
        return;
    }
    if (shown.retry_after_s <= 0 && info->status == 503)
        shown.retry_after_s = RETRY_AFTER_DEFAULT_S;
    for (size_t i = 0; i < ARRAY_LEN(stale); i++)
        http_drop_header(res, stale[i]);
    size_t at = 0;
    if (info->status != 416)
        http_drop_header(res, "Content-Range");
    if (info->status == 401 && !find_header(res, "WWW-Authenticate", &at))
        (void)http_set_header(res, "WWW-Authenticate", "Bearer realm=\"sluice\"");
    if (shown.retry_after_s > 0)
        (void)http_set_headerf(res, "Retry-After", "%d", shown.retry_after_s);
    (void)http_set_header(res, "Cache-Control", "no-store");
    (void)http_set_status(res, info->status);

    auto_(buf) struct buf body = BUF_INIT(ONE_WRITE_MAX_BYTES);
    bool html = res->html && req && http_wants_html(req);
    if (html) {
        (void)problem_html(&body, req, &shown);
        (void)http_set_header(res, "Content-Security-Policy",
                              "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; "
                              "form-action 'self'; frame-ancestors 'none'");
        (void)http_set_header(res, "Vary", "Accept, Accept-Language");
    } else {
        (void)problem_json(&body, req, &shown);
    }
    (void)http_send(res, html ? "text/html; charset=utf-8" : "application/problem+json", buf_str(&body),
                    body.len);
}

/* --- what happened --- */

bool http_begun(const struct http_response *res)
{
    return res->state != STATE_HEADERS;
}

int64_t http_begun_mono_us(const struct http_response *res)
{
    return res->begun_mono_us;
}

struct http_notes *http_notes(struct http_response *res)
{
    return &res->notes;
}

void http_note(char *field, size_t room, const char *text)
{
    (void)snprintf(field, room, "%s", text);
}

bool http_left(const struct http_response *res)
{
    return res->left;
}

bool http_look(struct http_response *res)
{
    res->left |= res->sink.gone && res->sink.gone(res->sink.ctx);
    return res->left;
}

int http_status(const struct http_response *res)
{
    return res->status;
}

uint64_t http_bytes_sent(const struct http_response *res)
{
    return res->sent;
}

enum err_code http_error(const struct http_response *res)
{
    return res->error;
}
