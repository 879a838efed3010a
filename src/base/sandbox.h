/* What a process that serves gives up before it answers the first request, so that whoever takes it over
 * through a bug in a parser of hostile bytes (JSON, TLS, MP4, codecs) gets little:
 *
 * - no_new_privs: set-uid programs and file capabilities lift nobody up any more;
 * - Landlock (Linux 5.13): files are written only below the paths given, read only there and where the C
 *   library and TLS look things up (the list is in sandbox.c); nothing is executable anywhere. From Linux 6.7
 *   TCP connections go only to the ports given; from 6.12 signals and abstract sockets stay within;
 * - seccomp: no program is started and no process made, no other process is looked into or signalled, no
 *   memory becomes code, no socket listens or leaves IP, and the kernel's less travelled parts are closed.
 * The list with its reasons is in sandbox_filter.c.
 *
 * The filter is a list of what is denied. An allow list would be stronger on paper. Measured over all
 * integration tests, Sluice with libcurl, OpenSSL, SQLite, libav and glibc uses 66 system calls; but which
 * ones depends on the versions of all of them and on how names are looked up on that machine, and a list that
 * is short by one ends a working service on a day when nobody changed anything in it. Calls newer than those
 * that were weighed are answered like an older kernel would, so the list does not grow holes.
 *
 * Not covered: what a process may do with the descriptors it has, UDP, the names and attributes of files
 * (stat), and the files of everybody below /etc where the process does not run as root (see
 * SANDBOX_READ_REPLACED).
 *
 * Under a sanitizer (address, thread, leak) the process may also be cloned, trace, read every file, and write
 * below $TMPDIR or /tmp: the leak check traces from a clone, reports name source lines and are written to
 * files. Everything else is the same; tests run the release build as well. */
#ifndef SLUICE_BASE_SANDBOX_H
#define SLUICE_BASE_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANDBOX_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(leak_sanitizer)
#define SANDBOX_SANITIZED 1
#endif
#endif
#ifndef SANDBOX_SANITIZED
#define SANDBOX_SANITIZED 0
#endif

enum sandbox_right {
    SANDBOX_READ,  /* this file, or everything below this directory */
    SANDBOX_RUN,   /* and started, see sandbox_opts.program */
    SANDBOX_WRITE, /* read, write, make, rename and remove files and directories below */
    /* A file that others replace, by renaming a new one over it: its directory is readable, and that of what
     * it links to. So it should lie in a directory of its own. Of a directory directly below the root (/etc,
     * /tmp) only the file as it is now, except that who is not root may read what everybody may in /etc. */
    SANDBOX_READ_REPLACED,
    /* A file to be removed at the end: files in its directory can be removed, unless that lies directly below
     * the root. */
    SANDBOX_REMOVE,
};

struct sandbox_path {
    const char *path;
    enum sandbox_right right;
};

/* Borrowed. A path that is empty or does not exist gives no right. */
struct sandbox_opts {
    const struct sandbox_path *paths;
    size_t path_count;
    const uint16_t *tcp_ports; /* to connect to */
    size_t tcp_port_count;
    /* What is entered here is for another program, which this process is about to become: it may be started
     * (what has SANDBOX_RUN), and opens no socket of any kind; it has the descriptors that it was given. */
    bool program;
};

enum { SANDBOX_NO_NEW_PRIVS = 1, SANDBOX_LANDLOCK = 2, SANDBOX_SECCOMP = 4 };

/* What was reached. */
struct sandbox {
    unsigned layers;   /* SANDBOX_… that hold */
    int landlock_abi;  /* 0 without Landlock */
    char missing[128]; /* for the log: why a layer could not be had; "" when all hold */
};

/* Enters for good: for this thread and all it starts. Call it before any other thread runs (Landlock holds
 * per thread; where others run already it counts as missing) and after everything is open that lies outside.
 * Every layer that can be had is; nothing is undone when another one cannot. `opts` NULL: no_new_privs only.
 */
void sandbox_enter(struct sandbox *got, const struct sandbox_opts *opts);

/* "landlock+seccomp", "landlock", "seccomp", "no_new_privs" or "none"; static. */
const char *sandbox_level(const struct sandbox *got);

#endif
