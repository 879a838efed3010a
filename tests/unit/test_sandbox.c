/* base/sandbox.h: what a process can no longer do, what it still can, and what is said where the kernel
 * cannot. Everything is tried in children, outside first, so that no row passes by itself, and then inside.
 * Runs in both builds; the release one is the stricter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "base/sandbox.h"
#include "base/text.h"
#include "serve/app.h"

/* Beside errno: ended by SIGSYS; did not do what it should; ended in another way. */
enum { KILLED = 200, FAILED, DIED };

/* Below /var/tmp, because sanitized builds may write below /tmp. The tests and their children are in there,
 * and name what is in it by relative paths. */
static char scratch[] = "/var/tmp/sluice-sandbox-XXXXXX";
static pid_t main_process;
static struct sandbox here; /* what this machine has */
static uint16_t ports[2];   /* somebody listens on both; the first may be connected to */

/* --- what still works: 0, errno or FAILED --- */

static int got(long rc)
{
    return rc < 0 ? errno : 0;
}

static int read_some(const char *path)
{
    char c;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc = fd < 0 ? errno : read(fd, &c, 1) == 1 ? 0 : FAILED;
    if (fd >= 0)
        (void)close(fd);
    return rc;
}

static int files(void)
{
    static const char text[] = "replaced";
    struct err err;
    auto_(buf) struct buf back = BUF_INIT(100);
    if (mkdir("data/a", 0700) < 0 || mkdir("data/b", 0700) < 0)
        return errno;
    for (int i = 0; i < 2; i++) { /* makes, then replaces */
        if (io_write_file("data/a/file", text, sizeof text, &err) < 0)
            return FAILED;
    }
    int fd = open("data/a/file", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, text, sizeof text) != sizeof text || ftruncate(fd, 4) < 0 ||
        fchmod(fd, 0600) < 0 || futimens(fd, NULL) < 0 || close(fd) < 0)
        return errno;
    if (io_read_file("data/a/file", &back, &err) < 0 || strcmp(buf_str(&back), "repl") != 0)
        return FAILED;
    /* The first version of Landlock cannot allow a rename to another directory. */
    const char *moved = here.landlock_abi == 1 ? "data/a/moved" : "data/b/moved";
    return got(rename("data/a/file", moved) < 0 || unlink(moved) < 0 || rmdir("data/a") < 0 ||
                       rmdir("data/b") < 0
                   ? -1
                   : 0);
}

static int mapped_file(void)
{
    int fd = open("data/map", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, 4096) < 0)
        return errno;
    char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void)close(fd);
    if (p == MAP_FAILED)
        return errno;
    p[0] = 'x';
    return got(munmap(p, 4096) | unlink("data/map"));
}

static int database(void)
{
    struct store *store = NULL;
    struct err err = {0};
    auto_(buf) struct buf value = BUF_INIT(100);
    int64_t expires;
    int rc = store_open(&store, "data", &err);
    if (rc == 0)
        rc = store_cache_put(store, "key", "value", 5, INT64_MAX, &err);
    if (rc == 0 && store_cache_get(store, "key", 1, &value, &expires, &err) != 1)
        rc = -1;
    if (rc == 0) /* it has not fallen back to a journal that needs less */
        rc = access("data/sluice.db-wal", F_OK) | access("data/sluice.db-shm", F_OK);
    store_close(store);
    return rc < 0 ? FAILED : 0;
}

static int known_name(void)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *list = NULL;
    int rc = getaddrinfo("localhost", "80", &hints, &list);
    if (rc == 0)
        freeaddrinfo(list);
    return rc == 0 ? 0 : rc == EAI_SYSTEM ? errno : FAILED;
}

static int missing_name(void)
{
    struct addrinfo *list = NULL;
    int rc = getaddrinfo("no-such-name.invalid", "80", NULL, &list);
    return rc == EAI_NONAME || rc == EAI_AGAIN || rc == EAI_NODATA ? 0 : FAILED;
}

