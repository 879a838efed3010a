/* site/youtube: recorded answers (where they are at hand) and small ones written here, one per rule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/io.h"
#include "base/log.h"
#include "fake_site.h"
#include "site/youtube/account.h"
#include "site/youtube/youtube.h"

#define ID      "dQw4w9WgXcQ"
#define VISITOR "\"responseContext\":{\"visitorData\":\"Cgt2aXNpdG9y%3D%3D\"}"
#define DETAILS                                                                                              \
    "\"videoDetails\":{\"videoId\":\"" ID "\",\"title\":\"T\",\"author\":\"A\",\"lengthSeconds\":\"100\"}"
#define OK    "\"playabilityStatus\":{\"status\":\"OK\"}"
#define MEDIA "https://rr1---sn-x.googlevideo.com/videoplayback?expire=4000000000"
#define PLAIN                                                                                                \
    "{" VISITOR "," DETAILS "," OK ",\"streamingData\":{\"adaptiveFormats\":[{\"itag\":137,\"url\":\"" MEDIA \
    "\",\"mimeType\":\"video/mp4; codecs=\\\"avc1.640028\\\"\",\"contentLength\":\"1000\",\"height\":1080}]}}"
#define REFUSAL(status, reason)                                                                              \
    "{" VISITOR ",\"playabilityStatus\":{\"status\":\"" status "\",\"reason\":\"" reason "\"}}"
#define REEL(player) "{\"playerResponse\":" player "}"

static const char *built_in; /* clients_file */
static struct err err;

static struct site_env env_of(struct fake_site *f)
{
    return (struct site_env){
        .call = fake_call,
        .call_ctx = f,
        .get = fake_get,
        .put = fake_put,
        .memo_ctx = f,
        .clients_file = built_in,
    };
}

static struct description *describe(struct fake_site *f)
{
    struct description *d = NULL;
    struct site_env env = env_of(f);
    buf_init(&f->sent, 1 << 20);
    memset(&err, 0, sizeof err);
    int rc = youtube_describe(&env, ID, &d, &err);
    assert_int_equal(rc == 0, d != NULL);
    return d;
}

static void fake_fini(struct fake_site *f)
{
    buf_fini(&f->sent);
}
DEFINE_AUTO(fake_site, fake_fini)

/* ------------------------------------------------------------------------------------------------ */
/* Which client is asked, and what is reported */

#define VISITOR_ID                                                                                           \
    {                                                                                                        \
        "visitor_id", NULL, NULL, 200, "{" VISITOR "}", ERR_OK                                               \
    }
#define VISIONOS_SAYS(answer)                                                                                \
    {                                                                                                        \
        "/player?", NULL, NULL, 200, answer, ERR_OK                                                          \
    }
#define ANDROID_SAYS(answer)                                                                                 \
    {                                                                                                        \
        "/reel/", NULL, NULL, 200, answer, ERR_OK                                                            \
    }

