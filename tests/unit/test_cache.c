/* cache/: what is remembered for how long, and that a crowd of threads and processes makes one call. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "base/clock.h"
#include "cache/cache.h"
#include "cache/entry.h"
#include "cache/flight.h"

/* Counted across processes. */
static struct {
    int calls;  /* producers begun */
    int asking; /* callers about to call cache_get() */
    int wrong;  /* callers that got something else than they should */
    int fresh;  /* callers told that they did the work */
    int64_t began_us[8];
} * shared;

static int add(int *counter)
{
    return __atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST);
}

static int get(const int *counter)
{
    return __atomic_load_n(counter, __ATOMIC_SEQ_CST);
}

static pid_t main_process;

static int make_dir(void **state)
{
    char path[] = "/tmp/sluice-cache-XXXXXX";
    if (!mkdtemp(path))
        return -1;
    memset(shared, 0, sizeof *shared);
    *state = strdup(path);
    return 0;
}

static int remove_dir(void **state)
{
    if (getpid() != main_process)
        _exit(1); /* an assertion failed in a child */
    char command[256];
    (void)snprintf(command, sizeof command, "rm -rf %s", (char *)*state);
    int rc = system(command); // NOLINT(cert-env33-c): a path of ours
    free(*state);
    return rc;
}

struct both {
    struct store *store;
    struct cache *cache;
};

static void both_close(struct both *b)
{
    cache_close(b->cache);
    store_close(b->store);
}
DEFINE_AUTO(both, both_close)

static struct both open_both(const char *dir)
{
    struct both b = {0};
    struct err err = {0};
    if (store_open(&b.store, dir, &err) < 0 || cache_open(&b.cache, b.store, dir, &err) < 0) {
        (void)fprintf(stderr, "%s\n", err.text);
        abort();
    }
    return b;
}

/* A producer by recipe. */
struct recipe {
    const char *value; /* NULL: fails with `failure` */
    struct err failure;
    int ttl_s;       /* 0: not to be kept */
    int wait_asking; /* goes on when so many callers have come … */
    unsigned then_ms;
    const char *drop_table_in; /* … and breaks the store there */
};

static int produce(void *ctx, struct buf *value, int64_t *expires_unix_s, struct err *err)
{
    const struct recipe *r = ctx;
    shared->began_us[(add(&shared->calls) - 1) % 8] = clock_mono_us();
    while (get(&shared->asking) < r->wait_asking)
        clock_sleep_ms(1);
    clock_sleep_ms(r->then_ms);
    if (r->drop_table_in) {
        char path[256];
        sqlite3 *db = NULL;
        (void)snprintf(path, sizeof path, "%s/sluice.db", r->drop_table_in);
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, "DROP TABLE media_cache", NULL, NULL, NULL), SQLITE_OK);
        (void)sqlite3_close(db);
    }
    if (!r->value) {
        *err = r->failure;
        return -1;
    }
    *expires_unix_s = r->ttl_s ? clock_unix_s() + r->ttl_s : 0;
    return buf_adds(value, r->value);
}

/* One call; returns the value or the failure's code name, so that a table can expect either. */
static const char *ask(struct cache *c, const char *key, const char *stale, struct recipe *r, bool *cached)
{
    static _Thread_local char answer[64];
    auto_(buf) struct buf value = BUF_INIT(64);
    auto_(buf) struct buf old = BUF_INIT(64);
    struct err err = {0};
    if (stale)
        (void)buf_adds(&old, stale);
    int rc = cache_get(c, key, stale ? &old : NULL, produce, r, &value, cached, &err);
    (void)snprintf(answer, sizeof answer, "%s", rc < 0 ? err_info(err.code)->name : buf_str(&value));
    return answer;
}

static void remembers(void **state)
{
    auto_(both) struct both b = open_both(*state);
    struct recipe one = {.value = "one", .ttl_s = 60}, two = {.value = "two", .ttl_s = 60};
    bool cached = true;
    assert_string_equal(ask(b.cache, "k", NULL, &one, &cached), "one");
    assert_false(cached);
    assert_string_equal(ask(b.cache, "k", NULL, &two, &cached), "one");
    assert_true(cached);
    assert_string_equal(ask(b.cache, "other", NULL, &two, &cached), "two");
    assert_false(cached);
    assert_int_equal(shared->calls, 2);
}

