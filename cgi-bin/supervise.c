/* See supervise.h. */
#include "supervise.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/defs.h"
#include "base/err.h"
#include "base/io.h"
#include "serve/helpers.h"
#include "snippet.h"

enum {
    STOP_WAIT_MS = 5000,             /* Ctrl-C does not wait for downloads */
    HELD_WAIT_MS = 25 * 3600 * 1000, /* stop_grace_s is a day at most */
    RESTART_MIN_MS = 50,             /* first pause before a restart; doubles while it keeps dying at once */
    RESTART_MAX_MS = 2000,
    ANNOUNCE_EVERY_MS = 20,
    LIVED_US = 5 * 1000000, /* a child that lived so long starts with the first pause again */
    BACKLOG = 4096,
    PROVED_US = 2 * 1000000, /* a new program that does not start has ended by then */
    LEAVING_MAX = 16,        /* replaced programs that still send, for each */
    WISHES_MAX = 16,         /* read at once */
    PATH_ROOM = 4096,
};

struct child {
    const char *name; /* NULL: not one of this run's children */
    char path[PATH_ROOM];
    char config[PATH_ROOM]; /* lighttpd's file; "" for our programs */
    int listen_fd;          /* inherited as descriptor 0; -1: none */
    int wish_fd;            /* inherited: where it says that it wants to be replaced (serve/helpers.h) */
    pid_t pid;              /* 0: not running */
    int64_t started_mono_us;
    int64_t restart_mono_us;
    unsigned pause_ms;
    unsigned starts;
    pid_t former;               /* serves as well until `pid`, its replacement, has proved to live; 0: none */
    pid_t leaving[LEAVING_MAX]; /* told to end, not gone yet; 0: free */
};

enum { INFO, STREAM, ADMIN, WEB, CHILDREN, PROGRAMS = WEB };

static const char *const names[] = {[INFO] = "info.fcgi", [STREAM] = "stream.fcgi", [ADMIN] = "admin.fcgi"};
static const char *const sockets[] = {[INFO] = "info.sock", [STREAM] = "stream.sock", [ADMIN] = "admin.sock"};
static const char web_config[] = "lighttpd.conf";

static int listen_unix(const char *dir, const char *name, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int n = snprintf(address.sun_path, sizeof address.sun_path, "%s/%s", dir, name);
    if (n < 0 || n >= (int)sizeof address.sun_path)
        return err_set(err, ERR_INTERNAL, "socket path too long: %s/%s", dir, name);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_set(err, ERR_INTERNAL, "socket: %s", strerror(errno));
    (void)unlink(address.sun_path);
    mode_t before = umask(0177);
    int rc = bind(fd, (struct sockaddr *)&address, sizeof address);
    (void)umask(before);
    if (rc < 0 || listen(fd, BACKLOG) < 0) {
        (void)close(fd);
        return err_set(err, ERR_INTERNAL, "cannot listen on %s: %s", address.sun_path, strerror(errno));
    }
    return fd;
}

/* lighttpd would only say so in its log: a taken port is told in plain words. */
static int check_port(const struct supervise_opts *o, struct err *err)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)o->port)};
    int on = 1;
    if (inet_pton(AF_INET, o->address, &address.sin_addr) != 1)
        return err_set(err, ERR_INTERNAL, "not an IPv4 address: %s", o->address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_set(err, ERR_INTERNAL, "socket: %s", strerror(errno));
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    int rc = bind(fd, (struct sockaddr *)&address, sizeof address);
    int saved = errno;
    (void)close(fd);
    return rc < 0 ? err_set(err, ERR_INTERNAL, "cannot listen on %s:%u: %s (another PORT= may be free)",
                            o->address, o->port, strerror(saved))
                  : 0;
}