static void refusals(void **state)
{
    (void)state;
    static const struct {
        const char *name, *visionos, *android;
        enum err_code code;
        int calls; /* two visitor_id, when both clients are asked */
    } cases[] = {
        {"private", REFUSAL("LOGIN_REQUIRED", "This video is private"), "{}", ERR_PRIVATE, 2},
        {"private, no reason", REFUSAL("LOGIN_REQUIRED", ""), "{}", ERR_PRIVATE, 2},
        {"private, Android knows", REFUSAL("UNPLAYABLE", "This video is not available"),
         REEL(REFUSAL("LOGIN_REQUIRED", "This video is private")), ERR_PRIVATE, 4},
        {"age", REFUSAL("LOGIN_REQUIRED", "Sign in to confirm your age"), "{}", ERR_AGE_RESTRICTED, 2},
        {"age, inappropriate", REFUSAL("LOGIN_REQUIRED", "This video may be inappropriate for some users."),
         "{}", ERR_AGE_RESTRICTED, 2},
        {"age, status", REFUSAL("AGE_VERIFICATION_REQUIRED", "x"), "{}", ERR_AGE_RESTRICTED, 2},
        {"age, check", REFUSAL("AGE_CHECK_REQUIRED", "x"), "{}", ERR_AGE_RESTRICTED, 2},
        {"age, legacy",
         "{\"playabilityStatus\":{\"status\":\"UNPLAYABLE\",\"desktopLegacyAgeGateReason\":1}}", "{}",
         ERR_AGE_RESTRICTED, 2},
        {"country", REFUSAL("UNPLAYABLE", "The uploader has not made this video available in your country"),
         "{}", ERR_GEO_BLOCKED, 2},
        {"country, below the reason",
         "{\"playabilityStatus\":{\"status\":\"UNPLAYABLE\",\"reason\":\"Video unavailable\",\"errorScreen\":{"
         "\"playerErrorMessageRenderer\":{\"subreason\":{\"runs\":[{\"text\":\"not available in your \"},"
         "{\"text\":\"country\"}]}}}}}",
         "{}", ERR_GEO_BLOCKED, 2},
        {"members", REFUSAL("UNPLAYABLE", "Join this channel to get access to members-only content"), "{}",
         ERR_MEMBERS_ONLY, 2},
        {"payment", REFUSAL("UNPLAYABLE", "This video requires payment to watch"), "{}", ERR_PAID, 2},
        {"premium", REFUSAL("UNPLAYABLE", "This video is only available to Music Premium members"), "{}",
         ERR_PREMIUM, 2},
        {"upcoming", REFUSAL("LIVE_STREAM_OFFLINE", "This live event will begin in 3 hours."), "{}",
         ERR_UPCOMING, 2},
        {"gone with the account",
         REFUSAL("ERROR", "This video is no longer available because the account has been terminated"), "{}",
         ERR_NOT_FOUND, 2},
        {"unknown id", REFUSAL("ERROR", "This video is unavailable"), "{}", ERR_NOT_FOUND, 4},
        {"unknown id, both empty", "{}", "{}", ERR_NOT_FOUND, 4},
        {"not for any client", REFUSAL("UNPLAYABLE", "This video is not available"),
         REEL(REFUSAL("UNPLAYABLE", "This video is not available")), ERR_NOT_FOUND, 4},
        {"one cannot, the other fails", REFUSAL("UNPLAYABLE", "This video is not available"), "oops",
         ERR_UPSTREAM_FAILED, 4},
        {"session limited", REFUSAL("UNPLAYABLE", "This content isn't available, try again later."), "oops",
         ERR_RATE_LIMITED_UPSTREAM, 4},
        {"captcha",
         "{\"playabilityStatus\":{\"status\":\"ERROR\",\"errorScreen\":{\"playerCaptchaViewModel\":{}}}}",
         "oops", ERR_BOT_CHECK, 4},
        {"another video", "{\"videoDetails\":{\"videoId\":\"aaaaaaaaaaa\"}," OK ",\"streamingData\":{}}",
         "oops", ERR_BOT_CHECK, 4},
        {"live",
         "{\"videoDetails\":{\"videoId\":\"" ID "\",\"isLive\":true}," OK
         ",\"streamingData\":{\"adaptiveFormats\":[{\"itag\":137,\"url\":\"" MEDIA
         "\",\"mimeType\":\"video/mp4\",\"targetDurationSec\":2}]}}",
         "{}", ERR_LIVE, 2},
        {"announced, status OK", "{\"videoDetails\":{\"videoId\":\"" ID "\",\"isUpcoming\":true}," OK "}",
         "{}", ERR_UPCOMING, 2},
        {"protected",
         "{" DETAILS "," OK ",\"streamingData\":{\"adaptiveFormats\":[{\"itag\":137,\"url\":\"" MEDIA
         "\",\"mimeType\":\"video/mp4\",\"drmFamilies\":[\"WIDEVINE\"]}]}}",
         "{}", ERR_DRM, 2},
        {"no URL at all",
         "{" DETAILS "," OK
         ",\"streamingData\":{\"adaptiveFormats\":[{\"itag\":137,\"mimeType\":\"video/mp4\"}]}}",
         "oops", ERR_UPSTREAM_FAILED, 4},
        {"playable, details missing", "{" OK "}", "oops", ERR_UPSTREAM_FAILED, 4},
        {"not JSON", "<html>", "<html>", ERR_UPSTREAM_FAILED, 4},
        {"a list", "[]", "[]", ERR_UPSTREAM_FAILED, 4},
        {"reel without player response", "oops", "{\"x\":1}", ERR_UPSTREAM_FAILED, 4},
        {"an unknown reason", REFUSAL("UNPLAYABLE", "whatever"), "oops", ERR_UPSTREAM_FAILED, 4},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct fake_answer answers[] = {VISITOR_ID, VISIONOS_SAYS(cases[i].visionos),
                                              ANDROID_SAYS(cases[i].android)};
        auto_(fake_site) struct fake_site f = {.answers = answers, .count = ARRAY_LEN(answers)};
        assert_null(describe(&f));
        if (err.code != cases[i].code || f.calls != cases[i].calls)
            fail_msg("%s: %s after %d calls (%s)", cases[i].name, err_info(err.code)->name, f.calls,
                     err.text);
    }
}

static void transport_errors(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int status;
        enum err_code fails, code;
        int calls; /* transport failures and 5xx are asked for once more */
    } cases[] = {
        {"no connection", 0, ERR_UPSTREAM_FAILED, ERR_UPSTREAM_FAILED, 4},
        {"refused by the gate", 0, ERR_REFUSED_ADDRESS, ERR_REFUSED_ADDRESS, 2},
        {"status 429", 429, ERR_OK, ERR_RATE_LIMITED_UPSTREAM, 4},
        {"status 403", 403, ERR_OK, ERR_UPSTREAM_FAILED, 4},
        {"status 500", 500, ERR_OK, ERR_UPSTREAM_FAILED, 8},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct fake_answer answers[] = {{"", NULL, NULL, cases[i].status, "{}", cases[i].fails}};
        auto_(fake_site) struct fake_site f = {.answers = answers, .count = 1};
        assert_null(describe(&f));
        if (err.code != cases[i].code || err.upstream_status != cases[i].status || f.calls != cases[i].calls)
            fail_msg("%s: %s, %d calls", cases[i].name, err_info(err.code)->name, f.calls);
    }
}

static int flaky_call(void *ctx, const struct net_call *call, struct net_answer *answer, struct err *e)
{
    struct fake_site *f = ctx;
    if (f->calls++ % 2 == 0)
        return err_set(e, ERR_UPSTREAM_FAILED, "reset");
    return fake_call(ctx, call, answer, e);
}

