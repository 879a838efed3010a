/* GET /api/v1/page?url=: the result for browsers without JavaScript.
 *
 * The same elements with the same texts as www/app.js makes (described at its top; a browser test compares
 * the two), all looks from sluice.css. Addresses of our own files are relative to this route, so that they
 * are right in any folder, whether or not the web server tells us its name. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "http/html.h"
#include "serve/auth.h"
#include "serve/choice.h"
#include "serve/describe.h"
#include "serve/planned.h"
#include "serve/prepare.h"
#include "serve/serve.h"
#include "serve/subtitles.h"
#include "serve/token.h"

enum { PAGE_MAX_BYTES = 8 << 20, LINK_TEXT_MAX = 24576 };

struct page {
    struct app *app;
    struct token_holder holder;
    const struct description *d;
    struct buf *out;
};

enum group { GROUP_BOTH, GROUP_VIDEO, GROUP_AUDIO, GROUPS };

static const char page_top[] =
    " · Sluice</title>\n"
    "<link rel=\"icon\" href=\"../../favicon.svg\" type=\"image/svg+xml\">\n"
    "<link rel=\"stylesheet\" href=\"../../vendor/bootstrap.min.css\">\n"
    "<link rel=\"stylesheet\" href=\"../../vendor/icons.css\">\n"
    "<link rel=\"stylesheet\" href=\"../../sluice.css\">\n"
    "</head>\n<body>\n"
    "<header class=\"top\">\n<a class=\"brand\" href=\"../../\"><img src=\"../../favicon.svg\" alt=\"\" width=\"32\" "
    "height=\"32\">Sluice</a>\n<nav aria-label=\"Site\"><a href=\"../../docs/\">Docs</a></nav>\n</header>\n"
    "<main class=\"page\">\n<h1 class=\"headline\">Paste a link. Get the file.</h1>\n"
    "<form class=\"ask\" action=\"page\" method=\"get\" role=\"search\">\n"
    "<label class=\"visually-hidden\" for=\"url\">Link to a video or audio file</label>\n"
    "<div class=\"ask-box\"><input class=\"ask-input\" id=\"url\" name=\"url\" type=\"text\" inputmode=\"url\" "
    "required autocomplete=\"off\" dir=\"ltr\" value=\"";

static const char page_form_end[] =
    "\">\n<button class=\"ask-go\" type=\"submit\"><span class=\"ask-go-text\">Get it</span>"
    "<span class=\"icon icon-go\"></span></button></div>\n"
    "<p class=\"ask-hint\">YouTube, or a link that leads straight to a video or audio file.</p>\n</form>\n";

static const char page_bottom[] =
    "</main>\n<footer class=\"foot\"><span>Fetch only what you have the right to.</span>\n"
    "<nav aria-label=\"About\"><a href=\"../../docs/\">Documentation</a><a href=\"../../docs/#api\">API</a>"
    "<a href=\"../../docs/#privacy\">Privacy</a></nav></footer>\n</body>\n</html>\n";

static enum group group_of(const struct choice *c)
{
    static const enum group groups[] = {
        [FORMAT_MUXED] = GROUP_BOTH, [FORMAT_VIDEO] = GROUP_VIDEO, [FORMAT_AUDIO] = GROUP_AUDIO};
    return groups[c->kind];
}

/* "59.2 MB": one decimal where fewer than three digits would be left. */
static void add_units(struct buf *out, double value, const char *const units[5])
{
    size_t unit = 0;
    for (; value >= 999.5 && unit < 4; unit++)
        value /= 1000;
    (void)buf_addf(out, "%.*f %s", unit > 0 && value < 99.95 ? 1 : 0, value, units[unit]);
}

static void add_size(struct buf *out, const struct choice *c)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    (void)buf_adds(out, c->size_exact ? "" : "≈ ");
    add_units(out, (double)c->size_bytes, units);
}

static void add_rate(struct buf *out, int64_t bits)
{
    static const char *const units[] = {"bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"};
    add_units(out, (double)bits, units);
}

