/* site/dash: manifests as they are written, and as nobody should write them; what they lead to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_site.h"
#include "site/dash.h"
#include "site/dash_link.h"

#define BASE        "https://media.example/a/b/film.mpd?x=1"
#define MPD         "<MPD type=\"static\" mediaPresentationDuration=\"PT10S\">"
#define FILM        "<AdaptationSet mimeType=\"video/mp4\">"
#define ONE(inside) MPD "<Period>" FILM inside "</AdaptationSet></Period></MPD>"
#define R           "<Representation id=\"v$1\" bandwidth=\"9\"/>"
#define LOCK        "<ContentProtection schemeIdUri=\"x\"/>"

static struct dash *parse(const char *text)
{
    struct dash *d = NULL;
    struct err err = {0};
    if (dash_parse(&d, BASE, text, strlen(text), &err) < 0)
        fail_msg("%s: %s", text, err.text);
    return d;
}

/* What the pieces of the first track are: "uri", or "uri@offset+length", each before a space. */
static void pieces(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text, *pieces;
    } cases[] = {
        {"numbers",
         ONE("<SegmentTemplate media=\"$RepresentationID$/$Number$.m4s\" initialization=\"$Bandwidth$.mp4\" "
             "duration=\"4\"/>" R),
         "9.mp4 v$1/1.m4s v$1/2.m4s v$1/3.m4s "},
        {"widths and dollars",
         ONE("<SegmentTemplate media=\"$$$Number%03d$-$Time%012d$\" timescale=\"1000\" "
             "startNumber=\"98\" duration=\"5000\"/>" R),
         "$098-000000000000 $099-000000005000 "},
        {"an end",
         ONE("<SegmentTemplate media=\"$Number$\" duration=\"1\" startNumber=\"0\" endNumber=\"2\"/>" R),
         "0 1 2 "},
        {"a timeline",
         ONE("<SegmentTemplate media=\"$Time$\"><SegmentTimeline><S t=\"7\" d=\"2\" r=\"2\"/><S d=\"3\"/>"
             "<S t=\"100\" d=\"1\"/></SegmentTimeline></SegmentTemplate>" R),
         "7 9 11 13 100 "},
        {"repeated to the next, and to the end",
         ONE("<SegmentTemplate media=\"$Time$\"><SegmentTimeline><S t=\"0\" d=\"2\" r=\"-1\"/><S t=\"5\" d=\"4\" "
             "r=\"-1\"/></SegmentTimeline></SegmentTemplate>" R),
         "0 2 4 5 9 "},
        {"inherited",
         MPD "<Period><SegmentTemplate timescale=\"10\" startNumber=\"5\"/>" FILM
             "<SegmentTemplate media=\"$Number$\" duration=\"1\"/><Representation "
             "id=\"1\"><SegmentTemplate duration=\"50\"/></Representation></AdaptationSet></Period></MPD>",
         "5 6 "},
        {"a list",
         ONE("<Representation><SegmentList><Initialization range=\"0-9\"/><SegmentURL mediaRange=\"10-19\"/>"
             "<SegmentURL media=\"two\"/></SegmentList></Representation>"),
         BASE "@0+10 " BASE "@10+10 two "},
        {"one file", ONE("<Representation><BaseURL> film.mp4&amp;y </BaseURL></Representation>"),
         "https://media.example/a/b/film.mp4&y "},
        {"bases upon bases",
         MPD
         "<BaseURL>https://cdn.example/x/</BaseURL><Period><BaseURL>y/</BaseURL>" FILM
         "<BaseURL>../z/</BaseURL><Representation><BaseURL>f</BaseURL></Representation></AdaptationSet></Period></MPD>",
         "https://cdn.example/x/z/f "},
        {"with prefixes",
         "<m:MPD type=\"static\"><m:Period><m:AdaptationSet mimeType=\"video/mp4\"><m:Representation>"
         "<m:BaseURL>f</m:BaseURL></m:Representation></m:AdaptationSet></m:Period></m:MPD>",
         "https://media.example/a/b/f "},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        auto_(buf) struct buf all = BUF_INIT(4096);
        auto_ptr(dash) struct dash *d = parse(cases[i].text);
        if (dash_list(d, 0, &err) < 0)
            fail_msg("%s: %s", cases[i].name, err.text);
        for (size_t k = 0; k < d->segment_count; k++) {
            const struct hls_segment *s = &d->segments[k];
            (void)buf_adds(&all, s->uri);
            if (s->length)
                (void)buf_addf(&all, "@%d+%d", (int)s->offset, (int)s->length);
            (void)buf_addc(&all, ' ');
        }
        if (strcmp(buf_str(&all), cases[i].pieces) != 0)
            fail_msg("%s: %s", cases[i].name, buf_str(&all));
    }
}

