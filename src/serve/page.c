/* GET /api/v1/page?url=: the result for browsers without JavaScript; without a link, the form alone. A link
 * to a playlist or a channel, and words, give a list: page_list.c.
 *
 * The same elements with the same texts as www/js/card.js makes (described at its top; a browser test
 * compares the two), in the reader's language, all looks from sluice.css. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "http/html.h"
#include "http/phrase.h"
#include "serve/auth.h"
#include "serve/choice.h"
#include "serve/describe.h"
#include "serve/page_list.h"
#include "serve/planned.h"
#include "serve/prepare.h"
#include "serve/serve.h"
#include "serve/settings.h"
#include "serve/subtitles.h"
#include "serve/token.h"

enum { LINK_TEXT_MAX = 24576 };

struct page {
    struct app *app;
    struct token_holder holder;
    const struct description *d;
    const struct frame *frame;
    const struct locale *locale;
    struct buf *out;
};

enum group { GROUP_BOTH, GROUP_VIDEO, GROUP_AUDIO, GROUPS };

static enum group group_of(const struct choice *c)
{
    static const enum group groups[] = {
        [FORMAT_MUXED] = GROUP_BOTH, [FORMAT_VIDEO] = GROUP_VIDEO, [FORMAT_AUDIO] = GROUP_AUDIO};
    return groups[c->kind];
}

static const char *words(const struct page *p, const char *key)
{
    return locale_text(p->locale, key);
}

static void add_filled(const struct page *p, const char *key, const char *value)
{
    phrase_filled(p->out, p->locale, key, value);
}

static void add_size(const struct page *p, const struct choice *c)
{
    (void)buf_adds(p->out, c->size_exact ? "" : "≈ ");
    phrase_units(p->out, p->locale, "units.size", (double)c->size_bytes);
}

/* `before`, the text escaped, `after`. Our own words have no quotes in them: they may stand in attributes. */
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
static void add_name(const struct page *p, const struct choice *c)
{
    char name[sizeof c->label];
    (void)snprintf(name, sizeof name, "%s", c->label);
    char *end = strstr(name, " · ");
    if (end)
        *end = '\0';
    const char *key = strcmp(name, "Audio") == 0              ? "choice.audio"
                      : text_equal_nocase(name, c->container) ? "choice.as_is"
                                                              : NULL;
    add_element(p->out, "<bdi>", key ? words(p, key) : name, "</bdi>");
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
        phrase_units(out, p->locale, "units.rate", (double)bitrate);
        (void)buf_adds(out, "</span>");
    }
    for (size_t i = 0; i < c->format_count && has_many_voices(p->d); i++) {
        const struct format *f = c->formats[i];
        if (!f->language)
            continue;
        (void)buf_adds(out, "<span>");
        if (f->original)
            (void)html_text(out, f->language);
        else
            add_filled(p, "choice.dubbed", f->language);
        (void)buf_adds(out, "</span>");
    }
    if (drc) {
        (void)buf_adds(out, "<span title=\"");
        (void)html_attr(out, words(p, "choice.loudness_title"));
        add_element(out, "\">", words(p, "choice.loudness"), "</span>");
    }
    (void)buf_adds(out, "</span>");
}

static int add_row(const struct page *p, const struct choice *c, bool best, struct err *err)
{
    struct buf *out = p->out;
    (void)buf_addf(out, "<li class=\"choice%s\"><a class=\"choice-link\"", best ? " choice-best" : "");
    if (add_link(p, "href", "stream", c->id, err) < 0)
        return -1;
    (void)buf_adds(out, " download><span class=\"choice-label\">");
    add_name(p, c);
    (void)buf_adds(out, "</span>");
    add_facts(p, c);
    (void)buf_adds(out, "<span class=\"choice-size\" title=\"");
    if (c->size_bytes) {
        auto_(buf) struct buf bytes = BUF_INIT(64);
        phrase_grouped(&bytes, p->locale, c->size_bytes);
        add_filled(p, c->size_exact ? "choice.size_exact" : "choice.size_about", buf_str(&bytes));
        (void)buf_adds(out, "\">");
        add_size(p, c);
    } else {
        (void)html_attr(out, words(p, "choice.size_unspoken"));
        add_element(out, "\">", words(p, "choice.size_unknown"), "");
    }
    return buf_adds(out, "</span></a></li>\n");
}

