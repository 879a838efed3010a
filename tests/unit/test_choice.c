/* serve/choice: what can be asked for, and what each wish leads to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "serve/choice.h"

static char *copy(const char *s)
{
    char *c = strdup(s);
    assert_non_null(c);
    return c;
}

static void add(struct description *d, const char *id, enum format_kind kind, int height, uint64_t size)
{
    struct format *f = description_add_format(d);
    assert_non_null(f);
    f->id = copy(id);
    f->kind = kind;
    f->container = copy(kind == FORMAT_AUDIO ? "m4a" : "mp4");
    f->mime = copy(kind == FORMAT_AUDIO ? "audio/mp4" : "video/mp4");
    f->codecs = copy(kind == FORMAT_AUDIO ? "mp4a.40.2" : "avc1.640028");
    f->label = copy("");
    f->height = height;
    f->size_bytes = size;
}

static struct description *sample(void)
{
    struct description *d = description_new();
    assert_non_null(d);
    add(d, "137", FORMAT_VIDEO, 1080, 1000);
    add(d, "18", FORMAT_MUXED, 360, 500);
    add(d, "22", FORMAT_MUXED, 720, 800);
    add(d, "140", FORMAT_AUDIO, 0, 100);
    free(d->formats[3].container); /* nothing that goes into an MP4 with the picture */
    d->formats[3].container = copy("aac");
    return d;
}

/* Files whose parts nobody names are put together by libav; one whose parts are named is better. */
static void picture_and_sound_apart(void **state)
{
    (void)state;
    auto_ptr(description) struct description *d = description_new();
    struct choice *list = NULL;
    size_t count = 0;
    size_t merged = 0;
    struct err err = {0};
    add(d, "v", FORMAT_VIDEO, 1080, 1000);
    add(d, "a", FORMAT_AUDIO, 0, 100);
    assert_int_equal(choice_list(d, &list, &count, &err), 0);
    assert_string_equal(list[0].id, "1080p-mp4");
    assert_int_equal(list[0].make, CHOICE_MP4);
    assert_int_equal(list[0].size_bytes, 1100);
    assert_false(list[0].size_exact);
    free(list);
    for (size_t i = 0; i < 2; i++) {
        d->formats[i].init.end = 10;
        d->formats[i].index = (struct byte_range){11, 20};
    }
    add(d, "v2", FORMAT_VIDEO, 1080, 2000);
    add(d, "a2", FORMAT_AUDIO, 0, 200);
    assert_int_equal(choice_list(d, &list, &count, &err), 0);
    for (size_t i = 0; i < count; i++)
        merged += strcmp(list[i].id, "1080p-mp4") == 0;
    assert_int_equal(merged, 1);
    assert_int_equal(list[0].make, CHOICE_SPLICE);
    free(list);
}

static void wishes(void **state)
{
    (void)state;
    static const struct {
        const char *wanted, *id; /* NULL: no such choice */
    } cases[] = {
        {"muxed-18", "muxed-18"},
        {"format-137", "format-137"},
        {"format-140", "format-140"},
        {"format-18", "muxed-18"},
        {"best", "muxed-22"},
        {"audio", "format-140"},
        {"<=720p", "muxed-22"},
        {"<=719p", "muxed-18"},
        {"<=360p", "muxed-18"},
        {"<=359p", NULL},
        {"<=p", NULL},
        {"<=", NULL},
        {"<=-1p", NULL},
        {"<=99999999999999p", NULL},
        {"", NULL},
        {"137", NULL},
        {"format-", NULL},
        {"muxed-137", NULL},
        {"Best", NULL},
        {"<=720", NULL},
        {"format-137 ", NULL},
    };
    auto_ptr(description) struct description *d = sample();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct choice c;
        struct err err = {0};
        int rc = choice_find(d, cases[i].wanted, NULL, &c, &err);
        if (rc != (cases[i].id ? 0 : -1))
            fail_msg("%s: %d", cases[i].wanted, rc);
        if (cases[i].id)
            assert_string_equal(c.id, cases[i].id);
        else
            assert_int_equal(err.code, ERR_NO_SUCH_CHOICE);
    }
}