static void child_exec(const struct child *c)
{
    sigset_t none;
    char wish[16];
    (void)snprintf(wish, sizeof wish, "%d", c->wish_fd);
    if (!*c->config && (fcntl(c->wish_fd, F_SETFD, 0) < 0 || setenv(HELPERS_WISH, wish, 1) < 0))
        _exit(127);
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)setpgid(0, 0); /* Ctrl-C reaches only us; we stop them in order */
    if (c->listen_fd >= 0 && dup2(c->listen_fd, STDIN_FILENO) < 0)
        _exit(127);
    if (*c->config)
        (void)execlp(c->path, c->path, "-D", "-f", c->config, (char *)NULL);
    else
        (void)execl(c->path, c->path, (char *)NULL);
    dprintf(STDERR_FILENO, "cannot run %s: %s\n", c->path, strerror(errno));
    _exit(127);
}

static int child_start(struct child *c)
{
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0)
        return -1;
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != parent) /* it ended before we asked to be told */
            _exit(127);
        child_exec(c);
    }
    c->pid = pid;
    c->starts++;
    c->started_mono_us = clock_mono_us();
    return 0;
}

/* -1: it does not start at all, so that trying again would not help. */
static int child_ended(struct child *c, int status)
{
    int64_t now = clock_mono_us();
    c->pid = 0;
    if (c->starts == 1 && WIFEXITED(status) && WEXITSTATUS(status) != 0 &&
        now - c->started_mono_us < LIVED_US) {
        fprintf(stderr, "sluice: %s does not start (exit %d); what it said is above\n", c->name,
                WEXITSTATUS(status));
        return -1;
    }
    c->pause_ms = now - c->started_mono_us > LIVED_US || c->pause_ms == 0 ? RESTART_MIN_MS : c->pause_ms * 2;
    if (c->pause_ms > RESTART_MAX_MS)
        c->pause_ms = RESTART_MAX_MS;
    c->restart_mono_us = now + (int64_t)c->pause_ms * 1000;
    fprintf(stderr, "sluice: %s ended (%s %d), starting it again\n", c->name,
            WIFSIGNALED(status) ? "signal" : "exit",
            WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    return 0;
}

/* A replacement did not even begin to live: the old one stays. True if that was so. */
static bool keep_former(struct child *c)
{
    if (!c->former)
        return false;
    fprintf(stderr, "sluice: the new %s ended at once; the old one stays\n", c->name);
    c->pid = c->former;
    c->former = 0;
    return true;
}

/* One of the replaced has ended, before or after it was told to. */
static bool forget_replaced(struct child *c, pid_t pid)
{
    if (c->former == pid) {
        c->former = 0;
        return true;
    }
    for (size_t i = 0; i < LEAVING_MAX; i++) {
        if (c->leaving[i] == pid) {
            c->leaving[i] = 0;
            return true;
        }
    }
    return false;
}

/* `restart`: whoever has ended will be started again; -1 when that is in vain. */
static int reap(struct child *children, bool restart)
{
    int rc = 0;
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (int i = 0; i < CHILDREN; i++) {
            if (forget_replaced(&children[i], pid) || children[i].pid != pid)
                continue;
            (void)kill(-pid, SIGKILL); /* what it has left behind (a worker) would keep its port */
            if (!restart)
                children[i].pid = 0;
            else if (!keep_former(&children[i]) && child_ended(&children[i], status) < 0)
                rc = -1;
        }
    }
    return rc;
}

/* Signals every process there is of one child (0: none); returns how many there are. */
static size_t signal_child(const struct child *c, int signo)
{
    size_t count = 0;
    for (size_t i = 0; i < LEAVING_MAX + 2; i++) {
        pid_t pid = i == 0 ? c->pid : i == 1 ? c->former : c->leaving[i - 2];
        if (pid)
            (void)kill(signo == SIGKILL ? -pid : pid, signo);
        count += pid != 0;
    }
    return count;
}

static size_t signal_all(const struct child *children, int signo)
{
    size_t count = 0;
    for (int i = CHILDREN - 1; i >= 0; i--)
        count += signal_child(&children[i], signo);
    return count;
}

