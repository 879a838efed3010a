/* See dash.h. What a track is, and where; of which pieces, is dash_list.c. */
#include "site/dash.h"

#include <string.h>

#include "base/text.h"
#include "net/net.h"

enum { URL_MAX = 8192, RATE_MAX = 1 << 30 };

bool dash_is(const char *text, size_t len)
{
    size_t at = len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    while (at < len && strchr(" \t\r\n", text[at]) && text[at])
        at++;
    return at < len && text[at] == '<' &&
           (memmem(text, len, "<MPD", 4) != NULL || memmem(text, len, ":MPD", 4) != NULL);
}

void dash_free(struct dash *d)
{
    if (!d)
        return;
    for (size_t i = 0; d->tracks && i < d->track_count; i++)
        free(d->tracks[i].base);
    for (size_t i = 0; d->uris && i < d->segment_count; i++)
        free(d->uris[i]);
    free(d->tracks);
    free(d->uris);
    free(d->segments);
    xml_free(d->doc);
    free(d);
}

/* ---- Values ---- */

/* The whole part of a number; 0: none. */
static uint64_t whole(const char *s, uint64_t most)
{
    uint64_t n = 0;
    return s && text_parse_u64n(s, strspn(s, "0123456789"), 0, most, &n) == 0 ? n : 0;
}

/* "25" or "30000/1001" */
static double rate(const char *s)
{
    const char *slash = s ? strchr(s, '/') : NULL;
    uint64_t below = slash ? whole(slash + 1, RATE_MAX) : 1;
    return below ? (double)whole(s, RATE_MAX) / (double)below : 0;
}

/* "PT1H2M3.5S" in milliseconds; 0: none, or longer than a season. */
static uint64_t duration(const char *s)
{
    static const struct {
        char unit;
        bool is_time;
        uint64_t ms;
    } units[] = {{'D', false, 86400000}, {'H', true, 3600000}, {'M', true, 60000}, {'S', true, 1000}};
    uint64_t ms = 0;
    bool is_time = false;
    if (!s || *s++ != 'P')
        return 0;
    while (*s) {
        if (*s == 'T') {
            is_time = true;
            s++;
            continue;
        }
        size_t digits = strspn(s, "0123456789");
        uint64_t n = whole(s, 10000000);
        const char *fraction = s[digits] == '.' ? s + digits + 1 : "";
        size_t more = strspn(fraction, "0123456789");
        const char *unit = *fraction ? fraction + more : s + digits;
        if (digits == 0)
            return 0;
        for (size_t i = 0; i < ARRAY_LEN(units); i++) {
            if (units[i].unit != *unit || units[i].is_time != is_time)
                continue;
            ms += n * units[i].ms;
            uint64_t scale = units[i].ms;
            for (size_t k = 0; k < more && scale; k++)
                ms += (uint64_t)(fraction[k] - '0') * (scale /= 10);
        }
        s = *unit ? unit + 1 : unit;
        if (ms > 10000000000)
            return 0;
    }
    return ms;
}

/* "0-739" */
static struct byte_range range(const char *s)
{
    struct byte_range r = {0};
    const char *dash = s ? strchr(s, '-') : NULL;
    if (!dash || text_parse_u64n(s, (size_t)(dash - s), 0, INT64_MAX, &r.start) < 0 ||
        text_parse_u64(dash + 1, r.start + 1, INT64_MAX, &r.end) < 0)
        return (struct byte_range){0};
    return r;
}

/* An attribute of the Representation, or of its set. */
static const char *value_of(const struct dash_track *t, const char *name)
{
    const char *own = xml_attribute(t->levels[0], name);
    return own ? own : xml_attribute(t->levels[1], name);
}

static bool has_role(const struct xml_node *set, const char *role)
{
    for (const struct xml_node *n = NULL; (n = xml_child(set, "Role", n));) {
        const char *value = xml_attribute(n, "value");
        if (value && strcmp(value, role) == 0)
            return true;
    }
    return false;
}

/* ---- Tracks ---- */

/* Appends what the first BaseURL of `node` leads to. */
static int join(const char *base, const struct xml_node *node, struct buf *out, struct err *err)
{
    const struct xml_node *n = xml_child(node, "BaseURL", NULL);
    if (n && *n->text)
        return net_url_join(base, n->text, out, err);
    return buf_adds(out, base) < 0 ? err_set(err, ERR_BAD_URL, "dash: an address that is too long") : 0;
}

