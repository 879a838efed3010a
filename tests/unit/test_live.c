/* gate/live: what is listed, counted and stopped across processes, and what a killed one leaves. */
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
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "gate/live.h"

static pid_t main_process;

static int make_dir(void **state)
{
    char path[] = "/tmp/sluice-live-XXXXXX";
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
    (void)snprintf(command, sizeof command, "rm -rf %s", (char *)*state);
    int rc = system(command); // NOLINT(cert-env33-c): a path of ours
    free(*state);
    return rc;
}

static struct live *open_live(const char *dir)
{
    struct live *l = NULL;
    struct err err = {0};
    if (live_open(&l, dir, &err) < 0) {
        (void)fprintf(stderr, "%s\n", err.text);
        abort();
    }
    return l;
}

static int take(struct live *l, struct live_slot *slot, unsigned id, const char *client, int64_t most)
{
    struct live_stream s = {.choice = "1080p-mp4", .site = "youtube", .started_unix_s = 1000 + id};
    (void)snprintf(s.request, sizeof s.request, "%016x", id);
    struct err err = {0};
    int rc = live_take(l, slot, &s, client, most, &err);
    if (rc < 0) {
        assert_int_equal(err.code, ERR_QUOTA_EXCEEDED);
        assert_true(err.retry_after_s > 0);
    }
    return rc;
}

static void expect_counts(struct live *l, int waiting, int streaming, int making)
{
    struct live_counts c;
    assert_int_equal(live_count(l, &c, NULL), 0);
    assert_int_equal(c.waiting, waiting);
    assert_int_equal(c.streaming, streaming);
    assert_int_equal(c.making, making);
}

static size_t count_list(struct live *l)
{
    struct live_stream *streams = NULL;
    size_t n;
    assert_int_equal(live_list(l, &streams, &n, NULL), 0);
    free(streams);
    return n;
}

static void records_are_seen_by_others(void **state)
{
    auto_ptr(live) struct live *l = open_live(*state);
    auto_ptr(live) struct live *other = open_live(*state);
    auto_ptr(live) struct live *looker = open_live(*state);
    struct live_slot a, b, c;
    struct live_stream *streams = NULL;
    size_t n;
    assert_int_equal(take(l, &a, 2, NULL, 0), 0);
    assert_int_equal(take(other, &b, 1, NULL, 0), 0);
    assert_int_equal(take(l, &c, 3, NULL, 0), 0);
    assert_true(a.number && b.number && c.number);
    expect_counts(looker, 3, 0, 0);
    assert_int_equal(live_update(l, &a, LIVE_STREAMING, 0), 0);
    b.stream.total_bytes = 5000;
    assert_int_equal(live_update(other, &b, LIVE_MAKING, 0), 0);
    clock_sleep_ms(20);
    assert_int_equal(live_update(other, &b, LIVE_MAKING, 4000), 0);
    expect_counts(looker, 1, 1, 1);
    assert_int_equal(live_list(looker, &streams, &n, NULL), 0);
    assert_int_equal(n, 3);
    assert_string_equal(streams[0].request, "0000000000000001"); /* oldest first */
    assert_string_equal(streams[0].choice, "1080p-mp4");
    assert_string_equal(streams[0].site, "youtube");
    assert_int_equal(streams[0].state, LIVE_MAKING);
    assert_int_equal(streams[0].total_bytes, 5000);
    assert_int_equal(streams[0].sent_bytes, 4000);
    assert_in_range(streams[0].bytes_per_s, 1000, 200000);
    assert_int_equal(streams[1].state, LIVE_STREAMING);
    assert_int_equal(streams[2].state, LIVE_WAITING);
    free(streams);
    live_release(l, &a);
    live_release(l, &a);
    assert_int_equal(live_update(l, &a, LIVE_STREAMING, 1), 0);
    expect_counts(looker, 1, 0, 1);
    live_release(other, &b);
    live_release(l, &c);
    expect_counts(looker, 0, 0, 0);
}

static void texts_are_cut_and_cleaned(void **state)
{
    auto_ptr(live) struct live *l = open_live(*state);
    struct live_stream s = {.request = "a\nb\x1b[1m\xff", .started_unix_s = 1};
    struct live_stream *streams = NULL;
    struct live_slot slot;
    size_t n;
    memset(s.choice, 'x', sizeof s.choice);
    assert_int_equal(live_take(l, &slot, &s, NULL, 0, NULL), 0);
    assert_int_equal(live_list(l, &streams, &n, NULL), 0);
    assert_int_equal(n, 1);
    assert_string_equal(streams[0].request, "a?b?[1m?");
    assert_int_equal(strlen(streams[0].choice), sizeof s.choice - 1);
    free(streams);
}

