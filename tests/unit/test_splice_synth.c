/* media/splice on files made of nothing: every oddity of the format, times of 12 h, files beyond 4 GiB. The
 * plan's own tables are read back, by code that shares nothing with what wrote them but the box reader, and
 * every sample of them must lead through the plan to the byte of the source where it came from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "media/splice.h"
#include "mp4_synth.h"

static const struct synth picture = {.handler = MP4_VIDE,
                                     .timescale = 12288,
                                     .sample_duration = 512,
                                     .fragment_samples = 120,
                                     .fragments = 12,
                                     .sample_size = 900,
                                     .sync_every = 60,
                                     .cts = {1024, 2048, 512}};
static const struct synth sound = {.handler = MP4_SOUN,
                                   .timescale = 48000,
                                   .sample_duration = 1024,
                                   .fragment_samples = 468,
                                   .fragments = 6,
                                   .sample_size = 340};

struct times {
    int64_t prepare_us, plan_us;
    size_t headers;
};

static int add(struct splice *splice, const struct synth *s, unsigned source, struct err *err)
{
    return splice_add_source(splice, source, s->head.data, s->head.len, synth_size(s), err);
}

static int feed(struct splice *splice, const struct synth *const *s, enum splice_layout layout,
                struct times *t, struct err *err)
{
    struct splice_range range;
    while (!splice_ready(splice, layout)) {
        assert_true(splice_next_range(splice, &range));
        unsigned char *bytes = malloc(range.length);
        assert_non_null(bytes);
        assert_true(range.offset + range.length <= synth_size(s[range.source]));
        synth_read(s[range.source], range.offset, bytes, range.length);
        int64_t begun = clock_mono_us();
        int rc = splice_feed(splice, &range, bytes, err);
        t->prepare_us += clock_mono_us() - begun;
        t->headers += range.length;
        free(bytes);
        if (rc < 0)
            return -1;
    }
    return 0;
}

static int make_plan(const struct synth *const *s, size_t count, enum splice_layout layout,
                     const struct splice_opts *opts, struct plan **out, struct times *t, struct err *err)
{
    auto_ptr(splice) struct splice *splice = splice_new(opts);
    *t = (struct times){0};
    *err = (struct err){0};
    for (size_t i = 0; i < count; i++)
        if (add(splice, s[i], (unsigned)i, err) < 0)
            return -1;
    if (feed(splice, s, layout, t, err) < 0)
        return -1;
    int64_t begun = clock_mono_us();
    int rc = splice_plan(splice, layout, NULL, out, err);
    t->plan_us = clock_mono_us() - begun;
    return rc;
}

/* ------------------------------------------------------------------------------------------------------------------
 * Reading a plan back */

struct tables {
    struct mp4_reader stts, ctts, stss, stsc, stsz, chunks, elst;
    bool wide, has_ctts, has_stss, has_elst;
    unsigned ctts_version;
    uint32_t timescale, sample_count, chunk_count;
    uint64_t media_duration, track_duration;
};

static struct mp4_reader box_at(struct mp4_reader r, const char *path)
{
    struct mp4_box box;
    for (; *path; path += 4) {
        if (!mp4_find(&r, MP4_CC(path[0], path[1], path[2], path[3]), &box))
            return (struct mp4_reader){0};
        r = box.body;
    }
    return r;
}

/* A table's entries, behind version, flags and count. */
static struct mp4_reader table_at(struct mp4_reader r, const char *path, unsigned *version, uint32_t *count)
{
    uint8_t v;
    r = box_at(r, path);
    (void)mp4_read_full(&r, &v);
    *version = v;
    *count = mp4_read_u32(&r);
    return r;
}

static struct tables read_tables(struct mp4_reader trak)
{
    struct tables t = {0};
    unsigned version;
    uint8_t v;
    uint32_t count;
    struct mp4_reader mdhd = box_at(trak, "mdiamdhd");
    (void)mp4_read_full(&mdhd, &v);
    mp4_skip(&mdhd, v ? 16 : 8);
    t.timescale = mp4_read_u32(&mdhd);
    t.media_duration = mp4_read_u32_or_64(&mdhd, v);
    struct mp4_reader tkhd = box_at(trak, "tkhd");
    (void)mp4_read_full(&tkhd, &v);
    mp4_skip(&tkhd, v ? 24 : 16);
    t.track_duration = mp4_read_u32_or_64(&tkhd, v);
    struct mp4_reader stbl = box_at(trak, "mdiaminfstbl");
    t.stts = table_at(stbl, "stts", &version, &count);
    t.has_ctts = box_at(stbl, "ctts").at;
    t.ctts = table_at(stbl, "ctts", &t.ctts_version, &count);
    t.has_stss = box_at(stbl, "stss").at;
    t.stss = table_at(stbl, "stss", &version, &count);
    t.stsc = table_at(stbl, "stsc", &version, &count);
    t.stsz = table_at(stbl, "stsz", &version, &count);
    t.sample_count = mp4_read_u32(&t.stsz);
    t.wide = box_at(stbl, "co64").at;
    t.chunks = table_at(stbl, t.wide ? "co64" : "stco", &version, &t.chunk_count);
    t.has_elst = box_at(trak, "edtselst").at;
    t.elst = box_at(trak, "edtselst");
    return t;
}

