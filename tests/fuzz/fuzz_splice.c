/* The whole splicer on hostile sources. The first byte says how the rest is used: as two files, or as the
 * parameters of two files made of nothing (tests/unit/mp4_synth.h) and damage to the bytes they serve, which
 * reaches deeper. Whatever plan comes out must stay inside the sources and state its own size. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/mp4_synth.h"
#include "media/splice.h"

enum { RANGES_MAX = 2000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int truth)
{
    if (!truth)
        abort();
}

struct damage {
    uint16_t at;
    uint8_t xor ;
};

/* One source: bytes as they are, or a synthetic file with some of them changed. */
struct source {
    const uint8_t *bytes;
    size_t len;
    struct synth synth;
    struct damage damage[8];
};

static uint64_t source_size(const struct source *s)
{
    return s->synth.fragment_at ? synth_size(&s->synth) : s->len;
}

static bool source_read(const struct source *s, uint64_t offset, unsigned char *to, size_t len)
{
    if (offset > source_size(s) || len > source_size(s) - offset)
        return false;
    if (!s->synth.fragment_at) {
        memcpy(to, s->bytes + offset, len);
        return true;
    }
    synth_read(&s->synth, offset, to, len);
    for (size_t i = 0; i < ARRAY_LEN(s->damage); i++)
        if (s->damage[i].xor &&s->damage[i].at >= offset && s->damage[i].at - offset < len)
            to[s->damage[i].at - offset] ^= s->damage[i].xor ;
    return true;
}

static uint64_t number(struct mp4_reader *in, uint64_t least, uint64_t most)
{
    uint64_t v = mp4_left(in) >= 8 ? mp4_read_u64(in) : 0;
    return most - least == UINT64_MAX ? v : least + v % (most - least + 1);
}

static void make_synth(struct source *s, struct mp4_reader *in)
{
    s->synth = (struct synth){.handler = mp4_read_u8(in) & 1 ? MP4_SOUN : MP4_VIDE,
                              .timescale = (uint32_t)number(in, 0, UINT32_MAX),
                              .sample_duration = (uint32_t)number(in, 0, UINT32_MAX),
                              .fragment_samples = (uint32_t)number(in, 1, 100),
                              .fragments = (uint32_t)number(in, 1, 40),
                              .sample_size = (uint32_t)number(in, 0, 100000),
                              .sync_every = mp4_read_u8(in),
                              .cts = {(int32_t)mp4_read_u32(in), (int32_t)mp4_read_u8(in), 0},
                              .start_dts = number(in, 0, UINT64_MAX >> mp4_read_u8(in) % 64),
                              .has_edit = mp4_read_u8(in) & 1,
                              .empty_ms = mp4_read_u32(in),
                              .media_time = mp4_read_u32(in),
                              .oddities = mp4_read_u32(in)};
    for (size_t i = 0; i < ARRAY_LEN(s->damage); i++)
        s->damage[i] = (struct damage){mp4_read_u16(in), mp4_read_u8(in)};
    synth_init(&s->synth);
}

static int add(struct splice *splice, const struct source *s, unsigned k, bool tell_size, struct err *err)
{
    size_t len = 0;
    for (;;) {
        uint64_t need;
        auto_(buf) struct buf head = BUF_INIT(16 << 20);
        if (!buf_reserve(&head, len) || !source_read(s, 0, (unsigned char *)head.data, len))
            return -1;
        need = splice_head_bytes(head.data, len);
        check(need <= 5 << 20);
        if (need <= len)
            return splice_add_source(splice, k, head.data, len, tell_size ? source_size(s) : 0, err);
        len = (size_t)need;
    }
}

static int feed(struct splice *splice, const struct source *sources, struct err *err)
{
    struct splice_range held = {0}; /* one range is always answered late */
    bool holds = false;
    for (int i = 0; i < RANGES_MAX && !splice_ready(splice, SPLICE_PROGRESSIVE); i++) {
        struct splice_range range;
        bool asked = splice_next_range(splice, &range);
        if (asked && !holds) {
            held = range;
            holds = true;
            continue;
        }
        check(asked || holds); /* else it would never end */
        if (!asked || i % 7 == 6) {
            struct splice_range other = held;
            holds = asked;
            held = range;
            range = other;
        }
        check(range.length > 0 && range.length <= 4 << 20);
        unsigned char *bytes = malloc(range.length);
        int rc = bytes && source_read(&sources[range.source], range.offset, bytes, range.length)
                     ? splice_feed(splice, &range, bytes, err)
                     : -1;
        free(bytes);
        if (rc < 0)
            return -1;
    }
    return 0;
}

static void check_plan(const struct plan *plan, const struct source *sources, bool sizes_told)
{
    const struct plan_segment *head = plan_segment(plan, 0);
    const unsigned char *bytes = plan_literal(plan, head);
    struct mp4_header h = {0};
    uint64_t at = 0;
    check(head->source == PLAN_LITERAL);
    for (; at < head->length; at += h.size) /* the boxes up to the media, mdat reaching to the end of all */
        check(mp4_read_header(bytes + at, (size_t)(head->length - at), &h) == 1 && h.size >= 8);
    check(h.type != MP4_CC('m', 'd', 'a', 't') || at == plan_length(plan));
    for (size_t i = 1; sizes_told && i < plan_segment_count(plan); i++) {
        const struct plan_segment *s = plan_segment(plan, i);
        check(s->source == PLAN_LITERAL || s->offset + s->length <= source_size(&sources[s->source]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct source sources[2] = {{0}};
    struct mp4_reader in = mp4_reader_of(data, size);
    uint8_t mode = mp4_read_u8(&in);
    unsigned count = 1 + (mode >> 1 & 1);
    bool tell_size = mode >> 2 & 1;
    struct splice_opts opts = {0};
    struct err err;
    if (mode & 8) {
        opts.start_ms = mp4_read_u32(&in);
        opts.end_ms = mp4_read_u32(&in);
    }
    for (unsigned k = 0; k < count; k++) {
        if (mode & 1) {
            make_synth(&sources[k], &in);
            continue;
        }
        sources[k].bytes = in.at;
        sources[k].len = k + 1 < count ? mp4_left(&in) / 2 : mp4_left(&in);
        mp4_skip(&in, sources[k].len);
    }
    static const char vtt[] = "WEBVTT\n\n00:00.500 --> 00:02.000\nOne\n\n00:01.000 --> 9999:00:00.000\nTwo\n";
    auto_(subtitle_cues) struct subtitle_cues cues = {0};
    struct splice *splice = splice_new(&opts);
    int rc = splice ? 0 : -1;
    if (rc == 0 && mode & 16) {
        check(subtitle_parse_vtt(&cues, vtt, sizeof vtt - 1, &err) == 0);
        check(splice_add_subtitles(splice, &cues, "en", &err) == 0);
    }
    for (unsigned k = 0; k < count && rc == 0; k++)
        rc = add(splice, &sources[k], k, tell_size, &err);
    if (rc == 0)
        rc = feed(splice, sources, &err);
    for (int layout = SPLICE_PROGRESSIVE; rc == 0 && layout <= SPLICE_FRAGMENTED; layout++) {
        auto_ptr(plan) struct plan *plan = NULL;
        if (splice_ready(splice, layout) && splice_plan(splice, layout, NULL, &plan, &err) == 0)
            check_plan(plan, sources, tell_size);
    }
    splice_free(splice);
    for (unsigned k = 0; k < count; k++)
        synth_fini(&sources[k].synth);
    return 0;
}
