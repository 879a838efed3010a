/* A link to a DASH manifest: what is to be had through it. */
#ifndef SLUICE_SITE_DASH_LINK_H
#define SLUICE_SITE_DASH_LINK_H

#include "site/site.h"

enum { DASH_LINK_FILES_MAX = 24 }; /* files whose sizes are asked for */

/* Adds the formats and subtitles of a manifest that came from `base`, and the duration. A track that is one
 * file whose index the manifest names is a format like any other, its size asked for. Every other one is a
 * list of pieces: container "dash", size unknown, its URL that of the manifest with the number of the track
 * behind '#'. Errors: as dash_parse(), or of the calls made. */
int dash_add_formats(const struct site_env *env, const char *base, const char *text, size_t len,
                     struct description *d, struct err *err);

#endif
