/* The other media host that a URL of the site names, for when its own fails: the same path and query on it
 * lead to the same file. How it is named is data (clients.json, media_hosts), because it ages. */
#ifndef SLUICE_SITE_YOUTUBE_HOSTS_H
#define SLUICE_SITE_YOUTUBE_HOSTS_H

#include "base/buf.h"
#include "site/youtube/clients.h"

/* Appends the URL on the other host. -1: there is none. */
int hosts_other(const struct client_media_hosts *rules, const char *url, struct buf *out);

#endif
