/* net/: forward reads in ranges, against an origin that fails in the middle: by fetch.h, by flow.h where
 * libcurl reads for it (an HTTP proxy understands the requests), and where it reads itself (through SOCKS).
 * The resource's bytes are a function of their position, so that a byte of another place is seen. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "net/egress.h"
#include "net/flow.h"
#include "net_origin.h"

enum { MIB = 1024 * 1024, SIZE = 25 * MIB };

static uint8_t byte_at(uint64_t position)
{
    return (uint8_t)((position * 2654435761U) >> 13);
}

/* ---- The origin: http://media.example/KIND ---- */

/* Sends bytes first … first + len - 1 of the resource; the number sent. */
static uint64_t send_bytes(const struct origin_request *r, uint64_t first, uint64_t len)
{
    uint8_t block[16384];
    uint64_t done = 0;
    while (done < len) {
        size_t n = len - done < sizeof block ? (size_t)(len - done) : sizeof block;
        for (size_t i = 0; i < n; i++)
            block[i] = byte_at(first + done + i);
        if (!origin_send_bytes(r, block, n))
            break;
        done += n;
    }
    return done;
}

/* How one answer differs from a good one. */
struct answer {
    uint64_t size; /* 0: SIZE */
    const char *fields;
    int64_t shift_first, shift_last, shift_total; /* of Content-Range */
    bool no_range, star;
    uint64_t cut_after; /* bytes of body, then an end */
    bool reset, stall;
};

static bool send_range(struct origin *o, const struct origin_request *r, const struct answer *a)
{
    uint64_t size = a->size ? a->size : SIZE;
    uint64_t last = r->last < size ? r->last : size - 1;
    uint64_t len = last - r->first + 1;
    char range[160] = "";
    char total[32] = "*";
    if (r->first >= size) {
        origin_sendf(r, "HTTP/1.1 416 X\r\nContent-Range: bytes */%llu\r\nContent-Length: 0\r\n\r\n",
                     (unsigned long long)size);
        return true;
    }
    if (!a->star)
        (void)snprintf(total, sizeof total, "%lld", (long long)size + (long long)a->shift_total);
    if (!a->no_range)
        (void)snprintf(range, sizeof range, "Content-Range: bytes %lld-%lld/%s\r\n",
                       (long long)r->first + (long long)a->shift_first,
                       (long long)last + (long long)a->shift_last, total);
    origin_sendf(r, "HTTP/1.1 206 Partial\r\n%s%sContent-Length: %llu\r\n\r\n", range,
                 a->fields ? a->fields : "", (unsigned long long)len);
    (void)send_bytes(r, r->first, a->cut_after && a->cut_after < len ? a->cut_after : len);
    if (a->stall)
        origin_stall(o, r);
    if (a->reset)
        origin_reset(r);
    return !a->cut_after;
}

static bool send_status(const struct origin_request *r, const char *status, const char *fields)
{
    origin_sendf(r, "HTTP/1.1 %s\r\n%sContent-Length: 3\r\n\r\nsad", status, fields);
    return true;
}

static atomic_ullong whole_sent;

