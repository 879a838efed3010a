/* What became of asking the site's clients: counted here, written together into the database, and read back
 * from there (with what other processes found out) by the extractions that follow.
 *
 * Threads: all functions from any. A killed process loses what it counted in the last second or two. */
#ifndef SLUICE_SERVE_OUTCOMES_H
#define SLUICE_SERVE_OUTCOMES_H

#include <jansson.h>

#include "site/site.h"
#include "store/store.h"

enum { OUTCOMES_WRITE_US = 1000 * 1000, OUTCOMES_READ_US = 1000 * 1000 };

struct outcomes;

int outcomes_open(struct outcomes **out, struct store *store, struct err *err);
void outcomes_close(struct outcomes *o); /* writes what is left; NULL is fine */

/* site_env.note and .score; `ctx` is the struct outcomes. */
void outcomes_note(void *ctx, const struct site_note *note);
void outcomes_score(void *ctx, const char *client, const char *kind, int half_life_s, struct site_score *out);

/* Keeps an extraction that failed though the video may be there, with its trace (site/trace.h); one in a
 * second of each process. */
void outcomes_failed(struct outcomes *o, const struct link *link, const struct err *why, const json_t *steps);

/* Writes what was counted, if it has lain for OUTCOMES_WRITE_US; call it now and then. */
void outcomes_tick(struct outcomes *o);

/* Success rates and reasons, over the last hour and the last day:
 * {"clients":[{"client","kind","last_hour":{"asked","succeeded","failed","success_rate","took_ms",
 *   "outcomes":[{"outcome","count","last_at","why"}]},"last_day":{…}}]}
 * `success_rate` is of the answers that say something about the client; null where there were none. NULL on
 * error. */
json_t *outcomes_json(struct store *store, int64_t now_unix_s, struct err *err);

/* The last extractions that failed, the newest first:
 * {"failures":[{"at","site","id","code","error","trace"}]}
 */
json_t *failures_json(struct store *store, struct err *err);

#endif
