/* GET/HEAD /api/v1/stream: the bytes of one choice. `data=TOKEN`, or `url=` with `choice=` (default: best).
 * Beside either what asked.h says; beside subtitles: `format=`. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "http/names.h"
#include "http/range.h"
#include "serve/asked.h"
#include "serve/auth.h"
#include "serve/books.h"
#include "serve/budget.h"
#include "serve/choice.h"
#include "serve/describe.h"
#include "serve/feed.h"
#include "serve/files.h"
#include "serve/held.h"
#include "serve/keep.h"
#include "serve/mend.h"
#include "serve/pump.h"
#include "serve/serve.h"
#include "serve/settings.h"
#include "serve/shape.h"
#include "serve/shown.h"
#include "serve/stream.h"
#include "serve/subtitles.h"
#include "serve/tier_uses.h"
#include "serve/token.h"

/* One request's way from link to bytes. First a request's thread has it, then a loop of the pump; what a task
 * (a renewal, a second beginning) needs of it stays until that is done. */
struct stream {
    struct app *app;
    atomic_uint holders;
    struct http_exchange *exchange;
    const struct http_request *req;
    struct http_response *res;
    struct asked asked;
    bool again; /* begun with anew, as the source had changed */

    struct description *description;
    struct choice choice;
    struct subtitle_set subtitles;
    struct planned planned;  /* either this, */
    struct made *made;       /* or this, for what libav makes, or neither: the source does not say its size */
    const char *etag;        /* borrowed from either; "": none */
    uint64_t length;         /* 0: unknown until the end */
    struct http_range range; /* what is still to be read of it begins here when a tier has failed */

    char key[STORE_CONTENT_KEY_LEN + 1]; /* "": no tier may have it */
    struct tier_found found;             /* where it is; taken over by: */
    struct held *held;                   /* what is read there; NULL: it comes from the source */
    unsigned from;                       /* enum tier_from */

    char once[STORE_TOKEN_ID_LEN + 1]; /* of a link for one delivery; "": it is not */
    uint64_t sent_bytes;
    bool sent_all; /* of what was asked for */

    struct gate_ticket ticket;
    struct shown shown;
    struct auth who;
    struct budget budget;
    struct mend mend;
    struct pump_place place;
    struct feed *feed;           /* of a plan or a source */
    struct loop_post made_moved; /* from the job's thread */
    struct pump_task anew;       /* to begin with it once more */
    struct pump_task ending;     /* to wait for the end of a job, to note what was sent */
};

/* All that was found out. */
static void forget(struct stream *s)
{
    made_free(steal(&s->made));
    tier_way_fini(&s->found.way);
    s->found = (struct tier_found){0};
    mend_fini(&s->mend);
    planned_fini(&s->planned);
    subtitle_set_fini(&s->subtitles);
    description_free(steal(&s->description));
    s->etag = "";
    s->length = 0;
}

static void hold(void *ctx)
{
    struct stream *s = ctx;
    (void)atomic_fetch_add(&s->holders, 1);
}

static void drop(void *ctx)
{
    struct stream *s = ctx;
    if (atomic_fetch_sub(&s->holders, 1) > 1)
        return;
    forget(s);
    asked_fini(&s->asked);
    free(s);
}

static void drop_stream(struct stream *s)
{
    if (s)
        drop(s);
}

DEFINE_AUTO_PTR(stream, drop_stream)

static int prepare(struct stream *s, struct err *err)
{
    s->etag = "";
    if (serve_describe_for(s->app, &s->who, s->asked.link, s->res, &s->description, err) < 0 ||
        !s->description || choice_find(s->description, s->asked.wanted, &s->asked.wish, &s->choice, err) < 0)
        return -1;
    struct http_notes *notes = http_notes(s->res);
    http_note(notes->choice, sizeof notes->choice, s->choice.id);
    if ((s->asked.merge.start_ms || s->asked.merge.end_ms) && s->choice.make != CHOICE_SPLICE)
        return err_set(err, ERR_BAD_REQUEST, "only files that are made here can be cut");
    if (s->asked.subs && (s->choice.make != CHOICE_SPLICE || s->choice.kind != FORMAT_MUXED))
        return err_set(err, ERR_BAD_REQUEST, "subtitles go into files of picture and sound made here");
    if (s->asked.subs && subtitle_set_get(s->app, s->description, s->asked.subs, &s->subtitles, err) < 0)
        return -1;
    const struct planned_wish wish = {
        .link = s->asked.link,
        .wish = &s->asked.wish,
        .description = &s->description,
        .choice = &s->choice,
        .opts = &s->asked.merge,
    };
    struct shape shape;
    if (shape_find(s->app, &wish, s->asked.subs || s->asked.merge.start_ms || s->asked.merge.end_ms, &shape,
                   err) < 0)
        return -1;
    s->planned = shape.planned;
    s->made = shape.made;
    s->length = shape.length;
    s->etag = s->made ? made_etag(s->made) : s->planned.etag; /* which have moved */
    return 0;
}

