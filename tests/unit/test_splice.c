/* media/splice on real media: every packet of the sources comes back with its times, size and bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "media/splice.h"
#include "media_files.h"

enum { SOURCES_MAX = 2, UNDER_WAY = 8 };

struct sources {
    struct media_file files[SOURCES_MAX];
    size_t count;
};

static uint32_t random_seed = 1;

static uint32_t random_below(uint32_t n)
{
    random_seed = random_seed * 1664525 + 1013904223;
    return n ? (random_seed >> 8) % n : 0;
}

static void read_exactly(struct sources *s, size_t source, uint64_t offset, void *to, size_t len)
{
    size_t got = 0;
    struct err err;
    struct media_reader *r = &s->files[source].reader;
    assert_int_equal(r->read_at(r->ctx, offset, to, len, &got, &err), 0);
    assert_int_equal(got, len);
}

static int add_source(struct splice *splice, struct sources *s, size_t source, struct err *err)
{
    auto_(buf) struct buf head = BUF_INIT(1 << 20);
    for (;;) {
        uint64_t need = splice_head_bytes(head.data, head.len);
        if (need <= head.len)
            break;
        size_t more = (size_t)need - head.len;
        char *to = buf_reserve(&head, more);
        assert_non_null(to);
        read_exactly(s, source, head.len, to, more);
        head.len += more;
    }
    return splice_add_source(splice, (unsigned)source, head.data, head.len, s->files[source].reader.size,
                             err);
}

/* Feeds what is asked for, up to UNDER_WAY ranges at once, answered in random order. */
static int feed(struct splice *splice, struct sources *s, enum splice_layout layout, struct err *err)
{
    struct splice_range ranges[UNDER_WAY];
    size_t n = 0;
    while (!splice_ready(splice, layout)) {
        while (n < UNDER_WAY && splice_next_range(splice, &ranges[n]))
            n++;
        assert_true(n > 0);
        size_t i = random_below((uint32_t)n);
        auto_(buf) struct buf bytes = BUF_INIT(1 << 24);
        assert_non_null(buf_reserve(&bytes, ranges[i].length));
        read_exactly(s, ranges[i].source, ranges[i].offset, bytes.data, ranges[i].length);
        if (splice_feed(splice, &ranges[i], bytes.data, err) < 0)
            return -1;
        ranges[i] = ranges[--n];
    }
    return 0;
}

static int make_plan(struct sources *s, enum splice_layout layout, const struct splice_opts *opts,
                     const struct mp4_tags *tags, struct plan **out, struct err *err)
{
    auto_ptr(splice) struct splice *splice = splice_new(opts);
    for (size_t i = 0; i < s->count; i++)
        if (add_source(splice, s, i, err) < 0)
            return -1;
    if (feed(splice, s, layout, err) < 0)
        return -1;
    return splice_plan(splice, layout, tags, out, err);
}

static void execute(const struct plan *p, struct sources *s, uint64_t offset, size_t len, char *to)
{
    for (size_t i = plan_find(p, offset); len > 0; i++) {
        const struct plan_segment *seg = plan_segment(p, i);
        uint64_t skip = offset - seg->out;
        size_t n = seg->length - skip < len ? (size_t)(seg->length - skip) : len;
        if (seg->source == PLAN_LITERAL)
            memcpy(to, plan_literal(p, seg) + skip, n);
        else
            read_exactly(s, seg->source, seg->offset + skip, to, n);
        offset += n;
        to += n;
        len -= n;
    }
}

static void open_sources(struct sources *s, const char *const paths[], size_t count)
{
    *s = (struct sources){.count = count};
    for (size_t i = 0; i < count; i++)
        assert_true(media_file_open(&s->files[i], paths[i]));
}

static void close_sources(struct sources *s)
{
    for (size_t i = 0; i < s->count; i++)
        (void)close(s->files[i].fd);
}

/* What a command prints. */
static void run(struct buf *out, const char *fmt, const char *arg, const char *path)
{
    char command[2 * MEDIA_PATH_MAX];
    char chunk[4096];
    size_t n;
    (void)snprintf(command, sizeof command, fmt, arg, path);
    FILE *f = popen(command, "r"); /* NOLINT(cert-env33-c): our own words only */
    assert_non_null(f);
    buf_clear(out);
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
        assert_int_equal(buf_add(out, chunk, n), 0);
    assert_int_equal(pclose(f), 0);
}