/* A run-length table's value for the next sample. */
struct run {
    uint32_t left, value;
};

static uint32_t next_in_run(struct mp4_reader *r, struct run *run)
{
    if (run->left == 0) {
        run->left = mp4_read_u32(r);
        run->value = mp4_read_u32(r);
        assert_true(run->left > 0 && !r->bad);
    }
    run->left--;
    return run->value;
}

/* The output offset of the next sample. */
struct place {
    uint64_t at;
    uint32_t chunk, left, per_chunk, next_first;
};

static uint64_t next_place(struct tables *t, struct place *p)
{
    if (p->left == 0) {
        p->chunk++;
        if (p->chunk == 1)
            p->next_first = mp4_read_u32(&t->stsc);
        if (p->chunk == p->next_first) {
            p->per_chunk = mp4_read_u32(&t->stsc);
            assert_int_equal(mp4_read_u32(&t->stsc), 1);
            p->next_first = mp4_left(&t->stsc) ? mp4_read_u32(&t->stsc) : 0;
        }
        p->left = p->per_chunk;
        p->at = t->wide ? mp4_read_u64(&t->chunks) : mp4_read_u32(&t->chunks);
        assert_true(p->left > 0 && !t->chunks.bad && !t->stsc.bad);
    }
    p->left--;
    return p->at;
}

/* Whether sample `known` of source k is what the tables say next, and is where they say. */
static void check_sample(const char *name, const struct plan *plan, unsigned k, uint64_t at,
                         const struct synth_known *known)
{
    const struct plan_segment *seg = plan_segment(plan, plan_find(plan, at));
    if (seg->source != k || seg->offset + (at - seg->out) != known->offset ||
        at + known->size > seg->out + seg->length)
        fail_msg("%s: output byte %llu of source %u is not source byte %llu", name, (unsigned long long)at, k,
                 (unsigned long long)known->offset);
}

/* Checks the samples of one track from number `first` of the source on; returns the source's dts of the
 * first. */
static uint64_t check_track(const char *name, const struct plan *plan, unsigned k, const struct synth *s,
                            struct tables t, uint64_t first)
{
    struct synth_known known = {0};
    struct run duration = {0};
    struct run cts = {0};
    struct place place = {0};
    uint64_t i = 0;
    uint64_t dts = 0;
    uint64_t start = 0;
    uint32_t next_sync = t.has_stss ? mp4_read_u32(&t.stss) : 0;
    while (i < first)
        assert_true(synth_next_sample(s, &i, &known));
    for (uint32_t n = 0; n < t.sample_count; n++) {
        assert_true(synth_next_sample(s, &i, &known));
        if (n == 0)
            start = known.dts;
        assert_int_equal(known.dts, start + dts);
        dts += next_in_run(&t.stts, &duration);
        assert_int_equal(known.cts, t.has_ctts ? (int32_t)next_in_run(&t.ctts, &cts) : 0);
        assert_int_equal(known.size, mp4_read_u32(&t.stsz));
        bool sync = !t.has_stss || next_sync == n + 1;
        assert_int_equal(known.sync, sync);
        if (t.has_stss && sync)
            next_sync = mp4_left(&t.stss) ? mp4_read_u32(&t.stss) : 0;
        uint64_t at = next_place(&t, &place);
        check_sample(name, plan, k, at, &known);
        place.at += known.size;
    }
    assert_int_equal(dts, t.media_duration);
    assert_int_equal(place.chunk, t.chunk_count);
    assert_int_equal(mp4_left(&t.stts) + mp4_left(&t.stsz) + mp4_left(&t.chunks), 0);
    return start;
}

/* The tables of track k, from the plan's literal first segment. */
static struct tables tables_of(const struct plan *plan, unsigned k)
{
    const struct plan_segment *head = plan_segment(plan, 0);
    struct mp4_reader r;
    struct mp4_reader moov;
    struct mp4_box box;
    assert_int_equal(head->source, PLAN_LITERAL);
    r = mp4_reader_of(plan_literal(plan, head), (size_t)head->length);
    moov = box_at(r, "moov");
    for (unsigned i = 0; mp4_next(&moov, &box);)
        if (box.type == MP4_CC('t', 'r', 'a', 'k') && i++ == k)
            return read_tables(box.body);
    fail_msg("no track %u", k);
    return (struct tables){0};
}