/* ---- Tiers: see tier.h ---- */

static struct keep_what kept_of(const struct stream *s)
{
    return (struct keep_what){
        .link = s->asked.link,
        .description = s->description,
        .choice = &s->choice,
        .wish = &s->asked.wish,
        .opts = &s->asked.merge,
        .etag = s->etag,
        .length = s->length,
    };
}

/* tiers_look()'s has_slices. */
static bool has_slices(void *ctx)
{
    struct stream *s = ctx;
    struct mend mend = {
        .app = s->app, .description = &s->description, .choice = &s->choice, .length = s->length};
    struct feed_opts opts = {.plan = s->planned.plan, .offset = s->range.offset, .length = s->range.length};
    mend_sources(&mend, opts.sources);
    return feed_is_in_slices(&opts, s->app->slices);
}

/* Finds out where the bytes are to come from. */
static void look(struct stream *s, const char *name)
{
    const struct keep_what what = kept_of(s);
    const struct tier_ask ask = {
        .may_redirect = !*s->once && s->req->method == HTTP_GET,
        .name = name,
        .mime = s->choice.mime,
    };
    if (keep_key(&what, s->key))
        tiers_look(s->app, s->key, &ask, has_slices, s, &s->found);
    else
        *s->key = '\0';
    s->from = s->found.tier   ? tier_from_of(s->found.tier)
              : has_slices(s) ? TIER_FROM_SLICES
                              : TIER_FROM_SOURCE;
}

/* Of the answer that begins. */
static void note_tier(struct stream *s)
{
    books_came(s->app->books, s->from);
    for (unsigned from = 0; from < TIER_FROM_COUNT; from++) {
        if (s->found.missed & 1U << from)
            books_missed(s->app->books, from);
    }
    http_notes(s->res)->cached = s->from != TIER_FROM_SOURCE;
    if (s->found.tier)
        tier_uses_note(s->app->tier_uses, &s->found.content);
}

/* Once the last byte is gone: another download of the whole, or of its end. */
static bool is_downloaded(const struct stream *s)
{
    return *s->key && s->found.is_wanted && s->sent_all && s->range.offset + s->range.length == s->length;
}

static void note_downloaded(const struct stream *s)
{
    const struct keep_what what = kept_of(s);
    keep_downloaded(s->app, &what);
}

/* ---- Renewal: see mend.h ---- */

/* feed_opts.renew */
static void *renew(void *ctx, unsigned source, uint64_t at, const struct err *why, struct err *err)
{
    struct stream *s = ctx;
    return mend_renew(&s->mend, source, at, why, err);
}

/* feed_opts.adopt */
static void adopt(void *ctx, void *fresh, struct pump_source sources[PLAN_SOURCES_MAX])
{
    struct stream *s = ctx;
    mend_adopt(&s->mend, fresh, sources);
}

/* source_job.renew: on the thread of the job, which is then the only one to look at the description. */
static int renew_job(void *ctx, struct source_job *job, const struct source_failure *failure, struct err *err)
{
    struct stream *s = ctx;
    void *fresh = mend_renew(&s->mend, failure->source, failure->at, &failure->why, err);
    if (!fresh)
        return -1;
    mend_adopt(&s->mend, fresh, job->sources);
    return 0;
}

/* ---- The answer ---- */

