/* net/: one exchange through the gate, with an origin that misbehaves in every way it can think of. */
#include <netdb.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/text.h"
#include "net/flow.h"
#include "net/net.h"
#include "net_origin.h"

/* ---- Names. The gate resolves through libc, which this program answers for. ---- */

static atomic_uint lookups;

static struct addrinfo *one_address(const char *text, const char *port, struct addrinfo *next)
{
    struct addrinfo *a = calloc(1, sizeof *a + sizeof(struct sockaddr_in6));
    struct sockaddr_in *in = a ? (struct sockaddr_in *)(a + 1) : NULL;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)in;
    if (!a)
        abort();
    uint16_t number = htons((uint16_t)(port ? strtoul(port, NULL, 10) : 0));
    *a = (struct addrinfo){.ai_socktype = SOCK_STREAM, .ai_addr = (struct sockaddr *)in, .ai_next = next};
    if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
        a->ai_family = in->sin_family = AF_INET;
        a->ai_addrlen = sizeof *in;
        in->sin_port = number;
    } else if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1) {
        a->ai_family = in6->sin6_family = AF_INET6;
        a->ai_addrlen = sizeof *in6;
        in6->sin6_port = number;
    } else {
        abort();
    }
    return a;
}

int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **out)
{
    (void)hints;
    (void)atomic_fetch_add(&lookups, 1);
    if (strcmp(host, "127.0.0.1") == 0 || strcmp(host, "loopback.example") == 0)
        *out = one_address("127.0.0.1", port, NULL);
    else if (strcmp(host, "mapped.example") == 0)
        *out = one_address("::ffff:127.0.0.1", port, NULL);
    else if (strcmp(host, "both.example") == 0)
        *out = one_address("::1", port, one_address("127.0.0.1", port, NULL));
    else if (strcmp(host, "slow.example") == 0)
        return clock_sleep_ms(500), EAI_AGAIN;
    else if (strcmp(host, "any.example") == 0)
        *out = one_address("0.0.0.0", port, NULL);
    else
        return EAI_NONAME;
    return 0;
}

void freeaddrinfo(struct addrinfo *a)
{
    while (a) {
        struct addrinfo *next = a->ai_next;
        free(a);
        a = next;
    }
}

/* ---- The origin ---- */

static atomic_uint tls_port; /* where CONNECT leads to */

static const uint8_t gzip_hello[] = {0x1f, 0x8b, 0x08, 0,    0,    0,    0,    0, 0,
                                     0x03, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0, 0x86,
                                     0xa6, 0x10, 0x36, 0x05, 0,    0,    0};

/* 1 MiB of gzip that unpacks to 158 MiB: a literal, then "repeat the last byte 258 times" over and over, in
 * deflate's fixed codes (RFC 1951: symbol 285 is 11000101, distance 1 is 00000). */
