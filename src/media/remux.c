/* See remux.h. */
#include "media/remux.h"

#include <string.h>

#include <libavcodec/avcodec.h>
#include <libavcodec/bsf.h>
#include <libavutil/base64.h>
#include <libavutil/mem.h>

#include "media/input.h"

enum {
    OUT_BYTES = 64 * 1024,
    TRACKS = 2,                  /* picture, sound */
    AHEAD_MAX = 512,             /* packets looked at before the header is written */
    JUMP_US = 10 * AV_TIME_BASE, /* a transport stream whose clock moves more than this has been cut there */
};

/* One track of the output. */
struct track {
    AVStream *from; /* NULL: there is none */
    AVStream *to;
    AVBSFContext *unframe; /* takes AAC out of its transport framing (ADTS); NULL: not needed */
    bool begun;
    int64_t last_dts, last_duration; /* in the time base of `to` */
};

/* One input and the packets taken from it that are not written yet. */
struct feed {
    struct input *in;
    AVPacket *ahead[AHEAD_MAX];
    size_t ahead_at, ahead_count;
    bool ended;
    int64_t shift_us; /* added to its timestamps */
    int64_t clock_us; /* the latest dts, as shifted; AV_NOPTS_VALUE: none yet */
};

struct remux {
    const struct remux_opts *opts;
    const struct media_sink *sink;
    bool unwanted; /* the sink has said so */
    struct feed feeds[REMUX_INPUTS_MAX];
    size_t feed_count;
    struct track tracks[TRACKS];
    AVFormatContext *out;
    AVIOContext *io;
};

static const enum AVMediaType track_types[TRACKS] = {AVMEDIA_TYPE_VIDEO, AVMEDIA_TYPE_AUDIO};

static void remux_free(struct remux *r)
{
    for (size_t i = 0; i < TRACKS; i++)
        av_bsf_free(&r->tracks[i].unframe);
    for (size_t i = 0; i < REMUX_INPUTS_MAX; i++) {
        for (size_t k = r->feeds[i].ahead_at; k < r->feeds[i].ahead_count; k++)
            av_packet_free(&r->feeds[i].ahead[k]);
        input_close(r->feeds[i].in);
    }
    avformat_free_context(r->out);
    if (r->io)
        av_freep(&r->io->buffer);
    avio_context_free(&r->io);
    free(r);
}

/* ---- Output ---- */

static int write_bytes(void *ctx, uint8_t *data, int len)
{
    struct remux *r = ctx;
    if (!r->unwanted && r->sink->write(r->sink->ctx, data, (size_t)len) < 0)
        r->unwanted = true;
    return r->unwanted ? AVERROR_EXIT : len;
}

/* -1 with the reason for a libav error while writing. */
static int out_failed(const struct remux *r, int rc, struct err *err)
{
    if (r->unwanted)
        return err_set(err, ERR_OK, "not wanted any more");
    return err_set(err, rc == AVERROR(ENOMEM) ? ERR_INTERNAL : ERR_UPSTREAM_FAILED, "remux: %s",
                   av_err2str(rc));
}

static const char *muxer_of(enum remux_to to)
{
    static const char *const names[] = {[REMUX_WEBM] = "webm", [REMUX_OGG] = "opus", [REMUX_MP4] = "mp4"};
    return names[to];
}

static bool fits(enum remux_to to, enum AVCodecID codec)
{
    switch (codec) {
    case AV_CODEC_ID_OPUS:
        return true;
    case AV_CODEC_ID_VP8:
    case AV_CODEC_ID_VORBIS:
        return to == REMUX_WEBM;
    case AV_CODEC_ID_VP9:
    case AV_CODEC_ID_AV1:
        return to != REMUX_OGG;
    case AV_CODEC_ID_H264:
    case AV_CODEC_ID_HEVC:
    case AV_CODEC_ID_MPEG4:
    case AV_CODEC_ID_AAC:
    case AV_CODEC_ID_MP3:
    case AV_CODEC_ID_AC3:
    case AV_CODEC_ID_EAC3:
    case AV_CODEC_ID_FLAC:
        return to == REMUX_MP4;
    default:
        return false;
    }
}

