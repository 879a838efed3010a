/* Heads of HTTP answers, and what a forward read makes of them. Bytes 0 to 2: where the read is, how far it
 * goes; the rest: the lines. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/span.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct span *s, const struct head *h)
{
    struct err err;
    struct span before = *s;
    if (memchr(h->content_type, '\0', sizeof h->content_type) == NULL ||
        memchr(h->etag, '\0', sizeof h->etag) == NULL)
        abort();
    (void)span_ended_by(s, h);
    (void)head_total(h);
    if ((h->status != 200 && h->status != 206) || span_accept(s, h, &err) < 0)
        return;
    if (h->status == 206 &&
        (h->range_first != before.next || s->stop <= s->next || s->stop > before.last + 1))
        abort();
    if (h->status == 200 && before.next != 0)
        abort();
    if ((before.total && s->total != before.total) || (s->total && s->end > s->total) ||
        (before.end != SPAN_UNKNOWN && s->end != before.end))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err;
    struct span s;
    struct head h = {0};
    if (size < 3 || span_init(&s, data[0], data[1], data[2], &err) < 0 || span_done(&s))
        return 0;
    span_ask(&s);
    char *lines = malloc(size);
    if (!lines)
        return 0;
    memcpy(lines, data, size);
    for (size_t at = 3; at < size;) {
        const char *end = memchr(lines + at, '\n', size - at);
        size_t len = end ? (size_t)(end - lines) + 1 - at : size - at;
        if (head_line(lines + at, 1, len, &h) != len)
            break;
        at += len;
    }
    check(&s, &h);
    free(lines);
    return 0;
}