static int name_service_files(void)
{
    static const char *const paths[] = {"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf",
                                        "/etc/ld.so.cache"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        int rc = read_some(paths[i]);
        if (rc && rc != ENOENT)
            return rc;
    }
    return 0;
}

/* As OpenSSL looks certificates up: by links in this directory that are named by their hash. */
static int certificate(void)
{
    char path[300];
    DIR *dir = opendir("/etc/ssl/certs");
    int rc = dir ? FAILED : errno;
    for (struct dirent *e; dir && rc == FAILED && (e = readdir(dir));) {
        if (text_ends_with(e->d_name, ".0") &&
            snprintf(path, sizeof path, "/etc/ssl/certs/%s", e->d_name) > 0)
            rc = read_some(path);
    }
    if (dir)
        (void)closedir(dir);
    return rc;
}

/* What is loaded when it is first used: name services, character sets, OpenSSL's engines. */
static int libraries(void)
{
    DIR *dir = opendir("/usr/lib");
    return dir ? got(closedir(dir)) : errno;
}

static void *do_nothing(void *arg)
{
    return arg;
}

static int thread(void)
{
    pthread_t t;
    int rc = pthread_create(&t, NULL, do_nothing, NULL);
    return rc ? rc : pthread_join(t, NULL);
}

static void on_signal(int signo)
{
    (void)signo;
}

static int signal_to_self(void)
{
    (void)signal(SIGURG, on_signal);
    return got(raise(SIGURG) | kill(getpid(), SIGURG)) | pthread_kill(pthread_self(), SIGURG);
}

static int own_memory_use(void)
{
    return read_some("/proc/self/statm");
}

static int random_bytes(void)
{
    return read_some("/dev/urandom");
}

static int null_device(void)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    return fd < 0 ? errno : got(write(fd, "x", 1) | close(fd));
}

static int replaced_files_directories(void)
{
    return read_some("conf/beside") | read_some("linked/ca.pem") | read_some("target/beside");
}

static int connect_port(uint16_t port)
{
    const struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
    return fd < 0 ? errno : got(connect(fd, (const struct sockaddr *)&to, sizeof to));
}

static int connect_listed(void)
{
    return connect_port(ports[0]);
}

static int usual_sockets(void)
{
    int pair[2];
    return got(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) | socket(AF_UNIX, SOCK_STREAM, 0) |
               socket(AF_INET, SOCK_DGRAM, 0) | socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, IPPROTO_TCP) |
               socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));
}

/* Last: it is gone then. */
static int removal_of_own_socket(void)
{
    return got(unlink("run/x.sock"));
}

static const struct {
    const char *name;
    int (*run)(void);
} works[] = {
    {"files and directories below the data directory", files},
    {"a mapped file there", mapped_file},
    {"a database there, with its write-ahead log", database},
    {"looking up localhost", known_name},
    {"looking up a name that does not exist", missing_name},
    {"files of name services", name_service_files},
    {"a certificate by its hash", certificate},
    {"the directory of libraries", libraries},
    {"threads", thread},
    {"signals to itself", signal_to_self},
    {"/proc/self/statm", own_memory_use},
    {"/dev/urandom", random_bytes},
    {"/dev/null", null_device},
    {"the directories of files that get replaced", replaced_files_directories},
    {"a TCP port that is listed", connect_listed},
    {"the usual sockets", usual_sockets},
    {"removing the socket it made", removal_of_own_socket},
};

/* --- what does not --- */

static int read_shadow(void)
{
    return read_some("/etc/shadow");
}

static int read_other_process(void)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%ld/environ", (long)main_process);
    return read_some(path);
}

