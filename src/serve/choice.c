/* See choice.h. */
#include "serve/choice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "media/audio.h"

enum { NO_LIMIT = 1 << 20, USUAL_HEIGHT = 1080 };

static const int mp3_rates_kbps[] = {320, 256, 192, 128};

/* "1080p · MP4 · H.264" reads better than the raw codec string, which the answer carries too. */
const char *choice_codec_name(const char *codec)
{
    static const struct {
        const char *prefix, *name;
    } names[] = {
        {"avc1", "H.264"},    {"avc3", "H.264"}, {"av01", "AV1"},    {"vp09", "VP9"}, {"vp9", "VP9"},
        {"vp8", "VP8"},       {"hev1", "HEVC"},  {"hvc1", "HEVC"},   {"mp4a", "AAC"}, {"opus", "Opus"},
        {"vorbis", "Vorbis"}, {"ac-3", "AC-3"},  {"ec-3", "E-AC-3"}, {"mp3", "MP3"},  {"flac", "FLAC"},
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (text_starts_with(codec, names[i].prefix))
            return names[i].name;
    }
    return "";
}

/* Of two codecs in an MP4 the one that plays in more places has the lower rank. */
static int sound_rank(const struct format *f)
{
    return text_starts_with(f->codecs, "mp4a") ? 0 : text_starts_with(f->codecs, "opus") ? 1 : 2;
}

static int codec_rank(const struct format *f)
{
    return text_starts_with(f->codecs, "avc") ? 0 : text_starts_with(f->codecs, "av01") ? 1 : 2;
}

static void set_label(struct choice *c, const char *name, const char *codecs, const char *language)
{
    char container[16];
    const char *codec = choice_codec_name(codecs);
    (void)snprintf(container, sizeof container, "%s", c->container);
    for (char *p = container; *p; p++) {
        if (*p >= 'a' && *p <= 'z')
            *p = (char)(*p - 32);
    }
    (void)snprintf(c->label, sizeof c->label, "%s%s%s%s%s%s%s", name, *name ? " · " : "", container,
                   *codec ? " · " : "", codec, language ? " · " : "", language ? language : "");
}

bool choice_is_list(const struct format *f)
{
    return strcmp(f->container, "hls") == 0 || strcmp(f->container, "dash") == 0;
}

/* Of a list of pieces only the rate is known, if that. */
static uint64_t about_bytes(const struct format *f)
{
    return f->size_bytes || f->bitrate <= 0 ? f->size_bytes : f->duration_ms * (uint64_t)f->bitrate / 8000;
}

/* A list of pieces becomes one file. */
static void from_pieces(struct choice *c, const struct format *f)
{
    bool sound = f->kind == FORMAT_AUDIO;
    c->make = CHOICE_MP4;
    c->container = sound ? "m4a" : "mp4";
    c->mime = sound ? "audio/mp4" : "video/mp4";
    c->size_bytes = about_bytes(f);
}

static int from_format(struct choice *c, const struct format *f)
{
    *c = (struct choice){
        .make = CHOICE_AS_IS,
        .kind = f->kind,
        .formats = {f},
        .format_count = 1,
        .container = f->container,
        .mime = f->mime,
        .height = f->height,
        .size_bytes = f->size_bytes,
        .size_exact = f->size_bytes != 0,
    };
    if (choice_is_list(f))
        from_pieces(c, f);
    (void)snprintf(c->codecs, sizeof c->codecs, "%s", f->codecs);
    set_label(c, f->label, f->codecs, f->language);
    int n = snprintf(c->id, sizeof c->id, "%s-%s", f->kind == FORMAT_MUXED ? "muxed" : "format", f->id);
    return n > 0 && n < (int)sizeof c->id ? 0 : -1;
}

/* Can be taken apart and put together by its index: fragmented MP4 whose parts the site names. (Plans are
 * made behind redirects, where header fields may carry what is not for that host.) */
static bool can_splice(const struct format *f, const char *container)
{
    return !f->headers && strcmp(f->container, container) == 0 && f->size_bytes && f->init.end &&
           f->index.end > f->init.end && f->index.end < f->size_bytes;
}

