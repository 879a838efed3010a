/* See subtitle.h. The parser follows the Recommendation's: a line that holds "-->" begins a cue wherever it
 * stands, an empty one ends it, and whatever is not in a cue is passed over. */
#include "media/subtitle.h"

#include <stdbool.h>
#include <string.h>

#include "base/text.h"

enum {
    HOURS_MAX = 9999, /* over a year */
    ROLL_GAP_MS = 50, /* cues that roll follow each other at once; YouTube's do to the millisecond */
    REPLACEMENT = 0xfffd,
    ENTITY_MAX = 12,     /* "&#x10ffff;" and two leading zeros: the value fits 32 bits */
    RAW_MAX = 64 * 1024, /* of one cue's text with its markup; the rest is passed over */
};

struct slice {
    const char *at;
    size_t len;
};

struct parser {
    struct subtitle_cues *cues;
    bool in_cue, sorted;
    uint64_t start_ms, end_ms; /* of the cue that is being read */
    struct buf raw;            /* its text as it is in the file */
    struct buf plain;          /* and without markup */
    struct buf last_line;      /* of the cue before, and when that ended */
    uint64_t last_end_ms;
    struct err *err;
};

static void parser_fini(struct parser *p)
{
    buf_fini(&p->raw);
    buf_fini(&p->plain);
    buf_fini(&p->last_line);
}
DEFINE_AUTO(parser, parser_fini)

void subtitle_cues_fini(struct subtitle_cues *cues)
{
    free(cues->list);
    buf_fini(&cues->text);
    *cues = (struct subtitle_cues){0};
}

/* ---- Text ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct slice trim(struct slice s)
{
    while (s.len && is_blank(s.at[0])) {
        s.at++;
        s.len--;
    }
    while (s.len && is_blank(s.at[s.len - 1]))
        s.len--;
    return s;
}

/* Appends a code point: white space as a space, no control characters. */
static void add_char(struct buf *out, uint32_t c)
{
    if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        c = REPLACEMENT;
    if (c == '\t' || c == 0xa0)
        c = ' ';
    if ((c < 0x20 && c != '\n') || (c >= 0x7f && c < 0xa0))
        return;
    if (c < 0x80) {
        (void)buf_addc(out, (char)c);
    } else if (c < 0x800) {
        (void)buf_addc(out, (char)(0xc0 | c >> 6));
        (void)buf_addc(out, (char)(0x80 | (c & 0x3f)));
    } else {
        if (c < 0x10000) {
            (void)buf_addc(out, (char)(0xe0 | c >> 12));
        } else {
            (void)buf_addc(out, (char)(0xf0 | c >> 18));
            (void)buf_addc(out, (char)(0x80 | (c >> 12 & 0x3f)));
        }
        (void)buf_addc(out, (char)(0x80 | (c >> 6 & 0x3f)));
        (void)buf_addc(out, (char)(0x80 | (c & 0x3f)));
    }
}

/* "#38" or "#x26", without & and ; */
static bool numeric_entity(struct slice name, uint32_t *c)
{
    bool hex = name.len > 1 && (name.at[1] == 'x' || name.at[1] == 'X');
    *c = 0;
    size_t i = hex ? 2 : 1;
    if (name.len <= i || name.at[0] != '#')
        return false;
    for (; i < name.len; i++) {
        char d = name.at[i];
        bool letter = hex && ((d >= 'a' && d <= 'f') || (d >= 'A' && d <= 'F'));
        if (!letter && (d < '0' || d > '9'))
            return false;
        *c = *c * (hex ? 16 : 10) + (uint32_t)(letter ? (d | 0x20) - 'a' + 10 : d - '0');
    }
    return true;
}

/* Appends what the entity at `in` (which begins with '&') stands for; returns its length, or 0 where there is
 * none. The names are those of the Recommendation, and the two that sites add. */
