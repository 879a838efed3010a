/* See head.h. Field syntax: RFC 9110. */
#include "net/head.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/text.h"

enum { RETRY_AFTER_MAX_S = 24 * 3600, LOCATION_MAX = 8192, COOKIES_MAX = 4096 };

/* A field's value without surrounding blanks. */
struct value {
    const char *s;
    size_t len;
};

static bool name_is(const char *line, size_t len, const char *name)
{
    size_t n = strlen(name);
    if (len < n)
        return false;
    for (size_t i = 0; i < n; i++) {
        char c = line[i] >= 'A' && line[i] <= 'Z' ? (char)(line[i] | 0x20) : line[i];
        if (c != name[i])
            return false;
    }
    return true;
}

/* A value too long for its place is dropped: half a validator would be a wrong one. */
static void copy_value(char *out, size_t room, struct value v)
{
    if (v.len >= room)
        v.len = 0;
    memcpy(out, v.s, v.len);
    out[v.len] = '\0';
}

static void read_content_type(struct head *h, struct value v)
{
    const char *end = memchr(v.s, ';', v.len);
    if (end)
        v.len = (size_t)(end - v.s);
    while (v.len && (v.s[v.len - 1] == ' ' || v.s[v.len - 1] == '\t'))
        v.len--;
    copy_value(h->content_type, sizeof h->content_type, v);
    for (char *c = h->content_type; *c; c++)
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c | 0x20) : *c;
}

/* "bytes 0-499/1234", "bytes 0-499/ *" or, with 416, "bytes * /1234" (without the blanks). Anything else
 * counts as a second field, so that it is never taken for an answer. */
static void read_content_range(struct head *h, struct value v)
{
    static const char unit[] = "bytes ";
    const char *slash = memchr(v.s, '/', v.len);
    h->ranges++;
    h->range_first = h->range_last = h->range_total = 0;
    if (!slash || !name_is(v.s, v.len, unit)) {
        h->ranges++;
        return;
    }
    const char *s = v.s + sizeof unit - 1;
    const char *total = slash + 1;
    size_t total_len = (size_t)(v.s + v.len - total);
    const char *dash = memchr(s, '-', (size_t)(slash - s));
    bool unknown = total_len == 1 && *total == '*';
    bool ok = unknown || text_parse_u64n(total, total_len, 0, INT64_MAX, &h->range_total) == 0;
    if (dash)
        ok = ok && text_parse_u64n(s, (size_t)(dash - s), 0, INT64_MAX, &h->range_first) == 0 &&
             text_parse_u64n(dash + 1, (size_t)(slash - dash - 1), h->range_first, INT64_MAX,
                             &h->range_last) == 0 &&
             (unknown || h->range_last < h->range_total);
    else
        ok = ok && !unknown && slash - s == 1 && *s == '*' && h->status == 416;
    if (!ok)
        h->ranges++;
}

/* Seconds, or a date. */
static int read_retry_after(struct value v)
{
    char date[64];
    uint64_t seconds = 0;
    if (text_parse_u64n(v.s, v.len, 0, RETRY_AFTER_MAX_S, &seconds) == 0)
        return (int)seconds;
    copy_value(date, sizeof date, v);
    time_t left = curl_getdate(date, NULL) - time(NULL);
    return left < 0 ? 0 : left < RETRY_AFTER_MAX_S ? (int)left : RETRY_AFTER_MAX_S;
}

/* Whether a comma-separated list has `token` (lower case). */
static bool has_token(struct value v, const char *token)
{
    size_t wanted = strlen(token);
    for (const char *s = v.s, *end = v.s + v.len; s < end;) {
        const char *comma = memchr(s, ',', (size_t)(end - s));
        const char *stop = comma ? comma : end;
        while (s < stop && (*s == ' ' || *s == '\t'))
            s++;
        size_t len = (size_t)(stop - s);
        while (len && (s[len - 1] == ' ' || s[len - 1] == '\t'))
            len--;
        if (len == wanted && name_is(s, len, token))
            return true;
        s = stop + 1;
    }
    return false;
}

/* Its name and value, without what is said about it. */
static void add_cookie(struct head *h, struct value v)
{
    const char *semicolon = memchr(v.s, ';', v.len);
    size_t len = semicolon ? (size_t)(semicolon - v.s) : v.len;
    size_t had = h->cookies ? strlen(h->cookies) : 0;
    char *longer = NULL;
    if (len == 0 || had + len > COOKIES_MAX ||
        asprintf(&longer, "%s%s%.*s", had ? h->cookies : "", had ? "; " : "", (int)len, v.s) < 0)
        return;
    free(h->cookies);
    h->cookies = longer;
}

