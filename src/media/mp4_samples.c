/* Sample tables; see mp4_samples.h. */
#include "media/mp4_samples.h"

enum { TIME_BITS = 62 }; /* dts and pts stay far from the ends of int64_t */

void mp4_samples_fini(struct mp4_samples *t)
{
    free(t->sizes);
    free(t->cts);
    free(t->durations);
    free(t->syncs);
    free(t->payloads);
    *t = (struct mp4_samples){0};
}

static int out_of_memory(struct err *err)
{
    return err_set(err, ERR_INTERNAL, "mp4: out of memory");
}

/* Returns `array`, moved if need be, with room for one more element of `size` bytes; NULL: no memory. Grows
 * by half, not double: these tables can be large. */
static void *with_room(void *array, size_t *capacity, size_t count, size_t size)
{
    if (count < *capacity)
        return array;
    size_t wanted = *capacity + *capacity / 2 + 64;
    void *grown = realloc(array, wanted * size);
    if (grown)
        *capacity = wanted;
    return grown;
}

static int add_duration(struct mp4_samples *t, uint32_t duration, struct err *err)
{
    if (t->duration_count && t->durations[t->duration_count - 1].duration == duration) {
        t->durations[t->duration_count - 1].count++;
        return 0;
    }
    struct mp4_duration_run *runs = with_room(t->durations, &t->duration_capacity, t->duration_count,
                                              sizeof *runs);
    if (!runs)
        return out_of_memory(err);
    t->durations = runs;
    t->durations[t->duration_count++] = (struct mp4_duration_run){1, duration};
    return 0;
}

static int add_sync(struct mp4_samples *t, uint32_t number, struct err *err)
{
    uint32_t *syncs = with_room(t->syncs, &t->sync_capacity, t->sync_count, sizeof *syncs);
    if (!syncs)
        return out_of_memory(err);
    t->syncs = syncs;
    t->syncs[t->sync_count++] = number;
    return 0;
}

/* Room in sizes[] and, when there is one or `with_cts`, in cts[]. */
static int make_room(struct mp4_samples *t, bool with_cts, struct err *err)
{
    size_t capacity = t->capacity;
    uint32_t *sizes = with_room(t->sizes, &t->capacity, t->count, sizeof *sizes);
    if (!sizes)
        return out_of_memory(err);
    t->sizes = sizes;
    if (t->cts ? t->capacity == capacity : !with_cts)
        return 0;
    int32_t *cts = realloc(t->cts, t->capacity * sizeof *cts);
    if (!cts)
        return out_of_memory(err);
    for (size_t i = t->cts ? t->count : 0; i < t->count; i++)
        cts[i] = 0;
    t->cts = cts;
    return 0;
}

int mp4_samples_seek(struct mp4_samples *t, uint64_t dts, struct err *err)
{
    if (dts >> TIME_BITS)
        return err_set(err, ERR_UNSUPPORTED_SITE, "mp4: a decode time out of range");
    if (t->count == 0) {
        t->start_dts = t->next_dts = dts;
        return 0;
    }
    if (dts == t->next_dts)
        return 0;
    struct mp4_duration_run *last = &t->durations[t->duration_count - 1];
    int64_t duration = last->duration + (int64_t)(dts - t->next_dts);
    if (duration < 1 || duration > UINT32_MAX)
        return err_set(err, ERR_UNSUPPORTED_SITE, "mp4: fragments overlap in time, or a gap is too long");
    if (--last->count == 0)
        t->duration_count--;
    t->next_dts = dts;
    return add_duration(t, (uint32_t)duration, err);
}

int mp4_samples_add(struct mp4_samples *t, const struct mp4_sample *s, struct err *err)
{
    if (t->count >= MP4_SAMPLES_MAX || (t->next_dts + s->duration) >> TIME_BITS)
        return err_set(err, ERR_UNSUPPORTED_SITE, "mp4: too many samples, or too long");
    if (make_room(t, s->cts != 0, err) < 0 || add_duration(t, s->duration, err) < 0)
        return -1;
    if (!s->sync && !t->some_not_sync) {
        t->some_not_sync = true;
        for (uint32_t i = 0; i < t->count; i++)
            if (add_sync(t, i, err) < 0)
                return -1;
    }
    if (s->sync && t->some_not_sync && add_sync(t, (uint32_t)t->count, err) < 0)
        return -1;
    t->sizes[t->count] = s->size;
    if (t->cts)
        t->cts[t->count] = s->cts;
    t->least_cts = s->cts < t->least_cts ? s->cts : t->least_cts;
    t->count++;
    t->bytes += s->size;
    t->next_dts += s->duration;
    return 0;
}

int mp4_samples_add_payload(struct mp4_samples *t, uint64_t offset, uint64_t bytes, struct err *err)
{
    struct mp4_payload_run *last = t->payload_count ? &t->payloads[t->payload_count - 1] : NULL;
    uint64_t end = last ? last->offset + last->bytes : 0;
    if (bytes == 0)
        return 0;
    if (offset < end || offset + bytes < offset)
        return err_set(err, ERR_UNSUPPORTED_SITE, "mp4: samples are not in the order of their bytes");
    if (last && offset == end) {
        last->bytes += bytes;
        return 0;
    }
    struct mp4_payload_run *runs = with_room(t->payloads, &t->payload_capacity, t->payload_count,
                                             sizeof *runs);
    if (!runs)
        return out_of_memory(err);
    t->payloads = runs;
    t->payloads[t->payload_count++] = (struct mp4_payload_run){offset, bytes};
    return 0;
}

struct mp4_cursor mp4_cursor_of(const struct mp4_samples *t)
{
    return (struct mp4_cursor){.table = t, .end = t->count, .dts = t->start_dts};
}

bool mp4_cursor_next(struct mp4_cursor *c, struct mp4_sample *out)
{
    const struct mp4_samples *t = c->table;
    if (c->index >= c->end)
        return false;
    if (c->in_run == t->durations[c->run].count) {
        c->run++;
        c->in_run = 0;
    }
    *out = (struct mp4_sample){.size = t->sizes[c->index],
                               .duration = t->durations[c->run].duration,
                               .cts = t->cts ? t->cts[c->index] : 0,
                               .sync = !t->some_not_sync};
    if (t->some_not_sync && c->sync < t->sync_count && t->syncs[c->sync] == c->index) {
        out->sync = true;
        c->sync++;
    }
    c->in_run++;
    c->index++;
    c->dts += out->duration;
    return true;
}
