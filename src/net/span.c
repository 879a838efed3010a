/* See span.h. */
#include "net/span.h"

#include <string.h>

#include "base/text.h"
#include "net/fetch.h"

int span_init(struct span *s, uint64_t offset, uint64_t length, uint64_t total, struct err *err)
{
    *s = (struct span){.next = offset, .end = total ? total : SPAN_UNKNOWN, .total = total};
    if (length && __builtin_add_overflow(offset, length, &s->end))
        return err_set(err, ERR_BAD_RANGE, "a range beyond all files");
    if (total && (offset > total || s->end > total))
        return err_set(err, ERR_BAD_RANGE, "a range beyond the end");
    return 0;
}

bool span_done(const struct span *s)
{
    return s->next >= s->end;
}

void span_ask(struct span *s)
{
    uint64_t left = s->end - s->next;
    s->first = s->next;
    s->last = s->next + (left < FETCH_RANGE_MAX ? left : FETCH_RANGE_MAX) - 1;
    s->stop = SPAN_UNKNOWN;
}

static int refuse(const struct head *h, struct err *err, const char *what)
{
    (void)err_set(err, ERR_UPSTREAM_FAILED, "%d %s", h->status, what);
    if (err)
        err->upstream_status = h->status;
    return -1;
}

static int check_validators(struct span *s, const struct head *h, struct err *err)
{
    bool strong = h->etag[0] == '"';
    if (s->etag[0] && strong && strcmp(s->etag, h->etag) != 0)
        return refuse(h, err, "with another ETag: the resource has changed");
    if (s->last_modified[0] && h->last_modified[0] && strcmp(s->last_modified, h->last_modified) != 0)
        return refuse(h, err, "with another Last-Modified: the resource has changed");
    if (strong)
        (void)text_copy(s->etag, sizeof s->etag, h->etag);
    (void)text_copy(s->last_modified, sizeof s->last_modified, h->last_modified);
    return 0;
}

/* A server that ignores ranges is fine where the whole resource begins at the byte we need. */
static int check_whole(const struct span *s, const struct head *h, struct err *err)
{
    if (s->first != 0)
        return refuse(h, err, "to a range that does not begin at 0");
    return h->encoded ? refuse(h, err, "with an encoded body") : 0;
}

int span_accept(struct span *s, const struct head *h, struct err *err)
{
    bool whole = h->status == 200;
    if ((whole ? check_whole(s, h, err) : head_check_range(h, s->first, s->last, err)) < 0 ||
        check_validators(s, h, err) < 0)
        return -1;
    bool sized = whole ? h->has_length && !h->chunked : h->range_total != 0;
    uint64_t total = whole ? h->length : h->range_total;
    if (sized && s->total && total != s->total)
        return refuse(h, err, "with another size: not the same resource");
    if (sized && s->end == SPAN_UNKNOWN)
        s->end = total;
    if (sized && s->end > total)
        return refuse(h, err, "of a resource shorter than expected");
    if (sized)
        s->total = total;
    s->stop = whole ? s->end : h->range_last + 1;
    return 0;
}

bool span_ended_by(const struct span *s, const struct head *h)
{
    return h->status == 416 && s->end == SPAN_UNKNOWN && h->ranges == 1 && h->range_total == s->next;
}

void span_forget_validators(struct span *s)
{
    s->etag[0] = '\0';
    s->last_modified[0] = '\0';
}