static int move_out(void)
{
    int fd = open("data/mine", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    return fd < 0 ? FAILED : got(rename("data/mine", "moved"));
}

static int connect_other(void)
{
    return connect_port(ports[1]);
}

static int signal_another(void)
{
    return got(kill(main_process, 0));
}

static int signal_anothers_thread(void)
{
    return got(syscall(SYS_tgkill, main_process, main_process, 0));
}

/* IF_NOT_SANITIZED: sanitizers may. */
enum { FILES = SANDBOX_LANDLOCK, CALLS = SANDBOX_SECCOMP, IF_NOT_SANITIZED = 8, FROM_ABI_4 = 16 };

#define DEED(name, expected, layer, run)                                                                     \
    {                                                                                                        \
        name, expected, layer, run, 0,                                                                       \
        {                                                                                                    \
            NULL                                                                                             \
        }                                                                                                    \
    }
#define CALL(name, expected, layer, call, ...)                                                               \
    {                                                                                                        \
        name, expected, layer, NULL, call,                                                                   \
        {                                                                                                    \
            __VA_ARGS__                                                                                      \
        }                                                                                                    \
    }
#define A(n)    ((const void *)(intptr_t)(n))
#define CWD     A(AT_FDCWD)
#define MINUS_1 A(-1)

static const struct deed {
    const char *name;
    int expected;
    unsigned layer;
    int (*run)(void); /* NULL: the call itself */
    long call;
    const void *args[6]; /* chosen so that outside nothing much happens */
} denied[] = {
    DEED("read passwords", EACCES, FILES | IF_NOT_SANITIZED, read_shadow),
    CALL("read another file of this user", EACCES, FILES | IF_NOT_SANITIZED, SYS_openat, CWD, "secret"),
    CALL("list another directory", EACCES, FILES | IF_NOT_SANITIZED, SYS_openat, CWD, ".", A(O_DIRECTORY)),
    DEED("read another process's environment", EACCES, FILES | IF_NOT_SANITIZED, read_other_process),
    CALL("write another file", EACCES, FILES, SYS_openat, CWD, "secret", A(O_WRONLY)),
    CALL("make a file elsewhere", EACCES, FILES, SYS_openat, CWD, "new", A(O_WRONLY | O_CREAT), A(0600)),
    CALL("make a directory elsewhere", EACCES, FILES, SYS_mkdirat, CWD, "new-directory", A(0700)),
    CALL("write a file it may read", EACCES, FILES, SYS_openat, CWD, "conf/clients.json", A(O_WRONLY)),
    CALL("make a file beside its socket", EACCES, FILES, SYS_openat, CWD, "run/new", A(O_WRONLY | O_CREAT)),
    CALL("link to a file elsewhere", EXDEV, FILES, SYS_linkat, CWD, "secret", CWD, "data/link"),
    CALL("make a symbolic link", EACCES, FILES, SYS_symlinkat, "/etc", CWD, "data/symlink"),
    CALL("make a FIFO", EACCES, FILES, SYS_mknodat, CWD, "data/fifo", A(S_IFIFO | 0600)),
    DEED("move a file out", EACCES, FILES, move_out),
    DEED("connect to another TCP port", EACCES, FILES | FROM_ABI_4, connect_other),
    CALL("cut another file short", EPERM, CALLS, SYS_truncate, "secret"),
    CALL("cut it short by opening", EPERM, CALLS, SYS_openat, CWD, "secret", A(O_RDONLY | O_TRUNC)),
    CALL("change another file's mode", EPERM, CALLS, SYS_fchmodat, CWD, "secret", A(0600)),
    CALL("change its owner", EPERM, CALLS, SYS_fchownat, CWD, "secret", MINUS_1, MINUS_1),
    CALL("run a program", KILLED, CALLS, SYS_execve, "/bin/true"),
    CALL("run a program otherwise", KILLED, CALLS, SYS_execveat, CWD, "/bin/true"),
    CALL("make a process", EPERM, CALLS | IF_NOT_SANITIZED, SYS_clone, A(SIGCHLD)),
#ifdef SYS_fork
    CALL("make a process the old way", EPERM, CALLS, SYS_fork, 0),
#endif
    CALL("make one in a way that cannot be looked into", ENOSYS, CALLS, SYS_clone3, 0),
    CALL("open in a way that cannot be looked into", ENOSYS, CALLS, SYS_openat2, 0),
    CALL("calls that came later", ENOSYS, CALLS, 462 /* mseal */, NULL, A(4096), A(1)),
    CALL("be traced", KILLED, CALLS | IF_NOT_SANITIZED, SYS_ptrace, A(PTRACE_TRACEME)),
    CALL("read another process's memory", KILLED, CALLS, SYS_process_vm_readv, A(1)),
    DEED("signal another process", EPERM, CALLS, signal_another),
    DEED("signal another process's thread", EPERM, CALLS, signal_anothers_thread),
    CALL("mount", KILLED, CALLS, SYS_mount, 0),
    CALL("change the root", KILLED, CALLS, SYS_chroot, 0),
    CALL("make a namespace", KILLED, CALLS, SYS_unshare, A(CLONE_FS)),
    CALL("enter a namespace", KILLED, CALLS, SYS_setns, MINUS_1),
    CALL("open by handle", KILLED, CALLS, SYS_open_by_handle_at, MINUS_1),
    CALL("load a module", KILLED, CALLS, SYS_init_module, 0),
    CALL("load a kernel", KILLED, CALLS, SYS_kexec_load, NULL, NULL, NULL, MINUS_1),
    CALL("load BPF", KILLED, CALLS, SYS_bpf, MINUS_1),
    CALL("watch performance", KILLED, CALLS, SYS_perf_event_open, 0),
    CALL("handle page faults", KILLED, CALLS, SYS_userfaultfd, MINUS_1),
    CALL("set the time", KILLED, CALLS, SYS_settimeofday, 0),
    CALL("change the user", EPERM, CALLS, SYS_setresuid, MINUS_1, MINUS_1, MINUS_1),
    CALL("change the group", EPERM, CALLS, SYS_setresgid, MINUS_1, MINUS_1, MINUS_1),
    CALL("change capabilities", EPERM, CALLS, SYS_capset, 0),
    CALL("ask for the personality", EPERM, CALLS, SYS_personality, A(0xffffffff)),
    CALL("use the kernel's keys", EPERM, CALLS, SYS_keyctl, NULL, A(-2), A(1)),
    CALL("use io_uring", EPERM, CALLS, 425 /* io_uring_setup */, 0),
    CALL("use shared memory without a path", EPERM, CALLS, SYS_shmat, MINUS_1),
    CALL("listen", EPERM, CALLS, SYS_listen, MINUS_1, A(1)),
    CALL("open a packet socket", EAFNOSUPPORT, CALLS, SYS_socket, A(AF_PACKET), A(SOCK_SEQPACKET)),
    CALL("open a raw socket", EPERM, CALLS, SYS_socket, A(AF_INET), A(SOCK_RAW)),
    CALL("open a raw IPv6 socket", EPERM, CALLS, SYS_socket, A(AF_INET6), A(SOCK_RAW)),
    CALL("open a socket of another protocol", EPERM, CALLS, SYS_socket, A(AF_INET), A(SOCK_STREAM), A(250)),
    CALL("open another netlink", EPERM, CALLS, SYS_socket, A(AF_NETLINK), A(SOCK_RAW), A(NETLINK_GENERIC)),
    CALL("open a socket to the hypervisor", EAFNOSUPPORT, CALLS, SYS_socket, A(AF_VSOCK), A(SOCK_SEQPACKET),
         A(9)),
    CALL("connect by sending", EPERM, CALLS, SYS_sendto, MINUS_1, NULL, NULL, A(MSG_FASTOPEN | MSG_NOSIGNAL)),
    CALL("type into the terminal", EPERM, CALLS, SYS_ioctl, MINUS_1, A(TIOCSTI)),
    CALL("map memory to write and run", EPERM, CALLS, SYS_mmap, NULL, A(4096), A(PROT_WRITE | PROT_EXEC),
         A(MAP_PRIVATE | MAP_ANONYMOUS), MINUS_1),
    CALL("make memory code", EPERM, CALLS, SYS_mprotect, NULL, NULL, A(PROT_EXEC)),
};

/* --- how it is tried --- */

static int run_deed(const struct deed *d)
{
    const void *const *a = d->args;
    return d->run ? d->run() : got(syscall(d->call, a[0], a[1], a[2], a[3], a[4], a[5]));
}

static void enter(struct sandbox *reached)
{
    static const struct sandbox_path paths[] = {
        {"data", SANDBOX_WRITE},
        {"conf/clients.json", SANDBOX_READ_REPLACED},
        {"linked/ca.pem", SANDBOX_READ_REPLACED},
        {"run/x.sock", SANDBOX_REMOVE},
        {"", SANDBOX_READ_REPLACED},
        {"", SANDBOX_REMOVE},
        {"/nowhere/at/all", SANDBOX_WRITE},
    };
    const struct sandbox_opts opts = {paths, ARRAY_LEN(paths), ports, 1, false};
    sandbox_enter(reached, &opts);
}

/* The exit code of a child, or KILLED or DIED. */
static int outcome(pid_t pid)
{
    int status = 0;
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS ? KILLED : DIED;
}

/* Starts a child; 0 in it. */
static pid_t begin_child(bool inside)
{
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid == 0 && inside) {
        struct sandbox reached;
        enter(&reached);
        if (reached.layers != here.layers)
            _exit(DIED);
    }
    return pid;
}

