/* Jobs and what is remembered, for the admin pages. */
#include <string.h>

#include "base/clock.h"
#include "serve/admin.h"
#include "serve/job_view.h"
#include "serve/purge.h"
#include "serve/serve.h"
#include "serve/tier.h"

enum { PAGE_MAX = 200, PAGE = 50 };

/* ---- Jobs ---- */

static void add_job(void *ctx, const struct store_job *job)
{
    json_t *one = job_json(job, NULL);
    (void)json_array_append_new(ctx, one ? one : json_null());
}

int serve_admin_jobs(struct app *app, const struct http_request *req, struct http_response *res,
                     struct err *err)
{
    struct admin a;
    enum store_job_state in;
    int64_t counts[STORE_JOB_STATES] = {0};
    const char *state = http_param(req, "state");
    struct store_job_page page = {.before_id = NULL};
    if (admin_enter(app, req, res, ADMIN_LOOK, &a, err) < 0 ||
        admin_number(req, "limit", PAGE, PAGE_MAX, &page.limit, err) < 0)
        return -1;
    if (state && *state) {
        if (store_job_state_of(state, &in) < 0)
            return err_set(err, ERR_BAD_REQUEST, "no such state of a job");
        page.in = &in;
    }
    json_t *jobs = json_array();
    if (store_job_list(app->store, &page, add_job, jobs, err) < 0 ||
        store_job_count(app->store, counts, err) < 0) {
        json_decref(jobs);
        return -1;
    }
    json_t *states = json_object();
    for (int i = 0; i < STORE_JOB_STATES; i++)
        (void)json_object_set_new(states, store_job_state_name((enum store_job_state)i),
                                  json_integer((json_int_t)counts[i]));
    return admin_send(res, json_pack("{s:o, s:o}", "jobs", jobs, "states", states), err);
}

/* `act`: "cancel" or "retry". */
int serve_admin_jobs_act(struct app *app, const struct http_request *req, struct http_response *res,
                         struct err *err)
{
    struct admin a;
    const char *id;
    const char *act;
    if (admin_enter(app, req, res, ADMIN_CHANGE, &a, err) < 0 || admin_param(req, "id", &id, err) < 0 ||
        admin_param(req, "act", &act, err) < 0)
        return -1;
    bool cancels = strcmp(act, "cancel") == 0;
    if (!cancels && strcmp(act, "retry") != 0)
        return err_set(err, ERR_BAD_REQUEST, "act: cancel or retry");
    int rc = cancels ? store_job_cancel(app->store, id, err) : store_job_retry(app->store, id, err);
    if (rc <= 0)
        return rc < 0 ? -1 : err_set(err, ERR_NOT_FOUND, "no job that this could be done to");
    if (admin_note(app, &a, cancels ? "job-cancel" : "job-retry", id, NULL, NULL, err) < 0)
        return -1;
    return admin_send(res, json_pack("{s:b}", "done", 1), err);
}

/* ---- What is remembered ---- */

static json_t *contents_json(struct app *app, struct err *err)
{
    enum { SUMS_MAX = 256 };
    struct store_content_sum sums[SUMS_MAX];
    int count = store_content_sums(app->store, sums, SUMS_MAX, err);
    json_t *list = count < 0 ? NULL : json_array();
    for (int i = 0; i < count; i++) {
        const struct store_content_sum *sum = &sums[i];
        json_t *one = json_pack("{s:s, s:s, s:b, s:I, s:I, s:I}", "tier", sum->tier, "state", sum->state,
                                "here", !*sum->place || strcmp(sum->place, app->place) == 0, "count",
                                (json_int_t)sum->count, "bytes", (json_int_t)sum->bytes, "hits",
                                (json_int_t)sum->hits);
        (void)json_array_append_new(list, one ? one : json_null());
    }
    return list;
}

/* What tiers there are, in the order in which they are looked through, and which are on. */
static json_t *tiers_json(struct app *app)
{
    size_t count;
    const struct tier *const *all = tiers_all(&count);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        struct tier_rules rules = {0};
        bool used = tier_is_used(app, all[i], &rules);
        json_t *one = json_pack("{s:s, s:b, s:b, s:I, s:I}", "name", all[i]->name, "used", used, "local",
                                all[i]->is_local, "after", (json_int_t)rules.after, "ttl_s",
                                (json_int_t)rules.ttl_s);
        (void)json_array_append_new(list, one ? one : json_null());
    }
    return list;
}

int serve_admin_cache(struct app *app, const struct http_request *req, struct http_response *res,
                      struct err *err)
{
    struct admin a;
    int64_t count = 0;
    uint64_t bytes = 0;
    struct slices_stat slices;
    if (admin_enter(app, req, res, ADMIN_LOOK, &a, err) < 0 || slices_stat(app->slices, &slices, err) < 0 ||
        store_cache_count(app->store, clock_unix_s(), &count, &bytes, err) < 0)
        return -1;
    json_t *contents = contents_json(app, err);
    if (!contents)
        return -1;
    return admin_send(res,
                      json_pack("{s:{s:I, s:I, s:I}, s:{s:I}, s:o, s:s, s:o, s:I, s:{s:I, s:I, s:I, s:b}}",
                                "descriptions", "count", (json_int_t)count, "bytes", (json_int_t)bytes,
                                "max_bytes", (json_int_t)app->config.description_bytes, "plans", "max_bytes",
                                (json_int_t)app->config.plan_cache_bytes, "tiers", tiers_json(app), "order",
                                app->config.tiers, "contents", contents, "files_max_bytes",
                                (json_int_t)app->config.files_bytes, "slices", "count",
                                (json_int_t)slices.count, "bytes", (json_int_t)slices.bytes, "max_bytes",
                                (json_int_t)slices.max_bytes, "on", slices_are_on(app->slices)),
                      err);
}

/* Of one `link`, of a `site` (youtube, or a host), or without either everything. */
int serve_admin_cache_purge(struct app *app, const struct http_request *req, struct http_response *res,
                            struct err *err)
{
    struct admin a;
    struct purge_what what = {.link = http_param(req, "link"), .site = http_param(req, "site")};
    struct purged done = {0};
    if (admin_enter(app, req, res, ADMIN_CHANGE, &a, err) < 0 || purge(app, &what, &done, err) < 0)
        return -1;
    /* Not the link, nor a host: what was looked at is nobody's business later. */
    const char *subject = what.link && *what.link   ? "one link"
                          : what.site && *what.site ? "one site"
                                                    : "everything";
    if (admin_note(app, &a, "cache-purge", subject, NULL, NULL, err) < 0)
        return -1;
    return admin_send(res,
                      json_pack("{s:I, s:I, s:I}", "purged", (json_int_t)done.descriptions, "contents",
                                (json_int_t)done.contents, "slices", (json_int_t)done.slices),
                      err);
}
