/* See cover.h. */
#include "serve/cover.h"

#include "base/clock.h"
#include "base/log.h"
#include "serve/small.h"

enum {
    KEEP_S = 86400,
    KEY_MAX_BYTES = 1024,
    TIMEOUT_MS = 5000, /* for one attempt; it is a nicety */
};

struct job {
    struct app *app;
    const char *url;
};

/* A cache_produce_fn. A refusal is remembered too, as nothing. */
static int fetch(void *ctx, struct buf *value, int64_t *expires_unix_s, struct err *err)
{
    const struct job *job = ctx;
    auto_(net_answer) struct net_answer answer = {0};
    const struct net_call call = {.url = job->url, .max_bytes = COVER_MAX_BYTES, .timeout_ms = TIMEOUT_MS};
    if (small_call(job->app, &call, &answer, err) < 0)
        return -1;
    if (answer.status >= 500 || answer.status == 429)
        return err_set(err, ERR_UPSTREAM_FAILED, "the cover: status %d", answer.status);
    *expires_unix_s = clock_unix_s() + KEEP_S;
    if (answer.status == 200)
        (void)buf_add(value, answer.body.data, answer.body.len);
    return value->failed ? err_set(err, ERR_INTERNAL, "out of memory") : 0;
}

int cover_get(struct app *app, const struct description *d, struct shelf_value **out)
{
    struct err err = {0};
    struct job job = {app, d->thumbnail};
    auto_(buf) struct buf key = BUF_INIT(KEY_MAX_BYTES);
    *out = NULL;
    if (!d->thumbnail ||
        buf_addf(&key, "cover2 %s %s", d->site, d->id) < 0) /* its URL is signed anew each time */
        return 0;
    if (shelf_get(app->shelf, buf_str(&key), fetch, &job, out, &err) < 0) {
        log_event(LOG_INFO, "no-cover", "why", err.text, NULL);
        return -1;
    }
    if (shelf_value_size(*out) == 0)
        shelf_value_free(steal(out));
    return 0;
}
