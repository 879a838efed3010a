/* The file of a choice, read forward by a thread that may block: for what goes elsewhere than to a client.
 * The same plan, feed and renewal as a download's, so the same bytes, from any offset of a file whose length
 * is known before.
 *
 * Memory: as a stream. While nobody reads, nothing is read from the source either. Threads: one at a time. */
#ifndef SLUICE_SERVE_OUTPUT_H
#define SLUICE_SERVE_OUTPUT_H

#include <stdatomic.h>

#include "serve/app.h"
#include "serve/auth.h"
#include "serve/choice.h"
#include "serve/merge.h"

struct output;

/* Borrowed for the call, but `cancelled`. */
struct output_ask {
    const char *link;
    const char *wanted;             /* as choice_find() takes it */
    const struct choice_wish *wish; /* with it; NULL: none. Until output_close() */
    const struct merge_opts *opts;  /* NULL: the usual */
    const struct auth *who;         /* whose sites count; NULL: nobody's */
    /* Set by another thread: output_read() fails soon, with ERR_BUSY. NULL: nobody does. Until
     * output_close(). */
    const atomic_bool *cancelled;
};

/* Finds out what it will be; nothing of it is fetched yet. Blocks. *out: output_close(). Errors: those of a
 * description, a choice and a plan. */
int output_find(struct output **out, struct app *app, const struct output_ask *ask, struct err *err);
void output_close(struct output *o); /* NULL is fine */

/* Borrowed until output_read(), which may have to replace them. */
const struct description *output_description(const struct output *o);
const struct choice *output_choice(const struct output *o);
/* 0: not known before the end. Of an MP3 it may turn out otherwise with the first bytes. */
uint64_t output_length(const struct output *o);
/* Strong: equal ones mean equal bytes, so that what was begun with one can be gone on with. "": there is
 * none, as always where the length is not known. Borrowed. */
const char *output_etag(const struct output *o);

/* Begins to fetch, once. `offset` > 0 only where there is an ETag, and at most the length. */
int output_begin(struct output *o, uint64_t offset, struct err *err);
/* The next bytes, at most `room`; *got 0: the end. -1: it cannot be gone on with here; ERR_SOURCE_CHANGED: it
 * is another file by now. */
int output_read(struct output *o, void *to, size_t room, size_t *got, struct err *err);

DEFINE_AUTO_PTR(output, output_close)

#endif
