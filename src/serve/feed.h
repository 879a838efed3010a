/* Feeds of the pump that read sources: the bytes of a plan, from any offset, or one source of a size nobody
 * knows. (What libav makes is fed by made.h.)
 *
 * A source that dies under it is renewed (serve/mend.h) and gone on with at the same byte. Sources are read
 * ahead only as far as one ring each; the one whose turn it is not, hardly at all. Where a client takes more
 * than one connection brings, a source is read over several (serve/lanes.h); where slices of it are kept, out
 * of those (serve/intake.h). Threads: the loop's, except where it says otherwise. */
#ifndef SLUICE_SERVE_FEED_H
#define SLUICE_SERVE_FEED_H

#include <stdatomic.h>

#include "media/plan.h"
#include "serve/pump.h"

struct pump_source {
    const char *url;
    const char *user_agent; /* NULL: Sluice's own */
    const char *headers;    /* as struct format's */
    const char *egress;     /* the same */
    uint64_t size;          /* of the whole source; 0 unknown */
    bool is_hls;            /* a list of pieces; not for feeds, but for what is made (serve/made.h) */
    /* What its bytes are, whatever URL they come from (cache/slices.h); version 0: they may change. */
    const char *site, *id, *format;
    uint64_t version;
};

struct feed_opts {
    const struct plan *plan; /* borrowed until feed_close(); NULL: all of the first source */
    uint64_t offset, length; /* of the plan's output; length > 0 */
    struct pump_source sources[PLAN_SOURCES_MAX]; /* texts borrowed until feed_close(), or until adopt() */
    size_t source_count;
    unsigned parallel;  /* connections for one source at once */
    atomic_llong *pool; /* what serve/lanes.h may use up; NULL: one connection each */
    /* Renewal; renew NULL: never. */
    void *ctx;
    void (*hold)(void *ctx); /* ctx must outlive what runs on a task's thread */
    void (*drop)(void *ctx);
    /* On a task's thread: source number `source` has failed with *why when the output was at `at`. Where the
     * same content is to be had from now on; NULL with *err: nowhere. Whoever gives it bounds how often. */
    void *(*renew)(void *ctx, unsigned source, uint64_t at, const struct err *why, struct err *err);
    /* The outcome of renew(): takes it, and fills in the sources. */
    void (*adopt)(void *ctx, void *fresh, struct pump_source sources[PLAN_SOURCES_MAX]);
    void (*discard)(void *fresh);
};

struct feed;

int feed_open(struct feed **out, const struct feed_opts *opts, const struct pump_place *where,
              struct err *err);
/* Whether all it would read of its sources is here, in slices. */
bool feed_is_in_slices(const struct feed_opts *opts, struct slices *slices);
/* As in struct pump_order. */
enum pump_state feed_gather(struct feed *f, struct iovec iov[PUMP_PIECES_MAX], int *count, struct err *err);
void feed_take(struct feed *f, size_t bytes, bool slow);
/* Ends all that is under way. NULL is fine. */
void feed_close(struct feed *f);

#endif
