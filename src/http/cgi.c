/* The one request of a plain CGI process: environment in, standard output out. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/text.h"
#include "http/edge.h"

bool cgi_is(void)
{
    return getenv("REQUEST_METHOD") != NULL;
}

const char *cgi_getenv(void *unused, const char *name)
{
    (void)unused;
    return getenv(name);
}

int cgi_read_body(struct buf *body)
{
    const char *announced = getenv("CONTENT_LENGTH");
    uint64_t left = 0;
    if (!announced || !*announced)
        return 0;
    if (text_parse_u64(announced, 0, body->max, &left) < 0) {
        body->failed = true; /* over the limit, or no number */
        return 0;
    }
    while (left) {
        char chunk[8192];
        ssize_t n = read(STDIN_FILENO, chunk, left < sizeof chunk ? (size_t)left : sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        (void)buf_add(body, chunk, (size_t)n);
        left -= (uint64_t)n;
    }
    return 0;
}

void cgi_output_init(struct cgi_output *out, unsigned send_timeout_s)
{
    out->send_timeout_s = send_timeout_s;
    out->flags = fcntl(STDOUT_FILENO, F_GETFL);
    if (out->flags >= 0)
        (void)fcntl(STDOUT_FILENO, F_SETFL, out->flags | O_NONBLOCK);
}

void cgi_output_fini(struct cgi_output *out)
{
    if (out->flags >= 0) /* it may be a terminal that others go on using */
        (void)fcntl(STDOUT_FILENO, F_SETFL, out->flags);
}

static int write_out(void *ctx, const void *data, size_t len)
{
    const struct cgi_output *out = ctx;
    const char *p = data;
    while (len) {
        ssize_t n = write(STDOUT_FILENO, p, len);
        if (n >= 0) {
            p += n;
            len -= (size_t)n;
        } else if (errno == EAGAIN) {
            struct pollfd ready = {.fd = STDOUT_FILENO, .events = POLLOUT};
            if (poll(&ready, 1, (int)(out->send_timeout_s * 1000)) == 0)
                return -1;
        } else if (errno != EINTR) {
            return -1;
        }
    }
    return 0;
}

static bool reader_gone(void *ctx)
{
    struct pollfd p = {.fd = STDOUT_FILENO};
    (void)ctx;
    return poll(&p, 1, 0) > 0 && p.revents & (POLLHUP | POLLERR);
}

static ssize_t push(void *ctx, struct iovec *iov, int count, bool last)
{
    ssize_t n = count ? writev(STDOUT_FILENO, iov, count) : 0;
    (void)ctx;
    (void)last;
    return n >= 0 ? n : errno == EAGAIN || errno == EINTR ? 0 : -1;
}

static int flush(void *ctx)
{
    (void)ctx;
    return 1; /* nothing is kept */
}

struct http_sink cgi_sink(struct cgi_output *out)
{
    return (struct http_sink){write_out, out, NULL, reader_gone, push, flush};
}