static void value_is_appended(void **state)
{
    auto_(both) struct both b = open_both(*state);
    auto_(buf) struct buf value = BUF_INIT(6);
    auto_(buf) struct buf small = BUF_INIT(2);
    struct recipe r = {.value = "abc", .ttl_s = 60};
    struct err err = {0};
    for (int round = 0; round < 2; round++) { /* made, then remembered: the maximum is met exactly */
        buf_clear(&value);
        (void)buf_adds(&value, "pre");
        assert_int_equal(cache_get(b.cache, "k", NULL, produce, &r, &value, NULL, &err), 0);
        assert_string_equal(buf_str(&value), "preabc");
    }
    assert_int_equal(cache_get(b.cache, "k", NULL, produce, &r, &small, NULL, &err), -1);
    assert_int_equal(err.code, ERR_INTERNAL);
    assert_int_equal(shared->calls, 1);
    r = (struct recipe){.failure = {.code = ERR_PRIVATE}};
    buf_clear(&value);
    (void)buf_adds(&value, "kept");
    assert_int_equal(cache_get(b.cache, "p", NULL, produce, &r, &value, NULL, &err), -1);
    assert_int_equal(err.code, ERR_PRIVATE);
    assert_string_equal(buf_str(&value), "kept");
}

static void not_kept_is_made_again(void **state)
{
    auto_(both) struct both b = open_both(*state);
    struct recipe one = {.value = "one"}, two = {.value = "two"};
    bool cached = true;
    assert_string_equal(ask(b.cache, "k", NULL, &one, &cached), "one");
    assert_string_equal(ask(b.cache, "k", NULL, &two, &cached), "two");
    assert_false(cached);
}

static void stale_values(void **state)
{
    auto_(both) struct both b = open_both(*state);
    struct recipe one = {.value = "one", .ttl_s = 60}, two = {.value = "two", .ttl_s = 60};
    bool cached;
    assert_string_equal(ask(b.cache, "k", NULL, &one, &cached), "one");
    assert_string_equal(ask(b.cache, "k", "one", &two, &cached), "two");
    assert_false(cached);
    assert_string_equal(ask(b.cache, "k", "one", &one, &cached), "two"); /* somebody renewed it already */
    assert_true(cached);
    assert_string_equal(ask(b.cache, "k", NULL, &one, &cached), "two");
    assert_string_equal(ask(b.cache, "k", "two", &two, &cached),
                        "two"); /* made anew, though it is the same */
    assert_false(cached);
    assert_int_equal(shared->calls, 3);
}

static void failures_are_remembered(void **state)
{
    static const struct {
        const char *name;
        struct err failure;
        int ttl_s;
    } cases[] = {
        {"definite", {.code = ERR_PRIVATE, .text = "says \"no\" %s"}, CACHE_ERROR_TTL_S},
        {"transient",
         {.code = ERR_BOT_CHECK, .upstream_status = 429, .retry_after_s = 30, .text = "a b\nc"},
         CACHE_TRANSIENT_TTL_S},
        {"no text", {.code = ERR_UPSTREAM_FAILED}, CACHE_TRANSIENT_TTL_S},
    };
    auto_(both) struct both b = open_both(*state);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct recipe fails = {.failure = cases[i].failure};
        auto_(buf) struct buf value = BUF_INIT(1000);
        auto_(buf) struct buf raw = BUF_INIT(1000);
        int64_t now = clock_unix_s();
        for (int round = 0; round < 2; round++) {
            struct err err = {0};
            bool cached;
            assert_int_equal(cache_get(b.cache, cases[i].name, NULL, produce, &fails, &value, &cached, &err),
                             -1);
            assert_int_equal(cached, round);
            assert_int_equal(err.code, cases[i].failure.code);
            assert_int_equal(err.upstream_status, cases[i].failure.upstream_status);
            assert_int_equal(err.retry_after_s, cases[i].failure.retry_after_s);
            assert_string_equal(err.text, cases[i].failure.text);
            assert_int_equal(value.len, 0);
        }
        assert_int_equal(shared->calls, (int)i + 1);
        struct err err = {0};
        assert_int_equal(store_cache_get(b.store, cases[i].name, now + cases[i].ttl_s - 1, &raw, NULL, &err),
                         1);
        assert_int_equal(store_cache_get(b.store, cases[i].name, now + cases[i].ttl_s + 2, &raw, NULL, &err),
                         0);
    }
}

