/* See transfer.h. */
#include "net/transfer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

enum {
    ATTEMPTS = 4,
    PROGRESS_BYTES = 64 * 1024, /* so many since the last failure and it does not count any more */
    RETRY_AFTER_MAX_S = 5,      /* a server that wants us to wait longer is a failure */
};

static const struct guard_url *current_url(const struct transfer *t)
{
    return t->target.text ? &t->target : &t->origin;
}

/* ---- Failure ---- */

/* The one place that decides whether asking again may help. `status` 0: no answer came. */
static bool is_retryable(const struct transfer *t, CURLcode code)
{
    int status = t->head.status;
    if (t->wire->refused && !t->wire->opened)
        return false;
    if (status >= 400)
        return status >= 500 || status == 429 || status == 408 || t->from_target;
    switch (code) {
    case CURLE_OK:
        return t->accepted; /* its body was short; else the status is none of ours */
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
        return true;
    default: /* certificates, malformed HTTP, our own limits */
        return false;
    }
}

static void set_failure(const struct transfer *t, CURLcode code, struct err *err)
{
    const char *host = current_url(t)->host;
    int status = t->head.status;
    if (status < 400 && (code != CURLE_OK || t->accepted)) {
        (void)wire_error(t->wire, current_url(t), code == CURLE_OK ? CURLE_PARTIAL_FILE : code, err);
        return;
    }
    (void)err_set(err, status == 429 ? ERR_RATE_LIMITED_UPSTREAM : ERR_UPSTREAM_FAILED, "%s: status %d", host,
                  status);
    err->upstream_status = status;
    err->retry_after_s = t->head.retry_after_s < 3600 ? t->head.retry_after_s : 3600;
}

/* 100 ms, 300 ms, 1 s, 1 s, … each more or less by a quarter, so that many fetches do not come back together.
 */
static int64_t retry_delay_us(unsigned failures, int retry_after_s)
{
    static const int64_t delays_ms[] = {100, 300, 1000};
    int64_t ms = delays_ms[failures <= ARRAY_LEN(delays_ms) ? failures - 1 : ARRAY_LEN(delays_ms) - 1];
    ms = ms * (75 + clock_mono_us() % 51) / 100;
    return (ms + 1000 * (int64_t)retry_after_s) * 1000;
}

/* The request under way has failed: plans another one, from the original URL, or ends the fetch. */
static void fail(struct transfer *t, CURLcode code)
{
    int retry_after_s = t->head.status >= 400 ? t->head.retry_after_s : 0;
    if (t->span.next - t->failed_at >= PROGRESS_BYTES)
        t->failures = 0;
    t->failed_at = t->span.next;
    t->failures += code == CURLE_OPERATION_TIMEDOUT ? 2 : 1; /* somebody has waited long enough after two */
    if (t->failures >= t->attempts || retry_after_s > RETRY_AFTER_MAX_S || !is_retryable(t, code)) {
        set_failure(t, code, &t->over);
        return;
    }
    t->retry_us = clock_mono_us() + retry_delay_us(t->failures, retry_after_s);
    guard_url_fini(&t->target);
}

/* ---- Its answer ---- */

/* The head has come: from now on the body is the resource's, or the fetch is over. */
static int accept_answer(struct transfer *t)
{
    const char *url = current_url(t)->text;
    if (!t->source || strcmp(t->source, url) != 0) {
        free(t->source);
        t->source = strdup(url);
        span_forget_validators(&t->span);
    }
    t->accepted = true;
    return span_accept(&t->span, &t->head, &t->fault);
}

/* Room for `n` more bytes; -1: there is none now. Grown only as far as it is needed: most fetches of a merged
 * file, and those of slow clients, never need all of it. */
static int make_room(struct transfer *t, size_t n)
{
    if (t->from && t->from + t->len + n > t->room) {
        memmove(t->bytes, t->bytes + t->from, t->len);
        t->from = 0;
    }
    size_t needed = t->from + t->len + n;
    if (needed <= t->room)
        return 0;
    size_t room = t->room ? t->room * 2 : TRANSFER_READ_BYTES;
    while (room < needed)
        room *= 2;
    if (room > FETCH_RING_BYTES)
        room = FETCH_RING_BYTES;
    char *more = needed <= room ? realloc(t->bytes, room) : NULL;
    if (!more)
        return -1;
    t->bytes = more;
    t->room = room;
    return 0;
}

int transfer_accept(struct transfer *t)
{
    bool good = t->head.status == 200 || t->head.status == 206;
    return !good || t->accepted ? 0 : accept_answer(t);
}

