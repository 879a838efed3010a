/* A limit of N admits N: four processes of 16 threads each ask for the same at once, round after round, on
 * both engines; also while they are killed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "base/clock.h"
#include "base/hash.h"
#include "databases.h"
#include "gate/gcra.h"
#include "store/credit.h"
#include "store/rate.h"

enum { PROCESSES = 4, THREADS = 16, TOO_MANY = 60, ROUNDS = 100, KILL_ROUNDS = 200 };

/* Shared by all. */
struct stage {
    atomic_int round; /* -1: it is over */
    atomic_int ready; /* processes that have opened the store */
    atomic_long open, admitted, refused, failed;
    atomic_int done[PROCESSES]; /* threads that are through with the round */
    int64_t limit;
    char why[256];
};

struct player {
    struct stage *stage;
    struct store *store;
    int process, round;
};

static void *play(void *ctx)
{
    struct player *p = ctx;
    struct stage *st = p->stage;
    const struct gcra g = gcra_of(st->limit, st->limit * 36000); /* nothing comes back in time */
    char subject[32];
    (void)snprintf(subject, sizeof subject, "k:%d", p->round);
    while (atomic_fetch_sub(&st->open, 1) > 0) {
        struct err err = {0};
        int64_t full;
        const struct store_rate r = {subject, clock_unix_us(), g.interval_us, g.capacity_us};
        int rc = store_rate_admit(p->store, &r, &full, &err);
        (void)atomic_fetch_add(rc > 0 ? &st->admitted : rc == 0 ? &st->refused : &st->failed, 1);
        if (rc < 0)
            memcpy(st->why, err.text, sizeof st->why);
    }
    (void)atomic_fetch_add(&st->done[p->process], 1);
    return NULL;
}

static _Noreturn void run_process(struct stage *st, const char *where, int process)
{
    struct player p = {.stage = st, .process = process};
    struct err err = {0};
    if (store_open(&p.store, where, &err) < 0)
        _exit(2);
    int after = atomic_load(&st->round);
    (void)atomic_fetch_add(&st->ready, 1);
    while (atomic_load(&st->round) >= 0) {
        pthread_t threads[THREADS];
        p.round = atomic_load(&st->round);
        if (p.round == after) {
            clock_sleep_ms(1);
            continue;
        }
        after = p.round;
        for (int i = 0; i < THREADS; i++)
            (void)pthread_create(&threads[i], NULL, play, &p);
        for (int i = 0; i < THREADS; i++)
            (void)pthread_join(threads[i], NULL);
    }
    store_close(p.store);
    _exit(0);
}

static pid_t start_process(struct stage *st, const char *where, int process)
{
    int before = atomic_load(&st->ready);
    pid_t pid = fork();
    if (pid == 0)
        run_process(st, where, process);
    while (pid > 0 && atomic_load(&st->ready) == before)
        clock_sleep_ms(1);
    return pid;
}

static void begin_round(struct stage *st, int round, int64_t limit, long more)
{
    st->limit = limit;
    atomic_store(&st->admitted, 0);
    atomic_store(&st->refused, 0);
    atomic_store(&st->open, limit + more);
    for (int i = 0; i < PROCESSES; i++)
        atomic_store(&st->done[i], 0);
    atomic_store(&st->round, round);
}

static void wait_for(struct stage *st, int process)
{
    while (atomic_load(&st->done[process]) < THREADS)
        clock_sleep_ms(1);
}

