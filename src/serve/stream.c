/* GET/HEAD /api/v1/stream: the bytes of one choice. `data=TOKEN`, or `url=` with `choice=` (default: best).
 * Beside either, `codec=` (h264, av1, vp9) and `container=` (mp4, webm) narrow it down; for files we make:
 * `lang=` of the sound, `start=` and `end=` (seconds or [hh:]mm:ss), `metadata=0`, `layout=fragmented`,
 * `subs=` of languages (serve/subtitles.h). Beside subtitles: `format=`.
 */
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "http/names.h"
#include "http/range.h"
#include "net/fetch.h"
#include "serve/choice.h"
#include "serve/describe.h"
#include "serve/made.h"
#include "serve/planned.h"
#include "serve/pump.h"
#include "serve/serve.h"
#include "serve/subtitles.h"
#include "serve/token.h"

/* One request's way from link to bytes; owns what the pump borrows. */
struct stream {
    struct app *app;
    const char *link;
    struct description *description;
    struct choice_wish wish;
    const char *subs; /* wanted in the file; NULL: none */
    struct choice choice;
    struct subtitle_set subtitles;
    struct merge_opts merge;
    struct planned planned; /* either this, */
    struct made *made;      /* or this, for what libav makes, or neither: the source does not say its size */
    const char *etag;       /* borrowed from either; "": none */
    uint64_t length;        /* 0: unknown until the end */
};

static void stream_fini(struct stream *s)
{
    made_free(steal(&s->made));
    planned_fini(&s->planned);
    subtitle_set_fini(&s->subtitles);
    description_free(steal(&s->description));
    s->etag = "";
    s->length = 0;
}

DEFINE_AUTO(stream, stream_fini)

/* The size of a format the site did not tell: asked with one bounded range. Not knowing is no error. */
static uint64_t probe_size(struct app *app, const struct format *f)
{
    struct err ignored = {0};
    auto_(net_answer) struct net_answer answer = {0};
    struct net_call call = {.url = f->url, .user_agent = f->user_agent, .max_bytes = 16, .range_length = 2};
    if (net_call(app->net, &call, &answer, &ignored) < 0 || (answer.status != 200 && answer.status != 206))
        return 0;
    return answer.total_size;
}

static int prepare_made(struct stream *s, struct err *err)
{
    if (made_new(&s->made, s->app, s->description, &s->choice, s->merge.no_tags, err) < 0)
        return -1;
    s->length = made_length(s->made);
    s->etag = made_etag(s->made);
    return 0;
}

static int prepare(struct stream *s, const char *wanted, struct err *err)
{
    s->etag = "";
    if (serve_describe(s->app, s->link, NULL, &s->description, NULL, err) < 0 ||
        choice_find(s->description, wanted, &s->wish, &s->choice, err) < 0)
        return -1;
    if ((s->merge.start_ms || s->merge.end_ms) && s->choice.make != CHOICE_SPLICE)
        return err_set(err, ERR_BAD_REQUEST, "only files that are made here can be cut");
    if (s->subs && (s->choice.make != CHOICE_SPLICE || s->choice.kind != FORMAT_MUXED))
        return err_set(err, ERR_BAD_REQUEST, "subtitles go into files of picture and sound made here");
    if (s->subs && subtitle_set_get(s->app, s->description, s->subs, &s->subtitles, err) < 0)
        return -1;
    if (s->choice.make > CHOICE_SPLICE)
        return prepare_made(s, err);
    if (s->choice.size_bytes == 0)
        s->choice.size_bytes = probe_size(s->app, s->choice.formats[0]);
    if (s->choice.size_bytes == 0)
        return 0;
    const struct planned_wish wish = {
        .link = s->link,
        .wish = &s->wish,
        .description = &s->description,
        .choice = &s->choice,
        .opts = &s->merge,
    };
    if (planned_get(s->app, &wish, &s->planned, err) < 0) {
        bool is_clip = s->merge.start_ms || s->merge.end_ms;
        if (err->code != ERR_UNSUPPORTED_SITE || s->choice.make != CHOICE_SPLICE || is_clip || s->subs)
            return -1;
        log_event(LOG_INFO, "not-planned", "why", err->text, NULL);
        s->choice.make = CHOICE_MP4;
        *err = (struct err){0};
        return prepare_made(s, err);
    }
    s->length = plan_length(s->planned.plan);
    s->etag = s->planned.etag;
    return 0;
}

