/* Descriptions and their private JSON form; see description.h.
 *
 * One table of fields per struct drives writing, reading and freeing, so that a new field cannot be forgotten
 * in one of the three. 64-bit numbers without sign travel as decimal text: JSON integers end at 2^63 - 1. */
#include "site/description.h"

#include <jansson.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

enum { ROWS_MAX = 512, ROWS_START = 16 };

enum field_type { TEXT, TEXT_OR_NULL, U64, I64, COUNT, KIND, REAL, BOOL };

struct field {
    const char *name;
    enum field_type type;
    size_t offset;
};

#define FIELD(type, struct_name, member)                                                                     \
    {                                                                                                        \
#member, type, offsetof(struct struct_name, member)                                                  \
    }

static const struct field format_fields[] = {
    FIELD(TEXT, format, id),        FIELD(KIND, format, kind),       FIELD(TEXT, format, container),
    FIELD(TEXT, format, mime),      FIELD(TEXT, format, codecs),     FIELD(COUNT, format, width),
    FIELD(COUNT, format, height),   FIELD(REAL, format, fps),        FIELD(I64, format, bitrate),
    FIELD(U64, format, size_bytes), FIELD(U64, format, duration_ms), FIELD(TEXT_OR_NULL, format, language),
    FIELD(BOOL, format, original),  FIELD(BOOL, format, drc),        FIELD(COUNT, format, sample_rate),
    FIELD(COUNT, format, channels), FIELD(TEXT, format, label),      FIELD(U64, format, last_modified),
    FIELD(U64, format, init.start), FIELD(U64, format, init.end),    FIELD(U64, format, index.start),
    FIELD(U64, format, index.end),  FIELD(TEXT, format, url),        FIELD(TEXT_OR_NULL, format, user_agent),
};

static const struct field subtitle_fields[] = {
    FIELD(TEXT, subtitle, language),
    FIELD(TEXT, subtitle, label),
    FIELD(BOOL, subtitle, is_auto),
    FIELD(TEXT, subtitle, url),
};

static const struct field description_fields[] = {
    FIELD(TEXT, description, site),
    FIELD(TEXT, description, id),
    FIELD(TEXT, description, url),
    FIELD(TEXT, description, title),
    FIELD(TEXT_OR_NULL, description, author),
    FIELD(U64, description, duration_ms),
    FIELD(TEXT_OR_NULL, description, thumbnail),
    FIELD(BOOL, description, live),
    FIELD(TEXT, description, engine),
    FIELD(I64, description, expires_unix_s),
};

/* The same three, as what the functions below take. */
struct shape {
    const struct field *fields;
    size_t count;
};

static const struct shape format_shape = {format_fields, ARRAY_LEN(format_fields)};
static const struct shape subtitle_shape = {subtitle_fields, ARRAY_LEN(subtitle_fields)};
static const struct shape description_shape = {description_fields, ARRAY_LEN(description_fields)};

/* ----------------------------------------------------------------------------------------------------------
 */
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

void description_free(struct description *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < d->format_count; i++)
        free_texts(&format_shape, &d->formats[i]);
    for (size_t i = 0; i < d->subtitle_count; i++)
        free_texts(&subtitle_shape, &d->subtitles[i]);
    free_texts(&description_shape, d);
    free(d->formats);
    free(d->subtitles);
    free(d);
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

const struct format *description_format(const struct description *d, const char *id)
{
    for (size_t i = 0; i < d->format_count; i++) {
        if (strcmp(d->formats[i].id, id) == 0)
            return &d->formats[i];
    }
    return NULL;
}

/* ----------------------------------------------------------------------------------------------------------
 */
/* Writing */

static json_t *field_to_json(const struct field *f, const void *at)
{
    char digits[24];
    const char *text;
    switch (f->type) {
    case TEXT:
    case TEXT_OR_NULL:
        text = *(char *const *)at;
        return text ? json_string(text) : json_null();
    case U64:
        (void)snprintf(digits, sizeof digits, "%llu", (unsigned long long)*(const uint64_t *)at);
        return json_string(digits);
    case I64:
        return json_integer(*(const int64_t *)at);
    case COUNT:
        return json_integer(*(const int *)at);
    case KIND:
        return json_integer(*(const enum format_kind *)at);
    case REAL:
        return json_real(*(const double *)at);
    case BOOL:
        return json_boolean(*(const bool *)at);
    }
    return NULL;
}

