/* Boxes; see mp4_box.h. */
#include "media/mp4_box.h"

#include <endian.h>
#include <string.h>

static uint64_t big_endian(const unsigned char *p, size_t len)
{
    uint64_t v = 0;
    for (size_t i = 0; i < len; i++)
        v = v << 8 | p[i];
    return v;
}

struct mp4_reader mp4_reader_of(const void *data, size_t len)
{
    const unsigned char *at = data;
    return (struct mp4_reader){.at = at, .end = len ? at + len : at};
}

size_t mp4_left(const struct mp4_reader *r)
{
    return (size_t)(r->end - r->at);
}

void mp4_skip(struct mp4_reader *r, uint64_t len)
{
    if (len > mp4_left(r)) {
        r->bad = true;
        r->at = r->end;
    } else {
        r->at += len;
    }
}

static uint64_t take(struct mp4_reader *r, size_t len)
{
    const unsigned char *from = r->at;
    mp4_skip(r, len);
    return r->bad ? 0 : big_endian(from, len);
}

uint8_t mp4_read_u8(struct mp4_reader *r)
{
    return (uint8_t)take(r, 1);
}

uint16_t mp4_read_u16(struct mp4_reader *r)
{
    return (uint16_t)take(r, 2);
}

uint32_t mp4_read_u32(struct mp4_reader *r)
{
    return (uint32_t)take(r, 4);
}

uint64_t mp4_read_u64(struct mp4_reader *r)
{
    return take(r, 8);
}

uint64_t mp4_read_u32_or_64(struct mp4_reader *r, uint8_t version)
{
    return take(r, version == 1 ? 8 : 4);
}

uint32_t mp4_read_full(struct mp4_reader *r, uint8_t *version)
{
    uint32_t word = mp4_read_u32(r);
    *version = (uint8_t)(word >> 24);
    return word & 0xffffff;
}

int mp4_read_header(const void *data, size_t len, struct mp4_header *out)
{
    const unsigned char *p = data;
    if (len < 8)
        return 0;
    *out = (struct mp4_header){.type = (uint32_t)big_endian(p + 4, 4), .bytes = 8, .size = big_endian(p, 4)};
    if (out->size == 1) { /* largesize */
        if (len < MP4_HEADER_MAX)
            return 0;
        out->bytes = MP4_HEADER_MAX;
        out->size = big_endian(p + 8, 8);
        if (out->size < out->bytes)
            return -1;
    }
    return out->size == 0 || out->size >= out->bytes ? 1 : -1;
}

bool mp4_next(struct mp4_reader *r, struct mp4_box *box)
{
    struct mp4_header h;
    if (r->bad || r->at == r->end)
        return false;
    if (mp4_read_header(r->at, mp4_left(r), &h) != 1 || h.size == 0 || h.size > mp4_left(r)) {
        r->bad = true;
        return false;
    }
    *box = (struct mp4_box){.type = h.type, .whole = {r->at, (size_t)h.size}};
    box->body = mp4_reader_of(r->at + h.bytes, (size_t)h.size - h.bytes);
    r->at += h.size;
    return true;
}

bool mp4_find(struct mp4_reader *r, uint32_t type, struct mp4_box *box)
{
    struct mp4_reader from_here = *r;
    while (mp4_next(&from_here, box))
        if (box->type == type)
            return true;
    r->bad = from_here.bad;
    return false;
}

void mp4_write(struct mp4_writer *w, const void *data, size_t len)
{
    if (len && w->len <= w->cap && len <= w->cap - w->len)
        memcpy(w->to + w->len, data, len);
    w->len += len;
}

/* The low `len` bytes of v, most significant first. */
static inline void put(struct mp4_writer *w, uint64_t v, size_t len)
{
    uint64_t bytes = htobe64(v << (64 - 8 * len));
    mp4_write(w, &bytes, len);
}

void mp4_write_u8(struct mp4_writer *w, unsigned v)
{
    put(w, v, 1);
}

void mp4_write_u16(struct mp4_writer *w, unsigned v)
{
    put(w, v, 2);
}

void mp4_write_u32(struct mp4_writer *w, uint64_t v)
{
    put(w, v, 4);
}

void mp4_write_u64(struct mp4_writer *w, uint64_t v)
{
    put(w, v, 8);
}

void mp4_write_span(struct mp4_writer *w, struct mp4_span span)
{
    mp4_write(w, span.data, span.len);
}

void mp4_write_zeros(struct mp4_writer *w, size_t len)
{
    for (; len > 0; len--)
        put(w, 0, 1);
}

uint64_t mp4_begin(struct mp4_writer *w, uint32_t type)
{
    uint64_t begun = w->len;
    mp4_write_u32(w, 0);
    mp4_write_u32(w, type);
    return begun;
}

uint64_t mp4_begin_full(struct mp4_writer *w, uint32_t type, unsigned version, uint32_t flags)
{
    uint64_t begun = mp4_begin(w, type);
    mp4_write_u8(w, version);
    put(w, flags, 3);
    return begun;
}

void mp4_patch_u32(struct mp4_writer *w, uint64_t at, uint64_t v)
{
    struct mp4_writer back = {.to = w->to, .cap = w->cap, .len = at};
    mp4_write_u32(&back, v);
}

void mp4_end(struct mp4_writer *w, uint64_t begun)
{
    mp4_patch_u32(w, begun, w->len - begun);
}
