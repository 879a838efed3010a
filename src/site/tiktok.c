/* See tiktok.h. */
#include "site/tiktok.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "site/call.h"
#include "site/engines/offer.h"
#include "site/header_lines.h"
#include "site/youtube/path.h"

enum { ID_MAX = 24, USER_MAX = 64, BITRATES_MAX = 32, DURATION_MAX_S = 86400 };

/* Pages are made for browsers, and media for the one that got the page. */
static const char browser[] =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/140.0.0.0 Safari/537.36";

/* ---- Links ---- */

static const char *path_after(const char *url, const char *host)
{
    const char *at = strstr(url, "://");
    size_t len = strlen(host);
    at = at ? at + 3 : url;
    return strncasecmp(at, host, len) == 0 && at[len] == '/' ? at + len : NULL;
}

bool tiktok_is_link(const char *url)
{
    static const char *const pages[] = {"www.tiktok.com", "tiktok.com", "m.tiktok.com"};
    static const char *const short_ones[] = {"vm.tiktok.com", "vt.tiktok.com"};
    for (size_t i = 0; i < ARRAY_LEN(short_ones); i++) {
        const char *path = path_after(url, short_ones[i]);
        if (path && path[1])
            return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
        const char *path = path_after(url, pages[i]);
        if (path &&
            (strstr(path, "/video/") || text_starts_with(path, "/t/") || text_starts_with(path, "/v/")))
            return true;
    }
    return false;
}

/* ---- The page ---- */

/* The JSON of a script element with this id; json_decref(). NULL: there is none. */
static json_t *script_json(const char *text, size_t len, const char *id)
{
    char mark[80];
    (void)snprintf(mark, sizeof mark, "id=\"%s\"", id);
    const char *at = memmem(text, len, mark, strlen(mark));
    const char *end = text + len;
    const char *start = at ? memchr(at, '>', (size_t)(end - at)) : NULL;
    const char *stop = start ? memmem(start, (size_t)(end - start), "</script>", 9) : NULL;
    return stop ? json_loadb(start + 1, (size_t)(stop - start - 1), JSON_DISABLE_EOF_CHECK, NULL) : NULL;
}

/* What they say by number, where there is no video. */
static int refuse(uint64_t status, struct err *err)
{
    static const struct {
        uint64_t status;
        enum err_code code;
    } table[] = {
        {10216, ERR_PRIVATE},     {10222, ERR_PRIVATE},
        {10231, ERR_GEO_BLOCKED}, {10204, ERR_RATE_LIMITED_UPSTREAM},
        {10217, ERR_NOT_FOUND},   {10221, ERR_NOT_FOUND},
        {10219, ERR_NOT_FOUND},   {10215, ERR_NOT_FOUND},
        {10101, ERR_BOT_CHECK},
    };
    enum err_code code = ERR_UPSTREAM_FAILED;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if (table[i].status == status)
            code = table[i].code;
    }
    return err_set(err, code, "tiktok: status %llu", (unsigned long long)status);
}

/* Digits, as the ids are. */
static bool is_id(const char *id)
{
    return id && *id && strlen(id) < ID_MAX && id[strspn(id, "0123456789")] == '\0';
}

static bool is_user(const char *name)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    return name && *name && strlen(name) < USER_MAX && name[strspn(name, letters)] == '\0';
}

/* "h264", "h265_hvc1": by our names. */
static const char *codec_of(const char *type)
{
    if (!type || text_starts_with(type, "h264"))
        return "avc1";
    return text_starts_with(type, "h265") || text_starts_with(type, "bytevc1") ? "hvc1" : NULL;
}

/* What every format of a page is asked for with. */
struct asked {
    const char *with_cookie, *without; /* header lines */
};

/* The cookie is for their own hosts only, whatever a page says. */
static bool is_theirs(const char *url)
{
    const char *host = strstr(url, "://");
    size_t len = host ? strcspn(host + 3, "/?:") : 0;
    static const char end[] = ".tiktok.com";
    return text_starts_with(url, "https://") && len >= sizeof end &&
           strncasecmp(host + 3 + len - (sizeof end - 1), end, sizeof end - 1) == 0;
}

static int add_format(struct description *d, const struct offer *o, const json_t *url,
                      const struct asked *asked)
{
    struct offer one = *o;
    one.url = json_string_value(url);
    one.headers = one.url && is_theirs(one.url) ? asked->with_cookie : asked->without;
    one.container = "mp4";
    one.user_agent = browser;
    one.audio = "mp4a";
    return one.url && *one.url ? offer_add(d, &one) : 0;
}

static int add_formats(struct description *d, const json_t *video, const struct asked *asked)
{
    const json_t *list = path_get(video, "bitrateInfo");
    for (size_t i = 0; i < json_array_size(list) && i < BITRATES_MAX; i++) {
        const json_t *row = json_array_get(list, i);
        const char *codec = codec_of(path_text(row, "CodecType"));
        const struct offer o = {
            .id = path_text(row, "GearName"),
            .video = codec,
            .bitrate = path_number(row, "Bitrate", INT32_MAX),
            .width = path_number(row, "PlayAddr.Width", UINT16_MAX),
            .height = path_number(row, "PlayAddr.Height", UINT16_MAX),
            .size_bytes = path_number(row, "PlayAddr.DataSize", INT64_MAX),
        };
        if (codec && add_format(d, &o, json_array_get(path_get(row, "PlayAddr.UrlList"), 0), asked) < 0)
            return -1;
    }
    const struct offer play = {
        .id = "play",
        .video = codec_of(path_text(video, "codecType")),
        .bitrate = path_number(video, "bitrate", INT32_MAX),
        .width = path_number(video, "width", UINT16_MAX),
        .height = path_number(video, "height", UINT16_MAX),
    };
    return d->format_count ? 0 : add_format(d, &play, path_get(video, "playAddr"), asked);
}

