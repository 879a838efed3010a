/* An HTTP/1.1 connection that an event loop reads one body after the other from. Private to net/.
 *
 * libcurl connects it (names, rules for addresses, proxies) and hands the socket over; TLS, request, head and
 * body are done here. So a body goes from the TLS record into the reader's ring by one copy, several records
 * by one system call, and a stream that rests holds neither a handle of libcurl nor a buffer.
 *
 * A line belongs to its pool's loop and thread. What it reads goes into a struct transfer. */
#ifndef SLUICE_NET_LINE_H
#define SLUICE_NET_LINE_H

#include "base/loop.h"
#include "net/transfer.h"

struct line;

struct line_pool {
    struct net *net;
    struct loop *loop;
    void (*settle)(void *ctx); /* called when the pool's lines have been at work in their turn of the loop */
    void *ctx;
    struct line *idle; /* the latest first */
    unsigned idle_count;
};

void line_pool_close(struct line_pool *p);

/* Whether lines can do it: not where the proxy has to understand the request, or speaks TLS itself. */
bool line_serves(const struct wire_request *request);

/* One that lies idle and leads there the same way; NULL: none. */
struct line *line_reuse(struct line_pool *p, const struct wire_request *request);
/* Takes over a socket connected to where such requests go; it is closed also after an error. */
int line_open(struct line **out, struct line_pool *p, const struct wire_request *request, int fd,
              struct err *err);

/* Sends t->request, for t->span. `done` is called once, not within this call, when its answer is over, and
 * may be called within line_resume(); then the line is put back. -1: it could not be sent. */
int line_send(struct line *l, struct transfer *t, void (*done)(void *ctx, CURLcode code), void *ctx);
/* The reader has room again. */
void line_resume(struct line *l);
/* It was used before, and has ended before it answered: nothing is known yet about the request. */
bool line_was_stale(const struct line *l);
/* Back into the pool if it can be used again, else closed. NULL is fine. */
void line_put(struct line *l);

#endif
