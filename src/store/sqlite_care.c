/* See sqlite_care.h. */
#include "store/sqlite_care.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/sqlite.h"

static sqlite3 *handle_of(struct db *db)
{
    return ((struct sqlite_db *)db)->handle;
}

int sqlite_verify(struct db *db, struct buf *findings, struct err *err)
{
    sqlite3_stmt *st = NULL;
    bool sound = true;
    int rc = sqlite3_prepare_v2(handle_of(db), "PRAGMA integrity_check", -1, &st, NULL);
    while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(st, 0);
        if (!text || strcmp(text, "ok") != 0) {
            sound = false;
            (void)buf_addf(findings, "%s\n", text ? text : "out of memory");
        }
        rc = SQLITE_OK;
    }
    if (rc != SQLITE_DONE && (rc & 0xff) == SQLITE_CORRUPT) { /* too much so to be gone through */
        sound = false;
        (void)buf_addf(findings, "%s\n", sqlite3_errmsg(handle_of(db)));
    } else if (rc != SQLITE_DONE) {
        (void)sqlite_fail((struct sqlite_db *)db, rc, err);
        (void)sqlite3_finalize(st);
        return -1;
    }
    (void)sqlite3_finalize(st);
    return sound;
}

/* A copy begins anew whenever somebody writes, and where they do all the time it would never end. A reader's
 * transaction around it holds on to one moment: under WAL nobody notices, with a rollback journal writers
 * wait for as long as the disk takes. */
static int copy_all(sqlite3 *from, sqlite3 *to)
{
    int rc = sqlite3_exec(from, "BEGIN; SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        return rc;
    sqlite3_backup *copy = sqlite3_backup_init(to, "main", from, "main");
    if (copy) {
        rc = sqlite3_backup_step(copy, -1);
        int finished = sqlite3_backup_finish(copy);
        rc = rc == SQLITE_DONE ? finished : rc;
    } else {
        rc = sqlite3_errcode(to);
    }
    (void)sqlite3_exec(from, "COMMIT", NULL, NULL, NULL);
    return rc;
}

/* The copy in its own right: one file, whatever the original's journal is. */
static int finish(sqlite3 *to)
{
    int rc = sqlite3_exec(to, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL);
    return rc == SQLITE_OK ? sqlite3_close(to) : rc;
}

int sqlite_copy(struct db *db, const char *target, struct err *err)
{
    sqlite3 *to = NULL;
    /* Made here, for its mode: it holds the keys that seal links. */
    int fd = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set(err, ERR_INTERNAL, "%s: %s", target, strerror(errno));
    (void)close(fd);
    int rc = sqlite3_open_v2(target, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc == SQLITE_OK)
        rc = copy_all(handle_of(db), to);
    if (rc == SQLITE_OK && (rc = finish(to)) == SQLITE_OK)
        return 0;
    (void)err_set(err, ERR_INTERNAL, "cannot copy %s to %s: %s", db->name, target, sqlite3_errstr(rc));
    (void)sqlite3_close(to);
    (void)unlink(target);
    return -1;
}

const char *sqlite_library_version(void)
{
    return sqlite3_libversion();
}
