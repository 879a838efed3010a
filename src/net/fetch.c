/* A forward read in ranges, pulled by the thread that wants the bytes. See fetch.h.
 *
 * The caller's thread drives libcurl: fetch_next() runs the transfer until enough has come. While the caller
 * is busy with the bytes nothing is read, so the kernel's socket buffer fills and TCP slows the sender: that
 * is the back-pressure. The next range is asked for before the last bytes of the one before are handed out.
 */
#include "net/fetch.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "net/span.h"
#include "net/wire.h"

/* Measured over TLS: 0.6 to 0.7 s of CPU per GB, the same with buffers from 64 to 400 KB; memory is what
 * differs (130 KB in all for an open fetch with these, 200 KB and more with larger ones). */
enum {
    READ_BYTES = 16 * 1024,                       /* libcurl reads at once: a TLS record */
    ENOUGH_BYTES = FETCH_RING_BYTES - READ_BYTES, /* handed out together, when they are there */
    ATTEMPTS = 4,
    PROGRESS_BYTES = 64 * 1024, /* so many since the last failure and it does not count any more */
    RETRY_AFTER_MAX_S = 5,      /* a server that wants us to wait longer is a failure */
};

struct fetch {
    /* What was asked for. */
    struct net *net;
    struct guard_url origin;
    struct curl_slist *headers;
    struct curl_slist *public_headers; /* for other hosts that origin redirects to */
    char *user_agent;
    unsigned attempts;

    struct span span;
    struct wire *wire;
    struct guard_url target; /* where redirects led to; text NULL: nowhere */
    char *source;            /* URL of the last good answer */

    /* The request under way. */
    bool running;
    bool from_target; /* it began at a target remembered from an earlier request */
    bool accepted;    /* its head has passed span_accept() */
    bool paused;
    int redirects;
    uint64_t spare;   /* bytes of an unwanted body */
    int64_t alive_us; /* last byte, or the moment somebody waited for one */
    struct head head;
    struct err fault; /* why its answer was refused */

    /* Failing. */
    unsigned failures;
    uint64_t failed_at; /* span.next at the last failure */
    int64_t retry_us;   /* no request before */
    struct err over;    /* code != ERR_OK: nothing more will come */

    /* Bytes in hand. */
    char *bytes; /* FETCH_RING_BYTES */
    size_t len;
    bool handed; /* the caller has seen them */

    atomic_bool cancelled;
    const atomic_bool *also_cancelled; /* the caller's; may be NULL */
};

static const struct guard_url *current_url(const struct fetch *f)
{
    return f->target.text ? &f->target : &f->origin;
}

/* ---- Failure ---- */

