/* media/remux: files made by ffmpeg go in, and what comes out has every packet of theirs. ffprobe is judge.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "media/remux.h"
#include "media_files.h"

enum { OUT_MAX = 64 << 20 };

/* A sink that keeps all, or has had enough after `most` bytes. */
struct keep {
    struct buf bytes;
    size_t most;
};

static void keep_fini(struct keep *k)
{
    buf_fini(&k->bytes);
}
DEFINE_AUTO(keep, keep_fini)

static int keep_write(void *ctx, const void *data, size_t len)
{
    struct keep *k = ctx;
    if (k->most && k->bytes.len + len > k->most)
        return -1;
    return buf_add(&k->bytes, data, len);
}

static void text_of(struct buf *out, const char *format, const char *path)
{
    char command[4 * MEDIA_PATH_MAX];
    char part[4096];
    (void)snprintf(command, sizeof command, format, path);
    FILE *p = popen(command, "r"); /* NOLINT(cert-env33-c) */
    assert_non_null(p);
    for (size_t n; (n = fread(part, 1, sizeof part, p)) > 0;)
        assert_int_equal(buf_add(out, part, n), 0);
    assert_int_equal(pclose(p), 0);
}

static void make(char path[MEDIA_PATH_MAX], const char *name, const char *args)
{
    if (!media_make(path, name, args))
        fail_msg("ffmpeg cannot make %s", name);
}

#define PICTURE "-f lavfi -i testsrc2=s=320x180:r=25:d=%s "
#define VP9     "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 300k -g 50 "
#define X264    "-c:v libx264 -preset ultrafast -bf 2 -g 50 -pix_fmt yuv420p "
#define DASH    "-movflags +dash+global_sidx+frag_keyframe+default_base_moof+skip_trailer "

static const struct source {
    const char *name, *args;
} sources[] = {
    {"r-vp9.webm", "-f lavfi -i testsrc2=s=320x180:r=25:d=8 " VP9 "-cues_to_front 1"},
    {"r-vp8.webm", "-f lavfi -i testsrc2=s=320x180:r=25:d=4 -c:v libvpx -b:v 300k -auto-alt-ref 1"},
    {"r-opus.webm", "-f lavfi -i sine=440:r=48000:d=8 -ac 2 -c:a libopus -b:a 96k -cues_to_front 1"},
    {"r-vorbis.webm", "-f lavfi -i sine=330:r=44100:d=4 -ac 2 -c:a libvorbis"},
    {"r-av1.webm",
     "-f lavfi -i testsrc2=s=320x180:r=25:d=4 -c:v libsvtav1 -preset 12 -crf 50 -pix_fmt yuv420p"},
    {"r-video.mp4", "-f lavfi -i testsrc2=s=320x180:r=25:d=8 " X264 DASH},
    {"r-audio.m4a",
     "-f lavfi -i sine=440:r=44100:d=8 -ac 2 -c:a aac -movflags "
     "+dash+global_sidx+delay_moov+default_base_moof+skip_trailer -use_editlist 1 -frag_duration "
     "2000000 -f mp4"},
    {"r-both.mp4",
     "-f lavfi -i testsrc2=s=320x180:r=25:d=8 -f lavfi -i sine=440:r=44100:d=8 " X264 "-c:a aac"},
    {"r-both.mkv", "-f lavfi -i testsrc2=s=320x180:r=25:d=4 -f lavfi -i sine=440:r=48000:d=4 " X264
                   "-c:a libopus -metadata:s:a language=ger"},
    {"r-both.ts",
     "-f lavfi -i testsrc2=s=320x180:r=25:d=8 -f lavfi -i sine=440:r=44100:d=8 " X264 "-c:a aac"},
    {"r-hevc.ts", "-f lavfi -i testsrc2=s=320x180:r=25:d=2 -c:v libx265 -preset ultrafast -x265-params "
                  "log-level=none -pix_fmt yuv420p"},
    {"r-theora.ogv", "-f lavfi -i testsrc2=s=320x180:r=25:d=2 -c:v libtheora"},
};

