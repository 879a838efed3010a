/* Parsing and cleaning of text that comes from outside. Nothing here allocates or keeps state. */
#ifndef SLUICE_BASE_TEXT_H
#define SLUICE_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* Decimal digits only, the whole of `s`, `least` ≤ value ≤ `most`. Returns 0 or -1. */
int text_parse_u64(const char *s, uint64_t least, uint64_t most, uint64_t *out);
/* As above for a slice of `len` bytes; an empty slice is an error. */
int text_parse_u64n(const char *s, size_t len, uint64_t least, uint64_t most, uint64_t *out);

/* Decodes one code point at s (n bytes left, n > 0): its length 1…4, or 0 where the bytes are not valid UTF-8
 * (overlong forms, surrogates and values over U+10FFFF included). */
size_t text_utf8_next(const char *s, size_t n, uint32_t *code_point);
/* Appends `s` with every invalid byte replaced by U+FFFD. */
int text_utf8_clean(struct buf *out, const char *s, size_t len);

/* Percent-decodes `s`; '+' becomes a space when `form` is set. -1 on a bad escape or a decoded NUL byte. */
int text_percent_decode(struct buf *out, const char *s, size_t len, bool form);
/* Appends `s` with everything but RFC 3986 unreserved characters percent-encoded. */
int text_percent_encode(struct buf *out, const char *s);

/* ASCII only, whatever the locale. */
bool text_equal_nocase(const char *a, const char *b);
bool text_starts_with(const char *s, const char *prefix);
/* `s` ends with `suffix`. */
bool text_ends_with(const char *s, const char *suffix);

/* `s` holds a byte below 0x20 or 0x7f. */
bool text_has_control(const char *s);

/* Copies at most room-1 bytes and terminates. Returns 0, or -1 when it did not fit (out is then ""). */
int text_copy(char *out, size_t room, const char *s);

#endif
