/* Where a store can be, for tests that run on both engines: a directory of its own, or a fresh database of a
 * PostgreSQL that runs for this program alone. */
#ifndef SLUICE_TESTS_DATABASES_H
#define SLUICE_TESTS_DATABASES_H

#include <libpq-fe.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static pid_t main_process; /* set by main() */

/* A fresh directory per test, in *state; its files go with it. */
static int make_dir(void **state)
{
    char path[] = "/tmp/sluice-store-XXXXXX";
    if (!mkdtemp(path))
        return -1;
    *state = strdup(path);
    return 0;
}

static int remove_dir(void **state)
{
    if (getpid() != main_process)
        _exit(1); /* an assertion failed in a child */
    char command[256];
    (void)snprintf(command, sizeof command, "chmod -R u+rwx %s && rm -rf %s", (char *)*state, (char *)*state);
    int rc = system(command); // NOLINT(cert-env33-c): a path of ours
    free(*state);
    return rc;
}

/* The server for the tests that run on both engines, and a fresh database there per test. */
static char server_dir[] = "/tmp/sluice-postgres-XXXXXX";

static int server(const char *what)
{
    char command[PATH_MAX + 100];
    const char *source = getenv("SLUICE_SOURCE_DIR");
    (void)snprintf(command, sizeof command, "sh '%s/tests/postgres.sh' %s %s", source ? source : ".", what,
                   server_dir);
    return system(command); // NOLINT(cert-env33-c)
}

static int start_server(void **state)
{
    (void)state;
    return mkdtemp(server_dir) ? server("start") : -1;
}

static int stop_server(void **state)
{
    (void)state;
    char command[100];
    int rc = server("kill");
    (void)snprintf(command, sizeof command, "rm -rf %s", server_dir);
    return system(command) | rc; // NOLINT(cert-env33-c)
}

static inline bool is_server(const char *where)
{
    return where[0] != '/';
}

/* The last row's first column. */
static void server_sql(const char *where, const char *text, char *answer, size_t room)
{
    PGconn *conn = PQconnectdb(where);
    PGresult *result = PQexec(conn, text);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
        fail_msg("%s: %s", text, PQerrorMessage(conn));
    if (PQntuples(result) > 0)
        (void)snprintf(answer, room, "%s", PQgetvalue(result, PQntuples(result) - 1, 0));
    PQclear(result);
    PQfinish(conn);
}

static int make_database(void **state)
{
    static int count;
    char url[200], command[64], ignored[8];
    (void)snprintf(url, sizeof url, "postgresql:///postgres?host=%s&user=sluice", server_dir);
    (void)snprintf(command, sizeof command, "CREATE DATABASE test%d", ++count);
    server_sql(url, command, ignored, sizeof ignored);
    (void)snprintf(url, sizeof url, "postgresql:///test%d?host=%s&user=sluice", count, server_dir);
    *state = strdup(url);
    return 0;
}

static int forget_database(void **state)
{
    if (getpid() != main_process)
        _exit(1); /* an assertion failed in a child */
    free(*state);
    return 0;
}

#define ON_SERVER(test) cmocka_unit_test_setup_teardown(test, make_database, forget_database)
#define IN_DIR(test)    cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)

#endif
