/* net_call(): one small exchange, redirects followed by hand so that every hop passes the guard. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "net/cookies.h"
#include "net/wire.h"

enum { UPLOAD_BUFFER_BYTES = 64 * 1024 };

/* The answer under way. */
struct call {
    const struct net_call *asked;
    struct net_answer *answer;
    struct wire *wire;
    struct head head;
    int64_t deadline_us; /* INT64_MAX: none */
    uint64_t body_left;  /* of what is read while it is sent */
    struct err body_err; /* why that failed */
    uint64_t spare;      /* bytes of a redirect's body that were thrown away */
    bool cut;            /* the body was ended by us, and that is fine */
    bool too_long;
};

/* Only the body that was asked for may fail by its size: of an error page, or of a whole file where a range
 * was asked for, the beginning is enough. */
static size_t on_body(char *data, size_t size, size_t count, void *ctx)
{
    struct call *c = ctx;
    struct buf *body = &c->answer->body;
    size_t len = size * count;
    if (head_redirects(&c->head)) {
        c->spare += len;
        c->too_long = c->spare > WIRE_SPARE_BODY_MAX;
        return c->too_long ? 0 : len;
    }
    size_t room = body->max - body->len;
    if (buf_add(body, data, len < room ? len : room) < 0)
        return 0;
    if (len <= room)
        return len;
    c->cut = c->head.status >= 400 || (c->asked->range_length && c->head.status == 200);
    c->too_long = !c->cut;
    return 0;
}

/* A CURLOPT_READFUNCTION. */
static size_t read_body(char *to, size_t size, size_t count, void *ctx)
{
    struct call *c = ctx;
    size_t got = 0;
    size_t room = size * count < c->body_left ? size * count : (size_t)c->body_left;
    if (room == 0)
        return 0;
    if (c->asked->read_body(c->asked->read_ctx, to, room, &got, &c->body_err) == 0 && got > 0 &&
        got <= room) {
        c->body_left -= got;
        return got;
    }
    if (c->body_err.code == ERR_OK)
        err_fill(&c->body_err, ERR_INTERNAL, "a body shorter than it was said to be");
    return CURL_READFUNC_ABORT;
}

static CURLcode set_body(struct call *c, CURLcode rc)
{
    const struct net_call *asked = c->asked;
    const struct wire *w = c->wire;
    c->body_left = asked->body_len;
    c->body_err = (struct err){0};
    if (asked->read_body) {
        WIRE_SET(w, rc, CURLOPT_UPLOAD, 1L);
        WIRE_SET(w, rc, CURLOPT_INFILESIZE_LARGE, (curl_off_t)asked->body_len);
        WIRE_SET(w, rc, CURLOPT_READFUNCTION, read_body);
        WIRE_SET(w, rc, CURLOPT_READDATA, c);
        WIRE_SET(w, rc, CURLOPT_UPLOAD_BUFFERSIZE, (long)UPLOAD_BUFFER_BYTES);
        WIRE_SET(w, rc, CURLOPT_FRESH_CONNECT, 1L); /* a kept one may be dead, which shows too late */
        WIRE_SET(w, rc, CURLOPT_CUSTOMREQUEST, asked->method ? asked->method : "POST");
    } else if (asked->body) {
        WIRE_SET(w, rc, CURLOPT_POST, 1L);
        WIRE_SET(w, rc, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)asked->body_len);
        WIRE_SET(w, rc, CURLOPT_POSTFIELDS, asked->body);
        WIRE_SET(w, rc, CURLOPT_CUSTOMREQUEST, asked->method);
    } else if (asked->method) {
        WIRE_SET(w, rc, CURLOPT_NOBODY, strcmp(asked->method, "HEAD") == 0 ? 1L : 0L);
        WIRE_SET(w, rc, CURLOPT_CUSTOMREQUEST, asked->method);
    }
    return rc;
}

static int set_range(struct call *c, struct err *err)
{
    char text[64];
    uint64_t last;
    if (__builtin_add_overflow(c->asked->range_offset, c->asked->range_length - 1, &last))
        return err_set(err, ERR_BAD_RANGE, "a range beyond all files");
    (void)snprintf(text, sizeof text, "%llu-%llu", (unsigned long long)c->asked->range_offset,
                   (unsigned long long)last);
    if (curl_easy_setopt(c->wire->easy, CURLOPT_RANGE, text) != CURLE_OK)
        return err_set(err, ERR_INTERNAL, "no memory");
    return 0;
}

