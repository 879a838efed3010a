/* Source bytes on disk, in slices of 1 MiB, shared by everybody who wants the same content: every container,
 * clip, range and choice that is made of it, in all processes of the host. Off unless there is room for them.
 *
 * A slice is one file below data_dir/slices, named by a hash of what decides its bytes (site, id, format,
 * version, size) and its number. It is written once, among the temporary files (data_dir/tmp), and renamed
 * when whole, without fsync; each 16 KiB of it have a checksum, which is looked at when they are read. What
 * does not check is deleted and fetched anew: the disk is a memory, not a record.
 *
 * One fill at a time writes a slice, of all processes: whoever begins one holds a lock (a byte of
 * data_dir/slices/lock), which the kernel gives back when the process ends, however it ends. Those who come
 * while it is written read along: in the same process they are woken, in others they look at the file's size.
 * A fill that ends early leaves nothing; they begin another one.
 *
 * Bound: max_bytes in all. The index (store/slices.h) knows sizes and last uses; when they are more than 7/8,
 * the least recently used go until 3/4 are left. What a process has begun since it last wrote to the index is
 * at most 1/16 of max_bytes (one slice at least); more is refused for a moment, and whoever asked reads its
 * source as if there were no slices. So two processes stay within the bound. Notes for the index are written
 * by slices_tick(), never by those who read; uses at most once a minute for each slice.
 *
 * A full or slow disk: where a file cannot be written, less than a sixteenth (or 64 MiB) of the file system
 * is free, or one write took SLICES_SLOW_WRITE_MS, slices are switched off for SLICES_OFF_MS, here and for
 * all that is to be read as well as written, and tried again then. One line in the log when it begins and one
 * when it is over. The same where files cannot be moved from one directory to another: Landlock before
 * Linux 5.19 forbids it.
 *
 * On a loop: reading takes what is in the kernel's memory and waits for no disk (preadv2 with RWF_NOWAIT; for
 * the rest slice_warm(), on another thread). Writing goes to the kernel's memory, and waits only where a disk
 * is so slow that the kernel makes writers wait: for one piece, see above.
 *
 * Threads: all functions are safe from any; one struct slice and one struct slice_fill belong to one loop.
 * Processes: any number of one host. */
#ifndef SLUICE_CACHE_SLICES_H
#define SLUICE_CACHE_SLICES_H

#include "base/loop.h"
#include "cache/slice_file.h"
#include "store/store.h"

enum {
    SLICES_OFF_MS = 5000,
    SLICES_SLOW_WRITE_MS = 1000,
    SLICES_LEAST_BYTES = 4 * SLICE_BYTES, /* less room would not keep anything for long: none, then */
    SLICES_FILLS_MAX = 256,               /* at once in a process: each has a descriptor */
    SLICES_USED_S = 60,
    SLICES_SWEEP_S = 60,
    SLICES_LOOK_MS = 10, /* another process's fill */
};

enum slices_event {
    SLICES_HIT,     /* a slice found whole */
    SLICES_SHARED,  /* … or being written */
    SLICES_MISS,    /* a fill begun */
    SLICES_READ,    /* bytes read from slices */
    SLICES_WRITTEN, /* bytes written to them */
    SLICES_EVICTED, /* slices deleted for others */
    SLICES_DAMAGED,
    SLICES_SWITCHED_OFF,
    SLICES_EVENTS
};

struct slices_opts {
    struct store *store; /* borrowed */
    const char *data_dir;
    const char *place; /* this host's data directory, among those of one database */
    int64_t max_bytes; /* 0: none are kept, and what was is deleted by the first tick */
    int64_t ttl_s;     /* not used for so long: deleted */
    /* For the books; NULL: none are kept. From any thread. */
    void (*count)(void *ctx, enum slices_event event, uint64_t n);
    /* Have slices_tick() called soon; NULL: nobody can. From any thread. */
    void (*hurry)(void *ctx);
    void *ctx;
};

struct slices;

int slices_open(struct slices **out, const struct slices_opts *opts, struct err *err);
/* All slices and fills must be closed. Writes to the index what is left, and makes room. NULL is fine. */
void slices_close(struct slices *s);
DEFINE_AUTO_PTR(slices, slices_close)
/* As in the options, from now on. */
void slices_limit(struct slices *s, int64_t max_bytes, int64_t ttl_s);
/* They are wanted, and the disk is well. */
bool slices_are_on(const struct slices *s);

/* ---- What they are of ---- */