static bool send_whole(const struct origin_request *r, uint64_t size, bool sized)
{
    if (sized)
        origin_sendf(r, "HTTP/1.1 200 OK\r\nContent-Length: %llu\r\n\r\n", (unsigned long long)size);
    else
        origin_send(r, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (uint64_t at = 0; at < size; at += 100000) {
        uint64_t n = size - at < 100000 ? size - at : 100000;
        if (!sized)
            origin_sendf(r, "%llx\r\n", (unsigned long long)n);
        if (send_bytes(r, at, n) < n)
            return false;
        (void)atomic_fetch_add(&whole_sent, n);
        if (!sized)
            origin_send(r, "\r\n");
    }
    if (!sized)
        origin_send(r, "0\r\n\r\n");
    return true;
}

static bool drip(const struct origin_request *r)
{
    origin_send(r, "HTTP/1.1 206 Partial\r\nContent-Range: bytes 0-99/100\r\nContent-Length: 100\r\n\r\n");
    for (uint64_t i = 0; i < 100 && send_bytes(r, i, 1) == 1; i++)
        clock_sleep_ms(2);
    return true;
}

/* Kinds that go wrong once, or from the second range on. `r->number` counts requests. */
static bool serve_failing(struct origin *o, struct origin_request *r, const char *kind)
{
#define IS(name) (strcmp(kind, name) == 0)
    bool later = r->first > 0;
    struct answer a = {0};
    if (IS("truncated"))
        a.cut_after = 3 * MIB;
    else if (IS("truncated-early"))
        a.cut_after = later ? 10 : MIB;
    else if (IS("reset"))
        a = (struct answer){.cut_after = 3 * MIB, .reset = true};
    else if (IS("reset-at-once") && r->number == 0)
        return origin_reset(r), false;
    else if (IS("stall-once") && r->number == 0)
        a = (struct answer){.cut_after = 100000, .stall = true};
    else if (IS("stall"))
        a = (struct answer){.cut_after = 100000, .stall = true};
    else if (IS("503-twice") && r->number < 2)
        return send_status(r, "503 X", "");
    else if (IS("500"))
        return send_status(r, "500 X", "");
    else if (IS("429-once") && r->number == 0)
        return send_status(r, "429 X", "Retry-After: 1\r\n");
    else if (IS("429-long"))
        return send_status(r, "429 X", "Retry-After: 60\r\n");
    else if (IS("403-later") && later)
        return send_status(r, "403 X", "");
    else if (IS("204"))
        return send_status(r, "204 X", "");
    else if (IS("first") && later)
        a.shift_first = 1;
    else if (IS("last") && later)
        a.shift_last = 1;
    else if (IS("shorter-range") && later)
        a.shift_last = -1;
    else if (IS("total") && later)
        a.shift_total = 1;
    else if (IS("no-range") && later)
        a.no_range = true;
    else if (IS("encoded") && later)
        a.fields = "Content-Encoding: gzip\r\n";
    else if (IS("etag"))
        a.fields = later ? "ETag: \"b\"\r\n" : "ETag: \"a\"\r\n";
    else if (IS("weak-etag"))
        a.fields = later ? "ETag: W/\"b\"\r\n" : "ETag: W/\"a\"\r\n";
    else if (IS("modified"))
        a.fields = later ? "Last-Modified: today\r\n" : "Last-Modified: yesterday\r\n";
    else if (IS("star"))
        a.star = true;
    return send_range(o, r, &a);
}

/* A whole resource of 1,000 bytes in unusual shapes. */
static const struct shape {
    const char *kind, *head, *tail;
    size_t part; /* bytes sent at a time */
    size_t chunk;
    bool keep, breaks;
} shapes[] = {
    {"trickled", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", "", 7, 0, true, false},
    {"hints",
     "HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 100 Go\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
     "", 0, 0, true, false},
    {"bare-lines", "HTTP/1.1 200 OK\nContent-Length: 1000\n\n", "", 0, 0, true, false},
    {"by-close", "HTTP/1.1 200 OK\r\n\r\n", "", 0, 0, false, false},
    {"old", "HTTP/1.0 200 OK\r\nContent-Length: 1000\r\n\r\n", "", 0, 0, false, false},
    {"says-close", "HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 1000\r\n\r\n", "", 0, 0, false,
     false},
    {"chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "0\r\nX: y\r\n\r\n", 3, 64, true,
     false},
    {"chunks-and-length", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
     "0\r\n\r\n", 0, 1000, true, false},
    {"too-long", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", 0, 0, false,
     false},
    {"chunks-cut", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "", 0, 64, false, true},
    {"chunks-bad", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "x\r\n", 0, 64, false, true},
    {"coded", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "0\r\n\r\n", 0, 64, true, true},
    {"no-http", "SSH-2.0-x\r\n\r\n", "", 0, 0, false, true},
    {"bad-status", "HTTP/1.1 abc\r\n\r\n", "", 0, 0, false, true},
    {"short-length", "HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n", "", 0, 0, false, true},
};

static const struct shape *find_shape(const char *kind)
{
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
        if (strcmp(shapes[i].kind, kind) == 0)
            return &shapes[i];
    }
    return NULL;
}

static bool send_shape(const struct origin_request *r, const struct shape *shape)
{
    char text[8192];
    size_t len = (size_t)snprintf(text, sizeof text, "%s", shape->head);
    size_t chunk = shape->chunk ? shape->chunk : 1000;
    for (size_t at = 0; at < 1000; at += chunk) {
        size_t n = chunk < 1000 - at ? chunk : 1000 - at;
        if (shape->chunk)
            len += (size_t)snprintf(text + len, 32, "%zX; a=b\r\n", n);
        for (size_t i = 0; i < n; i++)
            text[len++] = (char)byte_at(at + i);
        if (shape->chunk)
            len += (size_t)snprintf(text + len, 3, "\r\n");
    }
    len += (size_t)snprintf(text + len, sizeof text - len, "%s", shape->tail);
    size_t part = shape->part ? shape->part : len;
    for (size_t at = 0; at < len; at += part)
        (void)origin_send_bytes(r, text + at, part < len - at ? part : len - at);
    return shape->keep;
}

static bool serve(struct origin *o, struct origin_request *r)
{
    const char *kind = r->path + 1;
    if (find_shape(kind))
        return send_shape(r, find_shape(kind));
    const struct answer good = {0};
    const struct answer small = {.size = 1000};
    if (IS("vanishes")) /* unless it is the first on its connection */
        return o->ctx == r ? false : (o->ctx = r, send_range(o, r, &small));
    if (IS("whole"))
        return send_whole(r, SIZE, true);
    if (IS("whole-later"))
        return r->first ? send_whole(r, SIZE, true) : send_range(o, r, &good);
    if (IS("whole-truncated"))
        return send_whole(r, r->first ? SIZE : 2 * MIB, false) && false;
    if (IS("chunked"))
        return send_whole(r, SIZE, false);
    if (IS("huge"))
        return send_whole(r, 1ULL << 40, true);
    if (IS("empty"))
        return send_whole(r, 0, true);
    if (IS("empty-416"))
        return send_status(r, "416 X", "Content-Range: bytes */0\r\n");
    if (IS("small"))
        return send_range(o, r, &small);
    if (IS("drip"))
        return drip(r);
    if (IS("silent"))
        return origin_stall(o, r), false;
    if (IS("404") || IS("410") || IS("403"))
        return send_status(r, kind, "");
    if (IS("moved"))
        return send_status(r, "302 X", "Location: http://cdn.example/good\r\n");
    if (IS("moved-in-circles"))
        return send_status(r, "302 X", "Location: /moved-in-circles\r\n");
    if (IS("moved-inside"))
        return send_status(r, "302 X", "Location: http://169.254.169.254/good\r\n");
    if (IS("moved-to-expiring")) /* each target serves one range */
        return origin_sendf(
                   r, "HTTP/1.1 302 X\r\nLocation: http://cdn.example/only-%llu\r\nContent-Length: 0\r\n\r\n",
                   r->first),
               true;
    if (text_starts_with(kind, "only-"))
        return strtoull(kind + 5, NULL, 10) == r->first ? send_range(o, r, &good)
                                                        : send_status(r, "403 X", "");
    return serve_failing(o, r, kind);
#undef IS
}

/* ---- Tests ---- */

struct fixture {
    struct origin *origin;
    struct net *net;
    struct loop *loop; /* NULL: by fetch.h */
    struct flow_set *flows;
    const char *base, *egress; /* of what is asked for; NULL: as usual */
};

static int set_up_proxy(struct fixture *f, bool socks)
{
    struct err err = {0};
    f->origin = origin_start(serve, NULL);
    const struct net_opts opts = {.proxy_url = socks ? f->origin->socks : f->origin->url,
                                  .ports = "80",
                                  .connect_ms = 2000,
                                  .timeout_ms = 5000,
                                  .stall_s = 1};
    return net_open(&f->net, &opts, &err);
}

static int set_up(void **state)
{
    static struct fixture f;
    f = (struct fixture){0};
    *state = &f;
    return set_up_proxy(&f, false);
}

static int add_loop(struct fixture *f)
{
    struct err err = {0};
    return loop_open(&f->loop, &err) < 0 || flow_set_open(&f->flows, f->net, f->loop, &err) < 0 ? -1 : 0;
}

static int set_up_flow(void **state)
{
    return set_up(state) < 0 ? -1 : add_loop(*state);
}

static int set_up_line(void **state)
{
    static struct fixture f;
    f = (struct fixture){0};
    *state = &f;
    return set_up_proxy(&f, true) < 0 ? -1 : add_loop(&f);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    flow_set_close(f->flows);
    loop_close(f->loop);
    net_close(f->net);
    origin_stop(f->origin);
    return 0;
}

struct read_case {
    const char *kind;
    uint64_t offset, length, total;
    /* expected */
    enum err_code code;
    int upstream_status;
    uint64_t received; /* also before an error */
    unsigned requests; /* 0: whatever */
    const char *says;
};

static void check_bytes(const struct read_case *c, uint64_t *received, const void *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (((const uint8_t *)data)[i] != byte_at(c->offset + *received + i))
            fail_msg("%s: wrong byte at %llu", c->kind, (unsigned long long)(c->offset + *received + i));
    }
    *received += len;
}

