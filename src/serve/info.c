/* GET/POST /api/v1/info?url=: the description as clients see it: no source URL, every link one of ours.
 * `single_use=1`, `bind=address`: see token.h. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "serve/auth.h"
#include "serve/choice.h"
#include "serve/describe.h"
#include "serve/planned.h"
#include "serve/prepare.h"
#include "serve/serve.h"
#include "serve/subtitles.h"
#include "serve/token.h"

enum {
    LINK_TEXT_MAX = 24576,
    ANSWER_MAX_BYTES = 4 << 20,
    ANSWER_TTL_S = 60, /* its links live so much shorter than token_ttl_s at most */
};

/* What one answer is made of. */
struct parts {
    struct app *app;
    struct token_holder holder;
    const struct description *d;
    bool cached;
    struct choice *choices;
    size_t choice_count;
    const struct choice *best; /* the preselected one; NULL: there is no choice */
};

static json_t *text_or_null(const char *s)
{
    return s ? json_string(s) : json_null();
}

static json_t *number_or_null(uint64_t n)
{
    return n ? json_integer((json_int_t)n) : json_null();
}

static json_t *seconds_or_null(uint64_t ms)
{
    return ms ? json_integer((json_int_t)((ms + 500) / 1000)) : json_null();
}

static const char *kind_name(enum format_kind kind)
{
    static const char *const names[] = {
        [FORMAT_VIDEO] = "video", [FORMAT_AUDIO] = "audio", [FORMAT_MUXED] = "muxed"};
    return names[kind];
}

/* A stream (or thumbnail) link as a JSON string; NULL on error. */
static json_t *link_json(const struct parts *p, const char *route, const char *choice, struct err *err)
{
    auto_(buf) struct buf url = BUF_INIT(LINK_TEXT_MAX);
    if (token_link(p->app, &p->holder, route, p->d->url, choice, &url, err) < 0)
        return NULL;
    return json_string(buf_str(&url));
}

static json_t *format_json(const struct format *f)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:b, s:s}", "id", f->id,
                     "kind", kind_name(f->kind), "container", f->container, "codecs", f->codecs, "width",
                     number_or_null((uint64_t)f->width), "height", number_or_null((uint64_t)f->height), "fps",
                     f->fps > 0 ? json_real(f->fps) : json_null(), "bitrate",
                     number_or_null((uint64_t)f->bitrate), "size_bytes", number_or_null(f->size_bytes),
                     "language", text_or_null(f->language), "original", f->original, "drc", f->drc,
                     "upscaled", f->upscaled, "label", f->label);
}

static json_t *choice_json(const struct choice *c, json_t *stream_url)
{
    json_t *formats = json_array();
    for (size_t i = 0; i < c->format_count; i++)
        (void)json_array_append_new(formats, json_string(c->formats[i]->id));
    return json_pack("{s:s, s:s, s:s, s:o, s:s, s:s, s:o, s:o, s:b, s:b, s:o}", "id", c->id, "label",
                     c->label, "kind", c->kind == FORMAT_AUDIO ? "audio" : "video", "formats", formats,
                     "container", c->container, "codecs", c->codecs, "height",
                     number_or_null((uint64_t)c->height), "size_bytes", number_or_null(c->size_bytes),
                     "size_exact", c->size_exact, "resumable", choice_resumable(c), "stream_url", stream_url);
}

static int add_choices(const struct parts *p, json_t *root, struct err *err)
{
    json_t *array = json_array();
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < p->choice_count; i++) {
        json_t *url = link_json(p, "stream", p->choices[i].id, err);
        rc = url ? json_array_append_new(array, choice_json(&p->choices[i], url)) : -1;
    }
    (void)json_object_set_new(root, "preselected", text_or_null(p->best ? p->best->id : NULL));
    if (json_object_set_new(root, "choices", array) < 0 || rc < 0)
        return err->code ? -1 : err_set(err, ERR_INTERNAL, "out of memory");
    return 0;
}