/* The mdat holds all the rest of the plan, and its header says so. */
static void check_mdat(const struct plan *plan, bool wide)
{
    const struct plan_segment *head = plan_segment(plan, 0);
    const unsigned char *bytes = plan_literal(plan, head);
    unsigned header = wide ? 16 : 8;
    struct mp4_header mdat;
    assert_int_equal(mp4_read_header(bytes + head->length - header, header, &mdat), 1);
    assert_int_equal(mdat.type, MP4_CC('m', 'd', 'a', 't'));
    assert_int_equal(mdat.bytes, header);
    assert_int_equal(head->length - header + mdat.size, plan_length(plan));
}

/* ------------------------------------------------------------------------------------------------------------------
 */

static void oddities_work(void **state)
{
    static const struct {
        const char *name;
        uint32_t picture, sound;
        int fragmented; /* result of the fragmented layout */
    } cases[] = {
        {"plain", 0, 0, 0},
        {"styp and emsg", SYNTH_STYP, SYNTH_STYP, 0},
        {"base_data_offset", SYNTH_BASE_OFFSET, 0, -1},
        {"no base at all", SYNTH_NO_BASE, SYNTH_NO_BASE, 0},
        {"two moofs a reference", SYNTH_TWO_MOOFS, SYNTH_TWO_MOOFS, -1},
        {"two moofs with styp", SYNTH_TWO_MOOFS | SYNTH_STYP, 0, -1},
        {"two truns", SYNTH_TWO_TRUNS, SYNTH_TWO_TRUNS, 0},
        {"sidx version 1", SYNTH_SIDX_1, SYNTH_SIDX_1, 0},
        {"trex defaults", SYNTH_TREX, SYNTH_TREX, 0},
        {"no tfdt", SYNTH_NO_TFDT, SYNTH_NO_TFDT, 0},
        {"64-bit mdat", SYNTH_WIDE_MDAT, SYNTH_WIDE_MDAT, 0},
        {"gaps", SYNTH_GAP, SYNTH_GAP, 0},
        {"overlaps", SYNTH_OVERLAP, SYNTH_OVERLAP, 0},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_(synth) struct synth v = picture;
        auto_(synth) struct synth a = sound;
        const struct synth *const both[] = {&v, &a};
        struct times t;
        struct err err;
        auto_ptr(plan) struct plan *plan = NULL;
        auto_ptr(plan) struct plan *fragmented = NULL;
        v.oddities = cases[i].picture;
        a.oddities = cases[i].sound;
        synth_init(&v);
        synth_init(&a);
        if (make_plan(both, 2, SPLICE_PROGRESSIVE, NULL, &plan, &t, &err) < 0)
            fail_msg("%s: %s", cases[i].name, err.text);
        for (unsigned k = 0; k < 2; k++) {
            struct tables tables = tables_of(plan, k);
            assert_int_equal(tables.sample_count, both[k]->fragments * both[k]->fragment_samples);
            assert_int_equal(check_track(cases[i].name, plan, k, both[k], tables, 0), 0);
            assert_false(tables.has_elst); /* never invented */
        }
        check_mdat(plan, false);
        if (make_plan(both, 2, SPLICE_FRAGMENTED, NULL, &fragmented, &t, &err) != cases[i].fragmented)
            fail_msg("%s: fragmented: %s", cases[i].name, err.text);
        if (cases[i].fragmented < 0)
            assert_int_equal(err.code, ERR_UNSUPPORTED_SITE);
    }
}