static int set_request(struct call *c, struct err *err)
{
    const struct net_call *asked = c->asked;
    const struct wire *w = c->wire;
    int64_t left_ms = (c->deadline_us - clock_mono_us()) / 1000;
    int stall_s = asked->stall_s ? asked->stall_s : c->wire->net->opts.stall_s;
    CURLcode rc = CURLE_OK;
    if (c->deadline_us != INT64_MAX)
        WIRE_SET(w, rc, CURLOPT_TIMEOUT_MS, (long)(left_ms > 1 ? left_ms : 1));
    WIRE_SET(w, rc, CURLOPT_LOW_SPEED_LIMIT, 1L);
    WIRE_SET(w, rc, CURLOPT_LOW_SPEED_TIME, (long)stall_s);
    WIRE_SET(w, rc, CURLOPT_ACCEPT_ENCODING, asked->compressed ? "gzip" : "identity");
    WIRE_SET(w, rc, CURLOPT_HTTP_CONTENT_DECODING, asked->range_length ? 0L : 1L);
    rc = set_body(c, rc);
    if (rc != CURLE_OK)
        return err_set(err, ERR_INTERNAL, "curl_easy_setopt: %s", curl_easy_strerror(rc));
    return asked->range_length ? set_range(c, err) : 0;
}

/* One request and its answer. `headers` of the caller go along in full only to the host they were meant for.
 */
static int run_hop(struct call *c, const struct guard_url *url, bool same_host, struct err *err)
{
    auto_ptr(curl_slist) struct curl_slist *headers = NULL;
    if (wire_headers(&headers, c->asked->headers, !same_host, err) < 0)
        return -1;
    struct wire_request request = {
        .url = url,
        .headers = headers,
        .user_agent = c->asked->user_agent,
        .cancelled = c->asked->cancelled,
        .on_body = on_body,
        .body_ctx = c,
        .head = &c->head,
        .buffer_size = 16 * 1024,
        .http2 = true,
    };
    if (c->asked->own)
        request.egress.way = &c->wire->net->own;
    else if (egress_read(c->wire->net, c->asked->egress, &request.egress, err) < 0)
        return -1;
    request.egress.cookies |= c->asked->cookies;
    c->cut = c->too_long = false;
    c->spare = 0;
    buf_clear(&c->answer->body);
    if (wire_prepare(c->wire, &request, err) < 0 || set_request(c, err) < 0)
        return -1;
    CURLcode rc = wire_run(c->wire);
    if (c->body_err.code != ERR_OK) {
        if (err)
            *err = c->body_err;
        return -1;
    }
    if (c->too_long)
        return err_set(err, ERR_UPSTREAM_FAILED, "%s: an answer longer than allowed", url->host);
    if (c->head.bytes > HEAD_BYTES_MAX)
        return err_set(err, ERR_UPSTREAM_FAILED, "%s: too many header fields", url->host);
    if (c->answer->body.failed)
        return err_set(err, ERR_INTERNAL, "no memory");
    return rc == CURLE_OK || c->cut ? 0 : wire_error(c->wire, url, rc, err);
}

/* What changes something is repeated only where the server says so (307, 308) and only at the same host: it
 * is never turned into a GET, and its body never goes to somebody else. */
static int check_change(const struct call *c, const struct guard_url *from, const struct guard_url *to,
                        struct err *err)
{
    bool repeat = c->head.status == 307 || c->head.status == 308;
    bool changes = c->asked->body || c->asked->read_body || c->asked->method;
    if (!changes || (repeat && !c->asked->read_body && strcmp(from->peer, to->peer) == 0))
        return 0;
    return err_set(err, ERR_UPSTREAM_FAILED, "%s: a %s was redirected", from->host,
                   c->asked->method ? c->asked->method : "POST");
}