static void what_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
        enum err_code code;
    } cases[] = {
        {"nothing", "", ERR_UNSUPPORTED_SITE},
        {"a page", "<html><MPD/></html>", ERR_UNSUPPORTED_SITE},
        {"half of one", MPD "<Period>", ERR_UNSUPPORTED_SITE},
        {"no period", MPD "</MPD>", ERR_UNSUPPORTED_SITE},
        {"two periods", MPD "<Period/><Period/></MPD>", ERR_UNSUPPORTED_SITE},
        {"nothing in it", MPD "<Period/></MPD>", ERR_UNSUPPORTED_SITE},
        {"growing", "<MPD type=\"dynamic\"><Period/></MPD>", ERR_LIVE},
        {"locked", ONE(LOCK R), ERR_DRM},
        {"locked alone", ONE("<Representation>" LOCK "</Representation>"), ERR_DRM},
        {"pictures locked, sound not",
         MPD "<Period>" FILM LOCK R "</AdaptationSet><AdaptationSet mimeType=\"audio/mp4\">" R
             "</AdaptationSet></Period></MPD>",
         ERR_DRM},
        {"entities", "<!DOCTYPE MPD [<!ENTITY a \"b\">]>" ONE(R), ERR_UNSUPPORTED_SITE},
        {"an address that is none", ONE("<Representation><BaseURL>http://</BaseURL></Representation>"),
         ERR_BAD_URL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct dash *d = NULL;
        struct err err = {0};
        if (dash_parse(&d, BASE, cases[i].text, strlen(cases[i].text), &err) == 0 ||
            err.code != cases[i].code)
            fail_msg("%s: %s", cases[i].name, d ? "accepted" : err.text);
        assert_null(d);
    }
}

static void lists_that_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
    } cases[] = {
        {"a template of nothing", ONE("<SegmentTemplate duration=\"1\"/>" R)},
        {"an unknown name", ONE("<SegmentTemplate media=\"$Name$\" duration=\"1\"/>" R)},
        {"half a name", ONE("<SegmentTemplate media=\"$Number\" duration=\"1\"/>" R)},
        {"a wide number", ONE("<SegmentTemplate media=\"$Number%099d$\" duration=\"1\"/>" R)},
        {"another format", ONE("<SegmentTemplate media=\"$Number%s$\" duration=\"1\"/>" R)},
        {"no duration", ONE("<SegmentTemplate media=\"$Number$\"/>" R)},
        {"too many", ONE("<SegmentTemplate media=\"$Number$\" timescale=\"1000000\" duration=\"1\"/>" R)},
        {"too many in a line",
         ONE("<SegmentTemplate media=\"$Number$\"><SegmentTimeline><S d=\"1\" r=\"99999\"/><S "
             "d=\"1\" r=\"99999\"/></SegmentTimeline></SegmentTemplate>" R)},
        {"pieces of no time",
         ONE("<SegmentTemplate media=\"$Number$\"><SegmentTimeline><S d=\"0\"/></SegmentTimeline></SegmentTemplate>" R)},
        {"a list of nothing", ONE("<SegmentList/>" R)},
        {"a part of nothing", ONE("<SegmentList><SegmentURL mediaRange=\"9-8\"/></SegmentList>" R)},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        auto_ptr(dash) struct dash *d = parse(cases[i].text);
        if (dash_list(d, 0, &err) == 0 || err.code != ERR_UNSUPPORTED_SITE)
            fail_msg("%s: %s", cases[i].name, err.text);
    }
}

