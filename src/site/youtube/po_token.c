/* See po_token.h. */
#include "site/youtube/po_token.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/text.h"
#include "site/youtube/path.h"

enum { ANSWER_MAX_BYTES = 64 * 1024, KEY_MAX = HASH_HEX_LEN + 64, URL_MAX_BYTES = 16384 };

static const char *const names[PO_CONTEXT_COUNT] = {
    [PO_GVS] = "gvs", [PO_PLAYER] = "player", [PO_SUBS] = "subs"};

int po_context_of(const char *name, size_t len)
{
    for (int i = 0; i < PO_CONTEXT_COUNT; i++) {
        if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
            return i;
    }
    return -1;
}

/* It goes into URLs and JSON: base64url, as they are made. */
static bool is_token(const char *s, size_t len)
{
    static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=%";
    return len > 0 && len < PO_TOKEN_MAX && strspn(s, set) >= len;
}

/* ---- Made by hand ---- */

static const char blanks[] = ", ";

/* One "client.context+token" of a list. */
struct by_hand {
    const char *client, *token;
    size_t client_len, token_len;
    int context;
};

static bool read_by_hand(const char *item, size_t len, struct by_hand *out)
{
    const char *dot = memchr(item, '.', len);
    const char *plus = dot ? memchr(dot, '+', len - (size_t)(dot - item)) : NULL;
    if (!plus)
        return false;
    *out = (struct by_hand){
        .client = item,
        .client_len = (size_t)(dot - item),
        .context = po_context_of(dot + 1, (size_t)(plus - dot - 1)),
        .token = plus + 1,
        .token_len = len - (size_t)(plus + 1 - item),
    };
    return out->client_len > 0 && out->context >= 0 && is_token(out->token, out->token_len);
}

static bool find_by_hand(const struct site_env *env, const struct client *client, enum po_context context,
                         struct by_hand *out)
{
    for (const char *p = env->po_tokens ? env->po_tokens : ""; *p; p += strspn(p, blanks)) {
        size_t len = strcspn(p, blanks);
        if (read_by_hand(p, len, out) && out->context == (int)context &&
            out->client_len == strlen(client->key) &&
            strncasecmp(out->client, client->key, out->client_len) == 0)
            return true;
        p += len;
    }
    return false;
}

/* ---- Settings ---- */

int po_token_check(const char *provider_url, const char *tokens, struct err *err)
{
    struct by_hand ignored;
    bool is_url = text_starts_with(provider_url, "http://") || text_starts_with(provider_url, "https://");
    if (*provider_url && (!is_url || net_url_port(provider_url) == 0))
        return err_set(err, ERR_INTERNAL, "pot_provider_url must be like http://127.0.0.1:4416");
    for (const char *p = tokens + strspn(tokens, blanks); *p; p += strspn(p, blanks)) {
        size_t len = strcspn(p, blanks);
        if (!read_by_hand(p, len, &ignored))
            return err_set(err, ERR_INTERNAL, "po_tokens must be like mweb.gvs+TOKEN, comma-separated");
        p += len;
    }
    return 0;
}

bool po_token_obtainable(const struct site_env *env, const struct client *client)
{
    struct by_hand ignored;
    bool all = client->po_contexts != 0;
    if (env->pot_provider_url && *env->pot_provider_url)
        return true;
    for (int i = 0; i < PO_CONTEXT_COUNT; i++) {
        if (client->po_contexts & 1U << i)
            all = all && find_by_hand(env, client, (enum po_context)i, &ignored);
    }
    return all;
}

/* ---- The provider ---- */

static int read_answer(const struct net_answer *answer, struct buf *out, struct err *err)
{
    json_t *root = json_loadb(buf_str(&answer->body), answer->body.len, 0, NULL);
    const char *token = path_text(root, "poToken");
    const char *complaint = path_text(root, "error");
    int rc;
    if (answer->status == 200 && token && is_token(token, strlen(token)))
        rc = buf_adds(out, token);
    else
        rc = err_set(err, ERR_UPSTREAM_FAILED, "the token provider answered %d: %.80s", answer->status,
                     complaint ? complaint : "no token");
    json_decref(root);
    return rc;
}

