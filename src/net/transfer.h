/* What both ways of reading forward (fetch.h: a thread that waits; flow.h: an event loop) have in common: the
 * requests one after the other, what their answers mean, failing and asking again. Private to net/.
 *
 * Requests are sent by a driver: on transfer_begin(), and where an ended request leads to another one. It
 * brings the answer's head and body here, and its end to transfer_done().
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

struct transfer;

/* How requests are sent. */
struct transfer_driver {
    /* Begins t->request; its head goes to t->head. What happens later, also at once, goes to transfer_done(),
     * but not within this call. */
    int (*send)(struct transfer *t, struct err *err);
    /* Ends the request under way, if it has not ended by itself. */
    void (*stop)(struct transfer *t);
    /* Goes on where t->paused has been true. */
    void (*resume)(struct transfer *t);
};

/* By libcurl, on wire->multi: its CURLMSG_DONE is for transfer_done(), CURLOPT_PRIVATE is the transfer. */
extern const struct transfer_driver transfer_by_curl;

struct transfer {
    const struct transfer_driver *driver;
    /* What was asked for. */
    struct net *net;
    struct guard_url origin;
    struct curl_slist *headers;
    struct curl_slist *public_headers; /* for other hosts that origin redirects to */
    char *user_agent;
    char egress[EGRESS_MAX];
    unsigned attempts;

    struct span span;
    struct wire *wire;       /* the driver's */
    struct guard_url target; /* where redirects led to; text NULL: nowhere */
    char *source;            /* URL of the last good answer */

    /* The request under way. */
    struct wire_request request;
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
    /* Called when bytes have come, within the driver. NULL: nobody asks. */
    void (*on_bytes)(void *ctx);
    void *on_bytes_ctx;
};

/* `wire` NULL at first. transfer_fini() in any case; the wire is the driver's to put back, before that. */
int transfer_init(struct transfer *t, struct net *net, const struct transfer_driver *driver,
                  const struct fetch_opts *opts, struct err *err);
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
/* Gives back memory for bytes, where none are in hand and t->enough has become less. */
void transfer_slim(struct transfer *t);

/* ---- For its driver ---- */

/* The head is complete. -1: its body is not wanted; end the request. */
int transfer_accept(struct transfer *t);
/* At most TRANSFER_READ_BYTES of a body of whatever answer, while less than t->enough is in hand. How many
 * were taken; if not all, end the request. */
size_t transfer_body(struct transfer *t, const char *data, size_t len);
/* The same without a copy, where transfer_accept() was well: where at most *room bytes may be put, at least
 * TRANSFER_READ_BYTES of them; NULL: paused. Then how many were. */
char *transfer_room(struct transfer *t, size_t *room);
void transfer_got(struct transfer *t, size_t len);
/* Bytes that are still wanted of the answer under way. */
uint64_t transfer_wanted(const struct transfer *t);

#endif
