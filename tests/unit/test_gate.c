/* gate/: limits, waiting, counting, across threads and processes, and what a killed process leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "gate/gate.h"
#include "gate/table.h"

/* Tickets of places that are held, for tests in which it does not matter whose is given back. */
struct held {
    struct gate_ticket ticket;
    struct gate *gate;
    struct held *next;
};
static struct held *held_first;
static pthread_mutex_t held_lock = PTHREAD_MUTEX_INITIALIZER;

static int enter(struct gate *g, struct err *err)
{
    struct held *h = calloc(1, sizeof *h);
    h->gate = g;
    int rc = gate_enter(g, &h->ticket, NULL, err);
    if (rc < 0) {
        free(h);
        return rc;
    }
    (void)pthread_mutex_lock(&held_lock);
    h->next = held_first;
    held_first = h;
    (void)pthread_mutex_unlock(&held_lock);
    return 0;
}

static void leave(struct gate *g)
{
    (void)pthread_mutex_lock(&held_lock);
    struct held **at = &held_first;
    while (*at && (*at)->gate != g)
        at = &(*at)->next;
    struct held *h = *at;
    if (h)
        *at = h->next;
    (void)pthread_mutex_unlock(&held_lock);
    if (h)
        gate_depart(g, &h->ticket);
    free(h);
}

/* Counted across processes. */
static struct {
    int inside, most_inside;
    int entered, refused, wrong;
    int order[64]; /* who entered, in order */
} * shared;

static pid_t main_process;

static int add(int *counter, int n)
{
    return __atomic_add_fetch(counter, n, __ATOMIC_SEQ_CST);
}

static int get(const int *counter)
{
    return __atomic_load_n(counter, __ATOMIC_SEQ_CST);
}

