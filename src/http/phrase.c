/* See phrase.h. */
#include "http/phrase.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "http/html.h"

void phrase_filled(struct buf *out, const struct locale *locale, const char *key, const char *value)
{
    const char *text = locale_text(locale, key);
    const char *after = strchr(text, '}');
    char head[256];
    (void)snprintf(head, sizeof head, "%.*s", (int)strcspn(text, "{"), text);
    (void)html_attr(out, head);
    (void)html_attr(out, after ? value : "");
    (void)html_attr(out, after ? after + 1 : "");
}

void phrase_units(struct buf *out, const struct locale *locale, const char *key, double value)
{
    const char *units = locale_text(locale, key); /* names, a space between them */
    char number[32];
    bool whole = true;
    for (const char *next; value >= 999.5 && (next = strchr(units, ' ')); units = next + 1, whole = false)
        value /= 1000;
    (void)snprintf(number, sizeof number, "%.*f", !whole && value < 99.95 ? 1 : 0, value);
    char *point = strchr(number, '.');
    if (point)
        *point = *locale_text(locale, "number.decimal"); /* one byte in every language */
    (void)buf_addf(out, "%s %.*s", number, (int)strcspn(units, " "), units);
}

void phrase_grouped(struct buf *out, const struct locale *locale, uint64_t n)
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);
    int size = *locale_text(locale, "number.group_size") - '0';
    for (int i = 0; i < len; i++) {
        int left = len - i;
        if (i > 0 && left >= 3 && (left - 3) % size == 0)
            (void)buf_adds(out, locale_text(locale, "number.group"));
        (void)buf_addc(out, digits[i]);
    }
}

void phrase_duration(struct buf *out, uint64_t ms)
{
    unsigned long long s = (ms + 500) / 1000;
    if (s >= 3600)
        (void)buf_addf(out, "%llu:%02llu:%02llu", s / 3600, s / 60 % 60, s % 60);
    else
        (void)buf_addf(out, "%llu:%02llu", s / 60, s % 60);
}
