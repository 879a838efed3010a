/* Descriptions and their private form; see description.h.
 *
 * One table of fields per struct drives writing, reading and freeing, so that a new field cannot be forgotten
 * in one of the three. The form is a head, then the fields in the tables' order, as they lie in memory; texts
 * have their length before them. Measured on a video of 8 formats: read in 25 us, where JSON took 300. */
#include "site/description.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

enum { ROWS_MAX = 512, ROWS_START = 16 };

enum field_type { TEXT, TEXT_OR_NULL, U64, I64, COUNT, KIND, REAL, BOOL };

struct field {
    const char *name;
    enum field_type type;
    size_t offset;
};

/* Change the magic with the tables. The byte order is the machine's: what is remembered does not travel. */
static const char magic[16] = "sluice media 5";

struct head {
    char magic[sizeof magic];
    uint32_t rows[4]; /* of each list, in the order of `lists` */
};

#define FIELD(type, struct_name, member)                                                                     \
    {                                                                                                        \
#member, type, offsetof(struct struct_name, member)                                                  \
    }

static const struct field format_fields[] = {
    FIELD(TEXT, format, id),
    FIELD(KIND, format, kind),
    FIELD(TEXT, format, container),
    FIELD(TEXT, format, mime),
    FIELD(TEXT, format, codecs),
    FIELD(COUNT, format, width),
    FIELD(COUNT, format, height),
    FIELD(REAL, format, fps),
    FIELD(I64, format, bitrate),
    FIELD(U64, format, size_bytes),
    FIELD(U64, format, duration_ms),
    FIELD(TEXT_OR_NULL, format, language),
    FIELD(BOOL, format, original),
    FIELD(BOOL, format, drc),
    FIELD(COUNT, format, sample_rate),
    FIELD(COUNT, format, channels),
    FIELD(TEXT, format, label),
    FIELD(U64, format, last_modified),
    FIELD(U64, format, init.start),
    FIELD(U64, format, init.end),
    FIELD(U64, format, index.start),
    FIELD(U64, format, index.end),
    FIELD(TEXT, format, url),
    FIELD(TEXT_OR_NULL, format, user_agent),
    FIELD(BOOL, format, upscaled),
    FIELD(TEXT_OR_NULL, format, headers),
    FIELD(TEXT_OR_NULL, format, egress),
};

static const struct field subtitle_fields[] = {
    FIELD(TEXT, subtitle, language),
    FIELD(TEXT, subtitle, label),
    FIELD(BOOL, subtitle, is_auto),
    FIELD(TEXT, subtitle, url),
};

static const struct field chapter_fields[] = {
    FIELD(U64, chapter, start_ms),
    FIELD(TEXT, chapter, title),
};

static const struct field storyboard_fields[] = {
    FIELD(COUNT, storyboard, width), FIELD(COUNT, storyboard, height), FIELD(COUNT, storyboard, columns),
    FIELD(COUNT, storyboard, rows),  FIELD(COUNT, storyboard, count),  FIELD(U64, storyboard, interval_ms),
    FIELD(TEXT, storyboard, url),
};

static const struct field description_fields[] = {
    FIELD(TEXT, description, site),
    FIELD(TEXT, description, id),
    FIELD(TEXT, description, url),
    FIELD(TEXT, description, title),
    FIELD(TEXT_OR_NULL, description, author),
    FIELD(TEXT_OR_NULL, description, author_url),
    FIELD(U64, description, duration_ms),
    FIELD(TEXT_OR_NULL, description, thumbnail),
    FIELD(BOOL, description, live),
    FIELD(TEXT, description, engine),
    FIELD(I64, description, expires_unix_s),
    FIELD(TEXT_OR_NULL, description, published),
};

/* The same, as what the functions below take. */
struct shape {
    const struct field *fields;
    size_t count, row_size;
};

#define SHAPE(name)                                                                                          \
    {                                                                                                        \
        name##_fields, ARRAY_LEN(name##_fields), sizeof(struct name)                                         \
    }

static const struct shape description_shape = SHAPE(description);

