/* One connection of store/ to its database, whichever engine that is, and its named statements. Internal to
 * store/.
 *
 * Threads: a struct db is used by one thread at a time (the pool sees to that).
 * Every statement is one row of the table in db.c, in the dialect SQLite and PostgreSQL share; it is prepared
 * at its first use on a connection and only ever bound, never pasted together. The dialect:
 * - parameters are $1, $2 … in the order of their first appearance, each always of the same kind;
 * - ON CONFLICT, RETURNING, CASE, length(), coalesce(); numbers are 64 bits, times come as parameters;
 * - a sum of a column is CAST(sum(…) AS BIGINT), because PostgreSQL adds such up to a type without limits.
 * For sql/ there are also STRICT, INTEGER and BLOB, which PostgreSQL gets translated: see postgres.c.
 */
#ifndef SLUICE_STORE_DB_H
#define SLUICE_STORE_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/defs.h"
#include "base/err.h"

enum db_stmt {
    DB_CACHE_GET,      /* key, now → value, expires */
    DB_CACHE_PUT,      /* key, expires, value */
    DB_CACHE_DELETE,   /* key */
    DB_CACHE_PRUNE,    /* now, how many at most */
    DB_CACHE_SIZE,     /* → bytes, about */
    DB_CACHE_COUNT,    /* now → how many there are that are good */
    DB_CACHE_FORGET,   /* keys from, and before */
    DB_CACHE_PURGE,    /* how many at most */
    DB_CACHE_EVICT,    /* how many at most → bytes of each */
    DB_KEY_ADD,        /* id, key, created; nothing happens when the id is taken */
    DB_KEY_LIST,       /* how many at most → id, key, created; newest first */
    DB_KEY_RETIRE,     /* time: of those that were made before, all but the newest */
    DB_KEY_KEEP,       /* id: it alone, and newer ones */
    DB_MIGRATION_ADD,  /* version, name, applied */
    DB_API_KEY_ADD,    /* all columns; nothing happens when the id is taken */
    DB_API_KEY_FIND,   /* id → all columns */
    DB_API_KEY_LIST,   /* → all columns */
    DB_API_KEY_PAGE,   /* pattern of what is sought, order, how many, from which → all columns */
    DB_API_KEY_COUNT,  /* pattern → how many */
    DB_API_KEY_STATE,  /* state, id; not of one that is revoked */
    DB_API_KEY_UPDATE, /* label, owner, rate, expires, addresses, bytes, streams, sites, id */
    DB_RATE_GET,       /* subject → full, lent, lent until */
    DB_RATE_TAKE,      /* subject, now, cost, more lenders, lent until, capacity → full; no row: refused */
    DB_RATE_GIVE_BACK, /* cost, subject; with that a lender less */
    DB_RATE_REFUND,    /* cost, subject */
    DB_RATE_RESCALE,   /* now, interval, the one before, limit, subject; not while something is lent */
    DB_RATE_NOTE,      /* subject, until, now */
    DB_RATE_PRUNE,     /* now, how many at most */
    DB_DAY_KEY_ADD,    /* day, key; nothing happens when there is one */
    DB_DAY_KEY_GET,    /* day → key */
    DB_DAY_KEY_FORGET, /* of the days before */
    DB_HEALTH_ADD,     /* minute, client, kind, outcome, credit, count, took, last, why: added up */
    DB_HEALTH_RECENT,  /* since minute, how many at most → client, kind, credit, count, took, last */
    DB_HEALTH_SUMS, /* since minute, how many at most → client, kind, outcome, credit, count, took, last, why
                     */
    DB_HEALTH_FORGET,  /* before minute */
    DB_FAILURE_ADD,    /* at, site, id, code, error, trace */
    DB_FAILURE_LIST,   /* how many at most → all columns; newest first */
    DB_FAILURE_FORGET, /* all but so many of the newest */