/* The same, but nobody says where its parts are: libav finds them. */
static bool is_loose(const struct format *f, const char *container)
{
    return strcmp(f->container, container) == 0 && !f->index.end;
}

/* WebM as sites have it for adaptive playing: one track a file. */
static bool is_webm(const struct format *f)
{
    return strcmp(f->container, "webm") == 0 && f->kind != FORMAT_MUXED;
}

/* What a sound is wanted for. */
static bool sound_suits(const struct format *f, enum choice_make make)
{
    switch (make) {
    case CHOICE_MP4:
        return f->kind == FORMAT_AUDIO && (choice_is_list(f) || is_loose(f, "m4a"));
    case CHOICE_SPLICE:
        return f->kind == FORMAT_AUDIO && can_splice(f, "m4a");
    case CHOICE_WEBM:
        return f->kind == FORMAT_AUDIO && is_webm(f);
    case CHOICE_OGG:
        return f->kind == FORMAT_AUDIO && is_webm(f) && text_starts_with(f->codecs, "opus");
    default: /* MP3: of anything in which sound is known to be, but MP3 */
        return f->kind == FORMAT_AUDIO
                   ? strcmp(f->container, "mp3") != 0
                   : f->kind == FORMAT_MUXED &&
                         (f->sample_rate > 0 || strchr(f->codecs, ',') || (choice_is_list(f) && !*f->codecs));
    }
}

/* Of two sounds in the right language: the sound alone before one with a picture, which would have to be
 * fetched for nothing; in an MP4 the codec that plays in most places; not the compressed-dynamics variant;
 * the higher bit rate of sounds, the lower of pictures. */
static bool better_sound(const struct format *a, const struct format *b, enum choice_make make)
{
    if (a->kind != b->kind)
        return a->kind == FORMAT_AUDIO;
    if ((make == CHOICE_SPLICE || make == CHOICE_MP4) && sound_rank(a) != sound_rank(b))
        return sound_rank(a) < sound_rank(b);
    if (a->drc != b->drc)
        return !a->drc;
    return a->kind == FORMAT_AUDIO ? a->bitrate > b->bitrate : a->bitrate < b->bitrate;
}

/* The sound to go with a picture, or to be had alone: in the language asked for, else the original. */
static const struct format *pick_sound(const struct description *d, const char *language,
                                       enum choice_make make)
{
    const struct format *best = NULL;
    for (size_t i = 0; i < d->format_count; i++) {
        const struct format *f = &d->formats[i];
        if (!sound_suits(f, make) ||
            (language && (!f->language || !text_equal_nocase(f->language, language))))
            continue;
        bool more_original = best && !language && f->original > best->original;
        bool as_original = best && (language || f->original == best->original);
        if (!best || more_original || (as_original && better_sound(f, best, make)))
            best = f;
    }
    return best;
}

/* The picture of one height: the codec that plays in most places, then smoothness, then bit rate. */
static bool better_picture(const struct format *a, const struct format *b)
{
    int rank_a = codec_rank(a);
    int rank_b = codec_rank(b);
    if (rank_a != rank_b)
        return rank_a < rank_b;
    return a->fps > b->fps || (!(a->fps < b->fps) && a->bitrate > b->bitrate);
}

static void from_pair(struct choice *c, enum choice_make make, const struct format *picture,
                      const struct format *sound)
{
    bool webm = make == CHOICE_WEBM;
    *c = (struct choice){
        .make = make,
        .kind = FORMAT_MUXED,
        .formats = {picture, sound},
        .format_count = 2,
        .container = webm ? "webm" : "mp4",
        .mime = webm ? "video/webm" : "video/mp4",
        .height = picture->height,
        .size_bytes = about_bytes(picture) + about_bytes(sound),
    };
    char name[32];
    (void)snprintf(c->codecs, sizeof c->codecs, "%s%s%s", picture->codecs, *sound->codecs ? "," : "",
                   sound->codecs);
    (void)snprintf(c->id, sizeof c->id, "%dp-%s", picture->height, c->container);
    (void)snprintf(name, sizeof name, picture->fps > 31 ? "%dp%.0f" : "%dp", picture->height, picture->fps);
    set_label(c, name, picture->codecs, sound->original ? NULL : sound->language);
}

