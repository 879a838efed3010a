/* Every kind of job, in one table. */
#include "serve/job_kinds.h"

#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "serve/choice.h"
#include "serve/describe.h"
#include "serve/keep.h"
#include "serve/subtitles.h"

enum { USUAL_ATTEMPTS = 5, S3_ATTEMPTS = 10 /* each goes on where the last one ended */ };

const struct job_kind job_kinds[] = {
    {"prepare", USUAL_ATTEMPTS, job_prepare_accept, job_prepare_run},
    {"keep", KEEP_ATTEMPTS, NULL, job_keep_run},
    {"s3", S3_ATTEMPTS, job_s3_accept, job_s3_run},
};

const size_t job_kind_count = ARRAY_LEN(job_kinds);

int job_owner(const struct job *job, struct auth *out, struct err *err)
{
    const char *owner = job_row(job)->owner;
    *out = (struct auth){0};
    if (!text_starts_with(owner, "k:"))
        return 0;
    int found = store_key_get(job_app(job)->store, owner + 2, &out->key, err);
    if (found < 0)
        return -1;
    if (!found || out->key.state != STORE_KEY_ACTIVE ||
        (out->key.expires_unix_s && out->key.expires_unix_s <= clock_unix_s()))
        return err_set(err, ERR_KEY_DISABLED, "the job's key is not active");
    out->has_key = true;
    return 0;
}

int job_take_choice(const char *link, const char *choice, json_t *input, struct err *err)
{
    struct link parsed;
    if (!link || !*link)
        return err_set(err, ERR_BAD_URL, "no url given");
    if (serve_parse_link(&parsed, link, err) < 0)
        return -1;
    if (!choice || !*choice)
        choice = "best";
    if (strlen(choice) >= CHOICE_ID_MAX || is_subtitle_choice(choice))
        return err_set(err, ERR_NO_SUCH_CHOICE, "not a choice of a file");
    int rc = json_object_set_new(input, "url", json_string(link));
    rc |= json_object_set_new(input, "choice", json_string(choice));
    return rc < 0 ? err_set(err, ERR_BAD_REQUEST, "the job's input is not UTF-8") : 0;
}