static int ask_provider(const struct site_env *env, const char *binding, struct buf *out, struct err *err)
{
    static const char *const headers[] = {"Content-Type: application/json", NULL};
    auto_(buf) struct buf url = BUF_INIT(URL_MAX_BYTES);
    auto_(net_answer) struct net_answer answer = {.status = 0};
    const char *proxy = env->proxy && *env->proxy ? env->proxy : NULL; /* tokens are judged by the address */
    json_t *body = json_pack("{s:s, s:s?, s:b}", "content_binding", binding, "proxy", proxy, "bypass_cache",
                             0);
    auto_ptr(char) char *text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    const char *slash = text_ends_with(env->pot_provider_url, "/") ? "" : "/";
    if (!text || buf_addf(&url, "%s%sget_pot", env->pot_provider_url, slash) < 0)
        return err_set(err, ERR_INTERNAL, "out of memory");
    const struct net_call call = {
        .url = buf_str(&url),
        .headers = headers,
        .body = text,
        .body_len = strlen(text),
        .max_bytes = ANSWER_MAX_BYTES,
        .timeout_ms = PO_TOKEN_TIMEOUT_MS,
        .own = true,
    };
    if (env->call(env->call_ctx, &call, &answer, err) < 0)
        return -1;
    return read_answer(&answer, out, err);
}

int po_token_get(const struct site_env *env, const struct client *client, enum po_context context,
                 const char *visitor, const char *video_id, struct buf *out, struct err *err)
{
    struct by_hand given;
    char hash[HASH_HEX_LEN + 1];
    char key[KEY_MAX];
    bool by_visitor = context == PO_GVS && !client->po_binds_video;
    const char *binding = by_visitor ? visitor : video_id;
    if (!(client->po_contexts & 1U << context))
        return 0;
    if (find_by_hand(env, client, context, &given))
        return buf_add(out, given.token, given.token_len);
    if (!env->pot_provider_url || !*env->pot_provider_url || !*binding)
        return err_set(err, ERR_UPSTREAM_FAILED, "%s: no %s token to be had", client->key, names[context]);
    hash_sha256_hex(binding, strlen(binding), hash);
    (void)snprintf(key, sizeof key, "pot:%s:%s:%s", names[context], env->way ? env->way : "", hash);
    if (env->get && env->get(env->memo_ctx, key, out) == 0 && is_token(buf_str(out), out->len))
        return 0;
    buf_clear(out);
    if (ask_provider(env, binding, out, err) < 0)
        return -1;
    if (env->put)
        env->put(env->memo_ctx, key, buf_str(out), clock_unix_s() + PO_TOKEN_TTL_S);
    return 0;
}

/* ---- Using it ---- */

static void add_to(json_t *rows, const char *member, const char *more)
{
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i);
        const char *url = path_text(row, member);
        if (url)
            (void)json_object_set_new(row, member,
                                      json_sprintf("%s%s%s", url, strchr(url, '?') ? "&" : "?", more));
    }
}

/* A list of pieces takes it as a part of its path. */
static void add_to_list(json_t *streaming, const char *token)
{
    static const char last[] = "/file/index.m3u8";
    const char *url = path_text(streaming, "hlsManifestUrl");
    if (!url || strchr(url, '?'))
        return;
    size_t len = strlen(url);
    size_t tail = text_ends_with(url, last) ? sizeof last - 1 : 0;
    const char *slash = tail == 0 && text_ends_with(url, "/") ? "" : "/";
    (void)json_object_set_new(
        streaming, "hlsManifestUrl",
        json_sprintf("%.*s%spot/%s%s", (int)(len - tail), url, slash, token, url + len - tail));
}

void po_token_apply(json_t *player, const struct client *client, enum po_context context, const char *token)
{
    char more[PO_TOKEN_MAX + 32];
    if (!*token)
        return;
    (void)snprintf(more, sizeof more, "%spot=%s", context == PO_SUBS ? "potc=1&" : "", token);
    if (context == PO_SUBS) {
        add_to(path_get(player, "captions.playerCaptionsTracklistRenderer.captionTracks"), "baseUrl", more);
        return;
    }
    if (client->po_protocols & PO_HTTPS) {
        add_to(path_get(player, "streamingData.formats"), "url", more);
        add_to(path_get(player, "streamingData.adaptiveFormats"), "url", more);
    }
    if (client->po_protocols & PO_HLS)
        add_to_list(path_get(player, "streamingData"), token);
}
