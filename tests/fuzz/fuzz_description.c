/* Remembered descriptions. What is accepted is written and read again without change. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "site/description.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err;
    auto_ptr(description) struct description *d = NULL;
    auto_ptr(description) struct description *back = NULL;
    auto_(buf) struct buf first = BUF_INIT(16 << 20);
    auto_(buf) struct buf second = BUF_INIT(16 << 20);
    if (description_parse(&d, (const char *)data, size, &err) < 0)
        return 0;
    if (description_to_json(d, &first) < 0 || description_parse(&back, first.data, first.len, &err) < 0 ||
        description_to_json(back, &second) < 0 || strcmp(buf_str(&first), buf_str(&second)) != 0)
        abort();
    return 0;
}
