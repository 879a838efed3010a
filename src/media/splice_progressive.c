/* The progressive layout: ftyp, moov with full tables, mdat. See splice.h. */
#include "media/mp4_text.h"
#include "media/splice_impl.h"

enum { CHUNKS_PER_SECOND = 2, CHUNKS_MAX = 1024 * 1024 /* 6 days */ };

/* What of one track goes into the file, beside what mp4_movie_track says of it. Times in the media timescale,
 * on the source's own axis. */
struct stretch {
    uint64_t skip_bytes; /* of the samples before the first */
    int64_t end_pts;     /* behind the last sample presented */
    int64_t shown;       /* of a clip's picture: when its first frame is presented; INT64_MIN: not known */
    int64_t origin;      /* media time that is presented at time 0 of the source, edit list applied */
    struct buf chunks;   /* struct mp4_chunk each */
};

/* A presentation time of the sources. */
struct moment {
    uint64_t value;
    uint32_t scale; /* units a second */
};

struct layout {
    struct moment clip_start;
    struct mp4_movie movie; /* its tracks: first those of the sources, then the texts */
    struct mp4_text texts[SPLICE_SUBTITLES_MAX];
    struct stretch stretches[MP4_TRACKS_MAX];
    uint64_t content_bytes; /* of the mdat */
};

static void layout_fini(struct layout *l)
{
    for (size_t i = 0; i < l->movie.track_count; i++)
        buf_fini(&l->stretches[i].chunks);
    for (size_t i = 0; i < SPLICE_SUBTITLES_MAX; i++)
        mp4_text_fini(&l->texts[i]);
}
DEFINE_AUTO(layout, layout_fini)

static int64_t media_time_at(const struct mp4_track *t, const struct stretch *x, struct moment at)
{
    return x->origin + (int64_t)splice_rescale(at.value, at.scale, t->timescale);
}

static int64_t end_of_clip(const struct splice *s, const struct mp4_track *t, const struct stretch *x)
{
    struct moment end = {s->opts.end_ms, 1000};
    return end.value ? media_time_at(t, x, end) : INT64_MAX;
}

/* Whether a clip from `from` on shows the frame of `pts` first rather than that of `best`: the one that is on
 * the screen then, or without such the next one. */
static bool is_shown_first(int64_t pts, int64_t best, int64_t from)
{
    return pts <= from ? pts > best || best > from : pts < best;
}

/* Lets the track begin at the last sync sample presented at or before media time `from`, and end with what is
 * presented before `end`. Returns the media time at which its first sample is presented. */
static int64_t cut(struct mp4_movie_track *m, struct stretch *x, int64_t from, int64_t end)
{
    struct mp4_cursor c = m->samples;
    struct mp4_cursor before = c;
    struct mp4_sample s;
    uint64_t bytes = 0;
    int64_t first = 0;
    bool found = false;
    x->shown = INT64_MAX;
    for (; mp4_cursor_next(&c, &s); before = c, bytes += s.size) {
        int64_t pts = (int64_t)before.dts + s.cts;
        if (pts >= (int64_t)m->from->media_time && is_shown_first(pts, x->shown, from))
            x->shown = pts;
        if (s.sync && (!found || pts <= from)) {
            m->samples = before;
            x->skip_bytes = bytes;
            first = pts;
            found = true;
        }
        if ((int64_t)before.dts + c.table->least_cts >= end)
            break;
    }
    m->samples.end = found && before.index > m->samples.index ? before.index : m->samples.index;
    return first;
}

/* Chooses each track's samples. Without a clip: all of them. With one: the picture from a sync sample on, the
 * sound from about the same moment, so that players which ignore edit lists stay in sync.
 *
 * A clip starts with the frame that is on the screen then, from its beginning: of an edit list that starts
 * within a frame some players (those on libavformat) drop that frame and show the rest too early. */