static void never_silently_higher(void **state)
{
    (void)state;
    auto_ptr(description) struct description *d = sample();
    for (int most = 1; most <= 1100; most++) {
        char wanted[16];
        struct choice c;
        struct err err = {0};
        (void)snprintf(wanted, sizeof wanted, "<=%dp", most);
        if (choice_find(d, wanted, NULL, &c, &err) == 0)
            assert_in_range(c.height, 1, most);
    }
}

static void list_has_complete_files_first(void **state)
{
    (void)state;
    auto_ptr(description) struct description *d = sample();
    struct choice *list = NULL;
    size_t count = 0;
    struct err err = {0};
    assert_int_equal(choice_list(d, &list, &count, &err), 0);
    assert_int_equal(count, 4 + 4); /* and the sound as MP3 */
    assert_int_equal(list[0].kind, FORMAT_MUXED);
    assert_int_equal(list[1].kind, FORMAT_MUXED);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = i + 1; k < count; k++)
            assert_string_not_equal(list[i].id, list[k].id);
    }
    free(list);
}

static void a_sound_file_is_its_own_best(void **state)
{
    (void)state;
    auto_ptr(description) struct description *d = description_new();
    struct choice c;
    struct err err = {0};
    add(d, "source", FORMAT_AUDIO, 0, 0);
    assert_int_equal(choice_find(d, "best", NULL, &c, &err), 0);
    assert_string_equal(c.id, "format-source");
    assert_int_equal(choice_find(d, "<=720p", NULL, &c, &err), -1);
    assert_int_equal(choice_find(d, "audio", NULL, &c, &err), 0);
    assert_string_equal(c.id, "format-source");
    auto_ptr(description) struct description *empty = description_new();
    assert_int_equal(choice_find(empty, "best", NULL, &c, &err), -1);
    assert_int_equal(choice_find(empty, "audio", NULL, &c, &err), -1);
}

static void preselection(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct choice list[4];
        int expected; /* -1: none */
    } cases[] = {
        {"nothing", {{0}}, -1},
        {"1080p before 720p and 2160p",
         {{.kind = FORMAT_MUXED, .container = "mp4", .height = 2160},
          {.kind = FORMAT_MUXED, .container = "mp4", .height = 1080},
          {.kind = FORMAT_MUXED, .container = "mp4", .height = 720}},
         1},
        {"only more than is usual: the least of it",
         {{.kind = FORMAT_MUXED, .container = "mp4", .height = 4320},
          {.kind = FORMAT_MUXED, .container = "mp4", .height = 1440},
          {.kind = FORMAT_MUXED, .container = "mp4", .height = 2160}},
         1},
        {"sound before height",
         {{.kind = FORMAT_VIDEO, .container = "mp4", .height = 1080},
          {.kind = FORMAT_MUXED, .container = "mp4", .height = 360}},
         1},
        {"MP4 of two equals",
         {{.kind = FORMAT_MUXED, .container = "webm", .height = 720},
          {.kind = FORMAT_MUXED, .container = "mp4", .height = 720}},
         1},
        {"height before MP4",
         {{.kind = FORMAT_MUXED, .container = "webm", .height = 720},
          {.kind = FORMAT_MUXED, .container = "mp4", .height = 360}},
         0},
        {"the first of equals",
         {{.kind = FORMAT_AUDIO, .container = "m4a"}, {.kind = FORMAT_AUDIO, .container = "m4a"}},
         0},
        {"a picture without sound before sound",
         {{.kind = FORMAT_AUDIO, .container = "m4a"},
          {.kind = FORMAT_VIDEO, .container = "mp4", .height = 144}},
         1},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t count = 0;
        while (count < ARRAY_LEN(cases[i].list) && cases[i].list[count].container)
            count++;
        const struct choice *c = choice_preselect(cases[i].list, count);
        if ((c ? (int)(c - cases[i].list) : -1) != cases[i].expected)
            fail_msg("%s", cases[i].name);
    }
}

