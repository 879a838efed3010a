/* Usage: what was asked for and how it went, summed by the hour and by the day. Nothing in it tells of
 * people: no address, no link, no title; `site`, `choice` and `code` are from small sets.
 *
 * Each process counts for itself and adds its sums now and then (serve/books.h). Both tables are written at
 * once, so each can be kept for as long as it is useful. Threads and errors as in store.h. */
#ifndef SLUICE_STORE_USAGE_H
#define SLUICE_STORE_USAGE_H

#include "store/store.h"

enum {
    STORE_USAGE_KEY_MAX = 16,
    STORE_USAGE_TEXT_MAX = 40,
    STORE_USAGE_BUCKETS = 8, /* of the time to the first byte; the last one has no end */
    STORE_HOUR_S = 3600,
    STORE_DAY_S = 86400,
    STORE_USAGE_SOON_S = 2 * STORE_DAY_S,
    STORE_MINUTES_KEPT_S = STORE_DAY_S,
};
/* Where the buckets end, in milliseconds. */
extern const int64_t store_usage_ttfb_ms[STORE_USAGE_BUCKETS - 1];

struct store_usage_counts {
    int64_t requests;
    int64_t errors; /* of these; only when read: written, it follows from the code */
    int64_t bytes;
    int64_t cached;
    int64_t ttfb[STORE_USAGE_BUCKETS];
};

/* What is counted together. Bytes behind the texts are zero; there are none between the members. */
struct store_usage_what {
    int64_t hour_unix_s; /* when it begins */
    char key[STORE_USAGE_KEY_MAX];
    char route[STORE_USAGE_TEXT_MAX];
    char site[STORE_USAGE_TEXT_MAX];
    char choice[STORE_USAGE_TEXT_MAX];
    char code[STORE_USAGE_TEXT_MAX]; /* "ok" */
};

struct store_usage_row {
    struct store_usage_what what;
    struct store_usage_counts counts;
};

/* All of them or none. */
int store_usage_add(struct store *s, const struct store_usage_row *rows, size_t count, struct err *err);

enum store_usage_by {
    STORE_USAGE_BY_HOUR,
    STORE_USAGE_BY_DAY,
    STORE_USAGE_BY_KEY,
    STORE_USAGE_BY_ROUTE,
    STORE_USAGE_BY_SITE,
    STORE_USAGE_BY_CHOICE,
    STORE_USAGE_BY_CODE,
    STORE_USAGE_BY_END
};
/* By its name: "hour", "day", "key", "route", "site", "choice", "error"; STORE_USAGE_BY_END: none of them. */
enum store_usage_by store_usage_by_name(const char *name);
const char *store_usage_by_text(enum store_usage_by by);

/* Sums of all that began at `from` or after, and before `until`. By hour, and by anything else over
 * STORE_USAGE_SOON_S at most, the hours in which these times lie are summed; else the days. */
struct store_usage_query {
    enum store_usage_by by;
    int64_t from_unix_s, until_unix_s;
    const char *key;       /* only of this one, "" those without; NULL: all */
    int64_t limit, offset; /* limit 0: 1000 */
};

struct store_usage_sum {
    int64_t start_unix_s;            /* by hour, by day; else 0 */
    char name[STORE_USAGE_TEXT_MAX]; /* by anything else; else "" */
    struct store_usage_counts counts;
};

/* Calls `each`, by time in its order, otherwise those with most requests first; it must not call the store.
 */
int store_usage_sum(struct store *s, const struct store_usage_query *q,
                    void (*each)(void *ctx, const struct store_usage_sum *sum), void *ctx, struct err *err);

/* What goes on, by the minute, of all programs. */
struct store_usage_minute {
    int64_t start_unix_s;
    int64_t requests, errors;
    int64_t quota; /* of the errors: those of ERR_QUOTA_EXCEEDED */
    int64_t bytes; /* of streams, as they are sent */
    int64_t cached;
};
int store_usage_minute_add(struct store *s, const struct store_usage_minute *m, struct err *err);
/* Those that began then or later, in their order; minutes without anything are not there. */
int store_usage_minutes(struct store *s, int64_t since_unix_s,
                        void (*each)(void *ctx, const struct store_usage_minute *m), void *ctx,
                        struct err *err);

/* Forgets minutes older than STORE_MINUTES_KEPT_S, and hours and days that began before these times. */
int store_usage_forget(struct store *s, int64_t hours_before_unix_s, int64_t days_before_unix_s,
                       struct err *err);

#endif
