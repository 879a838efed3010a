/* The arithmetic of rate limits (GCRA): a limit of N per window admits N at once, then one every window/N.
 * All there is to keep of a subject is when it will have all of its quota back ("full"); there is no edge
 * between windows at which twice as much would pass. Pure: the clock is passed in. */
#ifndef SLUICE_GATE_GCRA_H
#define SLUICE_GATE_GCRA_H

#include <stdint.h>

struct gcra {
    int64_t limit;
    int64_t window_s;
    int64_t interval_us; /* what one admission costs */
    int64_t capacity_us; /* limit of them: at most so far does `full` lie ahead */
};

/* limit > 0, window_s > 0; more than one admission per microsecond is not told apart from that. */
struct gcra gcra_of(int64_t limit, int64_t window_s);
/* How many are admitted at this moment. */
int64_t gcra_remaining(const struct gcra *g, int64_t full_unix_us, int64_t now_unix_us);
/* Seconds, rounded up: until one is admitted again (0: now), and until all of the quota is back. */
int64_t gcra_retry_s(const struct gcra *g, int64_t full_unix_us, int64_t now_unix_us);
int64_t gcra_full_s(int64_t full_unix_us, int64_t now_unix_us);

#endif
