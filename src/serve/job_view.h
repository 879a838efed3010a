/* Jobs as whoever asks for them sees them; what the API, the events and the command line share. */
#ifndef SLUICE_SERVE_JOB_VIEW_H
#define SLUICE_SERVE_JOB_VIEW_H

#include <jansson.h>

#include "serve/auth.h"
#include "store/jobs.h"

/* `prefix`: where this server is mounted, for the links; NULL: without links. NULL: out of memory. */
json_t *job_json(const struct store_job *job, const char *prefix);
/* What begins those links, as a client has to write it: the settings may know better than the request. */
const char *job_prefix(const struct app *app, const struct http_request *req);

/* Who owns what this one asks for: "k:" and the id of the key; else "a:" and a hash of the address, which is
 * another one tomorrow. */
int job_owner_name(struct app *app, const struct http_request *req, const struct auth *who,
                   char out[STORE_SUBJECT_MAX], struct err *err);
/* A key's jobs are for that key alone. Those made without a key are for anybody without one who knows the id,
 * which cannot be guessed. */
bool job_is_for(const struct store_job *job, const struct auth *who);

#endif
