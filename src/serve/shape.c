/* See shape.h. */
#include "serve/shape.h"

#include "base/log.h"
#include "site/header_lines.h"

/* The size of a format the site did not tell: asked with one bounded range. Not knowing is no error. */
static uint64_t probe_size(struct app *app, const struct format *f)
{
    struct err ignored = {0};
    auto_(net_answer) struct net_answer answer = {0};
    auto_(header_lines) struct header_lines headers;
    struct net_call call = {.url = f->url, .user_agent = f->user_agent, .max_bytes = 16, .range_length = 2};
    if (header_lines_init(&headers, f->headers) < 0)
        return 0;
    call.headers = headers.lines;
    call.egress = f->egress;
    if (net_call(app->net, &call, &answer, &ignored) < 0 || (answer.status != 200 && answer.status != 206))
        return 0;
    return answer.total_size;
}

static int make(struct app *app, const struct planned_wish *w, struct shape *out, struct err *err)
{
    if (made_new(&out->made, app, *w->description, w->choice, w->opts->no_tags, err) < 0)
        return -1;
    out->length = made_length(out->made);
    return 0;
}

int shape_find(struct app *app, const struct planned_wish *wish, bool only_planned, struct shape *out,
               struct err *err)
{
    struct choice *c = wish->choice;
    *out = (struct shape){0};
    if (c->make > CHOICE_SPLICE)
        return make(app, wish, out, err);
    if (c->size_bytes == 0)
        c->size_bytes = probe_size(app, c->formats[0]);
    if (c->size_bytes == 0)
        return 0;
    if (planned_get(app, wish, &out->planned, err) < 0) {
        if (err->code != ERR_UNSUPPORTED_SITE || c->make != CHOICE_SPLICE || only_planned)
            return -1;
        log_event(LOG_INFO, "not-planned", "why", err->text, NULL);
        c->make = CHOICE_MP4;
        *err = (struct err){0};
        return make(app, wish, out, err);
    }
    out->length = plan_length(out->planned.plan);
    return 0;
}

const char *shape_etag(const struct shape *s)
{
    return s->made ? made_etag(s->made) : s->planned.etag;
}

void shape_fini(struct shape *s)
{
    made_free(s->made);
    planned_fini(&s->planned);
    *s = (struct shape){0};
}
