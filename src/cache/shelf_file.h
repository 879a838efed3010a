/* The files of a shelf: writing, checking, deleting. Internal to cache/.
 *
 * A head, then the content, in the byte order of the machine. Modification time: last use. */
#ifndef SLUICE_CACHE_SHELF_FILE_H
#define SLUICE_CACHE_SHELF_FILE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"

enum {
    SHELF_NAME_LEN = HASH_HEX_LEN,
    SHELF_LEFTOVER_S = 600, /* an unfinished file so old has no writer any more */
};

/* A whole file in memory: mapped, or (map NULL) in a buffer that could not be written. */
struct shelf_file {
    char name[SHELF_NAME_LEN + 1];
    int64_t expires_unix_s;
    const void *data; /* the content */
    size_t len;
    void *map;
    size_t map_len;
    struct buf own;
};

/* Making one: begin with an empty buffer, append the content, seal. */
int shelf_file_begin(struct buf *file);
void shelf_file_seal(struct buf *file, const char *name, int64_t expires_unix_s);
/* Puts it into its place. Makes `dir` if need be. */
int shelf_file_write(const char *dir, const char *name, const struct buf *file, struct err *err);
/* Or makes *f of it, taking it over. */
void shelf_file_adopt(struct shelf_file *f, struct buf *file);

/* Maps a file that is whole, the named one, and good after now_unix_s; notes its use. -1: there is none; one
 * that is damaged is deleted. */
int shelf_file_open(const char *dir, const char *name, int64_t now_unix_s, struct shelf_file *f);
void shelf_file_fini(struct shelf_file *f);
/* The first bytes of its content, unchecked. */
bool shelf_file_peek(const char *dir, const char *name, int64_t now_unix_s, void *out, size_t len);
void shelf_file_touch(const char *dir, const char *name);

/* Deletes leftovers of killed writers and, when all files are more than `most` bytes, those least recently
 * used until they are no more than `leave`. */
void shelf_file_evict(const char *dir, uint64_t most, uint64_t leave);
/* Deletes those that are no longer good, or no values at all; how many. */
int64_t shelf_file_expire(const char *dir, int64_t now_unix_s);

#endif