static int open_output(struct remux *r, struct err *err)
{
    unsigned char *buffer = av_malloc(OUT_BYTES);
    if (buffer)
        r->io = avio_alloc_context(buffer, OUT_BYTES, 1, r, NULL, write_bytes, NULL);
    if (buffer && !r->io)
        av_free(buffer);
    if (!r->io || avformat_alloc_output_context2(&r->out, NULL, muxer_of(r->opts->to), NULL) < 0)
        return err_set(err, ERR_INTERNAL, "out of memory");
    r->io->seekable = 0;
    r->out->pb = r->io;
    r->out->flags |= AVFMT_FLAG_BITEXACT; /* the same file every time: no random ids, no version */
    return 0;
}

/* ---- Tags ---- */

static void put32(struct buf *b, size_t n)
{
    const unsigned char bytes[4] = {(unsigned char)(n >> 24), (unsigned char)(n >> 16),
                                    (unsigned char)(n >> 8), (unsigned char)n};
    (void)buf_add(b, bytes, sizeof bytes);
}

/* METADATA_BLOCK_PICTURE of Vorbis comments: a FLAC picture block (front cover) in base64. */
static void set_cover(AVDictionary **to, const struct mp4_tags *tags)
{
    bool png = tags->cover_len > 4 && memcmp(tags->cover, "\x89PNG", 4) == 0;
    bool jpeg = tags->cover_len > 4 && memcmp(tags->cover, "\xff\xd8\xff", 3) == 0;
    const char *type = png ? "image/png" : "image/jpeg";
    auto_(buf) struct buf block = BUF_INIT(MP4_TAG_COVER_MAX + 64);
    put32(&block, 3);
    put32(&block, strlen(type));
    (void)buf_adds(&block, type);
    for (int i = 0; i < 5; i++) /* no description; size and depth are in the picture */
        put32(&block, 0);
    put32(&block, tags->cover_len);
    (void)buf_add(&block, tags->cover, tags->cover_len);
    int room = AV_BASE64_SIZE((int)block.len);
    char *text = block.failed || (!png && !jpeg) ? NULL : av_malloc((size_t)room);
    if (text && av_base64_encode(text, room, (const uint8_t *)block.data, (int)block.len))
        (void)av_dict_set(to, "METADATA_BLOCK_PICTURE", text, 0);
    av_free(text);
}

static void set_tags(struct remux *r)
{
    const struct mp4_tags *t = r->opts->tags;
    if (!t)
        return;
    AVDictionary **to = r->opts->to == REMUX_OGG ? &r->out->streams[0]->metadata : &r->out->metadata;
    const char *const pairs[][2] = {
        {"title", t->title}, {"artist", t->artist}, {"date", t->date}, {"comment", t->comment}};
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        if (pairs[i][1] && *pairs[i][1])
            (void)av_dict_set(to, pairs[i][0], pairs[i][1], 0);
    }
    if (r->opts->to == REMUX_OGG && t->cover && t->cover_len)
        set_cover(to, t);
}

/* ---- Input ---- */

static struct track *track_of(struct remux *r, const struct feed *f, int stream)
{
    for (size_t i = 0; i < TRACKS; i++) {
        if (r->tracks[i].from && r->tracks[i].from == f->in->format->streams[stream])
            return &r->tracks[i];
    }
    return NULL;
}

/* Takes one more packet of a track we want: 1; 0 at the end; -1. */
static int take_packet(struct remux *r, struct feed *f, struct err *err)
{
    AVPacket *p = av_packet_alloc();
    if (!p)
        return err_set(err, ERR_INTERNAL, "out of memory");
    int rc;
    while ((rc = input_read(f->in, p, err)) > 0 && !track_of(r, f, p->stream_index))
        av_packet_unref(p);
    if (rc > 0)
        f->ahead[f->ahead_count++] = p;
    else
        av_packet_free(&p);
    f->ended = rc <= 0;
    return rc;
}

