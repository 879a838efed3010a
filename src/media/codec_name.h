/* What a stream's codec is called in RFC 6381 (the `codecs` parameter of a MIME type), as browsers want it.
 */
#ifndef SLUICE_MEDIA_CODEC_NAME_H
#define SLUICE_MEDIA_CODEC_NAME_H

#include <libavcodec/codec_par.h>

#include "base/buf.h"

/* Appends the name of one stream: "avc1.64001f", "mp4a.40.2", "av01.0.08M.08", "vp9", "opus". Where the
 * parameters lack what the long form needs, the short one ("avc1"); for a codec without any, libavcodec's own
 * name. The extradata comes from outside: it is read with bounds. */
int codec_name_add(struct buf *out, const AVCodecParameters *par);

#endif
