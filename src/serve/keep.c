/* See keep.h. */
#include "serve/keep.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "http/names.h"
#include "serve/output.h"
#include "serve/subtitles.h"

static const char owner[] = "s:keep"; /* nobody's who could ask for it */

/* ---- What may be kept ---- */

bool keep_key(const struct keep_what *w, char key[STORE_CONTENT_KEY_LEN + 1])
{
    const struct merge_opts *o = w->opts;
    bool may = w->length > 0 && !o->start_ms && !o->end_ms && !(o->subtitles && o->subtitles->count);
    for (size_t i = 0; may && i < w->choice->format_count; i++)
        may = w->choice->formats[i]->last_modified != 0;
    if (!may || strlen(w->etag) != STORE_CONTENT_KEY_LEN + 2 || w->etag[0] != '"')
        return false;
    memcpy(key, w->etag + 1, STORE_CONTENT_KEY_LEN);
    key[STORE_CONTENT_KEY_LEN] = '\0';
    return strspn(key, "0123456789abcdef") == STORE_CONTENT_KEY_LEN;
}

/* ---- Queueing ---- */

static json_t *input_of(const struct keep_what *w, const struct store_content *c)
{
    const struct choice_wish none = {0};
    const struct choice_wish *wish = w->wish ? w->wish : &none;
    return json_pack("{s:s, s:s, s:s*, s:s*, s:s*, s:b, s:b, s:s, s:s, s:s, s:I}", "url", w->link, "choice",
                     w->choice->id, "lang", wish->language, "codec", wish->codec, "wanted_container",
                     wish->container, "fragmented", w->opts->fragmented, "no_tags", w->opts->no_tags, "tier",
                     c->tier, "content", c->key, "lease", c->lease, "bytes", (json_int_t)c->bytes);
}

static int queue(struct app *app, const struct keep_what *w, const struct store_content *c, struct err *err)
{
    char id[STORE_JOB_ID_LEN + 1];
    json_t *input = input_of(w, c);
    auto_ptr(char) char *text = input ? json_dumps(input, JSON_COMPACT) : NULL;
    json_decref(input);
    if (!text)
        return err_set(err, ERR_INTERNAL, "the job's input is not UTF-8");
    const struct store_job_order order = {
        .kind = "keep",
        .owner = owner,
        .input = text,
        .max_attempts = KEEP_ATTEMPTS,
        .max_of_owner = KEEP_QUEUE_MAX,
        .max_of_all = app->config.max_jobs,
        .place = *c->place ? c->place : NULL,
        .later = true,
    };
    return store_job_add(app->store, &order, id, err);
}

static struct store_content content_of(const struct keep_what *w, const char *key)
{
    struct store_content c = {.bytes = w->length};
    (void)snprintf(c.key, sizeof c.key, "%s", key);
    store_content_name(&c, w->description->site, w->description->id);
    return c;
}

static int keep_in(struct app *app, const struct tier *tier, const struct keep_what *w, const char *key,
                   struct err *err)
{
    struct err ignored = {0};
    struct store_content c = content_of(w, key);
    (void)snprintf(c.tier, sizeof c.tier, "%s", tier->name);
    (void)snprintf(c.place, sizeof c.place, "%s", tier_place(app, tier));
    int rc = store_content_claim(app->store, &c, KEEP_LEASE_S, err);
    if (rc <= 0)
        return rc;
    if (queue(app, w, &c, err) == 0)
        return 0;
    (void)store_content_refused(app->store, &c, 0, &ignored); /* the next download may find room */
    return -1;
}

void keep_downloaded(struct app *app, const struct keep_what *w)
{
    char key[STORE_CONTENT_KEY_LEN + 1];
    struct err err = {0};
    size_t count;
    const struct tier *const *tiers = tiers_all(&count);
    if (!tiers_are_used(app) || !keep_key(w, key))
        return;
    const struct store_content c = content_of(w, key);
    int64_t seen = store_content_seen(app->store, &c, app->config.tier_period_s, &err);
    int rc = seen < 0 ? -1 : 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        struct tier_rules rules;
        if (tier_is_used(app, tiers[i], &rules) && seen >= rules.after &&
            (rules.max_bytes == 0 || w->length <= rules.max_bytes))
            rc = keep_in(app, tiers[i], w, key, &err);
    }
    if (rc < 0)
        log_event(LOG_WARN, "not-kept", "error", err.text, NULL);
}

/* ---- The job ---- */

struct keeping {
    const struct tier *tier;
    struct tier_rules rules;
    struct store_content content;
    const char *link, *choice;
    struct choice_wish wish;
    struct merge_opts opts;
};

