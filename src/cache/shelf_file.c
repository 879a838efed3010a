/* See shelf_file.h. */
#include "cache/shelf_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "cache/shelf.h"

enum { PATH_ROOM = 4096, SCAN_MAX = 1 << 20 };

static const char MAGIC[8] = "slshelf1";

struct head {
    char magic[8];
    uint64_t check; /* of everything behind it */
    char name[SHELF_NAME_LEN];
    int64_t expires_unix_s;
    uint64_t length; /* of the content */
};
_Static_assert(sizeof(struct head) % 8 == 0, "the content has to be aligned");

static const size_t CHECKED_FROM = offsetof(struct head, name);

static int path_of(char out[PATH_ROOM], const char *dir, const char *name)
{
    int n = snprintf(out, PATH_ROOM, "%s/%s", dir, name);
    return n > 0 && n < PATH_ROOM ? 0 : -1;
}

/* --- making --- */

int shelf_file_begin(struct buf *file)
{
    static const struct head empty;
    return buf_add(file, &empty, sizeof empty);
}

void shelf_file_seal(struct buf *file, const char *name, int64_t expires_unix_s)
{
    struct head h = {.expires_unix_s = expires_unix_s, .length = file->len - sizeof h};
    memcpy(h.magic, MAGIC, sizeof h.magic);
    memcpy(h.name, name, sizeof h.name);
    memcpy(file->data, &h, sizeof h);
    h.check = hash_check64(file->data + CHECKED_FROM, file->len - CHECKED_FROM);
    memcpy(file->data, &h, sizeof h);
}

int shelf_file_write(const char *dir, const char *name, const struct buf *file, struct err *err)
{
    char path[PATH_ROOM];
    if (path_of(path, dir, name) < 0)
        return err_set(err, ERR_INTERNAL, "path too long: %s", dir);
    if (access(dir, F_OK) < 0 && io_make_dirs(dir, err) < 0)
        return -1;
    return io_write_cache_file(path, file->data, file->len, err);
}

static void fill(struct shelf_file *f, const struct head *h, const char *file)
{
    memcpy(f->name, h->name, SHELF_NAME_LEN);
    f->expires_unix_s = h->expires_unix_s;
    f->data = file + sizeof *h;
    f->len = (size_t)h->length;
}

void shelf_file_adopt(struct shelf_file *f, struct buf *file)
{
    struct head h;
    *f = (struct shelf_file){.own = *file};
    buf_init(file, 0);
    memcpy(&h, f->own.data, sizeof h);
    fill(f, &h, f->own.data);
}

/* --- reading --- */

static int open_named(const char *dir, const char *name)
{
    char path[PATH_ROOM];
    return path_of(path, dir, name) < 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
}

static bool is_head(const struct head *h, const char *name)
{
    return memcmp(h->magic, MAGIC, sizeof h->magic) == 0 && memcmp(h->name, name, sizeof h->name) == 0;
}

/* Whether all of the mapped file is what was written; *h is its head. */
static bool is_whole(const struct shelf_file *f, const char *name, struct head *h)
{
    memcpy(h, f->map, sizeof *h);
    return is_head(h, name) && h->length == f->map_len - sizeof *h &&
           h->check == hash_check64((const char *)f->map + CHECKED_FROM, f->map_len - CHECKED_FROM);
}

/* -1: it could not be mapped, which says nothing about the file. */
static int map_file(int fd, size_t size, struct shelf_file *f)
{
    *f = (struct shelf_file){0};
    void *map = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED)
        return -1;
    f->map = map;
    f->map_len = size;
    return 0;
}

static void note_use(int fd, const struct stat *st, int64_t now_unix_s)
{
    if (now_unix_s - (int64_t)st->st_mtime >= SHELF_TOUCH_S)
        (void)futimens(fd, NULL);
}

static void throw_away(const char *dir, const char *name)
{
    char path[PATH_ROOM];
    log_event(LOG_WARN, "shelf-file-damaged", "file", name, NULL);
    if (path_of(path, dir, name) == 0)
        (void)unlink(path);
}

int shelf_file_open(const char *dir, const char *name, int64_t now_unix_s, struct shelf_file *f)
{
    struct stat st;
    struct head h;
    int fd = open_named(dir, name);
    if (fd < 0)
        return -1;
    bool damaged = fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size < (off_t)sizeof h ||
                   st.st_size > SHELF_VALUE_MAX_BYTES;
    bool mapped = !damaged && map_file(fd, (size_t)st.st_size, f) == 0;
    damaged = damaged || (mapped && !is_whole(f, name, &h));
    bool good = mapped && !damaged && h.expires_unix_s > now_unix_s;
    if (good) {
        note_use(fd, &st, now_unix_s);
        fill(f, &h, f->map);
        (void)madvise(f->map, f->map_len, MADV_DONTNEED); /* checking touched every page; few are needed */
    }
    (void)close(fd);
    if (damaged)
        throw_away(dir, name);
    if (mapped && !good)
        shelf_file_fini(f);
    return good ? 0 : -1;
}