static void choose_samples(const struct splice *s, struct layout *l)
{
    struct moment start = {s->opts.start_ms, 1000};
    l->clip_start = start;
    for (int pass = 0; splice_is_clip(s) && pass < 2; pass++) {
        for (size_t i = 0; i < s->track_count; i++) {
            const struct mp4_track *t = &s->tracks[i].head;
            struct stretch *x = &l->stretches[i];
            if ((t->handler == MP4_VIDE) != (pass == 0))
                continue;
            int64_t from = media_time_at(t, x, start);
            int64_t first = cut(&l->movie.tracks[i], x, from, end_of_clip(s, t, x));
            if (pass == 1)
                x->shown = INT64_MIN;
            else if (x->shown < from && x->shown >= x->origin)
                l->clip_start = (struct moment){(uint64_t)(x->shown - x->origin), t->timescale};
            if (pass == 0 && first < from && first >= x->origin)
                start = (struct moment){(uint64_t)(first - x->origin), t->timescale};
        }
    }
}

/* Cuts a track's samples into chunks by half seconds, and takes stock of them. */
static int cut_chunks(struct mp4_movie_track *m, struct stretch *x, struct err *err)
{
    struct mp4_cursor c = m->samples;
    struct mp4_sample s;
    struct mp4_chunk chunk = {0};
    uint64_t slot = 0;
    for (uint64_t dts = c.dts; mp4_cursor_next(&c, &s); dts = c.dts) {
        uint64_t now = dts * CHUNKS_PER_SECOND / m->from->timescale;
        /* an edit list that ended where a sample begins would hide it */
        int64_t end_pts = (int64_t)c.dts + s.cts + (s.duration == 0);
        if (chunk.samples && now != slot) {
            buf_add(&x->chunks, &chunk, sizeof chunk);
            chunk = (struct mp4_chunk){0};
        }
        if (chunk.samples++ == 0)
            chunk.start_dts = dts;
        chunk.bytes += s.size;
        slot = now;
        m->has_cts = m->has_cts || s.cts != 0;
        m->has_negative_cts = m->has_negative_cts || s.cts < 0;
        x->end_pts = end_pts > x->end_pts ? end_pts : x->end_pts;
    }
    if (chunk.samples && buf_add(&x->chunks, &chunk, sizeof chunk) < 0)
        return err_set(err, ERR_UNSUPPORTED_SITE, "splice: too long");
    m->chunks = (struct mp4_chunk *)(void *)x->chunks.data;
    m->chunk_count = x->chunks.len / sizeof chunk;
    m->media_duration = c.dts - m->samples.dts;
    return 0;
}

/* The moment that becomes time 0 of the file: the start of a clip; else that of the track that begins first,
 * so that sources which count from somewhere else make a file that starts at once. */
static struct moment time_zero(const struct splice *s, const struct layout *l)
{
    struct moment zero = l->clip_start;
    for (size_t i = 0; !splice_is_clip(s) && i < s->track_count; i++) {
        int64_t start = (int64_t)l->movie.tracks[i].samples.dts - l->stretches[i].origin;
        struct moment own = {start > 0 ? (uint64_t)start : 0, s->tracks[i].head.timescale};
        if (i == 0 || splice_time_before(own.value, own.scale, zero.value, zero.scale))
            zero = own;
    }
    return zero;
}

/* The edit list, and the durations that follow from it. */
static int time_track(const struct splice *s, struct layout *l, size_t i, struct moment start,
                      struct err *err)
{
    const struct mp4_track *t = &s->tracks[i].head;
    const struct stretch *x = &l->stretches[i];
    struct mp4_movie_track *m = &l->movie.tracks[i];
    int64_t zero = media_time_at(t, x, start);
    int64_t from = (int64_t)t->media_time > zero ? (int64_t)t->media_time : zero;
    from = (int64_t)m->samples.dts > from ? (int64_t)m->samples.dts : from;
    from = x->shown > from ? x->shown : from;
    int64_t end = end_of_clip(s, t, x);
    end = x->end_pts < end ? x->end_pts : end;
    if (m->chunk_count == 0 || end <= from)
        return err_set(err, splice_is_clip(s) ? ERR_BAD_REQUEST : ERR_UPSTREAM_FAILED,
                       "splice: nothing to present");
    m->media_time = (uint64_t)from - m->samples.dts;
    m->empty_duration = splice_rescale((uint64_t)(from - zero), t->timescale, l->movie.timescale);
    m->edit_duration = splice_rescale((uint64_t)(end - from), t->timescale, l->movie.timescale);
    m->has_edit = t->has_edit || m->media_time || m->empty_duration || splice_is_clip(s);
    m->duration = m->empty_duration + m->edit_duration;
    l->movie.duration = m->duration > l->movie.duration ? m->duration : l->movie.duration;
    return 0;
}

