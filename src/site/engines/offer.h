/* What another program or server says there is, taken into a description: every text is hostile, and nothing
 * of it is believed that does not fit our own tables. What cannot be fetched, or is of a kind we do not know,
 * is passed over. */
#ifndef SLUICE_SITE_ENGINES_OFFER_H
#define SLUICE_SITE_ENGINES_OFFER_H

#include "site/description.h"

enum { OFFER_URL_MAX = 8192, OFFER_TEXT_MAX = 500, OFFER_FORMATS_MAX = 256, OFFER_SUBTITLES_MAX = 200 };

/* One format. NULL, 0: it does not say. */
struct offer {
    const char *id;
    const char *url;
    const char *container;     /* a file extension, or "hls" for a playlist of pieces */
    const char *video, *audio; /* codecs; "none": there is no such track */
    const char *label;
    const char *language;
    const char *user_agent;
    const char *headers; /* as struct format's; "" or NULL: none */
    uint64_t width, height, bitrate, size_bytes, duration_ms, sample_rate, channels, last_modified;
    double fps;
    struct byte_range init, index;
    bool not_original, drc;
};

/* 0 also where it was passed over; -1: out of memory. */
int offer_add(struct description *d, const struct offer *o);

/* The texts about the whole. `url`: canonical, ours. NULLs: it does not say. -1: out of memory. */
struct offer_about {
    const char *site, *id, *url, *engine;
    const char *title, *author, *thumbnail;
    uint64_t duration_ms;
    const char *published; /* as description_set_day() takes it */
    int64_t published_unix_s;
};
int offer_begin(struct description *d, const struct offer_about *about);

int offer_subtitle(struct description *d, const char *language, const char *label, const char *url,
                   bool is_auto);

/* The best first, as player_read_formats() has it: muxed, video, audio; originals; size of the picture; rate.
 */
void offer_sort(struct description *d);

/* http or https, printable ASCII, not too long. */
bool offer_is_url(const char *url);

#endif
