/* http/server.h as a web server sees it: the test speaks FastCGI to a forked http_serve() over sockets, and
 * CGI over pipes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/io.h"
#include "base/text.h"
#include "http/edge.h"
#include "http/server.h"

/* --- the program under test --- */

struct app { /* in shared memory */
    atomic_int entered, left;
};

static struct app *app;
static char dir[] = "/tmp/sluice-http-XXXXXX";
static char socket_path[64];
static char log_path[64];

static int run_hello(struct app *a, const struct http_request *req, struct http_response *res,
                     struct err *err)
{
    (void)a, (void)req, (void)err;
    return http_send(res, "text/plain", "hello", 5);
}

static int run_echo(struct app *a, const struct http_request *req, struct http_response *res, struct err *err)
{
    (void)a;
    const char *url = http_param(req, "url");
    if (!url)
        return err_set(err, ERR_BAD_REQUEST, "no url\r\nforged line");
    return http_send(res, "text/plain", url, strlen(url));
}

/* "n" bytes, in pieces of 200,000; 'a' + (position % 26). */
static int run_big(struct app *a, const struct http_request *req, struct http_response *res, struct err *err)
{
    static char alphabet[200000];
    uint64_t left = 0;
    if (!http_param(req, "n") || text_parse_u64(http_param(req, "n"), 0, UINT64_MAX, &left) < 0)
        return err_set(err, ERR_BAD_REQUEST, "no n");
    for (size_t i = 0; i < sizeof alphabet; i++)
        alphabet[i] = (char)('a' + i % 26);
    atomic_fetch_add(&a->entered, 1);
    int rc = http_begin(res, left);
    for (uint64_t at = 0; rc == 0 && left;) {
        size_t n = left < 199992 ? (size_t)left : 199992; /* a multiple of 26 */
        rc = http_write(res, alphabet + at % 26, n);
        at += n;
        left -= n;
    }
    if (rc < 0)
        atomic_fetch_add(&a->left, 1);
    return rc;
}

static int run_short(struct app *a, const struct http_request *req, struct http_response *res,
                     struct err *err)
{
    (void)a;
    (void)http_begin(res, http_param(req, "unknown") ? HTTP_LENGTH_UNKNOWN : 1000);
    (void)http_write(res, "only this", 9);
    return err_set(err, ERR_UPSTREAM_FAILED, "gone");
}

static int run_slow(struct app *a, const struct http_request *req, struct http_response *res, struct err *err)
{
    (void)req, (void)err;
    atomic_fetch_add(&a->entered, 1);
    clock_sleep_ms(300);
    return http_send(res, "text/plain", "slow", 4);
}

static int run_hang(struct app *a, const struct http_request *req, struct http_response *res, struct err *err)
{
    (void)req, (void)res;
    atomic_fetch_add(&a->entered, 1);
    clock_sleep_ms(60000);
    return err_set(err, ERR_INTERNAL, "woke up");
}

static int run_busy(struct app *a, const struct http_request *req, struct http_response *res, struct err *err)
{
    (void)a, (void)req, (void)res;
    return err_set(err, ERR_BUSY, "full");
}

static const struct http_route routes[] = {
    {"/api/v1/hello", HTTP_GET, HTTP_ROUTE_INFO | HTTP_ROUTE_CORS, run_hello},
    {"/api/v1/echo", HTTP_GET | HTTP_POST, HTTP_ROUTE_INFO | HTTP_ROUTE_HTML, run_echo},
    {"/api/v1/big", HTTP_GET, HTTP_ROUTE_INFO, run_big},
    {"/api/v1/short", HTTP_GET, HTTP_ROUTE_INFO, run_short},
    {"/api/v1/slow", HTTP_GET, HTTP_ROUTE_INFO, run_slow},
    {"/api/v1/hang", HTTP_GET, HTTP_ROUTE_INFO, run_hang},
    {"/api/v1/busy", HTTP_GET, HTTP_ROUTE_INFO, run_busy},
    {"/api/v1/stream", HTTP_GET, HTTP_ROUTE_STREAM, run_hello},
};

/* Runs http_serve() in a child whose standard error is the log file; `inherited` becomes its descriptor 0.
 * Its exit status tells of a sanitizer's findings too. */
static pid_t start(const char *socket, int inherited, unsigned threads)
{
    struct err err = {0};
    atomic_store(&app->entered, 0);
    atomic_store(&app->left, 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid)
        return pid;
    int log = open(log_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (log < 0 || dup2(log, STDERR_FILENO) < 0 || (inherited >= 0 && dup2(inherited, STDIN_FILENO) < 0))
        _exit(90);
    const struct http_server_opts opts = {.socket = socket,
                                          .threads = threads,
                                          .send_timeout_s = 1,
                                          .grace_s = 2,
                                          .program = HTTP_ROUTE_INFO,
                                          .routes = routes,
                                          .route_count = ARRAY_LEN(routes),
                                          .app = app};
    int rc = http_serve(&opts, &err);
    if (rc < 0)
        fprintf(stderr, "http_serve: %s\n", err.text);
    exit(rc < 0 ? 91 : 0);
}

static void assert_log_contains(const char *what, bool contained)
{
    struct err err;
    auto_(buf) struct buf log = BUF_INIT(1 << 20);
    assert_int_equal(io_read_file(log_path, &log, &err), 0);
    if ((strstr(buf_str(&log), what) != NULL) != contained)
        fail_msg("%s in the log:\n%s", what, buf_str(&log));
}

static void assert_exits(pid_t pid, int status)
{
    int got = -1;
    assert_int_equal(waitpid(pid, &got, 0), pid);
    if (!WIFEXITED(got) || WEXITSTATUS(got) != status) {
        assert_log_contains("shown on purpose", true);
        fail_msg("status %x", (unsigned)got);
    }
}

static void stop(pid_t pid)
{
    int64_t started_us = clock_mono_us();
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_exits(pid, 0);
    assert_in_range(clock_mono_us() - started_us, 0, 3000000);
}

/* --- a small web server --- */

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    assert_int_equal(text_copy(address.sun_path, sizeof address.sun_path, path), 0);
    for (int i = 0; i < 500; i++) { /* the child may still be starting */
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(fd >= 0);
        if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
            return fd;
        (void)close(fd);
        clock_sleep_ms(10);
    }
    fail_msg("cannot connect to %s: %s", path, strerror(errno));
    return -1;
}

