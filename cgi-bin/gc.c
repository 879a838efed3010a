/* See gc.h. One row of the table for each thing that grows. */
#include "gc.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "serve/app.h"
#include "serve/files.h"
#include "store/care.h"
#include "store/usage.h"
#include "tool.h"

/* A player is in use for days; one that is needed after all is prepared again. */
enum { DAY_S = 86400, PLAYER_KEPT_S = 30 * DAY_S };

/* Adds what it has deleted to `counts`, by name. */
typedef int sweep_fn(struct app *app, json_t *counts, struct err *err);

static int sweep_store(struct app *app, json_t *counts, struct err *err)
{
    struct store_swept swept;
    if (store_sweep(app->store, clock_unix_s(), &swept, err) < 0)
        return -1;
    (void)json_object_set_new(counts, "remembered_rows", json_integer(swept.cache_rows));
    (void)json_object_set_new(counts, "remembered_bytes_over_limit", json_integer(swept.evicted));
    (void)json_object_set_new(counts, "rate_rows", json_integer(swept.rate_rows));
    (void)json_object_set_new(counts, "link_rows", json_integer(swept.token_rows));
    (void)json_object_set_new(counts, "jobs", json_integer(swept.jobs));
    (void)json_object_set_new(counts, "address_keys", json_integer(swept.address_keys));
    return 0;
}

static int sweep_usage(struct app *app, json_t *counts, struct err *err)
{
    const struct config *c = &app->config;
    int64_t now = clock_unix_s();
    (void)counts;
    return store_usage_forget(app->store, now - c->usage_hours_days * DAY_S, now - c->usage_days * DAY_S,
                              err);
}

static int sweep_plans(struct app *app, json_t *counts, struct err *err)
{
    (void)err;
    (void)json_object_set_new(counts, "plans", json_integer(shelf_sweep(app->shelf)));
    return 0;
}

static int sweep_slices(struct app *app, json_t *counts, struct err *err)
{
    struct slices_stat before;
    struct slices_stat after;
    if (slices_stat(app->slices, &before, err) < 0)
        return -1;
    if (before.max_bytes) /* else it may be this command alone that knows of no room for them */
        slices_tick(app->slices);
    if (slices_stat(app->slices, &after, err) < 0)
        return -1;
    (void)json_object_set_new(counts, "slices", json_integer(before.count - after.count));
    return 0;
}

static int sweep_players(struct app *app, json_t *counts, struct err *err)
{
    int64_t deleted = 0;
    int64_t before = clock_unix_s() - PLAYER_KEPT_S;
    DIR *dir = app->players_dir ? opendir(app->players_dir) : NULL;
    (void)err;
    for (const struct dirent *e; dir && (e = readdir(dir));) {
        struct stat st;
        if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
            st.st_mtime < before)
            deleted += unlinkat(dirfd(dir), e->d_name, 0) == 0;
    }
    if (dir)
        (void)closedir(dir);
    (void)json_object_set_new(counts, "player_scripts", json_integer(deleted));
    return 0;
}

static int sweep_contents(struct app *app, json_t *counts, struct err *err)
{
    int64_t gone = tiers_sweep(app, err);
    int64_t strays = gone < 0 ? -1 : files_remove_strays(app, err);
    if (strays < 0)
        return -1;
    (void)json_object_set_new(counts, "contents", json_integer(gone));
    (void)json_object_set_new(counts, "stray_files", json_integer(strays));
    return 0;
}

static const struct {
    const char *name;
    sweep_fn *run;
} sweeps[] = {
    {"the database", sweep_store},
    {"usage", sweep_usage},
    {"plans", sweep_plans},
    {"slices", sweep_slices},
    {"player scripts", sweep_players},
    {"what tiers keep", sweep_contents},
};

static int print(json_t *counts, bool json)
{
    const char *name;
    json_t *count;
    if (json)
        return tool_print_json(counts);
    json_object_foreach (counts, name, count) {
        printf("%-28s %" JSON_INTEGER_FORMAT "\n", name, json_integer_value(count));
    }
    json_decref(counts);
    return ferror(stdout) ? TOOL_FAILED : TOOL_DONE;
}

int gc_command(int argc, char **argv)
{
    struct err err = {0};
    struct app app;
    struct config config;
    int rc = TOOL_DONE;
    bool json = tool_take_json(&argc, argv);
    if (argc > 0)
        return tool_misuse("gc takes nothing but --json", GC_USAGE);
    if (config_load(&config, NULL, &err) < 0)
        return tool_failed(&err);
    if (app_open(&app, &config, &err) < 0)
        return tool_failed(&err);
    json_t *counts = json_object();
    for (size_t i = 0; i < ARRAY_LEN(sweeps); i++) {
        struct err why = {0};
        if (sweeps[i].run(&app, counts, &why) < 0) { /* the others may go on */
            fprintf(stderr, "sluice: %s: %s\n", sweeps[i].name, why.text);
            rc = TOOL_FAILED;
        }
    }
    int printed = print(counts, json);
    app_close(&app);
    return printed ? printed : rc;
}