/* A reset connection costs neither the description nor its quality. */
static void one_reset_is_survived(void **state)
{
    (void)state;
    const struct fake_answer answers[] = {VISITOR_ID, VISIONOS_SAYS(PLAIN)};
    auto_(fake_site) struct fake_site f = {.answers = answers, .count = ARRAY_LEN(answers)};
    auto_ptr(description) struct description *d = NULL;
    struct site_env env = env_of(&f);
    env.call = flaky_call;
    buf_init(&f.sent, 1 << 20);
    assert_int_equal(youtube_describe(&env, ID, &d, &err), 0);
    assert_string_equal(d->engine, "youtube:visionos");
}

static void first_client_suffices(void **state)
{
    (void)state;
    const struct fake_answer answers[] = {VISITOR_ID, VISIONOS_SAYS(PLAIN)};
    auto_(fake_site) struct fake_site f = {.answers = answers, .count = ARRAY_LEN(answers)};
    auto_ptr(description) struct description *d = describe(&f);
    assert_non_null(d);
    assert_int_equal(f.calls, 2);
    assert_string_equal(f.log[0], "https://www.youtube.com/youtubei/v1/visitor_id?prettyPrint=false");
    assert_string_equal(f.log[1], "https://www.youtube.com/youtubei/v1/player?prettyPrint=false");
    const char *sent = buf_str(&f.sent);
    assert_non_null(strstr(sent, "X-Goog-Visitor-Id: Cgt2aXNpdG9y%3D%3D\n"));
    assert_non_null(strstr(sent, "\"visitorData\":\"Cgt2aXNpdG9y%3D%3D\""));
    assert_non_null(strstr(sent, "X-YouTube-Client-Name: 101\n"));
    assert_non_null(strstr(sent, "X-YouTube-Client-Version: 1.02\n"));
    assert_non_null(strstr(sent, "\"clientVersion\":\"1.02\""));
    assert_non_null(strstr(sent, "\"videoId\":\"" ID "\""));
    assert_null(strstr(sent, "{context}"));
    assert_null(strstr(sent, "\"visitorData\":\"\""));
    assert_null(strstr(sent, "X-Goog-Visitor-Id: \n"));
    assert_string_equal(f.memo_key, "visitor:VISIONOS");
    assert_string_equal(f.memo_value, "Cgt2aXNpdG9y%3D%3D");
    assert_in_range(f.memo_expires_unix_s, clock_unix_s() + 600, clock_unix_s() + 86400);
    assert_string_equal(d->engine, "youtube:visionos");
    assert_string_equal(d->site, "youtube");
    assert_string_equal(d->id, ID);
    assert_string_equal(d->url, "https://www.youtube.com/watch?v=" ID);
    assert_int_equal(d->expires_unix_s, 4000000000);
    assert_non_null(strstr(d->formats[0].user_agent, "Macintosh"));
}

static void second_client_is_asked_as_itself(void **state)
{
    (void)state;
    const struct fake_answer answers[] = {VISITOR_ID, VISIONOS_SAYS("{}"), ANDROID_SAYS(REEL(PLAIN))};
    auto_(fake_site) struct fake_site f = {.answers = answers, .count = ARRAY_LEN(answers)};
    auto_ptr(description) struct description *d = describe(&f);
    assert_non_null(d);
    assert_string_equal(d->engine, "youtube:android");
    assert_string_equal(d->formats[0].user_agent,
                        "com.google.android.youtube/21.03.36 (Linux; U; Android 15; GB) gzip");
    assert_non_null(strstr(f.log[3], "https://youtubei.googleapis.com/youtubei/v1/reel/reel_item_watch?"));
    assert_non_null(strstr(f.log[3], "&id=" ID "&$fields=playerResponse"));
    assert_non_null(strstr(buf_str(&f.sent), "\"playerRequest\":{\"videoId\":\"" ID "\",\"cpn\":\""));
    assert_string_equal(f.memo_key, "visitor:ANDROID");
}

/* ------------------------------------------------------------------------------------------------ */
/* Visitors and bot checks */

#define BOT(visitor)                                                                                         \
    "{\"responseContext\":{\"visitorData\":\"" visitor "\"},\"playabilityStatus\":{\"status\":"              \
    "\"LOGIN_REQUIRED\",\"reason\":\"Sign in to confirm you’re not a bot\"}}"

static void bot_check_is_passed_with_the_visitor_it_brings(void **state)
{
    (void)state;
    const struct fake_answer answers[] = {
        {"visitor_id", NULL, NULL, 500, "", ERR_OK},
        {"/player?", NULL, "X-Goog-Visitor-Id: fresh", 200, BOT("fresh"), ERR_OK},
        {"/player?", "\"visitorData\":\"fresh\"", NULL, 200, PLAIN, ERR_OK},
    };
    auto_(fake_site) struct fake_site f = {.answers = answers, .count = ARRAY_LEN(answers)};
    auto_ptr(description) struct description *d = describe(&f);
    assert_non_null(d);
    assert_int_equal(f.calls, 4);
    assert_string_equal(f.memo_value, "fresh");
}

