/* Fragmented MP4 files made of nothing: headers written on demand, media a pattern, so that a file of 12 h or
 * of 10 GB costs no disk and every oddity of the format can be had. What the samples are is known by
 * synth_sample(). */
#ifndef SLUICE_TESTS_MP4_SYNTH_H
#define SLUICE_TESTS_MP4_SYNTH_H

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "media/mp4_box.h"
#include "media/mp4_track.h"

/* Ways of writing the same file, and ways of writing it wrong. */
enum synth_oddity {
    SYNTH_STYP = 1 << 0,        /* styp and emsg before each moof */
    SYNTH_BASE_OFFSET = 1 << 1, /* tfhd with an absolute base_data_offset */
    SYNTH_NO_BASE = 1 << 2,     /* neither that nor default-base-is-moof */
    SYNTH_TWO_MOOFS = 1 << 3,   /* two fragments per reference */
    SYNTH_TWO_TRUNS = 1 << 4,   /* the second without a data offset */
    SYNTH_SIDX_1 = 1 << 5,      /* version 1, and a free box behind it */
    SYNTH_TREX = 1 << 6,        /* duration and flags from trex where possible */
    SYNTH_NO_TFDT = 1 << 7,
    SYNTH_WIDE_MDAT = 1 << 8,     /* 64-bit size */
    SYNTH_GAP = 1 << 9,           /* each fragment starts 7 units later than the one before ends */
    SYNTH_OVERLAP = 1 << 10,      /* … 7 units earlier */
    SYNTH_LAST_ZERO = 1 << 25,    /* the last sample has no duration */
    SYNTH_LATE_STYP = 1 << 26,    /* as SYNTH_STYP, the last fragment alone */
    SYNTH_LATE_BASE = 1 << 27,    /* as SYNTH_BASE_OFFSET, the last fragment alone */
    SYNTH_HIERARCHICAL = 1 << 11, /* wrong from here on */
    SYNTH_NO_SIDX = 1 << 12,
    SYNTH_NO_MVEX = 1 << 13,
    SYNTH_TWO_TRAKS = 1 << 14,
    SYNTH_DESCRIPTION_2 = 1 << 15,
    SYNTH_ENCRYPTED = 1 << 16,
    SYNTH_TWO_EDITS = 1 << 17,
    SYNTH_DATA_BEYOND = 1 << 18,    /* the samples end behind their reference */
    SYNTH_DATA_BACKWARDS = 1 << 19, /* … lie before those of the fragment before */
    SYNTH_TRUN_COUNT = 1 << 20,     /* more samples than the box has room for */
    SYNTH_MOOF_SIZE = 1 << 21,      /* moof larger than its reference */
    SYNTH_LARGE_OVERLAP = 1 << 22,  /* more than a sample */
    SYNTH_NO_MOOF = 1 << 23,
    SYNTH_OTHER_TRACK = 1 << 24,
};

struct synth {
    uint32_t handler, timescale, sample_duration, fragment_samples, fragments;
    uint32_t sample_size; /* least; they vary a little */
    uint32_t sync_every;  /* 0, 1: all are */
    int32_t cts[3];       /* composition offsets, in turn */
    uint64_t start_dts;
    bool has_edit;
    uint32_t empty_ms; /* before the media */
    uint32_t media_time;
    uint32_t oddities;
    /* Filled by synth_init(). */
    struct buf head;
    uint64_t *fragment_at; /* fragments + 1 offsets */
};

struct synth_known {
    uint64_t offset, dts;
    uint32_t size;
    int32_t cts;
    bool sync;
};

static inline uint32_t synth_sample_size(const struct synth *s, uint64_t i)
{
    return s->sample_size + (uint32_t)(i * 2654435761u >> 7) % 5;
}

static inline uint64_t synth_fragment_dts(const struct synth *s, uint32_t f)
{
    int64_t slip = s->oddities & SYNTH_GAP ? 7 : s->oddities & SYNTH_OVERLAP ? -7 : 0;
    if (s->oddities & SYNTH_LARGE_OVERLAP)
        slip = -2 * (int64_t)s->sample_duration;
    return s->start_dts + (uint64_t)f * ((uint64_t)s->fragment_samples * s->sample_duration + (uint64_t)slip);
}

