/* GET /api/v1/page?url=: the result for browsers without JavaScript: the same elements and looks as the
 * page's own script makes (its markup is described at the top of www/app.js), and every choice a plain link.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/html.h"
#include "serve/choice.h"
#include "serve/describe.h"
#include "serve/serve.h"
#include "serve/small.h"
#include "serve/token.h"

enum { PAGE_MAX_BYTES = 8 << 20, LINK_TEXT_MAX = 24576 };

struct page {
    struct app *app;
    const char *prefix;
    const struct description *d;
    struct buf *out;
};

enum group { GROUP_BOTH, GROUP_VIDEO, GROUP_AUDIO, GROUPS };

static enum group group_of(const struct choice *c)
{
    return c->kind == FORMAT_MUXED ? GROUP_BOTH : c->kind == FORMAT_VIDEO ? GROUP_VIDEO : GROUP_AUDIO;
}

static void add_size(struct buf *out, uint64_t bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 999.5 && unit + 1 < ARRAY_LEN(units)) {
        value /= 1000;
        unit++;
    }
    (void)buf_addf(out, "%.*f %s", unit > 0 && value < 99.95 ? 1 : 0, value, units[unit]);
}

static void add_duration(struct buf *out, uint64_t ms)
{
    unsigned long long s = (ms + 500) / 1000;
    if (s >= 3600)
        (void)buf_addf(out, "%llu:%02llu:%02llu", s / 3600, s / 60 % 60, s % 60);
    else
        (void)buf_addf(out, "%llu:%02llu", s / 60, s % 60);
}

/* The address of a choice (or the thumbnail), escaped for an attribute. */
static int add_link(const struct page *p, const char *route, const char *choice, struct err *err)
{
    auto_(buf) struct buf url = BUF_INIT(LINK_TEXT_MAX);
    if (token_link(p->app, p->prefix, route, p->d->url, choice, &url, err) < 0)
        return -1;
    return html_attr(p->out, buf_str(&url));
}

static void add_top(struct buf *out, const char *prefix, const char *title)
{
    (void)buf_adds(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<meta name=\"referrer\" content=\"no-referrer\">\n<meta name=\"color-scheme\" content=\"light dark\">\n"
        "<title>");
    (void)html_text(out, title);
    (void)buf_adds(out, " · Sluice</title>\n");
    static const char *const sheets[] = {"vendor/bootstrap.min.css", "vendor/icons.css", "sluice.css"};
    for (size_t i = 0; i < ARRAY_LEN(sheets); i++) {
        (void)buf_adds(out, "<link rel=\"stylesheet\" href=\"");
        (void)html_attr(out, prefix);
        (void)buf_addf(out, "/%s\">\n", sheets[i]);
    }
    (void)buf_adds(out, "</head>\n<body>\n<header class=\"top\"><a class=\"brand\" href=\"");
    (void)html_attr(out, prefix);
    (void)buf_adds(out, "/\"><img src=\"");
    (void)html_attr(out, prefix);
    (void)buf_adds(
        out,
        "/favicon.svg\" alt=\"\" width=\"32\" height=\"32\">Sluice</a></header>\n<main class=\"page\">\n");
}

static void add_form(struct buf *out, const char *prefix, const char *link)
{
    (void)buf_adds(out, "<form class=\"ask\" action=\"");
    (void)html_attr(out, prefix);
    (void)buf_adds(
        out,
        "/api/v1/page\" method=\"get\" role=\"search\">"
        "<label class=\"visually-hidden\" for=\"url\">Link to a video or audio file</label>"
        "<div class=\"ask-box\"><input class=\"ask-input\" id=\"url\" name=\"url\" type=\"text\" required dir=\"ltr\" "
        "value=\"");
    (void)html_attr(out, link);
    (void)buf_adds(out,
                   "\"><button class=\"ask-go\" type=\"submit\"><span class=\"ask-go-text\">Get it</span>"
                   "<span class=\"icon icon-go\"></span></button></div></form>\n");
}

static int add_row(const struct page *p, const struct choice *c, bool best, struct err *err)
{
    struct buf *out = p->out;
    (void)buf_addf(out, "<li class=\"choice%s\"><a class=\"choice-link\" href=\"",
                   best ? " choice-best" : "");
    if (add_link(p, "stream", c->id, err) < 0)
        return -1;
    (void)buf_adds(out, "\" download><span class=\"choice-label\">");
    (void)html_text(out, c->label);
    (void)buf_adds(out, "</span><span class=\"choice-facts\"><span class=\"tag\">");
    (void)html_text(out, c->container);
    (void)buf_adds(out, "</span><span>");
    (void)html_text(out, c->codecs);
    (void)buf_adds(out, "</span>");
    if (c->formats[0]->language) {
        (void)buf_adds(out, "<span>");
        (void)html_text(out, c->formats[0]->language);
        (void)buf_adds(out, "</span>");
    }
    (void)buf_addf(out, "</span><span class=\"choice-size\" title=\"%llu bytes\">",
                   (unsigned long long)c->size_bytes);
    if (c->size_bytes)
        add_size(out, c->size_bytes);
    else
        (void)buf_adds(out, "size unknown");
    (void)buf_adds(out, "</span></a></li>\n");
    return 0;
}