/* The lists of a description: what is in them, and where the list and its length are. */
static const struct list {
    struct shape shape;
    size_t rows, count;
} lists[] = {
    {SHAPE(format), offsetof(struct description, formats), offsetof(struct description, format_count)},
    {SHAPE(subtitle), offsetof(struct description, subtitles), offsetof(struct description, subtitle_count)},
    {SHAPE(chapter), offsetof(struct description, chapters), offsetof(struct description, chapter_count)},
    {SHAPE(storyboard), offsetof(struct description, storyboards),
     offsetof(struct description, storyboard_count)},
};

static char **list_rows(const struct list *l, const struct description *d)
{
    return (char **)((uintptr_t)d + l->rows);
}

static size_t *list_count(const struct list *l, const struct description *d)
{
    return (size_t *)((uintptr_t)d + l->count);
}

/* ------------------------------------------------------------------------------------------------ */
/* Life */

static void free_texts(const struct shape *shape, void *row)
{
    for (size_t i = 0; i < shape->count; i++) {
        const struct field *f = &shape->fields[i];
        if (f->type == TEXT || f->type == TEXT_OR_NULL)
            free(*(char **)((char *)row + f->offset));
    }
}

struct description *description_new(void)
{
    return calloc(1, sizeof(struct description));
}

static void clear_list(const struct list *l, struct description *d)
{
    size_t *count = list_count(l, d);
    for (size_t i = 0; i < *count; i++)
        free_texts(&l->shape, *list_rows(l, d) + i * l->shape.row_size);
    *count = 0;
}

void description_free(struct description *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        clear_list(&lists[i], d);
        free(*list_rows(&lists[i], d));
    }
    free_texts(&description_shape, d);
    free(d);
}

void description_narrow(struct description *d, const struct format **kept, size_t count)
{
    size_t n = 0;
    for (size_t i = 0; i < d->format_count; i++) {
        bool keep = false;
        for (size_t k = 0; k < count; k++)
            keep |= kept[k] == &d->formats[i];
        if (!keep) {
            free_texts(&lists[0].shape, &d->formats[i]);
            continue;
        }
        for (size_t k = 0; k < count; k++) {
            if (kept[k] == &d->formats[i])
                kept[k] = &d->formats[n];
        }
        d->formats[n++] = d->formats[i];
    }
    d->format_count = n;
    struct format *fewer = n ? calloc(n, sizeof *fewer) : NULL;
    if (fewer) { /* else the long table has to do */
        memcpy(fewer, d->formats, n * sizeof *fewer);
        for (size_t k = 0; k < count; k++)
            kept[k] = fewer + (kept[k] - d->formats);
        free(d->formats);
        d->formats = fewer;
    }
    for (size_t i = 1; i < ARRAY_LEN(lists); i++)
        clear_list(&lists[i], d);
}

/* C0, C1, spaces, and the separators that break lines in some programs. */
static bool is_blank(uint32_t c)
{
    return c <= ' ' || (c >= 0x7f && c <= 0xa0) || c == 0x2028 || c == 0x2029;
}

/* Copies what fits; with `one_line`, blanks are gathered into one space between others. */
static int set_clean(char **to, struct buf *clean, const char *s, size_t len, bool one_line)
{
    bool gap = false;
    size_t n;
    for (size_t i = 0; i < len; i += n ? n : 1) {
        uint32_t c = 0;
        n = text_utf8_next(s + i, len - i, &c);
        bool blank = one_line && n && is_blank(c);
        bool space = gap && !blank && clean->len > 0;
        if (!blank && clean->len + space + (n ? n : 3) > clean->max)
            break;
        if (space)
            (void)buf_addc(clean, ' ');
        if (!blank)
            (void)text_utf8_clean(clean, s + i, n ? n : 1);
        gap = blank;
    }
    free(*to);
    *to = buf_steal(clean);
    return *to ? 0 : -1;
}

int description_set_text(char **to, const char *s, size_t len, size_t max)
{
    auto_(buf) struct buf clean = BUF_INIT(max);
    return set_clean(to, &clean, s, len, false);
}

int description_set_line(char **to, const char *s, size_t len, size_t max)
{
    auto_(buf) struct buf clean = BUF_INIT(max);
    return set_clean(to, &clean, s, len, true);
}