static void what_serving_takes_works(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(works); i++) {
        for (int inside = 0; inside < 2; inside++) {
            if (works[i].run == removal_of_own_socket) {
                int fd = open("run/x.sock", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
                assert_true(fd >= 0);
                (void)close(fd);
            }
            pid_t pid = begin_child(inside);
            if (pid == 0)
                _exit(works[i].run());
            int rc = outcome(pid);
            if (rc != 0 && !inside && works[i].run == known_name) {
                print_message("skipped: %s: this machine does not know that name\n", works[i].name);
                break; /* a root without /etc/hosts */
            }
            if (rc != 0)
                fail_msg("%s, %s: %s (%d)", works[i].name, inside ? "inside" : "outside",
                         rc < KILLED ? strerror(rc) : "failed", rc);
        }
    }
}

/* Undoes what succeeded outside. */
static void clean(void)
{
    static const char *const left[] = {"new",       "run/new",      "moved",     "data/mine",
                                       "data/link", "data/symlink", "data/fifo", "new-directory"};
    for (size_t i = 0; i < ARRAY_LEN(left); i++)
        (void)remove(left[i]);
}

static void the_rest_does_not(void **state)
{
    size_t tried = 0;
    size_t told = 0;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(denied); i++) {
        const struct deed *d = &denied[i];
        if (!(here.layers & d->layer) || ((d->layer & FROM_ABI_4) && here.landlock_abi < 4))
            continue;
        pid_t pid = begin_child(false);
        if (pid == 0)
            _exit(run_deed(d));
        int outside = outcome(pid);
        clean();
        pid = begin_child(true);
        if (pid == 0)
            _exit(run_deed(d));
        int inside = outcome(pid);
        int expected = d->expected;
        if (SANDBOX_SANITIZED && (d->layer & IF_NOT_SANITIZED))
            expected = outside;
        if (inside != expected)
            fail_msg("%s: %d instead of %d (outside %d)", d->name, inside, expected, outside);
        tried++;
        if (outside == d->expected) /* as for a user who may not read passwords anyway */
            print_message("%s: is not possible outside either\n", d->name);
        else
            told++;
    }
    assert_true(told * 4 >= tried * 3);
}