static int add_subtitles(const struct parts *p, json_t *root, struct err *err)
{
    json_t *array = json_array();
    for (size_t i = 0; i < p->d->subtitle_count; i++) {
        const struct subtitle *t = &p->d->subtitles[i];
        char choice[CHOICE_ID_MAX];
        json_t *url = subtitle_choice(p->d, t, choice) < 0 ? NULL : link_json(p, "stream", choice, err);
        if (!url)
            continue;
        json_t *srt_url = json_sprintf("%s&format=srt", json_string_value(url));
        (void)json_array_append_new(array, json_pack("{s:s, s:s, s:b, s:o, s:o}", "language", t->language,
                                                     "label", t->label, "auto", t->is_auto, "stream_url", url,
                                                     "srt_url", srt_url));
    }
    (void)json_object_set_new(root, "subtitles", array);
    return err->code ? -1 : 0;
}

static json_t *chapters_json(const struct description *d)
{
    json_t *array = json_array();
    for (size_t i = 0; i < d->chapter_count; i++)
        (void)json_array_append_new(array,
                                    json_pack("{s:f, s:s}", "start_s", (double)d->chapters[i].start_ms / 1000,
                                              "title", d->chapters[i].title));
    return array;
}

/* With the address of every sheet, so that nobody has to know templates. */
static json_t *storyboard_json(const struct storyboard *b)
{
    enum { SHEETS_MAX = 200 };
    json_t *urls = json_array();
    const char *mark = strstr(b->url, "$M");
    int sheets = (b->count + b->columns * b->rows - 1) / (b->columns * b->rows);
    for (int i = 0; i < sheets && i < SHEETS_MAX && (mark || i == 0); i++)
        (void)json_array_append_new(urls,
                                    mark ? json_sprintf("%.*s%d%s", (int)(mark - b->url), b->url, i, mark + 2)
                                         : json_string(b->url));
    return json_pack("{s:i, s:i, s:i, s:i, s:i, s:f, s:o}", "width", b->width, "height", b->height, "columns",
                     b->columns, "rows", b->rows, "count", b->count, "interval_s",
                     (double)b->interval_ms / 1000, "urls", urls);
}

static json_t *storyboards_json(const struct description *d)
{
    json_t *array = json_array();
    for (size_t i = 0; i < d->storyboard_count; i++)
        (void)json_array_append_new(array, storyboard_json(&d->storyboards[i]));
    return array;
}

static json_t *description_json(const struct parts *p, struct err *err)
{
    const struct description *d = p->d;
    char expires[24] = "";
    if (d->expires_unix_s)
        clock_format_utc(d->expires_unix_s, expires, sizeof expires);
    json_t *thumbnail_url = json_null();
    if (d->thumbnail && !(thumbnail_url = link_json(p, "thumbnail", "thumbnail", err)))
        return NULL;
    json_t *formats = json_array();
    for (size_t i = 0; i < d->format_count; i++)
        (void)json_array_append_new(formats, format_json(&d->formats[i]));
    json_t *root = json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o}", "site", d->site,
                             "id", d->id, "url", d->url, "title", d->title, "author", text_or_null(d->author),
                             "author_url", text_or_null(d->author_url), "published",
                             text_or_null(d->published), "duration_s", seconds_or_null(d->duration_ms),
                             "thumbnail", text_or_null(d->thumbnail), "thumbnail_url", thumbnail_url, "live",
                             d->live, "formats", formats);
    if (!root) {
        (void)err_set(err, ERR_INTERNAL, "cannot write the description");
        return NULL;
    }
    if (add_choices(p, root, err) < 0 || add_subtitles(p, root, err) < 0) {
        json_decref(root);
        return NULL;
    }
    (void)json_object_set_new(root, "chapters", chapters_json(d));
    (void)json_object_set_new(root, "storyboards", storyboards_json(d));
    (void)json_object_set_new(root, "engine", json_string(d->engine));
    (void)json_object_set_new(root, "cached", json_boolean(p->cached));
    (void)json_object_set_new(root, "expires_at", text_or_null(*expires ? expires : NULL));
    return root;
}

static int send_answer(struct http_response *res, const char *text, size_t len)
{
    (void)http_set_header(res, "Cache-Control", "private, no-store");
    (void)http_send(res, "application/json", text, len);
    return 0;
}

/* Keeps the answer, as the next callers get it (from the cache), for a moment: making it anew costs ten times
 * as much as reading it. Failing to keep it is no error. */
