/* The one place that sets up libcurl: what every request of the gate has in common, and a pool of handles.
 * Private to net/.
 *
 * A wire is a libcurl handle with its own connections. It belongs to one thread at a time; between requests
 * it lies in the pool with its connections open and is handed out again, preferably for the same host.
 * (Sharing connections between threads through CURLSH is known not to be safe; names and TLS sessions are
 * shared that way, under locks.) */
#ifndef SLUICE_NET_WIRE_H
#define SLUICE_NET_WIRE_H

#include <arpa/inet.h>
#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "net/egress.h"
#include "net/guard.h"
#include "net/head.h"
#include "net/look.h"
#include "net/net.h"

enum {
    WIRE_IDLE_MAX = 32,              /* handles kept for reuse; more are closed */
    WIRE_IDLE_US = 60 * 1000 * 1000, /* for so long; servers close at 60 to 240 s */
    WIRE_REDIRECTS_MAX = 5,
    WIRE_SPARE_BODY_MAX = 64 * 1024, /* of an answer nobody wants: read, to keep the connection */
};

/* A way out: see egress.h. */
struct way {
    char name[EGRESS_WAY_NAME_MAX];
    char *url;     /* of the proxy; "" none */
    uint16_t port; /* the proxy's; 0 none */
    unsigned weight;
    _Atomic int64_t failed_us; /* when its proxy could not be reached; 0 never */
};

/* What a name of a way out means. */
struct egress {
    const struct way *way;
    char source[INET6_ADDRSTRLEN]; /* "" any */
    bool cookies;
};

struct wire {
    CURL *easy; /* NULL where its socket was stolen */
    CURLM *multi;
    bool owns_multi;
    struct net *net;
    struct wire *next;         /* in the pool */
    int64_t idle_since_us;     /* in the pool */
    char peer[GUARD_PEER_MAX]; /* it last talked to */
    struct egress egress;      /* of this request */
    const atomic_bool *cancelled;
    unsigned opened, refused; /* connections of this request: allowed, refused by the guard */
    curl_socket_t stolen;     /* not to be closed by libcurl */
    char message[CURL_ERROR_SIZE];
    struct curl_slist *headers; /* those of the request without its cookies; NULL: all of them */
};

struct net {
    struct guard guard;
    struct net_opts opts; /* strings owned, never NULL; those of ways out are not kept */
    struct way own;       /* to the operator's own servers */
    struct way ways[EGRESS_WAYS_MAX];
    size_t way_count;
    uint8_t prefix[16]; /* of addresses that are ours */
    unsigned prefix_bits;
    struct cookies *cookies; /* NULL: none */
    char *ca_dir;            /* NULL: libcurl's own defaults */
    struct tls *tls;         /* of lines */
    struct looks looks;
    CURLSH *share;
    pthread_mutex_t share_locks[CURL_LOCK_DATA_LAST];
    pthread_mutex_t lock; /* of the pool */
    struct wire *idle;    /* the latest first */
    unsigned idle_count;
};

/* Reads the settings of ways out into `net`. Errors: ERR_INTERNAL. ways_fini() in any case. */
int ways_init(struct net *net, const struct net_opts *opts, struct err *err);
void ways_fini(struct net *net);
/* ERR_UPSTREAM_FAILED: there is no such way any more; what was found by it has to be found anew. */
int egress_read(const struct net *net, const char *name, struct egress *out, struct err *err);
/* Whether it is EGRESS_OWN. */
bool egress_is_own(const char *name);

/* A wire for a request to `url`; wire_put() gives it back, its connection kept unless it is in mid-answer. */
int wire_get(struct wire **out, struct net *net, const struct guard_url *url, struct err *err);
void wire_put(struct wire *w);

/* A wire beside the pool, for requests on `multi`, which several share (NULL: one of its own). NULL: no
 * memory. wire_free(), NULL is fine. */
struct wire *wire_new(struct net *net, CURLM *multi);
void wire_free(struct wire *w);

/* One request: what differs from one to the next. All is borrowed until the request has ended. */
struct wire_request {
    const struct guard_url *url;
    struct curl_slist *headers;
    const char *user_agent;       /* NULL: Sluice's own */
    bool http2;                   /* will do, where the user agent speaks it */
    const atomic_bool *cancelled; /* looked at by wire_run(); NULL: nobody cancels */
    struct egress egress;         /* egress_read() */
    curl_write_callback on_body;
    void *body_ctx;
    struct head *head; /* filled from the answer; head_clear() it in the end */
    long buffer_size;  /* bytes libcurl reads at once */
};

/* Forgets the last request and sets the handle up for this one. */
int wire_prepare(struct wire *w, const struct wire_request *request, struct err *err);
/* The same, but only to connect: to where such requests are sent, through a tunnel if need be. */
int wire_prepare_connection(struct wire *w, const struct wire_request *request, struct err *err);
/* That has succeeded: the socket is the caller's from now on, and the wire has no handle any more until it is
 * set up again. -1: it is gone. */
int wire_steal_socket(struct wire *w);
/* Sets one more option, unless one before it failed. */
#define WIRE_SET(w, rc, option, value)                                                                       \
    (rc) = (rc) == CURLE_OK ? curl_easy_setopt((w)->easy, option, value) : (rc)
/* Runs it to its end in this thread. */
CURLcode wire_run(struct wire *w);
/* Why a request failed, as an error: ERR_REFUSED_ADDRESS or ERR_UPSTREAM_FAILED. */
int wire_error(const struct wire *w, const struct guard_url *url, CURLcode code, struct err *err);

/* All cookies that a request is to carry: of its header fields, and the operator's. "": none. */
void wire_cookies(const struct net *net, const struct wire_request *request, struct buf *out);

/* "Name: value" texts as a list. With `public_only`, what could carry a secret is left out: for another host
 * than the one the headers were meant for. */
int wire_headers(struct curl_slist **out, const char *const *headers, bool public_only, struct err *err);
/* Checks where an answer redirects to, seen from `from`: the rules for URLs, and never from https to http. */
int wire_redirect(const struct net *net, const struct head *head, const struct guard_url *from,
                  struct guard_url *to, struct err *err);

DEFINE_AUTO_PTR(wire, wire_put)
DEFINE_AUTO_PTR(curl_slist, curl_slist_free_all)

#endif
