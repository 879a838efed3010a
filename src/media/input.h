/* A media file opened by libavformat on a leash. Private to media/.
 *
 * The library reads through our own AVIO over a media_reader and opens nothing by itself: io_open is refused,
 * the protocol list is empty, formats and decoders are listed. Bounded are the streams, the size of one
 * allocation, the bytes and time of analysis, and the bytes it may read before it must have something to
 * show: endless rubbish ends. Threads: one at a time. */
#ifndef SLUICE_MEDIA_INPUT_H
#define SLUICE_MEDIA_INPUT_H

#include <libavformat/avformat.h>
#include <stdbool.h>

#include "base/buf.h"
#include "media/reader.h"

struct input_limits {
    size_t budget;        /* bytes read to open and analyse it, and then from packet to packet */
    size_t window_first;  /* one read of the reader; doubles while reading goes on forward, … */
    size_t window_most;   /* … up to this: few round trips, little waste */
    const char *decoders; /* that may run on it, as a codec_whitelist */
};

/* Read `format`, `head`; the rest is for input.c. */
struct input {
    AVFormatContext *format;
    unsigned char head[64]; /* the first bytes of the file */

    const struct media_reader *reader;
    struct input_limits limits;
    AVIOContext *io;
    struct buf window;
    uint64_t at; /* where libavformat reads next */
    uint64_t window_at;
    size_t window_next;
    size_t budget;
    bool failed; /* the reader did, and why says how */
    struct err why;
};

/* `reader` is borrowed until input_close(). Errors: ERR_UNSUPPORTED_SITE not a media file we know; else what
 * the reader said. */
int input_open(struct input **out, const struct media_reader *reader, const struct input_limits *limits,
               struct err *err);
/* Reads packets until the streams are known as well as they will be. That they are not is no error: what is
 * known by then still counts. -1: the reader failed. */
int input_analyse(struct input *in, struct err *err);
/* The next packet: 1; 0 at the end; -1: the reader failed, or the file is broken (ERR_UPSTREAM_FAILED). */
int input_read(struct input *in, AVPacket *packet, struct err *err);
void input_close(struct input *in); /* NULL is fine */

/* The picture or sound to take: the largest picture, the default sound. Cover art is no picture. NULL: none.
 */
AVStream *input_pick(const struct input *in, enum AVMediaType type);

DEFINE_AUTO_PTR(input, input_close)

#endif
