/* The doctor's checks of the data directory: who may read it, whether the web shows it, what it lies on. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/io.h"
#include "base/text.h"
#include "serve/doctor_impl.h"
#include "store/care.h"

enum {
    ENTRIES_MAX = 10000, /* looked at */
    DEPTH_MAX = 3,
    DISK_LEAST_BYTES = 16 << 20, /* as /readyz has it */
    DISK_BESIDE_BYTES = 64 << 20,
    INODES_LEAST = 1000,
};

/* "sluice", or the number. */
static void user_name(uid_t uid, char *out, size_t room)
{
    struct passwd entry;
    struct passwd *user = NULL;
    char texts[4096];
    if (getpwuid_r(uid, &entry, texts, sizeof texts, &user) == 0 && user)
        (void)snprintf(out, room, "%s", user->pw_name);
    else
        (void)snprintf(out, room, "%u", (unsigned)uid);
}

void doctor_data_dir(struct doctor *d)
{
    const char *dir = d->config->data_dir;
    struct stat st;
    char text[PATH_MAX + 128];
    char user[64];
    user_name(geteuid(), user, sizeof user);
    int why = stat(dir, &st) < 0 ? errno : S_ISDIR(st.st_mode) ? 0 : ENOTDIR;
    if (why == ENOENT) {
        (void)snprintf(text, sizeof text, "%s is not there yet", dir);
        doctor_say_fix(d, DOCTOR_WARN, text, "install -d -m 700 -o %s %s", user, dir);
        return;
    }
    if (why) {
        doctor_say(d, DOCTOR_FAIL,
                   why == EACCES ? "runuser -u (whom the programs run as) -- sluice doctor"
                                 : "data_dir = /var/lib/sluice",
                   "%s: %s", dir, strerror(why));
        return;
    }
    bool fine = true;
    if (access(dir, W_OK | X_OK | R_OK) < 0) {
        char owner[64];
        user_name(st.st_uid, owner, sizeof owner);
        (void)snprintf(text, sizeof text, "%s belongs to %s and cannot be written by %s: %s", dir, owner,
                       user, strerror(errno));
        doctor_say_fix(d, DOCTOR_FAIL, text,
                       "runuser -u %s -- sluice doctor; or, if the programs run as %s: chown -R %s %s", owner,
                       user, user, dir);
        fine = false;
    }
    if (st.st_mode & (S_IRWXG | S_IRWXO)) {
        bool write = st.st_mode & (S_IWGRP | S_IWOTH);
        (void)snprintf(text, sizeof text,
                       "%s is open to others (mode %03o): it holds the keys that seal links", dir,
                       (unsigned)(st.st_mode & 0777));
        doctor_say_fix(d, write ? DOCTOR_FAIL : DOCTOR_WARN, text, "chmod 700 %s", dir);
        fine = false;
    }
    if (fine)
        doctor_say(d, DOCTOR_OK, NULL, "%s: writable, closed to others", dir);
}

/* ---- Whose files they are ---- */

struct tally {
    uid_t owner;
    int seen, foreign, open;
    char example[NAME_MAX + 1]; /* of either */
};

/* `fd` is taken. */
static void count_files(int fd, int depth, struct tally *t)
{
    DIR *dir = fdopendir(fd);
    if (!dir) {
        (void)close(fd);
        return;
    }
    for (const struct dirent *e; (e = readdir(dir)) && t->seen < ENTRIES_MAX;) {
        struct stat st;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        t->seen++;
        bool foreign = st.st_uid != t->owner;
        bool open = S_ISREG(st.st_mode) && (st.st_mode & (S_IROTH | S_IWOTH));
        t->foreign += foreign;
        t->open += open;
        if (foreign || open)
            (void)snprintf(t->example, sizeof t->example, "%s", e->d_name);
        int child = S_ISDIR(st.st_mode) && depth < DEPTH_MAX
                        ? openat(dirfd(dir), e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
                        : -1;
        if (child >= 0)
            count_files(child, depth + 1, t);
    }
    (void)closedir(dir);
}

void doctor_owners(struct doctor *d)
{
    const char *dir = d->config->data_dir;
    struct stat st;
    char text[512];
    char owner[64];
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        if (fd >= 0)
            (void)close(fd);
        doctor_say(d, DOCTOR_OK, NULL, "nothing to see");
        return;
    }
    struct tally t = {.owner = st.st_uid};
    user_name(st.st_uid, owner, sizeof owner);
    count_files(fd, 0, &t);
    if (t.foreign) {
        (void)snprintf(text, sizeof text,
                       "%d files belong to others than %s (%s): the programs may not be able to use them",
                       t.foreign, owner, t.example);
        doctor_say_fix(d, DOCTOR_WARN, text, "chown -R %s %s", owner, dir);
    }
    if (t.open) {
        (void)snprintf(text, sizeof text, "%d files can be read by everybody (%s)", t.open, t.example);
        doctor_say_fix(d, DOCTOR_WARN, text, "chmod -R go-rwx %s", dir);
    }
    if (st.st_uid == 0)
        doctor_say(d, DOCTOR_WARN, "User=sluice (systemd), and: chown -R sluice DATA_DIR",
                   "the data belongs to root, so the programs run as root");
    else if (geteuid() == 0) {
        (void)snprintf(text, sizeof text, "you are root: whether %s may do all this was not seen", owner);
        doctor_say_fix(d, DOCTOR_WARN, text, "runuser -u %s -- sluice doctor", owner);
    } else if (!t.foreign && !t.open)
        doctor_say(d, DOCTOR_OK, NULL, "all files are %s's alone", owner);
}

