/* Error bodies; see problem.h. */
#include "http/problem.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/frame.h"
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

/* "error.private.text", … in the reader's language. */
static const char *words(const struct frame *f, const char *kind, const char *code, const char *part)
{
    char key[64];
    (void)snprintf(key, sizeof key, "%s.%s%s", kind, code, part);
    return frame_words(f, key);
}

/* Where one can go from here: the same once more where that may help, and the empty box. */
static void add_ways(const struct frame *f, const struct http_request *req, const struct err *err)
{
    bool again = err_info(err->code)->retryable && req && req->method == HTTP_GET && *f->link;
    (void)buf_adds(f->out, "<p>");
    if (again) {
        (void)buf_adds(f->out, "<a class=\"btn btn-primary problem-retry\" href=\"");
        frame_page_url(f, f->link);
        frame_element(f, "\">", frame_words(f, "problem.retry"), "</a> ");
    }
    (void)buf_addf(f->out, "<a href=\"%s", f->up);
    if (f->chosen) /* a language asked for by name stays */
        (void)buf_addf(f->out, "api/v1/page?lang=%s", f->locale->tag);
    frame_element(f, "\">", frame_words(f, "problem.another"), "</a></p></div>\n");
}

int problem_html(struct buf *out, const struct http_request *req, const struct err *err)
{
    const char *code = err_info(err->code)->name;
    struct frame f = frame_of(req, out);
    /* who waits for a place is let in without pressing anything */
    if (err->code == ERR_BUSY && req && req->method == HTTP_GET)
        f.refresh_s = err->retry_after_s;
    frame_begin(&f, words(&f, "error", code, ".title"));
    frame_element(&f, "<div class=\"problem\" role=\"alert\"><h2 class=\"problem-title\">",
                  words(&f, "error", code, ".title"), "</h2>");
    frame_element(&f, "<p>", own_words(err) ? own_words(err) : words(&f, "error", code, ".text"), "</p>");
    if (err->queue_position > 0) {
        char place[16];
        (void)snprintf(place, sizeof place, "%d", err->queue_position);
        (void)buf_adds(out, "<p class=\"problem-place\">");
        phrase_filled(out, f.locale, "problem.queue", place);
        (void)buf_adds(out, "</p>");
    }
    frame_element(&f, "<p class=\"problem-next\">", words(&f, "next", code, ""), "</p>");
    add_ways(&f, req, err);
    (void)buf_addf(out, "<p class=\"small text-body-secondary\">%s %s</p>\n", code, req ? req->id : "");
    frame_end(&f);
    return out->failed ? -1 : 0;
}