/* "59,234,567" */
static void add_grouped(struct buf *out, uint64_t n)
{
    if (n >= 1000) {
        add_grouped(out, n / 1000);
        (void)buf_addf(out, ",%03u", (unsigned)(n % 1000));
    } else {
        (void)buf_addf(out, "%u", (unsigned)n);
    }
}

static void add_duration(struct buf *out, uint64_t ms)
{
    unsigned long long s = (ms + 500) / 1000;
    if (s >= 3600)
        (void)buf_addf(out, "%llu:%02llu:%02llu", s / 3600, s / 60 % 60, s % 60);
    else
        (void)buf_addf(out, "%llu:%02llu", s / 60, s % 60);
}

/* `before`, the text escaped, `after`. */
static void add_element(struct buf *out, const char *before, const char *text, const char *after)
{
    (void)buf_adds(out, before);
    (void)html_text(out, text);
    (void)buf_adds(out, after);
}

/* ` href="…"` or the like: the address of a choice, or of the thumbnail, with `more` behind it. */
static int add_link_with(const struct page *p, const char *attribute, const char *route, const char *choice,
                         const char *more, struct err *err)
{
    auto_(buf) struct buf url = BUF_INIT(LINK_TEXT_MAX);
    if (token_link(p->app, &p->holder, route, p->d->url, choice, &url, err) < 0)
        return -1;
    (void)buf_adds(&url, more);
    (void)buf_addf(p->out, " %s=\"", attribute);
    (void)html_attr(p->out, buf_str(&url));
    return buf_adds(p->out, "\"");
}

static int add_link(const struct page *p, const char *attribute, const char *route, const char *choice,
                    struct err *err)
{
    return add_link_with(p, attribute, route, choice, "", err);
}

static void upper(char *s)
{
    for (; *s; s++) {
        if (*s >= 'a' && *s <= 'z')
            *s = (char)(*s - 32);
    }
}

/* "avc1.42001E,mp4a.40.2" → "H.264 + AAC" */
static void add_codec_names(struct buf *out, const char *codecs)
{
    char codec[sizeof((struct choice *)0)->codecs];
    const char *between = "";
    for (const char *rest = codecs; *rest; rest += strspn(rest, ", ")) {
        size_t len = strcspn(rest, ", ");
        (void)snprintf(codec, sizeof codec, "%.*s", (int)len, rest);
        const char *name = choice_codec_name(codec);
        add_element(out, between, *name ? name : codec, "");
        between = " + ";
        rest += len;
    }
}

/* What tells a choice from its neighbours: the first part of its label. */
static void add_name(struct buf *out, const struct choice *c)
{
    char name[sizeof c->label];
    (void)snprintf(name, sizeof name, "%s", c->label);
    char *end = strstr(name, " · ");
    if (end)
        *end = '\0';
    (void)html_text(out, text_equal_nocase(name, c->container) ? "As it is" : name);
}

static bool has_many_voices(const struct description *d)
{
    const char *first = NULL;
    for (size_t i = 0; i < d->format_count; i++) {
        const char *language = d->formats[i].language;
        if (language && first && strcmp(language, first) != 0)
            return true;
        first = first ? first : language;
    }
    return false;
}

static void add_facts(const struct page *p, const struct choice *c)
{
    struct buf *out = p->out;
    char container[16];
    int64_t bitrate = 0;
    double fps = 0;
    bool drc = false;
    for (size_t i = 0; i < c->format_count; i++) {
        bitrate += c->formats[i]->bitrate;
        fps = c->formats[i]->fps > fps ? c->formats[i]->fps : fps;
        drc |= c->formats[i]->drc;
    }
    (void)snprintf(container, sizeof container, "%s", c->container);
    upper(container);
    add_element(out, "<span class=\"choice-facts\"><span class=\"tag\">", container, "</span>");
    if (*c->codecs) {
        (void)buf_adds(out, "<span title=\"");
        (void)html_attr(out, c->codecs);
        (void)buf_adds(out, "\">");
        add_codec_names(out, c->codecs);
        (void)buf_adds(out, "</span>");
    }
    char rate[24];
    (void)snprintf(rate, sizeof rate, "p%.0f ·", fps);
    if (fps >= 30.5 && !strstr(c->label, rate))
        (void)buf_addf(out, "<span>%.0f fps</span>", fps);
    if (bitrate > 0 && !strstr(c->label, "bit/s")) {
        (void)buf_adds(out, "<span>");
        add_rate(out, bitrate);
        (void)buf_adds(out, "</span>");
    }
    for (size_t i = 0; i < c->format_count && has_many_voices(p->d); i++) {
        const struct format *f = c->formats[i];
        if (f->language)
            add_element(out, "<span>", f->language, f->original ? "</span>" : " (dubbed)</span>");
    }
    if (drc)
        (void)buf_adds(out,
                       "<span title=\"Dynamic range compressed: quiet and loud parts brought together\">even "
                       "loudness</span>");
    (void)buf_adds(out, "</span>");
}