/* ---- Whether the web server shows it ---- */

static bool is_below(const char *dir, const char *top)
{
    size_t len = strlen(top);
    return strncmp(dir, top, len) == 0 && (dir[len] == '/' || dir[len] == '\0');
}

/* Names that hosts give to what they show; NULL: none in it. */
static const char *shown_part(const char *dir)
{
    static const char *const names[] = {"public_html", "htdocs", "httpdocs", "webroot",
                                        "wwwroot",     "www",    "html"};
    for (const char *p = dir; (p = strchr(p, '/')); p++) {
        for (size_t i = 0; i < ARRAY_LEN(names); i++) {
            size_t len = strlen(names[i]);
            if (strncmp(p + 1, names[i], len) == 0 && (p[len + 1] == '/' || p[len + 1] == '\0'))
                return names[i];
        }
    }
    return NULL;
}

/* `base` and `path` as an address; a slash of the path stays one. */
static void add_address(struct buf *out, const char *base, const char *path)
{
    (void)buf_adds(out, base);
    for (; *path; path++) {
        if (*path == '/')
            (void)buf_addc(out, '/');
        else
            (void)text_percent_encode(out, (char[]){*path, '\0'});
    }
}

/* Asks for `dir`/`name` below every folder of `base` it may lie in. Whether it was given out, at *address. */
static bool is_below_shown(struct doctor *d, const char *base, const char *dir, const char *name,
                           struct buf *address)
{
    struct err ignored;
    for (const char *from = dir; from;) {
        auto_(doctor_page) struct doctor_page page = {0};
        buf_clear(address);
        add_address(address, base, from);
        add_address(address, "/", name);
        if (doctor_get(d, buf_str(address), NULL, &page, &ignored) < 0)
            return false; /* the check of the web server says so */
        if (page.status == 200 && strcmp(buf_str(&page.body), name) == 0)
            return true;
        const char *next = *from ? strchr(from + 1, '/') : NULL;
        from = next ? next : *from ? "" : NULL; /* "/a/b", "/b", "" */
    }
    return false;
}

/* Puts a file of an unlikely name into the directory and asks the web server for it: below the pages' folder,
 * and below the top. */
static bool is_given_out(struct doctor *d, const char *dir, struct buf *address)
{
    struct err ignored;
    uint64_t random[2];
    char name[64];
    char file[PATH_MAX];
    char top[sizeof d->url];
    hash_random(random, sizeof random);
    (void)snprintf(name, sizeof name, "doctor-%016llx%016llx.txt", (unsigned long long)random[0],
                   (unsigned long long)random[1]);
    if (snprintf(file, sizeof file, "%s/%s", dir, name) >= (int)sizeof file ||
        io_write_file(file, name, strlen(name), &ignored) < 0)
        return false;
    (void)chmod(file, 0644); /* so that only the place protects it */
    const char *host = strstr(d->url, "://");
    (void)snprintf(top, sizeof top, "%.*s", (int)(host ? host + 3 - d->url + strcspn(host + 3, "/") : 0),
                   d->url);
    bool found = is_below_shown(d, d->url, dir, name, address) ||
                 (strcmp(top, d->url) != 0 && is_below_shown(d, top, dir, name, address));
    (void)unlink(file);
    return found;
}