static int read_by_fetch(struct net *net, const struct fetch_opts *opts, const struct read_case *c,
                         uint64_t *received, struct err *err)
{
    auto_ptr(fetch) struct fetch *f = NULL;
    const void *data;
    size_t len = 1;
    if (fetch_open(&f, net, opts, err) < 0)
        return -1;
    while (len) {
        if (fetch_next(f, &data, &len, err) < 0)
            return -1;
        check_bytes(c, received, data, len);
    }
    return 0;
}

struct flow_reader {
    const struct read_case *c;
    struct loop *loop;
    struct flow *flow;
    uint64_t *received;
    struct err *err;
    int rc;
};

static void look(void *ctx)
{
    struct flow_reader *r = ctx;
    const unsigned char *data;
    size_t len;
    while ((r->rc = flow_peek(r->flow, &data, &len, r->err)) == 1) {
        check_bytes(r->c, r->received, data, len);
        flow_take(r->flow, len);
    }
    if (r->rc != 0)
        loop_stop(r->loop);
}

static int read_by_flow(struct fixture *f, const struct fetch_opts *opts, const struct read_case *c,
                        uint64_t *received, struct err *err)
{
    struct flow_reader r = {.c = c, .loop = f->loop, .received = received, .err = err};
    if (flow_open(&r.flow, f->flows, opts, look, &r, err) < 0)
        return -1;
    loop_run(f->loop);
    flow_close(r.flow);
    return r.rc < 0 ? -1 : 0;
}

