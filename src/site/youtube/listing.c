/* See listing.h. */
#include "site/youtube/listing.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "site/description.h"
#include "site/youtube/innertube.h"
#include "site/youtube/path.h"

enum {
    VIDEO_ID_LEN = 11,
    CHANNEL_ID_LEN = 24,
    TITLE_MAX = 500,
    AUTHOR_MAX = 200,
    URL_MAX = 2048,
    DURATION_MAX_S = 10 * 365 * 86400
};

#define BASE64URL "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

/* ---- Links ---- */

static bool is_made_of(const char *s, size_t len, const char *set)
{
    for (size_t i = 0; i < len; i++) {
        if (!strchr(set, s[i]) || !s[i])
            return false;
    }
    return len > 0;
}

/* The value of `list` in a link's query; *len 0: there is none. */
static const char *list_of(const char *link, size_t *len)
{
    const char *at = strchr(link, '?');
    while (at) {
        at++;
        if (text_starts_with(at, "list=")) {
            *len = strcspn(at + 5, "&#");
            return at + 5;
        }
        at = strchr(at, '&');
    }
    *len = 0;
    return "";
}

static bool is_channel(const char *id, size_t len)
{
    return len == CHANNEL_ID_LEN && text_starts_with(id, "UC") && is_made_of(id, len, BASE64URL);
}

int listing_channel_url(const char *id, char out[LISTING_CHANNEL_URL_MAX])
{
    if (!id || !is_channel(id, strlen(id)))
        return -1;
    (void)snprintf(out, LISTING_CHANNEL_URL_MAX, "https://www.youtube.com/channel/%s", id);
    return 0;
}

/* "/channel/UC…", "/@handle", "/c/name", "/user/name", whatever follows. */
static int read_channel(const char *url, struct listing_wish *out)
{
    static const char *const named[] = {"/@", "/c/", "/user/"};
    const char *host = strstr(url, "://");
    const char *path = host ? strchr(host + 3, '/') : NULL;
    if (!path)
        return -1;
    out->kind = LISTING_CHANNEL;
    if (text_starts_with(path, "/channel/UC")) {
        const char *id = path + strlen("/channel/");
        size_t len = strcspn(id, "/?#");
        (void)snprintf(out->id, sizeof out->id, "%.*s", (int)len, id);
        return is_channel(id, len) ? 0 : -1;
    }
    for (size_t i = 0; i < ARRAY_LEN(named); i++) {
        const char *name = path + strlen(named[i]);
        if (text_starts_with(path, named[i]) && *name && !strchr("/?#", *name))
            return text_copy(out->link, sizeof out->link, url);
    }
    return -1;
}

int listing_wish_of(const char *link_text, struct listing_wish *out, struct err *err)
{
    struct link link;
    auto_(buf) struct buf ascii = BUF_INIT(2 * LINK_MAX_BYTES);
    *out = (struct listing_wish){.kind = LISTING_PLAYLIST};
    if (net_url_ascii(link_text, &ascii, err) < 0)
        return -1;
    switch (link_parse(&link, buf_str(&ascii), ascii.len)) {
    case LINK_BAD:
        return err_set(err, ERR_BAD_URL, "not a usable link");
    case LINK_DIRECT:
        return err_set(err, ERR_UNSUPPORTED_SITE, "a link to no list");
    case LINK_YOUTUBE_VIDEO: /* whose plain form has lost the list */
    case LINK_YOUTUBE_OTHER:
        break;
    }
    size_t len;
    const char *id = list_of(buf_str(&ascii), &len);
    /* mixes (RD…) are made for whoever watches: there is no list of them */
    if (len > 0 && len <= 64 && is_made_of(id, len, BASE64URL) && !text_starts_with(id, "RD")) {
        (void)snprintf(out->id, sizeof out->id, "%.*s", (int)len, id);
        return 0;
    }
    if (link.kind == LINK_YOUTUBE_OTHER && read_channel(link.url, out) == 0)
        return 0;
    return err_set(err, ERR_UNSUPPORTED_SITE, "a link to no list");
}