static void sources_are_compared(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *id;
        uint64_t size, version;
        size_t count;
        bool same;
    } cases[] = {
        {"nothing changed", "140", 10, 7, 2, true}, {"another format", "141", 10, 7, 2, false},
        {"another size", "140", 11, 7, 2, false},   {"another version", "140", 10, 8, 2, false},
        {"fewer", "140", 10, 7, 1, false},
    };
    char ids[2][4] = {"137", "140"};
    char urls[2][24] = {"https://old.example/", "https://new.example/"};
    struct format picture = {.id = ids[0], .size_bytes = 100, .last_modified = 5};
    struct format sound = {.id = ids[1], .size_bytes = 10, .last_modified = 7, .url = urls[0]};
    const struct choice was = {.make = CHOICE_SPLICE, .formats = {&picture, &sound}, .format_count = 2};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct format now = sound;
        char id[4];
        (void)snprintf(id, sizeof id, "%s", cases[i].id);
        now.id = id;
        now.size_bytes = cases[i].size;
        now.last_modified = cases[i].version;
        now.url = urls[1];
        struct choice is = {
            .make = CHOICE_SPLICE, .formats = {&picture, &now}, .format_count = cases[i].count};
        if (choice_same_sources(&was, &is) != cases[i].same)
            fail_msg("%s", cases[i].name);
        is.make = CHOICE_AS_IS;
        assert_false(choice_same_sources(&was, &is));
    }
}

static struct format *add_track(struct description *d, const char *id, enum format_kind kind, int height,
                                const char *container)
{
    add(d, id, kind, height, 1000000);
    struct format *f = &d->formats[d->format_count - 1];
    free(f->container);
    free(f->codecs);
    bool webm = strcmp(container, "webm") == 0;
    f->container = copy(container);
    f->codecs = copy(kind == FORMAT_AUDIO ? (webm ? "opus" : "mp4a.40.2") : webm ? "vp9" : "avc1.640028");
    f->init.end = 700;
    f->index.start = 701;
    f->index.end = 1200;
    f->duration_ms = 219010;
    f->sample_rate = kind == FORMAT_AUDIO ? (webm ? 48000 : 44100) : 0;
    f->bitrate = kind == FORMAT_AUDIO ? (webm ? 140000 : 130000) : 1000000;
    return f;
}

/* What libav makes: from which formats, and what is promised of it. */
static void made_files(void **state)
{
    (void)state;
    static const struct {
        const char *wanted, *formats, *container;
        enum choice_make make;
        uint64_t size; /* 0: not exact */
    } cases[] = {
        {"1080p-mp4", "137,140", "mp4", CHOICE_SPLICE, 0},
        {"1080p-webm", "248,251", "webm", CHOICE_WEBM, 0},
        {"720p-webm", "247,251", "webm", CHOICE_WEBM, 0},
        {"audio-m4a", "140", "m4a", CHOICE_SPLICE, 0},
        {"audio-opus", "251", "opus", CHOICE_OGG, 0},
        /* 219.011 s at 48 kHz: 9,128 frames of 960 bytes, one of them Info; and the tag */
        {"audio-mp3-320", "251", "mp3", CHOICE_MP3, 8192 + 9128 * 960},
        {"audio-mp3-128", "251", "mp3", CHOICE_MP3, 8192 + 9128 * 384},
    };
    auto_ptr(description) struct description *d = description_new();
    assert_non_null(d);
    (void)add_track(d, "247", FORMAT_VIDEO, 720, "webm");
    (void)add_track(d, "137", FORMAT_VIDEO, 1080, "mp4");
    (void)add_track(d, "248", FORMAT_VIDEO, 1080, "webm");
    (void)add_track(d, "140", FORMAT_AUDIO, 0, "m4a");
    (void)add_track(d, "249", FORMAT_AUDIO, 0, "webm");
    d->formats[d->format_count - 1].bitrate = 50000;
    (void)add_track(d, "251", FORMAT_AUDIO, 0, "webm");
    (void)add_track(d, "251-drc", FORMAT_AUDIO, 0, "webm");
    d->formats[d->format_count - 1].drc = true;
    d->formats[d->format_count - 1].bitrate = 150000;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct choice c;
        struct err err = {0};
        char formats[64] = "";
        if (choice_find(d, cases[i].wanted, NULL, &c, &err) < 0)
            fail_msg("no %s", cases[i].wanted);
        (void)snprintf(formats, sizeof formats, "%s%s%s", c.formats[0]->id, c.format_count > 1 ? "," : "",
                       c.format_count > 1 ? c.formats[1]->id : "");
        assert_string_equal(formats, cases[i].formats);
        assert_string_equal(c.container, cases[i].container);
        assert_int_equal(c.make, cases[i].make);
        assert_int_equal(c.size_exact, cases[i].size != 0);
        if (cases[i].size)
            assert_int_equal(c.size_bytes, cases[i].size);
        assert_int_equal(choice_resumable(&c), c.make == CHOICE_SPLICE || c.make == CHOICE_MP3);
    }
    struct choice best;
    struct err err = {0};
    assert_int_equal(choice_find(d, "best", NULL, &best, &err), 0);
    assert_string_equal(best.id, "1080p-mp4");
}