static void add_record(struct buf *b, int type, int id, const void *data, size_t len, size_t padding)
{
    const uint8_t header[8] = {1,
                               (uint8_t)type,
                               (uint8_t)(id >> 8),
                               (uint8_t)id,
                               (uint8_t)(len >> 8),
                               (uint8_t)len,
                               (uint8_t)padding};
    (void)buf_add(b, header, sizeof header);
    (void)buf_add(b, data, len);
    while (padding--)
        (void)buf_addc(b, '\xff');
}

static void add_param(struct buf *b, const char *name, const char *value)
{
    size_t n = strlen(value);
    const uint8_t long_len[4] = {(uint8_t)(0x80 | n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8),
                                 (uint8_t)n};
    (void)buf_addc(b, (char)strlen(name));
    (void)buf_add(b, long_len, 4);
    (void)buf_adds(b, name);
    (void)buf_adds(b, value);
}

struct ask {
    const char *method, *uri, *type, *accept;
    const char *software;
    const char *body;
    size_t body_len;
    const char *content_length; /* NULL: the truth */
    size_t piece;               /* the body in STDIN records of this size; 0: 60,000 */
    int id;
    bool keep;
};

static void send_request(int fd, const struct ask *ask)
{
    int id = ask->id ? ask->id : 1;
    char length[24];
    size_t piece = ask->piece ? ask->piece : 60000;
    auto_(buf) struct buf params = BUF_INIT(100000);
    auto_(buf) struct buf all = BUF_INIT(10 << 20);
    const uint8_t begin[8] = {0, 1, ask->keep};
    (void)snprintf(length, sizeof length, "%zu", ask->body_len);
    add_param(&params, "REQUEST_METHOD", ask->method ? ask->method : "GET");
    add_param(&params, "REQUEST_URI", ask->uri);
    add_param(&params, "CONTENT_LENGTH", ask->content_length ? ask->content_length : length);
    add_param(&params, "CONTENT_TYPE", ask->type ? ask->type : "");
    if (ask->accept)
        add_param(&params, "HTTP_ACCEPT", ask->accept);
    if (ask->software)
        add_param(&params, "SERVER_SOFTWARE", ask->software);
    add_record(&all, 1, id, begin, sizeof begin, 0);
    add_record(&all, 4, id, params.data, params.len, 3);
    add_record(&all, 4, id, "", 0, 0);
    for (size_t at = 0; at < ask->body_len; at += piece)
        add_record(&all, 5, id, ask->body + at, ask->body_len - at < piece ? ask->body_len - at : piece,
                   at % 8);
    add_record(&all, 5, id, "", 0, 0);
    assert_false(all.failed);
    assert_int_equal(io_write_all(fd, all.data, all.len), 0);
}

struct reply {
    struct buf text; /* all STDOUT content */
    bool ended;      /* END_REQUEST arrived, and nothing behind it */
    bool nonsense;   /* a record of no known version arrived, and nothing behind it */
    size_t longest;  /* STDOUT record */
};

static void reply_fini(struct reply *r)
{
    buf_fini(&r->text);
}
DEFINE_AUTO(reply, reply_fini)
#define REPLY_INIT                                                                                           \
    {                                                                                                        \
        .text = BUF_INIT(64 << 20)                                                                           \
    }

static void parse_reply(struct reply *r, const struct buf *raw, int id)
{
    bool closed = false; /* the empty STDOUT record */
    for (size_t at = 0; at < raw->len;) {
        const uint8_t *h = (const uint8_t *)raw->data + at;
        if (raw->len - at < 8)
            return; /* cut inside a record */
        size_t len = (size_t)h[4] << 8 | h[5];
        assert_false(r->nonsense);
        if (h[0] != 1) {
            r->nonsense = true;
            at += 8;
            continue;
        }
        assert_int_equal(h[2] << 8 | h[3], id);
        if (raw->len - at - 8 < len + h[6])
            return;
        assert_false(r->ended);
        if (h[1] == 6) {
            assert_false(closed);
            closed = len == 0;
            r->longest = len > r->longest ? len : r->longest;
            (void)buf_add(&r->text, h + 8, len);
        } else {
            static const uint8_t complete[8] = {0};
            assert_int_equal(h[1], 3);
            assert_int_equal(len, 8);
            assert_memory_equal(h + 8, complete, 8);
            assert_true(closed);
            r->ended = true;
        }
        at += 8 + len + h[6];
    }
}

/* Reads to the end of the connection and closes it. */
static void read_reply(int fd, struct reply *r, int id)
{
    auto_(buf) struct buf raw = BUF_INIT(64 << 20);
    for (;;) {
        char *to = buf_reserve(&raw, 65536);
        assert_non_null(to);
        ssize_t n = read(fd, to, 65536);
        assert_true(n >= 0 || errno == ECONNRESET);
        if (n <= 0)
            break;
        raw.len += (size_t)n;
    }
    (void)close(fd);
    parse_reply(r, &raw, id);
}

static void request(const char *path, const struct ask *ask, struct reply *r)
{
    int fd = connect_to(path);
    send_request(fd, ask);
    read_reply(fd, r, ask->id ? ask->id : 1);
}

static void assert_hello(const char *path)
{
    auto_(reply) struct reply r = REPLY_INIT;
    request(path, &(struct ask){.uri = "/api/v1/hello"}, &r);
    assert_true(r.ended);
    assert_true(text_starts_with(buf_str(&r.text), "Status: 200 OK\r\n"));
    assert_true(text_ends_with(buf_str(&r.text), "\r\n\r\nhello"));
}

static void wait_until(const atomic_int *what, int value)
{
    for (int i = 0; i < 500 && atomic_load(what) < value; i++)
        clock_sleep_ms(10);
    assert_int_equal(atomic_load(what), value);
}

static int listen_on(const char *path, int flags)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    assert_int_equal(text_copy(address.sun_path, sizeof address.sun_path, path), 0);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    (void)unlink(path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 100), 0);
    return fd;
}

/* --- FastCGI --- */

