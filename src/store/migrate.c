/* See migrate.h. */
#include "store/migrate.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/embed.h"
#include "base/text.h"

enum { VERSION_MAX = 999999, MIGRATION_WAIT_MS = 60000 };

/* The number in front of "001-start.sql"; 0 for files that are no migration. */
static int64_t version_of(const char *name)
{
    uint64_t version = 0;
    size_t digits = strspn(name, "0123456789");
    if (!text_ends_with(name, ".sql") || text_parse_u64n(name, digits, 1, VERSION_MAX, &version) < 0)
        return 0;
    return (int64_t)version;
}

static int64_t newest_version(int64_t *count)
{
    int64_t newest = 0;
    *count = 0;
    for (const struct embed_file *f = embed_files; f->name; f++) {
        newest = version_of(f->name) > newest ? version_of(f->name) : newest;
        *count += version_of(f->name) > 0;
    }
    return newest;
}

int migrate_look(struct db *db, struct migrate_state *out, struct err *err)
{
    int64_t exists;
    int64_t have = 0;
    int64_t count;
    int64_t newest = newest_version(&count);
    *out = (struct migrate_state){0};
    if (db_ask(db, db->engine->ask_migrated, &exists, err) < 0 ||
        (exists && (db_ask(db, "SELECT max(version) FROM schema_migration", &out->version, err) < 0 ||
                    db_ask(db, "SELECT count(*) FROM schema_migration", &have, err) < 0)))
        return -1;
    if (out->version > newest || have > count) {
        return err_set(
            err, ERR_INTERNAL,
            "%s was made by a newer Sluice (schema %lld, this program knows %lld): use that or newer",
            db->name, (long long)out->version, (long long)newest);
    }
    out->missing = count - have;
    return 0;
}

/* Whether the database has them all: 1, 0. */
static int is_complete(struct db *db, struct err *err)
{
    struct migrate_state state;
    return migrate_look(db, &state, err) < 0 ? -1 : state.missing == 0;
}

static int apply(struct db *db, const struct embed_file *file, struct err *err)
{
    const struct db_value row[] = {DB_INT_VALUE(version_of(file->name)), DB_TEXT_VALUE(file->name),
                                   DB_INT_VALUE(clock_unix_s())};
    return db_exec(db, file->text, err) < 0 || db_run(db, DB_MIGRATION_ADD, row, err) < 0 ? -1 : 0;
}

static int is_applied(struct db *db, const struct embed_file *file, int64_t *applied, struct err *err)
{
    char sql[80];
    (void)snprintf(sql, sizeof sql, "SELECT count(*) FROM schema_migration WHERE version = %lld",
                   (long long)version_of(file->name));
    return db_ask(db, sql, applied, err);
}

/* Inside a transaction that no other migration is beside: all that are missing, or none. */
static int apply_missing(struct db *db, struct err *err)
{
    static const char table[] = "CREATE TABLE IF NOT EXISTS schema_migration (version INTEGER PRIMARY KEY "
                                "NOT NULL, name TEXT NOT NULL, applied_unix_s INTEGER NOT NULL) STRICT";
    /* Asked again under the lock: another process may have been first. */
    if (db_exec(db, table, err) < 0 || is_complete(db, err) < 0)
        return -1;
    for (const struct embed_file *f = embed_files; f->name; f++) {
        struct err why = {0};
        int64_t applied = 1;
        if (version_of(f->name) > 0 && is_applied(db, f, &applied, err) < 0)
            return -1;
        if (!applied && apply(db, f, &why) < 0)
            return err_set(err, why.code, "migration %s: %s", f->name, why.text);
    }
    return 0;
}

int migrate(struct db *db, struct err *err)
{
    int complete = is_complete(db, err);
    if (complete != 0)
        return complete < 0 ? -1 : 0;
    db_set_wait(db, MIGRATION_WAIT_MS);
    if (db_exec(db, db->engine->begin_migration, err) < 0)
        return -1;
    if (apply_missing(db, err) < 0) {
        struct err ignored;
        (void)db_exec(db, "ROLLBACK", &ignored);
        return -1;
    }
    return db_exec(db, "COMMIT", err);
}
