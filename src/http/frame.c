/* See frame.h. */
#include "http/frame.h"

#include <string.h>

#include "http/html.h"

const char *frame_words(const struct frame *f, const char *key)
{
    return locale_text(f->locale, key);
}

void frame_element(const struct frame *f, const char *before, const char *text, const char *after)
{
    (void)buf_adds(f->out, before);
    (void)html_text(f->out, text);
    (void)buf_adds(f->out, after);
}

void frame_page_url(const struct frame *f, const char *link)
{
    (void)buf_addf(f->out, "%sapi/v1/page?", f->up);
    if (f->chosen)
        (void)buf_addf(f->out, "lang=%s&amp;", f->locale->tag);
    (void)buf_adds(f->out, "url=");
    (void)html_url_arg(f->out, link);
}

/* "/api/v1/page" → "./../../". What lies deeper than there is room for is no route of ours. */
static void fill_up(char up[FRAME_UP_MAX], const char *path)
{
    size_t len = 2;
    memcpy(up, "./", 3);
    for (const char *p = path; *p && (p = strchr(p + 1, '/')) && len + 3 < FRAME_UP_MAX; len += 3)
        memcpy(up + len, "../", 4);
}

struct frame frame_of(const struct http_request *req, struct buf *out)
{
    const char *link = req ? http_param(req, "url") : NULL;
    const char *lang = req ? http_param(req, "lang") : NULL;
    struct frame f = {.out = out,
                      .locale = http_locale(req),
                      .chosen = lang && locale_find(lang),
                      .link = link ? link : ""};
    fill_up(f.up, req ? req->path : "");
    return f;
}

static void add_head(const struct frame *f, const char *title)
{
    struct buf *out = f->out;
    (void)buf_addf(out, "<!doctype html>\n<html lang=\"%s\" dir=\"%s\">\n", f->locale->tag,
                   frame_words(f, "lang.dir"));
    (void)buf_adds(out, "<head>\n<meta charset=\"utf-8\">\n"
                        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                        "<meta name=\"referrer\" content=\"no-referrer\">\n"
                        "<meta name=\"color-scheme\" content=\"light dark\">\n");
    if (f->refresh_s > 0)
        (void)buf_addf(out, "<meta http-equiv=\"refresh\" content=\"%d\">\n", f->refresh_s);
    frame_element(f, "<title>", title ? title : frame_words(f, "headline"), " · Sluice</title>\n");
    (void)buf_addf(out,
                   "<link rel=\"icon\" href=\"%sfavicon.svg\" type=\"image/svg+xml\">\n"
                   "<link rel=\"stylesheet\" href=\"%svendor/bootstrap.min.css\">\n"
                   "<link rel=\"stylesheet\" href=\"%svendor/icons.css\">\n"
                   "<link rel=\"stylesheet\" href=\"%ssluice.css\">\n</head>\n",
                   f->up, f->up, f->up, f->up);
}

static void add_top(const struct frame *f)
{
    struct buf *out = f->out;
    (void)buf_addf(
        out,
        "<body>\n<header class=\"top\">\n<a class=\"brand\" href=\"%s\"><img src=\"%sfavicon.svg\" "
        "alt=\"\" width=\"32\" height=\"32\">Sluice</a>\n",
        f->up, f->up);
    frame_element(f, "<nav aria-label=\"", frame_words(f, "nav.site"), "\">");
    (void)buf_addf(out, "<a href=\"%sdocs/\">", f->up);
    frame_element(f, "", frame_words(f, "nav.docs"), "</a></nav>\n</header>\n<main class=\"page\">\n");
}

static void add_form(const struct frame *f)
{
    frame_element(f, "<h1 class=\"headline\">", frame_words(f, "headline"), "</h1>\n");
    (void)buf_addf(f->out, "<form class=\"ask\" action=\"%sapi/v1/page\" method=\"get\" role=\"search\">\n",
                   f->up);
    frame_element(f, "<label class=\"visually-hidden\" for=\"url\">", frame_words(f, "ask.label"),
                  "</label>\n");
    if (f->chosen)
        (void)buf_addf(f->out, "<input type=\"hidden\" name=\"lang\" value=\"%s\">\n", f->locale->tag);
    (void)buf_adds(f->out,
                   "<div class=\"ask-box\"><input class=\"ask-input\" id=\"url\" name=\"url\" type=\"text\" "
                   "required autocomplete=\"off\" dir=\"auto\" value=\"");
    (void)html_attr(f->out, f->link);
    frame_element(f, "\">\n<button class=\"ask-go\" type=\"submit\"><span class=\"ask-go-text\">",
                  frame_words(f, "ask.go"), "</span><span class=\"icon icon-go\"></span></button></div>\n");
    frame_element(f, "<p class=\"ask-hint\">", frame_words(f, "ask.hint"), "</p>\n</form>\n");
}

/* The other languages, with the same link. */
static void add_languages(const struct frame *f)
{
    struct buf *out = f->out;
    (void)buf_adds(out, "<nav class=\"tongues\" aria-label=\"");
    (void)html_attr(out, frame_words(f, "nav.language"));
    (void)buf_adds(out, "\">\n");
    for (const struct locale *l = locales; l->tag; l++) {
        (void)buf_addf(out, "<a href=\"%sapi/v1/page?lang=%s", f->up, l->tag);
        if (*f->link) {
            (void)buf_adds(out, "&amp;url=");
            (void)html_url_arg(out, f->link);
        }
        (void)buf_addf(out, "\" lang=\"%s\" dir=\"%s\"%s>", l->tag, locale_text(l, "lang.dir"),
                       l == f->locale ? " aria-current=\"true\"" : "");
        frame_element(f, "", locale_text(l, "lang.name"), "</a>\n");
    }
    (void)buf_adds(out, "</nav>\n");
}

static void add_foot(const struct frame *f)
{
    static const char *const links[][2] = {
        {"", "nav.documentation"}, {"api.html", "nav.api"}, {"privacy.html", "nav.privacy"}};
    frame_element(f, "</main>\n<footer class=\"foot\"><span>", frame_words(f, "foot.rights"), "</span>\n");
    frame_element(f, "<nav aria-label=\"", frame_words(f, "nav.about"), "\">");
    for (size_t i = 0; i < ARRAY_LEN(links); i++) {
        (void)buf_addf(f->out, "<a href=\"%sdocs/%s\">", f->up, links[i][0]);
        frame_element(f, "", frame_words(f, links[i][1]), "</a>");
    }
    (void)buf_adds(f->out, "</nav></footer>\n</body>\n</html>\n");
}

void frame_begin(const struct frame *f, const char *title)
{
    add_head(f, title);
    add_top(f);
    add_form(f);
}

void frame_end(const struct frame *f)
{
    add_languages(f);
    add_foot(f);
}

int frame_send(const struct frame *f, struct http_response *res, struct err *err)
{
    frame_end(f);
    if (f->out->failed)
        return err_set(err, ERR_INTERNAL, "page too large");
    (void)http_set_header(res, "Cache-Control", "private, no-store");
    (void)http_set_header(res, "Content-Security-Policy",
                          "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
                          "base-uri 'none'; frame-ancestors 'none'");
    (void)http_send(res, "text/html; charset=utf-8", buf_str(f->out), f->out->len);
    return 0;
}
