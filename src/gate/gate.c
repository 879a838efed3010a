/* See gate.h. */
#include "gate/gate.h"

#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/clock.h"
#include "gate/table.h"

enum {
    RETRY_AFTER_S = 5,       /* as long as nobody has left, so that nothing is known */
    RETRY_AFTER_MAX_S = 300, /* the estimate may be wrong; asking costs little */
    STAY_WEIGHT = 8,         /* a stay counts one eighth: the mean follows what is asked for within minutes */
    OVERDUE_US = 1000000,
};

struct gate {
    struct {
        _Atomic int64_t max_connections, max_active, queue_wait_s;
    } limits;
    pthread_mutex_t lock; /* guards what follows; taken before the table's mutex */
    struct table table;
    struct table_row own;              /* what our row says */
    struct gate_ticket *first, **last; /* the line */
    int64_t mean_stay_us;              /* inside, of those who have left; 0: nobody has */
    int64_t moved_mono_us;             /* when somebody last came in or left */
};

/* What the table says to a caller who has been asking since then. */
struct tally {
    int64_t active;
    int64_t waiting;
    int64_t older; /* other processes whose first in line came earlier */
};

enum verdict { RUN, WAIT, REFUSE };

void gate_limit(struct gate *g, const struct gate_limits *limits)
{
    g->limits.max_connections = limits->max_connections;
    g->limits.max_active = limits->max_active;
    g->limits.queue_wait_s = limits->queue_wait_s;
}

int gate_open(struct gate **out, const char *data_dir, const struct gate_limits *limits, struct err *err)
{
    struct gate *g = calloc(1, sizeof *g);
    if (!g || pthread_mutex_init(&g->lock, NULL) != 0) {
        free(g);
        return err_set(err, ERR_INTERNAL, "out of memory");
    }
    if (table_open(&g->table, data_dir, err) < 0) {
        (void)pthread_mutex_destroy(&g->lock);
        free(g);
        return -1;
    }
    gate_limit(g, limits);
    g->last = &g->first;
    *out = g;
    return 0;
}

void gate_close(struct gate *g)
{
    if (!g)
        return;
    table_close(&g->table);
    (void)pthread_mutex_destroy(&g->lock);
    free(g);
}

/* A first in line who should have given up long ago belongs to a process that does not move: it must not hold
 * up the others. */
static struct tally tally(const struct gate *g, const struct table_row *rows, size_t count,
                          int64_t since_mono_us, int64_t now_mono_us)
{
    struct tally t = {0};
    int64_t overdue_mono_us = now_mono_us - g->limits.queue_wait_s * 1000000 - OVERDUE_US;
    for (size_t i = 1; i < count; i++) {
        int64_t first = rows[i].first_mono_us;
        t.active += rows[i].active;
        t.waiting += rows[i].waiting;
        if (i != g->table.mine && first > 0 && first > overdue_mono_us && first < since_mono_us)
            t.older++;
    }
    return t;
}

/* `w` is in line, or has just come. */
static enum verdict judge(const struct gate *g, const struct tally *t, const struct gate_ticket *w)
{
    bool is_first = !g->first || g->first == w;
    bool is_new = w->state != GATE_IN_LINE;
    if (is_new && t->active + t->waiting >= g->limits.max_connections)
        return REFUSE;
    if (is_first && g->limits.max_active - t->active > t->older)
        return RUN;
    return is_new && g->limits.queue_wait_s == 0 ? REFUSE : WAIT;
}

/* With the table's mutex: clears what processes left that are gone, unless that was just done. */
static int sweep(const struct gate *g, struct table_row *rows, size_t count, int64_t now_mono_us,
                 struct err *err)
{
    int64_t last_mono_us = rows[0].first_mono_us; /* beyond now when the machine was restarted since */
    if (last_mono_us > now_mono_us - GATE_SWEEP_MS * INT64_C(1000) && last_mono_us <= now_mono_us)
        return 0;
    for (size_t i = 1; i < count; i++) {
        bool used = rows[i].active || rows[i].waiting;
        if (!used || table_is_owned(&g->table, i))
            continue;
        rows[i] = (struct table_row){0};
        if (table_write(&g->table, i, &rows[i], err) < 0)
            return -1;
    }
    rows[0].first_mono_us = now_mono_us;
    return table_write(&g->table, 0, &rows[0], err);
}

