/* See guard.h. The ranges are those of IANA's special-purpose address registries (RFC 6890 and its updates)
 * that are not globally reachable, and the forms that carry an IPv4 address inside an IPv6 one. */
#include "net/guard.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "net/net.h"

/* ---- Addresses ---- */

static const struct {
    uint32_t net;
    unsigned bits;
} refused_v4[] = {
    {0x00000000, 8},  /* 0.0.0.0: this network */
    {0x0a000000, 8},  /* 10.0.0.0: private */
    {0x64400000, 10}, /* 100.64.0.0: carrier-grade NAT; some clouds' metadata services */
    {0x7f000000, 8},  /* 127.0.0.0: loopback */
    {0xa83f8110, 32}, /* 168.63.129.16: looks public, but is the host's control channel inside Azure */
    {0xa9fe0000, 16}, /* 169.254.0.0: link-local; most clouds' metadata services */
    {0xac100000, 12}, /* 172.16.0.0: private */
    {0xc0000000, 24}, /* 192.0.0.0: protocol assignments; Oracle's metadata service */
    {0xc0000200, 24}, /* 192.0.2.0: documentation */
    {0xc0586300, 24}, /* 192.88.99.0: 6to4 relays */
    {0xc0a80000, 16}, /* 192.168.0.0: private */
    {0xc6120000, 15}, /* 198.18.0.0: benchmarking */
    {0xc6336400, 24}, /* 198.51.100.0: documentation */
    {0xcb007100, 24}, /* 203.0.113.0: documentation */
    {0xe0000000, 3},  /* 224.0.0.0: multicast, reserved, broadcast */
};

/* Only 2000::/3 is assigned for global use: everything outside it is refused, which covers ::/96, ::1,
 * ::ffff:0:0/96 (v4-mapped), 64:ff9b::/96 and 64:ff9b:1::/48 (NAT64), fc00::/7, fe80::/10 and ff00::/8. */
static const struct {
    uint32_t net; /* the first 32 bits */
    unsigned bits;
} refused_v6[] = {
    {0x20010000, 23}, /* 2001::/23: protocol assignments, among them Teredo, ORCHID, benchmarking */
    {0x20010db8, 32}, /* 2001:db8::/32: documentation */
    {0x20020000, 16}, /* 2002::/16: 6to4 */
    {0x3fff0000, 20}, /* 3fff::/20: documentation */
};

static bool v4_refused(uint32_t a)
{
    for (size_t i = 0; i < ARRAY_LEN(refused_v4); i++) {
        if ((a ^ refused_v4[i].net) >> (32 - refused_v4[i].bits) == 0)
            return true;
    }
    return false;
}

static bool v6_refused(const uint8_t a[16])
{
    uint32_t head = (uint32_t)a[0] << 24 | (uint32_t)a[1] << 16 | (uint32_t)a[2] << 8 | a[3];
    for (size_t i = 0; i < ARRAY_LEN(refused_v6); i++) {
        if ((head ^ refused_v6[i].net) >> (32 - refused_v6[i].bits) == 0)
            return true;
    }
    return head >> 29 != 1;
}

bool guard_sockaddr_refused(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof in);
        return v4_refused(ntohl(in.sin_addr.s_addr));
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, address, sizeof in6);
        return v6_refused(in6.sin6_addr.s6_addr);
    }
    return true;
}

/* One part of an IPv4 address as inet_aton() and browsers read it: decimal, 0octal or 0xhex. */
static int parse_v4_part(const char *s, size_t len, uint64_t *out)
{
    unsigned base = 10;
    uint64_t v = 0;
    if (len >= 2 && s[0] == '0' && (s[1] | 0x20) == 'x') {
        base = 16;
        s += 2;
        len -= 2; /* "0x" alone is 0, as browsers have it */
    } else if (len >= 2 && s[0] == '0') {
        base = 8;
    }
    for (size_t i = 0; i < len; i++) {
        char c = (char)(s[i] | 0x20);
        unsigned digit = s[i] >= '0' && s[i] <= '9' ? (unsigned)(s[i] - '0')
                         : c >= 'a' && c <= 'f'     ? (unsigned)(c - 'a') + 10
                                                    : 16;
        if (digit >= base || v > UINT32_MAX)
            return -1;
        v = v * base + digit;
    }
    *out = v;
    return 0;
}

enum host_kind { HOST_NAME, HOST_V4, HOST_V6, HOST_BAD };

static bool is_number(const char *label)
{
    if (label[0] == '0' && (label[1] | 0x20) == 'x')
        return label[2 + strspn(label + 2, "0123456789abcdefABCDEF")] == '\0';
    return *label && label[strspn(label, "0123456789")] == '\0';
}

/* The rule of the WHATWG URL standard: a host whose last label is a number is an IPv4 address, or nothing.
 * `host` has no trailing dot. */
