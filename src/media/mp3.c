/* See mp3.h. ID3v2.3 (id3.org, 1999); the frame header: ISO 11172-3 §2.4.1.3; "Info": the Xing header as LAME
 * writes it (gabriel.mp3-tech.org/mp3infotag.html). */
#include "media/mp3.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

enum {
    SIDE_INFO_BYTES = 32, /* of a stereo frame */
    TOC_ENTRIES = 100,
    INFO_TAG_END = 192,  /* where the LAME tag ends, in the frame */
    ENCODER_DELAY = 576, /* samples that LAME puts before the sound; decoders add 529 of their own */
    FRAMES_MOST = 1 << 30,
    ID3_HEADER_BYTES = 10,
};

/* ---- Sizes ---- */

static int rate_index(int rate_hz)
{
    return rate_hz == 44100 ? 0 : rate_hz == 48000 ? 1 : rate_hz == 32000 ? 2 : -1;
}

static int bitrate_index(int kbps)
{
    static const int table[] = {0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320};
    for (int i = 1; i < (int)ARRAY_LEN(table); i++) {
        if (table[i] == kbps)
            return i;
    }
    return -1;
}

/* Bytes of a frame without padding. */
static uint64_t frame_bytes(const struct mp3_shape *s)
{
    return (uint64_t)s->kbps * 144000 / (uint64_t)s->rate_hz;
}

bool mp3_shape_valid(const struct mp3_shape *s)
{
    return rate_index(s->rate_hz) >= 0 && bitrate_index(s->kbps) > 0 && frame_bytes(s) >= INFO_TAG_END &&
           s->samples / MP3_FRAME_SAMPLES < FRAMES_MOST;
}

uint64_t mp3_frames(const struct mp3_shape *s)
{
    return (s->samples + MP3_FRAME_SAMPLES - 1) / MP3_FRAME_SAMPLES + 1;
}

/* The encoder's frames together. Where a frame's bytes come out broken, LAME pads some with one byte: it
 * carries the rest along, beginning with the second frame. */
static uint64_t sound_bytes(const struct mp3_shape *s)
{
    uint64_t frames = mp3_frames(s);
    uint64_t rate = (uint64_t)s->rate_hz;
    uint64_t rest = (uint64_t)s->kbps * 144000 % rate;
    return frames * frame_bytes(s) + ((frames - 1) * rest + rate - 1) / rate;
}

uint64_t mp3_size(const struct mp3_shape *s)
{
    return s->samples ? s->tag_bytes + frame_bytes(s) + sound_bytes(s) : 0;
}

/* ---- ID3 ---- */

static void put(struct buf *out, uint64_t n, int bytes)
{
    while (bytes-- > 0)
        (void)buf_addc(out, (char)(n >> (8 * bytes)));
}

/* UTF-16 with its mark, as every reader of ID3v2.3 takes it. */
static void put_utf16(struct buf *out, const char *text)
{
    static const unsigned char mark[] = {0xff, 0xfe};
    size_t left = strlen(text);
    (void)buf_add(out, mark, sizeof mark);
    for (size_t used = 0; left && used < MP3_TAG_TEXT_MAX;) {
        uint32_t c;
        size_t n = text_utf8_next(text, left, &c);
        if (n == 0) {
            c = 0xfffd;
            n = 1;
        }
        uint32_t high = c >= 0x10000 ? 0xd800 + ((c - 0x10000) >> 10) : 0;
        uint32_t low = c >= 0x10000 ? 0xdc00 + ((c - 0x10000) & 0x3ff) : c;
        for (int i = high ? 0 : 1; i < 2; i++) {
            uint32_t unit = i ? low : high;
            (void)buf_addc(out, (char)unit);
            (void)buf_addc(out, (char)(unit >> 8));
        }
        text += n;
        left -= n;
        used += n;
    }
}

static void put_frame(struct buf *out, const char *id, const struct buf *content)
{
    (void)buf_adds(out, id);
    put(out, content->len, 4);
    put(out, 0, 2);
    (void)buf_add(out, content->data, content->len);
}

static void put_text(struct buf *out, const char *id, const char *text)
{
    auto_(buf) struct buf content = BUF_INIT(4 * MP3_TAG_TEXT_MAX);
    if (!text || !*text)
        return;
    (void)buf_addc(&content, 1); /* UTF-16 */
    if (strcmp(id, "COMM") == 0) /* language, and a description that is empty */
        (void)buf_add(&content, "eng\xff\xfe\0", 7);
    put_utf16(&content, text);
    put_frame(out, id, &content);
}

/* "2026-01-31": the year, and day and month; the one frame for all of it came with ID3v2.4. */
static void put_date(struct buf *out, const char *date)
{
    char year[5];
    char day[5];
    if (!date || strlen(date) != 10)
        return;
    (void)snprintf(year, sizeof year, "%.4s", date);
    (void)snprintf(day, sizeof day, "%.2s%.2s", date + 8, date + 5);
    put_text(out, "TYER", year);
    put_text(out, "TDAT", day);
}

