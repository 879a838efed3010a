/* One request on a wire: libcurl's options, the guard at connect time, and the plain run to the end. */
#include "net/wire.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "net/cookies.h"

enum { WIRE_CONNECT_BUFFER = 1024 }; /* bytes: answers of a proxy; libcurl's smallest */

/* Called with every address libcurl is about to connect to. Behind a proxy that is always the proxy (NOPROXY
 * is empty), whose address the operator chose; its port is checked all the same. */
static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct wire *w = ctx;
    bool tcp = purpose == CURLSOCKTYPE_IPCXN && address->socktype == SOCK_STREAM &&
               (address->family == AF_INET || address->family == AF_INET6);
    uint16_t proxy_port = w->egress.way->port;
    bool allowed = false;
    if (tcp && proxy_port) {
        /* sin_port and sin6_port lie at the same place. */
        struct sockaddr_in in;
        memcpy(&in, &address->addr, sizeof in);
        allowed = ntohs(in.sin_port) == proxy_port;
    } else if (tcp) {
        allowed = w->egress.way == &w->net->own || !guard_sockaddr_refused(&address->addr);
    }
    if (!allowed) {
        w->refused++;
        return CURL_SOCKET_BAD;
    }
    w->opened++;
    int fd = socket(address->family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
    /* Addresses of a routed prefix need not be on an interface. libcurl binds. */
    const int yes = 1;
    if (fd >= 0 && *w->egress.source)
        (void)setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &yes, sizeof yes);
    return fd;
}

static const char *cookie_of(const char *header)
{
    return strncasecmp(header, "Cookie:", 7) == 0 ? header + 7 + strspn(header + 7, " ") : NULL;
}

void wire_cookies(const struct net *net, const struct wire_request *request, struct buf *out)
{
    for (const struct curl_slist *h = request->headers; h; h = h->next) {
        const char *cookies = cookie_of(h->data);
        if (cookies && *cookies)
            (void)buf_addf(out, "%s%s", out->len ? "; " : "", cookies);
    }
    /* The operator's are of this host, on every hop: nothing of another one. */
    if (request->egress.cookies && !out->failed)
        (void)cookies_of(net->cookies, request->url, out);
}

/* libcurl takes them by themselves, or not at all. */
static CURLcode set_cookies(struct wire *w, const struct wire_request *request)
{
    auto_(buf) struct buf cookies = BUF_INIT(COOKIES_MAX_BYTES);
    CURLcode rc = CURLE_OK;
    curl_slist_free_all(steal(&w->headers));
    wire_cookies(w->net, request, &cookies);
    if (!cookies.len) {
        WIRE_SET(w, rc, CURLOPT_HTTPHEADER, request->headers);
        return rc;
    }
    for (const struct curl_slist *h = request->headers; h; h = h->next) {
        struct curl_slist *longer = cookie_of(h->data) ? w->headers : curl_slist_append(w->headers, h->data);
        if (!longer && !cookie_of(h->data))
            return CURLE_OUT_OF_MEMORY;
        w->headers = longer;
    }
    WIRE_SET(w, rc, CURLOPT_HTTPHEADER, w->headers);
    WIRE_SET(w, rc, CURLOPT_COOKIE, buf_str(&cookies));
    return rc;
}

/* libcurl reuses a connection only for the same proxy and source address. */
static CURLcode set_egress(struct wire *w)
{
    const struct egress *e = &w->egress;
    char source[sizeof e->source + 8];
    CURLcode rc = CURLE_OK;
    WIRE_SET(w, rc, CURLOPT_PROXY, e->way->url); /* "": none, whatever the environment says */
    if (*e->source) {
        (void)snprintf(source, sizeof source, "host!%s", e->source);
        WIRE_SET(w, rc, CURLOPT_INTERFACE, source);
        WIRE_SET(w, rc, CURLOPT_IPRESOLVE, (long)CURL_IPRESOLVE_V6);
    }
    return rc;
}

static int close_socket(void *ctx, curl_socket_t fd)
{
    const struct wire *w = ctx;
    return fd == w->stolen ? 0 : close(fd);
}