static size_t decode_entity(struct buf *out, struct slice in)
{
    static const struct {
        const char *name;
        uint32_t c;
    } names[] = {
        {"amp", '&'},    {"lt", '<'},     {"gt", '>'},   {"nbsp", ' '},
        {"lrm", 0x200e}, {"rlm", 0x200f}, {"quot", '"'}, {"apos", '\''},
    };
    uint32_t c = 0;
    const char *end = memchr(in.at, ';', in.len < ENTITY_MAX ? in.len : ENTITY_MAX);
    if (!end)
        return 0;
    struct slice name = {in.at + 1, (size_t)(end - in.at) - 1};
    bool known = numeric_entity(name, &c);
    for (size_t i = 0; !known && i < ARRAY_LEN(names); i++) {
        known = strlen(names[i].name) == name.len && memcmp(names[i].name, name.at, name.len) == 0;
        c = names[i].c;
    }
    if (known)
        add_char(out, c == '\n' ? ' ' : c); /* lines are parted by the file alone */
    return known ? name.len + 2 : 0;
}

/* Appends the text of a cue without its tags, entities decoded, valid UTF-8. An open tag reaches to the end.
 */
static void add_plain(struct buf *out, struct slice in)
{
    while (in.len > 0) {
        uint32_t c = REPLACEMENT;
        size_t n = 0;
        if (*in.at == '<') {
            const char *end = memchr(in.at, '>', in.len);
            n = end ? (size_t)(end - in.at) + 1 : in.len;
        } else if (*in.at == '&') {
            n = decode_entity(out, in);
        }
        if (n == 0) {
            n = text_utf8_next(in.at, in.len, &c);
            add_char(out, n ? c : REPLACEMENT);
            n = n ? n : 1;
        }
        in.at += n;
        in.len -= n;
    }
}

/* Takes the next line off `in`; false: there is none. */
static bool next_line(struct slice *in, struct slice *line)
{
    if (in->len == 0)
        return false;
    size_t n = 0;
    while (n < in->len && in->at[n] != '\n' && in->at[n] != '\r')
        n++;
    *line = (struct slice){in->at, n};
    if (n < in->len)
        n += in->at[n] == '\r' && n + 1 < in->len && in->at[n + 1] == '\n' ? 2 : 1;
    in->at += n;
    in->len -= n;
    return true;
}

/* ---- Times ---- */

/* Takes digits off `in`. */
static bool take_number(struct slice *in, size_t digits_least, size_t digits_most, uint64_t *out)
{
    size_t n = 0;
    while (n < in->len && in->at[n] >= '0' && in->at[n] <= '9')
        n++;
    if (n < digits_least || n > digits_most || text_parse_u64n(in->at, n, 0, HOURS_MAX, out) < 0)
        return false;
    in->at += n;
    in->len -= n;
    return true;
}

static bool take_char(struct slice *in, char c)
{
    if (in->len == 0 || *in->at != c)
        return false;
    in->at++;
    in->len--;
    return true;
}

/* Takes "[hh:]mm:ss.ttt" off `in`. */
static bool take_time(struct slice *in, uint64_t *ms)
{
    uint64_t hours = 0;
    uint64_t minutes;
    uint64_t seconds;
    uint64_t thousandths;
    if (!take_number(in, 2, 4, &minutes) || !take_char(in, ':') || !take_number(in, 2, 2, &seconds))
        return false;
    if (take_char(in, ':')) {
        hours = minutes;
        minutes = seconds;
        if (!take_number(in, 2, 2, &seconds))
            return false;
    }
    if (minutes > 59 || seconds > 59 || !take_char(in, '.') || !take_number(in, 3, 3, &thousandths))
        return false;
    *ms = ((hours * 60 + minutes) * 60 + seconds) * 1000 + thousandths;
    return true;
}

static bool parse_times(struct slice line, uint64_t *start_ms, uint64_t *end_ms)
{
    line = trim(line);
    if (!take_time(&line, start_ms))
        return false;
    line = trim(line);
    if (!take_char(&line, '-') || !take_char(&line, '-') || !take_char(&line, '>'))
        return false;
    line = trim(line);
    return take_time(&line, end_ms) && *start_ms < *end_ms;
}