static void durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t ms;
    } cases[] = {{"PT1H2M3.045S", 3723045},
                 {"P1DT1S", 86401000},
                 {"PT1.5M", 90000},
                 {"PT0S", 0},
                 {"P", 0},
                 {"10", 0},
                 {"PTxS", 0},
                 {"PT99999999999999999999S", 0}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_(buf) struct buf text = BUF_INIT(4096);
        (void)buf_addf(
            &text, "<MPD mediaPresentationDuration=\"%s\"><Period>" FILM R "</AdaptationSet></Period></MPD>",
            cases[i].text);
        auto_ptr(dash) struct dash *d = parse(buf_str(&text));
        if (d->duration_ms != cases[i].ms)
            fail_msg("%s: %d", cases[i].text, (int)d->duration_ms);
    }
}

static void formats(void **state)
{
    (void)state;
    static const char text[] = MPD
        "<Period>" FILM
        "<Representation bandwidth=\"800000\" width=\"640\" height=\"360\" frameRate=\"30000/1001\" codecs=\"avc1.4d\">"
        "<SegmentTemplate media=\"$Number$\" duration=\"5\"/></Representation></AdaptationSet>"
        "<AdaptationSet mimeType=\"audio/mp4\" lang=\"de\">" R "</AdaptationSet>"
        "<AdaptationSet contentType=\"audio\" lang=\"en\"><Role value=\"main\"/><Representation mimeType=\"audio/webm\" "
        "bandwidth=\"128000\" audioSamplingRate=\"48000\"/></AdaptationSet>"
        "<AdaptationSet mimeType=\"text/vtt\" lang=\"fr\"><Representation><BaseURL>fr.vtt</BaseURL></Representation>"
        "</AdaptationSet><AdaptationSet mimeType=\"application/ttml+xml\">" R
        "</AdaptationSet></Period></MPD>";
    struct fake_site fake = {.count = 0};
    const struct site_env env = {
        .call = fake_call, .call_ctx = &fake, .get = fake_get, .put = fake_put, .memo_ctx = &fake};
    struct err err = {0};
    auto_ptr(description) struct description *d = description_new();
    buf_init(&fake.sent, 1 << 20);
    if (dash_add_formats(&env, BASE "#t=1", text, strlen(text), d, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(fake.calls, 0);
    buf_fini(&fake.sent);
    assert_int_equal(d->duration_ms, 10000);
    assert_int_equal(d->format_count, 3);
    assert_int_equal(d->subtitle_count, 1);
    assert_string_equal(d->subtitles[0].url, "https://media.example/a/b/fr.vtt");
    assert_string_equal(d->subtitles[0].language, "fr");
    const struct format *f = d->formats;
    assert_string_equal(f[0].id, "v0");
    assert_string_equal(f[0].url, BASE "#0");
    assert_string_equal(f[0].container, "dash");
    assert_string_equal(f[0].label, "360p");
    assert_true(f[0].kind == FORMAT_VIDEO && f[0].fps > 29.9 && f[0].fps < 30 && f[0].bitrate == 800000);
    assert_true(f[1].kind == FORMAT_AUDIO && !f[1].original && strcmp(f[1].language, "de") == 0);
    assert_true(f[2].kind == FORMAT_AUDIO && f[2].original && f[2].sample_rate == 48000);
    assert_string_equal(f[2].label, "128 kbit/s");
    assert_string_equal(f[2].url, BASE "#2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(lists_that_are_refused),
        cmocka_unit_test(durations),
        cmocka_unit_test(formats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
