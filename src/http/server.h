/* The edge: accepts FastCGI requests on an inherited socket (descriptor 0), on a socket opened here, or
 * answers one plain CGI request from the environment. The only user of libfcgi. Bodies leave as our own
 * STDOUT records, header and payload in one writev: FCGX_PutStr costs twice the CPU (measured). */
#ifndef SLUICE_HTTP_SERVER_H
#define SLUICE_HTTP_SERVER_H

#include "http/route.h"

struct http_server_opts {
    const char *socket; /* path of a Unix socket or ":port" (loopback) to open; NULL: descriptor 0 or CGI */
    unsigned threads;   /* requests at once */
    unsigned send_timeout_s; /* a client that takes no byte for so long has left; 0: 60 */
    unsigned grace_s;        /* what running requests get at the end before they are cut; 0: 30 */
    unsigned program;        /* HTTP_ROUTE_INFO or HTTP_ROUTE_STREAM: which routes answer here */
    const struct http_route *routes;
    size_t route_count;
    struct app *app;
    /* NULL, or called at the end of each answer: from any thread, must not wait. `res` may be read. */
    void (*ended)(struct app *app, const struct http_route *route, struct http_response *res,
                  int64_t started_mono_us);
    /* NULL, or called once before the first request: the sockets are open, the signals are caught, no thread
     * has been started. -1: http_serve() ends with that error. */
    int (*before_serving)(void *ctx, struct err *err);
    void *before_serving_ctx;
    /* NULL, or called once when it has been told to end, before it waits for the requests that run: those
     * that would go on by themselves should be ended. With before_serving_ctx. */
    void (*stopping)(void *ctx);
};

/* Whether http_serve() with this socket will serve request after request, or answer one as plain CGI. */
bool http_serves_on(const char *socket);

/* Serves until SIGTERM or SIGINT, then finishes the running requests and returns 0 (a second signal cuts
 * them); in CGI mode after the one request, -1 when its answer fell short. A failing accept (EMFILE) is
 * survived. Blocks SIGTERM and SIGINT in its threads; ignores SIGPIPE; uses SIGURG. Errors: ERR_INTERNAL it
 * could not begin; ERR_BUSY at the end: handlers that do not return are still using `app`, so the program has
 * to leave by _exit() without freeing it. */
int http_serve(const struct http_server_opts *opts, struct err *err);

#endif
