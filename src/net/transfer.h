/* What both ways of reading forward (fetch.h: a thread that waits; flow.h: an event loop) have in common: the
 * requests one after the other, what their answers mean, failing and asking again. Private to net/.
 *
 * The one who drives it runs libcurl: on transfer_begin() and where transfer_resume() or an ended request
 * leads to another one, a request is added to wire->multi; its end (CURLMSG_DONE) goes to transfer_done().
 * Threads: none of its own. */
#ifndef SLUICE_NET_TRANSFER_H
#define SLUICE_NET_TRANSFER_H

#include "net/fetch.h"
#include "net/span.h"
#include "net/wire.h"

enum {
    TRANSFER_READ_BYTES = 16 * 1024, /* libcurl reads at once: a TLS record */
    TRANSFER_ENOUGH_BYTES = FETCH_RING_BYTES - TRANSFER_READ_BYTES,
};

struct transfer {
    /* What was asked for. */
    struct net *net;
    struct guard_url origin;
    struct curl_slist *headers;
    struct curl_slist *public_headers; /* for other hosts that origin redirects to */
    char *user_agent;
    unsigned attempts;

    struct span span;
    struct wire *wire;       /* the driver's */
    struct guard_url target; /* where redirects led to; text NULL: nowhere */
    char *source;            /* URL of the last good answer */

    /* The request under way. */
    bool running;
    bool from_target; /* it began at a target remembered from an earlier request */
    bool accepted;    /* its head has passed span_accept() */
    bool paused;
    int redirects;
    uint64_t spare;   /* bytes of an unwanted body */
    int64_t alive_us; /* last byte, or the moment somebody waited for one */
    struct head head;
    struct err fault; /* why its answer was refused */

    /* Failing. */
    unsigned failures;
    uint64_t failed_at; /* span.next at the last failure */
    int64_t retry_us;   /* no request before */
    struct err over;    /* code != ERR_OK: nothing more will come */

    /* Bytes in hand: bytes[from … from + len). */
    char *bytes;
    size_t room, from, len;
    size_t enough; /* so many, and reading pauses; at most TRANSFER_ENOUGH_BYTES */
    /* Called when bytes have come, within libcurl. NULL: nobody asks. */
    void (*on_bytes)(void *ctx);
    void *on_bytes_ctx;
};

/* `wire` NULL at first. transfer_fini() in any case; the wire is the driver's to put back, before that. */
int transfer_init(struct transfer *t, struct net *net, const struct fetch_opts *opts, struct err *err);
void transfer_fini(struct transfer *t);

/* Nothing more will come: the end, or `over`. */
bool transfer_over(const struct transfer *t);
/* Nothing runs, nothing is over: sends the next request. */
void transfer_begin(struct transfer *t);
/* The request under way has ended. Follows redirects, plans to ask again, or is over. */
void transfer_done(struct transfer *t, CURLcode code);
/* Goes on reading if it paused; bytes may come at once. */
void transfer_resume(struct transfer *t);
/* The time at which something has to be done if nothing happens: a request (transfer_begin), or the end of
 * patience (transfer_stalled). INT64_MAX: never. */
int64_t transfer_due_us(const struct transfer *t);
void transfer_stalled(struct transfer *t);
/* The first `n` bytes in hand are no longer needed. */
void transfer_take(struct transfer *t, size_t n);

#endif