void doctor_docroot(struct doctor *d)
{
    static const char fix[] =
        "data_dir = /var/lib/sluice (or any directory that is not shown), and move it there";
    char dir[PATH_MAX];
    char root[PATH_MAX];
    auto_(buf) struct buf address = BUF_INIT(4 * PATH_MAX);
    if (!realpath(d->config->data_dir, dir)) {
        doctor_say(d, DOCTOR_OK, NULL, "nothing to see");
        return;
    }
    if (d->opts->docroot && realpath(d->opts->docroot, root) && is_below(dir, root)) {
        doctor_say(d, DOCTOR_FAIL, fix, "data_dir %s lies in the folder of the pages, %s", dir, root);
        return;
    }
    if (*d->url && is_given_out(d, dir, &address)) {
        doctor_say(d, DOCTOR_FAIL, fix, "the web server gives out what lies in data_dir: %s",
                   buf_str(&address));
        return;
    }
    const char *part = shown_part(dir);
    if (part)
        doctor_say(d, DOCTOR_WARN, fix, "data_dir %s lies below a folder called %s, which web servers show",
                   dir, part);
    else
        doctor_say(d, DOCTOR_OK, NULL, "data_dir lies outside of what the web server shows%s",
                   *d->url || d->opts->docroot ? "" : ", as far as its name tells");
}

/* ---- What it lies on ---- */

/* Locks of this kind hold the places of streams. 0: they can be had. */
static int try_lock(const char *dir)
{
    char path[PATH_MAX];
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    if (snprintf(path, sizeof path, "%s/doctor-XXXXXX", dir) >= (int)sizeof path)
        return -1;
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return -1;
    int rc = fcntl(fd, F_OFD_SETLK, &lock);
    int why = errno;
    (void)unlink(path);
    (void)close(fd);
    errno = why;
    return rc;
}

void doctor_file_system(struct doctor *d)
{
    const char *dir = d->config->data_dir;
    struct statfs fs;
    if (statfs(dir, &fs) < 0) {
        doctor_say(d, DOCTOR_OK, NULL, "nothing to see");
        return;
    }
    bool fine = true;
    if (try_lock(dir) < 0) {
        doctor_say(d, DOCTOR_FAIL, "data_dir = (a directory on a local disk)",
                   "files in %s cannot be locked: %s", dir, strerror(errno));
        fine = false;
    }
    if (store_on_network(dir)) {
        doctor_say(d, DOCTOR_WARN, "data_dir = (a directory on a local disk)",
                   "%s is on a network or user-space file system: slower, and for one host only", dir);
        fine = false;
    }
    if ((uint32_t)fs.f_type == TMPFS_MAGIC || (uint32_t)fs.f_type == RAMFS_MAGIC) {
        doctor_say(d, DOCTOR_WARN, "data_dir = /var/lib/sluice",
                   "%s is in memory: keys and limits are gone after a reboot", dir);
        fine = false;
    }
    if (fine)
        doctor_say(d, DOCTOR_OK, NULL, "a local disk, with locks");
}

void doctor_disk(struct doctor *d)
{
    const struct config *c = d->config;
    struct statvfs fs;
    char text[256];
    if (statvfs(c->data_dir, &fs) < 0) {
        doctor_say(d, DOCTOR_OK, NULL, "nothing to see");
        return;
    }
    uint64_t left = (uint64_t)fs.f_bavail * fs.f_frsize;
    uint64_t want = (uint64_t)c->cache_bytes + (uint64_t)c->plan_cache_bytes + DISK_BESIDE_BYTES;
    (void)snprintf(text, sizeof text, "%llu MB left; the caches may grow to %llu MB",
                   (unsigned long long)(left / 1000000), (unsigned long long)(want / 1000000));
    if (left < DISK_LEAST_BYTES)
        doctor_say(d, DOCTOR_FAIL, "sluice gc, and make room", "%s", text);
    else if (left < want)
        doctor_say(d, DOCTOR_WARN, "plan_cache_bytes = 67108864, or make room", "%s", text);
    else if (fs.f_files && fs.f_favail < INODES_LEAST)
        doctor_say(d, DOCTOR_WARN, "sluice gc, and delete small files", "no more than %llu files can be made",
                   (unsigned long long)fs.f_favail);
    else
        doctor_say(d, DOCTOR_OK, NULL, "%s", text);
}
