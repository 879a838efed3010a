/* Plans; see plan.h. The serialised form is the form in memory: a header, the segments, the literal bytes. */
#include "media/plan.h"

#include <string.h>

static const char PLAN_MAGIC[8] = "sluice1";

struct plan_header {
    char magic[8];
    uint64_t order; /* ORDER_MARK: tells the byte order */
    uint64_t segments;
    uint64_t literal_bytes;
};

enum { ORDER_MARK = 0x01020304 };

struct plan {
    const struct plan_segment *segments;
    const unsigned char *literal;
    size_t count, literal_len;
    uint64_t length;
    uint64_t source_end[PLAN_SOURCES_MAX]; /* how far each source was read, to refuse going back */
    struct plan_segment *own_segments;     /* what a built or copied plan owns; NULL in a view */
    size_t capacity;
    struct buf own_literal;
    bool complete; /* parsed, not built: takes no more */
};

struct plan *plan_new(void)
{
    struct plan *p = calloc(1, sizeof *p);
    if (p)
        buf_init(&p->own_literal, PLAN_LITERAL_MAX);
    return p;
}

void plan_free(struct plan *p)
{
    if (!p)
        return;
    buf_fini(&p->own_literal);
    free(p->own_segments);
    free(p);
}

/* Whether `s` may follow what `p` has so far; takes it into account when it may. Both ways of making a plan,
 * building and parsing, go through here. */
static int admit(struct plan *p, const struct plan_segment *s, struct err *err)
{
    uint64_t end;
    uint64_t length;
    if (p->count >= PLAN_SEGMENTS_MAX)
        return err_set(err, ERR_INTERNAL, "plan: more than %d segments", PLAN_SEGMENTS_MAX);
    if (s->length == 0 || s->zero || s->out != p->length ||
        (s->source >= PLAN_SOURCES_MAX && s->source != PLAN_LITERAL))
        return err_set(err, ERR_INTERNAL, "plan: malformed segment");
    if (__builtin_add_overflow(s->offset, s->length, &end) ||
        __builtin_add_overflow(p->length, s->length, &length) || length > INT64_MAX)
        return err_set(err, ERR_INTERNAL, "plan: a size overflows");
    if (s->source == PLAN_LITERAL) {
        if (end > p->literal_len)
            return err_set(err, ERR_INTERNAL, "plan: literal bytes out of bounds");
    } else {
        if (s->offset < p->source_end[s->source])
            return err_set(err, ERR_INTERNAL, "plan: source %u is read backwards", (unsigned)s->source);
        p->source_end[s->source] = end;
    }
    p->length = length;
    return 0;
}

static int append(struct plan *p, uint32_t source, uint64_t offset, uint64_t length, struct err *err)
{
    struct plan_segment s = {.out = p->length, .offset = offset, .length = length, .source = source};
    size_t last = p->count - 1;
    bool joins = p->count > 0 && p->own_segments[last].source == source &&
                 p->own_segments[last].offset + p->own_segments[last].length == offset;
    if (!joins && p->count == p->capacity) {
        size_t capacity = p->capacity ? p->capacity * 2 : 16;
        struct plan_segment *grown = realloc(p->own_segments, capacity * sizeof *grown);
        if (!grown)
            return err_set(err, ERR_INTERNAL, "plan: out of memory");
        p->segments = p->own_segments = grown;
        p->capacity = capacity;
    }
    if (admit(p, &s, err) < 0)
        return -1;
    if (joins)
        p->own_segments[last].length += length;
    else
        p->own_segments[p->count++] = s;
    return 0;
}

unsigned char *plan_reserve_literal(struct plan *p, size_t len, struct err *err)
{
    size_t at = p->own_literal.len;
    char *to = p->complete ? NULL : buf_reserve(&p->own_literal, len);
    if (!to) {
        err_set(err, ERR_INTERNAL, "plan: no room for %zu literal bytes", len);
        return NULL;
    }
    p->own_literal.len += len;
    p->literal = (const unsigned char *)p->own_literal.data;
    p->literal_len = p->own_literal.len;
    return append(p, PLAN_LITERAL, at, len, err) < 0 ? NULL : (unsigned char *)to;
}

