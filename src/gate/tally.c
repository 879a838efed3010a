/* See tally.h. The file: a head, the counters, a record for each process. A process that reports holds a lock
 * that stands for its record, which the kernel releases when it ends; locks need no bytes behind them. */
#include "gate/tally.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"

#define TALLY_MAGIC UINT64_C(0x32796c6c61746c73) /* "sltally2" */
#define LOCKS_START ((off_t)1 << 40)

struct head {
    uint64_t magic, layout, counters;
};

struct record {
    _Atomic uint64_t rss_bytes, vms_bytes, pid, started_unix_s, cpu_us, threads, files, files_max;
    _Atomic uint64_t program[2]; /* a name's bytes */
};

struct map {
    struct head head;
    struct record processes[TALLY_PROCESSES];
    _Atomic uint64_t counters[];
};

struct tally {
    int fd; /* -1: the memory is our own */
    size_t size;
    struct map *map;
    pthread_mutex_t lock; /* guards `mine` */
    unsigned mine;        /* our record, from 1; 0: none */
};

static int lock_byte(int fd, int command, short type, unsigned byte)
{
    struct flock lock = {
        .l_type = type, .l_whence = SEEK_SET, .l_start = LOCKS_START + (off_t)byte, .l_len = 1};
    int rc;
    do
        rc = fcntl(fd, command, &lock);
    while (rc < 0 && errno == EINTR);
    return rc < 0 ? -1 : lock.l_type;
}

/* ---- Opening ---- */

static bool fits(int fd, const struct head *wanted, size_t size)
{
    struct head head;
    struct stat st;
    return fstat(fd, &st) == 0 && (uint64_t)st.st_size == size &&
           pread(fd, &head, sizeof head, 0) == (ssize_t)sizeof head &&
           memcmp(&head, wanted, sizeof head) == 0;
}

/* Room for all of it is on the disk before anything is mapped: memory behind which there is none kills. The
 * name comes last, so that nobody finds half of it. */
static int make(const char *path, const struct head *head, size_t size)
{
    char fresh[4096];
    if (snprintf(fresh, sizeof fresh, "%s.XXXXXX", path) >= (int)sizeof fresh)
        return -1;
    int fd = mkostemp(fresh, O_CLOEXEC);
    if (fd < 0)
        return -1;
    bool ok = posix_fallocate(fd, 0, (off_t)size) == 0 &&
              pwrite(fd, head, sizeof *head, 0) == (ssize_t)sizeof *head && rename(fresh, path) == 0;
    if (!ok)
        (void)unlink(fresh);
    (void)close(fd);
    return ok ? 0 : -1;
}

/* The file that fits, made if need be; -1: there is none. Whoever makes one holds the lock of the one before,
 * so that of several processes that begin at once one makes it and the others take that. */
static int open_fitting(const char *path, const struct head *head, size_t size)
{
    enum { TRIES = 16 };
    for (int i = 0; i < TRIES; i++) {
        struct stat here, there;
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
            return -1;
        if (fits(fd, head, size))
            return fd;
        bool locked = lock_byte(fd, F_OFD_SETLKW, F_WRLCK, 0) >= 0;
        bool current = fstat(fd, &here) == 0 && stat(path, &there) == 0 && here.st_ino == there.st_ino;
        int rc = locked && current ? make(path, head, size) : 0;
        (void)close(fd);
        if (rc < 0)
            return -1;
    }
    return -1;
}

int tally_open(struct tally **out, const char *data_dir, uint64_t layout, size_t counters, struct err *err)
{
    char path[4000];
    const struct head head = {TALLY_MAGIC, layout, counters};
    struct tally *t = calloc(1, sizeof *t);
    if (!t || pthread_mutex_init(&t->lock, NULL) != 0) {
        free(t);
        return err_set(err, ERR_INTERNAL, "out of memory");
    }
    if (io_make_dirs(data_dir, err) < 0 ||
        snprintf(path, sizeof path, "%s/tally", data_dir) >= (int)sizeof path) {
        free(t);
        return err->code ? -1 : err_set(err, ERR_INTERNAL, "data_dir is too long");
    }
    t->size = sizeof *t->map + counters * sizeof t->map->counters[0];
    t->fd = open_fitting(path, &head, t->size);
    void *map = t->fd < 0 ? MAP_FAILED : mmap(NULL, t->size, PROT_READ | PROT_WRITE, MAP_SHARED, t->fd, 0);
    if (map == MAP_FAILED)
        map = mmap(NULL, t->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) {
        t->map = NULL;
        tally_close(t);
        return err_set(err, ERR_INTERNAL, "out of memory");
    }
    t->map = map;
    *out = t;
    return 0;
}

