/* See client_versions.h. */
#include "store/client_versions.h"

#include <string.h>

#include "base/clock.h"
#include "store/internal.h"

struct addition {
    const char *name, *text;
};

static int add(struct db *db, void *ctx, struct err *err)
{
    const struct addition *a = ctx;
    char hash[HASH_HEX_LEN + 1];
    hash_sha256_hex(a->text, strlen(a->text), hash);
    const struct db_value values[] = {
        DB_INT_VALUE(clock_unix_us()),
        DB_TEXT_VALUE(a->name),
        DB_TEXT_VALUE(hash),
        DB_TEXT_VALUE(a->text),
    };
    const struct db_value kept[] = {DB_INT_VALUE(STORE_CLIENT_VERSIONS_MAX)};
    return db_run(db, DB_CLIENT_VERSION_ADD, values, err) < 0
               ? -1
               : db_run(db, DB_CLIENT_VERSION_FORGET, kept, err);
}

int store_client_version_add(struct store *s, const char *name, const char *text, struct err *err)
{
    struct addition a = {name, text};
    auto_(lease) struct lease l = {0};
    return lease_begin(&l, &s->pool, DB_USUAL_WAIT_MS, err) < 0 ? -1 : db_transact(l.db, add, &a, err);
}

int store_client_version_list(struct store *s,
                              void (*each)(void *ctx, const struct store_client_version *version), void *ctx,
                              struct err *err)
{
    enum db_stmt id = DB_CLIENT_VERSION_LIST;
    auto_(lease) struct lease l = {0};
    if (lease_begin(&l, &s->pool, DB_USUAL_WAIT_MS, err) < 0)
        return -1;
    int rc = db_run(l.db, id, NULL, err);
    for (; rc == 1; rc = db_next(l.db, id, err)) {
        struct store_client_version v = {.at_unix_us = db_column_int(l.db, id, 0),
                                         .bytes = db_column_int(l.db, id, 3)};
        (void)db_column_text(l.db, id, 1, v.name, sizeof v.name);
        (void)db_column_text(l.db, id, 2, v.sha256, sizeof v.sha256);
        each(ctx, &v);
    }
    return rc;
}

int store_client_version_get(struct store *s, int64_t at_unix_us, struct buf *text, struct err *err)
{
    enum db_stmt id = DB_CLIENT_VERSION_GET;
    auto_(lease) struct lease l = {0};
    if (lease_begin(&l, &s->pool, DB_USUAL_WAIT_MS, err) < 0)
        return -1;
    int rc = db_run(l.db, id, (struct db_value[]){DB_INT_VALUE(at_unix_us)}, err);
    if (rc <= 0)
        return rc;
    size_t len;
    const void *found = db_column_blob(l.db, id, 0, &len);
    rc = len && buf_add(text, found, len) < 0 ? err_set(err, ERR_INTERNAL, "out of memory") : 1;
    db_reset(l.db, id);
    return rc;
}

int store_client_data_put(struct store *s, const char *text, int64_t *change, struct err *err)
{
    auto_(lease) struct lease l = {0};
    const struct db_value values[] = {DB_INT_VALUE(clock_unix_us()), DB_TEXT_VALUE(text)};
    if (lease_begin(&l, &s->pool, DB_USUAL_WAIT_MS, err) < 0 ||
        db_run(l.db, DB_CLIENT_DATA_PUT, values, err) < 0)
        return -1;
    *change = db_column_int(l.db, DB_CLIENT_DATA_PUT, 0);
    db_reset(l.db, DB_CLIENT_DATA_PUT);
    return 0;
}

int store_client_data_get(struct store *s, int64_t *change, struct buf *text, struct err *err)
{
    enum db_stmt id = text ? DB_CLIENT_DATA_GET : DB_CLIENT_DATA_CHANGE;
    auto_(lease) struct lease l = {0};
    if (lease_begin(&l, &s->pool, DB_USUAL_WAIT_MS, err) < 0)
        return -1;
    int rc = db_run(l.db, id, NULL, err);
    if (rc <= 0)
        return rc;
    *change = db_column_int(l.db, id, 0);
    size_t len = 0;
    const void *found = text ? db_column_blob(l.db, id, 1, &len) : NULL;
    rc = len && buf_add(text, found, len) < 0 ? err_set(err, ERR_INTERNAL, "out of memory") : 1;
    db_reset(l.db, id);
    return rc;
}
