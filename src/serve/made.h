/* A choice that libav makes while it is sent: WebM of two WebM formats, Ogg, MP3, and MP4 of what cannot be
 * planned. The pieces of media/ (remux.h, audio.h) on a job of their own (work.h), fed by sources.h.
 *
 * Of these only MP3 has a size, stated before and kept, and with it ranges: they are served by making the
 * file from its beginning and leaving out what was not asked for. Its ETag is strong, for the same bytes come
 * out of the same sources, tags, cover, encoder and kind of processor, all of which are in it. */
#ifndef SLUICE_SERVE_MADE_H
#define SLUICE_SERVE_MADE_H

#include "http/range.h"
#include "serve/app.h"
#include "serve/choice.h"
#include "serve/pump.h"
#include "serve/sources.h"

enum { MADE_ETAG_MAX = 48 };

struct made;

/* Settles what the file will be, down to the cover, which is fetched unless it is remembered. *out:
 * made_free(). Nothing of the arguments is kept but `app`. */
int made_new(struct made **out, struct app *app, const struct description *d, const struct choice *c,
             bool no_tags, struct err *err);
uint64_t made_length(const struct made *m);  /* 0: not known */
const char *made_etag(const struct made *m); /* "" where the length is not known. Borrowed */

/* Begins to make it from these sources (their `renew` is called on the job's thread). `on_change`: see
 * work_start(). */
int made_start(struct made *m, const struct source_job *sources, void (*on_change)(void *ctx), void *ctx,
               struct err *err);
/* As in struct pump_order, of `range`, which is not looked at when the length is not known. That may be so
 * only from the first bytes on: the source is not as long as its site had said. */
enum pump_state made_gather(struct made *m, const struct http_range *range, struct iovec *iov, int *count,
                            struct err *err);
void made_take(struct made *m, size_t bytes);
/* It is to end, soon: from any thread, before made_free(), which waits for that. */
void made_cancel(struct made *m);
/* Ends the job if it still runs. NULL is fine. */
void made_free(struct made *m);

DEFINE_AUTO_PTR(made, made_free)

#endif
