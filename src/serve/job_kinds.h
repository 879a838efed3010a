/* The kinds of jobs, one file each; for job_kinds.c, the table of all. */
#ifndef SLUICE_SERVE_JOB_KINDS_H
#define SLUICE_SERVE_JOB_KINDS_H

#include "serve/auth.h"
#include "serve/jobs.h"

/* Its owner, who may have been disabled since: as auth_identify() would tell. Charges nothing. */
int job_owner(const struct job *job, struct auth *out, struct err *err);

/* Puts a link and a choice (NULL: best) into the input: those of a file, not of subtitles. */
int job_take_choice(const char *link, const char *choice, json_t *input, struct err *err);

/* Queues one with this input. ERR_QUOTA_EXCEEDED, ERR_BUSY: so many are in hand. */
int job_add(struct app *app, const struct http_request *req, const struct auth *who,
            const struct job_kind *kind, const char *input, struct store_job *out, struct err *err);

int job_prepare_accept(struct app *app, const struct http_request *req, json_t *input, struct err *err);
int job_prepare_run(struct job *job, json_t *result, struct err *err);

/* Borrowed; NULL: none. */
struct job_s3_ask {
    const char *link, *choice, *name;
};
/* The input of such a job, which whoever calls has to free(). */
int job_s3_input(struct app *app, const struct job_s3_ask *ask, char **input, struct err *err);
int job_s3_accept(struct app *app, const struct http_request *req, json_t *input, struct err *err);
int job_s3_run(struct job *job, json_t *result, struct err *err);
/* An address from which what such a job has uploaded can be downloaded by whoever has it: {url, expires_at}.
 * ERR_NOT_FOUND: it has not, or is another kind of job. */
int job_s3_link(struct app *app, const struct store_job *job, json_t **out, struct err *err);

#endif
