/* See page_list.h. The rows are those of www/js/found.js. */
#include "serve/page_list.h"

#include <string.h>

#include "http/html.h"
#include "http/phrase.h"
#include "serve/describe.h"
#include "serve/list.h"

/* Links have no spaces in them, and something that parts a host from a path or a domain; www/js/link.js says
 * the same. */
static bool is_words(const char *text)
{
    static const char *const spaces[] = {" ", "\t", "\n", "\xc2\xa0", "\xe3\x80\x80"}; /* no-break, CJK */
    if (strstr(text, "://"))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(spaces); i++) {
        if (strstr(text, spaces[i]))
            return true;
    }
    return !strpbrk(text, "./:");
}

int page_list_wish(const char *text, struct listing_wish *out, struct err *err)
{
    struct link link;
    struct err why = {0};
    if (is_words(text))
        return list_words(text, out, err) < 0 ? -1 : 1;
    if (serve_parse_link(&link, text, &why) == 0 || why.code != ERR_UNSUPPORTED_SITE)
        return 0;
    return listing_wish_of(text, out, &why) == 0;
}

static const char *text_of(const json_t *item, const char *name)
{
    const char *text = json_string_value(json_object_get(item, name));
    return text ? text : "";
}

static void add_author(const struct frame *f, const json_t *item)
{
    const char *author = text_of(item, "author");
    const char *url = text_of(item, "author_url");
    if (!*author)
        return;
    if (*url) {
        (void)buf_adds(f->out, "<a class=\"found-author\" href=\"");
        frame_page_url(f, url);
        frame_element(f, "\"><bdi>", author, "</bdi></a>");
    } else {
        frame_element(f, "<span class=\"found-author\"><bdi>", author, "</bdi></span>");
    }
}

static void add_row(const struct frame *f, const json_t *item)
{
    struct buf *out = f->out;
    const char *picture = text_of(item, "thumbnail_url");
    json_int_t seconds = json_integer_value(json_object_get(item, "duration_s"));
    (void)buf_adds(out, "<li class=\"found\"><div class=\"thumb\">");
    if (*picture) {
        (void)buf_adds(out, "<img alt=\"\" loading=\"lazy\" src=\"");
        (void)html_attr(out, picture);
        (void)buf_adds(out, "\">");
    }
    if (seconds > 0) {
        (void)buf_adds(out, "<span class=\"thumb-time\">");
        phrase_duration(out, (uint64_t)seconds * 1000);
        (void)buf_adds(out, "</span>");
    } else if (json_is_true(json_object_get(item, "live"))) {
        frame_element(f, "<span class=\"thumb-time\">", frame_words(f, "error.live.title"), "</span>");
    }
    (void)buf_adds(out, "</div><div class=\"found-about\"><a class=\"found-link\" href=\"");
    frame_page_url(f, text_of(item, "url"));
    const char *title = text_of(item, "title");
    frame_element(f, "\"><bdi>", *title ? title : frame_words(f, "card.untitled"), "</bdi></a>");
    add_author(f, item);
    (void)buf_adds(out, "</div></li>\n");
}

static void add_list(const struct frame *f, const json_t *list)
{
    const json_t *items = json_object_get(list, "items");
    const char *next = text_of(list, "next");
    (void)buf_adds(f->out, "<ul class=\"founds\">\n");
    for (size_t i = 0; i < json_array_size(items); i++)
        add_row(f, json_array_get(items, i));
    (void)buf_adds(f->out, "</ul>\n");
    if (json_array_size(items) == 0)
        frame_element(f, "<p class=\"found-none\">", frame_words(f, "search.none"), "</p>\n");
    if (*next) {
        (void)buf_adds(f->out, "<a class=\"btn more-button\" href=\"");
        frame_page_url(f, f->link);
        (void)buf_adds(f->out, "&amp;cursor=");
        (void)html_url_arg(f->out, next);
        frame_element(f, "\">", frame_words(f, "batch.more"), "</a>\n");
    }
}

int page_list_send(struct app *app, const struct frame *frame, const struct http_request *req,
                   const struct auth *who, struct listing_wish *wish, struct http_response *res,
                   struct err *err)
{
    const struct token_holder holder = {.prefix = req->prefix, .key_id = auth_key_id(who)};
    json_t *list = NULL;
    if (auth_check_site(who, "youtube", err) < 0 ||
        list_get(app, &holder, wish, http_param(req, "cursor"), res, &list, err) < 0)
        return -1;
    const char *title = text_of(list, "title");
    title = wish->kind == LISTING_SEARCH ? wish->id : *title ? title : frame_words(frame, "batch.playlist");
    frame_begin(frame, title);
    (void)buf_adds(frame->out, "<article class=\"result batch\">\n<header class=\"batch-head\">"
                               "<h2 class=\"result-title\" dir=\"auto\">");
    if (wish->kind == LISTING_SEARCH)
        phrase_filled(frame->out, frame->locale, "search.title", title);
    else
        (void)html_text(frame->out, title);
    (void)buf_adds(frame->out, "</h2></header>\n");
    add_list(frame, list);
    (void)buf_adds(frame->out, "</article>\n");
    json_decref(list);
    return frame_send(frame, res, err);
}