/* Has a packet at hand, unless the input is at its end. */
static int refill(struct remux *r, struct feed *f, struct err *err)
{
    if (f->ahead_at < f->ahead_count || f->ended)
        return 0;
    f->ahead_at = f->ahead_count = 0;
    return take_packet(r, f, err) < 0 ? -1 : 0;
}

static bool is_known(const AVStream *s)
{
    return !s || s->codecpar->width > 0 || s->codecpar->sample_rate > 0;
}

static int open_feed(struct remux *r, const struct media_reader *reader, struct err *err)
{
    static const struct input_limits limits = {
        .budget = 64 << 20, /* the moov of a very long film, or what lies between two packets */
        .window_first = 64 * 1024,
        .window_most = 256 * 1024,
        .decoders = "aac,mp3float,mp3",
    };
    struct feed *f = &r->feeds[r->feed_count++];
    if (input_open(&f->in, reader, &limits, err) < 0)
        return -1;
    /* MP4 wants to know more than the headers of other containers say. */
    bool known = r->opts->to != REMUX_MP4 && is_known(input_pick(f->in, AVMEDIA_TYPE_VIDEO)) &&
                 is_known(input_pick(f->in, AVMEDIA_TYPE_AUDIO));
    if (!known && input_analyse(f->in, err) < 0)
        return -1;
    for (size_t i = 0; i < TRACKS; i++) {
        if (!r->tracks[i].from && (r->opts->to != REMUX_OGG || track_types[i] == AVMEDIA_TYPE_AUDIO))
            r->tracks[i].from = input_pick(f->in, track_types[i]);
    }
    for (unsigned i = 0; i < f->in->format->nb_streams; i++) {
        if (!track_of(r, f, (int)i))
            f->in->format->streams[i]->discard = AVDISCARD_ALL;
    }
    /* A transport stream begins at any time of its clock. */
    if (f->in->format->iformat->flags & AVFMT_TS_DISCONT && f->in->format->start_time != AV_NOPTS_VALUE)
        f->shift_us = -f->in->format->start_time;
    f->clock_us = AV_NOPTS_VALUE;
    return 0;
}

/* An MP4 states the depth of VP9, which is nowhere in WebM's headers. */
static bool is_measured(const struct remux *r, const AVCodecParameters *par)
{
    bool has_depth = r->opts->to != REMUX_MP4 || par->codec_id != AV_CODEC_ID_VP9 || par->format >= 0;
    return par->width > 0 && has_depth;
}

/* By the profile, with which a frame of VP9 begins (two bits behind the marker, the lower first); of the even
 * depths above 8 bits the usual one. */
static void measure_depth(AVCodecParameters *par, const AVPacket *p)
{
    static const enum AVPixelFormat formats[] = {AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUV444P, AV_PIX_FMT_YUV420P10,
                                                 AV_PIX_FMT_YUV444P10};
    if (par->codec_id == AV_CODEC_ID_VP9 && par->format < 0 && p->size > 0 && p->data[0] >> 6 == 2)
        par->format = formats[(p->data[0] >> 5 & 1) | (p->data[0] >> 3 & 2)];
}

/* The size of a picture that only its own bytes tell: the headers of its first packet, read by libavcodec's
 * parser. No decoder runs. */
static void measure(AVCodecParameters *par, const AVPacket *p)
{
    measure_depth(par, p);
    if (par->width > 0)
        return;
    AVCodecContext *codec = avcodec_alloc_context3(NULL);
    AVCodecParserContext *parser = av_parser_init((int)par->codec_id);
    if (codec && parser && avcodec_parameters_to_context(codec, par) >= 0) {
        uint8_t *data;
        int size;
        parser->flags |= PARSER_FLAG_COMPLETE_FRAMES;
        (void)av_parser_parse2(parser, codec, &data, &size, p->data, p->size, p->pts, p->dts, p->pos);
        par->width = parser->width;
        par->height = parser->height;
    }
    av_parser_close(parser);
    avcodec_free_context(&codec);
}

