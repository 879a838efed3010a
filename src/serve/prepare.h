/* Planning ahead: while a person still reads what a video comes in, the plan of the choice that most will
 * make (choice_preselect()) is made in the background, so that the download begins at once and its size is
 * known.
 *
 * Two threads and a short queue per process: what does not fit is dropped, and then made when it is asked
 * for. A stream that asks for the same plan meanwhile, in any process, waits for this one instead of making
 * its own. Threads: all functions are safe from any, but start and stop. */
#ifndef SLUICE_SERVE_PREPARE_H
#define SLUICE_SERVE_PREPARE_H

#include "serve/app.h"
#include "serve/choice.h"

enum {
    PREPARE_THREADS = 2,
    PREPARE_QUEUE_MAX = 16,
    PREPARE_STOP_MS = 2000,
};

/* Sets app->prepare. Only for programs that live on (not plain CGI), before they serve. Does nothing when the
 * settings say so, or when no plan would be kept. */
int prepare_start(struct app *app, struct err *err);
/* Forgets what is waiting and gives what is being made a moment. False: it is not done and goes on using the
 * app, so the program has to leave by _exit(). The lock on what was being made is the kernel's
 * (cache/cache.h). */
bool prepare_stop(struct app *app);

/* Asks for a choice of what `link` leads to; costs a few µs. When its plan has been made, `answer_key` (may
 * be "") is taken out of the store's cache: an answer that does not know the exact size yet. False: it is not
 * and will not be in hand here, for want of room or because such a choice has no plan. */
bool prepare_choice(struct app *app, const char *link, const struct choice *c, const char *answer_key);

#endif
