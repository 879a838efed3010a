/* Putting media into another container, by libavformat, without touching a sample: for what cannot be planned
 * (media/plan.h), because the size of the result is known only at its end.
 *
 * Reads its inputs forward; libavformat opens nothing by itself (media/input.h). Packets leave as they came:
 * timestamps are kept, unless the input is a transport stream: those begin anywhere and may jump. Blocks in
 * reader and sink, which are also how it is stopped: what they refuse ends it. Everything read is hostile.
 * Threads: one a call, any number at once. Memory: what libavformat takes (index and one cluster or fragment,
 * 10 to 30 MB). */
#ifndef SLUICE_MEDIA_REMUX_H
#define SLUICE_MEDIA_REMUX_H

#include "media/mp4_tags.h"
#include "media/reader.h"
#include "media/sink.h"

enum { REMUX_INPUTS_MAX = 2 };

enum remux_to {
    REMUX_WEBM, /* VP8, VP9, AV1; Opus, Vorbis. The duration is in the header, an index is not */
    REMUX_OGG,  /* Opus alone */
    REMUX_MP4,  /* fragmented, for H.264, HEVC, AV1, VP9; AAC, Opus, MP3, AC-3, FLAC */
};

struct remux_opts {
    enum remux_to to;
    uint64_t duration_ms;        /* for headers that state it; 0: what the inputs say */
    const struct mp4_tags *tags; /* NULL: none. The cover goes into Ogg only */
};

/* The picture comes from the first input that has one, and so does the sound. Errors: ERR_UNSUPPORTED_SITE
 * nothing that fits into the container; ERR_UPSTREAM_FAILED broken media; what a reader said; ERR_OK (with
 * -1): the sink wants no more. Errors that come before the first byte come before the first write. */
int media_remux(const struct media_reader *inputs, size_t count, const struct remux_opts *opts,
                const struct media_sink *sink, struct err *err);

#endif
