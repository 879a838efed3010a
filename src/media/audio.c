/* See audio.h. */
#include "media/audio.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

#include <libavcodec/avcodec.h>
#include <libavutil/audio_fifo.h>
#include <libavutil/cpu.h>
#include <libavutil/opt.h>
#include <libswresample/swresample.h>

#include "media/input.h"

enum {
    CHANNELS = 2,
    SLACK_S = 1,                 /* see audio.h */
    RATE_MIN = 7350,             /* the lowest of AAC; far lower ones would become enormous at our rate */
    FRAME_SAMPLES_MAX = 1 << 20, /* that one packet may decode to; PCM in WAV has the largest */
};

struct audio {
    struct audio_opts opts;
    struct input *in;
    AVStream *from;
    AVCodecContext *decoder;
    SwrContext *resampler;
    struct { /* what the resampler was made for: a source may change in its middle */
        int rate_hz, format, channels;
    } heard;
    AVAudioFifo *fifo; /* resampled, not encoded yet */
    AVCodecContext *encoder;
    AVFrame *decoded, *out;
    AVPacket *packet;
    struct buf head; /* goes out with the first frame, so that what fails, fails before */
    uint64_t sent;   /* samples given to the encoder */
    uint64_t over;   /* samples beyond the announced end */
};

static const char decoders[] = "aac,opus,vorbis,mp3float,flac,alac,ac3,eac3,pcm_s16le,pcm_s24le,pcm_f32le";

void audio_close(struct audio *a)
{
    if (!a)
        return;
    input_close(a->in);
    avcodec_free_context(&a->decoder);
    avcodec_free_context(&a->encoder);
    swr_free(&a->resampler);
    av_audio_fifo_free(a->fifo);
    av_frame_free(&a->decoded);
    av_frame_free(&a->out);
    av_packet_free(&a->packet);
    buf_fini(&a->head);
    free(a);
}

int audio_rate(int source_hz)
{
    return source_hz > 44100 ? 48000 : 44100;
}

static char engine[128];

static void name_engine(void)
{
    typedef const char *version_fn(void);
    union {
        void *symbol;
        version_fn *call;
    } lame = {dlsym(RTLD_DEFAULT, "get_lame_version")}; /* libavcodec brings it in, and does not tell */
    (void)snprintf(engine, sizeof engine, "lame %s, ffmpeg %s, cpu %x", lame.call ? lame.call() : "?",
                   av_version_info(), (unsigned)av_get_cpu_flags());
}

const char *audio_engine(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, name_engine);
    return engine;
}

/* ---- Opening ---- */

static int open_decoder(struct audio *a, struct err *err)
{
    /* libavcodec's own decoders, never an external library's. */
    enum AVCodecID id = a->from->codecpar->codec_id;
    const AVCodec *codec = id == AV_CODEC_ID_OPUS     ? avcodec_find_decoder_by_name("opus")
                           : id == AV_CODEC_ID_VORBIS ? avcodec_find_decoder_by_name("vorbis")
                           : id == AV_CODEC_ID_MP3    ? avcodec_find_decoder_by_name("mp3float")
                                                      : avcodec_find_decoder(id);
    a->decoder = codec ? avcodec_alloc_context3(codec) : NULL;
    if (!a->decoder || avcodec_parameters_to_context(a->decoder, a->from->codecpar) < 0)
        return err_set(err, codec ? ERR_INTERNAL : ERR_UNSUPPORTED_SITE, "no decoder for %s",
                       avcodec_get_name(id));
    a->decoder->pkt_timebase = a->from->time_base;
    a->decoder->thread_count = 1;
    a->decoder->codec_whitelist = av_strdup(decoders);
    if (avcodec_open2(a->decoder, codec, NULL) < 0)
        return err_set(err, ERR_UNSUPPORTED_SITE, "%s cannot be decoded", avcodec_get_name(id));
    return 0;
}

