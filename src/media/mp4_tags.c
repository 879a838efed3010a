/* Tags; see mp4_tags.h. */
#include "media/mp4_tags.h"

#include <string.h>

/* Well-known types of a `data` box. */
enum { DATA_UTF8 = 1, DATA_JPEG = 13, DATA_PNG = 14 };

static void write_item(struct mp4_writer *w, uint32_t type, uint32_t kind, const void *bytes, size_t len)
{
    uint64_t item = mp4_begin(w, type);
    uint64_t data = mp4_begin_full(w, MP4_CC('d', 'a', 't', 'a'), 0, kind);
    mp4_write_u32(w, 0); /* locale */
    mp4_write(w, bytes, len);
    mp4_end(w, data);
    mp4_end(w, item);
}

static void write_text(struct mp4_writer *w, uint32_t type, const char *text)
{
    size_t len = text ? strnlen(text, MP4_TAG_TEXT_MAX) : 0;
    while (len == MP4_TAG_TEXT_MAX && len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
        len--;
    if (len)
        write_item(w, type, DATA_UTF8, text, len);
}

/* The kind of picture, 0 for what is none. */
static uint32_t cover_kind(const struct mp4_tags *t)
{
    if (!t->cover || t->cover_len < 8 || t->cover_len > MP4_TAG_COVER_MAX)
        return 0;
    if (memcmp(t->cover, "\xff\xd8\xff", 3) == 0)
        return DATA_JPEG;
    return memcmp(t->cover, "\x89PNG\r\n\x1a\n", 8) == 0 ? DATA_PNG : 0;
}

static bool has_text(const char *s)
{
    return s && *s;
}

void mp4_tags_write(struct mp4_writer *w, const struct mp4_tags *t)
{
    uint32_t cover = t ? cover_kind(t) : 0;
    if (!t || (!cover && !has_text(t->title) && !has_text(t->artist) && !has_text(t->date) &&
               !has_text(t->comment)))
        return;
    uint64_t udta = mp4_begin(w, MP4_CC('u', 'd', 't', 'a'));
    uint64_t meta = mp4_begin_full(w, MP4_CC('m', 'e', 't', 'a'), 0, 0);
    uint64_t hdlr = mp4_begin_full(w, MP4_CC('h', 'd', 'l', 'r'), 0, 0);
    mp4_write_u32(w, 0);
    mp4_write_u32(w, MP4_CC('m', 'd', 'i', 'r'));
    mp4_write_u32(w, MP4_CC('a', 'p', 'p', 'l'));
    mp4_write_zeros(w, 9); /* reserved, empty name */
    mp4_end(w, hdlr);
    uint64_t ilst = mp4_begin(w, MP4_CC('i', 'l', 's', 't'));
    write_text(w, MP4_CC(0xa9, 'n', 'a', 'm'), t->title);
    write_text(w, MP4_CC(0xa9, 'A', 'R', 'T'), t->artist);
    write_text(w, MP4_CC(0xa9, 'd', 'a', 'y'), t->date);
    write_text(w, MP4_CC(0xa9, 'c', 'm', 't'), t->comment);
    if (cover)
        write_item(w, MP4_CC('c', 'o', 'v', 'r'), cover, t->cover, t->cover_len);
    mp4_end(w, ilst);
    mp4_end(w, meta);
    mp4_end(w, udta);
}
