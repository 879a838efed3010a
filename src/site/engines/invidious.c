/* See invidious.h. */
#include "site/engines/invidious.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/text.h"
#include "site/call.h"
#include "site/engines/offer.h"
#include "site/youtube/path.h"

enum { BASE_MAX = 300, DURATION_MAX_S = 10 * 365 * 86400, EXPIRES_S = 3 * 3600 };

/* ------------------------------------------------------------------------------------------------ */
/* The answer */

/* "12-345" */
static struct byte_range read_range(const json_t *row, const char *name)
{
    struct byte_range r = {0, 0};
    const char *text = path_text(row, name);
    size_t dash = text ? strcspn(text, "-") : 0;
    if (!text || !text[dash] || text_parse_u64n(text, dash, 0, INT64_MAX, &r.start) < 0 ||
        text_parse_u64(text + dash + 1, 0, INT64_MAX, &r.end) < 0)
        return (struct byte_range){0, 0};
    return r;
}

/* `video/mp4; codecs="avc1.42001E, mp4a.40.2"`: the container, and the codecs' texts. */
struct type {
    const char *container;
    bool video;
    char codecs[2][40];
};

static int read_type(const char *text, struct type *t)
{
    static const struct {
        const char *mime, *container;
        bool video;
    } known[] = {{"video/mp4", "mp4", true},
                 {"video/webm", "webm", true},
                 {"video/3gpp", "3gp", true},
                 {"audio/mp4", "m4a", false},
                 {"audio/webm", "webm", false}};
    size_t len = strcspn(text, ";");
    *t = (struct type){.container = NULL};
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (len == strlen(known[i].mime) && memcmp(known[i].mime, text, len) == 0) {
            t->container = known[i].container;
            t->video = known[i].video;
        }
    }
    const char *at = strstr(text, "codecs=\"");
    at = at ? at + 8 : "";
    for (size_t i = 0; i < 2; i++) {
        size_t n = strcspn(at, ",\"");
        (void)snprintf(t->codecs[i], sizeof t->codecs[i], "%.*s", (int)(n < 40 ? n : 0), at);
        at += n + (at[n] == ',');
        at += strspn(at, " ");
    }
    return t->container ? 0 : -1;
}

/* "1920x1080" */
static void read_size(const json_t *row, struct offer *o)
{
    const char *size = path_text(row, "size");
    size_t x = size ? strcspn(size, "x") : 0;
    if (!size || !size[x] || text_parse_u64n(size, x, 1, UINT16_MAX, &o->width) < 0 ||
        text_parse_u64(size + x + 1, 1, UINT16_MAX, &o->height) < 0)
        o->width = o->height = 0;
    const char *label = path_text(row, "qualityLabel");
    if (!o->height && label)
        (void)text_parse_u64n(label, strspn(label, "0123456789"), 1, UINT16_MAX, &o->height);
}

static int add_format(struct description *d, const char *instance, const json_t *row, bool muxed)
{
    auto_(buf) struct buf url = BUF_INIT(OFFER_URL_MAX);
    struct type type;
    struct err ignored;
    const char *reference = path_text(row, "url");
    const char *mime = path_text(row, "type");
    const char *quality = path_text(row, "audioQuality");
    if (!reference || !mime || read_type(mime, &type) < 0 ||
        net_url_join(instance, reference, &url, &ignored) < 0)
        return 0;
    struct offer o = {
        .id = path_text(row, "itag"),
        .url = buf_str(&url),
        .container = type.container,
        .video = type.video ? type.codecs[0] : "none",
        .audio = !type.video ? type.codecs[0]
                 : muxed     ? type.codecs[1]
                             : "none",
        .label = quality,
        .bitrate = path_number(row, "bitrate", INT32_MAX),
        .size_bytes = path_number(row, "clen", INT64_MAX),
        .sample_rate = path_number(row, "audioSampleRate", 1000000),
        .channels = path_number(row, "audioChannels", 64),
        .last_modified = path_number(row, "lmt", INT64_MAX),
        .fps = (double)path_number(row, "fps", 1000),
        .init = read_range(row, "init"),
        .index = read_range(row, "index"),
    };
    const char *track = path_text(row, "audioTrack.id");
    char language[36] = "";
    if (track) {
        (void)snprintf(language, sizeof language, "%.*s", (int)strcspn(track, "."), track);
        o.language = language;
        o.not_original = !text_ends_with(track, ".4");
    }
    read_size(row, &o);
    return offer_add(d, &o);
}

