/* Looking at a media file through libavformat, on a leash; see probe.h.
 *
 * The leash: bytes in all (PROBE_READ_BUDGET), streams, bytes and time of analysis, the size of one
 * allocation; no decoder but those of AAC and MP3 (bare frames tell rate and channels no other way); no file
 * or URL opened by the library. */
#include "media/probe.h"

#include <limits.h>
#include <pthread.h>
#include <string.h>

#include <libavformat/avformat.h>
#include <libavutil/mem.h>

#include "base/text.h"
#include "media/codec_name.h"

enum {
    AVIO_BYTES = 32 * 1024,
    WINDOW_FIRST = 64 *
                   1024, /* a window doubles while reading goes on forward: few round trips, little waste */
    WINDOW_MOST = 1024 * 1024,
    STREAMS_MOST = 32,
    ANALYSE_BYTES = 1024 * 1024,
    ALLOCATION_MOST = 128 * 1024 * 1024, /* the index of 12 h of 60 fps is half of that */
};

/* The file as libavformat sees it. One window of it is kept; one read of the reader may cost a round trip. */
struct source {
    const struct media_reader *reader;
    uint64_t at; /* where libavformat reads next */
    uint64_t window_at;
    size_t window_next;
    size_t budget;
    struct buf window;
    unsigned char head[64]; /* the first bytes of the file */
    struct err *err;
    bool failed; /* the reader did, and *err says why */
};

static void quiet(void)
{
    av_log_set_level(AV_LOG_QUIET); /* it would quote hostile text */
    av_max_alloc(ALLOCATION_MOST);
}

static int refuse_open(struct AVFormatContext *f, AVIOContext **pb, const char *url, int flags,
                       AVDictionary **o)
{
    (void)f, (void)pb, (void)url, (void)flags, (void)o;
    return AVERROR(EPERM);
}

static int is_over(void *ctx)
{
    const struct source *s = ctx;
    return s->failed || s->budget == 0;
}

/* Makes the window hold the byte at s->at, unless the file ends there. */
static int fill_window(struct source *s)
{
    bool forward = s->at == s->window_at + s->window.len;
    size_t want = forward ? s->window_next : WINDOW_FIRST;
    want = want < s->budget ? want : s->budget;
    s->window_next = want < WINDOW_MOST / 2 ? want * 2 : WINDOW_MOST;
    s->window_at = s->at;
    buf_clear(&s->window);
    char *to = buf_reserve(&s->window, want);
    if (!to || want == 0)
        return AVERROR_EXIT;
    if (s->reader->read_at(s->reader->ctx, s->at, to, want, &s->window.len, s->err) < 0) {
        s->failed = true;
        return AVERROR_EXIT;
    }
    s->budget -= s->window.len;
    if (s->at == 0)
        memcpy(s->head, to, s->window.len < sizeof s->head ? s->window.len : sizeof s->head);
    return 0;
}

static int read_packet(void *ctx, uint8_t *to, int len)
{
    struct source *s = ctx;
    if (s->reader->size && s->at >= s->reader->size)
        return AVERROR_EOF;
    if (s->at < s->window_at || s->at >= s->window_at + s->window.len) {
        int rc = s->failed ? AVERROR_EXIT : fill_window(s);
        if (rc < 0)
            return rc;
    }
    size_t from = (size_t)(s->at - s->window_at);
    size_t n = s->window.len - from;
    if (n == 0)
        return AVERROR_EOF;
    n = n < (size_t)len ? n : (size_t)len;
    memcpy(to, s->window.data + from, n);
    s->at += n;
    return (int)n;
}

static int64_t seek(void *ctx, int64_t offset, int whence)
{
    struct source *s = ctx;
    int64_t size = s->reader->size && s->reader->size <= INT64_MAX ? (int64_t)s->reader->size : -1;
    int64_t base = 0;
    whence &= ~AVSEEK_FORCE;
    if (whence == AVSEEK_SIZE)
        return size < 0 ? AVERROR(ENOSYS) : size;
    if (whence == SEEK_CUR)
        base = (int64_t)s->at;
    else if (whence == SEEK_END)
        base = size;
    if (base < 0 || __builtin_add_overflow(base, offset, &base) || base < 0)
        return AVERROR(EINVAL);
    s->at = (uint64_t)base;
    return base;
}