/* With the table's mutex. */
static int decide(const struct gate *g, const struct gate_ticket *w, enum verdict *verdict, struct err *err)
{
    struct table_row rows[TABLE_ROWS];
    size_t count;
    int64_t now_mono_us = clock_mono_us();
    if (table_read(&g->table, rows, &count, err) < 0)
        return -1;
    struct tally t = tally(g, rows, count, w->since_mono_us, now_mono_us);
    *verdict = judge(g, &t, w);
    if (*verdict == RUN)
        return 0;
    if (sweep(g, rows, count, now_mono_us, err) < 0)
        return -1;
    t = tally(g, rows, count, w->since_mono_us, now_mono_us);
    *verdict = judge(g, &t, w);
    return 0;
}

static int publish(struct gate *g, struct err *err)
{
    g->own.first_mono_us = g->first ? g->first->since_mono_us : 0;
    return table_write(&g->table, g->table.mine, &g->own, err);
}

static void line_add(struct gate *g, struct gate_ticket *w)
{
    w->next = NULL;
    w->at = g->last;
    *g->last = w;
    g->last = &w->next;
    w->state = GATE_IN_LINE;
    g->own.waiting++;
}

static void line_remove(struct gate *g, struct gate_ticket *w)
{
    if (w->state != GATE_IN_LINE)
        return;
    *w->at = w->next;
    if (w->next)
        w->next->at = w->at;
    else
        g->last = w->at;
    w->state = GATE_OUTSIDE;
    g->own.waiting--;
}

/* Asks for a place. RUN: had it, and left the line. WAIT: stands in line. */
static int ask(struct gate *g, struct gate_ticket *w, enum verdict *verdict, struct err *err)
{
    if (table_lock(&g->table, err) < 0)
        return -1;
    int rc = g->table.mine ? 0 : table_claim(&g->table, err);
    if (rc == 0)
        rc = decide(g, w, verdict, err);
    if (rc == 0 && *verdict == RUN) {
        line_remove(g, w);
        g->own.active++;
        if ((rc = publish(g, err)) < 0) {
            g->own.active--;
        } else {
            w->state = GATE_INSIDE;
            w->since_mono_us = g->moved_mono_us = clock_mono_us();
        }
    } else if (rc == 0 && *verdict == WAIT && w->state != GATE_IN_LINE) {
        line_add(g, w);
        rc = publish(g, err);
    }
    table_unlock(&g->table);
    return rc;
}

/* Somebody may have their turn now. */
static void wake_first(const struct gate *g)
{
    if (g->first && g->first->on_turn)
        g->first->on_turn(g->first->ctx);
}

/* When somebody at that place in line would be let in within queue_wait_s. A place is free every so often:
 * that follows from how long they are held, or, when that is longer, from nobody having moved since then. */
static int retry_after_s(const struct gate *g, int64_t position)
{
    int64_t still_us = clock_mono_us() - g->moved_mono_us;
    int64_t every_us = g->mean_stay_us / (g->limits.max_active > 0 ? g->limits.max_active : 1);
    if (g->mean_stay_us == 0)
        return RETRY_AFTER_S;
    if (every_us < still_us)
        every_us = still_us;
    if (every_us >= RETRY_AFTER_MAX_S * INT64_C(1000000))
        return RETRY_AFTER_MAX_S;
    int64_t wait_us = position * every_us - g->limits.queue_wait_s * 1000000;
    int64_t wait_s = (wait_us > every_us ? wait_us : every_us) / 1000000 + 1;
    return wait_s < RETRY_AFTER_MAX_S ? (int)wait_s : RETRY_AFTER_MAX_S;
}

/* With the lock. Who is refused is not in line, or not any more. */
static int refuse(struct gate *g, struct err *err, const char *why)
{
    struct gate_counts counts = {0};
    (void)gate_count(g, &counts, NULL);
    (void)err_set(err, ERR_BUSY, "%s", why);
    if (err) {
        err->queue_position = counts.waiting < INT_MAX ? (int)counts.waiting + 1 : INT_MAX;
        err->retry_after_s = retry_after_s(g, err->queue_position);
    }
    return -1;
}