static void keep_answer(struct app *app, json_t *root, const char *key)
{
    int64_t ttl = app->config.cache_ttl_s;
    int64_t expires = clock_unix_s() + (ttl < ANSWER_TTL_S ? ttl : ANSWER_TTL_S);
    struct err ignored;
    (void)json_object_set_new(root, "cached", json_true());
    char *text = ttl ? json_dumps(root, JSON_COMPACT) : NULL;
    if (text)
        (void)store_cache_put(app->store, key, text, strlen(text), expires, &ignored);
    free(text);
}

/* Whom the links in the answer are for, and how often. */
static int read_limits(const struct http_request *req, const char *address, struct token_holder *holder,
                       struct err *err)
{
    const char *once = http_param(req, "single_use");
    const char *bind = http_param(req, "bind");
    if (bind && *bind && strcmp(bind, "address") != 0)
        return err_set(err, ERR_BAD_REQUEST, "bind takes address");
    holder->address = bind && *bind ? address : NULL;
    holder->once = once && (strcmp(once, "1") == 0 || strcmp(once, "true") == 0);
    return 0;
}

/* Links for one delivery, or for one address, are nobody else's. */
static bool may_keep(const struct token_holder *holder)
{
    return !holder->once && !holder->address;
}

/* Sends the answer and keeps it; then has the choice that most will make planned ahead. */
static int make_answer(const struct parts *p, const char *key, struct http_response *res, struct err *err)
{
    json_t *root = description_json(p, err);
    if (!root)
        return -1;
    char *text = json_dumps(root, JSON_COMPACT);
    if (text && may_keep(&p->holder))
        keep_answer(p->app, root, key);
    json_decref(root);
    int rc = text ? send_answer(res, text, strlen(text)) : err_set(err, ERR_INTERNAL, "out of memory");
    free(text);
    if (rc == 0 && p->best && !p->best->size_exact)
        (void)prepare_choice(p->app, p->d->url, p->best, key);
    return rc;
}

/* For the books. The site comes first in an answer: see description_json(). */
static void note_kept(struct http_response *res, const char *answer)
{
    static const char start[] = "{\"site\":\"";
    struct http_notes *notes = http_notes(res);
    notes->cached = true;
    if (!text_starts_with(answer, start))
        return;
    answer += sizeof start - 1;
    size_t len = strcspn(answer, "\"\\");
    (void)snprintf(notes->site, sizeof notes->site, "%.*s", (int)(len < sizeof notes->site ? len : 0),
                   answer);
}

int serve_info(struct app *app, const struct http_request *req, struct http_response *res, struct err *err)
{
    const char *link = http_param(req, "url");
    char key[SERVE_KEY_MAX];
    auto_ptr(description) struct description *d = NULL;
    auto_(buf) struct buf kept = BUF_INIT(ANSWER_MAX_BYTES);
    struct auth who;
    char address[CIDR_TEXT_MAX];
    if (auth_admit(app, req, &who, res, err) < 0)
        return -1;
    if (!link || !*link)
        return err_set(err, ERR_BAD_URL, "no url given");
    auth_address(app, req, address);
    struct parts parts = {.app = app, .holder = {.prefix = req->prefix, .key_id = auth_key_id(&who)}};
    if (read_limits(req, address, &parts.holder, err) < 0)
        return -1;
    if (serve_answer_key(req, &who, link, key, err) < 0)
        return -1;
    if (may_keep(&parts.holder) && store_cache_get(app->store, key, clock_unix_s(), &kept, NULL, err) == 1) {
        note_kept(res, buf_str(&kept));
        return send_answer(res, buf_str(&kept), kept.len);
    }
    *err = (struct err){0};
    if (serve_describe_for(app, &who, link, res, &d, err) < 0 ||
        choice_list(d, &parts.choices, &parts.choice_count, err) < 0)
        return -1;
    planned_sizes(app, d, parts.choices, parts.choice_count);
    parts.d = d;
    parts.cached = http_notes(res)->cached;
    parts.best = choice_preselect(parts.choices, parts.choice_count);
    int rc = make_answer(&parts, key, res, err);
    free(parts.choices);
    return rc;
}