static void send_bomb(const struct origin_request *r)
{
    static const char codes[] = "11010101000"; /* last block; fixed codes; literal 'x' */
    static const char again[] = "1100010100000";
    size_t len = 10;
    unsigned bit = 0;
    uint8_t *bomb = calloc(1, 1 << 20);
    if (!bomb)
        abort();
    memcpy(bomb, gzip_hello, len);
    const char *c = codes;
    while (len < 1 << 20) {
        bomb[len] |= (uint8_t)((*c == '1') << bit);
        bit = (bit + 1) % 8;
        len += bit == 0;
        c = c[1] ? c + 1 : again;
    }
    origin_sendf(r, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n", 1 << 20);
    (void)origin_send_bytes(r, bomb, 1 << 20);
    free(bomb);
}

static void send_filler(const struct origin_request *r, unsigned long long len)
{
    char block[4096];
    memset(block, 'x', sizeof block);
    while (len) {
        size_t n = len < sizeof block ? (size_t)len : sizeof block;
        if (!origin_send_bytes(r, block, n))
            return;
        len -= n;
    }
}

static bool serve_echo(const struct origin_request *r)
{
    origin_sendf(r, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", strlen(r->head) + r->body_len);
    origin_send(r, r->head);
    origin_send_bytes(r, r->body, r->body_len);
    return true;
}

/* /status/NNN, /to/NNN/URL */
static bool serve_code(const struct origin_request *r)
{
    unsigned status = 0;
    int used = 0;
    if (sscanf(r->path, "/to/%u/%n", &status, &used) == 1)
        origin_sendf(r, "HTTP/1.1 %u X\r\nLocation: %s\r\nContent-Length: 4\r\n\r\nmove", status,
                     r->path + used);
    else if (sscanf(r->path, "/status/%u", &status) == 1)
        origin_sendf(r, "HTTP/1.1 %u X\r\nContent-Length: 6\r\n\r\nreason", status);
    else
        origin_send(r, "HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n");
    return true;
}

static bool serve_raw(const struct origin *o, const struct origin_request *r)
{
    if (strcmp(r->path, "/truncated") == 0) {
        origin_send(r, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
    } else if (strcmp(r->path, "/reset") == 0) {
        origin_send(r, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
        origin_reset(r);
    } else if (strcmp(r->path, "/nothing") == 0) {
        return false;
    } else if (strcmp(r->path, "/garbage") == 0) {
        origin_send(r, "what is HTTP?\r\n\r\n");
    } else if (text_starts_with(r->path, "/stall")) {
        origin_send(r, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx");
        origin_stall(o, r);
    } else if (strcmp(r->path, "/silent") == 0) {
        origin_stall(o, r);
    } else if (strcmp(r->path, "/flood") == 0) {
        origin_send(r, "HTTP/1.1 200 OK\r\n");
        for (int i = 0; i < 100000 && origin_send_bytes(r, "X-Flood: yes\r\n", 14); i++)
            ;
    } else if (strcmp(r->path, "/interim") == 0) {
        for (int i = 0; i < 100000 && origin_send_bytes(r, "HTTP/1.1 102 Processing\r\n\r\n", 27); i++)
            ;
    } else if (strcmp(r->path, "/endless-redirect") == 0) {
        origin_send(r, "HTTP/1.1 302 Found\r\nLocation: /plain\r\n\r\n");
        send_filler(r, 1ULL << 40);
    }
    return false;
}

static bool serve_range(const struct origin_request *r)
{
    const char *kind = r->path + sizeof "/range/" - 1;
    unsigned long long first = r->first;
    unsigned long long last = r->last < 999 ? r->last : 999;
    unsigned long long len = last - first + 1;
    char range[128];
    (void)snprintf(range, sizeof range, "Content-Range: bytes %llu-%llu/1000\r\n", first, last);
    if (strcmp(kind, "start") == 0)
        (void)snprintf(range, sizeof range, "Content-Range: bytes %llu-%llu/1000\r\n", first + 1, last + 1);
    else if (strcmp(kind, "long") == 0)
        (void)snprintf(range, sizeof range, "Content-Range: bytes %llu-%llu/1000\r\n", first, last + 1);
    else if (strcmp(kind, "missing") == 0)
        range[0] = '\0';
    else if (strcmp(kind, "twice") == 0)
        (void)snprintf(range, sizeof range,
                       "Content-Range: bytes %llu-%llu/1000\r\nContent-Range: bytes 0-0/1\r\n", first, last);
    else if (strcmp(kind, "unit") == 0)
        (void)snprintf(range, sizeof range, "Content-Range: lines %llu-%llu/1000\r\n", first, last);
    else if (strcmp(kind, "total") == 0)
        (void)snprintf(range, sizeof range, "Content-Range: bytes %llu-%llu/%llu\r\n", first, last, last);
    else if (strcmp(kind, "huge") == 0)
        (void)snprintf(range, sizeof range, "Content-Range: bytes %llu-99999999999999999999/*\r\n", first);
    else if (strcmp(kind, "backwards") == 0)
        (void)snprintf(range, sizeof range, "Content-Range: bytes %llu-%llu/1000\r\n", last, first);
    else if (strcmp(kind, "unknown") == 0)
        (void)snprintf(range, sizeof range, "Content-Range: bytes %llu-%llu/*\r\n", first, last);
    else if (strcmp(kind, "encoded") == 0)
        (void)snprintf(range, sizeof range,
                       "Content-Range: bytes %llu-%llu/1000\r\nContent-Encoding: gzip\r\n", first, last);
    else if (strcmp(kind, "length") == 0)
        len--;
    else if (strcmp(kind, "whole") == 0) {
        origin_send(r, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
        send_filler(r, 100000);
        return true;
    }
    origin_sendf(r, "HTTP/1.1 206 Partial\r\n%sContent-Length: %llu\r\n\r\n", range, len);
    send_filler(r, len);
    return true;
}

static bool serve_size(const struct origin_request *r)
{
    unsigned long long len = strtoull(r->path + sizeof "/size/" - 1, NULL, 10);
    if (strstr(r->path, "chunked")) {
        origin_send(r, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n");
        for (; len >= 1000; len -= 1000) {
            origin_send(r, "3e8\r\n");
            send_filler(r, 1000);
            origin_send(r, "\r\n");
        }
        origin_send(r, "0\r\nContent-Range: bytes 0-1/2\r\nETag: \"trailer\"\r\n\r\n");
        return true;
    }
    origin_sendf(r, "HTTP/1.1 %s\r\nContent-Length: %llu\r\n\r\n",
                 strstr(r->path, "failed") ? "500 Oops" : "200 OK", len);
    send_filler(r, len);
    return true;
}

static bool serve(struct origin *o, struct origin_request *r)
{
    if (strcmp(r->method, "CONNECT") == 0) {
        origin_tunnel(o, r, (uint16_t)atomic_load(&tls_port));
        return false;
    }
    if (strcmp(r->path, "/plain") == 0) {
        origin_send(r, "HTTP/1.1 200 OK\r\nContent-Type:  Text/HTML ; charset=x\r\nETag: \"v1\"\r\n"
                       "Last-Modified: Fri, 20 Nov 2026 18:00:00 GMT\r\nContent-Length: 5\r\n\r\nhello");
        return true;
    }
    if (strcmp(r->path, "/gzip") == 0) {
        origin_sendf(r, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n",
                     sizeof gzip_hello);
        return origin_send_bytes(r, gzip_hello, sizeof gzip_hello);
    }
    if (strcmp(r->path, "/bomb") == 0) {
        send_bomb(r);
        return true;
    }
    if (text_starts_with(r->path, "/echo"))
        return serve_echo(r);
    if (text_starts_with(r->path, "/range/"))
        return serve_range(r);
    if (text_starts_with(r->path, "/size/"))
        return serve_size(r);
    if (text_starts_with(r->path, "/loop/")) {
        origin_sendf(r, "HTTP/1.1 302 Found\r\nLocation: /%s%lu\r\nContent-Length: 0\r\n\r\n",
                     strcmp(r->path, "/loop/1") == 0 ? "size/" : "loop/", strtoul(r->path + 6, NULL, 10) - 1);
        return true;
    }
    if (text_starts_with(r->path, "/status/") || text_starts_with(r->path, "/to/"))
        return serve_code(r);
    return serve_raw(o, r);
}

/* ---- Tests ---- */

static struct net *open_net(const char *proxy_url, const char *ports)
{
    struct net *net = NULL;
    struct err err = {0};
    const struct net_opts opts = {
        .proxy_url = proxy_url, .ports = ports, .connect_ms = 2000, .timeout_ms = 5000, .stall_s = 1};
    if (net_open(&net, &opts, &err) < 0)
        fail_msg("%s", err.text);
    return net;
}

struct fixture {
    struct origin *origin;
    struct net *net;
};

static int set_up(void **state)
{
    static struct fixture f;
    f.origin = origin_start(serve, NULL);
    f.net = open_net(f.origin->url, "80,443");
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    net_close(f->net);
    origin_stop(f->origin);
    return 0;
}

struct call_case {
    const char *path; /* at http://media.example, or a whole URL */
    uint64_t max_bytes, range_offset, range_length;
    const char *post;
    bool compressed;
    /* expected */
    enum err_code code;
    int status;
    int64_t body_len; /* -1: this and total do not matter */
    uint64_t total;
    const char *says; /* part of the body, or of the error's text */
};

static void run_case(struct net *net, const struct call_case *c)
{
    struct err err = {0};
    char url[4096];
    auto_(net_answer) struct net_answer a;
    (void)snprintf(url, sizeof url, "%s%s",
                   strstr(c->path, "://") && c->path[0] != '/' ? "" : "http://media.example", c->path);
    const struct net_call call = {
        .url = url,
        .body = c->post,
        .body_len = c->post ? strlen(c->post) : 0,
        .max_bytes = c->max_bytes ? c->max_bytes : 100000,
        .compressed = c->compressed,
        .range_offset = c->range_offset,
        .range_length = c->range_length,
    };
    int rc = net_call(net, &call, &a, &err);
    enum err_code code = rc < 0 ? err.code : ERR_OK;
    if (code != c->code)
        fail_msg("%s: %s (%s)", c->path, err_info(code)->name, rc < 0 ? err.text : buf_str(&a.body));
    if (c->says && !strstr(rc < 0 ? err.text : buf_str(&a.body), c->says))
        fail_msg("%s: \"%s\" is not in: %s", c->path, c->says, rc < 0 ? err.text : buf_str(&a.body));
    if (rc < 0) {
        if (strchr(err.text, '?'))
            fail_msg("%s: a query in the log text: %s", c->path, err.text);
        assert_null(a.final_url);
        return;
    }
    if (a.status != c->status ||
        (c->body_len >= 0 && (a.body.len != (size_t)c->body_len || a.total_size != c->total)))
        fail_msg("%s: status %d, %zu bytes, total %llu", c->path, a.status, a.body.len,
                 (unsigned long long)a.total_size);
}

static void exchanges(void **state)
{
    struct fixture *f = *state;
    static const struct call_case cases[] = {
        {.path = "/plain", .status = 200, .body_len = 5, .total = 5, .says = "hello"},
        {.path = "/gzip", .compressed = true, .status = 200, .body_len = 5, .says = "hello"},
        {.path = "/bomb", .compressed = true, .code = ERR_UPSTREAM_FAILED, .says = "longer than allowed"},
        {.path = "/size/100000", .status = 200, .body_len = 100000, .total = 100000},
        {.path = "/size/100001", .code = ERR_UPSTREAM_FAILED, .says = "longer than allowed"},
        {.path = "/size/0", .status = 200},
        {.path = "/size/9000/chunked", .status = 200, .body_len = 9000},
        {.path = "/size/200000/chunked", .code = ERR_UPSTREAM_FAILED, .says = "longer than allowed"},
        {.path = "/size/200000/failed", .status = 500, .body_len = 100000},
        {.path = "/status/404", .status = 404, .body_len = 6, .says = "reason"},
        {.path = "/status/503", .status = 503, .body_len = 6},
        {.path = "/status/304", .status = 304},
        {.path = "/echo?q=1",
         .status = 200,
         .body_len = -1,
         .total = 0,
         .says = "GET http://media.example/echo?q=1"},
        {.path = "/echo", .status = 200, .body_len = -1, .says = "Accept-Encoding: identity"},
        {.path = "/echo", .compressed = true, .status = 200, .body_len = -1, .says = "Accept-Encoding: gzip"},
        {.path = "/echo", .status = 200, .body_len = -1, .says = "User-Agent: Sluice/"},
        {.path = "/echo", .post = "{\"a\":1}", .status = 200, .body_len = -1, .says = "POST http://media"},
        {.path = "/echo", .post = "{\"a\":1}", .status = 200, .body_len = -1, .says = "\r\n\r\n{\"a\":1}"},

        {.path = "/truncated", .code = ERR_UPSTREAM_FAILED, .says = "media.example"},
        {.path = "/reset", .code = ERR_UPSTREAM_FAILED},
        {.path = "/nothing", .code = ERR_UPSTREAM_FAILED},
        {.path = "/garbage", .code = ERR_UPSTREAM_FAILED},
        {.path = "/stall?secret", .code = ERR_UPSTREAM_FAILED},
        {.path = "/flood", .code = ERR_UPSTREAM_FAILED, .says = "too many header fields"},
        {.path = "/interim", .code = ERR_UPSTREAM_FAILED, .says = "too many header fields"},

        {.path = "/range/good",
         .range_offset = 10,
         .range_length = 20,
         .status = 206,
         .body_len = 20,
         .total = 1000},
        {.path = "/range/good",
         .range_offset = 990,
         .range_length = 20,
         .status = 206,
         .body_len = 10,
         .total = 1000},
        {.path = "/range/unknown", .range_offset = 10, .range_length = 20, .status = 206, .body_len = 20},
        {.path = "/range/whole",
         .range_length = 20,
         .max_bytes = 20,
         .status = 200,
         .body_len = 20,
         .total = 100000},
        {.path = "/range/good", .code = ERR_UPSTREAM_FAILED, .says = "no range was asked for"},
#define LIE(kind)                                                                                            \
    {.path = "/range/" kind,                                                                                 \
     .range_offset = 10,                                                                                     \
     .range_length = 20,                                                                                     \
     .code = ERR_UPSTREAM_FAILED,                                                                            \
     .says = "206 with"}
        LIE("start"),
        LIE("long"),
        LIE("missing"),
        LIE("twice"),
        LIE("unit"),
        LIE("total"),
        LIE("huge"),
        LIE("backwards"),
        LIE("length"),
        LIE("encoded"),
#undef LIE
        {.path = "/echo", .range_offset = UINT64_MAX, .range_length = 2, .code = ERR_BAD_RANGE},

        {.path = "/to/302//plain", .status = 200, .body_len = 5, .total = 5},
        {.path = "/to/301/http://other.example/plain", .status = 200, .body_len = 5, .total = 5},
        {.path = "/to/307//plain", .status = 200, .body_len = 5, .total = 5},
        {.path = "/to/300//plain", .status = 300, .body_len = 4, .total = 0},
        {.path = "/loop/5", .status = 200},
        {.path = "/loop/6", .code = ERR_UPSTREAM_FAILED, .says = "too many redirects"},
        {.path = "/endless-redirect", .code = ERR_UPSTREAM_FAILED, .says = "longer than allowed"},
        {.path = "/to/302/file:///etc/passwd", .code = ERR_BAD_URL},
        {.path = "/to/302/ftp://other.example/", .code = ERR_BAD_URL},
        {.path = "/to/302/http://user:word@other.example/", .code = ERR_BAD_URL},
        {.path = "/to/302///user@other.example/", .code = ERR_BAD_URL},
        {.path = "/to/302/http://127.0.0.1/", .code = ERR_REFUSED_ADDRESS},
        {.path = "/to/302/http://0x7f.1/", .code = ERR_REFUSED_ADDRESS},
        {.path = "/to/302///[::1]/", .code = ERR_REFUSED_ADDRESS},
        {.path = "/to/302/http://localhost/", .code = ERR_REFUSED_ADDRESS},
        {.path = "/to/302/http://other.example:22/", .code = ERR_REFUSED_ADDRESS},
        {.path = "/to/302//to/302//to/302/http://169.254.169.254/", .code = ERR_REFUSED_ADDRESS},
        {.path = "/to/307//echo", .post = "body", .status = 200, .body_len = -1, .says = "\r\n\r\nbody"},
        {.path = "/to/308//echo", .post = "body", .status = 200, .body_len = -1, .says = "POST "},
        {.path = "/to/302//echo",
         .post = "body",
         .code = ERR_UPSTREAM_FAILED,
         .says = "a POST was redirected"},
        {.path = "/to/303//echo",
         .post = "body",
         .code = ERR_UPSTREAM_FAILED,
         .says = "a POST was redirected"},
        {.path = "/to/307/http://other.example/echo", .post = "body", .code = ERR_UPSTREAM_FAILED},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        run_case(f->net, &cases[i]);
}

static void answer_fields(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    auto_(net_answer) struct net_answer a;
    const struct net_call call = {.url = "http://media.example/to/302//plain#top", .max_bytes = 100};
    assert_int_equal(net_call(f->net, &call, &a, &err), 0);
    assert_string_equal(a.content_type, "text/html");
    assert_string_equal(a.etag, "\"v1\"");
    assert_string_equal(a.last_modified, "Fri, 20 Nov 2026 18:00:00 GMT");
    assert_string_equal(a.final_url, "http://media.example/plain");
}

/* What the last hop saw of the caller's header fields. */
static void secrets_stay_with_their_host(void **state)
{
    struct fixture *f = *state;
    static const char *const headers[] = {"Authorization: secret-a",   "X-Visitor: secret-b",
                                          "Cookie: secret-c",          "accept: text/x",
                                          "Origin: http://me.example", NULL};
    static const struct {
        const char *path;
        bool kept;
    } cases[] = {
        {"/echo", true},
        {"/to/302//echo", true},
        {"/to/302/http://MEDIA.example:80/echo", true},
        {"/to/302/http://other.example/echo", false},
        {"/to/302/http://media.example:443/echo", false},
        {"/to/302/http://other.example/to/302/http://media.example/echo", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        char url[256];
        auto_(net_answer) struct net_answer a;
        (void)snprintf(url, sizeof url, "http://media.example%s", cases[i].path);
        const struct net_call call = {
            .url = url, .headers = headers, .user_agent = "Agent/1", .max_bytes = 4096};
        assert_int_equal(net_call(f->net, &call, &a, &err), 0);
        bool kept = strstr(buf_str(&a.body), "secret-a") && strstr(buf_str(&a.body), "secret-b") &&
                    strstr(buf_str(&a.body), "secret-c");
        if (kept != cases[i].kept || (!kept && strstr(buf_str(&a.body), "secret")))
            fail_msg("%s: %s", cases[i].path, buf_str(&a.body));
        assert_non_null(strstr(buf_str(&a.body), "accept: text/x"));
        assert_non_null(strstr(buf_str(&a.body), "User-Agent: Agent/1"));
    }
}

static void header_injection(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {"X: y\r\nHost: other", "X: y\nZ: a", "no colon"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err err = {0};
        auto_(net_answer) struct net_answer a;
        const char *const headers[] = {bad[i], NULL};
        const struct net_call call = {
            .url = "http://media.example/echo", .headers = headers, .max_bytes = 4096};
        assert_int_equal(net_call(f->net, &call, &a, &err), -1);
    }
    struct err err = {0};
    auto_(net_answer) struct net_answer a;
    const struct net_call call = {
        .url = "http://media.example/echo", .user_agent = "a\r\nX: y", .max_bytes = 4096};
    assert_int_equal(net_call(f->net, &call, &a, &err), -1);
    assert_int_equal(atomic_load(&f->origin->requests), 0);
}

static void time_is_bounded(void **state)
{
    struct fixture *f = *state;
    struct err err = {0};
    auto_(net_answer) struct net_answer a;
    const struct net_call call = {.url = "http://media.example/silent", .max_bytes = 100, .timeout_ms = 150};
    int64_t start_us = clock_mono_us();
    assert_int_equal(net_call(f->net, &call, &a, &err), -1);
    assert_int_equal(err.code, ERR_UPSTREAM_FAILED);
    assert_in_range(clock_mono_us() - start_us, 140000, 900000);
}

/* A name server that does not answer: libc cannot be interrupted, so it is left behind. */
static void slow_names(void **state)
{
    (void)state;
    struct err err = {0};
    auto_(net_answer) struct net_answer a;
    struct net *net = open_net(NULL, "80");
    const struct net_call call = {.url = "http://slow.example/", .max_bytes = 100, .timeout_ms = 100};
    int64_t start_us = clock_mono_us();
    assert_int_equal(net_call(net, &call, &a, &err), -1);
    net_close(net);
    assert_in_range(clock_mono_us() - start_us, 90000, 400000);
    clock_sleep_ms(600);
}

static void connections_are_reused(void **state)
{
    struct fixture *f = *state;
    static const struct call_case c = {.path = "/plain", .status = 200, .body_len = 5, .total = 5};
    for (int i = 0; i < 20; i++)
        run_case(f->net, &c);
    assert_int_equal(atomic_load(&f->origin->requests), 20);
    assert_int_equal(atomic_load(&f->origin->connections), 1);
}

static void *call_often(void *net)
{
    static const struct call_case cases[] = {
        {.path = "/plain", .status = 200, .body_len = 5, .total = 5},
        {.path = "http://other.example/size/5000", .status = 200, .body_len = 5000, .total = 5000},
        {.path = "/to/302/http://127.0.0.1/", .code = ERR_REFUSED_ADDRESS},
        {.path = "http://third.example/truncated", .code = ERR_UPSTREAM_FAILED},
    };
    for (size_t i = 0; i < 80; i++)
        run_case(net, &cases[i % ARRAY_LEN(cases)]);
    return NULL;
}

static void many_threads(void **state)
{
    struct fixture *f = *state;
    pthread_t threads[8];
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, call_often, f->net), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(atomic_load(&f->origin->requests), 8 * 80);
}

/* Without a proxy nothing may arrive at a listener on this machine, whatever the link says, whatever a name
 * resolves to, and whatever proxies the environment names. */
static void no_connection_is_made(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *host;
        enum err_code code;
        unsigned lookups;
    } cases[] = {
        {"127.0.0.1", ERR_REFUSED_ADDRESS, 0},      {"127.0.0.1.", ERR_REFUSED_ADDRESS, 0},
        {"127.1", ERR_REFUSED_ADDRESS, 0},          {"2130706433", ERR_REFUSED_ADDRESS, 0},
        {"0x7f.0.0.1", ERR_REFUSED_ADDRESS, 0},     {"0", ERR_REFUSED_ADDRESS, 0},
        {"[::1]", ERR_REFUSED_ADDRESS, 0},          {"[::ffff:127.0.0.1]", ERR_REFUSED_ADDRESS, 0},
        {"localhost", ERR_REFUSED_ADDRESS, 0},      {"x.localhost", ERR_REFUSED_ADDRESS, 0},
        {"user@127.0.0.1", ERR_BAD_URL, 0},         {"loopback.example", ERR_REFUSED_ADDRESS, 1},
        {"mapped.example", ERR_REFUSED_ADDRESS, 1}, {"any.example", ERR_REFUSED_ADDRESS, 1},
        {"both.example", ERR_REFUSED_ADDRESS, 1},   {"nowhere.example", ERR_UPSTREAM_FAILED, 1},
    };
    static const char *const variables[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                            "ALL_PROXY"};
    char port[8];
    (void)snprintf(port, sizeof port, "%u", f->origin->port);
    for (size_t i = 0; i < ARRAY_LEN(variables); i++)
        assert_int_equal(setenv(variables[i], f->origin->url, 1), 0);
    struct net *net = open_net(NULL, port);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char url[128];
        unsigned before = atomic_load(&lookups);
        for (int n = 0; n < 4; n++) { /* again on the same wire; then TLS */
            struct err err = {0};
            auto_(net_answer) struct net_answer a;
            (void)snprintf(url, sizeof url, "http%s://%s:%s/plain", n < 2 ? "" : "s", cases[i].host, port);
            const struct net_call call = {.url = url, .max_bytes = 100};
            if (net_call(net, &call, &a, &err) == 0 || err.code != cases[i].code)
                fail_msg("%s: %s", url, err.text);
        }
        if ((atomic_load(&lookups) > before) != (cases[i].lookups > 0))
            fail_msg("%s: %u lookups", cases[i].host, atomic_load(&lookups) - before);
    }
    net_close(net);
    for (size_t i = 0; i < ARRAY_LEN(variables); i++)
        (void)unsetenv(variables[i]);
    assert_int_equal(atomic_load(&f->origin->connections), 0);
}

/* Behind a proxy names are resolved there, so nothing is looked up here; and the environment cannot make
 * libcurl go around it. */
static void proxy_cannot_be_avoided(void **state)
{
    struct fixture *f = *state;
    static const struct call_case c = {.path = "/plain", .status = 200, .body_len = 5, .total = 5};
    assert_int_equal(setenv("no_proxy", "*", 1), 0);
    assert_int_equal(setenv("NO_PROXY", "*", 1), 0);
    unsigned before = atomic_load(&lookups);
    run_case(f->net, &c);
    (void)unsetenv("no_proxy");
    (void)unsetenv("NO_PROXY");
    assert_int_equal(atomic_load(&f->origin->requests), 1);
    assert_int_equal(atomic_load(&lookups), before);
}

static void bad_settings(void **state)
{
    (void)state;
    static const struct net_opts cases[] = {
        {.proxy_url = "127.0.0.1:8080", .ports = "80"},
        {.proxy_url = "http://127.0.0.1", .ports = "80"},
        {.proxy_url = "socks4://127.0.0.1:1", .ports = "80"},
        {.proxy_url = "http://:80", .ports = "80"},
        {.ports = "80,http"},
        {.ports = ""},
        {.ports = "80", .ca_file = "/nowhere/ca.pem"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        struct net *net = NULL;
        assert_int_equal(net_open(&net, &cases[i], &err), -1);
        assert_int_equal(err.code, ERR_INTERNAL);
        assert_null(net);
    }
    net_close(NULL);
}

/* A certificate authority, a certificate for secure.example, and two answers, made by the openssl command.
 * Its s_server sends files as they are with -HTTP. */
static const char make_tls[] =
    "set -e; cd \"$1\"; new='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'\n"
    "openssl req -x509 $new -keyout ca.key -out ca.pem -subj /CN=test-ca -days 2\n"
    "openssl req $new -keyout key.pem -out csr.pem -subj /CN=x -addext subjectAltName=DNS:secure.example\n"
    "openssl x509 -req -in csr.pem -CA ca.pem -CAkey ca.key -CAcreateserial -copy_extensions copy -days 2 "
    "-out cert.pem\n"
    "printf 'HTTP/1.0 200 OK\\r\\nContent-Length: 6\\r\\n\\r\\nsecret' > good\n"
    "printf 'HTTP/1.0 302 Found\\r\\nLocation: http://media.example/plain\\r\\n\\r\\n' > down\n"
    "printf 'HTTP/1.0 302 Found\\r\\nLocation: /good\\r\\n\\r\\n' > along\n";

/* Starts s_server in `dir` on a free port, which it prints. */
static pid_t start_tls(const char *dir)
{
    int out[2];
    char text[512];
    size_t len = 0;
    unsigned port = 0;
    assert_int_equal(pipe(out), 0);
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM); /* also when a test has failed */
        if (chdir(dir) == 0 && dup2(out[1], 1) == 1 && close(out[1]) == 0 &&
            freopen("/dev/null", "w", stderr))
            (void)execlp("openssl", "openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", "cert.pem",
                         "-key", "key.pem", "-HTTP", (char *)NULL);
        _exit(127);
    }
    (void)close(out[1]);
    while (port == 0 && len < sizeof text - 1) {
        ssize_t n = read(out[0], text + len, sizeof text - 1 - len);
        if (n <= 0)
            break;
        len += (size_t)n;
        text[len] = '\0';
        const char *accept = strstr(text, "ACCEPT 127.0.0.1:");
        if (accept && strchr(accept, '\n'))
            port = (unsigned)strtoul(accept + 17, NULL, 10);
    }
    (void)close(out[0]);
    atomic_store(&tls_port, port);
    return pid;
}

struct flow_reader {
    struct loop *loop;
    struct flow *flow;
    char text[16];
    size_t len;
    struct err err;
};

static void look(void *ctx)
{
    struct flow_reader *r = ctx;
    const unsigned char *data;
    size_t len;
    int rc;
    while ((rc = flow_peek(r->flow, &data, &len, &r->err)) == 1) {
        assert_true(len < sizeof r->text - r->len);
        memcpy(r->text + r->len, data, len);
        r->len += len;
        flow_take(r->flow, len);
    }
    if (rc != 0)
        loop_stop(r->loop);
}

/* The same by a flow, twice, so that a session may be taken up again. */
static void run_flow_case(struct net *net, const struct call_case *c)
{
    struct err err = {0};
    auto_ptr(loop) struct loop *loop = NULL;
    auto_ptr(flow_set) struct flow_set *set = NULL;
    const struct fetch_opts opts = {.url = c->path};
    assert_int_equal(loop_open(&loop, &err), 0);
    assert_int_equal(flow_set_open(&set, net, loop, &err), 0);
    for (int i = 0; i < 2; i++) {
        struct flow_reader r = {.loop = loop};
        assert_int_equal(flow_open(&r.flow, set, &opts, look, &r, &err), 0);
        loop_run(loop);
        flow_close(r.flow);
        if (r.err.code != c->code || (c->code == ERR_OK && strcmp(r.text, c->says) != 0) ||
            (c->code != ERR_OK && !strstr(r.err.text, c->says)))
            fail_msg("%s: %s %s", c->path, r.text, r.err.text);
    }
}

static void tls_is_checked(void **state)
{
    struct fixture *f = *state;
    static const struct call_case trusted[] = {
        {.path = "https://secure.example/good", .status = 200, .body_len = 6, .total = 6, .says = "secret"},
        {.path = "https://secure.example/along", .status = 200, .body_len = 6, .total = 6, .says = "secret"},
        {.path = "https://secure.example/down", .code = ERR_UPSTREAM_FAILED, .says = "from https to http"},
        {.path = "https://other.example/good", .code = ERR_UPSTREAM_FAILED, .says = "no alternative"},
    };
    static const struct call_case untrusted = {
        .path = "https://secure.example/good", .code = ERR_UPSTREAM_FAILED, .says = "certificate"};
    static const struct call_case other_host = {
        .path = "https://other.example/good", .code = ERR_UPSTREAM_FAILED, .says = "ostname mismatch"};
    char dir[] = "/tmp/sluice-net-XXXXXX";
    char command[sizeof make_tls + 256];
    char ca_file[64];
    struct err err = {0};
    struct net *net = NULL;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(command, sizeof command, "set -- %s; %s", dir, make_tls);
    (void)snprintf(ca_file, sizeof ca_file, "%s/ca.pem", dir);
    FILE *shell = popen("sh >/dev/null 2>&1", "w");
    assert_non_null(shell);
    assert_true(fputs(command, shell) >= 0);
    assert_int_equal(pclose(shell), 0);
    pid_t pid = start_tls(dir);
    assert_int_not_equal(atomic_load(&tls_port), 0);
    const struct net_opts opts = {.proxy_url = f->origin->url,
                                  .ca_file = ca_file,
                                  .ports = "80,443",
                                  .connect_ms = 2000,
                                  .timeout_ms = 5000,
                                  .stall_s = 2};
    assert_int_equal(net_open(&net, &opts, &err), 0);
    for (size_t i = 0; i < ARRAY_LEN(trusted); i++)
        run_case(net, &trusted[i]);
    for (size_t i = 0; i < ARRAY_LEN(trusted) - 1; i++)
        run_flow_case(net, &trusted[i]);
    run_flow_case(net, &other_host);
    net_close(net);
    run_case(f->net, &untrusted);
    run_flow_case(f->net, &untrusted);
    (void)kill(pid, SIGTERM);
    (void)waitpid(pid, NULL, 0);
    (void)snprintf(command, sizeof command, "rm -r %s", dir);
    assert_int_equal(system(command), 0);
}

/* A body that is read while it is sent. */
struct body {
    size_t left, piece;
    enum err_code fails; /* where it ends */
};

static int read_some(void *ctx, void *to, size_t room, size_t *got, struct err *err)
{
    struct body *b = ctx;
    *got = b->left < b->piece ? b->left : b->piece;
    *got = *got < room ? *got : room;
    memset(to, 'b', *got);
    b->left -= *got;
    return *got == 0 && b->fails ? err_set(err, b->fails, "the reader's reason") : 0;
}

static void bodies_are_sent(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *name, *path, *method, *body;
        struct body read; /* left 0: none */
        uint64_t length;
        /* expected */
        enum err_code code;
        const char *says[3];
    } cases[] = {
        {"a POST",
         "/echo",
         NULL,
         NULL,
         {.left = 3000, .piece = 7},
         3000,
         ERR_OK,
         {"POST ", "Content-Length: 3000", "bbbbbbb"}},
        {"a PUT",
         "/echo",
         "PUT",
         NULL,
         {.left = 3000, .piece = 3000},
         3000,
         ERR_OK,
         {"PUT ", "Content-Length: 3000", "bbb"}},
        {"a PUT from memory",
         "/echo",
         "PUT",
         "hello",
         {0},
         5,
         ERR_OK,
         {"PUT ", "Content-Length: 5", "hello"}},
        {"none", "/echo", "DELETE", NULL, {0}, 0, ERR_OK, {"DELETE "}},
        {"too short", "/echo", "PUT", NULL, {.left = 2999, .piece = 1000}, 3000, ERR_INTERNAL, {"shorter"}},
        {"its end fails", "/echo", "PUT", NULL, {10, 10, ERR_BUSY}, 3000, ERR_BUSY, {"the reader's"}},
        {"redirected",
         "/to/307/http://media.example/echo",
         "PUT",
         NULL,
         {.left = 30, .piece = 30},
         30,
         ERR_UPSTREAM_FAILED,
         {"PUT was redirected"}},
        {"redirected from memory",
         "/to/307/http://media.example/echo",
         "PUT",
         "hello",
         {0},
         5,
         ERR_OK,
         {"PUT ", "hello"}},
        {"redirected elsewhere",
         "/to/307/http://other.example/echo",
         "DELETE",
         NULL,
         {0},
         0,
         ERR_UPSTREAM_FAILED,
         {"DELETE was redirected"}},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char url[256];
        struct err err = {0};
        struct body body = cases[i].read;
        auto_(net_answer) struct net_answer a;
        (void)snprintf(url, sizeof url, "http://media.example%s", cases[i].path);
        const struct net_call call = {
            .url = url,
            .method = cases[i].method,
            .body = cases[i].body,
            .body_len = cases[i].length,
            .read_body = body.left ? read_some : NULL,
            .read_ctx = &body,
            .max_bytes = 100000,
        };
        int rc = net_call(f->net, &call, &a, &err);
        enum err_code code = rc < 0 ? err.code : ERR_OK;
        const char *text = rc < 0 ? err.text : buf_str(&a.body);
        if (code != cases[i].code)
            fail_msg("%s: %s (%s)", cases[i].name, err_info(code)->name, text);
        for (size_t j = 0; j < ARRAY_LEN(cases[i].says); j++) {
            if (cases[i].says[j] && !strstr(text, cases[i].says[j]))
                fail_msg("%s: \"%s\" is not in: %s", cases[i].name, cases[i].says[j], text);
        }
    }
}

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(exchanges, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bodies_are_sent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(answer_fields, set_up, tear_down),
        cmocka_unit_test_setup_teardown(secrets_stay_with_their_host, set_up, tear_down),
        cmocka_unit_test_setup_teardown(header_injection, set_up, tear_down),
        cmocka_unit_test_setup_teardown(time_is_bounded, set_up, tear_down),
        cmocka_unit_test(slow_names),
        cmocka_unit_test_setup_teardown(connections_are_reused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_threads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_connection_is_made, set_up, tear_down),
        cmocka_unit_test_setup_teardown(proxy_cannot_be_avoided, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tls_is_checked, set_up, tear_down),
        cmocka_unit_test(bad_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
