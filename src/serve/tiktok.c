/* POST /tiktok {"url"}: of an older client. {"code": 0, "data": {"video_data": [{"url", "format",
 * "format_id", "streamData"}]}}, a row for every choice of a TikTok video; `streamData` is what
 * /api/v1/stream takes as `data`, `url` the whole of that link. Errors are those of every route. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "serve/auth.h"
#include "serve/choice.h"
#include "serve/describe.h"
#include "serve/serve.h"
#include "serve/token.h"
#include "site/tiktok.h"

enum { LINK_TEXT_MAX = 24576 };

static int add_row(struct app *app, const struct token_holder *holder, const struct description *d,
                   const struct choice *c, json_t *rows, struct err *err)
{
    auto_(buf) struct buf url = BUF_INIT(LINK_TEXT_MAX);
    if (token_link(app, holder, "stream", d->url, c->id, &url, err) < 0)
        return -1;
    const char *data = strstr(buf_str(&url), "data=") + strlen("data=");
    return json_array_append_new(rows, json_pack("{s:s, s:s, s:s, s:s}", "url", buf_str(&url), "format",
                                                 c->label, "format_id", c->id, "streamData", data)) < 0
               ? err_set(err, ERR_INTERNAL, "out of memory")
               : 0;
}

static int add_rows(struct app *app, const struct token_holder *holder, const struct description *d,
                    json_t *rows, struct err *err)
{
    struct choice *list = NULL;
    size_t count = 0;
    int rc = choice_list(d, &list, &count, err);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = add_row(app, holder, d, &list[i], rows, err);
    free(list);
    return rc;
}

int serve_tiktok(struct app *app, const struct http_request *req, struct http_response *res, struct err *err)
{
    const char *link = http_param(req, "url");
    auto_ptr(description) struct description *d = NULL;
    struct link parsed;
    struct auth who;
    if (auth_admit(app, req, &who, res, err) < 0)
        return -1;
    if (!link || !*link)
        return err_set(err, ERR_BAD_URL, "no url given");
    if (serve_parse_link(&parsed, link, err) < 0)
        return -1;
    if (!tiktok_is_link(parsed.url))
        return err_set(err, ERR_UNSUPPORTED_SITE, "no link of TikTok's");
    if (serve_describe_for(app, &who, link, res, &d, err) < 0)
        return -1;
    const struct token_holder holder = {.prefix = req->prefix, .key_id = auth_key_id(&who)};
    json_t *rows = json_array();
    int rc = add_rows(app, &holder, d, rows, err);
    json_t *root = json_pack("{s:i, s:{s:o}}", "code", 0, "data", "video_data", rows);
    auto_ptr(char) char *text = rc == 0 && root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    if (!text)
        return rc < 0 ? -1 : err_set(err, ERR_INTERNAL, "cannot write JSON");
    (void)http_set_header(res, "Cache-Control", "private, no-store");
    (void)http_send(res, "application/json", text, strlen(text));
    return 0;
}
