/* Reads a player response: first what the site says about the video, then its formats. Everything in it is
 * hostile. */
#ifndef SLUICE_SITE_YOUTUBE_PLAYER_H
#define SLUICE_SITE_YOUTUBE_PLAYER_H

#include <jansson.h>

#include "site/description.h"
#include "site/youtube/fill.h"

enum {
    PLAYER_TITLE_MAX = 500, /* bytes of UTF-8; the site itself allows 100 characters */
    PLAYER_AUTHOR_MAX = 200,
    PLAYER_URL_MAX = 8192,
    PLAYER_SUBTITLES_MAX = 200,
    PLAYER_WHY_MAX = 160,
};

/* CLASS_OK: *out has at least one format and belongs to the caller; sizes that the site does not state are 0.
 * Else `why` holds the site's words, for the log. */
enum youtube_class player_read(const struct clients *clients, const struct fill *asked, const json_t *player,
                               struct description **out, char why[PLAYER_WHY_MAX]);

/* A broadcast that is running: everything but formats, and the address of its HLS list. NULL: the answer has
 * none, or the reason is another. *out: description_free(). */
const char *player_read_live(const struct fill *asked, const json_t *player, struct description **out);

/* Sets d->published where the answer tells it. -1: out of memory. */
int player_read_day(const json_t *player, struct description *d);

/* What formats were passed over for. */
struct player_tally {
    int live, drm, unreachable;
};

/* Adds every format that can be fetched to *d (duration_ms set), sorted: muxed, video, audio, the best first,
 * originals before dubs; lowers d->expires_unix_s to the first URL that dies. -1: out of memory. */
int player_read_formats(const json_t *player, const char *user_agent, struct description *d,
                        struct player_tally *tally);

#endif
