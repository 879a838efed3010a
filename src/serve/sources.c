/* See sources.h. */
#include "serve/sources.h"

#include <string.h>

#include "serve/intake.h"
#include "site/header_lines.h"

enum {
    SKIP_MAX_BYTES = 1 << 20, /* a shorter gap is read over, a longer one is a new request */
    JUMPS_MAX = 256,          /* a file whose picture and sound lie far apart would need thousands */
};

static void source_close(struct source *s)
{
    segments_free(steal(&s->segments));
    fetch_close(steal(&s->fetch));
    s->len = 0;
}

static int source_open(struct source *s, uint64_t offset, struct err *err)
{
    size_t index = (size_t)(s - s->all->each);
    const struct pump_source *from = &s->all->job.sources[index];
    auto_(header_lines) struct header_lines headers;
    if (header_lines_init(&headers, from->headers) < 0)
        return err_set(err, ERR_INTERNAL, "out of memory");
    const struct fetch_opts opts = {
        .url = from->url,
        .user_agent = from->user_agent,
        .headers = headers.lines,
        .egress = from->egress,
        .offset = offset,
        .total = from->size,
        .cancelled = s->all->cancelled,
    };
    source_close(s);
    s->at = offset;
    if (fetch_open(&s->fetch, s->all->job.net, &opts, err) < 0)
        return -1;
    s->all->readers[index].size = fetch_total(s->fetch);
    return 0;
}

/* Finds the same content elsewhere and opens it at `offset`. *err says why it failed where it was. */
static int source_renew(struct source *s, uint64_t offset, struct err *err)
{
    struct sources *all = s->all;
    while (all->job.renew && !atomic_load(all->cancelled)) {
        const struct source_failure failure = {(unsigned)(s - all->each), all->read_bytes, *err};
        for (size_t i = 0; i < ARRAY_LEN(all->each); i++)
            source_close(&all->each[i]); /* their URLs are borrowed from what renew replaces */
        if (all->job.renew(all->job.renew_ctx, &all->job, &failure, err) < 0)
            return -1;
        if (source_open(s, offset, err) == 0)
            return 0;
    }
    return -1;
}

/* Opens or reopens where that is needed to read at `offset`. */
static int source_go(struct source *s, uint64_t offset, struct err *err)
{
    if (s->fetch && offset >= s->at && offset - s->at <= s->len + SKIP_MAX_BYTES)
        return 0;
    if (++s->jumps > JUMPS_MAX)
        return err_set(err, ERR_UNSUPPORTED_SITE, "a file that cannot be read forward");
    return source_open(s, offset, err) < 0 ? source_renew(s, offset, err) : 0;
}

/* Has bytes at `offset` in hand; none (s->len 0): the resource ends there. */
static int source_fill(struct source *s, uint64_t offset, struct err *err)
{
    if (source_go(s, offset, err) < 0)
        return -1;
    while (s->at + s->len <= offset) {
        const void *data;
        size_t len;
        s->at += s->len;
        s->len = 0;
        if (fetch_next(s->fetch, &data, &len, err) == 0) {
            s->data = data;
            s->len = len;
            if (len == 0)
                return 0;
        } else if (source_renew(s, offset, err) < 0) {
            return -1;
        }
    }
    size_t skip = (size_t)(offset - s->at);
    s->data += skip;
    s->len -= skip;
    s->at = offset;
    return 0;
}

static int read_pieces(struct source *s, uint64_t offset, void *to, size_t len, size_t *got, struct err *err)
{
    struct sources *all = s->all;
    const struct pump_source *from = &all->job.sources[s - all->each];
    const struct segments_opts opts = {
        .url = from->url,
        .user_agent = from->user_agent,
        .headers = from->headers,
        .egress = from->egress,
        .cancelled = all->cancelled,
    };
    if (!s->segments && segments_open(&s->segments, all->job.net, &opts, err) < 0)
        return -1;
    return segments_read_at(s->segments, offset, to, len, got, err);
}

/* What is on the disk already; 0: nothing there. Only where no connection is about to bring it anyway. */
static size_t read_slices(struct source *s, uint64_t offset, void *to, size_t len)
{
    struct slice_content content;
    bool brought = s->fetch && s->len && offset >= s->at && offset - s->at < s->len;
    if (brought || !s->all->job.slices || !slices_are_on(s->all->job.slices) ||
        !intake_content_of(&s->all->job.sources[s - s->all->each], &content))
        return 0;
    size_t got = slices_read_at(s->all->job.slices, &content, offset, to, len);
    s->all->read_bytes += got;
    return got;
}

/* media_reader.read_at */
static int read_at(void *ctx, uint64_t offset, void *to, size_t len, size_t *got, struct err *err)
{
    struct source *s = ctx;
    if (s->all->job.sources[s - s->all->each].is_hls)
        return read_pieces(s, offset, to, len, got, err);
    for (*got = 0; *got < len;) {
        size_t kept = read_slices(s, offset + *got, (char *)to + *got, len - *got);
        if (kept) {
            *got += kept;
            continue;
        }
        if (source_fill(s, offset + *got, err) < 0)
            return -1;
        if (s->len == 0)
            break;
        size_t n = s->len < len - *got ? s->len : len - *got;
        memcpy((char *)to + *got, s->data, n);
        *got += n;
        s->all->read_bytes += n;
    }
    return 0;
}

void sources_init(struct sources *s, const struct source_job *job, const atomic_bool *cancelled)
{
    *s = (struct sources){.job = *job, .cancelled = cancelled};
    for (size_t i = 0; i < ARRAY_LEN(s->each); i++) {
        s->each[i].all = s;
        s->readers[i] = (struct media_reader){read_at, &s->each[i], job->sources[i].size};
    }
}

void sources_fini(struct sources *s)
{
    for (size_t i = 0; i < ARRAY_LEN(s->each); i++)
        source_close(&s->each[i]);
}
