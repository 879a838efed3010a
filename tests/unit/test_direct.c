/* site/direct: links to media files, on servers that know ranges and on servers that do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "site/site.h"

enum { RATE = 8000, SECONDS = 30, WAV_BYTES = 44 + RATE * SECONDS * 2 };

static unsigned char wav[WAV_BYTES];
static struct err err;

static void put32(unsigned char *to, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        to[i] = (unsigned char)(v >> (8 * i));
}

/* 30 s of silence, 8 kHz, one channel: 480,044 bytes, so more than the first look holds. */
static void make_wav(void)
{
    static const unsigned char format[] = {1, 0, 1, 0};
    memcpy(wav, "RIFF", 4);
    put32(wav + 4, WAV_BYTES - 8);
    memcpy(wav + 8, "WAVEfmt ", 8);
    put32(wav + 16, 16);
    memcpy(wav + 20, format, 4);
    put32(wav + 24, RATE);
    put32(wav + 28, RATE * 2);
    wav[32] = 2;
    wav[34] = 16;
    memcpy(wav + 36, "data", 4);
    put32(wav + 40, WAV_BYTES - 44);
}

/* A web server with one file. */
struct server {
    const void *data;
    size_t len;
    const char *type;
    int status; /* 0: what the request deserves */
    bool no_ranges, no_length, lies;
    const char *etag, *moved_to;
    int calls;
    uint64_t read;
};

static int serve(void *ctx, const struct net_call *call, struct net_answer *answer, struct err *e)
{
    struct server *s = ctx;
    size_t from = s->no_ranges ? 0 : (size_t)call->range_offset;
    (void)e;
    s->calls++;
    assert_null(call->body);
    assert_true(call->range_length > 0 && call->range_length <= 4 * 1024 * 1024);
    *answer = (struct net_answer){.status = s->status ? s->status : s->no_ranges ? 200 : 206};
    buf_init(&answer->body, call->max_bytes);
    if (s->status == 0 && from >= s->len)
        answer->status = 416;
    if (answer->status >= 400)
        return 0;
    size_t n = s->len - from < call->range_length ? s->len - from : (size_t)call->range_length;
    assert_int_equal(buf_add(&answer->body, (const char *)s->data + from, n), 0);
    s->read += n;
    answer->range_start = from;
    answer->total_size = s->no_length ? 0 : s->len + (s->lies && s->calls > 1);
    (void)snprintf(answer->content_type, sizeof answer->content_type, "%s", s->type ? s->type : "");
    (void)snprintf(answer->etag, sizeof answer->etag, "%s", s->etag ? s->etag : "");
    if (s->moved_to && s->calls > 1)
        assert_string_equal(call->url, s->moved_to); /* redirects are followed once */
    answer->final_url = strdup(s->moved_to ? s->moved_to : call->url);
    return 0;
}

static struct description *describe(struct server *s, const char *url)
{
    struct description *d = NULL;
    struct site_env env = {.call = serve, .call_ctx = s};
    static struct link link;
    assert_int_equal(link_parse(&link, url, strlen(url)), LINK_DIRECT);
    int rc = site_describe(&env, &link, &d, &err);
    assert_int_equal(rc == 0, d != NULL);
    return d;
}

static void a_sound_file(void **state)
{
    (void)state;
    struct server s = {.data = wav, .len = sizeof wav, .type = "audio/x-wav", .etag = "\"v1\""};
    auto_ptr(description) struct description *d = describe(&s, "https://media.example/a/My%20Sound.wav?x=1");
    if (!d)
        fail_msg("%s", err.text);
    assert_string_equal(d->site, "direct");
    assert_string_equal(d->engine, "direct");
    assert_string_equal(d->url, "https://media.example/a/My%20Sound.wav?x=1");
    assert_string_equal(d->title, "My Sound");
    assert_string_equal(d->author, "media.example");
    assert_int_equal(strlen(d->id), 16);
    assert_int_equal(d->duration_ms, SECONDS * 1000);
    assert_int_equal(d->format_count, 1);
    const struct format *f = &d->formats[0];
    assert_string_equal(f->id, "source");
    assert_int_equal(f->kind, FORMAT_AUDIO);
    assert_string_equal(f->container, "wav");
    assert_string_equal(f->mime, "audio/wav");
    assert_int_equal(f->size_bytes, WAV_BYTES);
    assert_string_equal(f->label, "128 kbit/s");
    assert_true(f->sample_rate == RATE && f->channels == 1 && f->original);
    assert_true(f->last_modified != 0);
    assert_null(f->user_agent);
    assert_true(s.read < WAV_BYTES); /* never the whole file */
}

