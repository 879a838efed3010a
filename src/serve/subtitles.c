/* See subtitles.h. */
#include "serve/subtitles.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "http/names.h"
#include "serve/describe.h"
#include "serve/small.h"

enum {
    OUT_MAX_BYTES = 4 * SUBTITLE_BYTES_MAX, /* times are longer than their shortest form, & is &amp; */
    KEY_MAX_BYTES = 8192,
    KEEP_S = 600, /* the site may correct them at any time; a download with its ranges and retries is over */
};

static const char prefix[] = "subtitle-";

/* Which one of its language and kind it is: 1, 2, … */
static unsigned ordinal(const struct description *d, const struct subtitle *t)
{
    unsigned n = 1;
    for (const struct subtitle *other = d->subtitles; other < t; other++)
        n += other->is_auto == t->is_auto && strcmp(other->language, t->language) == 0;
    return n;
}

int subtitle_choice(const struct description *d, const struct subtitle *t, char out[CHOICE_ID_MAX])
{
    char which[16] = "";
    unsigned number = ordinal(d, t);
    if (number > 1)
        (void)snprintf(which, sizeof which, "-%u", number);
    for (const char *c = t->language; *c; c++) {
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-", *c))
            return -1;
    }
    int n = snprintf(out, CHOICE_ID_MAX, "%s%s%s%s", prefix, t->language, t->is_auto ? "-auto" : "", which);
    return n > 0 && n < CHOICE_ID_MAX ? 0 : -1;
}

bool is_subtitle_choice(const char *choice)
{
    return text_starts_with(choice, prefix);
}

/* The track of a choice id; NULL: none. */
static const struct subtitle *find(const struct description *d, const char *choice)
{
    char id[CHOICE_ID_MAX];
    for (size_t i = 0; i < d->subtitle_count; i++) {
        if (subtitle_choice(d, &d->subtitles[i], id) == 0 && strcmp(id, choice) == 0)
            return &d->subtitles[i];
    }
    return NULL;
}

/* ---- What the site says ---- */

struct job {
    struct app *app;
    const char *url;
    const struct format *as; /* of the video: who it was found as */
};

/* A cache_produce_fn. What cannot be read is not kept. */
static int produce(void *ctx, struct buf *value, int64_t *expires_unix_s, struct err *err)
{
    const struct job *job = ctx;
    int64_t ttl_s = job->app->config.cache_ttl_s;
    auto_(net_answer) struct net_answer answer = {0};
    auto_(subtitle_cues) struct subtitle_cues cues = {0};
    if (small_get(job->app, job->url, job->as, SUBTITLE_BYTES_MAX, &answer, err) < 0 ||
        subtitle_parse_vtt(&cues, answer.body.data, answer.body.len, err) < 0)
        return -1;
    *expires_unix_s = ttl_s ? clock_unix_s() + (ttl_s < KEEP_S ? ttl_s : KEEP_S) : 0;
    return buf_add(value, answer.body.data, answer.body.len) < 0 ? err_set(err, ERR_INTERNAL, "out of memory")
                                                                 : 0;
}

static int get_vtt(struct app *app, const struct description *d, const struct subtitle *t,
                   struct shelf_value **out, struct err *err)
{
    struct job job = {.app = app, .url = t->url, .as = d->format_count ? d->formats : NULL};
    auto_(buf) struct buf key = BUF_INIT(KEY_MAX_BYTES);
    (void)buf_addf(&key, "subtitles %zu:%s %zu:%s %d %u %s", strlen(d->site), d->site, strlen(d->id), d->id,
                   t->is_auto, ordinal(d, t), t->language);
    if (key.failed)
        return err_set(err, ERR_INTERNAL, "the name of the subtitles is too long");
    return shelf_get(app->shelf, buf_str(&key), produce, &job, out, err);
}

/* ---- A download ---- */

static int convert(const struct shelf_value *vtt, const char *format, struct buf *out, struct err *err)
{
    auto_(subtitle_cues) struct subtitle_cues cues = {0};
    if (subtitle_parse_vtt(&cues, shelf_value_data(vtt), shelf_value_size(vtt), err) < 0)
        return -1;
    int rc = strcmp(format, "srt") == 0 ? subtitle_write_srt(&cues, out) : subtitle_write_vtt(&cues, out);
    return rc < 0 ? err_set(err, ERR_UPSTREAM_FAILED, "subtitles: too much text, or no memory") : 0;
}

