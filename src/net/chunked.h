/* The chunked coding of a body, RFC 9112 7.1. Private to net/. No memory, no I/O; threads: none. */
#ifndef SLUICE_NET_CHUNKED_H
#define SLUICE_NET_CHUNKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct chunked {
    enum { CHUNK_SIZE, CHUNK_EXTENSION, CHUNK_DATA, CHUNK_END, CHUNK_TRAILER } part; /* that comes next */
    bool ended;
    uint64_t left;   /* of the chunk */
    unsigned digits; /* of its size */
    size_t line;     /* bytes of the line, or of all trailers */
};

/* Takes some of the `len` > 0 bytes; what of them is body is [*body, *body + *body_len), maybe nothing.
 * Returns how many were taken, -1 where that is no chunked body. Nothing follows where c->ended. */
ssize_t chunked_read(struct chunked *c, const char *data, size_t len, const char **body, size_t *body_len);

#endif
