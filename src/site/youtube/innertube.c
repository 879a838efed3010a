/* See innertube.h. */
#include "site/youtube/innertube.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "site/call.h"
#include "site/youtube/path.h"

enum { MEMO_KEY_MAX = 80 };

/* What the site's tokens are made of (base64url, percent-encoded padding). */
static const char header_safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_%=+/.";

/* A request under construction; everything is freed together. */
struct request {
    struct buf url;
    struct buf headers[CLIENT_HEADERS_MAX + 1];
    const char *lines[CLIENT_HEADERS_MAX + 2];
    char *body;
};

static void request_fini(struct request *r)
{
    buf_fini(&r->url);
    for (size_t i = 0; i < ARRAY_LEN(r->headers); i++)
        buf_fini(&r->headers[i]);
    free(r->body);
}
DEFINE_AUTO(request, request_fini)

static int add_header(struct request *r, size_t *count, const struct fill *f, const char *name,
                      const char *template)
{
    struct buf *line = &r->headers[*count];
    auto_(buf) struct buf value = BUF_INIT(VISITOR_MAX_BYTES + 512);
    if (fill_text(f, template, &value) < 0)
        return -1;
    if (value.len == 0)
        return 0;
    buf_init(line, VISITOR_MAX_BYTES + 1024);
    if (buf_addf(line, "%s: %s", name, buf_str(&value)) < 0)
        return -1;
    r->lines[(*count)++] = buf_str(line);
    return 0;
}

/* `more`: what is added to the body once that is filled; NULL: nothing. */
static int request_init(struct request *r, const struct fill *f, const char *path, const json_t *body,
                        const json_t *more)
{
    const char *name;
    json_t *value;
    size_t count = 0;
    buf_init(&r->url, 4096);
    (void)buf_addf(&r->url, "https://%s", f->client->host);
    if (fill_text(f, path, &r->url) < 0 || add_header(r, &count, f, "Content-Type", "application/json") < 0)
        return -1;
    json_object_foreach ((json_t *)f->client->headers, name, value) {
        if (add_header(r, &count, f, name, json_string_value(value)) < 0)
            return -1;
    }
    json_t *filled = fill_json(f, body);
    if (filled && more)
        (void)json_object_update(filled, (json_t *)(uintptr_t)more);
    r->body = json_dumps(filled, JSON_COMPACT);
    json_decref(filled);
    return r->body ? 0 : -1;
}

/* Bytes that are not UTF-8 cost a character, not the answer. */
static json_t *parse(const struct buf *body)
{
    json_t *root = json_loadb(buf_str(body), body->len, JSON_ALLOW_NUL, NULL);
    auto_(buf) struct buf clean = BUF_INIT(INNERTUBE_ANSWER_MAX * 3);
    if (!root && text_utf8_clean(&clean, buf_str(body), body->len) == 0)
        root = json_loadb(buf_str(&clean), clean.len, JSON_ALLOW_NUL, NULL);
    return root;
}

/* Posts `body` filled to `path` of the client's host; *answer is a JSON object, the caller's. */
static int post(const struct site_env *env, const struct fill *f, const char *path, const json_t *body,
                const json_t *more, json_t **answer, struct err *err)
{
    auto_(request) struct request request = {.body = NULL};
    auto_(net_answer) struct net_answer got = {.status = 0};
    if (request_init(&request, f, path, body, more) < 0)
        return err_set(err, ERR_INTERNAL, "%s: the request cannot be built", f->client->key);
    struct net_call call = {
        .url = buf_str(&request.url),
        .user_agent = f->user_agent,
        .headers = request.lines,
        .body = request.body,
        .body_len = strlen(request.body),
        .max_bytes = INNERTUBE_ANSWER_MAX,
        .compressed = true,
        .asked_as = f->client->key,
        .cookies = f->client->needs_cookies,
    };
    if (site_call(env, &call, &got, err) < 0)
        return -1;
    json_t *root = got.status == 200 ? parse(&got.body) : NULL;
    if (!json_is_object(root)) {
        json_decref(root);
        (void)err_set(err, got.status == 429 ? ERR_RATE_LIMITED_UPSTREAM : ERR_UPSTREAM_FAILED,
                      "%s: status %d, and no JSON object", f->client->key, got.status);
        err->upstream_status = got.status;
        return -1;
    }
    *answer = root;
    return 0;
}

int innertube_player(const struct site_env *env, const struct fill *ask, json_t **player, struct err *err)
{
    json_t *root = NULL;
    if (post(env, ask, ask->client->path, ask->client->body, NULL, &root, err) < 0)
        return -1;
    const json_t *found = json_object_size(root) > 0 ? path_get(root, ask->client->answer) : root;
    int rc = json_is_object(found) ? 0 : -1;
    *player = json_object_size(found) > 0 ? json_incref((json_t *)found) : NULL;
    json_decref(root);
    return rc == 0 ? 0 : err_set(err, ERR_UPSTREAM_FAILED, "%s: no player response", ask->client->key);
}

