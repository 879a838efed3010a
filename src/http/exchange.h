/* An exchange: one request, its answer and its connection. What a handler gives to an event loop when the
 * answer takes longer than a thread should be held.
 *
 * A handler that returns HTTP_LATER has handed its exchange over, and must not touch request or response any
 * more; whoever took it goes on with the non-blocking half of response.h and calls http_exchange_end() once.
 * Threads: one at a time. */
#ifndef SLUICE_HTTP_EXCHANGE_H
#define SLUICE_HTTP_EXCHANGE_H

#include "http/response.h"

enum {
    HTTP_LATER = 1,
    HTTP_BREAK_PAUSE_MS = 100, /* see http_exchange_breaks() */
};

struct http_exchange;

/* The one that this response belongs to; NULL: none, the answer must be sent by blocking calls. */
struct http_exchange *http_exchange_of(const struct http_response *res);
const struct http_request *http_exchange_request(const struct http_exchange *x);
struct http_response *http_exchange_response(const struct http_exchange *x);
const char *http_exchange_id(const struct http_exchange *x); /* the request's */
/* To wait on for reading (the client may have left: http_look()) and for writing. */
int http_exchange_fd(const struct http_exchange *x);
/* Gives back what the request no longer needs once its answer has begun: header values become NULL. */
void http_exchange_slim(struct http_exchange *x);
/* Whether the answer, as it stands, has to be broken off where it is. Then web servers should get
 * HTTP_BREAK_PAUSE_MS to pass on what they have before http_exchange_end() makes them give up. */
bool http_exchange_breaks(const struct http_exchange *x);
/* Turns *err (may be NULL, or say ERR_OK) into a problem where nothing was sent yet, ends the answer, logs
 * it, closes the connection and frees it all. */
void http_exchange_end(struct http_exchange *x, const struct err *err);

#endif
