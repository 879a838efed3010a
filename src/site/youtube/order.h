/* In which order clients are asked, given how they have fared: a small bandit. Pure.
 *
 * The order of clients.json stands, because it says which answers are worth most, except that clients which
 * have been failing come last, the one that failed least before the others: asking them costs time, and makes
 * a site that blocks us angrier. A fixed share of extractions begins with one of those; so one that works
 * again is noticed, and its good outcomes bring it back. Without traffic the bad ones fade by themselves. */
#ifndef SLUICE_SITE_YOUTUBE_ORDER_H
#define SLUICE_SITE_YOUTUBE_ORDER_H

#include "site/site.h"
#include "site/youtube/clients.h"

/* scores[i] is of clients->order[i]; `random` of any distribution over all of its bits decides who explores.
 * Fills out[0 … clients->order_count). */
void order_clients(const struct clients *clients, const struct site_score *scores, uint64_t random,
                   const struct client *out[CLIENTS_MAX]);

#endif