/* ---- Answers ---- */

/* Text in any of the site's forms; "" where there is none. */
static void read_text(const json_t *value, struct buf *out)
{
    const char *text = json_is_string(value) ? json_string_value(value) : path_text(value, "simpleText");
    const json_t *runs = path_get(value, "runs");
    if (!text)
        text = path_text(value, "content");
    if (text)
        (void)buf_adds(out, text);
    for (size_t i = 0; i < json_array_size(runs); i++) {
        const char *part = path_text(json_array_get(runs, i), "text");
        if (part)
            (void)buf_adds(out, part);
    }
}

static json_t *line_json(const json_t *value, size_t max)
{
    auto_(buf) struct buf text = BUF_INIT(16384);
    char *line = NULL;
    read_text(value, &text);
    json_t *out = text.len && description_set_line(&line, buf_str(&text), text.len, max) == 0 && *line
                      ? json_string(line)
                      : json_null();
    free(line);
    return out;
}

/* "1:02:03"; 0: it is none. */
static uint64_t seconds_of(const char *text)
{
    uint64_t seconds = 0;
    for (int parts = 0; parts < 3; parts++) {
        uint64_t n;
        size_t len = strcspn(text, ":");
        if (text_parse_u64n(text, len, 0, 9999, &n) < 0)
            return 0;
        seconds = seconds * 60 + n;
        text += len;
        if (!*text)
            return parts > 0 ? seconds : 0;
        text++;
    }
    return 0;
}

/* The first object of this name below `value`. */
static const json_t *find(const json_t *value, const char *name, int depth)
{
    const char *key;
    const json_t *member;
    const json_t *found = json_object_get(value, name);
    if (depth == 0)
        return NULL;
    json_object_foreach ((json_t *)(uintptr_t)value, key, member) {
        if (!found)
            found = find(member, name, depth - 1);
    }
    for (size_t i = 0; i < json_array_size(value) && !found; i++)
        found = find(json_array_get(value, i), name, depth - 1);
    return found;
}

static json_t *thumbnail_json(const json_t *list)
{
    const char *best = NULL;
    uint64_t best_width = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *row = json_array_get(list, i);
        const char *url = path_text(row, "url");
        uint64_t width = path_number(row, "width", 100000);
        if (url && text_starts_with(url, "https://") && strlen(url) < URL_MAX && !text_has_control(url) &&
            (!best || width > best_width)) {
            best = url;
            best_width = width;
        }
    }
    return best ? json_string(best) : json_null();
}

struct row {
    const char *id;
    const json_t *title, *author, *thumbnails;
    const json_t *channel; /* somewhere in it is the author's */
    uint64_t seconds;
    bool live;
};

/* Of the first channel that anything in `value` leads to. */
static json_t *channel_json(const json_t *value)
{
    const char *id = path_text(find(value, "browseEndpoint", 12), "browseId");
    char url[LISTING_CHANNEL_URL_MAX];
    return listing_channel_url(id, url) < 0 ? json_null() : json_string(url);
}

static int add_row(struct listing *l, const struct row *r)
{
    char url[64];
    if (!r->id || strlen(r->id) != VIDEO_ID_LEN || !is_made_of(r->id, VIDEO_ID_LEN, BASE64URL) ||
        json_array_size(l->items) >= LISTING_ITEMS_MAX)
        return 0;
    (void)snprintf(url, sizeof url, "https://www.youtube.com/watch?v=%s", r->id);
    return json_array_append_new(
        l->items, json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:b}", "id", r->id, "url", url, "title",
                            line_json(r->title, TITLE_MAX), "author", line_json(r->author, AUTHOR_MAX),
                            "author_url", channel_json(r->channel), "duration_s",
                            r->seconds ? json_integer((json_int_t)r->seconds) : json_null(), "thumbnail",
                            thumbnail_json(r->thumbnails), "live", r->live));
}

