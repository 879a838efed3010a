/* One HTTP response as a state machine: status and headers, then body, then end. Wrong order is an error, not
 * a broken answer: a header after http_begin(), a body longer than announced, a CR or LF in a header are
 * refused.
 *
 * A response with an announced length that ends short makes the edge close the connection in a way the client
 * sees as an error: a truncated file never looks complete.
 * Threads: one response belongs to one thread at a time. */
#ifndef SLUICE_HTTP_RESPONSE_H
#define SLUICE_HTTP_RESPONSE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/err.h"
#include "http/request.h"

struct http_response;

#define HTTP_LENGTH_UNKNOWN UINT64_MAX

/* All return 0, or -1: wrong state, hostile value, or (write, begin, send) the client has left. */
int http_set_status(struct http_response *res, int status); /* 200 when never called */
/* Names from our own code; values may be hostile: control characters are refused. */
int http_set_header(struct http_response *res, const char *name, const char *value);
int http_set_headerf(struct http_response *res, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void http_drop_header(struct http_response *res, const char *name);
/* Sends the headers; `length` bytes of body follow (Content-Length), or an unknown number. */
int http_begin(struct http_response *res, uint64_t length);
/* Blocks until the bytes are with the web server. Does nothing for HEAD. */
int http_write(struct http_response *res, const void *data, size_t len);
/* Headers, Content-Length and the whole body at once. */
int http_send(struct http_response *res, const char *content_type, const void *body, size_t len);

/* The same without waiting, for event loops. http_prepare() is http_begin(), but the head leaves with the
 * first bytes; http_push() sends what goes of head and body: the bytes of body that are gone, 0: none now
 * (wait until the exchange's descriptor can be written), -1 as http_write(). A byte not taken must be offered
 * again first; iov is changed. http_flush(), after the last byte: 1 all is out, 0 not yet, -1. */
int http_prepare(struct http_response *res, uint64_t length);
ssize_t http_push(struct http_response *res, struct iovec *iov, int count);
int http_flush(struct http_response *res);

/* What is noted about an answer for whoever counts them (http_server_opts.ended): handlers say it. Empty
 * texts: not known, or none. */
struct http_notes {
    char key[12]; /* the API key's id */
    char site[24];
    char choice[32];
    bool cached; /* from memory */
};
struct http_notes *http_notes(struct http_response *res);
void http_note(char *field, size_t room, const char *text); /* cut where it does not fit */

bool http_begun(const struct http_response *res);
int64_t http_begun_mono_us(const struct http_response *res); /* when its first byte left; 0: none has */
bool http_left(const struct http_response *res);             /* the client has */
/* Looks whether it has, for handlers that have nothing to write for a while. */
bool http_look(struct http_response *res);
int http_status(const struct http_response *res);
uint64_t http_bytes_sent(const struct http_response *res); /* body bytes */

/* application/problem+json for *err, with Retry-After where it helps; text/html when the route allows it and
 * the request wants it. Headers about the body that is not coming are dropped, others stay (RateLimit; for
 * 416 also Content-Range). Does nothing but mark the answer as broken when the headers are out already. */
void http_problem(struct http_response *res, const struct http_request *req, const struct err *err);

/* --- for the edge and for tests --- */

/* Where response bytes go: CGI writes text to a pipe, FastCGI writes records. 0 or -1 (the client left).
 * `finish` is called once instead of `write` when nothing follows a complete answer, so that its last bytes
 * and the end of the FastCGI request leave together; len may be 0. NULL: write() serves. */
struct http_sink {
    int (*write)(void *ctx, const void *data, size_t len);
    void *ctx;
    int (*finish)(void *ctx, const void *data, size_t len);
    /* Whether the client has left, as far as that can be seen without writing. NULL: it cannot. */
    bool (*gone)(void *ctx);
    /* Sends of iov, which it changes, what goes without waiting: how many bytes; -1 the client left. `last`:
     * when all of it is gone, so is the answer. */
    ssize_t (*push)(void *ctx, struct iovec *iov, int count, bool last);
    /* What push() has kept for itself: 1 all is out, 0 not yet, -1 the client left. */
    int (*flush)(void *ctx);
};
struct http_exchange;
struct http_response *http_response_new(const struct http_sink *sink, bool head);
void http_set_exchange(struct http_response *res, struct http_exchange *x);
/* Problems of this answer may be HTML pages. */
void http_allow_html(struct http_response *res);
bool http_breaks(
    const struct http_response *res); /* http_response_end() would return -1, the client is there */
/* The code of the last http_problem(); ERR_OK when there was none. */
enum err_code http_error(const struct http_response *res);
/* Ends it: an answer never begun becomes 500. Returns -1 when the body fell short of its announced length,
 * was marked broken, or the client left, so that the edge aborts instead of ending cleanly. May be called
 * again for the same result. */
int http_response_end(struct http_response *res);
void http_response_free(struct http_response *res);

DEFINE_AUTO_PTR(http_response, http_response_free)

#endif
