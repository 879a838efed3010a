/* See direct.h. */
#include "site/direct.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/text.h"
#include "media/probe.h"
#include "site/call.h"
#include "site/dash.h"
#include "site/dash_link.h"
#include "site/hls.h"
#include "site/hls_link.h"

enum { TITLE_MAX = 500, URL_MAX = 8192, ID_HEX = 16, EXTENSION_MAX = 5 };

/* ------------------------------------------------------------------------------------------------ */
/* Looking at the file */

/* Serves libavformat's reads: the head is in hand, everything else costs one range. */
struct look {
    const struct site_env *env;
    const char *url; /* after redirects: they are followed once */
    struct buf head; /* the first bytes; the most a server without ranges lets us see */
    uint64_t size;   /* 0 unknown */
    bool whole;      /* the head is the whole file */
    bool ranges;     /* the server honours them */
    int calls_left;
    int64_t deadline_us;
};

static int get_range(struct look *l, uint64_t offset, size_t len, struct net_answer *answer, struct err *err)
{
    int64_t left_ms = (l->deadline_us - clock_mono_us()) / 1000;
    if (l->calls_left-- <= 0 || left_ms <= 0)
        return err_set(err, ERR_UPSTREAM_FAILED, "looking at the file takes too long");
    const struct net_call call = {
        .url = l->url,
        .max_bytes = len,
        .timeout_ms = (int)left_ms,
        .range_offset = offset,
        .range_length = len,
    };
    return site_call(l->env, &call, answer, err);
}

/* Without ranges only the beginning can be read: as much of it as a look may take. */
static int grow_head(struct look *l, struct err *err)
{
    auto_(net_answer) struct net_answer answer = {.status = 0};
    if (get_range(l, 0, PROBE_READ_BUDGET, &answer, err) < 0)
        return -1;
    if (answer.status != 200 || answer.body.len < l->head.len)
        return err_set(err, ERR_UPSTREAM_FAILED, "the server changed its mind: status %d", answer.status);
    buf_fini(&l->head);
    l->whole = answer.body.len < PROBE_READ_BUDGET;
    l->head = answer.body;
    answer.body = (struct buf)BUF_INIT(0);
    return 0;
}

static int read_far(struct look *l, uint64_t offset, void *to, size_t len, size_t *got, struct err *err)
{
    auto_(net_answer) struct net_answer answer = {.status = 0};
    if (get_range(l, offset, len, &answer, err) < 0)
        return -1;
    if (answer.status == 416) /* past the end of a file whose size is not known */
        return 0;
    if (answer.status != 206 || answer.range_start != offset || answer.body.len > len ||
        (l->size && answer.total_size && answer.total_size != l->size))
        return err_set(err, ERR_UPSTREAM_FAILED, "a range was answered by something else: status %d",
                       answer.status);
    *got = answer.body.len;
    memcpy(to, buf_str(&answer.body), *got);
    return 0;
}

static bool in_head(const struct look *l, uint64_t offset, size_t len)
{
    return l->whole || (offset <= l->head.len && len <= l->head.len - offset);
}

/* On a server without ranges a file seems to end where its beginning, as far as we read it, does. */
static int read_at(void *ctx, uint64_t offset, void *to, size_t len, size_t *got, struct err *err)
{
    struct look *l = ctx;
    *got = 0;
    if (l->size && len > l->size - (offset < l->size ? offset : l->size))
        len = offset < l->size ? (size_t)(l->size - offset) : 0;
    if (!in_head(l, offset, len) && l->ranges)
        return read_far(l, offset, to, len, got, err);
    if (!in_head(l, offset, len) && l->head.len < PROBE_READ_BUDGET && grow_head(l, err) < 0)
        return -1;
    if (offset < l->head.len) {
        *got = len < l->head.len - offset ? len : l->head.len - (size_t)offset;
        memcpy(to, l->head.data + offset, *got);
    }
    return 0;
}

/* ------------------------------------------------------------------------------------------------ */
/* The first answer */

static int check_status(const struct net_answer *answer, struct err *err)
{
    static const struct {
        int status;
        enum err_code code;
    } table[] = {{404, ERR_NOT_FOUND},
                 {410, ERR_NOT_FOUND},
                 {401, ERR_PRIVATE},
                 {403, ERR_PRIVATE},
                 {416, ERR_UNSUPPORTED_SITE},
                 {451, ERR_GEO_BLOCKED},
                 {429, ERR_RATE_LIMITED_UPSTREAM}};
    enum err_code code = ERR_UPSTREAM_FAILED; /* 416: a file without a first byte */
    if (answer->status == 200 || answer->status == 206)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if (table[i].status == answer->status)
            code = table[i].code;
    }
    (void)err_set(err, code, "status %d", answer->status);
    if (err)
        err->upstream_status = answer->status;
    return -1;
}