/* What an edit list hides is flagged D and annotated by the reader of a progressive file only: left out here.
 */
#define PACKETS                                                                                              \
    "ffprobe -v error -select_streams %s -show_packets -show_data_hash md5 "                                 \
    "-show_entries packet=pts,dts,size,flags,data_hash -of csv=p=0 '%s' | "                                  \
    "sed -zE 's/,Skip Samples[^\\n]*\\n//g; s/([K_])[D_],/\\1,/g'"
/* Hashes of the frames a player shows. */
#define FRAMES                                                                                               \
    "ffmpeg -nostdin -v error -copyts -i '%2$s' -map 0:v %1$s -fps_mode passthrough -f framehash -hash md5 - | grep -v '^#' | sed 's/.*, //'"
#define TIMES "ffprobe -v error -show_entries format=start_time,duration -of csv=p=0%s '%s'"

/* When a file's presentation begins and ends. */
static void presentation(const char *path, double *from_s, double *to_s)
{
    char *rest;
    auto_(buf) struct buf out = BUF_INIT(1024);
    run(&out, TIMES, "", path);
    *from_s = strtod(buf_str(&out), &rest);
    *to_s = *from_s + strtod(rest + 1, NULL);
}

static void check_same_packets(const char *name, const char *streams, const char *source, const char *merged)
{
    auto_(buf) struct buf want = BUF_INIT(64 << 20);
    auto_(buf) struct buf got = BUF_INIT(64 << 20);
    run(&want, PACKETS, streams, source);
    run(&got, PACKETS, streams, merged);
    assert_true(want.len > 1000);
    if (strcmp(buf_str(&want), buf_str(&got)) != 0) {
        size_t i = 0;
        while (want.data[i] == got.data[i])
            i++;
        while (i > 0 && want.data[i - 1] != '\n')
            i--;
        fail_msg("%s: packets of %s differ at byte %zu: want %.100s, got %.100s", name, streams, i,
                 want.data + i, got.data + i);
    }
}

