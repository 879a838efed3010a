/* Makes a database file ready for use: permissions, journal mode, migrations. Internal to store/. */
#ifndef SLUICE_STORE_MIGRATE_H
#define SLUICE_STORE_MIGRATE_H

#include "store/db.h"

/* Creates the file when it is missing (mode 0600), settles its journal mode and applies the migrations it
 * lacks. Any number of processes may do this at once. */
int migrate_open(struct db **out, const char *path, struct err *err);

#endif
