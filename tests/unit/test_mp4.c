/* media/mp4_*: boxes read and written, sample tables. Whole files are in test_splice.c and
 * test_splice_synth.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "media/mp4_box.h"
#include "media/mp4_samples.h"
#include "mp4_synth.h"

#define BYTES(s) s, sizeof(s) - 1

static void headers(void **state)
{
    static const struct {
        const char *name, *bytes;
        size_t len;
        int rc;
        uint32_t header;
        uint64_t size;
    } cases[] = {
        {"small",
         BYTES("\0\0\0\x10"
               "mdat"),
         1, 8, 16},
        {"nothing but a header",
         BYTES("\0\0\0\x08"
               "mdat"),
         1, 8, 8},
        {"to the end of the file",
         BYTES("\0\0\0\0"
               "mdat"),
         1, 8, 0},
        {"64 bits",
         BYTES("\0\0\0\1"
               "mdat\0\0\0\2\0\0\0\0"),
         1, 16, (uint64_t)2 << 32},
        {"64 bits, all of them",
         BYTES("\0\0\0\1"
               "mdat\xff\xff\xff\xff\xff\xff\xff\xff"),
         1, 16, UINT64_MAX},
        {"64 bits, smaller than its header",
         BYTES("\0\0\0\1"
               "mdat\0\0\0\0\0\0\0\x0f"),
         -1, 0, 0},
        {"smaller than its header",
         BYTES("\0\0\0\x07"
               "mdat"),
         -1, 0, 0},
        {"cut",
         BYTES("\0\0\0\x10"
               "mda"),
         0, 0, 0},
        {"64 bits, cut",
         BYTES("\0\0\0\1"
               "mdat\0\0\0\0\0\0\0"),
         0, 0, 0},
        {"nothing", BYTES(""), 0, 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct mp4_header h = {0};
        if (mp4_read_header(cases[i].bytes, cases[i].len, &h) != cases[i].rc)
            fail_msg("%s", cases[i].name);
        if (cases[i].rc != 1)
            continue;
        assert_int_equal(h.type, MP4_CC('m', 'd', 'a', 't'));
        assert_int_equal(h.bytes, cases[i].header);
        assert_int_equal(h.size, cases[i].size);
    }
}

static void boxes_stay_inside(void **state)
{
    /* moov { free, trak } and a box that claims one byte too many */
    static const char bytes[] = "\0\0\0\x18"
                                "moov"
                                "\0\0\0\x08"
                                "free"
                                "\0\0\0\x08"
                                "trak"
                                "\0\0\0\x09"
                                "skip";
    (void)state;
    struct mp4_reader r = mp4_reader_of(bytes, sizeof bytes - 1);
    struct mp4_box box;
    struct mp4_box child;
    assert_true(mp4_next(&r, &box));
    assert_int_equal(box.type, MP4_CC('m', 'o', 'o', 'v'));
    assert_int_equal(box.whole.len, 24);
    assert_true(mp4_find(&box.body, MP4_CC('t', 'r', 'a', 'k'), &child));
    assert_int_equal(mp4_left(&child.body), 0);
    assert_false(mp4_find(&box.body, MP4_CC('m', 'v', 'h', 'd'), &child));
    assert_false(box.body.bad);
    assert_false(mp4_next(&r, &box));
    assert_true(r.bad);
    assert_false(mp4_next(&r, &box)); /* and stays so */
}

static void reading_fails_for_good(void **state)
{
    (void)state;
    struct mp4_reader r = mp4_reader_of("\1\2\3\4\5\6\7\x08\x09", 9);
    uint8_t version;
    assert_int_equal(mp4_read_full(&r, &version), 0x020304);
    assert_int_equal(version, 1);
    assert_int_equal(mp4_read_u16(&r), 0x0506);
    assert_int_equal(mp4_read_u32_or_64(&r, 0), 0);
    assert_true(r.bad);
    assert_int_equal(mp4_read_u8(&r), 0); /* though a byte is left */
    assert_int_equal(mp4_left(&r), 0);
    r = mp4_reader_of("\1\2\3\4\5\6\7\x08", 8);
    assert_int_equal(mp4_read_u32_or_64(&r, 1), 0x0102030405060708);
    mp4_skip(&r, 0);
    assert_false(r.bad);
    mp4_skip(&r, UINT64_MAX);
    assert_true(r.bad);
    r = mp4_reader_of(NULL, 0);
    assert_int_equal(mp4_read_u8(&r), 0);
    assert_true(r.bad);
}