static void remembered_visitor_is_used_and_replaced_when_it_fails(void **state)
{
    (void)state;
    const struct fake_answer answers[] = {
        {"/player?", "X-Goog-Visitor-Id: stale", NULL, 200, BOT("fresh"), ERR_OK},
        {"/player?", "X-Goog-Visitor-Id: fresh", NULL, 200, PLAIN, ERR_OK},
    };
    auto_(fake_site) struct fake_site f = {.answers = answers,
                                           .count = ARRAY_LEN(answers),
                                           .memo_key = "visitor:VISIONOS",
                                           .memo_value = "stale"};
    auto_ptr(description) struct description *d = describe(&f);
    assert_non_null(d);
    assert_int_equal(f.calls, 2);
    assert_string_equal(f.memo_value, "fresh");
    buf_fini(&f.sent);
    auto_ptr(description) struct description *again = describe(&f);
    assert_non_null(again);
    assert_int_equal(f.calls, 3);
}

static void bot_check_is_retried_once(void **state)
{
    (void)state;
    const struct fake_answer answers[] = {
        {"visitor_id", NULL, NULL, 200, "{" VISITOR "}", ERR_OK},
        {"/player?", "X-Goog-Visitor-Id: one", NULL, 200, BOT("two"), ERR_OK},
        {"/player?", NULL, NULL, 200, BOT("one"), ERR_OK},
        {"/reel/", "X-Goog-Visitor-Id: one", NULL, 200, REEL(BOT("two")), ERR_OK},
        {"/reel/", NULL, NULL, 200, REEL(BOT("one")), ERR_OK},
    };
    auto_(fake_site) struct fake_site f = {.answers = answers, .count = ARRAY_LEN(answers)};
    assert_null(describe(&f));
    assert_int_equal(err.code, ERR_BOT_CHECK);
    assert_int_equal(f.calls, 6);
    assert_string_equal(f.memo_value, "Cgt2aXNpdG9y%3D%3D"); /* one that does not work is not kept */
}

static void visitor_that_is_no_header_value_is_ignored(void **state)
{
    (void)state;
    const struct fake_answer answers[] = {
        {"visitor_id", NULL, NULL, 200, "{\"responseContext\":{\"visitorData\":\"a\\r\\nEvil: b\"}}", ERR_OK},
        {"/player?", NULL, "Evil", 200, PLAIN, ERR_OK},
    };
    auto_(fake_site) struct fake_site f = {.answers = answers, .count = ARRAY_LEN(answers)};
    auto_ptr(description) struct description *d = describe(&f);
    assert_non_null(d);
    /* The answer of the video itself carried a sound one. */
    assert_string_equal(f.memo_value, "Cgt2aXNpdG9y%3D%3D");
}

/* ------------------------------------------------------------------------------------------------ */
/* Formats */

/* Describes a video with these rows of adaptiveFormats. */
static struct description *with_formats(const char *muxed, const char *adaptive)
{
    auto_(buf) struct buf json = BUF_INIT(1 << 20);
    (void)buf_addf(&json,
                   "{" DETAILS "," OK ",\"streamingData\":{\"formats\":[%s],\"adaptiveFormats\":[%s]}}",
                   muxed, adaptive);
    const struct fake_answer answers[] = {VISITOR_ID, VISIONOS_SAYS(buf_str(&json)), ANDROID_SAYS("{}")};
    auto_(fake_site) struct fake_site f = {.answers = answers, .count = ARRAY_LEN(answers)};
    return describe(&f);
}

#define ROW(itag, mime, more)                                                                                \
    "{\"itag\":" #itag ",\"url\":\"" MEDIA "\",\"contentLength\":\"5000\",\"mimeType\":\"" mime "\"" more "}"
#define TRACK(id, is_default) ",\"audioTrack\":{\"id\":\"" id "\",\"audioIsDefault\":" #is_default "}"

