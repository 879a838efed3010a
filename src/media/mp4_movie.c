/* ftyp and moov; see mp4_movie.h. Section numbers are those of ISO/IEC 14496-12:2020. */
#include "media/mp4_movie.h"

#include <string.h>

enum { TRACK_ENABLED = 1, TRACK_IN_MOVIE = 2, DATA_IS_HERE = 1, RATE_1 = 0x10000, VOLUME_1 = 0x100 };

static const unsigned char unity_matrix[36] = {[1] = 1, [17] = 1, [32] = 0x40}; /* 16.16, 16.16, 2.30 */

static bool is_wide(uint64_t v)
{
    return v > UINT32_MAX;
}

static void write_sized(struct mp4_writer *w, bool wide, uint64_t v)
{
    if (wide)
        mp4_write_u64(w, v);
    else
        mp4_write_u32(w, v);
}

/* 4.3. iso4 for signed composition offsets, iso6 for tfdt and sidx; M4A is what players want for sound alone.
 */
static void write_ftyp(struct mp4_writer *w, const struct mp4_movie *m)
{
    bool sound_only = true;
    for (size_t i = 0; i < m->track_count; i++)
        sound_only = sound_only && m->tracks[i].from->handler == MP4_SOUN;
    uint64_t ftyp = mp4_begin(w, MP4_CC('f', 't', 'y', 'p'));
    mp4_write_u32(w, sound_only ? MP4_CC('M', '4', 'A', ' ') : MP4_CC('i', 's', 'o', 'm'));
    mp4_write_u32(w, 0x200);
    if (sound_only)
        mp4_write_u32(w, MP4_CC('M', '4', 'A', ' '));
    mp4_write_u32(w, MP4_CC('i', 's', 'o', 'm'));
    mp4_write_u32(w, m->fragmented ? MP4_CC('i', 's', 'o', '6') : MP4_CC('i', 's', 'o', '4'));
    mp4_write_u32(w, MP4_CC('m', 'p', '4', '1'));
    mp4_end(w, ftyp);
}

static void write_mvhd(struct mp4_writer *w, const struct mp4_movie *m) /* 8.2.2 */
{
    uint64_t duration = m->fragmented ? 0 : m->duration;
    bool wide = is_wide(duration);
    uint64_t box = mp4_begin_full(w, MP4_CC('m', 'v', 'h', 'd'), wide, 0);
    mp4_write_zeros(w, wide ? 16 : 8); /* creation_time, modification_time: equal input gives equal bytes */
    mp4_write_u32(w, m->timescale);
    write_sized(w, wide, duration);
    mp4_write_u32(w, RATE_1);
    mp4_write_u16(w, VOLUME_1);
    mp4_write_zeros(w, 10);
    mp4_write(w, unity_matrix, sizeof unity_matrix);
    mp4_write_zeros(w, 24);
    mp4_write_u32(w, m->track_count + 1); /* next_track_ID */
    mp4_end(w, box);
}

static void write_tkhd(struct mp4_writer *w, const struct mp4_movie_track *t, bool fragmented) /* 8.3.2 */
{
    uint64_t duration = fragmented ? 0 : t->duration;
    bool wide = is_wide(duration);
    uint32_t flags = TRACK_IN_MOVIE | (t->disabled ? 0 : TRACK_ENABLED);
    uint64_t box = mp4_begin_full(w, MP4_CC('t', 'k', 'h', 'd'), wide, flags);
    mp4_write_zeros(w, wide ? 16 : 8);
    mp4_write_u32(w, t->id);
    mp4_write_u32(w, 0);
    write_sized(w, wide, duration);
    mp4_write_zeros(w, 8);
    mp4_write_u16(w, t->from->layer);
    mp4_write_u16(w, t->from->alternate_group);
    mp4_write_u16(w, t->from->volume);
    mp4_write_u16(w, 0);
    mp4_write(w, t->from->matrix, sizeof t->from->matrix);
    mp4_write_u32(w, t->from->width);
    mp4_write_u32(w, t->from->height);
    mp4_end(w, box);
}

static void write_edts(struct mp4_writer *w, const struct mp4_movie_track *t) /* 8.6.5, 8.6.6 */
{
    bool wide = is_wide(t->empty_duration) || is_wide(t->edit_duration) || t->media_time > INT32_MAX;
    if (!t->has_edit)
        return;
    uint64_t edts = mp4_begin(w, MP4_CC('e', 'd', 't', 's'));
    uint64_t elst = mp4_begin_full(w, MP4_CC('e', 'l', 's', 't'), wide, 0);
    mp4_write_u32(w, t->empty_duration ? 2 : 1);
    if (t->empty_duration) {
        write_sized(w, wide, t->empty_duration);
        write_sized(w, wide, UINT64_MAX); /* media_time -1 */
        mp4_write_u32(w, RATE_1);
    }
    write_sized(w, wide, t->edit_duration);
    write_sized(w, wide, t->media_time);
    mp4_write_u32(w, RATE_1);
    mp4_end(w, elst);
    mp4_end(w, edts);
}

