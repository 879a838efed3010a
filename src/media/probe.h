/* What a media file is, read through libavformat over our own AVIO: a few bounded reads, never the whole
 * file. libavformat opens nothing by itself: io_open is refused, the protocol list is empty, the format list
 * explicit. */
#ifndef SLUICE_MEDIA_PROBE_H
#define SLUICE_MEDIA_PROBE_H

#include <stdbool.h>

#include "media/reader.h"

struct media_probe {
    char container[8]; /* our own extension table: "mp4", "m4a", "mov", "3gp", "webm", "mkv", "mka", "mp3",
                        * "ogg", "ogv", "opus", "wav", "flac", "aac", "avi", "ts", "flv" */
    char codecs[96];   /* RFC 6381 where known: "avc1.64001f,mp4a.40.2"; comma-separated, video first */
    bool has_video, has_audio;
    int width,
        height; /* 0: the headers do not say (MPEG-TS, FLV; no video decoder is run on hostile bytes) */
    double fps;
    uint64_t duration_ms; /* 0: unknown */
    int64_t bitrate;      /* 0: unknown */
    int sample_rate, channels;
    char title[256]; /* from the file's tags, made valid UTF-8; "" when absent; hostile */
    char artist[256];
};

enum { PROBE_READ_BUDGET = 4 * 1024 * 1024 }; /* bytes in all */

/* Blocks in `reader`; typically 1 to 5 reads. Threads: any. Errors: ERR_UNSUPPORTED_SITE not a media file we
 * know; else what the reader said. */
int media_probe(const struct media_reader *reader, struct media_probe *out, struct err *err);

#endif
