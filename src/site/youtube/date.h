/* The day a video came out. Only one client of the site tells it (clients.json, "dates"), and that is none of
 * those that give good media: so it is asked beside them, where the operator wants to know, and given up when
 * it is later than they are and the patience he allows (site_env.date_wait_ms). What was learnt is
 * remembered: it does not change. */
#ifndef SLUICE_SITE_YOUTUBE_DATE_H
#define SLUICE_SITE_YOUTUBE_DATE_H

#include "site/site.h"
#include "site/youtube/clients.h"

struct date;

/* Begins to ask, on a thread of its own; NULL: nobody wants to know, or it cannot be asked. The arguments
 * live until date_end(). */
struct date *date_begin(const struct site_env *env, const struct clients *clients, const char *id);
/* Waits as long as is allowed, ends what is under way, and tells `d` (NULL: there is none, nobody waits).
 * `date` may be NULL. */
void date_end(struct date *date, struct description *d);

#endif