/* `part` NULL: of all of it. */
static int set_headers(struct http_response *res, const struct stream *s, const char *name,
                       const struct http_range *part)
{
    auto_(buf) struct buf disposition = BUF_INIT(4096);
    if (http_content_disposition(&disposition, name) < 0)
        return -1;
    int rc = http_set_header(res, "Content-Type", s->choice.mime);
    rc |= http_set_header(res, "Content-Disposition", buf_str(&disposition));
    rc |= http_set_header(res, "Cache-Control", "private, no-store, no-transform");
    rc |= http_set_header(res, "Content-Security-Policy", "sandbox; default-src 'none'");
    rc |= http_set_header(res, "X-Accel-Buffering", "no"); /* nginx would spool the body to disk */
    rc |= http_set_header(res, "X-Sluice-Choice", s->choice.id);
    rc |= http_set_header(res, "X-Sluice-Cache", tier_from_name(s->from));
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

/* Once there is a description, not the site is to blame, but what there is of this. */
static void blame(const struct stream *s, struct err *err)
{
    if (err->code == ERR_UNSUPPORTED_SITE && s->description)
        err->code = ERR_NO_SUCH_CHOICE;
}

/* ---- What the pump calls ---- */

/* From the job's thread. */
static void made_changed(void *ctx)
{
    struct stream *s = ctx;
    loop_post(s->place.loop, &s->made_moved);
}

static int start_made(struct stream *s, struct err *err)
{
    struct source_job job = {
        .net = s->app->net,
        .slices = s->app->slices,
        .source_count = s->choice.format_count,
        .renew = renew_job,
        .renew_ctx = s,
    };
    mend_sources(&s->mend, job.sources);
    s->made_moved = (struct loop_post){.run = s->place.wake, .ctx = s->place.wake_ctx};
    return made_start(s->made, &job, made_changed, s, err);
}

static int start_source(struct stream *s, struct err *err)
{
    s->mend = (struct mend){
        .app = s->app,
        .link = s->asked.link,
        .wish = &s->asked.wish,
        .description = &s->description,
        .choice = &s->choice,
        .length = s->length,
    };
    if (s->made)
        return start_made(s, err);
    struct feed_opts opts = {
        .plan = s->planned.plan,
        .offset = s->range.offset,
        .length = s->range.length,
        .source_count = s->choice.format_count,
        .parallel = (unsigned)s->app->config.parallel,
        .pool = &s->app->parts,
        .ctx = s,
        .hold = hold,
        .drop = drop,
        .renew = s->planned.plan ? renew : NULL,
        .adopt = adopt,
        .discard = mend_discard,
    };
    mend_sources(&s->mend, opts.sources);
    return feed_open(&s->feed, &opts, &s->place, err);
}

/* A tier has failed: the source goes on at the same byte. */
static int leave_tier(struct stream *s, struct err *err)
{
    held_close(steal(&s->held));
    s->found.missed |= 1U << s->from;
    s->found.tier = NULL;
    s->found.is_wanted = false; /* it is forgotten there in a moment; another one will come by */
    s->from = TIER_FROM_SOURCE;
    s->range.offset += s->sent_bytes;
    s->range.length -= s->sent_bytes;
    if (s->sent_bytes)
        s->range.kind = HTTP_RANGE_PART;
    return start_source(s, err);
}

static int start(void *ctx, const struct pump_place *where, struct err *err)
{
    struct stream *s = ctx;
    s->place = *where;
    if (shown_run(&s->shown, err) < 0)
        return -1;
    if (!s->found.tier)
        return start_source(s, err);
    if (held_open(&s->held, s->app, &s->found, s->range.offset, s->range.length, where, err) == 0)
        return 0;
    return leave_tier(s, err);
}

static enum pump_state gather_source(struct stream *s, struct iovec iov[PUMP_PIECES_MAX], int *count,
                                     struct err *err)
{
    if (!s->made)
        return feed_gather(s->feed, iov, count, err);
    enum pump_state state = made_gather(s->made, &s->range, iov, count, err);
    if (state == PUMP_BYTES && s->sent_bytes && made_length(s->made) != s->length) {
        (void)err_set(err, ERR_SOURCE_CHANGED, "it is not as long as what a tier had of it");
        return PUMP_FAILED;
    }
    return state;
}

static enum pump_state gather(void *ctx, struct iovec iov[PUMP_PIECES_MAX], int *count, struct err *err)
{
    struct stream *s = ctx;
    if (shown_check(&s->shown, err) < 0)
        return PUMP_FAILED;
    enum pump_state state = PUMP_FAILED;
    if (s->held)
        state = held_gather(s->held, iov, count, err);
    if (state == PUMP_FAILED && s->held && leave_tier(s, err) < 0)
        return PUMP_FAILED;
    if (!s->held)
        state = gather_source(s, iov, count, err);
    s->sent_all |= state == PUMP_END;
    return state;
}

static void take(void *ctx, size_t bytes, bool slow)
{
    struct stream *s = ctx;
    shown_take(&s->shown, bytes);
    s->sent_bytes += bytes;
    books_sent(s->app->books, s->from, bytes);
    if (s->held)
        held_take(s->held, bytes, slow);
    else if (s->made)
        made_take(s->made, bytes);
    else
        feed_take(s->feed, bytes, slow);
}

static int begin(void *ctx, struct http_response *res, struct err *err)
{
    struct stream *s = ctx;
    uint64_t length = s->length ? s->range.length : HTTP_LENGTH_UNKNOWN;
    note_tier(s);
    (void)http_set_header(res, "X-Sluice-Cache", tier_from_name(s->from)); /* which may have failed by now */
    if (s->made && !s->held && made_length(s->made) != s->length) {        /* the site was wrong about it */
        length = made_length(s->made) ? made_length(s->made) : HTTP_LENGTH_UNKNOWN;
        s->range = (struct http_range){.kind = HTTP_RANGE_WHOLE, .length = made_length(s->made)};
        (void)http_set_status(res, 200);
        (void)http_set_header(res, "Accept-Ranges", "none");
        http_drop_header(res, "Content-Range");
        http_drop_header(res, "ETag");
    }
    return http_prepare(res, length) < 0 ? err_set(err, ERR_INTERNAL, "a header was refused") : 0;
}

static void begin_anew(void *ctx);

static void done(void *ctx)
{
    drop(ctx);
}

/* A source that turns out to have changed before anything was sent is begun with anew: the conditions of the
 * request then decide about the new version. */
static bool failed(void *ctx, struct err *err)
{
    struct stream *s = ctx;
    blame(s, err);
    if (err->code != ERR_SOURCE_CHANGED || s->again)
        return false;
    s->again = true;
    s->anew = (struct pump_task){.run = begin_anew, .done = done, .ctx = s};
    hold(s);
    return true;
}

/* Of a link for one delivery. */
static void note_sent(struct stream *s)
{
    struct err err = {0};
    bool at_end = s->sent_all && (s->length == 0 || s->range.offset + s->range.length == s->length);
    if (store_token_sent(s->app->store, s->once, s->sent_bytes, s->length, at_end, &err) < 0)
        log_event(LOG_WARN, "delivery-not-noted", "error", err.text, NULL);
}

static void finish_up(void *ctx)
{
    struct stream *s = ctx;
    if (*s->once && s->sent_bytes)
        note_sent(s);
    if (is_downloaded(s))
        note_downloaded(s);
    s->etag = "";
    made_free(steal(&s->made));
}

static void released(void *ctx)
{
    struct stream *s = ctx;
    budget_end(s->app, &s->budget, s->shown.sent_bytes);
    shown_end(&s->shown);
    feed_close(steal(&s->feed));
    held_close(steal(&s->held));
    if (s->made && s->place.loop) {
        made_cancel(s->made);
        loop_unpost(s->place.loop, &s->made_moved);
    }
    if (s->anew.run) { /* which ends a job as well */
        pump_run_task(&s->place, &s->anew);
    } else if ((s->made || *s->once || is_downloaded(s)) && s->place.loop) {
        s->ending = (struct pump_task){.run = finish_up, .done = done, .ctx = s};
        hold(s);
        pump_run_task(&s->place, &s->ending);
    }
    drop(s);
}

/* ---- From link to pump ---- */

static int send_by_pump(struct stream *s, struct err *err)
{
    const struct pump_order order = {
        .exchange = s->exchange,
        .ctx = s,
        .start = start,
        .gather = gather,
        .take = take,
        .begin = begin,
        .failed = failed,
        .release = released,
        .ticket = &s->ticket,
    };
    const struct shown_what what = {
        .description = s->description,
        .choice = s->choice.id,
        .request = s->req->id,
        .client = s->who.subject,
        .key = auth_key_id(&s->who),
        .streams_max = s->who.streams,
        .total_bytes = s->length ? s->range.length : 0,
        .is_made = s->made,
    };
    if (budget_begin(s->app, &s->who, what.total_bytes, s->res, &s->budget, err) < 0)
        return -1;
    if (shown_begin(&s->shown, s->app, &what, err) < 0) {
        budget_end(s->app, &s->budget, 0);
        return -1;
    }
    description_narrow(s->description, s->choice.formats, s->choice.format_count);
    hold(s);
    pump_submit(s->app->pumps, &order);
    return HTTP_LATER;
}

/* Somebody else sends it, parts of it as well: the web server, told by the header `name`, or whom the client
 * is sent to. How much will be taken nobody tells us, so what was asked for is what counts. */
static int hand_over(struct stream *s, const char *name, const char *value, struct err *err)
{
    if (budget_begin(s->app, &s->who, s->range.length, s->res, &s->budget, err) < 0)
        return -1;
    budget_end(s->app, &s->budget, s->range.length);
    if (s->found.way.kind == TIER_REDIRECT)
        (void)http_set_status(s->res, 302);
    if (http_set_header(s->res, name, value) < 0)
        return err_set(err, ERR_INTERNAL, "a header was refused");
    if (http_begin(s->res, HTTP_LENGTH_UNKNOWN) < 0)
        return 0; /* the client has left */
    note_tier(s);
    s->sent_all = true;
    if (is_downloaded(s))
        note_downloaded(s);
    return 0;
}

static int hand_to_server(struct stream *s, struct err *err)
{
    enum { VALUE_MAX = 4096 };
    struct files_server_header h = {.value = BUF_INIT(VALUE_MAX)};
    int rc = files_server_header(s->app, s->key, &s->range, &h, err);
    if (h.says_ranges)
        http_drop_header(s->res, "Accept-Ranges");
    if (rc == 0)
        rc = hand_over(s, h.name, buf_str(&h.value), err);
    buf_fini(&h.value);
    return rc;
}

/* Whether this answer can be left to the web server, which knows nothing of links for one delivery, would
 * compare an If-Match with what it thinks of the file, and as lighttpd does not know the header in plain CGI,
 * where no process stays to do chores. */
static bool is_sent_by_server(const struct stream *s)
{
    return s->found.tier && s->found.way.kind == TIER_FILE && files_are_sent_by_server(s->app) && !*s->once &&
           s->req->method == HTTP_GET && !s->req->if_match && s->app->chores;
}

/* No condition stands against the body. */
static int answer(struct stream *s, struct err *err)
{
    auto_(buf) struct buf name = BUF_INIT(1024);
    bool part = s->length && http_if_range_holds(s->req->if_range, s->etag);
    s->range = s->length ? http_range_parse(part ? s->req->range : NULL, s->length)
                         : (struct http_range){.kind = HTTP_RANGE_WHOLE};
    if (s->range.kind == HTTP_RANGE_BAD) {
        (void)http_set_headerf(s->res, "Content-Range", "bytes */%llu", (unsigned long long)s->length);
        return err_set(err, ERR_BAD_RANGE, "range not satisfiable");
    }
    if (http_file_name(&name, s->description->title, s->choice.container) < 0)
        return err_set(err, ERR_INTERNAL, "out of memory");
    look(s, buf_str(&name));
    bool by_server = is_sent_by_server(s);
    bool elsewhere = s->found.tier && s->found.way.kind == TIER_REDIRECT;
    bool ranges = by_server ? files_server_wants_range(s->app) : !elsewhere;
    if (set_headers(s->res, s, buf_str(&name), ranges ? &s->range : NULL) < 0)
        return err_set(err, ERR_INTERNAL, "a header was refused");
    if (s->req->method == HTTP_HEAD)
        return http_begin(s->res, s->length ? s->range.length : HTTP_LENGTH_UNKNOWN);
    if (elsewhere)
        return hand_over(s, "Location", s->found.way.at, err);
    return by_server ? hand_to_server(s, err) : send_by_pump(s, err);
}

/* Conditions in the order of http/range.h. */
static int decide(struct stream *s, struct err *err)
{
    if (!http_if_match_holds(s->req->if_match, s->etag))
        return err_set(err, ERR_PRECONDITION_FAILED, "it is another version now");
    if (s->length && http_etag_listed(s->req->if_none_match, s->etag)) {
        (void)http_set_status(s->res, 304);
        (void)http_set_header(s->res, "ETag", s->etag);
        return http_begin(s->res, 0) < 0 ? err_set(err, ERR_INTERNAL, "a header was refused") : 0;
    }
    return answer(s, err);
}

static void reset(struct stream *s, struct err *err)
{
    forget(s);
    (void)http_set_status(s->res, 200);
    http_drop_header(s->res, "Content-Range");
    *err = (struct err){0};
}

/* Finds, plans and sends: what a handler returns. */
static int find_and_send(struct stream *s, struct err *err)
{
    for (;;) {
        int rc = prepare(s, err) < 0 ? -1 : decide(s, err);
        if (rc >= 0)
            return rc;
        blame(s, err);
        if (s->again || err->code != ERR_SOURCE_CHANGED)
            return -1;
        s->again = true;
        reset(s, err);
    }
}

/* pump_task.run */
static void begin_anew(void *ctx)
{
    struct stream *s = ctx;
    struct err err = {0};
    s->anew.run = NULL;
    reset(s, &err);
    int rc = find_and_send(s, &err);
    if (rc != HTTP_LATER)
        http_exchange_end(s->exchange, rc < 0 ? &err : NULL);
}

/* A link for one delivery. Only looking at it takes nothing. */
static int begin_once(struct stream *s, const struct token *token, const char *address, struct err *err)
{
    memcpy(s->once, token->id, sizeof s->once);
    return s->req->method == HTTP_HEAD ? 0 : token_use(s->app, token, address, s->req->range, err);
}

static int send_subtitle(struct stream *s, const char *link, const char *wanted, struct err *err)
{
    (void)http_set_header(s->res, "X-Sluice-Cache", tier_from_name(TIER_FROM_SOURCE));
    if (serve_subtitle(s->app, &s->who, link, wanted, http_param(s->req, "format"), s->res, err) < 0)
        return -1;
    s->sent_bytes = http_bytes_sent(s->res);
    s->sent_all = true;
    if (*s->once && s->sent_bytes)
        note_sent(s);
    return 0;
}

int serve_stream_of(struct app *app, const struct http_request *req, const struct stream_ask *ask,
                    struct http_response *res, struct err *err)
{
    if (settings_admit(app, err) < 0)
        return -1;
    auto_ptr(stream) struct stream *s = calloc(1, sizeof *s);
    auto_(token) struct token token = {0};
    const char *data = ask->data;
    const char *link = ask->link;
    const char *wanted = ask->wanted;
    char address[CIDR_TEXT_MAX];
    if (!s)
        return err_set(err, ERR_INTERNAL, "out of memory");
    s->app = app;
    atomic_init(&s->holders, 1);
    s->exchange = http_exchange_of(res);
    s->req = req;
    s->res = res;
    if (data) {
        auth_address(app, req, address);
        if (token_read(app, data, address, &token, err) < 0)
            return -1;
        link = token.link;
        wanted = token.choice;
    }
    if (auth_identify(app, req, token.key_id, &s->who, err) < 0 ||
        (token.once && begin_once(s, &token, address, err) < 0) ||
        auth_charge(app, &s->who, data, res, err) < 0)
        return -1;
    if (!link || !*link)
        return err_set(err, ERR_BAD_URL, "neither data nor url given");
    if (wanted && is_subtitle_choice(wanted))
        return send_subtitle(s, link, wanted, err);
    if (asked_read(&s->asked, req, link, wanted, err) < 0)
        return -1;
    s->asked.merge.subtitles = &s->subtitles;
    return find_and_send(s, err);
}

int serve_stream(struct app *app, const struct http_request *req, struct http_response *res, struct err *err)
{
    const struct stream_ask ask = {
        .data = http_param(req, "data"),
        .link = http_param(req, "url"),
        .wanted = http_param(req, "choice"),
    };
    return serve_stream_of(app, req, &ask, res, err);
}