/* A sound alone, as M4A, Ogg or MP3. */
static void from_sound(struct choice *c, enum choice_make make, const struct format *sound)
{
    (void)from_format(c, sound);
    c->make = make;
    c->kind = FORMAT_AUDIO;
    c->height = 0;
    c->size_exact = false;
    const char *name = make == CHOICE_OGG ? "opus" : "m4a";
    if (make == CHOICE_OGG) {
        c->container = "opus";
        c->mime = "audio/ogg";
    }
    (void)snprintf(c->id, sizeof c->id, "audio-%s", name);
    set_label(c, "Audio", make == CHOICE_OGG ? "" : sound->codecs, sound->original ? NULL : sound->language);
}

struct mp3_shape choice_mp3_shape(const struct description *d, const struct choice *c, bool tags)
{
    const struct format *f = c->formats[0];
    struct mp3_shape s = {
        .rate_hz = audio_rate(f->sample_rate),
        .kbps = c->bitrate_kbps,
        .tag_bytes = !tags          ? 0
                     : d->thumbnail ? MP3_TAG_COVER_BYTES
                                    : MP3_TAG_BYTES,
    };
    /* The milliseconds of a site that knows each byte of a file are those of that file, rounded down. */
    if (f->index.end && f->duration_ms && f->duration_ms < UINT32_MAX)
        s.samples = (f->duration_ms + 1) * (uint64_t)s.rate_hz / 1000;
    return s;
}

static void from_mp3(struct choice *c, const struct description *d, const struct format *sound, int kbps)
{
    char name[32];
    from_sound(c, CHOICE_MP3, sound);
    c->bitrate_kbps = kbps;
    c->container = "mp3";
    c->mime = "audio/mpeg";
    const struct mp3_shape shape = choice_mp3_shape(d, c, true);
    c->size_bytes = mp3_size(&shape);
    c->size_exact = c->size_bytes != 0;
    if (!c->size_exact)
        c->size_bytes = sound->duration_ms * (uint64_t)kbps / 8;
    (void)snprintf(c->codecs, sizeof c->codecs, "mp3");
    (void)snprintf(c->id, sizeof c->id, "audio-mp3-%d", kbps);
    (void)snprintf(name, sizeof name, "%d kbit/s", kbps);
    set_label(c, name, "", sound->original ? NULL : sound->language);
}

/* The codecs people name, and how RFC 6381 begins them. */
static const struct {
    const char *name, *prefixes[2];
} wish_codecs[] = {{"h264", {"avc", NULL}}, {"av1", {"av01", NULL}}, {"vp9", {"vp9", "vp09"}}};

static bool has_codec(const char *codecs, const char *wanted)
{
    for (size_t i = 0; wanted && i < ARRAY_LEN(wish_codecs); i++) {
        const char *const *prefix = wish_codecs[i].prefixes;
        if (strcmp(wish_codecs[i].name, wanted) == 0)
            return text_starts_with(codecs, prefix[0]) || (prefix[1] && text_starts_with(codecs, prefix[1]));
    }
    return !wanted;
}

bool choice_codec_known(const char *codec)
{
    for (size_t i = 0; i < ARRAY_LEN(wish_codecs); i++) {
        if (strcmp(wish_codecs[i].name, codec) == 0)
            return true;
    }
    return false;
}

static bool picture_suits(const struct format *f, enum choice_make make, const char *codec)
{
    bool suits = make == CHOICE_WEBM  ? is_webm(f)
                 : make == CHOICE_MP4 ? choice_is_list(f) || is_loose(f, "mp4")
                                      : can_splice(f, "mp4");
    return suits && f->kind == FORMAT_VIDEO && f->height > 0 && has_codec(f->codecs, codec);
}

static bool fulfils(const struct choice *c, const struct choice_wish *wish)
{
    return has_codec(c->codecs, wish->codec) &&
           (!wish->container || strcmp(c->container, wish->container) == 0);
}