static void add_group_top(const struct page *p, const char *title, size_t count, const char *list)
{
    add_element(p->out, "<details class=\"group\" open><summary><h3 class=\"group-title\">", words(p, title),
                "</h3>");
    (void)buf_addf(p->out, "<span class=\"group-count\">%zu</span></summary>\n<ul class=\"%s\">\n", count,
                   list);
}

static int add_group(const struct page *p, enum group group, const struct choice *list, size_t count,
                     const struct choice *best, struct err *err)
{
    static const char *const titles[] = {"group.both", "group.video", "group.audio"};
    size_t members = 0;
    for (size_t i = 0; i < count; i++)
        members += group_of(&list[i]) == group;
    if (members == 0)
        return 0;
    add_group_top(p, titles[group], members, "choices");
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
    add_group_top(p, "group.subtitles", members, "subtitles");
    for (size_t i = 0; i < p->d->subtitle_count; i++) {
        const struct subtitle *t = &p->d->subtitles[i];
        if (subtitle_choice(p->d, t, choice) < 0)
            continue;
        (void)buf_adds(p->out, "<li><a");
        if (add_link(p, "href", "stream", choice, err) < 0)
            return -1;
        (void)buf_adds(p->out, " download dir=\"auto\">");
        const char *name = *t->label ? t->label : t->language;
        if (t->is_auto && !strcasestr(t->label, "auto"))
            add_filled(p, "subtitle.auto", name);
        else
            (void)html_text(p->out, name);
        (void)buf_adds(p->out, "</a><a");
        if (add_link_with(p, "href", "stream", choice, "&format=srt", err) < 0)
            return -1;
        (void)buf_adds(p->out, " download title=\"");
        (void)html_attr(p->out, words(p, "subtitle.srt_title"));
        (void)buf_adds(p->out, "\">SRT</a></li>\n");
    }
    (void)buf_adds(p->out, "</ul></details>\n");
    return 0;
}

/* With JavaScript, one leads to the part it is (www/js/more.js). */
static void add_chapters(const struct page *p)
{
    const struct description *d = p->d;
    if (d->chapter_count == 0)
        return;
    add_group_top(p, "group.chapters", d->chapter_count, "choices");
    for (size_t i = 0; i < d->chapter_count; i++) {
        (void)buf_adds(p->out, "<li><span class=\"chapter\"><span class=\"chapter-time\">");
        phrase_duration(p->out, d->chapters[i].start_ms);
        add_element(p->out, "</span><span dir=\"auto\">", d->chapters[i].title, "</span></span></li>\n");
    }
    (void)buf_adds(p->out, "</ul></details>\n");
}

static int add_best(const struct page *p, const struct choice *best, struct err *err)
{
    static const char *const verbs[] = {"best.both", "best.video", "best.audio"};
    char container[16];
    (void)buf_adds(p->out, "<a class=\"best\"");
    if (add_link(p, "href", "stream", best->id, err) < 0)
        return -1;
    add_element(p->out, " download><span class=\"best-verb\">", words(p, verbs[group_of(best)]),
                "</span> <span class=\"best-what\">");
    add_name(p, best);
    (void)snprintf(container, sizeof container, "%s", best->container);
    upper(container);
    add_element(p->out, " · <bdi>", container, "</bdi>");
    if (best->size_bytes) {
        (void)buf_adds(p->out, " · <bdi>");
        add_size(p, best);
        (void)buf_adds(p->out, "</bdi>");
    }
    return buf_adds(p->out, "</span></a>\n");
}

static const char *title_of(const struct page *p)
{
    return p->d && *p->d->title ? p->d->title : words(p, "card.untitled");
}

/* The way to what else is by them. */
static void add_author(const struct page *p)
{
    const struct description *d = p->d;
    if (!d->author)
        return;
    (void)buf_adds(p->out, "<p class=\"result-author\" dir=\"auto\">");
    if (d->author_url) {
        (void)buf_adds(p->out, "<a href=\"");
        frame_page_url(p->frame, d->author_url);
        add_element(p->out, "\">", d->author, "</a></p>\n");
    } else {
        add_element(p->out, "", d->author, "</p>\n");
    }
}