uint64_t transfer_wanted(const struct transfer *t)
{
    return t->span.stop - t->span.next;
}

char *transfer_room(struct transfer *t, size_t *room)
{
    if (t->len >= t->enough || make_room(t, TRANSFER_READ_BYTES) < 0) {
        t->paused = true;
        return NULL;
    }
    *room = t->room - t->from - t->len;
    if (*room > transfer_wanted(t))
        *room = (size_t)transfer_wanted(t);
    return t->bytes + t->from + t->len;
}

void transfer_got(struct transfer *t, size_t len)
{
    t->alive_us = clock_mono_us();
    t->len += len;
    t->span.next += len;
    if (t->on_bytes)
        t->on_bytes(t->on_bytes_ctx);
}

size_t transfer_body(struct transfer *t, const char *data, size_t len)
{
    t->alive_us = clock_mono_us();
    if (t->head.status != 200 && t->head.status != 206) {
        t->spare += len;
        return t->spare > WIRE_SPARE_BODY_MAX ? 0 : len;
    }
    if (transfer_accept(t) < 0)
        return 0;
    uint64_t wanted = transfer_wanted(t);
    if (len > wanted && t->span.stop == t->span.total) {
        (void)err_set(&t->fault, ERR_UPSTREAM_FAILED, "more bytes than the resource has");
        return 0;
    }
    size_t take = len < wanted ? len : (size_t)wanted;
    if (make_room(t, take) < 0)
        return 0;
    memcpy(t->bytes + t->from + t->len, data, take);
    transfer_got(t, take);
    return take == len ? len : 0;
}

/* ---- libcurl as the driver ---- */

