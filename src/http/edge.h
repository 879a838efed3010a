/* What server.c is made of: listening sockets, FastCGI requests, the one CGI request. Private to http/. */
#ifndef SLUICE_HTTP_EDGE_H
#define SLUICE_HTTP_EDGE_H

#include <pthread.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "http/response.h"

/* --- listen.c --- */

struct listener {
    int fd;
    char path[108]; /* of a Unix socket that listener_open() made; "" otherwise */
    unsigned long long device, inode;
};

/* Descriptor `fd` is a socket that somebody else has set to listen. */
bool listener_is(int fd);
/* The socket was made by Apache's mod_fcgid, for a process it started. To an answer that breaks off it
 * appends an error page, which would end up inside a file that is resumed later; an answer shorter than its
 * Content-Length but properly ended makes Apache close the connection after its keep-alive timeout. */
bool listener_is_mod_fcgid(int fd);
/* `spec`: the path of a Unix socket (mode 0660; one that nobody serves any more is replaced) or ":port" on
 * 127.0.0.1. */
int listener_open(struct listener *l, const char *spec, struct err *err);
/* Closes what listener_open() made; removes its path unless another process has replaced it meanwhile. */
void listener_close(struct listener *l);
/* One connection, or -1 when there is none now: interrupted, or failed and already waited a moment. */
int listener_accept(int fd);

/* --- fcgi.c: the only file that knows libfcgi --- */

/* One request on one connection. Threads: one at a time. */
struct fcgi;

/* Once per process, after own signal handlers are set: libfcgi takes SIGTERM and SIGUSR1 if they are free. */
int fcgi_init(struct err *err);
/* Takes the connection and reads the request with its whole body. Sending gives up when no byte moves for
 * `send_timeout_s`. `end_short`: see listener_is_mod_fcgid(). On -1 the connection is closed: the peer said
 * nothing sensible or left. */
int fcgi_open(struct fcgi **out, int fd, unsigned send_timeout_s, bool end_short);
const char *fcgi_getenv(void *fcgi, const char *name); /* an http_getenv_fn */
const struct buf *fcgi_body(const struct fcgi *fcgi);
struct http_sink fcgi_sink(struct fcgi *fcgi);
int fcgi_fd(const struct fcgi *fcgi);
/* Frees the request; what it lent is gone. */
void fcgi_slim(struct fcgi *fcgi);
/* Whether fcgi_close() will break the answer off. lighttpd would still send what it has as a whole answer of
 * unknown length if its headers had not left yet: it should get a moment before. */
bool fcgi_breaks(const struct fcgi *fcgi);
/* The connection, when its web server wants to keep it (FCGI_KEEP_CONN), has got the whole answer and has not
 * said anything yet that we would have read by mistake. It is the caller's then; else -1. */
int fcgi_take_kept(struct fcgi *fcgi);
/* Closes the connection, if it is still there. Unless the sink's finish() has been called, no END_REQUEST has
 * been sent, and the web server takes the answer for broken. */
void fcgi_close(struct fcgi *fcgi);

/* --- kept.c: connections whose web server keeps them for a next request. Threads: any --- */

struct kept;

/* `serve` will be called for each connection on which something has come (its end may be all), on one of at
 * most `threads` threads, and takes it. */
int kept_open(struct kept **out, unsigned threads, void (*serve)(void *ctx, int fd), void *ctx,
              struct err *err);
/* Takes a connection; closes it if it cannot be kept. */
void kept_add(struct kept *k, int fd);
/* Ends all connections on which nothing is being answered, and then the threads. Does not wait. */
void kept_stop(struct kept *k);
unsigned kept_threads(struct kept *k); /* that run */
/* Waits for its threads: after kept_stop(), or before the first kept_add(). NULL is fine. */
void kept_free(struct kept *k);

/* --- exchange.c --- */

/* Whose exchanges they are. Threads: any. */
struct http_server_opts;
struct exchanges {
    const struct http_server_opts *opts;
    struct kept *kept; /* where connections go that are kept; NULL: none is */
    pthread_mutex_t lock;
    pthread_cond_t ended;
    struct http_exchange *first;
    unsigned count;
};

void exchanges_init(struct exchanges *all, const struct http_server_opts *opts); /* borrowed */
void exchanges_fini(struct exchanges *all);                                      /* none is left */
unsigned exchanges_count(struct exchanges *all);
/* Until there is none. */
void exchanges_wait(struct exchanges *all);
/* Takes their connections away: the next write says that the client has left. */
void exchanges_cut(struct exchanges *all);

struct cgi_output;
/* Reads a request from the connection, which it takes, and answers it; or begins to, in case of HTTP_LATER.
 */
void exchange_serve_fcgi(struct exchanges *all, const struct http_server_opts *o, int fd, bool end_short);
/* The one plain CGI request. `result`, set at its end: 0 when the client has got a whole answer, else -1. */
int exchange_serve_cgi(struct exchanges *all, const struct http_server_opts *o, struct cgi_output *out,
                       const struct buf *body, int *result);

/* --- cgi.c --- */

bool cgi_is(void);
const char *cgi_getenv(void *unused, const char *name); /* an http_getenv_fn */
/* Appends CONTENT_LENGTH bytes of standard input; a body over the limit of *body leaves it failed. -1: the
 * client left. */
int cgi_read_body(struct buf *body);
/* Standard output made non-blocking, for sends that give up. */
struct cgi_output {
    unsigned send_timeout_s;
    int flags; /* as they were */
};
void cgi_output_init(struct cgi_output *out, unsigned send_timeout_s);
struct http_sink cgi_sink(struct cgi_output *out);
void cgi_output_fini(struct cgi_output *out);

DEFINE_AUTO_PTR(fcgi, fcgi_close)

#endif
