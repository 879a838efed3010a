/* What only SQLite's own interface can do for a file. Internal to store/; `db` is one of that engine. */
#ifndef SLUICE_STORE_SQLITE_CARE_H
#define SLUICE_STORE_SQLITE_CARE_H

#include "base/buf.h"
#include "store/db.h"

/* As store_verify() and store_backup() in care.h. */
int sqlite_verify(struct db *db, struct buf *findings, struct err *err);
int sqlite_copy(struct db *db, const char *target, struct err *err);
const char *sqlite_library_version(void);

#endif