static inline void synth_write_trun(struct mp4_writer *w, const struct synth *s, uint64_t first,
                                    uint32_t count, int32_t at)
{
    bool plain = s->oddities & SYNTH_TREX;
    bool cts = s->cts[0] || s->cts[1] || s->cts[2];
    bool negative = s->cts[0] < 0 || s->cts[1] < 0 || s->cts[2] < 0;
    bool flags = s->sync_every > 1;
    uint64_t box = mp4_begin_full(w, MP4_CC('t', 'r', 'u', 'n'), negative,
                                  0x200u | (at >= 0 ? 1u : 0) | (plain ? 0 : 0x100u) | (flags ? 0x400u : 0) |
                                      (cts ? 0x800u : 0));
    uint64_t zero = s->oddities & SYNTH_LAST_ZERO ? (uint64_t)s->fragments * s->fragment_samples : 0;
    mp4_write_u32(w, s->oddities & SYNTH_TRUN_COUNT ? 0x80000000u : count);
    if (at >= 0)
        mp4_write_u32(w, (uint64_t)at);
    for (uint64_t i = first; i < first + count; i++) {
        if (!plain)
            mp4_write_u32(w, i + 1 == zero ? 0 : s->sample_duration);
        mp4_write_u32(w, synth_sample_size(s, i));
        if (flags)
            mp4_write_u32(w, i % s->sync_every ? 0x1010000 : 0x2000000);
        if (cts)
            mp4_write_u32(w, (uint32_t)s->cts[i % 3]);
    }
    mp4_end(w, box);
}

static inline uint64_t synth_payload_bytes(const struct synth *s, uint32_t f)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < s->fragment_samples; i++)
        bytes += synth_sample_size(s, (uint64_t)f * s->fragment_samples + i);
    return bytes;
}

/* Writes what comes before the payload of fragment `f`, which begins at file offset `at`. */
static inline void synth_write_fragment(struct mp4_writer *w, const struct synth *s, uint32_t f, uint64_t at)
{
    uint64_t first = (uint64_t)f * s->fragment_samples;
    uint64_t payload = synth_payload_bytes(s, f);
    uint32_t half = s->oddities & SYNTH_TWO_TRUNS ? s->fragment_samples / 2 : s->fragment_samples;
    uint64_t begun = w->len;
    bool is_last = f == s->fragments - 1;
    if (s->oddities & SYNTH_STYP || (is_last && s->oddities & SYNTH_LATE_STYP)) {
        uint64_t styp = mp4_begin(w, MP4_CC('s', 't', 'y', 'p'));
        mp4_write_u32(w, MP4_CC('m', 's', 'd', 'h'));
        mp4_write_u32(w, 0);
        mp4_end(w, styp);
        uint64_t emsg = mp4_begin_full(w, MP4_CC('e', 'm', 's', 'g'), 0, 0);
        mp4_write_zeros(w, 20);
        mp4_end(w, emsg);
    }
    uint64_t moof = mp4_begin(w, s->oddities & SYNTH_NO_MOOF ? MP4_CC('f', 'r', 'e', 'e')
                                                             : MP4_CC('m', 'o', 'o', 'f'));
    uint64_t mfhd = mp4_begin_full(w, MP4_CC('m', 'f', 'h', 'd'), 0, 0);
    mp4_write_u32(w, f + 1);
    mp4_end(w, mfhd);
    uint64_t traf = mp4_begin(w, MP4_CC('t', 'r', 'a', 'f'));
    bool absolute = s->oddities & SYNTH_BASE_OFFSET || (is_last && s->oddities & SYNTH_LATE_BASE);
    uint32_t base = absolute ? 1 : s->oddities & SYNTH_NO_BASE ? 0 : 0x20000;
    uint64_t tfhd = mp4_begin_full(w, MP4_CC('t', 'f', 'h', 'd'), 0,
                                   base | (s->oddities & SYNTH_DESCRIPTION_2 ? 2 : 0));
    mp4_write_u32(w, s->oddities & SYNTH_OTHER_TRACK ? 9 : 1);
    uint64_t base_at = w->len;
    if (absolute)
        mp4_write_u64(w, 0);
    if (s->oddities & SYNTH_DESCRIPTION_2)
        mp4_write_u32(w, 2);
    mp4_end(w, tfhd);
    if (!(s->oddities & SYNTH_NO_TFDT)) {
        uint64_t tfdt = mp4_begin_full(w, MP4_CC('t', 'f', 'd', 't'), 1, 0);
        mp4_write_u64(w, synth_fragment_dts(s, f));
        mp4_end(w, tfdt);
    }
    uint64_t trun = w->len;
    synth_write_trun(w, s, first, half, 0);
    if (half < s->fragment_samples)
        synth_write_trun(w, s, first + half, s->fragment_samples - half, -1);
    mp4_end(w, traf);
    mp4_end(w, moof);
    bool wide = s->oddities & SYNTH_WIDE_MDAT;
    uint64_t data = w->len + (wide ? 16 : 8) - moof;
    mp4_write_u32(w, wide ? 1 : payload + 8);
    mp4_write_u32(w, MP4_CC('m', 'd', 'a', 't'));
    if (wide)
        mp4_write_u64(w, payload + 16);
    if (s->oddities & SYNTH_DATA_BEYOND)
        data += payload;
    if (absolute) {
        mp4_patch_u32(w, base_at, (at + moof - begun) >> 32);
        mp4_patch_u32(w, base_at + 4, at + moof - begun);
    }
    if (s->oddities & SYNTH_DATA_BACKWARDS && f > 0)
        data = (uint64_t) - (int64_t)payload;
    mp4_patch_u32(w, trun + 16, data);
    if (s->oddities & SYNTH_MOOF_SIZE)
        mp4_patch_u32(w, moof, 0x10000000);
}