/* Dolby sounds have the highest bit rates, and few players. */
static void sound_that_plays_in_most_places(void **state)
{
    (void)state;
    static const struct {
        const char *codecs, *expected;
    } sounds[] = {{"ac-3", "0"}, {"opus", "1"}, {"mp4a.40.2", "2"}, {"ec-3", "2"}};
    auto_ptr(description) struct description *d = description_new();
    assert_non_null(d);
    (void)add_track(d, "137", FORMAT_VIDEO, 1080, "mp4");
    for (size_t i = 0; i < ARRAY_LEN(sounds); i++) {
        char id[4];
        struct choice c;
        struct err err = {0};
        (void)snprintf(id, sizeof id, "%zu", i);
        struct format *f = add_track(d, id, FORMAT_AUDIO, 0, "m4a");
        free(f->codecs);
        f->codecs = copy(sounds[i].codecs);
        f->bitrate = (int)(400000 - i * 50000);
        assert_int_equal(choice_find(d, "1080p-mp4", NULL, &c, &err), 0);
        assert_string_equal(c.formats[1]->id, sounds[i].expected);
        assert_int_equal(choice_find(d, "audio-m4a", NULL, &c, &err), 0);
        assert_string_equal(c.formats[0]->id, sounds[i].expected);
    }
}

/* A file with picture and sound: its sound as MP3, and nothing promised of its size. */
static void sound_of_a_complete_file(void **state)
{
    (void)state;
    struct choice c;
    struct err err = {0};
    auto_ptr(description) struct description *d = description_new();
    assert_non_null(d);
    add(d, "source", FORMAT_MUXED, 720, 5000000);
    d->formats[0].sample_rate = 48000;
    d->formats[0].duration_ms = 10000;
    assert_int_equal(choice_find(d, "audio-mp3-192", NULL, &c, &err), 0);
    assert_int_equal(c.kind, FORMAT_AUDIO);
    assert_int_equal(c.size_bytes, 240000);
    assert_false(c.size_exact || choice_resumable(&c));
    assert_int_equal(choice_find(d, "audio-opus", NULL, &c, &err), -1);
    assert_int_equal(choice_find(d, "best", NULL, &c, &err), 0);
    assert_string_equal(c.id, "muxed-source");
    d->formats[0].sample_rate = 0; /* a silent film */
    assert_int_equal(choice_find(d, "audio-mp3-192", NULL, &c, &err), -1);
}

/* One height in two codecs, sound for both containers. */
static struct description *two_codecs(void)
{
    struct description *d = description_new();
    assert_non_null(d);
    add(d, "137", FORMAT_VIDEO, 1080, 100000);
    add(d, "136", FORMAT_VIDEO, 720, 80000);
    add(d, "398", FORMAT_VIDEO, 720, 50000);
    add(d, "140", FORMAT_AUDIO, 0, 10000);
    for (size_t i = 0; i < d->format_count; i++) {
        d->formats[i].init = (struct byte_range){0, 99};
        d->formats[i].index = (struct byte_range){100, 199};
        d->formats[i].original = true;
    }
    free(d->formats[2].codecs);
    d->formats[2].codecs = copy("av01.0.05M.08");
    return d;
}

