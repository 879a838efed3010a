/* See journal.h. */
#include "store/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/care.h"

enum { SETTLE_WAIT_MS = 10000, SETTLE_PAUSE_MAX_MS = 20, SCRATCH_BYTES = 4096 };

/* WAL keeps its index in shared memory, which two hosts that mount one directory do not share: there it
 * "works" and then loses writes. So these file systems never get it. Numbers that linux/magic.h lacks:
 * statfs(2). */
bool store_on_network(const char *path)
{
    static const uint64_t magics[] = {
        NFS_SUPER_MAGIC,   SMB_SUPER_MAGIC,  CIFS_SUPER_MAGIC, SMB2_SUPER_MAGIC,
        AFS_SUPER_MAGIC,   CODA_SUPER_MAGIC, V9FS_MAGIC,       CEPH_SUPER_MAGIC,
        OCFS2_SUPER_MAGIC, FUSE_SUPER_MAGIC, 0x01161970, /* GFS2 */
        0x0bd00bd0,                                      /* Lustre */
        0x47504653,                                      /* GPFS */
    };
    struct statfs fs;
    if (statfs(path, &fs) < 0)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(magics); i++) {
        if ((uint32_t)fs.f_type == magics[i])
            return true;
    }
    return false;
}

/* WAL's index is a file mapped by all. Tried on a scratch file: a database marked as WAL where that fails is
 * unusable for everybody until somebody repairs it. */
static bool can_share_memory(const char *path)
{
    char scratch[PATH_MAX];
    if (snprintf(scratch, sizeof scratch, "%s.XXXXXX", path) >= (int)sizeof scratch)
        return true;
    int fd = mkostemp(scratch, O_CLOEXEC);
    if (fd < 0)
        return true; /* SQLite will say better what is wrong here */
    (void)unlink(scratch);
    void *map = mmap(NULL, SCRATCH_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    bool can = map != MAP_FAILED || errno == ENOMEM;
    if (map != MAP_FAILED)
        (void)munmap(map, SCRATCH_BYTES);
    (void)close(fd);
    return can;
}

/* The first read is what maps the memory that WAL shares. */
static const char first_read[] = "SELECT count(*) FROM sqlite_schema";

static int enter_wal(struct sqlite_db *db, int64_t *is_wal)
{
    int64_t ignored;
    int rc = sqlite_ask(db, "PRAGMA journal_mode = WAL", "wal", is_wal);
    return rc == SQLITE_OK ? sqlite_ask(db, first_read, NULL, &ignored) : rc;
}

/* Exclusive locking is the one way to read, and so to convert, a WAL file where memory cannot be shared. */
static int leave_wal(struct sqlite_db *db)
{
    static const char *const steps[] = {
        "PRAGMA locking_mode = EXCLUSIVE", "PRAGMA journal_mode = DELETE", "PRAGMA locking_mode = NORMAL",
        first_read, /* gives the lock up */
    };
    int rc = SQLITE_OK;
    for (size_t i = 0; i < ARRAY_LEN(steps) && rc == SQLITE_OK; i++) {
        int64_t ignored;
        rc = sqlite_ask(db, steps[i], NULL, &ignored);
    }
    return rc;
}

/* SQLite does not wait for locks while it changes the mode, hence the patience here: each attempt is a new
 * connection, which holds nothing that another one waits for. */
int journal_open(struct sqlite_db **out, const char *path, struct err *err)
{
    bool wanted = !store_on_network(path) && can_share_memory(path);
    int64_t deadline_us = clock_mono_us() + SETTLE_WAIT_MS * INT64_C(1000);
    for (unsigned seed = (unsigned)getpid();;) {
        auto_ptr(sqlite_db) struct sqlite_db *db = NULL;
        int64_t is_wal = 0;
        if (sqlite_open(&db, path, err) < 0)
            return -1;
        sqlite_set_wait(db, 0);
        int rc = wanted ? enter_wal(db, &is_wal) : leave_wal(db);
        sqlite_set_wait(db, DB_USUAL_WAIT_MS);
        if (rc == SQLITE_OK) {
            if (sqlite_set_up(db, is_wal ? SQLITE_JOURNAL_WAL : SQLITE_JOURNAL_ROLLBACK, err) < 0)
                return -1;
            *out = steal(&db);
            return 0;
        }
        if ((rc & 0xff) != SQLITE_BUSY || clock_mono_us() > deadline_us) {
            (void)sqlite_fail(db, rc, err);
            return -1;
        }
        sqlite_close(steal(&db));
        clock_sleep_ms(1 + (unsigned)rand_r(&seed) % SETTLE_PAUSE_MAX_MS);
    }
}