static enum host_kind parse_v4(const char *host, uint32_t *out)
{
    uint64_t parts[4];
    size_t count = 0;
    const char *dot = strrchr(host, '.');
    if (!is_number(dot ? dot + 1 : host))
        return HOST_NAME;
    for (const char *s = host; s; count++) {
        size_t len = strcspn(s, ".");
        if (count == 4 || len == 0 || parse_v4_part(s, len, &parts[count]) < 0)
            return HOST_BAD;
        s = s[len] ? s + len + 1 : NULL;
    }
    uint64_t last = parts[count - 1];
    uint64_t address = 0;
    for (size_t i = 0; i + 1 < count; i++) {
        if (parts[i] > 255)
            return HOST_BAD;
        address |= parts[i] << (24 - 8 * i);
    }
    if (last >> (8 * (5 - count)))
        return HOST_BAD;
    *out = (uint32_t)(address | last);
    return HOST_V4;
}

/* Reads a host as in a URL, without trailing dot; IPv6 with or without brackets. */
static enum host_kind parse_host(const char *host, uint32_t *v4, uint8_t v6[16])
{
    if (!strchr(host, ':'))
        return parse_v4(host, v4);
    char text[INET6_ADDRSTRLEN];
    size_t len = strlen(host);
    if (host[0] == '[' && host[len - 1] == ']') {
        host++;
        len -= 2;
    }
    if (len >= sizeof text)
        return HOST_BAD;
    memcpy(text, host, len);
    text[len] = '\0';
    return inet_pton(AF_INET6, text, v6) == 1 ? HOST_V6 : HOST_BAD;
}

/* Without the one trailing dot that makes a name absolute. */
static int copy_host(char *out, size_t room, const char *host)
{
    size_t len = strlen(host);
    if (len > 1 && host[len - 1] == '.')
        len--;
    if (len >= room)
        return -1;
    for (size_t i = 0; i < len; i++)
        out[i] = host[i] >= 'A' && host[i] <= 'Z' ? (char)(host[i] | 0x20) : host[i];
    out[len] = '\0';
    return 0;
}

bool net_address_refused(const char *address)
{
    char host[GUARD_HOST_MAX + 3];
    uint32_t v4;
    uint8_t v6[16];
    if (copy_host(host, sizeof host, address) < 0)
        return true;
    switch (parse_host(host, &v4, v6)) {
    case HOST_V4:
        return v4_refused(v4);
    case HOST_V6:
        return v6_refused(v6);
    case HOST_NAME:
        return false;
    case HOST_BAD:
        break;
    }
    return true;
}

/* ---- URLs ---- */

int guard_init(struct guard *g, const char *ports, struct err *err)
{
    *g = (struct guard){.utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0)};
    for (const char *s = ports; s;) {
        uint64_t port;
        s += strspn(s, " ");
        size_t len = strcspn(s, ", ");
        if (g->port_count == GUARD_PORTS_MAX || text_parse_u64n(s, len, 1, UINT16_MAX, &port) < 0)
            return err_set(err, ERR_INTERNAL, "ports: not a list of at most %d ports", GUARD_PORTS_MAX);
        g->ports[g->port_count++] = (uint16_t)port;
        s += len + strspn(s + len, " ");
        if (*s && *s != ',')
            return err_set(err, ERR_INTERNAL, "ports: expected a comma");
        s = *s ? s + 1 : NULL;
    }
    return 0;
}

void guard_fini(struct guard *g)
{
    if (g->utf8)
        freelocale(g->utf8);
    *g = (struct guard){0};
}

void guard_url_fini(struct guard_url *u)
{
    free(u->text);
    u->text = NULL;
}

static void url_part_free(char **part)
{
    curl_free(*part);
}
static void url_free(CURLU **u)
{
    curl_url_cleanup(*u);
}
#define auto_part __attribute__((cleanup(url_part_free)))
#define auto_url  __attribute__((cleanup(url_free)))

/* Letters, digits, hyphens and (in use, though not allowed) underscores, in labels of 1 to 63. */
static bool name_is_plain(const char *host)
{
    size_t label = 0;
    for (const char *s = host;; s++) {
        bool plain = (*s >= 'a' && *s <= 'z') || (*s >= '0' && *s <= '9') || *s == '-' || *s == '_';
        if (plain && ++label <= 63)
            continue;
        if (plain || label == 0 || (*s && *s != '.'))
            return false;
        if (!*s)
            return true;
        label = 0;
    }
}

/* RFC 6761, RFC 6762, RFC 8375, and ICANN's reservation of .internal. A name without a dot can only come from
 * a search domain or a hosts file. */
static bool name_is_local(const char *host)
{
    static const char *const zones[] = {".localhost", ".local", ".internal", ".home.arpa"};
    if (!strchr(host, '.'))
        return true;
    for (size_t i = 0; i < ARRAY_LEN(zones); i++) {
        if (text_ends_with(host, zones[i]) || strcmp(host, zones[i] + 1) == 0)
            return true;
    }
    return false;
}

