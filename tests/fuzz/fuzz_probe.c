/* Whole media files from hostile servers, through libavformat. Its own bugs are its own; ours would be the
 * AVIO over the reader, the budget, and what is read out of the streams' parameters. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "media/probe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *data;
    size_t size, served;
};

static int read_at(void *ctx, uint64_t offset, void *to, size_t len, size_t *got, struct err *err)
{
    struct input *in = ctx;
    (void)err;
    size_t n = offset < in->size ? in->size - (size_t)offset : 0;
    n = n < len ? n : len;
    if (n)
        memcpy(to, in->data + offset, n);
    *got = n;
    in->served += n;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size, 0};
    struct media_reader reader = {read_at, &in, size % 2 ? size : 0}; /* of known and of unknown size */
    struct media_probe out;
    struct err err;
    int rc = media_probe(&reader, &out, &err);
    if (in.served > PROBE_READ_BUDGET || (rc == 0 && !out.has_video && !out.has_audio) ||
        (rc == 0 && (!memchr(out.codecs, 0, sizeof out.codecs) || !memchr(out.title, 0, sizeof out.title))))
        abort();
    if (rc == 0 && (out.width < 0 || out.height < 0 || out.sample_rate < 0 || out.channels < 0 ||
                    out.bitrate < 0 || !isfinite(out.fps) || out.fps < 0))
        abort();
    return 0;
}