static void fill_sources(const struct stream *s, struct pump_job *job)
{
    uint64_t whole = s->choice.make == CHOICE_AS_IS ? s->length : 0;
    job->source_count = s->choice.format_count;
    for (size_t i = 0; i < s->choice.format_count; i++) {
        const struct format *f = s->choice.formats[i];
        job->sources[i] = (struct pump_source){
            .url = f->url,
            .user_agent = f->user_agent,
            .size = f->size_bytes ? f->size_bytes : whole,
            .is_hls = choice_is_hls(f),
        };
    }
}

/* pump_job.renew: a fresh description, accepted only when every format of the choice is byte for byte the
 * same. */
static int renew(void *ctx, struct pump_job *job, struct err *err)
{
    struct stream *s = ctx;
    struct choice fresh_choice;
    auto_ptr(description) struct description *fresh = NULL;
    if (serve_describe(s->app, s->link, s->description, &fresh, NULL, err) < 0 ||
        choice_find(fresh, s->choice.id, &s->wish, &fresh_choice, err) < 0)
        return -1;
    if (s->choice.make == CHOICE_MP4)
        fresh_choice.make = CHOICE_MP4;
    if (!choice_same_sources(&s->choice, &fresh_choice))
        return err_set(err, ERR_SOURCE_CHANGED, "the source changed while it was being sent");
    description_free(s->description);
    s->description = steal(&fresh);
    s->choice = fresh_choice;
    fill_sources(s, job);
    return 0;
}

/* `part` NULL: of all of it. */
static int set_headers(struct http_response *res, const struct stream *s, const struct http_range *part)
{
    auto_(buf) struct buf name = BUF_INIT(1024);
    auto_(buf) struct buf disposition = BUF_INIT(4096);
    if (http_file_name(&name, s->description->title, s->choice.container) < 0 ||
        http_content_disposition(&disposition, buf_str(&name)) < 0)
        return -1;
    int rc = http_set_header(res, "Content-Type", s->choice.mime);
    rc |= http_set_header(res, "Content-Disposition", buf_str(&disposition));
    rc |= http_set_header(res, "Cache-Control", "private, no-store, no-transform");
    rc |= http_set_header(res, "Content-Security-Policy", "sandbox; default-src 'none'");
    rc |= http_set_header(res, "X-Accel-Buffering", "no"); /* nginx would spool the body to disk */
    rc |= http_set_header(res, "X-Sluice-Choice", s->choice.id);
    rc |= http_set_header(res, "Accept-Ranges", s->length ? "bytes" : "none");
    if (s->length)
        rc |= http_set_header(res, "ETag", s->etag);
    if (!part || part->kind != HTTP_RANGE_PART)
        return rc;
    rc |= http_set_status(res, 206);
    return rc | http_set_headerf(
                    res, "Content-Range", "bytes %llu-%llu/%llu", (unsigned long long)part->offset,
                    (unsigned long long)(part->offset + part->length - 1), (unsigned long long)s->length);
}

/* A source that never told its size: sent to its end, without length or ranges. */
static int send_unsized(struct stream *s, const struct http_request *req, struct http_response *res,
                        struct err *err)
{
    auto_ptr(fetch) struct fetch *f = NULL;
    const void *data = NULL;
    size_t len = 0;
    struct fetch_opts opts = {.url = s->choice.formats[0]->url,
                              .user_agent = s->choice.formats[0]->user_agent};
    if (set_headers(res, s, NULL) < 0)
        return err_set(err, ERR_INTERNAL, "a header was refused");
    if (req->method == HTTP_HEAD)
        return http_begin(res, HTTP_LENGTH_UNKNOWN);
    if (fetch_open(&f, s->app->net, &opts, err) < 0 || fetch_next(f, &data, &len, err) < 0)
        return -1;
    if (len == 0)
        return err_set(err, ERR_UPSTREAM_FAILED, "the source is empty");
    int rc = http_begin(res, HTTP_LENGTH_UNKNOWN);
    while (rc == 0 && len > 0) {
        rc = http_write(res, data, len);
        if (rc == 0 && fetch_next(f, &data, &len, err) < 0)
            return -1;
    }
    return 0; /* a client that left is no error of ours */
}

