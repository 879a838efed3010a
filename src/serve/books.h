/* The books: what was asked for and how it went. Each answer is counted twice: in the tally of the host
 * (gate/tally.h), which /metrics shows, at once; and in this process's sums of usage by hour, key, route,
 * site, choice and code (store/usage.h), which are written to the database every BOOKS_WRITE_S and at the
 * end. A killed process loses what it has not written. Nothing tells of people: no address, no link, no
 * title; sites and choices are few.
 *
 * Threads: all functions from any; none but books_tick() and books_close() waits for the database. */
#ifndef SLUICE_SERVE_BOOKS_H
#define SLUICE_SERVE_BOOKS_H

#include "gate/tally.h"
#include "http/response.h"
#include "serve/app.h"
#include "store/usage.h"

enum { BOOKS_WRITE_S = 2, BOOKS_BUCKETS = 12 };
/* Where the buckets of durations end, in milliseconds; the last one has no end. */
extern const int64_t books_duration_ms[BOOKS_BUCKETS - 1];

struct books;

int books_open(struct books **out, struct store *store, const struct config *c, struct err *err);
void books_close(struct books *b); /* writes what is left; NULL is fine */
void books_tick(struct books *b);  /* writes, if it is time to; call it every second or so */

/* http_server_opts.ended */
void books_note(struct app *app, const struct http_route *route, struct http_response *res,
                int64_t started_mono_us);
/* So many bytes of a stream have gone, which came from there (enum tier_from). */
void books_sent(struct books *b, unsigned from, size_t bytes);
/* An answer comes from there. */
void books_came(struct books *b, unsigned from);
/* It did not, although that was asked before. */
void books_missed(struct books *b, unsigned from);
/* Of slices. */
void books_slices(struct books *b, enum slices_event event, uint64_t n);

/* What /metrics shows. `route`: its place in serve_routes, or serve_route_count for addresses that are none.
 */
enum books_kind {
    BOOKS_REQUESTS, /* of: enum err_code */
    BOOKS_DURATION, /* of: a bucket */
    BOOKS_TTFB,     /* of: a bucket of store_usage_ttfb_ms */
    BOOKS_DURATION_US,
    BOOKS_TTFB_US,
    BOOKS_CACHED,
    BOOKS_SENT,   /* route 0; of: enum tier_from */
    BOOKS_CAME,   /* the same: answers */
    BOOKS_MISSED, /* the same: answers that did not come from there, although it was asked first */
    BOOKS_SLICES, /* route 0; of: enum slices_event */
};
uint64_t books_get(const struct books *b, enum books_kind kind, size_t route, size_t of);
/* Memory of this host's programs, this one included; how many. */
size_t books_processes(struct books *b, struct tally_process *sum);
/* Each of them. */
size_t books_list_processes(struct books *b, struct tally_process *out, size_t room);

#endif