/* Texts are borrowed from the input. */
static int read_input(struct job *job, struct keeping *k, struct err *err)
{
    const char *tier = NULL;
    const char *key = NULL;
    const char *lease = NULL;
    int fragmented = 0;
    int no_tags = 0;
    json_int_t bytes = 0;
    json_t *input = (json_t *)(uintptr_t)job_input(job); /* json_unpack() does not change it */
    if (json_unpack(input, "{s:s, s:s, s?s, s?s, s?s, s:b, s:b, s:s, s:s, s:s, s:I}", "url", &k->link,
                    "choice", &k->choice, "lang", &k->wish.language, "codec", &k->wish.codec,
                    "wanted_container", &k->wish.container, "fragmented", &fragmented, "no_tags", &no_tags,
                    "tier", &tier, "content", &key, "lease", &lease, "bytes", &bytes) != 0 ||
        !(k->tier = tier_find(tier)) || bytes <= 0)
        return err_set(err, ERR_BAD_REQUEST, "the input of a keep job does not read");
    k->opts.fragmented = fragmented;
    k->opts.no_tags = no_tags;
    k->content.bytes = (uint64_t)bytes;
    (void)snprintf(k->content.key, sizeof k->content.key, "%s", key);
    (void)snprintf(k->content.lease, sizeof k->content.lease, "%s", lease);
    (void)snprintf(k->content.tier, sizeof k->content.tier, "%s", tier);
    (void)snprintf(k->content.place, sizeof k->content.place, "%s", tier_place(job_app(job), k->tier));
    return 0;
}

/* Of what is to be stored: still what was downloaded. */
static int check(const struct keeping *k, const struct output *o, struct err *err)
{
    char key[STORE_CONTENT_KEY_LEN + 1];
    const struct keep_what what = {
        .description = output_description(o),
        .choice = output_choice(o),
        .opts = &k->opts,
        .etag = output_etag(o),
        .length = output_length(o),
    };
    if (!keep_key(&what, key) || strcmp(key, k->content.key) != 0 || what.length != k->content.bytes)
        return err_set(err, ERR_SOURCE_CHANGED, "what was downloaded is not there any more");
    return 0;
}

static int store(struct job *job, struct keeping *k, struct err *err)
{
    auto_ptr(output) struct output *o = NULL;
    auto_(buf) struct buf name = BUF_INIT(1024);
    auto_(buf) struct buf reference = BUF_INIT(STORE_REFERENCE_MAX + 1);
    const struct output_ask ask = {
        .link = k->link,
        .wanted = k->choice,
        .wish = &k->wish,
        .opts = &k->opts,
        .cancelled = job_cancelled(job),
    };
    job_progress(job, 0, k->content.bytes, "asking the site");
    if (output_find(&o, job_app(job), &ask, err) < 0 || check(k, o, err) < 0)
        return -1;
    store_content_name(&k->content, output_description(o)->site, output_description(o)->id);
    if (http_file_name(&name, output_description(o)->title, output_choice(o)->container) < 0)
        return err_set(err, ERR_INTERNAL, "out of memory");
    const struct tier_keep keep = {
        .app = job_app(job), .job = job, .output = o, .content = &k->content, .name = buf_str(&name)};
    if (k->tier->keep(&keep, &reference, err) < 0)
        return -1;
    if (reference.failed)
        return err_set(err, ERR_INTERNAL, "a tier's reference is too long");
    (void)snprintf(k->content.reference, sizeof k->content.reference, "%s", buf_str(&reference));
    return 0;
}

/* 1, 0 it is not ours any more, -1. */
static int settle(struct job *job, struct keeping *k, int rc, const struct err *why, struct err *err)
{
    struct store *s = job_app(job)->store;
    const struct store_job *row = job_row(job);
    if (rc == 0) {
        k->content.expires_unix_s = k->rules.ttl_s ? clock_unix_s() + k->rules.ttl_s : 0;
        return store_content_stored(s, &k->content, err);
    }
    if (err_info(why->code)->retryable && row->attempts < row->max_attempts)
        return 1; /* the job comes back */
    return store_content_refused(s, &k->content, why->code == ERR_SOURCE_CHANGED ? 0 : TIER_REFUSED_S, err);
}

int job_keep_run(struct job *job, json_t *result, struct err *err)
{
    struct keeping k = {0};
    struct err ignored = {0};
    if (read_input(job, &k, err) < 0)
        return -1;
    if (!tier_is_used(job_app(job), k.tier, &k.rules)) {
        (void)store_content_refused(job_app(job)->store, &k.content, 0, &ignored);
        return err_set(err, ERR_NOT_FOUND, "the tier is off by now");
    }
    int held = store_content_renew(job_app(job)->store, &k.content, KEEP_LEASE_S, err);
    if (held <= 0)
        return held < 0 ? -1 : err_set(err, ERR_NOT_FOUND, "the content is somebody else's by now");
    int rc = store(job, &k, err);
    int settled = settle(job, &k, rc, err, rc < 0 ? &ignored : err);
    if (rc < 0)
        return -1;
    if (settled < 0)
        return -1;
    (void)json_object_set_new(result, "tier", json_string(k.tier->name));
    (void)json_object_set_new(result, "kept", json_boolean(settled));
    (void)json_object_set_new(result, "bytes", json_integer((json_int_t)k.content.bytes));
    return 0;
}