static size_t on_body(char *data, size_t size, size_t count, void *ctx)
{
    struct transfer *t = ctx;
    if (t->len >= t->enough) {
        t->paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    size_t took = transfer_body(t, data, size * count);
    if (t->len >= t->enough && t->span.next < t->span.stop) {
        /* Before libcurl reads bytes there is no room for: it would have to copy them aside. */
        t->paused = true;
        (void)curl_easy_pause(t->wire->easy, CURLPAUSE_RECV);
    }
    return took;
}

static int curl_send(struct transfer *t, struct err *err)
{
    char range[64];
    CURLcode rc = CURLE_OK;
    (void)snprintf(range, sizeof range, "%llu-%llu", (unsigned long long)t->span.first,
                   (unsigned long long)t->span.last);
    t->request.on_body = on_body;
    t->request.body_ctx = t;
    if (wire_prepare(t->wire, &t->request, err) < 0)
        return -1;
    WIRE_SET(t->wire, rc, CURLOPT_PRIVATE, t);                /* the driver's flow begins with it */
    WIRE_SET(t->wire, rc, CURLOPT_UPLOAD_BUFFERSIZE, 16384L); /* over TLS the request is copied into it */
    WIRE_SET(t->wire, rc, CURLOPT_RANGE, range);
    WIRE_SET(t->wire, rc, CURLOPT_ACCEPT_ENCODING, "identity");
    WIRE_SET(t->wire, rc, CURLOPT_HTTP_CONTENT_DECODING, 0L); /* an encoded answer is refused, not decoded */
    if (rc != CURLE_OK || curl_multi_add_handle(t->wire->multi, t->wire->easy) != CURLM_OK)
        return err_set(err, ERR_INTERNAL, "a request could not be set up");
    return 0;
}

static void curl_stop(struct transfer *t)
{
    if (t->wire->easy)
        (void)curl_multi_remove_handle(t->wire->multi, t->wire->easy);
}

static void curl_resume(struct transfer *t)
{
    CURLcode rc = curl_easy_pause(t->wire->easy, CURLPAUSE_CONT); /* may call on_body() */
    if (rc != CURLE_OK)
        transfer_done(t, rc);
}

const struct transfer_driver transfer_by_curl = {curl_send, curl_stop, curl_resume};

/* ---- One request ---- */

/* Sends the request for first…last to the current URL. */
static int launch(struct transfer *t, struct err *err)
{
    const struct guard_url *url = current_url(t);
    t->request = (struct wire_request){
        .url = url,
        .headers = strcmp(url->peer, t->origin.peer) == 0 ? t->headers : t->public_headers,
        .user_agent = t->user_agent,
        .head = &t->head,
        .buffer_size = TRANSFER_READ_BYTES,
    };
    if (egress_read(t->net, t->egress, &t->request.egress, err) < 0)
        return -1;
    head_clear(&t->head);
    t->accepted = t->paused = false;
    t->spare = 0;
    t->alive_us = clock_mono_us();
    if (t->driver->send(t, err) < 0)
        return -1;
    t->running = true;
    return 0;
}

void transfer_begin(struct transfer *t)
{
    t->redirects = 0;
    t->from_target = t->target.text != NULL;
    span_ask(&t->span);
    (void)launch(t, &t->over);
}

static void follow(struct transfer *t)
{
    auto_(guard_url) struct guard_url next = {0};
    if (++t->redirects > WIRE_REDIRECTS_MAX || egress_is_own(t->egress)) {
        (void)err_set(&t->over, ERR_UPSTREAM_FAILED, "%s: too many redirects", t->origin.host);
        return;
    }
    if (wire_redirect(t->net, &t->head, current_url(t), &next, &t->over) < 0)
        return;
    guard_url_fini(&t->target);
    t->target = next;
    next.text = NULL;
    (void)launch(t, &t->over);
}

/* The request has ended, well or not. */
void transfer_done(struct transfer *t, CURLcode code)
{
    bool good = t->head.status == 200 || t->head.status == 206;
    t->driver->stop(t);
    t->running = t->paused = false;
    if (good && !t->accepted && t->head.complete && t->fault.code == ERR_OK)
        (void)accept_answer(t); /* an empty body */
    if (t->fault.code != ERR_OK) {
        t->over = t->fault;
        return;
    }
    if (head_redirects(&t->head) && code == CURLE_OK) {
        follow(t);
        return;
    }
    if (t->accepted && code == CURLE_OK && t->span.stop == SPAN_UNKNOWN) {
        t->span.end = t->span.stop = t->span.next; /* the end of a body without a length */
    }
    if (span_ended_by(&t->span, &t->head))
        t->span.end = t->span.next;
    else if (!t->accepted || t->span.next < t->span.stop)
        fail(t, code);
}

/* ---- For whoever drives it ---- */

int transfer_init(struct transfer *t, struct net *net, const struct transfer_driver *driver,
                  const struct fetch_opts *opts, struct err *err)
{
    *t = (struct transfer){
        .net = net,
        .driver = driver,
        .attempts = opts->attempts ? opts->attempts : ATTEMPTS,
        .failed_at = opts->offset,
        .enough = TRANSFER_ENOUGH_BYTES,
        .user_agent = opts->user_agent ? strdup(opts->user_agent) : NULL,
    };
    if (opts->user_agent && !t->user_agent)
        return err_set(err, ERR_INTERNAL, "no memory");
    if (opts->egress && text_copy(t->egress, sizeof t->egress, opts->egress) < 0)
        return err_set(err, ERR_INTERNAL, "the name of a way out is too long");
    struct guard guard = net->guard;
    guard.is_open = egress_is_own(t->egress);
    if (span_init(&t->span, opts->offset, opts->length, opts->total, err) < 0 ||
        guard_url_check(&guard, opts->url, &t->origin, err) < 0 ||
        wire_headers(&t->headers, opts->headers, false, err) < 0 ||
        wire_headers(&t->public_headers, opts->headers, true, err) < 0)
        return -1;
    return 0;
}

void transfer_fini(struct transfer *t)
{
    curl_slist_free_all(t->headers);
    curl_slist_free_all(t->public_headers);
    guard_url_fini(&t->origin);
    guard_url_fini(&t->target);
    free(t->source);
    free(t->user_agent);
    head_clear(&t->head);
    free(t->bytes);
    *t = (struct transfer){0};
}

bool transfer_over(const struct transfer *t)
{
    return t->over.code != ERR_OK || span_done(&t->span);
}

void transfer_resume(struct transfer *t)
{
    if (!t->paused)
        return;
    t->paused = false;
    t->alive_us = clock_mono_us(); /* the pause was ours */
    t->driver->resume(t);
}

int64_t transfer_due_us(const struct transfer *t)
{
    if (transfer_over(t) || t->paused)
        return INT64_MAX;
    return t->running ? t->alive_us + (int64_t)t->net->opts.stall_s * 1000000 : t->retry_us;
}

void transfer_stalled(struct transfer *t)
{
    (void)snprintf(t->wire->message, sizeof t->wire->message, "no byte for %d s", t->net->opts.stall_s);
    transfer_done(t, CURLE_OPERATION_TIMEDOUT);
}

void transfer_take(struct transfer *t, size_t n)
{
    t->from += n;
    t->len -= n;
    if (t->len == 0)
        t->from = 0;
    transfer_slim(t);
}

void transfer_slim(struct transfer *t)
{
    if (t->len || t->room <= t->enough + TRANSFER_READ_BYTES)
        return;
    free(steal(&t->bytes));
    t->room = t->from = 0;
}
