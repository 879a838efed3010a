/* Large values on disk: plans of merged files, which are costly to make, too large for a row of the store,
 * and wanted again by every request for a part of the same file.
 *
 * Each value is one file in `dir`, named by the hash of its key and mapped where it is used: it costs no
 * memory of its own however many streams and processes read it. Making one is a flight of the cache
 * (cache.h): of any number of callers in any number of processes one makes it, the others get it; a failure
 * is remembered as there; a producer that is killed blocks nobody.
 *
 * The disk is a memory, not a record. A file is written beside its place and renamed, without fsync, so no
 * process ever sees half of one; a checksum finds what a power cut has left. Whatever does not check is
 * thrown away and made anew. Where nothing can be written, values are made and shared among those who ask for
 * them at the same time, as if `max_bytes` were 0.
 *
 * Bound: a process that is about to write, and has written max_bytes / 16 since it last looked, looks at all
 * files; when they would be more than 7/8 of max_bytes, those least recently used are deleted until 3/4 are
 * left. So one or two processes that write stay within the bound, and every one more may go over it by a
 * sixteenth. A value larger than 1/8 is not kept. Use is noted once a minute, in the file's modification
 * time. Deleting a file disturbs nobody who reads it.
 *
 * Threads: all functions are safe from any. Processes: any number may share `dir`, of one host (a file that
 * is deleted under a reader on another host would kill it). */
#ifndef SLUICE_CACHE_SHELF_H
#define SLUICE_CACHE_SHELF_H

#include "cache/cache.h"

enum {
    SHELF_VALUE_MAX_BYTES = 448 << 20, /* more than any plan can have (media/plan.h) */
    SHELF_TOUCH_S = 60,
};

struct shelf;

/* `cache` is borrowed and must outlive the shelf; `dir` is made when the first value is written. max_bytes 0:
 * nothing is kept, and what was is deleted. */
int shelf_open(struct shelf **out, struct cache *cache, const char *dir, uint64_t max_bytes, struct err *err);
/* All values must have been freed. NULL is fine. */
void shelf_close(struct shelf *s);
DEFINE_AUTO_PTR(shelf, shelf_close)

/* Deletes what has expired, and what is too much; how many had expired. The programs do the latter when they
 * write. */
int64_t shelf_sweep(struct shelf *s);
/* Deletes all values; those in use stay with their users. */
void shelf_purge(struct shelf *s);

/* A value in use. Immutable, so safe from any thread. */
struct shelf_value;
const void *shelf_value_data(const struct shelf_value *v); /* 8-byte aligned */
size_t shelf_value_size(const struct shelf_value *v);
void shelf_value_free(struct shelf_value *v); /* NULL is fine */
DEFINE_AUTO_PTR(shelf_value, shelf_value_free)

#define SHELF_FOR_EVER INT64_MAX

/* Gets the value of a key, or makes it. *out: shelf_value_free(). `produce` appends to what is in the buffer
 * and sets until when the value is good: SHELF_FOR_EVER, a time, or 0: only for those who are asking now.
 * `err` as cache_get(). */
int shelf_get(struct shelf *s, const char *key, cache_produce_fn *produce, void *ctx,
              struct shelf_value **out, struct err *err);

/* Copies the first `len` bytes of the value on disk. False: there is none, or it is shorter. For a quick look
 * at something small that leads the value: no checksum is read, nothing is mapped, use is not noted (5 µs).
 */
bool shelf_peek(const struct shelf *s, const char *key, void *out, size_t len);

#endif
