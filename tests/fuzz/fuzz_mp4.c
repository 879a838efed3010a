/* The box reader and what stands directly on it: a file's header and index, then every moof found behind
 * them. */
#include <stdint.h>
#include <stdlib.h>

#include "media/mp4_fragment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int truth)
{
    if (!truth)
        abort();
}

static void check_table(const struct mp4_samples *t)
{
    struct mp4_cursor c = mp4_cursor_of(t);
    struct mp4_sample s;
    uint64_t bytes = 0;
    uint64_t payload = 0;
    uint64_t end = 0;
    while (mp4_cursor_next(&c, &s))
        bytes += s.size;
    check(bytes == t->bytes && c.index == t->count && (t->count == 0 || c.dts == t->next_dts));
    for (size_t i = 0; i < t->payload_count; i++) {
        check(t->payloads[i].offset >= end);
        end = t->payloads[i].offset + t->payloads[i].bytes;
        payload += t->payloads[i].bytes;
    }
    check(payload == bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err;
    struct mp4_box box;
    struct mp4_patch_points patch;
    auto_(mp4_track) struct mp4_track track;
    auto_(mp4_samples) struct mp4_samples samples = {0};
    uint64_t head = mp4_head_bytes(data, size);
    check(head <= MP4_HEAD_MAX + MP4_HEADER_MAX);
    if (mp4_track_parse(&track, data, size, &err) < 0)
        return 0;
    uint64_t at = track.index.references[0].offset;
    for (size_t i = 0; i < track.index.count; i++) {
        check(track.index.references[i].offset == at && track.index.references[i].size > 0);
        at += track.index.references[i].size;
    }
    check(at == track.index.end && track.timescale > 0);

    struct mp4_reader r = mp4_reader_of(data, size);
    while (mp4_next(&r, &box)) {
        struct mp4_moof moof = {box.whole, (uint64_t)(box.whole.data - data), size};
        if (box.type == MP4_CC('m', 'o', 'o', 'f') &&
            mp4_fragment_read(&samples, &track, &moof, &patch, &err) < 0)
            return 0;
    }
    check_table(&samples);
    return 0;
}
