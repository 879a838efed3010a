/* See fills.h. */
#include "serve/fills.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "serve/feed.h"
#include "site/header_lines.h"

struct fills {
    struct slices *slices;
    struct flow_set *flows;
    struct fill *first;
};

struct fill {
    struct fills *set;
    struct fill *next, **at;
    struct slice_fill *slice;
    struct flow *flow;
    uint64_t number;
    bool begun;  /* its first bytes have come */
    bool is_all; /* there is no other slice of it */
    struct fill_owner owner;
};

int fills_open(struct fills **out, struct slices *slices, struct flow_set *flows, struct err *err)
{
    struct fills *set = calloc(1, sizeof *set);
    if (!set)
        return err_set(err, ERR_INTERNAL, "out of memory");
    set->slices = slices;
    set->flows = flows;
    *out = set;
    return 0;
}

struct slices *fills_slices(const struct fills *set)
{
    return set->slices;
}

void fill_disown(struct fill *f)
{
    f->owner = (struct fill_owner){.ctx = NULL};
}

static void fill_free(struct fill *f)
{
    flow_close(f->flow);
    slice_fill_end(f->slice);
    free(f);
}

static void leave(struct fill *f)
{
    *f->at = f->next;
    if (f->next)
        f->next->at = f->at;
}

void fills_close(struct fills *set)
{
    if (!set)
        return;
    for (struct fill *next, *f = set->first; f; f = next) {
        next = f->next;
        fill_free(f);
    }
    free(set);
}

static void end(struct fill *f, const struct err *why)
{
    const struct fill_owner owner = f->owner;
    uint64_t number = f->number;
    leave(f);
    fill_free(f);
    if (owner.over)
        owner.over(owner.ctx, number, why);
}

/* Its first bytes have come. -1: it can only be read as a whole. */
static int begin(struct fill *f, struct err *why)
{
    const char *version = flow_version(f->flow);
    f->begun = true;
    if (*version)
        slice_fill_set_version(f->slice, hash_fast64(version, strlen(version)));
    return flow_is_unranged(f->flow) && !f->is_all ? err_set(why, ERR_BAD_RANGE, "the source knows no ranges")
                                                   : 0;
}

/* Whatever the source has sent goes to the disk. */
static void moved(void *ctx)
{
    struct fill *f = ctx;
    struct err why = {0};
    const unsigned char *data;
    size_t len;
    int rc;
    while ((rc = flow_peek(f->flow, &data, &len, &why)) == 1) {
        if (!f->begun && begin(f, &why) < 0) {
            end(f, &why);
            return;
        }
        ssize_t taken = slice_fill_write(f->slice, data, len);
        if (taken < 0) {
            end(f, NULL);
            return;
        }
        if (taken == 0 && !flow_is_over(f->flow))
            return; /* not a block yet */
        if (taken == 0)
            taken = (ssize_t)len; /* it never will be one */
        if (f->owner.came)
            f->owner.came(f->owner.ctx, (size_t)taken);
        flow_take(f->flow, (size_t)taken);
    }
    if (rc == 2 && !slice_fill_is_whole(f->slice))
        rc = err_set(&why, ERR_UPSTREAM_FAILED, "source ended early");
    if (rc != 0)
        end(f, rc < 0 && !slice_fill_is_whole(f->slice) ? &why : NULL);
}

static int connect(struct fill *f, const struct slice_content *content, const struct pump_source *source,
                   struct err *err)
{
    auto_(header_lines) struct header_lines headers;
    if (header_lines_init(&headers, source->headers) < 0)
        return err_set(err, ERR_INTERNAL, "out of memory");
    const struct fetch_opts opts = {
        .url = source->url,
        .user_agent = source->user_agent,
        .headers = headers.lines,
        .egress = source->egress,
        .offset = f->number * SLICE_BYTES,
        .length = slice_length(content, f->number),
        .total = content->size,
    };
    return flow_open(&f->flow, f->set->flows, &opts, moved, f, err);
}

int fills_begin(struct fills *set, const struct slice_content *content, uint64_t number,
                const struct pump_source *source, const struct fill_owner *owner, struct fill **out,
                struct err *err)
{
    struct fill *f = set->flows ? calloc(1, sizeof *f) : NULL;
    if (!f)
        return -1;
    *f = (struct fill){
        .set = set, .number = number, .is_all = slice_length(content, 0) == content->size, .owner = *owner};
    int rc = slice_fill_begin(set->slices, content, number, &f->slice);
    if (rc == 1 && connect(f, content, source, err) < 0)
        rc = -1;
    if (rc != 1) {
        fill_free(f);
        return rc;
    }
    f->next = set->first;
    f->at = &set->first;
    if (f->next)
        f->next->at = &f->next;
    set->first = f;
    *out = f;
    return 1;
}
