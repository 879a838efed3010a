/* The formats of a player response. See player.h. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "site/youtube/path.h"
#include "site/youtube/player.h"

enum { ITAG_MAX = 99999, TRACK_MAX = 40, ID_MAX = 64, FORMATS_MAX = 256, SIDE_MAX = 32768 };

static const uint64_t size_max = 1ULL << 50; /* a petabyte: what is larger is a lie */

/* What the site calls a type, and what we do. Anything else is not offered. */
static const struct type {
    const char *mime;
    bool video;
    const char *container;
} types[] = {
    {"video/mp4", true, "mp4"},  {"video/webm", true, "webm"},  {"video/3gpp", true, "3gp"},
    {"audio/mp4", false, "m4a"}, {"audio/webm", false, "webm"},
};

/* ------------------------------------------------------------------------------------------------ */
/* One format */

#define ALNUM "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static bool is_made_of(const char *s, const char *set)
{
    return *s && s[strspn(s, set)] == '\0';
}

static const struct type *find_type(const char *mime)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        size_t len = strlen(types[i].mime);
        if (strncmp(mime, types[i].mime, len) == 0 && (mime[len] == ';' || mime[len] == '\0'))
            return &types[i];
    }
    return NULL;
}

/* `video/mp4; codecs="avc1.42001E, mp4a.40.2"` gives "avc1.42001E,mp4a.40.2"; "" where there is none. */
static void read_codecs(const char *mime, char *out, size_t room)
{
    const char *p = strstr(mime, "codecs=\"");
    size_t n = 0;
    out[0] = '\0';
    for (p = p ? p + 8 : ""; *p && *p != '"'; p++) {
        if (*p == ' ')
            continue;
        if (!strchr(ALNUM ".,-_", *p) || n + 1 >= room) {
            out[0] = '\0';
            return;
        }
        out[n++] = *p;
        out[n] = '\0';
    }
}

/* The value of a URL's query parameter, not decoded; *len = 0 where there is none. */
static const char *url_parameter(const char *url, const char *name, size_t *len)
{
    size_t name_len = strlen(name);
    const char *p = strchr(url, '?');
    while (p) {
        p++;
        if (strncmp(p, name, name_len) == 0 && p[name_len] == '=') {
            *len = strcspn(p + name_len + 1, "&");
            return p + name_len + 1;
        }
        p = strchr(p, '&');
    }
    *len = 0;
    return "";
}

static uint64_t url_number(const char *url, const char *name, uint64_t most)
{
    size_t len;
    uint64_t n = 0;
    const char *value = url_parameter(url, name, &len);
    return text_parse_u64n(value, len, 0, most, &n) == 0 ? n : 0;
}

/* `xtags=sr%3D1` or `xtags=a%3Db:sr%3D1`: a picture made larger by a model. */
static bool is_upscaled(const char *url)
{
    size_t len;
    const char *value = url_parameter(url, "xtags", &len);
    return memmem(value, len, "sr%3D1", 6) != NULL || memmem(value, len, "sr=1", 4) != NULL;
}

/* Printable ASCII over https: anything else is not the site's. */
static bool is_usable_url(const char *url)
{
    size_t len = strlen(url);
    for (size_t i = 0; i < len; i++) {
        if (url[i] <= ' ' || url[i] > '~')
            return false;
    }
    return text_starts_with(url, "https://") && len <= PLAYER_URL_MAX;
}

static struct byte_range read_range(const json_t *row, const char *name, uint64_t size_bytes)
{
    const json_t *range = path_get(row, name);
    struct byte_range r = {path_number(range, "start", UINT64_MAX), path_number(range, "end", UINT64_MAX)};
    if (r.end < r.start || (size_bytes && r.end >= size_bytes))
        return (struct byte_range){0, 0};
    return r;
}

/* Audio bit rates are told as people know them: 129,501 is "128 kbit/s". */
static unsigned nominal_kbit(uint64_t bitrate)
{
    static const unsigned nominal[] = {32, 48, 64, 96, 128, 160, 192, 256, 320, 384};
    unsigned kbit = (unsigned)((bitrate + 500) / 1000);
    for (size_t i = 0; i < ARRAY_LEN(nominal); i++) {
        uint64_t exact = nominal[i] * 1000ULL;
        uint64_t off = bitrate > exact ? bitrate - exact : exact - bitrate;
        if (off * 100 <= exact * 3)
            return nominal[i];
    }
    return kbit;
}

