/* File names; see names.h. */
#include "http/names.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/text.h"

enum {
    NAME_MAX_BYTES = 180,   /* of 255 on common filesystems: leaves room for " (1)", ".part", ".crdownload" */
    TITLE_MAX_BYTES = 4096, /* what is looked at of a title */
    ZWNJ = 0x200c,
    ZWJ = 0x200d,
};

/* Letters and symbols by category that show as nothing: Hangul fillers, blank braille pattern. */
static bool is_invisible(uint32_t c)
{
    return c == 0x115f || c == 0x1160 || c == 0x3164 || c == 0xffa0 || c == 0x2800;
}

/* What a code point becomes in a name: itself, another one, or 0 for nothing. Joiners stay because Persian
 * spelling and emoji families need them; add_clean() puts them only between other characters. */
static uint32_t map_code_point(uint32_t c)
{
    if (c == '"')
        return '\'';
    if (c < 0x80 && strchr("/\\:*?<>|\t\n\r", (int)c)) /* separators, and what Windows forbids */
        return ' ';
    if (c == ZWJ || c == ZWNJ)
        return c;
    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF: /* bidirectional overrides and isolates, byte order mark, tags */
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
        return 0;
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
        return ' ';
    default:
        return is_invisible(c) ? ' ' : c;
    }
}

/* Appends the harmless characters of valid UTF-8 `s`: no blank or dot at the start, no two blanks in a row,
 * joiners only behind something to join. A leading dash goes too: "-rf.mp4" is an option to many a tool. */
static void add_clean(struct buf *out, const char *s)
{
    uint32_t before = ' ';
    size_t n;
    for (size_t left = strlen(s); left; s += n, left -= n) {
        uint32_t c = 0;
        n = text_utf8_next(s, left, &c);
        if (n == 0) {
            n = 1;
            continue;
        }
        c = map_code_point(c);
        bool joiner = c == ZWJ || c == ZWNJ;
        if (c == 0 || (before == ' ' && (c == ' ' || joiner)) ||
            (joiner && (before == ZWJ || before == ZWNJ)))
            continue;
        if (out->len == 0 && (c == '.' || c == '-'))
            continue;
        utf8proc_uint8_t encoded[4];
        utf8proc_ssize_t len = utf8proc_encode_char((utf8proc_int32_t)c, encoded);
        (void)buf_add(out, encoded, (size_t)len);
        before = c;
    }
}

/* Ends *name after at most `room` bytes, on a code point, without blanks, dots or joiners at the end. */
static void cut(struct buf *name, size_t room)
{
    size_t n = name->len < room ? name->len : room;
    while (n && n < name->len && ((unsigned char)name->data[n] & 0xc0) == 0x80)
        n--;
    while (n) {
        if (name->data[n - 1] == ' ' || name->data[n - 1] == '.')
            n--;
        else if (n >= 3 && (memcmp(name->data + n - 3, "\xe2\x80\x8c", 3) == 0 ||
                            memcmp(name->data + n - 3, "\xe2\x80\x8d", 3) == 0))
            n -= 3;
        else
            break;
    }
    if (name->data) {
        name->len = n;
        name->data[n] = '\0';
    }
}

/* Windows opens a device for these, whatever follows the first dot (and blanks before it). */
static bool is_device_name(const char *name)
{
    static const char *const plain[] = {"con", "prn", "aux", "nul", "conin$", "conout$"};
    static const char *const numbered[] = {"com", "lpt"};
    static const char *const numbers[] = {"0", "1", "2", "3",        "4",        "5",       "6",
                                          "7", "8", "9", "\xc2\xb9", "\xc2\xb2", "\xc2\xb3"};
    char stem[8];
    size_t n = strcspn(name, ".");
    while (n && name[n - 1] == ' ')
        n--;
    if (n >= sizeof stem)
        return false;
    memcpy(stem, name, n);
    stem[n] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
        if (text_equal_nocase(stem, plain[i]))
            return true;
    }
    if (n < 4)
        return false;
    const char *tail = name + 3;
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        if (strlen(numbers[i]) == n - 3 && memcmp(tail, numbers[i], n - 3) == 0) {
            stem[3] = '\0';
            return text_equal_nocase(stem, numbered[0]) || text_equal_nocase(stem, numbered[1]);
        }
    }
    return false;
}

int http_file_name(struct buf *out, const char *title, const char *extension)
{
    auto_(buf) struct buf valid = BUF_INIT(3 * TITLE_MAX_BYTES); /* U+FFFD takes three bytes */
    auto_(buf) struct buf clean = BUF_INIT(3 * TITLE_MAX_BYTES);
    auto_(buf) struct buf name = BUF_INIT(32 * TITLE_MAX_BYTES);
    utf8proc_uint8_t *nfc = NULL;
    size_t extension_len = strlen(extension);
    (void)text_utf8_clean(&valid, title, strnlen(title, TITLE_MAX_BYTES));
    add_clean(&clean, buf_str(&valid));
    /* Behind the cleaning: what it takes out may have kept a letter and its accent apart. No canonical
     * composition yields a character that cleaning removes. */
    if (utf8proc_map((const utf8proc_uint8_t *)buf_str(&clean), 0, &nfc,
                     UTF8PROC_NULLTERM | UTF8PROC_STABLE | UTF8PROC_COMPOSE) >= 0)
        (void)buf_adds(&name, (const char *)nfc);
    free(nfc);
    cut(&name, extension_len + 2 < NAME_MAX_BYTES ? NAME_MAX_BYTES - 2 - extension_len : 0); /* '.', '_' */

    if (name.len == 0)
        (void)buf_adds(out, "media");
    else if (is_device_name(buf_str(&name)))
        (void)buf_addc(out, '_');
    (void)buf_adds(out, buf_str(&name));
    (void)buf_addc(out, '.');
    return buf_adds(out, extension);
}

int http_content_disposition(struct buf *out, const char *file_name)
{
    (void)buf_adds(out, "attachment; filename=\"");
    for (const char *p = file_name; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if ((c & 0xc0) == 0x80)
            continue; /* one '_' per code point */
        /* '%' and '\' mean different things to different clients inside quotes (RFC 6266, appendix D). */
        bool plain = c >= 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '%';
        (void)buf_addc(out, plain ? (char)c : '_');
    }
    (void)buf_adds(out, "\"; filename*=UTF-8''");
    return text_percent_encode(out, file_name);
}
