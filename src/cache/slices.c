/* Opening them, finding one, and reading it; see slices.h. */
#include "cache/slices_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/io.h"
#include "base/log.h"
#include "base/text.h"
#include "cache/slice_fill.h"

enum { WARM_BYTES = 256 << 10 };

struct slice {
    struct slices *all;
    struct slice_head head; /* of a whole file; else name, length and version, once known */
    int fd;                 /* of a file; -1: not yet, or it is the fill's */
    bool whole;
    struct slice_fill *fill; /* of this process; NULL: another one's, or none */
    struct slice_waiter waiter;
};

/* ---- Opening ---- */

int slices_prepare(struct slices *s, bool make, struct err *err)
{
    char path[SLICES_PATH_ROOM];
    if (s->lock_fd >= 0)
        return 0;
    if (!make && access(s->dir, F_OK) < 0)
        return err_set(err, ERR_NOT_FOUND, "there are no slices");
    if (io_make_dirs(s->dir, err) < 0 || io_make_dirs(s->tmp, err) < 0)
        return -1;
    if (snprintf(path, sizeof path, "%s/lock", s->dir) >= (int)sizeof path)
        return err_set(err, ERR_INTERNAL, "path too long");
    s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    return s->lock_fd < 0 ? err_set(err, ERR_INTERNAL, "cannot open %s: %s", path, strerror(errno)) : 0;
}

int slices_open(struct slices **out, const struct slices_opts *opts, struct err *err)
{
    struct err why;
    auto_ptr(slices) struct slices *s = calloc(1, sizeof *s);
    if (!s)
        return err_set(err, ERR_INTERNAL, "out of memory");
    s->opts = *opts;
    s->opts.data_dir = s->opts.place = NULL;
    slices_limit(s, opts->max_bytes, opts->ttl_s);
    s->lock_fd = -1;
    (void)pthread_mutex_init(&s->lock, NULL);
    if (asprintf(&s->dir, "%s/slices", opts->data_dir) < 0)
        s->dir = NULL;
    if (asprintf(&s->tmp, "%s/tmp", opts->data_dir) < 0)
        s->tmp = NULL;
    s->place = strdup(opts->place);
    if (!s->dir || !s->tmp || !s->place)
        return err_set(err, ERR_INTERNAL, "out of memory");
    /* The disk may be full: then without, for now. */
    if (slices_prepare(s, atomic_load(&s->max_bytes) > 0, &why) < 0 && why.code != ERR_NOT_FOUND)
        slices_switch_off(s, why.text);
    *out = steal(&s);
    return 0;
}

void slices_limit(struct slices *s, int64_t max_bytes, int64_t ttl_s)
{
    atomic_store(&s->max_bytes, max_bytes < SLICES_LEAST_BYTES ? 0 : max_bytes);
    atomic_store(&s->ttl_s, ttl_s);
}

void slices_count(struct slices *s, enum slices_event event, uint64_t n)
{
    if (s->opts.count)
        s->opts.count(s->opts.ctx, event, n);
}

/* ---- On and off ---- */

void slices_switch_off(struct slices *s, const char *why)
{
    atomic_store(&s->off_until_us, clock_mono_us() + (int64_t)SLICES_OFF_MS * 1000);
    if (atomic_exchange(&s->off, true))
        return;
    log_event(LOG_WARN, "slices-off", "why", why, NULL);
    slices_count(s, SLICES_SWITCHED_OFF, 1);
}

void slices_well(struct slices *s)
{
    int64_t off_until_us = atomic_load(&s->off_until_us);
    if (off_until_us == 0 || clock_mono_us() < off_until_us)
        return;
    atomic_store(&s->off_until_us, 0);
    if (atomic_exchange(&s->off, false))
        log_event(LOG_INFO, "slices-on", NULL);
}

bool slices_are_on(const struct slices *s)
{
    int64_t off_until_us = atomic_load(&s->off_until_us);
    return atomic_load(&s->max_bytes) > 0 && s->lock_fd >= 0 &&
           (off_until_us == 0 || clock_mono_us() >= off_until_us);
}

/* ---- Locks ---- */

/* Slices of one content lie side by side, so that the kernel keeps one lock for many of them. Two slices with
 * one byte would merely wait for each other. */