static const char *thumbnail_of(const json_t *root)
{
    const json_t *list = path_get(root, "videoThumbnails");
    const char *best = NULL;
    uint64_t best_width = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *row = json_array_get(list, i);
        const char *url = path_text(row, "url");
        uint64_t width = path_number(row, "width", 100000);
        if (url && text_starts_with(url, "https://") && (!best || width > best_width)) {
            best = url;
            best_width = width;
        }
    }
    return best;
}

static int add_captions(struct description *d, const char *instance, const json_t *root)
{
    const json_t *list = path_get(root, "captions");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *row = json_array_get(list, i);
        const char *label = path_text(row, "label");
        const char *language = path_text(row, "language_code");
        const char *reference = path_text(row, "url");
        auto_(buf) struct buf url = BUF_INIT(OFFER_URL_MAX);
        struct err ignored;
        if (!language)
            language = path_text(row, "languageCode");
        if (reference && net_url_join(instance, reference, &url, &ignored) == 0 &&
            offer_subtitle(d, language, label, buf_str(&url), label && strstr(label, "auto-generated")) < 0)
            return -1;
    }
    return 0;
}

static int fill(struct description *d, const char *instance, const char *id, const json_t *root)
{
    char url[64];
    char engine[80];
    const char *host = strstr(instance, "://") + 3;
    (void)snprintf(url, sizeof url, "https://www.youtube.com/watch?v=%s", id);
    (void)snprintf(engine, sizeof engine, "invidious:%.*s", (int)strcspn(host, "/"), host);
    const struct offer_about about = {
        .site = "youtube",
        .id = id,
        .url = url,
        .engine = engine,
        .title = path_text(root, "title"),
        .author = path_text(root, "author"),
        .thumbnail = thumbnail_of(root),
        .duration_ms = path_number(root, "lengthSeconds", DURATION_MAX_S) * 1000,
        .published_unix_s = (int64_t)path_number(root, "published", INT32_MAX),
    };
    static const char *const lists[] = {"formatStreams", "adaptiveFormats"};
    if (offer_begin(d, &about) < 0)
        return -1;
    for (size_t k = 0; k < ARRAY_LEN(lists); k++) {
        const json_t *list = path_get(root, lists[k]);
        for (size_t i = 0; i < json_array_size(list); i++) {
            if (add_format(d, instance, json_array_get(list, i), k == 0) < 0)
                return -1;
        }
    }
    offer_sort(d);
    d->expires_unix_s = clock_unix_s() + EXPIRES_S;
    return add_captions(d, instance, root);
}

int invidious_read(const char *instance, const char *id, const char *text, size_t len,
                   struct description **out, struct err *err)
{
    auto_ptr(description) struct description *d = description_new();
    json_t *root = json_loadb(text, len, 0, NULL);
    const char *said = path_text(root, "error");
    const char *video = path_text(root, "videoId");
    int rc = -1;
    if (!json_is_object(root) || said)
        (void)err_set(err, ERR_UPSTREAM_FAILED, "invidious: %s: %s", instance, said ? said : "no JSON");
    else if (!video || strcmp(video, id) != 0)
        (void)err_set(err, ERR_UPSTREAM_FAILED, "invidious: %s: of another video", instance);
    else if (json_is_true(path_get(root, "liveNow")))
        (void)err_set(err, ERR_LIVE, "invidious: %s: live", instance);
    else if (!d || fill(d, instance, id, root) < 0)
        (void)err_set(err, ERR_INTERNAL, "out of memory");
    else if (d->format_count == 0)
        (void)err_set(err, ERR_UPSTREAM_FAILED, "invidious: %s: no formats", instance);
    else
        rc = 0;
    json_decref(root);
    if (rc == 0)
        *out = steal(&d);
    return rc;
}

