/* site/description: the private form loses nothing and refuses what it did not write. */
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "site/description.h"

static char *copy(const char *s)
{
    char *out = strdup(s);
    assert_non_null(out);
    return out;
}

/* Every field set, to values that are easily lost. */
static struct description *full(void)
{
    struct description *d = description_new();
    assert_non_null(d);
    d->site = copy("youtube");
    d->id = copy("dQw4w9WgXcQ");
    d->url = copy("https://www.youtube.com/watch?v=dQw4w9WgXcQ");
    d->title = copy("quotes \" \\ and \r\n lines \xe2\x80\xae and \xf0\x9f\x93\x9a");
    d->author = copy("");
    d->duration_ms = UINT64_MAX;
    d->thumbnail = copy("https://i.example/x.jpg?a=1&b=2");
    d->live = true;
    d->engine = copy("youtube:visionos");
    d->expires_unix_s = INT64_MIN;
    d->published = copy("2026-01-31");
    struct format *f = description_add_format(d);
    assert_non_null(f);
    *f = (struct format){
        .id = copy("140-en.4"),
        .kind = FORMAT_MUXED,
        .container = copy("mp4"),
        .mime = copy("video/mp4"),
        .codecs = copy("avc1.42001E,mp4a.40.2"),
        .width = INT_MAX,
        .height = 1,
        .fps = 30000.0 / 1001,
        .bitrate = INT64_MAX,
        .size_bytes = (1ULL << 63) + 1,
        .duration_ms = 1,
        .language = copy("en-GB"),
        .original = true,
        .drc = true,
        .sample_rate = 48000,
        .channels = 2,
        .label = copy("1080p60"),
        .last_modified = 1726396988913358,
        .init = {0, 739},
        .index = {740, UINT64_MAX},
        .url = copy("https://rr1.example/videoplayback?x=%2C"),
        .user_agent = copy("agent (x; y)"),
        .upscaled = true,
        .headers = copy("Referer: https://x.example/\n"),
    };
    f = description_add_format(d);
    assert_non_null(f);
    *f = (struct format){.id = copy("1"),
                         .container = copy(""),
                         .mime = copy(""),
                         .codecs = copy(""),
                         .label = copy(""),
                         .url = copy("")};
    struct subtitle *s = description_add_subtitle(d);
    assert_non_null(s);
    *s = (struct subtitle){copy("en"), copy("English (auto-generated)"), true, copy("https://x.example/tt")};
    struct chapter *c = description_add_chapter(d);
    assert_non_null(c);
    *c = (struct chapter){UINT64_MAX, copy("The \"end\"")};
    struct storyboard *b = description_add_storyboard(d);
    assert_non_null(b);
    *b = (struct storyboard){160, 90, 5, 4, 101, 2000, copy("https://x.example/M$M.jpg")};
    return d;
}