int plan_add_literal(struct plan *p, const void *data, size_t len, struct err *err)
{
    if (len == 0)
        return 0;
    unsigned char *to = plan_reserve_literal(p, len, err);
    if (!to)
        return -1;
    memcpy(to, data, len);
    return 0;
}

int plan_add_source(struct plan *p, unsigned source, uint64_t offset, uint64_t length, struct err *err)
{
    if (length == 0)
        return 0;
    if (p->complete || source >= PLAN_SOURCES_MAX)
        return err_set(err, ERR_INTERNAL, "plan: cannot add source %u", source);
    return append(p, source, offset, length, err);
}

uint64_t plan_length(const struct plan *p)
{
    return p->length;
}

size_t plan_segment_count(const struct plan *p)
{
    return p->count;
}

const struct plan_segment *plan_segment(const struct plan *p, size_t index)
{
    return &p->segments[index];
}

size_t plan_find(const struct plan *p, uint64_t offset)
{
    size_t low = 0; /* segments[low].out <= offset < segments[high].out */
    size_t high = p->count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (p->segments[middle].out <= offset)
            low = middle;
        else
            high = middle;
    }
    return low;
}

const unsigned char *plan_literal(const struct plan *p, const struct plan_segment *s)
{
    return p->literal + s->offset;
}

int plan_serialise(const struct plan *p, struct buf *out)
{
    struct plan_header h = {.order = ORDER_MARK, .segments = p->count, .literal_bytes = p->literal_len};
    memcpy(h.magic, PLAN_MAGIC, sizeof h.magic);
    buf_add(out, &h, sizeof h);
    buf_add(out, p->segments, p->count * sizeof *p->segments);
    return buf_add(out, p->literal, p->literal_len);
}

/* Makes the serialised form at `data` the content of an empty plan. */
static int lie_on(struct plan *p, const void *data, size_t len, struct err *err)
{
    struct plan_header h;
    if ((uintptr_t)data % _Alignof(struct plan_segment))
        return err_set(err, ERR_INTERNAL, "plan: not aligned");
    if (len < sizeof h)
        return err_set(err, ERR_INTERNAL, "plan: truncated");
    memcpy(&h, data, sizeof h);
    if (memcmp(h.magic, PLAN_MAGIC, sizeof h.magic) != 0 || h.order != ORDER_MARK)
        return err_set(err, ERR_INTERNAL, "plan: another version or machine wrote it");
    if (h.segments > PLAN_SEGMENTS_MAX || h.literal_bytes > PLAN_LITERAL_MAX ||
        len != sizeof h + h.segments * sizeof(struct plan_segment) + h.literal_bytes)
        return err_set(err, ERR_INTERNAL, "plan: its length is wrong");
    p->complete = true;
    p->segments = (const void *)((const char *)data + sizeof h);
    p->literal = (const unsigned char *)(p->segments + h.segments);
    p->literal_len = h.literal_bytes;
    for (; p->count < h.segments; p->count++)
        if (admit(p, &p->segments[p->count], err) < 0)
            return -1;
    return 0;
}

int plan_view(struct plan **out, const void *data, size_t len, struct err *err)
{
    auto_ptr(plan) struct plan *p = plan_new();
    if (!p)
        return err_set(err, ERR_INTERNAL, "plan: out of memory");
    if (lie_on(p, data, len, err) < 0)
        return -1;
    *out = steal(&p);
    return 0;
}

int plan_parse(struct plan **out, const void *data, size_t len, struct err *err)
{
    auto_ptr(plan) struct plan *p = plan_new();
    /* One block, owned as if it were the segments alone. */
    if (!p || !(p->own_segments = malloc(len + 1)))
        return err_set(err, ERR_INTERNAL, "plan: out of memory");
    memcpy(p->own_segments, data, len);
    if (lie_on(p, p->own_segments, len, err) < 0)
        return -1;
    *out = steal(&p);
    return 0;
}