static inline void synth_write_sidx(struct mp4_writer *w, const struct synth *s)
{
    bool v1 = s->oddities & SYNTH_SIDX_1;
    uint32_t step = s->oddities & SYNTH_TWO_MOOFS ? 2 : 1;
    uint64_t sidx = mp4_begin_full(w, MP4_CC('s', 'i', 'd', 'x'), v1, 0);
    mp4_write_u32(w, 1);
    mp4_write_u32(w, s->timescale);
    if (v1) {
        mp4_write_u64(w, s->start_dts);
        mp4_write_u64(w, 16);
    } else {
        mp4_write_u32(w, s->start_dts);
        mp4_write_u32(w, 0);
    }
    mp4_write_u16(w, 0);
    mp4_write_u16(w, s->fragments / step);
    for (uint32_t f = 0; f + step <= s->fragments; f += step) {
        uint64_t size = s->fragment_at ? s->fragment_at[f + step] - s->fragment_at[f] : 0;
        mp4_write_u32(w, size | (s->oddities & SYNTH_HIERARCHICAL ? 0x80000000u : 0));
        mp4_write_u32(w, (uint64_t)step * s->fragment_samples * s->sample_duration);
        mp4_write_u32(w, 0x90000000u);
    }
    mp4_end(w, sidx);
    if (v1)
        mp4_end(w, mp4_begin(w, MP4_CC('f', 'r', 'e', 'e'))),
            mp4_end(w, mp4_begin(w, MP4_CC('f', 'r', 'e', 'e')));
}

static inline void synth_write_stbl(struct mp4_writer *w, const struct synth *s)
{
    bool sound = s->handler == MP4_SOUN;
    uint64_t stbl = mp4_begin(w, MP4_CC('s', 't', 'b', 'l'));
    uint64_t stsd = mp4_begin_full(w, MP4_CC('s', 't', 's', 'd'), 0, 0);
    mp4_write_u32(w, 1);
    uint32_t type = sound ? MP4_CC('O', 'p', 'u', 's') : MP4_CC('v', 'p', '0', '9');
    if (s->oddities & SYNTH_ENCRYPTED)
        type = sound ? MP4_CC('e', 'n', 'c', 'a') : MP4_CC('e', 'n', 'c', 'v');
    uint64_t entry = mp4_begin(w, type);
    mp4_write_zeros(w, 6);
    mp4_write_u16(w, 1);
    mp4_write_zeros(w, sound ? 20 : 70);
    mp4_end(w, entry);
    mp4_end(w, stsd);
    static const uint32_t empty[] = {MP4_CC('s', 't', 't', 's'), MP4_CC('s', 't', 's', 'c'),
                                     MP4_CC('s', 't', 'c', 'o')};
    for (size_t i = 0; i < ARRAY_LEN(empty); i++) {
        uint64_t box = mp4_begin_full(w, empty[i], 0, 0);
        mp4_write_u32(w, 0);
        mp4_end(w, box);
    }
    mp4_end(w, stbl);
}

