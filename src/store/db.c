/* See db.h. */
#include "store/db.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "store/store.h"

enum {
    PAGE_CACHE_KIB = 1024, /* per connection; the kernel's page cache stands behind it */
    ROW_OVERHEAD_BYTES = 65536,
    JOURNAL_KEPT_BYTES = 64 << 20, /* a write-ahead log that once grew larger is cut back to this */
};

/* DB_CACHE_PRUNE and DB_CACHE_EVICT delete in portions, so that other writers get between. 300: a row's key,
 * twice, and what surrounds it. */
static const char *const statements[DB_STMT_COUNT] = {
    [DB_CACHE_GET] = "SELECT value, expires_unix_s FROM media_cache WHERE key = $1 AND expires_unix_s > $2",
    [DB_CACHE_PUT] = ("INSERT INTO media_cache (key, expires_unix_s, value) VALUES ($1, $2, $3) "
                      "ON CONFLICT (key) DO UPDATE SET expires_unix_s = excluded.expires_unix_s, "
                      "value = excluded.value"),
    [DB_CACHE_SIZE] = "SELECT sum(length(value) + 300) FROM media_cache",
    [DB_CACHE_EVICT] = ("DELETE FROM media_cache WHERE key IN "
                        "(SELECT key FROM media_cache ORDER BY expires_unix_s LIMIT $1) "
                        "RETURNING length(value) + 300"),
    [DB_CACHE_DELETE] = "DELETE FROM media_cache WHERE key = $1",
    [DB_CACHE_PRUNE] = ("DELETE FROM media_cache WHERE key IN "
                        "(SELECT key FROM media_cache WHERE expires_unix_s <= $1 LIMIT $2)"),
    [DB_KEY_ADD] =
        "INSERT INTO token_key (id, key, created_unix_s) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
    [DB_KEY_LIST] = "SELECT id, key FROM token_key ORDER BY id DESC LIMIT $1",
};

int db_fail(struct db *db, int rc, struct err *err)
{
    const char *words = db->handle ? sqlite3_errmsg(db->handle) : sqlite3_errstr(rc);
    switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        err_set(err, ERR_BUSY, "%s: %s", db->path, words);
        if (err)
            err->retry_after_s = 1;
        return -1;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        db->spoilt = true;
        return err_set(err, ERR_INTERNAL,
                       "%s is damaged (%s): stop Sluice, move the file away or put a copy back, start again",
                       db->path, words);
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
        db->spoilt = true;
        return err_set(err, ERR_INTERNAL,
                       "%s cannot be used (%s): file and directory must belong to the user Sluice runs as",
                       db->path, words);
    case SQLITE_FULL:
        return err_set(err, ERR_INTERNAL, "%s: no space left on the disk", db->path);
    case SQLITE_IOERR:
        db->spoilt = true;
        break;
    default:
        break;
    }
    return err_set(err, ERR_INTERNAL, "%s: %s (%d)", db->path, words, rc);
}

/* The file may have been put there by somebody else: nothing in its schema may act on its own, and values
 * have the size we give them. */
