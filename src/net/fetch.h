/* Reads [offset, offset + length) of one media resource strictly forward, as bounded range requests of at
 * most FETCH_RANGE_MAX bytes each (the media hosts refuse or throttle anything else: measured), over reused
 * connections, holding at most FETCH_RING_BYTES.
 *
 * A request that fails (reset, stall, 5xx, 429, short answer) is repeated from the first missing byte with
 * growing pauses, a bounded number of times; 64 KiB of progress reset the count, and a stall counts double. A
 * Content-Range that is not what was asked, or a total or validator that changes, ends the fetch: bytes of
 * another file are never delivered. A 200 is taken only from the first byte on. 403, 404, 410:
 * ERR_UPSTREAM_FAILED with upstream_status set, so that the caller can extract again and go on at the same
 * byte. 429 that lasts: ERR_RATE_LIMITED_UPSTREAM with retry_after_s. A caller that is slow is no stall:
 * while it is busy nothing is read, and TCP slows the sender. Where a redirect led is remembered for the
 * following ranges; after a failure the original URL is asked again.
 *
 * Threads: one consumer; fetch_cancel() from any thread. */
#ifndef SLUICE_NET_FETCH_H
#define SLUICE_NET_FETCH_H

#include <stdatomic.h>

#include "net/net.h"

enum { FETCH_RANGE_MAX = 10 * 1024 * 1024, FETCH_RING_BYTES = 128 * 1024, FETCH_LOOK_MS = 50 };

struct fetch;

struct fetch_opts {
    const char *url;
    const char *user_agent;
    const char *egress;         /* way out: see egress.h; NULL or "": the usual one */
    const char *const *headers; /* NULL-terminated; may be NULL */
    uint64_t offset;
    uint64_t length;   /* 0: to the end of the resource */
    uint64_t total;    /* expected size of the whole resource; 0: unknown, the first answer fixes it */
    unsigned attempts; /* per failing byte; 0: the usual 4 */
    /* Set by another thread: cancels, within FETCH_LOOK_MS also while fetch_open() blocks. NULL: none. */
    const atomic_bool *cancelled;
};

/* Blocks until the first byte is in hand (or the end, for an empty resource). *out: fetch_close(). */
int fetch_open(struct fetch **out, struct net *net, const struct fetch_opts *opts, struct err *err);
/* The next bytes, borrowed until the next call on this fetch; *len = 0 at the end. Blocks. */
int fetch_next(struct fetch *f, const void **data, size_t *len, struct err *err);
/* Size of the whole resource; 0 unknown. */
uint64_t fetch_total(const struct fetch *f);
/* The URL that answered, after redirects; borrowed until the next call on this fetch. */
const char *fetch_source(const struct fetch *f);
/* Makes a blocked or later fetch_next() return an error soon. */
void fetch_cancel(struct fetch *f);
void fetch_close(struct fetch *f); /* NULL is fine */

DEFINE_AUTO_PTR(fetch, fetch_close)

#endif
