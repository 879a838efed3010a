/* See migrate.h. */
#include "store/migrate.h"

#include <errno.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/embed.h"
#include "base/text.h"
#include "store/journal.h"

enum { VERSION_MAX = 999999 };

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
    int rc = db_ask(db, "SELECT count(*) FROM sqlite_schema WHERE name = 'schema_migration'", NULL, &exists);
    if (rc == SQLITE_OK && exists)
        rc = db_ask(db, "SELECT max(version) FROM schema_migration", NULL, version);
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

int migrate_open(struct db **out, const char *path, struct err *err)
{
    /* Not open() and close(): closing any descriptor of a file drops the locks that this process has on it.
     * The -wal and -shm files take the mode of this one. */
    if (mknod(path, S_IFREG | 0600, 0) < 0 && errno != EEXIST)
        return err_set(err, ERR_INTERNAL, "cannot create %s: %s", path, strerror(errno));
    auto_ptr(db) struct db *db = NULL;
    if (journal_open(&db, path, err) < 0 || migrate(db, err) < 0)
        return -1;
    if (sqlite3_db_readonly(db->handle, "main"))
        return db_fail(db, SQLITE_READONLY, err);
    *out = steal(&db);
    return 0;
}
