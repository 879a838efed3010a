/* See pool.h. */
#include "store/pool.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

int pool_init(struct pool *p, const char *where, const char *name)
{
    *p = (struct pool){.where = where, .name = name, .owner = getpid()};
    pthread_condattr_t monotonic;
    if (pthread_condattr_init(&monotonic) != 0)
        return -1;
    int rc = pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    if (rc == 0)
        rc = pthread_cond_init(&p->returned, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    return rc == 0 && pthread_mutex_init(&p->lock, NULL) == 0 ? 0 : -1;
}

void pool_fini(struct pool *p)
{
    while (p->idle) {
        struct db *db = p->idle;
        p->idle = db->next;
        db_close(db);
    }
    (void)pthread_cond_destroy(&p->returned);
    (void)pthread_mutex_destroy(&p->lock);
}

/* Takes an idle connection (*out), or the right to open one (NULL). */
static int take(struct pool *p, int wait_ms, struct db **out, struct err *err)
{
    int64_t until_us = clock_mono_us() + wait_ms * INT64_C(1000);
    const struct timespec until = {.tv_sec = (time_t)(until_us / 1000000),
                                   .tv_nsec = (long)(until_us % 1000000) * 1000};
    int rc = 0;
    (void)pthread_mutex_lock(&p->lock);
    while (!p->idle && p->open_count >= POOL_MAX && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&p->returned, &p->lock, &until);
    bool ok = p->idle || p->open_count < POOL_MAX;
    *out = p->idle;
    if (p->idle)
        p->idle = p->idle->next;
    else if (ok)
        p->open_count++;
    (void)pthread_mutex_unlock(&p->lock);
    return ok ? 0 : err_set(err, ERR_BUSY, "all %d connections to %s are in use", POOL_MAX, p->name);
}

/* Gives a connection back, or (NULL) the right to have one. */
static void give(struct pool *p, struct db *db)
{
    (void)pthread_mutex_lock(&p->lock);
    if (db) {
        db->next = p->idle;
        p->idle = db;
    } else {
        p->open_count--;
    }
    (void)pthread_cond_signal(&p->returned);
    (void)pthread_mutex_unlock(&p->lock);
}

int lease_begin(struct lease *l, struct pool *p, int wait_ms, struct err *err)
{
    l->pool = p;
    l->db = NULL;
    if (getpid() != p->owner)
        return err_set(err, ERR_INTERNAL, "%s was opened before fork()", p->name);
    if (take(p, wait_ms, &l->db, err) < 0)
        return -1;
    if (l->db && db_is_lost(l->db))
        db_close(steal(&l->db));
    if (!l->db && db_open(&l->db, p->where, wait_ms, err) < 0) {
        give(p, NULL);
        return -1;
    }
    db_set_wait(l->db, wait_ms);
    return 0;
}

void lease_end(struct lease *l)
{
    struct db *db = steal(&l->db);
    if (!db)
        return;
    if (db->spoilt)
        db_close(steal(&db));
    give(l->pool, db);
}
