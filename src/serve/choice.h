/* What a person or program can ask for of a video: `1080p-mp4`, `audio-m4a`, `muxed-18`, `format-137`,
 * `best`, `<=720p` …
 *
 * A choice is computed from the description, never stored; it borrows the description's strings and lives no
 * longer. */
#ifndef SLUICE_SERVE_CHOICE_H
#define SLUICE_SERVE_CHOICE_H

#include "media/mp3.h"
#include "site/description.h"

enum { CHOICE_ID_MAX = 64, CHOICE_FORMATS_MAX = 2 };

enum choice_make {
    CHOICE_AS_IS,  /* one format, byte for byte */
    CHOICE_SPLICE, /* one or two fragmented MP4 formats made into one MP4 or M4A file (media/splice.h) */
    /* By libav, while it is sent (serve/made.h): */
    CHOICE_WEBM,
    CHOICE_OGG,
    CHOICE_MP3,
    CHOICE_MP4, /* fragmented: of HLS, or of what was to be spliced but turns out to be of another shape */
};

struct choice {
    enum choice_make make;
    char id[CHOICE_ID_MAX];
    char label[96];
    enum format_kind kind;                            /* MUXED: sound and picture in one file */
    const struct format *formats[CHOICE_FORMATS_MAX]; /* the picture first */
    size_t format_count;
    const char *container; /* also the file extension */
    const char *mime;
    char codecs[192];
    int height;
    uint64_t size_bytes; /* 0 unknown */
    bool size_exact;     /* to the byte; else the sum of what it is made of */
    int bitrate_kbps;    /* of MP3 */
};

/* All choices: files with sound and picture, best first, then sound, then every format as it is. *out:
 * free(). */
int choice_list(const struct description *d, struct choice **out, size_t *count, struct err *err);
/* What narrows a choice down; NULL: open. */
struct choice_wish {
    const char *language;  /* of the sound, BCP 47; open: the original */
    const char *codec;     /* of the picture: "h264", "av1", "vp9" */
    const char *container; /* "mp4", "webm" */
};

/* `wanted`: a choice id, "best", "audio" (the sound alone), or "<=720p" (never silently higher). `wish` may
 * be NULL. Nothing that does not fulfil all of it is given instead: ERR_NO_SUCH_CHOICE. */
int choice_find(const struct description *d, const char *wanted, const struct choice_wish *wish,
                struct choice *out, struct err *err);
/* Whether a codec of choice_wish is one we know. */
bool choice_codec_known(const char *codec);

/* The URL of this format is that of a list of pieces, which cannot be passed on as it is. */
bool choice_is_list(const struct format *f);
/* Whether a download of it can be gone on with. */
bool choice_resumable(const struct choice *c);
/* What an MP3 of it will be. Its length is known where the site describes the source in detail. */
struct mp3_shape choice_mp3_shape(const struct description *d, const struct choice *c, bool tags);

/* What people call the codec of this RFC 6381 name: "avc1.640028" → "H.264"; "" unknown. */
const char *choice_codec_name(const char *codec);

/* The choice of a list that most people want, which pages put forward and which is prepared while they read:
 * sound and picture before picture before sound; then the greatest height up to 1080, else the least above
 * it; then MP4; then the first. NULL: the list is empty. */
const struct choice *choice_preselect(const struct choice *list, size_t count);
/* Whether two choices, of two descriptions, are made of the same bytes: formats, sizes, versions. */
bool choice_same_sources(const struct choice *a, const struct choice *b);

#endif
