/* Entering the sandbox: the order of its layers, and the rules of Landlock. See sandbox.h. */
#include "base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/defs.h"
#include "base/sandbox_filter.h"
#include "base/text.h"

/* As in linux/landlock.h, written down because headers lag behind kernels. The numbers of the calls are the
 * same on every machine. */
enum {
    NR_CREATE_RULESET = 444,
    NR_ADD_RULE = 445,
    NR_RESTRICT_SELF = 446,
    ASK_VERSION = 1,
    RULE_PATH = 1,
    RULE_PORT = 2,
    FS_EXECUTE = 1 << 0,
    FS_WRITE_FILE = 1 << 1,
    FS_READ_FILE = 1 << 2,
    FS_READ_DIR = 1 << 3,
    FS_REMOVE_DIR = 1 << 4,
    FS_REMOVE_FILE = 1 << 5,
    FS_MAKE_DIR = 1 << 7,
    FS_MAKE_REG = 1 << 8,
    FS_BEFORE_2 = (1 << 13) - 1, /* everything the first version knows */
    FS_REFER = 1 << 13,          /* from 2: rename from one directory to another; never allowed before */
    FS_TRUNCATE = 1 << 14,       /* from 3 */
    FS_IOCTL_DEV = 1 << 15,      /* from 5 */
    FS_OF_A_FILE = FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE,
    NET_CONNECT_TCP = 1 << 1,       /* from 4 */
    SCOPE_ABSTRACT_SOCKET = 1 << 0, /* from 6 */
    SCOPE_SIGNAL = 1 << 1,          /* from 6 */
    READ = FS_READ_FILE | FS_READ_DIR,
    WRITE = READ | FS_WRITE_FILE | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REG | FS_REFER |
            FS_TRUNCATE,
};

struct ruleset {
    uint64_t fs, net, scoped; /* what it is about, and therefore denied unless a rule allows it */
};
struct path_rule {
    uint64_t allowed;
    int32_t fd;
} __attribute__((packed));
struct port_rule {
    uint64_t allowed, port;
};

/* What the C library and OpenSSL look up while the process runs, from strace over the tests and from their
 * sources. Whole directories where the names are not known beforehand: certificates by hash, and the modules
 * of name look-ups, which are loaded at the first one. */
static const struct sandbox_path system_paths[] = {
    {"/etc/resolv.conf", SANDBOX_READ_REPLACED}, /* DHCP clients replace it at every renewal */
    {"/etc/hosts", SANDBOX_READ_REPLACED},
    {"/etc/nsswitch.conf", SANDBOX_READ},
    {"/etc/host.conf", SANDBOX_READ},
    {"/etc/gai.conf", SANDBOX_READ},
    {"/etc/services", SANDBOX_READ},
    {"/etc/ld.so.cache", SANDBOX_READ},
    {"/usr/lib", SANDBOX_READ},
    {"/usr/lib64", SANDBOX_READ},
    {"/usr/local/lib", SANDBOX_READ},
    {"/lib", SANDBOX_READ},
    {"/lib64", SANDBOX_READ},
    {"/etc/ssl/openssl.cnf", SANDBOX_READ},
    {"/etc/ssl/certs", SANDBOX_READ}, /* of Debian and most others; links into the next two */
    {"/usr/share/ca-certificates", SANDBOX_READ},
    {"/usr/local/share/ca-certificates", SANDBOX_READ},
    {"/etc/pki/tls/certs", SANDBOX_READ},
    {"/etc/pki/ca-trust/extracted", SANDBOX_READ},
    {"/etc/ca-certificates/extracted", SANDBOX_READ},
    {"/proc/self", SANDBOX_READ},
    {"/sys/devices/system/cpu", SANDBOX_READ}, /* how many there are */
    {"/dev/urandom", SANDBOX_READ},
    {"/dev/null", SANDBOX_WRITE},
#if SANDBOX_SANITIZED
    {"/", SANDBOX_READ},
#endif
};

/* Rules that are being collected. */
struct rules {
    int fd;
    struct ruleset about;
    int error; /* errno of one that could not be added */
};

static void allow(struct rules *r, const char *path, uint64_t access)
{
    struct stat st;
    struct path_rule rule = {.fd = open(path, O_PATH | O_CLOEXEC)};
    if (rule.fd < 0)
        return;
    if (fstat(rule.fd, &st) == 0) {
        rule.allowed = access & r->about.fs & (S_ISDIR(st.st_mode) ? ~UINT64_C(0) : FS_OF_A_FILE);
        if (rule.allowed && syscall(NR_ADD_RULE, r->fd, RULE_PATH, &rule, 0) < 0)
            r->error = errno;
    }
    (void)close(rule.fd);
}

/* Whether a directory (without links in its path) holds so much that one file in it is no reason to open all
 * of it. /etc is not where the passwords are safe anyway, because of what a running service has to read
 * there: /etc/resolv.conf, where it is no link, is replaced by every lease of an address. */
static bool is_too_much(const char *dir)
{
    if (strrchr(dir, '/') != dir)
        return false;
    return strcmp(dir, "/etc") != 0 || geteuid() == 0 ||
           faccessat(AT_FDCWD, "/etc/shadow", R_OK, AT_EACCESS) == 0;
}

