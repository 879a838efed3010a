/* The file of one slice: a head, then the bytes from SLICE_HEAD_BYTES on. Internal to cache/.
 *
 * While it is being written it lies among the temporary files and has no head yet; its size tells how much of
 * it is there. Once whole it is renamed into its place. Each block has a checksum of its own, so that whoever
 * needs a few bytes checks no more than the blocks they are in. In the byte order of the machine. */
#ifndef SLUICE_CACHE_SLICE_FILE_H
#define SLUICE_CACHE_SLICE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/slices.h"

enum {
    SLICE_BYTES = 1 << 20,
    SLICE_BLOCK_BYTES = 16 << 10,
    SLICE_BLOCKS = SLICE_BYTES / SLICE_BLOCK_BYTES,
    SLICE_HEAD_BYTES = 4096, /* so that blocks begin with a page */
    SLICE_CONTENT_LEN = 32,  /* hexadecimal digits */
    SLICE_NUMBER_LEN = 6,
    SLICE_NAME_LEN = SLICE_CONTENT_LEN + 1 + SLICE_NUMBER_LEN,
};

struct slice_head {
    char magic[8];
    uint64_t check; /* of everything behind it */
    char name[STORE_SLICE_NAME_MAX];
    char site[STORE_SLICE_SITE_MAX], id[STORE_SLICE_ID_MAX];
    uint64_t version; /* of what the source said of it; 0: nothing */
    uint64_t length;
    uint64_t sums[SLICE_BLOCKS];
};

/* Whether a file in our directory is one of ours. */
bool slice_is_name(const char *name);
/* "DIR/ab/NAME" */
int slice_path(char *out, size_t room, const char *dir, const char *name);

/* Writes the head of a file that has its bytes. -1: errno. */
int slice_head_write(int fd, struct slice_head *head);
/* -1: it is not whole, or not the named one. */
int slice_head_read(int fd, const char *name, struct slice_head *head);
/* How long block `i` is. */
size_t slice_block_len(const struct slice_head *head, size_t i);
bool slice_block_is_good(const struct slice_head *head, size_t i, const void *data);
/* Reads and checks all of it; *head is its head. */
bool slice_file_is_good(const char *path, const char *name, struct slice_head *head);

#endif
