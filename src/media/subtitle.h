/* Subtitles: WebVTT (W3C Recommendation draft, "WebVTT: The Web Video Text Tracks Format") read into cues of
 * plain text, and cues written as SubRip or as WebVTT without styles.
 *
 * What is read is hostile: of any length up to SUBTITLE_BYTES_MAX, not UTF-8, out of order. What comes out is
 * bounded, in the order of time, valid UTF-8 without control characters. Settings, styles, regions, notes,
 * identifiers and tags are left out; what they enclose stays. */
#ifndef SLUICE_MEDIA_SUBTITLE_H
#define SLUICE_MEDIA_SUBTITLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum {
    SUBTITLE_BYTES_MAX = 8 * 1024 * 1024, /* 24 h of speech, with its words timed one by one, are 7 MB */
    SUBTITLE_CUES_MAX = 200 * 1000,       /* one each half second, for more than a day */
    SUBTITLE_CUE_TEXT_MAX = 4096,         /* of one cue; longer text is cut between characters */
};

struct subtitle_cue {
    uint64_t start_ms, end_ms; /* start < end */
    size_t text;               /* where it begins in subtitle_cues.text */
    size_t len;                /* > 0; lines parted by '\n', none of them empty */
};

/* Embedded; all zero is empty. Read-only once parsed, so safe from any thread. */
struct subtitle_cues {
    struct subtitle_cue *list; /* by start_ms; of equals, by their order in the file */
    size_t count, capacity;
    struct buf text;
};

/* Captions that roll (each cue begins with the last line of the one before, as automatic ones do on YouTube)
 * lose the lines repeated. Errors: ERR_UPSTREAM_FAILED, no WebVTT or too much of it; ERR_INTERNAL, no
 * memory. subtitle_cues_fini() either way. */
int subtitle_parse_vtt(struct subtitle_cues *cues, const void *data, size_t len, struct err *err);
void subtitle_cues_fini(struct subtitle_cues *cues);

/* Both append; -1: over out->max, or no memory. */
int subtitle_write_srt(const struct subtitle_cues *cues, struct buf *out);
int subtitle_write_vtt(const struct subtitle_cues *cues, struct buf *out);

DEFINE_AUTO(subtitle_cues, subtitle_cues_fini)

#endif