/* The texts, from the moment that is time 0 to the end of the rest, timed on the axis of the sources as those
 * are. */
static int add_texts(const struct splice *s, struct layout *l, struct moment start, struct err *err)
{
    struct mp4_movie *m = &l->movie;
    struct mp4_text_opts o = {.start_ms = splice_rescale(start.value, start.scale, MP4_TEXT_TIMESCALE)};
    uint64_t length_ms = splice_rescale(m->duration, m->timescale, MP4_TEXT_TIMESCALE);
    if (length_ms > 1 && splice_time_before(m->duration, m->timescale, length_ms, MP4_TEXT_TIMESCALE))
        length_ms--; /* or the file would last longer for them */
    o.end_ms = o.start_ms + length_ms;
    for (size_t i = 0; i < s->subtitle_count; i++) {
        struct mp4_text *text = &l->texts[i];
        struct stretch *x = &l->stretches[m->track_count];
        struct mp4_movie_track *t = &m->tracks[m->track_count++];
        o.cues = s->subtitles[i].cues;
        o.language = s->subtitles[i].language;
        x->chunks = (struct buf)BUF_INIT(CHUNKS_MAX * sizeof(struct mp4_chunk));
        if (mp4_text_make(text, &o, err) < 0)
            return -1;
        *t = (struct mp4_movie_track){.from = &text->head,
                                      .id = (uint32_t)m->track_count,
                                      .disabled = i > 0,
                                      .language = o.language,
                                      .samples = mp4_cursor_of(&text->samples)};
        if (cut_chunks(t, x, err) < 0)
            return -1;
        t->duration = splice_rescale(t->media_duration, MP4_TEXT_TIMESCALE, m->timescale);
    }
    return 0;
}

/* The track whose next chunk comes next in the file: the earliest, sound before picture. NULL: all are
 * placed. */
static struct mp4_movie_track *next_in_file(struct mp4_movie *m, const size_t placed[MP4_TRACKS_MAX],
                                            size_t *which)
{
    struct mp4_movie_track *best = NULL;
    for (size_t i = 0; i < m->track_count; i++) {
        struct mp4_movie_track *t = &m->tracks[i];
        if (placed[i] == t->chunk_count)
            continue;
        uint64_t start = t->chunks[placed[i]].start_dts;
        if (best) {
            uint64_t best_start = best->chunks[placed[*which]].start_dts;
            bool later = splice_time_before(best_start, best->from->timescale, start, t->from->timescale);
            bool sooner = splice_time_before(start, t->from->timescale, best_start, best->from->timescale);
            if (later || (!sooner && t->from->handler != MP4_SOUN))
                continue;
        }
        best = t;
        *which = i;
    }
    return best;
}

static void place_chunks(struct layout *l)
{
    size_t placed[MP4_TRACKS_MAX] = {0};
    size_t which = 0;
    struct mp4_movie_track *t;
    while ((t = next_in_file(&l->movie, placed, &which))) {
        struct mp4_chunk *chunk = &t->chunks[placed[which]++];
        chunk->offset = l->content_bytes;
        l->content_bytes += chunk->bytes;
    }
}

/* Where the next bytes of a source's media are. */
struct payload {
    size_t run;
    uint64_t used; /* of that run */
};

/* Passes over `bytes` of the media of `t`, adding them to the plan if there is one. */
static int advance(struct payload *p, const struct splice_track *t, uint64_t bytes, struct plan *plan,
                   struct err *err)
{
    while (bytes > 0 && p->run < t->samples.payload_count) {
        const struct mp4_payload_run *run = &t->samples.payloads[p->run];
        uint64_t n = run->bytes - p->used;
        n = n < bytes ? n : bytes;
        if (plan && plan_add_source(plan, t->source, run->offset + p->used, n, err) < 0)
            return -1;
        p->used += n;
        bytes -= n;
        if (p->used == run->bytes)
            *p = (struct payload){.run = p->run + 1};
    }
    return bytes == 0 ? 0 : err_set(err, ERR_INTERNAL, "splice: fewer bytes than samples");
}

