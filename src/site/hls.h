/* HTTP Live Streaming playlists (RFC 8216), of recordings and broadcasts: which streams there are, or of
 * which pieces one is made. Pure; every byte is hostile. */
#ifndef SLUICE_SITE_HLS_H
#define SLUICE_SITE_HLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/aes_cbc.h"
#include "base/defs.h"
#include "base/err.h"

enum {
    HLS_BYTES_MAX = 8 << 20,
    HLS_SEGMENTS_MAX = 100000, /* 55 h of 2 s pieces */
    HLS_STREAMS_MAX = 64,
    HLS_SOUNDS_MAX = 64,
};

/* EXT-X-STREAM-INF. All strings of this header are borrowed from the struct hls; NULL: absent. URIs are as
 * they are in the playlist: relative to it. */
struct hls_stream {
    const char *uri, *codecs, *sound_group;
    int64_t bandwidth; /* on average where that is said, else at most; bits per second, 0 unknown */
    int width, height;
    double fps;
};

/* EXT-X-MEDIA of TYPE=AUDIO. uri NULL: this sound is in the streams themselves. */
struct hls_sound {
    const char *uri, *group, *language, *name;
    bool is_default;
};

/* A piece: all of a resource, or a part of it. The initialisation segment (EXT-X-MAP) counts as one, before
 * the first piece it belongs to. */
struct hls_segment {
    const char *uri;
    uint64_t offset, length; /* length 0: all of it */
    uint32_t key;            /* 1 + the index in hls.keys of what it is locked with; 0: it is not */
    uint64_t number;         /* its media sequence number; of a map that of the piece behind it */
    bool is_map;
};

/* EXT-X-KEY of METHOD=AES-128: 16 bytes are at `uri`. */
struct hls_key {
    const char *uri;
    bool has_iv; /* else the initialisation vector is the number of the piece */
    uint8_t iv[AES_CBC_BYTES];
};

struct hls {
    bool is_master;
    struct hls_stream *streams;
    size_t stream_count;
    struct hls_sound *sounds;
    size_t sound_count;
    struct hls_segment *segments;
    size_t segment_count;
    struct hls_key *keys;
    size_t key_count;
    bool is_mp4;  /* the pieces are fragmented MP4 */
    bool is_live; /* it goes on growing */
    uint64_t duration_ms;
    int64_t target_ms; /* how long its pieces are at most; 0: it does not say */
    char *text;
};

bool hls_is(const char *text, size_t len); /* begins like one */

/* *out: hls_free(). Errors: ERR_UNSUPPORTED_SITE no playlist, or nothing in it that could be played; ERR_LIVE
 * it goes on growing; ERR_DRM its pieces are locked in another way than by AES-128 with a plain key. */
int hls_parse(struct hls **out, const char *text, size_t len, struct err *err);
/* The same for lists that go on growing, too. */
int hls_parse_live(struct hls **out, const char *text, size_t len, struct err *err);
void hls_free(struct hls *h);

/* The initialisation vector of a piece that is locked. */
void hls_iv(const struct hls *h, const struct hls_segment *s, uint8_t iv[AES_CBC_BYTES]);

DEFINE_AUTO_PTR(hls, hls_free)

#endif
