/* HTML escaping; see html.h. */
#include "http/html.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/text.h"

/* Turns the direction of what follows, beyond the element too: no text needs it, but deceivers do. */
static bool is_turn(uint32_t c)
{
    return (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

/* The same five characters serve text and double-quoted attributes: one table cannot be picked wrongly.
 * Control characters, which HTML forbids even as references, are dropped. */
static int add_escaped(struct buf *out, const char *s)
{
    size_t left = strlen(s);
    uint32_t c = 0;
    for (size_t n; left; s += n, left -= n) {
        n = text_utf8_next(s, left, &c);
        if (n == 0) {
            n = 1;
            (void)buf_adds(out, "\xef\xbf\xbd");
        } else if (c == '&') {
            (void)buf_adds(out, "&amp;");
        } else if (c == '<') {
            (void)buf_adds(out, "&lt;");
        } else if (c == '>') {
            (void)buf_adds(out, "&gt;");
        } else if (c == '"') {
            (void)buf_adds(out, "&quot;");
        } else if (c == '\'') {
            (void)buf_adds(out, "&#39;");
        } else if (((c >= 0x20 && c < 0x7f) || c >= 0xa0 || c == '\t' || c == '\n') && !is_turn(c)) {
            (void)buf_add(out, s, n);
        }
    }
    return out->failed ? -1 : 0;
}

int html_text(struct buf *out, const char *s)
{
    return add_escaped(out, s);
}

int html_attr(struct buf *out, const char *s)
{
    return add_escaped(out, s);
}

int html_url_arg(struct buf *out, const char *s)
{
    size_t left = strlen(s);
    uint32_t c = 0;
    for (size_t n; left; s += n, left -= n) {
        char one[5] = "";
        n = text_utf8_next(s, left, &c);
        if (n)
            memcpy(one, s, n);
        (void)text_percent_encode(out, n ? one : "\xef\xbf\xbd"); /* needs no HTML escape any more */
        n += n == 0;
    }
    return out->failed ? -1 : 0;
}
