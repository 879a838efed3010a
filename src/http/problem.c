/* Error bodies; see problem.h. */
#include "http/problem.h"

#include <jansson.h>
#include <stdlib.h>

#include "http/html.h"

/* `type` is a name, not an address (RFC 9457 §3.1.1 allows that): it stays the same wherever Sluice is
 * mounted and whether or not its documentation is served. */
int problem_json(struct buf *out, const struct http_request *req, const struct err *err)
{
    const struct err_info *info = err_info(err->code);
    json_t *root = json_pack("{s:o, s:s, s:i, s:s, s:s, s:b}", "type",
                             json_sprintf("urn:sluice:error:%s", info->name), "title", info->title, "status",
                             info->status, "detail", info->text, "code", info->name, "retryable",
                             info->retryable ? 1 : 0);
    if (req)
        (void)json_object_set_new(root, "instance", json_sprintf("urn:sluice:request:%s", req->id));
    if (err->retry_after_s > 0)
        (void)json_object_set_new(root, "retry_after_s", json_integer(err->retry_after_s));
    char *text = json_dumps(root, JSON_COMPACT);
    int rc = text ? buf_adds(out, text) : -1;
    free(text);
    json_decref(root);
    return rc;
}

int problem_html(struct buf *out, const struct http_request *req, const struct err *err)
{
    const struct err_info *info = err_info(err->code);
    const char *prefix = req ? req->prefix : "";
    (void)buf_adds(out, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                        "<meta name=\"color-scheme\" content=\"light dark\">\n<title>");
    (void)html_text(out, info->title);
    (void)buf_adds(out, " · Sluice</title>\n<link rel=\"stylesheet\" href=\"");
    (void)html_attr(out, prefix);
    (void)buf_adds(out, "/vendor/bootstrap.min.css\">\n<link rel=\"stylesheet\" href=\"");
    (void)html_attr(out, prefix);
    (void)buf_adds(out,
                   "/sluice.css\">\n</head>\n<body>\n<main class=\"container py-5\">\n<h1 class=\"h3\">");
    (void)html_text(out, info->title);
    (void)buf_adds(out, "</h1>\n<p class=\"lead\" role=\"alert\">");
    (void)html_text(out, info->text);
    (void)buf_adds(out, "</p>\n<p><a class=\"btn btn-primary\" href=\"");
    (void)html_attr(out, prefix);
    (void)buf_adds(out, "/\">Back to the start</a></p>\n<p class=\"small text-body-secondary\">");
    (void)html_text(out, info->name);
    if (req) {
        (void)buf_adds(out, " · ");
        (void)html_text(out, req->id);
    }
    return buf_adds(out, "</p>\n</main>\n</body>\n</html>\n");
}