static void answers(void **state)
{
    (void)state;
    static char body[] = "url=posted+value";
    static const struct {
        const char *name;
        struct ask ask;
        const char *start; /* the answer begins with this */
        const char *holds; /* and holds this */
        const char *end;   /* and ends with this */
    } cases[] = {
        {"GET", {.uri = "/api/v1/hello"}, "Status: 200 OK\r\n", "\r\nContent-Length: 5\r\n", "\r\n\r\nhello"},
        {"HEAD",
         {.method = "HEAD", .uri = "/api/v1/hello"},
         "Status: 200 OK\r\n",
         "\r\nContent-Length: 5\r\n",
         "\r\n\r\n"},
        {"large request id", {.uri = "/api/v1/hello", .id = 0xfffe}, "Status: 200", "", "hello"},
        {"query", {.uri = "/sub/api/v1/echo?url=a%20b"}, "Status: 200", "", "\r\n\r\na b"},
        {"form",
         {.method = "POST",
          .uri = "/api/v1/echo",
          .type = "application/x-www-form-urlencoded",
          .body = body,
          .body_len = sizeof body - 1,
          .piece = 3},
         "Status: 200",
         "",
         "\r\n\r\nposted value"},
        {"JSON",
         {.method = "POST",
          .uri = "/api/v1/echo",
          .type = "application/json",
          .body = "{\"url\":\"j\"}",
          .body_len = 11},
         "Status: 200",
         "",
         "\r\n\r\nj"},
        {"handler fails", {.uri = "/api/v1/echo"}, "Status: 400", "\"code\":\"bad_request\"", "}"},
        {"busy", {.uri = "/api/v1/busy"}, "Status: 503", "\r\nRetry-After: 5\r\n", "}"},
        {"unknown route", {.uri = "/api/v1/nothing"}, "Status: 404", "\"code\":\"not_found\"", "}"},
        {"another program's route", {.uri = "/api/v1/stream"}, "Status: 404", "", "}"},
        {"wrong method",
         {.method = "DELETE", .uri = "/api/v1/echo"},
         "Status: 405",
         "\r\nAllow: GET, HEAD, POST, OPTIONS\r\n",
         "}"},
        {"unknown method", {.method = "BREW", .uri = "/api/v1/hello"}, "Status: 405", "", "}"},
        {"OPTIONS",
         {.method = "OPTIONS", .uri = "/api/v1/echo"},
         "Status: 204",
         "\r\nAllow: GET, HEAD, POST, OPTIONS\r\n",
         "\r\n\r\n"},
        {"preflight",
         {.method = "OPTIONS", .uri = "/api/v1/hello"},
         "Status: 204",
         "\r\nAccess-Control-Allow-Methods: GET, HEAD, OPTIONS\r\n",
         "\r\n\r\n"},
        {"any origin",
         {.uri = "/api/v1/hello"},
         "Status: 200",
         "\r\nAccess-Control-Allow-Origin: *\r\n",
         "hello"},
        {"request id", {.uri = "/api/v1/hello"}, "Status: 200", "\r\nX-Request-Id: ", "hello"},
        {"bad escape", {.uri = "/api/v1/echo?url=%zz"}, "Status: 400", "\"code\":\"bad_url\"", "}"},
        {"bad escape, browser",
         {.uri = "/api/v1/echo?url=%zz", .accept = "text/html"},
         "Status: 400",
         "Content-Type: text/html",
         "</html>\n"},
        {"no pages here", {.uri = "/api/v1/busy", .accept = "text/html"}, "Status: 503", "problem+json", "}"},
    };
    pid_t pid = start(socket_path, -1, 2);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_(reply) struct reply r = REPLY_INIT;
        request(socket_path, &cases[i].ask, &r);
        const char *text = buf_str(&r.text);
        if (!r.ended || !text_starts_with(text, cases[i].start) || !strstr(text, cases[i].holds) ||
            !text_ends_with(text, cases[i].end))
            fail_msg("%s: %s%s", cases[i].name, text, r.ended ? "" : " (not ended)");
    }
    stop(pid);
    assert_log_contains("request id=", true);
    assert_log_contains("route=\"/api/v1/echo\" status=\"400\" code=\"bad_request\"", true);
    assert_log_contains("error=\"no url\\x0d\\x0aforged line\"", true);
    assert_log_contains("posted", false);
    assert_log_contains("/sub", false);
    assert_log_contains("/api/v1/nothing", false);
}

static void small_answer_is_one_packet(void **state)
{
    (void)state;
    char got[4096];
    pid_t pid = start(socket_path, -1, 1);
    int fd = connect_to(socket_path);
    send_request(fd, &(struct ask){.uri = "/api/v1/hello"});
    ssize_t n = read(fd, got, sizeof got);
    auto_(buf) struct buf raw = BUF_INIT(sizeof got);
    auto_(reply) struct reply r = REPLY_INIT;
    (void)buf_add(&raw, got, (size_t)n);
    parse_reply(&r, &raw, 1);
    assert_true(r.ended);
    (void)close(fd);
    stop(pid);
}

static void big_answers(void **state)
{
    (void)state;
    static const size_t sizes[] = {0,     1,      12280,  12281,   65527,   65528,
                                   65529, 131056, 200000, 1048448, 1048449, 20000001};
    static const struct {
        const char *name; /* of the web server */
        size_t longest;
    } servers[] = {{NULL, 65528}, {"Apache/2.4", 65528}, {"lighttpd/1.4.69", 12280}, {"", 12280}};
    pid_t pid = start(socket_path, -1, 2);
    for (size_t i = 0; i < ARRAY_LEN(sizes) * ARRAY_LEN(servers); i++) {
        char uri[64];
        auto_(reply) struct reply r = REPLY_INIT;
        size_t size = sizes[i / ARRAY_LEN(servers)];
        size_t longest = servers[i % ARRAY_LEN(servers)].longest;
        (void)snprintf(uri, sizeof uri, "/api/v1/big?n=%zu", size);
        request(socket_path, &(struct ask){.uri = uri, .software = servers[i % ARRAY_LEN(servers)].name}, &r);
        assert_true(r.ended);
        assert_true(r.longest <= longest && (size < longest || r.longest == longest));
        const char *body = strstr(buf_str(&r.text), "\r\n\r\n") + 4;
        assert_int_equal(r.text.len - (size_t)(body - r.text.data), size);
        for (size_t at = 0; at < size; at++) {
            if (body[at] != (char)('a' + at % 26))
                fail_msg("%zu: byte %zu differs", size, at);
        }
    }
    stop(pid);
}

