/* Movie fragments (moof): what samples they hold and where, added to a table. */
#ifndef SLUICE_MEDIA_MP4_FRAGMENT_H
#define SLUICE_MEDIA_MP4_FRAGMENT_H

#include "media/mp4_samples.h"
#include "media/mp4_track.h"

/* Where a fragment states its sequence number and its track, as offsets into the moof, for patching in place.
 */
struct mp4_patch_points {
    uint32_t sequence_number; /* in mfhd */
    uint32_t track_id;        /* in tfhd; 0: the fragment has several, or states an absolute data offset */
};

struct mp4_moof {
    struct mp4_span box; /* whole, with its header */
    uint64_t offset;     /* in the file */
    uint64_t end;        /* its samples must end at or before this file offset (the end of its reference) */
};

/* Adds the samples of `track`; those of other tracks are an error, as the file has one. On failure `to` is
 * only good for mp4_samples_fini(). Errors: as in mp4_track.h; ERR_INTERNAL no memory. */
int mp4_fragment_read(struct mp4_samples *to, const struct mp4_track *track, const struct mp4_moof *moof,
                      struct mp4_patch_points *patch, struct err *err);

#endif