static const char *args_of(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
        if (strcmp(sources[i].name, name) == 0)
            return sources[i].args;
    }
    return NULL;
}

/* Remuxes files of `sources` into `k`. */
static int remux_files(const char *const names[REMUX_INPUTS_MAX], const struct remux_opts *opts,
                       struct keep *k, struct err *err)
{
    struct media_file files[REMUX_INPUTS_MAX];
    struct media_reader readers[REMUX_INPUTS_MAX];
    struct media_sink sink = {keep_write, k};
    size_t n = 0;
    *err = (struct err){0};
    buf_init(&k->bytes, OUT_MAX);
    for (; n < REMUX_INPUTS_MAX && names[n]; n++) {
        char path[MEDIA_PATH_MAX];
        make(path, names[n], args_of(names[n]));
        assert_true(media_file_open(&files[n], path));
        readers[n] = files[n].reader;
    }
    int rc = media_remux(readers, n, opts, &sink, err);
    while (n)
        (void)close(files[--n].fd);
    return rc;
}

static void write_out(char path[MEDIA_PATH_MAX], const char *name, const struct buf *bytes)
{
    struct err err;
    (void)snprintf(path, MEDIA_PATH_MAX, "%.300s/%d-%s", media_dir(), (int)getpid(), name);
    assert_int_equal(io_write_file(path, bytes->data, bytes->len, &err), 0);
}

/* A packet as ffprobe shows it. */
struct shown {
    double pts_s, dts_s;
    long size;
    char hash[40];
};

enum { SHOWN_MAX = 2000 };

/* The packets of the first video ("v") or audio ("a") stream of a file; side data is passed over. */
static size_t show(const char *path, const char *kind, struct shown *out, size_t n)
{
    char command[512];
    auto_(buf) struct buf text = BUF_INIT(1 << 20);
    (void)snprintf(command, sizeof command,
                   "ffprobe -v error -select_streams %s:0 -show_data_hash md5 -of csv=p=0 "
                   "-show_entries packet=pts_time,dts_time,size,data_hash '%%s'",
                   kind);
    text_of(&text, command, path);
    for (char *at = text.data; at && *at; n++) {
        assert_true(n < SHOWN_MAX);
        char dts[32];
        assert_int_equal(sscanf(at, "%lf,%31[^,],%ld", &out[n].pts_s, dts, &out[n].size), 3);
        out[n].dts_s = strcmp(dts, "N/A") == 0 ? NAN : strtod(dts, NULL);
        at = strstr(at, "MD5:");
        assert_non_null(at);
        (void)snprintf(out[n].hash, sizeof out[n].hash, "%.36s", at);
        at += 37;
    }
    return n;
}

static bool near(double a, double b)
{
    return isnan(a) || fabs(a - b) < 0.0021; /* Matroska's times are whole milliseconds, or not there */
}

static double duration_of(const char *path)
{
    double seconds = 0;
    auto_(buf) struct buf text = BUF_INIT(4096);
    text_of(&text, "ffprobe -v error -show_entries format=duration -of csv=p=0 '%s'", path);
    assert_int_equal(sscanf(buf_str(&text), "%lf", &seconds), 1);
    return seconds;
}

