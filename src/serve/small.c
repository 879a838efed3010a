/* See small.h; also GET /api/v1/thumbnail?data=TOKEN. */
#include "serve/small.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "http/names.h"
#include "serve/describe.h"
#include "serve/serve.h"
#include "serve/token.h"

enum { PICTURE_MAX_BYTES = 4 << 20, SUBTITLE_MAX_BYTES = 8 << 20 };

static const char subtitle_prefix[] = "subtitle-";

int subtitle_choice(const struct subtitle *t, char out[CHOICE_ID_MAX])
{
    for (const char *c = t->language; *c; c++) {
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-", *c))
            return -1;
    }
    int n = snprintf(out, CHOICE_ID_MAX, "%s%s%s", subtitle_prefix, t->language, t->is_auto ? "-auto" : "");
    return n > 0 && n < CHOICE_ID_MAX ? 0 : -1;
}

bool is_subtitle_choice(const char *choice)
{
    return text_starts_with(choice, subtitle_prefix);
}

/* One bounded upstream call that must answer 200 with something in it. */
static int get_small(struct app *app, const char *url, uint64_t max_bytes, struct net_answer *answer,
                     struct err *err)
{
    struct net_call call = {.url = url, .max_bytes = max_bytes, .compressed = true};
    if (net_call(app->net, &call, answer, err) < 0)
        return -1;
    if (answer->status == 404)
        return err_set(err, ERR_NOT_FOUND, "upstream has none");
    if (answer->status != 200 || answer->body.len == 0)
        return err_set(err, ERR_UPSTREAM_FAILED, "upstream answered %d with %zu bytes", answer->status,
                       answer->body.len);
    return 0;
}

int serve_subtitle(struct app *app, const char *link, const char *choice, struct http_response *res,
                   struct err *err)
{
    auto_ptr(description) struct description *d = NULL;
    auto_(net_answer) struct net_answer answer = {0};
    if (serve_describe(app, link, NULL, &d, NULL, err) < 0)
        return -1;
    const struct subtitle *found = NULL;
    char id[CHOICE_ID_MAX];
    for (size_t i = 0; !found && i < d->subtitle_count; i++) {
        if (subtitle_choice(&d->subtitles[i], id) == 0 && strcmp(id, choice) == 0)
            found = &d->subtitles[i];
    }
    if (!found)
        return err_set(err, ERR_NO_SUCH_CHOICE, "no such subtitle track");
    if (get_small(app, found->url, SUBTITLE_MAX_BYTES, &answer, err) < 0)
        return -1;
    if (!text_starts_with(buf_str(&answer.body), "WEBVTT") &&
        !text_starts_with(buf_str(&answer.body), "\xef\xbb\xbfWEBVTT"))
        return err_set(err, ERR_UPSTREAM_FAILED, "upstream did not answer WebVTT");

    auto_(buf) struct buf title = BUF_INIT(8192);
    auto_(buf) struct buf name = BUF_INIT(1024);
    auto_(buf) struct buf disposition = BUF_INIT(4096);
    (void)buf_addf(&title, "%s.%s", d->title, choice + strlen(subtitle_prefix));
    if (http_file_name(&name, buf_str(&title), "vtt") == 0 &&
        http_content_disposition(&disposition, buf_str(&name)) == 0)
        (void)http_set_header(res, "Content-Disposition", buf_str(&disposition));
    (void)http_set_header(res, "Cache-Control", "private, no-store");
    (void)http_set_header(res, "X-Sluice-Choice", choice);
    (void)http_send(res, "text/vtt; charset=utf-8", buf_str(&answer.body), answer.body.len);
    return 0;
}

/* By the bytes themselves: what upstream calls it is not trusted. NULL: no picture we pass on. */
static const char *picture_type(const struct buf *b)
{
    const unsigned char *p = (const unsigned char *)buf_str(b);
    if (b->len > 3 && memcmp(p, "\xff\xd8\xff", 3) == 0)
        return "image/jpeg";
    if (b->len > 8 && memcmp(p, "\x89PNG\r\n\x1a\n", 8) == 0)
        return "image/png";
    if (b->len > 12 && memcmp(p, "RIFF", 4) == 0 && memcmp(p + 8, "WEBP", 4) == 0)
        return "image/webp";
    return NULL;
}

int serve_thumbnail(struct app *app, const struct http_request *req, struct http_response *res,
                    struct err *err)
{
    auto_(token) struct token token = {0};
    auto_ptr(description) struct description *d = NULL;
    auto_(net_answer) struct net_answer answer = {0};
    const char *data = http_param(req, "data");
    if (!data)
        return err_set(err, ERR_TOKEN_INVALID, "no data given");
    if (token_read(app, data, &token, err) < 0 || serve_describe(app, token.link, NULL, &d, NULL, err) < 0)
        return -1;
    if (!d->thumbnail)
        return err_set(err, ERR_NOT_FOUND, "it has no thumbnail");
    if (get_small(app, d->thumbnail, PICTURE_MAX_BYTES, &answer, err) < 0)
        return -1;
    const char *type = picture_type(&answer.body);
    if (!type)
        return err_set(err, ERR_UPSTREAM_FAILED, "the thumbnail is no picture");
    (void)http_set_header(res, "Cache-Control", "private, max-age=3600");
    (void)http_set_header(res, "Content-Security-Policy", "sandbox; default-src 'none'");
    (void)http_send(res, type, buf_str(&answer.body), answer.body.len);
    return 0;
}
