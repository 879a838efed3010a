/* Collecting what a splice needs: which bytes to ask for, and reading headers in the order of the file while
 * they arrive in any order. See splice.h. */
#include "media/splice.h"

#include <string.h>

#include "media/splice_impl.h"

enum {
    ASK_FIRST = 2048, /* measured: 1.3 kB a 5 s video fragment, 1.8 kB a 10 s audio fragment */
    ASK_LEAST = 512,
    ASK_MOST = 64 * 1024,
    COALESCE_GAP = 16 * 1024,        /* bytes read for nothing that cost less than a request */
    MOOF_MAX = 1024 * 1024,          /* 10 min of 120 fps in one fragment */
    HEADERS_MAX = 256 * 1024 * 1024, /* of one source: 6 days */
    TIME_MAX_MS = INT32_MAX,         /* 24 days: a clip begins and ends before */
    WINDOW = 64,                     /* references asked for ahead of the first missing one */
    CLIP_MARGIN_MS = 500,            /* how far index times may be off: edit lists, encoder delay */
};

static int broken(struct err *err, const char *what)
{
    return err_set(err, ERR_UPSTREAM_FAILED, "splice: %s", what);
}

static void reading_fini(struct splice_reading *g)
{
    buf_fini(&g->tail);
    buf_fini(&g->moofs);
}

struct splice *splice_new(const struct splice_opts *opts)
{
    struct splice *s = calloc(1, sizeof *s);
    if (s && opts) {
        s->opts.start_ms = opts->start_ms < TIME_MAX_MS ? opts->start_ms : TIME_MAX_MS;
        s->opts.end_ms = opts->end_ms < TIME_MAX_MS ? opts->end_ms : TIME_MAX_MS;
    }
    return s;
}

void splice_free(struct splice *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->track_count; i++) {
        struct splice_track *t = &s->tracks[i];
        for (size_t k = 0; t->readings && k < t->head.index.count; k++)
            reading_fini(&t->readings[k]);
        free(t->readings);
        mp4_samples_fini(&t->samples);
        mp4_track_fini(&t->head);
    }
    free(s);
}

bool splice_is_clip(const struct splice *s)
{
    return s->opts.start_ms || s->opts.end_ms;
}

bool splice_time_before(uint64_t a, uint32_t a_scale, uint64_t b, uint32_t b_scale)
{
    return (unsigned __int128)a * b_scale < (unsigned __int128)b * a_scale;
}

uint64_t splice_rescale(uint64_t value, uint32_t from, uint32_t to)
{
    unsigned __int128 v = ((unsigned __int128)value * to + from - 1) / from;
    return v < INT64_MAX / 4 ? (uint64_t)v : INT64_MAX / 4;
}

uint32_t splice_movie_timescale(const struct splice *s)
{
    uint32_t first = s->tracks[0].head.timescale;
    return first >= 1000 && first <= 1000000 ? first : 1000;
}

uint64_t splice_head_bytes(const void *head, size_t len)
{
    return mp4_head_bytes(head, len);
}

int splice_add_source(struct splice *s, unsigned source, const void *head, size_t len, uint64_t size,
                      struct err *err)
{
    if (s->track_count + s->subtitle_count == MP4_TRACKS_MAX || source >= PLAN_SOURCES_MAX || s->selected)
        return err_set(err, ERR_INTERNAL, "splice: too many sources, or too late");
    for (size_t i = 0; i < s->track_count; i++)
        if (s->tracks[i].source == source)
            return err_set(err, ERR_INTERNAL, "splice: source %u twice", source);
    struct splice_track *t = &s->tracks[s->track_count++];
    t->source = source;
    t->ask_bytes = ASK_FIRST;
    t->uniform = true;
    if (mp4_track_parse(&t->head, head, len, err) < 0)
        return -1;
    if (size && t->head.index.end > size)
        return broken(err, "the index goes beyond the file");
    t->end = t->head.index.count;
    t->readings = calloc(t->end, sizeof *t->readings);
    return t->readings ? 0 : err_set(err, ERR_INTERNAL, "splice: out of memory");
}