/* `killed`: a process in each round, at a random moment. */
static void rounds(const char *where, int count, bool killed)
{
    static const int64_t limits[] = {40, 1, 600, 7, 64, 2500, 100, 300};
    struct err err = {0};
    struct stage *st = mmap(NULL, sizeof *st, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pids[PROCESSES];
    long missing = 0;
    assert_ptr_not_equal(st, MAP_FAILED);
    assert_int_equal(hash_init(&err), 0);
    for (int i = 0; i < PROCESSES; i++)
        pids[i] = start_process(st, where, i);
    for (int round = 1; round <= count; round++) {
        int64_t limit = limits[round % (int)ARRAY_LEN(limits)];
        uint16_t random;
        hash_random(&random, sizeof random);
        int victim = killed ? random % PROCESSES : -1;
        begin_round(st, round, limit, TOO_MANY + (killed ? THREADS : 0));
        if (killed) {
            clock_sleep_ms(random / 7 % 25);
            (void)kill(pids[victim], SIGKILL);
            (void)waitpid(pids[victim], NULL, 0);
        }
        for (int i = 0; i < PROCESSES; i++) {
            if (i != victim)
                wait_for(st, i);
        }
        if (atomic_load(&st->failed))
            fail_msg("round %d: %ld failed: %s", round, atomic_load(&st->failed), st->why);
        long admitted = atomic_load(&st->admitted);
        if (!killed && (admitted != limit || atomic_load(&st->refused) != TOO_MANY))
            fail_msg("round %d: %ld of %ld admitted", round, admitted, (long)limit);
        /* What it had taken ahead, and what its threads were about to answer. */
        long lost = limit / CREDIT_SHARE + THREADS;
        if (admitted > limit || admitted < limit - lost)
            fail_msg("round %d: %ld of %ld admitted, with one process killed", round, admitted, (long)limit);
        missing += limit - admitted;
        if (killed)
            pids[victim] = start_process(st, where, victim);
    }
    atomic_store(&st->round, -1);
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    print_message("           %s: %d rounds, %ld lost\n", is_server(where) ? "server" : "file", count,
                  missing);
    (void)munmap(st, sizeof *st);
}

static void exactly_so_many(void **state)
{
    rounds(*state, ROUNDS, false);
}

static void never_more(void **state)
{
    const char *where = *state;
    rounds(where, is_server(where) ? KILL_ROUNDS / 4 : KILL_ROUNDS, true);
    if (is_server(where))
        return;
    char path[PATH_MAX];
    sqlite3 *db = NULL;
    sqlite3_stmt *st = NULL;
    (void)snprintf(path, sizeof path, "%s/sluice.db", where);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(st, 0), "ok");
    (void)sqlite3_finalize(st);
    (void)sqlite3_close(db);
}

/* The server goes under the load and comes back: in between only what was taken before is spent, callers are
 * told soon, and no more than N get through in all. */
static void server_goes(void **state)
{
    enum { LIMIT = 3000 };
    const char *where = *state;
    struct err err = {0};
    struct store *s = NULL;
    const struct gcra g = gcra_of(LIMIT, LIMIT * 36000);
    int64_t full;
    long admitted = 0;
    assert_int_equal(hash_init(&err), 0);
    assert_int_equal(store_open(&s, where, &err), 0);
    for (int i = 0; i < LIMIT + 200; i++) {
        const struct store_rate r = {"k:a", clock_unix_us(), g.interval_us, g.capacity_us};
        if (i == 1000) {
            assert_int_equal(server("kill"), 0);
            int64_t began_us = clock_mono_us();
            int rc = 1;
            while (rc == 1)
                admitted += rc = store_rate_admit(s, &r, &full, &err);
            admitted += rc == -1; /* which was none */
            assert_int_equal(rc, -1);
            assert_int_equal(err.code, ERR_BUSY);
            assert_true(clock_mono_us() - began_us < 4000000);
            assert_int_equal(server("start"), 0);
        }
        int rc = store_rate_admit(s, &r, &full, &err);
        assert_true(rc >= 0);
        admitted += rc;
    }
    store_close(s);
    if (admitted > LIMIT || admitted < LIMIT - LIMIT / CREDIT_SHARE)
        fail_msg("%ld of %d admitted", admitted, LIMIT);
}

/* Under load there are far fewer writes than admissions, and what was not spent comes back by itself. */
static void held_and_given_back(void **state)
{
    struct store *s = NULL;
    struct store *other = NULL;
    struct err err = {0};
    const struct gcra g = gcra_of(100000, 3600);
    int64_t now = clock_unix_us();
    int64_t full = 0;
    int64_t seen = 0;
    const struct store_rate r = {"k:a", now, g.interval_us, g.capacity_us};
    assert_int_equal(hash_init(&err), 0);
    assert_int_equal(store_open(&s, *state, &err), 0);
    assert_int_equal(store_open(&other, *state, &err), 0);
    int writes = 0;
    enum { ASKED = 2000 };
    for (int i = 1; i <= ASKED; i++) {
        assert_int_equal(store_rate_admit(s, &r, &full, &err), 1);
        assert_int_equal(full, now + i * g.interval_us); /* what is held does not count as used */
        if (i % 20 == 0) {
            int64_t row;
            assert_int_equal(store_rate_look(other, &r, &row, &err), 0);
            assert_true(row >= full); /* and was taken before it was spent */
            writes += row != seen;
            seen = row;
        }
    }
    assert_true(writes <= ASKED / 20 / 4);
    for (int waited_ms = 0; seen != full && waited_ms < 10 * CREDIT_MS; waited_ms += 10) {
        clock_sleep_ms(10);
        assert_int_equal(store_rate_look(other, &r, &seen, &err), 0);
    }
    assert_int_equal(seen, full);
    for (int i = 0; i < ASKED; i++)
        assert_int_equal(store_rate_admit(s, &r, &full, &err), 1);
    store_close(s); /* gives back, too */
    assert_int_equal(store_rate_look(other, &r, &seen, &err), 0);
    assert_int_equal(seen, full);
    store_close(other);
}

