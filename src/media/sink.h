/* Where bytes that are made go. media/ knows no socket: it hands them to a sink, in order. */
#ifndef SLUICE_MEDIA_SINK_H
#define SLUICE_MEDIA_SINK_H

#include <stddef.h>

struct media_sink {
    /* Takes all of it; blocks while there is no room. -1: nobody wants any more, stop. */
    int (*write)(void *ctx, const void *data, size_t len);
    void *ctx;
};

#endif
