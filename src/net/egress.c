/* See egress.h; and, private to net/, what a name means (wire.h). */
#include "net/egress.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/text.h"
#include "net/cookies.h"
#include "net/wire.h"

static const char direct[] = "direct";

/* ---- Settings ---- */

/* The proxy must be complete: libcurl's default port for one is 1080, which nobody expects. */
static int read_proxy(struct way *way, const char *url, struct err *err)
{
    static const char *const schemes[] = {"http", "https", "socks5h"};
    char hash[HASH_HEX_LEN + 1];
    char *scheme = NULL;
    char *port = NULL;
    uint64_t number = 0;
    bool known = false;
    CURLU *u = curl_url();
    if (u && curl_url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
        curl_url_get(u, CURLUPART_PORT, &port, 0) == CURLUE_OK) {
        for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
            known |= strcmp(scheme, schemes[i]) == 0;
        known = known && text_parse_u64(port, 1, UINT16_MAX, &number) == 0;
    }
    curl_free(scheme);
    curl_free(port);
    curl_url_cleanup(u);
    if (!known)
        return err_set(err, ERR_INTERNAL, "proxy_url must be http://, https:// or socks5h://host:port");
    hash_sha256_hex(url, strlen(url), hash);
    (void)snprintf(way->name, sizeof way->name, "p:%.8s", hash);
    way->port = (uint16_t)number;
    return 0;
}

/* "http://a:1" or "http://a:1*3", three times as often as the others; "direct": without a proxy. */
static int read_way(struct net *net, const char *text, size_t len, struct err *err)
{
    uint64_t weight = 1;
    const char *star = memrchr(text, '*', len);
    if (net->way_count == EGRESS_WAYS_MAX)
        return err_set(err, ERR_INTERNAL, "proxy_url: more than %d", EGRESS_WAYS_MAX);
    struct way *way = &net->ways[net->way_count];
    if (star && text_parse_u64n(star + 1, len - (size_t)(star + 1 - text), 1, 1000, &weight) < 0)
        return err_set(err, ERR_INTERNAL, "proxy_url: behind * belongs a number from 1 to 1000");
    way->weight = (unsigned)weight;
    way->url = strndup(text, star ? (size_t)(star - text) : len); /* ways_fini() frees it */
    if (!way->url)
        return err_set(err, ERR_INTERNAL, "no memory");
    net->way_count++;
    if (strcmp(way->url, direct) != 0)
        return read_proxy(way, way->url, err);
    way->url[0] = '\0';
    memcpy(way->name, direct, sizeof direct);
    return 0;
}

static int read_ways(struct net *net, const char *list, struct err *err)
{
    static const char blanks[] = ", \t";
    for (const char *p = list + strspn(list, blanks); *p; p += strspn(p, blanks)) {
        size_t len = strcspn(p, blanks);
        if (read_way(net, p, len, err) < 0)
            return -1;
        p += len;
    }
    return net->way_count ? 0 : read_way(net, direct, strlen(direct), err);
}

/* "2001:db8:1:2::/64" */
static int read_prefix(struct net *net, const char *text, struct err *err)
{
    char address[INET6_ADDRSTRLEN];
    size_t len = strcspn(text, "/");
    uint64_t bits;
    if (!*text)
        return 0;
    if (len >= sizeof address || text[len] != '/' || text_parse_u64(text + len + 1, 16, 124, &bits) < 0)
        return err_set(err, ERR_INTERNAL, "ipv6_subnet must be like 2001:db8:1:2::/64, of 16 to 124 bits");
    memcpy(address, text, len);
    address[len] = '\0';
    if (inet_pton(AF_INET6, address, net->prefix) != 1)
        return err_set(err, ERR_INTERNAL, "ipv6_subnet: not an IPv6 address");
    net->prefix_bits = (unsigned)bits;
    return 0;
}

int ways_init(struct net *net, const struct net_opts *opts, struct err *err)
{
    static char none[] = "";
    net->own = (struct way){.name = "own", .url = none};
    return read_ways(net, opts->proxy_url ? opts->proxy_url : "", err) < 0 ||
                   read_prefix(net, opts->ipv6_subnet ? opts->ipv6_subnet : "", err) < 0
               ? -1
               : 0;
}

void ways_fini(struct net *net)
{
    for (size_t i = 0; i < net->way_count; i++)
        free(net->ways[i].url);
}

/* ---- Choosing ---- */

static bool is_ailing(const struct way *way)
{
    int64_t failed_us = atomic_load(&way->failed_us);
    return failed_us && clock_mono_us() - failed_us < EGRESS_AILING_US;
}

