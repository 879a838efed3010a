/* ISO base media file boxes (ISO/IEC 14496-12, section 4.2): reading with bounds, writing with known sizes.
 *
 * Reading: a cursor over bytes that never passes its end. Failure is sticky: after the first short read every
 * value is 0 and `bad` stays set, so a parser reads all fields and checks once.
 * Writing: the same code runs twice, first without memory to learn the exact size, then into that much. */
#ifndef SLUICE_MEDIA_MP4_BOX_H
#define SLUICE_MEDIA_MP4_BOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A box type or brand from its four characters. */
#define MP4_CC(a, b, c, d)                                                                                   \
    ((uint32_t)(unsigned char)(a) << 24 | (uint32_t)(unsigned char)(b) << 16 |                               \
     (uint32_t)(unsigned char)(c) << 8 | (uint32_t)(unsigned char)(d))

/* Borrowed bytes. */
struct mp4_span {
    const unsigned char *data;
    size_t len;
};

struct mp4_reader {
    const unsigned char *at, *end;
    bool bad;
};

struct mp4_box {
    uint32_t type;
    struct mp4_span whole;  /* with its header */
    struct mp4_reader body; /* what follows size and type */
};

struct mp4_reader mp4_reader_of(const void *data, size_t len);
size_t mp4_left(const struct mp4_reader *r);
uint8_t mp4_read_u8(struct mp4_reader *r);
uint16_t mp4_read_u16(struct mp4_reader *r);
uint32_t mp4_read_u32(struct mp4_reader *r);
uint64_t mp4_read_u64(struct mp4_reader *r);
/* 64 bits in version 1 of a box, 32 in version 0. */
uint64_t mp4_read_u32_or_64(struct mp4_reader *r, uint8_t version);
/* The version and flags of a FullBox: returns the flags. */
uint32_t mp4_read_full(struct mp4_reader *r, uint8_t *version);
void mp4_skip(struct mp4_reader *r, uint64_t len);

/* The next box, which must lie wholly inside `r`: true. At the end, or where the bytes are no box (r->bad):
 * false. */
bool mp4_next(struct mp4_reader *r, struct mp4_box *box);
/* The first child of that type: true. A malformed child before it sets r->bad. `r` itself does not move. */
bool mp4_find(struct mp4_reader *r, uint32_t type, struct mp4_box *box);

/* A header alone, for a box whose body is elsewhere. */
struct mp4_header {
    uint32_t type;
    uint32_t bytes; /* of the header: 8 or 16 */
    uint64_t size;  /* of the box with its header; 0: to the end of the file */
};

enum { MP4_HEADER_MAX = 16 };

/* 1: read; 0: more bytes needed (never with MP4_HEADER_MAX); -1: the size contradicts itself. */
int mp4_read_header(const void *data, size_t len, struct mp4_header *out);

struct mp4_writer {
    unsigned char *to;
    uint64_t cap; /* 0: only count */
    uint64_t len; /* may pass `cap`; nothing is written there */
};

void mp4_write_u8(struct mp4_writer *w, unsigned v);
void mp4_write_u16(struct mp4_writer *w, unsigned v);
void mp4_write_u32(struct mp4_writer *w, uint64_t v); /* the low 32 bits: for values of checked range */
void mp4_write_u64(struct mp4_writer *w, uint64_t v);
void mp4_write(struct mp4_writer *w, const void *data, size_t len);
void mp4_write_span(struct mp4_writer *w, struct mp4_span span);
void mp4_write_zeros(struct mp4_writer *w, size_t len);
/* Begin returns what end needs to write the size. Sizes here are below 4 GiB. */
uint64_t mp4_begin(struct mp4_writer *w, uint32_t type);
uint64_t mp4_begin_full(struct mp4_writer *w, uint32_t type, unsigned version, uint32_t flags);
void mp4_end(struct mp4_writer *w, uint64_t begun);
/* Overwrites 32 bits written before, e.g. an entry count known only afterwards. */
void mp4_patch_u32(struct mp4_writer *w, uint64_t at, uint64_t v);

#endif
