/* Lists of videos of the site: playlists, what a channel has uploaded, search results; a page at a time.
 * Everything the site answers is hostile: texts are cleaned, ids are checked, and anything of a shape that is
 * not known is passed over. */
#ifndef SLUICE_SITE_YOUTUBE_LISTING_H
#define SLUICE_SITE_YOUTUBE_LISTING_H

#include <jansson.h>

#include "site/site.h"

enum {
    LISTING_ID_MAX = 200, /* of a list, or what is searched for */
    LISTING_NEXT_MAX = 4096,
    LISTING_ITEMS_MAX = 200,
    LISTING_DEPTH_MAX = 64,
    LISTING_CHANNEL_URL_MAX = 64,
};

enum listing_kind { LISTING_PLAYLIST, LISTING_CHANNEL, LISTING_SEARCH };

/* What is to be listed. */
struct listing_wish {
    enum listing_kind kind;
    char id[LISTING_ID_MAX + 1];     /* of the playlist or channel; what is searched for */
    char link[LINK_MAX_BYTES + 64];  /* a channel's whose id is to be found out; "": it is known */
    char next[LISTING_NEXT_MAX + 1]; /* of the page before; "": from the beginning */
};

struct listing {
    char *title, *author; /* NULL: not told (also on later pages) */
    json_t
        *items; /* {"id", "url", "title", "author", "author_url", "duration_s", "thumbnail", "live"} each */
    char *next; /* where it goes on; NULL: that is all */
};

/* What a link lists: a playlist (also of a link to a video in one) or a channel. ERR_UNSUPPORTED_SITE:
 * nothing; ERR_BAD_URL. */
int listing_wish_of(const char *link_text, struct listing_wish *out, struct err *err);

/* The link of a channel by its id. -1: that is no id (NULL: not told). */
int listing_channel_url(const char *id, char out[LISTING_CHANNEL_URL_MAX]);

/* One page. `out`: listing_fini() in any case. `wish` is told the id of a channel that was found out. Errors:
 * ERR_NOT_FOUND, ERR_PRIVATE, ERR_UNSUPPORTED_SITE (no client to ask as), ERR_RATE_LIMITED_UPSTREAM,
 * ERR_UPSTREAM_FAILED; the transport's. */
int listing_get(const struct site_env *env, struct listing_wish *wish, struct listing *out, struct err *err);
void listing_fini(struct listing *l);

/* Reads one answer, of any of these. */
int listing_read(const json_t *answer, struct listing *out, struct err *err);

DEFINE_AUTO(listing, listing_fini)

#endif
