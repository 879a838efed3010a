/* What the SQLite engine's files share: an open file, hardened, and its result codes. Internal to store/. */
#ifndef SLUICE_STORE_SQLITE_H
#define SLUICE_STORE_SQLITE_H

#include "store/db.h"

struct sqlite3;
struct sqlite3_stmt;

enum sqlite_journal { SQLITE_JOURNAL_WAL, SQLITE_JOURNAL_ROLLBACK };

struct sqlite_db {
    struct db db; /* first: a struct db of this engine is one of these; its name is the path */
    struct sqlite3 *handle;
    struct sqlite3_stmt *prepared[DB_STMT_COUNT]; /* NULL until first used */
};

/* Opens and hardens a connection to an existing file, without reading it. */
int sqlite_open(struct sqlite_db **out, const char *path, struct err *err);
void sqlite_close(struct sqlite_db *db);
DEFINE_AUTO_PTR(sqlite_db, sqlite_close)
/* The settings of a connection, once the file's journal mode is known (see journal.h). */
int sqlite_set_up(struct sqlite_db *db, enum sqlite_journal journal, struct err *err);
void sqlite_set_wait(struct sqlite_db *db, int wait_ms);
/* Fills *err from a result code of SQLite, with advice for the operator, and returns -1. */
int sqlite_fail(struct sqlite_db *db, int rc, struct err *err);
/* One fixed statement, and the first column of its first row as a number, or whether it is the text `equals`
 * (may be NULL). Returns SQLite's result code. */
int sqlite_ask(struct sqlite_db *db, const char *sql, const char *equals, int64_t *answer);

#endif
