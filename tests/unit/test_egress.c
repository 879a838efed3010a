/* net/egress, net/cookies: what the operator may set, what the names of ways out mean, which cookies go
 * where; and, in a network of its own, that a random address of a prefix is really the one a server sees. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/io.h"
#include "base/log.h"
#include "net/cookies.h"
#include "net/wire.h"

static struct err err;

static struct net *open_net(const char *proxies, const char *prefix)
{
    struct net *net = NULL;
    const struct net_opts opts = {
        .proxy_url = proxies,
        .ipv6_subnet = prefix,
        .ports = "80,443",
        .connect_ms = 2000,
        .timeout_ms = 5000,
        .stall_s = 2,
    };
    return net_open(&net, &opts, &err) == 0 ? net : NULL;
}

static void settings(void **state)
{
    (void)state;
    static const struct {
        const char *proxies, *prefix;
        const char *ways; /* names' kinds and weights; NULL: refused */
    } cases[] = {
        {"", "", "direct*1"},
        {"http://a.example:1", "", "p:*1"},
        {"http://a.example:1, socks5h://b.example:2*3", "", "p:*1 p:*3"},
        {" http://u:p@a.example:1\tdirect*2 ", "", "p:*1 direct*2"},
        {"http://a.example:1*0", "", NULL},
        {"http://a.example:1*x", "", NULL},
        {"http://a.example:1 nonsense", "", NULL},
        {"direct*1001", "", NULL},
        {"", "2600:1::/64", "direct*1"},
        {"", "2600:1::", NULL},
        {"", "2600:1::/8", NULL},
        {"", "2600:1::/125", NULL},
        {"", "10.0.0.0/24", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct egress_way ways[EGRESS_WAYS_MAX];
        auto_(buf) struct buf got = BUF_INIT(1000);
        struct net *net = open_net(cases[i].proxies, cases[i].prefix);
        if (!cases[i].ways) {
            assert_null(net);
            assert_int_equal(err.code, ERR_INTERNAL);
            continue;
        }
        assert_non_null(net);
        size_t count = egress_ways(net, ways);
        for (size_t k = 0; k < count; k++)
            (void)buf_addf(&got, "%s%.*s*%u", k ? " " : "", ways[k].name[0] == 'p' ? 2 : 6, ways[k].name,
                           ways[k].weight);
        assert_string_equal(buf_str(&got), cases[i].ways);
        net_close(net);
    }
}

static void names(void **state)
{
    (void)state;
    struct egress_way ways[EGRESS_WAYS_MAX];
    struct egress e;
    char name[EGRESS_MAX];
    char other[EGRESS_MAX];
    struct net *net = open_net("http://user:secret@a.example:1 direct", "2600:1:2:3::/64");
    assert_non_null(net);
    assert_int_equal(egress_ways(net, ways), 2);

    egress_name(net, &ways[0], true, name);
    assert_null(strstr(name, "secret"));
    assert_int_equal(egress_read(net, name, &e, &err), 0);
    assert_string_equal(e.way->url, "http://user:secret@a.example:1");
    assert_true(e.cookies);
    assert_string_equal(e.source, "");

    egress_name(net, &ways[1], false, name);
    egress_name(net, &ways[1], false, other);
    assert_memory_equal(name, "s:2600:1:2:3:", 13);
    assert_string_not_equal(name, other);
    assert_int_equal(egress_read(net, name, &e, &err), 0);
    assert_string_equal(e.way->url, "");
    assert_false(e.cookies);
    assert_string_equal(e.source, name + 2);

    assert_int_equal(egress_read(net, NULL, &e, &err), 0);
    assert_ptr_equal(e.way, &net->ways[0]);
    /* Names of other settings: found anew, not sent by another way. */
    static const char *const gone[] = {
        "p:00000000", "s:2600:1:2:4::1", "s:127.0.0.1", "s:", "p:", "x", "s:2600:1:2:3::1%lo"};
    for (size_t i = 0; i < ARRAY_LEN(gone); i++) {
        assert_int_equal(egress_read(net, gone[i], &e, &err), -1);
        assert_int_equal(err.code, ERR_UPSTREAM_FAILED);
    }
    net_close(net);
}

