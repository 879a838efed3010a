/* See job_view.h. */
#include "serve/job_view.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

static json_t *time_json(int64_t unix_ms)
{
    char text[24];
    clock_format_utc(unix_ms / 1000, text, sizeof text);
    return json_string(text);
}

/* What failed last: also of one that will be tried again. */
static json_t *error_json(const struct store_job *job)
{
    if (!*job->error)
        return json_null();
    const struct err_info *info = err_info(err_code_of(job->error));
    return json_pack("{s:s, s:s, s:s, s:b}", "code", info->name, "title", info->title, "detail", info->text,
                     "retryable", info->retryable);
}

/* Without what is only for the worker. */
static json_t *input_json(const struct store_job *job)
{
    json_t *input = json_loads(job->input, 0, NULL);
    if (input)
        (void)json_object_del(input, "prefix");
    return input ? input : json_object();
}

static json_t *result_json(const struct store_job *job)
{
    json_t *result = *job->result ? json_loads(job->result, 0, NULL) : NULL;
    return result ? result : json_null();
}

json_t *job_json(const struct store_job *job, const char *prefix)
{
    json_t *root = json_pack(
        "{s:s, s:s, s:s, s:o, s:{s:I, s:o, s:s}, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "id", job->id, "kind",
        job->kind, "state", store_job_state_name(job->state), "input", input_json(job), "progress",
        "done_bytes", (json_int_t)job->done_bytes, "total_bytes",
        job->total_bytes ? json_integer((json_int_t)job->total_bytes) : json_null(), "message", job->message,
        "attempts", (json_int_t)job->attempts, "max_attempts", (json_int_t)job->max_attempts,
        "next_attempt_at", job->state == STORE_JOB_WAITING ? time_json(job->run_unix_ms) : json_null(),
        "created_at", time_json(job->created_unix_ms), "updated_at", time_json(job->updated_unix_ms),
        "result", result_json(job), "error", error_json(job));
    if (root && prefix) {
        (void)json_object_set_new(root, "url", json_sprintf("%s/api/v1/jobs/%s", prefix, job->id));
        (void)json_object_set_new(root, "events_url",
                                  json_sprintf("%s/api/v1/jobs/%s/events", prefix, job->id));
        if (strcmp(job->kind, "s3") == 0 && job->state == STORE_JOB_DONE)
            (void)json_object_set_new(root, "link_url",
                                      json_sprintf("%s/api/v1/jobs/%s/link", prefix, job->id));
    }
    return root;
}

const char *job_prefix(const struct app *app, const struct http_request *req)
{
    return *app->config.public_path ? app->config.public_path : req->prefix;
}

int job_owner_name(struct app *app, const struct http_request *req, const struct auth *who,
                   char out[STORE_SUBJECT_MAX], struct err *err)
{
    char address[CIDR_TEXT_MAX];
    char hash[STORE_ADDRESS_HASH_LEN + 1];
    if (who->has_key) {
        (void)snprintf(out, STORE_SUBJECT_MAX, "k:%s", who->key.id);
        return 0;
    }
    auth_address(app, req, address);
    if (store_address_hash(app->store, address, hash, err) < 0)
        return -1;
    (void)snprintf(out, STORE_SUBJECT_MAX, "a:%s", hash);
    return 0;
}

bool job_is_for(const struct store_job *job, const struct auth *who)
{
    if (!who->has_key)
        return text_starts_with(job->owner, "a:");
    return text_starts_with(job->owner, "k:") && strcmp(job->owner + 2, who->key.id) == 0;
}
