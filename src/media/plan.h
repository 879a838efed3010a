/* A plan: what to send, byte for byte, known in whole before the first byte leaves.
 *
 * An ordered list of segments; each is literal bytes (held in the plan) or bytes [offset, offset + length) of
 * source k. The plan's length is exact and it can be entered at any offset, so ranges and resume need no
 * memory of what was sent. One format passed through is a plan of one segment; merging two tracks is
 * media/splice.h. A plan is a value: it knows no URL and no socket, can be serialised, cached, hashed.
 * Each source is read strictly forward (never at an offset that lies before what the plan took from it
 * earlier), so one fetch per source can serve a whole plan; building or parsing one that goes back fails.
 * Immutable once built, so safe from any thread. Sources are numbered by the caller. */
#ifndef SLUICE_MEDIA_PLAN_H
#define SLUICE_MEDIA_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum {
    PLAN_LITERAL = 0xffff, /* source number of literal segments */
    PLAN_SOURCES_MAX = 8,
    PLAN_SEGMENTS_MAX = 4 * 1024 * 1024,
    PLAN_LITERAL_MAX = 256 * 1024 * 1024,
};

struct plan_segment {
    uint64_t out;    /* where it begins in the output */
    uint64_t offset; /* in the source, or in the literal bytes */
    uint64_t length; /* > 0 */
    uint32_t source; /* 0 … PLAN_SOURCES_MAX-1, or PLAN_LITERAL */
    uint32_t zero;
};

struct plan;

/* Building: new, add in output order, then only read. Adjacent segments of one source are joined, empty ones
 * left out. Errors: ERR_INTERNAL (memory, limits, overflow, a source read backwards, adding to a parsed
 * plan); a plan that could not be built is only good for plan_free(). */
struct plan *plan_new(void); /* NULL: out of memory */
int plan_add_literal(struct plan *p, const void *data, size_t len, struct err *err);
/* Room for `len` > 0 literal bytes, which the caller fills before it adds anything else; NULL with *err set.
 */
unsigned char *plan_reserve_literal(struct plan *p, size_t len, struct err *err);
int plan_add_source(struct plan *p, unsigned source, uint64_t offset, uint64_t length, struct err *err);
void plan_free(struct plan *p);

uint64_t plan_length(const struct plan *p);
size_t plan_segment_count(const struct plan *p);
const struct plan_segment *plan_segment(const struct plan *p, size_t index);
/* Index of the segment that holds output byte `offset` (< length). */
size_t plan_find(const struct plan *p, uint64_t offset);
/* The bytes of a literal segment. */
const unsigned char *plan_literal(const struct plan *p, const struct plan_segment *s);

/* Versioned binary form, in the byte order of the machine (a foreign one is refused). The readers treat their
 * input as hostile: what they accept keeps every promise made above. Errors: ERR_INTERNAL.
 * plan_parse() copies; plan_view() borrows `data` (8-byte aligned, unchanged until plan_free()), so that a
 * plan in a mapped cache file costs no memory of its own. */
int plan_serialise(const struct plan *p, struct buf *out);
int plan_parse(struct plan **out, const void *data, size_t len, struct err *err);
int plan_view(struct plan **out, const void *data, size_t len, struct err *err);

DEFINE_AUTO_PTR(plan, plan_free)

#endif
