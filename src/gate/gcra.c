/* See gcra.h. */
#include "gate/gcra.h"

enum { US_PER_S = 1000000 };

static int64_t seconds_up(int64_t us)
{
    return us > 0 ? (us + US_PER_S - 1) / US_PER_S : 0;
}

struct gcra gcra_of(int64_t limit, int64_t window_s)
{
    struct gcra g = {.limit = limit, .window_s = window_s, .interval_us = window_s * US_PER_S / limit};
    if (g.interval_us < 1)
        g.interval_us = 1;
    g.capacity_us = g.interval_us * limit;
    return g;
}

int64_t gcra_remaining(const struct gcra *g, int64_t full_unix_us, int64_t now_unix_us)
{
    int64_t ahead = full_unix_us > now_unix_us ? full_unix_us - now_unix_us : 0;
    return ahead < g->capacity_us ? (g->capacity_us - ahead) / g->interval_us : 0;
}

int64_t gcra_retry_s(const struct gcra *g, int64_t full_unix_us, int64_t now_unix_us)
{
    return seconds_up(full_unix_us + g->interval_us - g->capacity_us - now_unix_us);
}

int64_t gcra_full_s(int64_t full_unix_us, int64_t now_unix_us)
{
    return seconds_up(full_unix_us - now_unix_us);
}
