/* See made.h. */
#include "serve/made.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "media/audio.h"
#include "media/remux.h"
#include "serve/cover.h"
#include "serve/sources.h"
#include "serve/work.h"

enum {
    RECIPE_VERSION = 1, /* part of every ETag: raise it when other bytes are made of the same sources */
    LOOK_MS = 50,       /* how often a response that has nothing to send looks for its client */
    IDENTITY_MAX_BYTES = 65536,
};

struct made {
    struct app *app;
    enum choice_make make;
    uint64_t duration_ms;
    struct mp3_shape shape;      /* of MP3 */
    char *title, *author, *link; /* own copies: a renewal replaces the description */
    struct shelf_value *cover;   /* NULL: none */
    struct mp4_tags tags;
    bool no_tags;
    uint64_t length;
    char etag[MADE_ETAG_MAX];

    struct pump_job from;
    struct sources sources; /* the job's thread reads them */
    struct work *work;
    const void *data; /* the first bytes, when they are in hand */
    size_t len;
};

void made_free(struct made *m)
{
    if (!m)
        return;
    work_close(m->work); /* first: its thread uses all the rest */
    sources_fini(&m->sources);
    shelf_value_free(m->cover);
    free(m->title);
    free(m->author);
    free(m->link);
    free(m);
}

/* ---- What it will be ---- */

static int copy_tags(struct made *m, const struct description *d, struct err *err)
{
    m->title = strdup(d->title ? d->title : "");
    m->author = strdup(d->author ? d->author : "");
    m->link = strdup(d->url ? d->url : "");
    if (!m->title || !m->author || !m->link)
        return err_set(err, ERR_INTERNAL, "out of memory");
    m->cover = m->make == CHOICE_MP3 || m->make == CHOICE_OGG ? cover_get(m->app, d) : NULL;
    m->tags = (struct mp4_tags){.title = m->title, .artist = m->author, .comment = m->link};
    if (m->cover) {
        m->tags.cover = shelf_value_data(m->cover);
        m->tags.cover_len = shelf_value_size(m->cover);
    }
    return 0;
}

/* No text can pass for another field, whatever is in it. */
static void add_text(struct buf *out, const char *text)
{
    (void)buf_addf(out, "%zu:%s\n", text ? strlen(text) : 0, text ? text : "");
}

/* All that decides about the bytes of an MP3. */
static int set_etag(struct made *m, const struct description *d, const struct choice *c, struct err *err)
{
    const struct format *f = c->formats[0];
    char hex[HASH_HEX_LEN + 1];
    auto_(buf) struct buf text = BUF_INIT(IDENTITY_MAX_BYTES);
    (void)buf_addf(&text, "%d\n", RECIPE_VERSION);
    add_text(&text, d->site);
    add_text(&text, d->id);
    add_text(&text, f->id);
    (void)buf_addf(&text, "%llu %llu %llu %d\n", (unsigned long long)f->last_modified,
                   (unsigned long long)f->size_bytes, (unsigned long long)m->length, c->bitrate_kbps);
    add_text(&text, audio_engine());
    if (!m->no_tags) {
        add_text(&text, m->title);
        add_text(&text, m->author);
        add_text(&text, m->link);
        hash_sha256_hex(m->tags.cover, m->tags.cover_len, hex);
        add_text(&text, hex);
    }
    if (text.failed)
        return err_set(err, ERR_INTERNAL, "the file's name is too long");
    hash_sha256_hex(text.data, text.len, hex);
    (void)snprintf(m->etag, sizeof m->etag, "\"%.32s\"", hex);
    return 0;
}

