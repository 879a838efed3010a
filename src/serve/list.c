/* GET /api/v1/list?url= (a playlist or a channel) and GET /api/v1/search?q=: a page of videos, and `next`,
 * which asked for as `cursor` gives the page behind it. What a list holds is remembered for LIST_TTL_S.
 *
 * A cursor is what the site calls its place, together with the list it is of: it works with that list alone.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/text.h"
#include "serve/auth.h"
#include "serve/list.h"
#include "serve/outward.h"
#include "serve/serve.h"
#include "serve/small.h"

enum {
    LIST_TTL_S = 300,
    ANSWER_MAX_BYTES = 1 << 20,
    CURSOR_MAX_BYTES = 8192,
    KEY_MAX = HASH_HEX_LEN + 16,
    LINK_TEXT_MAX = 24576,
};

static const char *const kinds[] = {
    [LISTING_PLAYLIST] = "playlist", [LISTING_CHANNEL] = "channel", [LISTING_SEARCH] = "search"};

/* What tells one list from another: the name in its link where its id is not known yet. */
static const char *identity(const struct listing_wish *w)
{
    return w->link[0] ? w->link : w->id;
}

/* ---- Cursors ---- */

static json_t *cursor_json(const struct listing_wish *w, const char *next)
{
    char hex[HASH_HEX_LEN + 1];
    auto_(buf) struct buf plain = BUF_INIT(CURSOR_MAX_BYTES);
    auto_(buf) struct buf cursor = BUF_INIT(CURSOR_MAX_BYTES * 2);
    if (!next)
        return json_null();
    hash_sha256_hex(identity(w), strlen(identity(w)), hex);
    (void)buf_addf(&plain, "1%d%.16s%s", (int)w->kind, hex, next);
    return hash_base64url(&cursor, buf_str(&plain), plain.len) < 0 ? json_null()
                                                                   : json_string(buf_str(&cursor));
}

static int read_cursor(struct listing_wish *w, const char *cursor, struct err *err)
{
    char hex[HASH_HEX_LEN + 1];
    char head[20];
    auto_(buf) struct buf plain = BUF_INIT(CURSOR_MAX_BYTES);
    hash_sha256_hex(identity(w), strlen(identity(w)), hex);
    (void)snprintf(head, sizeof head, "1%d%.16s", (int)w->kind, hex);
    if (hash_base64url_decode(&plain, cursor, strlen(cursor)) < 0 || strlen(buf_str(&plain)) != plain.len ||
        !text_starts_with(buf_str(&plain), head) || text_has_control(buf_str(&plain)) ||
        text_copy(w->next, sizeof w->next, buf_str(&plain) + strlen(head)) < 0 || !w->next[0])
        return err_set(err, ERR_BAD_REQUEST, "a cursor of another list, or damaged");
    return 0;
}

/* ---- Answers ---- */

static json_t *list_url(const struct listing_wish *w)
{
    switch (w->kind) {
    case LISTING_PLAYLIST:
        return json_sprintf("https://www.youtube.com/playlist?list=%s", w->id);
    case LISTING_CHANNEL:
        return json_sprintf("https://www.youtube.com/channel/%s", w->id);
    case LISTING_SEARCH:
        break;
    }
    return json_null();
}

static json_t *list_json(const struct listing_wish *w, struct listing *l)
{
    return json_pack("{s:s, s:s, s:s, s:o, s:s?, s:s?, s:o, s:o}", "site", "youtube", "kind", kinds[w->kind],
                     "id", w->id, "url", list_url(w), "title", l->title, "author", l->author, "items",
                     steal(&l->items), "next", cursor_json(w, l->next));
}

struct job {
    struct app *app;
    struct listing_wish *wish;
};

/* cache_produce_fn */
static int produce(void *ctx, struct buf *value, int64_t *expires_unix_s, struct err *err)
{
    struct job *job = ctx;
    static const struct link site = {.kind = LINK_YOUTUBE_OTHER};
    struct outward outward = {.app = job->app};
    struct site_env env = job->app->site;
    struct listing_wish wish = *job->wish; /* its id may be found out; who asks again has to find the same */
    auto_(listing) struct listing list = {.title = NULL};
    if (outward_begin(&outward, &site, err) < 0)
        return -1;
    outward_join(&outward, &env);
    if (listing_get(&env, &wish, &list, err) < 0)
        return -1;
    json_t *root = list_json(&wish, &list);
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    *expires_unix_s = clock_unix_s() + LIST_TTL_S;
    int rc = text && buf_adds(value, text) == 0 ? 0 : err_set(err, ERR_INTERNAL, "a list that is too long");
    free(text);
    return rc;
}

