/* See mend.h. */
#include "serve/mend.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "serve/describe.h"

_Static_assert((int)LADDER_SOURCES_MAX == (int)CHOICE_FORMATS_MAX, "each source has its own place");

enum { URL_MAX_BYTES = 8192, CLIENTS_TRIED_MAX = 4 };

/* The way on: other places for sources of the same description, or a description in which the choice is made
 * of the very same bytes, and places that go with it. */
struct fresh {
    struct description *description; /* NULL: the same */
    struct choice choice;
    char *elsewhere[CHOICE_FORMATS_MAX];
};

void mend_discard(void *fresh)
{
    struct fresh *f = fresh;
    for (size_t i = 0; i < ARRAY_LEN(f->elsewhere); i++)
        free(f->elsewhere[i]);
    description_free(f->description);
    free(f);
}

/* The URL of this format on its other host; NULL: there is none. */
static char *url_elsewhere(const struct mend *m, const struct format *f)
{
    auto_(buf) struct buf url = BUF_INIT(URL_MAX_BYTES);
    if (choice_is_list(f) || site_other_host(&m->app->site, f->url, &url) < 0)
        return NULL;
    return buf_steal(&url);
}

/* ---- The steps ---- */

static struct fresh *other_host(const struct mend *m, unsigned source)
{
    char *url = m->elsewhere[source] ? NULL : url_elsewhere(m, m->choice->formats[source]);
    struct fresh *f = url ? calloc(1, sizeof *f) : NULL;
    if (f)
        f->elsewhere[source] = url;
    else
        free(url);
    return f;
}

static bool same_urls(const struct choice *a, const struct choice *b)
{
    bool same = a->format_count == b->format_count;
    for (size_t i = 0; same && i < a->format_count; i++)
        same = strcmp(a->formats[i]->url, b->formats[i]->url) == 0;
    return same;
}

/* What is remembered may be newer than ours already; else it is extracted again. `client` NULL: any. Other
 * sources that had to leave their host stay away from it. */
static struct fresh *describe(const struct mend *m, const char *client, unsigned source, struct err *err)
{
    auto_ptr(description) struct description *d = NULL;
    struct choice choice;
    for (bool again = false;; again = true) {
        auto_ptr(description) struct description *stale = steal(&d);
        int rc = client ? serve_describe_by(m->app, client, m->link, stale, &d, err)
                        : serve_describe(m->app, m->link, stale, &d, NULL, err);
        if (rc < 0 || choice_find(d, m->choice->id, m->wish, &choice, err) < 0)
            return NULL;
        if (again || !same_urls(&choice, m->choice))
            break;
    }
    if (m->choice->make == CHOICE_MP4)
        choice.make = CHOICE_MP4;
    struct fresh *f = choice_same_sources(m->choice, &choice) ? malloc(sizeof *f) : NULL;
    if (!f) {
        (void)err_set(err, ERR_SOURCE_CHANGED, "the source changed while it was being sent");
        return NULL;
    }
    description_narrow(d, choice.formats, choice.format_count);
    *f = (struct fresh){.description = steal(&d), .choice = choice};
    for (unsigned i = 0; i < choice.format_count; i++) {
        if (i != source && m->elsewhere[i])
            f->elsewhere[i] = url_elsewhere(m, choice.formats[i]);
    }
    return f;
}

static struct fresh *other_client(const struct mend *m, unsigned source)
{
    char client[SITE_CLIENT_MAX];
    const char *engine = (*m->description)->engine;
    struct fresh *f = NULL;
    for (unsigned n = 0; !f && n < CLIENTS_TRIED_MAX; n++) {
        struct err err = {0};
        if (site_other_client(&m->app->site, engine, n, client) < 0)
            break;
        f = describe(m, client, source, &err);
    }
    return f;
}

static struct fresh *take(const struct mend *m, enum ladder_step step, unsigned source, struct err *err)
{
    switch (step) {
    case LADDER_SAME:
        return calloc(1, sizeof(struct fresh));
    case LADDER_HOST:
        return other_host(m, source);
    case LADDER_CLIENT:
        return other_client(m, source);
    case LADDER_AGAIN:
    case LADDER_LAST:
        return describe(m, NULL, source, err);
    case LADDER_END:
        break;
    }
    return NULL;
}

void *mend_renew(struct mend *m, unsigned source, uint64_t at, const struct err *why, struct err *err)
{
    struct fresh *f = NULL;
    *err = *why;
    while (!f) {
        enum ladder_step step = ladder_next(&m->ladder, source, why, at);
        if (step == LADDER_END)
            return NULL;
        f = take(m, step, source, err);
        log_event(LOG_WARN, "source-renewed", "why", why->text, "step", ladder_name(step), "found",
                  f ? "yes" : "no", NULL);
        if (!f && err->code == ERR_SOURCE_CHANGED)
            return NULL;
    }
    return f;
}

/* ---- Going on ---- */

void mend_sources(const struct mend *m, struct pump_source sources[PLAN_SOURCES_MAX])
{
    const struct choice *c = m->choice;
    uint64_t whole = c->make == CHOICE_AS_IS ? m->length : 0;
    for (size_t i = 0; i < c->format_count; i++) {
        const struct format *f = c->formats[i];
        sources[i] = (struct pump_source){
            .url = m->elsewhere[i] ? m->elsewhere[i] : f->url,
            .user_agent = f->user_agent,
            .headers = f->headers,
            .egress = f->egress,
            .size = f->size_bytes ? f->size_bytes : whole,
            .is_hls = choice_is_list(f),
            .site = (*m->description)->site,
            .id = (*m->description)->id,
            .format = f->id,
            .version = f->last_modified,
        };
    }
}

void mend_fini(struct mend *m)
{
    for (size_t i = 0; i < ARRAY_LEN(m->elsewhere); i++)
        free(steal(&m->elsewhere[i]));
}

void mend_adopt(struct mend *m, void *fresh, struct pump_source sources[PLAN_SOURCES_MAX])
{
    struct fresh *f = fresh;
    if (f->description) {
        mend_fini(m);
        description_free(*m->description);
        *m->description = steal(&f->description);
        *m->choice = f->choice;
    }
    for (size_t i = 0; i < ARRAY_LEN(f->elsewhere); i++) {
        if (f->elsewhere[i]) {
            free(m->elsewhere[i]);
            m->elsewhere[i] = steal(&f->elsewhere[i]);
        }
    }
    mend_discard(f);
    mend_sources(m, sources);
}