static size_t find_box(const struct buf *file, const char *type)
{
    for (size_t at = 0; at + 8 <= file->len;) {
        const unsigned char *p = (const unsigned char *)file->data + at;
        if (memcmp(p + 4, type, 4) == 0)
            return at;
        at += (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
    }
    return SIZE_MAX;
}

/* Writes the whole of a plan to a file of its own. */
static void write_out(const struct plan *plan, struct sources *s, const char *name, char path[MEDIA_PATH_MAX])
{
    struct err err;
    size_t len = (size_t)plan_length(plan);
    auto_(buf) struct buf file = BUF_INIT(256 << 20);
    assert_non_null(buf_reserve(&file, len));
    execute(plan, s, 0, len, file.data);
    (void)snprintf(path, MEDIA_PATH_MAX, "%.300s/out-%.100s.mp4", media_dir(), name);
    assert_int_equal(io_write_file(path, file.data, len, &err), 0);
}

static void check_merge(const char *name, const char *const paths[2], size_t count, enum splice_layout layout)
{
    struct sources s;
    struct err err;
    auto_ptr(plan) struct plan *plan = NULL;
    auto_(buf) struct buf file = BUF_INIT(256 << 20);
    auto_(buf) struct buf slice = BUF_INIT(256 << 20);
    char merged[MEDIA_PATH_MAX];
    open_sources(&s, paths, count);
    if (make_plan(&s, layout, NULL, NULL, &plan, &err) < 0)
        fail_msg("%s: %s", name, err.text);
    size_t len = (size_t)plan_length(plan);
    assert_non_null(buf_reserve(&file, len));
    execute(plan, &s, 0, len, file.data);
    file.len = len;
    (void)snprintf(merged, sizeof merged, "%.300s/out-%.100s-%d.mp4", media_dir(), name, (int)layout);
    assert_int_equal(io_write_file(merged, file.data, file.len, &err), 0);

    assert_true(find_box(&file, "moov") < find_box(&file, layout == SPLICE_PROGRESSIVE ? "mdat" : "sidx"));
    double first_s = 1e9, last_s = 0, from_s, to_s;
    for (size_t i = 0; i < count; i++) {
        check_same_packets(name, count == 1 || i == 1 ? "a" : "v", paths[i], merged);
        presentation(paths[i], &from_s, &to_s);
        first_s = from_s < first_s ? from_s : first_s;
        last_s = to_s > last_s ? to_s : last_s;
    }
    first_s = first_s > 0 ? first_s : 0; /* what an edit list hides does not count */
    presentation(merged, &from_s, &to_s);
    from_s = from_s > 0 ? from_s : 0;
    double off_s = to_s - from_s - (last_s - first_s);
    double tolerance_s = layout == SPLICE_PROGRESSIVE ? 0.05
                                                      : 0.1; /* an index does not know composition offsets */
    if (off_s > tolerance_s || off_s < -tolerance_s)
        fail_msg("%s: lasts from %f to %f s instead of %f to %f", name, from_s, to_s, first_s, last_s);
    assert_non_null(buf_reserve(&slice, len));
    for (int i = 0; i < 1000; i++) {
        size_t from = random_below((uint32_t)len);
        size_t n = 1 + random_below((uint32_t)(len - from < 70000 ? len - from : 70000));
        execute(plan, &s, from, n, slice.data);
        assert_memory_equal(slice.data, file.data + from, n);
    }
    close_sources(&s);
}

#define V(d)      "-f lavfi -i testsrc2=s=320x180:r=24:d=" #d " "
#define A(d)      "-f lavfi -i sine=f=440:r=48000:d=" #d " -ac 2 "
#define FRAGMENTS "-c copy -movflags +dash+global_sidx+frag_keyframe+default_base_moof"
#define EDITED    FRAGMENTS "+delay_moov -use_editlist 1"

/* What the sources are made of, and how they are fragmented. */
static const struct {
    const char *name, *args;
} media[] = {
    {"h264.mp4", V(10) "-c:v libx264 -preset veryfast -g 48 -bf 2 -pix_fmt yuv420p -f mp4"},
    {"h264-long.mp4", V(70) "-c:v libx264 -preset ultrafast -g 120 -bf 2 -pix_fmt yuv420p -f mp4"},
    {"av1.mp4", V(10) "-c:v libaom-av1 -usage realtime -cpu-used 8 -g 120 -pix_fmt yuv420p -f mp4"},
    {"vp9.mp4", V(10) "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 120 -f mp4"},
    {"aac.mp4", A(10) "-c:a aac -b:a 128k -f mp4"},
    {"aac-long.mp4", A(70) "-c:a aac -b:a 128k -f mp4"},
    {"opus.mp4", A(10) "-c:a libopus -b:a 96k -f mp4"},
    {"f-h264.mp4", "-i @/h264.mp4 " FRAGMENTS " -f mp4"},
    {"f-h264-long.mp4", "-i @/h264-long.mp4 " FRAGMENTS " -f mp4"},
    {"f-av1.mp4", "-i @/av1.mp4 " FRAGMENTS " -f mp4"},
    {"f-vp9.mp4", "-i @/vp9.mp4 " FRAGMENTS " -f mp4"},
    {"f-aac.mp4", "-i @/aac.mp4 " FRAGMENTS " -frag_duration 9984000 -f mp4"},
    {"f-aac-long.mp4", "-i @/aac-long.mp4 " FRAGMENTS " -frag_duration 9984000 -f mp4"},
    {"f-aac-short.mp4", "-i @/aac.mp4 " FRAGMENTS " -frag_duration 700000 -f mp4"},
    {"f-opus.mp4", "-i @/opus.mp4 " FRAGMENTS " -frag_duration 9984000 -f mp4"},
    {"e-h264.mp4", "-i @/h264.mp4 " EDITED " -f mp4"},
    {"e-h264-long.mp4", "-i @/h264-long.mp4 " EDITED " -f mp4"},
    {"e-av1.mp4", "-i @/av1.mp4 " EDITED " -f mp4"},
    {"e-aac.mp4", "-i @/aac.mp4 " EDITED " -frag_duration 9984000 -f mp4"},
    {"e-aac-long.mp4", "-i @/aac-long.mp4 " EDITED " -frag_duration 9984000 -f mp4"},
    {"e-opus.mp4", "-i @/opus.mp4 " EDITED " -frag_duration 9984000 -f mp4"},
};

static const char *path_of(const char *name)
{
    static char paths[4][MEDIA_PATH_MAX];
    static size_t next;
    char *path = paths[next++ % ARRAY_LEN(paths)];
    (void)snprintf(path, MEDIA_PATH_MAX, "%.300s/%.100s", media_dir(), name);
    return path;
}

static int make_media(void **state)
{
    char path[MEDIA_PATH_MAX];
    (void)state;
    for (size_t i = 0; media_have_ffmpeg() && i < ARRAY_LEN(media); i++)
        if (!media_make(path, media[i].name, media[i].args))
            fail_msg("%s: ffmpeg failed", media[i].name);
    return 0;
}

static void packets_are_the_sources(void **state)
{
    static const struct {
        const char *name;
        const char *files[2];
    } cases[] = {
        {"h264-aac", {"f-h264.mp4", "f-aac.mp4"}},
        {"h264-aac-edits", {"e-h264.mp4", "e-aac.mp4"}},
        {"h264-edit-aac", {"e-h264.mp4", "f-aac.mp4"}},
        {"h264-aac-unaligned", {"f-h264.mp4", "f-aac-short.mp4"}},
        {"h264-aac-long", {"f-h264-long.mp4", "f-aac-long.mp4"}},
        {"h264-aac-long-edits", {"e-h264-long.mp4", "e-aac-long.mp4"}},
        {"av1-aac", {"f-av1.mp4", "f-aac.mp4"}},
        {"av1-aac-edits", {"e-av1.mp4", "e-aac.mp4"}},
        {"vp9-opus", {"f-vp9.mp4", "f-opus.mp4"}},
        {"vp9-opus-edits", {"f-vp9.mp4", "e-opus.mp4"}},
        {"aac-alone", {"f-aac.mp4"}},
        {"opus-alone-edit", {"e-opus.mp4"}},
    };
    (void)state;
    if (!media_have_ffmpeg())
        skip();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t count = cases[i].files[1] ? 2 : 1;
        const char *paths[2] = {path_of(cases[i].files[0]), count == 2 ? path_of(cases[i].files[1]) : NULL};
        check_merge(cases[i].name, paths, count, SPLICE_PROGRESSIVE);
        check_merge(cases[i].name, paths, count, SPLICE_FRAGMENTED);
    }
}