struct probe {
    struct source source;
    AVIOContext *io;
    AVFormatContext *format;
};

static void probe_fini(struct probe *p)
{
    avformat_close_input(&p->format);
    if (p->io)
        av_freep(&p->io->buffer);
    avio_context_free(&p->io);
    buf_fini(&p->source.window);
}
DEFINE_AUTO(probe, probe_fini)

static int prepare(struct probe *p, struct err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, quiet);
    unsigned char *buffer = av_malloc(AVIO_BYTES);
    if (buffer)
        p->io = avio_alloc_context(buffer, AVIO_BYTES, 0, &p->source, read_packet, NULL, seek);
    if (buffer && !p->io)
        av_free(buffer);
    AVFormatContext *f = p->format = avformat_alloc_context();
    if (!p->io || !f)
        return err_set(err, ERR_INTERNAL, "probe: out of memory");
    f->pb = p->io;
    f->io_open = refuse_open;
    f->interrupt_callback = (AVIOInterruptCB){is_over, &p->source};
    f->protocol_whitelist = av_strdup("");
    f->format_whitelist = av_strdup("mov,matroska,mp3,ogg,wav,flac,aac,avi,mpegts,flv");
    f->codec_whitelist = av_strdup("aac,mp3float,mp3");
    f->max_streams = STREAMS_MOST;
    f->probesize = ANALYSE_BYTES;
    f->max_analyze_duration = 2 * (int64_t)AV_TIME_BASE;
    if (!f->protocol_whitelist || !f->format_whitelist || !f->codec_whitelist)
        return err_set(err, ERR_INTERNAL, "probe: out of memory");
    return 0;
}

/* The stream the description speaks of: the largest picture, the first sound. Cover art is no video. */
static const AVStream *pick(const AVFormatContext *f, enum AVMediaType type)
{
    const AVStream *best = NULL;
    for (unsigned i = 0; i < f->nb_streams; i++) {
        const AVStream *s = f->streams[i];
        if (s->codecpar->codec_type != type || s->disposition & AV_DISPOSITION_ATTACHED_PIC)
            continue;
        if (!best || s->codecpar->height > best->codecpar->height)
            best = s;
    }
    return best;
}

/* Whether the file's headers said all we report, so that no packet has to be read for it. */
static bool headers_suffice(const AVFormatContext *f)
{
    const AVStream *v = pick(f, AVMEDIA_TYPE_VIDEO);
    const AVStream *a = pick(f, AVMEDIA_TYPE_AUDIO);
    bool timed = f->duration > 0 || (v && v->duration > 0) || (a && a->duration > 0);
    return (v || a) && timed && (!v || (v->codecpar->width > 0 && v->avg_frame_rate.num > 0)) &&
           (!a || (a->codecpar->sample_rate > 0 && a->codecpar->ch_layout.nb_channels > 0));
}

static bool has_brand(const unsigned char head[64], const char *brand)
{
    return memcmp(head + 4, "ftyp", 4) == 0 && memcmp(head + 8, brand, strlen(brand)) == 0;
}

static const char *container_of(const char *format, const unsigned char head[64], const AVStream *video,
                                const AVStream *audio)
{
    static const struct {
        const char *format, *container;
    } table[] = {{"mp3", "mp3"}, {"wav", "wav"},   {"flac", "flac"}, {"aac", "aac"},
                 {"avi", "avi"}, {"mpegts", "ts"}, {"flv", "flv"}};
    if (text_starts_with(format, "mov,")) {
        if (has_brand(head, "qt  "))
            return "mov";
        if (has_brand(head, "3g"))
            return "3gp";
        return video ? "mp4" : "m4a";
    }
    if (text_starts_with(format, "matroska"))
        return memmem(head, 64, "\x42\x82\x84webm", 7) ? "webm" : video ? "mkv" : "mka"; /* EBML DocType */
    if (text_starts_with(format, "ogg")) {
        bool opus = audio && audio->codecpar->codec_id == AV_CODEC_ID_OPUS;
        return video ? "ogv" : opus ? "opus" : "ogg";
    }
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (strcmp(format, table[i].format) == 0)
            return table[i].container;
    return NULL;
}

