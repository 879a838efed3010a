/* {"kind":"prepare","url":…,"choice":…}: everything that a stream needs before its first byte, found out and
 * kept now, so that the stream begins at once. The result says what it will be, and where. */
#include <string.h>

#include "base/clock.h"
#include "serve/choice.h"
#include "serve/describe.h"
#include "serve/job_kinds.h"
#include "serve/planned.h"
#include "serve/token.h"

enum { LINK_TEXT_MAX = 16384, PREFIX_MAX = 1024 };

int job_prepare_accept(struct app *app, const struct http_request *req, json_t *input, struct err *err)
{
    (void)app;
    if (job_take_choice(http_param(req, "url"), http_param(req, "choice"), input, err) < 0)
        return -1;
    int rc = json_object_set_new(input, "prefix", json_string(req->prefix)); /* of the link to come */
    return rc < 0 ? err_set(err, ERR_BAD_REQUEST, "the job's input is not UTF-8") : 0;
}

/* As far as it can be planned; what is made while it is sent has no plan. */
static int plan(struct app *app, const char *link, struct description **d, struct choice *c, struct err *err)
{
    const struct merge_opts usual = {0};
    auto_(planned) struct planned planned = {0};
    if (c->make > CHOICE_SPLICE || c->size_bytes == 0)
        return 0;
    const struct planned_wish wish = {.link = link, .description = d, .choice = c, .opts = &usual};
    if (planned_get(app, &wish, &planned, err) < 0) {
        if (err->code != ERR_UNSUPPORTED_SITE || c->make != CHOICE_SPLICE)
            return -1;
        *err = (struct err){0}; /* libav makes it then */
        c->make = CHOICE_MP4;
        c->size_exact = false;
        return 0;
    }
    c->size_bytes = plan_length(planned.plan);
    c->size_exact = true;
    return 0;
}

static int tell(const struct job *job, const struct auth *who, const struct description *d,
                const struct choice *c, json_t *result, struct err *err)
{
    struct app *app = job_app(job);
    char expires[24];
    auto_(buf) struct buf url = BUF_INIT(LINK_TEXT_MAX);
    const char *prefix = json_string_value(json_object_get(job_input(job), "prefix"));
    const struct token_holder holder = {.prefix = prefix ? prefix : "", .key_id = auth_key_id(who)};
    if (token_link(app, &holder, "stream", d->url, c->id, &url, err) < 0)
        return -1;
    clock_format_utc(clock_unix_s() + app->config.token_ttl_s, expires, sizeof expires);
    json_t *all = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:o, s:b, s:b, s:s, s:s}", "title", d->title, "choice", c->id, "label",
        c->label, "container", c->container, "codecs", c->codecs, "size_bytes",
        c->size_bytes ? json_integer((json_int_t)c->size_bytes) : json_null(), "size_exact", c->size_exact,
        "resumable", choice_resumable(c), "stream_url", buf_str(&url), "expires_at", expires);
    int rc = all ? json_object_update(result, all) : -1;
    json_decref(all);
    return rc < 0 ? err_set(err, ERR_INTERNAL, "cannot write the result") : 0;
}

int job_prepare_run(struct job *job, json_t *result, struct err *err)
{
    const char *link = NULL;
    const char *wanted = NULL;
    struct choice choice;
    struct auth who;
    auto_ptr(description) struct description *d = NULL;
    json_t *input = (json_t *)(uintptr_t)job_input(job); /* json_unpack() does not change it */
    if (json_unpack(input, "{s:s, s:s}", "url", &link, "choice", &wanted) != 0)
        return err_set(err, ERR_BAD_REQUEST, "the input of a prepare job does not read");
    job_progress(job, 0, 0, "asking the site");
    if (job_owner(job, &who, err) < 0 || serve_describe(job_app(job), link, NULL, &d, NULL, err) < 0 ||
        auth_check_site(&who, d->site, err) < 0 || choice_find(d, wanted, NULL, &choice, err) < 0)
        return -1;
    if (atomic_load(job_cancelled(job)))
        return err_set(err, ERR_BUSY, "cancelled");
    job_progress(job, 0, choice.size_bytes, "planning the file");
    if (plan(job_app(job), link, &d, &choice, err) < 0)
        return -1;
    return tell(job, &who, d, &choice, result, err);
}
