/* An MP3 file of constant bit rate around its frames: how large it will be, to the byte, and everything in it
 * that comes before the first frame of sound. Pure.
 *
 * The file: an ID3v2.3 tag of fixed size, filled up with zeros, so that the size does not depend on a cover
 * that is fetched later or not at all; a frame of silence that says how long it is and where the sound begins
 * ("Info", LAME tag), for exact durations and gapless playing; then the encoder's frames. LAME makes
 * ceil(samples / 1152) + 1 of those for any number of samples; measured for all of 1 … 6,000 and many more,
 * at 32, 44.1 and 48 kHz (tests/unit/test_audio.c has the table). */
#ifndef SLUICE_MEDIA_MP3_H
#define SLUICE_MEDIA_MP3_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "media/mp4_tags.h"

enum {
    MP3_FRAME_SAMPLES = 1152,
    MP3_TAG_BYTES = 8 * 1024,         /* of a tag without a cover */
    MP3_TAG_COVER_BYTES = 160 * 1024, /* of one with: 1280 × 720 JPEGs have 40 to 140 KB */
    MP3_TAG_TEXT_MAX = 1024,          /* bytes of UTF-8 a field; longer ones are cut */
};

/* MPEG-1 layer III, stereo. */
struct mp3_shape {
    int rate_hz;      /* 32000, 44100, 48000 */
    int kbps;         /* 32 … 320, one that the format has */
    uint64_t samples; /* of sound; 0: not known, then there is no Info frame and no size */
    size_t tag_bytes; /* 0: no tag; else MP3_TAG_BYTES or MP3_TAG_COVER_BYTES */
};

bool mp3_shape_valid(const struct mp3_shape *s);
/* Number of the encoder's frames. */
uint64_t mp3_frames(const struct mp3_shape *s);
/* Of the whole file; 0: not known. */
uint64_t mp3_size(const struct mp3_shape *s);
/* Appends tag and Info frame. `tags` may be NULL. A cover that does not fit is left out. */
int mp3_add_head(struct buf *out, const struct mp3_shape *s, const struct mp4_tags *tags);

#endif