static int add_media(const struct splice *s, struct layout *l, struct plan *plan, struct err *err)
{
    struct payload payloads[MP4_TRACKS_MAX] = {{0}};
    size_t texts_used[SPLICE_SUBTITLES_MAX] = {0};
    size_t placed[MP4_TRACKS_MAX] = {0};
    size_t which = 0;
    const struct mp4_movie_track *t;
    for (size_t i = 0; i < s->track_count; i++)
        if (advance(&payloads[i], &s->tracks[i], l->stretches[i].skip_bytes, NULL, err) < 0)
            return -1;
    while ((t = next_in_file(&l->movie, placed, &which))) {
        uint64_t bytes = t->chunks[placed[which]++].bytes;
        int rc;
        if (which < s->track_count) {
            rc = advance(&payloads[which], &s->tracks[which], bytes, plan, err);
        } else {
            size_t i = which - s->track_count;
            rc = plan_add_literal(plan, l->texts[i].bytes.data + texts_used[i], (size_t)bytes, err);
            texts_used[i] += (size_t)bytes;
        }
        if (rc < 0)
            return -1;
    }
    return 0;
}

/* Everything before the media. Its size is known by counting, and decides whether offsets need 64 bits. */
static int add_header(struct layout *l, struct plan *plan, struct err *err)
{
    struct mp4_movie *m = &l->movie;
    bool wide_mdat = l->content_bytes > UINT32_MAX - 8;
    unsigned mdat_header = wide_mdat ? MP4_HEADER_MAX : 8;
    struct mp4_writer count = {0};
    mp4_movie_write(&count, m);
    if (count.len + mdat_header + l->content_bytes > UINT32_MAX) {
        m->wide_offsets = true;
        count = (struct mp4_writer){0};
        mp4_movie_write(&count, m);
    }
    m->mdat_content = count.len + mdat_header;
    if (m->mdat_content > PLAN_LITERAL_MAX)
        return err_set(err, ERR_UNSUPPORTED_SITE, "splice: too many samples");
    struct mp4_writer w = {.cap = m->mdat_content};
    w.to = plan_reserve_literal(plan, (size_t)w.cap, err);
    if (!w.to)
        return -1;
    mp4_movie_write(&w, m);
    mp4_write_u32(&w, wide_mdat ? 1 : mdat_header + l->content_bytes);
    mp4_write_u32(&w, MP4_CC('m', 'd', 'a', 't'));
    if (wide_mdat)
        mp4_write_u64(&w, mdat_header + l->content_bytes);
    return w.len == w.cap ? 0 : err_set(err, ERR_INTERNAL, "splice: header of another size than counted");
}

int splice_plan_progressive(const struct splice *s, const struct mp4_tags *tags, struct plan *plan,
                            struct err *err)
{
    auto_(layout) struct layout l = {
        .movie = {.timescale = splice_movie_timescale(s), .track_count = s->track_count, .tags = tags}};
    for (size_t i = 0; i < s->track_count; i++) {
        const struct mp4_track *t = &s->tracks[i].head;
        uint64_t empty = splice_rescale(t->empty_duration, t->movie_timescale, t->timescale);
        l.stretches[i] = (struct stretch){.end_pts = INT64_MIN,
                                          .shown = INT64_MIN,
                                          .origin = (int64_t)t->media_time - (int64_t)empty,
                                          .chunks = BUF_INIT(CHUNKS_MAX * sizeof(struct mp4_chunk))};
        l.movie.tracks[i] = (struct mp4_movie_track){
            .from = t, .id = (uint32_t)i + 1, .samples = mp4_cursor_of(&s->tracks[i].samples)};
    }
    choose_samples(s, &l);
    for (size_t i = 0; i < s->track_count; i++)
        if (cut_chunks(&l.movie.tracks[i], &l.stretches[i], err) < 0)
            return -1;
    struct moment zero = time_zero(s, &l);
    for (size_t i = 0; i < s->track_count; i++)
        if (time_track(s, &l, i, zero, err) < 0)
            return -1;
    if (add_texts(s, &l, zero, err) < 0)
        return -1;
    place_chunks(&l);
    return add_header(&l, plan, err) < 0 ? -1 : add_media(s, &l, plan, err);
}
