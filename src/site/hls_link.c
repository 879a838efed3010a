/* See hls_link.h. */
#include "site/hls_link.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "media/probe.h"
#include "site/call.h"
#include "site/hls.h"

enum {
    URL_MAX = 8192,
    NAME_MAX_BYTES = 200,
    LOOK_BYTES = 1 << 20, /* of the first piece: enough for its headers */
};

static const char type[] = "application/vnd.apple.mpegurl";

static int fetch(const struct site_env *env, const char *base, const char *reference, struct net_call *call,
                 struct net_answer *answer, struct err *err)
{
    auto_(buf) struct buf url = BUF_INIT(URL_MAX);
    if (net_url_join(base, reference, &url, err) < 0)
        return -1;
    call->url = buf_str(&url);
    if (site_call(env, call, answer, err) < 0)
        return -1;
    if ((answer->status != 200 && answer->status != 206) || answer->body.len == 0) {
        (void)err_set(err, ERR_UPSTREAM_FAILED, "hls: status %d", answer->status);
        err->upstream_status = answer->status;
        return -1;
    }
    return 0;
}

/* ---- Looking into the pieces ---- */

static int read_bytes(void *ctx, uint64_t offset, void *to, size_t len, size_t *got, struct err *err)
{
    const struct buf *b = ctx;
    (void)err;
    size_t left = offset < b->len ? b->len - (size_t)offset : 0;
    *got = len < left ? len : left;
    if (*got)
        memcpy(to, b->data + offset, *got);
    return 0;
}

/* Replaces the first bytes of a piece by what they say; the last block, which may be missing, is not needed.
 */
static int unlock(const struct site_env *env, const char *base, const struct hls *h,
                  const struct hls_segment *s, struct buf *bytes, struct err *err)
{
    uint8_t iv[AES_CBC_BYTES];
    auto_(net_answer) struct net_answer answer = {.status = 0};
    auto_ptr(aes_cbc) struct aes_cbc *cipher = NULL;
    auto_(buf) struct buf clear = BUF_INIT(LOOK_BYTES + AES_CBC_BYTES);
    struct net_call call = {.max_bytes = AES_CBC_BYTES};
    if (fetch(env, base, h->keys[s->key - 1].uri, &call, &answer, err) < 0)
        return -1;
    if (answer.body.len != AES_CBC_BYTES)
        return err_set(err, ERR_UPSTREAM_FAILED, "hls: a key of %zu bytes", answer.body.len);
    hls_iv(h, s, iv);
    if (aes_cbc_new(&cipher, (const uint8_t *)answer.body.data, iv, err) < 0 ||
        aes_cbc_add(cipher, bytes->data, bytes->len, &clear, err) < 0)
        return -1;
    buf_clear(bytes);
    return buf_add(bytes, clear.data, clear.len) < 0 ? err_set(err, ERR_INTERNAL, "out of memory") : 0;
}

/* What the pieces are: of one and its initialisation segment, the first bytes. The first one; of a broadcast
 * the last, as the first may be gone by now. */
static int look_inside(const struct site_env *env, const char *base, const struct hls *h,
                       struct media_probe *out, struct err *err)
{
    auto_(buf) struct buf bytes = BUF_INIT(2 * LOOK_BYTES);
    for (size_t i = 0; i < h->segment_count && i < (h->is_mp4 ? 2 : 1); i++) {
        bool is_last = h->is_live && !h->segments[i].is_map;
        const struct hls_segment *s = &h->segments[is_last ? h->segment_count - 1 : i];
        auto_(net_answer) struct net_answer answer = {.status = 0};
        struct net_call call = {
            .max_bytes = LOOK_BYTES,
            .range_offset = s->offset,
            .range_length = s->length && s->length < LOOK_BYTES ? s->length : LOOK_BYTES,
        };
        if (fetch(env, base, s->uri, &call, &answer, err) < 0 ||
            (s->key && unlock(env, base, h, s, &answer.body, err) < 0))
            return -1;
        if (buf_add(&bytes, answer.body.data, answer.body.len) < 0)
            return err_set(err, ERR_INTERNAL, "out of memory");
    }
    const struct media_reader reader = {read_bytes, &bytes, 0};
    return media_probe(&reader, out, err);
}

/* ---- Formats ---- */

static int set(char **to, const char *text)
{
    return description_set_text(to, text ? text : "", text ? strlen(text) : 0, URL_MAX);
}

/* `f` with all that is no text; -1: out of memory. */
static int add(struct description *d, const struct format *f, const char *id, const char *url,
               const char *codecs, const char *label)
{
    struct format *to = description_add_format(d);
    if (!to)
        return -1;
    *to = *f;
    to->duration_ms = d->duration_ms;
    return set(&to->id, id) | set(&to->container, "hls") | set(&to->mime, type) | set(&to->codecs, codecs) |
           set(&to->label, label) | set(&to->url, url);
}

static bool is_sound_only(const struct hls_stream *s)
{
    return s->height == 0 && s->codecs && !strchr(s->codecs, ',') &&
           (text_starts_with(s->codecs, "mp4a") || text_starts_with(s->codecs, "opus") ||
            text_starts_with(s->codecs, "ac-3") || text_starts_with(s->codecs, "ec-3"));
}