static void put_cover(struct buf *out, const struct mp4_tags *tags, size_t end)
{
    static const size_t around = 10 + 1 + sizeof "image/jpeg" + 2;
    const unsigned char *c = tags->cover;
    bool jpeg = c && tags->cover_len > 4 && memcmp(c, "\xff\xd8\xff", 3) == 0;
    bool png = c && tags->cover_len > 4 && memcmp(c, "\x89PNG", 4) == 0;
    if ((!jpeg && !png) || out->len + around > end || tags->cover_len > end - out->len - around)
        return;
    auto_(buf) struct buf content = BUF_INIT(MP3_TAG_COVER_BYTES);
    (void)buf_addc(&content, 0); /* Latin-1 */
    (void)buf_add(&content, jpeg ? "image/jpeg" : "image/png", jpeg ? 11 : 10);
    (void)buf_add(&content, "\3", 2); /* front cover; no description */
    (void)buf_add(&content, c, tags->cover_len);
    put_frame(out, "APIC", &content);
}

static void put_zeros(struct buf *out, size_t n)
{
    char *to = buf_reserve(out, n);
    if (to) {
        memset(to, 0, n);
        out->len += n;
    }
}

static void put_tag(struct buf *out, const struct mp3_shape *s, const struct mp4_tags *tags)
{
    static const struct mp4_tags none = {.title = NULL};
    const struct mp4_tags *t = tags ? tags : &none;
    size_t end = out->len + s->tag_bytes;
    size_t size = s->tag_bytes - ID3_HEADER_BYTES;
    (void)buf_add(out, "ID3\3\0\0", 6);
    for (int shift = 21; shift >= 0; shift -= 7) /* seven bits a byte */
        (void)buf_addc(out, (char)(size >> shift & 0x7f));
    put_text(out, "TIT2", t->title);
    put_text(out, "TPE1", t->artist);
    put_date(out, t->date);
    put_text(out, "COMM", t->comment);
    put_cover(out, t, end);
    if (!out->failed)
        put_zeros(out, end - out->len);
}

/* ---- Info ---- */

/* CRC-16/ARC, as the LAME tag has it. */
static uint16_t crc16(const char *data, size_t len)
{
    uint16_t crc = 0;
    for (size_t i = 0; i < len; i++) {
        crc ^= (unsigned char)data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (uint16_t)(crc & 1 ? crc >> 1 ^ 0xa001 : crc >> 1);
    }
    return crc;
}

static void put_info(struct buf *out, const struct mp3_shape *s)
{
    size_t start = out->len;
    uint64_t frames = mp3_frames(s);
    uint64_t padding = frames * MP3_FRAME_SAMPLES - s->samples - ENCODER_DELAY;
    put(out, 0xfffb, 2); /* MPEG-1 layer III without CRC */
    put(out, (unsigned)bitrate_index(s->kbps) << 4 | (unsigned)rate_index(s->rate_hz) << 2, 1);
    put(out, 0x40, 1); /* joint stereo */
    put_zeros(out, SIDE_INFO_BYTES);
    (void)buf_adds(out, "Info");
    put(out, 0x0f, 4); /* all of the following is there */
    put(out, frames, 4);
    put(out, frame_bytes(s) + sound_bytes(s), 4);
    for (unsigned i = 0; i < TOC_ENTRIES; i++)
        put(out, i * 256 / TOC_ENTRIES, 1);
    put(out, 0, 4);                   /* quality: not stated */
    (void)buf_adds(out, "LAME3.100"); /* readers look for the name before they believe the delays */
    put(out, 1, 1);                   /* tag revision 0, constant bit rate */
    put_zeros(out, 10);               /* low pass, peak, gains, noise shaping: not stated */
    put(out, (uint64_t)(s->kbps < 255 ? s->kbps : 255), 1);
    put(out, ENCODER_DELAY << 12 | (padding & 0xfff), 3);
    put_zeros(out, 4); /* kind of stereo, gain, preset */
    put(out, frame_bytes(s) + sound_bytes(s), 4);
    put(out, 0, 2); /* CRC of the sound: not known yet */
    if (!out->failed)
        put(out, crc16(out->data + start, INFO_TAG_END - 2), 2);
    if (!out->failed)
        put_zeros(out, (size_t)frame_bytes(s) - INFO_TAG_END);
}

int mp3_add_head(struct buf *out, const struct mp3_shape *s, const struct mp4_tags *tags)
{
    if (s->tag_bytes)
        put_tag(out, s, tags);
    if (s->samples)
        put_info(out, s);
    return out->failed ? -1 : 0;
}