    DB_TOKEN_MARK_GET,    /* id → revoked, holder, its day, done */
    DB_TOKEN_MARK_REVOKE, /* id, until */
    DB_TOKEN_MARK_CLAIM,  /* id, until, holder, today; nothing happens when there is one of today */
    DB_TOKEN_MARK_SENT,   /* bytes, at the end, of how many, now, id */
    DB_TOKEN_MARK_PRUNE,  /* now, how many at most */

    DB_USAGE_ADD_HOUR, /* start, key, route, site, choice, code, and all counts, which are added */
    DB_USAGE_ADD_DAY,  /* the same */
    DB_USAGE_BY_HOUR,  /* key or "*", from, until, limit, offset → hour, requests, errors, bytes, … */
    DB_USAGE_BY_DAY,   /* the same of days, as all that follow */
    DB_USAGE_BY_KEY,
    DB_USAGE_BY_ROUTE,
    DB_USAGE_BY_SITE,
    DB_USAGE_BY_CHOICE,
    DB_USAGE_BY_CODE,
    DB_USAGE_BY_HOUR_OF_KEY, /* by the index of keys, so without "*" */
    DB_USAGE_BY_DAY_OF_KEY,
    DB_USAGE_FORGET_HOURS, /* before: the oldest of them */
    DB_USAGE_FORGET_DAYS,
    DB_USAGE_SOON_BY_KEY, /* as DB_USAGE_BY_KEY, of hours; and so on */
    DB_USAGE_SOON_BY_ROUTE,
    DB_USAGE_SOON_BY_SITE,
    DB_USAGE_SOON_BY_CHOICE,
    DB_USAGE_SOON_BY_CODE,
    DB_USAGE_ADD_MINUTE,     /* start, and all counts, which are added */
    DB_USAGE_BY_MINUTE,      /* since → all columns */
    DB_USAGE_FORGET_MINUTES, /* before */

    DB_JOB_ADD,        /* id, kind, owner, input, max attempts, now, place or "", later */
    DB_JOB_COUNT_OPEN, /* owner → how many are in hand, of all and of that owner */
    DB_JOB_GET,        /* id → all columns */
    DB_JOB_DUE,        /* now, place, 1: also those that can wait → a row when one is due there */
    DB_JOB_CLAIM,      /* lease, until, now, place, as above → all columns of the one */
    DB_JOB_RENEW,      /* until, id, lease */
    DB_JOB_PROGRESS,   /* done, total, message, now, id, lease */
    DB_JOB_DONE,       /* result, now, id, lease */
    DB_JOB_FAILED,     /* state, code, again at, now, id, lease */
    DB_JOB_RELEASE,    /* now, id, lease */
    DB_JOB_CANCEL,     /* now, id */
    DB_JOB_RETRY,      /* now, id */
    DB_JOB_LIST,    /* owner or "", state or "", created before, and id, how many at most → all columns */
    DB_JOB_COUNT,   /* → state, how many */
    DB_JOB_PRUNE,   /* over since, how many at most */
    DB_UPLOAD_PUT,  /* all columns; replaces the job's */
    DB_UPLOAD_GET,  /* job → all columns */
    DB_UPLOAD_DROP, /* job */
    DB_UPLOAD_LEFT, /* place, since → all columns of one whose job is over since then, or gone */
    DB_ADMIN_ADD,   /* all columns; nothing happens when the name is taken */
    DB_ADMIN_COUNT, /* → how many there are */
    DB_ADMIN_FIND,  /* name → all columns */
    DB_ADMIN_LIST,  /* → all columns, by name */
    DB_ADMIN_PASSWORD,    /* password, now, name */
    DB_ADMIN_UPDATE,      /* role, active, name; not of the last active admin, who would be none any more */
    DB_SESSION_ADD,       /* id, name, now */
    DB_SESSION_FIND,      /* id, created after, seen after → name, role, created, seen; of active users */
    DB_SESSION_SEEN,      /* now, id */
    DB_SESSION_END,       /* id */
    DB_SESSION_END_OF,    /* name, but not id */
    DB_SESSION_PRUNE,     /* created until, seen until */
    DB_LOGIN_FAILURE_GET, /* subject → count, last */
    DB_LOGIN_FAILURE_ADD, /* subject, now */
    DB_LOGIN_FAILURE_FORGET, /* subject */
    DB_LOGIN_FAILURE_PRUNE,  /* last until */
    DB_AUDIT_ADD,            /* all columns; nothing happens when the time is taken */
    DB_AUDIT_LIST,   /* before time, name or "", action or "", how many → all columns; newest first */
    DB_SETTING_LIST, /* → all columns */
    DB_SETTING_PUT,  /* all columns */
    DB_SETTING_DROP, /* name */