/* Every packet of both streams, with its times, size and hash, is in the copy. */
static void copies(void **state)
{
    static const struct {
        const char *inputs[REMUX_INPUTS_MAX];
        enum remux_to to;
        const char *out;
        double duration_s;
    } cases[] = {
        {{"r-vp9.webm", "r-opus.webm"}, REMUX_WEBM, "o.webm", 8},
        {{"r-vp9.webm", "r-vorbis.webm"}, REMUX_WEBM, "o.webm", 8},
        {{"r-vp8.webm", "r-vorbis.webm"}, REMUX_WEBM, "o.webm", 4},
        {{"r-av1.webm", "r-opus.webm"}, REMUX_WEBM, "o.webm", 8},
        {{"r-vp9.webm"}, REMUX_WEBM, "o.webm", 8},
        {{"r-opus.webm"}, REMUX_WEBM, "o.webm", 8},
        {{"r-opus.webm"}, REMUX_OGG, "o.opus", 8},
        {{"r-video.mp4", "r-audio.m4a"}, REMUX_MP4, "o.mp4", 8},
        {{"r-both.mp4"}, REMUX_MP4, "o.mp4", 8},
        {{"r-both.mkv"}, REMUX_MP4, "o.mp4", 4}, /* decoding times are libavformat's guess, in and out */
        {{"r-av1.webm"}, REMUX_MP4, "o.mp4", 4},
    };
    static struct shown was[SHOWN_MAX];
    static struct shown is[SHOWN_MAX];
    (void)state;
    if (!media_have_ffmpeg())
        return;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_(keep) struct keep k = {.most = 0};
        struct err err;
        const struct remux_opts opts = {.to = cases[i].to};
        char path[MEDIA_PATH_MAX];
        if (remux_files(cases[i].inputs, &opts, &k, &err) < 0)
            fail_msg("case %zu: %s", i, err.text);
        write_out(path, cases[i].out, &k.bytes);
        for (const char *kind = "av"; *kind; kind++) {
            const char name[2] = {*kind, '\0'};
            size_t n = 0;
            for (size_t in = 0; in < REMUX_INPUTS_MAX && cases[i].inputs[in]; in++) {
                char from[MEDIA_PATH_MAX];
                make(from, cases[i].inputs[in], args_of(cases[i].inputs[in]));
                n = show(from, name, was, n);
            }
            assert_int_equal(show(path, name, is, 0), n);
            bool guessed = strstr(cases[i].inputs[0], ".mkv") != NULL;
            for (size_t p = 0; p < n; p++) {
                bool late = is[p].dts_s > is[p].pts_s || (p && !(is[p].dts_s > is[p - 1].dts_s));
                if (late || !near(was[p].pts_s, is[p].pts_s) ||
                    (!guessed && !near(was[p].dts_s, is[p].dts_s)) || was[p].size != is[p].size ||
                    strcmp(was[p].hash, is[p].hash) != 0)
                    fail_msg("case %zu, %s %zu: pts %f %f, dts %f %f, size %ld %ld", i, name, p, was[p].pts_s,
                             is[p].pts_s, was[p].dts_s, is[p].dts_s, was[p].size, is[p].size);
            }
        }
        if (duration_of(path) < cases[i].duration_s - 0.15 || duration_of(path) > cases[i].duration_s + 0.15)
            fail_msg("case %zu lasts %f s", i, duration_of(path));
        (void)unlink(path);
    }
}

/* ---- Transport streams ---- */

/* What is decoded from the first video or audio stream, as a hash. */
static void decoded(const char *path, const char *kind, struct buf *out)
{
    char command[256];
    (void)snprintf(command, sizeof command,
                   "ffmpeg -nostdin -v error -i '%%s' -map 0:%s:0 -fps_mode passthrough -f hash -hash md5 -",
                   kind);
    buf_clear(out);
    text_of(out, command, path);
}

static void a_transport_stream_becomes_mp4(void **state)
{
    static const struct {
        const char *name, *kinds;
    } cases[] = {{"r-both.ts", "va"}, {"r-hevc.ts", "v"}};
    (void)state;
    for (size_t i = 0; media_have_ffmpeg() && i < ARRAY_LEN(cases); i++) {
        auto_(keep) struct keep k = {.most = 0};
        auto_(buf) struct buf was = BUF_INIT(4096);
        auto_(buf) struct buf is = BUF_INIT(4096);
        const char *const names[REMUX_INPUTS_MAX] = {cases[i].name};
        const struct remux_opts opts = {.to = REMUX_MP4};
        struct err err;
        char from[MEDIA_PATH_MAX];
        char path[MEDIA_PATH_MAX];
        if (remux_files(names, &opts, &k, &err) < 0)
            fail_msg("%s: %s", cases[i].name, err.text);
        make(from, cases[i].name, args_of(cases[i].name));
        write_out(path, "o.mp4", &k.bytes);
        for (const char *kind = cases[i].kinds; *kind; kind++) {
            const char one[2] = {*kind, '\0'};
            decoded(from, one, &was);
            decoded(path, one, &is);
            assert_string_equal(buf_str(&was), buf_str(&is));
        }
        buf_clear(&is);
        text_of(&is,
                "ffprobe -v error -select_streams v -show_entries stream=width,height:format=start_time -of "
                "csv=p=0 '%s'",
                path);
        assert_non_null(strstr(buf_str(&is), "320,180\n0.000000"));
        (void)unlink(path);
    }
}

