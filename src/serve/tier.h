/* Tiers: where finished outputs may stay, so that later requests need not go to the source again. Local files
 * (files.c), and others, one file each; the table of all is in tiers.c.
 *
 * A content is one output from its first byte to its end, of exactly known length, known by the key that its
 * ETag says (store/contents.h). Who makes a tier writes the functions of struct tier. Everything else is done
 * around them: which request is answered by which tier, in the order of the setting `tiers` (tiers.c), with
 * conditions, ranges, quotas and counts as always (stream.c); going on from the source at the same byte when
 * a tier fails, which forgets the content there; what is kept when, once in each tier whatever processes and
 * hosts want it at the same time (keep.c); and what leaves again (sweep.c). */
#ifndef SLUICE_SERVE_TIER_H
#define SLUICE_SERVE_TIER_H

#include "serve/app.h"
#include "store/contents.h"

struct job;
struct output;

/* What the settings say at this moment. */
struct tier_rules {
    bool on;
    uint64_t max_bytes; /* of one content; 0: any */
    int64_t after;      /* so many downloads from the source, within tier_period_s, it is kept; at least 1 */
    int64_t ttl_s;      /* it leaves so long after it was stored; 0: it does not */
};

/* Where a content can be read now: tier_way_fini(). */
struct tier_way {
    enum {
        TIER_FILE, /* of this host: `at` is its path */
        TIER_URL,  /* ours to read: `at`, with `headers` and `egress` as struct pump_source has them; "own"
                      (net/egress.h) for a server of the operator's */
        TIER_REDIRECT, /* the client's to read, without headers */
    } kind;
    char *at, *headers, *egress;
};

/* Who asks; borrowed. */
struct tier_ask {
    bool may_redirect;            /* the client may be sent elsewhere */
    const struct tier_way *stale; /* a way that was found before and has turned out to be dead (404, 410): now
                                     a fresh one, or ERR_NOT_FOUND; NULL: none */
    const char *name;             /* the file's, clean (http_file_name()) */
    const char *mime;
};

/* What is to be stored; borrowed for the call. */
struct tier_keep {
    struct app *app;
    struct job *job;       /* progress, cancellation */
    struct output *output; /* found, not begun (output.h): its length is known, and its ETag is the key */
    const struct store_content *content; /* key, site, id, bytes */
    const char *name;                    /* as above */
};

struct tier {
    const char *name; /* as in `tiers`, X-Sluice-Cache, metrics; at most STORE_TIER_MAX letters */
    bool is_local;    /* its contents are on the disk of one host, not everybody's */
    void (*rules)(struct app *app, struct tier_rules *out);
    /* Where `c` (all of its row) is. May block for a round trip, from any thread. Errors: ERR_NOT_FOUND it is
     * gone for good, and will be forgotten; any other: not now, the next tier is asked. */
    int (*find)(struct app *app, const struct store_content *c, const struct tier_ask *ask,
                struct tier_way *out, struct err *err);
    /* Stores all of the output, on a job's thread; may be begun again after it was broken off at any point.
     * `reference`: what find() will need, at most STORE_REFERENCE_MAX bytes without control characters.
     * Errors: those that err_info() calls retryable are tried again; after others it is left alone for
     * TIER_REFUSED_S. */
    int (*keep)(const struct tier_keep *k, struct buf *reference, struct err *err);
    /* Removes it there. Nothing there is no error. -1: tried again later. */
    int (*drop)(struct app *app, const struct store_content *c, struct err *err);
};

enum { TIER_REFUSED_S = 3600, TIERS_MAX = 8 };

void tier_way_fini(struct tier_way *way);
DEFINE_AUTO(tier_way, tier_way_fini)

/* ---- All of them ---- */

/* The table, *count rows. Static. */
const struct tier *const *tiers_all(size_t *count);
/* NULL: there is no such tier. */
const struct tier *tier_find(const char *name);
/* Whether it is in the setting `tiers`, and on. */
bool tier_is_used(struct app *app, const struct tier *tier, struct tier_rules *rules);
/* Whether any is. */
bool tiers_are_used(struct app *app);
/* Whether the setting `tiers` can be used. */
int tiers_check(const struct config *c, struct err *err);
/* A content's place: this host's for a local tier, "" for others. Borrowed from the app. */
const char *tier_place(const struct app *app, const struct tier *tier);

/* Where the bytes of an answer come from, as a number and (X-Sluice-Cache, metrics) as a name. */
enum tier_from {
    TIER_FROM_SOURCE,
    TIER_FROM_SLICES,
    TIER_FROM_TIERS,
    TIER_FROM_COUNT = TIER_FROM_TIERS + TIERS_MAX
};
const char *tier_from_name(unsigned from); /* "": nobody has this number */
unsigned tier_from_of(const struct tier *tier);

/* Where a content was found. */
struct tier_found {
    const struct tier *tier; /* NULL: in none; it comes from the source, or slices of it */
    unsigned missed;         /* bits 1 << (enum tier_from) of tiers that were asked before, and have it not */
    bool is_wanted;          /* some tier that is used does not have it yet, and might */
    struct store_content content;
    struct tier_way way;
};
/* Looks through them in order; `has_slices` (may be NULL: no) is asked when the turn of `slices` comes, and
 * ends it when true. Finding nothing is no error. out: tier_way_fini(&out->way). */
void tiers_look(struct app *app, const char *key, const struct tier_ask *ask, bool (*has_slices)(void *ctx),
                void *ctx, struct tier_found *out);
/* It could not be had there after all, with *why: forgotten there, if it is gone. May block. */
void tier_failed(struct app *app, const struct store_content *c, const struct err *why);

/* ---- Leaving (sweep.c) ---- */

/* Lets go what has expired, and has the tiers remove what has left, if it is time to and no other process of
 * this host is at it. Call it every second or so. May block. */
void tiers_tick(struct app *app);
/* The same at once; how many contents are gone, -1 error. */
int64_t tiers_sweep(struct app *app, struct err *err);

/* ---- The tiers ---- */

extern const struct tier files_tier;    /* files.c */
extern const struct tier telegram_tier; /* telegram_tier.c */
extern const struct tier s3_tier;       /* s3_tier.c */

#endif
