/* See job_events.h. */
#include "serve/job_events.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve/job_view.h"

struct watched {
    struct app *app;
    char job[STORE_JOB_ID_LEN + 1];
    char state[16]; /* as it was sent last; "": nothing was */
    int64_t updated_unix_ms;
    char prefix[];
};

/* The job as it is now, when that is not what was sent last. */
static int add_job(struct watched *w, const struct store_job *job, struct buf *out)
{
    const char *state = store_job_state_name(job->state);
    if (job->updated_unix_ms == w->updated_unix_ms && strcmp(state, w->state) == 0)
        return 0;
    json_t *root = job_json(job, w->prefix);
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL; /* has no line breaks */
    json_decref(root);
    int rc = text ? buf_addf(out, "id: %lld-%s\nevent: job\ndata: %s\n\n", (long long)job->updated_unix_ms,
                             state, text)
                  : -1;
    free(text);
    w->updated_unix_ms = job->updated_unix_ms;
    (void)snprintf(w->state, sizeof w->state, "%s", state);
    return rc < 0 || store_job_is_over(job->state) ? EVENTS_END : 0;
}

static int look(void *ctx, struct buf *out)
{
    struct watched *w = ctx;
    struct err ignored;
    auto_(store_job) struct store_job job = {0};
    int found = store_job_get(w->app->store, w->job, &job, &ignored);
    if (found < 0)
        return -1;
    return found ? add_job(w, &job, out) : EVENTS_END;
}

int job_events_open(struct events_source *out, struct app *app, const char *job, const char *prefix,
                    struct err *err)
{
    size_t len = strlen(prefix);
    struct watched *w = calloc(1, sizeof *w + len + 1);
    if (!w)
        return err_set(err, ERR_INTERNAL, "out of memory");
    w->app = app;
    (void)snprintf(w->job, sizeof w->job, "%s", job);
    memcpy(w->prefix, prefix, len + 1);
    *out = (struct events_source){.look = look,
                                  .free = free,
                                  .ctx = w,
                                  .every_ms = EVENTS_LOOK_MS,
                                  .max_bytes = 4 * STORE_JOB_JSON_MAX_BYTES};
    return 0;
}