/* What the fragmented layout takes for granted of fragments that were not read. */
static void fragments_not_read_are_looked_at(void **state)
{
    static const struct {
        const char *name;
        uint32_t oddities;
        int rc;
    } cases[] = {
        {"alike", 0, 0},
        {"all with styp", SYNTH_STYP, 0},
        {"the last one with styp", SYNTH_LATE_STYP, -1},
        {"the last one with an absolute offset", SYNTH_LATE_BASE, -1},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_(synth) struct synth v = picture;
        auto_(synth) struct synth a = sound;
        const struct synth *const both[] = {&v, &a};
        struct splice_range ranges[SPLICE_CHECKS_MAX];
        struct times t = {0};
        struct err err = {0};
        auto_ptr(splice) struct splice *splice = splice_new(NULL);
        v.fragments = 500;
        v.sample_size = 30000; /* far from one header to the next */
        a.fragments = 300;
        a.sample_size = 1000;
        a.oddities = cases[i].oddities;
        synth_init(&v);
        synth_init(&a);
        assert_int_equal(add(splice, &v, 0, &err) | add(splice, &a, 1, &err), 0);
        assert_int_equal(feed(splice, both, SPLICE_FRAGMENTED, &t, &err), 0);
        size_t count = splice_checks(splice, ranges);
        assert_int_equal(count, SPLICE_CHECKS_MAX);
        assert_int_equal(ranges[15].offset, v.fragment_at[499]);
        assert_int_equal(ranges[31].offset, a.fragment_at[299]);
        for (size_t k = 0; k < count; k++) {
            unsigned char bytes[256];
            bool spoilt = k == count - 1 && cases[i].rc < 0;
            assert_true(ranges[k].length <= sizeof bytes);
            synth_read(both[ranges[k].source], ranges[k].offset, bytes, ranges[k].length);
            if (splice_check(splice, &ranges[k], bytes, &err) != (spoilt ? -1 : 0))
                fail_msg("%s, range %zu: %s", cases[i].name, k, err.text);
            memset(bytes, 0, sizeof bytes);
            assert_int_equal(splice_check(splice, &ranges[k], bytes, &err), -1);
            assert_int_equal(err.code, ERR_UNSUPPORTED_SITE);
        }
    }
}

static void wrong_files_are_refused(void **state)
{
    static const struct {
        const char *name;
        uint32_t oddities;
        enum err_code code;
    } cases[] = {
        {"hierarchical sidx", SYNTH_HIERARCHICAL, ERR_UNSUPPORTED_SITE},
        {"no sidx", SYNTH_NO_SIDX, ERR_UNSUPPORTED_SITE},
        {"no mvex", SYNTH_NO_MVEX, ERR_UNSUPPORTED_SITE},
        {"two traks", SYNTH_TWO_TRAKS, ERR_UNSUPPORTED_SITE},
        {"another sample description", SYNTH_DESCRIPTION_2, ERR_UNSUPPORTED_SITE},
        {"encrypted", SYNTH_ENCRYPTED, ERR_DRM},
        {"two edits", SYNTH_TWO_EDITS, ERR_UNSUPPORTED_SITE},
        {"samples behind their reference", SYNTH_DATA_BEYOND, ERR_UPSTREAM_FAILED},
        {"samples in backward order", SYNTH_DATA_BACKWARDS, ERR_UNSUPPORTED_SITE},
        {"trun with too many samples", SYNTH_TRUN_COUNT, ERR_UPSTREAM_FAILED},
        {"moof larger than its reference", SYNTH_MOOF_SIZE, ERR_UPSTREAM_FAILED},
        {"fragments that overlap", SYNTH_LARGE_OVERLAP, ERR_UNSUPPORTED_SITE},
        {"no moof", SYNTH_NO_MOOF, ERR_UPSTREAM_FAILED},
        {"another track's fragments", SYNTH_OTHER_TRACK, ERR_UNSUPPORTED_SITE},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_(synth) struct synth v = picture;
        const struct synth *const one[] = {&v};
        struct times t;
        struct err err;
        auto_ptr(plan) struct plan *plan = NULL;
        v.oddities = cases[i].oddities;
        v.has_edit = true;
        synth_init(&v);
        if (make_plan(one, 1, SPLICE_PROGRESSIVE, NULL, &plan, &t, &err) == 0)
            fail_msg("%s was accepted", cases[i].name);
        if (err.code != cases[i].code)
            fail_msg("%s: %s: %s", cases[i].name, err_info(err.code)->name, err.text);
    }
}

/* Any cut and any bent byte of a header ends in an error or in a plan within the file. */
static void damaged_heads_do_no_harm(void **state)
{
    (void)state;
    auto_(synth) struct synth v = picture;
    struct err err;
    synth_init(&v);
    for (size_t i = 0; i < v.head.len; i++) {
        auto_ptr(splice) struct splice *cut = splice_new(NULL);
        auto_ptr(splice) struct splice *bent = splice_new(NULL);
        assert_int_equal(splice_add_source(cut, 0, v.head.data, i, 0, &err), -1);
        v.head.data[i] ^= 0x40;
        (void)splice_add_source(bent, 0, v.head.data, v.head.len, synth_size(&v), &err);
        v.head.data[i] ^= 0x40;
    }
    auto_ptr(splice) struct splice *larger = splice_new(NULL);
    assert_int_equal(splice_add_source(larger, 0, v.head.data, v.head.len, synth_size(&v) - 1, &err), -1);
    assert_int_equal(err.code, ERR_UPSTREAM_FAILED);
}

