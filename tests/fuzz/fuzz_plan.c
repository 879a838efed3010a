/* Serialised plans, as a damaged cache would hand them over. What is accepted must keep the promises of
 * plan.h and be written back byte for byte. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "media/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int truth)
{
    if (!truth)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err;
    auto_ptr(plan) struct plan *p = NULL;
    auto_(buf) struct buf again = BUF_INIT(16 << 20);
    uint64_t source_end[PLAN_SOURCES_MAX] = {0};
    uint64_t out = 0;
    if (plan_parse(&p, data, size, &err) < 0)
        return 0;
    for (size_t i = 0; i < plan_segment_count(p); i++) {
        const struct plan_segment *s = plan_segment(p, i);
        check(s->out == out && s->length > 0);
        check(plan_find(p, s->out) == i && plan_find(p, s->out + s->length - 1) == i);
        if (s->source == PLAN_LITERAL) {
            const unsigned char *bytes = plan_literal(p, s);
            check(bytes[0] + bytes[s->length - 1] >= 0); /* ASan watches the reads */
        } else {
            check(s->offset >= source_end[s->source]);
            source_end[s->source] = s->offset + s->length;
        }
        out += s->length;
    }
    check(out == plan_length(p));
    check(plan_serialise(p, &again) == 0 && again.len == size && memcmp(again.data, data, size) == 0);
    return 0;
}
