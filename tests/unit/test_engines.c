/* site/engines: who is asked after whom, and what of foreign answers is believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/log.h"
#include "fake_site.h"
#include "site/engines/invidious.h"
#include "site/engines/offer.h"
#include "site/engines/resolver.h"

static struct link link_of(const char *text)
{
    struct link link;
    (void)link_parse(&link, text, strlen(text));
    return link;
}

static void offers_are_judged(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct offer offer;
        const char *id, *container, *mime, *codecs, *label; /* id NULL: passed over */
    } cases[] = {
        {"plain",
         {.id = "1", .url = "https://x.example/a", .container = "mp4"},
         "1",
         "mp4",
         "video/mp4",
         "",
         "Video"},
        {"sound in mp4",
         {.id = "1", .url = "https://x.example/a", .container = "MP4", .video = "none", .audio = "mp4a.40.2"},
         "1",
         "m4a",
         "audio/mp4",
         "mp4a.40.2",
         "Audio"},
        {"both",
         {.id = "1",
          .url = "http://x.example/a",
          .container = "webm",
          .video = "vp9",
          .audio = "opus",
          .height = 720,
          .width = 1280,
          .fps = 60},
         "1",
         "webm",
         "video/webm",
         "vp9,opus",
         "720p60"},
        {"upright",
         {.id = "1", .url = "http://x.example/a", .container = "webm", .height = 1920, .width = 1080},
         "1",
         "webm",
         "video/webm",
         "",
         "1080p"},
        {"odd id",
         {.id = "../a\n<b>", .url = "https://x.example/a", .container = "mp3", .bitrate = 128000},
         "..ab",
         "mp3",
         "audio/mpeg",
         "",
         "128 kbit/s"},
        {"no id", {.url = "https://x.example/a", .container = "mp4"}, "f", "mp4", "video/mp4", "", "Video"},
        {"odd codec",
         {.id = "1", .url = "https://x.example/a", .container = "mp4", .video = "a b", .audio = "mp4a"},
         "1",
         "mp4",
         "video/mp4",
         "mp4a",
         "Video"},
        {"other scheme", {.id = "1", .url = "file:///etc/passwd", .container = "mp4"}, NULL, "", "", "", ""},
        {"control character",
         {.id = "1", .url = "https://x.example/\r\n", .container = "mp4"},
         NULL,
         "",
         "",
         "",
         ""},
        {"a program", {.id = "1", .url = "https://x.example/a", .container = "exe"}, NULL, "", "", "", ""},
        {"nothing in it",
         {.id = "1", .url = "https://x.example/a", .container = "mp4", .video = "none", .audio = "none"},
         NULL,
         "",
         "",
         "",
         ""},
        {"no address", {.id = "1", .container = "mp4"}, NULL, "", "", "", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_ptr(description) struct description *d = description_new();
        assert_int_equal(offer_add(d, &cases[i].offer), 0);
        const struct format *f = d->formats;
        if ((d->format_count == 1) != (cases[i].id != NULL))
            fail_msg("%s: %zu formats", cases[i].name, d->format_count);
        if (cases[i].id &&
            (strcmp(f->id, cases[i].id) != 0 || strcmp(f->container, cases[i].container) != 0 ||
             strcmp(f->mime, cases[i].mime) != 0 || strcmp(f->codecs, cases[i].codecs) != 0 ||
             strcmp(f->label, cases[i].label) != 0))
            fail_msg("%s: %s %s %s %s %s", cases[i].name, f->id, f->container, f->mime, f->codecs, f->label);
    }
}

static void ids_are_distinct(void **state)
{
    (void)state;
    auto_ptr(description) struct description *d = description_new();
    const struct offer o = {.id = "a", .url = "https://x.example/a", .container = "mp4"};
    for (int i = 0; i < 3; i++)
        assert_int_equal(offer_add(d, &o), 0);
    assert_string_equal(d->formats[1].id, "a.2");
    assert_string_equal(d->formats[2].id, "a.3");
}

#define VIDEO                                                                                                \
    "{\"videoId\":\"dQw4w9WgXcQ\",\"title\":\"T\",\"adaptiveFormats\":[{\"url\":\"/v\",\"itag\":\"140\","    \
    "\"type\":\"audio/mp4; codecs=\\\"mp4a.40.2\\\"\",\"clen\":\"5000\",\"init\":\"0-9\",\"index\":\"10-99\"}]}"

