/* A choice → the plan of its bytes. For a format as it is that is one segment; for a merged file the headers
 * of its sources are fetched (eight ranges at a time) and media/splice.h makes the plan. */
#ifndef SLUICE_SERVE_MERGE_H
#define SLUICE_SERVE_MERGE_H

#include "media/plan.h"
#include "serve/app.h"
#include "serve/choice.h"

enum { MERGE_ETAG_MAX = 48 };

struct merge_opts {
    uint64_t start_ms, end_ms; /* a clip; 0, 0: everything; end 0: to the end */
    bool no_tags;              /* leave out title, author, source link and cover */
    bool fragmented;           /* the fragmented layout, even where the progressive one can be had */
};

/* *out: plan_free(). `etag`: a strong ETag, quotes included: of the identity of the sources and of every byte
 * of the plan, so that equal tags mean equal files across processes, restarts and new extractions. Errors:
 * ERR_UPSTREAM_FAILED with upstream_status where a source answered so; ERR_UNSUPPORTED_SITE: the sources are
 * of a shape that cannot be planned; ERR_BAD_REQUEST: the clip is empty. */
int merge_plan(struct app *app, const struct description *d, const struct choice *c,
               const struct merge_opts *opts, struct plan **out, char etag[MERGE_ETAG_MAX], struct err *err);

#endif