static void write_mdhd(struct mp4_writer *w, const struct mp4_movie_track *t, bool fragmented) /* 8.4.2 */
{
    uint64_t duration = fragmented ? 0 : t->media_duration;
    bool wide = is_wide(duration);
    uint64_t box = mp4_begin_full(w, MP4_CC('m', 'd', 'h', 'd'), wide, 0);
    mp4_write_zeros(w, wide ? 16 : 8);
    mp4_write_u32(w, t->from->timescale);
    write_sized(w, wide, duration);
    mp4_write_u16(w, t->from->language);
    mp4_write_u16(w, 0);
    mp4_end(w, box);
}

static void write_elng(struct mp4_writer *w, const char *language) /* 8.4.6 */
{
    if (!language)
        return;
    uint64_t box = mp4_begin_full(w, MP4_CC('e', 'l', 'n', 'g'), 0, 0);
    mp4_write(w, language, strlen(language) + 1);
    mp4_end(w, box);
}

static void write_dinf(struct mp4_writer *w) /* 8.7.1, 8.7.2: the media is in this file */
{
    uint64_t dinf = mp4_begin(w, MP4_CC('d', 'i', 'n', 'f'));
    uint64_t dref = mp4_begin_full(w, MP4_CC('d', 'r', 'e', 'f'), 0, 0);
    mp4_write_u32(w, 1);
    mp4_end(w, mp4_begin_full(w, MP4_CC('u', 'r', 'l', ' '), 0, DATA_IS_HERE));
    mp4_end(w, dref);
    mp4_end(w, dinf);
}

/* A table of runs: entries of two 32-bit values, the count patched in at the end. */
struct runs {
    struct mp4_writer *w;
    uint64_t box, count_at;
    uint32_t entries, length;
    uint32_t value;
};

static struct runs runs_begin(struct mp4_writer *w, uint32_t type, unsigned version)
{
    struct runs r = {.w = w, .box = mp4_begin_full(w, type, version, 0), .count_at = w->len};
    mp4_write_u32(w, 0);
    return r;
}

static void runs_flush(struct runs *r)
{
    if (r->length == 0)
        return;
    mp4_write_u32(r->w, r->length);
    mp4_write_u32(r->w, r->value);
    r->entries++;
}

static void runs_add(struct runs *r, uint32_t value)
{
    if (value != r->value) {
        runs_flush(r);
        r->length = 0;
    }
    r->value = value;
    r->length++;
}

static void runs_end(struct runs *r)
{
    runs_flush(r);
    mp4_patch_u32(r->w, r->count_at, r->entries);
    mp4_end(r->w, r->box);
}

static void write_stts(struct mp4_writer *w, struct mp4_cursor c) /* 8.6.1.2 */
{
    struct mp4_sample s;
    struct runs r = runs_begin(w, MP4_CC('s', 't', 't', 's'), 0);
    while (mp4_cursor_next(&c, &s))
        runs_add(&r, s.duration);
    runs_end(&r);
}

static void write_ctts(struct mp4_writer *w, const struct mp4_movie_track *t) /* 8.6.1.3 */
{
    struct mp4_sample s;
    struct mp4_cursor c = t->samples;
    struct runs r = runs_begin(w, MP4_CC('c', 't', 't', 's'), t->has_negative_cts);
    while (mp4_cursor_next(&c, &s))
        runs_add(&r, (uint32_t)s.cts);
    runs_end(&r);
}

static void write_stss(struct mp4_writer *w, struct mp4_cursor c) /* 8.6.2: numbers from 1 */
{
    struct mp4_sample s;
    uint64_t box = mp4_begin_full(w, MP4_CC('s', 't', 's', 's'), 0, 0);
    uint64_t count_at = w->len;
    uint32_t count = 0;
    mp4_write_u32(w, 0);
    for (uint32_t number = 1; mp4_cursor_next(&c, &s); number++) {
        if (s.sync) {
            mp4_write_u32(w, number);
            count++;
        }
    }
    mp4_patch_u32(w, count_at, count);
    mp4_end(w, box);
}

