/* Whole media files from hostile servers, through libav into another container or MP3. Its own bugs are its
 * own; ours would be the leash it reads on, the packets looked ahead at, the times given to the muxer, and a
 * length that is announced and not kept. The first byte chooses the container, the second how the rest is
 * served. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "media/audio.h"
#include "media/remux.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WRITTEN_MAX = 4 << 20 };

struct io {
    const uint8_t *data;
    size_t size, written;
};

static int read_at(void *ctx, uint64_t offset, void *to, size_t len, size_t *got, struct err *err)
{
    const struct io *io = ctx;
    (void)err;
    size_t n = offset < io->size ? io->size - (size_t)offset : 0;
    n = n < len ? n : len;
    if (n)
        memcpy(to, io->data + offset, n);
    *got = n;
    return 0;
}

static int write_some(void *ctx, const void *data, size_t len)
{
    struct io *io = ctx;
    const unsigned char *bytes = data;
    unsigned sum = 0;
    for (size_t i = 0; i < len; i++)
        sum += bytes[i]; /* for the sanitizers to look at */
    io->written += len + (sum & 0);
    return io->written > WRITTEN_MAX ? -1 : 0;
}

static void to_mp3(struct io *io, uint64_t samples)
{
    const struct media_reader reader = {read_at, io, io->size};
    const struct media_sink sink = {write_some, io};
    const struct audio_opts opts = {.shape = {.rate_hz = 44100, .kbps = 128, .samples = samples}};
    struct err err = {0};
    auto_ptr(audio) struct audio *a = NULL;
    if (audio_open(&a, &reader, &opts, &err) < 0)
        return;
    if (audio_run(a, &sink, &err) == 0 && audio_size(a) && audio_size(a) != io->written)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct io io = {data + 2, size - 2, 0};
    if (data[0] % 4 == 3) {
        to_mp3(&io, (uint64_t)data[1] * 1000);
        return 0;
    }
    const struct media_reader readers[REMUX_INPUTS_MAX] = {{read_at, &io, data[1] & 1 ? io.size : 0},
                                                           {read_at, &io, io.size}};
    const struct media_sink sink = {write_some, &io};
    const struct remux_opts opts = {.to = (enum remux_to)(data[0] % 4), .duration_ms = data[1] >> 2};
    struct err err = {0};
    int rc = media_remux(readers, data[1] & 2 ? 2 : 1, &opts, &sink, &err);
    if (rc < 0 && err.code == ERR_OK && io.written <= WRITTEN_MAX)
        abort(); /* only a sink's wish is no error */
    return 0;
}