/* Who answers, and what comes of it. */
static void who_is_asked_after_whom(void **state)
{
    (void)state;
    static const struct {
        const char *name, *order, *link;
        int direct_status, invidious_status, resolver_status;
        enum err_code code;
        const char *engine;
    } cases[] = {
        {"the last one can", "native,invidious,resolver", "https://x.example/a", 200, 0, 200, ERR_OK,
         "resolver"},
        {"nobody is set", "native", "https://x.example/a", 200, 0, 200, ERR_UNSUPPORTED_SITE, NULL},
        {"a page that is closed to us", "native,resolver", "https://x.example/a", 403, 0, 200, ERR_OK,
         "resolver"},
        {"and to others", "native,resolver", "https://x.example/a", 403, 0, 500, ERR_PRIVATE, NULL},
        {"an address inside", "native,resolver", "http://10.0.0.1/a", -1, 0, 200, ERR_REFUSED_ADDRESS, NULL},
        {"not for this kind of link", "invidious", "https://x.example/a", 200, 200, 0, ERR_UNSUPPORTED_SITE,
         NULL},
        {"the other way round", "resolver,invidious", "https://youtu.be/dQw4w9WgXcQ", 0, 200, 500, ERR_OK,
         "invidious:inv.example"},
        {"all fail", "resolver,invidious", "https://youtu.be/dQw4w9WgXcQ", 0, 502, 404, ERR_UPSTREAM_FAILED,
         NULL},
        {"unknown names do not matter", "x, invidious ,", "https://youtu.be/dQw4w9WgXcQ", 0, 200, 0, ERR_OK,
         "invidious:inv.example"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct fake_answer answers[] = {
            {"inv.example", NULL, NULL, cases[i].invidious_status, VIDEO, ERR_UPSTREAM_FAILED},
            {"res.example", NULL, NULL, cases[i].resolver_status, "{\"url\":\"https://y.example/a.mp4\"}",
             ERR_UPSTREAM_FAILED},
            {"10.0.0.1", NULL, NULL, 0, NULL, ERR_REFUSED_ADDRESS},
            {"x.example", NULL, NULL, cases[i].direct_status, "no media file", ERR_UPSTREAM_FAILED},
        };
        const struct engine_settings settings = {
            .order = cases[i].order,
            .invidious = "https://inv.example",
            .resolver_url = "https://res.example/?u={url}",
            .resolver_fields = "",
            .resolver_key = "",
            .resolver_iv = "",
        };
        struct fake_site fake = {.answers = answers, .count = ARRAY_LEN(answers)};
        struct site_env env = {.call = fake_call,
                               .call_ctx = &fake,
                               .get = fake_get,
                               .put = fake_put,
                               .memo_ctx = &fake,
                               .engines = &settings};
        struct link link = link_of(cases[i].link);
        auto_ptr(description) struct description *d = NULL;
        struct err err = {.code = ERR_OK};
        buf_init(&fake.sent, 1 << 20);
        (void)site_describe(&env, &link, &d, &err);
        if (err.code != cases[i].code || (d != NULL) != (cases[i].engine != NULL) ||
            (d && strcmp(d->engine, cases[i].engine) != 0))
            fail_msg("%s: %s, %s: %s", cases[i].name, d ? d->engine : "nothing", err_info(err.code)->name,
                     err.text);
        buf_fini(&fake.sent);
    }
}

static void invidious_answers(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
        enum err_code code;
    } cases[] = {
        {"good", VIDEO, ERR_OK},
        {"no JSON", "<html>", ERR_UPSTREAM_FAILED},
        {"an error", "{\"error\":\"private\",\"videoId\":\"dQw4w9WgXcQ\"}", ERR_UPSTREAM_FAILED},
        {"another video", "{\"videoId\":\"aaaaaaaaaaa\"}", ERR_UPSTREAM_FAILED},
        {"live", "{\"videoId\":\"dQw4w9WgXcQ\",\"liveNow\":true}", ERR_LIVE},
        {"no formats", "{\"videoId\":\"dQw4w9WgXcQ\",\"adaptiveFormats\":7}", ERR_UPSTREAM_FAILED},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_ptr(description) struct description *d = NULL;
        struct err err = {.code = ERR_OK};
        (void)invidious_read("https://inv.example", "dQw4w9WgXcQ", cases[i].text, strlen(cases[i].text), &d,
                             &err);
        if (err.code != cases[i].code || (d != NULL) != (cases[i].code == ERR_OK))
            fail_msg("%s: %s", cases[i].name, err.text);
        if (d) {
            assert_string_equal(d->formats[0].url, "https://inv.example/v");
            assert_int_equal(d->formats[0].index.end, 99);
            assert_int_equal(d->formats[0].kind, FORMAT_AUDIO);
        }
    }
}

/* Sealed by `openssl enc -aes-128-cbc`, the vector before it or apart. */
static void sealed_answers(void **state)
{
    (void)state;
    static const char key[] = "2b7e151628aed2a6abf7158809cf4f3c";
    static const struct {
        const char *name, *key, *iv, *text;
        bool good;
    } cases[] = {
        {"plain", "", "", "{\"url\":\"https://x.example/a.webm\"}", true},
        {"plain where it should be sealed", key, "", "{\"url\":\"https://x.example/a.webm\"}", false},
        {"too short", key, "", "AAECAwQFBgcICQoLDA0ODw==", false},
        {"no text", key, "000102030405060708090a0b0c0d0e0f", "", false},
        {"the vector apart", key, "000102030405060708090a0b0c0d0e0f",
         "/CsIHIbVj/C2GVSRwxtnpZsL+g277yKZZNdM99Vok+nkZ4FgI3HPaJ+A72zehzZA", true},
        {"the vector before it", key, "",
         "AAECAwQFBgcICQoLDA0OD/wrCByG1Y/wthlUkcMbZ6WbC/oNu+8imWTXTPfVaJPp5GeBYCNxz2ifgO9s3oc2QA==", true},
        {"another vector", key, "00000000000000000000000000000000",
         "/CsIHIbVj/C2GVSRwxtnpZsL+g277yKZZNdM99Vok+nkZ4FgI3HPaJ+A72zehzZA", false},
    };
    struct link link = link_of("https://x.example/page");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct engine_settings settings = {
            .resolver_fields = "", .resolver_key = cases[i].key, .resolver_iv = cases[i].iv};
        auto_ptr(description) struct description *d = NULL;
        struct err err = {.code = ERR_OK};
        int rc = resolver_read(&settings, &link, cases[i].text, strlen(cases[i].text), &d, &err);
        if ((rc == 0) != cases[i].good || (rc < 0 && err.code != ERR_UPSTREAM_FAILED))
            fail_msg("%s: %s", cases[i].name, err.text);
        if (d)
            assert_string_equal(d->formats[0].container, "webm");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offers_are_judged),       cmocka_unit_test(ids_are_distinct),
        cmocka_unit_test(who_is_asked_after_whom), cmocka_unit_test(invidious_answers),
        cmocka_unit_test(sealed_answers),
    };
    struct err err;
    log_init("test", LOG_ERROR);
    return hash_init(&err) < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
