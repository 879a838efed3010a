/* Codec names; see codec_name.h. The layouts are those of the sample entries' configuration boxes. */
#include "media/codec_name.h"

#include <libavcodec/avcodec.h>

/* ISO 14496-15, 5.3.3: AVCDecoderConfigurationRecord, or (in MPEG-TS) an SPS in Annex B framing. */
static int add_avc(struct buf *out, const uint8_t *x, size_t len)
{
    if (len >= 4 && x[0] == 1)
        return buf_addf(out, "avc1.%02x%02x%02x", x[1], x[2], x[3]);
    for (size_t i = 0; i + 7 <= len; i++)
        if (x[i] == 0 && x[i + 1] == 0 && x[i + 2] == 1 && (x[i + 3] & 0x1f) == 7)
            return buf_addf(out, "avc1.%02x%02x%02x", x[i + 4], x[i + 5], x[i + 6]);
    return buf_adds(out, "avc1");
}

/* ISO 14496-15, annex E.3: hvc1.PROFILE.COMPATIBILITY.TIER-LEVEL[.CONSTRAINTS…] from an hvcC. */
static int add_hevc(struct buf *out, const uint8_t *x, size_t len)
{
    static const char *const space[] = {"", "A", "B", "C"};
    if (len < 13 || x[0] != 1)
        return buf_adds(out, "hvc1");
    uint32_t compatibility = 0; /* in reverse bit order */
    for (unsigned bit = 0; bit < 32; bit++)
        compatibility |= (uint32_t)(x[2 + bit / 8] >> (7 - bit % 8) & 1) << bit;
    buf_addf(out, "hvc1.%s%u.%X.%c%u", space[x[1] >> 6], x[1] & 0x1fu, (unsigned)compatibility,
             x[1] & 0x20 ? 'H' : 'L', x[12]);
    size_t last = 12; /* trailing constraint bytes that are zero are left out */
    while (last > 6 && x[last - 1] == 0)
        last--;
    for (size_t i = 6; i < last; i++)
        buf_addf(out, ".%X", x[i]);
    return out->failed ? -1 : 0;
}

/* AV1 in ISOBMFF, section 5: av01.PROFILE.LEVEL-TIER.DEPTH from an av1C. */
static int add_av1(struct buf *out, const uint8_t *x, size_t len)
{
    if (len < 4 || x[0] != 0x81)
        return buf_adds(out, "av01");
    unsigned depth = x[2] & 0x40 ? (x[2] & 0x20 ? 12 : 10) : 8;
    return buf_addf(out, "av01.%u.%02u%c.%02u", x[1] >> 5, x[1] & 0x1fu, x[2] & 0x80 ? 'H' : 'M', depth);
}

/* ISO 14496-3: an AudioSpecificConfig begins with the audio object type, 5 bits, 31 meaning 32 + 6 more. */
static int add_aac(struct buf *out, const uint8_t *x, size_t len)
{
    unsigned type = 2; /* AAC-LC */
    if (len >= 2) {
        type = x[0] >> 3;
        if (type == 31)
            type = 32 + ((x[0] & 7u) << 3 | x[1] >> 5);
    }
    return buf_addf(out, "mp4a.40.%u", type);
}

int codec_name_add(struct buf *out, const AVCodecParameters *par)
{
    static const struct {
        enum AVCodecID id;
        const char *name;
    } plain[] = {
        {AV_CODEC_ID_VP8, "vp8"},   {AV_CODEC_ID_VP9, "vp9"}, /* libavformat keeps no vpcC */
        {AV_CODEC_ID_OPUS, "opus"}, {AV_CODEC_ID_VORBIS, "vorbis"}, {AV_CODEC_ID_FLAC, "flac"},
        {AV_CODEC_ID_MP3, "mp3"},   {AV_CODEC_ID_AC3, "ac-3"},      {AV_CODEC_ID_EAC3, "ec-3"},
        {AV_CODEC_ID_ALAC, "alac"}, {AV_CODEC_ID_MPEG4, "mp4v.20"},
    };
    const uint8_t *x = par->extradata;
    size_t len = x && par->extradata_size > 0 ? (size_t)par->extradata_size : 0;
    switch (par->codec_id) {
    case AV_CODEC_ID_H264:
        return add_avc(out, x, len);
    case AV_CODEC_ID_HEVC:
        return add_hevc(out, x, len);
    case AV_CODEC_ID_AV1:
        return add_av1(out, x, len);
    case AV_CODEC_ID_AAC:
        return add_aac(out, x, len);
    default:
        for (size_t i = 0; i < ARRAY_LEN(plain); i++)
            if (plain[i].id == par->codec_id)
                return buf_adds(out, plain[i].name);
        return buf_adds(out, avcodec_get_name(par->codec_id));
    }
}
