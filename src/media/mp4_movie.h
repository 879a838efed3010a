/* The header of a file we make: ftyp and moov, from the headers of the sources and what was planned. */
#ifndef SLUICE_MEDIA_MP4_MOVIE_H
#define SLUICE_MEDIA_MP4_MOVIE_H

#include "media/mp4_samples.h"
#include "media/mp4_tags.h"
#include "media/mp4_track.h"

enum { MP4_TRACKS_MAX = 8 };

/* Samples that follow each other in our mdat. */
struct mp4_chunk {
    uint64_t start_dts; /* of its first sample, media timescale */
    uint64_t offset;    /* from the first byte of the mdat's content */
    uint64_t bytes;
    uint32_t samples;
};

struct mp4_movie_track {
    const struct mp4_track *from;
    uint32_t id;
    bool disabled;           /* players show it only when told to */
    const char *language;    /* elng: BCP 47; NULL: none is written, mdhd has to do */
    uint64_t duration;       /* movie timescale: of the presentation, edits applied */
    uint64_t media_duration; /* media timescale: sum of the samples' durations */
    bool has_edit;
    uint64_t empty_duration, edit_duration; /* movie timescale; edit_duration 0: to the end (fragmented) */
    uint64_t media_time;                    /* media timescale */
    /* Progressive: the samples to list, and how they are chunked. Fragmented: all zero. */
    struct mp4_cursor samples;
    bool has_cts, has_negative_cts;
    struct mp4_chunk *chunks;
    size_t chunk_count;
};

struct mp4_movie {
    uint32_t timescale;
    uint64_t duration; /* movie timescale */
    struct mp4_movie_track tracks[MP4_TRACKS_MAX];
    size_t track_count;
    bool fragmented;             /* mvex instead of sample tables */
    uint64_t mdat_content;       /* progressive: file offset of the mdat's first content byte */
    bool wide_offsets;           /* co64 */
    const struct mp4_tags *tags; /* may be NULL */
};

/* Call once to count and once to write: the size depends on neither mdat_content nor the chunks' offsets. */
void mp4_movie_write(struct mp4_writer *w, const struct mp4_movie *m);

#endif