/* Its sound is in playlists of its own. */
static bool has_sound_apart(const struct hls *h, const struct hls_stream *s)
{
    for (size_t i = 0; s->sound_group && i < h->sound_count; i++) {
        if (h->sounds[i].uri && strcmp(h->sounds[i].group, s->sound_group) == 0)
            return true;
    }
    return false;
}

static int add_stream(struct description *d, const struct hls *h, size_t index, const char *base,
                      struct err *err)
{
    const struct hls_stream *s = &h->streams[index];
    char id[32];
    char label[32] = "HLS";
    auto_(buf) struct buf url = BUF_INIT(URL_MAX);
    const struct format f = {
        .kind = is_sound_only(s)        ? FORMAT_AUDIO
                : has_sound_apart(h, s) ? FORMAT_VIDEO
                                        : FORMAT_MUXED,
        .width = s->width,
        .height = s->height,
        .fps = s->fps,
        .bitrate = s->bandwidth,
        .original = true,
    };
    if (net_url_join(base, s->uri, &url, err) < 0)
        return -1;
    if (s->height > 0)
        (void)snprintf(label, sizeof label, "%dp", s->height);
    else if (s->bandwidth > 0)
        (void)snprintf(label, sizeof label, "%lld kbit/s", (long long)(s->bandwidth + 500) / 1000);
    (void)snprintf(id, sizeof id, "v%zu", index);
    return add(d, &f, id, buf_str(&url), s->codecs, label) < 0 ? err_set(err, ERR_INTERNAL, "out of memory")
                                                               : 0;
}

static int add_sound(struct description *d, const struct hls *h, size_t index, const char *base,
                     struct err *err)
{
    const struct hls_sound *s = &h->sounds[index];
    char id[32];
    auto_(buf) struct buf url = BUF_INIT(URL_MAX);
    const struct format f = {.kind = FORMAT_AUDIO, .original = s->is_default};
    if (!s->uri)
        return 0;
    if (net_url_join(base, s->uri, &url, err) < 0)
        return -1;
    (void)snprintf(id, sizeof id, "a%zu", index);
    if (add(d, &f, id, buf_str(&url), "", s->name) < 0 ||
        (s->language && description_set_line(&d->formats[d->format_count - 1].language, s->language,
                                             strlen(s->language), NAME_MAX_BYTES) < 0))
        return err_set(err, ERR_INTERNAL, "out of memory");
    return 0;
}

/* The largest picture, then the highest rate. */
static const struct hls_stream *best_stream(const struct hls *h)
{
    const struct hls_stream *best = &h->streams[0];
    for (size_t i = 1; i < h->stream_count; i++) {
        const struct hls_stream *s = &h->streams[i];
        if (s->height > best->height || (s->height == best->height && s->bandwidth > best->bandwidth))
            best = s;
    }
    return best;
}

/* What is on now has no length. */
static void set_duration(struct description *d, const struct hls *pieces)
{
    d->live |= pieces->is_live;
    d->duration_ms = pieces->is_live ? 0 : pieces->duration_ms;
}

static int add_master(const struct site_env *env, const char *base, const struct hls *h,
                      struct description *d, struct err *err)
{
    auto_(net_answer) struct net_answer answer = {.status = 0};
    auto_ptr(hls) struct hls *pieces = NULL;
    struct net_call call = {.max_bytes = HLS_BYTES_MAX, .compressed = true};
    if (fetch(env, base, best_stream(h)->uri, &call, &answer, err) < 0 ||
        hls_parse_live(&pieces, buf_str(&answer.body), answer.body.len, err) < 0)
        return -1;
    if (pieces->is_master)
        return err_set(err, ERR_UNSUPPORTED_SITE, "hls: a list of lists of lists");
    set_duration(d, pieces);
    for (size_t i = 0; i < h->stream_count; i++) {
        if (add_stream(d, h, i, base, err) < 0)
            return -1;
    }
    for (size_t i = 0; i < h->sound_count; i++) {
        if (add_sound(d, h, i, base, err) < 0)
            return -1;
    }
    return 0;
}

/* The playlist of one stream: only its pieces tell what it is. */
static int add_pieces(const struct site_env *env, const char *base, const struct hls *h,
                      struct description *d, struct err *err)
{
    struct media_probe probe;
    if (look_inside(env, base, h, &probe, err) < 0)
        return -1;
    set_duration(d, h);
    const struct format f = {
        .kind = probe.has_video ? FORMAT_MUXED : FORMAT_AUDIO,
        .width = probe.width,
        .height = probe.height,
        .fps = probe.fps,
        .original = true,
        .sample_rate = probe.sample_rate,
        .channels = probe.channels,
    };
    char label[32] = "HLS";
    if (probe.height > 0)
        (void)snprintf(label, sizeof label, "%dp", probe.height);
    return add(d, &f, "source", base, probe.codecs, label) < 0 ? err_set(err, ERR_INTERNAL, "out of memory")
                                                               : 0;
}

int hls_add_formats(const struct site_env *env, const char *base, const char *text, size_t len,
                    struct description *d, struct err *err)
{
    auto_ptr(hls) struct hls *h = NULL;
    if (hls_parse_live(&h, text, len, err) < 0)
        return -1;
    return h->is_master ? add_master(env, base, h, d, err) : add_pieces(env, base, h, d, err);
}