/* What players show of a clip: exactly the frames that are on the screen in its time. (Not AV1: ffmpeg's
 * libdav1d wrapper shows frames that the edit list hides.) */
static void clips_show_what_was_asked(void **state)
{
    static const struct {
        const char *name, *picture, *sound;
        uint32_t start_ms, end_ms;
    } cases[] = {
        {"clip", "e-h264.mp4", "e-aac.mp4", 3100, 7300},
        {"clip-from-start", "e-h264.mp4", "f-aac.mp4", 0, 4000},
        {"clip-no-edits", "f-h264.mp4", "f-aac.mp4", 2100, 6500},
        {"clip-to-end", "e-h264.mp4", "e-aac.mp4", 6500, 0},
        {"clip-vp9", "f-vp9.mp4", "e-opus.mp4", 1234, 5678},
        {"clip-long", "e-h264-long.mp4", "e-aac-long.mp4", 31000, 52500},
    };
    (void)state;
    if (!media_have_ffmpeg())
        skip();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *paths[2] = {path_of(cases[i].picture), path_of(cases[i].sound)};
        struct splice_opts opts = {cases[i].start_ms, cases[i].end_ms};
        struct sources s;
        struct err err;
        auto_ptr(plan) struct plan *plan = NULL;
        auto_(buf) struct buf want = BUF_INIT(1 << 20);
        auto_(buf) struct buf got = BUF_INIT(1 << 20);
        char clip[MEDIA_PATH_MAX];
        char filter[200];
        double from_s, to_s;
        open_sources(&s, paths, 2);
        if (make_plan(&s, SPLICE_PROGRESSIVE, &opts, NULL, &plan, &err) < 0)
            fail_msg("%s: %s", cases[i].name, err.text);
        write_out(plan, &s, cases[i].name, clip);
        double shown_s = (cases[i].start_ms * 24 / 1000) / 24.0; /* 24 frames a second */
        (void)snprintf(filter, sizeof filter, "-vf \"select='gt(t,%.3f)*lt(t,%.3f)'\"", shown_s - 0.002,
                       cases[i].end_ms ? cases[i].end_ms / 1000.0 : 1e6);
        run(&got, FRAMES, "", clip);
        run(&want, FRAMES, filter, paths[0]);
        assert_true(want.len > 1000);
        if (strcmp(buf_str(&want), buf_str(&got)) != 0)
            fail_msg("%s: other frames than asked for: %zu bytes of hashes instead of %zu", cases[i].name,
                     got.len, want.len);
        presentation(clip, &from_s, &to_s);
        double wanted_s = (cases[i].end_ms ? cases[i].end_ms : 10000) / 1000.0 - shown_s;
        assert_true(to_s > wanted_s - 0.05 && to_s < wanted_s + 0.05);
        close_sources(&s);
    }
}

