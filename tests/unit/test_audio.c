/* media/mp3 and media/audio: the size that is announced is the size that comes, and what comes is the sound.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "media/audio.h"
#include "media_files.h"

enum { OUT_MAX = 64 << 20 };

struct keep {
    struct buf bytes;
    size_t most; /* then it has had enough; 0: never */
    size_t writes;
};

static int keep_write(void *ctx, const void *data, size_t len)
{
    struct keep *k = ctx;
    k->writes++;
    if (k->most && k->bytes.len + len > k->most)
        return -1;
    return buf_add(&k->bytes, data, len);
}

static void keep_fini(struct keep *k)
{
    buf_fini(&k->bytes);
}
DEFINE_AUTO(keep, keep_fini)

static void text_of(struct buf *out, const char *format, const char *path)
{
    char command[4 * MEDIA_PATH_MAX];
    char part[4096];
    (void)snprintf(command, sizeof command, format, path);
    buf_clear(out);
    FILE *p = popen(command, "r"); /* NOLINT(cert-env33-c) */
    assert_non_null(p);
    for (size_t n; (n = fread(part, 1, sizeof part, p)) > 0;)
        assert_int_equal(buf_add(out, part, n), 0);
    assert_int_equal(pclose(p), 0);
}

/* Makes `name` unless it is there; converts it. */
static int convert(const char *name, const char *args, const struct audio_opts *opts, struct keep *k,
                   uint64_t *size, struct err *err)
{
    char path[MEDIA_PATH_MAX];
    struct media_file f;
    *err = (struct err){0};
    buf_init(&k->bytes, OUT_MAX);
    if (!media_make(path, name, args))
        fail_msg("ffmpeg cannot make %s", name);
    assert_true(media_file_open(&f, path));
    const struct media_sink sink = {keep_write, k};
    auto_ptr(audio) struct audio *a = NULL;
    int rc = audio_open(&a, &f.reader, opts, err);
    *size = rc == 0 ? audio_size(a) : 0;
    if (rc == 0)
        rc = audio_run(a, &sink, err);
    (void)close(f.fd);
    return rc;
}

static void write_out(char path[MEDIA_PATH_MAX], const struct buf *bytes)
{
    struct err err;
    (void)snprintf(path, MEDIA_PATH_MAX, "%.300s/%d-out.mp3", media_dir(), (int)getpid());
    assert_int_equal(io_write_file(path, bytes->data, bytes->len, &err), 0);
}

/* Samples that ffmpeg decodes, with the delays taken off. */
static uint64_t samples_in(const char *path)
{
    auto_(buf) struct buf text = BUF_INIT(4096);
    text_of(&text, "ffmpeg -nostdin -v error -i '%s' -f s16le -ac 1 - | wc -c", path);
    return strtoull(buf_str(&text), NULL, 10) / 2;
}

#define TONE(rate, seconds)                                                                                  \
    "-f lavfi -i aevalsrc='0.3*sin(2*PI*440*t)|0.3*sin(2*PI*660*t)':s=" rate ":d=" seconds " "
#define FRAGMENTS "-movflags +dash+global_sidx+default_base_moof+skip_trailer -frag_duration 2000000 -f mp4 "

static const struct source {
    const char *name, *args;
    int rate_hz;
    double seconds;
} sources[] = {
    {"a-10.m4a", TONE("44100", "10") "-c:a aac -b:a 128k " FRAGMENTS, 44100, 10},
    {"a-3.m4a", TONE("48000", "3.3") "-c:a aac -b:a 128k " FRAGMENTS, 48000, 3.3},
    {"a-edit.m4a",
     TONE("44100", "5") "-c:a aac -movflags +dash+global_sidx+delay_moov+default_base_moof -use_editlist 1 "
                        "-frag_duration 2000000 -f mp4",
     44100, 5},
    {"a-7.webm", TONE("48000", "7.77") "-c:a libopus -b:a 128k -cues_to_front 1", 48000, 7.77},
    {"a-short.webm", TONE("48000", "0.02") "-c:a libopus", 48000, 0.02},
    {"a-mono.webm", "-f lavfi -i sine=440:r=44100:d=4 -c:a libvorbis", 44100, 4},
    {"a-slow.wav", "-f lavfi -i sine=440:r=22050:d=4 -c:a pcm_s16le", 22050, 4},
    {"a-six.mp4",
     "-f lavfi -i testsrc2=s=64x64:d=2 -f lavfi -i sine=440:r=48000:d=2 -ac 6 -c:v libx264 -c:a aac", 48000,
     2},
};

static struct mp3_shape shape_of(const struct source *s, int kbps)
{
    const int rate_hz = audio_rate(s->rate_hz);
    return (struct mp3_shape){
        .rate_hz = rate_hz, .kbps = kbps, .samples = (uint64_t)llround(s->seconds * rate_hz), .tag_bytes = 0};
}

