/* Error bodies; see problem.h. */
#include "http/problem.h"

#include <jansson.h>
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
    "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n<title>%s · Sluice</title>\n"
    "<link rel=\"icon\" href=\"%sfavicon.svg\" type=\"image/svg+xml\">\n"
    "<link rel=\"stylesheet\" href=\"%svendor/bootstrap.min.css\">\n"
    "<link rel=\"stylesheet\" href=\"%ssluice.css\">\n</head>\n<body>\n"
    "<header class=\"top\"><a class=\"brand\" href=\"%s\"><img src=\"%sfavicon.svg\" alt=\"\" width=\"32\" "
    "height=\"32\">Sluice</a></header>\n<main class=\"page\">\n"
    "<div class=\"problem\" role=\"alert\"><h1 class=\"problem-title\">%s</h1><p>%s</p>"
    "<p><a href=\"%s\">Try another link</a></p></div>\n"
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

int problem_html(struct buf *out, const struct http_request *req, const struct err *err)
{
    const struct err_info *info = err_info(err->code);
    auto_(buf) struct buf up = BUF_INIT(out->max);
    auto_(buf) struct buf title = BUF_INIT(out->max);
    auto_(buf) struct buf text = BUF_INIT(out->max);
    if (add_way_up(&up, req ? req->path : "") < 0 || html_text(&title, info->title) < 0 ||
        html_text(&text, info->text) < 0)
        return -1;
    const char *at = buf_str(&up);
    return buf_addf(out, page, buf_str(&title), at, at, at, at, at, buf_str(&title), buf_str(&text), at,
                    info->name, req ? req->id : "");
}
