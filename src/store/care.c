/* See care.h. */
#include "store/care.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "store/internal.h"
#include "store/migrate.h"
#include "store/sqlite_care.h"

static void close_settled(struct store *s)
{
    postgres_url_fini(&s->url);
    free(s->where);
    *s = (struct store){0};
}

static void name_of(const struct store *s, struct store_about *out)
{
    *out = (struct store_about){.is_file = s->where != NULL};
    if (text_copy(out->name, sizeof out->name, s->where ? s->where : s->url.name) < 0)
        (void)text_copy(out->name, sizeof out->name, "a database with a very long name");
}

int store_name(const char *where, struct store_about *out, struct err *err)
{
    struct store s = {0};
    int rc = store_settle(&s, where, err);
    if (rc == 0)
        name_of(&s, out);
    close_settled(&s);
    return rc;
}

/* Connects without migrating. *db: db_close(), before close_settled(). */
static int connect_to(struct store *s, const char *where, struct db **db, struct err *err)
{
    struct stat st;
    if (*where == '/' && stat(where, &st) < 0)
        return err_set(err, ERR_NOT_FOUND, "%s: %s", where, strerror(errno));
    if (store_settle(s, where, err) < 0)
        return -1;
    if (s->where && stat(s->where, &st) < 0)
        return err_set(err, ERR_NOT_FOUND, "%s: %s", s->where, strerror(errno));
    const struct db_engine *engine = s->where ? &db_sqlite : &db_postgres;
    return engine->open(db, s->where ? s->where : s->url.where, DB_USUAL_WAIT_MS, err);
}

int store_look(const char *where, struct store_about *out, struct err *err)
{
    struct store s = {0};
    struct db *db = NULL;
    struct migrate_state state = {0};
    int rc = connect_to(&s, where, &db, err);
    if (rc == 0) {
        name_of(&s, out);
        rc = migrate_look(db, &state, err);
        out->version = state.version;
        out->missing = state.missing;
    }
    db_close(db);
    close_settled(&s);
    return rc;
}

int store_verify(const char *where, struct buf *findings, struct err *err)
{
    struct store s = {0};
    struct db *db = NULL;
    struct migrate_state state;
    int rc = connect_to(&s, where, &db, err);
    if (rc == 0)
        rc = s.where ? sqlite_verify(db, findings, err) : migrate_look(db, &state, err) < 0 ? -1 : 1;
    db_close(db);
    close_settled(&s);
    return rc;
}

int store_backup(const char *where, const char *target, struct err *err)
{
    struct store s = {0};
    struct db *db = NULL;
    int rc = connect_to(&s, where, &db, err);
    if (rc == 0)
        rc = s.where ? sqlite_copy(db, target, err)
                     : err_set(err, ERR_UNSUPPORTED_SITE, "%s is a server with tools of its own", s.url.name);
    db_close(db);
    close_settled(&s);
    return rc;
}

void store_library_versions(struct buf *out)
{
    int pq = postgres_library_version();
    (void)buf_addf(out, "SQLite %s, libpq %d.%d", sqlite_library_version(), pq / 10000, pq % 10000);
}