static CURLcode set_connection(struct wire *w)
{
    const struct net *net = w->net;
    CURLcode rc = CURLE_OK;
    WIRE_SET(w, rc, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    WIRE_SET(w, rc, CURLOPT_OPENSOCKETDATA, w);
    WIRE_SET(w, rc, CURLOPT_PROTOCOLS_STR, "http,https");
    WIRE_SET(w, rc, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    WIRE_SET(w, rc, CURLOPT_FOLLOWLOCATION, 0L); /* every hop passes guard_url_check() first */
    WIRE_SET(w, rc, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
    WIRE_SET(w, rc, CURLOPT_NOPROXY, "");
    WIRE_SET(w, rc, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    WIRE_SET(w, rc, CURLOPT_SHARE, net->share);
    WIRE_SET(w, rc, CURLOPT_NOSIGNAL, 1L);
    WIRE_SET(w, rc, CURLOPT_QUICK_EXIT, 1L); /* a name server that is silent does not hold up fetch_close() */
    WIRE_SET(w, rc, CURLOPT_CONNECTTIMEOUT_MS, (long)net->opts.connect_ms);
    WIRE_SET(w, rc, CURLOPT_TCP_KEEPALIVE, 1L);
    /* A wire has one request at a time, so HTTP/2 would only add framing, copies and memory; and where
     * reading pauses, 32 MB of it. For looks (net.h) it will do. */
    WIRE_SET(w, rc, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    if (net->ca_dir) {
        const char *file = *net->opts.ca_file ? net->opts.ca_file : NULL;
        WIRE_SET(w, rc, CURLOPT_CAPATH, net->ca_dir);
        WIRE_SET(w, rc, CURLOPT_CAINFO, file);
        WIRE_SET(w, rc, CURLOPT_PROXY_CAPATH, net->ca_dir);
        WIRE_SET(w, rc, CURLOPT_PROXY_CAINFO, file);
    }
    return rc;
}

static CURLcode renew_handle(struct wire *w)
{
    CURL *easy = curl_easy_init();
    if (!easy)
        return CURLE_OUT_OF_MEMORY;
    curl_easy_cleanup(w->easy);
    w->easy = easy;
    return CURLE_OK;
}

/* libcurl (7.88) keeps the buffer of a transfer that ended while its name was looked up, and does not let its
 * size be set: such a handle is replaced. Its connections belong to the multi handle and stay. */
static CURLcode set_buffer_size(struct wire *w, long size)
{
    CURLcode rc = curl_easy_setopt(w->easy, CURLOPT_BUFFERSIZE, size);
    if (rc != CURLE_BAD_FUNCTION_ARGUMENT)
        return rc;
    rc = renew_handle(w);
    return rc == CURLE_OK ? curl_easy_setopt(w->easy, CURLOPT_BUFFERSIZE, size) : rc;
}

/* Forgets the last request. */
static CURLcode start_over(struct wire *w, const struct wire_request *request, long buffer_size)
{
    const struct guard_url *url = request->url;
    w->egress = request->egress;
    w->cancelled = request->cancelled;
    w->opened = w->refused = 0;
    w->message[0] = '\0';
    w->stolen = CURL_SOCKET_BAD;
    (void)text_copy(w->peer, sizeof w->peer, url->peer);
    if (!w->easy && renew_handle(w) != CURLE_OK)
        return CURLE_OUT_OF_MEMORY;
    curl_easy_reset(w->easy);
    CURLcode rc = set_buffer_size(w, buffer_size);
    if (rc == CURLE_OK)
        rc = set_connection(w);
    if (rc == CURLE_OK)
        rc = set_egress(w);
    WIRE_SET(w, rc, CURLOPT_ERRORBUFFER, w->message);
    return rc;
}

int wire_prepare(struct wire *w, const struct wire_request *request, struct err *err)
{
    const char *agent = request->user_agent ? request->user_agent : "Sluice/" SLUICE_VERSION;
    if (strpbrk(agent, "\r\n"))
        return err_set(err, ERR_INTERNAL, "not a user agent");
    head_clear(request->head);
    CURLcode rc = start_over(w, request, request->buffer_size);
    WIRE_SET(w, rc, CURLOPT_URL, request->url->text);
    if (rc == CURLE_OK)
        rc = set_cookies(w, request);
    if (rc == CURLE_OK)
        rc = looks_dress_curl(&w->net->looks, agent, request->http2, w->easy);
    WIRE_SET(w, rc, CURLOPT_USERAGENT, agent);
    WIRE_SET(w, rc, CURLOPT_HEADERFUNCTION, head_line);
    WIRE_SET(w, rc, CURLOPT_HEADERDATA, request->head);
    WIRE_SET(w, rc, CURLOPT_WRITEFUNCTION, request->on_body);
    WIRE_SET(w, rc, CURLOPT_WRITEDATA, request->body_ctx);
    if (rc != CURLE_OK)
        return err_set(err, ERR_INTERNAL, "curl_easy_setopt: %s", curl_easy_strerror(rc));
    return 0;
}

int wire_prepare_connection(struct wire *w, const struct wire_request *request, struct err *err)
{
    const struct guard_url *url = request->url;
    /* libcurl is not to begin TLS, so for it this is http, to the port of https if none is named. */
    char target[GUARD_PEER_MAX];
    int len = snprintf(target, sizeof target, "http%s", strstr(url->peer, "://"));
    CURLcode rc = len < 0 || (size_t)len >= sizeof target ? CURLE_URL_MALFORMAT
                                                          : start_over(w, request, WIRE_CONNECT_BUFFER);
    WIRE_SET(w, rc, CURLOPT_URL, target);
    WIRE_SET(w, rc, CURLOPT_CONNECT_ONLY, 1L);
    WIRE_SET(w, rc, CURLOPT_HTTPPROXYTUNNEL, 1L);
    WIRE_SET(w, rc, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    WIRE_SET(w, rc, CURLOPT_CLOSESOCKETDATA, w);
    if (rc != CURLE_OK)
        return err_set(err, ERR_INTERNAL, "curl_easy_setopt: %s", curl_easy_strerror(rc));
    return 0;
}

int wire_steal_socket(struct wire *w)
{
    if (curl_easy_getinfo(w->easy, CURLINFO_ACTIVESOCKET, &w->stolen) != CURLE_OK)
        w->stolen = CURL_SOCKET_BAD;
    (void)curl_multi_remove_handle(w->multi, w->easy); /* ends what it knows of the connection */
    curl_easy_cleanup(w->easy);
    w->easy = NULL;
    return w->stolen;
}

CURLcode wire_run(struct wire *w)
{
    CURLcode result = CURLE_FAILED_INIT;
    int running = 1;
    if (curl_multi_add_handle(w->multi, w->easy) != CURLM_OK)
        return result;
    while (running) {
        if (curl_multi_perform(w->multi, &running) != CURLM_OK)
            break;
        if (running &&
            curl_multi_poll(w->multi, NULL, 0, w->cancelled ? NET_CANCEL_MS : 1000, NULL) != CURLM_OK)
            break;
        if (running && w->cancelled && atomic_load(w->cancelled)) {
            (void)snprintf(w->message, sizeof w->message, "cancelled");
            break;
        }
    }
    int left;
    for (CURLMsg *m; (m = curl_multi_info_read(w->multi, &left));) {
        if (m->msg == CURLMSG_DONE)
            result = m->data.result;
    }
    (void)curl_multi_remove_handle(w->multi, w->easy);
    return result;
}

/* A proxy that cannot be reached is not chosen for a while. */
static void blame_way(const struct wire *w, CURLcode code)
{
    struct way *way = (struct way *)w->egress.way;
    if (way && way->port &&
        (code == CURLE_COULDNT_RESOLVE_PROXY || code == CURLE_COULDNT_CONNECT || code == CURLE_PROXY))
        atomic_store(&way->failed_us, clock_mono_us());
}

int wire_error(const struct wire *w, const struct guard_url *url, CURLcode code, struct err *err)
{
    blame_way(w, code);
    if (w->refused && !w->opened)
        return err_set(err, ERR_REFUSED_ADDRESS, "%s: resolves to no public address", url->host);
    return err_set(err, ERR_UPSTREAM_FAILED, "%s: %s", url->host,
                   *w->message ? w->message : curl_easy_strerror(code));
}

static bool is_public_header(const char *header)
{
    static const char *const names[] = {"Accept", "Accept-Language", "Origin", "Referer"};
    size_t len = strcspn(header, ":");
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strlen(names[i]) == len && strncasecmp(header, names[i], len) == 0)
            return true;
    }
    return false;
}

int wire_headers(struct curl_slist **out, const char *const *headers, bool public_only, struct err *err)
{
    /* Not libcurl's own additions: a question for permission before a large POST. */
    auto_ptr(curl_slist) struct curl_slist *list = curl_slist_append(NULL, "Expect:");
    for (; list && headers && *headers; headers++) {
        if (!strchr(*headers, ':') || strpbrk(*headers, "\r\n"))
            return err_set(err, ERR_INTERNAL, "not a header field");
        if (public_only && !is_public_header(*headers))
            continue;
        struct curl_slist *longer = curl_slist_append(list, *headers);
        if (!longer)
            return err_set(err, ERR_INTERNAL, "no memory");
        list = longer;
    }
    if (!list)
        return err_set(err, ERR_INTERNAL, "no memory");
    *out = steal(&list);
    return 0;
}

int wire_redirect(const struct net *net, const struct head *head, const struct guard_url *from,
                  struct guard_url *to, struct err *err)
{
    auto_(buf) struct buf next = BUF_INIT(GUARD_URL_MAX);
    *to = (struct guard_url){0};
    if (!head->location || net_url_join(from->text, head->location, &next, NULL) < 0)
        return err_set(err, ERR_UPSTREAM_FAILED, "%s: a redirect to nowhere", from->host);
    if (guard_url_check(&net->guard, buf_str(&next), to, err) < 0)
        return -1;
    if (from->tls && !to->tls) {
        guard_url_fini(to);
        return err_set(err, ERR_UPSTREAM_FAILED, "%s: a redirect from https to http", from->host);
    }
    return 0;
}
