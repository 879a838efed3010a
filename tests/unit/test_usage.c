/* Rows of usage on both engines: added up, read by each dimension, forgotten; and a schema from before them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <sys/wait.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/embed.h"
#include "base/hash.h"
#include "databases.h"
#include "store/keys.h"
#include "store/rate.h"
#include "store/usage.h"

#define DAY_ONE INT64_C(1700006400) /* a midnight */

static struct store *open_store(const char *where)
{
    struct store *s = NULL;
    struct err err = {0};
    if (hash_init(&err) < 0 || store_open(&s, where, &err) < 0)
        fail_msg("%s", err.text);
    return s;
}

static const struct store_usage_row rows[] = {
    {{DAY_ONE, "k1", "/info", "youtube", "", "ok"}, {3, 0, 300, 2, {1, 0, 2}}},
    {{DAY_ONE, "k1", "/stream", "youtube", "720p-mp4", "ok"},
     {1, 0, 5000000000, 0, {0, 0, 0, 0, 0, 0, 0, 1}}},
    {{DAY_ONE + 3600, "k1", "/stream", "youtube", "720p-mp4", "busy"}, {4, 0, 0, 0, {4}}},
    {{DAY_ONE + 3600, "", "/info", "direct", "", "ok"}, {2, 0, 20, 0, {2}}},
    {{DAY_ONE + 86400, "k2", "/info", "direct", "", "bad_url"}, {1, 0, 1, 0, {1}}},
};

struct seen {
    size_t count;
    struct store_usage_sum sums[16];
};

static void see(void *ctx, const struct store_usage_sum *sum)
{
    struct seen *seen = ctx;
    assert_true(seen->count < 16);
    seen->sums[seen->count++] = *sum;
}

static void ask(struct store *s, struct store_usage_query q, struct seen *seen)
{
    struct err err = {0};
    q.from_unix_s = q.from_unix_s ? q.from_unix_s : DAY_ONE;
    q.until_unix_s = q.until_unix_s ? q.until_unix_s : DAY_ONE + INT64_C(10) * 86400;
    *seen = (struct seen){0};
    if (store_usage_sum(s, &q, see, seen, &err) < 0)
        fail_msg("%s", err.text);
}

/* "name or start minus DAY_ONE:requests/errors/bytes/cached …" */
static void expect(struct store *s, struct store_usage_query q, const char *wanted)
{
    struct seen seen;
    auto_(buf) struct buf text = BUF_INIT(4096);
    ask(s, q, &seen);
    for (size_t i = 0; i < seen.count; i++) {
        const struct store_usage_sum *sum = &seen.sums[i];
        if (q.by <= STORE_USAGE_BY_DAY)
            (void)buf_addf(&text, "%s%lld", i ? " " : "", (long long)(sum->start_unix_s - DAY_ONE));
        else
            (void)buf_addf(&text, "%s%s", i ? " " : "", sum->name);
        (void)buf_addf(&text, ":%lld/%lld/%lld/%lld", (long long)sum->counts.requests,
                       (long long)sum->counts.errors, (long long)sum->counts.bytes,
                       (long long)sum->counts.cached);
    }
    assert_string_equal(buf_str(&text), wanted);
}