/* Types that are surely something else: pages, pictures, and lists of segmented media that we do not read.
 * Servers name media files wrongly too often to go by a list of good types. */
static bool is_other_type(const char *type)
{
    static const char *const others[] = {
        "text/html",        "text/css",        "application/xhtml+xml", "application/xml",
        "application/json", "application/pdf", "application/dash+xml",  "application/javascript",
    };
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        if (strcmp(others[i], type) == 0)
            return true;
    }
    return text_starts_with(type, "image/") || text_starts_with(type, "font/");
}

static bool is_list(const struct buf *head)
{
    return hls_is(buf_str(head), head->len) || dash_is(buf_str(head), head->len);
}

static int look_first(struct look *l, const char *url, struct net_answer *answer, struct err *err)
{
    l->url = url;
    if (get_range(l, 0, DIRECT_HEAD_BYTES, answer, err) < 0 || check_status(answer, err) < 0)
        return -1;
    if (is_other_type(answer->content_type) && !is_list(&answer->body))
        return err_set(err, ERR_UNSUPPORTED_SITE, "type %s", answer->content_type);
    if (answer->body.len == 0)
        return err_set(err, ERR_UNSUPPORTED_SITE, "nothing there");
    l->ranges = answer->status == 206;
    l->size = answer->total_size;
    l->whole = l->size ? answer->body.len == l->size : answer->body.len < DIRECT_HEAD_BYTES;
    if (buf_add(&l->head, answer->body.data, answer->body.len) < 0)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (answer->final_url)
        l->url = answer->final_url;
    return 0;
}

/* ------------------------------------------------------------------------------------------------ */
/* The description */

static const struct {
    const char *container, *video, *audio;
} mimes[] = {
    {"mp4", "video/mp4", "audio/mp4"},
    {"m4a", "video/mp4", "audio/mp4"},
    {"mov", "video/quicktime", "video/quicktime"},
    {"3gp", "video/3gpp", "audio/3gpp"},
    {"webm", "video/webm", "audio/webm"},
    {"mkv", "video/x-matroska", "audio/x-matroska"},
    {"mka", "video/x-matroska", "audio/x-matroska"},
    {"mp3", "audio/mpeg", "audio/mpeg"},
    {"ogg", "video/ogg", "audio/ogg"},
    {"ogv", "video/ogg", "audio/ogg"},
    {"opus", "audio/ogg", "audio/ogg"},
    {"wav", "audio/wav", "audio/wav"},
    {"flac", "audio/flac", "audio/flac"},
    {"aac", "audio/aac", "audio/aac"},
    {"avi", "video/x-msvideo", "video/x-msvideo"},
    {"ts", "video/mp2t", "video/mp2t"},
    {"flv", "video/x-flv", "video/x-flv"},
};

static const char *mime_of(const char *container, bool video)
{
    for (size_t i = 0; i < ARRAY_LEN(mimes); i++) {
        if (strcmp(mimes[i].container, container) == 0)
            return video ? mimes[i].video : mimes[i].audio;
    }
    return "application/octet-stream";
}

/* Any of the three may be missing. */
uint64_t direct_version(const struct net_answer *answer)
{
    char hex[HASH_HEX_LEN + 1];
    char text[256];
    uint64_t version = 0;
    if (!answer->etag[0] && !answer->last_modified[0] && !answer->total_size)
        return 0;
    int len = snprintf(text, sizeof text, "%s\n%s\n%llu", answer->etag, answer->last_modified,
                       (unsigned long long)answer->total_size);
    hash_sha256_hex(text, (size_t)len, hex);
    for (int i = 0; i < ID_HEX; i++)
        version = version << 4 | (uint64_t)(hex[i] <= '9' ? hex[i] - '0' : hex[i] - 'a' + 10);
    return version;
}

/* "film" of "https://host/a/film.mp4?x": the last segment, decoded, without its extension; "" where there is
 * none.
 */
static void name_of(const char *url, struct buf *name)
{
    const char *path = strchr(strstr(url, "://") + 3, '/');
    const char *end = path ? path + strcspn(path, "?") : url;
    const char *start = end;
    while (path && start > path && start[-1] != '/')
        start--;
    if (text_percent_decode(name, start, (size_t)(end - start), false) < 0) {
        buf_clear(name);
        (void)buf_add(name, start, (size_t)(end - start));
    }
    const char *dot = strrchr(buf_str(name), '.');
    if (dot && dot > name->data && strlen(dot) - 1 <= EXTENSION_MAX)
        name->data[name->len = (size_t)(dot - name->data)] = '\0';
}

static void host_of(const char *url, struct buf *host)
{
    const char *start = strstr(url, "://") + 3;
    (void)buf_add(host, start, strcspn(start, "/?"));
}

