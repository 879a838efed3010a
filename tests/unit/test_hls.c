/* site/hls: playlists as they are written, and as nobody should write them; what they lead to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_site.h"
#include "site/hls.h"
#include "site/hls_link.h"

#define M3U  "#EXTM3U\n"
#define END  "#EXT-X-ENDLIST\n"
#define BASE "https://media.example/a/b/list.m3u8?x=1"

static struct hls *parse(const char *text)
{
    struct hls *h = NULL;
    struct err err = {0};
    if (hls_parse(&h, text, strlen(text), &err) < 0)
        fail_msg("%s", err.text);
    return h;
}

static void pieces(void **state)
{
    (void)state;
    auto_ptr(hls) struct hls *h = parse("\xef\xbb\xbf#EXTM3U\r\n"
                                        "#EXT-X-VERSION:7\r\n"
                                        "#EXT-X-MAP:URI=\"init.mp4\",BYTERANGE=\"720@0\"\r\n"
                                        "#EXTINF:9.009,a title, with commas\r\n"
                                        "one.m4s\r\n"
                                        "# a comment\r\n"
                                        "\r\n"
                                        "#EXTINF:4.5\r\n"
                                        "#EXT-X-BYTERANGE:1000@500\r\n"
                                        "  two.m4s\r\n"
                                        "#EXTINF:4\r\n"
                                        "#EXT-X-BYTERANGE:2000\r\n"
                                        "two.m4s  \r\n"
                                        "#EXT-X-DISCONTINUITY\r\n"
                                        "#EXT-X-KEY:METHOD=NONE\r\n"
                                        "#EXTINF:0.25,\r\n"
                                        "https://cdn.example/three.m4s?a=b,c\r\n"
                                        "#EXT-X-ENDLIST");
    static const struct {
        const char *uri;
        uint64_t offset, length;
    } expected[] = {{"init.mp4", 0, 720},
                    {"one.m4s", 0, 0},
                    {"two.m4s", 500, 1000},
                    {"two.m4s", 1500, 2000},
                    {"https://cdn.example/three.m4s?a=b,c", 0, 0}};
    assert_false(h->is_master);
    assert_true(h->is_mp4);
    assert_int_equal(h->duration_ms, 9009 + 4500 + 4000 + 250);
    assert_int_equal(h->segment_count, ARRAY_LEN(expected));
    for (size_t i = 0; i < h->segment_count; i++) {
        assert_string_equal(h->segments[i].uri, expected[i].uri);
        assert_int_equal(h->segments[i].offset, expected[i].offset);
        assert_int_equal(h->segments[i].length, expected[i].length);
    }
}

static void keys(void **state)
{
    (void)state;
    auto_ptr(hls) struct hls *h = parse(
        M3U "#EXT-X-MEDIA-SEQUENCE:258\n"
            "#EXTINF:1,\nclear\n"
            "#EXT-X-KEY:METHOD=AES-128,URI=\"one\"\n"
            "#EXT-X-MAP:URI=\"map\"\n"
            "#EXTINF:1,\nnumbered\n"
            "#EXT-X-KEY:METHOD=AES-128,URI=\"two\",IV=0X1fAB,KEYFORMAT=\"identity\"\n"
            "#EXTINF:1,\nstated\n#EXTINF:1,\nstated too\n"
            "#EXT-X-KEY:METHOD=NONE\n"
            "#EXTINF:1,\nclear again\n" END);
    static const struct {
        const char *key;
        uint8_t iv[2]; /* the last two */
    } expected[] = {{NULL, {0}},           {"one", {1, 3}},       {"one", {1, 3}},
                    {"two", {0x1f, 0xab}}, {"two", {0x1f, 0xab}}, {NULL, {0}}};
    assert_int_equal(h->segment_count, ARRAY_LEN(expected));
    for (size_t i = 0; i < h->segment_count; i++) {
        uint8_t iv[AES_CBC_BYTES];
        static const uint8_t zeros[AES_CBC_BYTES - 2];
        const struct hls_segment *s = &h->segments[i];
        assert_int_equal(s->key != 0, expected[i].key != NULL);
        if (!s->key)
            continue;
        assert_string_equal(h->keys[s->key - 1].uri, expected[i].key);
        hls_iv(h, s, iv);
        assert_memory_equal(iv, zeros, sizeof zeros);
        assert_memory_equal(iv + sizeof zeros, expected[i].iv, 2);
    }
}