static int make_dir(void **state)
{
    char path[] = "/tmp/sluice-gate-XXXXXX";
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

static struct gate *open_gate(const char *dir, int connections, int active, int wait_s)
{
    struct gate *g = NULL;
    struct err err = {0};
    struct gate_limits limits = {connections, active, wait_s};
    if (gate_open(&g, dir, &limits, &err) < 0) {
        (void)fprintf(stderr, "%s\n", err.text);
        abort();
    }
    return g;
}

static void expect_counts(struct gate *g, int max, int active, int waiting)
{
    struct gate_counts c;
    struct err err = {0};
    assert_int_equal(gate_count(g, &c, &err), 0);
    assert_int_equal(c.max, max);
    assert_int_equal(c.active, active);
    assert_int_equal(c.waiting, waiting);
}

static void wait_counts(struct gate *g, int active, int waiting)
{
    int64_t deadline_us = clock_mono_us() + 5000000;
    for (;;) {
        struct gate_counts c;
        assert_int_equal(gate_count(g, &c, NULL), 0);
        if (c.active == active && c.waiting == waiting)
            return;
        if (clock_mono_us() > deadline_us)
            fail_msg("counts stay at %lld, %lld", (long long)c.active, (long long)c.waiting);
        clock_sleep_ms(1);
    }
}

static void expect_busy(struct gate *g, int64_t least_ms, int64_t most_ms)
{
    struct err err = {0};
    int64_t start_us = clock_mono_us();
    assert_int_equal(enter(g, &err), -1);
    assert_int_equal(err.code, ERR_BUSY);
    assert_true(err.retry_after_s > 0);
    assert_in_range((clock_mono_us() - start_us) / 1000, least_ms, most_ms);
}

static void limits_hold(void **state)
{
    auto_ptr(gate) struct gate *g = open_gate(*state, 10, 2, 0);
    auto_ptr(gate) struct gate *other = open_gate(*state, 10, 2, 0); /* like another process */
    auto_ptr(gate) struct gate *health = open_gate(*state, 1, 2, 0);
    struct stat st;
    char path[256];
    expect_counts(health, 1, 0, 0);
    assert_int_equal(enter(g, NULL), 0);
    assert_int_equal(enter(other, NULL), 0);
    expect_counts(g, 2, 2, 0);
    expect_counts(health, 1, 2, 0);
    expect_busy(g, 0, 900);
    expect_busy(other, 0, 900);
    leave(g);
    expect_counts(other, 2, 1, 0);
    assert_int_equal(enter(other, NULL), 0);
    expect_busy(g, 0, 900);
    leave(other);
    leave(other);
    expect_counts(g, 2, 0, 0);
    (void)snprintf(path, sizeof path, "%s/slots", (char *)*state);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
}

/* Who waits gets the place that there is now; who is inside stays there. */
static void limits_change(void **state)
{
    auto_ptr(gate) struct gate *g = open_gate(*state, 10, 1, 30);
    struct gate_ticket first;
    struct gate_ticket second;
    int64_t again;
    assert_int_equal(gate_arrive(g, &first, NULL, NULL, NULL), 1);
    assert_int_equal(gate_arrive(g, &second, NULL, NULL, NULL), 0);
    assert_int_equal(gate_poll(g, &second, &again, NULL), 0);
    gate_limit(g, &(struct gate_limits){10, 2, 30});
    assert_int_equal(gate_poll(g, &second, &again, NULL), 1);
    expect_counts(g, 2, 2, 0);
    gate_limit(g, &(struct gate_limits){1, 1, 0});
    expect_counts(g, 1, 2, 0);
    expect_busy(g, 0, 900);
    gate_depart(g, &first);
    expect_busy(g, 0, 900);
    gate_depart(g, &second);
    expect_counts(g, 1, 0, 0);
}

struct caller {
    struct gate *gate;
    int id;
};

/* Enters, notes its turn, leaves. */
static void *enter_once(void *arg)
{
    struct caller *c = arg;
    if (enter(c->gate, NULL) < 0) {
        (void)add(&shared->refused, 1);
        return NULL;
    }
    shared->order[add(&shared->entered, 1) - 1] = c->id;
    leave(c->gate);
    return NULL;
}

static void waiting_is_bounded(void **state)
{
    auto_ptr(gate) struct gate *g = open_gate(*state, 3, 1, 1);
    auto_ptr(gate) struct gate *other = open_gate(*state, 3, 1, 1);
    struct caller callers[] = {{g, 1}, {other, 2}};
    pthread_t threads[2];
    assert_int_equal(enter(g, NULL), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, enter_once, &callers[i]), 0);
        wait_counts(other, 1, i + 1);
    }
    expect_busy(other, 0, 500); /* three connections: refused at once */
    expect_busy(g, 0, 500);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(shared->refused, 2); /* waited in vain */
    expect_counts(g, 1, 1, 0);
    expect_busy(other, 950, 3000);
    leave(g);
    assert_int_equal(enter(other, NULL), 0);
    leave(other);
}

static struct err refused(struct gate *g)
{
    struct err err = {0};
    struct gate_ticket t = {0};
    assert_int_equal(gate_arrive(g, &t, NULL, NULL, &err), -1);
    assert_int_equal(err.code, ERR_BUSY);
    return err;
}

static void place_in_line(void **state)
{
    auto_ptr(gate) struct gate *g = open_gate(*state, 4, 1, 10);
    auto_ptr(gate) struct gate *other = open_gate(*state, 4, 1, 10);
    struct gate_ticket inside = {0};
    struct gate_ticket line[3] = {0};
    int64_t again_us = 0;
    assert_int_equal(gate_arrive(g, &inside, NULL, NULL, NULL), 1);
    for (int i = 0; i < 3; i++) /* one of them with another process */
        assert_int_equal(gate_arrive(i == 1 ? other : g, &line[i], NULL, NULL, NULL), 0);
    assert_int_equal(refused(g).queue_position, 4);
    assert_int_equal(refused(other).queue_position, 4);
    assert_int_equal(refused(g).retry_after_s, 5); /* nobody knows */
    gate_depart(g, &line[2]);
    gate_depart(other, &line[1]);
    struct gate *full = open_gate(*state, 2, 1, 10);
    assert_int_equal(refused(full).queue_position, 2);
    gate_close(full);
    gate_depart(g, &inside);
    assert_int_equal(gate_poll(g, &line[0], &again_us, NULL), 1);
    gate_depart(g, &line[0]);
}