/* Looks ahead for the first picture where its size, or depth, is not known yet. */
static int find_size(struct remux *r, struct err *err)
{
    AVStream *from = r->tracks[0].from;
    for (size_t i = 0; from && i < r->feed_count; i++) {
        struct feed *f = &r->feeds[i];
        while (!is_measured(r, from->codecpar) && !f->ended && f->ahead_count < AHEAD_MAX) {
            if (take_packet(r, f, err) < 0)
                return -1;
            const AVPacket *p = f->ended ? NULL : f->ahead[f->ahead_count - 1];
            if (p && f->in->format->streams[p->stream_index] == from)
                measure(from->codecpar, p);
        }
    }
    return 0;
}

/* ---- From one to the other ---- */

/* What every container needs to know; muxers find out too late, and leak. */
static bool is_sane(const AVCodecParameters *par)
{
    static const struct {
        enum AVCodecID codec;
        int least; /* bytes of the codec's own header */
    } headers[] = {{AV_CODEC_ID_OPUS, 19}, {AV_CODEC_ID_FLAC, 34}, {AV_CODEC_ID_VORBIS, 30}};
    for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
        if (par->codec_id == headers[i].codec && par->extradata_size < headers[i].least)
            return false;
    }
    if (par->codec_type == AVMEDIA_TYPE_VIDEO)
        return par->width > 0 && par->height > 0;
    return par->sample_rate > 0 && par->ch_layout.nb_channels > 0;
}

/* The muxer would do this by itself, but not for fragments. */
static int add_unframe(struct track *t, struct err *err)
{
    const AVCodecParameters *par = t->from->codecpar;
    if (par->codec_id != AV_CODEC_ID_AAC || par->extradata_size)
        return 0;
    if (av_bsf_alloc(av_bsf_get_by_name("aac_adtstoasc"), &t->unframe) < 0 ||
        avcodec_parameters_copy(t->unframe->par_in, par) < 0)
        return err_set(err, ERR_INTERNAL, "out of memory");
    t->unframe->time_base_in = t->from->time_base;
    return av_bsf_init(t->unframe) < 0 ? err_set(err, ERR_UPSTREAM_FAILED, "remux: broken AAC") : 0;
}

static int add_track(struct remux *r, struct track *t, struct err *err)
{
    if (!t->from)
        return 0;
    if (!fits(r->opts->to, t->from->codecpar->codec_id))
        return err_set(err, ERR_UNSUPPORTED_SITE, "%s does not fit into %s",
                       avcodec_get_name(t->from->codecpar->codec_id), muxer_of(r->opts->to));
    if (!is_sane(t->from->codecpar))
        return err_set(err, ERR_UPSTREAM_FAILED, "remux: headers that lack what matters");
    t->to = avformat_new_stream(r->out, NULL);
    if (!t->to || avcodec_parameters_copy(t->to->codecpar, t->from->codecpar) < 0)
        return err_set(err, ERR_INTERNAL, "out of memory");
    t->to->codecpar->codec_tag = 0; /* the container's own */
    t->to->time_base = t->from->time_base;
    t->to->avg_frame_rate = t->from->avg_frame_rate;
    t->to->sample_aspect_ratio = t->from->sample_aspect_ratio;
    const AVDictionaryEntry *language = av_dict_get(t->from->metadata, "language", NULL, 0);
    if (language && strlen(language->value) == 3)
        (void)av_dict_set(&t->to->metadata, "language", language->value, 0);
    return r->opts->to == REMUX_MP4 ? add_unframe(t, err) : 0;
}