static int open_encoder(struct audio *a, struct err *err)
{
    const AVCodec *codec = avcodec_find_encoder_by_name("libmp3lame");
    AVCodecContext *e = a->encoder = codec ? avcodec_alloc_context3(codec) : NULL;
    if (!e)
        return err_set(err, ERR_INTERNAL, "this libavcodec has no LAME");
    e->sample_rate = a->opts.shape.rate_hz;
    e->bit_rate = a->opts.shape.kbps * INT64_C(1000);
    e->sample_fmt = AV_SAMPLE_FMT_FLTP;
    e->time_base = (AVRational){1, e->sample_rate};
    av_channel_layout_default(&e->ch_layout, CHANNELS);
    if (avcodec_open2(e, codec, NULL) < 0 || e->frame_size != MP3_FRAME_SAMPLES)
        return err_set(err, ERR_INTERNAL, "LAME does not start");
    a->fifo = av_audio_fifo_alloc(e->sample_fmt, CHANNELS, 4 * MP3_FRAME_SAMPLES);
    a->decoded = av_frame_alloc();
    a->out = av_frame_alloc();
    a->packet = av_packet_alloc();
    return a->fifo && a->decoded && a->out && a->packet ? 0 : err_set(err, ERR_INTERNAL, "out of memory");
}

/* Gives up a size that cannot be right. */
static void check_length(struct audio *a)
{
    struct mp3_shape *s = &a->opts.shape;
    int64_t us = a->from->duration > 0 ? av_rescale_q(a->from->duration, a->from->time_base, AV_TIME_BASE_Q)
                                       : a->in->format->duration;
    if (s->samples == 0 || us <= 0)
        return;
    int64_t announced_us = av_rescale((int64_t)s->samples, AV_TIME_BASE, s->rate_hz);
    if (announced_us - us > SLACK_S * AV_TIME_BASE || us - announced_us > SLACK_S * AV_TIME_BASE)
        s->samples = 0;
}

int audio_open(struct audio **out, const struct media_reader *reader, const struct audio_opts *opts,
               struct err *err)
{
    static const struct input_limits limits = {
        .budget = 64 << 20,
        .window_first = 64 * 1024,
        .window_most = 256 * 1024,
        .decoders = decoders,
    };
    if (!mp3_shape_valid(&opts->shape))
        return err_set(err, ERR_INTERNAL, "no such MP3");
    auto_ptr(audio) struct audio *a = calloc(1, sizeof *a);
    if (!a)
        return err_set(err, ERR_INTERNAL, "out of memory");
    a->opts = *opts;
    if (input_open(&a->in, reader, &limits, err) < 0)
        return -1;
    a->from = input_pick(a->in, AVMEDIA_TYPE_AUDIO);
    if ((!a->from || a->from->codecpar->sample_rate <= 0) && input_analyse(a->in, err) < 0)
        return -1;
    a->from = input_pick(a->in, AVMEDIA_TYPE_AUDIO);
    if (!a->from)
        return err_set(err, ERR_UNSUPPORTED_SITE, "no sound in it");
    for (unsigned i = 0; i < a->in->format->nb_streams; i++) {
        if (a->in->format->streams[i] != a->from)
            a->in->format->streams[i]->discard = AVDISCARD_ALL;
    }
    if (open_decoder(a, err) < 0 || open_encoder(a, err) < 0)
        return -1;
    check_length(a);
    *out = steal(&a);
    return 0;
}

uint64_t audio_size(const struct audio *a)
{
    return mp3_size(&a->opts.shape);
}

/* ---- Encoding ---- */