/* Announced = received, and what a player decodes is as long as the source, to the sample. */
static void every_source_at_every_rate(void **state)
{
    static const int rates[] = {128, 192, 256, 320};
    (void)state;
    for (size_t i = 0; media_have_ffmpeg() && i < ARRAY_LEN(sources); i++) {
        for (size_t k = 0; k < ARRAY_LEN(rates); k++) {
            auto_(keep) struct keep out = {.most = 0};
            const struct audio_opts opts = {.shape = shape_of(&sources[i], rates[k])};
            uint64_t size;
            struct err err;
            char path[MEDIA_PATH_MAX];
            if (convert(sources[i].name, sources[i].args, &opts, &out, &size, &err) < 0)
                fail_msg("%s: %s", sources[i].name, err.text);
            assert_int_equal(size, mp3_size(&opts.shape));
            if (out.bytes.len != size)
                fail_msg("%s at %d: %zu bytes, announced %llu", sources[i].name, rates[k], out.bytes.len,
                         (unsigned long long)size);
            write_out(path, &out.bytes);
            uint64_t samples = samples_in(path);
            if (samples != opts.shape.samples)
                fail_msg("%s at %d: %llu samples, not %llu", sources[i].name, rates[k],
                         (unsigned long long)samples, (unsigned long long)opts.shape.samples);
            (void)unlink(path);
        }
    }
}

/* Around every boundary of frames and of LAME's delays, for all rates: the formula. */
static void any_number_of_samples(void **state)
{
    static const int rates_hz[] = {32000, 44100, 48000};
    static const int kbps[] = {128, 192, 256, 320};
    static const uint64_t samples[] = {1,    2,    46,   47,   48,    575,   576,   577,    1104,   1105,
                                       1106, 1151, 1152, 1153, 1727,  1728,  1729,  2303,   2304,   2305,
                                       5759, 5760, 5761, 9999, 44100, 48000, 99999, 300000, 301000, 441001};
    (void)state;
    for (size_t i = 0; media_have_ffmpeg() && i < ARRAY_LEN(samples) * ARRAY_LEN(rates_hz); i++) {
        auto_(keep) struct keep out = {.most = 0};
        struct audio_opts opts = {.shape = {.rate_hz = rates_hz[i % 3],
                                            .kbps = kbps[i % 4],
                                            .samples = samples[i / 3],
                                            .tag_bytes = i % 5 ? 0 : MP3_TAG_BYTES}};
        /* a source of just that length */
        char name[64];
        char args[256];
        (void)snprintf(name, sizeof name, "a-n-%d-%llu.wav", opts.shape.rate_hz,
                       (unsigned long long)opts.shape.samples);
        (void)snprintf(args, sizeof args,
                       "-f lavfi -i sine=500:r=%d:d=20 -af atrim=end_sample=%llu -c:a pcm_s16le",
                       opts.shape.rate_hz, (unsigned long long)opts.shape.samples);
        uint64_t size;
        struct err err;
        if (convert(name, args, &opts, &out, &size, &err) < 0)
            fail_msg("%s: %s", name, err.text);
        if (out.bytes.len != size || size == 0)
            fail_msg("%s: %zu bytes, announced %llu", name, out.bytes.len, (unsigned long long)size);
    }
}

/* The size holds when the source is a little longer or shorter than was said; beyond that it is not given, or
 * the file does not look complete. */
static void a_source_of_another_length(void **state)
{
    static const struct {
        double said_s;
        bool sized;
    } cases[] = {{10, true},   {9.999, true}, {10.001, true}, {9.2, true},
                 {10.8, true}, {8, false},    {60, false}};
    (void)state;
    for (size_t i = 0; media_have_ffmpeg() && i < ARRAY_LEN(cases); i++) {
        auto_(keep) struct keep out = {.most = 0};
        struct source said = sources[0];
        said.seconds = cases[i].said_s;
        const struct audio_opts opts = {.shape = shape_of(&said, 192)};
        uint64_t size;
        struct err err;
        char path[MEDIA_PATH_MAX];
        if (convert(said.name, said.args, &opts, &out, &size, &err) < 0)
            fail_msg("%f s: %s", cases[i].said_s, err.text);
        assert_int_equal(size != 0, cases[i].sized);
        if (size)
            assert_int_equal(out.bytes.len, size);
        write_out(path, &out.bytes);
        double got_s = (double)samples_in(path) / 44100;
        if (fabs(got_s - (cases[i].sized ? cases[i].said_s : 10)) > 0.06)
            fail_msg("%f s said, %f s came", cases[i].said_s, got_s);
        (void)unlink(path);
    }
}

