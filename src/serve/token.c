/* See token.h. */
#include "serve/token.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

enum { TOKEN_TEXT_MAX = 8192, ADDRESS_TEXT_MAX = 256 };

/* What a token says of the address that it is for. */
static int hash_address(const struct store_token_key *key, const char *address,
                        char out[TOKEN_ADDRESS_HASH_LEN + 1], struct err *err)
{
    char hex[HASH_HEX_LEN + 1];
    auto_(buf) struct buf text = BUF_INIT(ADDRESS_TEXT_MAX);
    (void)buf_add(&text, key->key, sizeof key->key);
    if (buf_adds(&text, address) < 0)
        return err_set(err, ERR_INTERNAL, "an address is too long");
    hash_sha256_hex(buf_str(&text), text.len, hex);
    memcpy(out, hex, TOKEN_ADDRESS_HASH_LEN);
    out[TOKEN_ADDRESS_HASH_LEN] = '\0';
    return 0;
}

int token_make(struct app *app, const struct token_holder *holder, const char *link, const char *choice,
               struct buf *out, struct err *err)
{
    struct store_token_key key;
    char address[TOKEN_ADDRESS_HASH_LEN + 1];
    if (store_token_key_current(app->store, &key, err) < 0 ||
        (holder->address && hash_address(&key, holder->address, address, err) < 0))
        return -1;
    json_int_t expires = clock_unix_s() + app->config.token_ttl_s;
    json_t *root = json_pack("{s:s, s:s, s:I}", "l", link, "c", choice, "x", expires);
    if (root && *holder->key_id)
        (void)json_object_set_new(root, "k", json_string(holder->key_id));
    if (root && holder->once)
        (void)json_object_set_new(root, "u", json_integer(1));
    if (root && holder->address)
        (void)json_object_set_new(root, "a", json_string(address));
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
    const char *address = "";
    json_int_t expires = 0;
    int once = 0;
    if (json_unpack(root, "{s:s, s:s, s:I, s?s, s?i, s?s}", "l", &link, "c", &choice, "x", &expires, "k",
                    &key_id, "u", &once, "a", &address) != 0)
        return -1;
    *out = (struct token){
        .link = strdup(link), .choice = strdup(choice), .expires_unix_s = expires, .once = once != 0};
    if (out->link && out->choice && text_copy(out->key_id, sizeof out->key_id, key_id) == 0 &&
        text_copy(out->address, sizeof out->address, address) == 0)
        return 0;
    token_fini(out);
    return -1;
}

/* What was sealed; not yet whether it counts. */
static int unseal(struct app *app, const char *text, struct store_token_key *key, struct token *out,
                  struct err *err)
{
    uint32_t id;
    if (seal_key_id(text, &id) < 0)
        return err_set(err, ERR_TOKEN_INVALID, "not a token");
    int known = store_token_key_find(app->store, id, key, err);
    if (known <= 0)
        return known < 0 ? -1 : err_set(err, ERR_TOKEN_INVALID, "token of an unknown key");
    auto_(buf) struct buf plain = BUF_INIT(TOKEN_TEXT_MAX);
    if (seal_open(&plain, text, key->key, err) < 0)
        return -1;
    json_t *root = json_loadb(buf_str(&plain), plain.len, 0, NULL);
    int rc = root ? read_fields(root, out) : -1;
    json_decref(root);
    if (rc < 0)
        return err_set(err, ERR_TOKEN_INVALID, "token content does not read");
    store_token_id(text, out->id);
    return 0;
}

static int check(struct app *app, const struct store_token_key *key, const char *address, struct token *t,
                 struct err *err)
{
    char hash[TOKEN_ADDRESS_HASH_LEN + 1];
    if (t->expires_unix_s <= clock_unix_s())
        return err_set(err, ERR_TOKEN_EXPIRED, "token expired");
    if (address && *t->address) {
        if (hash_address(key, address, hash, err) < 0)
            return -1;
        if (strcmp(hash, t->address) != 0)
            return err_set(err, ERR_TOKEN_INVALID, "token for another address");
    }
    if (store_token_look(app->store, t->id, &t->mark, err) < 0)
        return -1;
    return t->mark.revoked ? err_set(err, ERR_TOKEN_EXPIRED, "token revoked") : 0;
}

int token_read(struct app *app, const char *text, const char *address, struct token *out, struct err *err)
{
    struct store_token_key key;
    if (unseal(app, text, &key, out, err) < 0)
        return -1;
    if (check(app, &key, address, out, err) == 0)
        return 0;
    token_fini(out);
    return -1;
}

void token_fini(struct token *t)
{
    free(t->link);
    free(t->choice);
    *t = (struct token){0};
}

int token_use(struct app *app, const struct token *t, const char *address, bool part, struct err *err)
{
    char holder[STORE_ADDRESS_HASH_LEN + 1];
    struct store_token_mark mark;
    if (!t->once)
        return 0;
    if (store_address_hash(app->store, address, holder, err) < 0)
        return -1;
    int ours = store_token_claim(app->store, t->id, t->expires_unix_s, holder, &mark, err);
    if (ours < 0)
        return -1;
    if (!ours)
        return err_set(err, ERR_TOKEN_EXPIRED, "token for one delivery, which another one has begun");
    if (mark.done_unix_s && !(part && clock_unix_s() < mark.done_unix_s + TOKEN_TAIL_S))
        return err_set(err, ERR_TOKEN_EXPIRED, "token for one delivery, which is over");
    return 0;
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
    if (token_make(app, holder, link, choice, out, err) < 0)
        return -1;
    return out->failed ? err_set(err, ERR_INTERNAL, "link too long") : 0;
}
