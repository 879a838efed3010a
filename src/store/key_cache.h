/* Rows of API keys that were just read, for STORE_KEY_FRESH_MS: who asks a thousand times a second costs
 * fifty look-ups. Internal to store/. Threads: all functions are safe from any. */
#ifndef SLUICE_STORE_KEY_CACHE_H
#define SLUICE_STORE_KEY_CACHE_H

#include <pthread.h>
#include <stdbool.h>

#include "store/keys.h"

enum { KEY_CACHE_ROWS = 64 };

struct key_row {
    struct store_api_key key;
    char hash[HASH_HEX_LEN + 1];
};

struct key_cache {
    pthread_mutex_t lock;
    struct {
        int64_t read_mono_us; /* 0: nothing */
        struct key_row row;
    } of[KEY_CACHE_ROWS];
};

int key_cache_init(struct key_cache *c);
void key_cache_fini(struct key_cache *c);
bool key_cache_get(struct key_cache *c, const char *id, struct key_row *out);
/* `asked_mono_us`: before the row was read, so that it is no older than that. */
void key_cache_put(struct key_cache *c, const struct key_row *row, int64_t asked_mono_us);
void key_cache_forget(struct key_cache *c, const char *id);

#endif
