/* See chunked.h. */
#include "net/chunked.h"

enum { LINE_MAX_BYTES = 16 * 1024, DIGITS_MAX = 15 };

static int digit(char c)
{
    return c >= '0' && c <= '9'                     ? c - '0'
           : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                    : -1;
}

/* One byte that is not data. -1: it cannot stand here. */
static int step(struct chunked *c, char byte)
{
    if (++c->line > LINE_MAX_BYTES)
        return -1;
    switch (c->part) {
    case CHUNK_SIZE:
        if (digit(byte) >= 0) {
            c->left = c->left * 16 + (unsigned)digit(byte);
            return ++c->digits <= DIGITS_MAX ? 0 : -1;
        }
        if (c->digits == 0)
            return -1;
        c->part = CHUNK_EXTENSION;
        /* fall through */
    case CHUNK_EXTENSION:
        if (byte != '\n')
            return 0;
        c->part = c->left ? CHUNK_DATA : CHUNK_TRAILER;
        c->line = c->digits = 0;
        return 0;
    case CHUNK_END:
        if (byte == '\n') {
            c->part = CHUNK_SIZE;
            c->line = 0;
            return 0;
        }
        return byte == '\r' && c->line == 1 ? 0 : -1;
    case CHUNK_TRAILER: /* `digits` counts what its line has */
        if (byte == '\n') {
            c->ended = c->digits == 0;
            c->digits = 0;
        } else if (byte != '\r') {
            c->digits = 1;
        }
        return 0;
    case CHUNK_DATA:
        break;
    }
    return -1;
}

ssize_t chunked_read(struct chunked *c, const char *data, size_t len, const char **body, size_t *body_len)
{
    *body_len = 0;
    size_t at = 0;
    while (at < len && !c->ended && c->part != CHUNK_DATA) {
        if (step(c, data[at++]) < 0)
            return -1;
    }
    if (c->part == CHUNK_DATA && at < len) {
        *body = data + at;
        *body_len = len - at < c->left ? len - at : (size_t)c->left;
        c->left -= *body_len;
        at += *body_len;
        if (c->left == 0) {
            c->part = CHUNK_END;
            c->line = 0;
        }
    }
    return (ssize_t)at;
}
