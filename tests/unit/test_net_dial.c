/* net/dial: plain connections under the gate's rules. */
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/dial.h"

/* A proxy that takes one CONNECT, says `answer`, and gives back what it is sent. */
struct proxy {
    int fd;
    uint16_t port;
    const char *answer;
    char request[2048];
};

static void *serve(void *ctx)
{
    struct proxy *p = ctx;
    size_t len = 0;
    int fd = accept(p->fd, NULL, NULL);
    while (len < sizeof p->request - 1 && !strstr(p->request, "\r\n\r\n")) {
        ssize_t n = recv(fd, p->request + len, 1, 0);
        if (n <= 0)
            break;
        len += (size_t)n;
    }
    (void)send(fd, p->answer, strlen(p->answer), MSG_NOSIGNAL);
    char byte;
    while (recv(fd, &byte, 1, 0) == 1)
        (void)send(fd, &byte, 1, MSG_NOSIGNAL);
    (void)close(fd);
    return NULL;
}

static struct net *open_net(const char *proxy)
{
    struct err err;
    struct net *net = NULL;
    const struct net_opts opts = {
        .proxy_url = proxy, .ports = "80,443", .connect_ms = 2000, .timeout_ms = 2000, .stall_s = 2};
    if (net_open(&net, &opts, &err) < 0)
        fail_msg("%s", err.text);
    return net;
}

static void start(struct proxy *p, pthread_t *thread, char url[64])
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof in;
    p->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(p->fd, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(listen(p->fd, 1), 0);
    assert_int_equal(getsockname(p->fd, (struct sockaddr *)&in, &len), 0);
    (void)snprintf(url, 64, "http://127.0.0.1:%u", ntohs(in.sin_port));
    assert_int_equal(pthread_create(thread, NULL, serve, p), 0);
}

static void bytes_go_both_ways(void **state)
{
    (void)state;
    struct proxy p = {.answer = "HTTP/1.1 200 Fine\r\n\r\n"};
    struct err err;
    struct dial *d = NULL;
    pthread_t thread;
    char url[64];
    char got[6] = "";
    start(&p, &thread, url);
    struct net *net = open_net(url);
    if (dial_open(&d, net, &(struct dial_to){"media.example", 80, NULL}, &err) < 0)
        fail_msg("%s", err.text);
    assert_memory_equal(p.request, "CONNECT media.example:80 HTTP/1.1\r\n", 35);
    assert_int_equal(dial_send(d, "hello", 5), 5);
    for (size_t n = 0; n < 5;) {
        ssize_t more = dial_receive(d, got + n, 5 - n);
        n += more > 0 ? (size_t)more : 0;
    }
    assert_string_equal(got, "hello");
    dial_close(d);
    (void)pthread_join(thread, NULL);
    (void)close(p.fd);
    net_close(net);
}

static void a_proxy_that_refuses(void **state)
{
    (void)state;
    struct proxy p = {.answer = "HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n"};
    struct err err = {.code = ERR_OK};
    struct dial *d = NULL;
    pthread_t thread;
    char url[64];
    start(&p, &thread, url);
    struct net *net = open_net(url);
    assert_int_equal(dial_open(&d, net, &(struct dial_to){"media.example", 443, ""}, &err), -1);
    assert_int_equal(err.code, ERR_UPSTREAM_FAILED);
    (void)pthread_join(thread, NULL);
    (void)close(p.fd);
    net_close(net);
}

static void where_nobody_goes(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        uint16_t port;
        enum err_code code;
    } cases[] = {
        {"127.0.0.1", 80, ERR_REFUSED_ADDRESS},
        {"0x7f000001", 80, ERR_REFUSED_ADDRESS},
        {"::1", 443, ERR_REFUSED_ADDRESS},
        {"::ffff:10.0.0.1", 443, ERR_REFUSED_ADDRESS},
        {"169.254.169.254", 80, ERR_REFUSED_ADDRESS},
        {"localhost", 80, ERR_REFUSED_ADDRESS},
        {"media.example", 22, ERR_REFUSED_ADDRESS},
        {"a@media.example", 80, ERR_BAD_URL},
        {"media.example/x", 80, ERR_BAD_URL},
        {"media.example\r\nX: y", 80, ERR_BAD_URL},
        {"", 80, ERR_BAD_URL},
    };
    struct net *net = open_net("");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {.code = ERR_OK};
        struct dial *d = NULL;
        int rc = dial_open(&d, net, &(struct dial_to){cases[i].host, cases[i].port, NULL}, &err);
        if (rc == 0 || (err.code != cases[i].code && err.code != ERR_REFUSED_ADDRESS))
            fail_msg("%s: %d, %s", cases[i].host, rc, err.text);
    }
    net_close(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_go_both_ways),
        cmocka_unit_test(a_proxy_that_refuses),
        cmocka_unit_test(where_nobody_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
