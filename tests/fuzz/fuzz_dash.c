/* Manifests from hostile servers. What is accepted has to be what dash.h says: each track has an address,
 * each list is bounded, every piece has an address and a part that exists. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "site/dash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_list(const struct dash *d)
{
    if (d->segment_count == 0 || d->segment_count > HLS_SEGMENTS_MAX)
        abort();
    for (size_t i = 0; i < d->segment_count; i++) {
        const struct hls_segment *s = &d->segments[i];
        if (strlen(s->uri) > DASH_URIS_BYTES_MAX || s->key || s->offset > INT64_MAX - s->length)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    size_t count = 1;
    for (size_t i = 0; i < count && i < 4; i++) {
        auto_ptr(dash) struct dash *d = NULL;
        if (dash_parse(&d, "https://media.example/a.mpd", (const char *)data, size, &err) < 0)
            return 0;
        count = d->track_count;
        if (count == 0 || count > DASH_TRACKS_MAX || !d->tracks[i].base ||
            (d->tracks[i].index.end && d->tracks[i].index.start >= d->tracks[i].index.end))
            abort();
        if (dash_list(d, i, &err) == 0)
            check_list(d);
    }
    return 0;
}
