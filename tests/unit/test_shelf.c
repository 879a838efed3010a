/* cache/shelf: large values on disk: one producer for a crowd, damage, bounds, disks that do not take them.
 */
#include <dirent.h>
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
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/io.h"
#include "cache/shelf.h"
#include "cache/shelf_file.h"

/* Counted across processes. */
static struct {
    int calls; /* producers begun */
    int asking;
    int wrong;
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
    char path[] = "/tmp/sluice-shelf-XXXXXX";
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

struct all {
    struct store *store;
    struct cache *cache;
    struct shelf *shelf;
    char dir[128];
};

static void all_close(struct all *a)
{
    shelf_close(a->shelf);
    cache_close(a->cache);
    store_close(a->store);
}
DEFINE_AUTO(all, all_close)

static struct all open_all(const char *dir, uint64_t max_bytes)
{
    struct all a = {0};
    struct err err = {0};
    (void)snprintf(a.dir, sizeof a.dir, "%s/plans", dir);
    if (store_open(&a.store, dir, &err) < 0 || cache_open(&a.cache, a.store, dir, &err) < 0 ||
        shelf_open(&a.shelf, a.cache, a.dir, max_bytes, &err) < 0) {
        (void)fprintf(stderr, "%s\n", err.text);
        abort();
    }
    return a;
}

enum { LARGE = 64 << 20 };

/* A producer by recipe: `size` bytes that depend on `seed`. */
struct recipe {
    size_t size;
    unsigned seed;
    enum err_code fails;
    int64_t expires_unix_s; /* 0: not to be kept */
    int wait_asking;        /* goes on when so many callers have come … */
    unsigned then_ms;
};

static unsigned char byte_at(const struct recipe *r, size_t i)
{
    return (unsigned char)((i * 2654435761u) >> 8 ^ r->seed);
}

static int produce(void *ctx, struct buf *value, int64_t *expires_unix_s, struct err *err)
{
    const struct recipe *r = ctx;
    (void)add(&shared->calls);
    while (get(&shared->asking) < r->wait_asking)
        clock_sleep_ms(1);
    clock_sleep_ms(r->then_ms);
    if (r->fails)
        return err_set(err, r->fails, "by recipe");
    *expires_unix_s = r->expires_unix_s;
    for (size_t i = 0; i < r->size; i++)
        (void)buf_addc(value, (char)byte_at(r, i));
    return 0;
}

static bool is_as_made(const struct shelf_value *v, const struct recipe *r)
{
    const unsigned char *data = shelf_value_data(v);
    if (shelf_value_size(v) != r->size || (uintptr_t)data % 8)
        return false;
    for (size_t i = 0; i < r->size; i++) {
        if (data[i] != byte_at(r, i))
            return false;
    }
    return true;
}

/* Gets it, checks it and frees it; how many producers have run by then. */
static int ask(struct shelf *s, const char *key, struct recipe *r)
{
    auto_ptr(shelf_value) struct shelf_value *v = NULL;
    struct err err = {0};
    assert_int_equal(shelf_get(s, key, produce, r, &v, &err), 0);
    assert_true(is_as_made(v, r));
    return get(&shared->calls);
}

static void path_of(char out[256], const struct all *a, const char *key)
{
    char name[HASH_HEX_LEN + 1];
    hash_sha256_hex(key, strlen(key), name);
    (void)snprintf(out, 256, "%s/%s", a->dir, name);
}

static bool on_disk(const struct all *a, const char *key)
{
    char path[256];
    path_of(path, a, key);
    return access(path, F_OK) == 0;
}

/* Files in the directory, whatever they are. */
static int count_files(const char *dir, uint64_t *bytes)
{
    int n = 0;
    DIR *d = opendir(dir);
    *bytes = 0;
    for (const struct dirent *e; d && (e = readdir(d));) {
        struct stat st;
        if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode)) {
            n++;
            *bytes += (uint64_t)st.st_size;
        }
    }
    if (d)
        (void)closedir(d);
    return n;
}