static void how_much_of_the_head(void **state)
{
    (void)state;
    auto_(synth) struct synth v = picture;
    v.oddities = SYNTH_SIDX_1;
    synth_init(&v);
    size_t len = 0;
    for (int round = 0;; round++) {
        uint64_t need = splice_head_bytes(v.head.data, len);
        assert_true(need > 0 && need <= v.head.len && round < 8);
        if (need <= len)
            break;
        len = (size_t)need;
    }
    assert_true(len <= v.head.len);
    assert_int_equal(splice_head_bytes("<!doctype html><html>", 21), 0);
    assert_int_equal(splice_head_bytes("\0\0\0\x10"
                                       "moof00000000",
                                       16),
                     0);
    assert_int_equal(splice_head_bytes("\0\0\0\x07"
                                       "ftyp00000000",
                                       16),
                     0);
}

static void only_what_was_asked_for(void **state)
{
    (void)state;
    auto_(synth) struct synth v = picture;
    struct err err;
    struct splice_range range;
    unsigned char bytes[4096];
    synth_init(&v);
    auto_ptr(splice) struct splice *s = splice_new(NULL);
    assert_int_equal(add(s, &v, 3, &err), 0);
    assert_false(splice_ready(s, SPLICE_PROGRESSIVE));
    assert_true(splice_next_range(s, &range));
    assert_int_equal(range.source, 3);
    assert_true(range.length <= sizeof bytes);
    synth_read(&v, range.offset, bytes, range.length);
    assert_int_equal(splice_feed(s, &(struct splice_range){4, range.offset, range.length}, bytes, &err), -1);
    assert_int_equal(splice_feed(s, &(struct splice_range){3, range.offset + 1, range.length}, bytes, &err),
                     -1);
    assert_int_equal(splice_feed(s, &range, bytes, &err), 0);
    assert_true(splice_ready(s, SPLICE_FRAGMENTED));
    assert_int_equal(splice_feed(s, &range, bytes, &err), -1); /* a second time */
    struct plan *plan = NULL;
    assert_int_equal(splice_plan(s, SPLICE_PROGRESSIVE, NULL, &plan, &err), -1); /* not ready */
    assert_int_equal(add(s, &v, 3, &err), -1);
}

/* Edit lists: empty_duration, media_time, edit_duration as written; UINT64_MAX: no such entry. */
static void check_edits(const char *name, struct tables t, uint64_t empty, uint64_t media_time,
                        uint64_t duration)
{
    uint8_t version;
    assert_true(t.has_elst);
    (void)mp4_read_full(&t.elst, &version);
    uint32_t count = mp4_read_u32(&t.elst);
    assert_int_equal(count, empty == UINT64_MAX ? 1 : 2);
    if (empty != UINT64_MAX) {
        uint64_t got = mp4_read_u32_or_64(&t.elst, version);
        if (got != empty)
            fail_msg("%s: empty edit of %llu", name, (unsigned long long)got);
        assert_int_equal(mp4_read_u32_or_64(&t.elst, version), version ? UINT64_MAX : UINT32_MAX);
        assert_int_equal(mp4_read_u32(&t.elst), 0x10000);
    }
    uint64_t got_duration = mp4_read_u32_or_64(&t.elst, version);
    uint64_t got_time = mp4_read_u32_or_64(&t.elst, version);
    if (got_duration != duration || got_time != media_time)
        fail_msg("%s: edit of %llu from %llu", name, (unsigned long long)got_duration,
                 (unsigned long long)got_time);
    assert_int_equal(t.track_duration, duration + (empty == UINT64_MAX ? 0 : empty));
}

