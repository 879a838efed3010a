/* See dial.h. */
#include "net/dial.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/wire.h"

struct dial {
    struct wire *wire;
    struct head head; /* the wire wants one; no HTTP is spoken */
    int fd;
};

static size_t no_body(char *data, size_t size, size_t count, void *ctx)
{
    (void)data;
    (void)ctx;
    return size * count;
}

static int connect_wire(struct dial *d, const struct guard_url *url, const char *egress, struct err *err)
{
    struct wire_request request = {
        .url = url,
        .on_body = no_body,
        .head = &d->head,
        .buffer_size = 16 * 1024,
    };
    struct wire *w = d->wire;
    curl_socket_t fd = CURL_SOCKET_BAD;
    CURLcode rc = CURLE_OK;
    if (egress_read(w->net, egress, &request.egress, err) < 0 ||
        wire_prepare_connection(w, &request, err) < 0)
        return -1;
    WIRE_SET(w, rc, CURLOPT_FRESH_CONNECT, 1L);
    WIRE_SET(w, rc, CURLOPT_TIMEOUT_MS, (long)w->net->opts.connect_ms);
    if (rc != CURLE_OK)
        return err_set(err, ERR_INTERNAL, "curl_easy_setopt: %s", curl_easy_strerror(rc));
    /* Not by the wire's multi handle: libcurl closes such connections when they leave one. */
    rc = curl_easy_perform(w->easy);
    if (rc != CURLE_OK)
        return wire_error(w, url, rc, err);
    if (curl_easy_getinfo(w->easy, CURLINFO_ACTIVESOCKET, &fd) != CURLE_OK || fd == CURL_SOCKET_BAD)
        return err_set(err, ERR_UPSTREAM_FAILED, "%s: the connection is gone", url->host);
    d->fd = fd;
    return 0;
}

static int dial(struct dial *d, struct net *net, const struct dial_to *to, struct err *err)
{
    const char *host = to->host;
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.:_-";
    char text[GUARD_HOST_MAX + 32];
    auto_(guard_url) struct guard_url url = {0};
    const char *bracket = strchr(host, ':') ? "[" : "";
    if (!*host || host[strspn(host, letters)] || strlen(host) > GUARD_HOST_MAX)
        return err_set(err, ERR_BAD_URL, "not a host name");
    (void)snprintf(text, sizeof text, "http://%s%s%s:%u/", bracket, host, *bracket ? "]" : "", to->port);
    if (guard_url_check(&net->guard, text, &url, err) < 0)
        return -1;
    d->wire = wire_new(net, NULL);
    return d->wire ? connect_wire(d, &url, to->egress, err) : err_set(err, ERR_INTERNAL, "out of memory");
}

int dial_open(struct dial **out, struct net *net, const struct dial_to *to, struct err *err)
{
    struct dial *d = calloc(1, sizeof *d);
    int rc = d ? dial(d, net, to, err) : err_set(err, ERR_INTERNAL, "out of memory");
    if (rc < 0)
        dial_close(steal(&d));
    *out = d;
    return rc;
}

int dial_fd(const struct dial *d)
{
    return d->fd;
}

static ssize_t moved(CURLcode rc, size_t n)
{
    if (rc == CURLE_OK)
        return (ssize_t)n;
    errno = rc == CURLE_AGAIN ? EAGAIN : EPIPE;
    return -1;
}

ssize_t dial_receive(struct dial *d, void *to, size_t room)
{
    size_t n = 0;
    CURLcode rc = curl_easy_recv(d->wire->easy, to, room, &n);
    return moved(rc, n);
}

ssize_t dial_send(struct dial *d, const void *from, size_t len)
{
    size_t n = 0;
    CURLcode rc = curl_easy_send(d->wire->easy, from, len, &n);
    return moved(rc, n);
}

void dial_close(struct dial *d)
{
    if (!d)
        return;
    wire_free(d->wire);
    head_clear(&d->head);
    free(d);
}