static int add_subtitles(struct description *d, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *row = json_array_get(list, i);
        const char *form = path_text(row, "Format");
        const char *source = path_text(row, "Source");
        const char *language = path_text(row, "LanguageCodeName");
        if (form && strcmp(form, "webvtt") == 0 &&
            offer_subtitle(d, language, NULL, path_text(row, "Url"), source && strcmp(source, "ASR") == 0) <
                0)
            return -1;
    }
    return 0;
}

static int read_item(const json_t *item, const char *cookies, struct description *d)
{
    const json_t *video = path_get(item, "video");
    const char *id = path_text(item, "id");
    const char *user = path_text(item, "author.uniqueId");
    const char *nickname = path_text(item, "author.nickname");
    char url[160];
    auto_(buf) struct buf with_cookie = BUF_INIT(HEADER_LINES_BYTES);
    auto_(buf) struct buf without = BUF_INIT(HEADER_LINES_BYTES);
    if (!is_id(id))
        return 0;
    (void)snprintf(url, sizeof url, "https://www.tiktok.com/@%s/video/%s", is_user(user) ? user : "_", id);
    const struct offer_about about = {
        .site = "tiktok",
        .id = id,
        .url = url,
        .engine = "tiktok",
        .title = path_text(item, "desc"),
        .author = nickname ? nickname : user,
        .thumbnail = path_text(video, "originCover"),
        .duration_ms = path_number(video, "duration", DURATION_MAX_S) * 1000,
        .published_unix_s = (int64_t)path_number(item, "createTime", INT32_MAX),
    };
    (void)header_lines_add(&with_cookie, "Referer", "https://www.tiktok.com/");
    (void)header_lines_add(&without, "Referer", "https://www.tiktok.com/");
    if (cookies)
        (void)header_lines_add(&with_cookie, "Cookie", cookies);
    const struct asked asked = {buf_str(&with_cookie), buf_str(&without)};
    if (offer_begin(d, &about) < 0 || add_formats(d, video, &asked) < 0)
        return -1;
    offer_sort(d);
    return add_subtitles(d, path_get(video, "subtitleInfos"));
}

/* The first member of an object. */
static const json_t *first_member(const json_t *object)
{
    return json_object_iter_value(json_object_iter((json_t *)(uintptr_t)object));
}

int tiktok_read(const char *text, size_t len, const char *cookies, struct description **out, struct err *err)
{
    auto_ptr(description) struct description *d = description_new();
    json_t *root = script_json(text, len, "__UNIVERSAL_DATA_FOR_REHYDRATION__");
    json_t *older = root ? NULL : script_json(text, len, "SIGI_STATE");
    /* the name of the member has a dot in it */
    const json_t *detail = json_object_get(path_get(root, "__DEFAULT_SCOPE__"), "webapp.video-detail");
    const json_t *item = detail ? path_get(detail, "itemInfo.itemStruct")
                                : first_member(path_get(older, "ItemModule"));
    uint64_t status = path_number(detail, "statusCode", UINT32_MAX);
    int rc = -1;
    if (!root && !older)
        (void)err_set(err, ERR_BOT_CHECK, "tiktok: a page without data");
    else if (status)
        (void)refuse(status, err);
    else if (!item)
        (void)err_set(err, ERR_UNSUPPORTED_SITE, "tiktok: no video on that page");
    else if (!d || read_item(item, cookies, d) < 0)
        (void)err_set(err, ERR_INTERNAL, "out of memory");
    else if (d->format_count == 0)
        (void)err_set(err, ERR_UNSUPPORTED_SITE, "tiktok: nothing that can be fetched");
    else
        rc = 0;
    json_decref(root);
    json_decref(older);
    if (rc == 0)
        *out = steal(&d);
    return rc;
}

int tiktok_describe(const struct site_env *env, const char *url, struct description **out, struct err *err)
{
    static const char *const headers[] = {"Accept: text/html,application/xhtml+xml,application/xml;q=0.9",
                                          "Accept-Language: en-US,en;q=0.9", NULL};
    auto_(net_answer) struct net_answer answer = {.status = 0};
    const struct net_call call = {
        .url = url,
        .user_agent = browser,
        .headers = headers,
        .max_bytes = TIKTOK_PAGE_MAX,
        .compressed = true,
    };
    if (site_call(env, &call, &answer, err) < 0)
        return -1;
    if (answer.status == 200)
        return tiktok_read(buf_str(&answer.body), answer.body.len, answer.cookies, out, err);
    (void)err_set(err,
                  answer.status == 404   ? ERR_NOT_FOUND
                  : answer.status == 403 ? ERR_BOT_CHECK
                  : answer.status == 429 ? ERR_RATE_LIMITED_UPSTREAM
                                         : ERR_UPSTREAM_FAILED,
                  "tiktok: status %d", answer.status);
    err->upstream_status = answer.status;
    return -1;
}