static void tags_are_read(void **state)
{
    (void)state;
    if (!media_have_ffmpeg())
        skip();
    const char *paths[1] = {path_of("f-aac.mp4")};
    char path[MEDIA_PATH_MAX];
    auto_(buf) struct buf cover = BUF_INIT(1 << 20);
    auto_(buf) struct buf out = BUF_INIT(1 << 16);
    for (int layout = SPLICE_PROGRESSIVE; layout <= SPLICE_FRAGMENTED; layout++) {
        struct sources s;
        struct err err;
        auto_ptr(plan) struct plan *plan = NULL;
        assert_true(media_make(path, "cover.jpg", "-f lavfi -i testsrc2=s=64x64 -frames:v 1 -f mjpeg"));
        buf_clear(&cover);
        assert_int_equal(io_read_file(path, &cover, &err), 0);
        struct mp4_tags tags = {"A \"title\" \xe2\x98\x83",          "Somebody", "2026-11-20",
                                "https://example.org/watch?v=1&t=2", cover.data, cover.len};
        open_sources(&s, paths, 1);
        assert_int_equal(make_plan(&s, layout, NULL, &tags, &plan, &err), 0);
        write_out(plan, &s, "tags", path);
        run(&out, "ffprobe -v error -show_entries format_tags:stream=codec_name -of csv=p=0%s '%s'", "",
            path);
        assert_non_null(strstr(buf_str(&out), "aac\nmjpeg\nM4A ,"));
        assert_non_null(strstr(buf_str(&out), ",\"A \"\"title\"\" \xe2\x98\x83\",Somebody,2026-11-20,"
                                              "https://example.org/watch?v=1&t=2\n"));
        close_sources(&s);
    }
}

/* What ffmpeg makes of a subtitle track, as SubRip. */
#define SUBRIP "ffmpeg -nostdin -v error -i '%2$s' -map 0:s:%1$s -f srt - | tr -d '\\r'"

static void parse(struct subtitle_cues *cues, const char *vtt)
{
    struct err err;
    if (subtitle_parse_vtt(cues, vtt, strlen(vtt), &err) < 0)
        fail_msg("%s", err.text);
}