/* A file that is renamed over the one that was there is read, and so is one that a link now leads to. */
static void replaced_files_are_read(void **state)
{
    int go[2];
    int ready[2];
    char c = 0;
    struct err err;
    (void)state;
    if (!(here.layers & SANDBOX_LANDLOCK))
        skip();
    assert_int_equal(pipe(go) | pipe(ready), 0);
    pid_t pid = begin_child(true);
    if (pid == 0) {
        (void)close(go[1]);
        auto_(buf) struct buf text = BUF_INIT(100);
        bool wanted = write(ready[1], &c, 1) == 1 && read(go[0], &c, 1) == 1;
        bool both = io_read_file("conf/clients.json", &text, &err) == 0 &&
                    io_read_file("linked/ca.pem", &text, &err) == 0 &&
                    strcmp(buf_str(&text), "new1new2") == 0;
        _exit(wanted && both ? 0 : FAILED);
    }
    (void)close(ready[1]);
    assert_int_equal(read(ready[0], &c, 1), 1);
    assert_int_equal(io_write_file("conf/clients.json", "new1", 4, &err), 0);
    assert_int_equal(io_write_file("target/next.pem", "new2", 4, &err), 0);
    assert_int_equal(unlink("linked/ca.pem") | symlink("../target/next.pem", "linked/ca.pem"), 0);
    assert_int_equal(write(go[1], &c, 1), 1);
    assert_int_equal(outcome(pid), 0);
    (void)close(go[0]);
    (void)close(go[1]);
    (void)close(ready[0]);
}

