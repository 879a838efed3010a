/* Asks the processes that run player scripts. Their guard (cgi-bin/sluice-keep.c) is started here, before the
 * program that serves gives up its right to start processes; keepers and children come and go without its
 * doing.
 * Threads: any; questions wait for each other. */
#ifndef SLUICE_SITE_YOUTUBE_CHALLENGES_JS_H
#define SLUICE_SITE_YOUTUBE_CHALLENGES_JS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "site/youtube/challenges/frame.h"

enum {
    /* By the clock: a hostile script has to be gone within 2 s on a busy machine, too. */
    JS_PREPARE_MS = 60 * 1000, /* runs only our own code: 3 s for a player of 2.7 MB */
    JS_RUN_MS = 1700,          /* runs the player's: 0.2 s to load, 2 ms to solve */
};

struct js;

/* `directory` holds sluice-keep and sluice-js. *out: js_close(). Error: one of them is not there. */
int js_open(struct js **out, const char *directory, struct err *err);
void js_close(struct js *js);
/* Whether the guard has ended, so that there will be no keepers any more. `js` may be NULL: false. */
bool js_is_gone(const struct js *js);
DEFINE_AUTO_PTR(js, js_close)

/* Asks `op` about `id` (not sent with FRAME_PREPARE) and `text`; *answer gets what follows the head, which
 * may be an error's text. A keeper that dies over it is replaced, and asked once more. Returns the answer's
 * op, or -1: there is no keeper to be had. `js` may be NULL. */
int js_ask(struct js *js, enum frame_op op, const char *id, const char *text, size_t len, struct buf *answer);

#endif
