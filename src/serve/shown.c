/* See shown.h. */
#include "serve/shown.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"

int shown_begin(struct shown *s, const struct app *app, const struct shown_what *what, struct err *err)
{
    const struct description *d = what->description;
    struct live_stream stream = {
        .title_hash = hash_check64(d->title, strlen(d->title)),
        .started_unix_s = clock_unix_s(),
        .total_bytes = what->total_bytes,
    };
    (void)snprintf(stream.request, sizeof stream.request, "%s", what->request);
    (void)snprintf(stream.choice, sizeof stream.choice, "%s", what->choice);
    (void)snprintf(stream.site, sizeof stream.site, "%s", d->site);
    (void)snprintf(stream.key, sizeof stream.key, "%s", what->key);
    *s = (struct shown){.live = app->live, .moving = what->is_made ? LIVE_MAKING : LIVE_STREAMING};
    return live_take(s->live, &s->slot, &stream, what->client, what->streams_max, err);
}

static void update(struct shown *s)
{
    s->stopped |= live_update(s->live, &s->slot, s->moving, s->sent_bytes) == 1;
}

int shown_run(struct shown *s, struct err *err)
{
    update(s);
    return shown_check(s, err);
}

void shown_take(struct shown *s, size_t bytes)
{
    s->sent_bytes += bytes;
    if (s->slot.number && clock_mono_us() - s->slot.updated_mono_us >= LIVE_UPDATE_MS * INT64_C(1000))
        update(s);
}

int shown_check(const struct shown *s, struct err *err)
{
    return s->stopped ? err_set(err, ERR_BUSY, "stopped by an operator") : 0;
}

void shown_end(struct shown *s)
{
    live_release(s->live, &s->slot);
}
