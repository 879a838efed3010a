/* What became of asking the site's clients, and the last extractions that failed: see sql/005. Nothing in
 * here is of a person. Threads and errors as in store.h. */
#ifndef SLUICE_STORE_HEALTH_H
#define SLUICE_STORE_HEALTH_H

#include "store/store.h"

enum {
    STORE_HEALTH_KEPT_S = 25 * 3600,
    STORE_HEALTH_ROWS_MAX = 2000,
    STORE_FAILURES_MAX = 50,
    STORE_TRACE_MAX_BYTES = 64 * 1024,
};

struct store_health {
    char client[33], kind[17], outcome[33];
    int credit; /* 1, 0, -1 */
    int64_t count;
    int64_t took_ms; /* in all */
    int64_t last_unix_s;
    char why[161]; /* of the last one */
};

/* Adds them up with what is there of this minute; all of them or none. */
int store_health_add(struct store *s, const struct store_health *rows, size_t count, int64_t now_unix_s,
                     struct err *err);
/* Those since then that have credit, by the minute, the latest first, without outcome and why; or all, by
 * outcome. At most `room` rows; how many, or -1. */
int64_t store_health_recent(struct store *s, int64_t since_unix_s, struct store_health *out, size_t room,
                            struct err *err);
int64_t store_health_sums(struct store *s, int64_t since_unix_s, struct store_health *out, size_t room,
                          struct err *err);

struct store_failure {
    int64_t at_unix_us;
    const char *site, *id, *code, *error;
    const char *trace; /* JSON */
};

/* Keeps the last STORE_FAILURES_MAX. */
int store_failure_add(struct store *s, const struct store_failure *failure, struct err *err);
/* The newest first; texts are borrowed for the call. */
int store_failure_list(struct store *s, size_t most, void (*each)(void *ctx, const struct store_failure *f),
                       void *ctx, struct err *err);

#endif