static int add_row(const struct page *p, const struct choice *c, bool best, struct err *err)
{
    struct buf *out = p->out;
    (void)buf_addf(out, "<li class=\"choice%s\"><a class=\"choice-link\"", best ? " choice-best" : "");
    if (add_link(p, "href", "stream", c->id, err) < 0)
        return -1;
    (void)buf_adds(out, " download><span class=\"choice-label\">");
    add_name(out, c);
    (void)buf_adds(out, "</span>");
    add_facts(p, c);
    if (c->size_bytes) {
        (void)buf_addf(out, "<span class=\"choice-size\" title=\"%s", c->size_exact ? "" : "about ");
        add_grouped(out, c->size_bytes);
        (void)buf_adds(out, " bytes\">");
        add_size(out, c);
    } else {
        (void)buf_adds(out, "<span class=\"choice-size\" title=\"The source does not say\">size unknown");
    }
    (void)buf_adds(out, "</span></a></li>\n");
    return 0;
}

static void add_group_top(struct buf *out, const char *title, size_t count, const char *list)
{
    (void)buf_addf(out,
                   "<details class=\"group\" open><summary><h3 class=\"group-title\">%s</h3>"
                   "<span class=\"group-count\">%zu</span></summary>\n<ul class=\"%s\">\n",
                   title, count, list);
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
    add_group_top(p->out, titles[group], members, "choices");
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
    size_t members = 0;
    for (size_t i = 0; i < p->d->subtitle_count; i++)
        members += subtitle_choice(p->d, &p->d->subtitles[i], choice) == 0;
    if (members == 0)
        return 0;
    add_group_top(p->out, "Subtitles", members, "subtitles");
    for (size_t i = 0; i < p->d->subtitle_count; i++) {
        const struct subtitle *t = &p->d->subtitles[i];
        if (subtitle_choice(p->d, t, choice) < 0)
            continue;
        (void)buf_adds(p->out, "<li><a");
        if (add_link(p, "href", "stream", choice, err) < 0)
            return -1;
        add_element(p->out, " download dir=\"auto\">", *t->label ? t->label : t->language,
                    t->is_auto && !strcasestr(t->label, "auto") ? " (automatic)</a>" : "</a>");
        (void)buf_adds(p->out, "<a");
        if (add_link_with(p, "href", "stream", choice, "&format=srt", err) < 0)
            return -1;
        (void)buf_adds(p->out, " download title=\"The same as SubRip\">SRT</a></li>\n");
    }
    (void)buf_adds(p->out, "</ul></details>\n");
    return 0;
}

static int add_best(const struct page *p, const struct choice *best, struct err *err)
{
    static const char *const verbs[] = {"Download", "Download without sound", "Download audio"};
    char container[16];
    (void)buf_adds(p->out, "<a class=\"best\"");
    if (add_link(p, "href", "stream", best->id, err) < 0)
        return -1;
    (void)buf_addf(p->out, " download><span class=\"best-verb\">%s</span> <span class=\"best-what\">",
                   verbs[group_of(best)]);
    add_name(p->out, best);
    (void)snprintf(container, sizeof container, "%s", best->container);
    upper(container);
    add_element(p->out, " · ", container, "");
    if (best->size_bytes) {
        (void)buf_adds(p->out, " · ");
        add_size(p->out, best);
    }
    return buf_adds(p->out, "</span></a>\n");
}

