/* A forward read in ranges, pulled by the thread that wants the bytes. See fetch.h.
 *
 * The caller's thread drives libcurl: fetch_next() runs the transfer until enough has come. While the caller
 * is busy with the bytes nothing is read, so the kernel's socket buffer fills and TCP slows the sender: that
 * is the back-pressure. The next range is asked for before the last bytes of the one before are handed out.
 */
#include "net/fetch.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "net/transfer.h"

struct fetch {
    struct transfer t;
    bool handed; /* the caller has seen the bytes in hand */
    atomic_bool cancelled;
    const atomic_bool *also_cancelled; /* the caller's; may be NULL */
};

/* ---- Driving it ---- */

static void perform(struct transfer *t)
{
    int running;
    int left;
    if (curl_multi_perform(t->wire->multi, &running) != CURLM_OK)
        transfer_done(t, CURLE_RECV_ERROR);
    for (CURLMsg *m; t->running && (m = curl_multi_info_read(t->wire->multi, &left));) {
        if (m->msg == CURLMSG_DONE)
            transfer_done(t, m->data.result);
    }
}

/* One step; true when something has moved. */
static bool turn(struct transfer *t)
{
    size_t had = t->len;
    bool ran = t->running;
    if (transfer_over(t) || t->paused)
        return false;
    if (!t->running) {
        if (clock_mono_us() < t->retry_us)
            return false;
        transfer_begin(t);
    }
    if (t->running)
        perform(t);
    return t->len != had || (ran && !t->running) || transfer_over(t);
}

/* Sleeps until there is something to do, or it is clear that there never will be. */
static void wait(struct fetch *f)
{
    struct transfer *t = &f->t;
    int64_t left_ms = (transfer_due_us(t) - clock_mono_us()) / 1000 + 1;
    if (f->also_cancelled && left_ms > FETCH_LOOK_MS)
        left_ms = FETCH_LOOK_MS; /* nobody wakes us */
    (void)curl_multi_poll(t->wire->multi, NULL, 0, left_ms > 0 ? (int)left_ms : 0, NULL);
    if (t->running && clock_mono_us() >= transfer_due_us(t))
        transfer_stalled(t);
}

static bool is_cancelled(const struct fetch *f)
{
    return atomic_load(&f->cancelled) || (f->also_cancelled && atomic_load(f->also_cancelled));
}

/* Gets bytes in hand: as many as are there, up to enough; waits only for the first. */
static int fill(struct fetch *f, struct err *err)
{
    struct transfer *t = &f->t;
    t->alive_us = clock_mono_us(); /* the time the caller took is not the sender's */
    transfer_resume(t);
    for (;;) {
        if (is_cancelled(f))
            return err_set(err, ERR_UPSTREAM_FAILED, "cancelled");
        if (t->len >= t->enough)
            break;
        if (turn(t))
            continue;
        if (t->len || transfer_over(t))
            break;
        wait(f);
    }
    if (!t->running)
        (void)turn(t); /* the next range is on its way while the caller is busy */
    if (t->len || t->over.code == ERR_OK)
        return 0;
    if (err)
        *err = t->over;
    return -1;
}

/* ---- The interface ---- */

int fetch_open(struct fetch **out, struct net *net, const struct fetch_opts *opts, struct err *err)
{
    struct fetch *f = calloc(1, sizeof *f);
    if (!f)
        return err_set(err, ERR_INTERNAL, "no memory");
    f->also_cancelled = opts->cancelled;
    if (transfer_init(&f->t, net, &transfer_by_curl, opts, err) < 0 ||
        wire_get(&f->t.wire, net, &f->t.origin, err) < 0 || fill(f, err) < 0) {
        fetch_close(f);
        return -1;
    }
    *out = f;
    return 0;
}

int fetch_next(struct fetch *f, const void **data, size_t *len, struct err *err)
{
    struct transfer *t = &f->t;
    if (f->handed) {
        transfer_take(t, t->len);
        f->handed = false;
    }
    if (t->len == 0 && fill(f, err) < 0)
        return -1;
    *data = t->bytes ? t->bytes + t->from : "";
    *len = t->len;
    f->handed = true;
    return 0;
}

uint64_t fetch_total(const struct fetch *f)
{
    return f->t.span.total;
}

const char *fetch_source(const struct fetch *f)
{
    return f->t.source ? f->t.source : f->t.origin.text;
}

void fetch_cancel(struct fetch *f)
{
    atomic_store(&f->cancelled, true);
    (void)curl_multi_wakeup(f->t.wire->multi);
}

void fetch_close(struct fetch *f)
{
    if (!f)
        return;
    wire_put(f->t.wire);
    transfer_fini(&f->t);
    free(f);
}
