/* Which libav* this program runs with. */
#ifndef SLUICE_MEDIA_LIBRARIES_H
#define SLUICE_MEDIA_LIBRARIES_H

#include "base/buf.h"

/* "libavformat 59.27.100" */
void media_library_versions(struct buf *out);

#endif
