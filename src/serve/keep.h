/* Keeping: what is downloaded often enough is stored in the tiers that want it, by jobs in the background.
 *
 * A download counts when its last byte has been sent, or handed to whoever sends it. When there have been as
 * many of a content as a tier asks for (tier_rules.after), the content is claimed there and a job queued, so
 * that it is stored once, however many ask for it at that moment in whatever process. The job makes the file
 * again from its source (output.h), and finds out whether it is still the same. Such jobs wait until nothing
 * else is due, and there are never more than KEEP_QUEUE_MAX of them.
 *
 * Clips are not kept: hardly two people cut alike. Nor is what has subtitles in it, nor what comes from a
 * source that does not say which version it is, as it might be another one tomorrow under the same key. */
#ifndef SLUICE_SERVE_KEEP_H
#define SLUICE_SERVE_KEEP_H

#include "serve/choice.h"
#include "serve/jobs.h"
#include "serve/merge.h"
#include "serve/tier.h"

enum {
    KEEP_QUEUE_MAX = 64,
    KEEP_ATTEMPTS = 5,
    /* So long a content is claimed by a job, from its last attempt on. Jobs have leases of their own; this
     * one ends what a job leaves that was cancelled before it ran. */
    KEEP_LEASE_S = 86400,
};

/* A file that is sent; borrowed. */
struct keep_what {
    const char *link;
    const struct description *description;
    const struct choice *choice;
    const struct choice_wish *wish; /* with which it was found */
    const struct merge_opts *opts;
    const char *etag;
    uint64_t length; /* 0: not known */
};

/* Whether tiers may have it, and under which key. */
bool keep_key(const struct keep_what *what, char key[STORE_CONTENT_KEY_LEN + 1]);
/* It has been downloaded once more. May block. */
void keep_downloaded(struct app *app, const struct keep_what *what);

/* The kind of job. */
int job_keep_run(struct job *job, json_t *result, struct err *err);

#endif