/* Checks the host of `u`; an IPv4 address is rewritten in the usual notation. */
static int check_host(struct guard_url *u, struct err *err)
{
    uint32_t v4 = 0;
    uint8_t v6[16];
    switch (parse_host(u->host, &v4, v6)) {
    case HOST_V4:
        (void)snprintf(u->host, sizeof u->host, "%u.%u.%u.%u", v4 >> 24, v4 >> 16 & 255, v4 >> 8 & 255,
                       v4 & 255);
        if (v4_refused(v4))
            return err_set(err, ERR_REFUSED_ADDRESS, "%s: not a public address", u->host);
        return 0;
    case HOST_V6:
        if (v6_refused(v6))
            return err_set(err, ERR_REFUSED_ADDRESS, "%s: not a public address", u->host);
        return 0;
    case HOST_NAME:
        if (!name_is_plain(u->host))
            return err_set(err, ERR_BAD_URL, "not a host name");
        if (name_is_local(u->host))
            return err_set(err, ERR_REFUSED_ADDRESS, "%s: a name for local use", u->host);
        return 0;
    case HOST_BAD:
        break;
    }
    return err_set(err, ERR_BAD_URL, "not an address");
}

/* The host in ASCII. libidn2 maps full-width digits, enclosed numbers and other dots to plain ones here, so
 * what is checked afterwards is what gets resolved. */
static CURLUcode get_host(const struct guard *g, CURLU *u, char **out)
{
    locale_t before = g->utf8 ? uselocale(g->utf8) : (locale_t)0;
    CURLUcode rc = curl_url_get(u, CURLUPART_HOST, out, CURLU_PUNYCODE);
    if (before)
        (void)uselocale(before);
    return rc;
}

/* libcurl's parser is lenient about what comes before the host ("http:/host", "http:///host"). */
static int check_start(const char *url, bool *tls, struct err *err)
{
    size_t len = strlen(url);
    if (len > GUARD_URL_MAX)
        return err_set(err, ERR_BAD_URL, "a URL of %zu bytes", len);
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)url[i] < 0x20 || url[i] == 0x7f)
            return err_set(err, ERR_BAD_URL, "a control character in a URL");
    }
    *tls = strncasecmp(url, "https://", 8) == 0;
    if (!*tls && strncasecmp(url, "http://", 7) != 0)
        return err_set(err, ERR_BAD_URL, "not an http or https URL");
    if (url[*tls ? 8 : 7] == '/')
        return err_set(err, ERR_BAD_URL, "a URL without a host");
    return 0;
}

static bool port_is_listed(const struct guard *g, const char *text)
{
    uint64_t port;
    if (text_parse_u64(text, 1, UINT16_MAX, &port) < 0)
        return false;
    for (size_t i = 0; i < g->port_count; i++) {
        if (g->ports[i] == port)
            return true;
    }
    return false;
}

int guard_url_check(const struct guard *g, const char *url, struct guard_url *out, struct err *err)
{
    auto_url CURLU *u = curl_url();
    auto_part char *host = NULL;
    auto_part char *zone = NULL;
    auto_part char *port = NULL;
    auto_part char *text = NULL;
    *out = (struct guard_url){0};
    if (!u)
        return err_set(err, ERR_INTERNAL, "no memory");
    if (check_start(url, &out->tls, err) < 0)
        return -1;
    CURLUcode rc = curl_url_set(u, CURLUPART_URL, url, CURLU_DISALLOW_USER | CURLU_URLENCODE);
    if (rc == CURLUE_OK)
        rc = get_host(g, u, &host);
    if (rc == CURLUE_OK)
        rc = curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);
    if (rc != CURLUE_OK)
        return err_set(err, ERR_BAD_URL, "%s", curl_url_strerror(rc));
    if (copy_host(out->host, sizeof out->host, host) < 0)
        return err_set(err, ERR_BAD_URL, "host name too long");
    if (curl_url_get(u, CURLUPART_ZONEID, &zone, 0) == CURLUE_OK)
        return err_set(err, ERR_REFUSED_ADDRESS, "%s: an address with a zone", out->host);
    if (!g->is_open && check_host(out, err) < 0)
        return -1;
    if (!g->is_open && !port_is_listed(g, port))
        return err_set(err, ERR_REFUSED_ADDRESS, "%s: port %s is not allowed", out->host, port);
    rc = curl_url_set(u, CURLUPART_HOST, out->host, 0);
    if (rc == CURLUE_OK)
        rc = curl_url_set(u, CURLUPART_FRAGMENT, NULL, 0);
    if (rc == CURLUE_OK)
        rc = curl_url_get(u, CURLUPART_URL, &text, CURLU_NO_DEFAULT_PORT);
    if (rc != CURLUE_OK)
        return err_set(err, ERR_BAD_URL, "%s", curl_url_strerror(rc));
    (void)snprintf(out->peer, sizeof out->peer, "%s://%s:%s", out->tls ? "https" : "http", out->host, port);
    out->text = strdup(text);
    return out->text ? 0 : err_set(err, ERR_INTERNAL, "no memory");
}
