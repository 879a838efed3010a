/* One SQLite connection of store/: how it is opened and hardened, and its named statements. Internal to
 * store/.
 *
 * Threads: a struct db is used by one thread at a time (the pool in store.c sees to that).
 * Every statement is one row of the table in db.c, in the dialect SQLite and PostgreSQL share ($1 parameters,
 * ON CONFLICT); it is prepared at its first use on a connection and only ever bound, never pasted together.
 */
#ifndef SLUICE_STORE_DB_H
#define SLUICE_STORE_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/defs.h"
#include "base/err.h"

struct sqlite3;
struct sqlite3_stmt;

enum db_stmt {
    DB_CACHE_GET,    /* key, now → value, expires */
    DB_CACHE_PUT,    /* key, expires, value */
    DB_CACHE_DELETE, /* key */
    DB_CACHE_PRUNE,  /* now, how many at most */
    DB_CACHE_SIZE,   /* → bytes, about */
    DB_CACHE_EVICT,  /* how many at most → bytes of each */
    DB_KEY_ADD,      /* id, key, created; nothing happens when the id is taken */
    DB_KEY_LIST,     /* how many at most → id, key; newest first */
    DB_STMT_COUNT
};

enum db_journal { DB_WAL, DB_ROLLBACK };

struct db {
    struct db *next; /* in the pool */
    struct sqlite3 *handle;
    struct sqlite3_stmt *prepared[DB_STMT_COUNT]; /* NULL until first used */
    const char *path;                             /* borrowed from the opener */
    bool
        spoilt; /* met damage or an I/O error: a new connection may fare better, this one is not used again */
};

/* Opens and hardens a connection to an existing file, without reading it. */
int db_open(struct db **out, const char *path, struct err *err);
void db_close(struct db *db);
DEFINE_AUTO_PTR(db, db_close)
/* The settings of a connection, once the file's journal mode is known (see journal.h). */
int db_set_up(struct db *db, enum db_journal journal, struct err *err);
/* How long a statement waits for the locks of others; DB_USUAL_WAIT_MS from the start. */
enum { DB_USUAL_WAIT_MS = 5000 };
void db_set_wait(struct db *db, int wait_ms);
/* Whether the file was removed or replaced under the connection: what is written there is lost. */
bool db_is_orphan(struct db *db);
/* Fills *err from a result code of SQLite, with advice for the operator, and returns -1. */
int db_fail(struct db *db, int rc, struct err *err);

/* Values to bind, in order. Text and blobs are borrowed until the statement is reset. */
struct db_value {
    enum { DB_INT, DB_TEXT, DB_BLOB } kind;
    int64_t number;
    const void *data;
    size_t len;
};
#define DB_INT_VALUE(n)                                                                                      \
    {                                                                                                        \
        .kind = DB_INT, .number = (n)                                                                        \
    }
#define DB_TEXT_VALUE(s)                                                                                     \
    {                                                                                                        \
        .kind = DB_TEXT, .data = (s), .len = strlen(s)                                                       \
    }
#define DB_BLOB_VALUE(p, n)                                                                                  \
    {                                                                                                        \
        .kind = DB_BLOB, .data = (p), .len = (n)                                                             \
    }

/* Binds and steps: 1 there is a row, 0 done, -1 error. After a 1 read the columns, go on with db_next() and
 * end with db_reset(); after anything else the statement is reset already. */
int db_run(struct db *db, enum db_stmt id, const struct db_value *values, struct err *err);
int db_next(struct db *db, enum db_stmt id, struct err *err);
void db_reset(struct db *db, enum db_stmt id);
int64_t db_column_int(struct db *db, enum db_stmt id, int column);
/* Borrowed until the next step or reset. NULL for an empty value, and when memory ran out (*len says which).
 */
const void *db_column_blob(struct db *db, enum db_stmt id, int column, size_t *len);
/* Rows changed by the last statement. */
int64_t db_changes(struct db *db);

/* For opening a file: one fixed statement, and the first column of its first row as a number, or whether it
 * is the text `equals` (may be NULL). Returns SQLite's result code. */
int db_ask(struct db *db, const char *sql, const char *equals, int64_t *answer);

#endif
