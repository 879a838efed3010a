/* Which bytes a request asks for, and whether the copy it has is current; see range.h. */
#include "http/range.h"

#include <stddef.h>
#include <string.h>

#include "base/text.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The digits at *s as a number, UINT64_MAX when it is larger still: for a position that is as good as any
 * other beyond the end. False when there is no digit. Moves *s behind them. */
static bool take_number(const char **s, uint64_t *out)
{
    size_t n = strspn(*s, "0123456789");
    if (n == 0)
        return false;
    if (text_parse_u64n(*s, n, 0, UINT64_MAX, out) < 0)
        *out = UINT64_MAX;
    *s += n;
    return true;
}

struct http_range http_range_parse(const char *header, uint64_t total)
{
    static const char unit[] = "bytes=";
    const struct http_range whole = {HTTP_RANGE_WHOLE, 0, total};
    const struct http_range bad = {HTTP_RANGE_BAD, 0, 0};
    if (!header)
        return whole;
    while (is_blank(*header))
        header++;
    for (size_t i = 0; i < sizeof unit - 1; i++, header++) {
        char c = *header;
        if (c >= 'A' && c <= 'Z')
            c |= 0x20;
        if (c != unit[i])
            return whole;
    }
    while (is_blank(*header))
        header++;

    uint64_t first = 0;
    uint64_t last = UINT64_MAX;
    bool has_first = take_number(&header, &first);
    if (*header++ != '-')
        return whole;
    bool has_last = take_number(&header, &last);
    while (is_blank(*header))
        header++;
    if (*header != '\0' || (!has_first && !has_last) || (has_first && has_last && last < first))
        return whole; /* several ranges end here too: their comma */

    if (!has_first) { /* the last `last` bytes */
        if (last == 0)
            return bad;
        if (total == 0)
            return whole; /* satisfiable, but no Content-Range can say "nothing" */
        if (last > total)
            last = total;
        return (struct http_range){HTTP_RANGE_PART, total - last, last};
    }
    if (first >= total)
        return bad;
    if (last >= total)
        last = total - 1;
    return (struct http_range){HTTP_RANGE_PART, first, last - first + 1};
}

bool http_if_range_holds(const char *header, const char *etag)
{
    if (!header)
        return true;
    while (is_blank(*header))
        header++;
    size_t n = strlen(header);
    while (n && is_blank(header[n - 1]))
        n--;
    return *etag == '"' && strlen(etag) == n && memcmp(header, etag, n) == 0;
}

/* The length of the entity tag's quoted part at s, both quotes included; 0 when there is none. */
static size_t quoted_len(const char *s)
{
    const char *end = *s == '"' ? strchr(s + 1, '"') : NULL;
    return end ? (size_t)(end - s) + 1 : 0;
}

/* Whether a list of entity tags, or "*", takes in `etag`. Strong comparison: neither of the two may be weak
 * (RFC 9110 §8.8.3.2). */
static bool is_listed(const char *header, const char *etag, bool strong)
{
    if (text_starts_with(etag, "W/")) {
        if (strong)
            return false;
        etag += 2;
    }
    size_t etag_len = strlen(etag);
    header += strspn(header, " \t");
    if (*header == '*')
        return header[1 + strspn(header + 1, " \t")] == '\0';
    for (;;) {
        header += strspn(header, " \t,");
        bool weak = text_starts_with(header, "W/");
        if (weak)
            header += 2;
        size_t n = quoted_len(header);
        if (n == 0)
            return false; /* the end, or no list of entity tags */
        if (n == etag_len && memcmp(header, etag, n) == 0 && !(weak && strong))
            return true;
        header += n;
        header += strspn(header, " \t");
        if (*header != ',' && *header != '\0')
            return false;
    }
}

bool http_etag_listed(const char *header, const char *etag)
{
    return header && is_listed(header, etag, false);
}

bool http_if_match_holds(const char *header, const char *etag)
{
    return !header || is_listed(header, etag, true);
}
