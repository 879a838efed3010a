/* Tags of an MP4 file: title and so on, where players look for them (moov/udta/meta/ilst). The layout is
 * Apple's (QuickTime File Format, "Metadata"), which is what iTunes, VLC, mpv, Windows and ffmpeg read. */
#ifndef SLUICE_MEDIA_MP4_TAGS_H
#define SLUICE_MEDIA_MP4_TAGS_H

#include "media/mp4_box.h"

enum { MP4_TAG_TEXT_MAX = 4096, MP4_TAG_COVER_MAX = 4 * 1024 * 1024 };

/* All borrowed, all optional: NULL or "" leaves one out. UTF-8; longer text is cut between characters. */
struct mp4_tags {
    const char *title, *artist, *date, *comment; /* date: "2026-01-31" */
    const void *cover; /* JPEG or PNG; anything else, or one that is too large, is left out */
    size_t cover_len;
};

/* Writes the udta box, or nothing when there is no tag. */
void mp4_tags_write(struct mp4_writer *w, const struct mp4_tags *tags);

#endif
