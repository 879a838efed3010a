/* Writing a slice; see slices.h and slice_fill.h. */
#include "cache/slice_fill.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/text.h"

/* Left free for everybody else on that file system, the database first of all. */
enum { FREE_PART = 16, FREE_MAX_BYTES = 64 << 20 };

struct slice_fill {
    struct slices *all;
    struct slice_fill *next;
    unsigned holders; /* the writer and those who read along */
    struct slice_head head;
    int fd;
    atomic_size_t written;
    atomic_bool over;
    _Atomic uint64_t version;
    struct slice_waiter *waiters;
};

/* ---- Those who read along ---- */

struct slice_fill *slice_fill_of(const struct slices *s, const char *name)
{
    struct slice_fill *f = s->fills;
    while (f && strcmp(f->head.name, name) != 0)
        f = f->next;
    return f;
}

struct slice_fill *slice_fill_hold(struct slice_fill *f)
{
    if (f)
        f->holders++;
    return f;
}

void slice_fill_drop(struct slices *s, struct slice_fill *f)
{
    if (!f)
        return;
    (void)pthread_mutex_lock(&s->lock);
    bool last = --f->holders == 0;
    (void)pthread_mutex_unlock(&s->lock);
    if (!last)
        return;
    if (f->fd >= 0)
        (void)close(f->fd);
    free(f);
}

int slice_fill_fd(const struct slice_fill *f)
{
    return f->fd;
}

uint64_t slice_fill_version(struct slice_fill *f)
{
    return atomic_load(&f->version);
}

bool slice_fill_is_over(struct slice_fill *f)
{
    return atomic_load(&f->over);
}

bool slice_fill_is_whole(const struct slice_fill *f)
{
    return atomic_load(&f->written) == f->head.length;
}

static void remove_waiter(struct slice_waiter *w)
{
    *w->at = w->next;
    if (w->next)
        w->next->at = w->at;
    w->at = NULL;
}

size_t slice_fill_wait(struct slices *s, struct slice_fill *f, size_t offset, struct slice_waiter *w)
{
    size_t there = atomic_load(&f->written);
    if (there > offset || atomic_load(&f->over))
        return there;
    (void)pthread_mutex_lock(&s->lock);
    there = atomic_load(&f->written);
    if (there <= offset && !atomic_load(&f->over) && !w->at && w->loop) {
        w->next = f->waiters;
        w->at = &f->waiters;
        if (w->next)
            w->next->at = &w->next;
        f->waiters = w;
    }
    (void)pthread_mutex_unlock(&s->lock);
    return there;
}

void slice_waiter_remove(struct slices *s, struct slice_waiter *w)
{
    if (!w->loop)
        return;
    (void)pthread_mutex_lock(&s->lock);
    if (w->at)
        remove_waiter(w);
    (void)pthread_mutex_unlock(&s->lock);
    loop_unpost(w->loop, &w->post);
}

/* With the lock held. */
static void wake_all(struct slice_fill *f)
{
    while (f->waiters) {
        struct slice_waiter *w = f->waiters;
        remove_waiter(w);
        loop_post(w->loop, &w->post);
    }
}

/* ---- Beginning ---- */

static bool is_room_on_disk(const struct slices *s)
{
    struct statvfs fs;
    if (statvfs(s->tmp, &fs) < 0)
        return true; /* writing will tell */
    uint64_t all = (uint64_t)fs.f_blocks * fs.f_frsize;
    uint64_t kept = all / FREE_PART < FREE_MAX_BYTES ? all / FREE_PART : FREE_MAX_BYTES;
    return (uint64_t)fs.f_bavail * fs.f_frsize > kept + SLICE_BYTES;
}

/* With the lock held: so much more may be begun before the index is looked at. */
static bool is_room(struct slices *s, int64_t bytes)
{
    int64_t most = atomic_load(&s->max_bytes) / 16;
    if (s->begun_bytes + bytes > most / 2 && s->opts.hurry)
        s->opts.hurry(s->opts.ctx);
    return s->fill_count < SLICES_FILLS_MAX && (s->begun_bytes == 0 || s->begun_bytes + bytes <= most);
}