static void skip_rules(void **state)
{
    (void)state;
    static const struct {
        const char *name, *row;
    } cases[] = {
        {"no URL", "{\"itag\":1,\"mimeType\":\"video/mp4\"}"},
        {"cipher",
         "{\"itag\":1,\"mimeType\":\"video/mp4\",\"signatureCipher\":\"s=x&sp=sig&url=https%3A%2F%2Fx\"}"},
        {"OTF", ROW(1, "video/mp4", ",\"type\":\"FORMAT_STREAM_TYPE_OTF\"")},
        {"protected", ROW(1, "video/mp4", ",\"drmFamilies\":[\"FAIRPLAY\"]")},
        {"live", ROW(1, "video/mp4", ",\"targetDurationSec\":5")},
        {"http", "{\"itag\":1,\"mimeType\":\"video/mp4\",\"url\":\"http://x.example/\"}"},
        {"other scheme", "{\"itag\":1,\"mimeType\":\"video/mp4\",\"url\":\"file:///etc/passwd\"}"},
        {"line break in a URL",
         "{\"itag\":1,\"mimeType\":\"video/mp4\",\"url\":\"https://x.example/\\r\\nA: b\"}"},
        {"no type", "{\"itag\":1,\"url\":\"" MEDIA "\"}"},
        {"unknown type", ROW(1, "video/x-flv", "")},
        {"type with a tail", ROW(1, "video/mp4x", "")},
        {"no itag", "{\"url\":\"" MEDIA "\",\"mimeType\":\"video/mp4\"}"},
        {"negative itag", ROW(-5, "video/mp4", "")},
        {"track that is no name", ROW(1, "audio/mp4", TRACK("en/../4", true))},
        {"not an object", "17"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_(buf) struct buf rows = BUF_INIT(65536);
        (void)buf_addf(&rows, "%s," ROW(140, "audio/mp4", ""), cases[i].row);
        auto_ptr(description) struct description *d = with_formats("", buf_str(&rows));
        if (!d || d->format_count != 1 || strcmp(d->formats[0].id, "140") != 0)
            fail_msg("%s: %zu formats", cases[i].name, d ? d->format_count : 0);
    }
}

static void ids_tracks_and_order(void **state)
{
    (void)state;
    auto_ptr(description) struct description
        *d =
            with_formats(
                ROW(18, "video/mp4; codecs=\\\"avc1.42001E, mp4a.40.2\\\"",
                    ",\"width\":640,\"height\":360,\"fps\":30"),
                ROW(251, "audio/webm; codecs=\\\"opus\\\"", ",\"bitrate\":150000" TRACK("de.3", false)) "," ROW(
                    140, "audio/mp4; codecs=\\\"mp4a.40.2\\\"",
                    ",\"bitrate\":130388,\"averageBitrate\":129501,\"isDrc\":true" TRACK(
                        "en-GB.4",
                        false)) "," ROW(140, "audio/mp4; codecs=\\\"mp4a.40.2\\\"",
                                        ",\"bitrate\":130388,\"averageBitrate\":129501" TRACK(
                                            "en-GB.4",
                                            false)) "," ROW(140, "audio/mp4; codecs=\\\"mp4a.40.2\\\"",
                                                            ",\"bitrate\":999999" TRACK(
                                                                "en-GB.4",
                                                                false)) "," ROW(140,
                                                                                "audio/mp4; codecs=\\\"mp4a.40.2\\\"", ",\"bitrate\":130388" TRACK("fr.10", true)) "," ROW(248, "video/webm; codecs=\\\"vp9\\\"", ",\"width\":1920,\"height\":1080,\"bitrate\":9000000") "," ROW(137, "video/mp4; codecs=\\\"avc1.640028\\\"", ",\"width\":1920,\"height\":1080,\"bitrate\":4000000,\"approxDurationMs\":\"99000\"") ","
                                                                                                                                                                                                                                                                                                                                                                                                                     "{\"itag\":137,\"url\":\"" MEDIA
                                                                                                                                                                                                                                                                                                                                                                                                                     "&xtags=sr%3D1\",\"mimeType\":\"video/mp4\",\"width\":3840,\"height\":2160}"
                                                                                                                                                                                                                                                                                                                                                                                                                     "," ROW(
                                                                                                                                                                                                                                                                                                                                                                                                                         299,
                                                                                                                                                                                                                                                                                                                                                                                                                         "video/mp4; codecs=\\\"avc1.64002a\\\"", ",\"width\":1920,\"height\":1080,\"fps\":60,\"qualityLabel\":\"1080p60 HDR\"") "," ROW(160,
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                         "video/mp4; codecs=\\\"avc1.4d400c\\\"",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                         ",\"width\":2560,\"height\":1440,\"approxDurationMs\":\"49000\""));
    assert_non_null(d);
    static const struct {
        const char *id, *label, *language;
        enum format_kind kind;
        bool original, drc;
    } expected[] = {
        {"18", "360p", NULL, FORMAT_MUXED, true, false},
        {"299", "1080p60 HDR", NULL, FORMAT_VIDEO, true, false},
        {"137", "1080p", NULL, FORMAT_VIDEO, true, false},
        {"248", "1080p", NULL, FORMAT_VIDEO, true, false},
        {"137-sr", "2160p upscaled", NULL, FORMAT_VIDEO, false, false},
        {"140-en-GB.4", "128 kbit/s", "en-GB", FORMAT_AUDIO, true, false},
        {"140-en-GB.4-drc", "128 kbit/s DRC", "en-GB", FORMAT_AUDIO, true, true},
        {"251-de.3", "150 kbit/s", "de", FORMAT_AUDIO, false, false},
        {"140-fr.10", "128 kbit/s", "fr", FORMAT_AUDIO, false, false},
        {"160", "1440p", NULL, FORMAT_VIDEO, true, false}, /* half of the video: last */
    };
    assert_int_equal(d->format_count, ARRAY_LEN(expected));
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        const struct format *f = &d->formats[i];
        assert_string_equal(f->id, expected[i].id);
        assert_string_equal(f->label, expected[i].label);
        assert_int_equal(f->kind, expected[i].kind);
        assert_int_equal(f->original, expected[i].original);
        assert_int_equal(f->drc, expected[i].drc);
        if (expected[i].language)
            assert_string_equal(f->language, expected[i].language);
        else
            assert_null(f->language);
    }
    assert_string_equal(d->formats[0].codecs, "avc1.42001E,mp4a.40.2");
    assert_int_equal(d->formats[5].bitrate, 130388); /* the first of two equal ones */
}

