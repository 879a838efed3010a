/* Error bodies; see problem.h. */
#include "http/problem.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/html.h"
#include "http/phrase.h"

/* What the operator says, where that is what there is to say; NULL: the table. */
static const char *own_words(const struct err *err)
{
    return err->is_public && *err->text ? err->text : NULL;
}

int problem_json(struct buf *out, const struct http_request *req, const struct err *err)
{
    const struct err_info *info = err_info(err->code);
    /* about:blank: `code` says which problem it is, and no page could say more. */
    json_t *root = json_pack("{s:s, s:s, s:i, s:s, s:s, s:b}", "type", "about:blank", "title", info->title,
                             "status", info->status, "detail", own_words(err) ? own_words(err) : info->text,
                             "code", info->name, "retryable", info->retryable ? 1 : 0);
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

/* The way from a route to the pages' folder. Relative, so that it is right also where the web server hides
 * the name of the folder from us: "/api/v1/page" → "./../../". */
static int add_way_up(struct buf *out, const char *path)
{
    (void)buf_adds(out, "./");
    for (const char *p = path; *p && (p = strchr(p + 1, '/'));)
        (void)buf_adds(out, "../");
    return out->failed ? -1 : 0;
}

/* "error.private.text", … in the reader's language, between two pieces of markup. */
static void add_words(struct buf *out, const char *before, const struct locale *locale, const char *kind,
                      const char *code, const char *part, const char *after)
{
    char key[64];
    (void)snprintf(key, sizeof key, "%s.%s%s", kind, code, part);
    (void)buf_adds(out, before);
    (void)html_text(out, locale_text(locale, key));
    (void)buf_adds(out, after);
}

/* The look is that of www/index.html. Who waits for a place is let in without pressing anything. */
static void add_head(struct buf *out, const struct locale *locale, const struct http_request *req,
                     const struct err *err, const char *up)
{
    (void)buf_addf(out, "<!doctype html>\n<html lang=\"%s\" dir=\"%s\">\n<head>\n<meta charset=\"utf-8\">\n",
                   locale->tag, locale_text(locale, "lang.dir"));
    (void)buf_adds(out, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                        "<meta name=\"color-scheme\" content=\"light dark\">\n");
    if (err->code == ERR_BUSY && err->retry_after_s > 0 && req && req->method == HTTP_GET)
        (void)buf_addf(out, "<meta http-equiv=\"refresh\" content=\"%d\">\n", err->retry_after_s);
    add_words(out, "<title>", locale, "error", err_info(err->code)->name, ".title", " · Sluice</title>\n");
    (void)buf_addf(out,
                   "<link rel=\"icon\" href=\"%sfavicon.svg\" type=\"image/svg+xml\">\n"
                   "<link rel=\"stylesheet\" href=\"%svendor/bootstrap.min.css\">\n"
                   "<link rel=\"stylesheet\" href=\"%ssluice.css\">\n</head>\n",
                   up, up, up);
    (void)buf_addf(out,
                   "<body>\n<header class=\"top\"><a class=\"brand\" href=\"%s\"><img src=\"%sfavicon.svg\" "
                   "alt=\"\" width=\"32\" height=\"32\">Sluice</a></header>\n<main class=\"page\">\n",
                   up, up);
}

int problem_html(struct buf *out, const struct http_request *req, const struct err *err)
{
    const char *code = err_info(err->code)->name;
    const struct locale *locale = http_locale(req);
    auto_(buf) struct buf up = BUF_INIT(out->max);
    if (add_way_up(&up, req ? req->path : "") < 0)
        return -1;
    add_head(out, locale, req, err, buf_str(&up));
    add_words(out, "<div class=\"problem\" role=\"alert\"><h1 class=\"problem-title\">", locale, "error",
              code, ".title", "</h1>");
    if (own_words(err)) {
        (void)buf_adds(out, "<p>");
        (void)html_text(out, own_words(err));
        (void)buf_adds(out, "</p>");
    } else {
        add_words(out, "<p>", locale, "error", code, ".text", "</p>");
    }
    if (err->queue_position > 0) {
        char place[16];
        (void)snprintf(place, sizeof place, "%d", err->queue_position);
        (void)buf_adds(out, "<p class=\"problem-place\">");
        phrase_filled(out, locale, "problem.queue", place);
        (void)buf_adds(out, "</p>");
    }
    add_words(out, "<p class=\"problem-next\">", locale, "next", code, "", "</p>");
    (void)buf_addf(out, "<p><a href=\"%s", buf_str(&up));
    if (req && http_param(req, "lang")) /* a language asked for by name stays */
        (void)buf_addf(out, "api/v1/page?lang=%s", locale->tag);
    (void)buf_adds(out, "\">");
    (void)html_text(out, locale_text(locale, "problem.another"));
    (void)buf_adds(out, "</a></p></div>\n");
    return buf_addf(out, "<p class=\"small text-body-secondary\">%s %s</p>\n</main>\n</body>\n</html>\n",
                    code, req ? req->id : "");
}
