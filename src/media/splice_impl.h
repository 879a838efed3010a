/* What the parts of the splicer share; not for others. splice.c collects, splice_progressive.c and
 * splice_fragmented.c plan. */
#ifndef SLUICE_MEDIA_SPLICE_IMPL_H
#define SLUICE_MEDIA_SPLICE_IMPL_H

#include "media/mp4_fragment.h"
#include "media/mp4_movie.h"
#include "media/splice.h"

/* Headers of one reference. Its boxes are walked as their bytes arrive, in any order among references;
 * complete moof boxes wait in `moofs` until the references before were read. */
struct splice_reading {
    uint64_t at;      /* file offset of the box to look at next; 0: nothing arrived yet */
    struct buf tail;  /* the bytes had from there on */
    size_t needed;    /* from `at`, to go on; 0: all is there */
    bool hungry;      /* needed, and not asked for yet */
    struct buf moofs; /* each a file offset (uint64_t) and the box */
};

struct splice_track {
    unsigned source;
    struct mp4_track head;
    struct mp4_samples samples;
    struct splice_reading *readings; /* per reference */
    size_t first, end;               /* the references wanted: all, unless a clip is */
    size_t next_fresh;               /* the first never asked for */
    size_t next_read;                /* the first whose samples are not in the table */
    size_t hungry;                   /* how many had too few bytes and were not asked for again */
    uint64_t header_bytes;           /* collected so far */
    size_t ask_bytes;                /* how much of a fresh one to ask for */
    struct mp4_patch_points patch;   /* in the first fragment, from its reference's start */
    bool uniform;                    /* all read so far can be patched there */
};

struct splice_subtitles {
    const struct subtitle_cues *cues;
    const char *language;
};

struct splice {
    struct splice_opts opts;
    struct splice_track tracks[MP4_TRACKS_MAX];
    size_t track_count;
    struct splice_subtitles subtitles[SPLICE_SUBTITLES_MAX];
    size_t subtitle_count;
    bool selected; /* first and end are set */
};

bool splice_is_clip(const struct splice *s);
/* a/a_scale < b/b_scale, exactly. */
bool splice_time_before(uint64_t a, uint32_t a_scale, uint64_t b, uint32_t b_scale);
/* `value` from one timescale to another, rounded up; saturates at INT64_MAX / 4. */
uint64_t splice_rescale(uint64_t value, uint32_t from, uint32_t to);
/* The movie timescale: one that states the first track's times exactly where sensible. Never a common
 * multiple, which overflows 32-bit durations after minutes. */
uint32_t splice_movie_timescale(const struct splice *s);

int splice_plan_progressive(const struct splice *s, const struct mp4_tags *tags, struct plan *plan,
                            struct err *err);
int splice_plan_fragmented(const struct splice *s, const struct mp4_tags *tags, struct plan *plan,
                           struct err *err);

#endif
