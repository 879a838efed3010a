/* store/ on both engines: cache rows, key ring, migrations, journal modes, and what happens to all that when
 * processes are killed, files damaged, disks read-only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/io.h"
#include "both_engines.h"
#include "store/health.h"

static void put(struct store *s, const char *key, const char *value, int64_t expires)
{
    struct err err = {0};
    if (store_cache_put(s, key, value, strlen(value), expires, &err) < 0)
        fail_msg("put: %s", err.text);
}

static void rows(void **state)
{
    auto_ptr(store) struct store *s = open_store(*state);
    auto_(buf) struct buf v = BUF_INIT(STORE_VALUE_MAX_BYTES);
    struct err err = {0};
    int64_t expires = 0;
    assert_int_equal(store_cache_get(s, "a", 100, &v, &expires, &err), 0);
    put(s, "a", "one", 200);
    put(s, "b", "", 200);
    assert_int_equal(buf_adds(&v, "before "), 0);
    assert_int_equal(store_cache_get(s, "a", 100, &v, &expires, &err), 1);
    assert_string_equal(buf_str(&v), "before one");
    assert_int_equal(expires, 200);
    buf_clear(&v);
    assert_int_equal(store_cache_get(s, "b", 199, &v, NULL, &err), 1);
    assert_int_equal(v.len, 0);
    assert_false(v.failed);
    assert_int_equal(store_cache_get(s, "a", 200, &v, &expires, &err), 0);

    put(s, "a", "two", 300);
    buf_clear(&v);
    assert_int_equal(store_cache_get(s, "a", 200, &v, &expires, &err), 1);
    assert_string_equal(buf_str(&v), "two");

    put(s, "it's; DROP TABLE media_cache --", "x", 300);
    assert_int_equal(store_cache_get(s, "it's; DROP TABLE media_cache --", 1, &v, NULL, &err), 1);
    assert_int_equal(store_cache_delete(s, "a", &err), 0);
    assert_int_equal(store_cache_delete(s, "a", &err), 0);
    assert_int_equal(store_cache_get(s, "a", 1, &v, NULL, &err), 0);
}

static void limits(void **state)
{
    auto_ptr(store) struct store *s = open_store(*state);
    auto_(buf) struct buf v = BUF_INIT(STORE_VALUE_MAX_BYTES + 2);
    auto_(buf) struct buf small = BUF_INIT(100);
    auto_(buf) struct buf key = BUF_INIT(8192);
    struct err err = {0};
    char *big = calloc(1, STORE_VALUE_MAX_BYTES + 1);
    memset(big, 'x', STORE_VALUE_MAX_BYTES);
    big[7] = '\0'; /* values are bytes */
    assert_int_equal(store_cache_put(s, "big", big, STORE_VALUE_MAX_BYTES + 1, 9, &err), -1);
    assert_int_equal(store_cache_put(s, "big", big, STORE_VALUE_MAX_BYTES, 9, &err), 0);
    assert_int_equal(store_cache_get(s, "big", 0, &v, NULL, &err), 1);
    assert_int_equal(v.len, STORE_VALUE_MAX_BYTES);
    assert_memory_equal(v.data, big, STORE_VALUE_MAX_BYTES);
    free(big);
    assert_int_equal(store_cache_get(s, "big", 0, &small, NULL, &err), -1);
    assert_int_equal(err.code, ERR_INTERNAL);
    assert_true(small.failed);

    unsigned seed = 1; /* letters at random: one key that cannot be made shorter */
    for (int i = 0; i < STORE_KEY_MAX_BYTES; i++)
        assert_int_equal(buf_addc(&key, (char)('!' + rand_r(&seed) % 90)), 0);
    assert_int_equal(store_cache_put(s, buf_str(&key), "v", 1, 9, &err), 0);
    assert_int_equal(store_cache_get(s, buf_str(&key), 0, &v, NULL, &err), 1);
    assert_int_equal(store_cache_put(s, "no \xff UTF-8", "v", 1, 9, &err), 0);
    assert_int_equal(store_cache_get(s, "no \xff UTF-8", 0, &v, NULL, &err), 1);
    assert_int_equal(store_cache_get(s, "no \xfe UTF-8", 0, &v, NULL, &err), 0);
    assert_int_equal(buf_addc(&key, 'k'), 0);
    assert_int_equal(store_cache_put(s, buf_str(&key), "v", 1, 9, &err), -1);
    assert_int_equal(store_cache_get(s, buf_str(&key), 0, &v, NULL, &err), -1);
    assert_int_equal(store_cache_delete(s, buf_str(&key), &err), -1);
}