static void leave_line(struct gate *g, struct gate_ticket *t)
{
    line_remove(g, t);
    (void)publish(g, NULL); /* the next change says it, if this could not */
    wake_first(g);
}

int gate_arrive(struct gate *g, struct gate_ticket *t, void (*on_turn)(void *ctx), void *ctx, struct err *err)
{
    enum verdict verdict = REFUSE;
    *t = (struct gate_ticket){.since_mono_us = clock_mono_us(), .on_turn = on_turn, .ctx = ctx};
    (void)pthread_mutex_lock(&g->lock);
    int rc = ask(g, t, &verdict, err);
    if (rc == 0 && verdict == REFUSE)
        rc = refuse(g, err, "too many streams at once");
    (void)pthread_mutex_unlock(&g->lock);
    return rc < 0 ? -1 : verdict == RUN;
}

int gate_poll(struct gate *g, struct gate_ticket *t, int64_t *again_mono_us, struct err *err)
{
    enum verdict verdict = WAIT;
    int64_t now_mono_us = clock_mono_us();
    int64_t deadline_mono_us = t->since_mono_us + g->limits.queue_wait_s * 1000000;
    if (t->state == GATE_INSIDE)
        return 1;
    (void)pthread_mutex_lock(&g->lock);
    int rc = g->first == t ? ask(g, t, &verdict, err) : 0;
    if (rc == 0 && verdict == RUN)
        wake_first(g); /* there may be another place */
    if (rc < 0 || (verdict == WAIT && now_mono_us >= deadline_mono_us)) {
        leave_line(g, t);
        rc = rc < 0 ? rc : refuse(g, err, "no place in time");
    }
    int64_t next_look_mono_us = now_mono_us + GATE_PAUSE_MS * 1000;
    *again_mono_us = g->first == t && next_look_mono_us < deadline_mono_us ? next_look_mono_us
                                                                           : deadline_mono_us;
    (void)pthread_mutex_unlock(&g->lock);
    return rc < 0 ? -1 : verdict == RUN;
}

static void note_stay(struct gate *g, int64_t stay_us)
{
    g->mean_stay_us = g->mean_stay_us ? g->mean_stay_us + (stay_us - g->mean_stay_us) / STAY_WEIGHT : stay_us;
    g->moved_mono_us = clock_mono_us();
}

void gate_depart(struct gate *g, struct gate_ticket *t)
{
    if (t->state == GATE_OUTSIDE)
        return;
    (void)pthread_mutex_lock(&g->lock);
    if (t->state == GATE_INSIDE) {
        g->own.active--;
        note_stay(g, clock_mono_us() - t->since_mono_us);
    }
    t->state = t->state == GATE_INSIDE ? GATE_OUTSIDE : t->state;
    leave_line(g, t);
    (void)pthread_mutex_unlock(&g->lock);
}

int gate_enter(struct gate *g, struct gate_ticket *t, const atomic_bool *cancelled, struct err *err)
{
    int64_t again_mono_us = 0;
    int rc = gate_arrive(g, t, NULL, NULL, err);
    while (rc == 0) {
        if (cancelled && atomic_load(cancelled)) {
            gate_depart(g, t);
            return err_set(err, ERR_OK, "nobody waits for it");
        }
        clock_sleep_ms(GATE_PAUSE_MS);
        rc = gate_poll(g, t, &again_mono_us, err);
    }
    return rc < 0 ? -1 : 0;
}

int gate_count(struct gate *g, struct gate_counts *out, struct err *err)
{
    struct table_row rows[TABLE_ROWS];
    size_t count;
    if (table_read(&g->table, rows, &count, err) < 0)
        return -1;
    int64_t max = g->limits.max_active;
    *out = (struct gate_counts){.max = max < g->limits.max_connections ? max : g->limits.max_connections};
    for (size_t i = 1; i < count; i++) {
        bool used = rows[i].active || rows[i].waiting;
        if (!used || !table_is_owned(&g->table, i))
            continue;
        out->active += rows[i].active;
        out->waiting += rows[i].waiting;
    }
    return 0;
}
