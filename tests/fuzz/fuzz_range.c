/* Range, If-Range and If-None-Match. Input: header, entity tag and total, one a line. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "http/range.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *header, const char *etag, uint64_t total)
{
    struct http_range r = http_range_parse(header, total);
    bool sane = r.kind == HTTP_RANGE_WHOLE  ? r.offset == 0 && r.length == total
                : r.kind == HTTP_RANGE_PART ? r.offset < total && r.length > 0 && r.length <= total - r.offset
                                            : r.kind == HTTP_RANGE_BAD && r.offset == 0 && r.length == 0;
    /* What holds as If-Range is a strong tag, and so it is listed, too. */
    bool holds = http_if_range_holds(header, etag);
    bool listed = http_etag_listed(header, etag);
    if (!sane ||
        (holds && !listed && !strchr(etag + 1, ',') && strchr(etag + 1, '"') == etag + strlen(etag) - 1))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t total = 0;
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    char *etag = text + strcspn(text, "\n");
    if (*etag)
        *etag++ = '\0';
    char *number = etag + strcspn(etag, "\n");
    if (*number)
        *number++ = '\0';
    (void)text_parse_u64(number, 0, UINT64_MAX, &total);
    check(text, etag, total);
    free(text);
    return 0;
}
