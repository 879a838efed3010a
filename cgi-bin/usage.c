/* See usage.h. */
#include "usage.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/hash.h"
#include "base/text.h"
#include "serve/report.h"
#include "tool.h"

enum { DAYS_USUAL = 30, DAYS_MAX = 36600 };

struct wish {
    struct store_usage_query query;
    int64_t days;
    bool json;
};

/* 0, or -1: it is no such option or no such value. */
static int read_option(struct wish *w, const char *name, const char *value)
{
    const struct {
        const char *name;
        int64_t least, most;
        int64_t *out;
    } numbers[] = {{"--days", 1, DAYS_MAX, &w->days},
                   {"--limit", 1, 1000000, &w->query.limit},
                   {"--offset", 0, INT64_MAX, &w->query.offset}};
    uint64_t n;
    if (strcmp(name, "--by") == 0) {
        w->query.by = store_usage_by_name(value);
        return w->query.by == STORE_USAGE_BY_END ? -1 : 0;
    }
    if (strcmp(name, "--key") == 0) {
        w->query.key = value;
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        if (strcmp(name, numbers[i].name) != 0)
            continue;
        if (text_parse_u64(value, (uint64_t)numbers[i].least, (uint64_t)numbers[i].most, &n) < 0)
            return -1;
        *numbers[i].out = (int64_t)n;
        return 0;
    }
    return -1;
}

static long long number(const json_t *row, const char *name)
{
    return (long long)json_integer_value(json_object_get(row, name));
}

/* Where half of them had their first byte. */
static void print_median(const json_t *row)
{
    const json_t *buckets = json_object_get(row, "ttfb_ms");
    long long seen = 0;
    for (size_t i = 0; i < json_array_size(buckets); i++) {
        const json_t *bucket = json_array_get(buckets, i);
        seen += number(bucket, "count");
        if (2 * seen < number(row, "requests"))
            continue;
        if (json_is_integer(json_object_get(bucket, "le")))
            printf("  <= %6lld", number(bucket, "le"));
        else
            printf("  %9s", "more");
        return;
    }
}

static void print_table(const json_t *rows, const char *by)
{
    printf("%-24s %10s %10s %14s %10s  %9s\n", by, "requests", "errors", "MB", "cached", "median ms");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        const char *name = json_string_value(json_object_get(row, by));
        printf("%-24s %10lld %10lld %14.1f %10lld", name && *name ? name : "-", number(row, "requests"),
               number(row, "errors"), (double)number(row, "bytes") / 1e6, number(row, "cached"));
        print_median(row);
        (void)putchar('\n');
    }
}

static int tell(struct store *s, const struct wish *w)
{
    struct err err = {0};
    json_t *rows = report_usage(s, &w->query, &err);
    if (!rows)
        return tool_failed(&err);
    if (w->json)
        return tool_print_json(rows);
    print_table(rows, w->query.by <= STORE_USAGE_BY_DAY ? "start" : store_usage_by_text(w->query.by));
    json_decref(rows);
    return ferror(stdout) ? TOOL_FAILED : TOOL_DONE;
}

int usage_command(int argc, char **argv)
{
    struct err err = {0};
    struct wish w = {.query.by = STORE_USAGE_BY_DAY, .days = DAYS_USUAL};
    auto_(config) struct config config = {0};
    auto_ptr(store) struct store *s = NULL;
    w.json = tool_take_json(&argc, argv);
    for (int i = 0; i < argc; i += 2) {
        if (i + 1 == argc || read_option(&w, argv[i], argv[i + 1]) < 0)
            return tool_misuse("usage: an unknown option, or a value that it does not take", USAGE_USAGE);
    }
    int64_t now = clock_unix_s();
    w.query.from_unix_s = now - (w.days - 1) * STORE_DAY_S;
    w.query.until_unix_s = now + 1;
    if (config_load(&config, NULL, &err) < 0 || hash_init(&err) < 0 ||
        store_open(&s, *config.database ? config.database : config.data_dir, &err) < 0)
        return tool_failed(&err);
    return tell(s, &w);
}
