/* Any pasted text. Whatever is accepted is printable ASCII and reads the same again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "site/link.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct link link;
    static struct link again;
    if (link_parse(&link, (const char *)data, size) == LINK_BAD) {
        check(link.url[0] == '\0' && link.id[0] == '\0');
        return 0;
    }
    size_t len = strlen(link.url);
    check(strncmp(link.url, "http://", 7) == 0 || strncmp(link.url, "https://", 8) == 0);
    for (size_t i = 0; i < len; i++)
        check(link.url[i] > ' ' && link.url[i] < 0x7f && link.url[i] != '\\');
    check(strlen(link.id) == (link.kind == LINK_YOUTUBE_VIDEO ? 11 : 0));
    if (len <= LINK_MAX_BYTES) {
        check(link_parse(&again, link.url, len) == link.kind);
        check(strcmp(link.url, again.url) == 0 && strcmp(link.id, again.id) == 0);
    }
    return 0;
}