static void the_same_bytes_every_time(void **state)
{
    (void)state;
    for (size_t i = 0; media_have_ffmpeg() && i < ARRAY_LEN(sources); i++) {
        auto_(keep) struct keep a = {.most = 0};
        auto_(keep) struct keep b = {.most = 0};
        const struct audio_opts opts = {.shape = shape_of(&sources[i], 320)};
        uint64_t size;
        struct err err;
        assert_int_equal(convert(sources[i].name, sources[i].args, &opts, &a, &size, &err), 0);
        assert_int_equal(convert(sources[i].name, sources[i].args, &opts, &b, &size, &err), 0);
        assert_int_equal(a.bytes.len, b.bytes.len);
        assert_memory_equal(a.bytes.data, b.bytes.data, a.bytes.len);
    }
    assert_non_null(strstr(audio_engine(), "lame 3."));
}

/* ---- Tags ---- */

static void tags_are_read_back(void **state)
{
    static unsigned char jpeg[200000];
    static const struct {
        const char *what;
        size_t tag_bytes, cover_len;
        bool covered;
    } cases[] = {{"a cover", MP3_TAG_COVER_BYTES, 0, true},
                 {"no room for a cover", MP3_TAG_BYTES, 0, false},
                 {"a cover that is too large", MP3_TAG_COVER_BYTES, sizeof jpeg, false}};
    char path[MEDIA_PATH_MAX];
    struct err err;
    auto_(buf) struct buf cover = BUF_INIT(1 << 20);
    (void)state;
    if (!media_have_ffmpeg())
        return;
    assert_true(media_make(path, "a-cover.jpg", "-f lavfi -i mandelbrot=s=640x360 -frames:v 1 -q:v 5"));
    assert_int_equal(io_read_file(path, &cover, &err), 0);
    assert_true(cover.len < sizeof jpeg);
    memcpy(jpeg, cover.data, cover.len);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_(keep) struct keep out = {.most = 0};
        auto_(buf) struct buf text = BUF_INIT(65536);
        const struct mp4_tags tags = {.title = "Grüße, 世界 \U0001F3B5",
                                      .artist = "Ä & B\xff",
                                      .date = "2026-01-31",
                                      .comment = "https://example.org/watch?v=x",
                                      .cover = jpeg,
                                      .cover_len = cases[i].cover_len ? cases[i].cover_len : cover.len};
        struct audio_opts opts = {.shape = shape_of(&sources[0], 128), .tags = &tags};
        opts.shape.tag_bytes = cases[i].tag_bytes;
        uint64_t size;
        assert_int_equal(convert(sources[0].name, sources[0].args, &opts, &out, &size, &err), 0);
        assert_int_equal(out.bytes.len, size);
        write_out(path, &out.bytes);
        text_of(&text, "ffprobe -v warning -show_format -show_streams -of json '%s' 2>&1", path);
        if (!strstr(buf_str(&text), "\"title\": \"Grüße, 世界 \U0001F3B5\"") ||
            !strstr(buf_str(&text), "\"artist\": \"Ä & B\uFFFD\"") ||
            !strstr(buf_str(&text), "\"https://example.org/watch?v=x\"") ||
            (strstr(buf_str(&text), "\"attached_pic\": 1") != NULL) != cases[i].covered ||
            !strstr(buf_str(&text), "\"duration\": \"10.0"))
            fail_msg("%s: %s", cases[i].what, buf_str(&text));
        assert_int_equal(samples_in(path), opts.shape.samples);
        (void)unlink(path);
    }
}

static void long_tags_fit(void **state)
{
    (void)state;
    auto_(buf) struct buf text = BUF_INIT(65536);
    auto_(buf) struct buf head = BUF_INIT(1 << 20);
    for (int i = 0; i < 10000; i++)
        (void)buf_adds(&text, "ü");
    const struct mp4_tags tags = {
        .title = buf_str(&text), .artist = buf_str(&text), .comment = buf_str(&text)};
    struct mp3_shape s = {.rate_hz = 48000, .kbps = 320, .samples = 0, .tag_bytes = MP3_TAG_BYTES};
    assert_int_equal(mp3_add_head(&head, &s, &tags), 0);
    assert_int_equal(head.len, MP3_TAG_BYTES);
    buf_clear(&head);
    s.tag_bytes = MP3_TAG_COVER_BYTES;
    assert_int_equal(mp3_add_head(&head, &s, NULL), 0);
    assert_int_equal(head.len, MP3_TAG_COVER_BYTES);
}

/* ---- What goes wrong ---- */

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

static int convert_bad(struct bad *b, uint64_t samples, struct keep *k, struct err *err)
{
    const struct media_reader reader = {bad_read_at, b, b->endless ? 0 : b->len};
    const struct media_sink sink = {keep_write, k};
    const struct audio_opts opts = {
        .shape = {.rate_hz = 44100, .kbps = 128, .samples = samples, .tag_bytes = MP3_TAG_BYTES}};
    *err = (struct err){0};
    buf_init(&k->bytes, OUT_MAX);
    auto_ptr(audio) struct audio *a = NULL;
    return audio_open(&a, &reader, &opts, err) < 0 ? -1 : audio_run(a, &sink, err);
}

