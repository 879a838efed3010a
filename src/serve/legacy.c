/* The routes of older clients, written for services that ran yt-dlp behind two or three addresses: the same
 * functions as everywhere, in the words those clients know. GET /info and GET /stream are serve_info() and
 * serve_stream() themselves; here are
 *
 * - GET /download?url=[&quality=] and POST /stream_video (a form or JSON: url, quality): the bytes. quality
 * is `720p`, `720` or `1280x720` (that height at most, never silently higher), `best`, `audio`, or the id of
 * a choice. All parameters of /api/v1/stream count as well;
 * - GET /api/video?url=: {title, formats: [{quality, url, itag, ext}], duration, thumbnail}, with a row for
 *   every choice. url is a `data` link of ours; itag and quality are what yt-dlp calls format_id and
 *   resolution: "137+140", "1920x1080" or "audio only";
 * - POST /api/upload-s3 (a form or JSON: url, title, quality): an s3 job (job_s3.c), answered when it is over
 * with {success, s3_url, filename}. The job goes on when whoever asked leaves;
 * - GET /progress?id=: how far a stream has come. id is the X-Request-Id of its answer, which is 64 random
 *   bits: whoever has it was told. What has ended is not found. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "serve/auth.h"
#include "serve/choice.h"
#include "serve/describe.h"
#include "serve/job_kinds.h"
#include "serve/serve.h"
#include "serve/settings.h"
#include "serve/stream.h"
#include "serve/token.h"

enum { LINK_TEXT_MAX = 24576, HEIGHT_MAX = 99999, WAIT_LOOK_MS = 200 };

static int send_json(struct http_response *res, json_t *root, struct err *err)
{
    auto_ptr(char) char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    if (!text)
        return err_set(err, ERR_INTERNAL, "cannot write JSON");
    (void)http_set_header(res, "Cache-Control", "private, no-store");
    (void)http_send(res, "application/json", text, strlen(text));
    return 0;
}

/* --- the bytes --- */

/* What choice_find() calls it; `room` is for what has to be written anew. */
static const char *choice_of(const char *quality, char room[16])
{
    uint64_t height;
    uint64_t width;
    if (strcmp(quality, "audio only") == 0)
        return "audio";
    size_t digits = strspn(quality, "0123456789");
    const char *number = quality;
    if (quality[digits] == 'x' && text_parse_u64n(quality, digits, 1, HEIGHT_MAX, &width) == 0) {
        number += digits + 1;
        digits = strspn(number, "0123456789");
    }
    if (text_parse_u64n(number, digits, 1, HEIGHT_MAX, &height) < 0 ||
        (number[digits] != '\0' && strcmp(number + digits, "p") != 0))
        return quality;
    (void)snprintf(room, 16, "<=%up", (unsigned)height);
    return room;
}

int serve_legacy_download(struct app *app, const struct http_request *req, struct http_response *res,
                          struct err *err)
{
    char room[16];
    const char *quality = http_param(req, "quality");
    const struct stream_ask ask = {
        .link = http_param(req, "url"),
        .wanted = quality ? choice_of(quality, room) : NULL,
    };
    return serve_stream_of(app, req, &ask, res, err);
}

/* --- what there is --- */

static json_t *format_json(const struct choice *c, const char *url)
{
    char quality[32] = "unknown";
    auto_(buf) struct buf itag = BUF_INIT(1024);
    if (c->kind == FORMAT_AUDIO)
        (void)text_copy(quality, sizeof quality, "audio only");
    else if (c->formats[0]->width > 0 && c->formats[0]->height > 0)
        (void)snprintf(quality, sizeof quality, "%dx%d", c->formats[0]->width, c->formats[0]->height);
    for (size_t i = 0; i < c->format_count; i++)
        (void)buf_addf(&itag, "%s%s", i ? "+" : "", c->formats[i]->id);
    return json_pack("{s:s, s:s, s:s, s:s}", "quality", quality, "url", url, "itag", buf_str(&itag), "ext",
                     c->container);
}

/* The array of them all; NULL with *err. */
static json_t *formats_json(struct app *app, const struct token_holder *holder, const struct description *d,
                            struct err *err)
{
    struct choice *list = NULL;
    size_t count = 0;
    if (choice_list(d, &list, &count, err) < 0)
        return NULL;
    json_t *array = json_array();
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++) {
        auto_(buf) struct buf url = BUF_INIT(LINK_TEXT_MAX);
        rc = token_link(app, holder, "stream", d->url, list[i].id, &url, err);
        if (rc == 0 && json_array_append_new(array, format_json(&list[i], buf_str(&url))) < 0)
            rc = err_set(err, ERR_INTERNAL, "out of memory");
    }
    free(list);
    if (rc == 0)
        return array;
    json_decref(array);
    return NULL;
}

