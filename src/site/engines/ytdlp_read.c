/* What yt-dlp answers, as a description. See ytdlp.h; the members are those of ytdlp.py. */
#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/text.h"
#include "site/call.h"
#include "site/dash.h"
#include "site/dash_link.h"
#include "site/direct.h"
#include "site/engines/offer.h"
#include "site/engines/ytdlp.h"
#include "site/header_lines.h"
#include "site/hls.h"
#include "site/youtube/path.h"

enum { NAME_MAX = 40, CHAPTERS_MAX = 500, MANIFESTS_MAX = 2, MEASURE_TIMEOUT_MS = 4000 };

static const double number_max = 9e15;

/* A JSON number of either kind that is not negative, times `factor`; 0 where there is none. */
static uint64_t number(const json_t *row, const char *name, double factor)
{
    const json_t *value = path_get(row, name);
    double n = json_is_number(value) ? json_number_value(value) * factor : 0;
    return n > 0 && n < number_max ? (uint64_t)(n + 0.5) : 0;
}

/* ---- Formats ---- */

static void read_headers(const json_t *row, struct buf *out)
{
    const char *name;
    const json_t *value;
    json_object_foreach ((json_t *)path_get(row, "headers"), name, value) {
        if (json_is_string(value))
            (void)header_lines_add(out, name, json_string_value(value));
    }
}

/* "https", "m3u8_native", …: NULL: nothing we fetch. */
static const char *container_of(const json_t *row)
{
    const char *protocol = path_text(row, "protocol");
    const char *ext = path_text(row, "ext");
    if (!protocol || strcmp(protocol, "https") == 0 || strcmp(protocol, "http") == 0)
        return ext;
    return text_starts_with(protocol, "m3u8") ? "hls" : NULL;
}

static int add_format(struct description *d, const json_t *row)
{
    auto_(buf) struct buf headers = BUF_INIT(HEADER_LINES_BYTES);
    const json_t *preference = path_get(row, "language_preference");
    const char *note = path_text(row, "format_note");
    uint64_t rate = number(row, "tbr", 1000);
    const struct offer o = {
        .id = path_text(row, "format_id"),
        .url = path_text(row, "url"),
        .container = container_of(row),
        .video = path_text(row, "vcodec"),
        .audio = path_text(row, "acodec"),
        .label = note,
        .language = path_text(row, "language"),
        .user_agent = path_text(row, "headers.User-Agent"),
        .headers = (read_headers(row, &headers), buf_str(&headers)),
        .width = number(row, "width", 1),
        .height = number(row, "height", 1),
        .fps = json_number_value(path_get(row, "fps")),
        .bitrate = rate ? rate : number(row, "abr", 1000),
        .sample_rate = number(row, "asr", 1),
        .channels = number(row, "audio_channels", 1),
        .not_original = json_is_integer(preference) && json_integer_value(preference) < 0,
    };
    return json_is_true(path_get(row, "has_drm")) ? 0 : offer_add(d, &o);
}

/* What comes in DASH pieces is read from its manifest, by us. One that cannot be had is no loss to the rest.
 */
static void add_manifest(const struct site_env *env, struct description *d, const char *url)
{
    struct err ignored = {.code = ERR_OK};
    auto_(net_answer) struct net_answer answer = {.status = 0};
    const struct net_call call = {.url = url, .max_bytes = DASH_BYTES_MAX, .compressed = true};
    if (!offer_is_url(url) || site_call(env, &call, &answer, &ignored) < 0 || answer.status != 200 ||
        !dash_is(buf_str(&answer.body), answer.body.len))
        return;
    (void)dash_add_formats(env, answer.final_url ? answer.final_url : url, buf_str(&answer.body),
                           answer.body.len, d, &ignored);
}