static void broken_answers_never_look_whole(void **state)
{
    (void)state;
    static const char *const uris[] = {"/api/v1/short", "/api/v1/short?unknown=1"};
    pid_t pid = start(socket_path, -1, 1);
    for (size_t i = 0; i < ARRAY_LEN(uris); i++) {
        auto_(reply) struct reply r = REPLY_INIT;
        request(socket_path, &(struct ask){.uri = uris[i]}, &r);
        assert_true(text_ends_with(buf_str(&r.text), "\r\n\r\nonly this"));
        assert_false(r.ended);
        assert_true(r.nonsense); /* nginx needs it to notice */
    }
    stop(pid);
    assert_log_contains("code=\"upstream_failed\"", true);
    assert_log_contains("end=\"short\"", true);
}

static void bodies(void **state)
{
    (void)state;
    pid_t pid = start(socket_path, -1, 1);
    char *body = malloc(5 << 20);
    memset(body, 'x', 5 << 20);
    memcpy(body, "url=", 4);
    static const struct {
        size_t len;
        const char *content_length;
        const char *start; /* NULL: no answer at all */
    } cases[] = {
        {HTTP_BODY_MAX_BYTES, NULL, "Status: 200"},
        {HTTP_BODY_MAX_BYTES + 1, NULL, "Status: 400"},
        {5 << 20, NULL, "Status: 400"},
        {100, "101", NULL}, /* the client left in the middle */
        {100, "99", "Status: 200"},
        {100, "", "Status: 200"},
        {0, "0", "Status: 400"}, /* no url in it */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_(reply) struct reply r = REPLY_INIT;
        request(socket_path,
                &(struct ask){.method = "POST",
                              .uri = "/api/v1/echo",
                              .type = "application/x-www-form-urlencoded",
                              .body = body,
                              .body_len = cases[i].len,
                              .content_length = cases[i].content_length},
                &r);
        assert_int_equal(r.ended, cases[i].start != NULL);
        if (!text_starts_with(buf_str(&r.text), cases[i].start ? cases[i].start : ""))
            fail_msg("case %zu: %.60s", i, buf_str(&r.text));
    }
    free(body);
    stop(pid);
}

static void nonsense_is_survived(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } cases[] = {
        {"GET / HTTP/1.0\r\n\r\n", 18},
        {"", 0},
        {"\x01\x01\x00\x01\x00\x08\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00", 16}, /* no parameters */
        {"\x01\x01\x00\x01\x00\x08\x00\x00\x00\x09\x00\x00\x00\x00\x00\x00", 16}, /* unknown role */
        {"\x01\x01\x00\x01\xff\xff\x00\x00\x00\x01", 10},                         /* wrong length */
        {"\x01\x01\x00\x01\x00\x08\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00"
         "\x01\x04\x00\x01\x00\x05\x00\x00\xff\xff\xff\xff\x01",
         29},                                    /* a parameter's name of 2 GiB */
        {"\x01\x05\x00\x01\x00\x00\x00\x00", 8}, /* STDIN first */
    };
    pid_t pid = start(socket_path, -1, 1);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char byte;
        int fd = connect_to(socket_path);
        assert_int_equal(io_write_all(fd, cases[i].bytes, cases[i].len), 0);
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        assert_true(read(fd, &byte, 1) <= 0);
        (void)close(fd);
    }
    assert_hello(socket_path);
    stop(pid);
}

static void clients_leave(void **state)
{
    (void)state;
    pid_t pid = start(socket_path, -1, 1);
    int fd = connect_to(socket_path);
    send_request(fd, &(struct ask){.uri = "/api/v1/big?n=100000000000"});
    wait_until(&app->entered, 1);
    int64_t left_us = clock_mono_us();
    (void)close(fd);
    wait_until(&app->left, 1);
    assert_in_range(clock_mono_us() - left_us, 0, 500000);
    assert_hello(socket_path);

    fd = connect_to(socket_path); /* one that stays and does not read */
    int64_t began_us = clock_mono_us();
    send_request(fd, &(struct ask){.uri = "/api/v1/big?n=100000000000"});
    wait_until(&app->left, 2);
    assert_in_range(clock_mono_us() - began_us, 900000, 3000000); /* send_timeout_s */
    auto_(reply) struct reply r = REPLY_INIT;
    read_reply(fd, &r, 1);
    assert_false(r.ended);
    assert_hello(socket_path);
    stop(pid);
    assert_log_contains("status=\"200\" code=\"ok\"", true); /* nobody's fault */
    assert_log_contains("end=\"left\"", true);
    assert_log_contains("internal", false);
}

static void threads_work_side_by_side(void **state)
{
    (void)state;
    int fds[8];
    pid_t pid = start(socket_path, -1, ARRAY_LEN(fds));
    assert_hello(socket_path);
    int64_t began_us = clock_mono_us();
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        fds[i] = connect_to(socket_path);
        send_request(fds[i], &(struct ask){.uri = "/api/v1/slow"});
    }
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        auto_(reply) struct reply r = REPLY_INIT;
        read_reply(fds[i], &r, 1);
        assert_true(r.ended);
    }
    assert_in_range(clock_mono_us() - began_us, 300000, 1500000);
    stop(pid);
}

/* --- sending without waiting, as the event loops do --- */

/* Takes some of what has arrived. */
static void read_some(int fd, struct buf *raw, size_t most)
{
    char *to = buf_reserve(raw, most + 1);
    assert_non_null(to);
    ssize_t n = recv(fd, to, most, MSG_DONTWAIT);
    assert_true(n > 0 || errno == EAGAIN);
    raw->len += n > 0 ? (size_t)n : 0;
}

/* Pushes `len` bytes in random pieces through a socket that takes little at a time; returns the answer. */
static void push_all(unsigned seed, const struct ask *ask, const char *data, size_t len, struct reply *r)
{
    int fds[2];
    int small = 4096 << rand_r(&seed) % 7;
    struct fcgi *f = NULL;
    auto_(buf) struct buf raw = BUF_INIT(4 << 20);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    send_request(fds[1], ask);
    assert_int_equal(fcgi_open(&f, fds[0], 5, false), 0);
    const struct http_sink sink = fcgi_sink(f);
    size_t at = 0;
    while (at < len) {
        struct iovec iov[3];
        size_t offered = at;
        int count = 1 + (int)(rand_r(&seed) % ARRAY_LEN(iov));
        for (int i = 0; i < count; i++) {
            size_t n = (unsigned)rand_r(&seed) % 100000;
            n = n < len - offered ? n : len - offered;
            iov[i] = (struct iovec){(char *)(uintptr_t)data + offered, n};
            offered += n;
        }
        ssize_t gone = sink.push(sink.ctx, iov, count, offered == len);
        assert_true(gone >= 0 && at + (size_t)gone <= offered);
        at += (size_t)gone;
        read_some(fds[1], &raw, 1 + (unsigned)rand_r(&seed) % 50000);
    }
    assert_true(len || sink.push(sink.ctx, NULL, 0, true) == 0);
    while (sink.flush(sink.ctx) == 0)
        read_some(fds[1], &raw, 1 + (unsigned)rand_r(&seed) % 5000);
    int kept = fcgi_take_kept(f);
    assert_true(ask->keep ? kept == fds[0] : kept == -1);
    fcgi_close(f);
    if (kept >= 0)
        (void)close(kept);
    for (ssize_t n = 1; n > 0;) {
        char *to = buf_reserve(&raw, 65536);
        assert_non_null(to);
        n = recv(fds[1], to, 65536, 0);
        raw.len += n > 0 ? (size_t)n : 0;
    }
    (void)close(fds[1]);
    parse_reply(r, &raw, 1);
}

