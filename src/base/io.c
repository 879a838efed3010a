/* See io.h. */
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail(struct err *err, const char *what, const char *path)
{
    return err_set(err, ERR_INTERNAL, "%s %s: %s", what, path, strerror(errno));
}

int io_read_file(const char *path, struct buf *out, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail(err, "cannot open", path);
    char chunk[16384];
    ssize_t n;
    while ((n = read(fd, chunk, sizeof chunk)) > 0) {
        if (buf_add(out, chunk, (size_t)n) < 0)
            break;
    }
    int saved = errno;
    (void)close(fd);
    if (out->failed)
        return err_set(err, ERR_INTERNAL, "%s is larger than %zu bytes", path, out->max);
    errno = saved;
    return n < 0 ? fail(err, "cannot read", path) : 0;
}

int io_write_all(int fd, const void *data, size_t len)
{
    const char *p = data;
    while (len) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

static int replace_file(const char *path, const void *data, size_t len, bool durable, struct err *err)
{
    char tmp[4096];
    if (snprintf(tmp, sizeof tmp, "%s.XXXXXX", path) >= (int)sizeof tmp)
        return err_set(err, ERR_INTERNAL, "path too long: %s", path);
    int fd = mkostemp(tmp, O_CLOEXEC);
    if (fd < 0)
        return fail(err, "cannot create", tmp);
    bool written = io_write_all(fd, data, len) == 0 && (!durable || fsync(fd) == 0);
    int rc = written ? 0 : fail(err, "cannot write", tmp);
    if (close(fd) < 0 && rc == 0)
        rc = fail(err, "cannot write", tmp);
    if (rc == 0 && rename(tmp, path) < 0)
        rc = fail(err, "cannot replace", path);
    if (rc < 0)
        (void)unlink(tmp);
    return rc;
}

int io_write_file(const char *path, const void *data, size_t len, struct err *err)
{
    return replace_file(path, data, len, true, err);
}

int io_write_cache_file(const char *path, const void *data, size_t len, struct err *err)
{
    return replace_file(path, data, len, false, err);
}

int io_make_dirs(const char *path, struct err *err)
{
    char part[4096];
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof part)
        return err_set(err, ERR_INTERNAL, "path too long or empty");
    memcpy(part, path, n + 1);
    for (size_t i = 1; i <= n; i++) {
        if (part[i] != '/' && part[i] != '\0')
            continue;
        char kept = part[i];
        part[i] = '\0';
        if (mkdir(part, 0700) < 0 && errno != EEXIST)
            return fail(err, "cannot create directory", part);
        part[i] = kept;
    }
    return 0;
}