static const struct xml_node *segment_base(const struct dash_track *t)
{
    for (size_t i = 0; i < ARRAY_LEN(t->levels); i++) {
        const struct xml_node *n = xml_child(t->levels[i], "SegmentBase", NULL);
        if (n)
            return n;
    }
    return NULL;
}

static bool has_list(const struct dash_track *t)
{
    for (size_t i = 0; i < ARRAY_LEN(t->levels); i++) {
        if (xml_child(t->levels[i], "SegmentTemplate", NULL) || xml_child(t->levels[i], "SegmentList", NULL))
            return true;
    }
    return false;
}

static void read_parts(struct dash_track *t)
{
    const struct xml_node *base = segment_base(t);
    const struct xml_node *init = xml_child(base, "Initialization", NULL);
    t->is_file = !has_list(t);
    if (!t->is_file || !base || (init && xml_attribute(init, "sourceURL")))
        return;
    t->index = range(xml_attribute(base, "indexRange"));
    if (init)
        t->init = range(xml_attribute(init, "range"));
    else if (t->index.start > 1)
        t->init.end = t->index.start - 1;
}

/* False: nothing for us. */
static bool read_kind(struct dash_track *t)
{
    const char *type = value_of(t, "contentType");
    const char *mime = t->mime;
    if (text_starts_with(mime, "text/vtt"))
        return t->is_text = t->is_file;
    if (type && strcmp(type, "video") != 0 && strcmp(type, "audio") != 0)
        return false;
    bool is_video = text_starts_with(mime, "video/") && !(type && strcmp(type, "audio") == 0);
    if (!is_video && !text_starts_with(mime, "audio/"))
        return false;
    bool both = t->codecs && (strstr(t->codecs, "mp4a") || strstr(t->codecs, "opus") ||
                              strstr(t->codecs, "vorbis") || strstr(t->codecs, "ac-3"));
    t->kind = !is_video ? FORMAT_AUDIO : both ? FORMAT_MUXED : FORMAT_VIDEO;
    return !has_role(t->levels[1], "trickmode") && !xml_child(t->levels[1], "EssentialProperty", NULL);
}

static bool is_locked(const struct dash_track *t)
{
    for (size_t i = 0; i < ARRAY_LEN(t->levels); i++) {
        if (xml_child(t->levels[i], "ContentProtection", NULL))
            return true;
    }
    return false;
}

struct reader {
    struct dash *d;
    struct err *err;
    const char *base; /* of the set */
    bool locked[3];   /* by format_kind: there are some, but encrypted */
};

static int read_track(struct reader *r, const struct dash_track *levels)
{
    struct dash *d = r->d;
    struct dash_track t = *levels;
    auto_(buf) struct buf base = BUF_INIT(URL_MAX);
    t.id = xml_attribute(t.levels[0], "id");
    t.mime = value_of(&t, "mimeType");
    t.codecs = value_of(&t, "codecs");
    t.language = xml_attribute(t.levels[1], "lang");
    t.bandwidth = (int64_t)whole(xml_attribute(t.levels[0], "bandwidth"), 1ULL << 40);
    t.width = (int)whole(value_of(&t, "width"), 65536);
    t.height = (int)whole(value_of(&t, "height"), 65536);
    t.sample_rate = (int)whole(value_of(&t, "audioSamplingRate"), 1000000);
    t.fps = rate(value_of(&t, "frameRate"));
    t.original = has_role(t.levels[1], "main");
    if (!t.mime)
        return 0;
    read_parts(&t);
    if (!read_kind(&t))
        return 0;
    if (is_locked(&t)) {
        r->locked[t.kind] = true;
        return 0;
    }
    if (d->track_count == DASH_TRACKS_MAX)
        return err_set(r->err, ERR_UNSUPPORTED_SITE, "dash: too many tracks");
    if (join(r->base, t.levels[0], &base, r->err) < 0)
        return -1;
    if (!(t.base = buf_steal(&base)))
        return err_set(r->err, ERR_INTERNAL, "out of memory");
    d->tracks[d->track_count++] = t;
    return 0;
}