/* All or nothing, beside what is taken one by one. */
static void many_at_once(void **state)
{
    struct store *s = NULL;
    struct err err = {0};
    const struct gcra g = gcra_of(10, 3600);
    int64_t now = clock_unix_us();
    int64_t full = 0;
    const struct store_rate r = {"b:a", now, g.interval_us, g.capacity_us};
    assert_int_equal(store_open(&s, *state, &err), 0);
    assert_int_equal(store_rate_take(s, &r, 11, &full, &err), 0);
    assert_int_equal(full, now);
    assert_int_equal(store_rate_take(s, &r, 7, &full, &err), 1);
    assert_int_equal(store_rate_take(s, &r, 4, &full, &err), 0);
    assert_int_equal(full, now + 7 * g.interval_us);
    assert_int_equal(store_rate_refund(s, &r, 2, &err), 0);
    assert_int_equal(store_rate_take(s, &r, 4, &full, &err), 1);
    assert_int_equal(full, now + 9 * g.interval_us);
    store_close(s);
}

/* While the database cannot be written, each is told after one wait, however many others stand in line. */
static void *ask_once(void *ctx)
{
    struct player *p = ctx;
    struct err err = {0};
    const struct gcra g = gcra_of(10, 3600);
    char subject[16];
    int64_t full;
    (void)snprintf(subject, sizeof subject, "k:%d", p->process);
    const struct store_rate r = {subject, clock_unix_us(), g.interval_us, g.capacity_us};
    p->round = store_rate_admit(p->store, &r, &full, &err) < 0 && err.code == ERR_BUSY;
    return NULL;
}

static void a_locked_file(void **state)
{
    struct err err = {0};
    struct store *s = NULL;
    char path[PATH_MAX];
    sqlite3 *db = NULL;
    struct player players[THREADS];
    pthread_t threads[THREADS];
    assert_int_equal(store_open(&s, *state, &err), 0);
    (void)snprintf(path, sizeof path, "%s/sluice.db", (const char *)*state);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    int64_t began_us = clock_mono_us();
    for (int i = 0; i < THREADS; i++) {
        players[i] = (struct player){.store = s, .process = i};
        assert_int_equal(pthread_create(&threads[i], NULL, ask_once, &players[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_true(players[i].round);
    }
    assert_true(clock_mono_us() - began_us < INT64_C(3000) * STORE_CACHE_WAIT_MS);
    assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    (void)sqlite3_close(db);
    players[0].process = 0;
    (void)ask_once(&players[0]);
    assert_false(players[0].round);
    store_close(s);
}

/* What was used of the old limit is used of the new one. */
static void another_limit(void **state)
{
    struct store *s = NULL;
    struct err err = {0};
    static const struct {
        int64_t before, used, now, left;
    } cases[] = {{10, 10, 30, 20}, {10, 3, 5, 2},     {10, 7, 5, 0},
                 {10, 0, 4, 4},    {1000, 999, 1, 0}, {3, 3, 3000, 2997}};
    assert_int_equal(store_open(&s, *state, &err), 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char subject[16];
        int64_t now = clock_unix_us();
        int64_t full = now;
        const struct gcra a = gcra_of(cases[i].before, 3600), b = gcra_of(cases[i].now, 3600);
        (void)snprintf(subject, sizeof subject, "k:%zu", i);
        const struct store_rate before = {subject, now, a.interval_us, a.capacity_us};
        const struct store_rate after = {subject, now, b.interval_us, b.capacity_us};
        for (int64_t k = 0; k < cases[i].used; k++)
            assert_int_equal(store_rate_admit(s, &before, &full, &err), 1);
        assert_int_equal(store_rate_rescale(s, &before, &after, &err), 0);
        assert_int_equal(store_rate_look(s, &after, &full, &err), 0);
        assert_int_equal(gcra_remaining(&b, full, now), cases[i].left);
    }
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIR(held_and_given_back), ON_SERVER(held_and_given_back), IN_DIR(a_locked_file),
        IN_DIR(another_limit),       ON_SERVER(another_limit),       IN_DIR(many_at_once),
        ON_SERVER(many_at_once),     IN_DIR(exactly_so_many),        ON_SERVER(exactly_so_many),
        IN_DIR(never_more),          ON_SERVER(never_more),          ON_SERVER(server_goes),
    };
    main_process = getpid();
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