static void copy_tag(char *out, size_t room, const AVFormatContext *f, const AVStream *audio,
                     const char *name)
{
    const AVDictionaryEntry *e = av_dict_get(f->metadata, name, NULL, 0);
    auto_(buf) struct buf clean = BUF_INIT(64 * 1024);
    if (!e && audio) /* Ogg has its tags in the stream */
        e = av_dict_get(audio->metadata, name, NULL, 0);
    if (!e || text_utf8_clean(&clean, e->value, strlen(e->value)) < 0)
        return;
    size_t len = clean.len < room - 1 ? clean.len : room - 1;
    while (len > 0 && len < clean.len && ((unsigned char)clean.data[len] & 0xc0) == 0x80)
        len--; /* cut between characters */
    memcpy(out, buf_str(&clean), len);
    out[len] = '\0';
}

static uint64_t duration_ms_of(const AVFormatContext *f)
{
    int64_t us = f->duration > 0 ? f->duration : 0;
    for (unsigned i = 0; us == 0 && i < f->nb_streams; i++)
        if (f->streams[i]->duration > 0)
            us = av_rescale_q(f->streams[i]->duration, f->streams[i]->time_base, AV_TIME_BASE_Q);
    return us > 0 ? (uint64_t)us / 1000 : 0;
}

static int describe(const struct probe *p, struct media_probe *out, struct err *err)
{
    const AVFormatContext *f = p->format;
    const AVStream *v = pick(f, AVMEDIA_TYPE_VIDEO);
    const AVStream *a = pick(f, AVMEDIA_TYPE_AUDIO);
    const char *container = container_of(f->iformat->name, p->source.head, v, a);
    if (!container || (!v && !a))
        return err_set(err, ERR_UNSUPPORTED_SITE, "probe: no picture or sound in %s", f->iformat->name);
    auto_(buf) struct buf codecs = BUF_INIT(sizeof out->codecs - 1);
    if (v)
        codec_name_add(&codecs, v->codecpar);
    if (v && a)
        buf_addc(&codecs, ',');
    if (a)
        codec_name_add(&codecs, a->codecpar);
    (void)text_copy(out->container, sizeof out->container, container);
    (void)text_copy(out->codecs, sizeof out->codecs, buf_str(&codecs));
    if (v) {
        out->has_video = true;
        out->width = v->codecpar->width;
        out->height = v->codecpar->height;
        out->fps = v->avg_frame_rate.num > 0 ? av_q2d(v->avg_frame_rate) : 0;
    }
    if (a) {
        out->has_audio = true;
        out->sample_rate = a->codecpar->sample_rate;
        out->channels = a->codecpar->ch_layout.nb_channels;
    }
    out->duration_ms = duration_ms_of(f);
    out->bitrate = f->bit_rate > 0 ? f->bit_rate : 0;
    uint64_t size = p->source.reader->size;
    if (out->bitrate == 0 && out->duration_ms > 0 && size < UINT64_MAX / 8000)
        out->bitrate = (int64_t)(size * 8000 / out->duration_ms);
    copy_tag(out->title, sizeof out->title, f, a, "title");
    copy_tag(out->artist, sizeof out->artist, f, a, "artist");
    return 0;
}

int media_probe(const struct media_reader *reader, struct media_probe *out, struct err *err)
{
    auto_(probe) struct probe p = {.source = {.reader = reader,
                                              .budget = PROBE_READ_BUDGET,
                                              .window = BUF_INIT(WINDOW_MOST),
                                              .window_next = WINDOW_FIRST,
                                              .err = err}};
    memset(out, 0, sizeof *out);
    if (prepare(&p, err) < 0)
        return -1;
    if (avformat_open_input(&p.format, NULL, NULL, NULL) < 0)
        return p.source.failed ? -1 : err_set(err, ERR_UNSUPPORTED_SITE, "probe: not a media file we know");
    /* When this fails (the budget is spent, say) what is known by then still counts. */
    if (!headers_suffice(p.format))
        (void)avformat_find_stream_info(p.format, NULL);
    return p.source.failed ? -1 : describe(&p, out, err);
}
