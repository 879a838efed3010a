/* The other end of what yt-dlp takes for a socket: bytes to and from a host, through the fetch gate. */
#ifndef SLUICE_CGI_BIN_DLP_RELAY_H
#define SLUICE_CGI_BIN_DLP_RELAY_H

#include <stdatomic.h>
#include <stdint.h>

#include "net/egress.h"

enum {
    RELAY_BYTES_MAX = 96 << 20, /* of one question, both ways */
    RELAYS_MAX = 24,            /* connections of one question at once */
};

/* What the connections of one child have in common. It lives as long as the process. */
struct relays {
    struct net *net;
    atomic_uint round; /* of questions: connections of an earlier one end */
    atomic_uint running;
    atomic_ullong bytes;     /* of this question */
    char egress[EGRESS_MAX]; /* the way out that it takes: see net/egress.h */
};

/* Answers one request for a connection on `gate` ("host port"): a descriptor, or why there is none. -1: the
 * child is gone. Blocks while it connects; the bytes then are a thread's of their own. */
int relay_serve(struct relays *r, int gate);
/* A question is over, or about to begin. */
void relay_next_round(struct relays *r);

#endif
