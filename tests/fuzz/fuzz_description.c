/* Remembered descriptions. What is accepted is written again as the same bytes: the cache compares them. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "site/description.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err;
    auto_ptr(description) struct description *d = NULL;
    auto_(buf) struct buf form = BUF_INIT(16 << 20);
    if (description_parse(&d, data, size, &err) < 0)
        return 0;
    if (description_serialise(d, &form) < 0 || form.len != size || memcmp(form.data, data, size) != 0)
        abort();
    return 0;
}
