/* A choice that is made here → the plan of its bytes: the headers of its sources are fetched, eight ranges at
 * a time, and media/splice.h makes the plan. Nothing is remembered here: see planned.h. */
#ifndef SLUICE_SERVE_MERGE_H
#define SLUICE_SERVE_MERGE_H

#include "media/plan.h"
#include "serve/app.h"
#include "serve/choice.h"

struct subtitle_set;

struct merge_opts {
    uint64_t start_ms, end_ms;            /* a clip; 0, 0: everything; end 0: to the end */
    bool no_tags;                         /* leave out title, author, source link and cover */
    const struct subtitle_set *subtitles; /* tracks of theirs, in the progressive layout; NULL: none */
    bool fragmented; /* the fragmented layout, even where the progressive one can be had */
};

/* What came of it: merged_fini(). */
struct merged {
    struct plan *plan;
    bool second_best; /* the fragmented layout, because the headers of the other took longer than plan_wait_s;
                         or without the cover, because that could not be had */
};

/* Errors: ERR_UPSTREAM_FAILED with upstream_status where a source answered so; ERR_UNSUPPORTED_SITE: the
 * sources are of a shape that cannot be planned; ERR_BAD_REQUEST: the clip is empty. */
int merge_plan(struct app *app, const struct description *d, const struct choice *c,
               const struct merge_opts *opts, struct merged *out, struct err *err);

static inline void merged_fini(struct merged *m)
{
    plan_free(m->plan);
}

DEFINE_AUTO(merged, merged_fini)

#endif
