/* See report.h. */
#include "serve/report.h"

#include "base/clock.h"

struct list {
    enum store_usage_by by;
    json_t *array;
};

static json_t *buckets_json(const int64_t *counts)
{
    json_t *array = json_array();
    for (size_t i = 0; i < STORE_USAGE_BUCKETS; i++) {
        bool last = i == STORE_USAGE_BUCKETS - 1;
        (void)json_array_append_new(
            array, json_pack("{s:o, s:I}", "le",
                             last ? json_null() : json_integer((json_int_t)store_usage_ttfb_ms[i]), "count",
                             (json_int_t)counts[i]));
    }
    return array;
}

static void add(void *ctx, const struct store_usage_sum *sum)
{
    struct list *list = ctx;
    const struct store_usage_counts *c = &sum->counts;
    char start[24] = "";
    if (list->by <= STORE_USAGE_BY_DAY)
        clock_format_utc(sum->start_unix_s, start, sizeof start);
    const char *name = list->by <= STORE_USAGE_BY_DAY ? "start" : store_usage_by_text(list->by);
    (void)json_array_append_new(list->array,
                                json_pack("{s:s, s:I, s:I, s:I, s:I, s:o}", name, *start ? start : sum->name,
                                          "requests", (json_int_t)c->requests, "errors",
                                          (json_int_t)c->errors, "bytes", (json_int_t)c->bytes, "cached",
                                          (json_int_t)c->cached, "ttfb_ms", buckets_json(c->ttfb)));
}

json_t *report_usage(struct store *store, const struct store_usage_query *q, struct err *err)
{
    struct list list = {q->by, json_array()};
    if (store_usage_sum(store, q, add, &list, err) == 0)
        return list.array;
    json_decref(list.array);
    return NULL;
}

json_t *report_lately(struct store *store, const char *key, int hours, int days, struct err *err)
{
    int64_t now = clock_unix_s();
    struct store_usage_query q = {
        .by = STORE_USAGE_BY_HOUR,
        .from_unix_s = now - (int64_t)(hours - 1) * STORE_HOUR_S,
        .until_unix_s = now + 1,
        .key = key,
    };
    json_t *by_hour = report_usage(store, &q, err);
    q.by = STORE_USAGE_BY_DAY;
    q.from_unix_s = now - (int64_t)(days - 1) * STORE_DAY_S;
    json_t *by_day = by_hour ? report_usage(store, &q, err) : NULL;
    if (by_day)
        return json_pack("{s:o, s:o}", "hours", by_hour, "days", by_day);
    json_decref(by_hour);
    return NULL;
}
