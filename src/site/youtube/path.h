/* Reading hostile JSON answers: by path, by type, never further than asked. NULL values are fine everywhere.
 */
#ifndef SLUICE_SITE_YOUTUBE_PATH_H
#define SLUICE_SITE_YOUTUBE_PATH_H

#include <jansson.h>
#include <stdint.h>

/* The member at a dotted path ("videoDetails.title"); "" is `root` itself. Borrowed; NULL: there is none. */
json_t *path_get(const json_t *root, const char *path);
/* The string there, cut at a NUL character; NULL where there is no string. Borrowed. */
const char *path_text(const json_t *root, const char *path);
/* The number there, as a JSON number or in decimal text (the site does both); 0 where it is absent, negative,
 * no number or over `most`. */
uint64_t path_number(const json_t *root, const char *path, uint64_t most);

#endif