static void add_manifests(const struct site_env *env, struct description *d, const json_t *rows)
{
    const char *seen[MANIFESTS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(rows) && count < MANIFESTS_MAX; i++) {
        const json_t *row = json_array_get(rows, i);
        const char *protocol = path_text(row, "protocol");
        const char *url = path_text(row, "manifest_url");
        bool known = !protocol || !url || !text_starts_with(protocol, "http_dash_segments");
        for (size_t k = 0; k < count && !known; k++)
            known = strcmp(seen[k], url) == 0;
        if (known)
            continue;
        seen[count++] = url;
        add_manifest(env, d, url);
    }
}

/* Sizes are asked for, not believed: what is announced to the byte must be so. */
static void measure(const struct site_env *env, struct description *d)
{
    int left = YTDLP_MEASURE_MAX;
    for (size_t i = 0; i < d->format_count && left > 0; i++) {
        struct format *f = &d->formats[i];
        struct err ignored;
        auto_(header_lines) struct header_lines headers = {.text = NULL};
        auto_(net_answer) struct net_answer answer = {.status = 0};
        struct net_call call = {
            .url = f->url,
            .user_agent = f->user_agent,
            .max_bytes = 2,
            .timeout_ms = MEASURE_TIMEOUT_MS,
            .range_length = 2,
        };
        if (f->size_bytes || strcmp(f->container, "hls") == 0 || strcmp(f->container, "dash") == 0)
            continue;
        left--;
        if (header_lines_init(&headers, f->headers) < 0)
            return;
        call.headers = headers.lines;
        if (env->call(env->call_ctx, &call, &answer, &ignored) < 0)
            return; /* one host that does not answer is waited for once */
        if (answer.status == 206) {
            f->size_bytes = answer.total_size;
            f->last_modified = direct_version(&answer);
        }
    }
}

/* A page may not say how long a video is; the list of its pieces does, and whether it has an end. */
static int look_into_list(const struct site_env *env, struct description *d, struct err *err)
{
    const struct format *f = d->format_count ? &d->formats[0] : NULL;
    auto_(net_answer) struct net_answer answer = {.status = 0};
    auto_(header_lines) struct header_lines headers = {.text = NULL};
    auto_ptr(hls) struct hls *list = NULL;
    struct err ignored;
    if (!f || d->duration_ms || strcmp(f->container, "hls") != 0)
        return 0;
    struct net_call call = {
        .url = f->url, .user_agent = f->user_agent, .max_bytes = HLS_BYTES_MAX, .compressed = true};
    if (header_lines_init(&headers, f->headers) < 0)
        return 0;
    call.headers = headers.lines;
    if (env->call(env->call_ctx, &call, &answer, &ignored) < 0 || answer.status != 200)
        return 0;
    if (hls_parse_live(&list, buf_str(&answer.body), answer.body.len, err) < 0)
        return -1;
    d->live |= list->is_live;
    if (list->is_live)
        return 0;
    d->duration_ms = list->duration_ms;
    for (size_t i = 0; i < d->format_count; i++) {
        if (!d->formats[i].duration_ms)
            d->formats[i].duration_ms = list->duration_ms;
    }
    return 0;
}

/* ---- The rest ---- */

/* "Vimeo", "twitch:vod": lower-case, of letters that need no care anywhere. */
static void site_name(const json_t *info, char out[NAME_MAX])
{
    const char *name = path_text(info, "extractor");
    size_t n = 0;
    for (; name && *name && n < NAME_MAX - 1; name++) {
        unsigned char c = (unsigned char)*name;
        if (c < 0x80 && (isalnum(c) || strchr(".:_-", c)))
            out[n++] = (char)tolower(c);
    }
    out[n] = '\0';
    if (n == 0 || strcmp(out, "generic") == 0 || strcmp(out, "html5") == 0)
        (void)text_copy(out, NAME_MAX, "web");
}