/* videoRenderer and its kin. */
static int add_video(struct listing *l, const json_t *v)
{
    static const char *const authors[] = {"shortBylineText", "ownerText", "longBylineText"};
    const json_t *status = find(path_get(v, "thumbnailOverlays"), "thumbnailOverlayTimeStatusRenderer", 8);
    const char *style = path_text(status, "style");
    auto_(buf) struct buf length = BUF_INIT(256);
    struct row r = {
        .id = path_text(v, "videoId"),
        .title = path_get(v, "title"),
        .thumbnails = path_get(v, "thumbnail.thumbnails"),
        .seconds = path_number(v, "lengthSeconds", DURATION_MAX_S),
        .live = style && strcmp(style, "LIVE") == 0,
    };
    read_text(path_get(v, "lengthText"), &length);
    if (!r.seconds)
        r.seconds = seconds_of(buf_str(&length));
    for (size_t i = 0; i < ARRAY_LEN(authors) && !r.author; i++)
        r.author = path_get(v, authors[i]);
    r.channel = r.author;
    return add_row(l, &r);
}

/* The newer form of the same. */
static int add_lockup(struct listing *l, const json_t *v)
{
    const char *type = path_text(v, "contentType");
    const json_t *about = path_get(v, "metadata.lockupMetadataViewModel");
    const json_t *badge = find(path_get(v, "contentImage"), "thumbnailBadgeViewModel", 16);
    const json_t *part = find(path_get(about, "metadata"), "metadataParts", 8);
    const char *text = path_text(badge, "text");
    const struct row r = {
        .id = path_text(v, "contentId"),
        .title = path_get(about, "title"),
        .author = path_get(json_array_get(part, 0), "text"),
        .channel = about,
        .thumbnails = path_get(find(path_get(v, "contentImage"), "image", 8), "sources"),
        .seconds = text ? seconds_of(text) : 0,
        .live = text && strcmp(text, "LIVE") == 0,
    };
    return type && strcmp(type, "LOCKUP_CONTENT_TYPE_VIDEO") == 0 ? add_row(l, &r) : 0;
}

static void take_next(struct listing *l, const json_t *v)
{
    const char *token = path_text(find(v, "continuationCommand", 8), "token");
    size_t len = token ? strlen(token) : 0;
    if (!l->next && len > 0 && len <= LISTING_NEXT_MAX && is_made_of(token, len, BASE64URL "%=."))
        l->next = strdup(token);
}

static void take_title(struct listing *l, const json_t *v)
{
    auto_(buf) struct buf text = BUF_INIT(16384);
    read_text(path_get(v, "title"), &text);
    if (!l->title && text.len)
        (void)description_set_line(&l->title, buf_str(&text), text.len, TITLE_MAX);
}

/* Videos in the order in which they stand, wherever that is: the shapes around them change. */
static int walk(struct listing *l, const json_t *value, int depth)
{
    static const char *const videos[] = {"videoRenderer", "playlistVideoRenderer", "gridVideoRenderer",
                                         "compactVideoRenderer"};
    const char *name;
    const json_t *member;
    if (depth == 0)
        return 0;
    json_object_foreach ((json_t *)(uintptr_t)value, name, member) {
        bool is_video = false;
        int rc = 0;
        for (size_t i = 0; i < ARRAY_LEN(videos); i++)
            is_video |= strcmp(name, videos[i]) == 0;
        if (is_video)
            rc = add_video(l, member);
        else if (strcmp(name, "lockupViewModel") == 0)
            rc = add_lockup(l, member);
        else if (strcmp(name, "continuationItemRenderer") == 0)
            take_next(l, member);
        else if (strcmp(name, "playlistMetadataRenderer") == 0 ||
                 strcmp(name, "channelMetadataRenderer") == 0)
            take_title(l, member);
        else
            rc = walk(l, member, depth - 1);
        if (rc < 0)
            return -1;
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (walk(l, json_array_get(value, i), depth - 1) < 0)
            return -1;
    }
    return 0;
}