static int64_t duration_us(const struct remux *r)
{
    int64_t longest = 0;
    if (r->opts->duration_ms && r->opts->duration_ms < INT64_MAX / 1000)
        return (int64_t)r->opts->duration_ms * 1000;
    for (size_t i = 0; i < r->feed_count; i++) {
        int64_t us = r->feeds[i].in->format->duration;
        longest = us > longest ? us : longest;
    }
    return longest;
}

static int begin(struct remux *r, struct err *err)
{
    AVDictionary *o = NULL;
    if (!r->tracks[0].from && !r->tracks[1].from)
        return err_set(err, ERR_UNSUPPORTED_SITE, "neither picture nor sound");
    if (find_size(r, err) < 0 || open_output(r, err) < 0)
        return -1;
    for (size_t i = 0; i < TRACKS; i++) {
        if (add_track(r, &r->tracks[i], err) < 0)
            return -1;
    }
    set_tags(r);
    r->out->duration = duration_us(r);
    if (r->opts->to == REMUX_WEBM) {
        /* Opus begins at minus its CodecDelay; see set_times(). */
        r->out->avoid_negative_ts = AVFMT_AVOID_NEG_TS_DISABLED;
        /* A cluster is held until it is whole: small enough to flow, large enough to cost nothing. */
        (void)av_dict_set(&o, "cluster_time_limit", "1000", 0);
        (void)av_dict_set(&o, "cluster_size_limit", "524288", 0);
    } else if (r->opts->to == REMUX_MP4) {
        /* delay_moov: the header waits for the first packets, so that the edit list, which keeps sound and
         * picture together, is in it. So does a fragment: 5 s or 4 MiB at most. */
        (void)av_dict_set(&o, "movflags", "frag_keyframe+delay_moov+default_base_moof", 0);
        (void)av_dict_set(&o, "use_editlist", "1", 0);
        (void)av_dict_set(&o, "frag_duration", "5000000", 0);
        (void)av_dict_set(&o, "frag_size", "4194304", 0);
    }
    int rc = avformat_write_header(r->out, &o);
    av_dict_free(&o);
    if (rc < 0 && !r->unwanted)
        return err_set(err, ERR_UNSUPPORTED_SITE, "%s refuses: %s", muxer_of(r->opts->to), av_err2str(rc));
    return rc < 0 ? out_failed(r, rc, err) : 0;
}

static int64_t packet_us(const struct feed *f, const AVPacket *p)
{
    int64_t ts = p->dts != AV_NOPTS_VALUE ? p->dts : p->pts;
    AVRational base = f->in->format->streams[p->stream_index]->time_base;
    return ts == AV_NOPTS_VALUE ? ts : av_rescale_q(ts, base, AV_TIME_BASE_Q) + f->shift_us;
}

/* Follows the clock of an input; a transport stream that was cut goes on where it was. */
static void follow_clock(struct feed *f, const AVPacket *p)
{
    int64_t us = packet_us(f, p);
    if (us == AV_NOPTS_VALUE)
        return;
    if (f->clock_us != AV_NOPTS_VALUE && f->in->format->iformat->flags & AVFMT_TS_DISCONT &&
        (us > f->clock_us + JUMP_US || us < f->clock_us - JUMP_US)) {
        f->shift_us += f->clock_us - us;
        us = f->clock_us;
    }
    if (f->clock_us == AV_NOPTS_VALUE || us > f->clock_us)
        f->clock_us = us;
}

/* In Matroska a block's time is the packet's plus the track's CodecDelay. libavformat 59 (ffmpeg 5) writes
 * the one but forgets the other; later versions add it. The unit test tells. */
static int64_t codec_delay(const struct remux *r, const struct track *t)
{
    const AVCodecParameters *par = t->from->codecpar;
    if (LIBAVFORMAT_VERSION_MAJOR > 59 || r->opts->to != REMUX_WEBM || par->codec_id != AV_CODEC_ID_OPUS)
        return 0;
    return av_rescale_q(par->initial_padding, (AVRational){1, 48000}, t->from->time_base);
}

