/* A growing byte buffer that always has a maximum.
 *
 * Failure (over the maximum, out of memory) is sticky: the content is freed, `failed` stays true, every later
 * append is a no-op returning -1. So a caller may append many times and check once. `data` is terminated by a
 * zero byte that `len` does not count, and is NULL only while nothing was appended.
 * Threads: none of its own. Ownership: embedded; buf_fini() when done. */
#ifndef SLUICE_BASE_BUF_H
#define SLUICE_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/defs.h"

struct buf {
    char *data;
    size_t len;
    size_t cap;
    size_t max; /* bytes of content at most */
    bool failed;
};

/* A buffer on the stack: struct buf b = BUF_INIT(4096); */
#define BUF_INIT(max_bytes)                                                                                  \
    {                                                                                                        \
        .max = (max_bytes)                                                                                   \
    }

void buf_init(struct buf *b, size_t max_bytes);
void buf_fini(struct buf *b);
/* Forgets content and failure, keeps the maximum and the memory. */
void buf_clear(struct buf *b);
/* All return 0, or -1 when the buffer has failed, now or before. */
int buf_add(struct buf *b, const void *data, size_t len);
int buf_addc(struct buf *b, char c);
int buf_adds(struct buf *b, const char *s);
int buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Makes room for `len` more bytes and returns where they go (then add to b->len yourself), or NULL. */
char *buf_reserve(struct buf *b, size_t len);
/* The content as a C string; "" while empty or failed. Borrowed. */
const char *buf_str(const struct buf *b);
/* Hands the memory to the caller (free()); NULL when failed; an empty buffer gives "". */
char *buf_steal(struct buf *b);

DEFINE_AUTO(buf, buf_fini)

#endif