static void when_to_come_again(void **state)
{
    static const struct {
        const char *name;
        int connections, wait_s;
        unsigned stay_ms, still_ms; /* how long the one before stayed; how long nobody has moved since */
        int least_s, most_s;
    } cases[] = {
        {"short stays", 1, 0, 20, 0, 1, 1},
        {"a second each", 1, 0, 1100, 0, 2, 2},
        {"nobody has moved for two", 1, 0, 20, 2100, 3, 4},
        {"the line is patient", 1, 60, 1100, 0, 2, 2},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct gate *g = open_gate(*state, cases[i].connections, 1, cases[i].wait_s);
        struct gate_ticket t = {0};
        assert_int_equal(gate_arrive(g, &t, NULL, NULL, NULL), 1);
        clock_sleep_ms(cases[i].stay_ms);
        gate_depart(g, &t);
        assert_int_equal(gate_arrive(g, &t, NULL, NULL, NULL), 1);
        clock_sleep_ms(cases[i].still_ms);
        struct err err = refused(g);
        if (err.retry_after_s < cases[i].least_s || err.retry_after_s > cases[i].most_s)
            fail_msg("%s: %d s", cases[i].name, err.retry_after_s);
        gate_depart(g, &t);
        gate_close(g);
    }

    /* Behind two others, with a place every second and one second of patience: after the first has gone. */
    auto_ptr(gate) struct gate *g = open_gate(*state, 3, 1, 1);
    struct gate_ticket t = {0};
    struct gate_ticket line[2] = {0};
    int64_t again_us = 0;
    assert_int_equal(gate_arrive(g, &t, NULL, NULL, NULL), 1);
    clock_sleep_ms(1200);
    gate_depart(g, &t);
    assert_int_equal(gate_arrive(g, &t, NULL, NULL, NULL), 1);
    for (int i = 0; i < 2; i++)
        assert_int_equal(gate_arrive(g, &line[i], NULL, NULL, NULL), 0);
    struct err err = refused(g);
    assert_int_equal(err.queue_position, 3);
    assert_in_range(err.retry_after_s, 3, 4); /* 3 × 1.2 − 1 */
    clock_sleep_ms(1050);
    assert_int_equal(gate_poll(g, &line[0], &again_us, &err),
                     -1); /* waited in vain: behind one when it returns */
    assert_int_equal(err.code, ERR_BUSY);
    assert_int_equal(err.queue_position, 2);
    gate_depart(g, &line[1]);
    gate_depart(g, &t);
}

/* Callers of three processes, one every few milliseconds, go through a single place in that order. */
static void order_of_arrival(void **state)
{
    enum { CALLERS = 30 };
    struct gate *gates[3];
    struct caller callers[CALLERS];
    pthread_t threads[CALLERS];
    for (int i = 0; i < 3; i++)
        gates[i] = open_gate(*state, 100, 1, 30);
    assert_int_equal(enter(gates[0], NULL), 0);
    for (int i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){gates[i * 7 / 3 % 3], i};
        assert_int_equal(pthread_create(&threads[i], NULL, enter_once, &callers[i]), 0);
        wait_counts(gates[1], 1, i + 1);
    }
    leave(gates[0]);
    for (int i = 0; i < CALLERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(shared->entered, CALLERS);
    for (int i = 0; i < CALLERS; i++)
        assert_int_equal(shared->order[i], i);
    for (int i = 0; i < 3; i++)
        gate_close(gates[i]);
}

enum { PROCESSES = 4, THREADS = 12, ACTIVE = 5 };

