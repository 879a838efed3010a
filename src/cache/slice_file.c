/* See slice_file.h. */
#include "cache/slice_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"

static const char MAGIC[8] = "slslice1";

_Static_assert(sizeof(struct slice_head) <= SLICE_HEAD_BYTES, "a head has one page");

bool slice_is_name(const char *name)
{
    static const char digits[] = "0123456789abcdef";
    return strlen(name) == SLICE_NAME_LEN && strspn(name, digits) == SLICE_CONTENT_LEN &&
           name[SLICE_CONTENT_LEN] == '-' && strspn(name + SLICE_CONTENT_LEN + 1, digits) == SLICE_NUMBER_LEN;
}

int slice_path(char *out, size_t room, const char *dir, const char *name)
{
    int n = snprintf(out, room, "%s/%.2s/%s", dir, name, name);
    return n > 0 && (size_t)n < room ? 0 : -1;
}

static uint64_t check_of(const struct slice_head *h)
{
    static const size_t from = offsetof(struct slice_head, name);
    return hash_fast64((const char *)h + from, sizeof *h - from);
}

int slice_head_write(int fd, struct slice_head *head)
{
    char page[SLICE_HEAD_BYTES] = {0};
    memcpy(head->magic, MAGIC, sizeof head->magic);
    head->check = check_of(head);
    memcpy(page, head, sizeof *head);
    return pwrite(fd, page, sizeof page, 0) == (ssize_t)sizeof page ? 0 : -1;
}

int slice_head_read(int fd, const char *name, struct slice_head *head)
{
    struct stat st;
    bool whole = pread(fd, head, sizeof *head, 0) == (ssize_t)sizeof *head &&
                 memcmp(head->magic, MAGIC, sizeof head->magic) == 0 && head->check == check_of(head) &&
                 memcmp(head->name, name, SLICE_NAME_LEN + 1) == 0 && head->length > 0 &&
                 head->length <= SLICE_BYTES && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
                 st.st_size == (off_t)(SLICE_HEAD_BYTES + head->length);
    return whole ? 0 : -1;
}

size_t slice_block_len(const struct slice_head *head, size_t i)
{
    size_t from = i * SLICE_BLOCK_BYTES;
    return head->length - from < SLICE_BLOCK_BYTES ? (size_t)(head->length - from) : SLICE_BLOCK_BYTES;
}

bool slice_block_is_good(const struct slice_head *head, size_t i, const void *data)
{
    return hash_fast64(data, slice_block_len(head, i)) == head->sums[i];
}

bool slice_file_is_good(const char *path, const char *name, struct slice_head *head)
{
    char block[SLICE_BLOCK_BYTES];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    bool good = fd >= 0 && slice_head_read(fd, name, head) == 0;
    for (size_t i = 0; good && i * SLICE_BLOCK_BYTES < head->length; i++) {
        size_t len = slice_block_len(head, i);
        off_t at = (off_t)(SLICE_HEAD_BYTES + i * SLICE_BLOCK_BYTES);
        good = pread(fd, block, len, at) == (ssize_t)len && slice_block_is_good(head, i, block);
    }
    if (fd >= 0)
        (void)close(fd);
    return good;
}
