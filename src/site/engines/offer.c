/* See offer.h. */
#include "site/engines/offer.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

enum { ID_MAX = 40, CODECS_MAX = 96, LANGUAGE_MAX = 35, SIDE_MAX = 32768 };

static const uint64_t size_max = 1ULL << 50;

#define ALNUM "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

/* What files are called, what they are then, and whether there may be pictures in them. */
static const struct type {
    const char *name, *container;
    const char *video, *audio; /* NULL: never one */
} types[] = {
    {"mp4", "mp4", "video/mp4", "audio/mp4"},
    {"m4v", "mp4", "video/mp4", "audio/mp4"},
    {"m4a", "m4a", NULL, "audio/mp4"},
    {"webm", "webm", "video/webm", "audio/webm"},
    {"weba", "webm", NULL, "audio/webm"},
    {"mkv", "mkv", "video/x-matroska", "audio/x-matroska"},
    {"mov", "mov", "video/quicktime", "video/quicktime"},
    {"3gp", "3gp", "video/3gpp", "audio/3gpp"},
    {"flv", "flv", "video/x-flv", "video/x-flv"},
    {"ts", "ts", "video/mp2t", "video/mp2t"},
    {"avi", "avi", "video/x-msvideo", "video/x-msvideo"},
    {"ogv", "ogv", "video/ogg", "audio/ogg"},
    {"ogg", "ogg", NULL, "audio/ogg"},
    {"oga", "ogg", NULL, "audio/ogg"},
    {"opus", "opus", NULL, "audio/ogg"},
    {"mp3", "mp3", NULL, "audio/mpeg"},
    {"aac", "aac", NULL, "audio/aac"},
    {"wav", "wav", NULL, "audio/wav"},
    {"flac", "flac", NULL, "audio/flac"},
    {"hls", "hls", "application/vnd.apple.mpegurl", "application/vnd.apple.mpegurl"},
};

static const struct type *find_type(const char *name)
{
    for (size_t i = 0; name && i < ARRAY_LEN(types); i++) {
        if (text_equal_nocase(types[i].name, name))
            return &types[i];
    }
    return NULL;
}

bool offer_is_url(const char *url)
{
    size_t len = url ? strlen(url) : 0;
    for (size_t i = 0; i < len; i++) {
        if (url[i] <= ' ' || url[i] > '~')
            return false;
    }
    return len > 0 && len <= OFFER_URL_MAX &&
           (text_starts_with(url, "https://") || text_starts_with(url, "http://"));
}

static int set(char **to, const char *text)
{
    return description_set_text(to, text ? text : "", text ? strlen(text) : 0, OFFER_URL_MAX);
}

static int set_line(char **to, const char *text, size_t max)
{
    return text && *text ? description_set_line(to, text, strlen(text), max) : 0;
}

/* Of what it calls itself what an id may have; another name where that is taken already. */
static void make_id(const struct description *d, const char *wanted, char id[ID_MAX + 8])
{
    size_t n = 0;
    for (const char *p = wanted ? wanted : ""; *p && n < ID_MAX; p++) {
        if (strchr(ALNUM "._-", *p))
            id[n++] = *p;
    }
    if (n == 0)
        id[n++] = 'f';
    id[n] = '\0';
    for (unsigned i = 2; description_format(d, id) && i < OFFER_FORMATS_MAX; i++)
        (void)snprintf(id + n, 8, ".%u", i);
}

static bool is_codec(const char *codec)
{
    return codec && *codec && strcmp(codec, "none") != 0 && codec[strspn(codec, ALNUM ".-_")] == '\0' &&
           strlen(codec) < CODECS_MAX / 2;
}

static void join_codecs(const struct offer *o, char out[CODECS_MAX])
{
    bool video = is_codec(o->video);
    bool audio = is_codec(o->audio);
    (void)snprintf(out, CODECS_MAX, "%s%s%s", video ? o->video : "", video && audio ? "," : "",
                   audio ? o->audio : "");
}

static bool is_none(const char *codec)
{
    return codec && strcmp(codec, "none") == 0;
}

static enum format_kind kind_of(const struct offer *o, const struct type *type)
{
    if (is_none(o->video) || !type->video)
        return FORMAT_AUDIO;
    return is_none(o->audio) ? FORMAT_VIDEO : FORMAT_MUXED;
}

static void make_label(const struct format *f, const struct offer *o, char *out, size_t room)
{
    int side = f->width && f->width < f->height ? f->width : f->height;
    if (f->kind != FORMAT_AUDIO && side > 0)
        (void)snprintf(out, room, f->fps > 31 ? "%dp%.0f" : "%dp", side, f->fps);
    else if (f->bitrate > 0)
        (void)snprintf(out, room, "%lld kbit/s", (long long)(f->bitrate + 500) / 1000);
    else if (o->label && *o->label)
        (void)snprintf(out, room, "%.40s", o->label);
    else
        (void)snprintf(out, room, "%s", f->kind == FORMAT_AUDIO ? "Audio" : "Video");
}