/* The range is known and satisfiable: first bytes in hand, then headers, then the rest. */
static int send_range(struct stream *s, const struct http_range *range, struct http_response *res,
                      struct err *err)
{
    auto_ptr(pump) struct pump *pump = NULL;
    struct pump_job job = {
        .net = s->app->net,
        .plan = s->planned.plan,
        .offset = range->offset,
        .length = range->length,
        .renew = renew,
        .renew_ctx = s,
    };
    fill_sources(s, &job);
    if (pump_open(&pump, &job, err) < 0)
        return -1;
    if (set_headers(res, s, range) < 0)
        return err_set(err, ERR_INTERNAL, "a header was refused");
    if (http_begin(res, range->length) < 0)
        return 0;
    struct err why = {0};
    if (pump_run(pump, res, &why) < 0 && why.code != ERR_OK) {
        *err = why;
        return -1;
    }
    return 0;
}

/* Like send_range(), of what libav makes. The headers come first: once the job runs, a renewal may replace
 * what they are made of. */
static int send_made(struct stream *s, const struct http_range *range, struct http_response *res,
                     struct err *err)
{
    struct pump_job job = {.net = s->app->net, .renew = renew, .renew_ctx = s};
    struct http_range all = {.kind = HTTP_RANGE_WHOLE};
    fill_sources(s, &job);
    if (set_headers(res, s, range) < 0)
        return err_set(err, ERR_INTERNAL, "a header was refused");
    int rc = made_begin(s->made, &job, res, err);
    if (rc == 0 && made_length(s->made) != s->length) { /* the site was wrong about it */
        range = &all;
        (void)http_set_status(res, 200);
        (void)http_set_header(res, "Accept-Ranges", "none");
        http_drop_header(res, "Content-Range");
        http_drop_header(res, "ETag");
    }
    if (rc == 0)
        rc = http_begin(res, made_length(s->made) ? range->length : HTTP_LENGTH_UNKNOWN);
    if (rc == 0)
        rc = made_send(s->made, range, res, err);
    return rc < 0 && err->code != ERR_OK ? -1 : 0; /* a client that left is no error of ours */
}

/* No condition stands against the body. */
static int answer(struct stream *s, const struct http_request *req, struct http_response *res,
                  struct err *err)
{
    if (s->length == 0 && !s->made)
        return send_unsized(s, req, res, err);
    bool part = s->length && http_if_range_holds(req->if_range, s->etag);
    struct http_range range = http_range_parse(part ? req->range : NULL, s->length);
    if (range.kind == HTTP_RANGE_BAD) {
        (void)http_set_headerf(res, "Content-Range", "bytes */%llu", (unsigned long long)s->length);
        return err_set(err, ERR_BAD_RANGE, "range not satisfiable");
    }
    if (req->method != HTTP_HEAD)
        return s->made ? send_made(s, &range, res, err) : send_range(s, &range, res, err);
    if (set_headers(res, s, &range) < 0)
        return err_set(err, ERR_INTERNAL, "a header was refused");
    return http_begin(res, s->length ? range.length : HTTP_LENGTH_UNKNOWN);
}

/* Conditions in the order of http/range.h. Bodies take a place among the streams that run at once; answers
 * without a body do not. */
static int admit_and_answer(struct stream *s, const struct http_request *req, struct http_response *res,
                            struct err *err)
{
    if (!http_if_match_holds(req->if_match, s->etag))
        return err_set(err, ERR_PRECONDITION_FAILED, "it is another version now");
    if (s->length && http_etag_listed(req->if_none_match, s->etag)) {
        (void)http_set_status(res, 304);
        (void)http_set_header(res, "ETag", s->etag);
        return http_begin(res, 0) < 0 ? err_set(err, ERR_INTERNAL, "a header was refused") : 0;
    }
    if (req->method == HTTP_HEAD)
        return answer(s, req, res, err);
    if (gate_enter(s->app->gate, err) < 0)
        return -1;
    int rc = answer(s, req, res, err);
    gate_leave(s->app->gate);
    return rc;
}

/* Finds, plans and sends. A source that turns out to have changed before anything was sent is begun with
 * anew: the conditions of the request then decide about the new version. */