static void *hammer(void *arg)
{
    unsigned seed = (unsigned)(uintptr_t)&seed ^ (unsigned)getpid();
    for (int i = 0; i < 40; i++) {
        struct err err = {0};
        if (enter(arg, &err) < 0) {
            (void)add(err.code == ERR_BUSY ? &shared->refused : &shared->wrong, 1);
            continue;
        }
        int now = add(&shared->inside, 1), most = get(&shared->most_inside);
        while (now > most && !__atomic_compare_exchange_n(&shared->most_inside, &most, now, false,
                                                          __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
            continue;
        (void)add(&shared->entered, 1);
        if (i == 0) /* long enough for all places to be taken at once, whoever polls when */
            clock_sleep_ms(4 * GATE_PAUSE_MS);
        else if (rand_r(&seed) % 4 == 0)
            clock_sleep_ms((unsigned)rand_r(&seed) % 4);
        (void)add(&shared->inside, -1);
        leave(arg);
    }
    return NULL;
}

static pid_t start_hammer(const char *dir)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    struct gate *g = open_gate(dir, 1000, ACTIVE, 30);
    pthread_t threads[THREADS];
    for (int t = 0; t < THREADS; t++) {
        if (pthread_create(&threads[t], NULL, hammer, g) != 0)
            abort();
    }
    for (int t = 0; t < THREADS; t++)
        (void)pthread_join(threads[t], NULL);
    gate_close(g);
    _exit(0);
}

static void never_more_than_allowed(void **state)
{
    auto_ptr(gate) struct gate *watcher = open_gate(*state, 1000, ACTIVE, 30);
    pid_t pids[PROCESSES];
    for (int i = 0; i < PROCESSES; i++)
        pids[i] = start_hammer(*state);
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        while (waitpid(pids[i], &status, WNOHANG) == 0) {
            struct gate_counts c;
            assert_int_equal(gate_count(watcher, &c, NULL), 0);
            assert_in_range(c.waiting, 0, PROCESSES * THREADS);
            clock_sleep_ms(1);
        }
        assert_int_equal(status, 0);
    }
    assert_int_equal(shared->wrong, 0);
    assert_int_equal(shared->refused, 0);
    assert_int_equal(shared->entered, PROCESSES * THREADS * 40);
    assert_int_equal(shared->most_inside, ACTIVE);
    expect_counts(watcher, ACTIVE, 0, 0);
}

/* A process that takes `n` places and sits on them. */
static pid_t start_holder(const char *dir, int n)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    struct gate *g = open_gate(dir, 100, ACTIVE, 30);
    for (int i = 0; i < n; i++) {
        if (enter(g, NULL) < 0)
            _exit(1);
    }
    for (;;)
        (void)pause();
}

static void killed_holders_free_their_places(void **state)
{
    auto_ptr(gate) struct gate *g = open_gate(*state, 100, ACTIVE, 30);
    for (int round = 0; round < 5; round++) {
        pid_t pids[] = {start_holder(*state, 2), start_holder(*state, 3)};
        wait_counts(g, ACTIVE, 0);
        struct caller waiting = {g, 7};
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, enter_once, &waiting), 0);
        wait_counts(g, ACTIVE, 1);
        int64_t killed_us = clock_mono_us();
        for (int i = 0; i < 2; i++) {
            assert_int_equal(kill(pids[i], SIGKILL), 0);
            assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
        }
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(shared->entered, round + 1);
        assert_in_range(clock_mono_us() - killed_us, 0, 1000000);
        print_message("    place of a killed process after %.0f ms\n",
                      (double)(clock_mono_us() - killed_us) / 1000);
        expect_counts(g, ACTIVE, 0, 0);
        for (int i = 0; i < ACTIVE; i++)
            assert_int_equal(enter(g, NULL), 0);
        for (int i = 0; i < ACTIVE; i++)
            leave(g);
    }
}

