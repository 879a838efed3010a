/* The samples of one track, in decode order, compactly: 4 bytes each for the size, 4 more where composition
 * offsets occur (12 h of 60 fps are 2.6 million samples, 21 MB); durations in runs, sync samples as a list
 * kept only once a sample is not one; the payload as runs of bytes in the source. */
#ifndef SLUICE_MEDIA_MP4_SAMPLES_H
#define SLUICE_MEDIA_MP4_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/defs.h"
#include "base/err.h"

enum { MP4_SAMPLES_MAX = 8 * 1024 * 1024 }; /* 18 h at 120 fps; hostile tables end here */

struct mp4_sample {
    uint32_t size, duration;
    int32_t cts; /* composition time offset: pts - dts */
    bool sync;
};

struct mp4_duration_run {
    uint32_t count, duration;
};

struct mp4_payload_run {
    uint64_t offset, bytes; /* in the source */
};

/* Embedded; all zero is empty. The arrays are private: read through a cursor. */
struct mp4_samples {
    size_t count;
    uint64_t bytes;               /* sum of sizes */
    uint64_t start_dts, next_dts; /* media timescale: of the first sample, and behind the last */
    int32_t least_cts;            /* 0 where none is negative */
    uint32_t *sizes;
    int32_t *cts; /* NULL while all are 0 */
    size_t capacity;
    struct mp4_duration_run *durations;
    size_t duration_count, duration_capacity;
    uint32_t *syncs; /* numbers of the sync samples, once not all are */
    size_t sync_count, sync_capacity;
    bool some_not_sync;
    struct mp4_payload_run *payloads; /* strictly forward */
    size_t payload_count, payload_capacity;
};

void mp4_samples_fini(struct mp4_samples *t);
/* Says at which decode time the next sample lies. A gap lengthens the sample before it, an overlap shortens
 * it, so that every sample keeps its own time. ERR_UNSUPPORTED_SITE where that is impossible. */
int mp4_samples_seek(struct mp4_samples *t, uint64_t dts, struct err *err);
/* Appends. ERR_UNSUPPORTED_SITE: too many samples, or times beyond 2^62; ERR_INTERNAL: no memory. */
int mp4_samples_add(struct mp4_samples *t, const struct mp4_sample *sample, struct err *err);
/* Says where the bytes of the samples added since the last call are, joined to what lies before them.
 * ERR_UNSUPPORTED_SITE when that is before the end of the last: a source is read strictly forward. */
int mp4_samples_add_payload(struct mp4_samples *t, uint64_t offset, uint64_t bytes, struct err *err);

/* Walks a table: the number and decode time of the sample that comes next, where to stop, and private state.
 * May be copied to walk the same stretch again. */
struct mp4_cursor {
    const struct mp4_samples *table;
    size_t index, end; /* `end` may be lowered */
    uint64_t dts;
    size_t run, in_run, sync;
};

struct mp4_cursor mp4_cursor_of(const struct mp4_samples *t);
/* The next sample; false at the end. */
bool mp4_cursor_next(struct mp4_cursor *c, struct mp4_sample *out);

DEFINE_AUTO(mp4_samples, mp4_samples_fini)

#endif