int splice_add_subtitles(struct splice *s, const struct subtitle_cues *cues, const char *language,
                         struct err *err)
{
    if (s->subtitle_count == SPLICE_SUBTITLES_MAX || s->track_count + s->subtitle_count == MP4_TRACKS_MAX)
        return err_set(err, ERR_INTERNAL, "splice: too many subtitles");
    s->subtitles[s->subtitle_count++] = (struct splice_subtitles){cues, language};
    return 0;
}

uint64_t splice_duration_ms(const struct splice *s)
{
    uint64_t longest = 0;
    for (size_t i = 0; i < s->track_count; i++) {
        const struct mp4_index *x = &s->tracks[i].head.index;
        if (x->count == 0)
            continue;
        const struct mp4_reference *last = &x->references[x->count - 1];
        uint64_t ms = splice_rescale(last->start + last->duration, x->timescale, 1000);
        longest = ms > longest ? ms : longest;
    }
    return longest;
}

/* The last reference that starts at or before a time; 0 when none does. */
static size_t reference_at(const struct mp4_index *x, uint64_t time, uint32_t timescale)
{
    size_t low = 0;
    size_t high = x->count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (splice_time_before(time, timescale, x->references[middle].start, x->timescale))
            high = middle;
        else
            low = middle;
    }
    return low;
}

/* Which references a clip needs. Sound starts where the picture's sync sample may be, so that players which
 * ignore edit lists stay in sync too. */
static void select_references(struct splice *s)
{
    const struct splice_opts *o = &s->opts;
    uint64_t start = o->start_ms > CLIP_MARGIN_MS ? o->start_ms - CLIP_MARGIN_MS : 0;
    uint32_t scale = 1000;
    s->selected = true;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < s->track_count; i++) {
            struct splice_track *t = &s->tracks[i];
            const struct mp4_index *x = &t->head.index;
            if ((t->head.handler == MP4_VIDE) != (pass == 0))
                continue;
            t->first = reference_at(x, start, scale);
            if (pass == 0) {
                start = x->references[t->first].start;
                scale = x->timescale;
            } else if (t->first > 0) {
                t->first--; /* for the same margin */
            }
            if (o->end_ms)
                t->end = reference_at(x, o->end_ms + CLIP_MARGIN_MS, 1000) + 1;
            if (t->end <= t->first) /* ends before it starts: refused once there are samples */
                t->end = t->first + 1;
            t->next_fresh = t->next_read = t->first;
        }
    }
}

/* Of a reference that had too few bytes: the rest of what it needs. */
static bool ask_again(struct splice_track *t, struct splice_range *out)
{
    for (size_t i = t->next_read; t->hungry && i < t->next_fresh; i++) {
        struct splice_reading *g = &t->readings[i];
        if (!g->hungry)
            continue;
        g->hungry = false;
        t->hungry--;
        *out = (struct splice_range){t->source, g->at + g->tail.len, g->needed - g->tail.len};
        return true;
    }
    return false;
}

/* The start of the next fresh reference, and of its neighbours as long as those are near. */
static void ask_fresh(struct splice_track *t, struct splice_range *out)
{
    const struct mp4_reference *r = &t->head.index.references[t->next_fresh];
    uint64_t from = r->offset;
    uint64_t to;
    do {
        to = r->offset + (r->size < t->ask_bytes ? r->size : t->ask_bytes);
        t->next_fresh++;
        r++;
    } while (t->next_fresh < t->end && r->offset - to <= COALESCE_GAP &&
             r->offset + t->ask_bytes - from <= SPLICE_RANGE_MAX);
    *out = (struct splice_range){t->source, from, (size_t)(to - from)};
}

bool splice_next_range(struct splice *s, struct splice_range *out)
{
    struct splice_track *behind = NULL;
    if (!s->selected)
        select_references(s);
    for (size_t i = 0; i < s->track_count; i++) {
        struct splice_track *t = &s->tracks[i];
        if (ask_again(t, out))
            return true;
        bool may_ask = t->next_fresh < t->end && t->next_fresh < t->next_read + WINDOW;
        if (may_ask && (!behind || t->next_fresh - t->first < behind->next_fresh - behind->first))
            behind = t;
    }
    if (behind)
        ask_fresh(behind, out);
    return behind != NULL;
}

