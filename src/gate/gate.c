/* See gate.h. */
#include "gate/gate.h"

#include <pthread.h>
#include <time.h>

#include "base/clock.h"
#include "gate/table.h"

enum { RETRY_AFTER_S = 5, OVERDUE_US = 1000000 };

/* A caller of gate_enter() that has to wait; on its stack. */
struct waiter {
    struct waiter *next;
    int64_t since_mono_us;
    bool in_line;
    pthread_cond_t turn; /* it may be the first in line now, or a place of this process became free */
};

struct gate {
    struct gate_limits limits;
    pthread_mutex_t lock; /* guards what follows; taken before the table's mutex */
    struct table table;
    struct table_row own; /* what our row says */
    struct waiter *first; /* the line */
};

/* What the table says to a caller who has been asking since then. */
struct tally {
    int64_t active;
    int64_t waiting;
    int64_t older; /* other processes whose first in line came earlier */
};

enum verdict { RUN, WAIT, REFUSE };

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
    g->limits = *limits;
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
static enum verdict judge(const struct gate *g, const struct tally *t, const struct waiter *w)
{
    bool is_first = !g->first || g->first == w;
    bool is_new = !w->in_line;
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
static int decide(const struct gate *g, const struct waiter *w, enum verdict *verdict, struct err *err)
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

static void line_add(struct gate *g, struct waiter *w)
{
    struct waiter **at = &g->first;
    while (*at)
        at = &(*at)->next;
    *at = w;
    w->in_line = true;
    g->own.waiting++;
}

static void line_remove(struct gate *g, struct waiter *w)
{
    struct waiter **at = &g->first;
    while (*at && *at != w)
        at = &(*at)->next;
    if (!*at)
        return;
    *at = w->next;
    w->in_line = false;
    g->own.waiting--;
}

/* Asks for a place. RUN: had it, and left the line. WAIT: stands in line. */
static int ask(struct gate *g, struct waiter *w, enum verdict *verdict, struct err *err)
{
    if (table_lock(&g->table, err) < 0)
        return -1;
    int rc = g->table.mine ? 0 : table_claim(&g->table, err);
    if (rc == 0)
        rc = decide(g, w, verdict, err);
    if (rc == 0 && *verdict == RUN) {
        line_remove(g, w);
        g->own.active++;
        if ((rc = publish(g, err)) < 0)
            g->own.active--;
    } else if (rc == 0 && *verdict == WAIT && !w->in_line) {
        line_add(g, w);
        rc = publish(g, err);
    }
    table_unlock(&g->table);
    return rc;
}

static void wake_first(struct gate *g)
{
    if (g->first)
        (void)pthread_cond_signal(&g->first->turn);
}

static void sleep_until(struct gate *g, struct waiter *w, int64_t mono_us)
{
    struct timespec until = {.tv_sec = (time_t)(mono_us / 1000000),
                             .tv_nsec = (long)(mono_us % 1000000) * 1000};
    (void)pthread_cond_timedwait(&w->turn, &g->lock, &until);
}

static int wait_in_line(struct gate *g, struct waiter *w, struct err *err)
{
    enum verdict verdict = WAIT;
    int64_t deadline_mono_us = w->since_mono_us + g->limits.queue_wait_s * 1000000;
    for (;;) {
        if (g->first == w && ask(g, w, &verdict, err) < 0)
            return -1;
        if (verdict == RUN)
            return 0;
        int64_t now_mono_us = clock_mono_us();
        if (now_mono_us >= deadline_mono_us)
            return err_set(err, ERR_BUSY, "no place in %lld s", (long long)g->limits.queue_wait_s);
        int64_t next_look_mono_us = now_mono_us + GATE_PAUSE_MS * 1000;
        sleep_until(g, w,
                    g->first == w && next_look_mono_us < deadline_mono_us ? next_look_mono_us
                                                                          : deadline_mono_us);
    }
}

static int enter(struct gate *g, struct waiter *w, struct err *err)
{
    enum verdict verdict = REFUSE;
    if (ask(g, w, &verdict, err) < 0)
        return -1;
    if (verdict == REFUSE)
        return err_set(err, ERR_BUSY, "too many streams at once");
    if (verdict == RUN)
        return 0;
    int rc = wait_in_line(g, w, err);
    if (w->in_line) {
        line_remove(g, w);
        (void)publish(g, NULL); /* the next change says it, if this could not */
    }
    wake_first(g);
    return rc;
}

int gate_enter(struct gate *g, struct err *err)
{
    struct waiter w = {.since_mono_us = clock_mono_us()};
    pthread_condattr_t monotonic;
    if (pthread_condattr_init(&monotonic) != 0)
        return err_set(err, ERR_INTERNAL, "out of memory");
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&w.turn, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    (void)pthread_mutex_lock(&g->lock);
    int rc = enter(g, &w, err);
    (void)pthread_mutex_unlock(&g->lock);
    (void)pthread_cond_destroy(&w.turn);
    if (rc < 0 && err && err->code == ERR_BUSY)
        err->retry_after_s = RETRY_AFTER_S;
    return rc;
}

void gate_leave(struct gate *g)
{
    (void)pthread_mutex_lock(&g->lock);
    g->own.active--;
    (void)publish(g, NULL); /* the next change says it, if this could not */
    wake_first(g);
    (void)pthread_mutex_unlock(&g->lock);
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
