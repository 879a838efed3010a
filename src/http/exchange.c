/* Requests on their way from connection to log line; see exchange.h and edge.h. */
#include "http/exchange.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "http/edge.h"
#include "http/server.h"

struct http_exchange {
    struct exchanges *all;
    struct http_exchange *next, **at; /* in all; under its lock */
    struct fcgi *fcgi;                /* NULL: plain CGI */
    struct http_request req;
    struct http_response *res;
    const struct http_route *route;
    int64_t started_us;
    char id[17];
    int *result; /* where its end is told; may be NULL */
};

/* ---- All of them ---- */

void exchanges_init(struct exchanges *all, const struct http_server_opts *opts)
{
    *all = (struct exchanges){.opts = opts};
    (void)pthread_mutex_init(&all->lock, NULL);
    (void)pthread_cond_init(&all->ended, NULL);
}

void exchanges_fini(struct exchanges *all)
{
    (void)pthread_cond_destroy(&all->ended);
    (void)pthread_mutex_destroy(&all->lock);
}

unsigned exchanges_count(struct exchanges *all)
{
    (void)pthread_mutex_lock(&all->lock);
    unsigned count = all->count;
    (void)pthread_mutex_unlock(&all->lock);
    return count;
}

void exchanges_wait(struct exchanges *all)
{
    (void)pthread_mutex_lock(&all->lock);
    while (all->count)
        (void)pthread_cond_wait(&all->ended, &all->lock);
    (void)pthread_mutex_unlock(&all->lock);
}

void exchanges_cut(struct exchanges *all)
{
    (void)pthread_mutex_lock(&all->lock);
    for (struct http_exchange *x = all->first; x; x = x->next) {
        if (x->fcgi)
            (void)shutdown(fcgi_fd(x->fcgi), SHUT_RDWR);
    }
    (void)pthread_mutex_unlock(&all->lock);
}

static void enter(struct exchanges *all, struct http_exchange *x)
{
    (void)pthread_mutex_lock(&all->lock);
    x->all = all;
    x->next = all->first;
    x->at = &all->first;
    if (x->next)
        x->next->at = &x->next;
    all->first = x;
    all->count++;
    (void)pthread_mutex_unlock(&all->lock);
}

/* From here on its descriptor may be closed. */
static void unlink_it(struct http_exchange *x)
{
    (void)pthread_mutex_lock(&x->all->lock);
    *x->at = x->next;
    if (x->next)
        x->next->at = x->at;
    (void)pthread_mutex_unlock(&x->all->lock);
}

static void leave(struct exchanges *all)
{
    (void)pthread_mutex_lock(&all->lock);
    if (--all->count == 0)
        (void)pthread_cond_broadcast(&all->ended);
    (void)pthread_mutex_unlock(&all->lock);
}

/* ---- One of them ---- */

static int run(struct http_exchange *x, const struct http_server_opts *o, http_getenv_fn *get, void *ctx,
               const struct buf *body, const struct http_sink *sink)
{
    struct err err = {0};
    x->started_us = clock_mono_us();
    int rc = http_request_init(&x->req, get, ctx, body, &err);
    memcpy(x->id, x->req.id, sizeof x->id);
    x->res = http_response_new(sink, x->req.method == HTTP_HEAD);
    if (!x->res)
        return -1;
    http_set_exchange(x->res, x);
    if (rc < 0) {
        x->route = http_find_route(o->routes, o->route_count, o->program, &x->req, x->res);
    } else {
        rc = http_dispatch(o->routes, o->route_count, o->program, o->app, &x->req, x->res, &x->route, &err);
        if (rc == HTTP_LATER)
            return 0; /* it may be gone already */
    }
    if (rc < 0 && err.code == ERR_OK)
        err.code = ERR_INTERNAL;
    if (http_exchange_breaks(x))
        clock_sleep_ms(HTTP_BREAK_PAUSE_MS);
    http_exchange_end(x, rc < 0 ? &err : NULL);
    return 0;
}

void exchange_serve_fcgi(struct exchanges *all, const struct http_server_opts *o, int fd, bool end_short)
{
    struct http_exchange *x = calloc(1, sizeof *x);
    if (!x) {
        (void)close(fd);
        return;
    }
    if (fcgi_open(&x->fcgi, fd, o->send_timeout_s, end_short) < 0) {
        free(x);
        return;
    }
    enter(all, x);
    const struct http_sink sink = fcgi_sink(x->fcgi);
    if (run(x, o, fcgi_getenv, x->fcgi, fcgi_body(x->fcgi), &sink) < 0)
        http_exchange_end(x, NULL);
}

int exchange_serve_cgi(struct exchanges *all, const struct http_server_opts *o, struct cgi_output *out,
                       const struct buf *body, int *result)
{
    struct http_exchange *x = calloc(1, sizeof *x);
    if (!x)
        return -1;
    x->result = result;
    enter(all, x);
    const struct http_sink sink = cgi_sink(out);
    if (run(x, o, cgi_getenv, NULL, body, &sink) < 0)
        http_exchange_end(x, NULL);
    return 0;
}

const struct http_request *http_exchange_request(const struct http_exchange *x)
{
    return &x->req;
}

struct http_response *http_exchange_response(const struct http_exchange *x)
{
    return x->res;
}

const char *http_exchange_id(const struct http_exchange *x)
{
    return x->id;
}

int http_exchange_fd(const struct http_exchange *x)
{
    return x->fcgi ? fcgi_fd(x->fcgi) : STDOUT_FILENO;
}

void http_exchange_slim(struct http_exchange *x)
{
    struct http_request *r = &x->req;
    if (!x->fcgi)
        return;
    r->range = r->if_range = r->if_match = r->if_none_match = r->accept = r->accept_language =
        r->authorization = r->api_key = r->content_type = r->host = r->origin = r->last_event_id =
            r->remote_addr = r->forwarded_for = NULL;
    fcgi_slim(x->fcgi);
}

bool http_exchange_breaks(const struct http_exchange *x)
{
    return x->fcgi && http_breaks(x->res) && fcgi_breaks(x->fcgi);
}

void http_exchange_end(struct http_exchange *x, const struct err *err)
{
    static const struct err none = {0};
    struct exchanges *all = x->all;
    if (x->res && err && err->code != ERR_OK)
        http_problem(x->res, &x->req, err);
    int rc = x->res ? http_end_and_log(x->route, x->id, x->res, err ? err : &none, x->started_us) : -1;
    if (x->res && all->opts->ended)
        all->opts->ended(all->opts->app, x->route, x->res, x->started_us);
    if (x->result)
        *x->result = rc;
    unlink_it(x);
    http_request_fini(&x->req);
    int kept = x->fcgi && all->kept ? fcgi_take_kept(x->fcgi) : -1;
    fcgi_close(x->fcgi);
    http_response_free(x->res);
    free(x);
    if (kept >= 0)
        kept_add(all->kept, kept);
    leave(all);
}
