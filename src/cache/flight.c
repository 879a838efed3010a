/* See flight.h. */
#include "cache/flight.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"

static const char file_name[] = "flight.lock";

/* Locks belong to the open file description, so each flight opens the file anew: two flights of one process
 * then exclude each other like those of two processes. */
static int open_file(int dir_fd, struct err *err)
{
    int fd = openat(dir_fd, file_name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    return fd >= 0 ? fd
                   : err_set(err, ERR_INTERNAL, "cannot open %s in data_dir: %s", file_name, strerror(errno));
}

int flight_prepare(int dir_fd, struct err *err)
{
    int fd = open_file(dir_fd, err);
    return fd < 0 ? -1 : close(fd);
}

/* 63 bits of the key's SHA-256: the file stays empty, locks reach beyond its end. Two keys that share a byte
 * would merely wait for each other. */
static off_t byte_of(const char *key)
{
    char hex[HASH_HEX_LEN + 1];
    uint64_t n = 0;
    hash_sha256_hex(key, strlen(key), hex);
    for (int i = 0; i < 16; i++)
        n = n << 4 | (uint64_t)(hex[i] <= '9' ? hex[i] - '0' : hex[i] - 'a' + 10);
    return (off_t)(n >> 1);
}

int flight_begin(int dir_fd, const char *key, int64_t deadline_mono_us, struct err *err)
{
    int fd = open_file(dir_fd, err);
    if (fd < 0)
        return -1;
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte_of(key), .l_len = 1};
    for (unsigned pause_ms = 1; fcntl(fd, F_OFD_SETLK, &lock) < 0;) {
        int why = errno;
        bool held = why == EAGAIN || why == EACCES || why == EINTR;
        if (!held || clock_mono_us() >= deadline_mono_us) {
            (void)close(fd);
            return held ? err_set(err, ERR_BUSY, "another process is still at it")
                        : err_set(err, ERR_INTERNAL, "cannot lock %s: %s", file_name, strerror(why));
        }
        clock_sleep_ms(pause_ms);
        pause_ms = pause_ms * 2 < FLIGHT_PAUSE_MAX_MS ? pause_ms * 2 : FLIGHT_PAUSE_MAX_MS;
    }
    return fd;
}