void tally_close(struct tally *t)
{
    if (!t)
        return;
    if (t->map)
        (void)munmap(t->map, t->size);
    if (t->fd >= 0)
        (void)close(t->fd); /* the lock goes with it */
    (void)pthread_mutex_destroy(&t->lock);
    free(t);
}

/* ---- Counting ---- */

void tally_add(struct tally *t, size_t counter, uint64_t n)
{
    (void)atomic_fetch_add_explicit(&t->map->counters[counter], n, memory_order_relaxed);
}

uint64_t tally_get(const struct tally *t, size_t counter)
{
    return atomic_load_explicit(&t->map->counters[counter], memory_order_relaxed);
}

/* ---- Processes ---- */

/* With the lock. Without a file there is nobody else to keep apart from. */
static unsigned claim(struct tally *t)
{
    if (t->fd < 0)
        return 1;
    for (unsigned i = 1; i <= TALLY_PROCESSES; i++) {
        if (lock_byte(t->fd, F_OFD_SETLK, F_WRLCK, i) >= 0)
            return i;
    }
    return 0;
}

void tally_report(struct tally *t, const struct tally_process *mine)
{
    (void)pthread_mutex_lock(&t->lock);
    if (!t->mine)
        t->mine = claim(t);
    if (t->mine) {
        struct record *r = &t->map->processes[t->mine - 1];
        uint64_t name[2];
        memcpy(name, mine->program, sizeof name);
        r->program[0] = name[0];
        r->program[1] = name[1];
        r->pid = (uint64_t)mine->pid;
        r->started_unix_s = (uint64_t)mine->started_unix_s;
        r->cpu_us = mine->cpu_us;
        r->threads = mine->threads;
        r->files = mine->files;
        r->files_max = mine->files_max;
        r->rss_bytes = mine->rss_bytes;
        r->vms_bytes = mine->vms_bytes;
    }
    (void)pthread_mutex_unlock(&t->lock);
}

/* With the lock. */
static struct tally_process read_record(const struct record *r)
{
    const uint64_t name[2] = {r->program[0], r->program[1]};
    struct tally_process p = {
        .rss_bytes = r->rss_bytes,
        .vms_bytes = r->vms_bytes,
        .pid = (int64_t)r->pid,
        .started_unix_s = (int64_t)r->started_unix_s,
        .cpu_us = r->cpu_us,
        .threads = r->threads,
        .files = r->files,
        .files_max = r->files_max,
    };
    memcpy(p.program, name, sizeof p.program);
    p.program[sizeof p.program - 1] = '\0';
    return p;
}

size_t tally_list(struct tally *t, struct tally_process *out, size_t room)
{
    size_t count = 0;
    (void)pthread_mutex_lock(&t->lock);
    for (unsigned i = 1; i <= TALLY_PROCESSES && count < room; i++) {
        const struct record *r = &t->map->processes[i - 1];
        /* Our own lock does not stand in our way, so asking would not show it. */
        bool lives = i == t->mine ||
                     (t->fd >= 0 && r->vms_bytes && lock_byte(t->fd, F_OFD_GETLK, F_WRLCK, i) == F_WRLCK);
        if (lives)
            out[count++] = read_record(r);
    }
    (void)pthread_mutex_unlock(&t->lock);
    return count;
}

size_t tally_processes(struct tally *t, struct tally_process *sum)
{
    struct tally_process all[TALLY_PROCESSES];
    size_t count = tally_list(t, all, TALLY_PROCESSES);
    *sum = (struct tally_process){0};
    for (size_t i = 0; i < count; i++) {
        sum->rss_bytes += all[i].rss_bytes;
        sum->vms_bytes += all[i].vms_bytes;
    }
    return count;
}