/* Enters it where others find it. NULL: *rc as slice_fill_begin(). */
static struct slice_fill *enter(struct slices *s, const struct slice_content *c, uint64_t number, int *rc)
{
    struct slice_fill *f = calloc(1, sizeof *f);
    *rc = -1;
    if (!f)
        return NULL;
    f->all = s;
    f->fd = -1;
    f->holders = 1;
    f->head.length = slice_length(c, number);
    slice_name(f->head.name, c, number);
    memcpy(f->head.site, c->site, sizeof f->head.site);
    memcpy(f->head.id, c->id, sizeof f->head.id);
    (void)pthread_mutex_lock(&s->lock);
    bool is_there = slice_fill_of(s, f->head.name) != NULL;
    bool may = !is_there && f->head.length && is_room(s, (int64_t)f->head.length + SLICE_HEAD_BYTES);
    if (may) {
        f->next = s->fills;
        s->fills = f;
        s->fill_count++;
        s->begun_bytes += (int64_t)f->head.length + SLICE_HEAD_BYTES;
    }
    (void)pthread_mutex_unlock(&s->lock);
    if (may)
        return f;
    *rc = is_there ? 0 : -1;
    free(f);
    return NULL;
}

/* With the lock held: nobody finds it any more. */
static void leave(struct slice_fill *f)
{
    struct slice_fill **at = &f->all->fills;
    while (*at && *at != f)
        at = &(*at)->next;
    if (*at) {
        *at = f->next;
        f->all->fill_count--;
    }
    atomic_store(&f->over, true);
    wake_all(f);
}

static void give_up(struct slice_fill *f)
{
    struct slices *s = f->all;
    (void)pthread_mutex_lock(&s->lock);
    s->begun_bytes -= (int64_t)f->head.length + SLICE_HEAD_BYTES;
    leave(f);
    (void)pthread_mutex_unlock(&s->lock);
}

/* What a writer that was killed has left goes first: whoever still reads it will see that it has no name. */
static int make_file(struct slice_fill *f)
{
    char path[SLICES_PATH_ROOM];
    if (snprintf(path, sizeof path, "%s/%s", f->all->tmp, f->head.name) >= (int)sizeof path)
        return -1;
    (void)unlink(path);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -1;
    /* So that a disk that is full says so now. */
    if (fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)(SLICE_HEAD_BYTES + f->head.length)) < 0 &&
        errno != EOPNOTSUPP && errno != ENOSYS) {
        int why = errno;
        (void)close(fd);
        (void)unlink(path);
        errno = why;
        return -1;
    }
    return fd;
}

int slice_fill_begin(struct slices *s, const struct slice_content *c, uint64_t number,
                     struct slice_fill **out)
{
    int rc = -1;
    char path[SLICES_PATH_ROOM];
    *out = NULL;
    if (!slices_are_on(s))
        return -1;
    if (!is_room_on_disk(s)) {
        slices_switch_off(s, "the disk is nearly full");
        return -1;
    }
    struct slice_fill *f = enter(s, c, number, &rc);
    if (!f)
        return rc;
    bool mine = slice_lock(s, f->head.name);
    bool here = mine && slice_path(path, sizeof path, s->dir, f->head.name) == 0 && access(path, F_OK) == 0;
    int fd = mine && !here ? make_file(f) : -1;
    if (fd >= 0) {
        (void)pthread_mutex_lock(&s->lock);
        f->fd = fd;
        (void)pthread_mutex_unlock(&s->lock);
        slices_count(s, SLICES_MISS, 1);
        *out = f;
        return 1;
    }
    int why = errno;
    give_up(f);
    if (mine)
        slice_unlock(s, f->head.name);
    slice_fill_drop(s, f);
    if (!mine || here)
        return 0;
    slices_switch_off(s, strerror(why));
    return -1;
}