/* ---- Cues ---- */

static int add_cue(struct parser *p, size_t text)
{
    struct subtitle_cues *cues = p->cues;
    if (cues->count == SUBTITLE_CUES_MAX)
        return err_set(p->err, ERR_UPSTREAM_FAILED, "subtitles: too many cues");
    if (cues->count == cues->capacity) {
        size_t capacity = cues->capacity + cues->capacity / 2 + 64;
        struct subtitle_cue *grown = realloc(cues->list, capacity * sizeof *grown);
        if (!grown)
            return err_set(p->err, ERR_INTERNAL, "subtitles: out of memory");
        cues->list = grown;
        cues->capacity = capacity;
    }
    p->sorted = p->sorted && (!cues->count || cues->list[cues->count - 1].start_ms <= p->start_ms);
    cues->list[cues->count++] = (struct subtitle_cue){p->start_ms, p->end_ms, text, cues->text.len - text};
    return 0;
}

static void cut_text(struct buf *text, size_t from)
{
    size_t len = from + SUBTITLE_CUE_TEXT_MAX;
    if (text->len <= len)
        return;
    while (len > from && ((unsigned char)text->data[len] & 0xc0) == 0x80)
        len--;
    while (len > from && text->data[len - 1] == '\n')
        len--;
    text->len = len;
    text->data[len] = '\0';
}

/* The cue's text is complete. */
static int end_cue(struct parser *p)
{
    struct buf *text = &p->cues->text;
    struct slice line;
    size_t from = text->len;
    bool rolls = p->last_line.len && p->start_ms <= p->last_end_ms + ROLL_GAP_MS &&
                 p->last_end_ms <= p->start_ms + ROLL_GAP_MS;
    bool repeated = false;
    if (!p->in_cue)
        return 0;
    p->in_cue = false;
    buf_clear(&p->plain);
    add_plain(&p->plain, (struct slice){buf_str(&p->raw), p->raw.len});
    struct slice rest = {buf_str(&p->plain), p->plain.len};
    for (bool first = true; next_line(&rest, &line);) {
        line = trim(line);
        if (line.len == 0)
            continue;
        repeated = first && rolls && line.len == p->last_line.len &&
                   memcmp(line.at, p->last_line.data, line.len) == 0;
        first = false;
        if (repeated)
            continue;
        if (text->len > from)
            (void)buf_addc(text, '\n');
        (void)buf_add(text, line.at, line.len);
        buf_clear(&p->last_line);
        (void)buf_add(&p->last_line, line.at, line.len);
    }
    if (p->raw.failed || p->plain.failed || p->last_line.failed || text->failed)
        return err_set(p->err, ERR_UPSTREAM_FAILED, "subtitles: too much text, or no memory");
    if (repeated || text->len > from)
        p->last_end_ms = p->end_ms;
    if (text->len == from) { /* nothing new: what is shown stays */
        if (repeated && p->cues->count && p->end_ms > p->cues->list[p->cues->count - 1].end_ms)
            p->cues->list[p->cues->count - 1].end_ms = p->end_ms;
        return 0;
    }
    cut_text(text, from);
    return add_cue(p, from);
}

static int parse_lines(struct parser *p, struct slice in)
{
    struct slice line;
    while (next_line(&in, &line)) {
        if (memmem(line.at, line.len, "-->", 3)) {
            if (end_cue(p) < 0)
                return -1;
            buf_clear(&p->raw);
            p->in_cue = parse_times(line, &p->start_ms, &p->end_ms);
        } else if (line.len == 0) {
            if (end_cue(p) < 0)
                return -1;
        } else if (p->in_cue) {
            size_t room = RAW_MAX - p->raw.len;
            if (room) {
                (void)buf_add(&p->raw, line.at, line.len < room ? line.len : room - 1);
                (void)buf_addc(&p->raw, '\n');
            }
        }
    }
    return end_cue(p);
}

