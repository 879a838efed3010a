/* cache/slices and their index on both engines: what is written is what is read, in parts, while it is
 * written, by others in the same process and as if by another one; one writer each; damage; and what goes
 * when there is too much. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/hash.h"
#include "both_engines.h"
#include "cache/slices.h"
#include "store/slices.h"

enum { MIB = 1 << 20 };

static const struct slice_source film = {"youtube", "a film", "137", 1700000000, 3 * MIB + 12345};

/* ---- The index ---- */

static void put(struct store *s, const char *place, const char *name, const char *id, int64_t bytes,
                int64_t now)
{
    struct err err;
    struct store_slice_note note = {.what = STORE_SLICE_PUT, .slice = {.bytes = bytes}};
    (void)snprintf(note.slice.name, sizeof note.slice.name, "%s", name);
    (void)snprintf(note.slice.site, sizeof note.slice.site, "%s", "site");
    (void)snprintf(note.slice.id, sizeof note.slice.id, "%s", id);
    assert_int_equal(store_slices_note(s, place, &note, 1, now, &err), 0);
}

static void change(struct store *s, const char *name, int what, int64_t now)
{
    struct err err;
    struct store_slice_note note = {.what = what};
    (void)snprintf(note.slice.name, sizeof note.slice.name, "%s", name);
    assert_int_equal(store_slices_note(s, "here", &note, 1, now, &err), 0);
}

static void the_index_knows_sums_and_order(void **state)
{
    struct err err;
    struct store_slice_sum sum;
    struct store_slice rows[8];
    auto_ptr(store) struct store *s = open_store(*state);
    put(s, "here", "a", "one", 10, 100);
    put(s, "here", "b", "one", 20, 101);
    put(s, "here", "c", "two", 30, 102);
    put(s, "there", "a", "one", 1000, 1);
    assert_int_equal(store_slices_sum(s, "here", &sum, &err), 0);
    assert_true(sum.bytes == 60 && sum.count == 3 && sum.oldest_unix_s == 100);
    change(s, "a", STORE_SLICE_USED, 200);
    assert_int_equal(store_slices_oldest(s, "here", rows, 2, &err), 2);
    assert_string_equal(rows[0].name, "b");
    assert_string_equal(rows[1].name, "c");
    struct store_slice_which which = {"site", "one", INT64_MAX, ""};
    assert_int_equal(store_slices_list(s, "here", &which, rows, 8, &err), 2);
    assert_int_equal(rows[1].bytes, 20);
    which = (struct store_slice_which){"", "", 150, "b"};
    assert_int_equal(store_slices_list(s, "here", &which, rows, 8, &err), 1);
    assert_string_equal(rows[0].name, "c");
    change(s, "b", STORE_SLICE_GONE, 0);
    assert_int_equal(store_slices_knows(s, "here", "b", &err), 0);
    assert_int_equal(store_slices_knows(s, "here", "c", &err), 1);
    put(s, "here", "c", "two", 31, 300); /* again: not twice */
    assert_int_equal(store_slices_sum(s, "here", &sum, &err), 0);
    assert_true(sum.bytes == 41 && sum.count == 2);
    assert_int_equal(store_slices_sum(s, "nowhere", &sum, &err), 0);
    assert_true(sum.bytes == 0 && sum.count == 0 && sum.oldest_unix_s == 0);
}

/* ---- Writing and reading ---- */

struct all {
    struct store *store;
    struct slices *slices;
    uint64_t counts[SLICES_EVENTS];
};

static void count(void *ctx, enum slices_event event, uint64_t n)
{
    struct all *a = ctx;
    a->counts[event] += n;
}

static void open_all(struct all *a, const char *dir, int64_t max_bytes)
{
    struct err err;
    *a = (struct all){.store = open_store(dir)};
    const struct slices_opts opts = {
        .store = a->store,
        .data_dir = dir,
        .place = "here",
        .max_bytes = max_bytes,
        .ttl_s = 3600,
        .count = count,
        .ctx = a,
    };
    if (slices_open(&a->slices, &opts, &err) < 0)
        fail_msg("%s", err.text);
}

