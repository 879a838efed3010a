/* PostgreSQL, and what speaks its protocol; see db.h for what is asked of an engine.
 *
 * Nothing here waits longer than it was told to: all calls of libpq are the non-blocking ones, with a poll()
 * of our own. A connection whose statement took too long is closed, because its answer may still come; the
 * server ends the statement itself then (STATEMENT_TIMEOUT_MS). Only the look-up of the server's name is out
 * of our hands.
 *
 * A statement is prepared with the kinds of its first values and bound in binary form. One that fails because
 * of others (40001, 40P01) is tried again when it stands alone, as CockroachDB asks for; within a transaction
 * db_transact() does so. A statement during which the connection broke is not: nobody knows whether it was
 * done. */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/text.h"
#include "store/postgres.h"

enum {
    STATEMENT_TIMEOUT_MS = 120000, /* above whatever db_set_wait() is given */
    PARAMETERS_MAX = 24,
    TRIES = 5,
    RETRY_PAUSE_MS = 5,
    SQL_MAX_BYTES = 65536,
};

/* Object ids of built-in types, from pg_type.dat; they never change. */
enum { TYPE_BOOL = 16, TYPE_BYTEA = 17, TYPE_INT8 = 20, TYPE_INT2 = 21, TYPE_INT4 = 23, TYPE_TEXT = 25 };

struct postgres_db {
    struct db db; /* first */
    PGconn *conn;
    char *name;
    int wait_ms;
    int64_t changes;
    struct {
        bool prepared;
        PGresult *result;
        int row;
    } stmts[DB_STMT_COUNT];
};

static struct postgres_db *of(struct db *db)
{
    return (struct postgres_db *)db;
}

/* libpq ends its messages with a newline, and has several lines where it tried several addresses. */
static void one_line(char *text)
{
    for (size_t n = strlen(text); n && text[n - 1] == '\n'; n--)
        text[n - 1] = '\0';
    for (char *p = text; (p = strchr(p, '\n'));)
        *p = ' ';
}

static int busy(struct err *err)
{
    if (err)
        err->retry_after_s = 1;
    return -1;
}

/* There is no server, or no longer, or it does not let us in. */
static int fail_lost(struct postgres_db *db, struct err *err)
{
    char words[256];
    db->db.spoilt = true;
    (void)snprintf(words, sizeof words, "%s", PQerrorMessage(db->conn));
    one_line(words);
    err_set(err, ERR_BUSY, "%s cannot be reached: %s", db->name, *words ? words : "connection lost");
    return busy(err);
}

static int fail_late(struct postgres_db *db, struct err *err)
{
    db->db.spoilt = true;
    err_set(err, ERR_BUSY, "%s did not answer within %d ms", db->name, db->wait_ms);
    return busy(err);
}

/* SQLSTATE (appendix A of PostgreSQL's manual), whole or its class. */
static const struct {
    const char *state;
    bool busy, spoilt, retry;
    const char *advice;
} failures[] = {
    {"40001", true, false, true, ""},
    {"40P01", true, false, true, ""},
    {"55P03", true, false, false, ""},
    {"57014", true, false, false, ""},
    {"57P", true, true, false, ""},
    {"08", true, true, false, ""},
    {"53300", true, true, false, ": raise max_connections there"},
    {"53100", false, false, false, ": no space left on the server's disk"},
    {"53", true, false, false, ""},
    {"25006", false, true, false, ": the server only reads; is this a stand-by?"},
    {"26000", true, true, false,
     ": what stands between must not give statements of one session to another (PgBouncer: pool_mode = "
     "session)"},
    {"42501", false, false, false,
     ": the user needs to own the database, or GRANT CREATE, USAGE ON SCHEMA public"},
    {"", false, false, false, ""},
};

static int fail_result(struct postgres_db *db, const PGresult *result, struct err *err)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *words = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    if (!state || PQstatus(db->conn) == CONNECTION_BAD)
        return fail_lost(db, err);
    size_t i = 0;
    while (!text_starts_with(state, failures[i].state))
        i++;
    db->db.spoilt |= failures[i].spoilt;
    db->db.retry = failures[i].retry;
    err_set(err, failures[i].busy ? ERR_BUSY : ERR_INTERNAL, "%s: %s (%s)%s", db->name, words ? words : "?",
            state, failures[i].advice);
    return failures[i].busy ? busy(err) : -1;
}

