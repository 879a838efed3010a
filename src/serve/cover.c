/* See cover.h. */
#include "serve/cover.h"

#include "base/clock.h"
#include "base/log.h"

enum { KEEP_S = 86400, KEY_MAX_BYTES = 1024 };

struct job {
    struct app *app;
    const char *url;
};

/* A cache_produce_fn. */
static int fetch(void *ctx, struct buf *value, int64_t *expires_unix_s, struct err *err)
{
    const struct job *job = ctx;
    auto_(net_answer) struct net_answer answer = {0};
    const struct net_call call = {.url = job->url, .max_bytes = COVER_MAX_BYTES};
    if (net_call(job->app->net, &call, &answer, err) < 0)
        return -1;
    if (answer.status != 200)
        return err_set(err, ERR_UPSTREAM_FAILED, "the cover: status %d", answer.status);
    *expires_unix_s = clock_unix_s() + KEEP_S;
    return buf_add(value, answer.body.data, answer.body.len) < 0 ? err_set(err, ERR_INTERNAL, "out of memory")
                                                                 : 0;
}

struct shelf_value *cover_get(struct app *app, const struct description *d)
{
    struct err err = {0};
    struct shelf_value *value = NULL;
    struct job job = {app, d->thumbnail};
    auto_(buf) struct buf key = BUF_INIT(KEY_MAX_BYTES);
    if (!d->thumbnail ||
        buf_addf(&key, "cover %s %s", d->site, d->id) < 0) /* its URL is signed anew each time */
        return NULL;
    if (shelf_get(app->shelf, buf_str(&key), fetch, &job, &value, &err) < 0)
        log_event(LOG_INFO, "no-cover", "why", err.text, NULL);
    return value;
}