static void write_stsc(struct mp4_writer *w, const struct mp4_movie_track *t) /* 8.7.4 */
{
    uint64_t box = mp4_begin_full(w, MP4_CC('s', 't', 's', 'c'), 0, 0);
    uint64_t count_at = w->len;
    uint32_t count = 0;
    uint32_t per_chunk = 0;
    mp4_write_u32(w, 0);
    for (size_t i = 0; i < t->chunk_count; i++) {
        if (t->chunks[i].samples == per_chunk)
            continue;
        per_chunk = t->chunks[i].samples;
        mp4_write_u32(w, i + 1);
        mp4_write_u32(w, per_chunk);
        mp4_write_u32(w, 1); /* sample_description_index */
        count++;
    }
    mp4_patch_u32(w, count_at, count);
    mp4_end(w, box);
}

static void write_stsz(struct mp4_writer *w, struct mp4_cursor c) /* 8.7.3.2 */
{
    struct mp4_sample s;
    uint64_t box = mp4_begin_full(w, MP4_CC('s', 't', 's', 'z'), 0, 0);
    mp4_write_u32(w, 0);
    mp4_write_u32(w, c.end - c.index);
    while (mp4_cursor_next(&c, &s))
        mp4_write_u32(w, s.size);
    mp4_end(w, box);
}

static void write_stco(struct mp4_writer *w, const struct mp4_movie *m,
                       const struct mp4_movie_track *t) /* 8.7.5 */
{
    bool wide = m->wide_offsets;
    uint64_t box = mp4_begin_full(w, wide ? MP4_CC('c', 'o', '6', '4') : MP4_CC('s', 't', 'c', 'o'), 0, 0);
    mp4_write_u32(w, t->chunk_count);
    for (size_t i = 0; i < t->chunk_count; i++)
        write_sized(w, wide, m->mdat_content + t->chunks[i].offset);
    mp4_end(w, box);
}

/* 8.5.1. In a fragmented file the tables are there, but empty. */
static void write_stbl(struct mp4_writer *w, const struct mp4_movie *m, const struct mp4_movie_track *t)
{
    uint64_t stbl = mp4_begin(w, MP4_CC('s', 't', 'b', 'l'));
    mp4_write_span(w, t->from->descriptions);
    write_stts(w, t->samples);
    if (t->has_cts)
        write_ctts(w, t);
    if (!m->fragmented && t->samples.table->some_not_sync)
        write_stss(w, t->samples);
    write_stsc(w, t);
    write_stsz(w, t->samples);
    write_stco(w, m, t);
    mp4_end(w, stbl);
}

static void write_trak(struct mp4_writer *w, const struct mp4_movie *m, const struct mp4_movie_track *t)
{
    uint64_t trak = mp4_begin(w, MP4_CC('t', 'r', 'a', 'k'));
    write_tkhd(w, t, m->fragmented);
    write_edts(w, t);
    uint64_t mdia = mp4_begin(w, MP4_CC('m', 'd', 'i', 'a'));
    write_mdhd(w, t, m->fragmented);
    mp4_write_span(w, t->from->handler_box);
    write_elng(w, t->language);
    uint64_t minf = mp4_begin(w, MP4_CC('m', 'i', 'n', 'f'));
    mp4_write_span(w, t->from->media_header);
    write_dinf(w);
    write_stbl(w, m, t);
    mp4_end(w, minf);
    mp4_end(w, mdia);
    mp4_end(w, trak);
}

static void write_mvex(struct mp4_writer *w, const struct mp4_movie *m) /* 8.8.1 to 8.8.3 */
{
    bool wide = is_wide(m->duration);
    uint64_t mvex = mp4_begin(w, MP4_CC('m', 'v', 'e', 'x'));
    uint64_t mehd = mp4_begin_full(w, MP4_CC('m', 'e', 'h', 'd'), wide, 0);
    write_sized(w, wide, m->duration);
    mp4_end(w, mehd);
    for (size_t i = 0; i < m->track_count; i++) {
        const struct mp4_defaults *d = &m->tracks[i].from->defaults;
        uint64_t trex = mp4_begin_full(w, MP4_CC('t', 'r', 'e', 'x'), 0, 0);
        mp4_write_u32(w, m->tracks[i].id);
        mp4_write_u32(w, d->description);
        mp4_write_u32(w, d->duration);
        mp4_write_u32(w, d->size);
        mp4_write_u32(w, d->flags);
        mp4_end(w, trex);
    }
    mp4_end(w, mvex);
}

void mp4_movie_write(struct mp4_writer *w, const struct mp4_movie *m)
{
    write_ftyp(w, m);
    uint64_t moov = mp4_begin(w, MP4_CC('m', 'o', 'o', 'v'));
    write_mvhd(w, m);
    for (size_t i = 0; i < m->track_count; i++)
        write_trak(w, m, &m->tracks[i]);
    if (m->fragmented)
        write_mvex(w, m);
    mp4_tags_write(w, m->tags);
    mp4_end(w, moov);
}