static void stop_reaches_the_one_that_was_meant(void **state)
{
    auto_ptr(live) struct live *l = open_live(*state);
    auto_ptr(live) struct live *operator_ = open_live(*state);
    struct live_slot a, b;
    assert_int_equal(take(l, &a, 1, NULL, 0), 0);
    assert_int_equal(take(l, &b, 2, NULL, 0), 0);
    assert_int_equal(live_stop(operator_, "0000000000000009", NULL), 0);
    assert_int_equal(live_stop(operator_, "", NULL), 0);
    assert_int_equal(live_stop(operator_, "0000000000000002", NULL), 1);
    assert_int_equal(live_update(l, &a, LIVE_STREAMING, 1), 0);
    assert_int_equal(live_update(l, &b, LIVE_STREAMING, 1), 1);
    live_release(l, &b);
    assert_int_equal(live_stop(operator_, "0000000000000002", NULL), 0);
    assert_int_equal(take(l, &b, 3, NULL, 0), 0); /* the same slot */
    assert_int_equal(live_update(l, &b, LIVE_STREAMING, 1), 0);
}

static void clients_are_limited_across_processes(void **state)
{
    auto_ptr(live) struct live *l = open_live(*state);
    auto_ptr(live) struct live *other = open_live(*state);
    struct live_slot slots[6];
    const struct {
        const char *name;
        struct live *live;
        const char *client;
        int64_t most;
        int rc;
    } rows[] = {
        {"first", l, "k:one", 2, 0},
        {"second, elsewhere", other, "k:one", 2, 0},
        {"third", l, "k:one", 2, -1},
        {"third, elsewhere", other, "k:one", 2, -1},
        {"another client", l, "k:two", 2, 0},
        {"no limit", l, "k:one", 0, 0},
        {"nobody", l, NULL, 2, 0},
        {"nobody again", l, "", 1, 0},
    };
    size_t taken = 0;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct live_slot slot;
        int rc = take(rows[i].live, &slot, (unsigned)i, rows[i].client, rows[i].most);
        if (rc != rows[i].rc)
            fail_msg("%s: %d", rows[i].name, rc);
        if (rc < 0)
            assert_int_equal(slot.number, 0);
        else
            slots[taken++] = slot;
    }
    assert_int_equal(taken, 6);
    struct live_slot again;
    live_release(other, &slots[1]);
    live_release(l, &slots[3]);
    assert_int_equal(take(l, &again, 9, "k:one", 2), 0);
    assert_int_equal(take(l, &slots[1], 9, "k:one", 2), -1);
}

enum { PROCESSES = 4, THREADS = 4, MOST = 5 };

struct race {
    struct live *live;
    int admitted;
};

static void *take_ten(void *arg)
{
    struct race *r = arg;
    for (unsigned i = 0; i < 10; i++) {
        struct live_slot slot;
        if (take(r->live, &slot, i, "a:same", MOST) == 0)
            (void)__atomic_add_fetch(&r->admitted, 1, __ATOMIC_SEQ_CST);
    }
    return NULL;
}

/* Exactly as many as allowed come in, from all processes at once; when those are killed all is free. */
static void limit_is_exact_and_dies_with_its_holders(void **state)
{
    auto_ptr(live) struct live *looker = open_live(*state);
    for (int round = 0; round < 10; round++) {
        int pipes[2], admitted = 0;
        pid_t pids[PROCESSES];
        assert_int_equal(pipe(pipes), 0);
        for (int p = 0; p < PROCESSES; p++) {
            pids[p] = fork();
            if (pids[p] != 0)
                continue;
            struct race race = {.live = open_live(*state)};
            pthread_t threads[THREADS];
            for (int t = 0; t < THREADS; t++) {
                if (pthread_create(&threads[t], NULL, take_ten, &race) != 0)
                    _exit(1);
            }
            for (int t = 0; t < THREADS; t++)
                (void)pthread_join(threads[t], NULL);
            if (write(pipes[1], &race.admitted, sizeof race.admitted) != sizeof race.admitted)
                _exit(1);
            for (;;)
                (void)pause();
        }
        for (int p = 0; p < PROCESSES; p++) {
            int n;
            assert_int_equal(read(pipes[0], &n, sizeof n), sizeof n);
            admitted += n;
        }
        assert_int_equal(admitted, MOST);
        expect_counts(looker, MOST, 0, 0);
        for (int p = 0; p < PROCESSES; p++) {
            assert_int_equal(kill(pids[p], SIGKILL), 0);
            assert_int_equal(waitpid(pids[p], NULL, 0), pids[p]);
        }
        expect_counts(looker, 0, 0, 0);
        assert_int_equal(count_list(looker), 0);
        (void)close(pipes[0]);
        (void)close(pipes[1]);
    }
}