static void read_field(struct head *h, const char *name, size_t name_len, struct value v)
{
#define IS(literal) (name_len == sizeof(literal) - 1 && name_is(name, name_len, literal))
    if (IS("content-length")) {
        uint64_t length;
        h->has_length = text_parse_u64n(v.s, v.len, 0, INT64_MAX, &length) == 0;
        h->length = h->has_length ? length : 0;
    } else if (IS("content-range")) {
        read_content_range(h, v);
    } else if (IS("content-type")) {
        read_content_type(h, v);
    } else if (IS("content-encoding")) {
        h->encoded |= v.len > 0 && !(v.len == 8 && name_is(v.s, v.len, "identity"));
    } else if (IS("transfer-encoding")) {
        h->chunked = true;
        h->encoded |= !(v.len == 7 && name_is(v.s, v.len, "chunked"));
    } else if (IS("connection")) {
        h->closes = has_token(v, "close") || (h->closes && !has_token(v, "keep-alive"));
    } else if (IS("retry-after")) {
        h->retry_after_s = read_retry_after(v);
    } else if (IS("location") && v.len <= LOCATION_MAX) {
        free(h->location);
        h->location = strndup(v.s, v.len);
    } else if (IS("set-cookie")) {
        add_cookie(h, v);
    } else if (IS("etag")) {
        copy_value(h->etag, sizeof h->etag, v);
    } else if (IS("last-modified")) {
        copy_value(h->last_modified, sizeof h->last_modified, v);
    } else if (IS("date")) {
        copy_value(h->date, sizeof h->date, v);
    }
#undef IS
}

void head_clear(struct head *h)
{
    free(h->location);
    free(h->cookies);
    *h = (struct head){0};
}

size_t head_line(char *line, size_t size, size_t count, void *head)
{
    struct head *h = head;
    size_t whole = size * count;
    size_t len = whole;
    h->bytes += whole;
    if (h->bytes > HEAD_BYTES_MAX)
        return 0; /* libcurl ends the transfer */
    while (len && (line[len - 1] == '\r' || line[len - 1] == '\n'))
        len--;
    if (h->complete)
        return whole; /* trailers */
    if (len == 0) {
        h->complete = h->status >= 200;
        return whole;
    }
    if (name_is(line, len, "http/")) {
        uint64_t status = 0;
        const char *blank = memchr(line, ' ', len);
        if (blank && (size_t)(line + len - blank) >= 4)
            (void)text_parse_u64n(blank + 1, 3, 100, 999, &status);
        size_t bytes = h->bytes;
        head_clear(h);
        *h = (struct head){.status = (int)status, .bytes = bytes, .closes = name_is(line, len, "http/1.0")};
        return whole;
    }
    const char *colon = memchr(line, ':', len);
    if (!colon)
        return whole;
    struct value v = {colon + 1, (size_t)(line + len - colon - 1)};
    while (v.len && (*v.s == ' ' || *v.s == '\t')) {
        v.s++;
        v.len--;
    }
    while (v.len && (v.s[v.len - 1] == ' ' || v.s[v.len - 1] == '\t'))
        v.len--;
    read_field(h, line, (size_t)(colon - line), v);
    return whole;
}

int head_check_range(const struct head *h, uint64_t first, uint64_t last, struct err *err)
{
    const char *what = NULL;
    if (h->encoded)
        what = "an encoded body";
    else if (h->ranges != 1)
        what = "no usable Content-Range";
    else if (h->range_first != first || h->range_last > last)
        what = "another range than asked for";
    else if (h->has_length && !h->chunked && h->length != h->range_last - h->range_first + 1)
        what = "a Content-Length that is not that of its range";
    if (!what)
        return 0;
    (void)err_set(err, ERR_UPSTREAM_FAILED, "206 with %s", what);
    if (err)
        err->upstream_status = 206;
    return -1;
}

bool head_redirects(const struct head *h)
{
    return h->status == 301 || h->status == 302 || h->status == 303 || h->status == 307 || h->status == 308;
}

uint64_t head_total(const struct head *h)
{
    if (h->status == 206 || h->status == 416)
        return h->ranges == 1 ? h->range_total : 0;
    return h->status == 200 && h->has_length && !h->chunked && !h->encoded ? h->length : 0;
}