static void allow_directory_of(struct rules *r, const char *path, uint64_t access)
{
    char copy[PATH_MAX];
    char dir[PATH_MAX];
    if (text_copy(copy, sizeof copy, path) == 0 && realpath(dirname(copy), dir) && !is_too_much(dir))
        allow(r, dir, access);
}

static void allow_path(struct rules *r, const struct sandbox_path *p)
{
    char real[PATH_MAX];
    if (!*p->path)
        return;
    switch (p->right) {
    case SANDBOX_READ:
        allow(r, p->path, READ);
        return;
    case SANDBOX_RUN:
        allow(r, p->path, READ | FS_EXECUTE);
        return;
    case SANDBOX_WRITE:
        allow(r, p->path, WRITE);
        return;
    case SANDBOX_READ_REPLACED:
        allow(r, p->path, READ);
        allow_directory_of(r, p->path, READ);
        if (realpath(p->path, real))
            allow_directory_of(r, real, READ);
        return;
    case SANDBOX_REMOVE:
        allow_directory_of(r, p->path, FS_REMOVE_FILE);
        return;
    }
}

static void allow_all(struct rules *r, const struct sandbox_opts *opts)
{
    for (size_t i = 0; i < ARRAY_LEN(system_paths); i++)
        allow_path(r, &system_paths[i]);
    for (size_t i = 0; i < opts->path_count; i++)
        allow_path(r, &opts->paths[i]);
#if SANDBOX_SANITIZED
    const char *tmp = getenv("TMPDIR");
    allow(r, tmp ? tmp : "/tmp", WRITE);
#endif
    for (size_t i = 0; r->about.net && i < opts->tcp_port_count; i++) {
        struct port_rule rule = {NET_CONNECT_TCP, opts->tcp_ports[i]};
        if (syscall(NR_ADD_RULE, r->fd, RULE_PORT, &rule, 0) < 0)
            r->error = errno;
    }
}

/* More than one: /proc/self/task has a link for itself, one from above, and one for each. Where there is no
 * /proc, the caller has promised it. */
static bool threads_run(void)
{
    struct stat st;
    return stat("/proc/self/task", &st) == 0 && st.st_nlink > 3;
}

/* 0, or what errno says. */
static int enter_landlock(const struct sandbox_opts *opts, int *abi)
{
    /* procfs makes a new inode of a directory that fell out of its cache, for which no rule would hold: so
     * this one is kept from falling out. */
    static int own_proc = -1;
    long version = syscall(NR_CREATE_RULESET, NULL, 0, ASK_VERSION);
    if (version < 1)
        return version < 0 ? errno : ENOSYS;
    if (threads_run())
        return EBUSY;
    struct rules r = {.about = {.fs = FS_BEFORE_2}};
    if (version >= 2)
        r.about.fs |= FS_REFER;
    if (version >= 3)
        r.about.fs |= FS_TRUNCATE;
    if (version >= 4)
        r.about.net = NET_CONNECT_TCP;
    if (version >= 5)
        r.about.fs |= FS_IOCTL_DEV;
    if (version >= 6)
        r.about.scoped = SCOPE_ABSTRACT_SOCKET | SCOPE_SIGNAL;
    r.fd = (int)syscall(NR_CREATE_RULESET, &r.about, sizeof r.about, 0);
    if (r.fd < 0)
        return errno;
    if (own_proc < 0)
        own_proc = open("/proc/self", O_PATH | O_CLOEXEC);
    allow_all(&r, opts);
    if (!r.error && syscall(NR_RESTRICT_SELF, r.fd, 0) < 0)
        r.error = errno;
    (void)close(r.fd);
    if (!r.error)
        *abi = (int)version;
    return r.error;
}

static void note_missing(struct sandbox *got, const char *layer, int error)
{
    size_t n = strlen(got->missing);
    (void)snprintf(got->missing + n, sizeof got->missing - n, "%s%s: %s", n ? "; " : "", layer,
                   error == EBUSY ? "threads run already" : strerror(error));
}

void sandbox_enter(struct sandbox *got, const struct sandbox_opts *opts)
{
    *got = (struct sandbox){0};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
        got->layers |= SANDBOX_NO_NEW_PRIVS;
    else
        note_missing(got, "no_new_privs", errno);
    if (!opts)
        return;
    int error = enter_landlock(opts, &got->landlock_abi);
    if (error)
        note_missing(got, "landlock", error);
    else
        got->layers |= SANDBOX_LANDLOCK;
    error = sandbox_filter_install(opts->program);
    if (error)
        note_missing(got, "seccomp", error);
    else
        got->layers |= SANDBOX_SECCOMP;
}

const char *sandbox_level(const struct sandbox *got)
{
    switch (got->layers & (SANDBOX_LANDLOCK | SANDBOX_SECCOMP)) {
    case SANDBOX_LANDLOCK | SANDBOX_SECCOMP:
        return "landlock+seccomp";
    case SANDBOX_LANDLOCK:
        return "landlock";
    case SANDBOX_SECCOMP:
        return "seccomp";
    default:
        return got->layers & SANDBOX_NO_NEW_PRIVS ? "no_new_privs" : "none";
    }
}
