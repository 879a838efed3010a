/* See jobs.h. */
#include "jobs.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"
#include "serve/job_view.h"
#include "serve/jobs.h"
#include "serve/s3_upload.h"
#include "tool.h"

enum { LIST_USUAL = 50, LIST_MAX = 100000 };

struct wish {
    const char *id; /* NULL: none */
    bool has_state, once, json;
    enum store_job_state state;
    int64_t limit;
};

static int misuse(const char *what)
{
    return tool_misuse(what, JOBS_USAGE);
}

static int no_job(const char *id, const char *why)
{
    fprintf(stderr, "sluice: job %s: %s\n", id, why);
    return TOOL_NONE;
}

/* ---- Looking ---- */

static json_t *row_json(const struct store_job *job)
{
    json_t *root = job_json(job, NULL);
    if (root)
        (void)json_object_set_new(root, "owner", json_string(job->owner));
    return root;
}

static void print_line(const struct store_job *job)
{
    char updated[24];
    clock_format_utc(job->updated_unix_ms / 1000, updated, sizeof updated);
    printf("%s  %-9s  %-9s  %lld/%lld  %s  %s%s%s\n", job->id, job->kind, store_job_state_name(job->state),
           (long long)job->attempts, (long long)job->max_attempts, updated, job->error,
           *job->error && *job->message ? " · " : "", job->message);
}

static void print_each(void *ctx, const struct store_job *job)
{
    if (ctx)
        (void)json_array_append_new(ctx, row_json(job));
    else
        print_line(job);
}

static int list(struct store *s, const struct wish *w)
{
    struct err err = {0};
    const struct store_job_page page = {.in = w->has_state ? &w->state : NULL, .limit = w->limit};
    json_t *array = w->json ? json_array() : NULL;
    if (store_job_list(s, &page, print_each, array, &err) < 0) {
        json_decref(array);
        return tool_failed(&err);
    }
    return array ? tool_print_json(array) : TOOL_DONE;
}

static int show(struct store *s, const struct wish *w)
{
    struct err err = {0};
    auto_(store_job) struct store_job job = {0};
    int found = store_job_get(s, w->id, &job, &err);
    if (found <= 0)
        return found < 0 ? tool_failed(&err) : no_job(w->id, "there is none");
    if (w->json)
        return tool_print_json(row_json(&job));
    print_line(&job);
    return TOOL_DONE;
}

static int cancel(struct store *s, const struct wish *w)
{
    struct err err = {0};
    int done = store_job_cancel(s, w->id, &err);
    if (done < 0)
        return tool_failed(&err);
    return done ? show(s, w) : no_job(w->id, "there is none, or it is over");
}

static int retry(struct store *s, const struct wish *w)
{
    struct err err = {0};
    int done = store_job_retry(s, w->id, &err);
    if (done < 0)
        return tool_failed(&err);
    return done ? show(s, w) : no_job(w->id, "there is none that has failed or was cancelled");
}

static int with_store(int (*run)(struct store *s, const struct wish *w), const struct wish *w)
{
    struct err err = {0};
    auto_(config) struct config c = {0};
    auto_ptr(store) struct store *s = NULL;
    if (config_load(&c, NULL, &err) < 0 || hash_init(&err) < 0 ||
        store_open(&s, *c.database ? c.database : c.data_dir, &err) < 0)
        return tool_failed(&err);
    return run(s, w);
}

/* ---- Running ---- */

/* Until a signal says so or, once, until there is nothing left. */
static void wait_for_end(struct app *app, const sigset_t *ends, bool once)
{
    const struct timespec while_idle = {.tv_nsec = JOBS_LOOK_MS / 2 * 1000000L};
    while (sigtimedwait(ends, NULL, &while_idle) < 0) {
        if (once && jobs_are_idle(app))
            return;
    }
}

static int run_in(struct app *app, const struct wish *w)
{
    struct err err = {0};
    sigset_t ends;
    int64_t threads = app->config.job_threads;
    (void)sigemptyset(&ends);
    (void)sigaddset(&ends, SIGTERM);
    (void)sigaddset(&ends, SIGINT);
    (void)sigprocmask(SIG_BLOCK, &ends, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    app_start_js(app, NULL);
    if (app_confine(app, "", &err) < 0 || s3_upload_sweep_start(app, &err) < 0 ||
        jobs_start(app, threads ? (unsigned)threads : 1, &err) < 0)
        return tool_failed(&err);
    wait_for_end(app, &ends, w->once);
    return TOOL_DONE;
}

static int run(const struct wish *w)
{
    struct err err = {0};
    struct config config;
    struct app app;
    if (config_load(&config, NULL, &err) < 0 || app_open(&app, &config, &err) < 0)
        return tool_failed(&err);
    int rc = run_in(&app, w);
    s3_upload_sweep_stop(&app);
    if (!jobs_stop(&app))
        _exit(rc); /* something that did not end in time is still using the app */
    app_close(&app);
    return rc;
}

/* ---- Arguments ---- */

static int read_option(const char *name, const char *value, struct wish *w)
{
    uint64_t limit;
    if (!value)
        return misuse("an option lacks its value");
    if (strcmp(name, "--state") == 0) {
        w->has_state = true;
        return store_job_state_of(value, &w->state) < 0 ? misuse("there is no such state") : TOOL_DONE;
    }
    if (strcmp(name, "--limit") != 0)
        return misuse("unknown option");
    if (text_parse_u64(value, 1, LIST_MAX, &limit) < 0)
        return misuse("--limit takes a number");
    w->limit = (int64_t)limit;
    return TOOL_DONE;
}

static int read_wish(int argc, char **argv, struct wish *w)
{
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--once") == 0) {
            w->once = true;
        } else if (argv[i][0] == '-') {
            int rc = read_option(argv[i], i + 1 < argc ? argv[i + 1] : NULL, w);
            if (rc)
                return rc;
            i++;
        } else if (w->id) {
            return misuse("one ID at a time");
        } else {
            w->id = argv[i];
        }
    }
    return TOOL_DONE;
}

int jobs_command(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(struct store *s, const struct wish *w);
    } commands[] = {{"show", show}, {"cancel", cancel}, {"retry", retry}};
    struct wish w = {.limit = LIST_USUAL};
    const char *name = argc > 0 ? argv[0] : "";
    w.json = tool_take_json(&argc, argv);
    int rc = read_wish(argc - 1, argv + 1, &w);
    if (rc)
        return rc;
    if (strcmp(name, "list") == 0 && !w.id)
        return with_store(list, &w);
    if (strcmp(name, "run") == 0 && !w.id)
        return run(&w);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (strcmp(name, commands[i].name) == 0)
            return w.id ? with_store(commands[i].run, &w) : misuse("which job? Give its ID");
    }
    return misuse("jobs takes list, show, cancel, retry or run");
}