static void foreign_rows_are_not_there(void **state)
{
    static const struct {
        const char *name;
        const char *bytes;
        size_t len;
    } cases[] = {
        {"empty", "", 0},
        {"shorter than a trailer", "1234567V", 8},
        {"unknown kind", "value12345678Z", 14},
        {"failure without fields", "private12345678E", 16},
        {"failure with a bad number", "private x 0 text12345678E", 25},
        {"failure with a huge number", "private 0 99999999 t12345678E", 29},
    };
    auto_(both) struct both b = open_both(*state);
    struct recipe r = {.value = "made", .ttl_s = 60};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err;
        bool cached;
        assert_int_equal(
            store_cache_put(b.store, cases[i].name, cases[i].bytes, cases[i].len, INT64_MAX, &err), 0);
        assert_string_equal(ask(b.cache, cases[i].name, NULL, &r, &cached), "made");
        assert_false(cached);
    }
}

static void store_that_cannot_be_used(void **state)
{
    auto_(both) struct both b = open_both(*state);
    struct recipe r = {.value = "made", .ttl_s = 60, .drop_table_in = *state};
    bool cached;
    assert_string_equal(ask(b.cache, "k", NULL, &r, &cached), "made");
    r.drop_table_in = NULL;
    assert_string_equal(ask(b.cache, "k", NULL, &r, &cached), "made"); /* though it cannot be read either */
    assert_false(cached);
}

/* PROCESSES × THREADS callers of one key, all of them asking before the producer is done. */
enum { PROCESSES = 4, THREADS = 100 };
struct member {
    struct cache *cache;
    struct recipe *recipe;
    const char *stale, *expected;
};

static void *ask_once(void *arg)
{
    struct member *m = arg;
    bool cached = true;
    (void)add(&shared->asking);
    if (strcmp(ask(m->cache, "crowded", m->stale, m->recipe, &cached), m->expected) != 0)
        (void)add(&shared->wrong);
    if (!cached)
        (void)add(&shared->fresh);
    return NULL;
}

