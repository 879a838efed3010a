/* See token.h. */
#include "serve/token.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

enum { TOKEN_TEXT_MAX = 8192 };

int token_make(struct app *app, const char *key_id, const char *link, const char *choice, struct buf *out,
               struct err *err)
{
    struct store_token_key key;
    if (store_token_key_current(app->store, &key, err) < 0)
        return -1;
    json_int_t expires = clock_unix_s() + app->config.token_ttl_s;
    json_t *root = json_pack("{s:s, s:s, s:I}", "l", link, "c", choice, "x", expires);
    if (root && *key_id)
        (void)json_object_set_new(root, "k", json_string(key_id));
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    int rc = text ? seal_token(out, key.id, key.key, text, strlen(text), err)
                  : err_set(err, ERR_INTERNAL, "cannot write a token");
    free(text);
    json_decref(root);
    return rc;
}

static int read_fields(json_t *root, struct token *out)
{
    const char *link = NULL;
    const char *choice = NULL;
    const char *key_id = "";
    json_int_t expires = 0;
    if (json_unpack(root, "{s:s, s:s, s:I, s?s}", "l", &link, "c", &choice, "x", &expires, "k", &key_id) != 0)
        return -1;
    *out = (struct token){.link = strdup(link), .choice = strdup(choice), .expires_unix_s = expires};
    if (out->link && out->choice && text_copy(out->key_id, sizeof out->key_id, key_id) == 0)
        return 0;
    token_fini(out);
    return -1;
}

int token_read(struct app *app, const char *text, struct token *out, struct err *err)
{
    uint32_t id;
    struct store_token_key key;
    if (seal_key_id(text, &id) < 0)
        return err_set(err, ERR_TOKEN_INVALID, "not a token");
    int known = store_token_key_find(app->store, id, &key, err);
    if (known <= 0)
        return known < 0 ? -1 : err_set(err, ERR_TOKEN_INVALID, "token of an unknown key");
    auto_(buf) struct buf plain = BUF_INIT(TOKEN_TEXT_MAX);
    if (seal_open(&plain, text, key.key, err) < 0)
        return -1;
    json_t *root = json_loadb(buf_str(&plain), plain.len, 0, NULL);
    int rc = root ? read_fields(root, out) : -1;
    json_decref(root);
    if (rc < 0)
        return err_set(err, ERR_TOKEN_INVALID, "token content does not read");
    if (out->expires_unix_s <= clock_unix_s()) {
        token_fini(out);
        return err_set(err, ERR_TOKEN_EXPIRED, "token expired");
    }
    return 0;
}

void token_fini(struct token *t)
{
    free(t->link);
    free(t->choice);
    *t = (struct token){0};
}

/* A program called by its own file (/cgi-bin/info.fcgi/api/…) links to its sibling. */
static int add_prefix(const char *prefix, const char *route, struct buf *out)
{
    static const char *const ends[] = {"/info.fcgi", "/info.cgi", "/stream.fcgi", "/stream.cgi"};
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        if (!text_ends_with(prefix, ends[i]))
            continue;
        (void)buf_add(out, prefix, strlen(prefix) - strlen(ends[i]));
        return buf_addf(out, "/%s%s", strcmp(route, "stream") == 0 ? "stream" : "info",
                        strrchr(ends[i], '.'));
    }
    return buf_adds(out, prefix);
}

int token_link(struct app *app, const struct token_holder *holder, const char *route, const char *link,
               const char *choice, struct buf *out, struct err *err)
{
    (void)add_prefix(*app->config.public_path ? app->config.public_path : holder->prefix, route, out);
    (void)buf_addf(out, "/api/v1/%s?data=", route);
    if (token_make(app, holder->key_id, link, choice, out, err) < 0)
        return -1;
    return out->failed ? err_set(err, ERR_INTERNAL, "link too long") : 0;
}
