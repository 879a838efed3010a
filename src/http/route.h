/* The route table: what each address needs is stated in bits, checked in one place before the handler runs.
 */
#ifndef SLUICE_HTTP_ROUTE_H
#define SLUICE_HTTP_ROUTE_H

#include "http/request.h"
#include "http/response.h"

struct app; /* the program's state; this layer never looks inside */

/* Answers, or returns -1 with *err filled: the dispatcher then sends the problem. Or HTTP_LATER: it has
 * handed the exchange over (http/exchange.h). */
typedef int http_handler_fn(struct app *app, const struct http_request *req, struct http_response *res,
                            struct err *err);

enum http_route_flag {
    HTTP_ROUTE_INFO = 1,   /* answered by info.fcgi */
    HTTP_ROUTE_STREAM = 2, /* answered by stream.fcgi */
    HTTP_ROUTE_ADMIN = 32, /* answered by admin.fcgi */
    HTTP_ROUTE_HTML = 4,   /* problems may be HTML pages */
    HTTP_ROUTE_CORS = 8,   /* any origin may read the answer (no cookies are involved) */
    HTTP_ROUTE_BELOW = 16, /* also answers what begins with its path, which ends in '/' */
};

struct http_route {
    const char *path; /* after the prefix; exact but for HTTP_ROUTE_BELOW */
    unsigned methods; /* HTTP_GET | …; HEAD is allowed wherever GET is */
    unsigned flags;   /* enum http_route_flag */
    http_handler_fn *run;
};

/* Finds the route among those whose flags include `program` (*found; NULL: none), checks the method (405 with
 * Allow), answers OPTIONS, runs the handler. Returns what the handler does. */
int http_dispatch(const struct http_route *routes, size_t count, unsigned program, struct app *app,
                  const struct http_request *req, struct http_response *res, const struct http_route **found,
                  struct err *err);
/* Only finds the route, and prepares the answer for a problem: for a request that http_request_init() has
 * refused. NULL: none. */
const struct http_route *http_find_route(const struct http_route *routes, size_t count, unsigned program,
                                         const struct http_request *req, struct http_response *res);
/* Ends the answer and logs one line (request id, route, code, time; never a query or an address). */
int http_end_and_log(const struct http_route *route, const char *id, struct http_response *res,
                     const struct err *err, int64_t started_us);

#endif
