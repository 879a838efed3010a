/* The pump: event loops that move bytes from where they come (a feed) into answers, with bounded memory and
 * back-pressure. Ten thousand streams need no more threads than one.
 *
 * Each answer lives in one loop from pump_submit() to its log line: it waits for its place at the gate, opens
 * its feed, sends the head when the first bytes are in hand, then the bytes as the client takes them, and
 * ends what is under way as soon as the client leaves.
 *
 * Threads: pumps_…() and pump_submit() from any; feeds and orders are used by the loop's thread alone. */
#ifndef SLUICE_SERVE_PUMP_H
#define SLUICE_SERVE_PUMP_H

#include <sys/uio.h>

#include "gate/gate.h"
#include "http/exchange.h"
#include "net/flow.h"
#include "serve/fills.h"

struct pumps;

struct pumps_opts {
    struct net *net; /* these must outlive it */
    struct gate *gate;
    struct slices *slices;
    unsigned loops;   /* 0: one for each core */
    unsigned stall_s; /* a client that takes no byte for so long has left */
};

/* Call when the process will not fork any more. */
int pumps_open(struct pumps **out, const struct pumps_opts *opts, struct err *err);
/* Waits for all orders to be released. NULL is fine. */
void pumps_close(struct pumps *p);
/* Nothing is being sent, nor waits to be. `p` may be NULL. */
bool pumps_are_idle(struct pumps *p);
DEFINE_AUTO_PTR(pumps, pumps_close)

/* ---- Blocking work, away from the loops ---- */

struct pump_task {
    void (*run)(void *ctx);  /* on a thread of its own kind */
    void (*done)(void *ctx); /* then, in the loop */
    void *ctx;
    /* the pump's own */
    struct loop *loop;
    struct loop_post post;
    struct pump_task *next;
};

/* ---- Feeds ---- */

/* Where a feed lives: handed to it in start(). */
struct pump_place {
    struct pumps *pumps; /* NULL: the loop's thread may block, and runs tasks itself */
    struct loop *loop;
    struct flow_set *flows;
    struct fills *fills;
    void (*wake)(void *ctx); /* there may be more to gather. Only in the loop, never from within gather() */
    void *wake_ctx;
};

/* Queues a task; its end is told in `where`'s loop. In that loop's thread. */
void pump_run_task(const struct pump_place *where, struct pump_task *task);

enum { PUMP_PIECES_MAX = 16 };

enum pump_state {
    PUMP_BYTES, /* iov[0…*count) holds some */
    PUMP_LATER, /* wake() will tell */
    PUMP_END,   /* all were handed out */
    PUMP_FAILED,
};

/* What is to be sent, and where it comes from. All functions get `ctx`. */
struct pump_order {
    struct http_exchange *exchange; /* the pump's from now on */
    void *ctx;
    /* Has a place: begins to fetch. -1: failed. */
    int (*start)(void *ctx, const struct pump_place *where, struct err *err);
    /* The next bytes in order, borrowed until the next call. */
    enum pump_state (*gather)(void *ctx, struct iovec iov[PUMP_PIECES_MAX], int *count, struct err *err);
    /* So many of them are gone. `slow`: the client is, and should not have much read ahead for it. */
    void (*take)(void *ctx, size_t bytes, bool slow);
    /* The first bytes are in hand: http_prepare(). */
    int (*begin)(void *ctx, struct http_response *res, struct err *err);
    /* It failed before anything was sent; *err is what will be answered. True: the exchange has been taken
     * back, the pump forgets it (and releases the order). */
    bool (*failed)(void *ctx, struct err *err);
    /* The pump has no more use for it: ends what is under way. Called once, also when pump_submit() fails. */
    void (*release)(void *ctx);
    struct gate_ticket *ticket; /* zeroed; the pump's from now on */
};

/* Hands it to a loop. From then on all errors are answered there. */
void pump_submit(struct pumps *p, const struct pump_order *order);

#endif
