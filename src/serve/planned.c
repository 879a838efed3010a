/* See planned.h. A value on the shelf: struct head, then the serialised plan. */
#include "serve/planned.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "serve/describe.h"
#include "serve/subtitles.h"

enum {
    LAYOUT_VERSION =
        1, /* raise it when other bytes are made of the same sources, or plans are written otherwise */
    KEY_MAX_BYTES = 65536,
    SECOND_BEST_TTL_S = 86400,   /* long enough to go on with a download; some day better may be had */
    UNKNOWN_VERSION_TTL_S = 300, /* as describe.c keeps what may be replaced at any time */
};

struct head {
    uint64_t length; /* of the file that the plan makes */
    char etag[PLANNED_ETAG_MAX];
};
_Static_assert(sizeof(struct head) % 8 == 0, "the plan behind it has to be aligned");

/* --- names --- */

/* No text can pass for another field, whatever is in it. */
static void add_text(struct buf *out, const char *text)
{
    (void)buf_addf(out, "%zu:%s\n", text ? strlen(text) : 0, text ? text : "");
}

/* What the bytes come from. */
static void add_sources(struct buf *out, const struct description *d, const struct choice *c)
{
    (void)buf_addf(out, "%d\n", LAYOUT_VERSION);
    add_text(out, d->site);
    add_text(out, d->id);
    for (size_t i = 0; i < c->format_count; i++) {
        const struct format *f = c->formats[i];
        add_text(out, f->id);
        (void)buf_addf(out, "%llu %llu\n", (unsigned long long)f->last_modified,
                       (unsigned long long)(f->size_bytes ? f->size_bytes : c->size_bytes));
    }
}

/* And all else that decides about the plan. */
static int add_key(struct buf *out, const struct app *app, const struct description *d,
                   const struct choice *c, const struct merge_opts *o)
{
    add_text(out, SLUICE_VERSION); /* another one may write plans in another way */
    add_sources(out, d, c);
    (void)buf_addf(out, "%llu %llu %d %lld\n", (unsigned long long)o->start_ms, (unsigned long long)o->end_ms,
                   o->fragmented, (long long)app->config.progressive_max_s);
    for (size_t i = 0; o->subtitles && i < o->subtitles->count; i++) {
        add_text(out, o->subtitles->tracks[i].language);
        add_text(out, o->subtitles->tracks[i].hash);
    }
    if (!o->no_tags) {
        add_text(out, d->title);
        add_text(out, d->author);
        add_text(out, d->published);
        add_text(out, d->url);
    }
    return out->failed ? -1 : 0;
}

static void fill_etag(char etag[PLANNED_ETAG_MAX], const void *identity, size_t len)
{
    char hex[HASH_HEX_LEN + 1];
    hash_sha256_hex(identity, len, hex);
    (void)snprintf(etag, PLANNED_ETAG_MAX, "\"%.32s\"", hex);
}

/* --- making --- */

struct job {
    struct app *app;
    const struct planned_wish *wish;
    const char *key;
};

static int64_t keep_until(const struct job *job, bool second_best)
{
    const struct choice *c = job->wish->choice;
    int64_t now = clock_unix_s();
    for (size_t i = 0; i < c->format_count; i++) {
        int64_t ttl = job->app->config.cache_ttl_s;
        if (c->formats[i]->last_modified == 0)
            return now + (ttl < UNKNOWN_VERSION_TTL_S ? ttl : UNKNOWN_VERSION_TTL_S);
    }
    return second_best ? now + SECOND_BEST_TTL_S : SHELF_FOR_EVER;
}

static int make(const struct job *job, struct buf *value, int64_t *expires_unix_s, struct err *err)
{
    const struct description *d = *job->wish->description;
    const struct choice *c = job->wish->choice;
    auto_(merged) struct merged m = {0};
    auto_(buf) struct buf identity = BUF_INIT(SHELF_VALUE_MAX_BYTES);
    if (merge_plan(job->app, d, c, job->wish->opts, &m, err) < 0)
        return -1;
    struct head h = {.length = plan_length(m.plan)};
    add_sources(&identity, d, c);
    size_t plan_at = identity.len;
    if (plan_serialise(m.plan, &identity) < 0)
        return err_set(err, ERR_INTERNAL, "the plan is too large");
    fill_etag(h.etag, identity.data, identity.len);
    *expires_unix_s = keep_until(job, m.second_best);
    (void)buf_add(value, &h, sizeof h);
    (void)buf_add(value, identity.data + plan_at, identity.len - plan_at);
    return value->failed ? err_set(err, ERR_INTERNAL, "the plan is too large") : 0;
}