static void close_all(struct all *a)
{
    slices_close(a->slices);
    store_close(a->store);
}

static struct slice_content content_of(const struct slice_source *source)
{
    struct slice_content c;
    assert_true(slice_content_of(source, &c));
    return c;
}

static unsigned char byte_at(uint64_t offset)
{
    uint64_t x = (offset / 8 + 1) * 0x9e3779b97f4a7c15u;
    return (unsigned char)(x >> (offset % 8 * 8));
}

static unsigned char *bytes_of(const struct slice_content *c, uint64_t number)
{
    size_t len = slice_length(c, number);
    unsigned char *bytes = malloc(len);
    for (size_t i = 0; i < len; i++)
        bytes[i] = byte_at(number * SLICE_BYTES + i);
    return bytes;
}

/* Whole; what whoever writes it is told. */
static int write_slice(struct slices *s, const struct slice_content *c, uint64_t number)
{
    struct slice_fill *f = NULL;
    int rc = slice_fill_begin(s, c, number, &f);
    if (rc != 1)
        return rc;
    unsigned char *bytes = bytes_of(c, number);
    size_t len = slice_length(c, number);
    for (size_t at = 0; at < len;) {
        ssize_t n = slice_fill_write(f, bytes + at, len - at);
        assert_true(n > 0);
        at += (size_t)n;
    }
    assert_true(slice_fill_is_whole(f));
    slice_fill_end(f);
    free(bytes);
    return 1;
}

static enum slice_read read_once(struct slice *sl, uint64_t number, size_t offset, size_t room, size_t *got)
{
    size_t from;
    unsigned char *data = malloc(room);
    enum slice_read rc = slice_read(sl, offset, true, data, room, &from, got);
    for (size_t i = 0; rc == SLICE_BYTES_READ && i < *got; i++) {
        if (data[from + i] != byte_at(number * SLICE_BYTES + offset + i))
            fail_msg("a wrong byte at %zu of slice %d", offset + i, (int)number);
    }
    free(data);
    return rc;
}

static void what_is_written_is_read_in_any_part(void **state)
{
    struct all a;
    open_all(&a, *state, 1 << 30);
    const struct slice_content c = content_of(&film);
    struct slice *sl = NULL;
    size_t got;
    unsigned char part[1000];
    assert_int_equal(slice_find(a.slices, &c, 0, &sl), SLICE_NONE);
    for (uint64_t n = 0; n < 4; n++)
        assert_int_equal(write_slice(a.slices, &c, n), 1);
    assert_int_equal(write_slice(a.slices, &c, 1), 0);  /* it is here */
    assert_int_equal(write_slice(a.slices, &c, 4), -1); /* there is no such slice */
    for (uint64_t n = 0; n < 4; n++) {
        assert_int_equal(slice_find(a.slices, &c, n, &sl), SLICE_HERE);
        for (unsigned i = 0; i < 50; i++) {
            size_t offset = (size_t)(i * 7919u * 131u % slice_length(&c, n));
            assert_int_equal(read_once(sl, n, offset, SLICE_BLOCK_BYTES * (1 + i % 4), &got),
                             SLICE_BYTES_READ);
            assert_true(got > 0 && offset + got <= slice_length(&c, n));
        }
        assert_int_equal(read_once(sl, n, slice_length(&c, n) - 1, SLICE_BLOCK_BYTES, &got),
                         SLICE_BYTES_READ);
        assert_int_equal(got, 1);
        slice_close(sl);
    }
    assert_true(slices_have(a.slices, &c, 0, c.size));
    assert_true(slices_have(a.slices, &c, c.size - 1, 1));
    assert_false(slices_have(a.slices, &c, 1, c.size));
    assert_int_equal(slices_read_at(a.slices, &c, MIB - 100, part, sizeof part),
                     100); /* to the end of a slice */
    assert_int_equal(slices_read_at(a.slices, &c, c.size - 7, part, sizeof part), 7);
    assert_int_equal(part[6], byte_at(c.size - 1));
    assert_int_equal(slices_read_at(a.slices, &c, c.size, part, sizeof part), 0);
    close_all(&a);
}