    DB_CONTENT_FIND,    /* key, place, now → all columns of those stored */
    DB_CONTENT_KNOWN,   /* key, tier, place → a row where there is one */
    DB_CONTENT_SEEN,    /* key, site, id, now, until → how often */
    DB_CONTENT_USED,    /* hits, now, key, tier, place */
    DB_CONTENT_CLAIM,   /* key, tier, place, lease, site, id, bytes, now, until; not what is there */
    DB_CONTENT_RENEW,   /* until, key, tier, place, lease */
    DB_CONTENT_STORED,  /* reference, bytes, now, expires, key, tier, place, lease */
    DB_CONTENT_REFUSED, /* until, key, tier, place, lease */
    DB_CONTENT_GONE,    /* key, tier, place, reference */
    DB_CONTENT_LEAVE,   /* until, then tier, place, key, site, id, or "" for any, used until */
    DB_CONTENT_EXPIRE,  /* until, now: those stored leave */
    DB_CONTENT_FORGET,  /* now: those that are not */
    DB_CONTENT_LEFT,    /* place, now, how many at most → all columns */
    DB_CONTENT_LIST,    /* tier, place, after key, how many at most → all columns of those stored */
    DB_CONTENT_OLDEST,  /* tier, place, how many at most → all columns of those stored */
    DB_CONTENT_SUMS,    /* → tier, place, state, count, bytes, hits */

    DB_TOTP_FIND,             /* name → secret, confirmed */
    DB_TOTP_BEGIN,            /* name, secret; nothing happens where one is confirmed */
    DB_TOTP_CONFIRM,          /* step, name, secret; of one that is not confirmed */
    DB_TOTP_USE,              /* step, name; nothing happens where that or a later one was used */
    DB_TOTP_FORGET,           /* name */
    DB_RECOVERY_ADD,          /* name, hash */
    DB_RECOVERY_USE,          /* name, hash */
    DB_RECOVERY_COUNT,        /* name → how many are left */
    DB_RECOVERY_FORGET,       /* name */
    DB_CLIENT_VERSION_ADD,    /* all columns; nothing happens where the newest is the same */
    DB_CLIENT_VERSION_LIST,   /* → at, name, hash, bytes; newest first */
    DB_CLIENT_VERSION_GET,    /* at → text */
    DB_CLIENT_VERSION_FORGET, /* all but so many of the newest */
    DB_CLIENT_DATA_PUT,       /* now, text → its change */
    DB_CLIENT_DATA_CHANGE,    /* → the last change */
    DB_CLIENT_DATA_GET,       /* → the last change, text */
    DB_SLICE_PUT,             /* place, name, site, id, bytes, now */
    DB_SLICE_TOUCH,           /* now, place, name */
    DB_SLICE_DELETE,          /* place, name */
    DB_SLICE_FIND,            /* place, name → bytes */
    DB_SLICE_SUM,             /* place → bytes, how many, the earliest use */
    DB_SLICE_OLDEST,          /* place, how many at most → name, bytes; the least recently used first */
    DB_SLICE_LIST, /* place, site or "", id or "", used before, name after, how many at most → name, bytes */

    DB_STMT_COUNT
};

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

struct db;