/* Guesses from the headers seen how much to ask of the next: soon more, slowly less. */
static void learn(struct splice_track *t, size_t moof_bytes)
{
    size_t fits = moof_bytes + moof_bytes / 8 + 2 * MP4_HEADER_MAX;
    if (fits < t->ask_bytes)
        fits = t->ask_bytes - (t->ask_bytes - fits) / 8;
    t->ask_bytes = fits < ASK_LEAST ? ASK_LEAST : fits > ASK_MOST ? ASK_MOST : fits;
}

/* Walks the boxes of a reference that ends at `end` through `len` bytes at g->at: moof boxes are kept, others
 * (mdat, styp, emsg, prft, …) passed over. Sets what is needed to go on. */
static int walk(struct splice_track *t, struct splice_reading *g, uint64_t end, const unsigned char *data,
                size_t len, struct err *err)
{
    struct mp4_header h;
    g->needed = 0;
    while (g->at < end) {
        uint64_t left = end - g->at;
        int rc = mp4_read_header(data, len, &h);
        if (rc == 1 && h.size == 0 && h.type == MP4_CC('m', 'd', 'a', 't'))
            h.size = left;
        if (rc < 0 || (rc == 1 && (h.size == 0 || h.size > left)) || (rc == 0 && len >= left))
            return broken(err, "a box crosses the end of its reference");
        bool moof = rc == 1 && h.type == MP4_CC('m', 'o', 'o', 'f');
        if (moof && (h.size > MOOF_MAX || t->header_bytes > HEADERS_MAX))
            return err_set(err, ERR_UNSUPPORTED_SITE, "splice: fragment headers are too large");
        if (rc == 0 || (moof && h.size > len)) {
            uint64_t needed = moof ? h.size + MP4_HEADER_MAX : len ? MP4_HEADER_MAX : t->ask_bytes;
            g->needed = (size_t)(needed < left ? needed : left);
            buf_add(&g->tail, data, len);
            break;
        }
        if (moof) {
            buf_add(&g->moofs, &g->at, sizeof g->at);
            buf_add(&g->moofs, data, (size_t)h.size);
            t->header_bytes += h.size;
            learn(t, (size_t)h.size);
        }
        size_t step = h.size < len ? (size_t)h.size : len;
        data += step;
        len -= step;
        g->at += h.size;
    }
    if (g->tail.failed || g->moofs.failed)
        return err_set(err, ERR_UNSUPPORTED_SITE, "splice: fragment headers are too large");
    return 0;
}

/* Hands bytes to one reference; they begin where what it has ends. */
static int feed_reference(struct splice_track *t, size_t index, const unsigned char *data, size_t len,
                          struct err *err)
{
    const struct mp4_reference *r = &t->head.index.references[index];
    struct splice_reading *g = &t->readings[index];
    auto_(buf) struct buf joined = BUF_INIT(2 * MOOF_MAX);
    if (!g->at) {
        g->at = r->offset;
        buf_init(&g->tail, 2 * MOOF_MAX);
        buf_init(&g->moofs, 2 * MOOF_MAX);
    }
    if (g->tail.len) {
        joined = g->tail;
        buf_init(&g->tail, joined.max);
        if (buf_add(&joined, data, len) < 0)
            return err_set(err, ERR_INTERNAL, "splice: out of memory");
        data = (const unsigned char *)joined.data;
        len = joined.len;
    }
    if (walk(t, g, r->offset + r->size, data, len, err) < 0)
        return -1;
    g->hungry = g->needed > 0;
    t->hungry += g->hungry;
    return 0;
}

/* Whether the fragment can be patched where the first one is (SPLICE_FRAGMENTED). */
static bool is_alike(struct splice_track *t, struct mp4_patch_points p, uint64_t from_start, bool first)
{
    if (from_start > ASK_MOST || !p.sequence_number || p.track_id < p.sequence_number + 4)
        return false;
    p.sequence_number += (uint32_t)from_start;
    p.track_id += (uint32_t)from_start;
    if (first)
        t->patch = p;
    return p.sequence_number == t->patch.sequence_number && p.track_id == t->patch.track_id;
}