static const char master[] = M3U
    "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"English, spoken\",LANGUAGE=\"en\",DEFAULT=YES,URI=\"en.m3u8\"\n"
    "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"Deutsch\",LANGUAGE=\"de\",URI=\"de.m3u8\"\n"
    "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"in\",NAME=\"inside\",DEFAULT=YES\n"
    "#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"s\",NAME=\"x\",URI=\"s.m3u8\"\n"
    "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI=\"iframes.m3u8\"\n"
    "#EXT-X-STREAM-INF:BANDWIDTH=900000,AVERAGE-BANDWIDTH=800000,RESOLUTION=640x360,FRAME-RATE=29.970,"
    "CODECS=\"avc1.4d401e,mp4a.40.2\",AUDIO=\"a\"\n"
    "low/list.m3u8\n"
    "#EXT-X-STREAM-INF:BANDWIDTH=3000000,RESOLUTION=1280x720,CODECS=\"avc1.4d401f,mp4a.40.2\",AUDIO=\"in\"\n"
    "/high.m3u8\n"
    "#EXT-X-STREAM-INF:BANDWIDTH=64000,CODECS=\"mp4a.40.5\"\n"
    "sound.m3u8\n";

static void streams_and_sounds(void **state)
{
    (void)state;
    auto_ptr(hls) struct hls *h = parse(master);
    assert_true(h->is_master);
    assert_int_equal(h->stream_count, 3);
    assert_int_equal(h->sound_count, 3);
    const struct hls_stream *s = &h->streams[0];
    assert_string_equal(s->uri, "low/list.m3u8");
    assert_string_equal(s->codecs, "avc1.4d401e,mp4a.40.2");
    assert_string_equal(s->sound_group, "a");
    assert_int_equal(s->bandwidth, 800000);
    assert_int_equal(s->width * 1000 + s->height, 640360);
    assert_true(s->fps > 29.96 && s->fps < 29.98);
    assert_int_equal(h->streams[1].bandwidth, 3000000);
    assert_string_equal(h->sounds[0].name, "English, spoken");
    assert_true(h->sounds[0].is_default && !h->sounds[1].is_default);
    assert_null(h->sounds[2].uri);
}

static void what_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
        enum err_code code;
    } cases[] = {
        {"nothing", "", ERR_UNSUPPORTED_SITE},
        {"another text", "hello\n", ERR_UNSUPPORTED_SITE},
        {"nearly one", "#EXTM3U8\n#EXTINF:1,\na\n" END, ERR_UNSUPPORTED_SITE},
        {"no pieces", M3U END, ERR_UNSUPPORTED_SITE},
        {"no streams", M3U "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",URI=\"x\"\n", ERR_UNSUPPORTED_SITE},
        {"still growing", M3U "#EXTINF:1,\na.ts\n", ERR_LIVE},
        {"encrypted", M3U "#EXT-X-KEY:METHOD=AES-256,URI=\"k\"\n#EXTINF:1,\na.ts\n" END, ERR_DRM},
        {"a key for some",
         M3U "#EXT-X-KEY:METHOD=AES-128,URI=\"skd://k\",KEYFORMAT=\"com.example.drm\"\n#EXTINF:1,\na\n" END,
         ERR_DRM},
        {"a key that is nowhere", M3U "#EXT-X-KEY:METHOD=AES-128\n#EXTINF:1,\na\n" END, ERR_UNSUPPORTED_SITE},
        {"a vector of letters", M3U "#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0xfg\n#EXTINF:1,\na\n" END,
         ERR_UNSUPPORTED_SITE},
        {"a vector that is too long",
         M3U
         "#EXT-X-KEY:METHOD=AES-128,URI=\"k\",IV=0x000102030405060708090a0b0c0d0e0f0\n#EXTINF:1,\na\n" END,
         ERR_UNSUPPORTED_SITE},
        {"encrypted in part",
         M3U "#EXTINF:1,\na\n#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"k\"\n#EXTINF:1,\nb\n" END, ERR_DRM},
        {"streams that are", M3U "#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,URI=\"k\"\n#EXT-X-STREAM-INF:\na\n",
         ERR_DRM},
        {"a map of nothing", M3U "#EXT-X-MAP:BYTERANGE=\"1@0\"\n#EXTINF:1,\na\n" END, ERR_UNSUPPORTED_SITE},
        {"parts of nothing", M3U "#EXTINF:1,\n#EXT-X-BYTERANGE:0@0\na\n" END, ERR_UNSUPPORTED_SITE},
        {"parts of words", M3U "#EXTINF:1,\n#EXT-X-BYTERANGE:some\na\n" END, ERR_UNSUPPORTED_SITE},
        {"parts beyond all", M3U "#EXTINF:1,\n#EXT-X-BYTERANGE:9223372036854775807@1\na\n" END,
         ERR_UNSUPPORTED_SITE},
        {"larger numbers", M3U "#EXTINF:1,\n#EXT-X-BYTERANGE:99999999999999999999@0\na\n" END,
         ERR_UNSUPPORTED_SITE},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct hls *h = NULL;
        struct err err = {0};
        if (hls_parse(&h, cases[i].text, strlen(cases[i].text), &err) == 0 || err.code != cases[i].code)
            fail_msg("%s: %s", cases[i].name, h ? "accepted" : err.text);
        assert_null(h);
    }
    struct hls *h = NULL;
    struct err err = {0};
    assert_int_equal(
        hls_parse(&h, M3U "#EXTINF:1,\na\0b\n" END, sizeof M3U "#EXTINF:1,\na\0b\n" END - 1, &err), -1);
}

