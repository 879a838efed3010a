/* media/subtitle: WebVTT as sites and enemies write it, and what becomes of it as SubRip and WebVTT;
 * media/mp4_text: and as a track. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "media/mp4_text.h"
#include "media/subtitle.h"

enum { OUT_MAX = 64 << 20 };

#define T "00:00:01.000 --> 00:00:02.000"

/* "start-end text|text;…", a newline inside a text as '/'. */
static void describe(const struct subtitle_cues *cues, struct buf *out)
{
    for (size_t i = 0; i < cues->count; i++) {
        const struct subtitle_cue *c = &cues->list[i];
        (void)buf_addf(out, "%s%llu-%llu ", i ? ";" : "", (unsigned long long)c->start_ms,
                       (unsigned long long)c->end_ms);
        for (size_t k = 0; k < c->len; k++) {
            char b = cues->text.data[c->text + k];
            (void)buf_addc(out, b == '\n' ? '/' : b);
        }
    }
}

static void reads(void **state)
{
    static const struct {
        const char *name, *vtt, *cues;
    } cases[] = {
        {"nothing but the signature", "WEBVTT", ""},
        {"a title and headers", "WEBVTT - a film\nKind: captions\nLanguage: en\n\n" T "\nOne\n",
         "1000-2000 One"},
        {"byte order mark", "\xef\xbb\xbfWEBVTT\n\n" T "\nOne", "1000-2000 One"},
        {"CRLF", "WEBVTT\r\n\r\n" T "\r\nOne\r\nTwo\r\n\r\n", "1000-2000 One/Two"},
        {"CR", "WEBVTT\r\r" T "\rOne\rTwo\r\r", "1000-2000 One/Two"},
        {"no empty line before the first cue", "WEBVTT\n" T "\nOne\n", "1000-2000 One"},
        {"identifiers", "WEBVTT\n\n1\n" T "\nOne\n\nintro\n00:03.000 --> 00:04.500\nTwo\n",
         "1000-2000 One;3000-4500 Two"},
        {"settings", "WEBVTT\n\n" T " align:start position:0% line:-1\nOne\n", "1000-2000 One"},
        {"hours of four digits", "WEBVTT\n\n1000:00:00.000 --> 1000:00:00.001\nOne\n",
         "3600000000-3600000001 One"},
        {"tabs around the arrow", "WEBVTT\n\n\t00:01.000\t-->\t00:02.000\t\nOne\n", "1000-2000 One"},
        {"no space around the arrow", "WEBVTT\n\n00:01.000-->00:02.000\nOne\n", "1000-2000 One"},
        {"notes, styles and regions",
         "WEBVTT\n\nSTYLE\n::cue { color: red }\n\nREGION\nid:a\n\nNOTE\nto myself\nand more\n\n" T
         "\nOne\n\nNOTE last\n",
         "1000-2000 One"},
        {"a cue without an empty line after it", "WEBVTT\n\n" T "\nOne\n00:03.000 --> 00:04.000\nTwo\n",
         "1000-2000 One;3000-4000 Two"},
        {"tags", "WEBVTT\n\n" T "\n<v Bob>Hi <b.loud><i>you</i></b> <ruby>a<rt>b</rt></ruby></v>\n",
         "1000-2000 Hi you ab"},
        {"words timed", "WEBVTT\n\n" T "\nso<00:00:01.200><c> to</c><00:00:01.400><c.x>day</c>\n",
         "1000-2000 so today"},
        {"a tag over two lines", "WEBVTT\n\n" T "\na<v\nBob>b\n", "1000-2000 ab"},
        {"a tag that never ends", "WEBVTT\n\n" T "\na <b\nmore\n\n00:03.000 --> 00:04.000\nTwo\n",
         "1000-2000 a;3000-4000 Two"},
        {"entities", "WEBVTT\n\n" T "\n&lt;b&gt; &amp;lt; &quot;&apos;&#65;&#x42;&#X43;&nbsp;.\n",
         "1000-2000 <b> &lt; \"'ABC ."},
        {"no entities", "WEBVTT\n\n" T "\nR&D & &foo; &; &#; &#x; &#12x; &lt\n",
         "1000-2000 R&D & &foo; &; &#; &#x; &#12x; &lt"},
        {"entities of what is no character",
         "WEBVTT\n\n" T "\n&#0;&#xd800;&#1114112;&#99999999;&#7;&#127;&#10;&#13;.\n",
         "1000-2000 \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd ."},
        {"a lone emoji as a number", "WEBVTT\n\n" T "\n&#x1f600;&#233;&#8364;\n",
         "1000-2000 \xf0\x9f\x98\x80\xc3\xa9\xe2\x82\xac"},
        {"bytes that are not UTF-8", "WEBVTT\n\n" T "\na\xff\xc3(\xed\xa0\x80z\n",
         "1000-2000 a\xef\xbf\xbd\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz"},
        {"control characters",
         "WEBVTT\n\n" T "\na\x01\x1b[31m\x7f\xc2\x9b"
         "b\tc\n",
         "1000-2000 a[31mb c"},
        {"no text", "WEBVTT\n\n" T "\n\n00:03.000 --> 00:04.000\n \n&nbsp;\n<b></b>\n", ""},
        {"times that are none",
         "WEBVTT\n\n1:00.000 --> 00:02.000\na\n\n00:01,000 --> 00:02,000\nb\n\n00:01.00 --> 00:02.000\nc\n\n"
         "00:61.000 --> 00:62.000\nd\n\n60:00.000 --> 61:00.000\ne\n\n00:01.000 -> 00:02.000\nf\n\n"
         "-->\ng\n\n00:01.000 -->\nh\n\n00:60:00.000 --> 01:00:01.000\ni\n\n"
         "99999:00:00.000 --> 99999:00:01.000\nj\n",
         ""},
        {"ends before it begins", "WEBVTT\n\n00:02.000 --> 00:01.000\na\n\n00:02.000 --> 00:02.000\nb\n", ""},
        {"out of order", "WEBVTT\n\n00:05.000 --> 00:06.000\nc\n\n" T "\na\n\n" T "\nb\n\n",
         "1000-2000 a;1000-2000 b;5000-6000 c"},
        {"captions that roll",
         "WEBVTT\n\n00:00.000 --> 00:02.550 align:start\n \nso<00:00:00.480><c> today</c>\n\n"
         "00:02.550 --> 00:02.560\nso today\n \n\n"
         "00:02.560 --> 00:05.000\nso today\nwe<00:00:03.000><c> go</c>\n\n"
         "00:05.000 --> 00:05.010\nwe go\n \n",
         "0-2560 so today;2560-5010 we go"},
        {"said twice, with a pause", "WEBVTT\n\n" T "\nNo.\n\n00:03.000 --> 00:04.000\nNo.\n",
         "1000-2000 No.;3000-4000 No."},
        {"the first of two lines stays", "WEBVTT\n\n" T "\n- a\n- b\n\n00:02.000 --> 00:03.000\n- a\n- c\n",
         "1000-2000 - a/- b;2000-3000 - a/- c"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        auto_(subtitle_cues) struct subtitle_cues cues = {0};
        auto_(buf) struct buf got = BUF_INIT(OUT_MAX);
        if (subtitle_parse_vtt(&cues, cases[i].vtt, strlen(cases[i].vtt), &err) < 0)
            fail_msg("%s: %s", cases[i].name, err.text);
        describe(&cues, &got);
        if (strcmp(buf_str(&got), cases[i].cues) != 0)
            fail_msg("%s: %s", cases[i].name, buf_str(&got));
    }
}

static void refuses(void **state)
{
    static const char *const cases[] = {
        "",        "W",        "webvtt",          "WEBVTT2\n\n",
        " WEBVTT", "\nWEBVTT", "<!doctype html>", "1\n00:00:01,000 --> 00:00:02,000\nOne",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        auto_(subtitle_cues) struct subtitle_cues cues = {0};
        if (subtitle_parse_vtt(&cues, cases[i], strlen(cases[i]), &err) == 0)
            fail_msg("accepted: %s", cases[i]);
        assert_int_equal(err.code, ERR_UPSTREAM_FAILED);
    }
}

static void writes(void **state)
{
    static const char vtt[] = "WEBVTT\n\n01:02:03.004 --> 01:02:03.050\nOne\n<i>Two</i>\n\n"
                              "101:00:00.000 --> 101:00:01.000\n&lt;script&gt; &amp; 00:01 --&gt; ---&gt;\n";
    static const char srt[] = "1\n01:02:03,004 --> 01:02:03,050\nOne\nTwo\n\n"
                              "2\n101:00:00,000 --> 101:00:01,000\n<script> & 00:01 -- > --- >\n\n";
    static const char clean[] = "WEBVTT\n\n01:02:03.004 --> 01:02:03.050\nOne\nTwo\n\n"
                                "101:00:00.000 --> 101:00:01.000\n"
                                "&lt;script&gt; &amp; 00:01 --&gt; ---&gt;\n\n";
    struct err err;
    auto_(subtitle_cues) struct subtitle_cues cues = {0};
    auto_(subtitle_cues) struct subtitle_cues again = {0};
    auto_(buf) struct buf out = BUF_INIT(OUT_MAX);
    auto_(buf) struct buf small = BUF_INIT(20);
    (void)state;
    assert_int_equal(subtitle_parse_vtt(&cues, vtt, sizeof vtt - 1, &err), 0);
    assert_int_equal(subtitle_write_srt(&cues, &out), 0);
    assert_string_equal(buf_str(&out), srt);
    buf_clear(&out);
    assert_int_equal(subtitle_write_vtt(&cues, &out), 0);
    assert_string_equal(buf_str(&out), clean);
    assert_int_equal(subtitle_parse_vtt(&again, out.data, out.len, &err), 0);
    buf_clear(&out);
    assert_int_equal(subtitle_write_vtt(&again, &out), 0);
    assert_string_equal(buf_str(&out), clean);
    assert_int_equal(subtitle_write_srt(&cues, &small), -1);
}

static void long_text_is_cut_between_characters(void **state)
{
    struct err err;
    auto_(buf) struct buf vtt = BUF_INIT(OUT_MAX);
    auto_(subtitle_cues) struct subtitle_cues cues = {0};
    (void)state;
    (void)buf_adds(&vtt, "WEBVTT\n\n" T "\na");
    for (int i = 0; i < 100000; i++)
        (void)buf_adds(&vtt, "\xe2\x82\xac");
    (void)buf_adds(&vtt, "\n\n00:03.000 --> 00:04.000\nTwo\n");
    assert_int_equal(subtitle_parse_vtt(&cues, vtt.data, vtt.len, &err), 0);
    assert_int_equal(cues.count, 2);
    assert_int_equal(cues.list[0].len, SUBTITLE_CUE_TEXT_MAX); /* 1 + 3 * 1365 */
    assert_memory_equal(cues.text.data + cues.list[1].text, "Two", 3);
}

static void too_much_is_refused(void **state)
{
    struct err err;
    auto_(buf) struct buf vtt = BUF_INIT(OUT_MAX);
    auto_(subtitle_cues) struct subtitle_cues many = {0};
    auto_(subtitle_cues) struct subtitle_cues large = {0};
    (void)state;
    (void)buf_adds(&vtt, "WEBVTT\n\n");
    for (int i = 0; i <= SUBTITLE_CUES_MAX; i++)
        (void)buf_adds(&vtt, "00:00.000-->00:01.000\n.\n");
    assert_int_equal(subtitle_parse_vtt(&many, vtt.data, vtt.len, &err), -1);
    assert_int_equal(err.code, ERR_UPSTREAM_FAILED);
    while (vtt.len <= SUBTITLE_BYTES_MAX)
        (void)buf_adds(&vtt, "NOTE more\n\n");
    assert_int_equal(subtitle_parse_vtt(&large, vtt.data, vtt.len, &err), -1);
    assert_int_equal(err.code, ERR_UPSTREAM_FAILED);
}

static void languages_are_packed(void **state)
{
    static const struct {
        const char *tag, *code;
    } cases[] = {
        {"en", "eng"},  {"de-AT", "deu"},   {"zh-Hans", "zho"}, {"pt_BR", "por"}, {"EN", "eng"},
        {"fil", "fil"}, {"iw", "heb"},      {"zu", "zul"},      {"aa", "aar"},    {"", "und"},
        {"e", "und"},   {"xx", "und"},      {"e1", "und"},      {"1a2", "und"},   {"english", "und"},
        {"-en", "und"}, {"sr-Latn", "srp"}, {"yue-HK", "yue"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        unsigned packed = mp4_language(cases[i].tag);
        char code[4] = {(char)(packed >> 10 | 0x60), (char)((packed >> 5 & 31) | 0x60),
                        (char)((packed & 31) | 0x60), 0};
        if (strcmp(code, cases[i].code) != 0)
            fail_msg("%s: %s", cases[i].tag, code);
    }
}

/* What is shown when, of cues that overlap, as "duration text|…". */
static void a_track_has_no_gaps(void **state)
{
    static const struct {
        const char *name, *vtt;
        uint64_t start_ms, end_ms;
        const char *samples;
    } cases[] = {
        {"no cue", "WEBVTT\n", 1000, 4000, "3000:|"},
        {"between silences", "WEBVTT\n\n00:01.000-->00:02.000\na\n", 0, 3000, "1000:|1000:a|1000:|"},
        {"from the first moment to the last", "WEBVTT\n\n00:01.000-->00:02.000\na\n", 1000, 2000, "1000:a|"},
        {"cut on both sides", "WEBVTT\n\n00:01.000-->00:05.000\na\n", 2000, 3000, "1000:a|"},
        {"over before, and after", "WEBVTT\n\n00:01.000-->00:02.000\na\n\n00:08.000-->00:09.000\nb\n", 2000,
         8000, "6000:|"},
        {"one after the other", "WEBVTT\n\n00:00.000-->00:01.000\na\n00:01.000-->00:02.000\nb\n", 0, 2000,
         "1000:a|1000:b|"},
        {"one within another", "WEBVTT\n\n00:00.000-->00:09.000\na\n00:01.000-->00:02.000\nb\n", 0, 10000,
         "1000:a|1000:a/b|7000:a|1000:|"},
        {"more than are shown at once",
         "WEBVTT\n\n00:00.000-->00:09.000\na\n00:01.000-->00:09.000\nb\n00:02.000-->00:09.000\nc\n"
         "00:03.000-->00:09.000\nd\n00:04.000-->00:09.000\ne\n",
         0, 9000, "1000:a|1000:a/b|1000:a/b/c|1000:a/b/c/d|5000:b/c/d/e|"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err;
        struct mp4_sample s;
        size_t at = 0;
        auto_(subtitle_cues) struct subtitle_cues cues = {0};
        auto_(mp4_text) struct mp4_text text = {0};
        auto_(buf) struct buf got = BUF_INIT(OUT_MAX);
        struct mp4_text_opts opts = {&cues, "en", cases[i].start_ms, cases[i].end_ms};
        assert_int_equal(subtitle_parse_vtt(&cues, cases[i].vtt, strlen(cases[i].vtt), &err), 0);
        assert_int_equal(mp4_text_make(&text, &opts, &err), 0);
        struct mp4_cursor c = mp4_cursor_of(&text.samples);
        assert_int_equal(c.dts, cases[i].start_ms);
        for (; mp4_cursor_next(&c, &s); at += s.size) {
            const unsigned char *p = (const unsigned char *)text.bytes.data + at;
            assert_int_equal(s.size, 2 + (p[0] << 8 | p[1]));
            (void)buf_addf(&got, "%u:", s.duration);
            for (size_t k = 2; k < s.size; k++)
                (void)buf_addc(&got, p[k] == '\n' ? '/' : (char)p[k]);
            (void)buf_addc(&got, '|');
        }
        assert_int_equal(c.dts, cases[i].end_ms);
        if (strcmp(buf_str(&got), cases[i].samples) != 0)
            fail_msg("%s: %s", cases[i].name, buf_str(&got));
    }
}

static void a_track_has_limits(void **state)
{
    static const struct {
        const char *name;
        uint64_t start_ms, end_ms;
    } cases[] = {
        {"no time", 5, 5},
        {"backwards", 6, 5},
        {"over 49 days", 0, (uint64_t)UINT32_MAX + 1},
        {"beyond all times", UINT64_MAX - 9, UINT64_MAX},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        struct subtitle_cues none = {0};
        auto_(mp4_text) struct mp4_text text = {0};
        struct mp4_text_opts opts = {&none, "en", cases[i].start_ms, cases[i].end_ms};
        if (mp4_text_make(&text, &opts, &err) == 0)
            fail_msg("accepted: %s", cases[i].name);
        assert_int_equal(err.code, ERR_UNSUPPORTED_SITE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads),
        cmocka_unit_test(refuses),
        cmocka_unit_test(writes),
        cmocka_unit_test(long_text_is_cut_between_characters),
        cmocka_unit_test(too_much_is_refused),
        cmocka_unit_test(languages_are_packed),
        cmocka_unit_test(a_track_has_no_gaps),
        cmocka_unit_test(a_track_has_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