struct slice_source {
    const char *site, *id, *format;
    uint64_t version; /* as the site says it */
    uint64_t size;
};
struct slice_content {
    char hex[SLICE_CONTENT_LEN + 1];
    char site[STORE_SLICE_SITE_MAX], id[STORE_SLICE_ID_MAX];
    uint64_t size;
};
/* False: it may change without notice (no version), or nobody knows where it ends. */
bool slice_content_of(const struct slice_source *source, struct slice_content *out);
/* Of slice number `number`; 0 beyond the end. */
size_t slice_length(const struct slice_content *c, uint64_t number);
/* Whether all of [offset, offset + length) is here, whole. One system call for each slice, up to the first
 * that is not. */
bool slices_have(struct slices *s, const struct slice_content *c, uint64_t offset, uint64_t length);
/* Reads what is here at once, up to the end of a slice; may wait for the disk. How many bytes; 0: none. */
size_t slices_read_at(struct slices *s, const struct slice_content *c, uint64_t offset, void *to, size_t len);

/* ---- Reading on a loop ---- */

struct slice;

enum slice_state {
    SLICE_NONE,
    SLICE_HERE,
    SLICE_COMING, /* somebody writes it */
};
/* Looks for one. *out, but for SLICE_NONE: slice_close(). */
enum slice_state slice_find(struct slices *s, const struct slice_content *c, uint64_t number,
                            struct slice **out);
void slice_close(struct slice *sl); /* NULL is fine */

enum slice_read {
    SLICE_BYTES_READ,
    SLICE_WAIT, /* not written yet: `wake` will be called, or (slice_is_remote) look again in SLICES_LOOK_MS
                 */
    SLICE_COLD, /* on the disk, but not in memory: slice_warm() */
    SLICE_GONE, /* damaged, or its writer has ended: slice_find() again */
};
/* Who is told, in the loop. Once for all reads. */
void slice_on_change(struct slice *sl, struct loop *loop, void (*wake)(void *ctx), void *ctx);
bool slice_is_remote(const struct slice *sl);
/* Reads some bytes from `offset` (within the slice) on: data[*from, *from + *len). `room`: one block at
 * least. `may_wait`: rather wait for the disk than say SLICE_COLD. */
enum slice_read slice_read(struct slice *sl, size_t offset, bool may_wait, void *data, size_t room,
                           size_t *from, size_t *len);
/* Of the source, as the one who wrote it was told; 0: unknown. */
uint64_t slice_version(const struct slice *sl);
/* A descriptor for slice_warm(), to be closed by whoever calls it. -1: there is none. */
int slice_dup(const struct slice *sl);
/* Reads a part of a slice into the kernel's memory. Waits for the disk. */
void slice_warm(int fd, size_t offset);

/* ---- Writing ---- */

struct slice_fill;

/* 1: it is ours to write, *out: slice_fill_end(); 0: it is here, or somebody else writes it; -1: not now. */
int slice_fill_begin(struct slices *s, const struct slice_content *c, uint64_t number,
                     struct slice_fill **out);
/* The next bytes. How many were taken: whole blocks, and the end; -1: it cannot be written. */
ssize_t slice_fill_write(struct slice_fill *f, const void *data, size_t len);
bool slice_fill_is_whole(const struct slice_fill *f);
/* What the source says of its version, if anything: before the first bytes. */
void slice_fill_set_version(struct slice_fill *f, uint64_t version);
/* What is not whole is thrown away. NULL is fine. */
void slice_fill_end(struct slice_fill *f);

/* ---- Looking after them; these wait for the database ---- */

/* Writes notes to the index, makes room, and every SLICES_SWEEP_S (by one process of the host) sweeps: what
 * was not used for ttl_s, temporary files that nobody writes, and on the first time what is on the disk but
 * not in the index and the other way round. Call it every second or so. */
void slices_tick(struct slices *s);

struct slices_stat {
    int64_t count, bytes, max_bytes, oldest_unix_s;
    int64_t writing_bytes; /* of all temporary files */
};
int slices_stat(struct slices *s, struct slices_stat *out, struct err *err);

struct slices_which {
    const char *site, *id;      /* NULL: any */
    int64_t used_before_unix_s; /* INT64_MAX: any */
};
/* Deletes them; those in use stay with their users. How many; -1 error. */
int64_t slices_purge(struct slices *s, const struct slices_which *which, struct err *err);
/* All of a content: its source has become another one. Does not wait. */
void slices_forget(struct slices *s, const struct slice_content *c);

struct slices_findings {
    int64_t good, damaged; /* files; the latter were deleted */
    int64_t unlisted;      /* good files that the index did not know; it does now */
    int64_t missing;       /* rows without a file; deleted */
    int64_t leftovers;     /* temporary files of nobody; deleted */
};
/* Reads and checks all of them, and mends the index. `quick`: no contents. */
int slices_verify(struct slices *s, bool quick, struct slices_findings *out, struct err *err);

#endif
