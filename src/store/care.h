/* Looking after a database, for the command line: what it is, whether it is sound, a copy of it, and what may
 * go. `where` as of store_open(). Nothing here makes a database that is not there.
 * Threads: each call opens what it needs. Errors as in store.h; ERR_NOT_FOUND there is no such file yet. */
#ifndef SLUICE_STORE_CARE_H
#define SLUICE_STORE_CARE_H

#include "store/store.h"

struct store_about {
    bool is_file;
    char name[1024]; /* the file's path; of a server, what may be shown of its URL */
    int64_t version; /* of the schema: the highest migration; 0: none yet */
    int64_t missing; /* migrations that this program would apply */
};

/* Only `where` is read: is_file and name. */
int store_name(const char *where, struct store_about *out, struct err *err);
/* Opens it as it is, and brings nothing up to date. ERR_INTERNAL: also when a newer program made it. */
int store_look(const char *where, struct store_about *out, struct err *err);
/* Reads all of it: every page and index of a file; of a server, which checks its own, only that it answers.
 * 1 it is sound, 0 it is not, and `findings` has a line for each thing that is wrong, -1 it cannot be read.
 */
int store_verify(const char *where, struct buf *findings, struct err *err);
/* Copies a file, as it is at one moment, to one that must not exist, mode 0600; others go on using it. Of a
 * server: ERR_UNSUPPORTED_SITE. */
int store_backup(const char *where, const char *target, struct err *err);

/* What store_sweep() has deleted. */
struct store_swept {
    int64_t cache_rows;   /* expired */
    int64_t evicted;      /* bytes that were over the cache's limit */
    int64_t rate_rows;    /* limits that have all of their quota back */
    int64_t token_rows;   /* about links that have expired */
    int64_t jobs;         /* that have been over for long enough */
    int64_t address_keys; /* of the days before */
};
/* Deletes at once what the programs delete now and then: all that has expired, and what is over
 * store_limit_cache(). */
int store_sweep(struct store *s, int64_t now_unix_s, struct store_swept *out, struct err *err);

/* The file system there is one that several hosts may share, or that behaves as if: no WAL on it. */
bool store_on_network(const char *path);

/* "SQLite 3.40.1, libpq 15.3" */
void store_library_versions(struct buf *out);

#endif
