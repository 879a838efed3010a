/* Small things beside the media that pass through us whole, so that a client never talks to the site:
 * thumbnails and subtitles. */
#ifndef SLUICE_SERVE_SMALL_H
#define SLUICE_SERVE_SMALL_H

#include "serve/app.h"
#include "serve/choice.h"

/* The choice id of a subtitle track: "subtitle-en", "subtitle-en-auto". -1: its language makes no sane id. */
int subtitle_choice(const struct subtitle *t, char out[CHOICE_ID_MAX]);
bool is_subtitle_choice(const char *choice);
/* Sends the track as WebVTT. */
int serve_subtitle(struct app *app, const char *link, const char *choice, struct http_response *res,
                   struct err *err);

#endif
