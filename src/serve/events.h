/* Server-sent events (HTML, 9.2): each listener is an answer that stays open, in one event loop of the
 * process; none of them holds a thread. Its source is asked now and then whether there is something new; a
 * comment keeps the answer open on the way. Whoever stops listening is noticed.
 * Threads: all functions are safe from any. */
#ifndef SLUICE_SERVE_EVENTS_H
#define SLUICE_SERVE_EVENTS_H

#include "http/exchange.h"
#include "serve/app.h"

enum {
    EVENTS_LISTENERS_MAX = 1000, /* of a process; more get ERR_BUSY */
    EVENTS_LOOK_MS = 500,        /* how often a source is asked, at most */
    EVENTS_COMMENT_S = 10,       /* below what proxies wait for a byte, which is 30 s and more */
};

/* The thread and the loop begin with the first listener. */
int events_open(struct events **out, struct err *err);
/* What somebody listens to. Called in the loop, by one at a time; it may ask the database, and nobody else.
 */
struct events_source {
    /* Appends the event for what is new, if anything is: 0; EVENTS_END: and that was the last one. -1: it
     * cannot be said now; all are asked again later. */
    int (*look)(void *ctx, struct buf *out);
    void (*free)(void *ctx);
    void *ctx;
    unsigned every_ms; /* EVENTS_LOOK_MS or more */
    size_t max_bytes;  /* of an event */
};
enum { EVENTS_END = 1 };

/* Takes over the exchange of an answer whose headers are set, and the source; then the handler returns
 * HTTP_LATER. On -1 nothing is taken. */
int events_listen(struct events *e, struct http_exchange *x, const struct events_source *source,
                  struct err *err);
/* Ends all answers where they are, soon; listeners come back to the next process by themselves. */
void events_hush(struct events *e);
/* All exchanges have ended. NULL is fine. */
void events_close(struct events *e);

#endif