static void pushed_in_pieces(void **state)
{
    (void)state;
    static char data[500000];
    struct err err = {0};
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)(i * 2654435761u >> 24);
    assert_int_equal(fcgi_init(&err), 0);
    for (unsigned seed = 1; seed <= 400; seed++) {
        unsigned random = seed;
        size_t len = seed % 20 == 0 ? seed % 40 / 20 : (unsigned)rand_r(&random) % sizeof data;
        const struct ask ask = {
            .uri = "/", .keep = seed % 3 == 0, .software = seed % 2 ? "lighttpd/1.4" : "nginx"};
        auto_(reply) struct reply r = REPLY_INIT;
        push_all(random, &ask, data, len, &r);
        if (!r.ended || r.text.len != len || memcmp(r.text.data ? r.text.data : "", data, len) != 0)
            fail_msg("seed %u: %zu bytes of %zu", seed, r.text.len, len);
        assert_true(r.longest <= (seed % 2 ? 12280 : 65528));
    }
}

/* The end comes in the same message as the last bytes. */
static void end_is_not_sent_behind(void **state)
{
    (void)state;
    int fds[2];
    char got[100];
    struct fcgi *f = NULL;
    struct iovec iov = {(char *)(uintptr_t) "hello", 5};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    send_request(fds[1], &(struct ask){.uri = "/"});
    assert_int_equal(fcgi_open(&f, fds[0], 5, false), 0);
    const struct http_sink sink = fcgi_sink(f);
    assert_int_equal(sink.push(sink.ctx, &iov, 1, true), 5);
    assert_int_equal(recv(fds[1], got, sizeof got, MSG_DONTWAIT), 8 + 5 + 24); /* before flush() */
    assert_int_equal(sink.flush(sink.ctx), 1);
    fcgi_close(f);
    (void)close(fds[1]);
}

/* --- connections that are kept --- */

/* One answer on a connection that stays: up to END_REQUEST, record by record. */
static void read_kept_reply(int fd, struct reply *r, int id)
{
    auto_(buf) struct buf raw = BUF_INIT(64 << 20);
    for (uint8_t type = 0; type != 3;) {
        uint8_t header[8];
        assert_int_equal(recv(fd, header, sizeof header, MSG_WAITALL), sizeof header);
        size_t len = ((size_t)header[4] << 8 | header[5]) + header[6];
        (void)buf_add(&raw, header, sizeof header);
        char *to = buf_reserve(&raw, len + 1);
        assert_non_null(to);
        if (len)
            assert_int_equal(recv(fd, to, len, MSG_WAITALL), len);
        raw.len += len;
        type = header[1];
    }
    parse_reply(r, &raw, id);
}

static void ask_kept(int fd, const struct ask *ask, const char *end)
{
    auto_(reply) struct reply r = REPLY_INIT;
    send_request(fd, ask);
    read_kept_reply(fd, &r, ask->id ? ask->id : 1);
    assert_true(r.ended);
    if (!text_ends_with(buf_str(&r.text), end))
        fail_msg("%s: %s", ask->uri, buf_str(&r.text));
}

/* Nothing but the end comes on it within a second. */
static void assert_closed(int fd)
{
    char byte;
    const struct timeval second = {.tv_sec = 1};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof second);
    ssize_t n = recv(fd, &byte, 1, 0);
    if (n > 0 || (n < 0 && errno != ECONNRESET))
        fail_msg("%zd bytes (%s)", n, strerror(errno));
    (void)close(fd);
}

static void kept_connections(void **state)
{
    (void)state;
    static char body[100000];
    memset(body, 'x', sizeof body);
    const struct ask asks[] = {
        {.uri = "/api/v1/hello", .keep = true},
        {.uri = "/api/v1/echo?url=hello", .keep = true, .id = 7},
        /* a handler that does not look at its body */
        {.uri = "/api/v1/hello", .method = "GET", .body = body, .body_len = 60000, .keep = true},
    };
    pid_t pid = start(socket_path, -1, 1);
    int fd = connect_to(socket_path);
    for (size_t i = 0; i < 30; i++)
        ask_kept(fd, &asks[i % ARRAY_LEN(asks)], "hello");
    assert_hello(socket_path); /* the one thread is not held by it */
    ask_kept(fd, &(struct ask){.uri = "/api/v1/busy", .keep = true}, "}");
    /* the body is over the limit: refused, and read to its end nevertheless */
    ask_kept(fd,
             &(struct ask){.method = "POST",
                           .uri = "/api/v1/echo",
                           .type = "application/json",
                           .body = body,
                           .body_len = sizeof body,
                           .keep = true},
             "}");
    ask_kept(fd, &(struct ask){.uri = "/api/v1/hello"}, "hello"); /* the last one */
    assert_closed(fd);
    stop(pid);
}

