/* The events of one job: it is sent whenever it has changed, and at last once it is over. */
#ifndef SLUICE_SERVE_JOB_EVENTS_H
#define SLUICE_SERVE_JOB_EVENTS_H

#include "serve/events.h"

/* `job`: its id; `prefix`: for the links in it. */
int job_events_open(struct events_source *out, struct app *app, const char *job, const char *prefix,
                    struct err *err);

#endif