static void write_some(struct mp4_writer *w)
{
    uint64_t outer = mp4_begin(w, MP4_CC('m', 'o', 'o', 'v'));
    uint64_t inner = mp4_begin_full(w, MP4_CC('s', 't', 't', 's'), 1, 0x020304);
    mp4_write_u64(w, 0x0102030405060708);
    mp4_write_u16(w, 0x0506);
    mp4_write_zeros(w, 3);
    mp4_end(w, inner);
    mp4_patch_u32(w, inner + 12, 0xfffefdfc);
    mp4_end(w, outer);
}

static void what_is_counted_is_written(void **state)
{
    static const char want[] = "\0\0\0\x21"
                               "moov"
                               "\0\0\0\x19"
                               "stts\1\2\3\4\xff\xfe\xfd\xfc\5\6\7\x08\5\6\0\0\0";
    (void)state;
    struct mp4_writer count = {0};
    unsigned char bytes[64];
    write_some(&count);
    assert_int_equal(count.len, sizeof want - 1);
    struct mp4_writer w = {.to = bytes, .cap = count.len};
    write_some(&w);
    assert_int_equal(w.len, count.len);
    assert_memory_equal(bytes, want, sizeof want - 1);

    memset(bytes, 0x55, sizeof bytes); /* too little room: never beyond it */
    w = (struct mp4_writer){.to = bytes, .cap = 13};
    write_some(&w);
    assert_int_equal(w.len, count.len);
    assert_int_equal(bytes[13], 0x55);
}

static void add(struct mp4_samples *t, uint32_t size, uint32_t duration, int32_t cts, bool sync)
{
    struct err err;
    assert_int_equal(mp4_samples_add(t, &(struct mp4_sample){size, duration, cts, sync}, &err), 0);
}

static void samples_come_back(void **state)
{
    (void)state;
    auto_(mp4_samples) struct mp4_samples t = {0};
    struct err err;
    struct mp4_sample s;
    assert_int_equal(mp4_samples_seek(&t, 1000, &err), 0);
    for (uint32_t i = 0; i < 1000;
         i++) /* offsets begin late, as does the first sample that is no sync sample */
        add(&t, i, 10 + i / 300, i < 200 ? 0 : (int32_t)(i % 5) - 2, i < 500 || i % 50 == 0);
    struct mp4_cursor c = mp4_cursor_of(&t);
    struct mp4_cursor middle = c;
    uint64_t dts = 1000;
    for (uint32_t i = 0; i < 1000; i++) {
        if (i == 700)
            middle = c;
        assert_int_equal(c.dts, dts);
        assert_true(mp4_cursor_next(&c, &s));
        assert_int_equal(s.size, i);
        assert_int_equal(s.duration, 10 + i / 300);
        assert_int_equal(s.cts, i < 200 ? 0 : (int32_t)(i % 5) - 2);
        assert_int_equal(s.sync, i < 500 || i % 50 == 0);
        dts += s.duration;
    }
    assert_false(mp4_cursor_next(&c, &s));
    assert_int_equal(c.dts, t.next_dts);
    assert_int_equal(t.bytes, 999 * 500);
    assert_int_equal(t.least_cts, -2);
    middle.end = 702; /* a copy walks on its own */
    assert_true(mp4_cursor_next(&middle, &s) && s.size == 700 && s.sync);
    assert_true(mp4_cursor_next(&middle, &s) && s.size == 701 && !s.sync);
    assert_false(mp4_cursor_next(&middle, &s));
}

