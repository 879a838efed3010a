/* Which system calls a process that serves never needs, as a seccomp filter. See sandbox.h for why this is a
 * list of what is denied.
 *
 * Three answers. Killed: what only an intruder tries, so that the attempt ends him and shows in the log of
 * whoever started us (signal 31, SIGSYS) and in the kernel's. EPERM: what a library might try on its way and
 * can do without. ENOSYS: what has an older form which can be looked into, or came after this was written. */
#include "base/sandbox_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/defs.h"
#include "base/sandbox.h"

#if defined(__x86_64__) && defined(__LP64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCH AUDIT_ARCH_RISCV64
#endif

#ifndef ARCH

int sandbox_filter_install(bool program_follows)
{
    (void)program_follows;
    return ENOTSUP;
}

#else

/* Calls from 424 on have the same number on every machine; the headers may be older than the kernel. */
enum {
    NR_PIDFD_SEND_SIGNAL = 424,
    NR_IO_URING_SETUP = 425,
    NR_IO_URING_ENTER = 426,
    NR_IO_URING_REGISTER = 427,
    NR_OPEN_TREE = 428,
    NR_MOVE_MOUNT = 429,
    NR_FSOPEN = 430,
    NR_FSCONFIG = 431,
    NR_FSMOUNT = 432,
    NR_FSPICK = 433,
    NR_PIDFD_OPEN = 434,
    NR_CLONE3 = 435,
    NR_OPENAT2 = 437,
    NR_PIDFD_GETFD = 438,
    NR_PROCESS_MADVISE = 440,
    NR_MOUNT_SETATTR = 442,
    NR_QUOTACTL_FD = 443,
    NR_PROCESS_MRELEASE = 448,
    NR_FCHMODAT2 = 452,
    NR_LAST_WEIGHED = 456, /* futex_requeue, Linux 6.7 */
};

/* Starting a program. */
static const int starting[] = {
    SYS_execve,
    SYS_execveat,
};

static const int killed[] = {
/* other processes' memory */
#if !SANDBOX_SANITIZED
    SYS_ptrace,
#endif
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    /* another view of the file system, in which rules that hang on files would not hold */
    SYS_chroot,
    SYS_pivot_root,
    SYS_mount,
    SYS_umount2,
    NR_OPEN_TREE,
    NR_MOVE_MOUNT,
    NR_FSOPEN,
    NR_FSCONFIG,
    NR_FSMOUNT,
    NR_FSPICK,
    NR_MOUNT_SETATTR,
    SYS_unshare,
    SYS_setns,
    SYS_open_by_handle_at,
    /* the kernel's own code */
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
#ifdef SYS_kexec_file_load
    SYS_kexec_file_load,
#endif
    SYS_bpf,
    /* tools of exploits of the kernel, of no use to a server */
    SYS_perf_event_open,
    SYS_userfaultfd,
    /* the machine */
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_acct,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_sethostname,
    SYS_setdomainname,
    SYS_vhangup,
#ifdef SYS_iopl
    SYS_iopl,
    SYS_ioperm,
    SYS_modify_ldt,
#endif
};

static const int refused[] = {
#ifdef SYS_fork
    SYS_fork, /* and clone: see below */
    SYS_vfork,
#endif
    /* sockets are opened before; nobody is to be let in by another one */
    SYS_listen,
    /* signals to others, and a hold on them; kill and tgkill see below */
    SYS_tkill,
    SYS_rt_sigqueueinfo,
    SYS_rt_tgsigqueueinfo,
    NR_PIDFD_OPEN,
    NR_PIDFD_GETFD,
    NR_PIDFD_SEND_SIGNAL,
    NR_PROCESS_MADVISE,
    NR_PROCESS_MRELEASE,
    SYS_kcmp,
    SYS_migrate_pages,
    SYS_move_pages,
    /* other identities, for a service started as root */
    SYS_setuid,
    SYS_setgid,
    SYS_setreuid,
    SYS_setregid,
    SYS_setresuid,
    SYS_setresgid,
    SYS_setfsuid,
    SYS_setfsgid,
    SYS_setgroups,
    SYS_capset,
    SYS_personality,
    /* what Landlock does not see: attributes by path, and cutting files short before its version 3 */
    SYS_truncate,
    SYS_fchmodat,
    NR_FCHMODAT2,
    SYS_fchownat,
    SYS_setxattr,
    SYS_lsetxattr,
    SYS_removexattr,
    SYS_lremovexattr,
#ifdef SYS_chmod
    SYS_chmod,
    SYS_chown,
    SYS_lchown,
#endif
    SYS_name_to_handle_at,
    SYS_fanotify_init,
    SYS_quotactl,
    NR_QUOTACTL_FD,
    /* meeting places with other processes that no path names */
    SYS_shmget,
    SYS_shmat,
    SYS_semget,
    SYS_msgget,
    SYS_mq_open,
    /* the kernel's keys, and parts with a history of holes */
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    NR_IO_URING_SETUP,
    NR_IO_URING_ENTER,
    NR_IO_URING_REGISTER,
    SYS_adjtimex,
    SYS_clock_adjtime,
    SYS_syslog,
};