static void prune_takes_what_expired(void **state)
{
    auto_ptr(store) struct store *s = open_store(*state);
    struct err err = {0};
    for (int i = 0; i < 450; i++) { /* more than two portions */
        char key[16];
        (void)snprintf(key, sizeof key, "k%d", i);
        put(s, key, "v", 1000 + i % 2);
    }
    assert_int_equal(store_prune(s, 999, &err), 0);
    assert_string_equal(sql(*state, "SELECT count(*) FROM media_cache"), "450");
    assert_int_equal(store_prune(s, 1000, &err), 0);
    assert_string_equal(sql(*state, "SELECT count(*) || ' ' || min(expires_unix_s) FROM media_cache"),
                        "225 1001");
    assert_int_equal(store_prune(s, 1001, &err), 0);
    assert_string_equal(sql(*state, "SELECT count(*) FROM media_cache"), "0");
}

static void cache_keeps_its_limit(void **state)
{
    enum { LIMIT = 1 << 20, VALUE = 8000, ROWS = 1000 };
    static char value[VALUE + 1];
    auto_ptr(store) struct store *s = open_store(*state);
    auto_(buf) struct buf got = BUF_INIT(VALUE);
    struct err err = {0};
    memset(value, 'x', VALUE);
    store_limit_cache(s, LIMIT);
    put(s, "lives longest", "v", 100000);
    for (int i = 0; i < ROWS; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "k%d", i);
        put(s, key, value, 1000 + i);
    }
    long long size = strtoll(sql(*state, "SELECT sum(length(value)) FROM media_cache"), NULL, 10);
    assert_in_range(size, LIMIT / 2, LIMIT + LIMIT / 8);
    assert_int_equal(store_cache_get(s, "lives longest", 1, &got, NULL, &err), 1);
    assert_int_equal(store_cache_get(s, "k0", 1, &got, NULL, &err), 0);
    buf_clear(&got);
    assert_int_equal(store_cache_get(s, "k999", 1, &got, NULL, &err), 1);
    if (is_server(*state))
        return;
    struct stat file;
    char path[256];
    (void)snprintf(path, sizeof path, "%s/sluice.db", (char *)*state);
    assert_int_equal(stat(path, &file), 0);
    assert_in_range(file.st_size, LIMIT / 2, 3 * LIMIT); /* what is deleted is used again */
}

