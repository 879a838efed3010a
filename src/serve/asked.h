/* What a request for a stream asks for, in copies: a renewal may still need them when the request is gone.
 *
 * Of the request's parameters: `codec` (h264, av1, vp9) and `container` (mp4, webm) narrow the choice down;
 * for files we make: `lang` of the sound, `start` and `end` (seconds or [hh:]mm:ss), `metadata=0`,
 * `layout=fragmented`, `subs` of languages (serve/subtitles.h). */
#ifndef SLUICE_SERVE_ASKED_H
#define SLUICE_SERVE_ASKED_H

#include "http/request.h"
#include "serve/choice.h"
#include "serve/merge.h"

/* Zeroed, then asked_read(), then asked_fini() in any case. */
struct asked {
    const char *link;
    const char *wanted; /* as choice_find() takes it */
    struct choice_wish wish;
    const char *subs; /* wanted in the file; NULL: none */
    struct merge_opts merge;
};

/* `wanted` NULL or "": the best. ERR_BAD_REQUEST: a parameter that is none. */
int asked_read(struct asked *a, const struct http_request *req, const char *link, const char *wanted,
               struct err *err);
void asked_fini(struct asked *a);

#endif