static int add_about(const struct page *p, const struct choice *best, bool cached, struct err *err)
{
    const struct description *d = p->d;
    struct buf *out = p->out;
    (void)buf_adds(out, "<article class=\"result\">\n<header class=\"result-head\">\n<div class=\"thumb\">");
    if (d->thumbnail) {
        (void)buf_adds(out, "<img alt=\"\"");
        if (add_link(p, "src", "thumbnail", "thumbnail", err) < 0)
            return -1;
        (void)buf_adds(out, ">");
    }
    if (d->duration_ms) {
        (void)buf_adds(out, "<span class=\"thumb-time\">");
        add_duration(out, d->duration_ms);
        (void)buf_adds(out, "</span>");
    }
    add_element(out, "</div>\n<div class=\"result-about\">\n<h2 class=\"result-title\" dir=\"auto\">",
                *d->title ? d->title : "Untitled", "</h2>\n");
    if (d->author)
        add_element(out, "<p class=\"result-author\" dir=\"auto\">", d->author, "</p>\n");
    const char *engine = strchr(d->engine, ':');
    add_element(out, "<p class=\"result-facts\"><span>",
                strcmp(d->site, "youtube") == 0 ? "YouTube" : "Media file", "</span>");
    if (engine)
        add_element(out, "<span>via ", engine + 1, "</span>");
    if (cached)
        (void)buf_adds(out, "<span>from cache</span>");
    (void)buf_adds(out, "</p>\n");
    if (best && add_best(p, best, err) < 0)
        return -1;
    return buf_adds(out, "</div>\n</header>\n");
}

static int add_result(const struct page *p, bool cached, struct err *err)
{
    struct choice *list = NULL;
    size_t count = 0;
    if (choice_list(p->d, &list, &count, err) < 0)
        return -1;
    planned_sizes(p->app, p->d, list, count);
    const struct choice *best = choice_preselect(list, count);
    if (best && !best->size_exact)
        prepare_choice(p->app, p->d->url, best, "");
    int rc = add_about(p, best, cached, err);
    for (int group = 0; rc == 0 && group < GROUPS; group++)
        rc = add_group(p, (enum group)group, list, count, best, err);
    free(list);
    if (rc < 0 || add_subtitles(p, err) < 0)
        return -1;
    return buf_adds(p->out, "</article>\n");
}

int serve_page(struct app *app, const struct http_request *req, struct http_response *res, struct err *err)
{
    const char *link = http_param(req, "url");
    bool cached = false;
    auto_ptr(description) struct description *d = NULL;
    auto_(buf) struct buf out = BUF_INIT(PAGE_MAX_BYTES);
    struct auth who;
    if (auth_admit(app, req, &who, res, err) < 0)
        return -1;
    if (!link || !*link)
        return err_set(err, ERR_BAD_URL, "no url given");
    if (serve_describe(app, link, NULL, &d, &cached, err) < 0 || auth_check_site(&who, d->site, err) < 0)
        return -1;
    struct page page = {
        .app = app, .holder = {.prefix = req->prefix, .key_id = auth_key_id(&who)}, .d = d, .out = &out};
    add_element(&out,
                "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                "<meta name=\"referrer\" content=\"no-referrer\">\n"
                "<meta name=\"color-scheme\" content=\"light dark\">\n<title>",
                *d->title ? d->title : "Untitled", page_top);
    (void)html_attr(&out, link);
    (void)buf_adds(&out, page_form_end);
    if (add_result(&page, cached, err) < 0)
        return -1;
    (void)buf_adds(&out, page_bottom);
    if (out.failed)
        return err_set(err, ERR_INTERNAL, "page too large");
    (void)http_set_header(res, "Cache-Control", "private, no-store");
    (void)http_set_header(res, "Content-Security-Policy",
                          "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
                          "base-uri 'none'; frame-ancestors 'none'");
    (void)http_send(res, "text/html; charset=utf-8", buf_str(&out), out.len);
    return 0;
}
