/* Listening sockets: our own, and accepting from any. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "http/edge.h"

enum {
    BACKLOG = 4096,        /* the kernel cuts it to net.core.somaxconn */
    FAILED_PAUSE_MS = 100, /* out of descriptors: some request has to end first */
    FAILED_LOG_S = 1,
};

bool listener_is(int fd)
{
    int listening = 0;
    socklen_t len = sizeof listening;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 && listening;
}

bool listener_is_mod_fcgid(int fd)
{
    struct sockaddr_un address = {0};
    socklen_t len = sizeof address - 1; /* always terminated */
    char name[32]; /* DIRECTORY/PID.COUNTER (mod_fcgid 2.3.9, fcgid_proc_unix.c), by the process that starts
                      us */
    (void)snprintf(name, sizeof name, "/%ld.", (long)getppid());
    if (getsockname(fd, (struct sockaddr *)&address, &len) < 0 || address.sun_family != AF_UNIX)
        return false;
    const char *slash = strrchr(address.sun_path, '/');
    return slash && text_starts_with(slash, name);
}

static int fail(struct listener *l, struct err *err, const char *what, const char *spec)
{
    int saved = errno;
    if (l->fd >= 0)
        (void)close(l->fd);
    l->fd = -1;
    return err_set(err, ERR_INTERNAL, "cannot %s %s: %s", what, spec, strerror(saved));
}

static int open_tcp(struct listener *l, const char *spec, struct err *err)
{
    uint64_t port = 0;
    int on = 1;
    if (text_parse_u64(spec + 1, 1, 65535, &port) < 0)
        return err_set(err, ERR_INTERNAL, "not a port: %s", spec);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    l->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (l->fd < 0 || setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        bind(l->fd, (struct sockaddr *)&address, sizeof address) < 0)
        return fail(l, err, "bind", spec);
    /* Accepted connections inherit it: answers leave at once. */
    (void)setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return 0;
}

/* Whether a socket file has lost its server; sets errno if not. */
static bool is_stale(const struct sockaddr_un *address)
{
    struct stat st;
    if (lstat(address->sun_path, &st) < 0)
        return false;
    if (!S_ISSOCK(st.st_mode)) {
        errno = EEXIST;
        return false;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool refused = fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof *address) < 0 &&
                   errno == ECONNREFUSED;
    if (fd >= 0)
        (void)close(fd);
    errno = EADDRINUSE;
    return refused;
}

static int open_unix(struct listener *l, const char *path, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat st;
    if (text_copy(address.sun_path, sizeof address.sun_path, path) < 0)
        return err_set(err, ERR_INTERNAL, "socket path too long: %s", path);
    l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* The mode of the socket becomes that of its file: there is no moment in which everybody may connect. */
    if (l->fd < 0 || fchmod(l->fd, 0660) < 0)
        return fail(l, err, "open", path);
    int rc = bind(l->fd, (struct sockaddr *)&address, sizeof address);
    if (rc < 0 && errno == EADDRINUSE && is_stale(&address) && unlink(path) == 0)
        rc = bind(l->fd, (struct sockaddr *)&address, sizeof address);
    if (rc < 0)
        return fail(l, err, "bind", path);
    /* The umask has taken bits away: the web server is in our group, or we are in its. */
    if (chmod(path, 0660) < 0 || stat(path, &st) < 0)
        return fail(l, err, "use", path);
    (void)text_copy(l->path, sizeof l->path, path);
    l->device = st.st_dev;
    l->inode = st.st_ino;
    return 0;
}

int listener_open(struct listener *l, const char *spec, struct err *err)
{
    *l = (struct listener){.fd = -1};
    if ((*spec == ':' ? open_tcp(l, spec, err) : open_unix(l, spec, err)) < 0)
        return -1;
    return listen(l->fd, BACKLOG) < 0 ? fail(l, err, "listen on", spec) : 0;
}

void listener_close(struct listener *l)
{
    struct stat st;
    if (l->fd >= 0)
        (void)close(l->fd);
    if (*l->path && stat(l->path, &st) == 0 && st.st_dev == l->device && st.st_ino == l->inode)
        (void)unlink(l->path);
    *l = (struct listener){.fd = -1};
}

/* Many threads fail at once, ten times a second: one line for all of them. */
static void log_failure(int error)
{
    static _Atomic int64_t last_us;
    int64_t now_us = clock_mono_us();
    int64_t before_us = atomic_load(&last_us);
    if ((before_us == 0 || now_us - before_us > (int64_t)FAILED_LOG_S * 1000000) &&
        atomic_compare_exchange_strong(&last_us, &before_us, now_us))
        log_event(LOG_WARN, "accept", "error", strerror(error), NULL);
}

/* Blocks in accept(), not in poll(): the kernel wakes one thread per connection then, not all of them. */
int listener_accept(int listen_fd)
{
    int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
        return fd;
    switch (errno) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
        return -1;
    case EAGAIN: { /* inherited as non-blocking; the flag is shared with other processes and stays */
        struct pollfd ready = {.fd = listen_fd, .events = POLLIN};
        (void)poll(&ready, 1, -1);
        return -1;
    }
    default:
        log_failure(errno);
        clock_sleep_ms(FAILED_PAUSE_MS);
        return -1;
    }
}