static void load(const struct source *s, struct buf *out)
{
    char path[MEDIA_PATH_MAX];
    struct err err;
    assert_true(media_make(path, s->name, s->args));
    assert_int_equal(io_read_file(path, out, &err), 0);
}

static void what_has_no_sound_is_refused_before_the_first_byte(void **state)
{
    static const struct source silent = {"a-silent.mp4", "-f lavfi -i testsrc2=s=64x64:d=1 -c:v libx264", 0,
                                         1};
    (void)state;
    auto_(keep) struct keep k = {.most = 0};
    struct err err;
    struct bad text = {.bytes = "this is no sound at all", .len = 23, .endless = true};
    assert_int_equal(convert_bad(&text, 1000, &k, &err), -1);
    assert_int_equal(err.code, ERR_UNSUPPORTED_SITE);
    if (!media_have_ffmpeg())
        return;
    auto_(buf) struct buf file = BUF_INIT(16 << 20);
    load(&silent, &file);
    struct bad b = {.bytes = file.data, .len = file.len};
    assert_int_equal(convert_bad(&b, 1000, &k, &err), -1);
    assert_int_equal(err.code, ERR_UNSUPPORTED_SITE);
    assert_int_equal(k.writes, 0);
}

static void the_readers_error_is_told(void **state)
{
    (void)state;
    if (!media_have_ffmpeg())
        return;
    auto_(buf) struct buf file = BUF_INIT(16 << 20);
    load(&sources[0], &file);
    for (uint64_t from = 1; from < file.len; from += 20000) {
        auto_(keep) struct keep k = {.most = 0};
        struct bad b = {.bytes = file.data, .len = file.len, .fail_from = from};
        struct err err;
        assert_int_equal(convert_bad(&b, 441000, &k, &err), -1);
        assert_int_equal(err.code, ERR_UPSTREAM_FAILED);
        assert_string_equal(err.text, "connection reset");
    }
}

static void a_sink_that_has_enough_ends_it(void **state)
{
    (void)state;
    for (size_t most = 1; media_have_ffmpeg() && most < 100000; most = most * 5 + 1) {
        auto_(keep) struct keep k = {.most = most};
        const struct audio_opts opts = {.shape = shape_of(&sources[0], 320)};
        uint64_t size;
        struct err err;
        assert_int_equal(convert(sources[0].name, sources[0].args, &opts, &k, &size, &err), -1);
        assert_int_equal(err.code, ERR_OK);
        assert_true(k.bytes.len <= most);
    }
}

/* A file that is cut off keeps its word or breaks off: it never is another length. */
static void damaged_files_keep_the_length_or_fail(void **state)
{
    uint32_t seed = 7;
    (void)state;
    for (size_t i = 0; media_have_ffmpeg() && i < ARRAY_LEN(sources); i++) {
        auto_(buf) struct buf file = BUF_INIT(16 << 20);
        load(&sources[i], &file);
        for (int round = 0; round < 20; round++) {
            auto_(keep) struct keep k = {.most = 0};
            struct bad b = {.bytes = file.data, .len = round % 2 ? file.len * (size_t)round / 21 : file.len};
            struct err err;
            uint64_t samples = (uint64_t)llround(sources[i].seconds * 44100);
            struct mp3_shape s = {
                .rate_hz = 44100, .kbps = 128, .samples = samples, .tag_bytes = MP3_TAG_BYTES};
            for (int flips = 0; flips < 5; flips++) {
                seed = seed * 1664525 + 1013904223;
                file.data[(seed >> 4) % file.len] ^= (char)(1u << (seed & 7));
            }
            if (convert_bad(&b, samples, &k, &err) == 0 && k.bytes.len != mp3_size(&s)) {
                /* the headers gave it away, so no size was announced and no Info frame written */
                s.samples = 0;
                assert_memory_not_equal(k.bytes.data + MP3_TAG_BYTES + 36, "Info", 4);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_source_at_every_rate),
        cmocka_unit_test(any_number_of_samples),
        cmocka_unit_test(a_source_of_another_length),
        cmocka_unit_test(the_same_bytes_every_time),
        cmocka_unit_test(tags_are_read_back),
        cmocka_unit_test(long_tags_fit),
        cmocka_unit_test(what_has_no_sound_is_refused_before_the_first_byte),
        cmocka_unit_test(the_readers_error_is_told),
        cmocka_unit_test(a_sink_that_has_enough_ends_it),
        cmocka_unit_test(damaged_files_keep_the_length_or_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