static int begin(const struct link *link, const json_t *info, struct description *d)
{
    static const char *const authors[] = {"uploader", "channel", "artist"};
    char site[NAME_MAX];
    char engine[NAME_MAX + 8];
    char hex[HASH_HEX_LEN + 1];
    hash_sha256_hex(link->url, strlen(link->url), hex);
    hex[16] = '\0';
    site_name(info, site);
    (void)snprintf(engine, sizeof engine, "yt-dlp:%s", site);
    struct offer_about about = {
        .site = site,
        .id = path_text(info, "id"),
        .url = link->url,
        .engine = engine,
        .title = path_text(info, "title"),
        .thumbnail = path_text(info, "thumbnail"),
        .duration_ms = number(info, "duration", 1000),
        .published = path_text(info, "release_date"),
    };
    if (!about.published)
        about.published = path_text(info, "upload_date");
    if (!about.id || !*about.id)
        about.id = hex;
    for (size_t i = 0; i < ARRAY_LEN(authors) && !about.author; i++)
        about.author = path_text(info, authors[i]);
    return offer_begin(d, &about);
}

static int add_subtitles(struct description *d, const json_t *list, bool is_auto)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *row = json_array_get(list, i);
        if (offer_subtitle(d, path_text(row, "language"), path_text(row, "name"), path_text(row, "url"),
                           is_auto) < 0)
            return -1;
    }
    return 0;
}

static int add_chapters(struct description *d, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list) && i < CHAPTERS_MAX; i++) {
        const json_t *row = json_array_get(list, i);
        const char *title = path_text(row, "title");
        struct chapter *c = title && *title ? description_add_chapter(d) : NULL;
        if (!c)
            continue;
        c->start_ms = number(row, "start", 1000);
        if (description_set_line(&c->title, title, strlen(title), OFFER_TEXT_MAX) < 0)
            return -1;
    }
    return 0;
}

static int fill(const struct site_env *env, const struct link *link, const json_t *info,
                struct description *d)
{
    const json_t *rows = path_get(info, "formats");
    if (begin(link, info, d) < 0)
        return -1;
    uint64_t duration_ms = d->duration_ms;
    add_manifests(env, d, rows);
    if (duration_ms)
        d->duration_ms = duration_ms;
    for (size_t i = 0; i < json_array_size(rows); i++) {
        if (add_format(d, json_array_get(rows, i)) < 0)
            return -1;
    }
    offer_sort(d);
    measure(env, d);
    return add_subtitles(d, path_get(info, "subtitles"), false) < 0 ||
                   add_subtitles(d, path_get(info, "automatic"), true) < 0
               ? -1
               : add_chapters(d, path_get(info, "chapters"));
}

/* Codes that are about what is behind a link; the child says no other. */
static enum err_code code_of(const char *name)
{
    enum err_code code = name ? err_code_of(name) : ERR_UPSTREAM_FAILED;
    return code >= ERR_UNSUPPORTED_SITE && code <= ERR_UPSTREAM_FAILED ? code : ERR_UPSTREAM_FAILED;
}

int ytdlp_read(const struct site_env *env, const struct link *link, const char *text, size_t len,
               struct description **out, struct err *err)
{
    auto_ptr(description) struct description *d = description_new();
    json_t *root = json_loadb(text, len, 0, NULL);
    const json_t *info = path_get(root, "info");
    const char *code = path_text(root, "code");
    const char *said = path_text(root, "text");
    int rc = -1;
    if (!code || strcmp(code, "ok") != 0)
        (void)err_set(err, code_of(code), "yt-dlp: %s", said ? said : "no answer");
    else if (!d || fill(env, link, info, d) < 0)
        (void)err_set(err, ERR_INTERNAL, "out of memory");
    else if (d->format_count == 0)
        (void)err_set(err, ERR_UNSUPPORTED_SITE, "yt-dlp: nothing that can be fetched");
    else if (json_is_true(path_get(info, "is_live")) && strcmp(d->formats[0].container, "hls") != 0)
        (void)err_set(err, ERR_LIVE, "yt-dlp: live, and not as HLS");
    else
        rc = look_into_list(env, d, err);
    json_decref(root);
    if (rc == 0)
        *out = steal(&d);
    return rc;
}