/* Waits for the socket: 1 something happened, 0 the time is over. */
static int wait_for(struct postgres_db *db, short events, int64_t until_mono_us)
{
    for (;;) {
        struct pollfd p = {.fd = PQsocket(db->conn), .events = events};
        int64_t left_us = until_mono_us - clock_mono_us();
        int n = left_us > 0 ? poll(&p, 1, (int)(left_us / 1000) + 1) : 0;
        if (n >= 0 || errno != EINTR)
            return n > 0;
    }
}

/* Sends what was queued and takes all answers to it: the first failure, else the last result. NULL: *err. */
static PGresult *finish(struct postgres_db *db, struct err *err)
{
    int64_t until_us = clock_mono_us() + db->wait_ms * INT64_C(1000);
    PGresult *kept = NULL;
    for (;;) {
        int unsent = PQflush(db->conn);
        if (unsent == 0 && !PQisBusy(db->conn)) {
            PGresult *result = PQgetResult(db->conn);
            if (!result)
                break;
            bool failed = kept && PQresultStatus(kept) == PGRES_FATAL_ERROR;
            PQclear(failed ? result : kept);
            kept = failed ? kept : result;
            continue;
        }
        bool lost = unsent < 0;
        if (!lost && !wait_for(db, (short)(POLLIN | (unsent ? POLLOUT : 0)), until_us)) {
            (void)fail_late(db, err);
            PQclear(kept);
            return NULL;
        }
        if (lost || !PQconsumeInput(db->conn)) {
            (void)fail_lost(db, err);
            PQclear(kept);
            return NULL;
        }
    }
    ExecStatusType status = kept ? PQresultStatus(kept) : PGRES_FATAL_ERROR;
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
        return kept;
    (void)fail_result(db, kept, err);
    PQclear(kept);
    return NULL;
}

/* The migrations' words that PostgreSQL calls otherwise. Comments are copied with the rest; text in quotes is
 * left alone. */
static void translate(struct buf *out, const char *sql)
{
    static const struct {
        const char *word, *instead;
    } words[] = {{"INTEGER", "BIGINT"}, {"BLOB", "BYTEA"}, {"STRICT", ""}};
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
    while (*sql) {
        size_t len = strspn(sql, letters);
        const char *instead = NULL;
        for (size_t i = 0; len && i < ARRAY_LEN(words); i++) {
            if (strlen(words[i].word) == len && memcmp(sql, words[i].word, len) == 0)
                instead = words[i].instead;
        }
        if (len == 0)
            len = *sql == '\'' ? 2 + strcspn(sql + 1, "'") : 1; /* with both quotes */
        if (instead)
            (void)buf_adds(out, instead);
        else
            (void)buf_add(out, sql, strnlen(sql, len));
        sql += strnlen(sql, len);
    }
}

static PGresult *query(struct postgres_db *db, const char *sql, struct err *err)
{
    if (PQsendQuery(db->conn, sql) != 1) {
        (void)fail_lost(db, err);
        return NULL;
    }
    return finish(db, err);
}

static int exec(struct db *base, const char *sql, struct err *err)
{
    auto_(buf) struct buf text = BUF_INIT(SQL_MAX_BYTES);
    translate(&text, sql);
    if (text.failed)
        return err_set(err, ERR_INTERNAL, "%s: a statement of more than %d bytes", base->name, SQL_MAX_BYTES);
    PGresult *result = query(of(base), buf_str(&text), err);
    PQclear(result);
    return result ? 0 : -1;
}

static int ask(struct db *base, const char *sql, int64_t *answer, struct err *err)
{
    uint64_t n = 0;
    PGresult *result = query(of(base), sql, err);
    if (!result)
        return -1;
    if (PQntuples(result) > 0 && PQnfields(result) > 0)
        (void)text_parse_u64(PQgetvalue(result, 0, 0), 0, INT64_MAX, &n);
    *answer = (int64_t)n;
    PQclear(result);
    return 0;
}

static void ignore_notice(void *ctx, const PGresult *result)
{
    (void)ctx;
    (void)result;
}

static int connect_to(struct postgres_db *db, const char *where, struct err *err)
{
    static const char *const keywords[] = {"fallback_application_name", "dbname", "client_encoding", NULL};
    const char *const values[] = {"sluice", where, "UTF8", NULL};
    int64_t until_us = clock_mono_us() + db->wait_ms * INT64_C(1000);
    db->conn = PQconnectStartParams(keywords, values, 1);
    if (!db->conn)
        return err_set(err, ERR_INTERNAL, "out of memory");
    (void)PQsetNoticeReceiver(db->conn, ignore_notice, NULL);
    if (PQstatus(db->conn) == CONNECTION_BAD)
        return fail_lost(db, err);
    PostgresPollingStatusType wants = PGRES_POLLING_WRITING;
    while (wants != PGRES_POLLING_OK) {
        if (!wait_for(db, wants == PGRES_POLLING_READING ? POLLIN : POLLOUT, until_us))
            return fail_late(db, err);
        wants = PQconnectPoll(db->conn);
        if (wants == PGRES_POLLING_FAILED)
            return fail_lost(db, err);
    }
    return PQsetnonblocking(db->conn, 1) == 0 ? 0 : fail_lost(db, err);
}

