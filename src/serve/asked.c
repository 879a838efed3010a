/* See asked.h. */
#include "serve/asked.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* "90", "1:30", "0:01:30.5" → ms; -1: not a time. */
static int parse_time(const char *text, uint64_t *ms)
{
    uint64_t seconds = 0;
    uint64_t fraction = 0;
    const char *dot = strchr(text, '.');
    size_t digits = dot ? strlen(dot + 1) : 0;
    if (dot && (digits > 3 || text_parse_u64(dot + 1, 0, 999, &fraction) < 0))
        return -1;
    for (; digits && digits < 3; digits++)
        fraction *= 10;
    const char *end = dot ? dot : text + strlen(text);
    for (int parts = 0; parts < 3; parts++) {
        uint64_t n;
        size_t len = strcspn(text, ":.");
        /* only the first part may go over its place: 90:00 is an hour and a half */
        if (text_parse_u64n(text, len, 0, parts ? 59 : 1000000, &n) < 0)
            return -1;
        seconds = seconds * 60 + n;
        text += len;
        if (text == end) {
            *ms = seconds * 1000 + fraction;
            return 0;
        }
        text++;
    }
    return -1;
}

static int own(const char **to, const char *text, struct err *err)
{
    *to = text ? strdup(text) : NULL;
    return text && !*to ? err_set(err, ERR_INTERNAL, "out of memory") : 0;
}

int asked_read(struct asked *a, const struct http_request *req, const char *link, const char *wanted,
               struct err *err)
{
    const char *start = http_param(req, "start");
    const char *end = http_param(req, "end");
    const char *metadata = http_param(req, "metadata");
    const char *layout = http_param(req, "layout");
    if (own(&a->link, link, err) < 0 || own(&a->wanted, wanted && *wanted ? wanted : "best", err) < 0)
        return -1;
    if (own(&a->wish.language, http_param(req, "lang"), err) < 0 ||
        own(&a->wish.codec, http_param(req, "codec"), err) < 0 ||
        own(&a->wish.container, http_param(req, "container"), err) < 0)
        return -1;
    if (a->wish.codec && !choice_codec_known(a->wish.codec))
        return err_set(err, ERR_BAD_REQUEST, "codec is h264, av1 or vp9");
    if ((start && parse_time(start, &a->merge.start_ms) < 0) ||
        (end && parse_time(end, &a->merge.end_ms) < 0))
        return err_set(err, ERR_BAD_REQUEST, "start and end are seconds or [hh:]mm:ss");
    if (end && a->merge.end_ms <= a->merge.start_ms)
        return err_set(err, ERR_BAD_REQUEST, "end must lie after start");
    if (layout && strcmp(layout, "fragmented") != 0 && strcmp(layout, "progressive") != 0)
        return err_set(err, ERR_BAD_REQUEST, "layout is progressive or fragmented");
    a->merge.fragmented = layout && strcmp(layout, "fragmented") == 0;
    const char *subs = http_param(req, "subs");
    if (subs && *subs && own(&a->subs, subs, err) < 0)
        return -1;
    if (a->subs && a->merge.fragmented)
        return err_set(err, ERR_BAD_REQUEST, "subtitles need the progressive layout");
    a->merge.no_tags = metadata && strcmp(metadata, "0") == 0;
    return 0;
}

void asked_fini(struct asked *a)
{
    const char *const texts[] = {a->link,          a->wanted,     a->subs,
                                 a->wish.language, a->wish.codec, a->wish.container};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        free((char *)(uintptr_t)texts[i]);
    *a = (struct asked){0};
}