/* What must not be followed by another request on the same connection. */
static void connections_that_are_not_kept(void **state)
{
    (void)state;
    static const char *const broken[] = {"/api/v1/short", "/api/v1/short?unknown=1"};
    pid_t pid = start(socket_path, -1, 2);
    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        auto_(reply) struct reply r = REPLY_INIT;
        int fd = connect_to(socket_path);
        ask_kept(fd, &(struct ask){.uri = "/api/v1/hello", .keep = true}, "hello");
        send_request(fd, &(struct ask){.uri = broken[i], .keep = true});
        read_reply(fd, &r, 1);
        assert_false(r.ended);
    }

    /* Sent together with the first, the second request may have been read already: its sender is told. */
    auto_(reply) struct reply r = REPLY_INIT;
    int fd = connect_to(socket_path);
    int pipe_fds[2];
    auto_(buf) struct buf both = BUF_INIT(20000);
    assert_int_equal(pipe(pipe_fds), 0);
    send_request(pipe_fds[1], &(struct ask){.uri = "/api/v1/hello", .keep = true});
    send_request(pipe_fds[1], &(struct ask){.uri = "/api/v1/hello", .keep = true, .id = 2});
    char *to = buf_reserve(&both, 10000);
    ssize_t n = read(pipe_fds[0], to, 10000);
    assert_true(n > 0);
    assert_int_equal(io_write_all(fd, to, (size_t)n), 0);
    read_kept_reply(fd, &r, 1);
    assert_true(r.ended);
    assert_closed(fd);
    (void)close(pipe_fds[0]);
    (void)close(pipe_fds[1]);

    /* Left in the middle of an answer, and of a request. */
    fd = connect_to(socket_path);
    ask_kept(fd, &(struct ask){.uri = "/api/v1/hello", .keep = true}, "hello");
    send_request(fd, &(struct ask){.uri = "/api/v1/big?n=100000000000", .keep = true});
    wait_until(&app->entered, 1);
    (void)close(fd);
    wait_until(&app->left, 1);
    fd = connect_to(socket_path);
    ask_kept(fd, &(struct ask){.uri = "/api/v1/hello", .keep = true}, "hello");
    assert_int_equal(io_write_all(fd, "\x01\x01\x00", 3), 0);
    (void)close(fd);
    assert_hello(socket_path);
    stop(pid);
}

/* A second request on a connection whose first is still being sent is refused; one that comes while the first
 * is answered waits for its turn. */
static void one_request_at_a_time(void **state)
{
    (void)state;
    static const uint8_t begin[8] = {0, 1, 1};
    static const uint8_t refused[16] = {1, 3, 0, 9, 0, 8, 0, 0, 0, 0, 0, 0, 1 /* FCGI_CANT_MPX_CONN */};
    uint8_t got[16];
    auto_(buf) struct buf parts = BUF_INIT(10000);
    pid_t pid = start(socket_path, -1, 2);
    int fd = connect_to(socket_path);
    add_record(&parts, 1, 1, begin, sizeof begin, 0);
    add_record(&parts, 1, 9, begin, sizeof begin, 0);
    assert_int_equal(io_write_all(fd, parts.data, parts.len), 0);
    assert_int_equal(recv(fd, got, sizeof got, MSG_WAITALL), sizeof got);
    assert_memory_equal(got, refused, sizeof got);
    (void)close(fd);

    auto_(reply) struct reply first = REPLY_INIT;
    auto_(reply) struct reply second = REPLY_INIT;
    fd = connect_to(socket_path);
    send_request(fd, &(struct ask){.uri = "/api/v1/slow", .keep = true});
    wait_until(&app->entered, 1);
    send_request(fd, &(struct ask){.uri = "/api/v1/hello", .keep = true, .id = 2});
    read_kept_reply(fd, &first, 1);
    read_kept_reply(fd, &second, 2);
    assert_true(first.ended && second.ended);
    assert_true(text_ends_with(buf_str(&second.text), "hello"));
    (void)close(fd);
    stop(pid);
}

/* More of them than threads: each is only held while something is asked. At the end they are closed at once,
 * also while a request is being answered. */
static void many_kept_connections(void **state)
{
    (void)state;
    int fds[50];
    auto_(reply) struct reply r = REPLY_INIT;
    pid_t pid = start(socket_path, -1, 3);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        fds[i] = connect_to(socket_path);
    for (int round = 0; round < 5; round++) {
        for (size_t i = 0; i < ARRAY_LEN(fds); i++)
            send_request(fds[i], &(struct ask){.uri = "/api/v1/hello", .keep = true});
        for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
            auto_(reply) struct reply one = REPLY_INIT;
            read_kept_reply(fds[i], &one, 1);
            assert_true(one.ended);
        }
    }
    send_request(fds[0], &(struct ask){.uri = "/api/v1/slow", .keep = true});
    wait_until(&app->entered, 1);
    assert_int_equal(kill(pid, SIGTERM), 0);
    for (size_t i = 1; i < ARRAY_LEN(fds); i++)
        assert_closed(fds[i]);
    read_reply(fds[0], &r, 1);
    assert_true(r.ended);
    assert_true(text_ends_with(buf_str(&r.text), "slow"));
    assert_exits(pid, 0);
}

/* --- the end --- */

static void running_requests_end_first(void **state)
{
    (void)state;
    static const int signals[] = {SIGTERM, SIGINT};
    for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
        auto_(reply) struct reply r = REPLY_INIT;
        pid_t pid = start(socket_path, -1, 4);
        int fd = connect_to(socket_path);
        send_request(fd, &(struct ask){.uri = "/api/v1/slow"});
        wait_until(&app->entered, 1);
        assert_int_equal(kill(pid, signals[i]), 0);
        read_reply(fd, &r, 1);
        assert_true(r.ended);
        assert_true(text_ends_with(buf_str(&r.text), "slow"));
        assert_exits(pid, 0);
        assert_int_equal(access(socket_path, F_OK), -1);
    }
}

static void endless_requests_are_cut(void **state)
{
    (void)state;
    for (int signals = 1; signals <= 2; signals++) { /* a second signal makes it hurry */
        pid_t pid = start(socket_path, -1, 2);
        int fd = connect_to(socket_path);
        send_request(fd, &(struct ask){.uri = "/api/v1/big?n=100000000000"});
        wait_until(&app->entered, 1);
        int64_t asked_us = clock_mono_us();
        assert_int_equal(kill(pid, SIGTERM), 0);
        clock_sleep_ms(200);
        if (signals == 2)
            assert_int_equal(kill(pid, SIGTERM), 0);
        for (;;) { /* keep reading */
            char trash[65536];
            if (read(fd, trash, sizeof trash) <= 0)
                break;
        }
        (void)close(fd);
        assert_exits(pid, 0);
        int64_t took_us = clock_mono_us() - asked_us;
        assert_in_range(took_us, signals == 1 ? 1900000 : 0, signals == 1 ? 4000000 : 1500000);
        assert_int_equal(atomic_load(&app->left), 1);
    }
}

