/* The chunked coding: however the bytes are cut, the same body comes out, and nothing is read beyond them. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "net/chunked.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Decodes in parts of at most `part` bytes; the bytes of body, SIZE_MAX where it is none. */
static size_t decode(const uint8_t *data, size_t size, size_t part, char *out, bool *ended)
{
    struct chunked c = {0};
    size_t len = 0;
    size_t at = 0;
    while (at < size && !c.ended) {
        const char *body = NULL;
        size_t body_len = 0;
        size_t n = part < size - at ? part : size - at;
        ssize_t took = chunked_read(&c, (const char *)data + at, n, &body, &body_len);
        if (took < 0)
            return SIZE_MAX;
        assert(took > 0 && (size_t)took <= n && body_len <= n);
        if (body_len)
            memcpy(out + len, body, body_len);
        len += body_len;
        at += (size_t)took;
    }
    *ended = c.ended;
    return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *whole = malloc(size + 1);
    char *parts = malloc(size + 1);
    bool whole_ended = false;
    bool parts_ended = false;
    assert(whole && parts);
    for (size_t part = 1; part < 8; part++) {
        size_t len = decode(data, size, size ? size : 1, whole, &whole_ended);
        assert(decode(data, size, part, parts, &parts_ended) == len && whole_ended == parts_ended);
        assert(len == SIZE_MAX || memcmp(whole, parts, len) == 0);
    }
    free(whole);
    free(parts);
    return 0;
}