static void default_track_counts_where_none_is_original(void **state)
{
    (void)state;
    auto_ptr(description) struct description *d = with_formats(
        "", ROW(140, "audio/mp4", TRACK("de.3", false)) "," ROW(140, "audio/mp4", TRACK("en.3", true)));
    assert_non_null(d);
    assert_string_equal(d->formats[0].id, "140-en.3");
    assert_true(d->formats[0].original);
    assert_false(d->formats[1].original);
}

static void numbers_are_checked(void **state)
{
    (void)state;
    auto_ptr(description) struct description *d = with_formats(
        "",
        "{\"itag\":140,\"url\":\"" MEDIA
        "&clen=4321&lmt=77\",\"mimeType\":\"audio/mp4; codecs=\\\"mp4a\\u0001\\\"\","
        "\"contentLength\":\"-5\",\"bitrate\":-1,\"approxDurationMs\":\"1e9\",\"audioSampleRate\":\"44100 \","
        "\"audioChannels\":99999999999,\"initRange\":{\"start\":\"9\",\"end\":\"3\"},"
        "\"indexRange\":{\"start\":\"10\",\"end\":\"4321\"}}");
    assert_non_null(d);
    const struct format *f = &d->formats[0];
    assert_int_equal(f->size_bytes, 4321); /* the URL's */
    assert_int_equal(f->last_modified, 77);
    assert_true(f->bitrate == 0 && f->duration_ms == 0 && f->sample_rate == 0 && f->channels == 0);
    assert_true(f->init.end == 0 && f->index.end == 0);
    assert_string_equal(f->codecs, "");
    assert_string_equal(f->container, "m4a");
    assert_string_equal(f->mime, "audio/mp4");
}

static int measuring_call(void *ctx, const struct net_call *call, struct net_answer *answer, struct err *e)
{
    if (!call->range_length)
        return fake_call(ctx, call, answer, e);
    assert_true(call->range_offset == 0 && call->range_length == 2);
    assert_non_null(call->user_agent);
    *answer = (struct net_answer){.status = strstr(call->url, "dead") ? 403 : 206, .total_size = 987654};
    return 0;
}

static void unknown_size_is_measured(void **state)
{
    (void)state;
    const struct fake_answer answers[] = {
        VISITOR_ID,
        VISIONOS_SAYS("{" DETAILS "," OK ",\"streamingData\":{\"formats\":[{\"itag\":18,\"url\":\"" MEDIA
                      "\",\"mimeType\":\"video/mp4\",\"height\":360},{\"itag\":22,\"url\":\"" MEDIA
                      "&dead=1\",\"mimeType\":\"video/mp4\",\"height\":240}]}}")};
    auto_(fake_site) struct fake_site f = {.answers = answers, .count = ARRAY_LEN(answers)};
    struct site_env env = env_of(&f);
    env.call = measuring_call;
    auto_ptr(description) struct description *d = NULL;
    buf_init(&f.sent, 1 << 20);
    assert_int_equal(youtube_describe(&env, ID, &d, &err), 0);
    assert_int_equal(d->formats[0].size_bytes, 987654);
    assert_int_equal(d->formats[1].size_bytes, 0);
}

static void details_and_subtitles(void **state)
{
    (void)state;
    static const char answer[] =
        "{\"videoDetails\":{\"videoId\":\"" ID
        "\",\"title\":\"../../etc/\\\"\\r\\nX: y\\u202e\\u0000z\",\"author\":"
        "\"\xff!\",\"lengthSeconds\":\"100\",\"isLive\":true,\"thumbnail\":{\"thumbnails\":["
        "{\"url\":\"https://i.example/small.jpg\",\"width\":10,\"height\":10},"
        "{\"url\":\"https://i.example/big.jpg\",\"width\":100,\"height\":100},"
        "{\"url\":\"http://i.example/huge.jpg\",\"width\":1000,\"height\":1000}]}}," OK
        ",\"captions\":{\"playerCaptionsTracklistRenderer\":{\"captionTracks\":["
        "{\"baseUrl\":\"https://www.youtube.com/api/timedtext?v=x&fmt=srv3&xosf=1&lang=en\",\"languageCode\":\"en\","
        "\"kind\":\"asr\",\"name\":{\"runs\":[{\"text\":\"English \"},{\"text\":\"(auto)\"}]}},"
        "{\"baseUrl\":\"https://www.youtube.com/api/timedtext\",\"languageCode\":\"de\",\"name\":{\"simpleText\":"
        "\"Deutsch\"}},"
        "{\"baseUrl\":\"javascript:alert(1)\",\"languageCode\":\"fr\",\"name\":{}}]}},"
        "\"streamingData\":{\"expiresInSeconds\":\"21540\",\"adaptiveFormats\":["
        "{\"itag\":140,\"url\":\"https://x.example/v\",\"mimeType\":\"audio/mp4\",\"contentLength\":\"1\"}]}}";
    const struct fake_answer answers[] = {VISITOR_ID, VISIONOS_SAYS(answer)};
    auto_(fake_site) struct fake_site f = {.answers = answers, .count = ARRAY_LEN(answers)};
    auto_ptr(description) struct description *d = describe(&f);
    assert_non_null(d);
    assert_string_equal(d->title, "../../etc/\" X: y\xe2\x80\xae"); /* one line; escaped where it is used */
    assert_string_equal(d->author, "\xef\xbf\xbd!");
    assert_string_equal(d->thumbnail, "https://i.example/big.jpg");
    assert_true(d->live);
    assert_int_equal(d->duration_ms, 100000);
    assert_in_range(d->expires_unix_s, clock_unix_s() + 21500, clock_unix_s() + 21540);
    assert_int_equal(d->subtitle_count, 2);
    assert_string_equal(d->subtitles[0].url, "https://www.youtube.com/api/timedtext?v=x&lang=en&fmt=vtt");
    assert_string_equal(d->subtitles[0].label, "English (auto)");
    assert_true(d->subtitles[0].is_auto);
    assert_string_equal(d->subtitles[1].url, "https://www.youtube.com/api/timedtext?fmt=vtt");
    assert_string_equal(d->subtitles[1].language, "de");
    assert_false(d->subtitles[1].is_auto);
}

