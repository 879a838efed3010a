/* Of which pieces a track of a DASH manifest is made: by a template, by a list, or as one file. See dash.h.
 */
#include <string.h>

#include "base/text.h"
#include "site/dash.h"

enum { URI_MAX = 4096, WIDTH_MAX = 20, TIMESCALE_MAX = 1000000000 };

#define UNITS_MAX 1000000000000000ULL /* a time or a duration in units of the timescale */

struct lister {
    struct dash *d;
    const struct dash_track *t;
    const struct xml_node
        *levels[3]; /* SegmentTemplate or SegmentList of each, the nearest first; NULL: none */
    struct err *err;
    size_t room, bytes;
};

static int add(struct lister *l, const char *uri, uint64_t offset, uint64_t length)
{
    struct dash *d = l->d;
    size_t len = strlen(uri) + 1;
    if (d->segment_count == HLS_SEGMENTS_MAX || len > DASH_URIS_BYTES_MAX - l->bytes)
        return err_set(l->err, ERR_UNSUPPORTED_SITE, "dash: too many pieces");
    if (!d->segments || d->segment_count == l->room) {
        size_t room = l->room ? l->room * 2 : 64;
        struct hls_segment *segments = realloc(d->segments, room * sizeof *segments);
        if (segments)
            d->segments = segments;
        char **uris = realloc(d->uris, room * sizeof *uris);
        if (uris)
            d->uris = uris;
        if (!segments || !uris)
            return err_set(l->err, ERR_INTERNAL, "out of memory");
        l->room = room;
    }
    char *own = strdup(uri);
    if (!own)
        return err_set(l->err, ERR_INTERNAL, "out of memory");
    l->bytes += len;
    d->uris[d->segment_count] = own;
    d->segments[d->segment_count++] = (struct hls_segment){.uri = own, .offset = offset, .length = length};
    return 0;
}

/* A part "0-739" of a resource; all of it where none is stated. */
static int add_part(struct lister *l, const char *uri, const char *part)
{
    uint64_t first = 0;
    uint64_t last = 0;
    const char *dash = part ? strchr(part, '-') : NULL;
    if (!part)
        return add(l, uri, 0, 0);
    if (!dash || text_parse_u64n(part, (size_t)(dash - part), 0, INT64_MAX - 1, &first) < 0 ||
        text_parse_u64(dash + 1, first, INT64_MAX - 1, &last) < 0)
        return err_set(l->err, ERR_UNSUPPORTED_SITE, "dash: a part that is none");
    return add(l, uri, first, last - first + 1);
}

/* ---- What is inherited: an attribute, or an element, of the nearest level that has it ---- */

static const char *value_of(const struct lister *l, const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(l->levels); i++) {
        const char *value = l->levels[i] ? xml_attribute(l->levels[i], name) : NULL;
        if (value)
            return value;
    }
    return NULL;
}

static const struct xml_node *child_of(const struct lister *l, const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(l->levels); i++) {
        const struct xml_node *n = xml_child(l->levels[i], name, NULL);
        if (n)
            return n;
    }
    return NULL;
}

/* A whole number; *out stays where there is none. */
static int number(const struct lister *l, const char *s, uint64_t most, uint64_t *out)
{
    if (s && text_parse_u64(s, 0, most, out) < 0)
        return err_set(l->err, ERR_UNSUPPORTED_SITE, "dash: a number that is none");
    return 0;
}

/* ---- Templates ---- */

/* The number behind "$Number%05d"; the width is what is between. */
static int add_number(struct buf *out, const char *format, size_t len, uint64_t value)
{
    uint64_t width = 1;
    if (len && (len < 3 || format[0] != '%' || format[1] != '0' || format[len - 1] != 'd' ||
                text_parse_u64n(format + 2, len - 3, 1, WIDTH_MAX, &width) < 0))
        return -1;
    return buf_addf(out, "%0*llu", (int)width, (unsigned long long)value);
}

static int fill_in(const struct lister *l, const char *pattern, uint64_t piece, uint64_t time,
                   struct buf *out)
{
    buf_clear(out);
    for (const char *p = pattern; *p;) {
        size_t plain = strcspn(p, "$");
        (void)buf_add(out, p, plain);
        p += plain;
        if (!*p)
            break;
        const char *name = p + 1;
        const char *end = strchr(name, '$');
        int rc = end ? 0 : -1;
        if (end == name)
            (void)buf_addc(out, '$');
        else if (end && text_starts_with(name, "RepresentationID$"))
            (void)buf_adds(out, l->t->id ? l->t->id : "");
        else if (end && text_starts_with(name, "Number"))
            rc = add_number(out, name + 6, (size_t)(end - name) - 6, piece);
        else if (end && text_starts_with(name, "Time"))
            rc = add_number(out, name + 4, (size_t)(end - name) - 4, time);
        else if (end && text_starts_with(name, "Bandwidth"))
            rc = add_number(out, name + 9, (size_t)(end - name) - 9, (uint64_t)l->t->bandwidth);
        else
            rc = -1;
        if (rc < 0)
            return err_set(l->err, ERR_UNSUPPORTED_SITE, "dash: a template that is none");
        p = end + 1;
    }
    return out->failed ? err_set(l->err, ERR_UNSUPPORTED_SITE, "dash: a template that is too long") : 0;
}

struct timing {
    const char *media;
    uint64_t timescale, piece, duration, end, last; /* end: of the period, in units; last: endNumber */
};

static int add_piece(struct lister *l, struct timing *at, uint64_t time)
{
    auto_(buf) struct buf uri = BUF_INIT(URI_MAX);
    if (fill_in(l, at->media, at->piece++, time, &uri) < 0)
        return -1;
    return add(l, buf_str(&uri), 0, 0);
}

