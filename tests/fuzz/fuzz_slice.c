/* Files of slices: what lies there is taken only when it is, to the bit, what was written. The input is tried
 * as a file as it is; then it is made the bytes of a proper one, and that with one bit changed, in the head
 * or behind it. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/io.h"
#include "cache/slice_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char name[] = "0123456789abcdef0123456789abcdef-00002a";
static char path[] = "/tmp/sluice-fuzz-slice-XXXXXX";

static void clean(void)
{
    (void)unlink(path);
}

static void prepare(void)
{
    struct err err = {0};
    int fd = mkstemp(path);
    if (fd < 0 || close(fd) < 0 || hash_init(&err) < 0 || atexit(clean) != 0)
        abort();
}

static bool is_taken(const void *file, size_t size)
{
    struct err err = {0};
    struct slice_head head;
    if (io_write_cache_file(path, file, size, &err) < 0)
        abort();
    if (!slice_file_is_good(path, name, &head))
        return false;
    if (head.length + SLICE_HEAD_BYTES != size || strcmp(head.name, name) != 0)
        abort();
    return true;
}

/* A whole file of these bytes. */
static void make(struct buf *file, const uint8_t *data, size_t size)
{
    struct slice_head head = {.length = size};
    struct err err = {0};
    memcpy(head.name, name, sizeof name);
    for (size_t i = 0; i * SLICE_BLOCK_BYTES < size; i++)
        head.sums[i] = hash_fast64(data + i * SLICE_BLOCK_BYTES, slice_block_len(&head, i));
    int fd = open(path, O_RDWR | O_TRUNC | O_CLOEXEC);
    if (fd < 0 || slice_head_write(fd, &head) < 0 ||
        pwrite(fd, data, size, SLICE_HEAD_BYTES) != (ssize_t)size || close(fd) < 0 ||
        io_read_file(path, file, &err) < 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_(buf) struct buf file = BUF_INIT(4 << 20);
    static bool ready;
    if (!ready)
        prepare();
    ready = true;
    (void)is_taken(data, size);
    if (size == 0 || size > SLICE_BYTES)
        return 0;
    make(&file, data, size);
    if (!is_taken(file.data, file.len))
        abort();
    size_t bit = 0;
    for (size_t i = 0; i < size; i++)
        bit = bit * 131 + data[i];
    /* Behind the head the first page is empty, and nobody's. */
    bit %= (sizeof(struct slice_head) + size) * 8;
    size_t byte = bit / 8 < sizeof(struct slice_head)
                      ? bit / 8
                      : bit / 8 - sizeof(struct slice_head) + SLICE_HEAD_BYTES;
    file.data[byte] ^= (char)(1 << bit % 8);
    if (is_taken(file.data, file.len))
        abort();
    return 0;
}
