/* For tests of the store that run on both engines. Included by one program each, after cmocka.h. */
#ifndef SLUICE_TESTS_BOTH_ENGINES_H
#define SLUICE_TESTS_BOTH_ENGINES_H

#include <sqlite3.h>

#include "databases.h"
#include "store/store.h"

static struct store *open_store(const char *dir)
{
    struct store *s = NULL;
    struct err err = {0};
    if (store_open(&s, dir, &err) < 0)
        fail_msg("store_open: %s", err.text);
    return s;
}

/* Runs SQL from outside the store; the first column of the last row as text. */
static const char *sql(const char *dir, const char *text)
{
    static char answer[128];
    char path[256];
    sqlite3 *db = NULL;
    sqlite3_stmt *st = NULL;
    answer[0] = '\0';
    if (is_server(dir)) {
        server_sql(dir, text, answer, sizeof answer);
        return answer;
    }
    (void)snprintf(path, sizeof path, "%s/sluice.db", dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    (void)sqlite3_busy_timeout(db, 5000);
    while (text && *text) {
        if (sqlite3_prepare_v2(db, text, -1, &st, &text) != SQLITE_OK)
            fail_msg("%s: %s", text, sqlite3_errmsg(db));
        while (sqlite3_step(st) == SQLITE_ROW)
            (void)snprintf(answer, sizeof answer, "%s", (const char *)sqlite3_column_text(st, 0));
        if (sqlite3_finalize(st) != SQLITE_OK)
            fail_msg("%s", sqlite3_errmsg(db));
    }
    (void)sqlite3_close(db);
    return answer;
}

#define ON_BOTH(test)                                                                                        \
    IN_DIR(test),                                                                                            \
    {                                                                                                        \
#test " (PostgreSQL)", test, make_database, forget_database, NULL                                    \
    }

#endif
