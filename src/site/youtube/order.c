/* See order.h. */
#include "site/youtube/order.h"

/* What is believed of a client of which little is known: as if it had answered twice, rather well. One
 * failure is then no reason to think ill of it (1.8 of 3), two in a row are (1.8 of 4). */
static const double prior_weight = 2;
static const double prior_good = 1.8;

static double rate_of(const struct site_score *s)
{
    return (s->good + prior_good) / (s->good + s->bad + prior_weight);
}

void order_clients(const struct clients *clients, const struct site_score *scores, uint64_t random,
                   const struct client *out[CLIENTS_MAX])
{
    const struct client_adaptive *a = &clients->adaptive;
    size_t failing[CLIENTS_MAX]; /* the best first */
    size_t failing_count = 0;
    size_t count = 0;
    for (size_t i = 0; i < clients->order_count; i++) {
        if (rate_of(&scores[i]) * 100 >= a->failing_below_percent) {
            out[count++] = clients->order[i];
            continue;
        }
        size_t at = failing_count++;
        for (; at > 0 && rate_of(&scores[failing[at - 1]]) < rate_of(&scores[i]); at--)
            failing[at] = failing[at - 1];
        failing[at] = i;
    }
    for (size_t i = 0; i < failing_count; i++)
        out[count + i] = clients->order[failing[i]];
    if (count == 0 || failing_count == 0 || random % 100 >= (uint64_t)a->explore_percent)
        return;
    size_t chosen = count + (size_t)(random / 100 % failing_count);
    const struct client *first = out[chosen];
    for (size_t i = chosen; i > 0; i--)
        out[i] = out[i - 1];
    out[0] = first;
}
