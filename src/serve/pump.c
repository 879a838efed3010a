/* See pump.h. */
#include "serve/pump.h"

#include <stdlib.h>

#include "base/log.h"
#include "net/fetch.h"

enum {
    RENEWALS_MAX = 4,
    SKIP_MAX_BYTES = 256 * 1024, /* a shorter gap is read over, a longer one is a new request */
};

/* One source being read. `data` is borrowed from the fetch until its next fetch_next(). */
struct reader {
    struct fetch *fetch;
    uint64_t at; /* source offset of data[0] */
    const unsigned char *data;
    size_t len;
};

struct pump {
    struct pump_job job;
    struct reader readers[PLAN_SOURCES_MAX];
    unsigned renewals;
};

static void reader_close(struct reader *r)
{
    fetch_close(r->fetch);
    *r = (struct reader){0};
}

/* One past the last byte of source `source` that this job sends: a fetch never asks for more. */
static uint64_t source_end(const struct pump *p, unsigned source)
{
    const struct plan *plan = p->job.plan;
    uint64_t end = p->job.offset + p->job.length;
    for (size_t i = plan_find(plan, end - 1) + 1; i-- > 0;) {
        const struct plan_segment *s = plan_segment(plan, i);
        if (s->source == source)
            return s->offset + (s->out + s->length < end ? s->length : end - s->out);
    }
    return 0;
}

static int reader_open(struct pump *p, unsigned source, uint64_t offset, struct err *err)
{
    struct reader *r = &p->readers[source];
    const struct pump_source *from = &p->job.sources[source];
    struct fetch_opts opts = {
        .url = from->url,
        .user_agent = from->user_agent,
        .offset = offset,
        .length = source_end(p, source) - offset,
        .total = from->size,
    };
    reader_close(r);
    r->at = offset;
    return fetch_open(&r->fetch, p->job.net, &opts, err);
}

/* A dead URL is renewed as often as allowed; any other failure, after the retries of fetch.h, only once: a
 * source that stalls for good must not be waited for five times. */
static bool may_renew(const struct pump *p, const struct err *err)
{
    bool dead = err->upstream_status == 403 || err->upstream_status == 404 || err->upstream_status == 410;
    return p->job.renew && err->code == ERR_UPSTREAM_FAILED && p->renewals < (dead ? RENEWALS_MAX : 1);
}

/* Extracts again and opens `source` at `offset` with the fresh URL. *err says why the old one failed. */
static int reader_renew(struct pump *p, unsigned source, uint64_t offset, struct err *err)
{
    while (may_renew(p, err)) {
        p->renewals++;
        log_event(LOG_WARN, "source-renewed", "why", err->text, NULL);
        for (unsigned i = 0; i < PLAN_SOURCES_MAX; i++)
            reader_close(&p->readers[i]); /* their URLs are borrowed from what renew replaces */
        if (p->job.renew(p->job.renew_ctx, &p->job, err) < 0)
            return -1;
        if (reader_open(p, source, offset, err) == 0)
            return 0;
    }
    return -1;
}

/* Makes r->data hold at least one byte at `offset`, opening, skipping or renewing as needed. */
static int reader_fill(struct pump *p, unsigned source, uint64_t offset, struct err *err)
{
    struct reader *r = &p->readers[source];
    if (!r->fetch || r->at > offset || offset - r->at > SKIP_MAX_BYTES + r->len) {
        if (reader_open(p, source, offset, err) < 0 && reader_renew(p, source, offset, err) < 0)
            return -1;
    }
    for (;;) {
        if (r->at + r->len > offset) {
            size_t skip = (size_t)(offset - r->at);
            r->data += skip;
            r->len -= skip;
            r->at = offset;
            return 0;
        }
        const void *data;
        size_t len;
        r->at += r->len;
        r->len = 0;
        int rc = fetch_next(r->fetch, &data, &len, err);
        if (rc == 0 && len == 0)
            rc = err_set(err, ERR_UPSTREAM_FAILED, "source ended early");
        if (rc == 0) {
            r->data = data;
            r->len = len;
        } else if (reader_renew(p, source, offset, err) < 0) {
            return -1;
        }
    }
}

int pump_open(struct pump **out, const struct pump_job *job, struct err *err)
{
    auto_ptr(pump) struct pump *p = calloc(1, sizeof *p);
    if (!p)
        return err_set(err, ERR_INTERNAL, "out of memory");
    p->job = *job;
    uint64_t end = job->offset + job->length;
    for (size_t i = plan_find(job->plan, job->offset); i < plan_segment_count(job->plan); i++) {
        const struct plan_segment *s = plan_segment(job->plan, i);
        if (s->out >= end)
            break;
        if (s->source == PLAN_LITERAL)
            continue;
        uint64_t into = s->out < job->offset ? job->offset - s->out : 0;
        if (reader_fill(p, s->source, s->offset + into, err) < 0)
            return -1;
        break;
    }
    *out = steal(&p);
    return 0;
}

int pump_run(struct pump *p, struct http_response *res, struct err *err)
{
    uint64_t at = p->job.offset;
    uint64_t end = p->job.offset + p->job.length;
    for (size_t i = plan_find(p->job.plan, at); at < end; i++) {
        const struct plan_segment *s = plan_segment(p->job.plan, i);
        uint64_t segment_end = s->out + s->length < end ? s->out + s->length : end;
        while (at < segment_end) {
            uint64_t into = at - s->out;
            const unsigned char *data;
            size_t len = (size_t)(segment_end - at);
            if (s->source == PLAN_LITERAL) {
                data = plan_literal(p->job.plan, s) + into;
            } else {
                if (reader_fill(p, s->source, s->offset + into, err) < 0)
                    return -1;
                struct reader *r = &p->readers[s->source];
                data = r->data;
                if (len > r->len)
                    len = r->len;
            }
            if (http_write(res, data, len) < 0) {
                *err = (struct err){.code = ERR_OK};
                return -1;
            }
            at += len;
        }
    }
    return 0;
}

void pump_close(struct pump *p)
{
    if (!p)
        return;
    for (unsigned i = 0; i < PLAN_SOURCES_MAX; i++)
        reader_close(&p->readers[i]);
    free(p);
}
