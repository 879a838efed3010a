/* The pieces of an HLS or DASH recording, or of an HLS broadcast from now on until it ends, as one file to be
 * read forward: each through the gate, one fetch at a time. Reading can go back (libav does so after its
 * first look) and forward again. For the thread of a job. */
#ifndef SLUICE_SERVE_SEGMENTS_H
#define SLUICE_SERVE_SEGMENTS_H

#include <stdatomic.h>

#include "base/defs.h"
#include "net/net.h"

struct segments;

struct segments_opts {
    const char *url;        /* of the playlist (borrowed likewise), or the manifest with a track behind '#' */
    const char *user_agent; /* NULL: Sluice's own; borrowed until segments_free() */
    const char *headers;    /* as struct format's; for playlist, keys and pieces */
    const char *egress;     /* the same; borrowed as user_agent */
    const atomic_bool *cancelled;
};

/* Fetches the list. *out: segments_free(). */
int segments_open(struct segments **out, struct net *net, const struct segments_opts *opts, struct err *err);
/* As media_reader.read_at; `offset` at most one past what has been read so far. */
int segments_read_at(struct segments *s, uint64_t offset, void *to, size_t len, size_t *got, struct err *err);
void segments_free(struct segments *s); /* NULL is fine */

DEFINE_AUTO_PTR(segments, segments_free)

#endif