void slice_fill_set_version(struct slice_fill *f, uint64_t version)
{
    f->head.version = version;
    atomic_store(&f->version, version);
}

/* ---- Writing ---- */

static bool write_at(int fd, const char *data, size_t len, off_t at)
{
    while (len) {
        ssize_t n = pwrite(fd, data, len, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        data += n;
        len -= (size_t)n;
        at += n;
    }
    return true;
}

/* Its place, in a directory that may have to be made. */
static int move_into_place(struct slice_fill *f)
{
    char from[SLICES_PATH_ROOM];
    char to[SLICES_PATH_ROOM];
    char dir[SLICES_PATH_ROOM];
    const struct slices *s = f->all;
    if (snprintf(from, sizeof from, "%s/%s", s->tmp, f->head.name) >= (int)sizeof from ||
        slice_path(to, sizeof to, s->dir, f->head.name) < 0 ||
        snprintf(dir, sizeof dir, "%s/%.2s", s->dir, f->head.name) >= (int)sizeof dir)
        return -1;
    if (rename(from, to) == 0)
        return 0;
    if (errno != ENOENT || (mkdir(dir, 0700) < 0 && errno != EEXIST))
        return -1;
    return rename(from, to);
}

/* All bytes are there. */
static int finish(struct slice_fill *f)
{
    struct slices *s = f->all;
    struct store_slice row = {.bytes = (int64_t)f->head.length + SLICE_HEAD_BYTES};
    if (slice_head_write(f->fd, &f->head) < 0 || move_into_place(f) < 0)
        return -1;
    memcpy(row.name, f->head.name, sizeof row.name);
    memcpy(row.site, f->head.site, sizeof row.site);
    memcpy(row.id, f->head.id, sizeof row.id);
    (void)pthread_mutex_lock(&s->lock);
    slices_note(s, STORE_SLICE_PUT, &row);
    leave(f);
    (void)pthread_mutex_unlock(&s->lock);
    slice_unlock(s, f->head.name);
    slices_well(s);
    return 0;
}

ssize_t slice_fill_write(struct slice_fill *f, const void *data, size_t len)
{
    struct slices *s = f->all;
    size_t at = atomic_load(&f->written);
    size_t left = (size_t)f->head.length - at;
    size_t n = len >= left ? left : len / SLICE_BLOCK_BYTES * SLICE_BLOCK_BYTES;
    if (n == 0 || atomic_load(&f->over))
        return atomic_load(&f->over) ? -1 : 0;
    for (size_t i = 0; i < n; i += SLICE_BLOCK_BYTES) {
        size_t block = (at + i) / SLICE_BLOCK_BYTES;
        f->head.sums[block] = hash_fast64((const char *)data + i, slice_block_len(&f->head, block));
    }
    int64_t began_us = clock_mono_us();
    if (!write_at(f->fd, data, n, (off_t)(SLICE_HEAD_BYTES + at))) {
        slices_switch_off(s, strerror(errno));
        return -1;
    }
    if (clock_mono_us() - began_us >= (int64_t)SLICES_SLOW_WRITE_MS * 1000)
        slices_switch_off(s, "the disk is too slow");
    slices_count(s, SLICES_WRITTEN, n);
    (void)pthread_mutex_lock(&s->lock);
    atomic_store(&f->written, at + n);
    wake_all(f);
    (void)pthread_mutex_unlock(&s->lock);
    if (n == left && finish(f) < 0) {
        slices_switch_off(s, strerror(errno));
        return -1;
    }
    return (ssize_t)n;
}

void slice_fill_end(struct slice_fill *f)
{
    char path[SLICES_PATH_ROOM];
    if (!f)
        return;
    struct slices *s = f->all;
    if (!atomic_load(&f->over)) {
        if (snprintf(path, sizeof path, "%s/%s", s->tmp, f->head.name) < (int)sizeof path)
            (void)unlink(path);
        give_up(f);
        slice_unlock(s, f->head.name);
    }
    slice_fill_drop(s, f);
}
