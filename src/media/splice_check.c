/* Whether fragments that nobody has read are built as the first one: see splice_checks(). */
#include "media/splice_impl.h"

enum { TFHD_BASE_DATA_OFFSET = 1 };

size_t splice_checks(const struct splice *s, struct splice_range out[SPLICE_CHECKS_MAX])
{
    size_t count = 0;
    size_t each = s->track_count ? SPLICE_CHECKS_MAX / s->track_count : 0;
    for (size_t i = 0; i < s->track_count; i++) {
        const struct splice_track *t = &s->tracks[i];
        size_t unread = t->head.index.count - t->next_read;
        size_t n = unread < each ? unread : each;
        for (size_t k = 1; t->uniform && k <= n; k++) {
            const struct mp4_reference *r = &t->head.index.references[t->next_read + unread * k / n - 1];
            size_t len = t->patch.track_id + 4;
            out[count++] = (struct splice_range){t->source, r->offset, len < r->size ? len : r->size};
        }
    }
    return count;
}

int splice_check(const struct splice *s, const struct splice_range *range, const void *data, struct err *err)
{
    const struct splice_track *t = s->tracks;
    while (t < s->tracks + s->track_count && t->source != range->source)
        t++;
    if (t == s->tracks + s->track_count)
        return err_set(err, ERR_INTERNAL, "splice: no such source");
    const uint32_t boxes[2] = {t->patch.sequence_number, t->patch.track_id};
    const uint32_t types[2] = {MP4_CC('m', 'f', 'h', 'd'), MP4_CC('t', 'f', 'h', 'd')};
    bool alike = t->uniform && range->length == t->patch.track_id + 4;
    for (size_t i = 0; alike && i < 2; i++) {
        struct mp4_reader r = mp4_reader_of(data, range->length);
        mp4_skip(&r, boxes[i] - 8); /* a box states its type and its flags before the number */
        alike = mp4_read_u32(&r) == types[i];
        uint32_t flags = mp4_read_u32(&r);
        if (i == 1)
            alike = alike && !(flags & TFHD_BASE_DATA_OFFSET) && mp4_read_u32(&r) == t->head.id;
    }
    return alike ? 0 : err_set(err, ERR_UNSUPPORTED_SITE, "splice: fragments that are not built alike");
}
