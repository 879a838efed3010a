/* How a database file is journalled: as a write-ahead log where the file system can, else with a rollback
 * journal. Internal to store/. The mode is a property of the file; where a file was moved from one kind of
 * file system to the other it is converted. */
#ifndef SLUICE_STORE_JOURNAL_H
#define SLUICE_STORE_JOURNAL_H

#include "store/sqlite.h"

/* Opens an existing file and settles its mode, however many processes do the same at once. */
int journal_open(struct sqlite_db **out, const char *path, struct err *err);

#endif
