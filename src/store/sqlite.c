/* The embedded engine: one SQLite file, shared by all processes of the host. See db.h for what is asked of an
 * engine, sqlite.h for what its files share. */
#include "store/sqlite.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "store/journal.h"
#include "store/store.h"

enum {
    PAGE_CACHE_KIB = 1024, /* per connection; the kernel's page cache stands behind it */
    ROW_OVERHEAD_BYTES = 65536,
    JOURNAL_KEPT_BYTES = 64 << 20, /* a write-ahead log that once grew larger is cut back to this */
};

int sqlite_fail(struct sqlite_db *db, int rc, struct err *err)
{
    const char *words = db->handle ? sqlite3_errmsg(db->handle) : sqlite3_errstr(rc);
    switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        err_set(err, ERR_BUSY, "%s: %s", db->db.name, words);
        if (err)
            err->retry_after_s = 1;
        return -1;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        db->db.spoilt = true;
        return err_set(err, ERR_INTERNAL,
                       "%s is damaged (%s): stop Sluice, move the file away or put a copy back, start again",
                       db->db.name, words);
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
        db->db.spoilt = true;
        return err_set(err, ERR_INTERNAL,
                       "%s cannot be used (%s): file and directory must belong to the user Sluice runs as",
                       db->db.name, words);
    case SQLITE_FULL:
        return err_set(err, ERR_INTERNAL, "%s: no space left on the disk", db->db.name);
    case SQLITE_IOERR:
        db->db.spoilt = true;
        break;
    default:
        break;
    }
    return err_set(err, ERR_INTERNAL, "%s: %s (%d)", db->db.name, words, rc);
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