static void close_connection(struct db *base)
{
    struct postgres_db *db = of(base);
    for (size_t i = 0; i < DB_STMT_COUNT; i++)
        PQclear(db->stmts[i].result);
    PQfinish(db->conn);
    free(db->name);
    free(db);
}

/* What stands between URL and messages: only where, never who. */
static char *name_of(const char *where)
{
    struct postgres_url url;
    struct err ignored;
    if (postgres_parse(&url, where, &ignored) < 0)
        return NULL;
    char *name = steal(&url.name);
    postgres_url_fini(&url);
    return name;
}

static int open_connection(struct db **out, const char *where, int wait_ms, struct err *err)
{
    struct postgres_db *db = calloc(1, sizeof *db);
    if (!db || !(db->name = name_of(where))) {
        free(db);
        return err_set(err, ERR_INTERNAL, "out of memory");
    }
    db->db = (struct db){.engine = &db_postgres, .name = db->name};
    db->wait_ms = wait_ms;
    char settings[160];
    (void)snprintf(settings, sizeof settings, "SET statement_timeout = %d; SET lock_timeout = 0",
                   STATEMENT_TIMEOUT_MS);
    if (connect_to(db, where, err) < 0 || exec(&db->db, settings, err) < 0) {
        close_connection(&db->db);
        return -1;
    }
    *out = &db->db;
    return 0;
}

static void set_wait(struct db *base, int wait_ms)
{
    of(base)->wait_ms = wait_ms;
}

/* A server that ends says so, and then hangs up: the second is seen after the first was read. */
static bool is_lost(struct db *base)
{
    struct postgres_db *db = of(base);
    for (int i = 0; i < 3 && PQstatus(db->conn) == CONNECTION_OK; i++) {
        struct pollfd p = {.fd = PQsocket(db->conn), .events = POLLIN};
        if (poll(&p, 1, 0) <= 0)
            return false;
        if (!PQconsumeInput(db->conn))
            return true;
    }
    return PQstatus(db->conn) != CONNECTION_OK;
}

static int count_parameters(const char *sql)
{
    int count = 0;
    for (const char *p = sql; (p = strchr(p, '$')); p++) {
        uint64_t n;
        if (text_parse_u64n(p + 1, strspn(p + 1, "0123456789"), 1, PARAMETERS_MAX, &n) == 0 && (int)n > count)
            count = (int)n;
    }
    return count;
}

static int prepare(struct postgres_db *db, enum db_stmt id, const struct db_value *values, struct err *err)
{
    static const Oid types[] = {[DB_INT] = TYPE_INT8, [DB_TEXT] = TYPE_TEXT, [DB_BLOB] = TYPE_BYTEA};
    Oid oids[PARAMETERS_MAX];
    char name[16];
    int count = count_parameters(db_stmt_text(id));
    for (int i = 0; i < count; i++)
        oids[i] = types[values[i].kind];
    (void)snprintf(name, sizeof name, "s%d", (int)id);
    if (PQsendPrepare(db->conn, name, db_stmt_text(id), count, oids) != 1)
        return fail_lost(db, err);
    PGresult *result = finish(db, err);
    PQclear(result);
    db->stmts[id].prepared = result != NULL;
    return result ? 0 : -1;
}

static PGresult *execute(struct postgres_db *db, enum db_stmt id, const struct db_value *values,
                         struct err *err)
{
    const char *data[PARAMETERS_MAX];
    int lengths[PARAMETERS_MAX], formats[PARAMETERS_MAX];
    uint64_t numbers[PARAMETERS_MAX];
    char name[16];
    int count = count_parameters(db_stmt_text(id));
    for (int i = 0; i < count; i++) {
        numbers[i] = htobe64((uint64_t)values[i].number);
        bool number = values[i].kind == DB_INT;
        data[i] = number ? (const char *)&numbers[i] : values[i].len ? values[i].data : "";
        lengths[i] = number ? (int)sizeof numbers[i] : (int)values[i].len;
        formats[i] = 1;
    }
    (void)snprintf(name, sizeof name, "s%d", (int)id);
    if (PQsendQueryPrepared(db->conn, name, count, data, lengths, formats, 1) != 1) {
        (void)fail_lost(db, err);
        return NULL;
    }
    return finish(db, err);
}

