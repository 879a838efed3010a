/* The counters of a host: several processes and threads, kills, programs that mean something else by them,
 * and places where there is no room for a file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "gate/tally.h"

enum { LAYOUT = 7, COUNTERS = 100 };

static char dir[] = "/tmp/sluice-tally-XXXXXX";

static int make_dir(void **state)
{
    (void)state;
    memcpy(dir + sizeof dir - 7, "XXXXXX", 6);
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command); // NOLINT(cert-env33-c): a path of ours
}

static struct tally *open_tally(uint64_t layout, size_t counters)
{
    struct tally *t = NULL;
    struct err err = {0};
    if (tally_open(&t, dir, layout, counters, &err) < 0)
        fail_msg("%s", err.text);
    return t;
}

enum { PROCESSES = 8, THREADS = 4, EACH = 20000 };

static void *count(void *ctx)
{
    struct tally *t = ctx;
    for (uint64_t i = 0; i < EACH; i++)
        tally_add(t, i % COUNTERS, 2);
    return NULL;
}

/* They open it all at once, too, so that one of them makes the file. */
static void sums(void **state)
{
    (void)state;
    for (int i = 0; i < PROCESSES; i++) {
        if (fork() != 0)
            continue;
        struct tally *t = open_tally(LAYOUT, COUNTERS);
        pthread_t threads[THREADS];
        for (int k = 0; k < THREADS; k++)
            (void)pthread_create(&threads[k], NULL, count, t);
        for (int k = 0; k < THREADS; k++)
            (void)pthread_join(threads[k], NULL);
        tally_close(t);
        _exit(0);
    }
    for (int i = 0, status; i < PROCESSES; i++) {
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    auto_ptr(tally) struct tally *t = open_tally(LAYOUT, COUNTERS);
    for (size_t i = 0; i < COUNTERS; i++)
        assert_int_equal(tally_get(t, i), PROCESSES * THREADS * 2 * (EACH / COUNTERS));
}

static void another_meaning(void **state)
{
    (void)state;
    auto_ptr(tally) struct tally *old = open_tally(LAYOUT, COUNTERS);
    tally_add(old, 3, 5);
    auto_ptr(tally) struct tally *other = open_tally(LAYOUT + 1, COUNTERS);
    assert_int_equal(tally_get(other, 3), 0);
    auto_ptr(tally) struct tally *longer = open_tally(LAYOUT + 1, COUNTERS + 1);
    tally_add(longer, COUNTERS, 1);
    tally_add(old, 3, 1); /* goes on, for itself */
    assert_int_equal(tally_get(old, 3), 6);
    char path[64];
    (void)snprintf(path, sizeof path, "%s/tally", dir);
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_true(fd >= 0 && write(fd, "noise", 5) == 5);
    (void)close(fd);
    auto_ptr(tally) struct tally *anew = open_tally(LAYOUT, COUNTERS);
    assert_int_equal(tally_get(anew, 3), 0);
}

static void who_lives(void **state)
{
    (void)state;
    struct tally_process sum;
    auto_ptr(tally) struct tally *t = open_tally(LAYOUT, COUNTERS);
    assert_int_equal(tally_processes(t, &sum), 0);
    tally_report(t, &(struct tally_process){.rss_bytes = 100, .vms_bytes = 1000});
    tally_report(t, &(struct tally_process){.rss_bytes = 200, .vms_bytes = 2000});
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    pid_t pid = fork();
    if (pid == 0) {
        auto_ptr(tally) struct tally *own = open_tally(LAYOUT, COUNTERS);
        tally_report(own, &(struct tally_process){.rss_bytes = 30,
                                                  .vms_bytes = 300,
                                                  .program = "stream.fcgi",
                                                  .pid = getpid(),
                                                  .started_unix_s = 5,
                                                  .cpu_us = 6,
                                                  .threads = 7,
                                                  .files = 8,
                                                  .files_max = 9});
        (void)!write(pipes[1], "", 1);
        for (;;)
            (void)pause();
    }
    char byte;
    assert_int_equal(read(pipes[0], &byte, 1), 1);
    assert_int_equal(tally_processes(t, &sum), 2);
    assert_int_equal(sum.rss_bytes, 230);
    assert_int_equal(sum.vms_bytes, 2300);
    struct tally_process all[3];
    assert_int_equal(tally_list(t, all, 1), 1);
    assert_int_equal(tally_list(t, all, ARRAY_LEN(all)), 2);
    const struct tally_process *other = &all[all[0].pid == pid ? 0 : 1];
    assert_string_equal(other->program, "stream.fcgi");
    assert_int_equal(other->pid, pid);
    assert_int_equal(other->started_unix_s, 5);
    assert_int_equal(other->cpu_us, 6);
    assert_int_equal(other->threads, 7);
    assert_int_equal(other->files, 8);
    assert_int_equal(other->files_max, 9);
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    assert_int_equal(tally_processes(t, &sum), 1);
    assert_int_equal(sum.rss_bytes, 200);
    (void)close(pipes[0]);
    (void)close(pipes[1]);
}

/* Where a file may not grow, a process counts for itself, instead of dying of memory that has no disk. */
static void no_room(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        const struct rlimit limit = {1000, 1000};
        (void)signal(SIGXFSZ, SIG_IGN);
        struct tally_process sum;
        struct tally *t = setrlimit(RLIMIT_FSIZE, &limit) == 0 ? open_tally(LAYOUT, 100000) : NULL;
        if (!t)
            _exit(1);
        for (size_t i = 0; i < 100000; i++)
            tally_add(t, i, i);
        tally_report(t, &(struct tally_process){.rss_bytes = 1, .vms_bytes = 2});
        bool right = tally_get(t, 99999) == 99999 && tally_processes(t, &sum) == 1 && sum.vms_bytes == 2;
        tally_close(t);
        _exit(right ? 0 : 2);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sums, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(another_meaning, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(who_lives, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(no_room, make_dir, remove_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