int made_new(struct made **out, struct app *app, const struct description *d, const struct choice *c,
             bool no_tags, struct err *err)
{
    struct made *m = calloc(1, sizeof *m);
    if (!m)
        return err_set(err, ERR_INTERNAL, "out of memory");
    m->app = app;
    m->make = c->make;
    m->no_tags = no_tags;
    m->duration_ms = c->formats[0]->duration_ms;
    int rc = no_tags ? 0 : copy_tags(m, d, err);
    if (rc == 0 && c->make == CHOICE_MP3) {
        m->shape = choice_mp3_shape(d, c, !no_tags);
        m->length = mp3_size(&m->shape);
        rc = m->length ? set_etag(m, d, c, err) : 0;
    }
    if (rc < 0)
        made_free(steal(&m));
    *out = m;
    return rc;
}

uint64_t made_length(const struct made *m)
{
    return m->length;
}

const char *made_etag(const struct made *m)
{
    return m->length ? m->etag : "";
}

/* ---- Making it: on the job's thread ---- */

static int sink_write(void *ctx, const void *data, size_t len)
{
    return work_write(ctx, data, len);
}

static int make_mp3(struct made *m, const struct media_sink *sink, struct err *err)
{
    const struct audio_opts opts = {.shape = m->shape, .tags = m->no_tags ? NULL : &m->tags};
    auto_ptr(audio) struct audio *a = NULL;
    if (audio_open(&a, &m->sources.readers[0], &opts, err) < 0)
        return -1;
    m->length = audio_size(a); /* the response looks at it after the first byte has come */
    return audio_run(a, sink, err);
}

/* A work_fn. */
static int make(void *ctx, struct work *w, struct err *err)
{
    struct made *m = ctx;
    const struct media_sink sink = {sink_write, w};
    sources_init(&m->sources, &m->from, work_cancelled(w));
    if (m->make == CHOICE_MP3)
        return make_mp3(m, &sink, err);
    const struct remux_opts opts = {
        .to = m->make == CHOICE_WEBM  ? REMUX_WEBM
              : m->make == CHOICE_OGG ? REMUX_OGG
                                      : REMUX_MP4,
        .duration_ms = m->duration_ms,
        .tags = m->no_tags ? NULL : &m->tags,
    };
    return media_remux(m->sources.readers, m->sources.job.source_count, &opts, &sink, err);
}

/* ---- Sending it ---- */

/* Waits for more bytes, and meanwhile looks for the client: 1; 0 at the end; -1, with ERR_OK when it left. */
static int next(struct made *m, struct http_response *res, struct err *err)
{
    for (;;) {
        switch (work_next(m->work, LOOK_MS, &m->data, &m->len, err)) {
        case WORK_BYTES:
            return 1;
        case WORK_DONE:
            return 0;
        case WORK_FAILED:
            return -1;
        case WORK_LATER:
            if (http_look(res))
                return err_set(err, ERR_OK, "the client left");
        }
    }
}

int made_begin(struct made *m, const struct pump_job *sources, struct http_response *res, struct err *err)
{
    m->from = *sources;
    if (work_start(&m->work, m->app->workers, make, m, err) < 0)
        return -1;
    int rc = next(m, res, err);
    return rc == 0 ? err_set(err, ERR_UPSTREAM_FAILED, "nothing came of it") : rc < 0 ? -1 : 0;
}

int made_send(struct made *m, const struct http_range *range, struct http_response *res, struct err *err)
{
    uint64_t at = 0; /* of m->data in the file */
    uint64_t end = m->length ? range->offset + range->length : UINT64_MAX;
    int more = 1;
    while (more > 0 && at < end) {
        uint64_t skip = at < range->offset ? range->offset - at : 0;
        skip = skip < m->len ? skip : m->len;
        size_t len = m->len - (size_t)skip;
        len = len < end - at - skip ? len : (size_t)(end - at - skip);
        /* what is left out tells nothing of the client */
        if (len ? http_write(res, (const char *)m->data + skip, len) < 0 : http_look(res))
            return err_set(err, ERR_OK, "the client left");
        at += m->len;
        more = at < end ? next(m, res, err) : 0;
    }
    return more < 0 ? -1 : 0;
}
