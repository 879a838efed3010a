/* Media for tests, made by ffmpeg on first use and kept in build/test-media/. Nothing of it is committed. */
#ifndef SLUICE_TESTS_MEDIA_FILES_H
#define SLUICE_TESTS_MEDIA_FILES_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "media/reader.h"

enum { MEDIA_PATH_MAX = 512 };

static inline const char *media_dir(void)
{
    static char dir[MEDIA_PATH_MAX];
    const char *root = getenv("SLUICE_SOURCE_DIR");
    struct err err;
    if (!dir[0]) {
        (void)snprintf(dir, sizeof dir, "%s/build/test-media", root ? root : ".");
        if (io_make_dirs(dir, &err) < 0)
            dir[0] = '\0';
    }
    return dir;
}

static inline bool media_have_ffmpeg(void)
{
    static int have = -1;
    if (have < 0) {
        have = system("ffmpeg -version >/dev/null 2>&1 && ffprobe -version >/dev/null 2>&1") ==
               0; /* NOLINT(cert-env33-c) */
        if (!have)
            printf("    skipped where media is needed: no ffmpeg\n");
    }
    return have == 1;
}

/* The path of media file `name`, made by `ffmpeg ARGS` when it is not there yet; false when ffmpeg failed.
 * Several test programs may do this at once. In `args`, @ stands for the directory of the files. */
static inline bool media_make(char path[MEDIA_PATH_MAX], const char *name, const char *args)
{
    char command[8 * MEDIA_PATH_MAX];
    char expanded[4 * MEDIA_PATH_MAX];
    char temporary[MEDIA_PATH_MAX];
    size_t n = 0;
    (void)snprintf(path, MEDIA_PATH_MAX, "%.300s/%s", media_dir(), name);
    if (access(path, R_OK) == 0)
        return true;
    for (; *args && n + MEDIA_PATH_MAX < sizeof expanded; args++) {
        if (*args == '@')
            n += (size_t)snprintf(expanded + n, sizeof expanded - n, "%s", media_dir());
        else
            expanded[n++] = *args;
    }
    expanded[n] = '\0';
    (void)snprintf(temporary, sizeof temporary, "%.300s/%d-%.100s", media_dir(), (int)getpid(), name);
    (void)snprintf(command, sizeof command, "ffmpeg -nostdin -v error -y %s '%s'", expanded, temporary);
    return system(command) == 0 && rename(temporary, path) == 0; /* NOLINT(cert-env33-c) */
}

/* A file as a media_reader, counting what is asked of it. */
struct media_file {
    int fd;
    struct media_reader reader;
    size_t reads, bytes;
};

static inline int media_file_read_at(void *ctx, uint64_t offset, void *to, size_t len, size_t *got,
                                     struct err *err)
{
    struct media_file *f = ctx;
    ssize_t n = pread(f->fd, to, len, (off_t)offset);
    if (n < 0)
        return err_set(err, ERR_INTERNAL, "pread failed");
    *got = (size_t)n;
    f->reads++;
    f->bytes += *got;
    return 0;
}

static inline bool media_file_open(struct media_file *f, const char *path)
{
    struct stat st;
    *f = (struct media_file){.fd = open(path, O_RDONLY | O_CLOEXEC)};
    if (f->fd < 0 || fstat(f->fd, &st) < 0)
        return false;
    f->reader = (struct media_reader){media_file_read_at, f, (uint64_t)st.st_size};
    return true;
}

#endif
