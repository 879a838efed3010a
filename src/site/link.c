/* Reads a pasted text as a link; see link.h.
 *
 * Freestanding on purpose: no libc call and no allocation, so that the pages run this very file as
 * WebAssembly. The reading follows the WHATWG URL parser where it can be abused (authority ends at '/', '?'
 * or '#'; a host ending in a number is an IPv4 address) and refuses what browsers merely tolerate: user info,
 * backslashes, percent signs in hosts, octal, hexadecimal and shortened addresses, hosts without a dot, hosts
 * that are not ASCII (browsers copy those as punycode, others are put into it before). Addresses and ports
 * are judged again by the fetch gate; here only their form is. */
#include "site/link.h"

#include <stdbool.h>
#include <stdint.h>

enum { ID_BYTES = 11, HOST_MAX = 253, LABEL_MAX = 63, NESTED_MAX = 3 };

/* A part of the text; never terminated. */
struct slice {
    const char *p;
    size_t n;
};

#define WORD(literal)                                                                                        \
    {                                                                                                        \
        (literal), sizeof(literal) - 1                                                                       \
    }
#define SLICE(literal) ((struct slice)WORD(literal))

/* A link taken apart. `host` is lower case, without the dot that may end it. */
struct parts {
    bool http, had_scheme;
    char host[HOST_MAX + 1];
    size_t host_len;
    unsigned port; /* 0: none given */
    struct slice path, query;
};

/* ------------------------------------------------------------------------------------------------ */
/* Characters and slices */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
    return is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z');
}

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    return lower(c) >= 'a' && lower(c) <= 'f' ? lower(c) - 'a' + 10 : -1;
}

static bool equal(struct slice a, struct slice b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++) {
        if (lower(a.p[i]) != b.p[i])
            return false;
    }
    return true;
}

static bool starts_with(struct slice s, struct slice prefix)
{
    return s.n >= prefix.n && equal((struct slice){s.p, prefix.n}, prefix);
}

static bool ends_with(struct slice s, struct slice suffix)
{
    return s.n >= suffix.n && equal((struct slice){s.p + s.n - suffix.n, suffix.n}, suffix);
}

static bool contains(struct slice s, struct slice part)
{
    for (size_t i = 0; i + part.n <= s.n; i++) {
        if (equal((struct slice){s.p + i, part.n}, part))
            return true;
    }
    return false;
}

static struct slice skip(struct slice s, size_t n)
{
    return (struct slice){s.p + n, s.n - n};
}

/* Index of the first byte of `s` that is one of `set`, or s.n. */
static size_t find(struct slice s, struct slice set)
{
    for (size_t i = 0; i < s.n; i++) {
        for (size_t k = 0; k < set.n; k++) {
            if (s.p[i] == set.p[k])
                return i;
        }
    }
    return s.n;
}

/* Takes what comes before the first byte of `set` off *s, and that byte too. */
static struct slice take(struct slice *s, struct slice set)
{
    size_t n = find(*s, set);
    struct slice head = {s->p, n};
    *s = skip(*s, n < s->n ? n + 1 : n);
    return head;
}

/* ------------------------------------------------------------------------------------------------ */
/* Hosts */

/* The WHATWG rule: a last label of digits, or of the form 0x…, makes the host an IPv4 address. */
static bool is_numeric_label(struct slice label)
{
    size_t i = starts_with(label, SLICE("0x")) ? 2 : 0;
    bool hex = i == 2;
    for (; i < label.n; i++) {
        if (hex ? hex_value(label.p[i]) < 0 : !is_digit(label.p[i]))
            return false;
    }
    return label.n > 0;
}

/* Exactly four decimal numbers without leading zeroes: the one notation nobody reads differently. */
static bool is_plain_ipv4(struct slice host)
{
    int count = 0;
    for (; host.n > 0; count++) {
        struct slice label = take(&host, SLICE("."));
        unsigned value = 0;
        if (label.n == 0 || label.n > 3 || (label.n > 1 && label.p[0] == '0'))
            return false;
        for (size_t i = 0; i < label.n; i++) {
            if (!is_digit(label.p[i]))
                return false;
            value = value * 10 + (unsigned)(label.p[i] - '0');
        }
        if (value > 255)
            return false;
    }
    return count == 4;
}