static void set_headers(struct http_response *res, const struct description *d, const char *choice,
                        const char *extension)
{
    auto_(buf) struct buf title = BUF_INIT(8192);
    auto_(buf) struct buf name = BUF_INIT(1024);
    auto_(buf) struct buf disposition = BUF_INIT(4096);
    (void)buf_addf(&title, "%s.%s", d->title, choice + strlen(prefix));
    if (http_file_name(&name, buf_str(&title), extension) == 0 &&
        http_content_disposition(&disposition, buf_str(&name)) == 0)
        (void)http_set_header(res, "Content-Disposition", buf_str(&disposition));
    (void)http_set_header(res, "Cache-Control", "private, no-store");
    (void)http_set_header(res, "X-Sluice-Choice", choice);
}

int serve_subtitle(struct app *app, const struct auth *who, const char *link, const char *choice,
                   const char *format, struct http_response *res, struct err *err)
{
    auto_ptr(description) struct description *d = NULL;
    auto_ptr(shelf_value) struct shelf_value *vtt = NULL;
    auto_(buf) struct buf out = BUF_INIT(OUT_MAX_BYTES);
    bool srt = format && strcmp(format, "srt") == 0;
    if (format && !srt && strcmp(format, "vtt") != 0)
        return err_set(err, ERR_BAD_REQUEST, "subtitles come as vtt or srt");
    if (serve_describe_for(app, who, link, res, &d, err) < 0)
        return -1;
    http_note(http_notes(res)->choice, sizeof http_notes(res)->choice, choice);
    const struct subtitle *track = find(d, choice);
    if (!track)
        return err_set(err, ERR_NO_SUCH_CHOICE, "no such subtitle track");
    if (get_vtt(app, d, track, &vtt, err) < 0 || (format && convert(vtt, format, &out, err) < 0))
        return -1;
    set_headers(res, d, choice, srt ? "srt" : "vtt");
    (void)http_send(res, srt ? "application/x-subrip; charset=utf-8" : "text/vtt; charset=utf-8",
                    format ? buf_str(&out) : shelf_value_data(vtt), format ? out.len : shelf_value_size(vtt));
    return 0;
}

/* ---- Tracks for a file that is made ---- */

static int add_track(struct app *app, const struct description *d, const char *id, size_t len,
                     struct subtitle_set *set, struct err *err)
{
    char choice[CHOICE_ID_MAX];
    int n = snprintf(choice, sizeof choice, "%s%.*s", prefix,
                     (int)(len < sizeof choice ? len : sizeof choice), id);
    const struct subtitle *track = n < (int)sizeof choice ? find(d, choice) : NULL;
    if (!track)
        return err_set(err, ERR_NO_SUCH_CHOICE, "no such subtitle track");
    if (set->count == SPLICE_SUBTITLES_MAX)
        return err_set(err, ERR_BAD_REQUEST, "at most %d subtitle tracks", SPLICE_SUBTITLES_MAX);
    struct shelf_value **vtt = &set->tracks[set->count].vtt;
    if (get_vtt(app, d, track, vtt, err) < 0) {
        if (err->code == ERR_NOT_FOUND) /* the video was found */
            err->code = ERR_UPSTREAM_FAILED;
        return -1;
    }
    (void)text_copy(set->tracks[set->count].language, CHOICE_ID_MAX, track->language);
    hash_sha256_hex(shelf_value_data(*vtt), shelf_value_size(*vtt), set->tracks[set->count].hash);
    set->count++;
    return 0;
}

int subtitle_set_get(struct app *app, const struct description *d, const char *wanted,
                     struct subtitle_set *out, struct err *err)
{
    *out = (struct subtitle_set){.count = 0};
    for (const char *at = wanted;; at++) {
        size_t len = strcspn(at, ",");
        if (add_track(app, d, at, len, out, err) < 0) {
            subtitle_set_fini(out);
            return -1;
        }
        at += len;
        if (!*at)
            return 0;
    }
}

void subtitle_set_fini(struct subtitle_set *s)
{
    for (size_t i = 0; i < s->count; i++)
        shelf_value_free(s->tracks[i].vtt);
    *s = (struct subtitle_set){.count = 0};
}