static inline void synth_write_trak(struct mp4_writer *w, const struct synth *s)
{
    uint64_t trak = mp4_begin(w, MP4_CC('t', 'r', 'a', 'k'));
    uint64_t tkhd = mp4_begin_full(w, MP4_CC('t', 'k', 'h', 'd'), 0, 3);
    mp4_write_zeros(w, 8);
    mp4_write_u32(w, 1);
    mp4_write_zeros(w, 4 + 4 + 8 + 2 + 2 + 2 + 2 + 36);
    mp4_write_u32(w, 320 << 16);
    mp4_write_u32(w, 180 << 16);
    mp4_end(w, tkhd);
    if (s->has_edit) {
        bool two = s->oddities & SYNTH_TWO_EDITS;
        uint64_t edts = mp4_begin(w, MP4_CC('e', 'd', 't', 's'));
        uint64_t elst = mp4_begin_full(w, MP4_CC('e', 'l', 's', 't'), 0, 0);
        mp4_write_u32(w, 1u + (s->empty_ms > 0) + two);
        for (int i = 0; i < 1 + (s->empty_ms > 0) + two; i++) {
            bool empty = s->empty_ms > 0 && i == 0;
            mp4_write_u32(w, empty ? s->empty_ms : 0);
            mp4_write_u32(w, empty ? UINT32_MAX : s->media_time);
            mp4_write_u32(w, 0x10000);
        }
        mp4_end(w, elst);
        mp4_end(w, edts);
    }
    uint64_t mdia = mp4_begin(w, MP4_CC('m', 'd', 'i', 'a'));
    uint64_t mdhd = mp4_begin_full(w, MP4_CC('m', 'd', 'h', 'd'), 0, 0);
    mp4_write_zeros(w, 8);
    mp4_write_u32(w, s->timescale);
    mp4_write_u32(w, 0);
    mp4_write_u16(w, 0x55c4); /* und */
    mp4_write_u16(w, 0);
    mp4_end(w, mdhd);
    uint64_t hdlr = mp4_begin_full(w, MP4_CC('h', 'd', 'l', 'r'), 0, 0);
    mp4_write_u32(w, 0);
    mp4_write_u32(w, s->handler);
    mp4_write_zeros(w, 13);
    mp4_end(w, hdlr);
    uint64_t minf = mp4_begin(w, MP4_CC('m', 'i', 'n', 'f'));
    uint64_t header = mp4_begin_full(
        w, s->handler == MP4_SOUN ? MP4_CC('s', 'm', 'h', 'd') : MP4_CC('v', 'm', 'h', 'd'), 0, 0);
    mp4_write_zeros(w, s->handler == MP4_SOUN ? 4 : 8);
    mp4_end(w, header);
    synth_write_stbl(w, s);
    mp4_end(w, minf);
    mp4_end(w, mdia);
    mp4_end(w, trak);
}

static inline void synth_write_head(struct mp4_writer *w, const struct synth *s)
{
    uint64_t ftyp = mp4_begin(w, MP4_CC('f', 't', 'y', 'p'));
    mp4_write_u32(w, MP4_CC('d', 'a', 's', 'h'));
    mp4_write_u32(w, 0);
    mp4_end(w, ftyp);
    uint64_t moov = mp4_begin(w, MP4_CC('m', 'o', 'o', 'v'));
    uint64_t mvhd = mp4_begin_full(w, MP4_CC('m', 'v', 'h', 'd'), 0, 0);
    mp4_write_zeros(w, 8);
    mp4_write_u32(w, 1000);
    mp4_write_zeros(w, 84);
    mp4_end(w, mvhd);
    synth_write_trak(w, s);
    if (s->oddities & SYNTH_TWO_TRAKS)
        synth_write_trak(w, s);
    if (!(s->oddities & SYNTH_NO_MVEX)) {
        uint64_t mvex = mp4_begin(w, MP4_CC('m', 'v', 'e', 'x'));
        uint64_t trex = mp4_begin_full(w, MP4_CC('t', 'r', 'e', 'x'), 0, 0);
        mp4_write_u32(w, 1);
        mp4_write_u32(w, 1);
        mp4_write_u32(w, s->oddities & SYNTH_TREX ? s->sample_duration : 0);
        mp4_write_u32(w, 0);
        mp4_write_u32(w, 0x2000000);
        mp4_end(w, trex);
        mp4_end(w, mvex);
    }
    mp4_end(w, moov);
    if (!(s->oddities & SYNTH_NO_SIDX))
        synth_write_sidx(w, s);
}