static struct byte_range check_range(struct byte_range r, uint64_t size_bytes)
{
    return r.end < r.start || !size_bytes || r.end >= size_bytes ? (struct byte_range){0, 0} : r;
}

static int limited(uint64_t n, uint64_t most)
{
    return n <= most ? (int)n : 0;
}

int offer_add(struct description *d, const struct offer *o)
{
    const struct type *type = find_type(o->container);
    char id[ID_MAX + 8];
    char codecs[CODECS_MAX];
    char label[64];
    if (!type || !offer_is_url(o->url) || d->format_count >= OFFER_FORMATS_MAX ||
        (is_none(o->video) && is_none(o->audio)))
        return 0;
    make_id(d, o->id, id);
    join_codecs(o, codecs);
    enum format_kind kind = kind_of(o, type);
    struct format *f = description_add_format(d);
    if (!f)
        return -1;
    uint64_t size_bytes = o->size_bytes <= size_max ? o->size_bytes : 0;
    *f = (struct format){
        .kind = kind,
        .width = limited(o->width, SIDE_MAX),
        .height = limited(o->height, SIDE_MAX),
        .fps = o->fps > 0 && o->fps < 1000 ? o->fps : 0,
        .bitrate = limited(o->bitrate, INT32_MAX),
        .size_bytes = size_bytes,
        .duration_ms = o->duration_ms ? o->duration_ms : d->duration_ms,
        .original = !o->not_original,
        .drc = o->drc,
        .sample_rate = limited(o->sample_rate, 1000000),
        .channels = limited(o->channels, 64),
        .last_modified = o->last_modified,
        .init = check_range(o->init, size_bytes),
        .index = check_range(o->index, size_bytes),
    };
    bool m4a = kind == FORMAT_AUDIO && strcmp(type->container, "mp4") == 0;
    make_label(f, o, label, sizeof label);
    if ((o->headers && *o->headers && set(&f->headers, o->headers) < 0) ||
        (o->user_agent && *o->user_agent && !text_has_control(o->user_agent) &&
         set(&f->user_agent, o->user_agent) < 0) ||
        set_line(&f->language, o->language, LANGUAGE_MAX) < 0)
        return -1;
    return set(&f->id, id) | set(&f->container, m4a ? "m4a" : type->container) |
           set(&f->mime, kind == FORMAT_AUDIO ? type->audio : type->video) | set(&f->codecs, codecs) |
           description_set_line(&f->label, label, strlen(label), sizeof label) | set(&f->url, o->url);
}

int offer_begin(struct description *d, const struct offer_about *about)
{
    enum { DURATION_MAX_MS = INT32_MAX };
    d->duration_ms = about->duration_ms <= DURATION_MAX_MS ? about->duration_ms : 0;
    if (set_line(&d->title, about->title, OFFER_TEXT_MAX) < 0 ||
        set_line(&d->author, about->author, OFFER_TEXT_MAX) < 0 ||
        (about->thumbnail && offer_is_url(about->thumbnail) &&
         text_starts_with(about->thumbnail, "https://") && set(&d->thumbnail, about->thumbnail) < 0))
        return -1;
    if (description_set_day_of(d, about->published_unix_s) < 0 ||
        description_set_day(d, about->published) < 0)
        return -1;
    if ((!d->title || !*d->title) && description_set_line(&d->title, about->id, strlen(about->id), 100) < 0)
        return -1;
    return description_set_line(&d->site, about->site, strlen(about->site), 40) |
           description_set_line(&d->id, about->id, strlen(about->id), 100) | set(&d->url, about->url) |
           description_set_line(&d->engine, about->engine, strlen(about->engine), 80);
}

int offer_subtitle(struct description *d, const char *language, const char *label, const char *url,
                   bool is_auto)
{
    if (!language || !*language || !offer_is_url(url) || d->subtitle_count >= OFFER_SUBTITLES_MAX)
        return 0;
    struct subtitle *s = description_add_subtitle(d);
    if (!s)
        return -1;
    s->is_auto = is_auto;
    label = label && *label ? label : language;
    return description_set_line(&s->language, language, strlen(language), LANGUAGE_MAX) |
           description_set_line(&s->label, label, strlen(label), 100) | set(&s->url, url);
}

static int compare(const void *left, const void *right)
{
    static const int rank[] = {[FORMAT_MUXED] = 0, [FORMAT_VIDEO] = 1, [FORMAT_AUDIO] = 2};
    const struct format *a = left;
    const struct format *b = right;
    /* Each line: the smaller comes first. */
    const int64_t keys[][2] = {
        {rank[a->kind], rank[b->kind]},
        {!a->original, !b->original},
        {a->drc, b->drc},
        {-(int64_t)a->width * a->height, -(int64_t)b->width * b->height},
        {-a->height, -b->height},
        {-a->bitrate, -b->bitrate},
    };
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (keys[i][0] != keys[i][1])
            return keys[i][0] < keys[i][1] ? -1 : 1;
    }
    return strcmp(a->id, b->id);
}

void offer_sort(struct description *d)
{
    if (d->format_count > 1)
        qsort(d->formats, d->format_count, sizeof *d->formats, compare);
}