/* Shape only; no zone identifiers. */
static bool is_ipv6(struct slice host)
{
    int colons = 0;
    if (host.n < 4 || host.n > 47 || host.p[0] != '[' || host.p[host.n - 1] != ']')
        return false;
    for (size_t i = 1; i + 1 < host.n; i++) {
        if (host.p[i] == ':')
            colons++;
        else if (host.p[i] != '.' && hex_value(host.p[i]) < 0)
            return false;
    }
    return colons >= 2;
}

/* A name with at least one dot, of letters, digits, '-' and '_' (which real hosts have), or an IPv4 address.
 */
static bool is_name(struct slice host)
{
    struct slice rest = host;
    struct slice label = {NULL, 0};
    int labels = 0;
    for (; rest.n > 0; labels++) {
        label = take(&rest, SLICE("."));
        if (label.n == 0 || label.n > LABEL_MAX || label.p[0] == '-' || label.p[label.n - 1] == '-')
            return false;
        for (size_t i = 0; i < label.n; i++) {
            if (!is_alnum(label.p[i]) && label.p[i] != '-' && label.p[i] != '_')
                return false;
        }
    }
    if (labels < 2 || host.p[host.n - 1] == '.')
        return false;
    return !is_numeric_label(label) || is_plain_ipv4(host);
}

static bool read_port(struct slice digits, unsigned *port)
{
    unsigned value = 0;
    if (digits.n == 0 || digits.n > 5)
        return false;
    for (size_t i = 0; i < digits.n; i++) {
        if (!is_digit(digits.p[i]))
            return false;
        value = value * 10 + (unsigned)(digits.p[i] - '0');
    }
    *port = value;
    return value >= 1 && value <= 65535;
}

static bool read_authority(struct parts *u, struct slice authority)
{
    size_t bracket = find(authority, SLICE("]"));
    size_t from = bracket < authority.n ? bracket : 0;
    size_t colon = from + find(skip(authority, from), SLICE(":"));
    struct slice host = {authority.p, colon};
    if (colon < authority.n && !read_port(skip(authority, colon + 1), &u->port))
        return false;
    if (host.n > 0 && host.p[host.n - 1] == '.')
        host.n--;
    if (host.n == 0 || host.n > HOST_MAX || !(is_ipv6(host) || is_name(host)))
        return false;
    for (size_t i = 0; i < host.n; i++)
        u->host[i] = lower(host.p[i]);
    u->host[host.n] = '\0';
    u->host_len = host.n;
    return true;
}

/* Path and query; the fragment is for browsers only. */
static void split_target(struct parts *u, struct slice target)
{
    target.n = find(target, SLICE("#"));
    u->path = take(&target, SLICE("?"));
    u->query = target;
}

/* Takes `text` apart; false where it is no http(s) link. User info fails as a character no host has. */
static bool split(struct parts *u, struct slice text)
{
    u->http = starts_with(text, SLICE("http://"));
    u->had_scheme = u->http || starts_with(text, SLICE("https://"));
    u->port = 0;
    if (u->had_scheme)
        text = skip(text, u->http ? 7 : 8);
    size_t end = find(text, SLICE("/?#"));
    split_target(u, skip(text, end));
    return read_authority(u, (struct slice){text.p, end});
}

/* ------------------------------------------------------------------------------------------------ */
/* Writing */

struct writer {
    struct link *out;
    size_t n;
    bool full;
};

static void put(struct writer *w, char c)
{
    if (w->n + 1 >= sizeof w->out->url) {
        w->full = true;
        return;
    }
    w->out->url[w->n++] = c;
    w->out->url[w->n] = '\0';
}

static void put_slice(struct writer *w, struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        put(w, s.p[i]);
}

/* Path or query: what RFC 3986 does not let stand there is percent-encoded, as browsers do. */
static void put_encoded(struct writer *w, struct slice s)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool odd = c >= 0x7f || find((struct slice){&s.p[i], 1}, SLICE("\"<>^`{|}")) == 0;
        if (odd) {
            put(w, '%');
            put(w, hex[c >> 4]);
            put(w, hex[c & 15]);
        } else {
            put(w, s.p[i]);
        }
    }
}

static void put_port(struct writer *w, unsigned port)
{
    unsigned scale = 10000;
    put(w, ':');
    while (scale > port)
        scale /= 10;
    for (; scale > 0; scale /= 10)
        put(w, (char)('0' + port / scale % 10));
}