/* The text after `"name":` in JSON that stands somewhere in a page, as visitor_take() takes it. */
static void find_value(const char *page, const char *name, struct buf *out)
{
    char mark[80];
    json_error_t error;
    (void)snprintf(mark, sizeof mark, "\"%s\":", name);
    const char *at = strstr(page, mark);
    size_t room = at ? strnlen(at + strlen(mark), PAGE_VALUE_MAX) : 0;
    json_t *value = room ? json_loadb(at + strlen(mark), room, JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK,
                                      &error)
                         : NULL;
    const char *text = json_string_value(value);
    if (text && *text && text[strspn(text, header_safe)] == '\0')
        (void)buf_adds(out, text);
    json_decref(value);
}

void innertube_page_value(const struct site_env *env, const struct fill *ask, struct buf *out)
{
    struct err ignored = {.code = ERR_OK};
    auto_(buf) struct buf url = BUF_INIT(4096);
    auto_(net_answer) struct net_answer page = {.status = 0};
    (void)buf_addf(&url, "https://%s", ask->client->host);
    struct net_call call = {
        .user_agent = ask->user_agent,
        .max_bytes = INNERTUBE_ANSWER_MAX,
        .compressed = true,
        .asked_as = ask->client->key,
        .cookies = ask->client->needs_cookies,
    };
    if (fill_text(ask, ask->client->page, &url) < 0)
        return;
    call.url = buf_str(&url);
    if (site_call(env, &call, &page, &ignored) == 0 && page.status == 200)
        find_value(buf_str(&page.body), ask->client->page_value, out);
}

/* ------------------------------------------------------------------------------------------------ */
/* visitorData */

/* It goes into a header. */
static bool visitor_take(struct visitor *visitor, const char *data)
{
    return data && *data && data[strspn(data, header_safe)] == '\0' && strcmp(data, visitor->data) != 0 &&
           strlen(data) < sizeof visitor->data && text_copy(visitor->data, sizeof visitor->data, data) == 0;
}

/* A visitor who came from two addresses would be a strange one. */
static void memo_key(const struct site_env *env, const struct client *client, char key[MEMO_KEY_MAX])
{
    (void)snprintf(key, MEMO_KEY_MAX, "visitor:%s%s%s", client->family, env->way ? ":" : "",
                   env->way ? env->way : "");
}

int innertube_visitor_get(const struct site_env *env, const struct clients *clients,
                          const struct client *client, struct visitor *visitor, struct err *err)
{
    char key[MEMO_KEY_MAX];
    struct fill f;
    json_t *answer = NULL;
    auto_(buf) struct buf kept = BUF_INIT(VISITOR_MAX_BYTES);
    visitor->data[0] = '\0';
    memo_key(env, client, key);
    if (env->get && env->get(env->memo_ctx, key, &kept) == 0 && visitor_take(visitor, buf_str(&kept)))
        return 0;
    if (fill_init(&f, client, "", "") < 0)
        return err_set(err, ERR_INTERNAL, "%s: the request cannot be built", client->key);
    json_t *body = json_pack("{s:s}", "context", "{context}");
    int rc = post(env, &f, client->visitor_path, body, NULL, &answer, err);
    json_decref(body);
    if (rc == 0 && innertube_visitor_adopt(visitor, answer))
        innertube_visitor_put(env, clients, client, visitor);
    json_decref(answer);
    return rc < 0 && err->upstream_status == 0 ? -1 : 0;
}

bool innertube_visitor_adopt(struct visitor *visitor, const json_t *player)
{
    return visitor_take(visitor, path_text(player, "responseContext.visitorData"));
}

void innertube_visitor_put(const struct site_env *env, const struct clients *clients,
                           const struct client *client, const struct visitor *visitor)
{
    char key[MEMO_KEY_MAX];
    memo_key(env, client, key);
    if (env->put)
        env->put(env->memo_ctx, key, visitor->data, clock_unix_s() + clients->visitor_ttl_s);
}

int innertube_ask(const struct site_env *env, const struct clients *clients, const struct client *client,
                  const char *path, const json_t *more, json_t **answer, struct err *err)
{
    struct visitor visitor;
    struct fill f;
    if (innertube_visitor_get(env, clients, client, &visitor, err) < 0)
        return -1;
    *err = (struct err){.code = ERR_OK};
    if (fill_init(&f, client, "", visitor.data) < 0)
        return err_set(err, ERR_INTERNAL, "%s: the request cannot be built", client->key);
    json_t *body = json_pack("{s:s}", "context", "{context}");
    int rc = post(env, &f, path, body, more, answer, err);
    json_decref(body);
    return rc;
}

void innertube_visitor_forget(const struct site_env *env, const struct client *client)
{
    char key[MEMO_KEY_MAX];
    char rotated[MEMO_KEY_MAX + 16];
    auto_(buf) struct buf ignored = BUF_INIT(16);
    memo_key(env, client, key);
    (void)snprintf(rotated, sizeof rotated, "rotated-%s", key);
    if (!env->get || !env->put || env->get(env->memo_ctx, rotated, &ignored) == 0)
        return;
    env->put(env->memo_ctx, rotated, "1", clock_unix_s() + VISITOR_ROTATE_S);
    env->put(env->memo_ctx, key, "", clock_unix_s());
}
