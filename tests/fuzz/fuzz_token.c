/* Opening tokens that anybody may have written. A token that opens without the key's owner having sealed it
 * is a bug. */
#include <stdint.h>
#include <stdlib.h>

#include "base/hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t key[SEAL_KEY_BYTES] = {7};
    struct err err;
    uint32_t id;
    auto_(buf) struct buf token = BUF_INIT(65536);
    auto_(buf) struct buf out = BUF_INIT(65536);
    (void)hash_init(&err);
    if (buf_add(&token, data, size) < 0)
        return 0;
    (void)seal_key_id(buf_str(&token), &id);
    if (seal_open(&out, buf_str(&token), key, &err) == 0)
        abort();
    return 0;
}