/* Two recordings, one behind the other: the clock starts anew, the film goes on. */
static void a_clock_that_jumps_goes_on(void **state)
{
    (void)state;
    if (!media_have_ffmpeg())
        return;
    char part[MEDIA_PATH_MAX];
    char path[MEDIA_PATH_MAX];
    struct err err = {0};
    auto_(buf) struct buf first = BUF_INIT(16 << 20);
    auto_(keep) struct keep k = {.bytes = BUF_INIT(OUT_MAX)};
    make(part, "r-both.ts", args_of("r-both.ts"));
    assert_int_equal(io_read_file(part, &first, &err), 0);
    make(part, "r-late.ts",
         "-f lavfi -i testsrc2=s=320x180:r=25:d=8 -f lavfi -i sine=440:r=44100:d=8 " X264
         "-c:a aac -output_ts_offset 50000");
    assert_int_equal(io_read_file(part, &first, &err), 0);
    write_out(path, "two.ts", &first);
    struct media_file f;
    assert_true(media_file_open(&f, path));
    (void)unlink(path);
    const struct media_sink sink = {keep_write, &k};
    const struct remux_opts opts = {.to = REMUX_MP4};
    assert_int_equal(media_remux(&f.reader, 1, &opts, &sink, &err), 0);
    write_out(path, "two.mp4", &k.bytes);
    double seconds = duration_of(path);
    if (seconds < 15.9 || seconds > 16.3)
        fail_msg("lasts %f s", seconds);
    (void)unlink(path);
    (void)close(f.fd);
}

/* ---- Tags ---- */

static void tags_are_read_back(void **state)
{
    static const unsigned char png[] = {
        0x89, 'P',  'N',  'G',  '\r', '\n', 0x1a, '\n', 0,    0,    0,    13,  'I',  'H',  'D',  'R',  0,
        0,    0,    1,    0,    0,    0,    1,    8,    0,    0,    0,    0,   0x3a, 0x7e, 0x9b, 0x55, 0,
        0,    0,    10,   'I',  'D',  'A',  'T',  0x78, 0x9c, 0x63, 0x60, 0,   0,    0,    2,    0,    1,
        0x48, 0xaf, 0xa4, 0x71, 0,    0,    0,    0,    'I',  'E',  'N',  'D', 0xae, 0x42, 0x60, 0x82};
    static const struct mp4_tags tags = {.title = "Grüße =;#\n[x]",
                                         .artist = "A",
                                         .comment = "https://example.org/?a=b",
                                         .cover = png,
                                         .cover_len = sizeof png};
    static const struct {
        const char *name, *out;
        enum remux_to to;
        bool covered;
    } cases[] = {{"r-opus.webm", "t.opus", REMUX_OGG, true},
                 {"r-vp9.webm", "t.webm", REMUX_WEBM, false},
                 {"r-both.mp4", "t.mp4", REMUX_MP4, false}};
    (void)state;
    for (size_t i = 0; media_have_ffmpeg() && i < ARRAY_LEN(cases); i++) {
        auto_(keep) struct keep k = {.most = 0};
        auto_(buf) struct buf text = BUF_INIT(65536);
        const char *const names[REMUX_INPUTS_MAX] = {cases[i].name};
        const struct remux_opts opts = {.to = cases[i].to, .tags = &tags};
        struct err err;
        char path[MEDIA_PATH_MAX];
        assert_int_equal(remux_files(names, &opts, &k, &err), 0);
        write_out(path, cases[i].out, &k.bytes);
        text_of(&text, "ffprobe -v error -show_format -show_streams -of json '%s'", path);
        if (!strstr(buf_str(&text), "Grüße =;#\\n[x]") ||
            !strstr(buf_str(&text), "https://example.org/?a=b") ||
            (strstr(buf_str(&text), "\"attached_pic\": 1") != NULL) != cases[i].covered)
            fail_msg("%s: %s", cases[i].out, buf_str(&text));
        (void)unlink(path);
    }
}

