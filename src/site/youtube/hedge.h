/* Two ways to one answer: where the first is slow the second begins, and who is first with a good answer ends
 * the other one. */
#ifndef SLUICE_SITE_YOUTUBE_HEDGE_H
#define SLUICE_SITE_YOUTUBE_HEDGE_H

#include <stdatomic.h>
#include <stdbool.h>

struct hedge_leg {
    /* True: a good answer. Ends soon after leg->cancelled is set. */
    bool (*run)(struct hedge_leg *leg);
    atomic_bool cancelled;
    bool began, won;
};

/* Runs `first` here and, if it has not ended after `delay_ms`, `second` on a thread of its own. When it
 * returns both have ended, and at most one has won. */
void hedge_run(struct hedge_leg *first, struct hedge_leg *second, int delay_ms);

#endif