void listing_fini(struct listing *l)
{
    free(l->title);
    free(l->author);
    free(l->next);
    json_decref(l->items);
    *l = (struct listing){.title = NULL};
}

int listing_read(const json_t *answer, struct listing *out, struct err *err)
{
    auto_(buf) struct buf said = BUF_INIT(4096);
    *out = (struct listing){.items = json_array()};
    if (!out->items || walk(out, answer, LISTING_DEPTH_MAX) < 0)
        return err_set(err, ERR_INTERNAL, "out of memory");
    const json_t *owner = find(path_get(answer, "sidebar"), "videoOwnerRenderer", 16);
    auto_(buf) struct buf author = BUF_INIT(4096);
    read_text(path_get(owner, "title"), &author);
    if (author.len && description_set_line(&out->author, buf_str(&author), author.len, AUTHOR_MAX) < 0)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (json_array_size(out->items) > 0)
        return 0;
    const json_t *alert = find(path_get(answer, "alerts"), "alertRenderer", 4);
    const char *type = path_text(alert, "type");
    if (!type || strcmp(type, "ERROR") != 0)
        return 0; /* an empty list is one, too */
    read_text(path_get(alert, "text"), &said);
    return err_set(err, strcasestr(buf_str(&said), "private") ? ERR_PRIVATE : ERR_NOT_FOUND, "list: %s",
                   buf_str(&said));
}

/* ---- Questions ---- */

static int ask(const struct site_env *env, const struct clients *clients, const char *path, json_t *more,
               json_t **answer, struct err *err)
{
    const struct client *client = clients_find(clients, clients->lists.client);
    int rc = !client
                 ? err_set(err, ERR_UNSUPPORTED_SITE, "lists: there is no client %s", clients->lists.client)
                 : innertube_ask(env, clients, client, path, more, answer, err);
    json_decref(more);
    if (rc < 0 && (err->upstream_status == 404 || err->upstream_status == 400))
        err->code = ERR_NOT_FOUND;
    return rc;
}

/* Which channel a link with a name is of. */
static int resolve(const struct site_env *env, const struct clients *clients, struct listing_wish *wish,
                   struct err *err)
{
    json_t *answer = NULL;
    if (ask(env, clients, clients->lists.resolve, json_pack("{s:s}", "url", wish->link), &answer, err) < 0)
        return -1;
    const char *id = path_text(answer, "endpoint.browseEndpoint.browseId");
    bool found = id && is_channel(id, strlen(id));
    if (found)
        (void)text_copy(wish->id, sizeof wish->id, id);
    json_decref(answer);
    return found ? 0 : err_set(err, ERR_NOT_FOUND, "lists: no such channel");
}

/* What a channel has uploaded is a playlist that is named after it. */
static json_t *question(const struct clients *clients, const struct listing_wish *wish)
{
    if (wish->next[0])
        return json_pack("{s:s}", "continuation", wish->next);
    if (wish->kind == LISTING_SEARCH)
        return json_pack("{s:s, s:s}", "query", wish->id, "params", clients->lists.search_params);
    return wish->kind == LISTING_CHANNEL
               ? json_pack("{s:o}", "browseId", json_sprintf("VLUU%s", wish->id + 2))
               : json_pack("{s:o}", "browseId", json_sprintf("VL%s", wish->id));
}

int listing_get(const struct site_env *env, struct listing_wish *wish, struct listing *out, struct err *err)
{
    auto_ptr(clients) struct clients *clients = clients_acquire(env->clients_file);
    json_t *answer = NULL;
    *out = (struct listing){.title = NULL};
    if (!clients)
        return err_set(err, ERR_INTERNAL, "no client profiles");
    if (!wish->id[0] && resolve(env, clients, wish, err) < 0)
        return -1;
    const char *path = wish->kind == LISTING_SEARCH ? clients->lists.search : clients->lists.browse;
    if (ask(env, clients, path, question(clients, wish), &answer, err) < 0)
        return -1;
    int rc = listing_read(answer, out, err);
    json_decref(answer);
    return rc;
}
