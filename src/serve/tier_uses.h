/* How often contents were found in their tiers, noted in memory and written to the table every few seconds:
 * so looking one up costs no write. A killed process loses what it has not written, which only makes some
 * contents look a little older. Threads: all functions from any; tier_uses_tick() waits for the database. */
#ifndef SLUICE_SERVE_TIER_USES_H
#define SLUICE_SERVE_TIER_USES_H

#include "serve/tier.h"

struct tier_uses;

int tier_uses_open(struct tier_uses **out, struct store *store, struct err *err);
void tier_uses_close(struct tier_uses *u); /* writes what is left; NULL is fine */
void tier_uses_note(struct tier_uses *u, const struct store_content *c);
/* Writes, if it is time to; call it every second or so. */
void tier_uses_tick(struct tier_uses *u);

#endif