static void harden(sqlite3 *handle)
{
    static const struct {
        int option, value;
    } options[] = {
        {SQLITE_DBCONFIG_DEFENSIVE, 1},       {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
        {SQLITE_DBCONFIG_ENABLE_FKEY, 1},     {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0},
        {SQLITE_DBCONFIG_ENABLE_VIEW, 0},     {SQLITE_DBCONFIG_DQS_DML, 0},
        {SQLITE_DBCONFIG_DQS_DDL, 0},         {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
        {SQLITE_DBCONFIG_WRITABLE_SCHEMA, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        (void)sqlite3_db_config(handle, options[i].option, options[i].value, NULL);
    (void)sqlite3_limit(handle, SQLITE_LIMIT_LENGTH, STORE_VALUE_MAX_BYTES + ROW_OVERHEAD_BYTES);
    (void)sqlite3_limit(handle, SQLITE_LIMIT_ATTACHED, 0);
}

int db_open(struct db **out, const char *path, struct err *err)
{
    auto_ptr(db) struct db *db = calloc(1, sizeof *db);
    if (!db)
        return err_set(err, ERR_INTERNAL, "out of memory");
    db->path = path;
    int rc = sqlite3_open_v2(path, &db->handle,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (rc != SQLITE_OK)
        return db_fail(db, rc, err);
    harden(db->handle);
    db_set_wait(db, DB_USUAL_WAIT_MS);
    *out = steal(&db);
    return 0;
}

void db_close(struct db *db)
{
    if (!db)
        return;
    for (size_t i = 0; i < DB_STMT_COUNT; i++)
        (void)sqlite3_finalize(db->prepared[i]);
    (void)sqlite3_close(db->handle);
    free(db);
}

int db_set_up(struct db *db, enum db_journal journal, struct err *err)
{
    /* Under WAL, NORMAL may lose the last transactions in a power cut but keeps the file whole; with a
     * rollback journal only FULL does. */
    char sql[200];
    (void)snprintf(sql, sizeof sql,
                   "PRAGMA synchronous = %s; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -%d; "
                   "PRAGMA journal_size_limit = %d",
                   journal == DB_WAL ? "NORMAL" : "FULL", PAGE_CACHE_KIB, JOURNAL_KEPT_BYTES);
    int rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : db_fail(db, rc, err);
}

void db_set_wait(struct db *db, int wait_ms)
{
    (void)sqlite3_busy_timeout(db->handle, wait_ms);
}

bool db_is_orphan(struct db *db)
{
    int moved = 0;
    return sqlite3_file_control(db->handle, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved;
}

/* SQLite numbers `$n` parameters by their first appearance: a statement that mentions $2 before $1 would be
 * bound wrongly here and rightly elsewhere, so it is refused. */
static int prepare(struct db *db, enum db_stmt id, struct err *err)
{
    int rc = sqlite3_prepare_v3(db->handle, statements[id], -1, SQLITE_PREPARE_PERSISTENT, &db->prepared[id],
                                NULL);
    if (rc != SQLITE_OK)
        return db_fail(db, rc, err);
    for (int i = 1; i <= sqlite3_bind_parameter_count(db->prepared[id]); i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "$%d", i);
        if (strcmp(sqlite3_bind_parameter_name(db->prepared[id], i), name) != 0)
            return err_set(err, ERR_INTERNAL, "parameters out of order: %s", statements[id]);
    }
    return 0;
}

static int bind(sqlite3_stmt *st, int i, const struct db_value *v)
{
    switch (v->kind) {
    case DB_INT:
        return sqlite3_bind_int64(st, i, v->number);
    case DB_TEXT:
        return sqlite3_bind_text64(st, i, v->data, v->len, SQLITE_STATIC, SQLITE_UTF8);
    case DB_BLOB:
        break;
    }
    return v->len ? sqlite3_bind_blob64(st, i, v->data, v->len, SQLITE_STATIC)
                  : sqlite3_bind_zeroblob(st, i, 0);
}

int db_run(struct db *db, enum db_stmt id, const struct db_value *values, struct err *err)
{
    if (!db->prepared[id] && prepare(db, id, err) < 0)
        return -1;
    int count = sqlite3_bind_parameter_count(db->prepared[id]);
    for (int i = 0; i < count; i++) {
        int rc = bind(db->prepared[id], i + 1, &values[i]);
        if (rc != SQLITE_OK) {
            db_reset(db, id);
            return db_fail(db, rc, err);
        }
    }
    return db_next(db, id, err);
}

int db_next(struct db *db, enum db_stmt id, struct err *err)
{
    int rc = sqlite3_step(db->prepared[id]);
    if (rc == SQLITE_ROW)
        return 1;
    int failed = rc == SQLITE_DONE ? 0 : db_fail(db, rc, err);
    db_reset(db, id);
    return failed;
}

void db_reset(struct db *db, enum db_stmt id)
{
    (void)sqlite3_reset(db->prepared[id]);
    (void)sqlite3_clear_bindings(db->prepared[id]);
}

int64_t db_column_int(struct db *db, enum db_stmt id, int column)
{
    return sqlite3_column_int64(db->prepared[id], column);
}

const void *db_column_blob(struct db *db, enum db_stmt id, int column, size_t *len)
{
    const void *data = sqlite3_column_blob(db->prepared[id], column);
    *len = (size_t)sqlite3_column_bytes(db->prepared[id], column);
    return data;
}

int64_t db_changes(struct db *db)
{
    return sqlite3_changes64(db->handle);
}

int db_ask(struct db *db, const char *sql, const char *equals, int64_t *answer)
{
    sqlite3_stmt *st = NULL;
    *answer = 0;
    int rc = sqlite3_prepare_v2(db->handle, sql, -1, &st, NULL);
    if (rc == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(st, 0);
        *answer = equals ? text && strcmp(text, equals) == 0 : sqlite3_column_int64(st, 0);
    }
    int finished = sqlite3_finalize(st);
    return rc == SQLITE_OK ? finished : rc;
}