static inline void synth_init(struct synth *s)
{
    struct mp4_writer w = {0};
    buf_init(&s->head, 8 << 20);
    s->fragment_at = NULL;
    synth_write_head(&w, s);
    uint64_t at = w.len;
    s->fragment_at = calloc(s->fragments + 1, sizeof *s->fragment_at);
    for (uint32_t f = 0; s->fragment_at && f <= s->fragments; f++) {
        struct mp4_writer header = {0};
        s->fragment_at[f] = at;
        synth_write_fragment(&header, s, f, at);
        at += header.len + synth_payload_bytes(s, f);
    }
    unsigned char *to = (unsigned char *)buf_reserve(&s->head, (size_t)w.len);
    w = (struct mp4_writer){.to = to, .cap = w.len};
    synth_write_head(&w, s);
    s->head.len = (size_t)w.len;
}

static inline void synth_fini(struct synth *s)
{
    buf_fini(&s->head);
    free(s->fragment_at);
}

static inline uint64_t synth_size(const struct synth *s)
{
    return s->fragment_at[s->fragments];
}

static inline uint32_t synth_fragment_of(const struct synth *s, uint64_t offset)
{
    uint32_t low = 0, high = s->fragments;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (s->fragment_at[middle] <= offset)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* The bytes of the file. Payload is a pattern of the offset. */
static inline void synth_read(const struct synth *s, uint64_t offset, unsigned char *to, size_t len)
{
    while (len > 0) {
        uint64_t from = 0;
        size_t n;
        auto_(buf) struct buf header = BUF_INIT(16 << 20);
        const struct buf *bytes = &s->head;
        uint64_t end = s->head.len;
        if (offset >= s->head.len) {
            uint32_t f = synth_fragment_of(s, offset);
            struct mp4_writer w = {0};
            from = s->fragment_at[f];
            end = s->fragment_at[f + 1];
            synth_write_fragment(&w, s, f, from);
            w = (struct mp4_writer){.to = (unsigned char *)buf_reserve(&header, (size_t)w.len), .cap = w.len};
            synth_write_fragment(&w, s, f, from);
            header.len = (size_t)w.len;
            bytes = &header;
        }
        if (offset - from < bytes->len) {
            n = bytes->len - (size_t)(offset - from);
            n = n < len ? n : len;
            memcpy(to, bytes->data + (offset - from), n);
        } else {
            n = end - offset < len ? (size_t)(end - offset) : len;
            for (size_t i = 0; i < n; i++)
                to[i] = (unsigned char)((offset + i) * 2654435761u >> 11);
        }
        offset += n;
        to += n;
        len -= n;
    }
}

/* All samples in order: what the next one is. Start with *i = 0 and *known zeroed. */
static inline bool synth_next_sample(const struct synth *s, uint64_t *i, struct synth_known *known)
{
    uint32_t f = (uint32_t)(*i / s->fragment_samples);
    if (f >= s->fragments)
        return false;
    uint32_t in = (uint32_t)(*i % s->fragment_samples);
    known->offset = in ? known->offset + known->size : s->fragment_at[f + 1] - synth_payload_bytes(s, f);
    known->dts = synth_fragment_dts(s, f) + (uint64_t)in * s->sample_duration;
    known->size = synth_sample_size(s, *i);
    known->cts = s->cts[*i % 3];
    known->sync = s->sync_every <= 1 || *i % s->sync_every == 0;
    ++*i;
    return true;
}

DEFINE_AUTO(synth, synth_fini)

#endif