/* --- what cannot be had --- */

/* From here on this call fails in this process, as on a kernel that does not know it or in a container that
 * forbids it. */
static void forbid(int call, int error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = ARRAY_LEN(code), .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        _exit(DIED);
}

static const struct {
    const char *name;
    int call, error;
    unsigned lost;
    const char *level, *missing;
} lacks[] = {
    {"a kernel without Landlock", 444, ENOSYS, SANDBOX_LANDLOCK, "seccomp",
     "landlock: Function not implemented"},
    {"a kernel with Landlock switched off", 444, EOPNOTSUPP, SANDBOX_LANDLOCK, "seccomp",
     "landlock: Operation not supported"},
    {"a container that forbids to enter", 446, EPERM, SANDBOX_LANDLOCK, "seccomp",
     "landlock: Operation not permitted"},
    {"a kernel without seccomp", SYS_seccomp, ENOSYS, SANDBOX_SECCOMP, "landlock",
     "seccomp: Function not implemented"},
};

static void a_missing_layer_is_told(void **state)
{
    (void)state;
    if (!(here.layers & SANDBOX_SECCOMP) || !(here.layers & SANDBOX_LANDLOCK))
        skip();
    for (size_t i = 0; i < ARRAY_LEN(lacks); i++) {
        pid_t pid = begin_child(false);
        if (pid == 0) {
            struct sandbox reached;
            forbid(lacks[i].call, lacks[i].error);
            enter(&reached);
            bool right = reached.layers == (here.layers & ~lacks[i].lost) &&
                         strcmp(reached.missing, lacks[i].missing) == 0 &&
                         strcmp(sandbox_level(&reached), lacks[i].level) == 0 &&
                         (reached.landlock_abi > 0) == (lacks[i].lost != SANDBOX_LANDLOCK);
            if (!right)
                (void)fprintf(stderr, "%s %s\n", sandbox_level(&reached), reached.missing);
            _exit(right ? 0 : FAILED);
        }
        if (outcome(pid) != 0)
            fail_msg("%s", lacks[i].name);
    }
}

/* Threads that run already would be outside of Landlock: that is no sandbox. The filter reaches them. */
static void *wait_for_ever(void *arg)
{
    for (;;)
        (void)pause();
    return arg;
}

static void late_entry_is_told(void **state)
{
    (void)state;
    pid_t pid = begin_child(false);
    if (pid == 0) {
        pthread_t t;
        struct sandbox reached;
        struct err err;
        char path[300];
        auto_(buf) struct buf text = BUF_INIT(65536);
        if (pthread_create(&t, NULL, wait_for_ever, NULL) != 0)
            _exit(DIED);
        enter(&reached);
        if (reached.layers & SANDBOX_LANDLOCK)
            _exit(FAILED);
        DIR *tasks = opendir("/proc/self/task");
        for (struct dirent *e; tasks && (e = readdir(tasks));) {
            if (e->d_name[0] == '.' ||
                snprintf(path, sizeof path, "/proc/self/task/%s/status", e->d_name) < 0)
                continue;
            buf_clear(&text);
            if (io_read_file(path, &text, &err) < 0 || !strstr(buf_str(&text), "\nSeccomp:\t2\n"))
                _exit(FAILED);
        }
        _exit(strstr(reached.missing, "threads run already") ? 0 : FAILED);
    }
    if (here.layers & SANDBOX_SECCOMP)
        assert_int_equal(outcome(pid), 0);
}