/* Hammering processes that are killed in whatever they do, the table's mutex included. */
static void killed_anywhere(void **state)
{
    unsigned seed = 1;
    for (int round = 0; round < 30; round++) {
        pid_t pids[PROCESSES];
        for (int i = 0; i < PROCESSES; i++)
            pids[i] = start_hammer(*state);
        clock_sleep_ms(5 + (unsigned)rand_r(&seed) % 30);
        for (int i = 0; i < PROCESSES; i++)
            assert_int_equal(kill(pids[i], SIGKILL), 0);
        for (int i = 0; i < PROCESSES; i++)
            assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
        auto_ptr(gate) struct gate *g = open_gate(*state, ACTIVE, ACTIVE, 1);
        expect_counts(g, ACTIVE, 0, 0);
        clock_sleep_ms(GATE_SWEEP_MS);
        for (int i = 0; i < ACTIVE; i++)
            assert_int_equal(enter(g, NULL), 0);
        expect_counts(g, ACTIVE, ACTIVE, 0);
    }
}

static void *wait_forever(void *arg)
{
    (void)enter(arg, NULL);
    return NULL;
}

/* A stopped process is first in line but does not come: after its time the others go past it. */
static void stopped_process_does_not_block(void **state)
{
    struct gate *g = open_gate(*state, 100, 1, 1);
    assert_int_equal(enter(g, NULL), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct gate *child = open_gate(*state, 100, 1, 1);
        (void)wait_forever(child);
        _exit(0);
    }
    wait_counts(g, 1, 1);
    assert_int_equal(kill(pid, SIGSTOP), 0);
    leave(g);
    clock_sleep_ms(2000);
    assert_int_equal(enter(g, NULL), 0);
    expect_counts(g, 1, 1, 1);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    expect_counts(g, 1, 1, 0);
    gate_close(g);
}

static void noise_in_the_file_is_cleared(void **state)
{
    char path[256], junk[1000];
    memset(junk, 0xee, sizeof junk);
    (void)snprintf(path, sizeof path, "%s/slots", (char *)*state);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, junk, sizeof junk), sizeof junk);
    (void)close(fd);
    auto_ptr(gate) struct gate *g = open_gate(*state, 3, 3, 1);
    expect_counts(g, 3, 0, 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(enter(g, NULL), 0);
    expect_counts(g, 3, 3, 0);
}

static void rows_are_bounded(void **state)
{
    struct table *tables = calloc(GATE_PROCESSES_MAX + 1, sizeof *tables);
    struct err err = {0};
    int made = 0, rc = 0;
    while (made <= GATE_PROCESSES_MAX && rc == 0) {
        if (table_open(&tables[made], *state, &err) < 0)
            break; /* the limit on descriptors */
        rc = table_claim(&tables[made], &err);
        if (rc < 0)
            break;
        made++;
        assert_int_equal(tables[made - 1].mine, made);
    }
    if (rc < 0) {
        assert_int_equal(made, GATE_PROCESSES_MAX);
        assert_int_equal(err.code, ERR_BUSY);
    }
    table_close(&tables[5]);
    assert_int_equal(table_open(&tables[5], *state, &err), 0);
    assert_int_equal(table_claim(&tables[5], &err), 0);
    assert_int_equal(tables[5].mine, 6);
    for (int i = 0; i <= made; i++)
        table_close(&tables[i]);
    free(tables);
}

static void bad_directory_is_named(void **state)
{
    struct gate *g = NULL;
    struct err err = {0};
    struct gate_limits limits = {1, 1, 1};
    char path[256];
    (void)snprintf(path, sizeof path, "%s/slots", (char *)*state);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(gate_open(&g, *state, &limits, &err), -1);
    assert_null(g);
    assert_non_null(strstr(err.text, path));
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        IN_DIR(limits_hold),
        IN_DIR(limits_change),
        IN_DIR(waiting_is_bounded),
        IN_DIR(place_in_line),
        IN_DIR(when_to_come_again),
        IN_DIR(order_of_arrival),
        IN_DIR(never_more_than_allowed),
        IN_DIR(killed_holders_free_their_places),
        IN_DIR(killed_anywhere),
        IN_DIR(stopped_process_does_not_block),
        IN_DIR(noise_in_the_file_is_cleared),
        IN_DIR(rows_are_bounded),
        IN_DIR(bad_directory_is_named),
    };
    main_process = getpid();
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return shared == MAP_FAILED ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
