/* One track of a fragmented file, as its header (ftyp moov) and index (sidx) describe it. Nothing of its
 * media.
 *
 * What this cannot use is one of two things, and callers act on which: ERR_UNSUPPORTED_SITE, correct but of a
 * shape not taken here (another way may work); ERR_UPSTREAM_FAILED, bytes that contradict themselves. */
#ifndef SLUICE_MEDIA_MP4_TRACK_H
#define SLUICE_MEDIA_MP4_TRACK_H

#include "base/defs.h"
#include "base/err.h"
#include "media/mp4_box.h"

enum {
    MP4_HEAD_MAX = 4 * 1024 *
                   1024,        /* bytes of ftyp, moov and sidx together; 65,535 references take 786,420 */
    MP4_REFERENCES_MAX = 65535, /* reference_count has 16 bits */
    MP4_VIDE = MP4_CC('v', 'i', 'd', 'e'), /* handler types */
    MP4_SOUN = MP4_CC('s', 'o', 'u', 'n'),
};

/* One subsegment of the index: in YouTube's files one fragment, moof and mdat. */
struct mp4_reference {
    uint64_t offset;   /* in the file */
    uint64_t start;    /* earliest presentation time, in the index's timescale: good for order only */
    uint32_t size;     /* > 0 */
    uint32_t duration; /* in the index's timescale */
    uint32_t sap;      /* starts_with_SAP, SAP_type, SAP_delta_time, as they are; they may lie */
};

struct mp4_index {
    struct mp4_reference *references; /* contiguous in the file */
    size_t count;
    uint32_t timescale;
    uint64_t end; /* file offset behind the last reference */
};

/* Sample defaults of a fragment (trex, overridden by tfhd). */
struct mp4_defaults {
    uint32_t description, duration, size, flags;
};

struct mp4_track {
    uint32_t id, handler, timescale;         /* mdhd */
    uint32_t movie_timescale;                /* mvhd: the unit of empty_duration */
    uint16_t language;                       /* mdhd, packed ISO 639-2/T */
    uint16_t layer, alternate_group, volume; /* tkhd */
    unsigned char matrix[36];
    uint32_t width, height; /* 16.16 */
    struct mp4_defaults defaults;
    /* The edit list, when there is one: an empty edit of that length, then the media from media_time on. */
    bool has_edit;
    uint64_t empty_duration; /* movie timescale */
    uint64_t media_time;     /* media timescale */
    /* Boxes kept as they are: hdlr; vmhd, smhd or the like; stsd. They lie in `moov`. */
    struct mp4_span handler_box, media_header, descriptions;
    struct mp4_index index;
    unsigned char *moov; /* owned copy */
};

/* Parses the first bytes of a file, at least to the end of its sidx. Errors as above; ERR_DRM: encrypted. */
int mp4_track_parse(struct mp4_track *t, const void *head, size_t len, struct err *err);
void mp4_track_fini(struct mp4_track *t);

/* How many of a file's first bytes mp4_track_parse() needs, as far as `len` of them tell: > len means fetch
 * that many and ask again, <= len that it has enough. 0: this is no file with its index in front. */
uint64_t mp4_head_bytes(const void *head, size_t len);

DEFINE_AUTO(mp4_track, mp4_track_fini)

#endif
