/* The fragmented layout: merged init segment, one sidx per track, then the sources' fragments in decode order
 * with their sequence number and track number patched in place. See splice.h.
 *
 * An index for every track matters: with one for the picture alone, players visit every fragment at open
 * (measured). */
#include "media/splice_impl.h"

enum { PATCH_BYTES = 4, SIDX_FIXED_BYTES = 40, SIDX_ENTRY_BYTES = 12 };

/* The track whose next fragment comes next in the file, sound first on ties; -1 at the end. Index times are
 * good enough for order. */
static int next_in_file(const struct splice *s, const size_t placed[MP4_TRACKS_MAX])
{
    int best = -1;
    for (size_t i = 0; i < s->track_count; i++) {
        const struct mp4_index *x = &s->tracks[i].head.index;
        if (placed[i] == x->count)
            continue;
        if (best >= 0) {
            const struct mp4_index *y = &s->tracks[best].head.index;
            uint64_t mine = x->references[placed[i]].start;
            uint64_t its = y->references[placed[best]].start;
            bool later = splice_time_before(its, y->timescale, mine, x->timescale);
            bool sooner = splice_time_before(mine, x->timescale, its, y->timescale);
            if (later || (!sooner && s->tracks[i].head.handler != MP4_SOUN))
                continue;
        }
        best = (int)i;
    }
    return best;
}

/* 8.16.3. Each reference runs from one fragment of track `k` to its next, over those of the others between
 * them. `at`: file offset of the first fragment of all. */
static int write_sidx(struct mp4_writer *w, const struct splice *s, size_t k, uint64_t at, struct err *err)
{
    const struct mp4_index *x = &s->tracks[k].head.index;
    const struct mp4_reference *open = NULL; /* the reference that is not written yet */
    uint64_t opened_at = 0;
    size_t placed[MP4_TRACKS_MAX] = {0};
    uint64_t box = mp4_begin_full(w, MP4_CC('s', 'i', 'd', 'x'), 1, 0);
    uint64_t end = box + SIDX_FIXED_BYTES + SIDX_ENTRY_BYTES * x->count;
    int i;
    mp4_write_u32(w, k + 1);
    mp4_write_u32(w, x->timescale);
    mp4_write_u64(w, x->references[0].start);
    do {
        i = next_in_file(s, placed);
        bool mine = i == (int)k;
        if (mine && !open) {
            mp4_write_u64(w, at - end); /* first_offset */
            mp4_write_u16(w, 0);
            mp4_write_u16(w, (unsigned)x->count);
        } else if (open && (mine || i < 0)) {
            if (at - opened_at > INT32_MAX)
                return err_set(err, ERR_UNSUPPORTED_SITE, "splice: fragments of 2 GiB and more");
            mp4_write_u32(w, at - opened_at);
            mp4_write_u32(w, open->duration);
            mp4_write_u32(w, open->sap);
        }
        if (mine) {
            open = &x->references[placed[k]];
            opened_at = at;
        }
        if (i >= 0)
            at += s->tracks[i].head.index.references[placed[i]++].size;
    } while (i >= 0);
    mp4_end(w, box);
    return 0;
}

/* One fragment: the source's bytes, but for two numbers. */
static int add_fragment(struct plan *plan, const struct splice_track *t, size_t index,
                        const uint32_t numbers[2], struct err *err)
{
    const struct mp4_reference *r = &t->head.index.references[index];
    const uint32_t points[2] = {t->patch.sequence_number, t->patch.track_id};
    uint32_t at = 0;
    if (r->size < t->patch.track_id + PATCH_BYTES)
        return err_set(err, ERR_UPSTREAM_FAILED, "splice: a fragment too small to be one");
    for (size_t i = 0; i < 2; i++) {
        unsigned char bytes[PATCH_BYTES];
        struct mp4_writer w = {.to = bytes, .cap = sizeof bytes};
        mp4_write_u32(&w, numbers[i]);
        if (plan_add_source(plan, t->source, r->offset + at, points[i] - at, err) < 0 ||
            plan_add_literal(plan, bytes, sizeof bytes, err) < 0)
            return -1;
        at = points[i] + PATCH_BYTES;
    }
    return plan_add_source(plan, t->source, r->offset + at, r->size - at, err);
}

static int add_fragments(const struct splice *s, struct plan *plan, struct err *err)
{
    size_t placed[MP4_TRACKS_MAX] = {0};
    int i;
    for (uint32_t sequence = 1; (i = next_in_file(s, placed)) >= 0; sequence++) {
        const uint32_t numbers[2] = {sequence, (uint32_t)i + 1};
        if (add_fragment(plan, &s->tracks[i], placed[i]++, numbers, err) < 0)
            return -1;
    }
    return 0;
}

static void describe(const struct splice *s, const struct mp4_tags *tags, struct mp4_movie *m)
{
    *m = (struct mp4_movie){.timescale = splice_movie_timescale(s), .fragmented = true, .tags = tags};
    for (; m->track_count < s->track_count; m->track_count++) {
        const struct mp4_track *t = &s->tracks[m->track_count].head;
        const struct mp4_reference *last = &t->index.references[t->index.count - 1];
        uint64_t end = splice_rescale(last->start + last->duration, t->index.timescale, m->timescale);
        m->duration = end > m->duration ? end : m->duration;
        m->tracks[m->track_count] = (struct mp4_movie_track){
            .from = t,
            .id = (uint32_t)m->track_count + 1,
            .has_edit = t->has_edit,
            .media_time = t->media_time,
            .empty_duration = splice_rescale(t->empty_duration, t->movie_timescale, m->timescale)};
    }
}

int splice_plan_fragmented(const struct splice *s, const struct mp4_tags *tags, struct plan *plan,
                           struct err *err)
{
    struct mp4_movie movie;
    struct mp4_writer count = {0};
    if (splice_is_clip(s) || s->subtitle_count)
        return err_set(err, ERR_UNSUPPORTED_SITE, "splice: clips and subtitles need the progressive layout");
    describe(s, tags, &movie);
    mp4_movie_write(&count, &movie);
    for (size_t i = 0; i < s->track_count; i++) {
        if (!s->tracks[i].uniform)
            return err_set(err, ERR_UNSUPPORTED_SITE, "splice: fragments that cannot be patched in place");
        count.len += SIDX_FIXED_BYTES + SIDX_ENTRY_BYTES * s->tracks[i].head.index.count;
    }
    struct mp4_writer w = {.cap = count.len};
    w.to = plan_reserve_literal(plan, (size_t)w.cap, err);
    if (!w.to)
        return -1;
    mp4_movie_write(&w, &movie);
    for (size_t i = 0; i < s->track_count; i++)
        if (write_sidx(&w, s, i, count.len, err) < 0)
            return -1;
    if (w.len != w.cap)
        return err_set(err, ERR_INTERNAL, "splice: header of another size than counted");
    return add_fragments(s, plan, err);
}