/* `wait_ms`: then SIGKILL. */
static void stop_all(struct child *children, int64_t wait_ms)
{
    int64_t until = clock_mono_us() + wait_ms * 1000;
    (void)signal_all(children, SIGTERM);
    while (signal_all(children, 0)) {
        if (clock_mono_us() > until)
            (void)signal_all(children, SIGKILL);
        clock_sleep_ms(10);
        (void)reap(children, false);
    }
}

/* --- replacing programs, see supervise.h --- */

/* Where to remember one that leaves; NULL: too many have not gone yet. */
static pid_t *free_place(struct child *c)
{
    for (size_t i = 0; i < LEAVING_MAX; i++) {
        if (!c->leaving[i])
            return &c->leaving[i];
    }
    return NULL;
}

static void replace_program(struct child *c)
{
    pid_t old = c->pid;
    if (!old) /* it is about to be started anyway */
        return;
    if (c->former || !free_place(c))
        fprintf(stderr, "sluice: %s is being replaced already\n", c->name);
    else if (child_start(c) == 0)
        c->former = old;
}

static void replace_programs(struct child *children)
{
    for (int i = 0; i < PROGRAMS; i++)
        replace_program(&children[i]);
}

/* Those that have asked for it. One that has hardly begun would ask again and again. */
static void grant_wishes(struct child *children, int wishes)
{
    int32_t pids[WISHES_MAX];
    ssize_t n = read(wishes, pids, sizeof pids);
    for (size_t k = 0; n > 0 && k < (size_t)n / sizeof *pids; k++) {
        for (int i = 0; i < PROGRAMS; i++) {
            struct child *c = &children[i];
            if (c->pid == pids[k] && !c->former && clock_mono_us() - c->started_mono_us > PROVED_US)
                replace_program(c);
        }
    }
}

/* Where children write wishes, and (returned) where they are read; -1 with *err set. */
static int open_wishes(struct child *children, struct err *err)
{
    int pair[2];
    if (pipe2(pair, O_CLOEXEC | O_NONBLOCK) < 0)
        return err_set(err, ERR_INTERNAL, "pipe: %s", strerror(errno));
    for (int i = 0; i < CHILDREN; i++)
        children[i].wish_fd = pair[1];
    return pair[0];
}

/* Tells the old ones whose replacements have lived long enough; returns when to look again, in ms, -1: no
 * need.
 */
static int end_former(struct child *children)
{
    int64_t now = clock_mono_us();
    int wait_ms = -1;
    for (int i = 0; i < PROGRAMS; i++) {
        struct child *c = &children[i];
        int64_t left_us = c->started_mono_us + PROVED_US - now;
        if (!c->former)
            continue;
        if (left_us > 0) {
            if (wait_ms < 0 || left_us / 1000 < wait_ms)
                wait_ms = (int)(left_us / 1000) + 1;
            continue;
        }
        pid_t *place = free_place(c); /* looked for before the replacement was started: there is one */
        if (place)
            *place = c->former;
        (void)kill(c->former, SIGTERM);
        c->former = 0;
    }
    return wait_ms;
}

static int sooner(int a_ms, int b_ms)
{
    return a_ms < 0 ? b_ms : b_ms < 0 ? a_ms : a_ms < b_ms ? a_ms : b_ms;
}

/* Starts what is due; returns how long nothing more is, in ms, -1 for ever. */
static int start_due(struct child *children)
{
    int64_t now = clock_mono_us();
    int wait_ms = -1;
    for (int i = 0; i < CHILDREN; i++) {
        struct child *c = &children[i];
        if (c->pid || !c->name)
            continue;
        if (c->restart_mono_us <= now && child_start(c) == 0)
            continue;
        int left_ms = c->restart_mono_us > now ? (int)((c->restart_mono_us - now) / 1000) + 1
                                               : RESTART_MIN_MS;
        if (wait_ms < 0 || left_ms < wait_ms)
            wait_ms = left_ms;
    }
    return wait_ms;
}