static off_t lock_of(const char *name)
{
    enum { DIGITS_OF_CONTENT = 9 };
    uint64_t content = 0;
    uint64_t number = 0;
    for (int i = 0; i < SLICE_NAME_LEN; i++) {
        uint64_t digit = (uint64_t)(name[i] <= '9' ? name[i] - '0' : name[i] - 'a' + 10);
        if (i < DIGITS_OF_CONTENT)
            content = content << 4 | digit;
        else if (i > SLICE_CONTENT_LEN)
            number = number << 4 | digit;
    }
    return (off_t)(content << (4 * SLICE_NUMBER_LEN) | number);
}

static const off_t DUTIES = (off_t)1 << 61;

static bool set_lock(const struct slices *s, off_t at, short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};
    return s->lock_fd >= 0 && fcntl(s->lock_fd, F_OFD_SETLK, &lock) == 0;
}

bool slice_lock(struct slices *s, const char *name)
{
    return set_lock(s, lock_of(name), F_WRLCK);
}

void slice_unlock(struct slices *s, const char *name)
{
    (void)set_lock(s, lock_of(name), F_UNLCK);
}

bool slice_is_locked(const struct slices *s, const char *name)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = lock_of(name), .l_len = 1};
    return s->lock_fd >= 0 && fcntl(s->lock_fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

bool slices_enter(struct slices *s, enum slices_duty duty)
{
    return set_lock(s, DUTIES + (off_t)duty, F_WRLCK);
}

void slices_leave(struct slices *s, enum slices_duty duty)
{
    (void)set_lock(s, DUTIES + (off_t)duty, F_UNLCK);
}

/* ---- What they are of ---- */

bool slice_content_of(const struct slice_source *source, struct slice_content *out)
{
    char hex[HASH_HEX_LEN + 1];
    auto_(buf) struct buf text = BUF_INIT(16384);
    const uint64_t most = (uint64_t)SLICE_BYTES << (4 * SLICE_NUMBER_LEN);
    if (!source->site || !source->id || !source->format || !source->version || !source->size ||
        source->size > most)
        return false;
    (void)buf_addf(&text, "%zu:%s%zu:%s%zu:%s%llu %llu", strlen(source->site), source->site,
                   strlen(source->id), source->id, strlen(source->format), source->format,
                   (unsigned long long)source->version, (unsigned long long)source->size);
    if (text.failed)
        return false;
    hash_sha256_hex(text.data, text.len, hex);
    *out = (struct slice_content){.size = source->size};
    memcpy(out->hex, hex, SLICE_CONTENT_LEN);
    (void)snprintf(out->site, sizeof out->site, "%s", source->site);
    (void)snprintf(out->id, sizeof out->id, "%s", source->id);
    return true;
}

size_t slice_length(const struct slice_content *c, uint64_t number)
{
    uint64_t from = number * SLICE_BYTES;
    if (from >= c->size)
        return 0;
    return c->size - from < SLICE_BYTES ? (size_t)(c->size - from) : SLICE_BYTES;
}

void slice_name(char out[STORE_SLICE_NAME_MAX], const struct slice_content *c, uint64_t number)
{
    (void)snprintf(out, STORE_SLICE_NAME_MAX, "%s-%06llx", c->hex, (unsigned long long)number);
}

bool slices_have(struct slices *s, const struct slice_content *c, uint64_t offset, uint64_t length)
{
    char name[STORE_SLICE_NAME_MAX];
    char path[SLICES_PATH_ROOM];
    bool have = slices_are_on(s) && length && offset < c->size && length <= c->size - offset;
    for (uint64_t n = offset / SLICE_BYTES; have && n <= (offset + length - 1) / SLICE_BYTES; n++) {
        slice_name(name, c, n);
        have = slice_path(path, sizeof path, s->dir, name) == 0 && access(path, R_OK) == 0;
    }
    return have;
}

/* ---- Finding one ---- */

static int open_in(const char *dir, const char *name, bool whole)
{
    char path[SLICES_PATH_ROOM];
    bool fits = whole ? slice_path(path, sizeof path, dir, name) == 0
                      : snprintf(path, sizeof path, "%s/%s", dir, name) < (int)sizeof path;
    return fits ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : -1;
}

void slices_throw_away(struct slices *s, const char *name)
{
    char path[SLICES_PATH_ROOM];
    struct store_slice gone = {.bytes = 0};
    log_event(LOG_WARN, "slice-damaged", "file", name, NULL);
    slices_count(s, SLICES_DAMAGED, 1);
    if (slice_path(path, sizeof path, s->dir, name) == 0)
        (void)unlink(path);
    (void)text_copy(gone.name, sizeof gone.name, name);
    (void)pthread_mutex_lock(&s->lock);
    slices_note(s, STORE_SLICE_GONE, &gone);
    (void)pthread_mutex_unlock(&s->lock);
}

/* Use is noted in the file's time, so that all processes together note it once a minute. */
static void note_use(struct slices *s, const struct slice *sl)
{
    struct stat st;
    struct store_slice used = {.bytes = 0};
    if (fstat(sl->fd, &st) < 0 || clock_unix_s() - (int64_t)st.st_mtime < SLICES_USED_S)
        return;
    (void)futimens(sl->fd, NULL);
    memcpy(used.name, sl->head.name, sizeof used.name);
    (void)pthread_mutex_lock(&s->lock);
    slices_note(s, STORE_SLICE_USED, &used);
    (void)pthread_mutex_unlock(&s->lock);
}

/* A file that is whole. */
static bool find_whole(struct slices *s, struct slice *sl, const char *name, size_t length)
{
    sl->fd = open_in(s->dir, name, true);
    if (sl->fd < 0)
        return false;
    sl->whole = slice_head_read(sl->fd, name, &sl->head) == 0 && sl->head.length == length;
    if (sl->whole) {
        note_use(s, sl);
        return true;
    }
    (void)close(sl->fd);
    sl->fd = -1;
    slices_throw_away(s, name);
    return false;
}

enum slice_state slice_find(struct slices *s, const struct slice_content *c, uint64_t number,
                            struct slice **out)
{
    char name[STORE_SLICE_NAME_MAX];
    size_t length = slice_length(c, number);
    struct slice *sl = slices_are_on(s) && length ? calloc(1, sizeof *sl) : NULL;
    *out = NULL;
    if (!sl)
        return SLICE_NONE;
    sl->all = s;
    sl->fd = -1;
    slice_name(name, c, number);
    (void)pthread_mutex_lock(&s->lock);
    sl->fill = slice_fill_hold(slice_fill_of(s, name));
    (void)pthread_mutex_unlock(&s->lock);
    bool here = !sl->fill && find_whole(s, sl, name, length);
    if (!here) {
        memcpy(sl->head.name, name, sizeof sl->head.name);
        sl->head.length = length;
    }
    if (!here && !sl->fill && !slice_is_locked(s, name)) {
        free(sl);
        return SLICE_NONE;
    }
    *out = sl;
    slices_count(s, here ? SLICES_HIT : SLICES_SHARED, 1);
    return here ? SLICE_HERE : SLICE_COMING;
}

void slice_close(struct slice *sl)
{
    if (!sl)
        return;
    slice_waiter_remove(sl->all, &sl->waiter);
    slice_fill_drop(sl->all, sl->fill);
    if (sl->fd >= 0)
        (void)close(sl->fd);
    free(sl);
}

void slice_on_change(struct slice *sl, struct loop *loop, void (*wake)(void *ctx), void *ctx)
{
    sl->waiter.loop = loop;
    sl->waiter.post = (struct loop_post){.run = wake, .ctx = ctx};
}

bool slice_is_remote(const struct slice *sl)
{
    return !sl->whole && !sl->fill;
}

uint64_t slice_version(const struct slice *sl)
{
    return sl->fill ? slice_fill_version(sl->fill) : sl->whole ? sl->head.version : 0;
}

int slice_dup(const struct slice *sl)
{
    return fcntl(sl->fd, F_DUPFD_CLOEXEC, 0);
}

void slice_warm(int fd, size_t offset)
{
    char piece[SLICE_BLOCK_BYTES];
    size_t end = offset + WARM_BYTES;
    (void)posix_fadvise(fd, (off_t)(SLICE_HEAD_BYTES + offset), WARM_BYTES, POSIX_FADV_WILLNEED);
    while (offset < end && pread(fd, piece, sizeof piece, (off_t)(SLICE_HEAD_BYTES + offset)) > 0)
        offset += sizeof piece;
}

/* ---- Reading ---- */

/* Whole blocks that hold `offset`, checked. */
static enum slice_read read_whole(struct slice *sl, size_t offset, bool may_wait, void *data, size_t room,
                                  size_t *from, size_t *len)
{
    size_t block = offset / SLICE_BLOCK_BYTES;
    size_t at = block * SLICE_BLOCK_BYTES;
    size_t want = room / SLICE_BLOCK_BYTES * SLICE_BLOCK_BYTES;
    if (want > sl->head.length - at)
        want = (size_t)sl->head.length - at;
    struct iovec iov = {data, want};
    off_t place = (off_t)(SLICE_HEAD_BYTES + at);
    ssize_t got = may_wait ? pread(sl->fd, data, want, place) : preadv2(sl->fd, &iov, 1, place, RWF_NOWAIT);
    if (!may_wait && got < 0 && errno == EOPNOTSUPP) /* tmpfs, for one, which is memory anyway */
        got = pread(sl->fd, data, want, place);
    if (!may_wait && got < 0 && errno == EAGAIN)
        return SLICE_COLD;
    size_t good = 0;
    for (; got > 0 && good < want; block++) {
        size_t n = slice_block_len(&sl->head, block);
        if (good + n > (size_t)got)
            break;
        if (!slice_block_is_good(&sl->head, block, (char *)data + good)) {
            got = -1;
            break;
        }
        good += n;
    }
    if (got > 0 && good <= offset - at && !may_wait)
        return SLICE_COLD;
    if (got <= 0 || good <= offset - at) {
        slices_throw_away(sl->all, sl->head.name);
        return SLICE_GONE;
    }
    *from = offset - at;
    *len = good - *from;
    return SLICE_BYTES_READ;
}

/* `there`: bytes of the slice that are in the file by now. */
static enum slice_read read_part(int fd, size_t there, size_t offset, void *data, size_t room, size_t *from,
                                 size_t *len)
{
    size_t want = there - offset < room ? there - offset : room;
    ssize_t got = pread(fd, data, want, (off_t)(SLICE_HEAD_BYTES + offset));
    if (got <= 0)
        return SLICE_GONE;
    *from = 0;
    *len = (size_t)got;
    return SLICE_BYTES_READ;
}

/* What another process has written, by the size of the file. A file that has lost its name without being
 * whole has lost its writer. */
static size_t written_elsewhere(const struct slice *sl, bool *is_orphan)
{
    struct stat st = {.st_size = 0};
    *is_orphan = fstat(sl->fd, &st) < 0 || st.st_nlink == 0;
    size_t there = st.st_size < SLICE_HEAD_BYTES ? 0 : (size_t)(st.st_size - SLICE_HEAD_BYTES);
    return there < sl->head.length ? there : (size_t)sl->head.length;
}

static enum slice_read read_remote(struct slice *sl, size_t offset, void *data, size_t room, size_t *from,
                                   size_t *len)
{
    bool is_locked = slice_is_locked(sl->all, sl->head.name); /* before the look at what it has done */
    bool is_orphan = false;
    if (sl->fd < 0)
        sl->fd = open_in(sl->all->tmp, sl->head.name, false);
    if (sl->fd < 0)
        return is_locked ? SLICE_WAIT : SLICE_GONE;
    size_t there = written_elsewhere(sl, &is_orphan);
    if (there > offset)
        return read_part(sl->fd, there, offset, data, room, from, len);
    return is_locked && !is_orphan ? SLICE_WAIT : SLICE_GONE;
}

enum slice_read slice_read(struct slice *sl, size_t offset, bool may_wait, void *data, size_t room,
                           size_t *from, size_t *len)
{
    enum slice_read rc = SLICE_WAIT;
    if (sl->whole) {
        rc = read_whole(sl, offset, may_wait, data, room, from, len);
    } else if (sl->fill) {
        size_t there = slice_fill_wait(sl->all, sl->fill, offset, &sl->waiter);
        rc = there > offset ? read_part(slice_fill_fd(sl->fill), there, offset, data, room, from, len)
             : slice_fill_is_over(sl->fill) ? SLICE_GONE
                                            : SLICE_WAIT;
    } else {
        rc = read_remote(sl, offset, data, room, from, len);
    }
    if (rc == SLICE_BYTES_READ)
        slices_count(sl->all, SLICES_READ, *len);
    return rc;
}

size_t slices_read_at(struct slices *s, const struct slice_content *c, uint64_t offset, void *to, size_t len)
{
    struct slice *sl = NULL;
    char *room = malloc(SLICE_BLOCK_BYTES);
    size_t done = 0;
    size_t at = (size_t)(offset % SLICE_BYTES);
    if (room && slice_find(s, c, offset / SLICE_BYTES, &sl) == SLICE_HERE) {
        size_t from;
        size_t got;
        while (done < len && at + done < sl->head.length &&
               slice_read(sl, at + done, true, room, SLICE_BLOCK_BYTES, &from, &got) == SLICE_BYTES_READ) {
            size_t n = got < len - done ? got : len - done;
            memcpy((char *)to + done, room + from, n);
            done += n;
        }
    }
    slice_close(sl);
    free(room);
    return done;
}
