/* See frame.h. */
#include "serve/frame.h"

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
    (void)buf_adds(f->out, "page?");
    if (f->chosen)
        (void)buf_addf(f->out, "lang=%s&amp;", f->locale->tag);
    (void)buf_adds(f->out, "url=");
    (void)html_url_arg(f->out, link);
}

static void add_head(const struct frame *f, const char *title)
{
    (void)buf_addf(f->out, "<!doctype html>\n<html lang=\"%s\" dir=\"%s\">\n", f->locale->tag,
                   frame_words(f, "lang.dir"));
    (void)buf_adds(f->out, "<head>\n<meta charset=\"utf-8\">\n"
                           "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                           "<meta name=\"referrer\" content=\"no-referrer\">\n"
                           "<meta name=\"color-scheme\" content=\"light dark\">\n");
    frame_element(f, "<title>", title ? title : frame_words(f, "headline"), " · Sluice</title>\n");
    (void)buf_adds(f->out, "<link rel=\"icon\" href=\"../../favicon.svg\" type=\"image/svg+xml\">\n"
                           "<link rel=\"stylesheet\" href=\"../../vendor/bootstrap.min.css\">\n"
                           "<link rel=\"stylesheet\" href=\"../../vendor/icons.css\">\n"
                           "<link rel=\"stylesheet\" href=\"../../sluice.css\">\n</head>\n");
}

static void add_form(const struct frame *f)
{
    frame_element(
        f,
        "<body>\n<header class=\"top\">\n<a class=\"brand\" href=\"../../\"><img src=\"../../favicon.svg\" "
        "alt=\"\" width=\"32\" height=\"32\">Sluice</a>\n<nav aria-label=\"",
        frame_words(f, "nav.site"), "\">");
    frame_element(f, "<a href=\"../../docs/\">", frame_words(f, "nav.docs"),
                  "</a></nav>\n</header>\n<main class=\"page\">\n");
    frame_element(f, "<h1 class=\"headline\">", frame_words(f, "headline"), "</h1>\n");
    frame_element(f,
                  "<form class=\"ask\" action=\"page\" method=\"get\" role=\"search\">\n"
                  "<label class=\"visually-hidden\" for=\"url\">",
                  frame_words(f, "ask.label"), "</label>\n");
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
        (void)buf_addf(out, "<a href=\"page?lang=%s", l->tag);
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
        (void)buf_addf(f->out, "<a href=\"../../docs/%s\">", links[i][0]);
        frame_element(f, "", frame_words(f, links[i][1]), "</a>");
    }
    (void)buf_adds(f->out, "</nav></footer>\n</body>\n</html>\n");
}

void frame_begin(const struct frame *f, const char *title)
{
    add_head(f, title);
    add_form(f);
}

int frame_end(const struct frame *f, struct http_response *res, struct err *err)
{
    add_languages(f);
    add_foot(f);
    if (f->out->failed)
        return err_set(err, ERR_INTERNAL, "page too large");
    (void)http_set_header(res, "Cache-Control", "private, no-store");
    (void)http_set_header(res, "Content-Security-Policy",
                          "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
                          "base-uri 'none'; frame-ancestors 'none'");
    (void)http_send(res, "text/html; charset=utf-8", buf_str(f->out), f->out->len);
    return 0;
}