static int read_set(struct reader *r, const char *base, const struct xml_node *period,
                    const struct xml_node *set)
{
    auto_(buf) struct buf own = BUF_INIT(URL_MAX);
    if (join(base, set, &own, r->err) < 0)
        return -1;
    r->base = buf_str(&own);
    for (const struct xml_node *n = NULL; (n = xml_child(set, "Representation", n));) {
        const struct dash_track levels = {.levels = {n, set, period}};
        if (read_track(r, &levels) < 0)
            return -1;
    }
    return 0;
}

/* Where no sound is said to be the main one, the first is, with all of its language. */
static void mark_original(struct dash *d)
{
    const struct dash_track *first = NULL;
    for (size_t i = 0; i < d->track_count; i++) {
        const struct dash_track *t = &d->tracks[i];
        if (t->is_text || t->kind != FORMAT_AUDIO)
            continue;
        if (t->original)
            return;
        if (!first)
            first = t;
    }
    for (size_t i = 0; i < d->track_count; i++) {
        struct dash_track *t = &d->tracks[i];
        const char *language = first && first->language ? first->language : "";
        t->original = t->kind != FORMAT_AUDIO || strcmp(t->language ? t->language : "", language) == 0;
    }
}

static bool has_kind(const struct dash *d, enum format_kind kind)
{
    for (size_t i = 0; i < d->track_count; i++) {
        if (!d->tracks[i].is_text && d->tracks[i].kind == kind)
            return true;
    }
    return false;
}

static int check(const struct reader *r)
{
    const struct dash *d = r->d;
    bool pictures = has_kind(d, FORMAT_VIDEO) || has_kind(d, FORMAT_MUXED);
    bool sounds = has_kind(d, FORMAT_AUDIO) || has_kind(d, FORMAT_MUXED);
    if (((r->locked[FORMAT_VIDEO] || r->locked[FORMAT_MUXED]) && !pictures) ||
        (r->locked[FORMAT_AUDIO] && !sounds))
        return err_set(r->err, ERR_DRM, "dash: encrypted");
    if (!pictures && !sounds)
        return err_set(r->err, ERR_UNSUPPORTED_SITE, "dash: nothing in it");
    return 0;
}

static int read_manifest(struct dash *d, const char *base, const char *text, size_t len, struct err *err)
{
    struct reader r = {.d = d, .err = err};
    auto_(buf) struct buf outer = BUF_INIT(URL_MAX);
    auto_(buf) struct buf inner = BUF_INIT(URL_MAX);
    if (xml_parse(&d->doc, text, len, err) < 0)
        return -1;
    const struct xml_node *mpd = xml_root(d->doc);
    const struct xml_node *period = xml_child(mpd, "Period", NULL);
    const char *type = xml_attribute(mpd, "type");
    if (strcmp(mpd->name, "MPD") != 0 || !period)
        return err_set(err, ERR_UNSUPPORTED_SITE, "dash: no manifest");
    if (type && strcmp(type, "static") != 0)
        return err_set(err, ERR_LIVE, "dash: it goes on growing");
    if (xml_child(mpd, "Period", period))
        return err_set(err, ERR_UNSUPPORTED_SITE, "dash: several periods");
    d->duration_ms = duration(xml_attribute(period, "duration"));
    if (!d->duration_ms)
        d->duration_ms = duration(xml_attribute(mpd, "mediaPresentationDuration"));
    d->tracks = calloc(DASH_TRACKS_MAX, sizeof *d->tracks);
    if (!d->tracks)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (join(base, mpd, &outer, err) < 0 || join(buf_str(&outer), period, &inner, err) < 0)
        return -1;
    for (const struct xml_node *set = NULL; (set = xml_child(period, "AdaptationSet", set));) {
        if (read_set(&r, buf_str(&inner), period, set) < 0)
            return -1;
    }
    mark_original(d);
    return check(&r);
}

int dash_parse(struct dash **out, const char *base, const char *text, size_t len, struct err *err)
{
    *out = NULL;
    if (len > DASH_BYTES_MAX || !dash_is(text, len))
        return err_set(err, ERR_UNSUPPORTED_SITE, "dash: no manifest");
    auto_ptr(dash) struct dash *d = calloc(1, sizeof *d);
    if (!d)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (read_manifest(d, base, text, len, err) < 0)
        return -1;
    *out = steal(&d);
    return 0;
}
