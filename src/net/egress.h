/* Ways out: which proxy, or which of our own addresses, a request leaves by.
 *
 * Sites sign media URLs over the address that asked for them, and judge an address by what it asked before.
 * So an extraction chooses one way, all its calls take it, and what it found is fetched the same way: its
 * name travels with the description. The name is a text like "p:1a2b3c4d" (a proxy, by a hash of its URL:
 * neither host nor password can be read from it), "s:2001:db8::1" (from that address) or "c" (with the
 * cookies that the operator has for the host asked); several are joined by a blank. "" is the usual way: the
 * first that works. EGRESS_OWN is for servers of the operator's own, by URLs from the settings: no proxy, any
 * address and port, no redirects; never for what a site or a client has named. Threads: any. */
#ifndef SLUICE_NET_EGRESS_H
#define SLUICE_NET_EGRESS_H

#include "net/net.h"

enum {
    EGRESS_MAX = 96, /* bytes of a name, with its end */
    EGRESS_WAYS_MAX = 16,
    EGRESS_WAY_NAME_MAX = 16,
    EGRESS_PLACE_MAX = 64,
    EGRESS_HOST_MAX = 128,
    EGRESS_AILING_US = 30 * 1000 * 1000, /* so long is a proxy that could not be reached not chosen */
};

#define EGRESS_OWN "own"

/* A proxy, or "direct". */
struct egress_way {
    char name[EGRESS_WAY_NAME_MAX];
    char place[EGRESS_PLACE_MAX]; /* "proxy.example:3128", for the operator; "" where there is none */
    unsigned weight;              /* how often, compared to the others, it should be chosen */
    bool ailing;                  /* its proxy could not be reached lately */
};

/* The ways there are; how many, at least one. */
size_t egress_ways(const struct net *net, struct egress_way out[EGRESS_WAYS_MAX]);

/* The URL of the proxy that a way of this name is, password and all; "": none. Borrowed. */
const char *egress_proxy(const struct net *net, const char *way_name);

/* The name of this way; of the direct one, where there is a prefix of our own, with a random address of it.
 * `cookies`: with those of the host. */
void egress_name(const struct net *net, const struct egress_way *way, bool cookies, char out[EGRESS_MAX]);

/* Cookies that the operator has for a host; no value of them is told. */
struct egress_cookies {
    char host[EGRESS_HOST_MAX];
    size_t count, expired;
    int64_t expires_unix_s; /* the first of them that will; 0: none does */
};
/* By host, in the order of the files; how many, at most `room`. */
size_t egress_cookies(const struct net *net, struct egress_cookies *out, size_t room);

#endif