static void another_content_has_other_slices(void **state)
{
    (void)state;
    const struct slice_source others[] = {
        {"youtub", "ea film", "137", 1700000000, 3 * MIB + 12345},
        {"youtube", "a film", "1371", 700000000, 3 * MIB + 12345},
        {"youtube", "a film", "137", 1700000001, 3 * MIB + 12345},
        {"youtube", "a film", "137", 1700000000, 3 * MIB + 12346},
    };
    const struct slice_source none[] = {
        {"youtube", "a film", "137", 0, 100},
        {"youtube", "a film", "137", 1, 0},
        {"youtube", "a film", "137", 1, UINT64_MAX},
        {NULL, "a film", "137", 1, 100},
    };
    const struct slice_content c = content_of(&film);
    struct slice_content other;
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        assert_string_not_equal(content_of(&others[i]).hex, c.hex);
    for (size_t i = 0; i < ARRAY_LEN(none); i++)
        assert_false(slice_content_of(&none[i], &other));
}

static void woken(void *ctx)
{
    loop_stop(ctx);
}

static void those_who_come_meanwhile_read_along(void **state)
{
    struct all a;
    struct all b; /* stands for another process: it has locks of its own */
    struct err err;
    struct loop *loop = NULL;
    struct slice_fill *f = NULL;
    struct slice_fill *second = NULL;
    struct slice *near = NULL;
    struct slice *far = NULL;
    size_t got;
    open_all(&a, *state, 1 << 30);
    open_all(&b, *state, 1 << 30);
    const struct slice_content c = content_of(&film);
    unsigned char *bytes = bytes_of(&c, 2);
    assert_int_equal(loop_open(&loop, &err), 0);
    assert_int_equal(slice_fill_begin(a.slices, &c, 2, &f), 1);
    assert_int_equal(slice_fill_begin(a.slices, &c, 2, &second), 0);
    assert_int_equal(slice_fill_begin(b.slices, &c, 2, &second), 0);
    assert_int_equal(slice_find(a.slices, &c, 2, &near), SLICE_COMING);
    assert_int_equal(slice_find(b.slices, &c, 2, &far), SLICE_COMING);
    assert_false(slice_is_remote(near));
    assert_true(slice_is_remote(far));
    slice_on_change(near, loop, woken, loop);
    assert_int_equal(read_once(near, 2, 0, MIB, &got), SLICE_WAIT);
    assert_int_equal(read_once(far, 2, 0, MIB, &got), SLICE_WAIT);
    slice_fill_set_version(f, 77);
    assert_int_equal(slice_fill_write(f, bytes, SLICE_BLOCK_BYTES - 1), 0); /* no block yet */
    assert_int_equal(slice_fill_write(f, bytes, 3 * SLICE_BLOCK_BYTES + 5), 3 * SLICE_BLOCK_BYTES);
    loop_run(loop); /* hangs when nobody is woken */
    assert_int_equal(read_once(near, 2, 100, MIB, &got), SLICE_BYTES_READ);
    assert_int_equal(got, 3 * SLICE_BLOCK_BYTES - 100);
    assert_true(slice_version(near) == 77);
    assert_int_equal(read_once(far, 2, 100, MIB, &got), SLICE_BYTES_READ);
    assert_int_equal(got, 3 * SLICE_BLOCK_BYTES - 100);
    assert_int_equal(slice_fill_write(f, bytes + 3 * SLICE_BLOCK_BYTES, MIB - 3 * SLICE_BLOCK_BYTES),
                     MIB - 3 * SLICE_BLOCK_BYTES);
    slice_fill_end(f);
    assert_int_equal(read_once(near, 2, MIB - 1, MIB, &got), SLICE_BYTES_READ);
    assert_int_equal(read_once(far, 2, MIB - 1, MIB, &got), SLICE_BYTES_READ);
    slice_close(near);
    slice_close(far);
    assert_int_equal(slice_find(b.slices, &c, 2, &far), SLICE_HERE);
    assert_true(slice_version(far) == 77);
    slice_close(far);
    loop_close(loop);
    free(bytes);
    close_all(&b);
    close_all(&a);
}

