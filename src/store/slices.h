/* The index of slices (cache/slices.h): which files there are in a directory, what they are of, and when each
 * was used last, so that the least recently used go first. See sql/013. Threads and errors as in store.h. */
#ifndef SLUICE_STORE_SLICES_H
#define SLUICE_STORE_SLICES_H

#include "store/store.h"

enum { STORE_SLICE_NAME_MAX = 48, STORE_SLICE_SITE_MAX = 64, STORE_SLICE_ID_MAX = 256 };

struct store_slice {
    char name[STORE_SLICE_NAME_MAX];
    char site[STORE_SLICE_SITE_MAX], id[STORE_SLICE_ID_MAX]; /* longer ones are cut */
    int64_t bytes;
};

struct store_slice_note {
    enum { STORE_SLICE_PUT, STORE_SLICE_USED, STORE_SLICE_GONE } what;
    struct store_slice slice; /* of the latter two: its name */
};
/* Writes them all or none. */
int store_slices_note(struct store *s, const char *place, const struct store_slice_note *notes, size_t count,
                      int64_t now_unix_s, struct err *err);

/* 1: it knows this one, 0: it does not, -1. */
int store_slices_knows(struct store *s, const char *place, const char *name, struct err *err);

struct store_slice_sum {
    int64_t bytes, count;
    int64_t oldest_unix_s; /* the earliest last use; 0: there are none */
};
int store_slices_sum(struct store *s, const char *place, struct store_slice_sum *out, struct err *err);

/* Name and bytes of those used least recently, at most `room`; how many, or -1. */
int64_t store_slices_oldest(struct store *s, const char *place, struct store_slice *out, size_t room,
                            struct err *err);

struct store_slice_which {
    const char *site, *id; /* "": any */
    int64_t used_before_unix_s;
    const char *after; /* the last name of the page before; "" at first */
};
/* The same of those, by name. */
int64_t store_slices_list(struct store *s, const char *place, const struct store_slice_which *which,
                          struct store_slice *out, size_t room, struct err *err);

#endif