static void edits_are_carried_over(void **state)
{
    /* The movie timescale is the picture's, 12288. 1440 samples of 512 each and offsets {1024, 2048, 512}:
     * the last presentation ends at 1438 * 512 + 2048 + 512 = 738816. Sound: 2808 samples of 1024 at 48000.
     */
    static const struct {
        const char *name;
        bool has_edit;
        uint32_t empty_ms, media_time;
        uint64_t start_dts, sound_start_dts;
        uint64_t want_empty, want_time, want_duration; /* of the picture */
        bool want_edit, want_sound_edit;
    } cases[] = {
        {"none", false, 0, 0, 0, 0, 0, 0, 0, false, false},
        {"encoder delay", true, 0, 1024, 0, 0, UINT64_MAX, 1024, 737792, true, false},
        {"from zero", true, 0, 0, 0, 0, UINT64_MAX, 0, 738816, true, false},
        {"empty edit", true, 250, 0, 0, 0, 3072, 0, 738816, true, false},
        {"empty edit and delay", true, 250, 1024, 0, 0, 3072, 1024, 737792, true, false},
        {"both start late, together", false, 0, 0, 122880, 480000, 0, 0, 0, false, false},
        {"picture starts later", false, 0, 0, 6144, 0, 6144, 0, 738816, true, false},
        {"sound starts later", false, 0, 0, 0, 24000, 0, 0, 0, false, true},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_(synth) struct synth v = picture;
        auto_(synth) struct synth a = sound;
        const struct synth *const both[] = {&v, &a};
        struct times t;
        struct err err;
        auto_ptr(plan) struct plan *plan = NULL;
        v.has_edit = cases[i].has_edit;
        v.empty_ms = cases[i].empty_ms;
        v.media_time = cases[i].media_time;
        v.start_dts = cases[i].start_dts;
        a.start_dts = cases[i].sound_start_dts;
        synth_init(&v);
        synth_init(&a);
        if (make_plan(both, 2, SPLICE_PROGRESSIVE, NULL, &plan, &t, &err) < 0)
            fail_msg("%s: %s", cases[i].name, err.text);
        struct tables tables = tables_of(plan, 0);
        assert_int_equal(check_track(cases[i].name, plan, 0, &v, tables, 0), cases[i].start_dts);
        if (cases[i].want_edit)
            check_edits(cases[i].name, tables, cases[i].want_empty, cases[i].want_time,
                        cases[i].want_duration);
        else
            assert_false(tables.has_elst);
        tables = tables_of(plan, 1);
        if (cases[i].want_sound_edit)
            check_edits(cases[i].name, tables, 6144, 0, 736101);
        else
            assert_false(tables.has_elst);
    }
}

/* Players leave out what begins where the edit list ends. */
static void a_last_sample_without_duration_is_presented(void **state)
{
    auto_(synth) struct synth a = sound;
    const struct synth *const only[] = {&a};
    struct times t;
    struct err err;
    auto_ptr(plan) struct plan *plan = NULL;
    (void)state;
    a.has_edit = true;
    a.oddities = SYNTH_LAST_ZERO;
    synth_init(&a);
    assert_int_equal(make_plan(only, 1, SPLICE_PROGRESSIVE, NULL, &plan, &t, &err), 0);
    check_edits("no duration", tables_of(plan, 0), UINT64_MAX, 0, 2807 * 1024 + 1);
}

static void composition_offsets_may_be_negative(void **state)
{
    (void)state;
    auto_(synth) struct synth v = picture;
    const struct synth *const one[] = {&v};
    struct times t;
    struct err err;
    auto_ptr(plan) struct plan *plan = NULL;
    v.cts[0] = 0;
    v.cts[1] = 1024;
    v.cts[2] = -512;
    synth_init(&v);
    assert_int_equal(make_plan(one, 1, SPLICE_PROGRESSIVE, NULL, &plan, &t, &err), 0);
    struct tables tables = tables_of(plan, 0);
    assert_int_equal(tables.ctts_version, 1);
    assert_int_equal(check_track("negative", plan, 0, &v, tables, 0), 0);
}