/* What is remembered is the same for all; the pictures' links are for who asks. */
static int add_pictures(struct app *app, const struct token_holder *holder, json_t *items, struct err *err)
{
    size_t i;
    json_t *item;
    json_array_foreach (items, i, item) {
        const char *picture = json_string_value(json_object_get(item, "thumbnail"));
        auto_(buf) struct buf url = BUF_INIT(LINK_TEXT_MAX);
        if (picture && token_link(app, holder, "thumbnail", picture, SMALL_PICTURE, &url, err) < 0)
            return -1;
        (void)json_object_set_new(item, "thumbnail_url", picture ? json_string(buf_str(&url)) : json_null());
    }
    return 0;
}

int list_get(struct app *app, const struct token_holder *holder, struct listing_wish *wish,
             const char *cursor, struct http_response *res, json_t **out, struct err *err)
{
    struct job job = {app, wish};
    char key[KEY_MAX];
    char hex[HASH_HEX_LEN + 1];
    auto_(buf) struct buf name = BUF_INIT(CURSOR_MAX_BYTES * 2);
    auto_(buf) struct buf value = BUF_INIT(ANSWER_MAX_BYTES);
    if (cursor && *cursor && read_cursor(wish, cursor, err) < 0)
        return -1;
    (void)buf_addf(&name, "%d\n%s\n%s", (int)wish->kind, identity(wish), wish->next);
    hash_sha256_hex(buf_str(&name), name.len, hex);
    (void)snprintf(key, sizeof key, "l2:%s", hex);
    if (cache_get(app->cache, key, NULL, produce, &job, &value, &http_notes(res)->cached, err) < 0)
        return -1;
    json_t *root = json_loadb(buf_str(&value), value.len, 0, NULL);
    if (!root)
        return err_set(err, ERR_INTERNAL, "a remembered list does not read");
    if (add_pictures(app, holder, json_object_get(root, "items"), err) < 0) {
        json_decref(root);
        return -1;
    }
    *out = root;
    return 0;
}

static int send_list(struct app *app, const struct http_request *req, const struct auth *who,
                     struct listing_wish *wish, struct http_response *res, struct err *err)
{
    const struct token_holder holder = {.prefix = req->prefix, .key_id = auth_key_id(who)};
    json_t *root = NULL;
    if (auth_check_site(who, "youtube", err) < 0 ||
        list_get(app, &holder, wish, http_param(req, "cursor"), res, &root, err) < 0)
        return -1;
    char *text = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    if (!text)
        return err_set(err, ERR_INTERNAL, "out of memory");
    (void)http_set_header(res, "Cache-Control", "private, no-store");
    (void)http_send(res, "application/json", text, strlen(text));
    free(text);
    return 0;
}

int serve_list(struct app *app, const struct http_request *req, struct http_response *res, struct err *err)
{
    const char *link = http_param(req, "url");
    struct listing_wish wish;
    struct auth who;
    if (auth_admit(app, req, &who, res, err) < 0)
        return -1;
    if (!link || !*link)
        return err_set(err, ERR_BAD_URL, "no url given");
    return listing_wish_of(link, &wish, err) < 0 ? -1 : send_list(app, req, &who, &wish, res, err);
}

int list_words(const char *words, struct listing_wish *out, struct err *err)
{
    *out = (struct listing_wish){.kind = LISTING_SEARCH};
    if (!words || !*words || text_copy(out->id, sizeof out->id, words) < 0)
        return err_set(err, ERR_BAD_REQUEST, "q is what to search for, at most %d bytes", LISTING_ID_MAX);
    return 0;
}

int serve_search(struct app *app, const struct http_request *req, struct http_response *res, struct err *err)
{
    struct listing_wish wish;
    struct auth who;
    if (auth_admit(app, req, &who, res, err) < 0 || list_words(http_param(req, "q"), &wish, err) < 0)
        return -1;
    return send_list(app, req, &who, &wish, res, err);
}
