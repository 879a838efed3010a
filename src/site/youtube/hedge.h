/* Two ways to one answer: where the first is slow the second begins, and who is first with a good answer ends
 * the other one. A good answer that is poor gives the other one some more time: for a better one. */
#ifndef SLUICE_SITE_YOUTUBE_HEDGE_H
#define SLUICE_SITE_YOUTUBE_HEDGE_H

#include <stdatomic.h>
#include <stdbool.h>

enum hedge_end { HEDGE_FAILED, HEDGE_POOR, HEDGE_GOOD };

struct hedge_leg {
    /* Ends soon after leg->cancelled is set. */
    enum hedge_end (*run)(struct hedge_leg *leg);
    atomic_bool cancelled;
    bool began, ended, won;
    enum hedge_end end;
};

/* Runs `first` here and, if it has not ended after `delay_ms`, `second` on a thread of its own; a poor answer
 * waits `grace_ms` for the other one. When it returns both have ended, and at most one has won: of two poor
 * ones the first. */
void hedge_run(struct hedge_leg *first, struct hedge_leg *second, int delay_ms, int grace_ms);

#endif