static void sums(void **state)
{
    struct store *s = open_store(*state);
    struct err err = {0};
    assert_int_equal(store_usage_add(s, rows, ARRAY_LEN(rows), &err), 0);
    static const struct {
        struct store_usage_query query;
        const char *wanted;
    } cases[] = {
        {{.by = STORE_USAGE_BY_HOUR}, "0:4/0/5000000300/2 3600:6/4/20/0 86400:1/1/1/0"},
        {{.by = STORE_USAGE_BY_DAY}, "0:10/4/5000000320/2 86400:1/1/1/0"},
        {{.by = STORE_USAGE_BY_DAY, .limit = 1, .offset = 1}, "86400:1/1/1/0"},
        {{.by = STORE_USAGE_BY_HOUR, .key = "k1"}, "0:4/0/5000000300/2 3600:4/4/0/0"},
        {{.by = STORE_USAGE_BY_DAY, .key = ""}, "0:2/0/20/0"},
        {{.by = STORE_USAGE_BY_DAY, .key = "*"}, ""},
        {{.by = STORE_USAGE_BY_KEY}, "k1:8/4/5000000300/2 :2/0/20/0 k2:1/1/1/0"},
        {{.by = STORE_USAGE_BY_ROUTE}, "/info:6/1/321/2 /stream:5/4/5000000000/0"},
        {{.by = STORE_USAGE_BY_SITE}, "youtube:8/4/5000000300/2 direct:3/1/21/0"},
        {{.by = STORE_USAGE_BY_CHOICE, .key = "k1"}, "720p-mp4:5/4/5000000000/0 :3/0/300/2"},
        {{.by = STORE_USAGE_BY_CODE}, "ok:6/0/5000000320/2 busy:4/4/0/0 bad_url:1/1/1/0"},
        {{.by = STORE_USAGE_BY_CODE, .from_unix_s = DAY_ONE + 90000}, "bad_url:1/1/1/0"},
        {{.by = STORE_USAGE_BY_HOUR, .from_unix_s = DAY_ONE + 3700, .until_unix_s = DAY_ONE + 3800},
         "3600:6/4/20/0"},
        {{.by = STORE_USAGE_BY_KEY, .until_unix_s = DAY_ONE}, ""},
        /* Two days at most: the hours, so that the first one is not in it. */
        {{.by = STORE_USAGE_BY_SITE, .from_unix_s = DAY_ONE + 3700, .until_unix_s = DAY_ONE + 90000},
         "youtube:4/4/0/0 direct:3/1/21/0"},
        {{.by = STORE_USAGE_BY_SITE, .from_unix_s = DAY_ONE + 3700, .until_unix_s = DAY_ONE + 200000},
         "youtube:8/4/5000000300/2 direct:3/1/21/0"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        expect(s, cases[i].query, cases[i].wanted);
    struct seen seen;
    ask(s, (struct store_usage_query){.by = STORE_USAGE_BY_KEY, .key = "k1"}, &seen);
    static const int64_t ttfb[STORE_USAGE_BUCKETS] = {5, 0, 2, 0, 0, 0, 0, 1};
    assert_memory_equal(seen.sums[0].counts.ttfb, ttfb, sizeof ttfb);
    /* The same again, all or nothing. */
    assert_int_equal(store_usage_add(s, rows, ARRAY_LEN(rows), &err), 0);
    expect(s, (struct store_usage_query){.by = STORE_USAGE_BY_DAY}, "0:20/8/10000000640/4 86400:2/2/2/0");
    store_close(s);
}

static void see_minute(void *ctx, const struct store_usage_minute *m)
{
    struct buf *text = ctx;
    (void)buf_addf(text, "%s%lld:%lld/%lld/%lld/%lld/%lld", text->len ? " " : "", (long long)m->start_unix_s,
                   (long long)m->requests, (long long)m->errors, (long long)m->quota, (long long)m->bytes,
                   (long long)m->cached);
}

static void minutes(void **state)
{
    struct store *s = open_store(*state);
    struct err err = {0};
    auto_(buf) struct buf text = BUF_INIT(1000);
    int64_t now = clock_unix_s() / 60 * 60;
    const struct store_usage_minute all[] = {{now - 120, 3, 2, 1, 10, 1},
                                             {now, 1, 0, 0, 5000000000, 0},
                                             {now - 120, 1, 1, 0, 1, 1},
                                             {now - 90000, 9, 9, 9, 9, 9}};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        assert_int_equal(store_usage_minute_add(s, &all[i], &err), 0);
    assert_int_equal(store_usage_forget(s, 0, 0, &err), 0);
    assert_int_equal(store_usage_minutes(s, 0, see_minute, &text, &err), 0);
    char wanted[128];
    (void)snprintf(wanted, sizeof wanted, "%lld:4/3/1/11/2 %lld:1/0/0/5000000000/0", (long long)now - 120,
                   (long long)now);
    assert_string_equal(buf_str(&text), wanted);
    buf_clear(&text);
    assert_int_equal(store_usage_minutes(s, now, see_minute, &text, &err), 0);
    assert_string_equal(buf_str(&text), strchr(wanted, ' ') + 1);
    store_close(s);
}

static void forgotten(void **state)
{
    struct store *s = open_store(*state);
    struct err err = {0};
    assert_int_equal(store_usage_add(s, rows, ARRAY_LEN(rows), &err), 0);
    assert_int_equal(store_usage_forget(s, DAY_ONE, DAY_ONE, &err), 0);
    expect(s, (struct store_usage_query){.by = STORE_USAGE_BY_CODE},
           "ok:6/0/5000000320/2 busy:4/4/0/0 bad_url:1/1/1/0");
    assert_int_equal(store_usage_forget(s, DAY_ONE + 3601, DAY_ONE, &err), 0);
    expect(s, (struct store_usage_query){.by = STORE_USAGE_BY_HOUR}, "86400:1/1/1/0");
    assert_int_equal(store_usage_forget(s, DAY_ONE, DAY_ONE + 1, &err), 0);
    expect(s, (struct store_usage_query){.by = STORE_USAGE_BY_DAY}, "86400:1/1/1/0");
    store_close(s);
}

/* ---- A database from before all that ---- */

static void sql(sqlite3 *db, const char *text)
{
    char *why = NULL;
    if (sqlite3_exec(db, text, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s: %s", text, why);
}

/* As the first two migrations left it, with a key, and a quota of which seven are used. */
static void make_old(const char *dir, int64_t now_unix_us, const struct store_api_key *key)
{
    char text[600];
    sqlite3 *db = NULL;
    (void)snprintf(text, sizeof text, "%s/sluice.db", dir);
    assert_int_equal(sqlite3_open(text, &db), SQLITE_OK);
    sql(db, "CREATE TABLE schema_migration (version INTEGER PRIMARY KEY NOT NULL, name TEXT NOT NULL, "
            "applied_unix_s INTEGER NOT NULL) STRICT");
    int applied = 0;
    for (const struct embed_file *f = embed_files; f->name && applied < 2; f++) {
        if (!strstr(f->name, "001-") && !strstr(f->name, "002-"))
            continue;
        sql(db, f->text);
        (void)snprintf(text, sizeof text, "INSERT INTO schema_migration VALUES (%d, '%s', 1)", ++applied,
                       f->name);
        sql(db, text);
    }
    (void)snprintf(text, sizeof text,
                   "INSERT INTO api_key VALUES ('%s', '%064d', 'old', '', 'active', 10, 0, '', 1); "
                   "INSERT INTO rate VALUES ('k:%s', %lld)",
                   key->id, 0, key->id, (long long)now_unix_us + INT64_C(7) * 360 * 1000000);
    sql(db, text);
    (void)sqlite3_close(db);
}

/* Many processes find it at once: one of them brings it up to date, under all the others, and nothing is
 * lost. */
static void an_old_schema(void **state)
{
    enum { PROCESSES = 12 };
    const struct store_api_key key = {.id = "0123abcd"};
    int64_t now = INT64_C(1700000000000000);
    make_old(*state, now, &key);
    for (int i = 0; i < PROCESSES; i++) {
        if (fork() != 0)
            continue;
        struct store *s = open_store(*state);
        struct err err = {0};
        int64_t full;
        const struct store_rate r = {"k:0123abcd", now, INT64_C(360000000), INT64_C(3600000000)};
        struct store_api_key read;
        bool found = store_key_get(s, key.id, &read, &err) == 1 && read.rate_per_hour == 10 && !*read.sites &&
                     read.bytes_per_day == 0;
        int admitted = store_rate_admit(s, &r, &full, &err);
        store_close(s);
        _exit(!found || admitted < 0 ? 2 : admitted);
    }
    int admitted = 0;
    for (int i = 0, status; i < PROCESSES; i++) {
        assert_true(wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) < 2);
        admitted += WEXITSTATUS(status);
    }
    assert_int_equal(admitted, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIR(sums),      ON_SERVER(sums),      IN_DIR(minutes),       ON_SERVER(minutes),
        IN_DIR(forgotten), ON_SERVER(forgotten), IN_DIR(an_old_schema),
    };
    main_process = getpid();
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