/* Adds the samples of a reference whose headers are complete. */
static int read_samples(struct splice_track *t, size_t index, struct err *err)
{
    const struct mp4_reference *r = &t->head.index.references[index];
    const struct splice_reading *g = &t->readings[index];
    struct mp4_reader in = mp4_reader_of(g->moofs.data, g->moofs.len);
    struct mp4_moof moof = {.end = r->offset + r->size};
    struct mp4_patch_points patch;
    struct mp4_box box;
    unsigned count = 0;
    for (; mp4_left(&in) > sizeof moof.offset; count++) {
        memcpy(&moof.offset, in.at, sizeof moof.offset);
        mp4_skip(&in, sizeof moof.offset);
        (void)mp4_next(&in, &box);
        moof.box = box.whole;
        if (mp4_fragment_read(&t->samples, &t->head, &moof, &patch, err) < 0)
            return -1;
        t->uniform = t->uniform && count == 0 &&
                     is_alike(t, patch, moof.offset - r->offset, index == t->first);
    }
    return count ? 0 : broken(err, "a reference without a fragment");
}

/* Reads all references whose turn has come. */
static int read_in_order(struct splice_track *t, struct err *err)
{
    while (t->next_read < t->end) {
        struct splice_reading *g = &t->readings[t->next_read];
        if (!g->at || g->needed)
            break;
        if (read_samples(t, t->next_read, err) < 0)
            return -1;
        reading_fini(g);
        t->next_read++;
    }
    return 0;
}

int splice_feed(struct splice *s, const struct splice_range *range, const void *data, struct err *err)
{
    struct splice_track *t = s->tracks;
    while (t < s->tracks + s->track_count && t->source != range->source)
        t++;
    if (t == s->tracks + s->track_count)
        return err_set(err, ERR_INTERNAL, "splice: no such source");
    const struct mp4_reference *refs = t->head.index.references;
    uint64_t end = range->offset + range->length;
    size_t low = t->next_read; /* the first reference that ends behind the range's start */
    for (size_t high = t->next_fresh; low < high;) {
        size_t middle = low + (high - low) / 2;
        if (refs[middle].offset + refs[middle].size <= range->offset)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == t->next_fresh)
        return err_set(err, ERR_INTERNAL, "splice: bytes that were not asked for");
    for (; low < t->next_fresh && refs[low].offset < end; low++) {
        const struct splice_reading *g = &t->readings[low];
        uint64_t from = g->at ? g->at + g->tail.len : refs[low].offset;
        uint64_t to = refs[low].offset + refs[low].size;
        to = to < end ? to : end;
        if (from < range->offset || from >= to || g->hungry)
            return err_set(err, ERR_INTERNAL, "splice: bytes that were not asked for");
        if (feed_reference(t, low, (const unsigned char *)data + (from - range->offset), (size_t)(to - from),
                           err) < 0)
            return -1;
    }
    return read_in_order(t, err);
}

bool splice_ready(const struct splice *s, enum splice_layout layout)
{
    for (size_t i = 0; i < s->track_count; i++) {
        const struct splice_track *t = &s->tracks[i];
        size_t wanted = layout == SPLICE_FRAGMENTED ? t->first + 1 : t->end;
        if (!s->selected || t->next_read < wanted)
            return false;
    }
    return s->track_count > 0;
}

int splice_plan(const struct splice *s, enum splice_layout layout, const struct mp4_tags *tags,
                struct plan **out, struct err *err)
{
    auto_ptr(plan) struct plan *plan = plan_new();
    if (!plan || !splice_ready(s, layout))
        return err_set(err, ERR_INTERNAL, "splice: not ready, or no memory");
    int rc = layout == SPLICE_FRAGMENTED ? splice_plan_fragmented(s, tags, plan, err)
                                         : splice_plan_progressive(s, tags, plan, err);
    if (rc == 0)
        *out = steal(&plan);
    return rc;
}