static void codec_and_container_narrow_it_down(void **state)
{
    (void)state;
    static const struct {
        const char *wanted, *codec, *container, *id, *picture; /* id NULL: nothing else is given instead */
    } cases[] = {
        {"best", NULL, NULL, "1080p-mp4", "137"},
        {"best", "h264", NULL, "1080p-mp4", "137"},
        {"best", "av1", NULL, "720p-mp4", "398"},
        {"720p-mp4", NULL, NULL, "720p-mp4", "136"},
        {"720p-mp4", "av1", NULL, "720p-mp4", "398"},
        {"1080p-mp4", "av1", NULL, NULL, NULL},
        {"best", "vp9", NULL, NULL, NULL},
        {"best", NULL, "mp4", "1080p-mp4", "137"},
        {"best", NULL, "webm", NULL, NULL},
        {"<=720p", "h264", "mp4", "720p-mp4", "136"},
        {"format-398", "av1", NULL, "format-398", "398"},
        {"format-398", "h264", NULL, NULL, NULL},
    };
    auto_ptr(description) struct description *d = two_codecs();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct choice_wish wish = {.codec = cases[i].codec, .container = cases[i].container};
        struct choice c;
        struct err err = {0};
        int rc = choice_find(d, cases[i].wanted, &wish, &c, &err);
        if (rc != (cases[i].id ? 0 : -1))
            fail_msg("row %zu: %d", i, rc);
        if (!cases[i].id)
            continue;
        assert_string_equal(c.id, cases[i].id);
        assert_string_equal(c.formats[0]->id, cases[i].picture);
    }
    assert_true(choice_codec_known("av1"));
    assert_false(choice_codec_known("AV1"));
}

/* Lists of pieces: made into MP4, with a sound of their own where they have one. */
static void lists_of_pieces(void **state)
{
    (void)state;
    static const struct {
        const char *wanted, *formats, *container, *codecs;
        uint64_t about;
    } cases[] = {
        {"720p-mp4", "v1,a0", "mp4", "avc1.640028,mp4a.40.2", 1250000},
        {"best", "v1,a0", "mp4", "avc1.640028,mp4a.40.2", 1250000},
        {"<=400p", "v0", "mp4", "", 500000},
        {"muxed-v0", "v0", "mp4", "", 500000},
        {"format-a0", "a0", "m4a", "", 0},
        {"audio-mp3-128", "a0", "mp3", "mp3", 160000},
    };
    auto_ptr(description) struct description *d = description_new();
    assert_non_null(d);
    static const struct {
        const char *id, *codecs;
        enum format_kind kind;
        int height, bitrate;
    } formats[] = {{"v0", "", FORMAT_MUXED, 360, 400000},
                   {"v1", "avc1.640028,mp4a.40.2", FORMAT_VIDEO, 720, 1000000},
                   {"a0", "", FORMAT_AUDIO, 0, 0}};
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        add(d, formats[i].id, formats[i].kind, formats[i].height, 0);
        struct format *f = &d->formats[i];
        free(f->container);
        free(f->codecs);
        f->container = copy("hls");
        f->codecs = copy(formats[i].codecs);
        f->bitrate = formats[i].bitrate;
        f->duration_ms = 10000;
    }
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct choice c;
        struct err err = {0};
        char ids[64];
        if (choice_find(d, cases[i].wanted, NULL, &c, &err) < 0)
            fail_msg("no %s", cases[i].wanted);
        (void)snprintf(ids, sizeof ids, "%s%s%s", c.formats[0]->id, c.format_count > 1 ? "," : "",
                       c.format_count > 1 ? c.formats[1]->id : "");
        assert_string_equal(ids, cases[i].formats);
        assert_string_equal(c.container, cases[i].container);
        assert_string_equal(c.codecs, cases[i].codecs);
        assert_int_equal(c.make, strcmp(c.container, "mp3") == 0 ? CHOICE_MP3 : CHOICE_MP4);
        assert_int_equal(c.size_bytes, cases[i].about);
        assert_false(c.size_exact || choice_resumable(&c));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(preselection),
        cmocka_unit_test(sources_are_compared),
        cmocka_unit_test(wishes),
        cmocka_unit_test(picture_and_sound_apart),
        cmocka_unit_test(codec_and_container_narrow_it_down),
        cmocka_unit_test(never_silently_higher),
        cmocka_unit_test(list_has_complete_files_first),
        cmocka_unit_test(a_sound_file_is_its_own_best),
        cmocka_unit_test(made_files),
        cmocka_unit_test(sound_that_plays_in_most_places),
        cmocka_unit_test(sound_of_a_complete_file),
        cmocka_unit_test(lists_of_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
