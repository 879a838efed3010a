/* A track of timed text (3GPP TS 26.245, "tx3g"; ffmpeg calls it mov_text) made from cues: the form of
 * subtitles that players of MP4 read. Its samples are bytes of ours, a few words each: where nothing is said
 * there is an empty one, where cues overlap one with the lines of all. */
#ifndef SLUICE_MEDIA_MP4_TEXT_H
#define SLUICE_MEDIA_MP4_TEXT_H

#include "media/mp4_samples.h"
#include "media/mp4_track.h"
#include "media/subtitle.h"

enum {
    MP4_TEXT_TIMESCALE = 1000,
    MP4_TEXT_BOXES_MAX = 256,
    MP4_TEXT_BYTES_MAX = 16 * 1024 * 1024, /* of all samples of a track */
    MP4_SBTL = MP4_CC('s', 'b', 't', 'l'),
};

struct mp4_text {
    struct mp4_track head;      /* its boxes lie in `boxes`: not to be moved once made */
    struct mp4_samples samples; /* from start_ms to end_ms without a gap; no payload runs */
    struct buf bytes;           /* of all samples */
    unsigned char boxes[MP4_TEXT_BOXES_MAX];
};

struct mp4_text_opts {
    const struct subtitle_cues *cues;
    const char *language;      /* BCP 47 */
    uint64_t start_ms, end_ms; /* what is taken of the cues; start < end */
};

/* Errors: ERR_UNSUPPORTED_SITE, too long or too much text; ERR_INTERNAL. mp4_text_fini() either way. */
int mp4_text_make(struct mp4_text *t, const struct mp4_text_opts *opts, struct err *err);
void mp4_text_fini(struct mp4_text *t);

/* ISO 639-2/T, packed as in mdhd, of a BCP 47 tag: "de-AT" → deu; "und" where there is no such code. */
uint16_t mp4_language(const char *tag);

DEFINE_AUTO(mp4_text, mp4_text_fini)

#endif
