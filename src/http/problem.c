/* Error bodies; see problem.h. */
#include "http/problem.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/html.h"

int problem_json(struct buf *out, const struct http_request *req, const struct err *err)
{
    const struct err_info *info = err_info(err->code);
    /* about:blank: `code` says which problem it is, and no page could say more. */
    json_t *root = json_pack("{s:s, s:s, s:i, s:s, s:s, s:b}", "type", "about:blank", "title", info->title,
                             "status", info->status, "detail", info->text, "code", info->name, "retryable",
                             info->retryable ? 1 : 0);
    if (req)
        (void)json_object_set_new(root, "instance", json_sprintf("urn:sluice:request:%s", req->id));
    if (err->retry_after_s > 0)
        (void)json_object_set_new(root, "retry_after_s", json_integer(err->retry_after_s));
    if (err->queue_position > 0)
        (void)json_object_set_new(root, "queue_position", json_integer(err->queue_position));
    char *text = json_dumps(root, JSON_COMPACT);
    int rc = text ? buf_adds(out, text) : -1;
    free(text);
    json_decref(root);
    return rc;
}

/* The look is that of www/index.html. */
static const char page[] =
    "<!doctype html>\n<html lang=\"%s\" dir=\"%s\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n<title>%s · Sluice</title>\n"
    "<link rel=\"icon\" href=\"%sfavicon.svg\" type=\"image/svg+xml\">\n"
    "<link rel=\"stylesheet\" href=\"%svendor/bootstrap.min.css\">\n"
    "<link rel=\"stylesheet\" href=\"%ssluice.css\">\n</head>\n<body>\n"
    "<header class=\"top\"><a class=\"brand\" href=\"%s\"><img src=\"%sfavicon.svg\" alt=\"\" width=\"32\" "
    "height=\"32\">Sluice</a></header>\n<main class=\"page\">\n"
    "<div class=\"problem\" role=\"alert\"><h1 class=\"problem-title\">%s</h1><p>%s</p>"
    "<p class=\"problem-next\">%s</p><p><a href=\"%s%s\">%s</a></p></div>\n"
    "<p class=\"small text-body-secondary\">%s %s</p>\n</main>\n</body>\n</html>\n";

/* The way from a route to the pages' folder. Relative, so that it is right also where the web server hides
 * the name of the folder from us: "/api/v1/page" → "./../../". */
static int add_way_up(struct buf *out, const char *path)
{
    (void)buf_adds(out, "./");
    for (const char *p = path; *p && (p = strchr(p + 1, '/'));)
        (void)buf_adds(out, "../");
    return out->failed ? -1 : 0;
}

/* "error.private.text", … in the reader's language, for HTML. */
static int add_words(struct buf *out, const struct locale *locale, const char *kind, const char *code,
                     const char *part)
{
    char key[64];
    (void)snprintf(key, sizeof key, "%s.%s%s", kind, code, part);
    return html_text(out, locale_text(locale, key));
}

int problem_html(struct buf *out, const struct http_request *req, const struct err *err)
{
    const char *code = err_info(err->code)->name;
    const struct locale *locale = http_locale(req);
    auto_(buf) struct buf up = BUF_INIT(out->max);
    auto_(buf) struct buf title = BUF_INIT(out->max);
    auto_(buf) struct buf text = BUF_INIT(out->max);
    auto_(buf) struct buf next = BUF_INIT(out->max);
    auto_(buf) struct buf other = BUF_INIT(out->max);
    auto_(buf) struct buf form = BUF_INIT(out->max); /* a language asked for by name stays */
    if (req && http_param(req, "lang"))
        (void)buf_addf(&form, "api/v1/page?lang=%s", locale->tag);
    if (add_way_up(&up, req ? req->path : "") < 0 || add_words(&title, locale, "error", code, ".title") < 0 ||
        add_words(&text, locale, "error", code, ".text") < 0 ||
        add_words(&next, locale, "next", code, "") < 0 ||
        html_text(&other, locale_text(locale, "problem.another")) < 0)
        return -1;
    const char *at = buf_str(&up);
    return buf_addf(out, page, locale->tag, locale_text(locale, "lang.dir"), buf_str(&title), at, at, at, at,
                    at, buf_str(&title), buf_str(&text), buf_str(&next), at, buf_str(&form), buf_str(&other),
                    code, req ? req->id : "");
}
