/* See resolver.h. */
#include "site/engines/resolver.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/aes_cbc.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/text.h"
#include "site/call.h"
#include "site/engines/offer.h"
#include "site/header_lines.h"
#include "site/youtube/path.h"

enum { PATH_TEXT_MAX = 200, KEY_MAX = 32, DURATION_MAX_S = 10 * 365 * 86400, EXPIRES_MAX_S = 7 * 86400 };

/* ------------------------------------------------------------------------------------------------ */
/* Where things are */

static const char *const names[] = {
    "sealed",
    "title",
    "author",
    "duration_s",
    "thumbnail",
    "expires_in_s",
    "url",
    "formats",
    "format.url",
    "format.id",
    "format.container",
    "format.video",
    "format.audio",
    "format.label",
    "format.width",
    "format.height",
    "format.bitrate",
    "format.size_bytes",
    "format.language",
    "format.referer",
    "format.user_agent",
};

/* The pair of a comma-separated list: its name's and its path's bounds. NULL: that was the last. */
static const char *next_pair(const char *list, const char **name, size_t *name_len, const char **path,
                             size_t *path_len)
{
    list += strspn(list, " ,");
    size_t len = strcspn(list, " ,");
    if (len == 0)
        return NULL;
    const char *equals = memchr(list, '=', len);
    *name = list;
    *name_len = equals ? (size_t)(equals - list) : len;
    *path = equals ? equals + 1 : list + len;
    *path_len = (size_t)(list + len - *path);
    return list + len;
}

/* The path of a name, as set, or its own name (of a row's, without "format."). */
static void path_of(const char *fields, const char *wanted, char out[PATH_TEXT_MAX])
{
    const char *name;
    const char *path;
    size_t name_len;
    size_t path_len;
    const char *own = strchr(wanted, '.');
    (void)text_copy(out, PATH_TEXT_MAX, own ? own + 1 : wanted);
    for (const char *at = fields; (at = next_pair(at, &name, &name_len, &path, &path_len));) {
        if (name_len == strlen(wanted) && memcmp(name, wanted, name_len) == 0 && path_len < PATH_TEXT_MAX) {
            memcpy(out, path, path_len);
            out[path_len] = '\0';
        }
    }
}

/* As path_get(), and numbers index lists. */
static const json_t *find(const struct engine_settings *s, const json_t *root, const char *name)
{
    char path[PATH_TEXT_MAX];
    path_of(s->resolver_fields, name, path);
    const json_t *at = root;
    for (const char *p = path; *p && at;) {
        uint64_t index;
        size_t len = strcspn(p, ".");
        if (json_is_array(at))
            at = text_parse_u64n(p, len, 0, UINT32_MAX, &index) == 0 ? json_array_get(at, index) : NULL;
        else
            at = json_object_getn(at, p, len);
        p += len + (p[len] == '.');
    }
    return at;
}

static const char *find_text(const struct engine_settings *s, const json_t *root, const char *name)
{
    return json_string_value(find(s, root, name));
}

static uint64_t find_number(const struct engine_settings *s, const json_t *root, const char *name,
                            uint64_t most)
{
    const json_t *value = find(s, root, name);
    if (json_is_real(value))
        return json_real_value(value) >= 0 && json_real_value(value) <= (double)most
                   ? (uint64_t)json_real_value(value)
                   : 0;
    return path_number(value, "", most);
}

/* ------------------------------------------------------------------------------------------------ */
/* Sealed answers */

/* Hex digits, all of them; how many bytes, or 0. */
static size_t read_hex(const char *text, uint8_t out[KEY_MAX])
{
    static const char digits[] = "0123456789abcdef";
    size_t len = strlen(text);
    if (len % 2 || len / 2 > KEY_MAX)
        return 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[i] >= 'A' && text[i] <= 'F' ? (char)(text[i] + 32) : text[i];
        const char *digit = strchr(digits, c);
        if (!digit)
            return 0;
        out[i / 2] = (uint8_t)(i % 2 ? out[i / 2] << 4 | (digit - digits) : digit - digits);
    }
    return len / 2;
}

/* Base64 of either alphabet, with or without padding and line ends. */
static int read_base64(const char *text, size_t len, struct buf *out)
{
    auto_(buf) struct buf plain = BUF_INIT(RESOLVER_ANSWER_MAX);
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '\n' || c == '\r' || c == ' ' || c == '=')
            continue;
        (void)buf_addc(&plain, c == '+' ? '-' : c == '/' ? '_' : c);
    }
    return plain.failed ? -1 : hash_base64url_decode(out, buf_str(&plain), plain.len);
}

