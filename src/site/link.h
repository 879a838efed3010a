/* What a pasted text is: a video of a known site, a direct link, or nothing usable. Pure and strict.
 *
 * This file and link.c use no libc and allocate nothing: the same code runs in the browser as WebAssembly, so
 * page and server can never disagree. Hosts are matched whole (never by suffix tricks), case-insensitively;
 * user info, other schemes, control characters and odd hosts are refused. */
#ifndef SLUICE_SITE_LINK_H
#define SLUICE_SITE_LINK_H

#include <stddef.h>

enum { LINK_MAX_BYTES = 4096, LINK_ID_MAX = 16 };

enum link_kind {
    LINK_BAD = 0,           /* not a usable link */
    LINK_YOUTUBE_VIDEO = 1, /* id holds the 11-character video id */
    LINK_DIRECT = 2,        /* url holds a normalised http(s) URL of some other host */
    LINK_YOUTUBE_OTHER = 3, /* on the site, but no video: channel, playlist without video, search */
};

struct link {
    enum link_kind kind;
    char id[LINK_ID_MAX];
    char url[LINK_MAX_BYTES + 64]; /* canonical: https://www.youtube.com/watch?v=ID for videos; "" for BAD */
};

/* Reads `text` (surrounding white space is ignored; "youtube.com/…" without scheme is accepted). Returns
 * kind. */
enum link_kind link_parse(struct link *out, const char *text, size_t len);

#endif
