/* Brings a database's schema up to date. Internal to store/. */
#ifndef SLUICE_STORE_MIGRATE_H
#define SLUICE_STORE_MIGRATE_H

#include "store/db.h"

/* Applies the migrations of sql/ that the database lacks, in order, all or none. Any number of processes may
 * do this at once. */
int migrate(struct db *db, struct err *err);

#endif
