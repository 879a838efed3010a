/* Admission of streams: how many run at once on this host, how many may wait, and for how long.
 *
 * All processes share one table, data_dir/slots. Each process that admits has a record there with how many of
 * its streams run and how many wait, and holds a lock on that record which the kernel releases when the
 * process ends, however it ends: what a killed process held is free again within GATE_SWEEP_MS +
 * GATE_PAUSE_MS. One lock and one descriptor per process, none per stream.
 *
 * Order: within a process callers are admitted as they came. Between processes the longest-waiting one of
 * each comes first; a process never takes a free place while another has an older caller for it.
 *
 * Threads: all functions are safe from any. Processes: open after fork(), a table opened before it would
 * count parent and child as one. Processes should agree on the limits; each enforces its own. One host only:
 * a data_dir shared by several gives wrong counts.
 *
 * Who is refused is told which place in line they would have now, of all that wait on this host, and when
 * asking again is worth it: estimated from how long those stayed who have left this process lately. */
#ifndef SLUICE_GATE_GATE_H
#define SLUICE_GATE_GATE_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/defs.h"
#include "base/err.h"

enum {
    GATE_PAUSE_MS = 20,        /* how often the first caller in line looks for places of other processes */
    GATE_SWEEP_MS = 100,       /* how often, while it is full, somebody looks for processes that are gone */
    GATE_PROCESSES_MAX = 1024, /* at once */
};

struct gate;

struct gate_limits {
    int64_t max_connections; /* running + waiting */
    int64_t max_active;      /* running */
    int64_t queue_wait_s;    /* 0: nobody waits */
};

struct gate_counts {
    int64_t max; /* the smaller of max_active and max_connections */
    int64_t active;
    int64_t waiting;
};

/* Opens (creates) data_dir/slots. A process that only counts takes no record. */
int gate_open(struct gate **out, const char *data_dir, const struct gate_limits *limits, struct err *err);
/* Other limits from now on; who is inside stays. Who waits is asked again within GATE_PAUSE_MS. */
void gate_limit(struct gate *g, const struct gate_limits *limits);
/* All calls must have returned. Gives back what this process still held. NULL is fine. */
void gate_close(struct gate *g);
DEFINE_AUTO_PTR(gate, gate_close)

/* One caller's way through the gate; its members are the gate's own. Zeroed at first, lives until
 * gate_depart(). Threads: one at a time. */
struct gate_ticket {
    enum { GATE_OUTSIDE, GATE_IN_LINE, GATE_INSIDE } state;
    int64_t since_mono_us;          /* that it is in this state */
    struct gate_ticket *next, **at; /* in line */
    void (*on_turn)(void *ctx);
    void *ctx;
};

/* Asks for a place: 1 it has one; 0 it stands in line; -1: ERR_BUSY, with retry_after_s and queue_position,
 * when there are max_connections already. `on_turn` (may be NULL) is called when it is worth asking again
 * before the time that gate_poll() gave: from any thread, with the gate locked, so it must do no more than
 * wake somebody. */
int gate_arrive(struct gate *g, struct gate_ticket *t, void (*on_turn)(void *ctx), void *ctx,
                struct err *err);
/* The same again, for one that stands in line. After a 0: to be asked again at *again_mono_us at the latest.
 * -1: also when it has waited for queue_wait_s in vain. */
int gate_poll(struct gate *g, struct gate_ticket *t, int64_t *again_mono_us, struct err *err);
/* From any state: gives back the place, or leaves the line. */
void gate_depart(struct gate *g, struct gate_ticket *t);

/* For threads: blocks until there is a place, or *cancelled (may be NULL) is set, which is looked at every
 * GATE_PAUSE_MS and is ERR_OK with -1. */
int gate_enter(struct gate *g, struct gate_ticket *t, const atomic_bool *cancelled, struct err *err);

/* Of all processes. No lock is taken, nobody is waited for. */
int gate_count(struct gate *g, struct gate_counts *out, struct err *err);

#endif