int description_set_day(struct description *d, const char *text)
{
    /* Where the digits of year, month and day lie in either form. */
    size_t digits = text ? strspn(text, "0123456789") : 0;
    size_t gap = digits >= 8 ? 0 : 1;
    uint64_t year;
    uint64_t month;
    uint64_t day;
    char out[11];
    if (!text || strnlen(text, 8 + 2 * gap) < 8 + 2 * gap ||
        (gap && (digits != 4 || text[4] != '-' || text[7] != '-')) ||
        text_parse_u64n(text, 4, 1900, 2999, &year) < 0 ||
        text_parse_u64n(text + 4 + gap, 2, 1, 12, &month) < 0 ||
        text_parse_u64n(text + 6 + 2 * gap, 2, 1, 31, &day) < 0)
        return 0;
    (void)snprintf(out, sizeof out, "%04d-%02d-%02d", (int)year, (int)month, (int)day);
    return description_set_text(&d->published, out, strlen(out), sizeof out);
}

int description_set_day_of(struct description *d, int64_t unix_s)
{
    char text[24];
    if (unix_s <= 0 || unix_s > INT32_MAX * INT64_C(4))
        return 0;
    clock_format_utc(unix_s, text, sizeof text);
    return description_set_day(d, text);
}

/* Grown by doubling: `rows` has room for the next power of two over *count, or ROWS_START. */
static void *add_row(void *rows_pointer, size_t *count, size_t row_size)
{
    char **rows = rows_pointer;
    bool full = *count == 0 || (*count >= ROWS_START && (*count & (*count - 1)) == 0);
    if (*count >= ROWS_MAX)
        return NULL;
    if (full) {
        size_t room = *count == 0 ? ROWS_START : *count * 2;
        char *grown = realloc(*rows, room * row_size);
        if (!grown)
            return NULL;
        *rows = grown;
    }
    return memset(*rows + (*count)++ * row_size, 0, row_size);
}

struct format *description_add_format(struct description *d)
{
    return add_row(&d->formats, &d->format_count, sizeof *d->formats);
}

struct subtitle *description_add_subtitle(struct description *d)
{
    return add_row(&d->subtitles, &d->subtitle_count, sizeof *d->subtitles);
}

struct chapter *description_add_chapter(struct description *d)
{
    return add_row(&d->chapters, &d->chapter_count, sizeof *d->chapters);
}

struct storyboard *description_add_storyboard(struct description *d)
{
    return add_row(&d->storyboards, &d->storyboard_count, sizeof *d->storyboards);
}

const struct format *description_format(const struct description *d, const char *id)
{
    for (size_t i = 0; i < d->format_count; i++) {
        if (strcmp(d->formats[i].id, id) == 0)
            return &d->formats[i];
    }
    return NULL;
}

/* ------------------------------------------------------------------------------------------------ */
/* Writing */

static int write_text(const char *text, bool may_be_null, struct buf *out)
{
    size_t len = text ? strlen(text) : 0;
    uint32_t stored = text ? (uint32_t)len + 1 : 0; /* 0: NULL */
    if ((!text && !may_be_null) || len >= UINT32_MAX)
        return -1;
    (void)buf_add(out, &stored, sizeof stored);
    return buf_add(out, text ? text : "", len);
}

static int write_field(const struct field *f, const void *at, struct buf *out)
{
    switch (f->type) {
    case TEXT:
    case TEXT_OR_NULL:
        return write_text(*(char *const *)at, f->type == TEXT_OR_NULL, out);
    case KIND:
        return buf_addc(out, (char)*(const enum format_kind *)at);
    case BOOL:
        return buf_addc(out, *(const bool *)at);
    case COUNT:
        return buf_add(out, at, sizeof(int));
    case U64:
    case I64:
    case REAL:
        return buf_add(out, at, sizeof(uint64_t));
    }
    return -1;
}

static int write_rows(const struct shape *shape, const void *rows, size_t count, struct buf *out)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < shape->count; k++) {
            const struct field *f = &shape->fields[k];
            if (write_field(f, (const char *)rows + i * shape->row_size + f->offset, out) < 0)
                return -1;
        }
    }
    return out->failed ? -1 : 0;
}