/* Subtitles come back as they went in, cut and shifted by clips; picture and sound do not notice. */
static void subtitles_are_read(void **state)
{
    static const char english[] = "WEBVTT\n\n00:00.500 --> 00:01.250\nOne & <i>only</i>\n\n"
                                  "00:01.250 --> 00:03.000\nTwo\nlines \xe2\x98\x83\n\n"
                                  "00:02.000 --> 00:04.000\nbeside\n\n00:09.000 --> 00:30.000\nlast\n";
    static const char german[] = "WEBVTT\n\n00:03.000 --> 00:05.000\nDrei\n";
    static const struct {
        const char *name;
        const char *files[2];
        struct splice_opts opts;
        const char *srt[2];
    } cases[] = {
        {"subs",
         {"f-h264.mp4", "f-aac.mp4"},
         {0},
         {"1\n00:00:00,500 --> 00:00:01,250\nOne & only\n\n"
          "2\n00:00:01,250 --> 00:00:02,000\nTwo\nlines \xe2\x98\x83\n\n"
          "3\n00:00:02,000 --> 00:00:03,000\nTwo\nlines \xe2\x98\x83\nbeside\n\n"
          "4\n00:00:03,000 --> 00:00:04,000\nbeside\n\n"
          "5\n00:00:09,000 --> 00:00:10,083\nlast\n\n",
          "1\n00:00:03,000 --> 00:00:05,000\nDrei\n\n"}},
        {"subs-edits",
         {"e-h264.mp4", "e-aac.mp4"},
         {0},
         {NULL, "1\n00:00:03,000 --> 00:00:05,000\nDrei\n\n"}},
        {"subs-clip",
         {"e-h264.mp4", "e-aac.mp4"},
         {3500, 9500},
         {"1\n00:00:00,000 --> 00:00:00,500\nbeside\n\n2\n00:00:05,500 --> 00:00:06,000\nlast\n\n",
          "1\n00:00:00,000 --> 00:00:01,500\nDrei\n\n"}},
        {"subs-clip-of-none", {"f-h264.mp4", "f-aac.mp4"}, {5500, 8500}, {"", ""}},
    };
    (void)state;
    if (!media_have_ffmpeg())
        skip();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *paths[2] = {path_of(cases[i].files[0]), path_of(cases[i].files[1])};
        struct sources s;
        struct err err;
        char with[MEDIA_PATH_MAX];
        char without[MEDIA_PATH_MAX];
        auto_ptr(plan) struct plan *plan = NULL;
        auto_ptr(plan) struct plan *bare = NULL;
        auto_ptr(splice) struct splice *splice = splice_new(&cases[i].opts);
        auto_(subtitle_cues) struct subtitle_cues en = {0};
        auto_(subtitle_cues) struct subtitle_cues de = {0};
        auto_(buf) struct buf out = BUF_INIT(1 << 20);
        parse(&en, english);
        parse(&de, german);
        open_sources(&s, paths, 2);
        assert_int_equal(make_plan(&s, SPLICE_PROGRESSIVE, &cases[i].opts, NULL, &bare, &err), 0);
        write_out(bare, &s, "subs-without", without);
        for (size_t k = 0; k < 2; k++)
            assert_int_equal(add_source(splice, &s, k, &err), 0);
        assert_int_equal(splice_add_subtitles(splice, &en, "en", &err), 0);
        assert_int_equal(splice_add_subtitles(splice, &de, "de-AT", &err), 0);
        assert_int_equal(feed(splice, &s, SPLICE_PROGRESSIVE, &err), 0);
        assert_int_equal(splice_plan(splice, SPLICE_FRAGMENTED, NULL, &plan, &err), -1);
        assert_int_equal(err.code, ERR_UNSUPPORTED_SITE);
        if (splice_plan(splice, SPLICE_PROGRESSIVE, NULL, &plan, &err) < 0)
            fail_msg("%s: %s", cases[i].name, err.text);
        write_out(plan, &s, cases[i].name, with);
        check_same_packets(cases[i].name, "v", without, with);
        check_same_packets(cases[i].name, "a", without, with);
        for (int k = 0; k < 2; k++) {
            run(&out, SUBRIP, k ? "1" : "0", with);
            if (cases[i].srt[k] && strcmp(buf_str(&out), cases[i].srt[k]) != 0)
                fail_msg("%s: %s", cases[i].name, buf_str(&out));
        }
        run(&out,
            "ffprobe -v error -select_streams s -show_entries stream=codec_name,codec_tag_string:"
            "stream_disposition=default:stream_tags=language -of csv=p=0%s '%s'",
            "", with);
        assert_string_equal(buf_str(&out), "mov_text,tx3g,1,eng\nmov_text,tx3g,0,deu\n");
        auto_(buf) struct buf file = BUF_INIT(256 << 20);
        assert_int_equal(io_read_file(with, &file, &err), 0);
        assert_non_null(memmem(file.data, file.len, "elng\0\0\0\0de-AT", 14));
        for (int k = 0; k < 500; k++) {
            char slice[5000];
            size_t from = random_below((uint32_t)(file.len - sizeof slice));
            execute(plan, &s, from, sizeof slice, slice);
            assert_memory_equal(slice, file.data + from, sizeof slice);
        }
        close_sources(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_are_the_sources),
        cmocka_unit_test(clips_show_what_was_asked),
        cmocka_unit_test(tags_are_read),
        cmocka_unit_test(subtitles_are_read),
    };
    return cmocka_run_group_tests(tests, make_media, NULL);
}