/* One made file for each height, the highest first. */
static size_t add_pairs(const struct description *d, const struct choice_wish *wish, enum choice_make make,
                        struct choice *list)
{
    size_t n = 0;
    const struct format *sound = pick_sound(d, wish->language, make);
    for (int below = NO_LIMIT; sound; below = list[n++].height) {
        const struct format *best = NULL;
        for (size_t i = 0; i < d->format_count; i++) {
            const struct format *f = &d->formats[i];
            if (picture_suits(f, make, wish->codec) && f->height < below &&
                (!best || f->height > best->height || (f->height == best->height && better_picture(f, best))))
                best = f;
        }
        if (!best)
            break;
        from_pair(&list[n], make, best, sound);
    }
    return n;
}

/* `adaptive`: of files that are one track of several; else of files that are complete. */
static size_t add_sounds(const struct description *d, const char *language, bool adaptive,
                         struct choice *list)
{
    size_t n = 0;
    static const enum choice_make makes[] = {CHOICE_SPLICE, CHOICE_OGG};
    for (size_t i = 0; i < ARRAY_LEN(makes) && adaptive; i++) {
        const struct format *sound = pick_sound(d, language, makes[i]);
        if (sound)
            from_sound(&list[n++], makes[i], sound);
    }
    const struct format *sound = pick_sound(d, language, CHOICE_MP3);
    for (size_t i = 0; i < ARRAY_LEN(mp3_rates_kbps) && sound && (sound->index.end != 0) == adaptive; i++)
        from_mp3(&list[n++], d, sound, mp3_rates_kbps[i]);
    return n;
}

enum { SOUNDS_MAX = 2 + ARRAY_LEN(mp3_rates_kbps), SPARE = 1 };

/* From now on, until it ends or whoever watches leaves. */
static void mark_live(struct choice *c)
{
    size_t len = strlen(c->label);
    (void)snprintf(c->label + len, sizeof c->label - len, " · live");
}

/* Of what was just added, drops those whose name a better one has already. How many are left. */
static size_t drop_taken(struct choice *list, size_t had, size_t added)
{
    size_t n = had;
    for (size_t i = had; i < had + added; i++) {
        bool taken = false;
        for (size_t k = 0; k < had; k++)
            taken |= strcmp(list[k].id, list[i].id) == 0;
        if (!taken)
            list[n++] = list[i];
    }
    return n;
}

static int list_for(const struct description *d, const struct choice_wish *wish, struct choice **out,
                    size_t *count, struct err *err)
{
    /* each as it is, each height as MP4 and WebM */
    struct choice *list = calloc(d->format_count * 3 + SOUNDS_MAX + SPARE, sizeof *list);
    if (!list)
        return err_set(err, ERR_INTERNAL, "out of memory");
    size_t n = add_pairs(d, wish, CHOICE_SPLICE, list);
    n += add_pairs(d, wish, CHOICE_WEBM, list + n);
    n = drop_taken(list, n, add_pairs(d, wish, CHOICE_MP4, list + n));
    n += add_sounds(d, wish->language, true, list + n);
    for (int muxed = 1; muxed >= 0; muxed--) { /* complete files first */
        for (size_t i = 0; i < d->format_count; i++) {
            const struct format *f = &d->formats[i];
            if ((f->kind == FORMAT_MUXED) == muxed && from_format(&list[n], f) == 0)
                n++;
        }
    }
    n += add_sounds(d, wish->language, false, list + n);
    for (size_t i = 0; i < n && d->live; i++)
        mark_live(&list[i]);
    *out = list;
    *count = n;
    return 0;
}

int choice_list(const struct description *d, struct choice **out, size_t *count, struct err *err)
{
    static const struct choice_wish open = {0};
    return list_for(d, &open, out, count, err);
}

