/* Usage (store/usage.h) as JSON: for the holder of a key, the command line, and whoever administers. */
#ifndef SLUICE_SERVE_REPORT_H
#define SLUICE_SERVE_REPORT_H

#include <jansson.h>

#include "store/usage.h"

/* [{"start":"2026-11-20T18:00:00Z" (by hour, by day) or "key"|"route"|"site"|"choice"|"error":"…",
 *   "requests","errors","bytes","cached","ttfb_ms":[{"le":10|…|null,"count"}]}]; NULL on error. */
json_t *report_usage(struct store *store, const struct store_usage_query *q, struct err *err);

/* Of the hour and day that run, so many before them included: {"hours":[…],"days":[…]}. `key` as in a query.
 */
json_t *report_lately(struct store *store, const char *key, int hours, int days, struct err *err);

#endif