/* A proxy that cannot be reached ails, and is not the usual way for a while. */
static void ailing(void **state)
{
    (void)state;
    struct egress_way ways[EGRESS_WAYS_MAX];
    struct net_answer answer = {0};
    struct egress e;
    struct net *net = open_net("http://127.0.0.1:1 http://127.0.0.1:2", "");
    assert_non_null(net);
    (void)egress_ways(net, ways);
    const struct net_call call = {.url = "http://media.example/", .max_bytes = 10, .egress = ways[0].name};
    assert_false(ways[0].ailing);
    assert_int_equal(net_call(net, &call, &answer, &err), -1);
    (void)egress_ways(net, ways);
    assert_true(ways[0].ailing);
    assert_false(ways[1].ailing);
    assert_int_equal(egress_read(net, "", &e, &err), 0);
    assert_ptr_equal(e.way, &net->ways[1]);
    assert_int_equal(egress_read(net, ways[0].name, &e, &err), 0); /* what is bound to it goes by it */
    assert_ptr_equal(e.way, &net->ways[0]);
    net_close(net);
}

/* ---- Cookies ---- */

static void write_cookies(const char *dir, const char *name, const char *text)
{
    char path[200];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(io_write_file(path, text, strlen(text), &err), 0);
}

static void assert_cookies(struct cookies *c, const char *url, const char *wanted)
{
    auto_(buf) struct buf got = BUF_INIT(COOKIES_MAX_BYTES);
    auto_(guard) struct guard guard = {0};
    auto_(guard_url) struct guard_url checked = {0};
    assert_int_equal(guard_init(&guard, "80,443", &err), 0);
    assert_int_equal(guard_url_check(&guard, url, &checked, &err), 0);
    (void)cookies_of(c, &checked, &got);
    if (strcmp(buf_str(&got), wanted) != 0)
        fail_msg("%s: '%s', not '%s'", url, buf_str(&got), wanted);
}

static void cookies(void **state)
{
    (void)state;
    char dir[] = "/tmp/sluice-cookies-XXXXXX";
    struct cookies *c = NULL;
    assert_non_null(mkdtemp(dir));
    write_cookies(dir, "site.txt",
                  "# Netscape HTTP Cookie File\n"
                  ".site.example\tTRUE\t/\tFALSE\t0\tall\t1\n"
                  "site.example\tFALSE\t/\tFALSE\t0\texact\t2\r\n"
                  "#HttpOnly_.site.example\tTRUE\t/videos\tTRUE\t4000000000\tdeep\t3\n"
                  ".site.example\tTRUE\t/\tFALSE\t1000\told\t4\n"
                  ".site.example\tTRUE\t/\tFALSE\t0\tevil\tx\rSet: y\n"
                  ".site.example\tTRUE\t/\tFALSE\t0\tsemi\tx; admin=1\n"
                  ".example\tTRUE\t/\tFALSE\t0\ttld\t5\n"
                  ".site.example\tTRUE\t/\n"
                  "nonsense\n");
    write_cookies(dir, "remark.md", ".site.example\tTRUE\t/\tFALSE\t0\tmd\t1\n");
    assert_int_equal(cookies_open(&c, dir, &err), 0);
    assert_cookies(c, "https://site.example/", "all=1; exact=2");
    assert_cookies(c, "https://www.site.example/", "all=1");
    assert_cookies(c, "https://SITE.example", "all=1; exact=2");
    assert_cookies(c, "https://www.site.example/videos/1?x=/", "deep=3; all=1");
    assert_cookies(c, "https://www.site.example/videos?x", "deep=3; all=1");
    assert_cookies(c, "https://www.site.example/videosX", "all=1");
    assert_cookies(c, "http://www.site.example/videos/1", "all=1");
    assert_cookies(c, "https://notsite.example/", "");
    assert_cookies(c, "https://site.example.evil.example/", "");
    assert_cookies(NULL, "https://site.example/", "");

    /* Beside those that a page has set; one of a name. And for programs that send them themselves. */
    auto_(guard) struct guard guard = {0};
    auto_(guard_url) struct guard_url url = {0};
    auto_(buf) struct buf both = BUF_INIT(COOKIES_MAX_BYTES);
    auto_(buf) struct buf lines = BUF_INIT(COOKIES_MAX_BYTES);
    assert_int_equal(guard_init(&guard, "80,443", &err), 0);
    assert_int_equal(guard_url_check(&guard, "https://site.example/", &url, &err), 0);
    (void)buf_adds(&both, "page=9; all=8");
    assert_int_equal(cookies_of(c, &url, &both), 1);
    assert_string_equal(buf_str(&both), "page=9; all=8; exact=2");
    assert_int_equal(cookies_lines_of(c, &url, &lines), 3);
    assert_string_equal(buf_str(&lines), ".site.example\tTRUE\t/\tFALSE\t0\tall\t1\n"
                                         "site.example\tFALSE\t/\tFALSE\t0\texact\t2\n"
                                         ".site.example\tTRUE\t/videos\tTRUE\t4000000000\tdeep\t3\n");
    assert_int_equal(cookies_lines_of(NULL, &url, &lines), 0);

    write_cookies(dir, "site.txt", ".site.example\tTRUE\t/\tFALSE\t0\tnew\t6\n");
    clock_sleep_ms(COOKIES_LOOK_US / 1000 + 100);
    assert_cookies(c, "https://site.example/", "new=6");
    cookies_close(c);

    assert_int_equal(cookies_open(&c, "/nowhere/cookies", &err), -1);
    assert_int_equal(cookies_open(&c, "", &err), 0);
    assert_null(c);
    char command[100];
    (void)snprintf(command, sizeof command, "rm -r %s", dir);
    assert_int_equal(system(command), 0); // NOLINT(cert-env33-c): a path of ours
}