static void make_label(const json_t *row, const struct format *f, bool upscaled, char *out, size_t room)
{
    const char *quality = path_text(row, "qualityLabel");
    uint64_t average = path_number(row, "averageBitrate", INT32_MAX);
    const char *suffix = f->drc ? " DRC" : upscaled ? " upscaled" : "";
    /* Upright videos are known by their width: 1080 × 1920 is "1080p". */
    int side = f->width && f->width < f->height ? f->width : f->height;
    if (f->kind == FORMAT_AUDIO)
        (void)snprintf(out, room, "%u kbit/s%s", nominal_kbit(average ? average : (uint64_t)f->bitrate),
                       suffix);
    else if (quality && strlen(quality) <= 24 && is_made_of(quality, ALNUM " "))
        (void)snprintf(out, room, "%s%s", quality, suffix);
    else if (f->fps > 30)
        (void)snprintf(out, room, "%dp%.0f%s", side, f->fps, suffix);
    else
        (void)snprintf(out, room, "%dp%s", side, suffix);
}

/* The site numbers tracks `lang.N`: 4 is the original, 3 a dub, 10 one made by machine, 2 audio description.
 */
static bool is_original_track(const char *track)
{
    return text_ends_with(track, ".4");
}

static void read_numbers(const json_t *row, const char *url, struct format *f)
{
    f->size_bytes = path_number(row, "contentLength", size_max);
    if (!f->size_bytes)
        f->size_bytes = url_number(url, "clen", size_max);
    f->last_modified = path_number(row, "lastModified", UINT64_MAX);
    if (!f->last_modified)
        f->last_modified = url_number(url, "lmt", UINT64_MAX);
    f->width = (int)path_number(row, "width", SIDE_MAX);
    f->height = (int)path_number(row, "height", SIDE_MAX);
    f->fps = (double)path_number(row, "fps", 1000);
    f->bitrate = (int64_t)path_number(row, "bitrate", INT32_MAX);
    f->duration_ms = path_number(row, "approxDurationMs", UINT32_MAX);
    f->sample_rate = (int)path_number(row, "audioSampleRate", 1000000);
    f->channels = (int)path_number(row, "audioChannels", 64);
    f->init = read_range(row, "initRange", f->size_bytes);
    f->index = read_range(row, "indexRange", f->size_bytes);
    f->drc = json_is_true(path_get(row, "isDrc"));
}

/* Whether the format can be fetched and is the whole thing. */
static bool is_fetchable(const json_t *row, struct player_tally *tally)
{
    const char *url = path_text(row, "url");
    const char *type = path_text(row, "type");
    const char *track = path_text(row, "audioTrack.id");
    if (path_get(row, "targetDurationSec"))
        tally->live++;
    else if (path_get(row, "drmFamilies"))
        tally->drm++;
    else if (!url || !is_usable_url(url) || (type && strcmp(type, "FORMAT_STREAM_TYPE_OTF") == 0))
        tally->unreachable++; /* a signatureCipher, too: it needs the player script */
    else
        return path_number(row, "itag", ITAG_MAX) > 0 &&
               (!track || (strlen(track) <= TRACK_MAX && is_made_of(track, ALNUM ".-_")));
    return false;
}

/* "140", "140-en.4", "140-drc", "137-sr": all that tells formats apart. */
static void make_id(const json_t *row, char id[ID_MAX])
{
    const char *track = path_text(row, "audioTrack.id");
    (void)snprintf(id, ID_MAX, "%d%s%s%s%s", (int)path_number(row, "itag", ITAG_MAX), track ? "-" : "",
                   track ? track : "", json_is_true(path_get(row, "isDrc")) ? "-drc" : "",
                   is_upscaled(path_text(row, "url")) ? "-sr" : "");
}

static int set(char **to, const char *text)
{
    return description_set_text(to, text, strlen(text), PLAYER_URL_MAX);
}

/* What all formats of one answer share. */
struct context {
    const char *user_agent;
    struct description *d;
    struct player_tally *tally;
    bool has_original; /* some track says that it is the original one */
};

