/* media/probe: what files of every container are said to be, and that hostile input stays on its leash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "media/probe.h"
#include "media_files.h"

#define PICTURE "-f lavfi -i testsrc2=s=320x180:r=24:d=2 "
#define SOUND   "-f lavfi -i sine=f=440:r=48000:d=2 "
#define H264    "-c:v libx264 -preset ultrafast -profile:v baseline -level 1.3 -pix_fmt yuv420p "
#define TAGS    "-metadata title='A \"title\" ☃' -metadata artist=Somebody "

struct known {
    const char *name, *args, *container, *codecs;
    int height;
    double fps;
    int sample_rate, channels;
    bool tagged;
};

static void every_container(void **state)
{
    static const struct known table[] = {
        {"p.mp4", PICTURE SOUND H264 "-c:a aac " TAGS "-movflags +faststart -f mp4", "mp4",
         "avc1.42c00d,mp4a.40.2", 180, 24, 48000, 1, true},
        {"p-end.mp4", PICTURE SOUND H264 "-c:a aac -f mp4", "mp4", "avc1.42c00d,mp4a.40.2", 180, 24, 48000, 1,
         false},
        {"p-frag.mp4", PICTURE H264 "-movflags +dash+global_sidx+frag_keyframe+default_base_moof -f mp4",
         "mp4", "avc1.42c00d", 180, 24, 0, 0, false},
        {"p-av1.mp4", PICTURE "-c:v libaom-av1 -cpu-used 8 -usage realtime -pix_fmt yuv420p -f mp4", "mp4",
         "av01.0.00M.08", 180, 24, 0, 0, false},
        {"p-hevc.mp4",
         PICTURE "-c:v libx265 -preset ultrafast -x265-params log-level=none -f mp4 -tag:v hvc1", "mp4",
         "hvc1.1.6.L60.90", 180, 24, 0, 0, false},
        {"p.m4a", SOUND "-c:a aac -ac 2 " TAGS "-f ipod", "m4a", "mp4a.40.2", 0, 0, 48000, 2, true},
        {"p.mov", PICTURE H264 "-f mov", "mov", "avc1.42c00d", 180, 24, 0, 0, false},
        {"p.webm",
         PICTURE SOUND "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libopus " TAGS "-f webm", "webm",
         "vp9,opus", 180, 24, 48000, 1, true},
        {"p-vp9.mp4", PICTURE "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -f mp4", "mp4", "vp9", 180, 24,
         0, 0, false},
        {"p.mkv", PICTURE SOUND H264 "-c:a flac " TAGS "-f matroska", "mkv", "avc1.42c00d,flac", 180, 24,
         48000, 1, true},
        {"p.mka", SOUND "-c:a libvorbis -f matroska", "mka", "vorbis", 0, 0, 48000, 1, false},
        {"p.mp3", SOUND "-c:a libmp3lame " TAGS "-f mp3", "mp3", "mp3", 0, 0, 48000, 1, true},
        {"p.ogg", SOUND "-c:a libvorbis " TAGS "-f ogg", "ogg", "vorbis", 0, 0, 48000, 1, true},
        {"p.opus", SOUND "-c:a libopus " TAGS "-f opus", "opus", "opus", 0, 0, 48000, 1, true},
        {"p.wav", SOUND "-f wav", "wav", "pcm_s16le", 0, 0, 48000, 1, false},
        {"p.flac", SOUND "-c:a flac " TAGS "-f flac", "flac", "flac", 0, 0, 48000, 1, true},
        {"p.aac", SOUND "-c:a aac -f adts", "aac", "mp4a.40.2", 0, 0, 48000, 1, false},
        {"p.avi", PICTURE SOUND "-c:v mpeg4 -c:a libmp3lame -f avi", "avi", "mp4v.20,mp3", 180, 24, 48000, 1,
         false},
        {"p.ts", PICTURE SOUND H264 "-c:a aac -f mpegts", "ts", "avc1.42c00d,mp4a.40.2", 0, 24, 48000, 1,
         false},
        {"p.flv", PICTURE SOUND H264 "-c:a aac -ar 44100 -f flv", "flv", "avc1.42c00d,mp4a.40.2", 0, 24,
         44100, 1, false},
    };
    (void)state;
    if (!media_have_ffmpeg())
        return;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        const struct known *k = &table[i];
        char path[MEDIA_PATH_MAX];
        struct media_file file;
        struct media_probe got;
        struct err err;
        if (!media_make(path, k->name, k->args))
            fail_msg("%s: ffmpeg failed", k->name);
        assert_true(media_file_open(&file, path));
        if (media_probe(&file.reader, &got, &err) < 0)
            fail_msg("%s: %s", k->name, err.text);
        (void)close(file.fd);
        assert_string_equal(got.container, k->container);
        assert_string_equal(got.codecs, k->codecs);
        assert_int_equal(got.has_video, k->fps > 0);
        assert_int_equal(got.has_audio, k->sample_rate > 0);
        assert_int_equal(got.height, k->height);
        assert_true(got.fps > k->fps - 0.01 && got.fps < k->fps + 0.01);
        assert_int_equal(got.sample_rate, k->sample_rate);
        assert_int_equal(got.channels, k->channels);
        assert_in_range(got.duration_ms, 1900, 2200);
        assert_true(got.bitrate > 0);
        assert_string_equal(got.title, k->tagged ? "A \"title\" ☃" : "");
        assert_string_equal(got.artist, k->tagged ? "Somebody" : "");
        assert_in_range(file.reads, 1, 6); /* each may cost a round trip */
    }
}

