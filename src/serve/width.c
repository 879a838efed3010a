/* See width.h. */
#include "serve/width.h"

enum { SECOND_US = 1000000 };

void width_init(struct width *w, unsigned max)
{
    *w = (struct width){.now = 1, .max = max, .next_hold_us = WIDTH_HOLD_US};
}

/* Time goes on to `now_us` in the state it was in. */
static void pass(struct width *w, int64_t now_us)
{
    int64_t us = now_us - w->seen_us;
    if (us <= 0)
        return;
    w->seen_us = now_us;
    if (!w->on_turn)
        return;
    w->window_us += us;
    w->hold_us -= us < w->hold_us ? us : w->hold_us;
    if (w->waiting) {
        w->window_waited_us += us;
        w->waited_us += us;
    }
}

void width_turn(struct width *w, int64_t now_us, bool on_turn)
{
    pass(w, now_us);
    w->on_turn = on_turn;
    w->waiting = w->waiting && on_turn;
}

void width_wait(struct width *w, int64_t now_us, bool waiting)
{
    pass(w, now_us);
    w->waiting = waiting;
}

void width_came(struct width *w, size_t bytes)
{
    w->came_bytes += bytes;
    w->window_bytes += bytes;
}

static void try_one_more(struct width *w, uint64_t rate)
{
    if (w->now >= w->max || w->hold_us > 0)
        return;
    w->before = rate;
    w->now++;
    w->state = WIDTH_SETTLING;
}

static void wait_for_the_next(struct width *w)
{
    w->hold_us = w->next_hold_us;
    w->next_hold_us = w->hold_us * 2 < WIDTH_HOLD_MAX_US ? w->hold_us * 2 : WIDTH_HOLD_MAX_US;
}

/* As many as this rate takes, which is less than they could bring. What is hardly more than a whole number
 * is none more: as in a trial. */
static void narrow(struct width *w, uint64_t rate)
{
    uint64_t needed = w->each ? (rate + w->each * 3 / 4) / w->each : 1;
    if (needed < w->now)
        w->now = needed > 1 ? (unsigned)needed : 1;
}

/* A measurement is complete. */
static void judge(struct width *w)
{
    uint64_t rate = w->window_bytes * SECOND_US / (uint64_t)w->window_us;
    bool starved = w->window_waited_us * 2 >= w->window_us;
    bool sated = w->window_waited_us * 8 < w->window_us;
    bool trial = w->state == WIDTH_TRYING;
    if (w->state == WIDTH_SETTLING) { /* connections begin slowly, which says nothing */
        w->state = WIDTH_TRYING;
        return;
    }
    w->state = WIDTH_STEADY;
    if (trial && rate < w->before + w->before / (3 * (w->now - 1))) {
        w->now--; /* less than a third of what was to be hoped for */
        wait_for_the_next(w);
    } else if (sated) {
        narrow(w, rate);
    } else if (starved) {
        w->each = rate / w->now;
        if (trial)
            w->next_hold_us = WIDTH_HOLD_US;
        try_one_more(w, rate);
    }
}

void width_fail(struct width *w)
{
    w->now = 1;
    w->state = WIDTH_STEADY;
    wait_for_the_next(w);
}

unsigned width_decide(struct width *w, int64_t now_us)
{
    pass(w, now_us);
    if (w->came_bytes < WIDTH_START_BYTES && w->waited_us < WIDTH_START_US) {
        w->window_us = w->window_waited_us = 0;
        w->window_bytes = 0;
    }
    if (w->window_us >= WIDTH_WINDOW_US &&
        (w->window_bytes >= WIDTH_WINDOW_BYTES || w->window_us >= WIDTH_WINDOW_MAX_US)) {
        judge(w);
        w->window_us = w->window_waited_us = 0;
        w->window_bytes = 0;
    }
    return w->now;
}