static void a_writer_that_gives_up_leaves_nothing(void **state)
{
    struct all a;
    struct all b;
    struct slice_fill *f = NULL;
    struct slice *near = NULL;
    struct slice *far = NULL;
    struct slices_stat stat;
    struct err err;
    size_t got;
    open_all(&a, *state, 1 << 30);
    open_all(&b, *state, 1 << 30);
    const struct slice_content c = content_of(&film);
    unsigned char *bytes = bytes_of(&c, 0);
    assert_int_equal(slice_fill_begin(a.slices, &c, 0, &f), 1);
    assert_int_equal(slice_find(a.slices, &c, 0, &near), SLICE_COMING);
    assert_int_equal(slice_find(b.slices, &c, 0, &far), SLICE_COMING);
    assert_int_equal(slice_fill_write(f, bytes, SLICE_BLOCK_BYTES), SLICE_BLOCK_BYTES);
    slice_fill_end(f);
    assert_int_equal(read_once(near, 0, SLICE_BLOCK_BYTES, MIB, &got), SLICE_GONE);
    assert_int_equal(read_once(far, 0, SLICE_BLOCK_BYTES, MIB, &got), SLICE_GONE);
    slice_close(near);
    slice_close(far);
    assert_int_equal(slice_find(b.slices, &c, 0, &far), SLICE_NONE);
    assert_int_equal(slices_stat(a.slices, &stat, &err), 0);
    assert_true(stat.writing_bytes == 0);
    assert_int_equal(write_slice(b.slices, &c, 0), 1); /* its lock is free */
    free(bytes);
    close_all(&b);
    close_all(&a);
}

/* ---- Damage ---- */

static void path_of(const char *dir, const struct slice_content *c, unsigned number, char *out, size_t room)
{
    (void)snprintf(out, room, "%s/slices/%.2s/%s-%06x", dir, c->hex, c->hex, number);
}

static void flip(const char *path, off_t at)
{
    unsigned char byte;
    int fd = open(path, O_RDWR);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 4;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    (void)close(fd);
}

static void damage_is_noticed_where_it_is(void **state)
{
    struct all a;
    char path[256];
    struct slice *sl = NULL;
    struct slices_findings found;
    struct err err;
    size_t got;
    open_all(&a, *state, 1 << 30);
    const struct slice_content c = content_of(&film);
    path_of(*state, &c, 0, path, sizeof path);
    assert_int_equal(write_slice(a.slices, &c, 0), 1);
    flip(path, SLICE_HEAD_BYTES + 5 * SLICE_BLOCK_BYTES + 17);
    assert_int_equal(slice_find(a.slices, &c, 0, &sl), SLICE_HERE);
    assert_int_equal(read_once(sl, 0, 0, 4 * SLICE_BLOCK_BYTES, &got), SLICE_BYTES_READ); /* that is well */
    assert_int_equal(read_once(sl, 0, 5 * SLICE_BLOCK_BYTES, SLICE_BLOCK_BYTES, &got), SLICE_GONE);
    slice_close(sl);
    assert_int_not_equal(access(path, F_OK), 0);
    static const off_t heads[] = {0, 8, 20, 100, 400, 800};
    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        assert_int_equal(write_slice(a.slices, &c, 0), 1);
        flip(path, heads[i]);
        assert_int_equal(slice_find(a.slices, &c, 0, &sl), SLICE_NONE);
        assert_int_not_equal(access(path, F_OK), 0);
    }
    assert_int_equal(write_slice(a.slices, &c, 0), 1);
    assert_int_equal(truncate(path, SLICE_HEAD_BYTES + MIB - 1), 0);
    assert_int_equal(slice_find(a.slices, &c, 0, &sl), SLICE_NONE);
    assert_true(a.counts[SLICES_DAMAGED] == ARRAY_LEN(heads) + 2);
    assert_int_equal(write_slice(a.slices, &c, 0), 1);
    assert_int_equal(write_slice(a.slices, &c, 1), 1);
    slices_tick(a.slices);
    flip(path, SLICE_HEAD_BYTES + MIB - 1);
    assert_int_equal(slices_verify(a.slices, false, &found, &err), 0);
    assert_true(found.good == 1 && found.damaged == 1 && found.unlisted == 0 && found.missing == 1);
    close_all(&a);
}