/* A fresh description in place of one whose URLs have died, if it leads to the same bytes. */
static int renew(struct job *job, struct err *err)
{
    const struct planned_wish *w = job->wish;
    struct choice choice;
    auto_ptr(description) struct description *fresh = NULL;
    if (serve_describe(job->app, w->link, *w->description, &fresh, NULL, err) < 0 ||
        choice_find(fresh, w->choice->id, w->wish, &choice, err) < 0)
        return -1;
    auto_(buf) struct buf key = BUF_INIT(KEY_MAX_BYTES);
    if (add_key(&key, job->app, fresh, &choice, w->opts) < 0 || strcmp(buf_str(&key), job->key) != 0)
        return err_set(err, ERR_SOURCE_CHANGED, "what the link leads to is not what it was");
    description_free(*w->description);
    *w->description = steal(&fresh);
    *w->choice = choice;
    return 0;
}

/* Source URLs may die before their time: one fresh extraction is worth it. */
static int make_or_renew(struct job *job, struct buf *value, int64_t *expires_unix_s, struct err *err)
{
    struct err again = {0};
    if (make(job, value, expires_unix_s, err) == 0)
        return 0;
    if (err->code != ERR_UPSTREAM_FAILED)
        return -1;
    log_event(LOG_WARN, "plan-renewed", "why", err->text, NULL);
    if (renew(job, &again) == 0)
        return make(job, value, expires_unix_s, err);
    if (again.code == ERR_SOURCE_CHANGED)
        *err = again;
    return -1;
}

/* A cache_produce_fn. */
static int produce(void *ctx, struct buf *value, int64_t *expires_unix_s, struct err *err)
{
    struct job *job = ctx;
    struct gate_ticket ticket = {0};
    if (gate_enter(job->app->plans, &ticket, NULL, err) < 0)
        return -1;
    int rc = make_or_renew(job, value, expires_unix_s, err);
    gate_depart(job->app->plans, &ticket);
    return rc;
}

/* --- getting --- */

/* One format as it is: a plan of one segment, quicker made than remembered. */
static int pass_through(const struct planned_wish *w, struct planned *out, struct err *err)
{
    auto_ptr(plan) struct plan *p = plan_new();
    auto_(buf) struct buf identity = BUF_INIT(KEY_MAX_BYTES);
    if (!p || plan_add_source(p, 0, 0, w->choice->size_bytes, err) < 0)
        return err_set(err, ERR_INTERNAL, "out of memory");
    add_sources(&identity, *w->description, w->choice);
    if (plan_serialise(p, &identity) < 0)
        return err_set(err, ERR_INTERNAL, "out of memory");
    fill_etag(out->etag, identity.data, identity.len);
    out->plan = steal(&p);
    return 0;
}

/* Takes a value apart. */
static int view(struct planned *out, struct err *err)
{
    struct head h;
    const char *data = shelf_value_data(out->value);
    size_t len = shelf_value_size(out->value);
    if (len < sizeof h)
        return err_set(err, ERR_INTERNAL, "a remembered plan of %zu bytes", len);
    memcpy(&h, data, sizeof h);
    memcpy(out->etag, h.etag, sizeof out->etag);
    out->etag[sizeof out->etag - 1] = '\0';
    return plan_view(&out->plan, data + sizeof h, len - sizeof h, err);
}

int planned_get(struct app *app, const struct planned_wish *wish, struct planned *out, struct err *err)
{
    *out = (struct planned){0};
    if (wish->choice->make == CHOICE_AS_IS)
        return pass_through(wish, out, err);
    auto_(buf) struct buf key = BUF_INIT(KEY_MAX_BYTES);
    if (add_key(&key, app, *wish->description, wish->choice, wish->opts) < 0)
        return err_set(err, ERR_INTERNAL, "the plan's name is too long");
    struct job job = {.app = app, .wish = wish, .key = buf_str(&key)};
    if (shelf_get(app->shelf, job.key, produce, &job, &out->value, err) == 0 && view(out, err) == 0)
        return 0;
    planned_fini(out);
    return -1;
}

void planned_fini(struct planned *p)
{
    plan_free(p->plan);
    shelf_value_free(p->value);
    *p = (struct planned){0};
}

void planned_sizes(struct app *app, const struct description *d, struct choice *list, size_t count)
{
    const struct merge_opts usual = {0};
    for (size_t i = 0; i < count; i++) {
        struct head h;
        auto_(buf) struct buf key = BUF_INIT(KEY_MAX_BYTES);
        if (list[i].make != CHOICE_SPLICE || add_key(&key, app, d, &list[i], &usual) < 0 ||
            !shelf_peek(app->shelf, buf_str(&key), &h, sizeof h))
            continue;
        list[i].size_bytes = h.length;
        list[i].size_exact = true;
    }
}