/* What does not even end when its connection is gone is reported; every further signal shortens a wait. */
static void handlers_that_never_return(void **state)
{
    (void)state;
    pid_t pid = start(socket_path, -1, 2);
    int fd = connect_to(socket_path);
    send_request(fd, &(struct ask){.uri = "/api/v1/hang"});
    wait_until(&app->entered, 1);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(kill(pid, SIGTERM), 0);
        clock_sleep_ms(200);
    }
    assert_exits(pid, 91);
    assert_log_contains("1 requests do not end", true);
    (void)close(fd);
}

/* --- sockets --- */

static void inherited_socket(void **state)
{
    (void)state;
    static const int flags[] = {0, SOCK_NONBLOCK};
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        int fd = listen_on(socket_path, flags[i]);
        pid_t first = start(NULL, fd, 3);
        pid_t second = start(NULL, fd, 3);
        for (int n = 0; n < 20; n++)
            assert_hello(socket_path);
        stop(first); /* the other goes on */
        for (int n = 0; n < 20; n++)
            assert_hello(socket_path);
        stop(second);
        assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, flags[i] ? O_NONBLOCK : 0);
        assert_int_equal(access(socket_path, F_OK), 0); /* not ours to remove */
        (void)close(fd);
        (void)unlink(socket_path);
    }
}

