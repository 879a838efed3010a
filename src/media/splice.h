/* Merging tracks of fragmented MP4 files into one file, without touching their media.
 *
 * Each source is one fragmented file with one track and its index (sidx) in front, as YouTube's adaptive
 * formats are. From headers alone (about 0.04 % of a video's bytes, 1 % of a sound's) this makes a plan
 * (media/plan.h): an MP4 file of exactly known size and bytes, whose media is copied from the sources when it
 * is sent. One source makes an M4A or a video without sound.
 *
 * It asks for what it needs and never fetches; so the caller may fetch in parallel, from anything:
 *
 *     s = splice_new(NULL);
 *     splice_add_source(s, k, first bytes of source k, …);            for each source, numbered for the plan
 *     while (!splice_ready(s, SPLICE_PROGRESSIVE))
 *         while (fewer than 8 are under way && splice_next_range(s, &range))
 *             start fetching `range`;
 *         wait for any; splice_feed(s, &its range, its bytes);
 *     splice_plan(s, SPLICE_PROGRESSIVE, &tags, &plan);
 *
 * Timestamps are the sources' own, exactly: gaps and overlaps between fragments are kept, an edit list is
 * carried over and never invented (unless the tracks do not start together, or a clip was asked for: see
 * splice_opts).
 *
 * Errors that callers act on: ERR_UNSUPPORTED_SITE, correct but of a shape that cannot be planned (no index,
 * a hierarchical one, several tracks, …): another way may work, e.g. remuxing by libavformat.
 * ERR_UPSTREAM_FAILED, bytes that contradict themselves. ERR_DRM. ERR_INTERNAL, no memory. After an error
 * only splice_free() is left; only a splice_plan() that failed with ERR_UNSUPPORTED_SITE may be followed by
 * one with the other layout.
 *
 * Everything fed is hostile. Threads: one at a time. Memory: 4 to 8 bytes a sample, and headers that arrive
 * before their turn; the plan, about 13 bytes a sample. */
#ifndef SLUICE_MEDIA_SPLICE_H
#define SLUICE_MEDIA_SPLICE_H

#include "media/mp4_tags.h"
#include "media/plan.h"
#include "media/subtitle.h"

enum splice_layout {
    /* moov with full tables, then the media interleaved by half seconds. Needs every fragment's header. Opens
     * and seeks at once everywhere. */
    SPLICE_PROGRESSIVE,
    /* Merged init segment, an index per track, the sources' fragments with their numbers patched. Needs the
     * first fragment's header of each source, and that the others are built alike: for when the rest cannot
     * be had in time or the video is very long. Not for clips, nor with subtitles. */
    SPLICE_FRAGMENTED,
};

struct splice;

struct splice_opts {
    /* A clip of the whole, in presentation time; 0, 0: everything; end_ms 0: to the end. Copying begins at
     * the sync sample at or before the start; an edit list makes players begin with the frame that is on the
     * screen at the start (without a picture: exactly there), and end at the end. */
    uint64_t start_ms, end_ms;
};

enum { SPLICE_SUBTITLES_MAX = 4 };

/* `opts` NULL: defaults. NULL: out of memory. */
struct splice *splice_new(const struct splice_opts *opts);
void splice_free(struct splice *s);

/* Adds source number `source` (0 … PLAN_SOURCES_MAX-1, each once) by its first bytes: all from offset 0 to
 * the end of its sidx. `size`: of the whole source, 0 unknown. */
int splice_add_source(struct splice *s, unsigned source, const void *head, size_t len, uint64_t size,
                      struct err *err);
/* Adds a track of subtitles, of a picture's file in the progressive layout only, at most
 * SPLICE_SUBTITLES_MAX. The cues' times are those of the presentation, as a player of the source shows them;
 * a clip takes its part of them. Players show the first one added unless told otherwise. Both are borrowed
 * until splice_free(). `language`: BCP 47. */
int splice_add_subtitles(struct splice *s, const struct subtitle_cues *cues, const char *language,
                         struct err *err);
/* How many first bytes splice_add_source() needs, when the site does not say: start with `len` 0. More than
 * `len`: fetch that many and ask again. Not more: enough. 0: no file of this kind. */
uint64_t splice_head_bytes(const void *head, size_t len);

/* Longest track, by the indexes alone. */
uint64_t splice_duration_ms(const struct splice *s);

struct splice_range {
    unsigned source;
    uint64_t offset;
    size_t length; /* at most SPLICE_RANGE_MAX, save for a header that is larger */
};

enum { SPLICE_RANGE_MAX = 256 * 1024 };

/* The next range to fetch, which from now on counts as under way. Neighbours are coalesced. Guesses how long
 * headers are from those seen, and asks again where it was too short. Each source's first header comes first.
 */
bool splice_next_range(struct splice *s, struct splice_range *out);
/* Hands in the bytes of a range, exactly its length; in any order, at most once each. */
int splice_feed(struct splice *s, const struct splice_range *range, const void *data, struct err *err);
/* Whether enough was fed for a plan of that layout. */
bool splice_ready(const struct splice *s, enum splice_layout layout);

/* The fragmented layout patches fragments that nobody has read, on the word of the first one. Reading all of
 * them is what it is there to avoid; so before a plan of it a few dozen bytes of some are looked at: evenly
 * spread ones of each track, the last one always. splice_checks() says which; each range is handed to
 * splice_check() once it has come. ERR_UNSUPPORTED_SITE: they are not built alike, the other layout has to
 * do. Once splice_ready(). */
enum { SPLICE_CHECKS_MAX = 32 };
size_t splice_checks(const struct splice *s, struct splice_range out[SPLICE_CHECKS_MAX]);
int splice_check(const struct splice *s, const struct splice_range *range, const void *data, struct err *err);

/* Makes the plan. `tags` may be NULL. ERR_BAD_REQUEST: nothing lies in the clip. */
int splice_plan(const struct splice *s, enum splice_layout layout, const struct mp4_tags *tags,
                struct plan **out, struct err *err);

DEFINE_AUTO_PTR(splice, splice_free)

#endif