static int set(char **to, const char *text, size_t len)
{
    return description_set_text(to, text, len, URL_MAX);
}

static int set_format(struct description *d, const char *url, const struct media_probe *p,
                      const struct net_answer *answer)
{
    struct format *f = description_add_format(d);
    const char *mime = mime_of(p->container, p->has_video);
    char label[32];
    if (!f)
        return -1;
    *f = (struct format){
        .kind = p->has_video ? FORMAT_MUXED : FORMAT_AUDIO,
        .width = p->width,
        .height = p->height,
        .fps = p->fps,
        .bitrate = p->bitrate,
        .size_bytes = answer->total_size,
        .duration_ms = p->duration_ms,
        .original = true,
        .sample_rate = p->sample_rate,
        .channels = p->channels,
        .last_modified = direct_version(answer),
    };
    if (p->has_video && p->height > 0)
        (void)snprintf(label, sizeof label, "%dp", p->width && p->width < p->height ? p->width : p->height);
    else if (!p->has_video && p->bitrate > 0)
        (void)snprintf(label, sizeof label, "%lld kbit/s", (long long)(p->bitrate + 500) / 1000);
    else
        (void)snprintf(label, sizeof label, "%s", p->container);
    return set(&f->id, "source", 6) | set(&f->container, p->container, strlen(p->container)) |
           set(&f->mime, mime, strlen(mime)) | set(&f->codecs, p->codecs, strlen(p->codecs)) |
           set(&f->label, label, strlen(label)) | set(&f->url, url, strlen(url));
}

static int fill(struct description *d, const char *url, const struct media_probe *p)
{
    char hex[HASH_HEX_LEN + 1];
    auto_(buf) struct buf host = BUF_INIT(URL_MAX);
    auto_(buf) struct buf name = BUF_INIT(URL_MAX);
    hash_sha256_hex(url, strlen(url), hex);
    host_of(url, &host);
    name_of(url, &name);
    const char *const titles[] = {p->title, buf_str(&name), buf_str(&host)}; /* the first that has letters */
    for (size_t i = 0; i < ARRAY_LEN(titles) && (!d->title || !*d->title); i++) {
        if (description_set_line(&d->title, titles[i], strlen(titles[i]), TITLE_MAX) < 0)
            return -1;
    }
    const char *author = p->artist[0] ? p->artist : buf_str(&host);
    d->duration_ms = p->duration_ms;
    return set(&d->site, "direct", 6) | set(&d->engine, "direct", 6) | set(&d->id, hex, ID_HEX) |
           set(&d->url, url, strlen(url)) |
           description_set_line(&d->author, author, strlen(author), TITLE_MAX);
}

/* A list of pieces, or of lists, instead of a file. */
static int describe_list(const struct look *l, const char *url, struct description *d, struct err *err)
{
    static const struct media_probe nothing = {.container = ""};
    auto_(net_answer) struct net_answer answer = {.status = 0};
    const struct net_call call = {.url = l->url, .max_bytes = HLS_BYTES_MAX};
    const struct buf *text = &l->head;
    if (!l->whole) {
        if (site_call(l->env, &call, &answer, err) < 0 || check_status(&answer, err) < 0)
            return -1;
        text = &answer.body;
    }
    if (fill(d, url, &nothing) < 0)
        return err_set(err, ERR_INTERNAL, "out of memory");
    return (hls_is(buf_str(text), text->len) ? hls_add_formats : dash_add_formats)(
        l->env, l->url, buf_str(text), text->len, d, err);
}

static int describe_file(struct look *l, const char *url, const struct net_answer *answer,
                         struct description *d, struct err *err)
{
    struct media_probe probe;
    const struct media_reader reader = {read_at, l, l->size};
    if (media_probe(&reader, &probe, err) < 0)
        return -1;
    if (fill(d, url, &probe) < 0 || set_format(d, url, &probe, answer) < 0)
        return err_set(err, ERR_INTERNAL, "out of memory");
    return 0;
}

int direct_describe(const struct site_env *env, const char *url, struct description **out, struct err *err)
{
    auto_(net_answer) struct net_answer answer = {.status = 0};
    struct look look = {
        .env = env,
        .head = BUF_INIT(DIRECT_HEAD_BYTES),
        .calls_left = DIRECT_CALLS_MAX,
        .deadline_us = clock_mono_us() + DIRECT_TIME_MAX_MS * 1000LL,
    };
    auto_ptr(description) struct description *d = description_new();
    int rc = d ? look_first(&look, url, &answer, err) : err_set(err, ERR_INTERNAL, "out of memory");
    if (rc == 0)
        rc = is_list(&look.head) ? describe_list(&look, url, d, err)
                                 : describe_file(&look, url, &answer, d, err);
    buf_fini(&look.head);
    if (rc == 0)
        *out = steal(&d);
    return rc;
}