/* --- the setting --- */

static const struct {
    const char *name, *setting;
    int lacking; /* a call that fails; -1: none */
    int rc;
    const char *level;
} settings[] = {
    {"on", "on", -1, 0, "landlock+seccomp"},
    {"on, as far as it goes", "on", 444, 0, "seccomp"},
    {"required", "required", -1, 0, "landlock+seccomp"},
    {"required without Landlock", "required", 444, -1, "seccomp"},
    {"required without seccomp", "required", SYS_seccomp, -1, "landlock"},
    {"off", "off", -1, 0, "no_new_privs"},
    {"off, whatever there is", "off", 444, 0, "no_new_privs"},
};

static void settings_hold(void **state)
{
    char data_dir[64];
    (void)state;
    (void)snprintf(data_dir, sizeof data_dir, "%s/data", scratch);
    if (!(here.layers & SANDBOX_SECCOMP) || !(here.layers & SANDBOX_LANDLOCK))
        skip();
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        pid_t pid = begin_child(false);
        if (pid == 0) {
            static struct app app;
            struct config config;
            struct err err = {0};
            if (setenv("SLUICE_DATA_DIR", data_dir, 1) < 0 ||
                setenv("SLUICE_SANDBOX", settings[i].setting, 1) < 0 || config_load(&config, "", &err) < 0 ||
                app_open(&app, &config, &err) < 0)
                _exit(DIED);
            if (settings[i].lacking >= 0)
                forbid(settings[i].lacking, ENOSYS);
            bool right = app_confine(&app, "", &err) == settings[i].rc &&
                         strcmp(sandbox_level(&app.sandbox), settings[i].level) == 0 &&
                         (settings[i].rc == 0 || strstr(err.text, "Function not implemented"));
            if (!right)
                (void)fprintf(stderr, "%s %s\n", sandbox_level(&app.sandbox), err.text);
            app_close(&app);
            _exit(right ? 0 : FAILED);
        }
        if (outcome(pid) != 0)
            fail_msg("%s", settings[i].name);
    }
}

/* --- the place --- */

static int open_port(uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 64) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) < 0)
        return -1;
    *port = ntohs(address.sin_port);
    return 0;
}

static int set_up(void **state)
{
    static const char *const dirs[] = {"data", "conf", "linked", "target", "run"};
    static const char *const names[] = {"secret", "conf/clients.json", "conf/beside", "target/ca.pem",
                                        "target/beside"};
    struct err err;
    int reached[2];
    (void)state;
    main_process = getpid();
    if (!mkdtemp(scratch) || chdir(scratch) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
        if (mkdir(dirs[i], 0700) < 0)
            return -1;
    }
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (io_write_file(names[i], "text", 4, &err) < 0)
            return -1;
    }
    if (symlink("../target/ca.pem", "linked/ca.pem") < 0 || open_port(&ports[0]) < 0 ||
        open_port(&ports[1]) < 0 || pipe(reached) < 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        enter(&here);
        _exit(write(reached[1], &here, sizeof here) == sizeof here ? 0 : 1);
    }
    if (outcome(pid) != 0 || read(reached[0], &here, sizeof here) != sizeof here)
        return -1;
    (void)close(reached[0]);
    (void)close(reached[1]);
    print_message("this machine: %s, Landlock %d %s\n", sandbox_level(&here), here.landlock_abi,
                  here.missing);
    return 0;
}

static int tear_down(void **state)
{
    char command[256];
    (void)state;
    (void)snprintf(command, sizeof command, "rm -rf %s", scratch);
    return chdir("/") < 0 ? -1 : system(command); // NOLINT(cert-env33-c): a path of ours
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_serving_takes_works), cmocka_unit_test(the_rest_does_not),
        cmocka_unit_test(replaced_files_are_read),  cmocka_unit_test(a_missing_layer_is_told),
        cmocka_unit_test(late_entry_is_told),       cmocka_unit_test(settings_hold),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
