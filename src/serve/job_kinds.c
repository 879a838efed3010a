/* Every kind of job, in one table. */
#include "serve/job_kinds.h"

#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "serve/keep.h"

enum { USUAL_ATTEMPTS = 5 };

const struct job_kind job_kinds[] = {
    {"prepare", USUAL_ATTEMPTS, job_prepare_accept, job_prepare_run},
    {"keep", KEEP_ATTEMPTS, NULL, job_keep_run},
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