static const int unknown[] = {
    NR_CLONE3,  /* its flags lie in memory, where no filter sees them; glibc then uses clone */
    NR_OPENAT2, /* likewise; nothing here uses it */
};

/* EPERM where the lower half of an argument, masked, is (or is not) a value. The kernel reads no more of
 * these. */
struct argument_rule {
    int nr;
    unsigned argument;
    uint32_t mask;
    bool unless;
    uint32_t value;
};

#define ALL_BITS UINT32_MAX
enum { TRUNCATED = O_TRUNC | O_ACCMODE };

static const struct argument_rule argument_rules[] = {
#if !SANDBOX_SANITIZED
    {SYS_clone, 0, CLONE_THREAD, false, 0}, /* threads, but no processes */
#endif
    /* Memory does not become code. (A file below the data directory can be mapped as such, if its file system
     * is not mounted noexec: a hurdle, no wall.) */
    {SYS_mmap, 2, PROT_WRITE | PROT_EXEC, false, PROT_WRITE | PROT_EXEC},
    {SYS_mprotect, 2, PROT_EXEC, false, PROT_EXEC},
    {SYS_pkey_mprotect, 2, PROT_EXEC, false, PROT_EXEC},
    /* Cutting a file short that is opened for reading: Landlock sees it from version 3. */
    {SYS_openat, 2, TRUNCATED, false, O_TRUNC | O_RDONLY},
#ifdef SYS_open
    {SYS_open, 1, TRUNCATED, false, O_TRUNC | O_RDONLY},
#endif
    /* Typing into the terminal we were started from. */
    {SYS_ioctl, 1, ALL_BITS, false, TIOCSTI},
    {SYS_ioctl, 1, ALL_BITS, false, TIOCLINUX},
    /* Connecting without connect(), which Landlock's ports do not see. */
    {SYS_sendto, 3, MSG_FASTOPEN, false, MSG_FASTOPEN},
    {SYS_sendmsg, 2, MSG_FASTOPEN, false, MSG_FASTOPEN},
    {SYS_sendmmsg, 3, MSG_FASTOPEN, false, MSG_FASTOPEN},
};

/* --- the program --- */

enum {
    PROGRAM_MAX = 512, /* instructions; it has about 250, the kernel takes 4096 */
    NR = offsetof(struct seccomp_data, nr),
    REFUSE = SECCOMP_RET_ERRNO | EPERM,
    SAY_UNKNOWN = SECCOMP_RET_ERRNO | ENOSYS,
};

struct program {
    struct sock_filter code[PROGRAM_MAX];
    unsigned short len;
    bool full;
};

static void put(struct program *p, const struct sock_filter *code, size_t count)
{
    if (count > (size_t)(PROGRAM_MAX - p->len)) {
        p->full = true;
        return;
    }
    for (size_t i = 0; i < count; i++)
        p->code[p->len++] = code[i];
}

#define PUT(p, ...)                                                                                          \
    do {                                                                                                     \
        const struct sock_filter put_[] = {__VA_ARGS__};                                                     \
        put((p), put_, ARRAY_LEN(put_));                                                                     \
    } while (0)
#define LOAD(offset)               BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (offset))
#define RETURN(action)             BPF_STMT(BPF_RET | BPF_K, (action))
/* Each skips so many of the instructions that follow. */
#define IF_EQUAL(k, then, other)   BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(k), (then), (other))
#define IF_GREATER(k, then, other) BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (uint32_t)(k), (then), (other))
/* The lower half comes first: all three machines are little-endian. */
#define ARGUMENT(n)                ((uint32_t)(offsetof(struct seccomp_data, args) + (n) * sizeof(uint64_t)))

/* Before and after each of these, the number of the call is loaded. */