static enum link_kind finish(struct link *out, enum link_kind kind, const struct parts *u)
{
    struct writer w = {out, 0, false};
    put_slice(&w, u->http ? SLICE("http://") : SLICE("https://"));
    put_slice(&w, (struct slice){u->host, u->host_len});
    if (u->port != 0 && u->port != (u->http ? 80 : 443))
        put_port(&w, u->port);
    if (u->path.n == 0)
        put(&w, '/');
    put_encoded(&w, u->path);
    if (u->query.n > 0) {
        put(&w, '?');
        put_encoded(&w, u->query);
    }
    if (w.full)
        out->url[0] = '\0';
    return w.full ? LINK_BAD : kind;
}

static enum link_kind finish_video(struct link *out, struct slice id)
{
    struct writer w = {out, 0, false};
    put_slice(&w, SLICE("https://www.youtube.com/watch?v="));
    put_slice(&w, id);
    for (size_t i = 0; i < id.n; i++)
        out->id[i] = id.p[i];
    out->id[id.n] = '\0';
    return LINK_YOUTUBE_VIDEO;
}

/* ------------------------------------------------------------------------------------------------ */
/* YouTube */

/* 11 base64url characters; two words of embed paths have that shape too. */
static bool is_id(struct slice s)
{
    if (s.n != ID_BYTES || equal(s, SLICE("videoseries")) || equal(s, SLICE("live_stream")))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (!is_alnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '_')
            return false;
    }
    return true;
}

/* Percent-decodes into `to`; the result is empty where it does not fit or an escape is bad. */
static struct slice decode(struct slice s, char *to, size_t room)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++, n++) {
        char c = s.p[i];
        if (n >= room)
            return (struct slice){to, 0};
        if (c == '%') {
            int high = s.n - i > 2 ? hex_value(s.p[i + 1]) : -1;
            int low = s.n - i > 2 ? hex_value(s.p[i + 2]) : -1;
            if (high < 0 || low < 0)
                return (struct slice){to, 0};
            c = (char)(high << 4 | low);
            i += 2;
        }
        to[n] = c;
    }
    return (struct slice){to, n};
}

/* Walks the query: the next value called `name`. "&amp;" is read as "&": links copied out of HTML have it. */
static bool next_value(struct slice *query, struct slice name, struct slice *value)
{
    while (query->n > 0) {
        struct slice pair = take(query, SLICE("&"));
        if (starts_with(pair, SLICE("amp;")))
            pair = skip(pair, 4);
        if (equal(take(&pair, SLICE("=")), name)) {
            *value = pair;
            return true;
        }
    }
    return false;
}

static bool find_id(struct slice query, char id[ID_BYTES + 1])
{
    struct slice value;
    while (next_value(&query, SLICE("v"), &value)) {
        if (is_id(decode(value, id, ID_BYTES + 1)))
            return true;
    }
    return false;
}

/* The next path segment that is not empty. '&' ends one too: people append "&t=30" to links without '?'. */
static struct slice next_segment(struct slice *path)
{
    struct slice segment = {path->p, 0};
    while (path->n > 0 && segment.n == 0)
        segment = take(path, SLICE("/&"));
    return segment;
}

static bool one_of(struct slice s, const struct slice *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (equal(s, words[i]))
            return true;
    }
    return false;
}

static const struct slice site_hosts[] = {
    WORD("youtube.com"),          WORD("www.youtube.com"),
    WORD("m.youtube.com"),        WORD("music.youtube.com"),
    WORD("gaming.youtube.com"),   WORD("consent.youtube.com"),
    WORD("youtube-nocookie.com"), WORD("www.youtube-nocookie.com"),
    WORD("www.youtubekids.com"),  WORD("youtube.googleapis.com"),
};
static const struct slice short_hosts[] = {WORD("youtu.be"), WORD("www.youtu.be")};
static const struct slice id_paths[] = {WORD("shorts"), WORD("live"), WORD("embed"),
                                        WORD("v"),      WORD("e"),    WORD("watch")};
static const struct slice query_paths[] = {WORD(""), WORD("watch"), WORD("watch_popup"), WORD("movie")};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Pages that carry another link in a parameter. */
static const struct {
    struct slice segment, parameter;
} carriers[] = {
    {WORD("attribution_link"), WORD("u")},
    {WORD("oembed"), WORD("url")},
    {WORD("redirect"), WORD("q")},
    {WORD("signin"), WORD("next")},
};