static int by_start(const void *a, const void *b)
{
    const struct subtitle_cue *x = a;
    const struct subtitle_cue *y = b;
    if (x->start_ms != y->start_ms)
        return x->start_ms < y->start_ms ? -1 : 1;
    return (x->text > y->text) - (x->text < y->text); /* as they are in the file */
}

int subtitle_parse_vtt(struct subtitle_cues *cues, const void *data, size_t len, struct err *err)
{
    static const char mark[] = "\xef\xbb\xbf";
    static const char signature[] = "WEBVTT";
    struct slice in = {data, len};
    struct slice line;
    *cues = (struct subtitle_cues){.text = BUF_INIT(3 * SUBTITLE_BYTES_MAX)};
    auto_(parser) struct parser p = {
        .cues = cues,
        .sorted = true,
        .raw = BUF_INIT(RAW_MAX),
        .plain = BUF_INIT(3 * RAW_MAX), /* U+FFFD for a byte takes 3 */
        .last_line = BUF_INIT(3 * RAW_MAX),
        .err = err,
    };
    if (len > SUBTITLE_BYTES_MAX)
        return err_set(err, ERR_UPSTREAM_FAILED, "subtitles: %zu bytes are too many", len);
    if (in.len >= 3 && memcmp(in.at, mark, 3) == 0)
        in = (struct slice){in.at + 3, in.len - 3};
    size_t n = sizeof signature - 1;
    if (!next_line(&in, &line) || line.len < n || memcmp(line.at, signature, n) != 0 ||
        (line.len > n && !is_blank(line.at[n])))
        return err_set(err, ERR_UPSTREAM_FAILED, "subtitles: this is no WebVTT");
    if (parse_lines(&p, in) < 0)
        return -1;
    if (!p.sorted)
        qsort(cues->list, cues->count, sizeof *cues->list, by_start);
    return 0;
}

/* ---- Writing ---- */

static void add_time(struct buf *out, uint64_t ms, char point)
{
    (void)buf_addf(out, "%02llu:%02u:%02u%c%03u", (unsigned long long)(ms / 3600000),
                   (unsigned)(ms / 60000 % 60), (unsigned)(ms / 1000 % 60), point, (unsigned)(ms % 1000));
}

static void add_times(struct buf *out, const struct subtitle_cue *c, char point)
{
    add_time(out, c->start_ms, point);
    (void)buf_adds(out, " --> ");
    add_time(out, c->end_ms, point);
    (void)buf_addc(out, '\n');
}

/* SubRip has no escapes. A line of the text must not look like one of times, or it would begin a cue. */
int subtitle_write_srt(const struct subtitle_cues *cues, struct buf *out)
{
    for (size_t i = 0; i < cues->count; i++) {
        const struct subtitle_cue *c = &cues->list[i];
        const char *text = cues->text.data + c->text;
        (void)buf_addf(out, "%zu\n", i + 1);
        add_times(out, c, ',');
        for (size_t k = 0; k < c->len; k++) {
            if (k >= 2 && memcmp(text + k - 2, "-->", 3) == 0)
                (void)buf_addc(out, ' ');
            (void)buf_addc(out, text[k]);
        }
        (void)buf_adds(out, "\n\n");
    }
    return out->failed ? -1 : 0;
}

int subtitle_write_vtt(const struct subtitle_cues *cues, struct buf *out)
{
    (void)buf_adds(out, "WEBVTT\n\n");
    for (size_t i = 0; i < cues->count; i++) {
        const struct subtitle_cue *c = &cues->list[i];
        const char *text = cues->text.data + c->text;
        add_times(out, c, '.');
        for (size_t k = 0; k < c->len; k++) {
            if (text[k] == '&' || text[k] == '<' || text[k] == '>')
                (void)buf_adds(out, text[k] == '&' ? "&amp;" : text[k] == '<' ? "&lt;" : "&gt;");
            else
                (void)buf_addc(out, text[k]);
        }
        (void)buf_adds(out, "\n\n");
    }
    return out->failed ? -1 : 0;
}