static void the_same_bytes_every_time(void **state)
{
    (void)state;
    for (int to = REMUX_WEBM; media_have_ffmpeg() && to <= REMUX_OGG; to++) {
        auto_(keep) struct keep a = {.most = 0};
        auto_(keep) struct keep b = {.most = 0};
        const char *const names[REMUX_INPUTS_MAX] = {to == REMUX_WEBM ? "r-vp9.webm" : "r-opus.webm",
                                                     "r-opus.webm"};
        const struct remux_opts opts = {.to = (enum remux_to)to, .duration_ms = 8000};
        struct err err;
        assert_int_equal(remux_files(names, &opts, &a, &err), 0);
        assert_int_equal(remux_files(names, &opts, &b, &err), 0);
        assert_int_equal(a.bytes.len, b.bytes.len);
        assert_memory_equal(a.bytes.data, b.bytes.data, a.bytes.len);
    }
}

/* ---- What goes wrong ---- */

static void what_does_not_fit_is_refused_before_the_first_byte(void **state)
{
    static const struct {
        const char *name;
        enum remux_to to;
    } cases[] = {{"r-both.mp4", REMUX_WEBM},
                 {"r-vorbis.webm", REMUX_OGG},
                 {"r-vp9.webm", REMUX_OGG},
                 {"r-theora.ogv", REMUX_MP4},
                 {"r-vp8.webm", REMUX_MP4}};
    (void)state;
    for (size_t i = 0; media_have_ffmpeg() && i < ARRAY_LEN(cases); i++) {
        auto_(keep) struct keep k = {.most = 0};
        const char *const names[REMUX_INPUTS_MAX] = {cases[i].name};
        const struct remux_opts opts = {.to = cases[i].to};
        struct err err;
        if (remux_files(names, &opts, &k, &err) == 0)
            fail_msg("%s was accepted", cases[i].name);
        assert_int_equal(err.code, ERR_UNSUPPORTED_SITE);
        assert_int_equal(k.bytes.len, 0);
    }
}

static void a_sink_that_has_enough_ends_it(void **state)
{
    (void)state;
    for (size_t most = 1; media_have_ffmpeg() && most < 300000; most = most * 3 + 1) {
        auto_(keep) struct keep k = {.most = most};
        const char *const names[REMUX_INPUTS_MAX] = {"r-vp9.webm", "r-opus.webm"};
        const struct remux_opts opts = {.to = REMUX_WEBM};
        struct err err;
        assert_int_equal(remux_files(names, &opts, &k, &err), -1);
        assert_int_equal(err.code, ERR_OK);
        assert_true(k.bytes.len <= most);
    }
}

/* A file that is cut, damaged, repeated without end, or whose reader gives up. */
struct bad {
    const char *bytes;
    size_t len;
    bool endless;
    uint64_t fail_from; /* 0: never */
    uint64_t served;
};

static int bad_read_at(void *ctx, uint64_t offset, void *to, size_t len, size_t *got, struct err *err)
{
    struct bad *b = ctx;
    if (b->fail_from && offset + len > b->fail_from)
        return err_set(err, ERR_UPSTREAM_FAILED, "connection reset");
    size_t n = 0;
    for (; n < len && (b->endless || offset + n < b->len); n++)
        ((char *)to)[n] = b->bytes[(offset + n) % b->len];
    *got = n;
    b->served += n;
    return 0;
}