static enum link_kind read_site(struct link *out, const struct parts *u, int depth);

/* The link inside a link: it counts only where it leads to a video of the same site. */
static bool read_carried(struct link *out, struct slice query, struct slice parameter, int depth)
{
    char text[LINK_MAX_BYTES];
    struct slice value;
    struct parts inner;
    if (depth >= NESTED_MAX || !next_value(&query, parameter, &value))
        return false;
    value = decode(value, text, sizeof text);
    if (starts_with(value, SLICE("/")) && !starts_with(value, SLICE("//"))) {
        inner = (struct parts){.host = "www.youtube.com", .host_len = 15};
        split_target(&inner, value);
    } else if (!split(&inner, value)) {
        return false;
    }
    return read_site(out, &inner, depth + 1) == LINK_YOUTUBE_VIDEO;
}

static enum link_kind read_site_page(struct link *out, const struct parts *u, int depth)
{
    char id[ID_BYTES + 1];
    struct slice path = u->path;
    struct slice first = next_segment(&path);
    struct slice second = next_segment(&path);
    struct slice host = {u->host, u->host_len};
    if (one_of(host, short_hosts, COUNT(short_hosts)) && is_id(first))
        return finish_video(out, first);
    if (one_of(first, id_paths, COUNT(id_paths)) && is_id(second))
        return finish_video(out, second);
    if (one_of(first, query_paths, COUNT(query_paths)) && find_id(u->query, id))
        return finish_video(out, (struct slice){id, ID_BYTES});
    if (equal(host, SLICE("consent.youtube.com")) && read_carried(out, u->query, SLICE("continue"), depth))
        return LINK_YOUTUBE_VIDEO;
    for (size_t i = 0; i < COUNT(carriers); i++) {
        if (equal(first, carriers[i].segment) && read_carried(out, u->query, carriers[i].parameter, depth))
            return LINK_YOUTUBE_VIDEO;
    }
    return finish(out, LINK_YOUTUBE_OTHER, u);
}

/* A link whose host is the site's; LINK_DIRECT where it is somebody else's, LINK_BAD for hosts that only look
 * like the site's: nobody types youtube.com.example.org by accident. */
static enum link_kind read_site(struct link *out, const struct parts *u, int depth)
{
    static const struct slice owned[] = {WORD(".youtube.com"), WORD(".youtube-nocookie.com")};
    static const struct slice names[] = {WORD("youtube.com"), WORD("youtu.be"), WORD("youtube-nocookie.com")};
    struct slice host = {u->host, u->host_len};
    if (one_of(host, site_hosts, COUNT(site_hosts)) || one_of(host, short_hosts, COUNT(short_hosts)))
        return u->port == 0 || u->port == 80 || u->port == 443 ? read_site_page(out, u, depth) : LINK_BAD;
    for (size_t i = 0; i < COUNT(owned); i++) {
        if (ends_with(host, owned[i]))
            return finish(out, LINK_YOUTUBE_OTHER, u);
    }
    for (size_t i = 0; i < COUNT(names); i++) {
        if (contains(host, names[i]))
            return LINK_BAD;
    }
    return LINK_DIRECT;
}

/* ------------------------------------------------------------------------------------------------ */

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static enum link_kind read_text(struct link *out, struct slice text)
{
    struct parts u;
    while (text.n > 0 && is_space(text.p[0]))
        text = skip(text, 1);
    while (text.n > 0 && is_space(text.p[text.n - 1]))
        text.n--;
    if (text.n == 0 || text.n > LINK_MAX_BYTES)
        return LINK_BAD;
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c <= ' ' || c == 0x7f || c == '\\')
            return LINK_BAD;
    }
    if (is_id(text))
        return finish_video(out, text);
    if (!split(&u, text))
        return LINK_BAD;
    enum link_kind kind = read_site(out, &u, 0);
    /* Without a scheme "film.mp4" is a file name, not a host; "example.org/film.mp4" is a link. */
    if (kind == LINK_DIRECT)
        kind = u.had_scheme || u.path.n > 0 ? finish(out, LINK_DIRECT, &u) : LINK_BAD;
    return kind;
}

enum link_kind link_parse(struct link *out, const char *text, size_t len)
{
    out->id[0] = '\0';
    out->url[0] = '\0';
    out->kind = read_text(out, (struct slice){text, len});
    return out->kind;
}
