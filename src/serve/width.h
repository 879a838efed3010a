/* How many connections one source of a stream deserves: decided from what was measured, and from nothing
 * else, so that the same course of events always leads to the same number.
 *
 * It begins with one. Where the client has waited for the source most of the time, one more is tried, and
 * kept only if more came in then; a client that is served well keeps as many as its rate takes; a slow one
 * has one. Time counts only while the source has its turn. Threads: none of its own. */
#ifndef SLUICE_SERVE_WIDTH_H
#define SLUICE_SERVE_WIDTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    /* No decision before so much was taken, or the client has waited so long in all: web servers and kernels
     * take ahead, so that a slow client looks like a fast one at first (up to 10 MB measured with lighttpd
     * and a client on the same host, whose kernel keeps most of it). */
    WIDTH_START_BYTES = 12 << 20,
    WIDTH_START_US = 15000000,
    /* One measurement: so long, and so much, or the longer time. */
    WIDTH_WINDOW_US = 300000,
    WIDTH_WINDOW_BYTES = 256 << 10,
    WIDTH_WINDOW_MAX_US = 3000000,
    /* After a trial that brought nothing: the next one not before, doubled each time. */
    WIDTH_HOLD_US = 5000000,
    WIDTH_HOLD_MAX_US = 80000000,
};

struct width {
    unsigned now, max;
    enum { WIDTH_STEADY, WIDTH_SETTLING, WIDTH_TRYING } state;
    uint64_t each;   /* bytes per second that one connection brought when last seen at its limit */
    uint64_t before; /* of all, before the trial under way */
    int64_t hold_us, next_hold_us;
    /* All time, until it may begin. */
    uint64_t came_bytes;
    int64_t waited_us;
    /* The measurement under way. */
    int64_t window_us, window_waited_us;
    uint64_t window_bytes;
    /* The clock. */
    int64_t seen_us;
    bool on_turn, waiting;
};

void width_init(struct width *w, unsigned max);
/* It is (not) this source that the client is sent. */
void width_turn(struct width *w, int64_t now_us, bool on_turn);
/* The client could take bytes of it, and there are none (any more: false). */
void width_wait(struct width *w, int64_t now_us, bool waiting);
/* So many have come in, on whichever connection. */
void width_came(struct width *w, size_t bytes);
/* More than one has led to a failure: one, for as long as after a trial that brought nothing. */
void width_fail(struct width *w);
/* How many connections there are to be: now, from 1 to max. */
unsigned width_decide(struct width *w, int64_t now_us);

#endif