/* 12 h, and beyond 4 GiB and 2^32 ticks: every sample leads to its byte. */
static void long_and_large(void **state)
{
    static const struct {
        const char *name;
        struct synth picture, sound;
        bool wide;
        unsigned budget_ms; /* for reading and planning, sanitized: a guard against quadratic work */
    } cases[] = {
        {"15 min",
         {.handler = MP4_VIDE,
          .timescale = 15360,
          .sample_duration = 512,
          .fragment_samples = 150,
          .fragments = 180,
          .sample_size = 20000,
          .sync_every = 150,
          .cts = {512, 1024, 0}},
         {.handler = MP4_SOUN,
          .timescale = 44100,
          .sample_duration = 1024,
          .fragment_samples = 430,
          .fragments = 90,
          .sample_size = 371},
         false,
         500},
        {"12 h of 60 fps",
         {.handler = MP4_VIDE,
          .timescale = 90000,
          .sample_duration = 1500,
          .fragment_samples = 300,
          .fragments = 8640,
          .sample_size = 8000,
          .sync_every = 300,
          .cts = {1500, 3000, 0}},
         {.handler = MP4_SOUN,
          .timescale = 48000,
          .sample_duration = 1024,
          .fragment_samples = 468,
          .fragments = 4326,
          .sample_size = 340},
         true,
         20000},
        {"20 h, 64-bit durations",
         {.handler = MP4_VIDE,
          .timescale = 90000,
          .sample_duration = 9000,
          .fragment_samples = 100,
          .fragments = 7200,
          .sample_size = 700,
          .sync_every = 100},
         {.handler = MP4_SOUN,
          .timescale = 48000,
          .sample_duration = 48000,
          .fragment_samples = 100,
          .fragments = 720,
          .sample_size = 40},
         false,
         10000},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_(synth) struct synth v = cases[i].picture;
        auto_(synth) struct synth a = cases[i].sound;
        const struct synth *const both[] = {&v, &a};
        struct times t;
        struct err err;
        auto_ptr(plan) struct plan *plan = NULL;
        auto_ptr(plan) struct plan *fragmented = NULL;
        synth_init(&v);
        synth_init(&a);
        if (make_plan(both, 2, SPLICE_PROGRESSIVE, NULL, &plan, &t, &err) < 0)
            fail_msg("%s: %s", cases[i].name, err.text);
        print_message(
            "    %-24s %.2f GB: %zu kB of headers read in %d ms, planned in %d ms, %d kB of moov, %zu segments\n",
            cases[i].name, (double)plan_length(plan) / 1e9, t.headers / 1000, (int)(t.prepare_us / 1000),
            (int)(t.plan_us / 1000), (int)(plan_segment(plan, 0)->length / 1000), plan_segment_count(plan));
        assert_true(t.prepare_us + t.plan_us < cases[i].budget_ms * 1000);
        assert_true(t.headers * 33 <
                    plan_length(plan)); /* 3 %, of which the tables of tiny samples are most */
        for (unsigned k = 0; k < 2; k++) {
            struct tables tables = tables_of(plan, k);
            assert_int_equal(tables.wide, cases[i].wide);
            assert_int_equal(check_track(cases[i].name, plan, k, both[k], tables, 0), 0);
        }
        check_mdat(plan, cases[i].wide);
        assert_int_equal(make_plan(both, 2, SPLICE_FRAGMENTED, NULL, &fragmented, &t, &err), 0);
    }
}

/* The fragmented layout read back: each reference of each index leads to a fragment of that track, numbered
 * anew. */
static void fragments_are_where_the_index_says(void **state)
{
    (void)state;
    auto_(synth) struct synth v = picture;
    auto_(synth) struct synth a = sound;
    const struct synth *const both[] = {&v, &a};
    struct times t;
    struct err err;
    auto_ptr(plan) struct plan *plan = NULL;
    synth_init(&v);
    synth_init(&a);
    assert_int_equal(make_plan(both, 2, SPLICE_FRAGMENTED, NULL, &plan, &t, &err), 0);
    const struct plan_segment *head = plan_segment(plan, 0);
    const unsigned char *bytes = plan_literal(plan, head);
    struct mp4_reader r = mp4_reader_of(bytes, (size_t)head->length);
    struct mp4_box box;
    unsigned k = 0;
    uint64_t last_end[2] = {0};
    while (k < ARRAY_LEN(both) && mp4_next(&r, &box)) {
        uint8_t version;
        if (box.type != MP4_CC('s', 'i', 'd', 'x'))
            continue;
        (void)mp4_read_full(&box.body, &version);
        assert_int_equal(mp4_read_u32(&box.body), k + 1);
        assert_int_equal(mp4_read_u32(&box.body), both[k]->timescale);
        mp4_skip(&box.body, 8);
        uint64_t at = (uint64_t)(r.at - bytes) + mp4_read_u64(&box.body);
        mp4_skip(&box.body, 2);
        assert_int_equal(mp4_read_u16(&box.body), both[k]->fragments);
        for (uint32_t f = 0; f < both[k]->fragments; f++) {
            const struct plan_segment *seg = plan_segment(plan, plan_find(plan, at));
            assert_int_equal(seg->source, k);
            assert_int_equal(seg->offset + (at - seg->out), both[k]->fragment_at[f]);
            const struct plan_segment *id = plan_segment(plan, plan_find(plan, at + 44));
            assert_int_equal(id->source, PLAN_LITERAL);
            assert_int_equal(plan_literal(plan, id)[3], k + 1);
            assert_int_equal(plan_segment(plan, plan_find(plan, at + 20))->source, PLAN_LITERAL);
            at += mp4_read_u32(&box.body);
            mp4_skip(&box.body, 8);
        }
        last_end[k++] = at;
    }
    assert_false(r.bad);
    assert_int_equal(mp4_left(&r), 0);
    assert_int_equal(k, 2);
    assert_int_equal(last_end[0], plan_length(plan));
    assert_int_equal(last_end[1], plan_length(plan));
    assert_int_equal(plan_length(plan),
                     head->length + synth_size(&v) + synth_size(&a) - v.head.len - a.head.len);
}

