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
 * a data_dir shared by several gives wrong counts. */
#ifndef SLUICE_GATE_GATE_H
#define SLUICE_GATE_GATE_H

#include <stdbool.h>
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
/* All calls must have returned. Gives back what this process still held. NULL is fine. */
void gate_close(struct gate *g);
DEFINE_AUTO_PTR(gate, gate_close)

/* Blocks until there is a place, at most queue_wait_s. ERR_BUSY with retry_after_s when there are
 * max_connections already, or when the wait was in vain. After a 0 call gate_leave() once. */
int gate_enter(struct gate *g, struct err *err);
void gate_leave(struct gate *g);

struct gate_ticket {
    int next_poll_ms;
    bool in;
};
static inline int gate_arrive(struct gate *g, struct gate_ticket *t, const char *client, struct err *err)
{
    (void)client;
    int rc = gate_enter(g, err);
    t->in = rc == 0;
    return rc;
}
static inline int gate_poll(struct gate *g, struct gate_ticket *t, struct err *err)
{
    (void)g; (void)err;
    return t->in;
}
static inline void gate_depart(struct gate *g, struct gate_ticket *t)
{
    if (t->in)
        gate_leave(g);
    t->in = false;
}

/* Of all processes. No lock is taken, nobody is waited for. */
int gate_count(struct gate *g, struct gate_counts *out, struct err *err);

#endif
