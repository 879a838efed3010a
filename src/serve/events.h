/* Server-sent events (HTML, 9.2) of jobs: each listener is an answer that stays open, in one event loop of
 * the process; none of them holds a thread. A job is sent whenever it has changed, and at last once it is
 * over, which ends the answer; a comment now and then keeps it open on the way. Whoever stops listening is
 * noticed. Threads: all functions are safe from any. */
#ifndef SLUICE_SERVE_EVENTS_H
#define SLUICE_SERVE_EVENTS_H

#include "http/exchange.h"
#include "serve/app.h"

enum {
    EVENTS_LISTENERS_MAX = 1000, /* of a process; more get ERR_BUSY */
    EVENTS_LOOK_MS = 500,
    EVENTS_COMMENT_S = 10, /* below what proxies wait for a byte, which is 30 s and more */
};

/* The thread and the loop begin with the first listener. */
int events_open(struct events **out, struct app *app, struct err *err);
/* Takes over the exchange of an answer whose headers are set; then the handler returns HTTP_LATER. `job`: its
 * id; `prefix`: for the links in it. On -1 nothing is taken. */
int events_listen(struct events *e, struct http_exchange *x, const char *job, const char *prefix,
                  struct err *err);
/* Ends all answers where they are, soon; listeners come back to the next process by themselves. */
void events_hush(struct events *e);
/* All exchanges have ended. NULL is fine. */
void events_close(struct events *e);

#endif
