/* See cache.h. */
#include "cache.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "serve/app.h"
#include "serve/files.h"
#include "serve/purge.h"
#include "tool.h"

struct wish {
    const char *link, *site;
    int64_t unused_s; /* 0: not asked for */
    bool json;
};

/* Name and number of each, or JSON. Frees `counts`. */
static int print(json_t *counts, const struct wish *w)
{
    const char *name;
    json_t *count;
    if (w->json)
        return tool_print_json(counts);
    json_object_foreach (counts, name, count) {
        printf("%-24s %" JSON_INTEGER_FORMAT "\n", name, json_integer_value(count));
    }
    json_decref(counts);
    return ferror(stdout) ? TOOL_FAILED : TOOL_DONE;
}

/* What each tier has, as this host sees it. */
static int add_contents(struct app *app, json_t *counts, struct err *err)
{
    enum { SUMS_MAX = 128 };
    struct store_content_sum sums[SUMS_MAX];
    size_t tiers;
    const struct tier *const *all = tiers_all(&tiers);
    int count = store_content_sums(app->store, sums, SUMS_MAX, err);
    for (size_t t = 0; t < tiers; t++) {
        json_int_t found = 0;
        json_int_t bytes = 0;
        char name[STORE_TIER_MAX + 16];
        for (int i = 0; i < count; i++) {
            if (strcmp(sums[i].tier, all[t]->name) == 0 && strcmp(sums[i].state, "stored") == 0 &&
                strcmp(sums[i].place, tier_place(app, all[t])) == 0) {
                found += sums[i].count;
                bytes += sums[i].bytes;
            }
        }
        (void)snprintf(name, sizeof name, "%s_contents", all[t]->name);
        (void)json_object_set_new(counts, name, json_integer(found));
        (void)snprintf(name, sizeof name, "%s_bytes", all[t]->name);
        (void)json_object_set_new(counts, name, json_integer(bytes));
    }
    return count < 0 ? -1 : 0;
}

static int stat_all(struct app *app, const struct wish *w, struct err *err)
{
    struct slices_stat slices;
    int64_t descriptions = 0;
    uint64_t bytes = 0;
    if (slices_stat(app->slices, &slices, err) < 0 ||
        store_cache_count(app->store, clock_unix_s(), &descriptions, &bytes, err) < 0)
        return tool_failed(err);
    json_t *counts = json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "descriptions", (json_int_t)descriptions, "description_bytes",
        (json_int_t)bytes, "slices", (json_int_t)slices.count, "slice_bytes", (json_int_t)slices.bytes,
        "slice_max_bytes", (json_int_t)slices.max_bytes, "slice_oldest_use_unix_s",
        (json_int_t)slices.oldest_unix_s, "temporary_bytes", (json_int_t)slices.writing_bytes);
    if (add_contents(app, counts, err) == 0)
        return print(counts, w);
    json_decref(counts);
    return tool_failed(err);
}

static int purge_some(struct app *app, const struct wish *w, struct err *err)
{
    const int64_t until = clock_unix_s() - w->unused_s;
    const struct slices_which unused = {.used_before_unix_s = until + 1};
    const struct store_content_which idle = {.used_until_unix_s = until};
    const struct purge_what what = {.link = w->link, .site = w->site};
    struct purged done = {0};
    if (w->unused_s) {
        done.slices = slices_purge(app->slices, &unused, err);
        done.contents = done.slices < 0 ? -1 : store_content_leave(app->store, &idle, err);
    }
    if (w->unused_s ? done.contents < 0 : purge(app, &what, &done, err) < 0)
        return tool_failed(err);
    return print(json_pack("{s:I, s:I, s:I}", "descriptions", (json_int_t)done.descriptions, "contents",
                           (json_int_t)done.contents, "slices", (json_int_t)done.slices),
                 w);
}

static int verify(struct app *app, const struct wish *w, struct err *err)
{
    struct slices_findings found;
    struct files_findings files;
    if (slices_verify(app->slices, false, &found, err) < 0 || files_verify(app, &files, err) < 0)
        return tool_failed(err);
    int rc = print(json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "files_good", (json_int_t)files.good,
                             "files_damaged", (json_int_t)files.damaged, "good", (json_int_t)found.good,
                             "damaged", (json_int_t)found.damaged, "unlisted", (json_int_t)found.unlisted,
                             "missing", (json_int_t)found.missing, "leftovers", (json_int_t)found.leftovers),
                   w);
    return rc == TOOL_DONE && (found.damaged || files.damaged) ? TOOL_FAILED : rc;
}

/* --link, --site and --unused, one of them. -1: misuse. */
static int read_which(int argc, char **argv, struct wish *w)
{
    uint64_t n = 0;
    if (argc == 0)
        return 0;
    if (argc != 2)
        return -1;
    if (strcmp(argv[0], "--link") == 0)
        w->link = argv[1];
    else if (strcmp(argv[0], "--site") == 0 && *argv[1])
        w->site = argv[1];
    else if (strcmp(argv[0], "--unused") != 0 || text_parse_u64(argv[1], 1, 1000000000, &n) < 0)
        return -1;
    w->unused_s = (int64_t)n;
    return 0;
}

int cache_command(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(struct app *app, const struct wish *w, struct err *err);
    } commands[] = {{"stat", stat_all}, {"purge", purge_some}, {"verify", verify}};
    struct err err = {0};
    struct app app;
    struct config config;
    struct wish w = {.json = tool_take_json(&argc, argv)};
    size_t i = 0;
    while (argc > 0 && i < ARRAY_LEN(commands) && strcmp(argv[0], commands[i].name) != 0)
        i++;
    bool takes_which = i < ARRAY_LEN(commands) && commands[i].run == purge_some;
    if (argc < 1 || i == ARRAY_LEN(commands) || (argc > 1 && !takes_which) ||
        read_which(argc - 1, argv + 1, &w) < 0)
        return tool_misuse("cache stat, purge or verify", CACHE_USAGE);
    if (config_load(&config, NULL, &err) < 0 || app_open(&app, &config, &err) < 0)
        return tool_failed(&err);
    int rc = commands[i].run(&app, &w, &err);
    app_close(&app);
    return rc;
}