/* Reads to the end or to an error; checks every byte. */
static int read_to_end(struct fixture *f, const struct read_case *c, uint64_t *received, struct err *err)
{
    char url[128];
    (void)snprintf(url, sizeof url, "%s/%s", f->base ? f->base : "http://media.example", c->kind);
    const struct fetch_opts opts = {
        .url = url, .egress = f->egress, .offset = c->offset, .length = c->length, .total = c->total};
    *received = 0;
    return f->loop ? read_by_flow(f, &opts, c, received, err)
                   : read_by_fetch(f->net, &opts, c, received, err);
}

static void run_case(struct fixture *f, const struct read_case *c)
{
    struct err err = {0};
    uint64_t received;
    atomic_store(&f->origin->requests, 0);
    int rc = read_to_end(f, c, &received, &err);
    unsigned requests = atomic_load(&f->origin->requests);
    if ((rc < 0 ? err.code : ERR_OK) != c->code || received != c->received ||
        (c->requests && requests != c->requests))
        fail_msg("%s: %s, %llu bytes, %u requests (%s)", c->kind, rc < 0 ? err_info(err.code)->name : "ok",
                 (unsigned long long)received, requests, rc < 0 ? err.text : "");
    if (rc < 0 && (err.upstream_status != c->upstream_status || (c->says && !strstr(err.text, c->says))))
        fail_msg("%s: status %d, %s", c->kind, err.upstream_status, err.text);
}