/* Says where it can be reached, once it can. */
static bool announce(const struct supervise_opts *o)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)o->port)};
    (void)inet_pton(AF_INET, o->address, &address.sin_addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int rc = connect(fd, (struct sockaddr *)&address, sizeof address);
    (void)close(fd);
    if (rc < 0)
        return false;
    printf("Sluice is at http://%s:%u/  (data in %s, Ctrl-C ends it)\n", o->address, o->port, o->data_dir);
    (void)fflush(stdout);
    return true;
}

/* `o`: what to announce, or NULL. */
static int run(const struct supervise_opts *o, struct child *children, int signals, int wishes)
{
    bool announced = !o;
    for (;;) {
        struct pollfd p[] = {{.fd = signals, .events = POLLIN}, {.fd = wishes, .events = POLLIN}};
        int wait_ms = sooner(start_due(children), end_former(children));
        if (!announced && !(announced = announce(o)) && (wait_ms < 0 || wait_ms > ANNOUNCE_EVERY_MS))
            wait_ms = ANNOUNCE_EVERY_MS;
        if (poll(p, ARRAY_LEN(p), wait_ms) <= 0)
            continue;
        if (p[1].revents)
            grant_wishes(children, wishes);
        struct signalfd_siginfo info;
        if (!p[0].revents || read(signals, &info, sizeof info) != (ssize_t)sizeof info)
            continue;
        if (info.ssi_signo == SIGHUP)
            replace_programs(children);
        else if (info.ssi_signo != SIGCHLD)
            return 0;
        else if (reap(children, true) < 0)
            return 1;
    }
}

/* The directory of sockets and of the web server's file: in the data directory, or where paths are short
 * enough. Its name holds the address, which is ours alone: several may run with the same data. */
static int make_run_dir(const struct supervise_opts *o, char *dir, size_t room, struct err *err)
{
    static const size_t longest = 90; /* sun_path holds 108 bytes, the longest name of ours is 12 */
    int n = snprintf(dir, room, "%s/run-%s-%u", o->data_dir, o->address, o->port);
    if (n > 0 && n < (int)longest)
        return io_make_dirs(dir, err);
    (void)snprintf(dir, room, "/tmp/sluice-XXXXXX");
    return mkdtemp(dir) ? 0 : err_set(err, ERR_INTERNAL, "mkdtemp: %s", strerror(errno));
}

static void remove_run_dir(const char *dir)
{
    const char *const files[] = {sockets[INFO], sockets[STREAM], sockets[ADMIN], web_config};
    char path[PATH_ROOM + sizeof web_config];
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, files[i]);
        (void)unlink(path);
    }
    (void)rmdir(dir);
}

static int prepare(const struct supervise_opts *o, struct child *children, const char *dir, struct err *err)
{
    auto_(buf) struct buf text = BUF_INIT(65536);
    auto_(buf) struct buf outputs = BUF_INIT(PATH_ROOM);
    char port[16];
    for (int i = 0; i < PROGRAMS; i++) {
        children[i].name = names[i];
        (void)snprintf(children[i].path, PATH_ROOM, "%s/%s", o->programs, names[i]);
        children[i].listen_fd = listen_unix(dir, sockets[i], err);
        if (children[i].listen_fd < 0)
            return -1;
    }
    struct child *web = &children[WEB];
    *web = (struct child){.name = "lighttpd", .listen_fd = -1};
    (void)snprintf(web->path, PATH_ROOM, "%s",
                   access("/usr/sbin/lighttpd", X_OK) == 0 ? "/usr/sbin/lighttpd" : "lighttpd");
    if (snprintf(web->config, PATH_ROOM, "%s/%s", dir, web_config) >= PATH_ROOM)
        return err_set(err, ERR_INTERNAL, "path too long: %s", dir);
    (void)snprintf(port, sizeof port, "%u", o->port);
    if (o->sends_files && buf_addf(&outputs, "%s/outputs", o->data_dir) < 0)
        return err_set(err, ERR_INTERNAL, "path too long: %s", o->data_dir);
    const struct snippet_values values = {.prefix = "",
                                          .docroot = o->docroot,
                                          .programs = o->programs,
                                          .sluice = "sluice",
                                          .run_dir = dir,
                                          .address = o->address,
                                          .port = port,
                                          .outputs = buf_str(&outputs),
                                          .config = ""};
    if (snippet_print(&text, web_config, &values, err) < 0)
        return -1;
    if (setenv("SLUICE_DATA_DIR", o->data_dir, 1) < 0)
        return err_set(err, ERR_INTERNAL, "out of memory");
    return io_write_file(web->config, buf_str(&text), text.len, err);
}

