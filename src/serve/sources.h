/* The sources of a choice as libav reads them: forward, over one fetch each, with a few jumps (to an index at
 * the end, say), which are new requests and bounded. A source that dies is renewed as the pump does it. For
 * the thread of a job (serve/work.h); what blocks ends soon after *cancelled is set. */
#ifndef SLUICE_SERVE_SOURCES_H
#define SLUICE_SERVE_SOURCES_H

#include <stdatomic.h>

#include "media/reader.h"
#include "net/fetch.h"
#include "serve/choice.h"
#include "serve/feed.h"
#include "serve/segments.h"

struct source_failure {
    unsigned source;
    uint64_t at; /* bytes that had been read, of all sources together */
    struct err why;
};

/* What a job reads. */
struct source_job {
    struct net *net;
    struct slices *slices;                        /* NULL: none are looked at */
    struct pump_source sources[PLAN_SOURCES_MAX]; /* texts borrowed, or until renew() */
    size_t source_count;
    /* On the job's thread: as feed_opts.renew and .adopt; -1: there is no way on. NULL: never renewed. */
    int (*renew)(void *ctx, struct source_job *job, const struct source_failure *failure, struct err *err);
    void *renew_ctx;
};

struct sources;

/* One source being read. `data` is borrowed from the fetch until its next fetch_next(). */
struct source {
    struct sources *all;
    struct segments *segments; /* of HLS, which needs nothing of the rest */
    struct fetch *fetch;
    uint64_t at; /* offset of data[0] */
    const unsigned char *data;
    size_t len;
    unsigned jumps;
};

/* Embedded; not moved after sources_init(). */
struct sources {
    struct source_job job; /* net, sources, renew */
    const atomic_bool *cancelled;
    struct source each[CHOICE_FORMATS_MAX];
    struct media_reader readers[CHOICE_FORMATS_MAX]; /* for libav */
    uint64_t read_bytes;
};

/* `job` is copied; its plan and range do not matter. */
void sources_init(struct sources *s, const struct source_job *job, const atomic_bool *cancelled);
void sources_fini(struct sources *s); /* fine on one that is all zero */

#endif
