/* See settings.h. */
#include "store/settings.h"

#include <string.h>

#include "store/internal.h"

int store_setting_list(struct store *s, void (*each)(void *ctx, const struct store_setting *one), void *ctx,
                       struct err *err)
{
    auto_(lease) struct lease l = {0};
    if (lease_begin(&l, &s->pool, DB_USUAL_WAIT_MS, err) < 0)
        return -1;
    int rc = db_run(l.db, DB_SETTING_LIST, NULL, err);
    for (; rc == 1; rc = db_next(l.db, DB_SETTING_LIST, err)) {
        char name[STORE_SETTING_NAME_MAX + 1];
        char value[STORE_SETTING_VALUE_MAX + 1];
        char by[64];
        (void)db_column_text(l.db, DB_SETTING_LIST, 0, name, sizeof name);
        (void)db_column_text(l.db, DB_SETTING_LIST, 1, value, sizeof value);
        (void)db_column_text(l.db, DB_SETTING_LIST, 2, by, sizeof by);
        each(ctx, &(struct store_setting){name, value, by, db_column_int(l.db, DB_SETTING_LIST, 3)});
    }
    return rc;
}

int store_setting_put(struct store *s, const struct store_setting *one, struct err *err)
{
    auto_(lease) struct lease l = {0};
    const struct db_value values[] = {
        DB_TEXT_VALUE(one->name),
        DB_TEXT_VALUE(one->value),
        DB_TEXT_VALUE(one->changed_by),
        DB_INT_VALUE(one->changed_unix_s),
    };
    if (strlen(one->name) > STORE_SETTING_NAME_MAX || strlen(one->value) > STORE_SETTING_VALUE_MAX)
        return err_set(err, ERR_BAD_REQUEST, "a setting that is too long");
    if (lease_begin(&l, &s->pool, DB_USUAL_WAIT_MS, err) < 0)
        return -1;
    return db_run(l.db, DB_SETTING_PUT, values, err) < 0 ? -1 : 0;
}

int store_setting_drop(struct store *s, const char *name, struct err *err)
{
    auto_(lease) struct lease l = {0};
    const struct db_value values[] = {DB_TEXT_VALUE(name)};
    if (lease_begin(&l, &s->pool, DB_USUAL_WAIT_MS, err) < 0)
        return -1;
    return db_run(l.db, DB_SETTING_DROP, values, err) < 0 ? -1 : db_changes(l.db) > 0;
}
