/* See key_cache.h. */
#include "store/key_cache.h"

#include <string.h>

#include "base/clock.h"

int key_cache_init(struct key_cache *c)
{
    return pthread_mutex_init(&c->lock, NULL) == 0 ? 0 : -1;
}

void key_cache_fini(struct key_cache *c)
{
    (void)pthread_mutex_destroy(&c->lock);
}

static size_t place_of(const char *id)
{
    return hash_check64(id, strlen(id)) % KEY_CACHE_ROWS;
}

bool key_cache_get(struct key_cache *c, const char *id, struct key_row *out)
{
    size_t i = place_of(id);
    int64_t oldest = clock_mono_us() - STORE_KEY_FRESH_MS * INT64_C(1000);
    (void)pthread_mutex_lock(&c->lock);
    bool has = c->of[i].read_mono_us > oldest && strcmp(c->of[i].row.key.id, id) == 0;
    if (has)
        *out = c->of[i].row;
    (void)pthread_mutex_unlock(&c->lock);
    return has;
}

void key_cache_put(struct key_cache *c, const struct key_row *row, int64_t asked_mono_us)
{
    size_t i = place_of(row->key.id);
    (void)pthread_mutex_lock(&c->lock);
    c->of[i].read_mono_us = asked_mono_us;
    c->of[i].row = *row;
    (void)pthread_mutex_unlock(&c->lock);
}

void key_cache_forget(struct key_cache *c, const char *id)
{
    size_t i = place_of(id);
    (void)pthread_mutex_lock(&c->lock);
    if (strcmp(c->of[i].row.key.id, id) == 0)
        c->of[i].read_mono_us = 0;
    (void)pthread_mutex_unlock(&c->lock);
}