/* The container wants decoding times that are there and grow; most inputs have them, and keep them. */
static void set_times(const struct remux *r, const struct feed *f, struct track *t, AVPacket *p)
{
    int64_t shift = av_rescale_q(f->shift_us, AV_TIME_BASE_Q, t->from->time_base) + codec_delay(r, t);
    if (p->pts != AV_NOPTS_VALUE)
        p->pts += shift;
    if (p->dts != AV_NOPTS_VALUE)
        p->dts += shift;
    av_packet_rescale_ts(p, t->from->time_base, t->to->time_base);
    if (p->dts == AV_NOPTS_VALUE && t->begun)
        p->dts = t->last_dts + t->last_duration;
    else if (p->dts ==
             AV_NOPTS_VALUE) /* Matroska says nothing of it until the pictures held back are known */
        p->dts = p->pts == AV_NOPTS_VALUE ? 0 : p->pts - t->from->codecpar->video_delay * p->duration;
    if (t->begun && p->dts <= t->last_dts)
        p->dts = t->last_dts + 1;
    if (p->pts == AV_NOPTS_VALUE || p->pts < p->dts)
        p->pts = p->dts;
    t->begun = true;
    t->last_dts = p->dts;
    t->last_duration = p->duration > 0 ? p->duration : 1;
}

/* The input whose next packet is the earliest; NULL: all are at their end. */
static struct feed *next_feed(struct remux *r)
{
    struct feed *best = NULL;
    int64_t best_us = 0;
    for (size_t i = 0; i < r->feed_count; i++) {
        struct feed *f = &r->feeds[i];
        if (f->ahead_at == f->ahead_count)
            continue;
        int64_t us = packet_us(f, f->ahead[f->ahead_at]);
        us = us == AV_NOPTS_VALUE ? f->clock_us : us;
        if (!best || us < best_us) {
            best = f;
            best_us = us;
        }
    }
    return best;
}

static int pass(struct remux *r, struct feed *f, AVPacket *p, struct err *err)
{
    struct track *t = track_of(r, f, p->stream_index);
    if (!t ||
        (t->unframe && (av_bsf_send_packet(t->unframe, p) < 0 || av_bsf_receive_packet(t->unframe, p) < 0)))
        return 0; /* a frame that was cut, where one recording ends and the next begins */
    follow_clock(f, p);
    set_times(r, f, t, p);
    p->stream_index = t->to->index;
    p->pos = -1;
    int rc = av_interleaved_write_frame(r->out, p);
    return rc < 0 ? out_failed(r, rc, err) : 0;
}

static int run(struct remux *r, struct err *err)
{
    for (;;) {
        for (size_t i = 0; i < r->feed_count; i++) {
            if (refill(r, &r->feeds[i], err) < 0)
                return -1;
        }
        struct feed *f = next_feed(r);
        if (!f)
            break;
        AVPacket *p = f->ahead[f->ahead_at++];
        int rc = pass(r, f, p, err);
        av_packet_free(&p);
        if (rc < 0)
            return -1;
    }
    if (!r->tracks[0].begun && !r->tracks[1].begun)
        return err_set(err, ERR_UPSTREAM_FAILED, "remux: nothing but headers");
    int rc = av_write_trailer(r->out);
    return rc < 0 ? out_failed(r, rc, err) : 0;
}

int media_remux(const struct media_reader *inputs, size_t count, const struct remux_opts *opts,
                const struct media_sink *sink, struct err *err)
{
    struct remux *r = calloc(1, sizeof *r); /* AHEAD_MAX makes it too large for a thread's stack */
    if (!r)
        return err_set(err, ERR_INTERNAL, "out of memory");
    r->opts = opts;
    r->sink = sink;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count && i < REMUX_INPUTS_MAX; i++)
        rc = open_feed(r, &inputs[i], err);
    if (rc == 0)
        rc = begin(r, err);
    if (rc == 0)
        rc = run(r, err);
    remux_free(r);
    return rc;
}
