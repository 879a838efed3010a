/* Files, in the few ways Sluice touches them. Errors: ERR_INTERNAL with the path and errno in the text. */
#ifndef SLUICE_BASE_IO_H
#define SLUICE_BASE_IO_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

/* Appends a whole file to *out; one larger than what *out may still take is an error. */
int io_read_file(const char *path, struct buf *out, struct err *err);
/* Replaces `path` atomically (temporary file beside it, fsync, rename), mode 0600. */
int io_write_file(const char *path, const void *data, size_t len, struct err *err);
/* The same without fsync: the end of the process cannot tear the file, a power cut can. For what can be made
 * again and is checked when it is read. */
int io_write_cache_file(const char *path, const void *data, size_t len, struct err *err);
/* Creates a directory and its parents, mode 0700; an existing one is fine. */
int io_make_dirs(const char *path, struct err *err);
/* write() until all is written; -1 with errno set. */
int io_write_all(int fd, const void *data, size_t len);

#endif