static void clips(void **state)
{
    /* Sync samples every 2.5 s (60 of 24 fps), each presented 1024 units after its dts: so is the first,
     * which no edit list hides. The whole lasts 60 s. A clip begins with the frame on the screen, so with pts
     * 62464 instead of 62473 (5084 ms). */
    static const struct {
        const char *name;
        uint32_t start_ms, end_ms;
        int rc;
        uint32_t first_picture, first_sound;  /* numbers of the samples copying begins with */
        uint64_t empty, media_time, duration; /* of the picture's edits, 12288 units a second */
    } cases[] = {
        {"from the start", 0, 10000, 0, 0, 0, 1024, 1024, 121856},
        {"on a sync sample", 5084, 8000, 0, 120, 238, UINT64_MAX, 1024, 35840},
        {"between sync samples", 7000, 9500, 0, 120, 238, UINT64_MAX, 24576, 30720},
        {"to the end", 50000, 0, 0, 1140, 2230, UINT64_MAX, 30720, 124416},
        {"beyond the end", 59000, 90000, 0, 1380, 2699, UINT64_MAX, 18432, 13824},
        {"after the end", 70000, 80000, -1, 0, 0, 0, 0, 0},
        {"backwards", 9000, 3000, -1, 0, 0, 0, 0, 0},
        {"absurd", UINT32_MAX, UINT32_MAX, -1, 0, 0, 0, 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_(synth) struct synth v = picture;
        auto_(synth) struct synth a = sound;
        const struct synth *const both[] = {&v, &a};
        struct splice_opts opts = {cases[i].start_ms, cases[i].end_ms};
        struct times t;
        struct err err;
        auto_ptr(plan) struct plan *plan = NULL;
        synth_init(&v);
        synth_init(&a);
        int rc = make_plan(both, 2, SPLICE_PROGRESSIVE, &opts, &plan, &t, &err);
        if (rc != cases[i].rc)
            fail_msg("%s: %s", cases[i].name, rc ? err.text : "accepted");
        if (rc < 0) {
            assert_int_equal(err.code, ERR_BAD_REQUEST);
            continue;
        }
        struct tables tables = tables_of(plan, 0);
        (void)check_track(cases[i].name, plan, 0, &v, tables, cases[i].first_picture);
        check_edits(cases[i].name, tables, cases[i].empty, cases[i].media_time, cases[i].duration);
        (void)check_track(cases[i].name, plan, 1, &a, tables_of(plan, 1), cases[i].first_sound);
        check_mdat(plan, false);
    }
}

static void tags_are_bounded(void **state)
{
    static const unsigned char png[16] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 1};
    (void)state;
    char longer[MP4_TAG_TEXT_MAX + 8];
    memset(longer, 'a', sizeof longer);
    memcpy(longer + MP4_TAG_TEXT_MAX - 1, "\xe2\x98\x83", 4); /* across the limit */
    struct mp4_writer w = {0};
    mp4_tags_write(&w, NULL);
    mp4_tags_write(&w, &(struct mp4_tags){.title = "", .cover = "GIF89a..", .cover_len = 8});
    assert_int_equal(w.len, 0);
    struct mp4_tags tags = {
        .title = longer, .comment = "https://example.org/", .cover = png, .cover_len = sizeof png};
    mp4_tags_write(&w, &tags);
    unsigned char *bytes = malloc((size_t)w.len);
    assert_non_null(bytes);
    w = (struct mp4_writer){.to = bytes, .cap = w.len};
    mp4_tags_write(&w, &tags);
    assert_int_equal(w.len, w.cap);
    struct mp4_reader r = mp4_reader_of(bytes, (size_t)w.len);
    struct mp4_reader meta = box_at(r, "udtameta");
    mp4_skip(&meta, 4);
    struct mp4_reader title = box_at(meta, "ilst\xa9namdata");
    assert_int_equal(mp4_left(&title), 8 + MP4_TAG_TEXT_MAX - 1);
    struct mp4_reader cover = box_at(meta, "ilstcovrdata");
    assert_int_equal(mp4_read_u32(&cover), 14);
    assert_null(box_at(meta, "ilst\xa9"
                             "ARTdata")
                    .at);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(oddities_work),
        cmocka_unit_test(fragments_not_read_are_looked_at),
        cmocka_unit_test(wrong_files_are_refused),
        cmocka_unit_test(damaged_heads_do_no_harm),
        cmocka_unit_test(how_much_of_the_head),
        cmocka_unit_test(only_what_was_asked_for),
        cmocka_unit_test(edits_are_carried_over),
        cmocka_unit_test(a_last_sample_without_duration_is_presented),
        cmocka_unit_test(composition_offsets_may_be_negative),
        cmocka_unit_test(long_and_large),
        cmocka_unit_test(fragments_are_where_the_index_says),
        cmocka_unit_test(clips),
        cmocka_unit_test(tags_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