static void nothing_is_lost(void **state)
{
    (void)state;
    auto_ptr(description) struct description *d = full();
    auto_ptr(description) struct description *back = NULL;
    auto_(buf) struct buf json = BUF_INIT(65536);
    struct err err;
    assert_int_equal(description_serialise(d, &json), 0);
    if (description_parse(&back, buf_str(&json), json.len, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(back->title, d->title);
    assert_string_equal(back->author, "");
    assert_string_equal(back->published, "2026-01-31");
    assert_true(back->duration_ms == UINT64_MAX && back->expires_unix_s == INT64_MIN && back->live);
    assert_int_equal(back->format_count, 2);
    assert_int_equal(back->subtitle_count, 1);
    const struct format *f = description_format(back, "140-en.4");
    const struct format *was = &d->formats[0];
    assert_non_null(f);
    assert_int_equal(f->kind, FORMAT_MUXED);
    assert_string_equal(f->codecs, was->codecs);
    assert_string_equal(f->language, "en-GB");
    assert_string_equal(f->user_agent, was->user_agent);
    assert_string_equal(f->url, was->url);
    assert_true(f->width == INT_MAX && f->height == 1 && f->fps == was->fps);
    assert_true(f->bitrate == INT64_MAX && f->size_bytes == (1ULL << 63) + 1 && f->duration_ms == 1);
    assert_true(f->original && f->drc && f->sample_rate == 48000 && f->channels == 2);
    assert_true(f->last_modified == 1726396988913358);
    assert_true(f->init.start == 0 && f->init.end == 739);
    assert_true(f->index.start == 740 && f->index.end == UINT64_MAX);
    assert_null(back->formats[1].language);
    assert_null(back->formats[1].user_agent);
    assert_null(back->formats[1].headers);
    assert_true(f->upscaled && !back->formats[1].upscaled);
    assert_string_equal(f->headers, "Referer: https://x.example/\n");
    assert_int_equal(back->chapter_count, 1);
    assert_true(back->chapters[0].start_ms == UINT64_MAX);
    assert_string_equal(back->chapters[0].title, "The \"end\"");
    assert_int_equal(back->storyboard_count, 1);
    assert_true(back->storyboards[0].columns == 5 && back->storyboards[0].count == 101);
    assert_true(back->storyboards[0].interval_ms == 2000);
    assert_string_equal(back->storyboards[0].url, "https://x.example/M$M.jpg");
    assert_null(description_format(back, "140"));
    assert_true(back->subtitles[0].is_auto);
    assert_string_equal(back->subtitles[0].label, "English (auto-generated)");

    auto_(buf) struct buf again = BUF_INIT(65536);
    assert_int_equal(description_serialise(back, &again), 0);
    assert_string_equal(buf_str(&json), buf_str(&again));
}

static void texts_are_cleaned_and_cut(void **state)
{
    (void)state;
    static const struct {
        const char *name, *in;
        size_t max;
        const char *out;
    } cases[] = {
        {"as it is", "a b", 9, "a b"},
        {"empty", "", 9, ""},
        {"bad byte", "a\xff", 9, "a\xef\xbf\xbd"},
        {"cut", "abcdef", 3, "abc"},
        {"cut between characters", "a\xc3\xbc\xc3\xbc", 4, "a\xc3\xbc"},
        {"no room for the replacement", "a\xff", 3, "a"},
        {"surrogate", "\xed\xa0\x80", 9, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    };
    char *text = NULL;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(description_set_text(&text, cases[i].in, strlen(cases[i].in), cases[i].max), 0);
        if (strcmp(text, cases[i].out) != 0)
            fail_msg("%s: \"%s\"", cases[i].name, text);
    }
    free(text);
}

static void lines_have_no_controls(void **state)
{
    (void)state;
    static const struct {
        const char *name, *in;
        size_t max;
        const char *out;
    } cases[] = {
        {"as it is", "a b", 9, "a b"},
        {"line break", "a\r\nX: b", 9, "a X: b"},
        {"around", " \t a \n", 9, "a"},
        {"nothing left", "\r\n\x7f", 9, ""},
        {"C1", "a\xc2\x85z", 9, "a z"},
        {"line separator", "a\xe2\x80\xa8z", 9, "a z"},
        {"right to left stays", "a\xe2\x80\xaez", 9, "a\xe2\x80\xaez"},
        {"bad byte", "a\xffz", 9, "a\xef\xbf\xbdz"},
        {"cut before the space", "ab  c", 3, "ab"},
        {"cut after it", "ab  c", 4, "ab c"},
    };
    char *text = NULL;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(description_set_line(&text, cases[i].in, strlen(cases[i].in), cases[i].max), 0);
        if (strcmp(text, cases[i].out) != 0)
            fail_msg("%s: \"%s\"", cases[i].name, text);
    }
    free(text);
}

static void rows_are_limited(void **state)
{
    (void)state;
    auto_ptr(description) struct description *d = description_new();
    for (int i = 0; i < 512; i++) {
        char id[16];
        struct format *f = description_add_format(d);
        assert_non_null(f);
        assert_null(f->id);
        (void)snprintf(id, sizeof id, "%d", i);
        f->id = copy(id);
    }
    assert_null(description_add_format(d));
    assert_int_equal(d->format_count, 512);
    assert_ptr_equal(description_format(d, "511"), &d->formats[511]);
    assert_non_null(description_add_subtitle(d));
}

static void unwritable(void **state)
{
    (void)state;
    auto_ptr(description) struct description *d = full();
    auto_(buf) struct buf small = BUF_INIT(100);
    assert_int_equal(description_serialise(d, &small), -1);
    free(d->title);
    d->title = NULL;
    auto_(buf) struct buf form = BUF_INIT(65536);
    assert_int_equal(description_serialise(d, &form), -1);
}

static void expect_refusal(const char *name, const struct buf *form, size_t len)
{
    struct description *back = NULL;
    struct err err = {.code = ERR_OK};
    char *exact = malloc(len ? len : 1); /* so that the sanitizer sees a read past the end */
    assert_non_null(exact);
    if (len)
        memcpy(exact, form->data, len);
    if (description_parse(&back, exact, len, &err) == 0)
        fail_msg("%s: accepted", name);
    free(exact);
    assert_null(back);
    assert_int_equal(err.code, ERR_INTERNAL);
}

static void damaged_input_is_refused(void **state)
{
    (void)state;
    auto_ptr(description) struct description *d = full();
    auto_(buf) struct buf form = BUF_INIT(65536);
    assert_int_equal(description_serialise(d, &form), 0);
    size_t whole = form.len;
    for (size_t len = 0; len < whole; len++)
        expect_refusal("truncated", &form, len);
    assert_int_equal(buf_addc(&form, '\0'), 0);
    expect_refusal("one byte more", &form, whole + 1);
    static const struct {
        const char *name, *text; /* where `text` stands … */
        int at;                  /* … and so many bytes from its beginning, */
        char byte;               /* this byte */
    } damages[] = {
        {"another version", "sluice media", 13, '9'},
        {"more formats than there are", "sluice media", 16, 3},
        {"a million formats", "sluice media", 18, 16},
        {"fewer formats", "sluice media", 16, 1},
        {"a text that is no UTF-8", "1080p60", 0, '\xff'},
        {"a text with a NUL", "1080p60", 3, '\0'},
        {"a text longer than the form", "1080p60", -2, '\x7f'},
        {"NULL for a text that must be there", "1080p60", -4, 0},
        {"an unknown kind", "140-en.4", 8, 3},
        {"a truth value of 2", "en-GB", 5, 2},
        {"a negative count", "en-GB", 10, '\xff'},
    };
    for (size_t i = 0; i < ARRAY_LEN(damages); i++) {
        auto_(buf) struct buf bad = BUF_INIT(65536);
        assert_int_equal(buf_add(&bad, form.data, whole), 0);
        char *at = memmem(bad.data, whole, damages[i].text, strlen(damages[i].text));
        assert_non_null(at);
        at[damages[i].at] = damages[i].byte;
        expect_refusal(damages[i].name, &bad, whole);
    }
}

static void numbers_that_are_none(void **state)
{
    (void)state;
    auto_ptr(description) struct description *d = full();
    auto_(buf) struct buf form = BUF_INIT(65536);
    d->formats[0].fps = (double)NAN;
    assert_int_equal(description_serialise(d, &form), 0);
    expect_refusal("not a number", &form, form.len);
}

static void days(void **state)
{
    (void)state;
    static const struct {
        const char *text, *day; /* NULL: none */
    } cases[] = {
        {"2026-01-31", "2026-01-31"},
        {"2026-01-31T09:15:00-08:00", "2026-01-31"},
        {"20260131", "2026-01-31"},
        {"20260131235959", "2026-01-31"},
        {"2026-1-31", NULL},
        {"2026-13-01", NULL},
        {"2026-00-01", NULL},
        {"2026-01-32", NULL},
        {"0000-01-01", NULL},
        {"9999-01-01", NULL},
        {"2026-01-3", NULL},
        {"2026013", NULL},
        {"2026/01/31", NULL},
        {"-026-01-31", NULL},
        {"31 January 2026", NULL},
        {"", NULL},
        {NULL, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_ptr(description) struct description *d = description_new();
        assert_int_equal(description_set_day(d, cases[i].text), 0);
        if (cases[i].day ? !d->published || strcmp(d->published, cases[i].day) != 0 : d->published != NULL)
            fail_msg("%s: %s", cases[i].text, d->published);
    }
    auto_ptr(description) struct description *d = description_new();
    assert_int_equal(description_set_day_of(d, 0), 0);
    assert_int_equal(description_set_day_of(d, INT64_MAX), 0);
    assert_null(d->published);
    assert_int_equal(description_set_day_of(d, 1767225600), 0);
    assert_string_equal(d->published, "2026-01-01");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(days),
        cmocka_unit_test(nothing_is_lost),
        cmocka_unit_test(texts_are_cleaned_and_cut),
        cmocka_unit_test(lines_have_no_controls),
        cmocka_unit_test(rows_are_limited),
        cmocka_unit_test(unwritable),
        cmocka_unit_test(damaged_input_is_refused),
        cmocka_unit_test(numbers_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