static void files_are_private(void **state)
{
    char path[256];
    struct stat st;
    (void)snprintf(path, sizeof path, "%s/deep/er", (char *)*state);
    mode_t mask = umask(0);
    auto_ptr(store) struct store *s = open_store(path);
    put(s, "a", "v", 1);
    (void)umask(mask);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    static const char *const names[] = {"sluice.db", "sluice.db-wal", "sluice.db-shm"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        (void)snprintf(path, sizeof path, "%s/deep/er/%s", (char *)*state, names[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
    }
}

static void reopened_file_keeps_all(void **state)
{
    auto_(buf) struct buf v = BUF_INIT(100);
    struct store_token_key before, after;
    struct err err = {0};
    {
        auto_ptr(store) struct store *s = open_store(*state);
        put(s, "a", "kept", 500);
        assert_int_equal(store_token_key_current(s, &before, &err), 0);
    }
    auto_ptr(store) struct store *s = open_store(*state);
    assert_int_equal(store_cache_get(s, "a", 1, &v, NULL, &err), 1);
    assert_string_equal(buf_str(&v), "kept");
    assert_int_equal(store_token_key_current(s, &after, &err), 0);
    assert_memory_equal(&before, &after, sizeof before);
    assert_string_equal(sql(*state, "SELECT name FROM schema_migration WHERE version = 1"), "001-start.sql");
    if (!is_server(*state))
        assert_string_equal(sql(*state, "PRAGMA journal_mode"), "wal");
}

static void key_ring(void **state)
{
    auto_ptr(store) struct store *s = open_store(*state);
    auto_ptr(store) struct store *other = open_store(*state);
    struct store_token_key first, k;
    struct err err = {0};
    assert_int_equal(store_token_key_find(s, 1, &k, &err), 0); /* looking does not make one */
    assert_int_equal(store_token_key_current(s, &first, &err), 0);
    assert_int_equal(store_token_key_current(other, &k, &err), 0);
    assert_memory_equal(&first, &k, sizeof first);
    assert_int_equal(store_token_key_find(other, first.id, &k, &err), 1);
    assert_memory_equal(&first, &k, sizeof first);
    assert_int_equal(store_token_key_find(s, first.id + 1, &k, &err), 0);
    assert_int_equal(store_token_key_find(s, UINT32_MAX, &k, &err), 0);
    /* A rotation elsewhere: the new id is found at once, and it is the current one then. */
    (void)sql(*state, "INSERT INTO token_key SELECT 4294967295, key, 0 FROM token_key");
    assert_int_equal(store_token_key_find(s, UINT32_MAX, &k, &err), 1);
    assert_memory_equal(k.key, first.key, sizeof k.key);
    assert_int_equal(store_token_key_current(s, &k, &err), 0);
    assert_int_equal(k.id, UINT32_MAX);
    assert_int_equal(store_token_key_find(s, first.id, &k, &err), 1);
    assert_memory_equal(&first, &k, sizeof first);
}

static void key_ring_outlives_the_file(void **state)
{
    auto_ptr(store) struct store *s = open_store(*state);
    struct store_token_key first, k;
    struct err err = {0};
    assert_int_equal(store_token_key_current(s, &first, &err), 0);
    (void)sql(*state, "DROP TABLE token_key");
    clock_sleep_ms(STORE_KEYS_FRESH_MS + 100);
    assert_int_equal(store_token_key_find(s, first.id, &k, &err), 1);
    assert_memory_equal(&first, &k, sizeof first);
    assert_int_equal(store_token_key_current(s, &k, &err), 0);
    assert_memory_equal(&first, &k, sizeof first);
    assert_int_equal(err.code, ERR_OK);
    assert_int_equal(store_token_key_find(s, first.id + 1, &k, &err), -1);
}

static void expect_open_fails(const char *dir, const char *words)
{
    struct store *s = NULL;
    struct err err = {0};
    assert_int_equal(store_open(&s, dir, &err), -1);
    assert_null(s);
    assert_int_equal(err.code, ERR_INTERNAL);
    if (!strstr(err.text, words) || (!is_server(dir) && !strstr(err.text, dir)))
        fail_msg("'%s' lacks '%s' or the path", err.text, words);
}

static void earlier_migrations_catch_up(void **state)
{
    store_close(open_store(*state));
    (void)sql(*state, "DROP TABLE extract_failure");
    (void)sql(*state, "DROP TABLE client_health");
    (void)sql(*state, "DELETE FROM schema_migration WHERE version = 5");
    store_close(open_store(*state));
    assert_string_equal(sql(*state, "SELECT count(*) FROM client_health"), "0");
    assert_string_equal(sql(*state, "SELECT name FROM schema_migration WHERE version = 5"),
                        "005-client-health.sql");
}

static void health_adds_up(void **state)
{
    enum { NOW = 1000000 };
    auto_ptr(store) struct store *s = open_store(*state);
    struct err err = {0};
    struct store_health out[8];
    const struct store_health first[] = {
        {"visionos", "normal", "ok", 1, 3, 600, NOW, ""},
        {"visionos", "normal", "bot_check", -1, 1, 90, NOW, "not a bot"},
        {"visionos", "normal", "private", 0, 1, 80, NOW, "is private"},
    };
    const struct store_health second[] = {{"visionos", "normal", "ok", 1, 2, 300, NOW + 5, ""}};
    const struct store_health later[] = {{"android", "kids", "failed", -1, 1, 10, NOW + 7200, "status 500"}};
    assert_int_equal(store_health_add(s, first, 3, NOW, &err), 0);
    assert_int_equal(store_health_add(s, second, 1, NOW + 5, &err), 0);
    assert_int_equal(store_health_add(s, later, 1, NOW + 7200, &err), 0);

    assert_int_equal(store_health_sums(s, NOW - 60, out, 8, &err), 4);
    assert_string_equal(out[0].client, "android");
    assert_string_equal(out[0].why, "status 500");
    assert_string_equal(out[1].outcome, "ok");
    assert_int_equal(out[1].count, 5);
    assert_int_equal(out[1].took_ms, 900);
    assert_int_equal(out[1].last_unix_s, NOW + 5);
    assert_string_equal(out[2].outcome, "private");
    assert_string_equal(out[3].outcome, "bot_check");
    assert_string_equal(out[3].why, "not a bot");
    assert_int_equal(store_health_sums(s, NOW + 3600, out, 8, &err), 1);
    assert_int_equal(store_health_sums(s, NOW - 60, out, 2, &err), 2);   /* no more than there is room for */
    assert_int_equal(store_health_recent(s, NOW - 60, out, 8, &err), 3); /* what says nothing is left out */
    assert_string_equal(out[0].client, "android");                       /* the latest first */
    assert_int_equal(store_health_sums(s, NOW + 8000, out, 8, &err), 0);

    /* A day later the first are gone. */
    assert_int_equal(store_health_add(s, later, 1, NOW + 7200 + STORE_HEALTH_KEPT_S, &err), 0);
    assert_string_equal(sql(*state, "SELECT count(*) FROM client_health"), "2");
}

static void count_failure(void *ctx, const struct store_failure *f)
{
    int64_t *newest = ctx;
    if (newest[0]++ == 0)
        newest[1] = f->at_unix_us;
    assert_string_equal(f->trace, "[1]");
    assert_string_equal(f->code, "bot_check");
}

static void failures_are_bounded(void **state)
{
    auto_ptr(store) struct store *s = open_store(*state);
    struct err err = {0};
    int64_t seen[2] = {0, 0};
    for (int i = 1; i <= STORE_FAILURES_MAX + 20; i++) {
        const struct store_failure f = {i, "youtube", "dQw4w9WgXcQ", "bot_check", "words", "[1]"};
        assert_int_equal(store_failure_add(s, &f, &err), 0);
    }
    assert_int_equal(store_failure_list(s, 1000, count_failure, seen, &err), 0);
    assert_int_equal(seen[0], STORE_FAILURES_MAX);
    assert_int_equal(seen[1], STORE_FAILURES_MAX + 20);
}

static void newer_database_is_refused(void **state)
{
    store_close(open_store(*state));
    (void)sql(*state, "INSERT INTO schema_migration VALUES (999, '999-later.sql', 0)");
    expect_open_fails(*state, "newer Sluice (schema 999,");
}

static void damage_is_named(void **state)
{
    char path[256];
    struct err err = {0};
    (void)snprintf(path, sizeof path, "%s/sluice.db", (char *)*state);
    /* Not a database at all. */
    char junk[8192];
    memset(junk, 'j', sizeof junk);
    assert_int_equal(io_write_file(path, junk, sizeof junk, &err), 0);
    expect_open_fails(*state, "damaged");
    assert_int_equal(unlink(path), 0);
    /* A good header with ruins behind it; found when the page is read, and said then. */
    {
        auto_ptr(store) struct store *s = open_store(*state);
        for (int i = 0; i < 200; i++) {
            char key[16];
            (void)snprintf(key, sizeof key, "k%d", i);
            put(s, key, "some value that takes some room on a page", 5);
        }
    }
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    for (off_t at = 4096; at < st.st_size; at += 4096)
        assert_int_equal(pwrite(fd, junk, 4096, at), 4096);
    (void)close(fd);
    struct store *s = NULL;
    int rc = store_open(&s, *state, &err);
    if (rc == 0)
        rc = store_cache_put(s, "k1", "v", 1, 5, &err);
    store_close(s);
    assert_int_equal(rc, -1);
    assert_non_null(strstr(err.text, "damaged"));
    assert_non_null(strstr(err.text, path));
}

/* As a user who may not write there; root may write anywhere. */
static void read_only_is_named(void **state)
{
    store_close(open_store(*state));
    char command[256];
    (void)snprintf(command, sizeof command, "chmod 0444 %s/* && chmod 0555 %s", (char *)*state,
                   (char *)*state);
    assert_int_equal(system(command), 0); // NOLINT(cert-env33-c)
    pid_t pid = fork();
    if (pid == 0) {
        struct store *s = NULL;
        struct err err = {0};
        char missing[256];
        (void)snprintf(missing, sizeof missing, "%s/sub", (char *)*state);
        if (getuid() == 0 && setresuid(65534, 65534, 65534) < 0)
            _exit(9);
        if (store_open(&s, *state, &err) == 0 || !strstr(err.text, "cannot be used"))
            _exit(1);
        if (store_open(&s, missing, &err) == 0 || !strstr(err.text, "cannot create directory"))
            _exit(2);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void full_round(const char *dir, const char *journal)
{
    auto_(buf) struct buf v = BUF_INIT(100);
    struct store_token_key k;
    struct err err = {0};
    auto_ptr(store) struct store *s = open_store(dir);
    auto_ptr(store) struct store *second = open_store(dir);
    put(s, "a", "value", 500);
    assert_int_equal(store_cache_get(second, "a", 1, &v, NULL, &err), 1);
    assert_string_equal(buf_str(&v), "value");
    assert_int_equal(store_token_key_current(second, &k, &err), 0);
    assert_int_equal(store_check(s, &err), 0);
    assert_string_equal(sql(dir, "PRAGMA journal_mode"), journal);
}

/* An engine below SQLite that has no shared memory at all: asked for WAL, SQLite says no. */
static void no_wal_in_the_file_system(void **state)
{
    sqlite3_vfs *usual = sqlite3_vfs_find(NULL);
    assert_int_equal(sqlite3_vfs_register(sqlite3_vfs_find("unix-dotfile"), 1), SQLITE_OK);
    full_round(*state, "delete");
    assert_int_equal(sqlite3_vfs_register(usual, 1), SQLITE_OK);
}

/* From here on this process cannot map files as shared memory, as on a file system that does not know how. */
static void forbid_shared_memory(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 5),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[4])), /* the descriptor */
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)-1, 3, 0),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[3])), /* the flags */
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, MAP_SHARED, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENODEV),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = ARRAY_LEN(code), .filter = code};
    assert_int_equal(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    assert_int_equal(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

/* The same test in a child that has no shared memory. */
static void without_shared_memory(const char *dir, void (*what)(const char *dir, const char *journal))
{
    pid_t pid = fork();
    if (pid == 0) {
        forbid_shared_memory();
        what(dir, "delete");
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* Children that open one directory at the same moment all see one schema and one key. */
static void race(const char *dir, const char *journal)
{
    enum { CHILDREN = 8 };
    int go[2], out[2];
    assert_int_equal(pipe(go) | pipe(out), 0);
    for (int i = 0; i < CHILDREN; i++) {
        if (fork() == 0) {
            struct store *s = NULL;
            struct store_token_key k = {0};
            struct err err = {0};
            char c;
            (void)close(go[1]);
            (void)!read(go[0], &c, 1);
            if (store_open(&s, dir, &err) < 0 || store_token_key_current(s, &k, &err) < 0)
                (void)fprintf(stderr, "%s\n", err.text);
            _exit(write(out[1], &k, sizeof k) == sizeof k ? 0 : 1);
        }
    }
    (void)close(go[0]);
    (void)close(go[1]);
    struct store_token_key first = {0}, k;
    for (int i = 0; i < CHILDREN; i++) {
        assert_int_equal(read(out[0], &k, sizeof k), sizeof k);
        if (i == 0)
            first = k;
        assert_int_not_equal(k.id, 0);
        assert_memory_equal(&k, &first, sizeof k);
    }
    for (int i = 0; i < CHILDREN; i++)
        assert_true(wait(NULL) > 0);
    (void)close(out[0]);
    (void)close(out[1]);
    assert_string_equal(sql(dir, "SELECT count(*) FROM token_key"), "1");
    if (!is_server(dir))
        assert_string_equal(sql(dir, "PRAGMA journal_mode"), journal);
}

static void racing_processes_agree(void **state)
{
    race(*state, "wal");
}

static void racing_without_shared_memory(void **state)
{
    char dir[256];
    (void)snprintf(dir, sizeof dir, "%s/new", (char *)*state);
    without_shared_memory(dir, race); /* all create it */
    (void)snprintf(dir, sizeof dir, "%s/moved", (char *)*state);
    race(dir, "wal");
    without_shared_memory(dir, race); /* all convert it */
}

static void no_shared_memory(void **state)
{
    without_shared_memory(*state, full_round); /* new */
    without_shared_memory(*state, full_round); /* met again */
    full_round(*state, "wal");                 /* moved to where it works */
    without_shared_memory(*state, full_round); /* and back */
}

static void fork_is_refused(void **state)
{
    auto_ptr(store) struct store *s = open_store(*state);
    pid_t pid = fork();
    if (pid == 0) {
        struct err err = {0};
        _exit(store_check(s, &err) == -1 && strstr(err.text, "before fork") ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void removed_file_is_made_anew(void **state)
{
    auto_ptr(store) struct store *s = open_store(*state);
    auto_(buf) struct buf v = BUF_INIT(100);
    struct err err = {0};
    char command[256];
    put(s, "a", "old", 500);
    (void)snprintf(command, sizeof command, "rm %s/sluice.db*", (char *)*state);
    assert_int_equal(system(command), 0); // NOLINT(cert-env33-c)
    assert_int_equal(store_check(s, &err), 0);
    assert_int_equal(store_cache_get(s, "a", 1, &v, NULL, &err), 0);
    put(s, "a", "new", 500);
    assert_string_equal(sql(*state, "SELECT value FROM media_cache WHERE key = 'a'"), "new");
    (void)snprintf(command, sizeof command, "rm -r %s", (char *)*state);
    assert_int_equal(system(command), 0); // NOLINT(cert-env33-c)
    assert_int_equal(store_check(s, &err), -1);
    assert_non_null(strstr(err.text, "No such file or directory"));
    assert_int_equal(mkdir(*state, 0700), 0);
    assert_int_equal(store_check(s, &err), 0);
}

static void check_says_busy(void **state)
{
    auto_ptr(store) struct store *s = open_store(*state);
    struct err err = {0};
    char path[256];
    sqlite3 *db = NULL;
    assert_int_equal(store_check(s, &err), 0);
    (void)snprintf(path, sizeof path, "%s/sluice.db", (char *)*state);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    int64_t start_us = clock_mono_us();
    assert_int_equal(store_check(s, &err), -1);
    assert_int_equal(err.code, ERR_BUSY);
    assert_in_range(clock_mono_us() - start_us, 500000, 3000000);
    assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    (void)sqlite3_close(db);
    assert_int_equal(store_check(s, &err), 0);
}

/* More threads than connections, on a handful of keys; a value is one letter repeated. */
struct crowd {
    struct store *store;
    int failures;
};

static void *crowd_member(void *arg)
{
    struct crowd *c = arg;
    unsigned seed = (unsigned)(uintptr_t)&seed;
    auto_(buf) struct buf v = BUF_INIT(10000);
    for (int i = 0; i < 60; i++) {
        char key[8], value[5000];
        struct err err = {0};
        (void)snprintf(key, sizeof key, "k%d", rand_r(&seed) % 5);
        memset(value, 'a' + rand_r(&seed) % 26, sizeof value);
        buf_clear(&v);
        int rc = i % 3 == 0 ? store_cache_put(c->store, key, value, (size_t)rand_r(&seed) % sizeof value + 1,
                                              9, &err)
                            : store_cache_get(c->store, key, 1, &v, NULL, &err);
        if (rc < 0 || (v.len && strspn(v.data, (char[]){v.data[0], '\0'}) != v.len))
            (void)__atomic_add_fetch(&c->failures, 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

static void many_threads(void **state)
{
    enum { THREADS = 40 };
    auto_ptr(store) struct store *s = open_store(*state);
    struct crowd crowd = {.store = s};
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, crowd_member, &crowd), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(crowd.failures, 0);
}

/* Writes until the disk is full, frees it by `more`, and finds everything as it was before the failed write.
 * `words`: what the failure has to be called. */
static void fill_disk(const char *dir, void (*more)(const char *dir), const char *words)
{
    static char value[50000];
    auto_(buf) struct buf v = BUF_INIT(sizeof value);
    struct err err = {0};
    auto_ptr(store) struct store *s = open_store(dir);
    memset(value, 'x', sizeof value);
    put(s, "first", "kept", 500);
    int rc = 0;
    for (int i = 0; i < 200 && rc == 0; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "k%d", i);
        rc = store_cache_put(s, key, value, sizeof value, 9, &err);
    }
    assert_int_equal(rc, -1);
    assert_int_equal(err.code, ERR_INTERNAL);
    if (!strstr(err.text, words) || !strstr(err.text, dir))
        fail_msg("'%s' lacks '%s' or the path", err.text, words);
    assert_int_equal(store_cache_get(s, "first", 1, &v, NULL, &err), 1);
    assert_string_equal(buf_str(&v), "kept");
    more(dir);
    assert_int_equal(store_check(s, &err), 0);
    put(s, "last", "v", 500);
    buf_clear(&v);
    assert_int_equal(store_cache_get(s, "k0", 1, &v, NULL, &err), 1);
    assert_int_equal(v.len, sizeof value);
    assert_string_equal(sql(dir, "PRAGMA integrity_check"), "ok");
}

static void lift_file_limit(const char *dir)
{
    (void)dir;
    const struct rlimit none = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
}

static void enlarge_disk(const char *dir)
{
    assert_int_equal(mount("none", dir, "tmpfs", MS_REMOUNT, "size=64m"), 0);
}

static void in_child(void (*what)(const char *dir), const char *dir)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        what(dir);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void fill_limited_file(const char *dir)
{
    const struct rlimit small = {.rlim_cur = 1 << 20, .rlim_max = RLIM_INFINITY};
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    fill_disk(dir, lift_file_limit, "disk I/O error");
}

static void file_may_not_grow(void **state)
{
    in_child(fill_limited_file, *state);
}

static int write_proc(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));
    if (fd >= 0)
        (void)close(fd);
    return n == (ssize_t)strlen(text) ? 0 : -1;
}

/* Mounts of one's own: as root, or in a user namespace in which this user is still itself, else it may make
 * no files on a disk mounted there. */
static int enter_namespace(void)
{
    char users[32], groups[32];
    (void)snprintf(users, sizeof users, "%u %u 1", getuid(), getuid());
    (void)snprintf(groups, sizeof groups, "%u %u 1", getgid(), getgid());
    if (unshare(CLONE_NEWNS) == 0)
        return 0;
    return unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0 || write_proc("/proc/self/uid_map", users) < 0 ||
                   write_proc("/proc/self/setgroups", "deny") < 0 ||
                   write_proc("/proc/self/gid_map", groups) < 0
               ? -1
               : 0;
}

/* A small disk of its own, where this process may have one: as root, or in a user namespace. */
static void fill_small_disk(const char *dir)
{
    if (enter_namespace() < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("none", dir, "tmpfs", 0, "size=1m,mode=0700") < 0) {
        (void)fprintf(stderr, "skipped: no disk can be mounted here (%s)\n", strerror(errno));
        return;
    }
    fill_disk(dir, enlarge_disk, "no space left on the disk");
}

static void full_disk(void **state)
{
    in_child(fill_small_disk, *state);
}

static void write_until_killed(const char *dir)
{
    struct store *s = NULL;
    struct err err;
    unsigned seed = (unsigned)getpid();
    static char value[60000];
    if (store_open(&s, dir, &err) < 0) {
        (void)fprintf(stderr, "writer: %s\n", err.text);
        _exit(1);
    }
    for (;;) {
        char key[16];
        (void)snprintf(key, sizeof key, "k%d", rand_r(&seed) % 20);
        memset(value, 'a' + rand_r(&seed) % 26, sizeof value);
        size_t len = (size_t)rand_r(&seed) % sizeof value + 1;
        int rc = rand_r(&seed) % 8 ? store_cache_put(s, key, value, len, 9, &err) : store_prune(s, 10, &err);
        if (rc < 0 && err.code != ERR_BUSY) {
            (void)fprintf(stderr, "writer: %s\n", err.text);
            _exit(1);
        }
    }
}

static void kill_rounds(const char *dir, const char *journal)
{
    enum { ROUNDS = 25, WRITERS = 3 };
    const char *wanted = getenv("SLUICE_KILL_ROUNDS");
    long rounds = wanted ? strtol(wanted, NULL, 10) : ROUNDS;
    unsigned seed = 1;
    for (long round = 0; round < rounds; round++) {
        pid_t pids[WRITERS];
        for (int i = 0; i < WRITERS; i++) {
            pids[i] = fork();
            if (pids[i] == 0)
                write_until_killed(dir);
        }
        clock_sleep_ms((unsigned)rand_r(&seed) % 40);
        for (int i = 0; i < WRITERS; i++) {
            int status;
            assert_int_equal(kill(pids[i], SIGKILL), 0);
            assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
            assert_true(WIFSIGNALED(status)); /* not ended by an error of its own */
        }
        auto_ptr(store) struct store *s = open_store(dir);
        put(s, "after", "v", 9);
        assert_string_equal(sql(dir, "PRAGMA integrity_check"), "ok");
        assert_string_equal(sql(dir, "PRAGMA journal_mode"), journal);
    }
}

static void kill_9_wal(void **state)
{
    kill_rounds(*state, "wal");
}

static void kill_9_rollback(void **state)
{
    without_shared_memory(*state, kill_rounds);
}

/* What somebody else holds is waited for, and not forever. */
static void server_check_says_busy(void **state)
{
    auto_ptr(store) struct store *s = open_store(*state);
    struct err err = {0};
    assert_int_equal(store_check(s, &err), 0);
    PGconn *conn = PQconnectdb(*state);
    PQclear(PQexec(conn, "BEGIN; LOCK TABLE media_cache"));
    int64_t start_us = clock_mono_us();
    assert_int_equal(store_check(s, &err), -1);
    assert_int_equal(err.code, ERR_BUSY);
    assert_in_range(clock_mono_us() - start_us, 500000, 3000000);
    PQclear(PQexec(conn, "ROLLBACK"));
    PQfinish(conn);
    assert_int_equal(store_check(s, &err), 0);
}

/* A server that goes away and comes back, under a store that stays open; and one opened meanwhile. */
static void server_comes_back(void **state)
{
    auto_ptr(store) struct store *s = open_store(*state);
    auto_ptr(store) struct store *later = NULL;
    auto_(buf) struct buf v = BUF_INIT(100);
    struct store_token_key k, again;
    struct err err = {0};
    put(s, "a", "kept", 500);
    assert_int_equal(store_token_key_current(s, &k, &err), 0);
    assert_int_equal(server("kill"), 0);
    for (int i = 0; i < 3; i++) {
        err = (struct err){0};
        int64_t start_us = clock_mono_us();
        assert_int_equal(store_check(s, &err), -1);
        assert_int_equal(err.code, ERR_BUSY);
        assert_non_null(strstr(err.text, "cannot be reached"));
        assert_true(clock_mono_us() - start_us < 2000000);
    }
    assert_int_equal(store_token_key_find(s, k.id, &again, &err), 1); /* what is known goes on */
    later = open_store(*state);
    assert_int_equal(store_check(later, &err), -1);
    assert_int_equal(server("start"), 0);
    assert_int_equal(store_check(s, &err), 0);
    assert_int_equal(store_check(later, &err), 0);
    assert_int_equal(store_cache_get(later, "a", 1, &v, NULL, &err), 1);
    assert_string_equal(buf_str(&v), "kept");
    /* Connections that the server ends while they are idle are not met again. */
    (void)sql(*state, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                      "WHERE pid <> pg_backend_pid() AND datname = current_database()");
    clock_sleep_ms(100);
    assert_int_equal(store_check(s, &err), 0);
}

/* No message holds what must not be in a log. */
static void wrong_urls(void **state)
{
    static const struct {
        const char *where, *words;
    } rows[] = {
        {"sqlite:relative/path", "sqlite:/path"},
        {"sqlite:", "sqlite:/path"},
        {"postgresql://user:se%cret@host/db", "not a URL"},
        {"postgresql://user:secret@host:port/db?x", "not a URL"},
        {"postgresql://user:secret@127.0.0.1:1/db", "postgresql://127.0.0.1:1/db cannot be reached"},
        {"postgresql://user:secret@127.0.0.1:1/db?sslmode=secret", "cannot be reached"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err err = {0};
        assert_int_equal(store_try(rows[i].where, &err), -1);
        if (!strstr(err.text, rows[i].words))
            fail_msg("'%s' lacks '%s'", err.text, rows[i].words);
        if (i != 5)
            assert_null(strstr(err.text, "cret"));
    }
}

int main(void)
{
    main_process = getpid();
    static const struct CMUnitTest tests[] = {
        ON_BOTH(rows),
        ON_BOTH(limits),
        ON_BOTH(prune_takes_what_expired),
        ON_BOTH(cache_keeps_its_limit),
        IN_DIR(files_are_private),
        ON_BOTH(reopened_file_keeps_all),
        ON_BOTH(key_ring),
        ON_BOTH(key_ring_outlives_the_file),
        ON_BOTH(racing_processes_agree),
        ON_BOTH(newer_database_is_refused),
        ON_BOTH(earlier_migrations_catch_up),
        ON_BOTH(health_adds_up),
        ON_BOTH(failures_are_bounded),
        IN_DIR(damage_is_named),
        IN_DIR(read_only_is_named),
        IN_DIR(no_wal_in_the_file_system),
        IN_DIR(no_shared_memory),
        IN_DIR(racing_without_shared_memory),
        ON_BOTH(fork_is_refused),
        IN_DIR(removed_file_is_made_anew),
        IN_DIR(check_says_busy),
        ON_SERVER(server_check_says_busy),
        ON_SERVER(server_comes_back),
        cmocka_unit_test(wrong_urls),
        ON_BOTH(many_threads),
        IN_DIR(file_may_not_grow),
        IN_DIR(full_disk),
        IN_DIR(kill_9_wal),
        IN_DIR(kill_9_rollback),
    };
    return hash_init(NULL) < 0 ? 1 : cmocka_run_group_tests(tests, start_server, stop_server);
}
