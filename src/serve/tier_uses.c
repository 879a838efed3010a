/* See tier_uses.h. */
#include "serve/tier_uses.h"

#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

enum {
    NOTES = 256, /* different contents between two writes; of more, some look older than they are */
    WRITE_S = 2,
};

struct note {
    struct store_content content; /* key, tier, place */
    int64_t hits;
};

struct tier_uses {
    struct store *store;
    pthread_mutex_t lock; /* guards what follows */
    size_t count;
    struct note notes[NOTES];
    /* Of whoever writes, which is one at a time. */
    pthread_mutex_t write_lock;
    int64_t written_mono_us;
    struct note unwritten[NOTES];
};

int tier_uses_open(struct tier_uses **out, struct store *store, struct err *err)
{
    struct tier_uses *u = calloc(1, sizeof *u);
    if (!u)
        return err_set(err, ERR_INTERNAL, "out of memory");
    u->store = store;
    (void)pthread_mutex_init(&u->lock, NULL);
    (void)pthread_mutex_init(&u->write_lock, NULL);
    *out = u;
    return 0;
}

static bool is_same(const struct store_content *a, const struct store_content *b)
{
    return strcmp(a->key, b->key) == 0 && strcmp(a->tier, b->tier) == 0 && strcmp(a->place, b->place) == 0;
}

void tier_uses_note(struct tier_uses *u, const struct store_content *c)
{
    size_t i = 0;
    (void)pthread_mutex_lock(&u->lock);
    while (i < u->count && !is_same(&u->notes[i].content, c))
        i++;
    if (i < NOTES) {
        if (i == u->count)
            u->notes[u->count++] = (struct note){.content = *c};
        u->notes[i].hits++;
    }
    (void)pthread_mutex_unlock(&u->lock);
}

static void write_all(struct tier_uses *u)
{
    struct err err = {0};
    (void)pthread_mutex_lock(&u->lock);
    size_t count = u->count;
    memcpy(u->unwritten, u->notes, count * sizeof u->notes[0]);
    u->count = 0;
    (void)pthread_mutex_unlock(&u->lock);
    for (size_t i = 0; i < count; i++) {
        if (store_content_used(u->store, &u->unwritten[i].content, u->unwritten[i].hits, &err) < 0) {
            log_event(LOG_WARN, "uses-not-noted", "error", err.text, NULL);
            return;
        }
    }
}

void tier_uses_tick(struct tier_uses *u)
{
    (void)pthread_mutex_lock(&u->write_lock);
    int64_t now = clock_mono_us();
    if (now - u->written_mono_us >= WRITE_S * INT64_C(1000000)) {
        u->written_mono_us = now;
        write_all(u);
    }
    (void)pthread_mutex_unlock(&u->write_lock);
}

void tier_uses_close(struct tier_uses *u)
{
    if (!u)
        return;
    write_all(u);
    (void)pthread_mutex_destroy(&u->lock);
    (void)pthread_mutex_destroy(&u->write_lock);
    free(u);
}
