/* Random access to bytes that somebody else fetches. media/ knows no URL: it asks a reader. */
#ifndef SLUICE_MEDIA_READER_H
#define SLUICE_MEDIA_READER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct media_reader {
    /* Reads up to `len` bytes at `offset` into `to`; *got < len only at the end of the resource. */
    int (*read_at)(void *ctx, uint64_t offset, void *to, size_t len, size_t *got, struct err *err);
    void *ctx;
    uint64_t size; /* of the whole resource; 0: unknown */
};

#endif