/* ------------------------------------------------------------------------------------------------ */
/* The servers */

/* The next of the list, without the slash at its end; NULL: that was the last. */
static const char *next_instance(const char *list, char base[BASE_MAX])
{
    list += strspn(list, " ,");
    size_t len = strcspn(list, " ,");
    const char *rest = list + len;
    while (len && list[len - 1] == '/')
        len--;
    if (len == 0)
        return NULL;
    (void)snprintf(base, BASE_MAX, "%.*s", (int)(len < BASE_MAX ? len : 0), list);
    return rest;
}

static void memo_key(const char *instance, char key[48])
{
    char hex[HASH_HEX_LEN + 1];
    hash_sha256_hex(instance, strlen(instance), hex);
    (void)snprintf(key, 48, "invidious:%.32s", hex);
}

static bool rests(const struct site_env *env, const char *instance)
{
    char key[48];
    auto_(buf) struct buf value = BUF_INIT(16);
    memo_key(instance, key);
    return env->get && env->get(env->memo_ctx, key, &value) == 0;
}

static void let_rest(const struct site_env *env, const char *instance)
{
    char key[48];
    memo_key(instance, key);
    if (env->put)
        env->put(env->memo_ctx, key, "down", clock_unix_s() + INVIDIOUS_REST_S);
}

/* One server. ERR_UPSTREAM_FAILED with upstream_status where it answered. */
static int ask(const struct site_env *env, const char *instance, const char *id, struct description **out,
               struct err *err)
{
    auto_(net_answer) struct net_answer answer = {.status = 0};
    char url[BASE_MAX + 64];
    (void)snprintf(url, sizeof url, "%s/api/v1/videos/%s?local=true", instance, id);
    const struct net_call call = {
        .url = url,
        .max_bytes = INVIDIOUS_ANSWER_MAX,
        .timeout_ms = INVIDIOUS_TIMEOUT_MS,
        .compressed = true,
    };
    if (env->call(env->call_ctx, &call, &answer, err) < 0) {
        err->code = ERR_UPSTREAM_FAILED; /* that server's address is the operator's matter, not the asker's */
        return -1;
    }
    if (answer.status == 200)
        return invidious_read(instance, id, buf_str(&answer.body), answer.body.len, out, err);
    (void)err_set(err, ERR_UPSTREAM_FAILED, "invidious: %s: status %d: %.100s", instance, answer.status,
                  buf_str(&answer.body));
    err->upstream_status = answer.status;
    return -1;
}

bool invidious_takes(const struct site_env *env, const struct link *link)
{
    return link->kind == LINK_YOUTUBE_VIDEO && env->engines->invidious && *env->engines->invidious;
}

int invidious_describe(const struct site_env *env, const struct link *link, const struct err *before,
                       struct description **out, struct err *err)
{
    char base[BASE_MAX];
    int left = INVIDIOUS_ASK_MAX;
    (void)before;
    (void)err_set(err, ERR_UPSTREAM_FAILED, "no Invidious server");
    for (int resting = 0; resting < 2; resting++) { /* those that do well first */
        const char *list = env->engines->invidious;
        while (left > 0 && (list = next_instance(list, base))) {
            if (rests(env, base) != resting)
                continue;
            left--;
            if (ask(env, base, link->id, out, err) == 0)
                return 0;
            /* what it says about one video is not its own failing */
            if (!resting &&
                (err->upstream_status == 0 || err->upstream_status >= 500 || err->upstream_status == 429))
                let_rest(env, base);
        }
    }
    return -1;
}

int invidious_check(const struct engine_settings *settings, struct err *err)
{
    char base[BASE_MAX];
    const char *list = settings->invidious;
    for (int n = 0; (list = next_instance(list, base)); n++) {
        if (n == INVIDIOUS_INSTANCES_MAX || !offer_is_url(base) || strpbrk(base, "?#"))
            return err_set(err, ERR_INTERNAL,
                           "invidious_instances must be at most %d addresses, as https://host",
                           INVIDIOUS_INSTANCES_MAX);
    }
    return 0;
}
