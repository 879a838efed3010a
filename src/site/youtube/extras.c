/* See extras.h. */
#include "site/youtube/extras.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

enum { TITLE_MAX = 200, URL_MAX = 4096, PARTS_MAX = 3, SIDE_MAX = 4096, SHEET_MAX = 64, COUNT_MAX = 100000 };

/* ---- Chapters ---- */

/* "1:02:03" or "2:03" at *at, which is moved behind it. -1: there is none. */
static int read_time(const char **at, const char *end, uint64_t *ms)
{
    uint64_t seconds = 0;
    const char *p = *at;
    for (int parts = 1; parts <= PARTS_MAX; parts++) {
        uint64_t n;
        size_t digits = 0;
        while (p + digits < end && p[digits] >= '0' && p[digits] <= '9')
            digits++;
        if (digits > 3 || (parts > 1 && digits != 2) ||
            text_parse_u64n(p, digits, 0, parts > 1 ? 59 : 999, &n) < 0)
            return -1;
        seconds = seconds * 60 + n;
        p += digits;
        if (p == end || *p != ':') {
            *at = p;
            *ms = seconds * 1000;
            return parts > 1 ? 0 : -1;
        }
        p++;
    }
    return -1;
}

static const char *skip(const char *p, const char *end, const char *set)
{
    while (p < end && strchr(set, *p))
        p++;
    return p;
}

/* The title behind the time; -1: the line is none of a chapter. */
static int read_line(const char *line, const char *end, uint64_t *ms, const char **title)
{
    const char *p = skip(line, end, " \t-*([\xe2\x80\xa2");
    if (read_time(&p, end, ms) < 0)
        return -1;
    p = skip(p, end, " \t)]:|-\xe2\x80\x93\x94"); /* dashes of every length */
    *title = p;
    return p < end ? 0 : -1;
}

struct found {
    uint64_t ms;
    const char *title;
    size_t len;
};

static size_t find_lines(const char *text, uint64_t duration_ms, struct found list[EXTRAS_CHAPTERS_MAX])
{
    size_t count = 0;
    for (const char *line = text; *line && count < EXTRAS_CHAPTERS_MAX;) {
        const char *end = line + strcspn(line, "\r\n");
        struct found f = {0};
        if (read_line(line, end, &f.ms, &f.title) == 0) {
            f.len = (size_t)(end - f.title);
            bool follows = count == 0 ? f.ms == 0 : f.ms > list[count - 1].ms;
            if (!follows || (duration_ms && f.ms >= duration_ms))
                return 0;
            list[count++] = f;
        }
        line = end + strspn(end, "\r\n");
    }
    return count;
}

int extras_read_chapters(struct description *d, const char *text)
{
    enum { LEAST = 3 };
    struct found list[EXTRAS_CHAPTERS_MAX];
    size_t count = find_lines(text, d->duration_ms, list);
    for (size_t i = 0; i < count && count >= LEAST; i++) {
        struct chapter *c = description_add_chapter(d);
        if (!c)
            return -1;
        c->start_ms = list[i].ms;
        if (description_set_line(&c->title, list[i].title, list[i].len, TITLE_MAX) < 0)
            return -1;
    }
    return 0;
}

/* ---- Storyboards ---- */

/* The next of a list separated by `mark`; *at is moved behind it. */
static size_t next_part(const char **at, char mark, const char **part)
{
    const char *end = strchr(*at, mark);
    size_t len = end ? (size_t)(end - *at) : strlen(*at);
    *part = *at;
    *at += len + (end != NULL);
    return len;
}

static uint64_t next_number(const char **at, uint64_t most)
{
    const char *part;
    uint64_t n = 0;
    size_t len = next_part(at, '#', &part);
    return text_parse_u64n(part, len, 0, most, &n) == 0 ? n : 0;
}

/* The template with the level, the name and the signature in their places. */
static int fill_url(struct buf *url, const char *base, size_t base_len, unsigned level, const char *name,
                    size_t name_len, const char *signature)
{
    static const char harmless[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.$%=/:?&";
    for (size_t i = 0; i < base_len; i++) {
        if (base[i] == '$' && i + 1 < base_len && base[i + 1] == 'L')
            (void)buf_addf(url, "%u", level), i++;
        else if (base[i] == '$' && i + 1 < base_len && base[i + 1] == 'N')
            (void)buf_add(url, name, name_len), i++;
        else
            (void)buf_addc(url, base[i]);
    }
    (void)buf_addf(url, "%csigh=%s", memchr(base, '?', base_len) ? '&' : '?', signature);
    const char *text = buf_str(url);
    return !url->failed && text_starts_with(text, "https://") && text[strspn(text, harmless)] == '\0' ? 0
                                                                                                      : -1;
}

static int add_level(struct description *d, const char *base, size_t base_len, unsigned level,
                     const char *fields)
{
    static const uint64_t most[] = {SIDE_MAX, SIDE_MAX, COUNT_MAX, SHEET_MAX, SHEET_MAX, UINT32_MAX};
    uint64_t n[ARRAY_LEN(most)] = {0};
    for (size_t i = 0; i < ARRAY_LEN(n); i++)
        n[i] = next_number(&fields, most[i]);
    struct storyboard b = {
        .width = (int)n[0],
        .height = (int)n[1],
        .count = (int)n[2],
        .columns = (int)n[3],
        .rows = (int)n[4],
        .interval_ms = n[5],
    };
    auto_(buf) struct buf url = BUF_INIT(URL_MAX);
    auto_(buf) struct buf signature = BUF_INIT(256);
    const char *name;
    size_t name_len = next_part(&fields, '#', &name);
    if (!b.width || !b.height || !b.count || !b.columns || !b.rows)
        return 0;
    if (!b.interval_ms)
        b.interval_ms = d->duration_ms / (unsigned)b.count;
    if (text_percent_encode(&signature, fields) < 0 ||
        fill_url(&url, base, base_len, level, name, name_len, buf_str(&signature)) < 0)
        return 0;
    struct storyboard *to = description_add_storyboard(d);
    if (!to)
        return -1;
    *to = b;
    return description_set_text(&to->url, buf_str(&url), url.len, URL_MAX);
}

int extras_read_storyboards(struct description *d, const char *spec)
{
    const char *base;
    size_t base_len = next_part(&spec, '|', &base);
    for (unsigned level = 0; *spec && level < EXTRAS_STORYBOARDS_MAX; level++) {
        const char *part;
        auto_(buf) struct buf fields = BUF_INIT(512);
        size_t len = next_part(&spec, '|', &part);
        if (buf_add(&fields, part, len) == 0 && add_level(d, base, base_len, level, buf_str(&fields)) < 0)
            return -1;
    }
    return 0;
}
