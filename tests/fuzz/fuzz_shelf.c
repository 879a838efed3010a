/* Files of the shelf: what lies there is taken only when it is, to the bit, what was written. The input is
 * tried as a file as it is; then it is made into a proper one, and that with one bit changed. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "cache/shelf_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NOW = 1000, FOR_A_WHILE = 2000 };

static char dir[] = "/tmp/sluice-fuzz-shelf-XXXXXX";
static char name[SHELF_NAME_LEN + 1];
static char path[sizeof dir + sizeof name];

static void clean(void)
{
    (void)unlink(path);
    (void)rmdir(dir);
}

static void prepare(void)
{
    struct err err = {0};
    if (!mkdtemp(dir) || hash_init(&err) < 0 || atexit(clean) != 0)
        abort();
    log_init("fuzz", LOG_ERROR);
    hash_sha256_hex("key", 3, name);
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
}

/* Whether the shelf takes it; what it takes has to be all there. */
static bool is_taken(const void *file, size_t size)
{
    struct err err = {0};
    struct shelf_file f;
    char head[16];
    if (io_write_cache_file(path, file, size, &err) < 0)
        abort();
    bool peeked = shelf_file_peek(dir, name, NOW, head, sizeof head);
    if (shelf_file_open(dir, name, NOW, &f) < 0)
        return false;
    if (f.expires_unix_s <= NOW || f.len > size ||
        memcmp(f.data, (const char *)file + size - f.len, f.len) != 0 || peeked != (f.len >= sizeof head))
        abort();
    shelf_file_fini(&f);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_(buf) struct buf file = BUF_INIT(1 << 20);
    if (!*name)
        prepare();
    (void)is_taken(data, size);
    if (shelf_file_begin(&file) < 0 || buf_add(&file, data, size) < 0)
        return 0;
    shelf_file_seal(&file, name, FOR_A_WHILE);
    if (!is_taken(file.data, file.len))
        abort();
    size_t bit = 0;
    for (size_t i = 0; i < size; i++)
        bit = bit * 131 + data[i];
    bit %= file.len * 8;
    file.data[bit / 8] ^= (char)(1 << bit % 8);
    if (is_taken(file.data, file.len))
        abort();
    return 0;
}
