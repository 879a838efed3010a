/* Small things beside the media that pass through us whole, so that a client never talks to the site:
 * thumbnails here, subtitles in subtitles.h. */
#ifndef SLUICE_SERVE_SMALL_H
#define SLUICE_SERVE_SMALL_H

#include "serve/app.h"

/* Instead of a choice in a token whose link is a picture's own address: of lists, whose videos nobody has
 * described yet. */
#define SMALL_PICTURE "picture"

/* net_call(), and again, twice at most, when it fails of a hiccup: one must not cost the hundred calls beside
 * it. An attempt that took long is not repeated. */
int small_call(struct app *app, const struct net_call *call, struct net_answer *answer, struct err *err);

/* One bounded upstream call that must answer 200 with something in it: as whoever fetches `as` (NULL: nobody
 * in particular), by its way out and, at the same host, with its header fields. Errors: ERR_NOT_FOUND,
 * upstream has none; ERR_UPSTREAM_FAILED. net_answer_fini() either way. */
int small_get(struct app *app, const char *url, const struct format *as, uint64_t max_bytes,
              struct net_answer *answer, struct err *err);

#endif
