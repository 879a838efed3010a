/* The connections of a store: made when needed, at most POOL_MAX, handed to one caller at a time. Internal to
 * store/. The connection used last is handed out first: its page cache is warm, and idle ones stay cold. One
 * whose file was removed or replaced is closed and made anew, and so is the file when it is missing. */
#ifndef SLUICE_STORE_POOL_H
#define SLUICE_STORE_POOL_H

#include <pthread.h>
#include <sys/types.h>

#include "store/db.h"

enum { POOL_MAX = 16 };

struct pool {
    const char *where; /* borrowed, for db_open() */
    const char *name;  /* borrowed, for messages */
    pid_t owner;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t returned;
    struct db *idle;
    int open_count; /* idle and lent */
};

int pool_init(struct pool *p, const char *where, const char *name);
void pool_fini(struct pool *p);

/* A lent connection; give it back with lease_end(). */
struct lease {
    struct pool *pool;
    struct db *db; /* NULL while nothing is lent */
};
/* ERR_BUSY when none was had within wait_ms; its statements then wait as long for the locks of others. */
int lease_begin(struct lease *l, struct pool *p, int wait_ms, struct err *err);
void lease_end(struct lease *l);
DEFINE_AUTO(lease, lease_end)

#endif