/* ------------------------------------------------------------------------------------------------ */
/* Recorded answers: ../shared/recorded beside the sources, which is no part of them */

static char recorded[4000];

static int recorded_call(void *ctx, const struct net_call *call, struct net_answer *answer, struct err *e)
{
    static const struct {
        const char *url, *sent, *file;
    } files[] = {
        {"visitor_id", "VISIONOS", "visitor_id-VISIONOS.json"},
        {"visitor_id", "ANDROID", "visitor_id-ANDROID.json"},
        {"/v1/player?", "VISIONOS", "VISIONOS.json"},
        {"/reel/reel_item_watch?", "ANDROID", "ANDROID.json"},
    };
    const char *id = ctx;
    *answer = (struct net_answer){.status = 404};
    if (call->range_length) {
        answer->status = 206;
        answer->total_size = 5555555;
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        char path[4200];
        if (!strstr(call->url, files[i].url) || !strstr(call->body, files[i].sent))
            continue;
        (void)snprintf(path, sizeof path, "%s/%s/%s", recorded, id, files[i].file);
        buf_init(&answer->body, call->max_bytes);
        if (io_read_file(path, &answer->body, e) == 0) {
            answer->status = 200;
            return 0;
        }
        buf_fini(&answer->body);
        /* Not recorded: what a client says that cannot show the video. */
        answer->status = 200;
        buf_init(&answer->body, call->max_bytes);
        (void)buf_adds(&answer->body, REFUSAL("UNPLAYABLE", "This video is not available"));
    }
    return 0;
}

static bool have_recorded(void)
{
    const char *source = getenv("SLUICE_SOURCE_DIR");
    (void)snprintf(recorded, sizeof recorded, "%s/../shared/recorded", source ? source : ".");
    bool have = access(recorded, R_OK) == 0;
    if (!have)
        print_message("no recorded answers at %s: skipped\n", recorded);
    return have;
}

static int describe_recorded(const char *id, struct description **d)
{
    struct site_env env = {.call = recorded_call, .call_ctx = (void *)id};
    return youtube_describe(&env, id, d, &err);
}

static void recorded_plain_video(void **state)
{
    (void)state;
    auto_ptr(description) struct description *d = NULL;
    static const char *const ids[] = {"137", "136", "134", "243", "160", "140", "251", "139"};
    if (!have_recorded())
        skip();
    assert_int_equal(describe_recorded("T4XJQO3qol8", &d), 0);
    assert_string_equal(d->title, "Burning Everyone's Koran");
    assert_string_equal(d->author, "INTO THE FRAY");
    assert_int_equal(d->duration_ms, 219000);
    assert_string_equal(d->engine, "youtube:visionos");
    assert_string_equal(d->thumbnail, "https://i.ytimg.com/vi/T4XJQO3qol8/mqdefault.jpg");
    assert_false(d->live);
    assert_int_equal(d->expires_unix_s, 1780891173);
    assert_int_equal(d->format_count, 8);
    for (size_t i = 0; i < 8; i++) {
        assert_string_equal(d->formats[i].id, ids[i]);
        assert_int_equal(d->formats[i].kind, i < 5 ? FORMAT_VIDEO : FORMAT_AUDIO);
        assert_true(d->formats[i].original && !d->formats[i].drc);
        assert_true(d->formats[i].size_bytes > 1000000 && d->formats[i].last_modified > 0);
        assert_true(d->formats[i].init.end > 0 && d->formats[i].index.start == d->formats[i].init.end + 1);
        assert_int_equal(strncmp(d->formats[i].url, "https://rr4---sn-25ge7nzk.googlevideo.com/", 42), 0);
    }
    const struct format *f = description_format(d, "137");
    assert_true(f->size_bytes == 74992846 && f->width == 1920 && f->height == 1080 && f->bitrate == 4517126);
    assert_true(f->last_modified == 1726396988913358 && f->duration_ms == 218918);
    assert_string_equal(f->label, "1080p");
    assert_string_equal(f->codecs, "avc1.640028");
    f = description_format(d, "140");
    assert_string_equal(f->label, "128 kbit/s");
    assert_true(f->sample_rate == 44100 && f->channels == 2);
    assert_string_equal(f->container, "m4a");
    assert_string_equal(description_format(d, "251")->container, "webm");
    assert_int_equal(d->subtitle_count, 1);
    assert_true(d->subtitles[0].is_auto);
    assert_string_equal(d->subtitles[0].label, "English (auto-generated)");

    auto_(buf) struct buf json = BUF_INIT(1 << 20);
    auto_ptr(description) struct description *back = NULL;
    assert_int_equal(description_serialise(d, &json), 0);
    assert_int_equal(description_parse(&back, buf_str(&json), json.len, &err), 0);
    assert_int_equal(back->format_count, 8);
}