static void types_and_statuses(void **state)
{
    (void)state;
    static const char page[] = "<!doctype html><title>A page</title>";
    static const char list[] = "#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:4,\na.ts\n";
    static const char mpd[] = "<?xml version=\"1.0\"?><MPD></MPD>";
    static const struct {
        const char *name, *type;
        const void *data; /* NULL: the sound */
        int status;
        enum err_code code;
    } cases[] = {
        {"octet stream", "application/octet-stream", NULL, 0, ERR_OK},
        {"no type", "", NULL, 0, ERR_OK},
        {"plain text by mistake", "text/plain", NULL, 0, ERR_OK},
        {"unknown type", "x/y", NULL, 0, ERR_OK},
        {"a page", "text/html", page, 0, ERR_UNSUPPORTED_SITE},
        {"a page that calls itself a video", "video/mp4", page, 0, ERR_UNSUPPORTED_SITE},
        {"a sound that calls itself a page", "text/html", NULL, 0, ERR_UNSUPPORTED_SITE},
        {"a picture", "image/jpeg", page, 0, ERR_UNSUPPORTED_SITE},
        /* A broadcast, but its pieces are no media. */
        {"a playlist", "application/vnd.apple.mpegurl", list, 0, ERR_UNSUPPORTED_SITE},
        {"a playlist that calls itself a video", "video/mp2t", list, 0, ERR_UNSUPPORTED_SITE},
        {"a manifest", "application/dash+xml", mpd, 0, ERR_UNSUPPORTED_SITE},
        {"a manifest without type", "", mpd, 0, ERR_UNSUPPORTED_SITE},
        {"an empty file", "video/mp4", "", 0, ERR_UNSUPPORTED_SITE},
        {"not found", "", page, 404, ERR_NOT_FOUND},
        {"gone", "", page, 410, ERR_NOT_FOUND},
        {"forbidden", "", page, 403, ERR_PRIVATE},
        {"login", "", page, 401, ERR_PRIVATE},
        {"legal reasons", "", page, 451, ERR_GEO_BLOCKED},
        {"too many", "", page, 429, ERR_RATE_LIMITED_UPSTREAM},
        {"server error", "", page, 500, ERR_UPSTREAM_FAILED},
        {"odd status", "", page, 418, ERR_UPSTREAM_FAILED},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct server s = {.data = wav, .len = sizeof wav, .type = cases[i].type, .status = cases[i].status};
        if (cases[i].data) {
            s.data = cases[i].data;
            s.len = strlen(cases[i].data);
        }
        memset(&err, 0, sizeof err);
        auto_ptr(description) struct description *d = describe(&s, "https://media.example/a");
        if (err.code != cases[i].code || (cases[i].status && err.upstream_status != cases[i].status))
            fail_msg("%s: %s (%s)", cases[i].name, err_info(err.code)->name, err.text);
    }
}

static void servers_without_ranges(void **state)
{
    (void)state;
    struct server s = {.data = wav, .len = sizeof wav, .type = "audio/wav", .no_ranges = true};
    auto_ptr(description) struct description *d = describe(&s, "https://media.example/a.wav");
    if (!d)
        fail_msg("%s", err.text);
    assert_int_equal(d->formats[0].size_bytes, WAV_BYTES);

    struct server mute = {.data = wav, .len = sizeof wav, .no_ranges = true, .no_length = true};
    auto_ptr(description) struct description *unknown = describe(&mute, "https://media.example/a.wav");
    if (!unknown)
        fail_msg("%s", err.text);
    assert_int_equal(unknown->formats[0].size_bytes, 0);
    assert_int_equal(unknown->formats[0].last_modified, 0); /* nothing tells one version from another */
    assert_int_equal(unknown->formats[0].sample_rate, RATE);
}

static void versions(void **state)
{
    (void)state;
    uint64_t seen[3];
    const char *const etags[] = {"\"v1\"", "\"v1\"", "\"v2\""};
    for (size_t i = 0; i < 3; i++) {
        struct server s = {.data = wav, .len = sizeof wav, .etag = etags[i]};
        auto_ptr(description) struct description *d = describe(&s, "https://media.example/a.wav");
        assert_non_null(d);
        seen[i] = d->formats[0].last_modified;
    }
    assert_true(seen[0] == seen[1] && seen[0] != seen[2]);
}

static void redirects_are_followed_once(void **state)
{
    (void)state;
    struct server s = {.data = wav, .len = sizeof wav, .moved_to = "https://cdn.example/x?signed=1"};
    auto_ptr(description) struct description *d = describe(&s, "https://media.example/a.wav");
    assert_non_null(d);
    assert_string_equal(d->formats[0].url,
                        "https://media.example/a.wav"); /* what is pasted outlives what it led to */
}

static void titles(void **state)
{
    (void)state;
    static const struct {
        const char *url, *title;
    } cases[] = {
        {"https://media.example/a/film.wav", "film"},
        {"https://media.example/a/film.part1.wav", "film.part1"},
        {"https://media.example/a/film", "film"},
        {"https://media.example/a/film.directors-cut", "film.directors-cut"},
        {"https://media.example/.wav", ".wav"},
        {"https://media.example/a/", "media.example"},
        {"https://media.example", "media.example"},
        {"http://media.example:8080?f=a.wav", "media.example:8080"},
        {"https://media.example/%2e%2e%2fetc%0d%0aX:%20y.wav", "../etc X: y"},
        {"https://media.example/\xc3\xbc.wav", "\xc3\xbc"},
        {"https://media.example/%ff.wav", "\xef\xbf\xbd"},
        {"https://media.example/100%.wav", "100%"},
        {"https://media.example/a+b.wav", "a+b"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct server s = {.data = wav, .len = sizeof wav};
        auto_ptr(description) struct description *d = describe(&s, cases[i].url);
        assert_non_null(d);
        assert_string_equal(d->title, cases[i].title);
    }
}

static void other_links(void **state)
{
    (void)state;
    struct site_env env = {.call = serve};
    struct description *d = NULL;
    static struct link link;
    (void)link_parse(&link, "https://www.youtube.com/@x", 26);
    assert_int_equal(site_describe(&env, &link, &d, &err), -1);
    assert_int_equal(err.code, ERR_UNSUPPORTED_SITE);
    (void)link_parse(&link, "x", 1);
    assert_int_equal(site_describe(&env, &link, &d, &err), -1);
    assert_int_equal(err.code, ERR_BAD_URL);
}

static int prepare(void **state)
{
    (void)state;
    make_wav();
    return hash_init(&err);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_file), cmocka_unit_test(types_and_statuses),
        cmocka_unit_test(versions),     cmocka_unit_test(servers_without_ranges),
        cmocka_unit_test(titles),       cmocka_unit_test(redirects_are_followed_once),
        cmocka_unit_test(other_links),
    };
    return cmocka_run_group_tests(tests, prepare, NULL);
}
