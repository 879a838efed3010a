/* Looking at a media file through libavformat, on the leash of input.h; see probe.h. No decoder runs but
 * those of AAC and MP3: bare frames tell rate and channels no other way. */
#include "media/probe.h"

#include <string.h>

#include "base/text.h"
#include "media/codec_name.h"
#include "media/input.h"

/* Whether the file's headers said all we report, so that no packet has to be read for it. */
static bool headers_suffice(const struct input *in)
{
    const AVStream *v = input_pick(in, AVMEDIA_TYPE_VIDEO);
    const AVStream *a = input_pick(in, AVMEDIA_TYPE_AUDIO);
    bool timed = in->format->duration > 0 || (v && v->duration > 0) || (a && a->duration > 0);
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

/* libav passes on what a file says, negative or not. */
static int count_of(int n)
{
    return n > 0 ? n : 0;
}

static int describe(const struct input *in, struct media_probe *out, struct err *err)
{
    const AVFormatContext *f = in->format;
    const AVStream *v = input_pick(in, AVMEDIA_TYPE_VIDEO);
    const AVStream *a = input_pick(in, AVMEDIA_TYPE_AUDIO);
    const char *container = container_of(f->iformat->name, in->head, v, a);
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
        out->width = count_of(v->codecpar->width);
        out->height = count_of(v->codecpar->height);
        out->fps = v->avg_frame_rate.num > 0 && v->avg_frame_rate.den > 0 ? av_q2d(v->avg_frame_rate) : 0;
    }
    if (a) {
        out->has_audio = true;
        out->sample_rate = count_of(a->codecpar->sample_rate);
        out->channels = count_of(a->codecpar->ch_layout.nb_channels);
    }
    out->duration_ms = duration_ms_of(f);
    out->bitrate = f->bit_rate > 0 ? f->bit_rate : 0;
    uint64_t size = in->reader->size;
    if (out->bitrate == 0 && out->duration_ms > 0 && size < INT64_MAX / 8000)
        out->bitrate = (int64_t)(size * 8000 / out->duration_ms);
    copy_tag(out->title, sizeof out->title, f, a, "title");
    copy_tag(out->artist, sizeof out->artist, f, a, "artist");
    return 0;
}

int media_probe(const struct media_reader *reader, struct media_probe *out, struct err *err)
{
    static const struct input_limits limits = {
        .budget = PROBE_READ_BUDGET,
        .window_first = 64 * 1024,
        .window_most = 1024 * 1024,
        .decoders = "aac,mp3float,mp3",
    };
    auto_ptr(input) struct input *in = NULL;
    memset(out, 0, sizeof *out);
    if (input_open(&in, reader, &limits, err) < 0)
        return -1;
    if (!headers_suffice(in) && input_analyse(in, err) < 0)
        return -1;
    return describe(in, out, err);
}