static void recorded_video_for_kids(void **state)
{
    (void)state;
    auto_ptr(description) struct description *d = NULL;
    if (!have_recorded())
        skip();
    assert_int_equal(describe_recorded("it3OtbTxQk0", &d), 0);
    assert_string_equal(d->title, "Introduction to Doodle for Google 2023");
    assert_string_equal(d->author, "GoogleDoodles");
    assert_int_equal(d->duration_ms, 145000);
    assert_string_equal(d->engine, "youtube:android");
    assert_int_equal(d->format_count, 1);
    assert_string_equal(d->formats[0].id, "18");
    assert_string_equal(d->formats[0].label, "360p");
    assert_string_equal(d->formats[0].codecs, "avc1.42001E,mp4a.40.2");
    assert_int_equal(d->formats[0].kind, FORMAT_MUXED);
    assert_int_equal(d->formats[0].size_bytes, 5555555); /* measured */
    assert_int_equal(d->subtitle_count, 1);
}

static void recorded_private_video(void **state)
{
    (void)state;
    auto_ptr(description) struct description *d = NULL;
    if (!have_recorded())
        skip();
    assert_int_equal(describe_recorded("8VajtrESJzA", &d), -1);
    assert_int_equal(err.code, ERR_PRIVATE);
    assert_non_null(strstr(err.text, "android: private"));
}

static void recorded_live_video(void **state)
{
    (void)state;
    auto_ptr(description) struct description *d = NULL;
    if (!have_recorded())
        skip();
    assert_int_equal(describe_recorded("X4VbdwhkE10", &d), -1);
    assert_int_equal(err.code, ERR_LIVE);
    assert_non_null(strstr(err.text, "14 live"));
}

static int prepare(void **state)
{
    (void)state;
    log_init("test", LOG_ERROR); /* refusals are logged; here they are what is tested */
    return hash_init(&err);
}

static int lines_of(void *ctx, const char *url, struct buf *out)
{
    assert_string_equal(url, "https://www.youtube.com/");
    return ctx ? buf_adds(out, ctx) : -1;
}

static void proof_of_an_account(void **state)
{
    (void)state;
#define COOKIE(name, value) ".youtube.com\tTRUE\t/\tTRUE\t4000000000\t" name "\t" value "\n"
#define HASH                "SAPISIDHASH 1700000000_747622f274182ecf105054645d6a0093199ab03d"
    static const struct {
        const char *name, *lines, *proof; /* NULL: none */
    } cases[] = {
        {"signed in", COOKIE("SID", "x") COOKIE("SAPISID", "abc/def"), HASH},
        {"in its other form", COOKIE("__Secure-3PAPISID", "abc/def"), HASH},
        {"both", COOKIE("__Secure-3PAPISID", "other") COOKIE("SAPISID", "abc/def"), HASH},
        {"somebody without account", COOKIE("VISITOR", "abc") COOKIE("NOT_SAPISID", "abc/def"), NULL},
        {"of that name, and empty", COOKIE("SAPISID", ""), NULL},
        {"a line cut short", ".youtube.com\tTRUE\t/\tTRUE\t0\tSAPISID", NULL},
        {"nobody", NULL, NULL},
    };
    const struct client client = {.host = "www.youtube.com"};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char proof[ACCOUNT_PROOF_MAX] = "";
        const struct site_env env = {.cookies = lines_of, .cookies_ctx = (void *)(uintptr_t)cases[i].lines};
        bool there = account_proof(&env, &client, 1700000000, proof) == 0;
        if (there != (cases[i].proof != NULL) || strcmp(proof, there ? cases[i].proof : "") != 0 ||
            account_is_there(&env, &client) != there)
            fail_msg("%s: %d, '%s'", cases[i].name, there, proof);
    }
    const struct site_env none = {.cookies = NULL};
    assert_false(account_is_there(&none, &client));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals),
        cmocka_unit_test(proof_of_an_account),
        cmocka_unit_test(transport_errors),
        cmocka_unit_test(one_reset_is_survived),
        cmocka_unit_test(first_client_suffices),
        cmocka_unit_test(second_client_is_asked_as_itself),
        cmocka_unit_test(bot_check_is_passed_with_the_visitor_it_brings),
        cmocka_unit_test(remembered_visitor_is_used_and_replaced_when_it_fails),
        cmocka_unit_test(bot_check_is_retried_once),
        cmocka_unit_test(visitor_that_is_no_header_value_is_ignored),
        cmocka_unit_test(skip_rules),
        cmocka_unit_test(ids_tracks_and_order),
        cmocka_unit_test(default_track_counts_where_none_is_original),
        cmocka_unit_test(numbers_are_checked),
        cmocka_unit_test(unknown_size_is_measured),
        cmocka_unit_test(details_and_subtitles),
        cmocka_unit_test(recorded_plain_video),
        cmocka_unit_test(recorded_video_for_kids),
        cmocka_unit_test(recorded_private_video),
        cmocka_unit_test(recorded_live_video),
    };
    return cmocka_run_group_tests(tests, prepare, NULL);
}