static void own_socket_path(void **state)
{
    (void)state;
    struct stat st;
    mode_t before = umask(077);
    (void)close(listen_on(socket_path, 0)); /* what a killed process leaves */
    pid_t pid = start(socket_path, -1, 1);
    assert_hello(socket_path);
    assert_int_equal(stat(socket_path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0660);
    pid_t rival = start(socket_path, -1, 1); /* it is in use */
    assert_exits(rival, 91);
    assert_log_contains("Address already in use", true);
    assert_hello(socket_path);
    stop(pid);
    assert_int_equal(access(socket_path, F_OK), -1);

    struct err err;
    assert_int_equal(io_write_file(socket_path, "precious", 8, &err), 0);
    pid = start(socket_path, -1, 1);
    assert_exits(pid, 91);
    auto_(buf) struct buf kept = BUF_INIT(100);
    assert_int_equal(io_read_file(socket_path, &kept, &err), 0);
    assert_string_equal(buf_str(&kept), "precious");
    (void)unlink(socket_path);
    (void)umask(before);

    pid = start("/nowhere/at/all", -1, 1);
    assert_exits(pid, 91);
    pid = start(":70000", -1, 1);
    assert_exits(pid, 91);
}

/* Under mod_fcgid, whose sockets are named by the process that starts the programs. */
static void mod_fcgid(void **state)
{
    (void)state;
    char path[80];
    (void)snprintf(path, sizeof path, "%s/%ld.7", dir, (long)getpid());
    int fd = listen_on(path, 0);
    pid_t pid = start(NULL, fd, 1);
    auto_(reply) struct reply r = REPLY_INIT;
    request(path, &(struct ask){.uri = "/api/v1/short"}, &r);
    assert_true(text_ends_with(buf_str(&r.text), "\r\n\r\nonly this"));
    assert_true(r.ended);
    assert_false(r.nonsense);
    stop(pid);
    (void)close(fd);
    (void)unlink(path);
}

/* A successor may have bound the path while the old process was still ending: it stays. */
static void replaced_socket_path_stays(void **state)
{
    (void)state;
    pid_t pid = start(socket_path, -1, 1);
    assert_hello(socket_path);
    int successor = listen_on(socket_path, 0);
    stop(pid);
    assert_int_equal(access(socket_path, F_OK), 0);
    (void)close(successor);
    (void)unlink(socket_path);
}

static void tcp_port(void **state)
{
    (void)state;
    char spec[16];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int probe = socket(AF_INET, SOCK_STREAM, 0); /* a port that is free now */
    assert_int_equal(bind(probe, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(probe, (struct sockaddr *)&address, &len), 0);
    (void)close(probe);
    (void)snprintf(spec, sizeof spec, ":%d", ntohs(address.sin_port));
    pid_t pid = start(spec, -1, 1);
    int fd = -1;
    for (int i = 0; i < 500; i++) {
        fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(fd, (struct sockaddr *)&address, len) == 0)
            break;
        (void)close(fd);
        clock_sleep_ms(10);
    }
    auto_(reply) struct reply r = REPLY_INIT;
    send_request(fd, &(struct ask){.uri = "/api/v1/hello"});
    read_reply(fd, &r, 1);
    assert_true(r.ended);
    stop(pid);
}

static void no_descriptors_left(void **state)
{
    (void)state;
    struct rlimit before;
    auto_(reply) struct reply r = REPLY_INIT;
    pid_t pid = start(socket_path, -1, 2);
    assert_hello(socket_path);
    assert_int_equal(prlimit(pid, RLIMIT_NOFILE, NULL, &before), 0);
    const struct rlimit none = {.rlim_cur = 3, .rlim_max = before.rlim_max};
    assert_int_equal(prlimit(pid, RLIMIT_NOFILE, &none, NULL), 0);
    int fd = connect_to(socket_path);
    send_request(fd, &(struct ask){.uri = "/api/v1/hello"});
    clock_sleep_ms(500);
    assert_int_equal(kill(pid, 0), 0);
    assert_log_contains("accept error=\"Too many open files\"", true);
    assert_int_equal(prlimit(pid, RLIMIT_NOFILE, &before, NULL), 0);
    read_reply(fd, &r, 1);
    assert_true(r.ended);
    stop(pid);
}

/* --- plain CGI --- */

/* Runs one CGI request; returns its exit status. With `out` NULL nobody reads. */
static int cgi(const char *const *vars, const char *body, struct buf *out)
{
    int in[2];
    int from[2];
    int status = 0;
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(from, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)dup2(from[1], STDOUT_FILENO);
        (void)close(from[0]);
        (void)close(from[1]);
        (void)close(in[1]);
        for (; *vars; vars++) {
            char *var = strdup(*vars);
            char *equals = strchr(var, '=');
            *equals = '\0';
            (void)setenv(var, equals + 1, 1);
            free(var);
        }
        pid_t inner = start(NULL, in[0], 1); /* for the log file */
        if (inner) {
            int inner_status = 0;
            (void)close(STDOUT_FILENO);
            (void)waitpid(inner, &inner_status, 0);
            _exit(WIFEXITED(inner_status) ? WEXITSTATUS(inner_status) : 92);
        }
    }
    (void)close(in[0]);
    (void)close(from[1]);
    assert_int_equal(io_write_all(in[1], body, strlen(body)), 0);
    (void)close(in[1]);
    for (ssize_t n = 1; out && n > 0;) {
        char *to = buf_reserve(out, 65536);
        assert_non_null(to);
        n = read(from[0], to, 65536);
        assert_true(n >= 0);
        out->len += (size_t)n;
    }
    if (out)
        out->data[out->len] = '\0';
    else
        clock_sleep_ms(50);
    (void)close(from[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void cgi_bytes(void **state)
{
    (void)state;
    auto_(buf) struct buf out = BUF_INIT(1 << 20);
    const char *vars[] = {"REQUEST_METHOD=GET",     "SCRIPT_NAME=/cgi-bin/info.cgi",
                          "PATH_INFO=/api/v1/echo", "QUERY_STRING=url=a+b",
                          "CONTENT_LENGTH=",        NULL};
    assert_int_equal(cgi(vars, "", &out), 0);
    const char *id = strstr(buf_str(&out), "X-Request-Id: ");
    assert_non_null(id);
    auto_(buf) struct buf expected = BUF_INIT(1024);
    (void)buf_addf(&expected,
                   "Status: 200 OK\r\nX-Request-Id: %.16s\r\nContent-Type: text/plain\r\n"
                   "X-Content-Type-Options: nosniff\r\nContent-Length: 3\r\n\r\na b",
                   id + 14);
    assert_string_equal(buf_str(&out), buf_str(&expected));
}

static void cgi_requests(void **state)
{
    (void)state;
    static const struct {
        const char *name, *method, *path, *query, *length, *body;
        int exit;
        const char *start, *end;
    } cases[] = {
        {"POST", "POST", "/api/v1/echo", "", "9", "url=hello", 0, "Status: 200", "\r\n\r\nhello"},
        {"no more than CONTENT_LENGTH", "POST", "/api/v1/echo", "", "7", "url=hello", 0, "Status: 200",
         "\r\n\r\nhel"},
        {"body too short", "POST", "/api/v1/echo", "", "10", "url=hello", 91, "", ""},
        {"body too long", "POST", "/api/v1/echo", "", "99999999", "url=hello", 0, "Status: 400", "}"},
        {"length is no number", "POST", "/api/v1/echo", "", "-1", "", 0, "Status: 400", "}"},
        {"short answer", "GET", "/api/v1/short", "", "", "", 91, "Status: 200", "\r\n\r\nonly this"},
        {"more than a pipe holds", "GET", "/api/v1/big", "n=300001", "", "", 0, "Status: 200", "m"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char vars[5][128];
        auto_(buf) struct buf out = BUF_INIT(1 << 20);
        (void)snprintf(vars[0], sizeof vars[0], "REQUEST_METHOD=%s", cases[i].method);
        (void)snprintf(vars[1], sizeof vars[1], "REQUEST_URI=/m%s", cases[i].path);
        (void)snprintf(vars[2], sizeof vars[2], "QUERY_STRING=%s", cases[i].query);
        (void)snprintf(vars[3], sizeof vars[3], "CONTENT_LENGTH=%s", cases[i].length);
        (void)snprintf(vars[4], sizeof vars[4], "CONTENT_TYPE=application/x-www-form-urlencoded");
        const char *list[] = {vars[0], vars[1], vars[2], vars[3], vars[4], NULL};
        int status = cgi(list, cases[i].body, &out);
        if (status != cases[i].exit || !text_starts_with(buf_str(&out), cases[i].start) ||
            !text_ends_with(buf_str(&out), cases[i].end))
            fail_msg("%s: exit %d, %s", cases[i].name, status, buf_str(&out));
    }
}

static void cgi_reader_leaves(void **state)
{
    (void)state;
    const char *vars[] = {"REQUEST_METHOD=GET", "REQUEST_URI=/api/v1/big?n=100000000000", NULL};
    assert_int_equal(cgi(vars, "", NULL), 91); /* an orderly end, no SIGPIPE */
    assert_int_equal(atomic_load(&app->left), 1);
}

static void nothing_to_serve(void **state)
{
    (void)state;
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    pid_t pid = start(NULL, null, 1);
    (void)close(null);
    assert_exits(pid, 91);
    assert_log_contains("no CGI environment", true);
}

static int remove_dir(void **state)
{
    (void)state;
    (void)unlink(log_path);
    (void)unlink(socket_path);
    return rmdir(dir);
}

int main(void)
{
    struct err err;
    if (hash_init(&err) < 0 || !mkdtemp(dir))
        return 1;
    (void)snprintf(socket_path, sizeof socket_path, "%s/s", dir);
    (void)snprintf(log_path, sizeof log_path, "%s/log", dir);
    app = mmap(NULL, sizeof *app, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (app == MAP_FAILED)
        return 1;
    (void)unsetenv("REQUEST_METHOD");
    (void)alarm(120); /* nothing here may hang */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers),
        cmocka_unit_test(small_answer_is_one_packet),
        cmocka_unit_test(big_answers),
        cmocka_unit_test(broken_answers_never_look_whole),
        cmocka_unit_test(bodies),
        cmocka_unit_test(nonsense_is_survived),
        cmocka_unit_test(clients_leave),
        cmocka_unit_test(threads_work_side_by_side),
        cmocka_unit_test(pushed_in_pieces),
        cmocka_unit_test(end_is_not_sent_behind),
        cmocka_unit_test(kept_connections),
        cmocka_unit_test(connections_that_are_not_kept),
        cmocka_unit_test(one_request_at_a_time),
        cmocka_unit_test(many_kept_connections),
        cmocka_unit_test(running_requests_end_first),
        cmocka_unit_test(endless_requests_are_cut),
        cmocka_unit_test(handlers_that_never_return),
        cmocka_unit_test(inherited_socket),
        cmocka_unit_test(mod_fcgid),
        cmocka_unit_test(own_socket_path),
        cmocka_unit_test(replaced_socket_path_stays),
        cmocka_unit_test(tcp_port),
        cmocka_unit_test(no_descriptors_left),
        cmocka_unit_test(cgi_bytes),
        cmocka_unit_test(cgi_requests),
        cmocka_unit_test(cgi_reader_leaves),
        cmocka_unit_test(nothing_to_serve),
    };
    return cmocka_run_group_tests(tests, NULL, remove_dir);
}
