/* Brings a database's schema up to date. Internal to store/. */
#ifndef SLUICE_STORE_MIGRATE_H
#define SLUICE_STORE_MIGRATE_H

#include "store/db.h"

/* Applies the migrations of sql/ that the database lacks, in order, all or none. Any number of processes may
 * do this at once. */
int migrate(struct db *db, struct err *err);

/* What it has. Counted, because a later number may have come before an earlier one, from another line of
 * work. */
struct migrate_state {
    int64_t version; /* the highest; 0: none yet */
    int64_t missing; /* how many migrate() would apply */
};
/* One that only a newer program understands is an error. */
int migrate_look(struct db *db, struct migrate_state *out, struct err *err);

#endif
