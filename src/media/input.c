/* See input.h. */
#include "media/input.h"

#include <limits.h>
#include <pthread.h>
#include <string.h>

#include <libavutil/mem.h>

enum {
    AVIO_BYTES = 32 * 1024,
    STREAMS_MOST = 32,
    ANALYSE_BYTES = 1024 * 1024,
    ALLOCATION_MOST = 128 * 1024 * 1024, /* the index of 12 h of 60 fps is half of that */
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
    const struct input *in = ctx;
    return in->failed || in->budget == 0;
}

/* Makes the window hold the byte at in->at, unless the file ends there. */
static int fill_window(struct input *in)
{
    bool forward = in->at == in->window_at + in->window.len;
    size_t most = in->limits.window_most;
    size_t want = forward ? in->window_next : in->limits.window_first;
    want = want < in->budget ? want : in->budget;
    in->window_next = want < most / 2 ? want * 2 : most;
    in->window_at = in->at;
    buf_clear(&in->window);
    char *to = buf_reserve(&in->window, want);
    if (!to || want == 0)
        return AVERROR_EXIT;
    if (in->reader->read_at(in->reader->ctx, in->at, to, want, &in->window.len, &in->why) < 0) {
        in->failed = true;
        return AVERROR_EXIT;
    }
    in->budget -= in->window.len;
    if (in->at == 0)
        memcpy(in->head, to, in->window.len < sizeof in->head ? in->window.len : sizeof in->head);
    return 0;
}

static int read_packet(void *ctx, uint8_t *to, int len)
{
    struct input *in = ctx;
    if (in->reader->size && in->at >= in->reader->size)
        return AVERROR_EOF;
    if (in->at < in->window_at || in->at >= in->window_at + in->window.len) {
        int rc = in->failed ? AVERROR_EXIT : fill_window(in);
        if (rc < 0)
            return rc;
    }
    size_t from = (size_t)(in->at - in->window_at);
    size_t n = in->window.len - from;
    if (n == 0)
        return AVERROR_EOF;
    n = n < (size_t)len ? n : (size_t)len;
    memcpy(to, in->window.data + from, n);
    in->at += n;
    return (int)n;
}

static int64_t seek(void *ctx, int64_t offset, int whence)
{
    struct input *in = ctx;
    int64_t size = in->reader->size && in->reader->size <= INT64_MAX ? (int64_t)in->reader->size : -1;
    int64_t base = 0;
    whence &= ~AVSEEK_FORCE;
    if (whence == AVSEEK_SIZE)
        return size < 0 ? AVERROR(ENOSYS) : size;
    if (whence == SEEK_CUR)
        base = (int64_t)in->at;
    else if (whence == SEEK_END)
        base = size;
    if (base < 0 || __builtin_add_overflow(base, offset, &base) || base < 0)
        return AVERROR(EINVAL);
    in->at = (uint64_t)base;
    return base;
}

void input_close(struct input *in)
{
    if (!in)
        return;
    avformat_close_input(&in->format);
    if (in->io)
        av_freep(&in->io->buffer);
    avio_context_free(&in->io);
    buf_fini(&in->window);
    free(in);
}

static int prepare(struct input *in)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, quiet);
    unsigned char *buffer = av_malloc(AVIO_BYTES);
    if (buffer)
        in->io = avio_alloc_context(buffer, AVIO_BYTES, 0, in, read_packet, NULL, seek);
    if (buffer && !in->io)
        av_free(buffer);
    AVFormatContext *f = in->format = avformat_alloc_context();
    if (!in->io || !f)
        return -1;
    f->pb = in->io;
    f->io_open = refuse_open;
    f->interrupt_callback = (AVIOInterruptCB){is_over, in};
    f->protocol_whitelist = av_strdup("");
    f->format_whitelist = av_strdup("mov,matroska,mp3,ogg,wav,flac,aac,avi,mpegts,flv");
    f->codec_whitelist = av_strdup(in->limits.decoders);
    f->max_streams = STREAMS_MOST;
    f->probesize = ANALYSE_BYTES;
    f->max_analyze_duration = 2 * (int64_t)AV_TIME_BASE;
    return f->protocol_whitelist && f->format_whitelist && f->codec_whitelist ? 0 : -1;
}

/* The reader's own error, when there is one. */
static int fail(const struct input *in, enum err_code code, const char *what, struct err *err)
{
    if (!in->failed)
        return err_set(err, code, "%s", what);
    if (err)
        *err = in->why;
    return -1;
}

int input_open(struct input **out, const struct media_reader *reader, const struct input_limits *limits,
               struct err *err)
{
    auto_ptr(input) struct input *in = calloc(1, sizeof *in);
    if (!in)
        return err_set(err, ERR_INTERNAL, "out of memory");
    in->reader = reader;
    in->limits = *limits;
    in->budget = limits->budget;
    in->window_next = limits->window_first;
    buf_init(&in->window, limits->window_most);
    if (prepare(in) < 0)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (avformat_open_input(&in->format, NULL, NULL, NULL) < 0)
        return fail(in, ERR_UNSUPPORTED_SITE, "not a media file we know", err);
    *out = steal(&in);
    return 0;
}

int input_analyse(struct input *in, struct err *err)
{
    (void)avformat_find_stream_info(in->format, NULL);
    return in->failed ? fail(in, ERR_UPSTREAM_FAILED, "", err) : 0;
}

int input_read(struct input *in, AVPacket *packet, struct err *err)
{
    in->budget = in->limits.budget;
    int rc = av_read_frame(in->format, packet);
    if (rc >= 0)
        return 1;
    if (rc == AVERROR_EOF && !in->failed)
        return 0;
    return fail(in, ERR_UPSTREAM_FAILED, in->budget ? "broken media" : "no packet in too many bytes", err);
}

AVStream *input_pick(const struct input *in, enum AVMediaType type)
{
    AVStream *best = NULL;
    for (unsigned i = 0; i < in->format->nb_streams; i++) {
        AVStream *s = in->format->streams[i];
        if (s->codecpar->codec_type != type || s->disposition & AV_DISPOSITION_ATTACHED_PIC)
            continue;
        int more = best ? s->codecpar->height - best->codecpar->height : 1;
        if (more == 0) {
            more = (s->disposition & AV_DISPOSITION_DEFAULT) - (best->disposition & AV_DISPOSITION_DEFAULT);
        }
        if (more > 0)
            best = s;
    }
    return best;
}