int sqlite_open(struct sqlite_db **out, const char *path, struct err *err)
{
    auto_ptr(sqlite_db) struct sqlite_db *db = calloc(1, sizeof *db);
    if (!db)
        return err_set(err, ERR_INTERNAL, "out of memory");
    db->db = (struct db){.engine = &db_sqlite, .name = path};
    int rc = sqlite3_open_v2(path, &db->handle,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (rc != SQLITE_OK)
        return sqlite_fail(db, rc, err);
    harden(db->handle);
    sqlite_set_wait(db, DB_USUAL_WAIT_MS);
    *out = steal(&db);
    return 0;
}

void sqlite_close(struct sqlite_db *db)
{
    if (!db)
        return;
    for (size_t i = 0; i < DB_STMT_COUNT; i++)
        (void)sqlite3_finalize(db->prepared[i]);
    (void)sqlite3_close(db->handle);
    free(db);
}

int sqlite_set_up(struct sqlite_db *db, enum sqlite_journal journal, struct err *err)
{
    /* Under WAL, NORMAL may lose the last transactions in a power cut but keeps the file whole; with a
     * rollback journal only FULL does. What is deleted (the keys of past days) is overwritten. */
    char sql[200];
    (void)snprintf(
        sql, sizeof sql,
        "PRAGMA synchronous = %s; PRAGMA secure_delete = FAST; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -%d; "
        "PRAGMA journal_size_limit = %d",
        journal == SQLITE_JOURNAL_WAL ? "NORMAL" : "FULL", PAGE_CACHE_KIB, JOURNAL_KEPT_BYTES);
    int rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : sqlite_fail(db, rc, err);
}

void sqlite_set_wait(struct sqlite_db *db, int wait_ms)
{
    (void)sqlite3_busy_timeout(db->handle, wait_ms);
}

static struct sqlite_db *of(struct db *db)
{
    return (struct sqlite_db *)db;
}

static bool is_lost(struct db *base)
{
    struct sqlite_db *db = of(base);
    int moved = 0;
    return sqlite3_file_control(db->handle, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved;
}

/* SQLite numbers `$n` parameters by their first appearance: a statement that mentions $2 before $1 would be
 * bound wrongly here and rightly elsewhere, so it is refused. */
static int prepare(struct sqlite_db *db, enum db_stmt id, struct err *err)
{
    int rc = sqlite3_prepare_v3(db->handle, db_stmt_text(id), -1, SQLITE_PREPARE_PERSISTENT,
                                &db->prepared[id], NULL);
    if (rc != SQLITE_OK)
        return sqlite_fail(db, rc, err);
    for (int i = 1; i <= sqlite3_bind_parameter_count(db->prepared[id]); i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "$%d", i);
        if (strcmp(sqlite3_bind_parameter_name(db->prepared[id], i), name) != 0)
            return err_set(err, ERR_INTERNAL, "parameters out of order: %s", db_stmt_text(id));
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

static void reset(struct db *base, enum db_stmt id)
{
    struct sqlite_db *db = of(base);
    (void)sqlite3_reset(db->prepared[id]);
    (void)sqlite3_clear_bindings(db->prepared[id]);
}

static int next(struct db *base, enum db_stmt id, struct err *err)
{
    struct sqlite_db *db = of(base);
    int rc = sqlite3_step(db->prepared[id]);
    if (rc == SQLITE_ROW)
        return 1;
    int failed = rc == SQLITE_DONE ? 0 : sqlite_fail(db, rc, err);
    reset(&db->db, id);
    return failed;
}

static int run(struct db *base, enum db_stmt id, const struct db_value *values, struct err *err)
{
    struct sqlite_db *db = of(base);
    if (!db->prepared[id] && prepare(db, id, err) < 0)
        return -1;
    int count = sqlite3_bind_parameter_count(db->prepared[id]);
    for (int i = 0; i < count; i++) {
        int rc = bind(db->prepared[id], i + 1, &values[i]);
        if (rc != SQLITE_OK) {
            reset(&db->db, id);
            return sqlite_fail(db, rc, err);
        }
    }
    return next(base, id, err);
}

static int64_t column_int(struct db *base, enum db_stmt id, int column)
{
    struct sqlite_db *db = of(base);
    return sqlite3_column_int64(db->prepared[id], column);
}

static const void *column_blob(struct db *base, enum db_stmt id, int column, size_t *len)
{
    struct sqlite_db *db = of(base);
    const void *data = sqlite3_column_blob(db->prepared[id], column);
    *len = (size_t)sqlite3_column_bytes(db->prepared[id], column);
    return data;
}

static int64_t changes(struct db *base)
{
    struct sqlite_db *db = of(base);
    return sqlite3_changes64(db->handle);
}

int sqlite_ask(struct sqlite_db *db, const char *sql, const char *equals, int64_t *answer)
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

static int exec(struct db *base, const char *sql, struct err *err)
{
    int rc = sqlite3_exec(of(base)->handle, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : sqlite_fail(of(base), rc, err);
}

static int ask(struct db *base, const char *sql, int64_t *answer, struct err *err)
{
    int rc = sqlite_ask(of(base), sql, NULL, answer);
    return rc == SQLITE_OK ? 0 : sqlite_fail(of(base), rc, err);
}

static int open_file(struct db **out, const char *path, int wait_ms, struct err *err)
{
    /* Not open() and close(): closing any descriptor of a file drops the locks that this process has on it.
     * The -wal and -shm files take the mode of this one. */
    if (mknod(path, S_IFREG | 0600, 0) < 0 && errno != EEXIST)
        return err_set(err, ERR_INTERNAL, "cannot create %s: %s", path, strerror(errno));
    (void)wait_ms; /* bringing a file into shape takes what it takes */
    struct sqlite_db *db = NULL;
    if (journal_open(&db, path, err) < 0)
        return -1;
    if (sqlite3_db_readonly(db->handle, "main")) {
        (void)sqlite_fail(db, SQLITE_READONLY, err);
        sqlite_close(db);
        return -1;
    }
    *out = &db->db;
    return 0;
}

static void close_file(struct db *base)
{
    sqlite_close(of(base));
}

static void set_wait(struct db *base, int wait_ms)
{
    sqlite_set_wait(of(base), wait_ms);
}

const struct db_engine db_sqlite = {
    .open = open_file,
    .close = close_file,
    .set_wait = set_wait,
    .is_lost = is_lost,
    .run = run,
    .next = next,
    .reset = reset,
    .column_int = column_int,
    .column_blob = column_blob,
    .changes = changes,
    .exec = exec,
    .ask = ask,
    .ask_migrated = "SELECT count(*) FROM sqlite_schema WHERE name = 'schema_migration'",
    .begin = "BEGIN IMMEDIATE",
    .begin_migration = "BEGIN IMMEDIATE",
};
