/* Rows of the cache as they come from the file: trailers and failures. What can be read can be written again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cache/entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_(buf) struct buf row = BUF_INIT(1 << 20);
    auto_(buf) struct buf again = BUF_INIT(1 << 20);
    enum entry_kind kind;
    int64_t made_unix_us;
    struct err failure, copy;
    if (buf_add(&row, data, size) < 0 || entry_open(&row, 0, &kind, &made_unix_us) < 0)
        return 0;
    if (entry_read_failure(row.data, &failure) < 0)
        return 0;
    if (entry_add_failure(&again, &failure) < 0 || entry_read_failure(again.data, &copy) < 0 ||
        copy.code != failure.code || copy.upstream_status != failure.upstream_status ||
        copy.retry_after_s != failure.retry_after_s || strcmp(copy.text, failure.text) != 0)
        abort();
    if (entry_seal(&again, kind, made_unix_us) < 0 || again.data[again.len - 1] != (char)kind)
        abort();
    return 0;
}