static void good_reads(void **state)
{
    static const struct read_case cases[] = {
        {"good", 0, 0, 0, .received = SIZE, .requests = 3},
        {"good", 0, 0, SIZE, .received = SIZE, .requests = 3},
        {"good", 0, SIZE, SIZE, .received = SIZE, .requests = 3},
        {"good", 10 * MIB, 10 * MIB, 0, .received = 10 * MIB, .requests = 1},
        {"good", 10 * MIB, 10 * MIB + 1, 0, .received = 10 * MIB + 1, .requests = 2},
        {"good", 7, 1, 0, .received = 1, .requests = 1},
        {"good", SIZE - 1, 0, 0, .received = 1, .requests = 1},
        {"good", SIZE, 0, SIZE, .received = 0},
        {"good", SIZE, 0, 0, .received = 0, .requests = 1},
        {"small", 0, 0, 0, .received = 1000, .requests = 1},
        {"small", 990, 0, 0, .received = 10, .requests = 1},
        {"star", 0, 0, 0, .received = SIZE, .requests = 4},
        {"whole", 0, 0, 0, .received = SIZE, .requests = 1},
        {"whole", 0, 5 * MIB, 0, .received = 5 * MIB, .requests = 1},
        {"whole", 0, 0, SIZE, .received = SIZE, .requests = 1},
        {"chunked", 0, 0, 0, .received = SIZE, .requests = 1},
        {"chunked", 0, 0, SIZE, .received = SIZE, .requests = 1},
        {"empty", 0, 0, 0, .received = 0, .requests = 1},
        {"empty-416", 0, 0, 0, .received = 0, .requests = 1},
        {"drip", 0, 0, 0, .received = 100, .requests = 1},
        {"weak-etag", 0, 0, 0, .received = SIZE, .requests = 3},
        {"moved", 0, 0, 0, .received = SIZE, .requests = 4},
        {"moved-to-expiring", 0, 0, 0, .received = SIZE, .requests = 8},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        run_case(*state, &cases[i]);
}

/* To a server of the operator's own no proxy is asked, so its requests name no host; anybody else's are not
 * sent there. */
static void own_servers(void **state)
{
    static const struct {
        const char *egress;
        struct read_case is;
    } cases[] = {
        {EGRESS_OWN, {"good", 0, 0, 0, .received = SIZE, .requests = 3}},
        {EGRESS_OWN, {"moved", 0, 0, 0, ERR_UPSTREAM_FAILED, 0, 0, 1, "redirect"}},
        {"owner", {"good", 0, 0, 0, ERR_REFUSED_ADDRESS, 0, 0, 0, NULL}},
        {NULL, {"good", 0, 0, 0, ERR_REFUSED_ADDRESS, 0, 0, 0, NULL}},
    };
    struct fixture *f = *state;
    f->base = f->origin->url;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        f->egress = cases[i].egress;
        run_case(f, &cases[i].is);
    }
}

