/* See table.h. */
#include "gate/table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"

static int fail(struct err *err, const char *what)
{
    return err_set(err, ERR_INTERNAL, "cannot %s the slot table: %s", what, strerror(errno));
}

int table_open(struct table *t, const char *data_dir, struct err *err)
{
    char path[4096];
    *t = (struct table){.fd = -1};
    if (io_make_dirs(data_dir, err) < 0)
        return -1;
    if (snprintf(path, sizeof path, "%s/slots", data_dir) >= (int)sizeof path)
        return err_set(err, ERR_INTERNAL, "data_dir is too long");
    t->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (t->fd < 0)
        return err_set(err, ERR_INTERNAL, "cannot open %s: %s", path, strerror(errno));
    /* Its room now, where the file system can: a disk that fills up later does not stop streams. */
    (void)fallocate(t->fd, FALLOC_FL_KEEP_SIZE, 0, TABLE_ROWS * sizeof(struct table_row));
    return 0;
}

void table_close(struct table *t)
{
    if (t->fd >= 0)
        (void)close(t->fd);
    *t = (struct table){.fd = -1};
}

static int lock_row(const struct table *t, int command, short type, size_t row)
{
    struct flock lock = {
        .l_type = type,
        .l_whence = SEEK_SET,
        .l_start = (off_t)(row * sizeof(struct table_row)),
        .l_len = 1,
    };
    int rc;
    do
        rc = fcntl(t->fd, command, &lock);
    while (rc < 0 && errno == EINTR);
    return rc < 0 ? -1 : lock.l_type;
}

int table_lock(struct table *t, struct err *err)
{
    return lock_row(t, F_OFD_SETLKW, F_WRLCK, 0) < 0 ? fail(err, "lock") : 0;
}

void table_unlock(struct table *t)
{
    (void)lock_row(t, F_OFD_SETLK, F_UNLCK, 0);
}

int table_claim(struct table *t, struct err *err)
{
    for (size_t row = 1; row < TABLE_ROWS; row++) {
        if (lock_row(t, F_OFD_SETLK, F_WRLCK, row) < 0) {
            if (errno != EAGAIN && errno != EACCES)
                return fail(err, "lock a row of");
            continue;
        }
        if (table_write(t, row, &(struct table_row){0}, err) < 0) {
            (void)lock_row(t, F_OFD_SETLK, F_UNLCK, row);
            return -1;
        }
        __atomic_store_n(&t->mine, row, __ATOMIC_RELEASE);
        return 0;
    }
    return err_set(err, ERR_BUSY, "%d processes stream already", GATE_PROCESSES_MAX);
}

int table_read(const struct table *t, struct table_row rows[TABLE_ROWS], size_t *count, struct err *err)
{
    ssize_t n = pread(t->fd, rows, TABLE_ROWS * sizeof rows[0], 0);
    if (n < 0)
        return fail(err, "read");
    *count = (size_t)n / sizeof rows[0];
    return 0;
}

int table_write(const struct table *t, size_t row, const struct table_row *content, struct err *err)
{
    ssize_t n = pwrite(t->fd, content, sizeof *content, (off_t)(row * sizeof *content));
    return n == (ssize_t)sizeof *content ? 0 : fail(err, "write");
}

bool table_is_owned(const struct table *t, size_t row)
{
    /* Our own lock does not stand in our way, so asking would not show it. */
    return row == __atomic_load_n(&t->mine, __ATOMIC_ACQUIRE) ||
           lock_row(t, F_OFD_GETLK, F_WRLCK, row) != F_UNLCK;
}