/* ---- Room ---- */

/* Random sizes and uses; a reference says which may have gone. */
static void the_least_recently_used_go(void **state)
{
    enum { FILES = 60, LIMIT = 40 };
    struct all a;
    struct err err;
    struct slice_content c[FILES];
    unsigned used[FILES];
    struct store_slice_sum sum;
    const int64_t max = (int64_t)LIMIT * (MIB + SLICE_HEAD_BYTES);
    open_all(&a, *state, max);
    unsigned x = 12345;
    for (unsigned i = 0; i < FILES; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "%u", i);
        c[i] = content_of(&(struct slice_source){"site", id, "f", 1, MIB});
    }
    const int64_t now = clock_unix_s();
    for (unsigned i = 0; i < FILES; i++) {
        assert_int_equal(write_slice(a.slices, &c[i], 0), 1);
        slices_tick(a.slices);
        x = x * 1103515245 + 12345;
        used[i] = x >> 8 & 0xffff;
        struct store_slice_note note = {.what = STORE_SLICE_USED};
        (void)snprintf(note.slice.name, sizeof note.slice.name, "%s-000000", c[i].hex);
        assert_int_equal(store_slices_note(a.store, "here", &note, 1, now - 100 - used[i] / 100, &err), 0);
        assert_int_equal(store_slices_sum(a.store, "here", &sum, &err), 0);
        assert_true(sum.bytes <= max);
    }
    assert_true(a.counts[SLICES_EVICTED] >= FILES - LIMIT);
    slices_tick(a.slices);
    /* One more over the limit: of what is there now, none that stays was used before one that goes. */
    bool before[FILES];
    unsigned stays_oldest = 0;
    unsigned goes_latest = UINT32_MAX;
    for (unsigned i = 0; i < FILES; i++)
        before[i] = slices_have(a.slices, &c[i], 0, MIB);
    uint64_t evicted = a.counts[SLICES_EVICTED];
    for (unsigned n = 0; a.counts[SLICES_EVICTED] == evicted; n++) {
        char id[16];
        (void)snprintf(id, sizeof id, "more %u", n);
        const struct slice_content more = content_of(&(struct slice_source){"site", id, "f", 1, MIB});
        assert_true(n < LIMIT);
        assert_int_equal(write_slice(a.slices, &more, 0), 1);
        slices_tick(a.slices);
    }
    for (unsigned i = 0; i < FILES; i++) {
        unsigned age = used[i] / 100;
        bool stays = slices_have(a.slices, &c[i], 0, MIB);
        assert_true(before[i] || !stays);
        if (stays && age > stays_oldest)
            stays_oldest = age;
        if (before[i] && !stays && age < goes_latest)
            goes_latest = age;
    }
    assert_true(goes_latest != UINT32_MAX && stays_oldest <= goes_latest);
    close_all(&a);
}

