/* Titles on their way into file names, headers and HTML. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/text.h"
#include "http/html.h"
#include "http/names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check_name(const char *name)
{
    auto_(buf) struct buf valid = BUF_INIT(1024);
    uint32_t c = 0;
    size_t len = strlen(name);
    require(len > 4 && len <= 180 && text_ends_with(name, ".mp4") && !text_has_control(name));
    require(!strpbrk(name, "/\\:*?\"<>|") && !strchr(".- ", name[0]) && !strchr(". ", name[len - 5]));
    require(text_utf8_clean(&valid, name, len) == 0 && strcmp(buf_str(&valid), name) == 0);
    for (size_t i = 0; i < len;) {
        i += text_utf8_next(name + i, len - i, &c);
        require(!(c >= 0x202a && c <= 0x202e) && !(c >= 0x2066 && c <= 0x2069) && c != 0xfeff);
    }
    utf8proc_uint8_t *nfc = utf8proc_NFC((const utf8proc_uint8_t *)name);
    require(nfc && strcmp((const char *)nfc, name) == 0);
    free(nfc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_(buf) struct buf title = BUF_INIT(1 << 20);
    auto_(buf) struct buf name = BUF_INIT(1024);
    auto_(buf) struct buf header = BUF_INIT(4096);
    auto_(buf) struct buf html = BUF_INIT(8 << 20);
    auto_(buf) struct buf arg = BUF_INIT(8 << 20);
    if (buf_add(&title, data, size) < 0)
        return 0;
    require(http_file_name(&name, buf_str(&title), "mp4") == 0);
    check_name(buf_str(&name));
    require(http_content_disposition(&header, buf_str(&name)) == 0 && !text_has_control(buf_str(&header)));
    for (size_t i = 0; i < header.len; i++)
        require((unsigned char)header.data[i] < 0x7f);
    require(html_attr(&html, buf_str(&title)) == 0 && !strpbrk(buf_str(&html), "<>\"'"));
    require(html_url_arg(&arg, buf_str(&title)) == 0 && !strpbrk(buf_str(&arg), "<>\"'&#+ "));
    return 0;
}
