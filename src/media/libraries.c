/* See libraries.h. */
#include "media/libraries.h"

#include <libavformat/avformat.h>

void media_library_versions(struct buf *out)
{
    unsigned v = avformat_version();
    (void)buf_addf(out, "libavformat %u.%u.%u", AV_VERSION_MAJOR(v), AV_VERSION_MINOR(v),
                   AV_VERSION_MICRO(v));
}