static void not_more_is_begun_than_may_be_too_much(void **state)
{
    struct all a;
    open_all(&a, *state, 48 * MIB); /* a sixteenth: three, less their heads */
    const struct slice_content c = content_of(&(struct slice_source){"site", "id", "f", 1, 48 * MIB});
    assert_int_equal(write_slice(a.slices, &c, 0), 1);
    assert_int_equal(write_slice(a.slices, &c, 1), 1);
    assert_int_equal(write_slice(a.slices, &c, 2), -1);
    slices_tick(a.slices);
    assert_int_equal(write_slice(a.slices, &c, 2), 1);
    close_all(&a);
}

static void off_means_none(void **state)
{
    struct all a;
    struct slice *sl = NULL;
    struct slices_stat stat;
    struct err err;
    open_all(&a, *state, 1 << 30);
    const struct slice_content c = content_of(&film);
    assert_int_equal(write_slice(a.slices, &c, 0), 1);
    slices_limit(a.slices, 0, 3600);
    assert_int_equal(slice_find(a.slices, &c, 0, &sl), SLICE_NONE);
    assert_int_equal(write_slice(a.slices, &c, 1), -1);
    slices_tick(a.slices);
    assert_int_equal(slices_stat(a.slices, &stat, &err), 0);
    assert_true(stat.count == 0 && stat.bytes == 0);
    close_all(&a);
}

static void a_disk_that_takes_nothing_switches_them_off(void **state)
{
    struct all a;
    char tmp[256];
    char aside[256];
    open_all(&a, *state, 1 << 30);
    const struct slice_content c = content_of(&film);
    (void)snprintf(tmp, sizeof tmp, "%s/tmp", (char *)*state);
    (void)snprintf(aside, sizeof aside, "%s/aside", (char *)*state);
    assert_int_equal(rename(tmp, aside), 0);
    assert_int_equal(write_slice(a.slices, &c, 0), -1);
    assert_false(slices_are_on(a.slices));
    assert_true(a.counts[SLICES_SWITCHED_OFF] == 1);
    assert_int_equal(rename(aside, tmp), 0);
    assert_int_equal(write_slice(a.slices, &c, 0), -1); /* not before its time */
    close_all(&a);
}

static void the_sweep_mends_the_index(void **state)
{
    struct all a;
    char path[256];
    struct slices_stat stat;
    struct err err;
    open_all(&a, *state, 1 << 30);
    const struct slice_content c = content_of(&film);
    for (uint64_t n = 0; n < 3; n++)
        assert_int_equal(write_slice(a.slices, &c, n), 1);
    close_all(&a);
    (void)sql(*state, "DELETE FROM slice WHERE name LIKE '%-000001'");
    path_of(*state, &c, 2, path, sizeof path);
    assert_int_equal(unlink(path), 0);
    open_all(&a, *state, 1 << 30);
    slices_tick(a.slices);
    assert_int_equal(slices_stat(a.slices, &stat, &err), 0);
    assert_true(stat.count == 2 && stat.bytes == 2 * (MIB + SLICE_HEAD_BYTES));
    close_all(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(the_index_knows_sums_and_order),
        IN_DIR(what_is_written_is_read_in_any_part),
        cmocka_unit_test(another_content_has_other_slices),
        IN_DIR(those_who_come_meanwhile_read_along),
        IN_DIR(a_writer_that_gives_up_leaves_nothing),
        IN_DIR(damage_is_noticed_where_it_is),
        IN_DIR(the_least_recently_used_go),
        IN_DIR(not_more_is_begun_than_may_be_too_much),
        IN_DIR(off_means_none),
        IN_DIR(a_disk_that_takes_nothing_switches_them_off),
        IN_DIR(the_sweep_mends_the_index),
    };
    struct err err;
    main_process = getpid();
    if (hash_init(&err) < 0)
        return 1;
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
