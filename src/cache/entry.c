/* See entry.h. */
#include "cache/entry.h"

#include <string.h>

#include "base/text.h"

enum { RETRY_AFTER_MAX_S = 86400 };

int entry_seal(struct buf *b, enum entry_kind kind, int64_t made_unix_us)
{
    uint8_t trailer[ENTRY_TRAILER_BYTES];
    for (int i = 0; i < 8; i++)
        trailer[i] = (uint8_t)((uint64_t)made_unix_us >> (56 - 8 * i));
    trailer[8] = (uint8_t)kind;
    return buf_add(b, trailer, sizeof trailer);
}

int entry_open(struct buf *b, size_t from, enum entry_kind *kind, int64_t *made_unix_us)
{
    if (b->len - from < ENTRY_TRAILER_BYTES)
        return -1;
    b->len -= ENTRY_TRAILER_BYTES;
    uint8_t trailer[ENTRY_TRAILER_BYTES];
    memcpy(trailer, b->data + b->len, sizeof trailer);
    b->data[b->len] = '\0';
    uint64_t made = 0;
    for (int i = 0; i < 8; i++)
        made = made << 8 | trailer[i];
    *made_unix_us = (int64_t)made;
    *kind = (enum entry_kind)trailer[8];
    return *kind == ENTRY_VALUE || *kind == ENTRY_HANDOVER || *kind == ENTRY_FAILURE ? 0 : -1;
}

int entry_add_failure(struct buf *b, const struct err *failure)
{
    return buf_addf(b, "%s %d %d %s", err_info(failure->code)->name, failure->upstream_status,
                    failure->retry_after_s, failure->text);
}

int entry_read_failure(const char *text, struct err *failure)
{
    char name[64];
    uint64_t numbers[2];
    size_t n = strcspn(text, " ");
    if (n == 0 || n >= sizeof name || text[n] == '\0')
        return -1;
    memcpy(name, text, n);
    name[n] = '\0';
    for (int i = 0; i < 2; i++) {
        text += n + 1;
        n = strcspn(text, " ");
        if (text[n] == '\0' || text_parse_u64n(text, n, 0, i ? RETRY_AFTER_MAX_S : 999, &numbers[i]) < 0)
            return -1;
    }
    (void)err_set(failure, err_code_of(name), "%s", text + n + 1);
    failure->upstream_status = (int)numbers[0];
    failure->retry_after_s = (int)numbers[1];
    return 0;
}