static int find_and_send(struct stream *s, const char *wanted, const struct http_request *req,
                         struct http_response *res, struct err *err)
{
    for (bool again = false;; again = true) {
        if (prepare(s, wanted, err) == 0 && admit_and_answer(s, req, res, err) == 0)
            return 0;
        if (err->code == ERR_UNSUPPORTED_SITE && s->description)
            err->code = ERR_NO_SUCH_CHOICE; /* the site is not to blame, but what there is of this */
        if (again || err->code != ERR_SOURCE_CHANGED || http_begun(res))
            return -1;
        stream_fini(s);
        (void)http_set_status(res, 200);
        http_drop_header(res, "Content-Range");
        *err = (struct err){0};
    }
}

/* "90", "1:30", "0:01:30.5" → ms; -1: not a time. */
static int parse_time(const char *text, uint64_t *ms)
{
    uint64_t seconds = 0;
    uint64_t fraction = 0;
    const char *dot = strchr(text, '.');
    size_t digits = dot ? strlen(dot + 1) : 0;
    if (dot && (digits > 3 || text_parse_u64(dot + 1, 0, 999, &fraction) < 0))
        return -1;
    for (; digits && digits < 3; digits++)
        fraction *= 10;
    const char *end = dot ? dot : text + strlen(text);
    for (int parts = 0; parts < 3; parts++) {
        uint64_t n;
        size_t len = strcspn(text, ":.");
        /* only the first part may go over its place: 90:00 is an hour and a half */
        if (text_parse_u64n(text, len, 0, parts ? 59 : 1000000, &n) < 0)
            return -1;
        seconds = seconds * 60 + n;
        text += len;
        if (text == end) {
            *ms = seconds * 1000 + fraction;
            return 0;
        }
        text++;
    }
    return -1;
}

static int read_options(struct stream *s, const struct http_request *req, struct err *err)
{
    const char *start = http_param(req, "start");
    const char *end = http_param(req, "end");
    const char *metadata = http_param(req, "metadata");
    const char *layout = http_param(req, "layout");
    s->wish = (struct choice_wish){
        .language = http_param(req, "lang"),
        .codec = http_param(req, "codec"),
        .container = http_param(req, "container"),
    };
    if (s->wish.codec && !choice_codec_known(s->wish.codec))
        return err_set(err, ERR_BAD_REQUEST, "codec is h264, av1 or vp9");
    if ((start && parse_time(start, &s->merge.start_ms) < 0) ||
        (end && parse_time(end, &s->merge.end_ms) < 0))
        return err_set(err, ERR_BAD_REQUEST, "start and end are seconds or [hh:]mm:ss");
    if (end && s->merge.end_ms <= s->merge.start_ms)
        return err_set(err, ERR_BAD_REQUEST, "end must lie after start");
    if (layout && strcmp(layout, "fragmented") != 0 && strcmp(layout, "progressive") != 0)
        return err_set(err, ERR_BAD_REQUEST, "layout is progressive or fragmented");
    s->merge.fragmented = layout && strcmp(layout, "fragmented") == 0;
    const char *subs = http_param(req, "subs");
    s->subs = subs && *subs ? subs : NULL;
    s->merge.subtitles = &s->subtitles;
    if (s->subs && s->merge.fragmented)
        return err_set(err, ERR_BAD_REQUEST, "subtitles need the progressive layout");
    s->merge.no_tags = metadata && strcmp(metadata, "0") == 0;
    return 0;
}

int serve_stream(struct app *app, const struct http_request *req, struct http_response *res, struct err *err)
{
    auto_(token) struct token token = {0};
    auto_(stream) struct stream s = {.app = app};
    const char *data = http_param(req, "data");
    const char *choice = http_param(req, "choice");
    s.link = http_param(req, "url");
    if (data) {
        if (token_read(app, data, &token, err) < 0)
            return -1;
        s.link = token.link;
        choice = token.choice;
    }
    if (!s.link || !*s.link)
        return err_set(err, ERR_BAD_URL, "neither data nor url given");
    if (choice && is_subtitle_choice(choice))
        return serve_subtitle(app, s.link, choice, http_param(req, "format"), res, err);
    if (read_options(&s, req, err) < 0)
        return -1;
    return find_and_send(&s, choice && *choice ? choice : "best", req, res, err);
}
