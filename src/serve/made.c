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
    IDENTITY_MAX_BYTES = 65536,
};

struct made {
    struct app *app;
    enum choice_make make;
    uint64_t duration_ms;
    struct mp3_shape shape;             /* of MP3 */
    char *title, *author, *date, *link; /* own copies: a renewal replaces the description */
    struct shelf_value *cover;          /* NULL: none */
    struct mp4_tags tags;
    bool no_tags;
    uint64_t length;
    uint64_t real_length; /* the job's: what it turned out to be; to be looked at when bytes have come */
    char etag[MADE_ETAG_MAX];

    struct source_job from;
    struct sources sources; /* the job's thread reads them */
    struct work *work;
    const unsigned char *data; /* in hand */
    size_t len;
    uint64_t at; /* of data in the file */
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
    free(m->date);
    free(m->link);
    free(m);
}

/* ---- What it will be ---- */

static int copy_tags(struct made *m, const struct description *d, struct err *err)
{
    m->title = strdup(d->title ? d->title : "");
    m->author = strdup(d->author ? d->author : "");
    m->date = strdup(d->published ? d->published : "");
    m->link = strdup(d->url ? d->url : "");
    if (!m->title || !m->author || !m->date || !m->link)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (m->make == CHOICE_MP3 || m->make == CHOICE_OGG)
        (void)cover_get(m->app, d, &m->cover); /* missed: then without */
    m->tags = (struct mp4_tags){.title = m->title, .artist = m->author, .date = m->date, .comment = m->link};
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
        add_text(&text, m->date);
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
    m->real_length = audio_size(a);
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

/* ---- Handing it out ---- */

int made_start(struct made *m, const struct source_job *sources, void (*on_change)(void *ctx), void *ctx,
               struct err *err)
{
    m->from = *sources;
    m->real_length = m->length;
    return work_start(&m->work, m->app->workers, make, m, on_change, ctx, err);
}

enum pump_state made_gather(struct made *m, const struct http_range *range, struct iovec *iov, int *count,
                            struct err *err)
{
    for (;;) {
        uint64_t from = m->length ? range->offset : 0;
        uint64_t end = m->length ? range->offset + range->length : UINT64_MAX;
        if (m->at >= end)
            return PUMP_END;
        uint64_t skip = m->at < from ? from - m->at : 0;
        if (skip < m->len) {
            m->data += skip;
            m->len -= (size_t)skip;
            m->at += skip;
            iov[0] = (struct iovec){(void *)(uintptr_t)m->data,
                                    m->len < end - m->at ? m->len : (size_t)(end - m->at)};
            *count = 1;
            return PUMP_BYTES;
        }
        const void *data = NULL;
        m->at += m->len;
        m->len = 0;
        switch (work_next(m->work, 0, &data, &m->len, err)) {
        case WORK_BYTES:
            m->data = data;
            if (m->at == 0)
                m->length = m->real_length;
            break;
        case WORK_LATER:
            return PUMP_LATER;
        case WORK_DONE:
            if (m->at == 0)
                (void)err_set(err, ERR_UPSTREAM_FAILED, "nothing came of it");
            else if (m->length)
                (void)err_set(err, ERR_INTERNAL, "it came out shorter than announced");
            return m->at == 0 || m->length ? PUMP_FAILED : PUMP_END;
        case WORK_FAILED:
            return PUMP_FAILED;
        }
    }
}

void made_take(struct made *m, size_t bytes)
{
    m->data += bytes;
    m->len -= bytes;
    m->at += bytes;
}

void made_cancel(struct made *m)
{
    if (m->work)
        work_cancel(m->work);
}