/* ---- A prefix of our own ---- */

enum { ASKED = 3, SKIPPED = 77 };

/* Answers ASKED requests with the address each came from. */
static void *answer_with_address(void *arg)
{
    int fd = *(int *)arg;
    for (int i = 0; i < ASKED; i++) {
        char head[2048], text[INET6_ADDRSTRLEN], answer[200];
        struct sockaddr_in6 from;
        socklen_t len = sizeof from;
        int to = accept(fd, (struct sockaddr *)&from, &len);
        if (to < 0 || read(to, head, sizeof head) <= 0)
            return NULL;
        (void)inet_ntop(AF_INET6, &from.sin6_addr, text, sizeof text);
        (void)snprintf(answer, sizeof answer,
                       "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s", strlen(text),
                       text);
        (void)io_write_all(to, answer, strlen(answer));
        (void)close(to);
    }
    return NULL;
}

/* In a process of its own. The addresses are global, so that the guard lets them pass; nothing leaves. */
static int ask_from_prefix(void)
{
    const int on = 1;
    pthread_t thread;
    struct sockaddr_in6 at = {.sin6_family = AF_INET6};
    socklen_t len = sizeof at;
    char url[80], ports[8];
    struct net *net = NULL;
    struct egress_way ways[EGRESS_WAYS_MAX];
    char seen[ASKED][EGRESS_MAX];
    if (unshare(geteuid() == 0 ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET) < 0 ||
        system("ip link set lo up && ip -6 addr add 2600:1234::1/128 dev lo nodad && " // NOLINT(cert-env33-c)
               "ip -6 route add local 2600:1234:5:6::/64 dev lo") != 0)
        return SKIPPED;
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)inet_pton(AF_INET6, "2600:1234::1", &at.sin6_addr);
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        bind(fd, (struct sockaddr *)&at, sizeof at) < 0 || listen(fd, 8) < 0 ||
        getsockname(fd, (struct sockaddr *)&at, &len) < 0 ||
        pthread_create(&thread, NULL, answer_with_address, &fd) != 0)
        return 1;
    (void)snprintf(url, sizeof url, "http://[2600:1234::1]:%u/", ntohs(at.sin6_port));
    (void)snprintf(ports, sizeof ports, "%u", ntohs(at.sin6_port));
    const struct net_opts opts = {.ipv6_subnet = "2600:1234:5:6::/64",
                                  .ports = ports,
                                  .connect_ms = 2000,
                                  .timeout_ms = 5000,
                                  .stall_s = 2};
    if (net_open(&net, &opts, &err) < 0 || egress_ways(net, ways) != 1)
        return 2;
    for (int i = 0; i < ASKED; i++) {
        struct net_answer answer = {0};
        char name[EGRESS_MAX];
        egress_name(net, &ways[0], false, name);
        const struct net_call call = {.url = url, .max_bytes = 100, .egress = name};
        if (net_call(net, &call, &answer, &err) < 0) {
            fprintf(stderr, "%s: %s\n", name, err.text);
            return 3;
        }
        (void)snprintf(seen[i], sizeof seen[i], "s:%s", buf_str(&answer.body));
        net_answer_fini(&answer);
        if (strcmp(seen[i], name) != 0 || (i > 0 && strcmp(seen[i], seen[i - 1]) == 0))
            return 4;
    }
    net_close(net);
    (void)pthread_join(thread, NULL);
    (void)close(fd);
    return 0;
}

static void prefix(void **state)
{
    (void)state;
    int status = 0;
    pid_t pid = fork();
    if (pid == 0)
        _exit(ask_from_prefix());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == SKIPPED) {
        print_message("no network of our own here: skipped\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    struct err ignored;
    log_init("test", LOG_ERROR);
    if (hash_init(&ignored) < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings), cmocka_unit_test(names),  cmocka_unit_test(ailing),
        cmocka_unit_test(cookies),  cmocka_unit_test(prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
