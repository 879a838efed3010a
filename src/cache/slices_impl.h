/* What the files of slices share. Internal to cache/. */
#ifndef SLUICE_CACHE_SLICES_IMPL_H
#define SLUICE_CACHE_SLICES_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include "cache/slices.h"

enum {
    SLICES_NOTES_MAX = 1024, /* more wait on the disk until somebody sweeps */
    SLICES_PATH_ROOM = 4096,
};

struct slices {
    struct slices_opts opts; /* data_dir and place NULL */
    char *dir, *tmp, *place;
    _Atomic int64_t max_bytes, ttl_s;
    atomic_int lock_fd;           /* locks of this process; -1: there is no directory yet */
    _Atomic int64_t off_until_us; /* 0: on */
    atomic_bool off;              /* said so in the log */
    pthread_mutex_t lock;         /* guards what follows */
    struct slice_fill *fills;     /* under way */
    size_t fill_count;
    int64_t begun_bytes; /* of slices that the index does not know yet, those under way included */
    struct store_slice_note *notes;
    size_t note_count;
    /* Of slices_tick(), which is called by one thread at a time. */
    int64_t next_sweep_us;
    bool swept;
};

/* Opens what lies in the data directory, if it is there (or makes it). 0: it is open. */
int slices_prepare(struct slices *s, bool make, struct err *err);
void slices_count(struct slices *s, enum slices_event event, uint64_t n);
void slices_switch_off(struct slices *s, const char *why);
void slices_well(struct slices *s);
/* For the index, some time; with the lock held. */
void slices_note(struct slices *s, int what, const struct store_slice *slice);
/* Deletes a file that does not check. */
void slices_throw_away(struct slices *s, const char *name);

/* The lock of a slice among processes. */
bool slice_lock(struct slices *s, const char *name);
void slice_unlock(struct slices *s, const char *name);
/* Another process has it. */
bool slice_is_locked(const struct slices *s, const char *name);
/* 1: we are the one who does this now; slices_leave(). */
enum slices_duty { SLICES_EVICTING, SLICES_SWEEPING };
bool slices_enter(struct slices *s, enum slices_duty duty);
void slices_leave(struct slices *s, enum slices_duty duty);

/* Slices being written in this process; with the lock held. */
struct slice_fill *slice_fill_of(const struct slices *s, const char *name);

#endif