static int follow(struct call *c, struct guard_url *url, struct err *err)
{
    bool same_host = true;
    for (int hop = 0;; hop++) {
        auto_(guard_url) struct guard_url next = {0};
        if (run_hop(c, url, same_host, err) < 0)
            return -1;
        if (!head_redirects(&c->head) || !c->head.location)
            return 0;
        if (hop == WIRE_REDIRECTS_MAX || c->asked->own)
            return err_set(err, ERR_UPSTREAM_FAILED, "%s: too many redirects", url->host);
        if (wire_redirect(c->wire->net, &c->head, url, &next, err) < 0 ||
            check_change(c, url, &next, err) < 0)
            return -1;
        same_host = same_host && strcmp(url->peer, next.peer) == 0;
        guard_url_fini(url);
        *url = next;
        next.text = NULL;
    }
}

/* What the caller gets to know of the head. */
static int fill_answer(struct call *c, const struct guard_url *url, struct err *err)
{
    struct net_answer *a = c->answer;
    const struct net_call *asked = c->asked;
    curl_off_t retry_after_s = 0;
    (void)curl_easy_getinfo(c->wire->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
    a->retry_after_s = retry_after_s < INT_MAX ? (int)retry_after_s : INT_MAX;
    a->status = c->head.status;
    a->total_size = head_total(&c->head);
    memcpy(a->content_type, c->head.content_type, sizeof a->content_type);
    memcpy(a->etag, c->head.etag, sizeof a->etag);
    memcpy(a->last_modified, c->head.last_modified, sizeof a->last_modified);
    time_t date = c->head.date[0] ? curl_getdate(c->head.date, NULL) : -1;
    a->date_unix_s = date > 0 ? (int64_t)date : 0;
    a->cookies = steal(&c->head.cookies);
    a->final_url = strdup(url->text);
    if (!a->final_url)
        return err_set(err, ERR_INTERNAL, "no memory");
    if (a->status != 206)
        return 0;
    if (!asked->range_length)
        return err_set(err, ERR_UPSTREAM_FAILED, "%s: 206 though no range was asked for", url->host);
    if (head_check_range(&c->head, asked->range_offset, asked->range_offset + asked->range_length - 1, err) <
        0)
        return -1;
    if (a->body.len != c->head.range_last - c->head.range_first + 1)
        return err_set(err, ERR_UPSTREAM_FAILED, "%s: 206 with a body that is not that of its range",
                       url->host);
    a->range_start = c->head.range_first;
    return 0;
}

int net_call(struct net *net, const struct net_call *asked, struct net_answer *answer, struct err *err)
{
    bool may_be_long = asked->read_body || asked->own;
    bool says_less = asked->timeout_ms && (may_be_long || asked->timeout_ms < net->opts.timeout_ms);
    int timeout_ms = says_less ? asked->timeout_ms : net->opts.timeout_ms;
    struct call c = {.asked = asked, .answer = answer};
    auto_(guard_url) struct guard_url url = {0};
    auto_ptr(wire) struct wire *wire = NULL;
    *answer = (struct net_answer){0};
    buf_init(&answer->body, asked->max_bytes);
    bool unlimited = asked->read_body && asked->timeout_ms == 0;
    c.deadline_us = unlimited ? INT64_MAX : clock_mono_us() + (int64_t)timeout_ms * 1000;
    struct guard guard = net->guard;
    guard.is_open = asked->own;
    if (guard_url_check(&guard, asked->url, &url, err) < 0 || wire_get(&wire, net, &url, err) < 0)
        return -1;
    c.wire = wire;
    int rc = follow(&c, &url, err) < 0 || fill_answer(&c, &url, err) < 0 ? -1 : 0;
    if (rc < 0)
        net_answer_fini(answer);
    head_clear(&c.head);
    return rc;
}

int net_cookies(struct net *net, const char *url, struct buf *out)
{
    struct err ignored;
    auto_(guard_url) struct guard_url checked = {0};
    return guard_url_check(&net->guard, url, &checked, &ignored) == 0 &&
                   cookies_lines_of(net->cookies, &checked, out) > 0
               ? 0
               : -1;
}

void net_answer_fini(struct net_answer *answer)
{
    buf_fini(&answer->body);
    free(answer->final_url);
    free(answer->cookies);
    answer->final_url = answer->cookies = NULL;
}