/* The way to the playlist the video was found in. */
static void add_list_link(const struct page *p)
{
    struct listing_wish wish;
    struct err ignored;
    char url[LISTING_ID_MAX + 64];
    if (listing_wish_of(p->frame->link, &wish, &ignored) < 0 || wish.kind != LISTING_PLAYLIST)
        return;
    (void)snprintf(url, sizeof url, "https://www.youtube.com/playlist?list=%s", wish.id);
    (void)buf_adds(p->out, "<a class=\"link-button\" href=\"");
    frame_page_url(p->frame, url);
    add_element(p->out, "\">", words(p, "card.list"), "</a>\n");
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
        phrase_duration(out, d->duration_ms);
        (void)buf_adds(out, "</span>");
    }
    add_element(out, "</div>\n<div class=\"result-about\">\n<h2 class=\"result-title\" dir=\"auto\">",
                title_of(p), "</h2>\n");
    add_author(p);
    const char *engine = strchr(d->engine, ':');
    add_element(out, "<p class=\"result-facts\"><span>",
                strcmp(d->site, "youtube") == 0  ? "YouTube"
                : strcmp(d->site, "tiktok") == 0 ? "TikTok"
                : strcmp(d->site, "direct") == 0 ? words(p, "card.direct")
                                                 : d->site,
                "</span>");
    if (engine) {
        (void)buf_adds(out, "<span>");
        add_filled(p, "card.via", engine + 1);
        (void)buf_adds(out, "</span>");
    }
    if (cached)
        add_element(out, "<span>", words(p, "card.cached"), "</span>");
    (void)buf_adds(out, "</p>\n");
    if (best && add_best(p, best, err) < 0)
        return -1;
    add_list_link(p);
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
        (void)prepare_choice(p->app, p->d->url, best, "");
    int rc = add_about(p, best, cached, err);
    for (int group = 0; rc == 0 && group < GROUPS; group++)
        rc = add_group(p, (enum group)group, list, count, best, err);
    free(list);
    if (rc < 0 || add_subtitles(p, err) < 0)
        return -1;
    add_chapters(p);
    return buf_adds(p->out, "</article>\n");
}

/* The card is there all the same, its links are not of use just now. */
static void add_notice(const struct page *p)
{
    const char *said = p->app->config.maintenance_message;
    if (!settings_maintenance(p->app))
        return;
    add_element(p->out, "<p class=\"notice\" role=\"status\"><strong>", words(p, "error.maintenance.title"),
                "</strong> <span dir=\"auto\">");
    add_element(p->out, "", *said ? said : words(p, "error.maintenance.text"), "</span></p>\n");
}

static int send_card(struct page *page, const struct auth *who, const struct http_request *req,
                     struct http_response *res, struct err *err)
{
    auto_ptr(description) struct description *d = NULL;
    if (serve_describe_for(page->app, who, page->frame->link, res, &d, err) < 0)
        return -1;
    page->holder = (struct token_holder){.prefix = req->prefix, .key_id = auth_key_id(who)};
    page->d = d;
    frame_begin(page->frame, title_of(page));
    add_notice(page);
    return add_result(page, http_notes(res)->cached, err) < 0 ? -1 : frame_send(page->frame, res, err);
}

int serve_page(struct app *app, const struct http_request *req, struct http_response *res, struct err *err)
{
    auto_(buf) struct buf out = BUF_INIT(FRAME_MAX_BYTES);
    const struct frame frame = frame_of(req, &out);
    struct listing_wish wish;
    struct auth who;
    struct page page = {.app = app, .frame = &frame, .locale = frame.locale, .out = &out};
    if (frame.chosen && !*frame.link) { /* somebody changes the language of the form */
        frame_begin(&frame, NULL);
        return frame_send(&frame, res, err);
    }
    if (auth_admit(app, req, &who, res, err) < 0)
        return -1;
    if (!*frame.link)
        return err_set(err, ERR_BAD_URL, "no url given");
    int is_list = page_list_wish(frame.link, &wish, err);
    if (is_list < 0)
        return -1;
    return is_list ? page_list_send(app, &frame, req, &who, &wish, res, err)
                   : send_card(&page, &who, req, res, err);
}
