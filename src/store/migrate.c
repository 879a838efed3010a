/* See migrate.h. */
#include "store/migrate.h"

#include <errno.h>
#include <linux/magic.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/clock.h"
#include "base/embed.h"
#include "base/text.h"

enum { SETTLE_WAIT_MS = 10000, SETTLE_PAUSE_MS = 5, VERSION_MAX = 999999 };

/* WAL keeps its index in shared memory, which two hosts that mount one directory do not share: there it
 * "works" and then loses writes. So these file systems never get it. Numbers that linux/magic.h lacks:
 * statfs(2). */
static bool on_network(const char *path)
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

/* One statement and the first column of its first row as a number (0 where there is none), or as a text that
 * equals `equals`. Changing the journal mode does not use SQLite's busy handler, hence the patience here. */
static int ask(struct db *db, const char *sql, const char *equals, int64_t *answer)
{
    int64_t deadline_us = clock_mono_us() + SETTLE_WAIT_MS * INT64_C(1000);
    for (;;) {
        sqlite3_stmt *st = NULL;
        *answer = 0;
        int rc = sqlite3_prepare_v2(db->handle, sql, -1, &st, NULL);
        if (rc == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW) {
            const char *text = (const char *)sqlite3_column_text(st, 0);
            *answer = equals ? text && strcmp(text, equals) == 0 : sqlite3_column_int64(st, 0);
        }
        int finished = sqlite3_finalize(st);
        rc = rc == SQLITE_OK ? finished : rc;
        if ((rc & 0xff) != SQLITE_BUSY || clock_mono_us() > deadline_us)
            return rc;
        clock_sleep_ms(SETTLE_PAUSE_MS);
    }
}

/* The first read is what maps the shared memory of WAL. */
static const char first_read[] = "SELECT count(*) FROM sqlite_schema";

static int try_wal(struct db *db, int64_t *is_wal)
{
    int64_t ignored;
    int rc = ask(db, "PRAGMA journal_mode = WAL", "wal", is_wal);
    return rc == SQLITE_OK ? ask(db, first_read, NULL, &ignored) : rc;
}

/* Exclusive locking is the one way to read, and so to convert, a WAL file where memory cannot be shared. */
static int leave_wal(struct db *db)
{
    static const char *const steps[] = {
        "PRAGMA locking_mode = EXCLUSIVE", "PRAGMA journal_mode = DELETE", "PRAGMA locking_mode = NORMAL",
        first_read, /* gives the lock up */
    };
    int rc = SQLITE_OK;
    for (size_t i = 0; i < ARRAY_LEN(steps) && rc == SQLITE_OK; i++) {
        int64_t ignored;
        rc = ask(db, steps[i], NULL, &ignored);
    }
    return rc;
}

static int settle_journal(struct db **db, const char *path, enum db_journal *journal, struct err *err)
{
    *journal = DB_ROLLBACK;
    if (!on_network(path)) {
        int64_t is_wal = 0;
        int rc = try_wal(*db, &is_wal);
        if (rc == SQLITE_OK) {
            *journal = is_wal ? DB_WAL : DB_ROLLBACK;
            return 0;
        }
        if ((rc & 0xff) != SQLITE_IOERR && (rc & 0xff) != SQLITE_CANTOPEN)
            return db_fail(*db, rc, err);
        /* Marked as WAL by now, yet it does not work here. The failed connection has to go first. */
        db_close(steal(db));
        if (db_open(db, path, err) < 0)
            return -1;
    }
    int rc = leave_wal(*db);
    return rc == SQLITE_OK ? 0 : db_fail(*db, rc, err);
}

/* The number in front of "001-start.sql"; 0 for files that are no migration. */
static int64_t version_of(const char *name)
{
    uint64_t version = 0;
    size_t digits = strspn(name, "0123456789");
    if (!text_ends_with(name, ".sql") || text_parse_u64n(name, digits, 1, VERSION_MAX, &version) < 0)
        return 0;
    return (int64_t)version;
}

static int64_t newest_version(void)
{
    int64_t newest = 0;
    for (const struct embed_file *f = embed_files; f->name; f++)
        newest = version_of(f->name) > newest ? version_of(f->name) : newest;
    return newest;
}

/* What the file has; one that only a newer program understands is an error. */
static int current_version(struct db *db, int64_t *version, struct err *err)
{
    int64_t exists;
    *version = 0;
    int rc = ask(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'schema_migration'", NULL, &exists);
    if (rc == SQLITE_OK && exists)
        rc = ask(db, "SELECT max(version) FROM schema_migration", NULL, version);
    if (rc != SQLITE_OK)
        return db_fail(db, rc, err);
    if (*version > newest_version()) {
        return err_set(
            err, ERR_INTERNAL,
            "%s was made by a newer Sluice (schema %lld, this program knows %lld): use that or newer",
            db->path, (long long)*version, (long long)newest_version());
    }
    return 0;
}

static int apply(struct db *db, const struct embed_file *file)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_exec(db->handle, file->text, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(db->handle, "INSERT INTO schema_migration VALUES ($1, $2, $3)", -1, &st,
                                NULL);
    if (rc != SQLITE_OK)
        return rc;
    (void)sqlite3_bind_int64(st, 1, version_of(file->name));
    (void)sqlite3_bind_text(st, 2, file->name, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(st, 3, clock_unix_s());
    (void)sqlite3_step(st);
    return sqlite3_finalize(st);
}

/* Inside a write transaction: all that are missing, or none. */
static int apply_missing(struct db *db, struct err *err)
{
    int64_t version;
    int rc = sqlite3_exec(
        db->handle,
        "CREATE TABLE IF NOT EXISTS schema_migration (version INTEGER PRIMARY KEY NOT NULL, "
        "name TEXT NOT NULL, applied_unix_s INTEGER NOT NULL) STRICT",
        NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        return db_fail(db, rc, err);
    /* Asked again under the lock: another process may have been first. */
    if (current_version(db, &version, err) < 0)
        return -1;
    for (const struct embed_file *f = embed_files; f->name; f++) {
        if (version_of(f->name) > version && apply(db, f) != SQLITE_OK) {
            return err_set(err, ERR_INTERNAL, "%s: migration %s: %s", db->path, f->name,
                           sqlite3_errmsg(db->handle));
        }
    }
    return 0;
}

static int migrate(struct db *db, struct err *err)
{
    int64_t version;
    if (current_version(db, &version, err) < 0)
        return -1;
    if (version == newest_version())
        return 0;
    int rc = sqlite3_exec(db->handle, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        return db_fail(db, rc, err);
    if (apply_missing(db, err) < 0) {
        (void)sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
        return -1;
    }
    rc = sqlite3_exec(db->handle, "COMMIT", NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : db_fail(db, rc, err);
}

int migrate_open(struct db **out, const char *path, enum db_journal *journal, struct err *err)
{
    /* Not open() and close(): closing any descriptor of a file drops the locks that this process has on it.
     * The -wal and -shm files take the mode of this one. */
    if (mknod(path, S_IFREG | 0600, 0) < 0 && errno != EEXIST)
        return err_set(err, ERR_INTERNAL, "cannot create %s: %s", path, strerror(errno));
    auto_ptr(db) struct db *db = NULL;
    if (db_open(&db, path, err) < 0 || settle_journal(&db, path, journal, err) < 0 ||
        db_set_up(db, *journal, err) < 0 || migrate(db, err) < 0)
        return -1;
    if (sqlite3_db_readonly(db->handle, "main"))
        return db_fail(db, SQLITE_READONLY, err);
    *out = steal(&db);
    return 0;
}