static int read_format(const struct context *x, const json_t *row, bool muxed, struct format *f)
{
    const char *url = path_text(row, "url");
    const char *mime = path_text(row, "mimeType");
    const char *track = path_text(row, "audioTrack.id");
    const struct type *type = find_type(mime);
    bool upscaled = is_upscaled(url);
    char id[ID_MAX];
    char codecs[96];
    char label[64];
    make_id(row, id);
    read_codecs(mime, codecs, sizeof codecs);
    muxed = muxed || strchr(codecs, ',');
    f->kind = !type->video ? FORMAT_AUDIO : muxed ? FORMAT_MUXED : FORMAT_VIDEO;
    f->original = !track || is_original_track(track) ||
                  (!x->has_original && json_is_true(path_get(row, "audioTrack.audioIsDefault")));
    f->original = f->original && !upscaled;
    f->upscaled = upscaled;
    read_numbers(row, url, f);
    make_label(row, f, upscaled, label, sizeof label);
    if (track && description_set_text(&f->language, track, strcspn(track, "."), TRACK_MAX) < 0)
        return -1;
    return set(&f->id, id) | set(&f->container, type->container) | set(&f->mime, type->mime) |
           set(&f->codecs, codecs) | set(&f->label, label) | set(&f->url, url) |
           set(&f->user_agent, x->user_agent);
}

/* The URLs die together, but nothing promises that. */
static void lower_expiry(struct description *d, const char *url)
{
    int64_t expires_unix_s = (int64_t)url_number(url, "expire", INT64_MAX);
    if (expires_unix_s > 0 && (d->expires_unix_s == 0 || expires_unix_s < d->expires_unix_s))
        d->expires_unix_s = expires_unix_s;
}

static int read_list(const struct context *x, const json_t *list, bool muxed)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *row = json_array_get(list, i);
        const char *mime = path_text(row, "mimeType");
        char id[ID_MAX];
        if (!is_fetchable(row, x->tally) || !mime || !find_type(mime))
            continue;
        make_id(row, id);
        if (description_format(x->d, id) || x->d->format_count >= FORMATS_MAX)
            continue;
        struct format *f = description_add_format(x->d);
        if (!f || read_format(x, row, muxed, f) < 0)
            return -1;
        lower_expiry(x->d, f->url);
    }
    return 0;
}

/* ------------------------------------------------------------------------------------------------ */
/* Order */

static int compare_numbers(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

/* avc1 plays everywhere, so it comes before vp9 and av01 of one size. */
static int codec_rank(const struct format *f)
{
    return text_starts_with(f->codecs, "avc1") || text_starts_with(f->codecs, "mp4a") ? 0 : 1;
}

/* A format shorter than half of the video is a preview or damaged: last. */
static bool is_short(const struct format *f, uint64_t duration_ms)
{
    return f->duration_ms && f->duration_ms < duration_ms / 2;
}

static int compare_formats(const void *left, const void *right, void *duration_ms)
{
    static const int kind_rank[] = {[FORMAT_MUXED] = 0, [FORMAT_VIDEO] = 1, [FORMAT_AUDIO] = 2};
    const struct format *a = left;
    const struct format *b = right;
    uint64_t whole_ms = *(const uint64_t *)duration_ms;
    /* Each line: the smaller comes first. */
    const int64_t keys[][2] = {
        {is_short(a, whole_ms), is_short(b, whole_ms)},
        {kind_rank[a->kind], kind_rank[b->kind]},
        {!a->original, !b->original},
        {a->drc, b->drc},
        {-(int64_t)a->width * a->height, -(int64_t)b->width * b->height},
        {-(int64_t)a->fps, -(int64_t)b->fps},
        {a->kind == FORMAT_AUDIO ? 0 : codec_rank(a), b->kind == FORMAT_AUDIO ? 0 : codec_rank(b)},
        {-a->bitrate, -b->bitrate},
    };
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        int order = compare_numbers(keys[i][0], keys[i][1]);
        if (order != 0)
            return order;
    }
    return strcmp(a->id, b->id);
}

static bool any_original(const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *track = path_text(json_array_get(list, i), "audioTrack.id");
        if (track && is_original_track(track))
            return true;
    }
    return false;
}

int player_read_formats(const json_t *player, const char *user_agent, struct description *d,
                        struct player_tally *tally)
{
    const json_t *muxed = path_get(player, "streamingData.formats");
    const json_t *adaptive = path_get(player, "streamingData.adaptiveFormats");
    struct context x = {user_agent, d, tally, any_original(muxed) || any_original(adaptive)};
    if (read_list(&x, muxed, true) < 0 || read_list(&x, adaptive, false) < 0)
        return -1;
    if (d->format_count > 1)
        qsort_r(d->formats, d->format_count, sizeof *d->formats, compare_formats, &d->duration_ms);
    return 0;
}
