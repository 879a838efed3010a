/* A choice that libav makes while it is sent: WebM of two WebM formats, Ogg, MP3, and MP4 of what cannot be
 * planned. The pieces of media/ (remux.h, audio.h) on a job of their own (work.h), fed by sources.h.
 *
 * Of these only MP3 has a size, stated before and kept, and with it ranges: they are served by making the
 * file from its beginning and leaving out what was not asked for. Its ETag is strong, for the same bytes come
 * out of the same sources, tags, cover, encoder and kind of processor, all of which are in it. */
#ifndef SLUICE_SERVE_MADE_H
#define SLUICE_SERVE_MADE_H

#include "http/range.h"
#include "http/response.h"
#include "serve/app.h"
#include "serve/choice.h"
#include "serve/pump.h"

enum { MADE_ETAG_MAX = 48 };

struct made;

/* Settles what the file will be, down to the cover, which is fetched unless it is remembered. *out:
 * made_free(). Nothing of the arguments is kept but `app`. */
int made_new(struct made **out, struct app *app, const struct description *d, const struct choice *c,
             bool no_tags, struct err *err);
uint64_t made_length(const struct made *m);  /* 0: not known */
const char *made_etag(const struct made *m); /* "" where the length is not known. Borrowed */

/* Begins to make it from these sources (their `renew` is called on the job's thread); returns with the first
 * bytes in hand, or with what failed. The length may then be known no more: the source is not as long as its
 * site had said. ERR_BUSY: too many are made already; ERR_OK (with -1): the client left meanwhile. */
int made_begin(struct made *m, const struct pump_job *sources, struct http_response *res, struct err *err);
/* Sends `range` of it, the rest of it when the length is not known, into a begun response. -1 with ERR_OK:
 * the client left. */
int made_send(struct made *m, const struct http_range *range, struct http_response *res, struct err *err);
/* Ends the job if it still runs. NULL is fine. */
void made_free(struct made *m);

DEFINE_AUTO_PTR(made, made_free)

#endif