/* Odd, but readable: RFC 8216 §6.3.1 wants unknown things passed over. */
static void what_is_passed_over(void **state)
{
    (void)state;
    static const char *const texts[] = {
        M3U "#EXTINF:abc,\na\n" END,
        M3U "#EXTINF:99999999999999999999999,\na\n" END,
        M3U "#EXT-X-KEY:\n#EXT-X-KEY\n#EXTINF\na\n" END,
        M3U "#EXT-X-UNKNOWN:A=\"unfinished\n#EXTINF:1,\na\n" END,
        M3U "#EXT-X-MAP:URI=\"m\",BYTERANGE=\"5\"\n#EXTINF:1,\na\n" END,
        M3U "#EXT-X-MEDIA:TYPE=AUDIO\n#EXT-X-STREAM-INF:BANDWIDTH=x,RESOLUTION=9x,=,\"\n#a\n\nb\n",
        M3U "#EXT-X-STREAM-INF:RESOLUTION=99999999x-1,FRAME-RATE=1.2.3\nb\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        hls_free(parse(texts[i]));
}

static void too_many_pieces(void **state)
{
    (void)state;
    auto_(buf) struct buf text = BUF_INIT(HLS_BYTES_MAX);
    struct hls *h = NULL;
    struct err err = {0};
    (void)buf_adds(&text, M3U);
    for (int i = 0; i <= HLS_SEGMENTS_MAX; i++)
        (void)buf_adds(&text, "a\n");
    (void)buf_adds(&text, END);
    assert_int_equal(hls_parse(&h, text.data, text.len, &err), -1);
    assert_int_equal(err.code, ERR_UNSUPPORTED_SITE);
}

/* ---- What they lead to ---- */

static int describe(struct fake_site *fake, const char *text, struct description **out, struct err *err)
{
    const struct site_env env = {
        .call = fake_call, .call_ctx = fake, .get = fake_get, .put = fake_put, .memo_ctx = fake};
    buf_init(&fake->sent, 1 << 20);
    *err = (struct err){0};
    *out = description_new();
    assert_non_null(*out);
    int rc = hls_add_formats(&env, BASE, text, strlen(text), *out, err);
    buf_fini(&fake->sent);
    return rc;
}

static void formats_of_a_master_playlist(void **state)
{
    (void)state;
    static const struct fake_answer answers[] = {
        {.url = "https://media.example/high.m3u8", .status = 200, .body = M3U "#EXTINF:12.5,\na.ts\n" END}};
    struct fake_site fake = {.answers = answers, .count = 1};
    auto_ptr(description) struct description *d = NULL;
    struct err err;
    if (describe(&fake, master, &d, &err) < 0)
        fail_msg("%s", err.text);
    static const struct {
        const char *id, *url, *language;
        enum format_kind kind;
        int height;
    } expected[] = {{"v0", "https://media.example/a/b/low/list.m3u8", NULL, FORMAT_VIDEO, 360},
                    {"v1", "https://media.example/high.m3u8", NULL, FORMAT_MUXED, 720},
                    {"v2", "https://media.example/a/b/sound.m3u8", NULL, FORMAT_AUDIO, 0},
                    {"a0", "https://media.example/a/b/en.m3u8", "en", FORMAT_AUDIO, 0},
                    {"a1", "https://media.example/a/b/de.m3u8", "de", FORMAT_AUDIO, 0}};
    assert_int_equal(d->duration_ms, 12500);
    assert_int_equal(d->format_count, ARRAY_LEN(expected));
    for (size_t i = 0; i < d->format_count; i++) {
        const struct format *f = &d->formats[i];
        assert_string_equal(f->id, expected[i].id);
        assert_string_equal(f->url, expected[i].url);
        assert_int_equal(f->kind, expected[i].kind);
        assert_int_equal(f->height, expected[i].height);
        assert_string_equal(f->container, "hls");
        assert_int_equal(f->duration_ms, 12500);
        assert_true(expected[i].language ? f->language && strcmp(f->language, expected[i].language) == 0
                                         : !f->language);
    }
    assert_int_equal(fake.calls, 1);
}

static void lists_that_lead_nowhere(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
        struct fake_answer answer;
        enum err_code code;
    } cases[] = {
        {"gone", master, {.url = "high", .status = 404}, ERR_UPSTREAM_FAILED},
        {"empty", master, {.url = "high", .status = 200}, ERR_UPSTREAM_FAILED},
        {"locked",
         master,
         {.url = "high", .status = 200, .body = M3U "#EXT-X-KEY:METHOD=SAMPLE-AES\n#EXTINF:1,\na\n" END},
         ERR_DRM},
        {"another list of lists",
         master,
         {.url = "high", .status = 200, .body = M3U "#EXT-X-STREAM-INF:\na\n"},
         ERR_UNSUPPORTED_SITE},
        {"a page", master, {.url = "high", .status = 200, .body = "<html>"}, ERR_UNSUPPORTED_SITE},
        {"refused", master, {.url = "high", .fails = ERR_REFUSED_ADDRESS}, ERR_REFUSED_ADDRESS},
        {"pieces that are no media",
         M3U "#EXTINF:1,\na.ts\n" END,
         {.url = "a.ts", .status = 200, .body = "<html>"},
         ERR_UNSUPPORTED_SITE},
        {"a piece that is nowhere", M3U "#EXTINF:1,\nhttp://\n" END, {.url = "x"}, ERR_BAD_URL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fake_site fake = {.answers = &cases[i].answer, .count = 1};
        auto_ptr(description) struct description *d = NULL;
        struct err err;
        if (describe(&fake, cases[i].text, &d, &err) == 0 || err.code != cases[i].code)
            fail_msg("%s: %s (%s)", cases[i].name, err.text, err_info(err.code)->name);
    }
}

static void references(void **state)
{
    (void)state;
    static const struct {
        const char *reference, *url; /* NULL: refused */
    } cases[] = {
        {"one.ts", "https://media.example/a/b/one.ts"},
        {"../one.ts?y", "https://media.example/a/one.ts?y"},
        {"/one.ts", "https://media.example/one.ts"},
        {"//cdn.example/one.ts", "https://cdn.example/one.ts"},
        {"http://cdn.example/one.ts", "http://cdn.example/one.ts"},
        {"?z=2", "https://media.example/a/b/list.m3u8?z=2"},
        {"../../../../../etc/passwd", "https://media.example/etc/passwd"},
        {"http://", NULL},
        {"a b", "https://media.example/a/b/a%20b"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        auto_(buf) struct buf url = BUF_INIT(4096);
        int rc = net_url_join(BASE, cases[i].reference, &url, &err);
        if (rc != (cases[i].url ? 0 : -1) || (cases[i].url && strcmp(buf_str(&url), cases[i].url) != 0))
            fail_msg("%s: %d %s", cases[i].reference, rc, buf_str(&url));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces),
        cmocka_unit_test(keys),
        cmocka_unit_test(streams_and_sounds),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(what_is_passed_over),
        cmocka_unit_test(too_many_pieces),
        cmocka_unit_test(formats_of_a_master_playlist),
        cmocka_unit_test(lists_that_lead_nowhere),
        cmocka_unit_test(references),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
