/* POST /api/v1/jobs: queues one, {"kind":…, and what that kind takes}. GET: the asker's own, newest first
 * (`state`, `limit`, `after`). GET, DELETE /api/v1/jobs/ID: looks at one, cancels it. GET
 * /api/v1/jobs/ID/events: tells of its changes until it is over (events.h). GET /api/v1/jobs/ID/link: where
 * what it has uploaded can be had.
 * Queueing costs what a description costs, looking costs nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "serve/auth.h"
#include "serve/job_events.h"
#include "serve/job_kinds.h"
#include "serve/job_view.h"
#include "serve/jobs.h"
#include "serve/serve.h"
#include "serve/settings.h"

enum { PAGE_USUAL = 20, PAGE_MAX = 100 };

static const char root_path[] = "/api/v1/jobs/";

/* Takes `root`. */
static int send_json(struct http_response *res, json_t *root, struct err *err)
{
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    if (!text)
        return err_set(err, ERR_INTERNAL, "cannot write JSON");
    (void)http_set_header(res, "Cache-Control", "private, no-store");
    (void)http_send(res, "application/json", text, strlen(text));
    free(text);
    return 0;
}

/* ---- One ---- */

/* The job of the request's path, if it is there for whoever asks. `rest`: what follows its id. */
static int find_job(struct app *app, const struct http_request *req, struct store_job *job, const char **rest,
                    struct err *err)
{
    struct auth who;
    char id[STORE_JOB_ID_LEN + 1] = "";
    const char *at = req->path + sizeof root_path - 1;
    size_t len = strcspn(at, "/");
    *rest = at + len;
    if (auth_identify(app, req, NULL, &who, err) < 0)
        return -1;
    if (len != STORE_JOB_ID_LEN)
        return err_set(err, ERR_NOT_FOUND, "no job's id");
    memcpy(id, at, len);
    int found = store_job_get(app->store, id, job, err);
    if (found < 0)
        return -1;
    return found && job_is_for(job, &who) ? 0 : err_set(err, ERR_NOT_FOUND, "no such job for this one");
}

static int cancel(struct app *app, const struct http_request *req, struct http_response *res,
                  const struct store_job *job, struct err *err)
{
    auto_(store_job) struct store_job after = {0};
    if (store_job_cancel(app->store, job->id, err) < 0 || /* one that is over stays as it is */
        store_job_get(app->store, job->id, &after, err) < 0)
        return -1;
    return send_json(res, job_json(&after, job_prefix(app, req)), err);
}

/* A browser that was cut off comes back by itself, and says what it has seen last. Once that is the end, 204
 * tells it to stay away. */
static bool has_seen_the_end(const struct http_request *req, const struct store_job *job)
{
    char last[64];
    (void)snprintf(last, sizeof last, "%lld-%s", (long long)job->updated_unix_ms,
                   store_job_state_name(job->state));
    return store_job_is_over(job->state) && req->last_event_id && strcmp(req->last_event_id, last) == 0;
}

static int listen_to(struct app *app, const struct http_request *req, struct http_response *res,
                     const struct store_job *job, struct err *err)
{
    (void)http_set_header(res, "Cache-Control", "no-store, no-transform");
    if (has_seen_the_end(req, job)) {
        (void)http_set_status(res, 204);
        return http_begin(res, 0) < 0 ? -1 : 0;
    }
    (void)http_set_header(res, "Content-Type", "text/event-stream; charset=utf-8");
    (void)http_set_header(res, "X-Accel-Buffering", "no"); /* nginx would hold it back */
    if (req->method == HTTP_HEAD)
        return http_begin(res, HTTP_LENGTH_UNKNOWN);
    struct events_source source;
    if (job_events_open(&source, app, job->id, job_prefix(app, req), err) < 0)
        return -1;
    if (events_listen(app->events, http_exchange_of(res), &source, err) == 0)
        return HTTP_LATER;
    source.free(source.ctx);
    return -1;
}

int serve_job(struct app *app, const struct http_request *req, struct http_response *res, struct err *err)
{
    const char *rest = NULL;
    auto_(store_job) struct store_job job = {0};
    if (find_job(app, req, &job, &rest, err) < 0)
        return -1;
    if (strcmp(rest, "/events") == 0 && req->method != HTTP_DELETE)
        return listen_to(app, req, res, &job, err);
    if (strcmp(rest, "/link") == 0 && req->method != HTTP_DELETE) {
        json_t *link = NULL;
        return job_s3_link(app, &job, &link, err) < 0 ? -1 : send_json(res, link, err);
    }
    if (*rest)
        return err_set(err, ERR_NOT_FOUND, "a job has no such part");
    if (req->method == HTTP_DELETE)
        return cancel(app, req, res, &job, err);
    return send_json(res, job_json(&job, job_prefix(app, req)), err);
}