/* What an engine does; the functions below say what each means. */
struct db_engine {
    int (*open)(struct db **out, const char *where, int wait_ms, struct err *err);
    void (*close)(struct db *db);
    void (*set_wait)(struct db *db, int wait_ms);
    bool (*is_lost)(struct db *db);
    int (*run)(struct db *db, enum db_stmt id, const struct db_value *values, struct err *err);
    int (*next)(struct db *db, enum db_stmt id, struct err *err);
    void (*reset)(struct db *db, enum db_stmt id);
    int64_t (*column_int)(struct db *db, enum db_stmt id, int column);
    const void *(*column_blob)(struct db *db, enum db_stmt id, int column, size_t *len);
    int64_t (*changes)(struct db *db);
    int (*exec)(struct db *db, const char *sql, struct err *err);
    int (*ask)(struct db *db, const char *sql, int64_t *answer, struct err *err);
    /* Whether there is a table schema_migration, and what opens a transaction that no other one which changes
     * the schema, or (where there is but one writer anyway) the rows, is beside. */
    const char *ask_migrated, *begin, *begin_migration;
};
extern const struct db_engine db_sqlite, db_postgres;

/* Engines put their own after it. */
struct db {
    const struct db_engine *engine;
    struct db *next;  /* in the pool */
    const char *name; /* for messages: borrowed or the engine's own, without secrets */
    bool spoilt; /* met damage or lost its file or server: a new connection may fare better, this one is not
                    used again */
    bool retry;  /* the last failure was a conflict with others, and the transaction may be tried again */
};

/* How long opening and each statement wait for others, unless told otherwise. */
enum { DB_USUAL_WAIT_MS = 5000 };

/* Opens the database that `where` names (borrowed for as long as the connection lives): the absolute path of
 * an SQLite file, made when missing, or libpq's options of a connection (see postgres.h). It has all
 * migrations afterwards. */
int db_open(struct db **out, const char *where, int wait_ms, struct err *err);
void db_close(struct db *db);
DEFINE_AUTO_PTR(db, db_close)
/* How long a statement waits for the locks of others; DB_USUAL_WAIT_MS from the start. */
void db_set_wait(struct db *db, int wait_ms);
/* Whether what was connected to is no longer there: a file that was removed or replaced, a server that hung
 * up. Does not wait. */
bool db_is_lost(struct db *db);

/* The text of a statement; for engines. */
const char *db_stmt_text(enum db_stmt id);

/* Binds and steps: 1 there is a row, 0 done, -1 error. After a 1 read the columns, go on with db_next() and
 * end with db_reset(); after anything else the statement is reset already. */
int db_run(struct db *db, enum db_stmt id, const struct db_value *values, struct err *err);
int db_next(struct db *db, enum db_stmt id, struct err *err);
void db_reset(struct db *db, enum db_stmt id);
int64_t db_column_int(struct db *db, enum db_stmt id, int column);
/* Borrowed until the next step or reset. NULL for an empty value, and when memory ran out (*len says which).
 */
const void *db_column_blob(struct db *db, enum db_stmt id, int column, size_t *len);
/* Copies a text and terminates it. 0; -1 it did not fit and was cut, or memory ran out (out is then ""). */
int db_column_text(struct db *db, enum db_stmt id, int column, char *out, size_t room);
/* Rows changed by the last statement. */
int64_t db_changes(struct db *db);

/* Runs body(db, ctx, err) in a transaction that sees no half of another one and is taken back when it returns
 * -1. Where the engine reports a conflict with another transaction, all of it is done once more, a few times
 * at most: so `body` sets what is in *ctx from the beginning. Returns what body returned. */
int db_transact(struct db *db, int (*body)(struct db *db, void *ctx, struct err *err), void *ctx,
                struct err *err);

/* For migrations: fixed text, maybe of several statements, and the first column of the first row of one as a
 * number (0 where there is none). */
int db_exec(struct db *db, const char *sql, struct err *err);
int db_ask(struct db *db, const char *sql, int64_t *answer, struct err *err);

#endif