static void set_used(const struct all *a, const char *key, int64_t seconds_ago)
{
    char path[256];
    path_of(path, a, key);
    int64_t then = clock_unix_s() - seconds_ago;
    const struct timespec times[2] = {{.tv_sec = then}, {.tv_sec = then}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static int64_t used_ago(const struct all *a, const char *key)
{
    char path[256];
    struct stat st;
    path_of(path, a, key);
    assert_int_equal(stat(path, &st), 0);
    return clock_unix_s() - (int64_t)st.st_mtime;
}

static void keeps(void **state)
{
    struct recipe one = {.size = 100000, .seed = 1, .expires_unix_s = SHELF_FOR_EVER};
    struct recipe two = {.size = 0, .seed = 2, .expires_unix_s = clock_unix_s() + 60};
    {
        auto_(all) struct all a = open_all(*state, LARGE);
        assert_int_equal(ask(a.shelf, "one", &one), 1);
        assert_int_equal(ask(a.shelf, "two", &two), 2);
        assert_int_equal(ask(a.shelf, "one", &one), 2);
        assert_int_equal(ask(a.shelf, "two", &two), 2);
    }
    auto_(all) struct all a = open_all(*state, LARGE); /* another process, later */
    assert_int_equal(ask(a.shelf, "one", &one), 2);
    assert_int_equal(ask(a.shelf, "two", &two), 2);
}

static void forgets_in_time(void **state)
{
    auto_(all) struct all a = open_all(*state, LARGE);
    struct recipe r = {.size = 10, .expires_unix_s = clock_unix_s() + 2};
    auto_ptr(shelf_value) struct shelf_value *held = NULL;
    struct err err = {0};
    assert_int_equal(shelf_get(a.shelf, "k", produce, &r, &held, &err), 0);
    assert_int_equal(ask(a.shelf, "k", &r), 1);
    while (clock_unix_s() < r.expires_unix_s)
        clock_sleep_ms(20);
    r.expires_unix_s = clock_unix_s() + 60;
    r.seed = 3;
    assert_int_equal(ask(a.shelf, "k", &r), 2); /* though the old one is still in use */
    assert_int_equal(ask(a.shelf, "k", &r), 2);
    assert_int_equal(shelf_value_size(held), 10);
}

static void what_is_not_kept_leaves_no_file(void **state)
{
    auto_(all) struct all a = open_all(*state, 8000);
    struct recipe passing = {.size = 10};
    struct recipe huge = {.size = 1001 - 96, .expires_unix_s = SHELF_FOR_EVER}; /* an eighth and a byte */
    assert_int_equal(ask(a.shelf, "passing", &passing), 1);
    assert_int_equal(ask(a.shelf, "passing", &passing), 2);
    assert_int_equal(ask(a.shelf, "huge", &huge), 3);
    assert_int_equal(ask(a.shelf, "huge", &huge), 4);
    assert_false(on_disk(&a, "passing") || on_disk(&a, "huge"));
    huge.size--;
    assert_int_equal(ask(a.shelf, "huge", &huge), 5);
    assert_int_equal(ask(a.shelf, "huge", &huge), 5);
}

static void failures_are_remembered(void **state)
{
    auto_(all) struct all a = open_all(*state, LARGE);
    struct recipe r = {.fails = ERR_UNSUPPORTED_SITE};
    for (int i = 0; i < 2; i++) {
        struct shelf_value *v = NULL;
        struct err err = {0};
        assert_int_equal(shelf_get(a.shelf, "k", produce, &r, &v, &err), -1);
        assert_int_equal(err.code, ERR_UNSUPPORTED_SITE);
        assert_null(v);
    }
    assert_int_equal(shared->calls, 1);
}

static void peeks(void **state)
{
    auto_(all) struct all a = open_all(*state, LARGE);
    struct recipe r = {.size = 20, .seed = 7, .expires_unix_s = SHELF_FOR_EVER};
    unsigned char head[21];
    assert_false(shelf_peek(a.shelf, "k", head, 8));
    (void)ask(a.shelf, "k", &r);
    assert_true(shelf_peek(a.shelf, "k", head, 20));
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(head[i], byte_at(&r, i));
    assert_false(shelf_peek(a.shelf, "k", head, 21));
    assert_false(shelf_peek(a.shelf, "other", head, 8));

    char path[256], other[256];
    path_of(path, &a, "k");
    path_of(other, &a, "other");
    assert_int_equal(rename(path, other), 0); /* under a name that is not its own */
    assert_false(shelf_peek(a.shelf, "other", head, 8));
}

static void damage(void **state)
{
    static const struct {
        const char *name;
        long at;  /* a byte is inverted there; negative: from the end */
        long cut; /* or so many bytes are taken off (added, if negative) */
    } cases[] = {
        {"magic", 0, 0},
        {"version", 7, 0},
        {"check", 8, 0},
        {"name", 16, 0},
        {"expiry", 80, 0},
        {"length", 88, 0},
        {"first byte", 96, 0},
        {"middle", 2500, 0},
        {"last byte", -1, 0},
        {"one byte short", 0, 1},
        {"one byte more", 0, -1},
        {"half of it", 0, 2500},
        {"the head only", 0, 5000},
        {"less than a head", 0, 5001},
        {"empty", 0, 5096},
    };
    auto_(all) struct all a = open_all(*state, LARGE);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct recipe r = {.size = 5000, .seed = (unsigned)i, .expires_unix_s = SHELF_FOR_EVER};
        char path[256];
        shared->calls = 0;
        (void)ask(a.shelf, cases[i].name, &r);
        path_of(path, &a, cases[i].name);
        int fd = open(path, O_RDWR);
        struct stat st;
        assert_true(fd >= 0 && fstat(fd, &st) == 0);
        if (cases[i].cut) {
            assert_int_equal(ftruncate(fd, st.st_size - cases[i].cut), 0);
        } else {
            unsigned char c;
            off_t at = cases[i].at < 0 ? st.st_size + cases[i].at : cases[i].at;
            assert_int_equal(pread(fd, &c, 1, at), 1);
            c = (unsigned char)~c;
            assert_int_equal(pwrite(fd, &c, 1, at), 1);
        }
        (void)close(fd);
        if (ask(a.shelf, cases[i].name, &r) != 2 || ask(a.shelf, cases[i].name, &r) != 2)
            fail_msg("%s: not made anew, or not kept then", cases[i].name);
    }
}

static void what_is_no_file_in_its_place(void **state)
{
    auto_(all) struct all a = open_all(*state, LARGE);
    struct recipe r = {.size = 100, .expires_unix_s = SHELF_FOR_EVER};
    char path[256];
    (void)ask(a.shelf, "makes the directory", &r);
    path_of(path, &a, "a directory");
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(ask(a.shelf, "a directory", &r), 2);
    path_of(path, &a, "a link");
    assert_int_equal(symlink("/dev/zero", path), 0);
    assert_int_equal(ask(a.shelf, "a link", &r), 3);
    assert_int_equal(ask(a.shelf, "a link", &r), 3); /* replaced */
    path_of(path, &a, "a pipe");
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(ask(a.shelf, "a pipe", &r), 4);
    assert_int_equal(ask(a.shelf, "a pipe", &r), 4);
}

static void bound_and_order(void **state)
{
    /* 100 files of 1,000 bytes with their heads; the process looks before each 7th (100000 / 16). */
    enum { BOUND = 100000, SIZE = 1000 - 96, FILES = 300 };
    auto_(all) struct all a = open_all(*state, BOUND);
    struct recipe r = {.size = SIZE, .expires_unix_s = SHELF_FOR_EVER};
    uint64_t bytes;
    char key[16];
    for (int i = 0; i < FILES; i++) {
        (void)snprintf(key, sizeof key, "%d", i);
        (void)ask(a.shelf, key, &r);
        set_used(&a, key, FILES - i + 1000); /* in the order they were made */
        assert_in_range(count_files(a.dir, &bytes), 0, FILES);
        assert_in_range(bytes, 0, BOUND);
    }
    int kept = count_files(a.dir, &bytes);
    assert_in_range(bytes, BOUND / 2, BOUND); /* and it is put to use */
    for (int i = 0; i < FILES; i++) {
        (void)snprintf(key, sizeof key, "%d", i);
        assert_int_equal(on_disk(&a, key), i >= FILES - kept);
    }
}

static void use_protects(void **state)
{
    auto_(all) struct all a = open_all(*state, 100000);
    struct recipe r = {.size = 1000 - 96, .expires_unix_s = SHELF_FOR_EVER};
    char key[16];
    (void)ask(a.shelf, "favourite", &r);
    set_used(&a, "favourite", SHELF_TOUCH_S - 10);
    (void)ask(a.shelf, "favourite", &r);
    assert_in_range(used_ago(&a, "favourite"), SHELF_TOUCH_S - 11,
                    SHELF_TOUCH_S); /* once a minute is enough */
    for (int i = 0; i < 300; i++) {
        (void)snprintf(key, sizeof key, "%d", i);
        (void)ask(a.shelf, key, &r);
        set_used(&a, key, 2000);
        set_used(&a, "favourite", 5000);
        (void)ask(a.shelf, "favourite", &r);
        assert_in_range(used_ago(&a, "favourite"), 0, 5);
    }
    assert_int_equal(shared->calls, 301);
}

static void use_is_noted_while_it_lasts(void **state)
{
    auto_(all) struct all a = open_all(*state, LARGE);
    struct recipe r = {.size = 10, .expires_unix_s = SHELF_FOR_EVER};
    auto_ptr(shelf_value) struct shelf_value *v = NULL;
    char path[256];
    struct err err = {0};
    assert_int_equal(shelf_get(a.shelf, "k", produce, &r, &v, &err), 0);
    path_of(path, &a, "k");
    assert_int_equal(unlink(path), 0); /* as another process does that makes room */
    assert_true(is_as_made(v, &r));
    assert_int_equal(ask(a.shelf, "k", &r), 1); /* of those in use no file is needed */
    shelf_value_free(steal(&v));
    assert_int_equal(ask(a.shelf, "k", &r), 2);
}

static void leftovers_of_the_killed_go(void **state)
{
    auto_(all) struct all a = open_all(*state, 1000000);
    struct recipe r = {.size = 100000 - 96, .expires_unix_s = SHELF_FOR_EVER};
    char path[256], old[300], fresh[300];
    uint64_t bytes;
    (void)ask(a.shelf, "k", &r);
    path_of(path, &a, "k");
    (void)snprintf(old, sizeof old, "%s.abcdef", path);
    (void)snprintf(fresh, sizeof fresh, "%s.ghijkl", path);
    struct err err;
    assert_int_equal(io_write_file(old, "half", 4, &err) | io_write_file(fresh, "half", 4, &err), 0);
    const struct timespec then = {.tv_sec = clock_unix_s() - SHELF_LEFTOVER_S - 10};
    assert_int_equal(utimensat(AT_FDCWD, old, (struct timespec[]){then, then}, 0), 0);
    (void)ask(a.shelf, "another", &r); /* larger than a sixteenth: looks first */
    assert_int_equal(access(old, F_OK), -1);
    assert_int_equal(access(fresh, F_OK), 0); /* somebody may be at it */
    assert_int_equal(count_files(a.dir, &bytes), 3);
}

static void off(void **state)
{
    struct recipe r = {.size = 1000, .expires_unix_s = SHELF_FOR_EVER};
    uint64_t bytes;
    char head[8];
    {
        auto_(all) struct all a = open_all(*state, LARGE);
        (void)ask(a.shelf, "k", &r);
        assert_int_equal(count_files(a.dir, &bytes), 1);
    }
    auto_(all) struct all a = open_all(*state, 0);
    assert_int_equal(count_files(a.dir, &bytes), 0);
    assert_int_equal(ask(a.shelf, "k", &r), 2);
    assert_int_equal(ask(a.shelf, "k", &r), 3);
    assert_false(shelf_peek(a.shelf, "k", head, 8));
    assert_int_equal(count_files(a.dir, &bytes), 0);
}

/* Callers of one process share even where nothing can be written. */
static void no_directory(void **state)
{
    auto_(all) struct all a = open_all(*state, LARGE);
    struct recipe r = {.size = 100000, .expires_unix_s = SHELF_FOR_EVER};
    struct err err = {0};
    auto_ptr(shelf_value) struct shelf_value *v = NULL;
    assert_int_equal(io_write_file(a.dir, "", 0, &err), 0); /* a file where the directory should be */
    assert_int_equal(shelf_get(a.shelf, "k", produce, &r, &v, &err), 0);
    assert_true(is_as_made(v, &r));
    assert_int_equal(ask(a.shelf, "k", &r), 1);
    shelf_value_free(steal(&v));
    assert_int_equal(ask(a.shelf, "k", &r), 2);
    assert_int_equal(unlink(a.dir), 0); /* the operator mends it under the running process */
    assert_int_equal(ask(a.shelf, "k", &r), 3);
    assert_int_equal(ask(a.shelf, "k", &r), 3);
}

static void full_disk(void **state)
{
    auto_(all) struct all a = open_all(*state, LARGE);
    struct recipe r = {.size = 4 << 20, .expires_unix_s = SHELF_FOR_EVER};
    struct rlimit was, small;
    uint64_t bytes;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    small = was;
    small.rlim_cur = 2 << 20; /* no file may grow further: writes fail half-way, as on a full disk */
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_int_equal(ask(a.shelf, "k", &r), 1);
    assert_int_equal(ask(a.shelf, "k", &r), 2);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    assert_int_equal(count_files(a.dir, &bytes), 0); /* nothing half is left */
    assert_int_equal(ask(a.shelf, "k", &r), 3);
    assert_int_equal(ask(a.shelf, "k", &r), 3);
}

/* --- crowds --- */

enum { PROCESSES = 4, THREADS = 50 };

struct member {
    struct shelf *shelf;
    struct recipe *recipe;
};

static void *ask_once(void *arg)
{
    struct member *m = arg;
    struct shelf_value *v = NULL;
    struct err err = {0};
    (void)add(&shared->asking);
    if (shelf_get(m->shelf, "crowded", produce, m->recipe, &v, &err) < 0 || !is_as_made(v, m->recipe))
        (void)add(&shared->wrong);
    shelf_value_free(v);
    return NULL;
}

static void run_crowd(const char *dir, uint64_t max_bytes, struct recipe *recipe)
{
    shared->calls = shared->asking = shared->wrong = 0;
    recipe->wait_asking = PROCESSES * THREADS;
    recipe->then_ms = 300; /* for the last of them to get from the counter into the call */
    for (int i = 0; i < PROCESSES; i++) {
        if (fork() == 0) {
            struct all a = open_all(dir, max_bytes);
            struct member m = {a.shelf, recipe};
            pthread_t threads[THREADS];
            for (int t = 0; t < THREADS; t++) {
                if (pthread_create(&threads[t], NULL, ask_once, &m) != 0)
                    abort();
            }
            for (int t = 0; t < THREADS; t++)
                (void)pthread_join(threads[t], NULL);
            all_close(&a);
            _exit(0);
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    assert_int_equal(shared->wrong, 0);
}

static void crowd_makes_one(void **state)
{
    struct recipe r = {.size = 200000, .expires_unix_s = SHELF_FOR_EVER};
    run_crowd(*state, LARGE, &r);
    assert_int_equal(shared->calls, 1);
}

static void crowd_without_a_disk(void **state)
{
    struct recipe r = {.size = 2000, .expires_unix_s = SHELF_FOR_EVER};
    run_crowd(*state, 0, &r);
    assert_in_range(shared->calls, 1, PROCESSES * THREADS); /* it works; how often depends on who holds it */
}

/* Processes that make, read, lose and delete the same few files, all at once. */
static void *run_wild(void *arg)
{
    struct member *m = arg;
    for (unsigned i = 0; i < 200; i++) {
        char key[16];
        unsigned n = (i * 7 + (unsigned)(uintptr_t)&key / 64) % 40;
        struct recipe r = {.size = 500 + n * 10, .seed = n, .expires_unix_s = SHELF_FOR_EVER};
        struct shelf_value *v = NULL;
        struct err err = {0};
        (void)snprintf(key, sizeof key, "%u", n);
        if (shelf_get(m->shelf, key, produce, &r, &v, &err) < 0 || !is_as_made(v, &r))
            (void)add(&shared->wrong);
        shelf_value_free(v);
    }
    return NULL;
}

static void crowd_in_a_small_room(void **state)
{
    pid_t children[3];
    for (size_t i = 0; i < ARRAY_LEN(children); i++) {
        children[i] = fork();
        if (children[i] == 0) {
            struct all a = open_all(*state, 10000);
            struct member m = {a.shelf, NULL};
            pthread_t threads[4];
            for (size_t t = 0; t < ARRAY_LEN(threads); t++) {
                if (pthread_create(&threads[t], NULL, run_wild, &m) != 0)
                    abort();
            }
            for (size_t t = 0; t < ARRAY_LEN(threads); t++)
                (void)pthread_join(threads[t], NULL);
            all_close(&a);
            _exit(0);
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(children); i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(shared->wrong, 0);
}

/* Writers that are killed at any moment leave whole files, or none. */
static void killed_writers(void **state)
{
    struct recipe none = {.wait_asking = 0};
    for (unsigned round = 0; round < 20; round++) {
        pid_t child = fork();
        if (child == 0) {
            struct all a = open_all(*state, 10000);
            struct member m = {a.shelf, &none};
            for (;;)
                (void)run_wild(&m);
        }
        clock_sleep_ms(20 + round * 3);
        int status;
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
    }
    assert_int_equal(shared->wrong, 0);
    assert_true(shared->calls > 40);
    auto_(all) struct all a = open_all(*state, 10000);
    DIR *d = opendir(a.dir);
    assert_non_null(d);
    int whole = 0;
    for (const struct dirent *e; (e = readdir(d));) {
        struct shelf_file f;
        if (strlen(e->d_name) != SHELF_NAME_LEN)
            continue;
        assert_int_equal(shelf_file_open(a.dir, e->d_name, clock_unix_s(), &f), 0);
        shelf_file_fini(&f);
        whole++;
    }
    (void)closedir(d);
    assert_true(whole > 0);
    struct member m = {a.shelf, &none};
    (void)run_wild(&m);
    assert_int_equal(shared->wrong, 0);
}

static void killed_producer_is_replaced(void **state)
{
    struct recipe forever = {.wait_asking = 1000000};
    struct recipe quick = {.size = 100, .expires_unix_s = SHELF_FOR_EVER};
    pid_t first = fork();
    if (first == 0) {
        struct all a = open_all(*state, LARGE);
        (void)ask(a.shelf, "k", &forever);
        _exit(1);
    }
    while (get(&shared->calls) < 1)
        clock_sleep_ms(1);
    pid_t second = fork();
    if (second == 0) {
        struct all a = open_all(*state, LARGE);
        (void)add(&shared->asking);
        _exit(ask(a.shelf, "k", &quick) == 2 ? 0 : 1);
    }
    while (get(&shared->asking) < 1)
        clock_sleep_ms(1);
    clock_sleep_ms(100);
    assert_int_equal(get(&shared->calls), 1);
    int status;
    assert_int_equal(kill(first, SIGKILL), 0);
    assert_int_equal(waitpid(first, &status, 0), first);
    assert_int_equal(waitpid(second, &status, 0), second);
    assert_int_equal(status, 0);
    auto_(all) struct all a = open_all(*state, LARGE);
    assert_int_equal(ask(a.shelf, "k", &quick), 2);
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)

int main(void)
{
    main_process = getpid();
    static const struct CMUnitTest tests[] = {
        IN_DIR(keeps),
        IN_DIR(forgets_in_time),
        IN_DIR(what_is_not_kept_leaves_no_file),
        IN_DIR(failures_are_remembered),
        IN_DIR(peeks),
        IN_DIR(damage),
        IN_DIR(what_is_no_file_in_its_place),
        IN_DIR(bound_and_order),
        IN_DIR(use_protects),
        IN_DIR(use_is_noted_while_it_lasts),
        IN_DIR(leftovers_of_the_killed_go),
        IN_DIR(off),
        IN_DIR(no_directory),
        IN_DIR(full_disk),
        IN_DIR(crowd_makes_one),
        IN_DIR(crowd_without_a_disk),
        IN_DIR(crowd_in_a_small_room),
        IN_DIR(killed_writers),
        IN_DIR(killed_producer_is_replaced),
    };
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || hash_init(NULL) < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
