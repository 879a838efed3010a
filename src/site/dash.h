/* DASH manifests (MPD, ISO/IEC 23009-1), of recordings of one period: which tracks there are, and of which
 * pieces each is made. Pure; every byte is hostile. */
#ifndef SLUICE_SITE_DASH_H
#define SLUICE_SITE_DASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/defs.h"
#include "base/err.h"
#include "site/description.h"
#include "site/hls.h"
#include "site/xml.h"

enum {
    DASH_BYTES_MAX = HLS_BYTES_MAX,
    DASH_TRACKS_MAX = 128,
    DASH_URIS_BYTES_MAX = 32 << 20, /* of the pieces of one track, in all */
};

/* A Representation. Strings are borrowed from the struct dash; NULL: absent. */
struct dash_track {
    bool is_text; /* WebVTT in one file; `kind` says nothing then */
    enum format_kind kind;
    const char *id, *mime, *codecs, *language;
    int64_t bandwidth;
    int width, height, sample_rate;
    double fps;
    bool original;
    char *base;                    /* what the URIs of its pieces are relative to; of a single file its URL */
    bool is_file;                  /* one file whose parts are stated: */
    struct byte_range init, index; /* index.end 0: they are not */
    const struct xml_node *levels[3]; /* Representation, AdaptationSet, Period */
};

struct dash {
    struct dash_track *tracks;
    size_t track_count;
    uint64_t duration_ms;
    /* What dash_list() made, with the initialisation segment first. */
    struct hls_segment *segments;
    size_t segment_count;
    bool last_may_lack; /* how many pieces there are was reckoned from a rounded duration */
    char **uris;        /* what the segments borrow */
    struct xml *doc;
};

bool dash_is(const char *text, size_t len); /* looks like one */

/* `base`: where it came from. *out: dash_free(). Errors: ERR_UNSUPPORTED_SITE no manifest, nothing in it that
 * could be played, or several periods; ERR_LIVE; ERR_DRM all sound, or all pictures, are encrypted. */
int dash_parse(struct dash **out, const char *base, const char *text, size_t len, struct err *err);
/* The pieces of one of its tracks; once for each struct. ERR_UNSUPPORTED_SITE. */
int dash_list(struct dash *d, size_t track, struct err *err);
void dash_free(struct dash *d); /* NULL is fine */

DEFINE_AUTO_PTR(dash, dash_free)

#endif
