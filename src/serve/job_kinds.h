/* The kinds of jobs, one file each; for job_kinds.c, the table of all. */
#ifndef SLUICE_SERVE_JOB_KINDS_H
#define SLUICE_SERVE_JOB_KINDS_H

#include "serve/auth.h"
#include "serve/jobs.h"

/* Its owner, who may have been disabled since: as auth_identify() would tell. Charges nothing. */
int job_owner(const struct job *job, struct auth *out, struct err *err);

int job_prepare_accept(struct app *app, const struct http_request *req, json_t *input, struct err *err);
int job_prepare_run(struct job *job, json_t *result, struct err *err);

#endif