static void failures_are_repaired(void **state)
{
    static const struct read_case cases[] = {
        {"truncated", 0, 0, 0, .received = SIZE},
        {"reset", 0, 0, 0, .received = SIZE},
        {"reset-at-once", 0, 0, 0, .received = SIZE},
        {"stall-once", 0, 0, 0, .received = SIZE, .requests = 4},
        {"503-twice", 0, 0, 0, .received = SIZE, .requests = 5},
        {"429-once", 0, 0, 0, .received = SIZE, .requests = 4},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        run_case(*state, &cases[i]);
}

static void failures_that_end_it(void **state)
{
    static const struct read_case cases[] = {
        {"403", 0, 0, 0, ERR_UPSTREAM_FAILED, 403, 0, 1, "media.example: status 403"},
        {"404", 0, 0, 0, ERR_UPSTREAM_FAILED, 404, 0, 1, NULL},
        {"410", 0, 0, 0, ERR_UPSTREAM_FAILED, 410, 0, 1, NULL},
        {"403-later", 0, 0, 0, ERR_UPSTREAM_FAILED, 403, 10 * MIB, 2, NULL},
        {"204", 0, 0, 0, ERR_UPSTREAM_FAILED, 204, 0, 1, NULL},
        {"silent", 0, 0, 0, ERR_UPSTREAM_FAILED, 0, 0, 2, "no byte for 1 s"},
        {"500", 0, 0, 0, ERR_UPSTREAM_FAILED, 500, 0, 4, NULL},
        {"429-long", 0, 0, 0, ERR_RATE_LIMITED_UPSTREAM, 429, 0, 1, NULL},
        {"truncated-early", 0, 0, 0, ERR_UPSTREAM_FAILED, 0, MIB + 30, 4, NULL},
        {"first", 0, 0, 0, ERR_UPSTREAM_FAILED, 206, 10 * MIB, 2, "another range"},
        {"last", 0, 0, 0, ERR_UPSTREAM_FAILED, 206, 10 * MIB, 2, "another range"},
        {"shorter-range", 0, 0, 0, ERR_UPSTREAM_FAILED, 206, 10 * MIB, 2, "Content-Length"},
        {"total", 0, 0, 0, ERR_UPSTREAM_FAILED, 206, 10 * MIB, 2, "another size"},
        {"no-range", 0, 0, 0, ERR_UPSTREAM_FAILED, 206, 10 * MIB, 2, "Content-Range"},
        {"encoded", 0, 0, 0, ERR_UPSTREAM_FAILED, 206, 10 * MIB, 2, "encoded"},
        {"etag", 0, 0, 0, ERR_UPSTREAM_FAILED, 206, 10 * MIB, 2, "another ETag"},
        {"modified", 0, 0, 0, ERR_UPSTREAM_FAILED, 206, 10 * MIB, 2, "another Last-Modified"},
        {"whole-later", 0, 0, 0, ERR_UPSTREAM_FAILED, 200, 10 * MIB, 2, "does not begin at 0"},
        {"whole-truncated", 0, 0, SIZE, ERR_UPSTREAM_FAILED, 200, 2 * MIB, 2, "does not begin at 0"},
        {"whole", 1, 0, 0, ERR_UPSTREAM_FAILED, 200, 0, 1, "does not begin at 0"},
        {"whole", 0, 0, SIZE - 1, ERR_UPSTREAM_FAILED, 200, 0, 1, "another size"},
        {"good", 0, 0, SIZE - 1, ERR_UPSTREAM_FAILED, 206, 0, 1, "another size"},
        {"good", 0, SIZE + 1, 0, ERR_UPSTREAM_FAILED, 206, 0, 1, "shorter than expected"},
        {"good", SIZE + 1, 0, 0, ERR_UPSTREAM_FAILED, 416, 0, 1, NULL},
        {"good", SIZE, 1, SIZE, ERR_BAD_RANGE, 0, 0, 0, NULL},
        {"good", UINT64_MAX, 2, 0, ERR_BAD_RANGE, 0, 0, 0, NULL},
        {"moved-in-circles", 0, 0, 0, ERR_UPSTREAM_FAILED, 0, 0, 6, "too many redirects"},
        {"moved-inside", 0, 0, 0, ERR_REFUSED_ADDRESS, 0, 0, 1, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        run_case(*state, &cases[i]);
}

static void shapes_of_answers(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
        struct fixture *f = *state;
        struct err err = {0};
        uint64_t received;
        const struct read_case c = {.kind = shapes[i].kind};
        for (int again = 0; again < 2; again++) { /* the connection, if it was kept, is still good */
            int rc = read_to_end(f, &c, &received, &err);
            if (shapes[i].breaks ? rc == 0 || err.code != ERR_UPSTREAM_FAILED : rc < 0 || received != 1000)
                fail_msg("%s: %d, %llu bytes (%s)", c.kind, rc, (unsigned long long)received, err.text);
        }
    }
}

/* The server has closed an idle connection, or closes it instead of answering. */
static void stale_connections(void **state)
{
    struct fixture *f = *state;
    static const struct read_case c = {"small", 0, 0, 0, .received = 1000, .requests = 1};
    static const struct read_case closes = {"says-close", 0, 0, 0, .received = 1000, .requests = 1};
    static const struct read_case vanishes = {"vanishes", 0, 0, 0, .received = 1000};
    run_case(f, &c);
    run_case(f, &closes);
    run_case(f, &c);
    run_case(f, &c);
    run_case(f, &vanishes);
    run_case(f, &c);
}

/* Any part, as a client's Range may ask for it. */
static void random_parts(void **state)
{
    unsigned seed = 7;
    for (int i = 0; i < 30; i++) {
        seed = seed * 1103515245 + 12345;
        uint64_t offset = (seed >> 4) % SIZE;
        seed = seed * 1103515245 + 12345;
        uint64_t length = 1 + (seed >> 4) % (SIZE - offset);
        if (i % 2)
            length = length % 5000 + 1;
        if (length > SIZE - offset)
            length = SIZE - offset;
        const struct read_case c = {"good", offset, length, i % 3 ? SIZE : 0, .received = length};
        run_case(*state, &c);
    }
}

static int open_kind(struct fixture *f, struct fetch **out, const char *kind, struct err *err)
{
    char url[128];
    (void)snprintf(url, sizeof url, "http://media.example/%s", kind);
    const struct fetch_opts opts = {.url = url};
    return fetch_open(out, f->net, &opts, err);
}

/* A reader that takes its time: the sender is slowed down, memory stays, and it is no stall. */
static void slow_reader(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    auto_ptr(fetch) struct fetch *fetch = NULL;
    const void *data;
    size_t len = 1;
    uint64_t received = 0;
    assert_int_equal(open_kind(f, &fetch, "good", &err), 0);
    for (int i = 0; len > 0; i++) {
        if (fetch_next(fetch, &data, &len, &err) < 0)
            fail_msg("%s", err.text);
        assert_true(len <= FETCH_RING_BYTES);
        received += len;
        if (i == 3 || i == 100)
            clock_sleep_ms(1300); /* longer than stall_s */
    }
    assert_int_equal(received, SIZE);
    assert_int_equal(atomic_load(&f->origin->requests), 3);
}

static void idle_reader_holds_the_sender(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    struct fetch *fetch = NULL;
    atomic_store(&whole_sent, 0);
    assert_int_equal(open_kind(f, &fetch, "huge", &err), 0);
    unsigned long long before = 0;
    unsigned long long now = 0;
    for (int i = 0; i < 30 && (now == 0 || now > before); i++) { /* until the socket buffers are full */
        before = now;
        clock_sleep_ms(300);
        now = atomic_load(&whole_sent);
    }
    fetch_close(fetch);
    assert_int_equal(now, before);
    assert_in_range(now, 1, 32 * MIB);
}

static void *cancel_soon(void *fetch)
{
    clock_sleep_ms(100);
    fetch_cancel(fetch);
    return NULL;
}

/* While bytes are awaited, and while a pause before the next attempt lasts. */
static void cancelling(void **state)
{
    struct fixture *f = *state;
    static const char *const kinds[] = {"stall", "truncated-early"};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct err err = {0};
        auto_ptr(fetch) struct fetch *fetch = NULL;
        const void *data;
        size_t len;
        pthread_t thread;
        atomic_store(&f->origin->requests, 0);
        assert_int_equal(open_kind(f, &fetch, kinds[i], &err), 0);
        int64_t start_us = clock_mono_us();
        assert_int_equal(pthread_create(&thread, NULL, cancel_soon, fetch), 0);
        while (fetch_next(fetch, &data, &len, &err) == 0)
            assert_int_not_equal(len, 0);
        assert_string_equal(err.text, "cancelled");
        assert_in_range(clock_mono_us() - start_us, 90000, 600000);
        assert_int_equal(fetch_next(fetch, &data, &len, &err), -1);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
}

/* The end and an error stay what they are. */
static void after_the_end(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    auto_ptr(fetch) struct fetch *good = NULL;
    auto_ptr(fetch) struct fetch *bad = NULL;
    const void *data;
    size_t len;
    assert_int_equal(open_kind(f, &good, "small", &err), 0);
    assert_int_equal(fetch_total(good), 1000);
    assert_int_equal(fetch_next(good, &data, &len, &err), 0);
    assert_int_equal(len, 1000);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(fetch_next(good, &data, &len, &err), 0);
        assert_int_equal(len, 0);
    }
    assert_int_equal(open_kind(f, &bad, "403-later", &err), 0);
    while (fetch_next(bad, &data, &len, &err) == 0)
        assert_int_not_equal(len, 0);
    for (int i = 0; i < 3; i++) {
        err = (struct err){0};
        assert_int_equal(fetch_next(bad, &data, &len, &err), -1);
        assert_int_equal(err.upstream_status, 403);
    }
    assert_int_equal(open_kind(f, &bad, "429-long", &err), -1);
    assert_int_equal(err.retry_after_s, 60);
    fetch_close(NULL);
}

static void connections_are_reused(void **state)
{
    struct fixture *f = *state;
    static const struct read_case c = {"good", 0, 0, 0, .received = SIZE, .requests = 3};
    for (int i = 0; i < 3; i++)
        run_case(f, &c);
    assert_int_equal(atomic_load(&f->origin->connections), 1);
}

static void *read_one(void *state)
{
    static const struct read_case c = {"truncated", 0, 0, 0, .received = SIZE};
    struct err err = {0};
    uint64_t received;
    if (read_to_end(state, &c, &received, &err) < 0 || received != SIZE)
        fail_msg("%s", err.text);
    return NULL;
}

static void many_threads(void **state)
{
    pthread_t threads[6];
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_one, *state), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(good_reads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(own_servers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(failures_are_repaired, set_up, tear_down),
        cmocka_unit_test_setup_teardown(failures_that_end_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(random_parts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(slow_reader, set_up, tear_down),
        cmocka_unit_test_setup_teardown(idle_reader_holds_the_sender, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cancelling, set_up, tear_down),
        cmocka_unit_test_setup_teardown(after_the_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(connections_are_reused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_threads, set_up, tear_down),
        {"good_reads, by flow", good_reads, set_up_flow, tear_down, NULL},
        {"own_servers, by flow", own_servers, set_up_flow, tear_down, NULL},
        {"failures_are_repaired, by flow", failures_are_repaired, set_up_flow, tear_down, NULL},
        {"failures_that_end_it, by flow", failures_that_end_it, set_up_flow, tear_down, NULL},
        {"random_parts, by flow", random_parts, set_up_flow, tear_down, NULL},
        {"connections_are_reused, by flow", connections_are_reused, set_up_flow, tear_down, NULL},
        {"good_reads, by line", good_reads, set_up_line, tear_down, NULL},
        {"own_servers, by line", own_servers, set_up_line, tear_down, NULL},
        {"failures_are_repaired, by line", failures_are_repaired, set_up_line, tear_down, NULL},
        {"failures_that_end_it, by line", failures_that_end_it, set_up_line, tear_down, NULL},
        {"random_parts, by line", random_parts, set_up_line, tear_down, NULL},
        {"connections_are_reused, by line", connections_are_reused, set_up_line, tear_down, NULL},
        {"shapes_of_answers, by fetch", shapes_of_answers, set_up, tear_down, NULL},
        {"stale_connections, by fetch", stale_connections, set_up, tear_down, NULL},
        {"shapes_of_answers, by flow", shapes_of_answers, set_up_flow, tear_down, NULL},
        {"stale_connections, by flow", stale_connections, set_up_flow, tear_down, NULL},
        {"shapes_of_answers, by line", shapes_of_answers, set_up_line, tear_down, NULL},
        {"stale_connections, by line", stale_connections, set_up_line, tear_down, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