/* Writes what the encoder has ready. 1: it is at its end. */
static int drain(struct audio *a, const struct media_sink *sink, struct err *err)
{
    int rc;
    while ((rc = avcodec_receive_packet(a->encoder, a->packet)) >= 0) {
        int written = a->head.len ? sink->write(sink->ctx, a->head.data, a->head.len) : 0;
        buf_clear(&a->head);
        if (written == 0)
            written = sink->write(sink->ctx, a->packet->data, (size_t)a->packet->size);
        av_packet_unref(a->packet);
        if (written < 0)
            return err_set(err, ERR_OK, "not wanted any more");
    }
    if (rc != AVERROR(EAGAIN) && rc != AVERROR_EOF)
        return err_set(err, ERR_INTERNAL, "LAME: %s", av_err2str(rc));
    return rc == AVERROR_EOF;
}

/* Encodes the next `samples` from the fifo; where it has less, silence. */
static int encode(struct audio *a, int samples, const struct media_sink *sink, struct err *err)
{
    AVFrame *f = a->out;
    av_frame_unref(f);
    f->nb_samples = samples;
    f->format = a->encoder->sample_fmt;
    f->sample_rate = a->encoder->sample_rate;
    f->pts = (int64_t)a->sent;
    if (av_channel_layout_copy(&f->ch_layout, &a->encoder->ch_layout) < 0 || av_frame_get_buffer(f, 0) < 0)
        return err_set(err, ERR_INTERNAL, "out of memory");
    int have = av_audio_fifo_read(a->fifo, (void **)f->data, samples);
    have = have > 0 ? have : 0;
    (void)av_samples_set_silence(f->data, have, samples - have, CHANNELS, a->encoder->sample_fmt);
    a->sent += (uint64_t)samples;
    if (avcodec_send_frame(a->encoder, f) < 0)
        return err_set(err, ERR_INTERNAL, "LAME takes no more");
    return drain(a, sink, err) < 0 ? -1 : 0;
}

/* How many of `have` samples may still be encoded. */
static int wanted(const struct audio *a, int have)
{
    uint64_t all = a->opts.shape.samples;
    return all && all - a->sent < (uint64_t)have ? (int)(all - a->sent) : have;
}

/* Encodes whole frames; the last, shorter one when the announced end is reached. */
static int encode_ready(struct audio *a, const struct media_sink *sink, struct err *err)
{
    for (;;) {
        int have = wanted(a, av_audio_fifo_size(a->fifo));
        bool last = a->opts.shape.samples && a->sent + (uint64_t)have == a->opts.shape.samples;
        if (have == 0 || (have < MP3_FRAME_SAMPLES && !last))
            break;
        if (encode(a, have < MP3_FRAME_SAMPLES ? have : MP3_FRAME_SAMPLES, sink, err) < 0)
            return -1;
    }
    if (a->opts.shape.samples && a->sent == a->opts.shape.samples) {
        a->over += (uint64_t)av_audio_fifo_size(a->fifo);
        av_audio_fifo_reset(a->fifo);
        if (a->over > (uint64_t)a->encoder->sample_rate * SLACK_S)
            return err_set(err, ERR_UPSTREAM_FAILED, "the sound is longer than was said");
    }
    return 0;
}

/* ---- Decoding ---- */

static int resampler_for(struct audio *a, AVFrame *f, struct err *err)
{
    if (a->resampler && a->heard.rate_hz == f->sample_rate && a->heard.format == f->format &&
        a->heard.channels == f->ch_layout.nb_channels)
        return 0;
    swr_free(&a->resampler);
    a->heard.rate_hz = f->sample_rate;
    a->heard.format = f->format;
    a->heard.channels = f->ch_layout.nb_channels;
    if (swr_alloc_set_opts2(&a->resampler, &a->encoder->ch_layout, a->encoder->sample_fmt,
                            a->encoder->sample_rate, &f->ch_layout, (enum AVSampleFormat)f->format,
                            f->sample_rate, 0, NULL) < 0 ||
        swr_init(a->resampler) < 0)
        return err_set(err, ERR_UPSTREAM_FAILED, "sound of %d Hz with %d channels", f->sample_rate,
                       f->ch_layout.nb_channels);
    return 0;
}