static void put_calls(struct program *p, const int *calls, size_t count, uint32_t action)
{
    for (size_t i = 0; i < count; i++)
        PUT(p, IF_EQUAL(calls[i], 0, 1), RETURN(action));
}

static void put_argument_rule(struct program *p, const struct argument_rule *r)
{
    PUT(p, IF_EQUAL(r->nr, 0, 5), LOAD(ARGUMENT(r->argument)), BPF_STMT(BPF_ALU | BPF_AND | BPF_K, r->mask),
        IF_EQUAL(r->value, r->unless, !r->unless), RETURN(REFUSE), LOAD(NR));
}

/* Unix sockets; of netlink the protocol by which getaddrinfo() asks for the machine's own addresses; TCP and
 * UDP over IP. */
static void put_socket_rule(struct program *p)
{
    PUT(p, IF_EQUAL(SYS_socket, 0, 22), LOAD(ARGUMENT(0)));
    PUT(p, IF_EQUAL(AF_UNIX, 0, 1), RETURN(SECCOMP_RET_ALLOW));
    PUT(p, IF_EQUAL(AF_NETLINK, 0, 4), LOAD(ARGUMENT(2)));
    PUT(p, IF_EQUAL(NETLINK_ROUTE, 0, 1), RETURN(SECCOMP_RET_ALLOW), RETURN(REFUSE));
    PUT(p, IF_EQUAL(AF_INET, 2, 0), IF_EQUAL(AF_INET6, 1, 0), RETURN(SECCOMP_RET_ERRNO | EAFNOSUPPORT));
    PUT(p, LOAD(ARGUMENT(1)), BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xf)); /* without SOCK_CLOEXEC … */
    PUT(p, IF_EQUAL(SOCK_STREAM, 2, 0), IF_EQUAL(SOCK_DGRAM, 1, 0), RETURN(REFUSE), LOAD(ARGUMENT(2)));
    PUT(p, IF_EQUAL(0, 2, 0), IF_EQUAL(IPPROTO_TCP, 1, 0), IF_EQUAL(IPPROTO_UDP, 0, 1));
    PUT(p, RETURN(SECCOMP_RET_ALLOW), RETURN(REFUSE));
}

/* Calls whose arguments do not matter are decided by the kernel (from 5.11) without running this. */
static void put_all(struct program *p, bool for_program)
{
    static const int reaching[] = {SYS_socket, SYS_connect, SYS_bind};
    PUT(p, LOAD(offsetof(struct seccomp_data, arch)), IF_EQUAL(ARCH, 1, 0), RETURN(SECCOMP_RET_KILL_PROCESS));
    PUT(p, LOAD(NR), IF_GREATER(NR_LAST_WEIGHED, 0, 1), RETURN(SAY_UNKNOWN));
    for (size_t i = 0; i < ARRAY_LEN(argument_rules); i++)
        put_argument_rule(p, &argument_rules[i]);
    const struct argument_rule own_signals[] = {
        {SYS_kill, 0, ALL_BITS, true, (uint32_t)getpid()},
        {SYS_tgkill, 0, ALL_BITS, true, (uint32_t)getpid()},
    };
    for (size_t i = 0; i < ARRAY_LEN(own_signals); i++)
        put_argument_rule(p, &own_signals[i]);
    if (for_program)
        put_calls(p, reaching, ARRAY_LEN(reaching), REFUSE);
    else
        put_socket_rule(p);
    put_calls(p, unknown, ARRAY_LEN(unknown), SAY_UNKNOWN);
    put_calls(p, refused, ARRAY_LEN(refused), REFUSE);
    put_calls(p, killed, ARRAY_LEN(killed), SECCOMP_RET_KILL_PROCESS);
    if (!for_program)
        put_calls(p, starting, ARRAY_LEN(starting), SECCOMP_RET_KILL_PROCESS);
    PUT(p, RETURN(SECCOMP_RET_ALLOW));
}

int sandbox_filter_install(bool program_follows)
{
    struct program p = {.len = 0};
    put_all(&p, program_follows);
    if (p.full)
        return E2BIG;
    struct sock_fprog program = {.len = p.len, .filter = p.code};
    /* SPEC_ALLOW: by default, kernels before 5.16 make filtered processes slow against speculation between
     * programs in one process, of which there are none here. */
    long rc = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                      SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program);
    if (rc < 0 && errno == EINVAL) /* before 4.17 */
        rc = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
    return rc < 0 ? errno : rc > 0 ? EBUSY : 0; /* over 0: a thread that has another filter */
}

#endif
