/* {"kind":"s3","url":…,"choice":…,"name":…}: the file goes into the bucket of the settings, as
 * {prefix}{name}_{date}_{id}.{extension}; name is the title where none is given, and the id is the job's, so
 * that nobody can replace anything that is there. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "http/names.h"
#include "serve/job_kinds.h"
#include "serve/s3_upload.h"

enum { NAME_MAX_BYTES = 512, ID_DIGITS = 12, DAY_LEN = 10, URL_MAX = 8192 };

static int read_ask(struct app *app, const struct job_s3_ask *ask, json_t *input, struct err *err)
{
    const char *name = ask->name;
    if (!app->s3)
        return err_set(err, ERR_STORAGE_MISSING, "there is no bucket in the settings");
    if (job_take_choice(ask->link, ask->choice, input, err) < 0)
        return -1;
    if (name && strlen(name) > NAME_MAX_BYTES)
        return err_set(err, ERR_BAD_REQUEST, "a name of more than %d bytes", NAME_MAX_BYTES);
    int rc = name && *name ? json_object_set_new(input, "name", json_string(name)) : 0;
    return rc < 0 ? err_set(err, ERR_BAD_REQUEST, "the job's input is not UTF-8") : 0;
}

int job_s3_accept(struct app *app, const struct http_request *req, json_t *input, struct err *err)
{
    const struct job_s3_ask ask = {http_param(req, "url"), http_param(req, "choice"),
                                   http_param(req, "name")};
    return read_ask(app, &ask, input, err);
}

int job_s3_input(struct app *app, const struct job_s3_ask *ask, char **input, struct err *err)
{
    json_t *root = json_object();
    int rc = root ? read_ask(app, ask, root, err) : err_set(err, ERR_INTERNAL, "out of memory");
    *input = rc == 0 ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    return rc == 0 && !*input ? err_set(err, ERR_INTERNAL, "out of memory") : rc;
}

/* Of the day that the job was made, so that every attempt finds the same one. */
static int make_key(const struct job *job, const struct output *o, const char *name, char key[S3_KEY_MAX + 1],
                    struct err *err)
{
    const struct store_job *row = job_row(job);
    const char *extension = output_choice(o)->container;
    char day[24];
    auto_(buf) struct buf file = BUF_INIT(1024);
    clock_format_utc(row->created_unix_ms / 1000, day, sizeof day);
    if (http_file_name(&file, name ? name : output_description(o)->title, extension) < 0)
        return err_set(err, ERR_INTERNAL, "out of memory");
    int stem = (int)(file.len - strlen(extension) - 1);
    int len = snprintf(key, S3_KEY_MAX + 1, "%s%.*s_%.*s_%.*s.%s", s3_prefix(job_app(job)->s3), stem,
                       buf_str(&file), DAY_LEN, day, ID_DIGITS, row->id, extension);
    return len > 0 && len <= S3_KEY_MAX ? 0 : err_set(err, ERR_INTERNAL, "an object's name is too long");
}

static int tell(const struct job *job, const struct output *o, const char *key, uint64_t bytes,
                json_t *result, struct err *err)
{
    const struct s3 *s3 = job_app(job)->s3;
    const char *slash = strrchr(key, '/');
    auto_(buf) struct buf url = BUF_INIT(URL_MAX);
    if (s3_url(s3, key, &url, err) < 0)
        return -1;
    json_t *all = json_pack("{s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:s}", "title", output_description(o)->title,
                            "choice", output_choice(o)->id, "container", output_choice(o)->container,
                            "size_bytes", (json_int_t)bytes, "bucket", s3_bucket(s3), "key", key, "filename",
                            slash ? slash + 1 : key, "s3_url", buf_str(&url));
    int rc = all ? json_object_update(result, all) : -1;
    json_decref(all);
    return rc < 0 ? err_set(err, ERR_INTERNAL, "cannot write the result") : 0;
}

int job_s3_run(struct job *job, json_t *result, struct err *err)
{
    const char *link = NULL;
    const char *choice = NULL;
    const char *name = NULL;
    char key[S3_KEY_MAX + 1];
    uint64_t bytes = 0;
    struct auth who;
    auto_ptr(output) struct output *o = NULL;
    json_t *input = (json_t *)(uintptr_t)job_input(job); /* json_unpack() does not change it */
    if (json_unpack(input, "{s:s, s:s, s?s}", "url", &link, "choice", &choice, "name", &name) != 0)
        return err_set(err, ERR_BAD_REQUEST, "the input of an S3 job does not read");
    job_progress(job, 0, 0, "asking the site");
    if (!job_app(job)->s3)
        return err_set(err, ERR_STORAGE_MISSING, "there is no bucket in the settings");
    if (job_owner(job, &who, err) < 0)
        return -1;
    const struct output_ask ask = {
        .link = link, .wanted = choice, .who = &who, .cancelled = job_cancelled(job)};
    if (output_find(&o, job_app(job), &ask, err) < 0 || make_key(job, o, name, key, err) < 0)
        return -1;
    const struct s3_upload upload = {job, o, key};
    if (s3_upload_run(&upload, key, &bytes, err) < 0)
        return -1;
    return tell(job, o, key, bytes, result, err);
}

int job_s3_link(struct app *app, const struct store_job *job, json_t **out, struct err *err)
{
    int64_t ttl_s = app->config.s3_link_ttl_s;
    char expires[24];
    auto_(buf) struct buf url = BUF_INIT(URL_MAX);
    json_t *result = job->state == STORE_JOB_DONE ? json_loads(job->result, 0, NULL) : NULL;
    const char *key = json_string_value(json_object_get(result, "key"));
    const char *bucket = json_string_value(json_object_get(result, "bucket"));
    int rc = -1;
    if (strcmp(job->kind, "s3") != 0 || !key || !bucket)
        (void)err_set(err, ERR_NOT_FOUND, "the job has made nothing that a link could lead to");
    else if (!app->s3 || strcmp(bucket, s3_bucket(app->s3)) != 0)
        (void)err_set(err, ERR_STORAGE_MISSING, "it is in another bucket");
    else
        rc = s3_link(app->s3, key, NULL, ttl_s, &url, err);
    json_decref(result);
    if (rc < 0)
        return -1;
    clock_format_utc(clock_unix_s() + ttl_s, expires, sizeof expires);
    *out = json_pack("{s:s, s:s}", "url", buf_str(&url), "expires_at", expires);
    return 0;
}
