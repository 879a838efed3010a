/* Subtitles: a download of their own, as the site has them or as SubRip, and tracks in files that are made.
 * What the site says is fetched once for all who ask, and kept for a while (cache/shelf.h). */
#ifndef SLUICE_SERVE_SUBTITLES_H
#define SLUICE_SERVE_SUBTITLES_H

#include "base/hash.h"
#include "cache/shelf.h"
#include "media/splice.h"
#include "serve/app.h"
#include "serve/auth.h"
#include "serve/choice.h"

/* The choice id of a subtitle track of `d`: "subtitle-en", "subtitle-en-auto"; "subtitle-en-2" is the second
 * one of that language. -1: its language makes no sane id. */
int subtitle_choice(const struct description *d, const struct subtitle *t, char out[CHOICE_ID_MAX]);
bool is_subtitle_choice(const char *choice);
/* Sends the track. `format` NULL: WebVTT, byte for byte as the site has it; "vtt": WebVTT without styles and
 * repeated lines; "srt": SubRip. Errors: ERR_NO_SUCH_CHOICE, ERR_BAD_REQUEST (another format), ERR_NOT_FOUND
 * (the site has none after all), ERR_UPSTREAM_FAILED. */
int serve_subtitle(struct app *app, const struct auth *who, const char *link, const char *choice,
                   const char *format, struct http_response *res, struct err *err);

/* Tracks for a file that is made: subtitle_set_fini(). */
struct subtitle_set {
    struct {
        char language[CHOICE_ID_MAX]; /* BCP 47 */
        char hash[HASH_HEX_LEN + 1];  /* of what the site says */
        struct shelf_value *vtt;      /* that; it has been read once, so it can be */
    } tracks[SPLICE_SUBTITLES_MAX];
    size_t count;
};

/* `wanted`: "en", "en-auto", or several of them with commas between. Errors: ERR_NO_SUCH_CHOICE;
 * ERR_BAD_REQUEST, more than SPLICE_SUBTITLES_MAX; ERR_UPSTREAM_FAILED. */
int subtitle_set_get(struct app *app, const struct description *d, const char *wanted,
                     struct subtitle_set *out, struct err *err);
void subtitle_set_fini(struct subtitle_set *s);

#endif