int serve_legacy_video(struct app *app, const struct http_request *req, struct http_response *res,
                       struct err *err)
{
    const char *link = http_param(req, "url");
    auto_ptr(description) struct description *d = NULL;
    struct auth who;
    if (auth_admit(app, req, &who, res, err) < 0)
        return -1;
    if (!link || !*link)
        return err_set(err, ERR_BAD_URL, "no url given");
    if (serve_describe_for(app, &who, link, res, &d, err) < 0)
        return -1;
    const struct token_holder holder = {.prefix = req->prefix, .key_id = auth_key_id(&who)};
    json_t *formats = formats_json(app, &holder, d, err);
    if (!formats)
        return -1;
    return send_json(
        res,
        json_pack("{s:s, s:o, s:o, s:s?}", "title", d->title, "formats", formats, "duration",
                  d->duration_ms ? json_integer((json_int_t)((d->duration_ms + 500) / 1000)) : json_null(),
                  "thumbnail", d->thumbnail),
        err);
}

/* --- into the bucket --- */

static int queue_upload(struct app *app, const struct http_request *req, struct http_response *res,
                        struct store_job *job, struct err *err)
{
    char room[16];
    struct auth who;
    const char *quality = http_param(req, "quality");
    const char *title = http_param(req, "title");
    if (quality && strlen(quality) >= CHOICE_ID_MAX)
        return err_set(err, ERR_NO_SUCH_CHOICE, "no such quality");
    const struct job_s3_ask ask = {
        .link = http_param(req, "url"),
        .choice = quality && *quality ? choice_of(quality, room) : "best",
        .name = title,
    };
    auto_ptr(char) char *input = NULL;
    if (settings_admit(app, err) < 0 || auth_identify(app, req, NULL, &who, err) < 0 ||
        job_s3_input(app, &ask, &input, err) < 0 || auth_charge(app, &who, NULL, res, err) < 0)
        return -1;
    return job_add(app, req, &who, job_kind_find("s3"), input, job, err);
}

/* Until it is over. */
static int wait_for_job(struct app *app, struct http_response *res, struct store_job *job, struct err *err)
{
    while (!store_job_is_over(job->state)) {
        struct store_job now;
        clock_sleep_ms(WAIT_LOOK_MS);
        if (http_look(res) || atomic_load(&app->ending))
            return err_set(err, ERR_BUSY, "nobody waits for the job any more");
        int found = store_job_get(app->store, job->id, &now, err);
        if (found <= 0)
            return found < 0 ? -1 : err_set(err, ERR_NOT_FOUND, "the job is gone");
        store_job_fini(job);
        *job = now;
    }
    if (job->state == STORE_JOB_DONE)
        return 0;
    return err_set(err, *job->error ? err_code_of(job->error) : ERR_BUSY,
                   "the job has failed, or was cancelled");
}

int serve_legacy_upload(struct app *app, const struct http_request *req, struct http_response *res,
                        struct err *err)
{
    auto_(store_job) struct store_job job = {0};
    if (queue_upload(app, req, res, &job, err) < 0 || wait_for_job(app, res, &job, err) < 0)
        return -1;
    json_t *result = json_loads(job.result, 0, NULL);
    json_t *root = json_pack("{s:b, s:O*, s:O*}", "success", 1, "s3_url", json_object_get(result, "s3_url"),
                             "filename", json_object_get(result, "filename"));
    json_decref(result);
    return send_json(res, root, err);
}

/* --- how far it is --- */

static json_t *progress_json(const struct live_stream *s)
{
    json_t *root = json_pack("{s:s, s:s, s:I, s:I}", "id", s->request, "status", live_state_name(s->state),
                             "sent_bytes", (json_int_t)s->sent_bytes, "bytes_per_s",
                             (json_int_t)s->bytes_per_s);
    if (root && s->total_bytes) {
        uint64_t left = s->total_bytes > s->sent_bytes ? s->total_bytes - s->sent_bytes : 0;
        (void)json_object_set_new(root, "total_bytes", json_integer((json_int_t)s->total_bytes));
        (void)json_object_set_new(
            root, "percent", json_real(100.0 * (double)(s->total_bytes - left) / (double)s->total_bytes));
        if (s->bytes_per_s)
            (void)json_object_set_new(root, "eta_s", json_integer((json_int_t)(left / s->bytes_per_s)));
    }
    return root;
}

int serve_legacy_progress(struct app *app, const struct http_request *req, struct http_response *res,
                          struct err *err)
{
    const char *id = http_param(req, "id");
    struct auth who;
    struct live_stream *streams = NULL;
    size_t count = 0;
    size_t i = 0;
    if (auth_identify(app, req, NULL, &who, err) < 0)
        return -1;
    if (!id || !*id)
        return err_set(err, ERR_BAD_REQUEST, "no id given");
    if (live_list(app->live, &streams, &count, err) < 0)
        return -1;
    while (i < count && strcmp(streams[i].request, id) != 0)
        i++;
    int rc = i < count ? send_json(res, progress_json(&streams[i]), err)
                       : err_set(err, ERR_NOT_FOUND, "no such stream is running");
    free(streams);
    return rc;
}