static int remux_bad(struct bad *b, enum remux_to to, struct keep *k, struct err *err)
{
    const struct media_reader reader = {bad_read_at, b, b->endless ? 0 : b->len};
    const struct media_sink sink = {keep_write, k};
    const struct remux_opts opts = {.to = to};
    *err = (struct err){0};
    b->served = 0;
    buf_init(&k->bytes, OUT_MAX);
    return media_remux(&reader, 1, &opts, &sink, err);
}

static void load(const char *name, struct buf *out)
{
    char path[MEDIA_PATH_MAX];
    struct err err;
    make(path, name, args_of(name));
    assert_int_equal(io_read_file(path, out, &err), 0);
}

static void the_readers_error_is_told(void **state)
{
    (void)state;
    if (!media_have_ffmpeg())
        return;
    auto_(buf) struct buf file = BUF_INIT(16 << 20);
    load("r-vp9.webm", &file);
    for (uint64_t from = 1; from < file.len; from += 20000) {
        auto_(keep) struct keep k = {.most = 0};
        struct bad b = {.bytes = file.data, .len = file.len, .fail_from = from};
        struct err err;
        assert_int_equal(remux_bad(&b, REMUX_WEBM, &k, &err), -1);
        assert_int_equal(err.code, ERR_UPSTREAM_FAILED);
        assert_string_equal(err.text, "connection reset");
    }
}

static void endless_rubbish_ends(void **state)
{
    static const struct {
        const char *name, *bytes;
        size_t len;
    } cases[] = {{"zeros", "\0", 1},
                 {"boxes",
                  "\0\0\0\x08"
                  "free",
                  8},
                 {"text", "endless ", 8},
                 {"transport packets",
                  "\x47\x1f\xff\x10"
                  "0123456789",
                  14}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_(keep) struct keep k = {.most = 0};
        struct bad b = {.bytes = cases[i].bytes, .len = cases[i].len, .endless = true};
        struct err err;
        if (remux_bad(&b, REMUX_MP4, &k, &err) == 0 || b.served > 65 << 20)
            fail_msg("%s: %llu bytes read", cases[i].name, (unsigned long long)b.served);
        assert_int_equal(err.code, ERR_UNSUPPORTED_SITE);
    }
}

/* Every way of cutting or bending a good file ends in a file or an error. */
static void damaged_files_do_no_harm(void **state)
{
    static const struct {
        const char *name;
        enum remux_to to;
    } cases[] = {{"r-vp9.webm", REMUX_WEBM}, {"r-opus.webm", REMUX_OGG}, {"r-both.ts", REMUX_MP4},
                 {"r-both.mp4", REMUX_MP4},  {"r-video.mp4", REMUX_MP4}, {"r-both.mkv", REMUX_MP4}};
    uint32_t seed = 1;
    (void)state;
    for (size_t i = 0; media_have_ffmpeg() && i < ARRAY_LEN(cases); i++) {
        auto_(buf) struct buf file = BUF_INIT(16 << 20);
        load(cases[i].name, &file);
        for (int round = 0; round < 30; round++) {
            auto_(keep) struct keep k = {.most = 4 << 20};
            struct bad b = {.bytes = file.data, .len = round % 2 ? file.len * (size_t)round / 31 : file.len};
            struct err err;
            for (int flips = 0; flips < 4; flips++) {
                seed = seed * 1664525 + 1013904223;
                file.data[(seed >> 4) % (round % 3 ? file.len : 2048)] ^= (char)(1u << (seed & 7));
            }
            (void)remux_bad(&b, cases[i].to, &k, &err);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies),
        cmocka_unit_test(a_transport_stream_becomes_mp4),
        cmocka_unit_test(a_clock_that_jumps_goes_on),
        cmocka_unit_test(tags_are_read_back),
        cmocka_unit_test(the_same_bytes_every_time),
        cmocka_unit_test(what_does_not_fit_is_refused_before_the_first_byte),
        cmocka_unit_test(a_sink_that_has_enough_ends_it),
        cmocka_unit_test(the_readers_error_is_told),
        cmocka_unit_test(endless_rubbish_ends),
        cmocka_unit_test(damaged_files_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