static void raise_fd_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max < 20000 ? limit.rlim_max : 20000;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* A descriptor to read the signals from which this program lives by; -1 with *err set. */
static int open_signals(struct err *err)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    int fd = signalfd(-1, &set, SFD_CLOEXEC);
    return fd < 0 ? err_set(err, ERR_INTERNAL, "signalfd: %s", strerror(errno)) : fd;
}

int supervise(const struct supervise_opts *o)
{
    struct err err = {0};
    struct child children[CHILDREN] = {
        {.listen_fd = -1}, {.listen_fd = -1}, {.listen_fd = -1}, {.listen_fd = -1}};
    char dir[PATH_ROOM] = "";
    int rc = 0;
    int signals = open_signals(&err);
    int wishes = open_wishes(children, &err);
    raise_fd_limit();
    if (signals < 0 || wishes < 0 || io_make_dirs(o->data_dir, &err) < 0 || check_port(o, &err) < 0 ||
        make_run_dir(o, dir, sizeof dir, &err) < 0 || prepare(o, children, dir, &err) < 0) {
        fprintf(stderr, "sluice: %s\n", err.text);
        rc = 1;
    } else {
        rc = run(o, children, signals, wishes);
        stop_all(children, STOP_WAIT_MS);
    }
    for (int i = 0; i < CHILDREN; i++) {
        if (children[i].listen_fd >= 0)
            (void)close(children[i].listen_fd);
    }
    if (*dir)
        remove_run_dir(dir);
    if (wishes >= 0) {
        (void)close(wishes);
        (void)close(children[0].wish_fd);
    }
    if (signals >= 0)
        (void)close(signals);
    return rc;
}

bool supervise_holds(const char *name)
{
    for (int i = 0; i < PROGRAMS; i++) {
        if (strcmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

int supervise_held(const char *programs, const char *name)
{
    struct err err = {0};
    struct child children[CHILDREN] = {
        {.listen_fd = -1}, {.listen_fd = -1}, {.listen_fd = -1}, {.listen_fd = -1}};
    int which = 0;
    while (which < PROGRAMS - 1 && strcmp(name, names[which]) != 0)
        which++;
    struct child *held = &children[which];
    int listening = 0;
    socklen_t len = sizeof listening;
    if (getsockopt(STDIN_FILENO, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) < 0 || !listening) {
        fprintf(stderr, "sluice: descriptor 0 is not a listening socket\n");
        return 1;
    }
    int signals = open_signals(&err);
    int wishes = open_wishes(children, &err);
    if (signals < 0 || wishes < 0) {
        fprintf(stderr, "sluice: %s\n", err.text);
        return 1;
    }
    held->name = name;
    held->listen_fd = STDIN_FILENO;
    (void)snprintf(held->path, PATH_ROOM, "%s/%s", programs, name);
    int rc = run(NULL, children, signals, wishes);
    stop_all(children, HELD_WAIT_MS);
    (void)close(signals);
    return rc;
}