/* ---- All ---- */

/* Writes the input of a job of this kind. free(*input). */
static int read_order(struct app *app, const struct http_request *req, const struct job_kind **kind,
                      char **input, struct err *err)
{
    const char *name = http_param(req, "kind");
    *kind = name ? job_kind_find(name) : NULL;
    if (!*kind || !(*kind)->accept)
        return err_set(err, ERR_BAD_REQUEST, "there is no such kind of job");
    json_t *root = json_object();
    int rc = root ? (*kind)->accept(app, req, root, err) : err_set(err, ERR_INTERNAL, "out of memory");
    *input = rc == 0 ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    return rc == 0 && !*input ? err_set(err, ERR_INTERNAL, "out of memory") : rc;
}

int job_add(struct app *app, const struct http_request *req, const struct auth *who,
            const struct job_kind *kind, const char *input, struct store_job *out, struct err *err)
{
    const int64_t limit = app->config.max_jobs_per_client;
    char owner[STORE_SUBJECT_MAX];
    char id[STORE_JOB_ID_LEN + 1];
    if (job_owner_name(app, req, who, owner, err) < 0)
        return -1;
    const struct store_job_order order = {
        .kind = kind->name,
        .owner = owner,
        .input = input,
        .max_attempts = kind->max_attempts,
        .max_of_owner = limit ? limit : INT64_MAX,
        .max_of_all = app->config.max_jobs,
    };
    return store_job_add(app->store, &order, id, err) < 0 || store_job_get(app->store, id, out, err) < 0 ? -1
                                                                                                         : 0;
}

static int queue(struct app *app, const struct http_request *req, struct http_response *res, struct err *err)
{
    const struct job_kind *kind = NULL;
    struct auth who;
    auto_ptr(char) char *input = NULL;
    auto_(store_job) struct store_job job = {0};
    if (settings_admit(app, err) < 0 || auth_identify(app, req, NULL, &who, err) < 0 ||
        read_order(app, req, &kind, &input, err) < 0 || auth_charge(app, &who, NULL, res, err) < 0 ||
        job_add(app, req, &who, kind, input, &job, err) < 0)
        return -1;
    (void)http_set_status(res, 202);
    (void)http_set_headerf(res, "Location", "%s%s%s", job_prefix(app, req), root_path, job.id);
    return send_json(res, job_json(&job, job_prefix(app, req)), err);
}

struct listing {
    json_t *array;
    const char *prefix;
    char next[STORE_JOB_ID_LEN + 32]; /* where the next page begins: after the last one of this */
};

static void add_to_list(void *ctx, const struct store_job *job)
{
    struct listing *l = ctx;
    (void)json_array_append_new(l->array, job_json(job, l->prefix));
    (void)snprintf(l->next, sizeof l->next, "%lld-%s", (long long)job->created_unix_ms, job->id);
}

/* "1790000000000-ID", as `next` was. */
static int read_after(const char *after, struct store_job_page *page)
{
    uint64_t ms = 0;
    size_t len = strcspn(after, "-");
    if (text_parse_u64n(after, len, 0, INT64_MAX, &ms) < 0 || after[len] != '-')
        return -1;
    page->before_unix_ms = (int64_t)ms;
    page->before_id = after + len + 1;
    return 0;
}

static int list(struct app *app, const struct http_request *req, struct http_response *res, struct err *err)
{
    struct auth who;
    char owner[STORE_SUBJECT_MAX];
    enum store_job_state state;
    uint64_t limit = PAGE_USUAL;
    const char *wanted = http_param(req, "state");
    const char *most = http_param(req, "limit");
    const char *after = http_param(req, "after");
    struct store_job_page page = {.owner = owner};
    if (auth_identify(app, req, NULL, &who, err) < 0 || job_owner_name(app, req, &who, owner, err) < 0)
        return -1;
    if ((wanted && store_job_state_of(wanted, &state) < 0) ||
        (most && text_parse_u64(most, 1, PAGE_MAX, &limit) < 0) || (after && read_after(after, &page) < 0))
        return err_set(err, ERR_BAD_REQUEST, "state, limit (to %d) or after does not read", PAGE_MAX);
    page.in = wanted ? &state : NULL;
    page.limit = (int64_t)limit;
    struct listing l = {.array = json_array(), .prefix = job_prefix(app, req)};
    if (store_job_list(app->store, &page, add_to_list, &l, err) < 0) {
        json_decref(l.array);
        return -1;
    }
    bool more = json_array_size(l.array) == limit;
    return send_json(
        res, json_pack("{s:o, s:o}", "jobs", l.array, "next", more ? json_string(l.next) : json_null()), err);
}

int serve_jobs(struct app *app, const struct http_request *req, struct http_response *res, struct err *err)
{
    return req->method == HTTP_POST ? queue(app, req, res, err) : list(app, req, res, err);
}