static int unseal(const struct engine_settings *s, const char *text, size_t len, struct buf *clear,
                  struct err *err)
{
    uint8_t key[KEY_MAX];
    uint8_t iv[KEY_MAX];
    auto_(buf) struct buf bytes = BUF_INIT(RESOLVER_ANSWER_MAX);
    auto_ptr(aes_cbc) struct aes_cbc *cipher = NULL;
    size_t skip = *s->resolver_iv ? 0 : AES_CBC_BYTES;
    size_t key_len = read_hex(s->resolver_key, key);
    if (read_base64(text, len, &bytes) < 0 || bytes.len <= skip)
        return err_set(err, ERR_UPSTREAM_FAILED, "resolver: not a sealed answer");
    if (skip)
        memcpy(iv, bytes.data, skip);
    else
        (void)read_hex(s->resolver_iv, iv);
    if (aes_cbc_new_sized(&cipher, key, key_len, iv, err) < 0 ||
        aes_cbc_add(cipher, bytes.data + skip, bytes.len - skip, clear, err) < 0)
        return -1;
    return aes_cbc_end(cipher, clear, err);
}

/* The answer as JSON; json_decref(). */
static json_t *load(const struct engine_settings *s, const char *text, size_t len, struct err *err)
{
    auto_(buf) struct buf clear = BUF_INIT(RESOLVER_ANSWER_MAX + 64);
    json_t *outer = NULL;
    json_t *root = NULL;
    char path[PATH_TEXT_MAX];
    path_of(s->resolver_fields, "sealed", path);
    bool inside = strcmp(path, "sealed") != 0;
    if (*s->resolver_key && inside) {
        outer = json_loadb(text, len, 0, NULL);
        text = find_text(s, outer, "sealed");
        len = text ? strlen(text) : 0;
    }
    if (!*s->resolver_key)
        root = json_loadb(text, len, 0, NULL);
    else if (unseal(s, text ? text : "", len, &clear, err) == 0)
        root = json_loadb(buf_str(&clear), clear.len, 0, NULL);
    json_decref(outer);
    if (json_is_object(root) || json_is_array(root))
        return root;
    json_decref(root);
    (void)err_set(err, ERR_UPSTREAM_FAILED, "resolver: no JSON");
    return NULL;
}

/* ------------------------------------------------------------------------------------------------ */
/* The answer */

/* "mp4" of "https://host/a.mp4?x"; "mp4" where there is none that we know. */
static const char *container_of(const char *url)
{
    static const char *const known[] = {"mp4", "webm", "m4a", "mp3", "mkv", "mov", "ogg", "opus", "flac"};
    const char *end = url + strcspn(url, "?#");
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        size_t len = strlen(known[i]);
        if ((size_t)(end - url) > len && end[-(ptrdiff_t)len - 1] == '.' &&
            strncasecmp(end - len, known[i], len) == 0)
            return known[i];
    }
    return (size_t)(end - url) > 5 && strncasecmp(end - 5, ".m3u8", 5) == 0 ? "hls" : "mp4";
}

/* `row`: of the list, or the whole answer for the one file. */
static int add_format(const struct engine_settings *s, struct description *d, const json_t *row,
                      const char *url)
{
    auto_(buf) struct buf headers = BUF_INIT(HEADER_LINES_BYTES);
    const char *container = find_text(s, row, "format.container");
    const char *referer = find_text(s, row, "format.referer");
    const json_t *id = find(s, row, "format.id");
    char number[24] = "";
    if (!offer_is_url(url))
        return 0;
    if (json_is_integer(id))
        (void)snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(id));
    if (referer)
        (void)header_lines_add(&headers, "Referer", referer);
    const struct offer o = {
        .id = json_is_string(id) ? json_string_value(id)
              : *number          ? number
                                 : "source",
        .url = url,
        .container = container ? container : container_of(url),
        .video = find_text(s, row, "format.video"),
        .audio = find_text(s, row, "format.audio"),
        .label = find_text(s, row, "format.label"),
        .language = find_text(s, row, "format.language"),
        .user_agent = find_text(s, row, "format.user_agent"),
        .headers = buf_str(&headers),
        .width = find_number(s, row, "format.width", UINT16_MAX),
        .height = find_number(s, row, "format.height", UINT16_MAX),
        .bitrate = find_number(s, row, "format.bitrate", INT32_MAX),
        .size_bytes = find_number(s, row, "format.size_bytes", INT64_MAX),
    };
    return offer_add(d, &o);
}