void shelf_file_fini(struct shelf_file *f)
{
    if (f->map)
        (void)munmap(f->map, f->map_len);
    buf_fini(&f->own);
    *f = (struct shelf_file){0};
}

bool shelf_file_peek(const char *dir, const char *name, int64_t now_unix_s, void *out, size_t len)
{
    struct head h;
    int fd = open_named(dir, name);
    if (fd < 0)
        return false;
    bool found = pread(fd, &h, sizeof h, 0) == (ssize_t)sizeof h && is_head(&h, name) &&
                 h.expires_unix_s > now_unix_s && h.length >= len &&
                 pread(fd, out, len, sizeof h) == (ssize_t)len;
    (void)close(fd);
    return found;
}

void shelf_file_touch(const char *dir, const char *name)
{
    char path[PATH_ROOM];
    if (path_of(path, dir, name) == 0)
        (void)utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW);
}

/* --- deleting --- */

struct entry {
    char name[SHELF_NAME_LEN + 1];
    struct timespec used;
    uint64_t size;
};

struct scan {
    struct entry *entries;
    size_t count, capacity;
    uint64_t bytes;
};

static int add_entry(struct scan *scan, const char *name, const struct stat *st)
{
    if (scan->count == scan->capacity) {
        size_t capacity = scan->capacity ? scan->capacity * 2 : 256;
        struct entry *grown = capacity > SCAN_MAX ? NULL
                                                  : realloc(scan->entries, capacity * sizeof *scan->entries);
        if (!grown)
            return -1;
        scan->entries = grown;
        scan->capacity = capacity;
    }
    struct entry *e = &scan->entries[scan->count++];
    memcpy(e->name, name, SHELF_NAME_LEN + 1);
    e->used = st->st_mtim;
    e->size = (uint64_t)st->st_size;
    scan->bytes += e->size;
    return 0;
}

/* A file that is no value is what a writer was making: its name is longer (io_write_cache_file()). */
static int look_at(struct scan *scan, int dir_fd, const char *name, int64_t now_unix_s)
{
    struct stat st;
    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
        return 0;
    if (strlen(name) == SHELF_NAME_LEN)
        return add_entry(scan, name, &st);
    if (strlen(name) > SHELF_NAME_LEN && now_unix_s - (int64_t)st.st_mtime > SHELF_LEFTOVER_S)
        (void)unlinkat(dir_fd, name, 0);
    return 0;
}

static int by_use(const void *a, const void *b)
{
    const struct timespec *x = &((const struct entry *)a)->used;
    const struct timespec *y = &((const struct entry *)b)->used;
    if (x->tv_sec != y->tv_sec)
        return x->tv_sec < y->tv_sec ? -1 : 1;
    return (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

/* What another process deletes at the same time is counted here all the same: both see the same order, so
 * they delete the same files. */
static void delete_oldest(struct scan *scan, int dir_fd, uint64_t leave)
{
    qsort(scan->entries, scan->count, sizeof *scan->entries, by_use);
    for (size_t i = 0; i < scan->count && scan->bytes > leave; i++) {
        (void)unlinkat(dir_fd, scan->entries[i].name, 0);
        scan->bytes -= scan->entries[i].size;
    }
}

void shelf_file_evict(const char *dir, uint64_t most, uint64_t leave)
{
    struct scan scan = {0};
    DIR *d = opendir(dir);
    if (!d)
        return;
    int64_t now = clock_unix_s();
    for (const struct dirent *e; (e = readdir(d));) {
        if (look_at(&scan, dirfd(d), e->d_name, now) < 0)
            break; /* what was seen so far is better than nothing */
    }
    if (scan.entries && scan.bytes > most)
        delete_oldest(&scan, dirfd(d), leave);
    free(scan.entries);
    (void)closedir(d);
}

/* As far as its head tells. One that cannot be opened may be. */
static bool is_good(const char *dir, const char *name, int64_t now_unix_s)
{
    struct head h;
    int fd = open_named(dir, name);
    if (fd < 0)
        return true;
    bool good = pread(fd, &h, sizeof h, 0) == (ssize_t)sizeof h && is_head(&h, name) &&
                h.expires_unix_s > now_unix_s;
    (void)close(fd);
    return good;
}

int64_t shelf_file_expire(const char *dir, int64_t now_unix_s)
{
    int64_t deleted = 0;
    DIR *d = opendir(dir);
    if (!d)
        return 0;
    for (const struct dirent *e; (e = readdir(d));) {
        if (strlen(e->d_name) == SHELF_NAME_LEN && !is_good(dir, e->d_name, now_unix_s))
            deleted += unlinkat(dirfd(d), e->d_name, 0) == 0;
    }
    (void)closedir(d);
    return deleted;
}
