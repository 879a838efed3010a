/* Contents: finished outputs that tiers (serve/tier.h) keep, in a table that all processes and hosts share. A
 * content is known by the key that its ETag says; equal keys mean equal bytes.
 *
 *   seen ─────────────▶ gone            how often it was downloaded from its source, within a period
 *   storing ──▶ stored ──▶ leaving ──▶ gone
 *      └──────▶ refused ──▶ gone        not to be tried again for a while
 *
 * Whoever is to store it claims it first, with a lease that has to be renewed; so each tier gets a content
 * once, whatever processes and hosts ask for it at the same time. What leaves stays readable for
 * STORE_CONTENT_LEAVING_S, for those who have just been told where it is; then its tier removes it. A tier
 * that is the disk of one host has rows of that host alone, by its `place`. Threads and errors as in store.h.
 */
#ifndef SLUICE_STORE_CONTENTS_H
#define SLUICE_STORE_CONTENTS_H

#include "store/store.h"

enum {
    STORE_CONTENT_KEY_LEN = 32, /* hex digits */
    STORE_CONTENT_LEASE_LEN = 32,
    STORE_TIER_MAX = 16,
    STORE_PLACE_MAX = 40,
    STORE_CONTENT_SITE_MAX = 32,
    STORE_CONTENT_ID_MAX = 128,
    STORE_REFERENCE_MAX = 1024,
    STORE_CONTENT_LEAVING_S = 120,
};

struct store_content {
    char key[STORE_CONTENT_KEY_LEN + 1];
    char tier[STORE_TIER_MAX + 1];
    char place[STORE_PLACE_MAX + 1];
    char lease[STORE_CONTENT_LEASE_LEN + 1];
    char reference[STORE_REFERENCE_MAX + 1]; /* what the tier finds it by; the tier's to choose */
    char site[STORE_CONTENT_SITE_MAX + 1];   /* longer ones are cut */
    char id[STORE_CONTENT_ID_MAX + 1];       /* the same */
    uint64_t bytes;
    int64_t hits;
    int64_t created_unix_s, used_unix_s, expires_unix_s;
};

/* Fills in site and id, cut where they do not fit. */
void store_content_name(struct store_content *c, const char *site, const char *id);

/* Of the following functions, those that take a content look at what their comment names. */

/* Where this one is stored now, for a host at `place`: at most `room`, no order; how many, -1 error. */
int store_content_find(struct store *s, const char *key, const char *place, struct store_content *out,
                       size_t room, struct err *err);
/* Whether there is a row of it (key, tier, place), in whatever state: 1, 0, -1 error. */
int store_content_known(struct store *s, const struct store_content *c, struct err *err);
/* One more download from the source (key, site, id): how many there have been within `period_s`, -1 error. */
int64_t store_content_seen(struct store *s, const struct store_content *c, int64_t period_s, struct err *err);
/* It was found there `hits` times more (key, tier, place). */
int store_content_used(struct store *s, const struct store_content *c, int64_t hits, struct err *err);

/* ---- Storing ---- */

/* Claims it (key, tier, place, site, id, bytes), for lease_s: 1 c->lease is set; 0 it is stored there, being
 * stored, or refused; -1 error. */
int store_content_claim(struct store *s, struct store_content *c, int64_t lease_s, struct err *err);
/* The following want key, tier, place and lease: 1, 0 it is not ours any more, -1 error. */
int store_content_renew(struct store *s, const struct store_content *c, int64_t lease_s, struct err *err);
/* It is there: reference, bytes and expires_unix_s (0: never) as well. */
int store_content_stored(struct store *s, const struct store_content *c, struct err *err);
/* It could not be, and is not to be tried for `for_s`; 0: anybody may claim it again. */
int store_content_refused(struct store *s, const struct store_content *c, int64_t for_s, struct err *err);

/* ---- Leaving ---- */

/* It is not there any more (key, tier, place, reference): 1, 0 there is no such row, or another one. */
int store_content_gone(struct store *s, const struct store_content *c, struct err *err);
/* Which ones are to leave; what is NULL or 0 does not matter. */
struct store_content_which {
    const char *tier;
    const char *place;
    const char *key;
    const char *site, *id;     /* the latter only with the former */
    int64_t used_until_unix_s; /* not since then */
};
/* How many are leaving by it, -1 error. */
int64_t store_content_leave(struct store *s, const struct store_content_which *which, struct err *err);
/* The same of all that have expired. */
int64_t store_content_expire(struct store *s, struct err *err);
/* Of those that have left long enough and whose tier is reached from `place`: at most `room`; how many. */
int store_content_left(struct store *s, const char *place, struct store_content *out, size_t room,
                       struct err *err);
/* Those stored there, by key, from the one after `after` ("": the first) on: at most `room`; how many. */
int store_content_list(struct store *s, const struct store_content_which *where, const char *after,
                       struct store_content *out, size_t room, struct err *err);
/* Of those stored there, those that were used least recently. */
int store_content_oldest(struct store *s, const char *tier, const char *place, struct store_content *out,
                         size_t room, struct err *err);

/* ---- Looking on ---- */

struct store_content_sum {
    char tier[STORE_TIER_MAX + 1];
    char state[8 + 1];
    char place[STORE_PLACE_MAX + 1];
    int64_t count, bytes, hits;
};
/* One for each tier, place and state: at most `room`; how many, -1 error. */
int store_content_sums(struct store *s, struct store_content_sum *out, size_t room, struct err *err);

#endif
