/* What is asked for, of whatever a site may have. Input: a line with the wish, then 12 bytes for each format.
 * Whatever is found is made of formats of this description, keeps to the height that was asked for, and every
 * choice that is listed is found by its id. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve/choice.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FORMAT_BYTES = 12, WISH_MAX = 80 };

static void require(bool holds)
{
    if (!holds)
        abort();
}

static char *copy(const char *s)
{
    char *c = strdup(s);
    require(c != NULL);
    return c;
}

static void add(struct description *d, const uint8_t b[FORMAT_BYTES])
{
    static const char *const containers[] = {"mp4", "m4a", "webm", "hls", "dash", "mp3", "ogg", "mkv"};
    static const char *const codecs[] = {"",          "avc1.640028", "vp9", "av01.0.05M.08",
                                         "mp4a.40.2", "opus",        "mp3", "avc1,mp4a.40.2"};
    static const char *const languages[] = {NULL, "en", "de", ""};
    char id[40];
    struct format *f = description_add_format(d);
    require(f != NULL);
    (void)snprintf(id, sizeof id, "%u-%zu%.*s", b[0], d->format_count, b[11] % 32,
                   "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    f->id = copy(id);
    f->kind = (enum format_kind)(b[1] % 3);
    f->container = copy(containers[b[2] % ARRAY_LEN(containers)]);
    f->mime = copy("video/mp4");
    f->codecs = copy(codecs[b[3] % ARRAY_LEN(codecs)]);
    f->label = copy("");
    f->language = languages[b[4] % 4] ? copy(languages[b[4] % 4]) : NULL;
    f->original = b[4] & 4;
    f->drc = b[4] & 8;
    f->height = b[5] * 16;
    f->fps = b[6];
    f->bitrate = b[7] * INT64_C(10000);
    f->size_bytes = b[8] == 255 ? UINT64_MAX : b[8] * UINT64_C(1000);
    f->duration_ms = b[9] == 255 ? UINT64_MAX : b[9] * UINT64_C(1000);
    if (b[10] & 1) {
        f->init = (struct byte_range){0, 100};
        f->index = (struct byte_range){101, b[10] * UINT64_C(8)};
    }
    f->sample_rate = b[10] & 2 ? 44100 : 0;
    f->channels = b[10] & 2 ? 2 : 0;
}

static void check(const struct description *d, const struct choice *c)
{
    require(*c->id && c->format_count >= 1 && c->format_count <= CHOICE_FORMATS_MAX && c->container &&
            c->mime);
    for (size_t i = 0; i < c->format_count; i++)
        require(c->formats[i] >= d->formats && c->formats[i] < d->formats + d->format_count);
    require(!c->size_exact || c->size_bytes);
    (void)choice_resumable(c);
    if (c->make == CHOICE_MP3)
        (void)choice_mp3_shape(d, c, true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char wanted[WISH_MAX] = "";
    struct err err;
    struct choice found;
    struct choice *list = NULL;
    size_t count = 0;
    const uint8_t *end = memchr(data, '\n', size);
    size_t len = end ? (size_t)(end - data) : size;
    if (len >= sizeof wanted)
        return 0;
    memcpy(wanted, data, len);
    auto_ptr(description) struct description *d = description_new();
    require(d != NULL);
    d->title = copy("t");
    d->duration_ms = 20000;
    for (size_t at = len + 1; at + FORMAT_BYTES <= size && d->format_count < 64; at += FORMAT_BYTES)
        add(d, data + at);
    if (choice_find(d, wanted, NULL, &found, &err) == 0) {
        unsigned most;
        check(d, &found);
        if (sscanf(wanted, "<=%7up", &most) == 1)
            require(found.height >= 0 && (unsigned)found.height <= most && found.kind != FORMAT_AUDIO);
        if (strcmp(wanted, "audio") == 0)
            require(found.kind == FORMAT_AUDIO);
    } else {
        require(err.code == ERR_NO_SUCH_CHOICE);
    }
    require(choice_list(d, &list, &count, &err) == 0);
    const struct choice *best = choice_preselect(list, count);
    require((best == NULL) == (count == 0) && (!best || (best >= list && best < list + count)));
    for (size_t i = 0; i < count; i++) {
        check(d, &list[i]);
        require(choice_find(d, list[i].id, NULL, &found, &err) == 0 && strcmp(found.id, list[i].id) == 0);
        require(choice_same_sources(&list[i], &list[i]));
    }
    free(list);
    return 0;
}