/* How often an S is repeated: r is −1 where only what follows, or the end, tells. */
static int repeats(const struct lister *l, const struct timing *at, const struct xml_node *s, uint64_t time,
                   uint64_t duration, uint64_t *count)
{
    const struct xml_node *after = xml_child(NULL, "S", s);
    const char *r = xml_attribute(s, "r");
    uint64_t end = at->end;
    *count = 0;
    if (!r || *r != '-') {
        if (number(l, r, HLS_SEGMENTS_MAX, count) < 0)
            return -1;
        ++*count;
        return 0;
    }
    if (after && number(l, xml_attribute(after, "t"), UNITS_MAX, &end) < 0)
        return -1;
    *count = end > time ? (end - time + duration - 1) / duration : 0;
    return 0;
}

static int list_timeline(struct lister *l, struct timing *at, const struct xml_node *timeline)
{
    uint64_t time = 0;
    for (const struct xml_node *s = NULL; (s = xml_child(timeline, "S", s));) {
        uint64_t duration = 0;
        uint64_t count;
        if (number(l, xml_attribute(s, "t"), UNITS_MAX, &time) < 0 ||
            number(l, xml_attribute(s, "d"), UNITS_MAX, &duration) < 0)
            return -1;
        if (duration == 0)
            return err_set(l->err, ERR_UNSUPPORTED_SITE, "dash: a piece without duration");
        if (repeats(l, at, s, time, duration, &count) < 0)
            return -1;
        for (; count; count--, time += duration) { /* HLS_SEGMENTS_MAX × UNITS_MAX is no overflow */
            if (add_piece(l, at, time) < 0)
                return -1;
            if (time > UNITS_MAX)
                return err_set(l->err, ERR_UNSUPPORTED_SITE, "dash: beyond all times");
        }
    }
    return 0;
}

static int list_by_duration(struct lister *l, struct timing *at)
{
    if (at->duration == 0 || (at->end == 0 && at->last == 0))
        return err_set(l->err, ERR_UNSUPPORTED_SITE, "dash: a template of unknown length");
    uint64_t count = (at->end + at->duration - 1) / at->duration;
    if (at->last) {
        count = at->last >= at->piece ? at->last - at->piece + 1 : 0;
    } else if (count > 1) {
        l->d->last_may_lack = true;
    }
    for (uint64_t i = 0; i < count; i++) {
        if (add_piece(l, at, i * at->duration) < 0)
            return -1;
    }
    return 0;
}

/* How pieces are counted and timed, of a template or a list. */
static int read_timing(const struct lister *l, struct timing *at)
{
    *at = (struct timing){.media = value_of(l, "media"), .timescale = 1, .piece = 1};
    if (number(l, value_of(l, "timescale"), TIMESCALE_MAX, &at->timescale) < 0 ||
        number(l, value_of(l, "startNumber"), UNITS_MAX, &at->piece) < 0 ||
        number(l, value_of(l, "endNumber"), UNITS_MAX, &at->last) < 0 ||
        number(l, value_of(l, "duration"), UNITS_MAX, &at->duration) < 0)
        return -1;
    /* at most 10^10 × 10^9, see dash.c */
    at->end = l->d->duration_ms * at->timescale / 1000;
    return 0;
}

static int list_init(struct lister *l)
{
    auto_(buf) struct buf uri = BUF_INIT(URI_MAX);
    const char *pattern = value_of(l, "initialization");
    const struct xml_node *n = child_of(l, "Initialization");
    if (pattern) {
        return fill_in(l, pattern, 0, 0, &uri) < 0 ? -1 : add(l, buf_str(&uri), 0, 0);
    }
    if (!n)
        return 0;
    const char *source = xml_attribute(n, "sourceURL");
    return add_part(l, source ? source : l->t->base, xml_attribute(n, "range"));
}

static int list_template(struct lister *l)
{
    struct timing at;
    const struct xml_node *timeline = child_of(l, "SegmentTimeline");
    if (read_timing(l, &at) < 0 || list_init(l) < 0)
        return -1;
    if (!at.media)
        return err_set(l->err, ERR_UNSUPPORTED_SITE, "dash: a template of nothing");
    return timeline ? list_timeline(l, &at, timeline) : list_by_duration(l, &at);
}

static int list_urls(struct lister *l)
{
    const struct xml_node *first = child_of(l, "SegmentURL");
    if (list_init(l) < 0)
        return -1;
    for (const struct xml_node *n = first; n; n = xml_child(NULL, "SegmentURL", n)) {
        const char *media = xml_attribute(n, "media");
        if (add_part(l, media ? media : l->t->base, xml_attribute(n, "mediaRange")) < 0)
            return -1;
    }
    return 0;
}

/* Finds the elements of that name; false: there is none. */
static bool find_levels(struct lister *l, const char *name)
{
    bool found = false;
    for (size_t i = 0; i < ARRAY_LEN(l->levels); i++) {
        l->levels[i] = xml_child(l->t->levels[i], name, NULL);
        found |= l->levels[i] != NULL;
    }
    return found;
}

int dash_list(struct dash *d, size_t track, struct err *err)
{
    if (track >= d->track_count || d->segments)
        return err_set(err, ERR_UNSUPPORTED_SITE, "dash: no such track");
    struct lister l = {.d = d, .t = &d->tracks[track], .err = err};
    int rc = find_levels(&l, "SegmentTemplate") ? list_template(&l)
             : find_levels(&l, "SegmentList")   ? list_urls(&l)
                                                : add(&l, l.t->base, 0, 0);
    if (rc == 0 && d->segment_count == 0)
        return err_set(err, ERR_UNSUPPORTED_SITE, "dash: a track of nothing");
    return rc;
}