/* A column of a type that column_int() and column_blob() do not know is a mistake in the statement. */
static int check_columns(struct postgres_db *db, enum db_stmt id, const PGresult *result, struct err *err)
{
    static const Oid known[] = {TYPE_BOOL, TYPE_BYTEA, TYPE_INT8, TYPE_INT2, TYPE_INT4, TYPE_TEXT};
    for (int i = 0; i < PQnfields(result); i++) {
        bool ok = false;
        for (size_t k = 0; k < ARRAY_LEN(known); k++)
            ok |= PQftype(result, i) == known[k];
        if (!ok)
            return err_set(err, ERR_INTERNAL, "%s: column %d needs a CAST: %s", db->name, i + 1,
                           db_stmt_text(id));
    }
    return 0;
}

static void reset(struct db *base, enum db_stmt id)
{
    struct postgres_db *db = of(base);
    PQclear(db->stmts[id].result);
    db->stmts[id].result = NULL;
}

static int next(struct db *base, enum db_stmt id, struct err *err)
{
    struct postgres_db *db = of(base);
    (void)err; /* all rows are here already */
    if (++db->stmts[id].row < PQntuples(db->stmts[id].result))
        return 1;
    reset(base, id);
    return 0;
}

static int run(struct db *base, enum db_stmt id, const struct db_value *values, struct err *err)
{
    struct postgres_db *db = of(base);
    PGresult *result = NULL;
    reset(base, id);
    if (!db->stmts[id].prepared && prepare(db, id, values, err) < 0)
        return -1;
    bool alone = PQtransactionStatus(db->conn) == PQTRANS_IDLE;
    for (int tries = 1; !result; tries++) {
        base->retry = false;
        result = execute(db, id, values, err);
        if (!result && (!base->retry || !alone || tries == TRIES))
            return -1;
        if (!result)
            clock_sleep_ms((unsigned)(tries * RETRY_PAUSE_MS));
    }
    if (check_columns(db, id, result, err) < 0) {
        PQclear(result);
        return -1;
    }
    uint64_t changed = 0;
    (void)text_parse_u64(PQcmdTuples(result), 0, INT64_MAX, &changed);
    db->changes = (int64_t)changed;
    db->stmts[id].result = result;
    db->stmts[id].row = -1;
    return next(base, id, err);
}

static int64_t column_int(struct db *base, enum db_stmt id, int column)
{
    const PGresult *result = of(base)->stmts[id].result;
    int row = of(base)->stmts[id].row;
    const char *data = PQgetvalue(result, row, column);
    uint64_t wide = 0;
    uint32_t middle = 0;
    uint16_t narrow = 0;
    switch (PQgetisnull(result, row, column) ? 0 : PQftype(result, column)) {
    case TYPE_INT8:
        memcpy(&wide, data, sizeof wide);
        return (int64_t)be64toh(wide);
    case TYPE_INT4:
        memcpy(&middle, data, sizeof middle);
        return (int32_t)be32toh(middle);
    case TYPE_INT2:
        memcpy(&narrow, data, sizeof narrow);
        return (int16_t)be16toh(narrow);
    case TYPE_BOOL:
        return *data;
    default:
        return 0;
    }
}

static const void *column_blob(struct db *base, enum db_stmt id, int column, size_t *len)
{
    const PGresult *result = of(base)->stmts[id].result;
    *len = (size_t)PQgetlength(result, of(base)->stmts[id].row, column);
    return *len ? PQgetvalue(result, of(base)->stmts[id].row, column) : NULL;
}

static int64_t changes(struct db *base)
{
    return of(base)->changes;
}

const struct db_engine db_postgres = {
    .open = open_connection,
    .close = close_connection,
    .set_wait = set_wait,
    .is_lost = is_lost,
    .run = run,
    .next = next,
    .reset = reset,
    .column_int = column_int,
    .column_blob = column_blob,
    .changes = changes,
    .exec = exec,
    .ask = ask,
    .ask_migrated = "SELECT count(*) FROM pg_catalog.pg_tables "
                    "WHERE schemaname = current_schema() AND tablename = 'schema_migration'",
    .begin = "BEGIN ISOLATION LEVEL SERIALIZABLE",
    /* READ COMMITTED: who waited for the lock sees what was done meanwhile. The number is ours: "sluice". */
    .begin_migration = "BEGIN ISOLATION LEVEL READ COMMITTED; "
                       "SELECT pg_advisory_xact_lock(126909663503205)",
};