/* "<=720p" → 720, "best" → no limit; -1: neither. */
static int height_rule(const char *wanted)
{
    uint64_t height;
    size_t n = strlen(wanted);
    if (strcmp(wanted, "best") == 0)
        return NO_LIMIT;
    if (!text_starts_with(wanted, "<=") || wanted[n - 1] != 'p' ||
        text_parse_u64n(wanted + 2, n - 3, 1, NO_LIMIT, &height) < 0)
        return -1;
    return (int)height;
}

/* Sound and picture before picture alone, then the height; of equals the first, which is the better codec or
 * the made file. */
static const struct choice *highest(const struct choice *list, size_t count, int most)
{
    const struct choice *found = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct choice *c = &list[i];
        if (c->kind == FORMAT_AUDIO || c->height > most)
            continue;
        bool more = found && (c->kind == FORMAT_MUXED) > (found->kind == FORMAT_MUXED);
        bool same = found && c->kind == found->kind;
        if (!found || more || (same && c->height > found->height))
            found = c;
    }
    /* a link to a sound file: the best of it is that file */
    return !found && most == NO_LIMIT && count ? &list[0] : found;
}

/* The first sound: as it is before what is converted. */
static const struct choice *sound_alone(const struct choice *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (list[i].kind == FORMAT_AUDIO)
            return &list[i];
    }
    return NULL;
}

static const struct choice *by_id(const struct description *d, const char *wanted, struct choice *list,
                                  size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i].id, wanted) == 0)
            return &list[i];
    }
    /* complete files also answer to the plain name that every format has */
    const struct format *f = text_starts_with(wanted, "format-")
                                 ? description_format(d, wanted + strlen("format-"))
                                 : NULL;
    return f && from_format(&list[count], f) == 0 ? &list[count] : NULL;
}

int choice_find(const struct description *d, const char *wanted, const struct choice_wish *wish,
                struct choice *out, struct err *err)
{
    static const struct choice_wish open = {0};
    struct choice *list = NULL;
    size_t count = 0;
    size_t kept = 0;
    if (!wish)
        wish = &open;
    if (list_for(d, wish, &list, &count, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (fulfils(&list[i], wish))
            list[kept++] = list[i];
    }
    int most = height_rule(wanted);
    const struct choice *found = strcmp(wanted, "audio") == 0 ? sound_alone(list, kept)
                                 : most < 0                   ? by_id(d, wanted, list, kept)
                                                              : highest(list, kept, most);
    if (found && !fulfils(found, wish))
        found = NULL;
    if (found)
        *out = *found;
    free(list);
    return found ? 0 : err_set(err, ERR_NO_SUCH_CHOICE, "no choice %s", wanted);
}

static bool suits_more(const struct choice *a, const struct choice *b)
{
    bool a_fits = a->height <= USUAL_HEIGHT;
    bool b_fits = b->height <= USUAL_HEIGHT;
    if (a_fits != b_fits)
        return a_fits;
    if (a->height != b->height)
        return a_fits ? a->height > b->height : a->height < b->height;
    return strcmp(a->container, "mp4") == 0 && strcmp(b->container, "mp4") != 0;
}

const struct choice *choice_preselect(const struct choice *list, size_t count)
{
    static const enum format_kind order[] = {FORMAT_MUXED, FORMAT_VIDEO, FORMAT_AUDIO};
    const struct choice *best = NULL;
    for (size_t k = 0; !best && k < ARRAY_LEN(order); k++) {
        for (size_t i = 0; i < count; i++) {
            if (list[i].kind == order[k] && (!best || suits_more(&list[i], best)))
                best = &list[i];
        }
    }
    return best;
}

bool choice_resumable(const struct choice *c)
{
    return c->make <= CHOICE_SPLICE ? c->size_bytes != 0 : c->size_exact;
}

bool choice_same_sources(const struct choice *a, const struct choice *b)
{
    for (size_t i = 0; i < a->format_count && a->format_count == b->format_count; i++) {
        const struct format *x = a->formats[i];
        const struct format *y = b->formats[i];
        if (strcmp(x->id, y->id) != 0 || x->size_bytes != y->size_bytes ||
            x->last_modified != y->last_modified)
            return false;
    }
    return a->make == b->make && a->format_count == b->format_count;
}