int description_serialise(const struct description *d, struct buf *out)
{
    struct head head = {0};
    memcpy(head.magic, magic, sizeof magic);
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        head.rows[i] = (uint32_t)*list_count(&lists[i], d);
    int rc = buf_add(out, &head, sizeof head) < 0 ? -1 : write_rows(&description_shape, d, 1, out);
    for (size_t i = 0; i < ARRAY_LEN(lists) && rc == 0; i++)
        rc = write_rows(&lists[i].shape, *list_rows(&lists[i], d), head.rows[i], out);
    return rc;
}

/* ------------------------------------------------------------------------------------------------ */
/* Reading */

struct input {
    const char *at;
    size_t left;
};

static int read_bytes(struct input *in, void *to, size_t len)
{
    if (len > in->left)
        return -1;
    memcpy(to, in->at, len);
    in->at += len;
    in->left -= len;
    return 0;
}

/* Valid UTF-8 without NUL. */
static bool is_text(const char *s, size_t len)
{
    uint32_t c;
    size_t n;
    for (size_t i = 0; i < len; i += n) {
        n = (unsigned char)s[i] < 0x80 ? s[i] != '\0' : text_utf8_next(s + i, len - i, &c);
        if (n == 0)
            return false;
    }
    return true;
}

static int read_text(struct input *in, bool may_be_null, char **to)
{
    uint32_t stored;
    if (read_bytes(in, &stored, sizeof stored) < 0)
        return -1;
    if (stored == 0)
        return may_be_null ? 0 : -1;
    size_t len = stored - 1;
    if (len > in->left || !is_text(in->at, len))
        return -1;
    *to = malloc(len + 1);
    if (!*to)
        return -1;
    (*to)[len] = '\0';
    return read_bytes(in, *to, len);
}

static int read_field(const struct field *f, struct input *in, void *at)
{
    unsigned char small = 0;
    switch (f->type) {
    case TEXT:
    case TEXT_OR_NULL:
        return read_text(in, f->type == TEXT_OR_NULL, at);
    case KIND:
        if (read_bytes(in, &small, 1) < 0 || small > FORMAT_MUXED)
            return -1;
        *(enum format_kind *)at = (enum format_kind)small;
        return 0;
    case BOOL:
        if (read_bytes(in, &small, 1) < 0 || small > 1)
            return -1;
        *(bool *)at = small == 1;
        return 0;
    case COUNT:
        return read_bytes(in, at, sizeof(int)) == 0 && *(int *)at >= 0 ? 0 : -1;
    case REAL:
        return read_bytes(in, at, sizeof(double)) == 0 && isfinite(*(double *)at) ? 0 : -1;
    case U64:
    case I64:
        return read_bytes(in, at, sizeof(uint64_t));
    }
    return -1;
}

static int read_row(const struct shape *shape, struct input *in, void *row, struct err *err)
{
    if (!row)
        return err_set(err, ERR_INTERNAL, "remembered description: too many rows");
    for (size_t i = 0; i < shape->count; i++) {
        const struct field *f = &shape->fields[i];
        if (read_field(f, in, (char *)row + f->offset) < 0)
            return err_set(err, ERR_INTERNAL, "remembered description: bad %s", f->name);
    }
    return 0;
}

static int read_all(struct description *d, struct input *in, struct err *err)
{
    struct head head;
    if (read_bytes(in, &head, sizeof head) < 0 || memcmp(head.magic, magic, sizeof magic) != 0)
        return err_set(err, ERR_INTERNAL, "remembered description: of another version");
    if (read_row(&description_shape, in, d, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        const struct list *l = &lists[i];
        for (uint32_t row = 0; row < head.rows[i]; row++) {
            if (read_row(&l->shape, in, add_row(list_rows(l, d), list_count(l, d), l->shape.row_size), err) <
                0)
                return -1;
        }
    }
    return in->left == 0 ? 0 : err_set(err, ERR_INTERNAL, "remembered description: too long");
}

int description_parse(struct description **out, const void *data, size_t len, struct err *err)
{
    struct input in = {data, len};
    struct description *d = description_new();
    int rc = d ? read_all(d, &in, err) : err_set(err, ERR_INTERNAL, "out of memory");
    if (rc < 0)
        description_free(d);
    else
        *out = d;
    return rc;
}
