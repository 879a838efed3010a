/* A description: what a link leads to, and how each of its formats is fetched.
 *
 * Strings are valid UTF-8 (cleaned on the way in) but hostile in meaning: escape them where they go. The
 * private form below is for our own cache only: it holds source URLs, which clients never see. */
#ifndef SLUICE_SITE_DESCRIPTION_H
#define SLUICE_SITE_DESCRIPTION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum format_kind { FORMAT_VIDEO, FORMAT_AUDIO, FORMAT_MUXED };

struct byte_range {
    uint64_t start, end; /* both inclusive, as the site states them; end 0: absent */
};

struct format {
    char *id; /* distinct in its description, begins with the site's own: "140", "140-en.4", "140-drc" */
    enum format_kind kind;
    char *container;   /* our table: mp4, m4a, webm, … (the file extension) */
    char *mime;        /* "video/mp4": from our own table by container and kind, safe in a header */
    char *codecs;      /* "avc1.640028"; "" unknown */
    int width, height; /* 0: no video or unknown */
    double fps;
    int64_t bitrate;      /* bits per second; 0 unknown */
    uint64_t size_bytes;  /* exact; 0 unknown */
    uint64_t duration_ms; /* of this format; 0 unknown */
    char *language;       /* BCP 47 of an audio track; NULL unknown */
    bool original;        /* the original track, not a dub or audio description */
    bool drc;             /* dynamic range compressed variant */
    bool upscaled;        /* a picture made larger by a model */
    int sample_rate, channels;
    char *label;                   /* "1080p", "128 kbit/s" */
    uint64_t last_modified;        /* the site's version stamp of these bytes (any unit); 0 unknown */
    struct byte_range init, index; /* fragmented files: ftyp+moov and sidx */
    /* How to fetch it: with the identity that extracted it. */
    char *url;
    char *user_agent; /* NULL: Sluice's own */
    char *headers;    /* "Name: value" lines, each with its '\n' (site/header_lines.h); NULL: none */
    char *egress;     /* way out: net/egress.h; NULL: the usual one */
};

struct subtitle {
    char *language;
    char *label;
    bool is_auto;
    char *url; /* WebVTT */
};

struct chapter {
    uint64_t start_ms;
    char *title;
};

/* Small pictures of the whole video, columns × rows of them on a sheet, one every interval_ms. */
struct storyboard {
    int width, height; /* of one picture */
    int columns, rows;
    int count; /* of pictures */
    uint64_t interval_ms;
    char *url; /* of a sheet, https; "$M" in it stands for its number, from 0 */
};

struct description {
    char *site; /* "youtube", "direct" */
    char *id;
    char *url; /* canonical link: parsing it again leads to the same thing */
    char *title;
    char *author;         /* NULL unknown */
    char *author_url;     /* what else is by them (site/youtube/listing.h); NULL unknown */
    uint64_t duration_ms; /* 0 unknown */
    char *thumbnail;      /* https URL; NULL none */
    char *published;      /* when it came out, "2026-01-31"; NULL unknown */
    bool live;
    struct format *formats;
    size_t format_count;
    struct subtitle *subtitles;
    size_t subtitle_count;
    struct chapter *chapters; /* in order of their time */
    size_t chapter_count;
    struct storyboard *storyboards;
    size_t storyboard_count;
    char *engine;           /* "youtube:visionos", "direct" */
    int64_t expires_unix_s; /* when the source URLs die; 0 unknown */
};

struct description *description_new(void);
void description_free(struct description *d);
/* Appends a zeroed row; NULL when out of memory or over 512 rows. Borrowed until the next append. */
struct format *description_add_format(struct description *d);
struct subtitle *description_add_subtitle(struct description *d);
struct chapter *description_add_chapter(struct description *d);
struct storyboard *description_add_storyboard(struct description *d);
/* Replaces *to by a copy of `s`: valid UTF-8 (U+FFFD for bytes that are not), at most `max` bytes, cut
 * between characters. -1: out of memory; *to is then NULL. */
int description_set_text(char **to, const char *s, size_t len, size_t max);
/* The same for texts that people read in one line: every run of white space and control characters becomes
 * one space, none at the ends. */
int description_set_line(char **to, const char *s, size_t len, size_t max);
/* Sets `published` from the beginning of "2026-01-31T…" or "20260131", and from a time; what is no date is
 * passed over. -1: out of memory. */
int description_set_day(struct description *d, const char *text);
int description_set_day_of(struct description *d, int64_t unix_s);
/* Drops all formats but these, and all other lists: for those who keep one for as long as a stream lasts. The
 * pointers are set to where the formats are then. */
void description_narrow(struct description *d, const struct format **kept, size_t count);
const struct format *description_format(const struct description *d, const char *id);

/* Private form, complete and lossless, the same bytes for the same content; -1: out of memory, over out->max,
 * or a text that must not be NULL is. parse treats its input as hostile. Errors: ERR_INTERNAL. */
int description_serialise(const struct description *d, struct buf *out);
int description_parse(struct description **out, const void *data, size_t len, struct err *err);

DEFINE_AUTO_PTR(description, description_free)

#endif