/* Host and port of a proxy's URL: no name and no password, however it writes them. */
static void place_of(const char *url, char out[EGRESS_PLACE_MAX])
{
    const char *start = strstr(url, "://");
    size_t len = start ? strcspn(start + 3, "/?#") : 0;
    const char *at = start ? memrchr(start + 3, '@', len) : NULL;
    const char *host = at ? at + 1 : start ? start + 3 : "";
    (void)snprintf(out, EGRESS_PLACE_MAX, "%.*s", start ? (int)(start + 3 + len - host) : 0, host);
}

size_t egress_ways(const struct net *net, struct egress_way out[EGRESS_WAYS_MAX])
{
    for (size_t i = 0; i < net->way_count; i++) {
        const struct way *way = &net->ways[i];
        out[i] = (struct egress_way){.weight = way->weight, .ailing = is_ailing(way)};
        memcpy(out[i].name, way->name, sizeof out[i].name);
        place_of(way->url, out[i].place);
    }
    return net->way_count;
}

size_t egress_cookies(const struct net *net, struct egress_cookies *out, size_t room)
{
    return cookies_hosts(net->cookies, out, room);
}

/* An address of the prefix, all bits behind it random; the all-zero one is the routers'. */
static void random_address(const struct net *net, char out[INET6_ADDRSTRLEN])
{
    uint8_t address[16];
    hash_random(address, sizeof address);
    address[15] |= 1;
    for (unsigned bit = 0; bit < net->prefix_bits; bit++) {
        uint8_t mask = (uint8_t)(0x80 >> bit % 8);
        address[bit / 8] = (uint8_t)((address[bit / 8] & ~mask) | (net->prefix[bit / 8] & mask));
    }
    (void)inet_ntop(AF_INET6, address, out, INET6_ADDRSTRLEN);
}

void egress_name(const struct net *net, const struct egress_way *way, bool cookies, char out[EGRESS_MAX])
{
    char source[INET6_ADDRSTRLEN];
    const char *and = cookies ? " c" : "";
    if (strcmp(way->name, direct) == 0 && net->prefix_bits) {
        random_address(net, source);
        (void)snprintf(out, EGRESS_MAX, "s:%s%s", source, and);
    } else if (net->way_count > 1) {
        (void)snprintf(out, EGRESS_MAX, "%s%s", way->name, and);
    } else {
        (void)snprintf(out, EGRESS_MAX, "%s", cookies ? "c" : ""); /* there is no other anyway */
    }
}

/* ---- What a name means ---- */

static const struct way *usual_way(const struct net *net)
{
    for (size_t i = 0; i < net->way_count; i++) {
        if (!is_ailing(&net->ways[i]))
            return &net->ways[i];
    }
    return &net->ways[0];
}

static const struct way *find_way(const struct net *net, const char *name, size_t len)
{
    for (size_t i = 0; i < net->way_count; i++) {
        if (strlen(net->ways[i].name) == len && memcmp(net->ways[i].name, name, len) == 0)
            return &net->ways[i];
    }
    return NULL;
}

const char *egress_proxy(const struct net *net, const char *way_name)
{
    const struct way *way = find_way(net, way_name, strlen(way_name));
    return way ? way->url : "";
}

/* The prefix may have changed since the name was given: then the address is not ours any more. */
static bool is_ours(const struct net *net, const char *address)
{
    uint8_t bytes[16];
    if (!net->prefix_bits || inet_pton(AF_INET6, address, bytes) != 1)
        return false;
    for (unsigned bit = 0; bit < net->prefix_bits; bit++) {
        if ((bytes[bit / 8] ^ net->prefix[bit / 8]) & 0x80 >> bit % 8)
            return false;
    }
    return true;
}

bool egress_is_own(const char *name)
{
    return name && strcmp(name, EGRESS_OWN) == 0;
}

int egress_read(const struct net *net, const char *name, struct egress *out, struct err *err)
{
    *out = (struct egress){.way = egress_is_own(name) ? &net->own : NULL};
    if (out->way)
        return 0;
    for (const char *p = name ? name : ""; *p; p += strspn(p, " ")) {
        size_t len = strcspn(p, " ");
        if (len == 1 && *p == 'c') {
            out->cookies = true;
        } else if (text_starts_with(p, "s:") && len - 2 < sizeof out->source) {
            memcpy(out->source, p + 2, len - 2);
            out->source[len - 2] = '\0';
            out->way = is_ours(net, out->source) ? find_way(net, direct, strlen(direct)) : NULL;
            if (!out->way)
                return err_set(err, ERR_UPSTREAM_FAILED, "an address that is ours no more");
        } else {
            out->way = find_way(net, p, len);
            if (!out->way)
                return err_set(err, ERR_UPSTREAM_FAILED, "a way out that is there no more");
        }
        p += len;
    }
    if (!out->way)
        out->way = usual_way(net);
    return 0;
}