static json_t *row_to_json(const struct shape *shape, const void *row)
{
    json_t *object = json_object();
    for (size_t i = 0; i < shape->count; i++) {
        const struct field *f = &shape->fields[i];
        if (json_object_set_new(object, f->name, field_to_json(f, (const char *)row + f->offset)) < 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

static json_t *rows_to_json(const struct shape *shape, const void *rows, size_t count, size_t row_size)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++) {
        if (json_array_append_new(array, row_to_json(shape, (const char *)rows + i * row_size)) < 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static int write_json(const char *data, size_t len, void *out)
{
    return buf_add(out, data, len);
}

int description_to_json(const struct description *d, struct buf *out)
{
    json_t *root = row_to_json(&description_shape, d);
    json_t *formats = rows_to_json(&format_shape, d->formats, d->format_count, sizeof *d->formats);
    json_t *subtitles = rows_to_json(&subtitle_shape, d->subtitles, d->subtitle_count, sizeof *d->subtitles);
    int rc = json_object_set_new(root, "formats", formats); /* both refuse NULL, and free what they refuse */
    rc |= json_object_set_new(root, "subtitles", subtitles);
    if (rc == 0)
        rc = json_dump_callback(root, write_json, out, JSON_COMPACT);
    json_decref(root);
    return rc == 0 ? 0 : -1;
}

/* ----------------------------------------------------------------------------------------------------------
 */
/* Reading */

static int integer_from_json(const json_t *value, json_int_t least, json_int_t most, json_int_t *out)
{
    *out = json_integer_value(value);
    return json_is_integer(value) && *out >= least && *out <= most ? 0 : -1;
}

static int text_from_json(const json_t *value, bool may_be_null, char **to)
{
    if (json_is_null(value) && may_be_null)
        return 0;
    if (!json_is_string(value))
        return -1;
    return description_set_text(to, json_string_value(value), json_string_length(value), SIZE_MAX - 1);
}

static int field_from_json(const struct field *f, const json_t *value, void *at)
{
    json_int_t n = 0;
    int rc = 0;
    switch (f->type) {
    case TEXT:
    case TEXT_OR_NULL:
        return text_from_json(value, f->type == TEXT_OR_NULL, at);
    case U64:
        return json_is_string(value) ? text_parse_u64(json_string_value(value), 0, UINT64_MAX, at) : -1;
    case I64:
        rc = integer_from_json(value, INT64_MIN, INT64_MAX, &n);
        *(int64_t *)at = n;
        return rc;
    case COUNT:
        rc = integer_from_json(value, 0, INT_MAX, &n);
        *(int *)at = (int)n;
        return rc;
    case KIND:
        rc = integer_from_json(value, FORMAT_VIDEO, FORMAT_MUXED, &n);
        *(enum format_kind *)at = rc == 0 ? (enum format_kind)n : FORMAT_VIDEO;
        return rc;
    case REAL:
        *(double *)at = json_real_value(value);
        return json_is_real(value) ? 0 : -1;
    case BOOL:
        *(bool *)at = json_is_true(value);
        return json_is_boolean(value) ? 0 : -1;
    }
    return -1;
}

static int row_from_json(const struct shape *shape, const json_t *object, void *row, struct err *err)
{
    for (size_t i = 0; i < shape->count; i++) {
        const struct field *f = &shape->fields[i];
        if (field_from_json(f, json_object_get(object, f->name), (char *)row + f->offset) < 0)
            return err_set(err, ERR_INTERNAL, "remembered description: bad or missing \"%s\"", f->name);
    }
    return 0;
}

static int description_from_json(struct description *d, const json_t *root, struct err *err)
{
    const json_t *formats = json_object_get(root, "formats");
    const json_t *subtitles = json_object_get(root, "subtitles");
    if (row_from_json(&description_shape, root, d, err) < 0)
        return -1;
    if (!json_is_array(formats) || !json_is_array(subtitles))
        return err_set(err, ERR_INTERNAL, "remembered description: no formats or subtitles");
    for (size_t i = 0; i < json_array_size(formats); i++) {
        struct format *f = description_add_format(d);
        if (!f)
            return err_set(err, ERR_INTERNAL, "remembered description: too many formats");
        if (row_from_json(&format_shape, json_array_get(formats, i), f, err) < 0)
            return -1;
    }
    for (size_t i = 0; i < json_array_size(subtitles); i++) {
        struct subtitle *s = description_add_subtitle(d);
        if (!s)
            return err_set(err, ERR_INTERNAL, "remembered description: too many subtitles");
        if (row_from_json(&subtitle_shape, json_array_get(subtitles, i), s, err) < 0)
            return -1;
    }
    return 0;
}

int description_parse(struct description **out, const char *json, size_t len, struct err *err)
{
    json_error_t at;
    json_t *root = json_loadb(json, len, JSON_REJECT_DUPLICATES, &at);
    if (!root)
        return err_set(err, ERR_INTERNAL, "remembered description: %s", at.text);
    struct description *d = description_new();
    int rc = d ? description_from_json(d, root, err) : err_set(err, ERR_INTERNAL, "out of memory");
    json_decref(root);
    if (rc < 0)
        description_free(d);
    else
        *out = d;
    return rc;
}