static void run_crowd(const char *dir, struct recipe *recipe, const char *stale, const char *expected)
{
    shared->calls = shared->asking = shared->wrong = shared->fresh = 0;
    recipe->wait_asking = PROCESSES * THREADS;
    recipe->then_ms = 300; /* for the last of them to get from the counter into the call */
    for (int i = 0; i < PROCESSES; i++) {
        if (fork() == 0) {
            struct both b = open_both(dir);
            struct member m = {.cache = b.cache, .recipe = recipe, .stale = stale, .expected = expected};
            pthread_t threads[THREADS];
            for (int t = 0; t < THREADS; t++) {
                if (pthread_create(&threads[t], NULL, ask_once, &m) != 0)
                    abort();
            }
            for (int t = 0; t < THREADS; t++)
                (void)pthread_join(threads[t], NULL);
            _exit(0);
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    assert_int_equal(shared->calls, 1);
    assert_int_equal(shared->fresh, 1);
    assert_int_equal(shared->wrong, 0);
}

static void crowd_makes_one_call(void **state)
{
    struct recipe kept = {.value = "value", .ttl_s = 60};
    run_crowd(*state, &kept, NULL, "value");
}

static void crowd_shares_what_is_not_kept(void **state)
{
    struct recipe not_kept = {.value = "value"};
    run_crowd(*state, &not_kept, NULL, "value");
    run_crowd(*state, &not_kept, NULL, "value"); /* and latecomers do not */
}

static void crowd_shares_a_failure(void **state)
{
    struct recipe fails = {.failure = {.code = ERR_GEO_BLOCKED}};
    run_crowd(*state, &fails, NULL, "geo_blocked");
}

static void crowd_renews_a_stale_value(void **state)
{
    struct recipe first = {.value = "old", .ttl_s = 60}, newer = {.value = "new", .ttl_s = 60};
    struct recipe same = {.value = "new", .ttl_s = 60};
    {
        auto_(both) struct both b = open_both(*state);
        assert_string_equal(ask(b.cache, "crowded", NULL, &first, NULL), "old");
    }
    run_crowd(*state, &newer, "old", "new");
    run_crowd(*state, &same, "new", "new"); /* the source insists on what they all had */
}

static void killed_producer_is_replaced(void **state)
{
    struct recipe forever = {.value = "never", .wait_asking = 1000000};
    struct recipe quick = {.value = "taken over", .ttl_s = 60};
    pid_t first = fork();
    if (first == 0) {
        struct both b = open_both(*state);
        (void)ask(b.cache, "k", NULL, &forever, NULL);
        _exit(1);
    }
    while (get(&shared->calls) < 1)
        clock_sleep_ms(1);
    pid_t second = fork();
    if (second == 0) {
        struct both b = open_both(*state);
        (void)add(&shared->asking);
        _exit(strcmp(ask(b.cache, "k", NULL, &quick, NULL), "taken over") == 0 ? 0 : 1);
    }
    while (get(&shared->asking) < 1)
        clock_sleep_ms(1);
    clock_sleep_ms(200);
    assert_int_equal(get(&shared->calls), 1);
    int64_t killed_us = clock_mono_us();
    int status;
    assert_int_equal(kill(first, SIGKILL), 0);
    assert_int_equal(waitpid(first, &status, 0), first);
    assert_int_equal(waitpid(second, &status, 0), second);
    assert_int_equal(status, 0);
    assert_int_equal(get(&shared->calls), 2);
    print_message("    taken over after %.1f ms\n", (double)(shared->began_us[1] - killed_us) / 1000);
    assert_in_range(shared->began_us[1] - killed_us, 0, 500000); /* 20 ms and a busy machine */
}

struct keyed {
    struct cache *cache;
    const char *key;
    struct recipe *recipe;
};

static void *ask_key(void *arg)
{
    struct keyed *k = arg;
    return strcmp(ask(k->cache, k->key, NULL, k->recipe, NULL), "value") == 0 ? NULL : arg;
}

/* Two producers that can only end when both have begun. */
static void other_keys_do_not_wait(void **state)
{
    auto_(both) struct both b = open_both(*state);
    struct recipe r = {.value = "value", .ttl_s = 60, .wait_asking = 2};
    struct keyed keys[] = {{b.cache, "a", &r}, {b.cache, "b", &r}};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_key, &keys[i]), 0);
    while (get(&shared->calls) < 2)
        clock_sleep_ms(1);
    (void)add(&shared->asking);
    (void)add(&shared->asking);
    for (int i = 0; i < 2; i++) {
        void *wrong;
        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
}

static int produce_nested(void *ctx, struct buf *value, int64_t *expires_unix_s, struct err *err)
{
    struct recipe inner = {.value = "inner", .ttl_s = 60};
    *expires_unix_s = clock_unix_s() + 60;
    return cache_get(ctx, "inner", NULL, produce, &inner, value, NULL, err) < 0 ? -1
                                                                                : buf_adds(value, " outer");
}

static void producers_nest(void **state)
{
    auto_(both) struct both b = open_both(*state);
    auto_(buf) struct buf value = BUF_INIT(100);
    struct err err;
    assert_int_equal(cache_get(b.cache, "outer", NULL, produce_nested, b.cache, &value, NULL, &err), 0);
    assert_string_equal(buf_str(&value), "inner outer");
}

static void flights_exclude_each_other(void **state)
{
    struct err err = {0};
    int dir = open(*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int64_t now = clock_mono_us();
    int held = flight_begin(dir, "k", now, &err);
    int other = flight_begin(dir, "another", now, &err);
    assert_true(held >= 0 && other >= 0);
    assert_int_equal(flight_begin(dir, "k", clock_mono_us() + 50000, &err), -1);
    assert_int_equal(err.code, ERR_BUSY);
    assert_in_range(clock_mono_us() - now, 50000, 5000000);
    assert_int_equal(close(held), 0);
    held = flight_begin(dir, "k", now, &err);
    assert_true(held >= 0);
    (void)close(held);
    (void)close(other);
    (void)close(dir);
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)

int main(void)
{
    main_process = getpid();
    static const struct CMUnitTest tests[] = {
        IN_DIR(remembers),
        IN_DIR(value_is_appended),
        IN_DIR(not_kept_is_made_again),
        IN_DIR(stale_values),
        IN_DIR(failures_are_remembered),
        IN_DIR(foreign_rows_are_not_there),
        IN_DIR(store_that_cannot_be_used),
        IN_DIR(crowd_makes_one_call),
        IN_DIR(crowd_shares_what_is_not_kept),
        IN_DIR(crowd_shares_a_failure),
        IN_DIR(crowd_renews_a_stale_value),
        IN_DIR(killed_producer_is_replaced),
        IN_DIR(other_keys_do_not_wait),
        IN_DIR(producers_nest),
        IN_DIR(flights_exclude_each_other),
    };
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || hash_init(NULL) < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