/* The one place that decides whether asking again may help. `status` 0: no answer came. */
static bool is_retryable(const struct fetch *f, CURLcode code)
{
    int status = f->head.status;
    if (f->wire->refused && !f->wire->opened)
        return false;
    if (status >= 400)
        return status >= 500 || status == 429 || status == 408 || f->from_target;
    switch (code) {
    case CURLE_OK:
        return f->accepted; /* its body was short; else the status is none of ours */
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

static void set_failure(const struct fetch *f, CURLcode code, curl_off_t retry_after_s, struct err *err)
{
    const char *host = current_url(f)->host;
    int status = f->head.status;
    if (status < 400 && (code != CURLE_OK || f->accepted)) {
        (void)wire_error(f->wire, current_url(f), code == CURLE_OK ? CURLE_PARTIAL_FILE : code, err);
        return;
    }
    (void)err_set(err, status == 429 ? ERR_RATE_LIMITED_UPSTREAM : ERR_UPSTREAM_FAILED, "%s: status %d", host,
                  status);
    err->upstream_status = status;
    err->retry_after_s = retry_after_s < 3600 ? (int)retry_after_s : 3600;
}

/* 100 ms, 300 ms, 1 s, 1 s, … each more or less by a quarter, so that many fetches do not come back together.
 */
static int64_t retry_delay_us(unsigned failures, curl_off_t retry_after_s)
{
    static const int64_t delays_ms[] = {100, 300, 1000};
    int64_t ms = delays_ms[failures <= ARRAY_LEN(delays_ms) ? failures - 1 : ARRAY_LEN(delays_ms) - 1];
    ms = ms * (75 + clock_mono_us() % 51) / 100;
    return (ms + 1000 * retry_after_s) * 1000;
}

/* The request under way has failed: plans another one, from the original URL, or ends the fetch. */
static void fail(struct fetch *f, CURLcode code)
{
    curl_off_t retry_after_s = 0;
    if (f->head.status >= 400)
        (void)curl_easy_getinfo(f->wire->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
    if (f->span.next - f->failed_at >= PROGRESS_BYTES)
        f->failures = 0;
    f->failed_at = f->span.next;
    f->failures += code == CURLE_OPERATION_TIMEDOUT ? 2 : 1; /* somebody has waited long enough after two */
    if (f->failures >= f->attempts || retry_after_s > RETRY_AFTER_MAX_S || !is_retryable(f, code)) {
        set_failure(f, code, retry_after_s, &f->over);
        return;
    }
    f->retry_us = clock_mono_us() + retry_delay_us(f->failures, retry_after_s);
    guard_url_fini(&f->target);
}

/* ---- One request ---- */

/* The head has come: from now on the body is the resource's, or the fetch is over. */
static int accept_answer(struct fetch *f)
{
    const char *url = current_url(f)->text;
    if (!f->source || strcmp(f->source, url) != 0) {
        free(f->source);
        f->source = strdup(url);
        span_forget_validators(&f->span);
    }
    f->accepted = true;
    return span_accept(&f->span, &f->head, &f->fault);
}

static size_t on_body(char *data, size_t size, size_t count, void *ctx)
{
    struct fetch *f = ctx;
    size_t len = size * count;
    f->alive_us = clock_mono_us();
    if (f->head.status != 200 && f->head.status != 206) {
        f->spare += len;
        return f->spare > WIRE_SPARE_BODY_MAX ? 0 : len;
    }
    if (!f->accepted && accept_answer(f) < 0)
        return 0;
    uint64_t wanted = f->span.stop - f->span.next;
    if (len > wanted && f->span.stop == f->span.total) {
        (void)err_set(&f->fault, ERR_UPSTREAM_FAILED, "more bytes than the resource has");
        return 0;
    }
    size_t take = len < wanted ? len : (size_t)wanted;
    if (take > FETCH_RING_BYTES - f->len) {
        f->paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    memcpy(f->bytes + f->len, data, take);
    f->len += take;
    f->span.next += take;
    if (f->len >= ENOUGH_BYTES && f->span.next < f->span.stop && !f->paused) {
        /* Before libcurl reads bytes there is no room for: it would have to copy them aside. */
        f->paused = true;
        (void)curl_easy_pause(f->wire->easy, CURLPAUSE_RECV);
    }
    return take == len ? len : 0;
}

/* Sends the request for first…last to the current URL. */
static int launch(struct fetch *f, struct err *err)
{
    char range[64];
    const struct guard_url *url = current_url(f);
    const struct wire_request request = {
        .url = url,
        .headers = strcmp(url->peer, f->origin.peer) == 0 ? f->headers : f->public_headers,
        .user_agent = f->user_agent,
        .on_body = on_body,
        .body_ctx = f,
        .head = &f->head,
        .buffer_size = READ_BYTES,
    };
    CURLcode rc = CURLE_OK;
    f->accepted = f->paused = false;
    f->spare = 0;
    f->alive_us = clock_mono_us();
    (void)snprintf(range, sizeof range, "%llu-%llu", (unsigned long long)f->span.first,
                   (unsigned long long)f->span.last);
    if (wire_prepare(f->wire, &request, err) < 0)
        return -1;
    WIRE_SET(f->wire, rc, CURLOPT_RANGE, range);
    WIRE_SET(f->wire, rc, CURLOPT_ACCEPT_ENCODING, "identity");
    WIRE_SET(f->wire, rc, CURLOPT_HTTP_CONTENT_DECODING, 0L); /* an encoded answer is refused, not decoded */
    if (rc != CURLE_OK || curl_multi_add_handle(f->wire->multi, f->wire->easy) != CURLM_OK)
        return err_set(err, ERR_INTERNAL, "a request could not be set up");
    f->running = true;
    return 0;
}

static void begin(struct fetch *f)
{
    f->redirects = 0;
    f->from_target = f->target.text != NULL;
    span_ask(&f->span);
    (void)launch(f, &f->over);
}

static void follow(struct fetch *f)
{
    auto_(guard_url) struct guard_url next = {0};
    if (++f->redirects > WIRE_REDIRECTS_MAX) {
        (void)err_set(&f->over, ERR_UPSTREAM_FAILED, "%s: too many redirects", f->origin.host);
        return;
    }
    if (wire_redirect(f->wire, current_url(f), &next, &f->over) < 0)
        return;
    guard_url_fini(&f->target);
    f->target = next;
    next.text = NULL;
    (void)launch(f, &f->over);
}

/* The request has ended, well or not. */
static void finish(struct fetch *f, CURLcode code)
{
    bool good = f->head.status == 200 || f->head.status == 206;
    (void)curl_multi_remove_handle(f->wire->multi, f->wire->easy);
    f->running = f->paused = false;
    if (good && !f->accepted && f->head.complete && f->fault.code == ERR_OK)
        (void)accept_answer(f); /* an empty body */
    if (f->fault.code != ERR_OK) {
        f->over = f->fault;
        return;
    }
    if (head_redirects(&f->head) && code == CURLE_OK) {
        follow(f);
        return;
    }
    if (f->accepted && code == CURLE_OK && f->span.stop == SPAN_UNKNOWN) {
        f->span.end = f->span.stop = f->span.next; /* the end of a body without a length */
    }
    if (span_ended_by(&f->span, &f->head))
        f->span.end = f->span.next;
    else if (!f->accepted || f->span.next < f->span.stop)
        fail(f, code);
}

/* ---- Driving it ---- */

static void resume(struct fetch *f)
{
    if (!f->paused)
        return;
    f->paused = false;
    CURLcode rc = curl_easy_pause(f->wire->easy, CURLPAUSE_CONT); /* may call on_body() */
    if (rc != CURLE_OK)
        finish(f, rc);
}

static void perform(struct fetch *f)
{
    int running;
    int left;
    if (curl_multi_perform(f->wire->multi, &running) != CURLM_OK)
        finish(f, CURLE_RECV_ERROR);
    for (CURLMsg *m; f->running && (m = curl_multi_info_read(f->wire->multi, &left));) {
        if (m->msg == CURLMSG_DONE)
            finish(f, m->data.result);
    }
}

static bool is_over(const struct fetch *f)
{
    return f->over.code != ERR_OK || span_done(&f->span);
}

/* One step; true when something has moved. */
static bool turn(struct fetch *f)
{
    size_t had = f->len;
    bool ran = f->running;
    if (is_over(f) || f->paused)
        return false;
    if (!f->running) {
        if (clock_mono_us() < f->retry_us)
            return false;
        begin(f);
    }
    if (f->running)
        perform(f);
    return f->len != had || (ran && !f->running) || is_over(f);
}

/* Sleeps until there is something to do, or it is clear that there never will be. */
static void wait(struct fetch *f)
{
    int64_t stall_us = (int64_t)f->net->opts.stall_s * 1000000;
    int64_t until_us = f->running ? f->alive_us + stall_us : f->retry_us;
    int64_t left_ms = (until_us - clock_mono_us()) / 1000 + 1;
    if (f->also_cancelled && left_ms > FETCH_LOOK_MS)
        left_ms = FETCH_LOOK_MS; /* nobody wakes us */
    (void)curl_multi_poll(f->wire->multi, NULL, 0, left_ms > 0 ? (int)left_ms : 0, NULL);
    if (f->running && clock_mono_us() - f->alive_us >= stall_us) {
        (void)snprintf(f->wire->message, sizeof f->wire->message, "no byte for %d s", f->net->opts.stall_s);
        finish(f, CURLE_OPERATION_TIMEDOUT);
    }
}

static bool is_cancelled(const struct fetch *f)
{
    return atomic_load(&f->cancelled) || (f->also_cancelled && atomic_load(f->also_cancelled));
}

/* Gets bytes in hand: as many as are there, up to enough; waits only for the first. */
static int fill(struct fetch *f, struct err *err)
{
    f->alive_us = clock_mono_us(); /* the time the caller took is not the sender's */
    resume(f);
    for (;;) {
        if (is_cancelled(f))
            return err_set(err, ERR_UPSTREAM_FAILED, "cancelled");
        if (f->len >= ENOUGH_BYTES)
            break;
        if (turn(f))
            continue;
        if (f->len || is_over(f))
            break;
        wait(f);
    }
    if (!f->running)
        (void)turn(f); /* the next range is on its way while the caller is busy */
    if (f->len || f->over.code == ERR_OK)
        return 0;
    if (err)
        *err = f->over;
    return -1;
}

/* ---- The interface ---- */

static int copy_opts(struct fetch *f, const struct fetch_opts *opts, struct err *err)
{
    f->attempts = opts->attempts ? opts->attempts : ATTEMPTS;
    f->failed_at = opts->offset;
    f->also_cancelled = opts->cancelled;
    f->bytes = malloc(FETCH_RING_BYTES);
    f->user_agent = opts->user_agent ? strdup(opts->user_agent) : NULL;
    if (!f->bytes || (opts->user_agent && !f->user_agent))
        return err_set(err, ERR_INTERNAL, "no memory");
    if (span_init(&f->span, opts->offset, opts->length, opts->total, err) < 0 ||
        guard_url_check(&f->net->guard, opts->url, &f->origin, err) < 0 ||
        wire_headers(&f->headers, opts->headers, false, err) < 0 ||
        wire_headers(&f->public_headers, opts->headers, true, err) < 0)
        return -1;
    return 0;
}

int fetch_open(struct fetch **out, struct net *net, const struct fetch_opts *opts, struct err *err)
{
    struct fetch *f = calloc(1, sizeof *f);
    if (!f)
        return err_set(err, ERR_INTERNAL, "no memory");
    f->net = net;
    if (copy_opts(f, opts, err) < 0 || wire_get(&f->wire, net, &f->origin, err) < 0 || fill(f, err) < 0) {
        fetch_close(f);
        return -1;
    }
    *out = f;
    return 0;
}

int fetch_next(struct fetch *f, const void **data, size_t *len, struct err *err)
{
    if (f->handed) {
        f->len = 0;
        f->handed = false;
    }
    if (f->len == 0 && fill(f, err) < 0)
        return -1;
    *data = f->bytes;
    *len = f->len;
    f->handed = true;
    return 0;
}

uint64_t fetch_total(const struct fetch *f)
{
    return f->span.total;
}

const char *fetch_source(const struct fetch *f)
{
    return f->source ? f->source : f->origin.text;
}

void fetch_cancel(struct fetch *f)
{
    atomic_store(&f->cancelled, true);
    (void)curl_multi_wakeup(f->wire->multi);
}

void fetch_close(struct fetch *f)
{
    if (!f)
        return;
    wire_put(f->wire);
    curl_slist_free_all(f->headers);
    curl_slist_free_all(f->public_headers);
    guard_url_fini(&f->origin);
    guard_url_fini(&f->target);
    free(f->source);
    free(f->user_agent);
    free(f->bytes);
    free(f);
}