static void time_jumps(void **state)
{
    static const struct {
        const char *name;
        uint64_t to; /* three samples of 10 from 100 on, so that the next is expected at 130 */
        int rc;
        uint32_t last_duration;
    } cases[] = {
        {"none", 130, 0, 10},
        {"gap", 137, 0, 17},
        {"overlap", 121, 0, 1},
        {"overlap of a sample", 120, -1, 0},
        {"before all", 0, -1, 0},
        {"longest gap", 120 + (uint64_t)UINT32_MAX, 0, UINT32_MAX},
        {"too long a gap", 121 + (uint64_t)UINT32_MAX, -1, 0},
        {"out of range", (uint64_t)1 << 62, -1, 0},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_(mp4_samples) struct mp4_samples t = {0};
        struct err err;
        struct mp4_sample s;
        assert_int_equal(mp4_samples_seek(&t, 100, &err), 0);
        for (int n = 0; n < 3; n++)
            add(&t, 1, 10, 0, true);
        if (mp4_samples_seek(&t, cases[i].to, &err) != cases[i].rc)
            fail_msg("%s", cases[i].name);
        if (cases[i].rc < 0)
            continue;
        add(&t, 1, 10, 0, true);
        struct mp4_cursor c = mp4_cursor_of(&t);
        for (int n = 0; n < 3; n++)
            assert_true(mp4_cursor_next(&c, &s));
        assert_int_equal(s.duration, cases[i].last_duration);
        assert_int_equal(c.dts, cases[i].to);
        assert_true(mp4_cursor_next(&c, &s) && s.duration == 10);
    }
}

static void payload_goes_forward(void **state)
{
    (void)state;
    auto_(mp4_samples) struct mp4_samples t = {0};
    struct err err;
    assert_int_equal(mp4_samples_add_payload(&t, 100, 50, &err), 0);
    assert_int_equal(mp4_samples_add_payload(&t, 150, 50, &err), 0); /* joins */
    assert_int_equal(mp4_samples_add_payload(&t, 10, 0, &err), 0);
    assert_int_equal(mp4_samples_add_payload(&t, 300, 1, &err), 0);
    assert_int_equal(mp4_samples_add_payload(&t, 300, 1, &err), -1);
    assert_int_equal(err.code, ERR_UNSUPPORTED_SITE);
    assert_int_equal(mp4_samples_add_payload(&t, UINT64_MAX, 2, &err), -1);
    assert_int_equal(t.payload_count, 2);
    assert_int_equal(t.payloads[0].bytes, 100);
}

static void hostile_tables_end(void **state)
{
    (void)state;
    auto_(mp4_samples) struct mp4_samples t = {0};
    struct err err;
    struct mp4_sample s = {.sync = true};
    for (uint32_t i = 0; i < MP4_SAMPLES_MAX; i++)
        if (mp4_samples_add(&t, &s, &err) < 0)
            fail_msg("only %u samples", i);
    assert_int_equal(mp4_samples_add(&t, &s, &err), -1);
    assert_int_equal(err.code, ERR_UNSUPPORTED_SITE);
    assert_null(t.cts); /* costs nothing while all are 0 */
    assert_null(t.syncs);
}

static void header_and_index_are_read(void **state)
{
    (void)state;
    auto_(synth) struct synth file = {.handler = MP4_VIDE,
                                      .timescale = 12288,
                                      .sample_duration = 512,
                                      .fragment_samples = 10,
                                      .fragments = 3,
                                      .sample_size = 100,
                                      .sync_every = 10,
                                      .has_edit = true,
                                      .empty_ms = 40,
                                      .media_time = 1024};
    auto_(mp4_track) struct mp4_track t = {0};
    struct err err;
    synth_init(&file);
    assert_int_equal(mp4_track_parse(&t, file.head.data, file.head.len, &err), 0);
    assert_int_equal(t.id, 1);
    assert_int_equal(t.handler, MP4_VIDE);
    assert_int_equal(t.timescale, 12288);
    assert_int_equal(t.movie_timescale, 1000);
    assert_int_equal(t.width, 320 << 16);
    assert_true(t.has_edit);
    assert_int_equal(t.empty_duration, 40);
    assert_int_equal(t.media_time, 1024);
    assert_int_equal(t.index.count, 3);
    for (uint32_t f = 0; f < 3; f++) {
        assert_int_equal(t.index.references[f].offset, file.fragment_at[f]);
        assert_int_equal(t.index.references[f].start, f * 5120);
    }
    assert_int_equal(t.index.end, synth_size(&file));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers),
        cmocka_unit_test(boxes_stay_inside),
        cmocka_unit_test(reading_fails_for_good),
        cmocka_unit_test(what_is_counted_is_written),
        cmocka_unit_test(samples_come_back),
        cmocka_unit_test(time_jumps),
        cmocka_unit_test(payload_goes_forward),
        cmocka_unit_test(hostile_tables_end),
        cmocka_unit_test(header_and_index_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