static int fill(const struct engine_settings *s, const struct link *link, const json_t *root,
                struct description *d)
{
    char hex[HASH_HEX_LEN + 1];
    bool youtube = link->kind == LINK_YOUTUBE_VIDEO;
    const json_t *list = find(s, root, "formats");
    const char *url = find_text(s, root, "url");
    uint64_t lives_s = find_number(s, root, "expires_in_s", EXPIRES_MAX_S);
    hash_sha256_hex(link->url, strlen(link->url), hex);
    hex[16] = '\0';
    const struct offer_about about = {
        .site = youtube ? "youtube" : "direct",
        .id = youtube ? link->id : hex,
        .url = link->url,
        .engine = "resolver",
        .title = find_text(s, root, "title"),
        .author = find_text(s, root, "author"),
        .thumbnail = find_text(s, root, "thumbnail"),
        .duration_ms = find_number(s, root, "duration_s", DURATION_MAX_S) * 1000,
    };
    if (offer_begin(d, &about) < 0)
        return -1;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *row = json_array_get(list, i);
        const char *row_url = json_is_string(row) ? json_string_value(row) : find_text(s, row, "format.url");
        if (add_format(s, d, row, row_url) < 0)
            return -1;
    }
    if (d->format_count == 0 && add_format(s, d, root, url) < 0)
        return -1;
    offer_sort(d);
    d->expires_unix_s = lives_s ? clock_unix_s() + (int64_t)lives_s : 0;
    return 0;
}

int resolver_read(const struct engine_settings *s, const struct link *link, const char *text, size_t len,
                  struct description **out, struct err *err)
{
    auto_ptr(description) struct description *d = description_new();
    json_t *root = load(s, text, len, err);
    if (!root)
        return -1;
    int rc = d ? fill(s, link, root, d) : -1;
    json_decref(root);
    if (rc < 0)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (d->format_count == 0)
        return err_set(err, ERR_UPSTREAM_FAILED, "resolver: nothing to fetch in its answer");
    *out = steal(&d);
    return 0;
}

/* ------------------------------------------------------------------------------------------------ */
/* The question */

bool resolver_takes(const struct site_env *env, const struct link *link)
{
    const char *url = env->engines->resolver_url;
    return url && *url && (link->kind == LINK_YOUTUBE_VIDEO || !strstr(url, "{id}"));
}

static int make_url(const char *template, const struct link *link, struct buf *out)
{
    while (*template) {
        bool is_url = text_starts_with(template, "{url}");
        if (is_url || text_starts_with(template, "{id}")) {
            (void)text_percent_encode(out, is_url ? link->url : link->id);
            template += is_url ? 5 : 4;
        } else {
            (void)buf_addc(out, *template ++);
        }
    }
    return out->failed ? -1 : 0;
}

int resolver_describe(const struct site_env *env, const struct link *link, const struct err *before,
                      struct description **out, struct err *err)
{
    auto_(net_answer) struct net_answer answer = {.status = 0};
    auto_(buf) struct buf url = BUF_INIT(OFFER_URL_MAX);
    (void)before;
    if (make_url(env->engines->resolver_url, link, &url) < 0)
        return err_set(err, ERR_BAD_URL, "resolver: the link is too long");
    const struct net_call call = {
        .url = buf_str(&url),
        .max_bytes = RESOLVER_ANSWER_MAX,
        .compressed = true,
    };
    if (site_call(env, &call, &answer, err) < 0) {
        err->code = ERR_UPSTREAM_FAILED; /* that server's address is the operator's matter, not the asker's */
        return -1;
    }
    if (answer.status == 200)
        return resolver_read(env->engines, link, buf_str(&answer.body), answer.body.len, out, err);
    (void)err_set(err, ERR_UPSTREAM_FAILED, "resolver: status %d", answer.status);
    err->upstream_status = answer.status;
    return -1;
}

static bool is_name(const char *name, size_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
            return true;
    }
    return false;
}

int resolver_check(const struct engine_settings *s, struct err *err)
{
    uint8_t bytes[KEY_MAX];
    const char *name;
    const char *path;
    size_t name_len;
    size_t path_len;
    size_t key_len = read_hex(s->resolver_key, bytes);
    if (*s->resolver_url && !offer_is_url(s->resolver_url))
        return err_set(err, ERR_INTERNAL, "resolver_url must be an http or https address");
    if (*s->resolver_key && key_len != AES_CBC_BYTES && key_len != KEY_MAX)
        return err_set(err, ERR_INTERNAL, "resolver_key must be 32 or 64 hexadecimal digits");
    if (*s->resolver_iv && read_hex(s->resolver_iv, bytes) != AES_CBC_BYTES)
        return err_set(err, ERR_INTERNAL, "resolver_iv must be 32 hexadecimal digits");
    for (const char *at = s->resolver_fields; (at = next_pair(at, &name, &name_len, &path, &path_len));) {
        if (!is_name(name, name_len) || path_len == 0 || path_len >= PATH_TEXT_MAX)
            return err_set(err, ERR_INTERNAL, "resolver_fields: %.*s is no name=path that is known",
                           (int)name_len, name);
    }
    return 0;
}