/* Takes a decoded frame through the resampler into the fifo; NULL: what the resampler still holds. */
static int take(struct audio *a, AVFrame *f, struct err *err)
{
    AVFrame *to = a->out;
    int room = a->resampler ? swr_get_out_samples(a->resampler, f ? f->nb_samples : 0) : 0;
    if (room <= 0)
        return 0;
    av_frame_unref(to);
    to->nb_samples = room;
    to->format = a->encoder->sample_fmt;
    if (av_channel_layout_copy(&to->ch_layout, &a->encoder->ch_layout) < 0 || av_frame_get_buffer(to, 0) < 0)
        return err_set(err, ERR_INTERNAL, "out of memory");
    int n = swr_convert(a->resampler, to->data, room, f ? (const uint8_t **)f->extended_data : NULL,
                        f ? f->nb_samples : 0);
    if (n < 0 || av_audio_fifo_write(a->fifo, (void **)to->data, n) < n)
        return err_set(err, ERR_INTERNAL, "resampling failed");
    return 0;
}

/* Decodes one packet (NULL: the end) and encodes what comes of it. A packet that is broken is passed over:
 * decoders recover, and the announced length holds all the same. */
static int decode(struct audio *a, const AVPacket *p, const struct media_sink *sink, struct err *err)
{
    if (avcodec_send_packet(a->decoder, p) < 0)
        return 0;
    while (avcodec_receive_frame(a->decoder, a->decoded) >= 0) {
        AVFrame *f = a->decoded;
        if (f->nb_samples > FRAME_SAMPLES_MAX || f->sample_rate < RATE_MIN || f->ch_layout.nb_channels <= 0)
            return err_set(err, ERR_UPSTREAM_FAILED, "broken sound");
        if (resampler_for(a, f, err) < 0 || take(a, f, err) < 0 || encode_ready(a, sink, err) < 0)
            return -1;
    }
    return 0;
}

static int read_all(struct audio *a, const struct media_sink *sink, struct err *err)
{
    AVPacket *p = av_packet_alloc();
    int rc = p ? 1 : err_set(err, ERR_INTERNAL, "out of memory");
    while (rc > 0 && (rc = input_read(a->in, p, err)) > 0) {
        if (p->stream_index == a->from->index && decode(a, p, sink, err) < 0)
            rc = -1;
        av_packet_unref(p);
    }
    av_packet_free(&p);
    if (rc < 0 || decode(a, NULL, sink, err) < 0 || take(a, NULL, err) < 0)
        return -1;
    return encode_ready(a, sink, err);
}

/* The end of the source: silence up to the announced length, or the odd samples of the last frame. */
static int finish(struct audio *a, const struct media_sink *sink, struct err *err)
{
    uint64_t all = a->opts.shape.samples;
    uint64_t missing = all ? all - a->sent : (uint64_t)av_audio_fifo_size(a->fifo);
    if (all && missing > (uint64_t)a->encoder->sample_rate * SLACK_S + MP3_FRAME_SAMPLES)
        return err_set(err, ERR_UPSTREAM_FAILED, "the sound is shorter than was said");
    if (!all && a->sent + missing == 0)
        return err_set(err, ERR_UPSTREAM_FAILED, "no sound came out of it");
    while (missing) {
        int n = missing < MP3_FRAME_SAMPLES ? (int)missing : MP3_FRAME_SAMPLES;
        if (encode(a, n, sink, err) < 0)
            return -1;
        missing -= (uint64_t)n;
    }
    if (avcodec_send_frame(a->encoder, NULL) < 0)
        return err_set(err, ERR_INTERNAL, "LAME does not end");
    int rc = drain(a, sink, err);
    return rc < 0 ? -1 : 0;
}

int audio_run(struct audio *a, const struct media_sink *sink, struct err *err)
{
    buf_init(&a->head, MP3_TAG_COVER_BYTES + 4096);
    if (mp3_add_head(&a->head, &a->opts.shape, a->opts.tags) < 0)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (read_all(a, sink, err) < 0)
        return -1;
    return finish(a, sink, err);
}
