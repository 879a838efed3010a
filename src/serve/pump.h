/* The pump: moves a plan, from any offset, into a response, with bounded memory and back-pressure.
 *
 * This one serves a stream from the calling thread, so a process has as many streams as worker threads.
 * Everything it needs is in this header, so an event-loop pump can take its place. A source that dies under
 * it (403, 404, 410, or a failing transfer) is renewed: `renew` extracts again and the stream goes on at the
 * same byte, a bounded number of times; a source whose size or version changed is refused by `renew`. */
#ifndef SLUICE_SERVE_PUMP_H
#define SLUICE_SERVE_PUMP_H

#include "http/response.h"
#include "media/plan.h"
#include "net/net.h"

struct pump_source {
    const char *url;
    const char *user_agent; /* NULL: Sluice's own */
    uint64_t size;          /* of the whole source; 0 unknown */
    bool is_hls;            /* a list of pieces; not for the pump, but for what is made (serve/made.h) */
};

struct pump_job {
    struct net *net;
    const struct plan *plan; /* borrowed, like all else here, until pump_close() */
    uint64_t offset, length; /* of the plan's output; length > 0 */
    struct pump_source sources[PLAN_SOURCES_MAX];
    size_t source_count;
    /* Replaces the sources by fresh ones of the same content; -1: cannot. NULL: never renewed. */
    int (*renew)(void *ctx, struct pump_job *job, struct err *err);
    void *renew_ctx;
};

struct pump;

/* Opens the first source the range needs and has its first bytes in hand: what can fail, fails before any
 * header goes out. The job is copied. */
int pump_open(struct pump **out, const struct pump_job *job, struct err *err);
/* Writes the range into a begun response. -1: the client left (ERR_OK in *err) or a source failed for good.
 */
int pump_run(struct pump *p, struct http_response *res, struct err *err);
void pump_close(struct pump *p);

DEFINE_AUTO_PTR(pump, pump_close)

#endif
