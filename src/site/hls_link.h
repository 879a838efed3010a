/* A link to an HLS playlist: what is to be had through it. */
#ifndef SLUICE_SITE_HLS_LINK_H
#define SLUICE_SITE_HLS_LINK_H

#include "site/site.h"

/* Adds the formats of a playlist that came from `base`, and the duration. Each format's container is "hls",
 * its URL that of a playlist of pieces, its size unknown; the best of a master playlist is looked into, the
 * others are taken to be like it. Errors: as hls_parse(), or of the calls made. */
int hls_add_formats(const struct site_env *env, const char *base, const char *text, size_t len,
                    struct description *d, struct err *err);

#endif