/* Who takes over the number of one that was killed does not take over its streams. */
static void numbers_are_cleared_when_taken_over(void **state)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct live *l = open_live(*state);
        struct live_slot slot;
        for (unsigned i = 0; i < 50; i++)
            (void)take(l, &slot, i, "a:same", 0);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    auto_ptr(live) struct live *l = open_live(*state);
    struct live_slot slot;
    assert_int_equal(take(l, &slot, 99, "a:same", 1), 0);
    assert_int_equal(slot.number, 1);
    expect_counts(l, 1, 0, 0);
}

static void noise_is_harmless(void **state)
{
    char path[256];
    unsigned seed = 7;
    (void)snprintf(path, sizeof path, "%s/live", (char *)*state);
    auto_ptr(live) struct live *l = open_live(*state);
    struct live_slot slot;
    assert_int_equal(take(l, &slot, 1, "c", 1), 0);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    for (int round = 0; round < 20; round++) {
        char junk[4096];
        for (size_t i = 0; i < sizeof junk; i++)
            junk[i] = (char)(round % 2 ? 1 : rand_r(&seed)); /* owner 257 of state 1, or anything */
        for (off_t at = 0; at < LIVE_SLOTS * 16 + 400000; at += (off_t)sizeof junk)
            assert_int_equal(pwrite(fd, junk, sizeof junk, at), sizeof junk);
        assert_int_equal(count_list(l), 0); /* no record matches its check */
        (void)live_update(l, &slot, LIVE_STREAMING, 5);
        assert_int_equal(live_stop(l, "nobody", NULL), 0);
        if (round == 10)
            assert_int_equal(ftruncate(fd, 17), 0);
    }
    assert_int_equal(ftruncate(fd, 0), 0);
    (void)live_update(l, &slot, LIVE_STREAMING, 5);
    live_release(l, &slot);
    assert_int_equal(take(l, &slot, 1, "c", 1), 0);
    expect_counts(l, 1, 0, 0);
    (void)close(fd);
}

/* Full: what comes then runs unlisted. And what it costs. */
static void twenty_thousand(void **state)
{
    auto_ptr(live) struct live *l = open_live(*state);
    struct live_slot *slots = calloc(LIVE_SLOTS + 1, sizeof *slots);
    int64_t start_us = clock_mono_us();
    for (unsigned i = 0; i < LIVE_SLOTS; i++) {
        assert_int_equal(take(l, &slots[i], i, "c", i % 100 == 0 ? LIVE_SLOTS : 0), 0);
        assert_int_equal(slots[i].number, i + 1);
    }
    int64_t taken_us = clock_mono_us();
    assert_int_equal(take(l, &slots[LIVE_SLOTS], LIVE_SLOTS, "d", 1), 0);
    assert_int_equal(slots[LIVE_SLOTS].number, 0);
    assert_int_equal(live_update(l, &slots[LIVE_SLOTS], LIVE_STREAMING, 1), 0);
    live_release(l, &slots[LIVE_SLOTS]);
    int64_t update_us = clock_mono_us();
    for (unsigned i = 0; i < LIVE_SLOTS; i++)
        assert_int_equal(live_update(l, &slots[i], LIVE_STREAMING, i), 0);
    int64_t list_us = clock_mono_us();
    assert_int_equal(count_list(l), LIVE_SLOTS);
    expect_counts(l, 0, LIVE_SLOTS, 0);
    int64_t end_us = clock_mono_us();
    print_message("    each: take %.1f us, update %.1f us; list and count of %d: %.1f ms\n",
                  (double)(taken_us - start_us) / LIVE_SLOTS, (double)(list_us - update_us) / LIVE_SLOTS,
                  LIVE_SLOTS, (double)(end_us - list_us) / 1000);
    /* A hundred times what it takes here, sanitized: this is about orders of magnitude. */
    assert_in_range(list_us - update_us, 0, 10000000);
    for (unsigned i = 0; i < LIVE_SLOTS; i++)
        live_release(l, &slots[i]);
    expect_counts(l, 0, 0, 0);
    free(slots);
}

static void bad_directory_is_named(void **state)
{
    struct live *l = NULL;
    struct err err = {0};
    char path[256];
    (void)snprintf(path, sizeof path, "%s/live", (char *)*state);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_int_equal(live_open(&l, *state, &err), -1);
    assert_null(l);
    assert_non_null(strstr(err.text, path));
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        IN_DIR(records_are_seen_by_others),
        IN_DIR(texts_are_cut_and_cleaned),
        IN_DIR(stop_reaches_the_one_that_was_meant),
        IN_DIR(clients_are_limited_across_processes),
        IN_DIR(limit_is_exact_and_dies_with_its_holders),
        IN_DIR(numbers_are_cleared_when_taken_over),
        IN_DIR(noise_is_harmless),
        IN_DIR(twenty_thousand),
        IN_DIR(bad_directory_is_named),
    };
    main_process = getpid();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