/* Readers of hostile kinds: bytes in memory, repeated without end, or failing at an offset. */
struct hostile {
    const char *bytes;
    size_t len;
    bool endless;
    uint64_t fail_from; /* 0: never */
    size_t served;
};

static int hostile_read_at(void *ctx, uint64_t offset, void *to, size_t len, size_t *got, struct err *err)
{
    struct hostile *h = ctx;
    size_t n = 0;
    if (h->fail_from && offset + len > h->fail_from)
        return err_set(err, ERR_UPSTREAM_FAILED, "connection reset");
    for (; n < len && (h->endless || offset + n < h->len); n++)
        ((char *)to)[n] = h->bytes[(offset + n) % h->len];
    *got = n;
    h->served += n;
    return 0;
}

static int probe_hostile(struct hostile *h, uint64_t size, struct err *err)
{
    struct media_probe got;
    struct media_reader reader = {hostile_read_at, h, size};
    *err = (struct err){0};
    return media_probe(&reader, &got, err);
}

static void what_is_no_media_is_refused(void **state)
{
#define BYTES(s) s, sizeof(s) - 1
    static const struct {
        const char *name, *bytes;
        size_t len;
    } cases[] = {
        {"one byte", BYTES("x")},
        {"text", BYTES("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n")},
        {"html", BYTES("<!doctype html><html><body>404</body></html>")},
        {"playlist",
         BYTES("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n")},
        {"concat script", BYTES("ffconcat version 1.0\nfile /etc/passwd\n")},
        {"sdp", BYTES("v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=audio 5004 RTP/AVP 0\n")},
        {"dash", BYTES("<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\"></MPD>")},
        {"jpeg", BYTES("\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0\xff\xd9")},
        {"ftyp alone", BYTES("\0\0\0\x10"
                             "ftypisom\0\0\0\0")},
        {"a box of size 0", BYTES("\0\0\0\x10"
                                  "ftypisom\0\0\0\0\0\0\0\0moov")},
        {"moov larger than all", BYTES("\0\0\0\x10"
                                       "ftypisom\0\0\0\0\xff\xff\xff\xffmoov\0\0\0\x08trak")},
        {"EBML alone", BYTES("\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm")},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err;
        struct hostile h = {.bytes = cases[i].bytes, .len = cases[i].len};
        if (probe_hostile(&h, h.len, &err) == 0)
            fail_msg("%s was taken for media", cases[i].name);
        assert_int_equal(err.code, ERR_UNSUPPORTED_SITE);
    }
    struct err err;
    struct hostile empty = {.bytes = "", .len = 0};
    assert_int_equal(probe_hostile(&empty, 0, &err), -1);
    assert_int_equal(err.code, ERR_UNSUPPORTED_SITE);
}

static void endless_input_ends(void **state)
{
    static const char ts[188] = {0x47, 0x1f, -1, 0x10};
    static const struct {
        const char *name, *bytes;
        size_t len;
    } cases[] = {
        {"zeros", BYTES("\0")},
        {"empty boxes", BYTES("\0\0\0\x08"
                              "free")},
        {"transport packets", ts, sizeof ts},
        {"MPEG audio headers", BYTES("\xff\xfb\x90\x64")},
        {"ogg pages", BYTES("OggS\0\2\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\1\1x")},
        {"nested atoms", BYTES("\0\x0f\xff\xff"
                               "moov")},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (int known_size = 0; known_size < 2; known_size++) {
            struct err err;
            struct hostile h = {.bytes = cases[i].bytes, .len = cases[i].len, .endless = true};
            (void)probe_hostile(&h, known_size ? (uint64_t)1 << 40 : 0, &err);
            if (h.served > PROBE_READ_BUDGET)
                fail_msg("%s: read %zu bytes", cases[i].name, h.served);
        }
    }
}

static void the_readers_error_is_told(void **state)
{
    (void)state;
    struct err err;
    struct hostile h = {.bytes = "\0\0\0\x08"
                                 "free",
                        .len = 8,
                        .endless = true,
                        .fail_from = 100 * 1024};
    assert_int_equal(probe_hostile(&h, 0, &err), -1);
    assert_int_equal(err.code, ERR_UPSTREAM_FAILED);
    assert_string_equal(err.text, "connection reset");
}

/* Every way of cutting or bending a good file ends in an answer or an error. */
static void damaged_files_do_no_harm(void **state)
{
    static const char *const names[] = {"p.mp4", "p.webm", "p.ts", "p.ogg", "p.avi", "p.flac"};
    (void)state;
    if (!media_have_ffmpeg())
        return;
    uint32_t seed = 1;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char path[MEDIA_PATH_MAX];
        struct err err;
        auto_(buf) struct buf file = BUF_INIT(16 << 20);
        (void)snprintf(path, sizeof path, "%.300s/%s", media_dir(), names[i]);
        assert_int_equal(io_read_file(path, &file, &err), 0);
        for (int round = 0; round < 60; round++) {
            struct hostile h = {.bytes = file.data, .len = file.len};
            if (round % 2)
                h.len = (size_t)round * 37;
            for (int flips = 0; flips < 3; flips++) {
                seed = seed * 1664525 + 1013904223;
                file.data[(seed >> 8) % 2048] ^= (char)(1u << (seed & 7));
            }
            (void)probe_hostile(&h, h.len, &err);
            assert_true(h.served <= PROBE_READ_BUDGET);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_container),          cmocka_unit_test(what_is_no_media_is_refused),
        cmocka_unit_test(endless_input_ends),       cmocka_unit_test(the_readers_error_is_told),
        cmocka_unit_test(damaged_files_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