static int add_group(const struct page *p, enum group group, const struct choice *list, size_t count,
                     const struct choice *best, struct err *err)
{
    static const char *const titles[] = {"Video + audio", "Video only", "Audio only"};
    size_t members = 0;
    for (size_t i = 0; i < count; i++)
        members += group_of(&list[i]) == group;
    if (members == 0)
        return 0;
    (void)buf_addf(p->out,
                   "<details class=\"group\" open><summary><h3 class=\"group-title\">%s</h3>"
                   "<span class=\"group-count\">%zu</span></summary><ul class=\"choices\">\n",
                   titles[group], members);
    for (size_t i = 0; i < count; i++) {
        if (group_of(&list[i]) == group && add_row(p, &list[i], &list[i] == best, err) < 0)
            return -1;
    }
    (void)buf_adds(p->out, "</ul></details>\n");
    return 0;
}

static int add_subtitles(const struct page *p, struct err *err)
{
    char choice[CHOICE_ID_MAX];
    if (p->d->subtitle_count == 0)
        return 0;
    (void)buf_addf(p->out,
                   "<details class=\"group\" open><summary><h3 class=\"group-title\">Subtitles</h3>"
                   "<span class=\"group-count\">%zu</span></summary><ul class=\"subtitles\">\n",
                   p->d->subtitle_count);
    for (size_t i = 0; i < p->d->subtitle_count; i++) {
        const struct subtitle *t = &p->d->subtitles[i];
        if (subtitle_choice(t, choice) < 0)
            continue;
        (void)buf_adds(p->out, "<li><a href=\"");
        if (add_link(p, "stream", choice, err) < 0)
            return -1;
        (void)buf_adds(p->out, "\" download dir=\"auto\">");
        (void)html_text(p->out, t->label);
        (void)buf_adds(p->out, t->is_auto ? "<span class=\"tag\">auto</span></a></li>\n" : "</a></li>\n");
    }
    (void)buf_adds(p->out, "</ul></details>\n");
    return 0;
}

static int add_head(const struct page *p, struct err *err)
{
    struct buf *out = p->out;
    (void)buf_adds(out, "<article class=\"result\"><header class=\"result-head\"><div class=\"thumb\">");
    if (p->d->thumbnail) {
        (void)buf_adds(out, "<img src=\"");
        if (add_link(p, "thumbnail", "thumbnail", err) < 0)
            return -1;
        (void)buf_adds(out, "\" alt=\"\">");
    }
    if (p->d->duration_ms) {
        (void)buf_adds(out, "<span class=\"thumb-time\">");
        add_duration(out, p->d->duration_ms);
        (void)buf_adds(out, "</span>");
    }
    (void)buf_adds(out, "</div><div class=\"result-about\"><h2 class=\"result-title\" dir=\"auto\">");
    (void)html_text(out, p->d->title);
    (void)buf_adds(out, "</h2>");
    if (p->d->author) {
        (void)buf_adds(out, "<p class=\"result-author\" dir=\"auto\">");
        (void)html_text(out, p->d->author);
        (void)buf_adds(out, "</p>");
    }
    (void)buf_adds(out, "</div></header>\n");
    return 0;
}

static int add_result(const struct page *p, struct err *err)
{
    struct choice *list = NULL;
    struct choice best;
    size_t count = 0;
    struct err none;
    if (add_head(p, err) < 0 || choice_list(p->d, &list, &count, err) < 0)
        return -1;
    const struct choice *marked = NULL;
    bool has_best = choice_find(p->d, "best", NULL, &best, &none) == 0;
    for (size_t i = 0; has_best && i < count; i++) {
        if (strcmp(list[i].id, best.id) == 0)
            marked = &list[i];
    }
    int rc = 0;
    for (int group = 0; rc == 0 && group < GROUPS; group++)
        rc = add_group(p, (enum group)group, list, count, marked, err);
    free(list);
    if (rc < 0 || add_subtitles(p, err) < 0)
        return -1;
    (void)buf_adds(p->out, "</article>\n");
    return 0;
}

int serve_page(struct app *app, const struct http_request *req, struct http_response *res, struct err *err)
{
    const char *link = http_param(req, "url");
    const char *prefix = *app->config.public_path ? app->config.public_path : req->prefix;
    auto_ptr(description) struct description *d = NULL;
    auto_(buf) struct buf out = BUF_INIT(PAGE_MAX_BYTES);
    if (!link || !*link)
        return err_set(err, ERR_BAD_URL, "no url given");
    if (serve_describe(app, link, NULL, &d, NULL, err) < 0)
        return -1;
    struct page page = {.app = app, .prefix = req->prefix, .d = d, .out = &out};
    add_top(&out, prefix, d->title);
    add_form(&out, prefix, link);
    if (add_result(&page, err) < 0)
        return -1;
    (void)buf_adds(
        &out, "</main>\n<footer class=\"foot\"><span>Fetch only what you have the right to.</span></footer>\n"
              "</body>\n</html>\n");
    if (out.failed)
        return err_set(err, ERR_INTERNAL, "page too large");
    (void)http_set_header(res, "Cache-Control", "private, no-store");
    (void)http_set_header(res, "Content-Security-Policy",
                          "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
                          "base-uri 'none'; frame-ancestors 'none'");
    (void)http_send(res, "text/html; charset=utf-8", buf_str(&out), out.len);
    return 0;
}
