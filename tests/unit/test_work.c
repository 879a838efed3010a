/* serve/work: what a job writes comes out whole and in order; who does not want it is rid of it at once. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "serve/work.h"

static struct gate *open_places(int64_t max_active, int64_t queue_wait_s)
{
    static int n;
    char dir[256];
    struct err err = {0};
    struct gate *g = NULL;
    const struct gate_limits limits = {100, max_active, queue_wait_s};
    (void)snprintf(dir, sizeof dir, "/tmp/sluice-work-%d-%d-XXXXXX", (int)getpid(), n++);
    assert_non_null(mkdtemp(dir));
    if (gate_open(&g, dir, &limits, &err) < 0)
        fail_msg("%s", err.text);
    char file[300];
    (void)snprintf(file, sizeof file, "%s/slots", dir);
    (void)unlink(file); /* in use all the same */
    (void)rmdir(dir);
    return g;
}

static int64_t active(struct gate *g)
{
    struct gate_counts c;
    struct err err;
    assert_int_equal(gate_count(g, &c, &err), 0);
    return c.active;
}

/* A job that writes `total` bytes of a known sequence in pieces, then fails or not. */
struct script {
    size_t total, piece;
    unsigned pause_ms; /* before each piece */
    enum err_code fails;
    bool refused; /* a write was */
    int64_t refused_us;
};

static unsigned char byte_at(size_t i)
{
    return (unsigned char)((uint32_t)i * 2654435761U >> 24);
}

static int play(void *ctx, struct work *w, struct err *err)
{
    struct script *s = ctx;
    unsigned char piece[8192];
    for (size_t at = 0; at < s->total;) {
        size_t n = s->total - at < s->piece ? s->total - at : s->piece;
        for (size_t i = 0; i < n; i++)
            piece[i] = byte_at(at + i);
        if (s->pause_ms)
            clock_sleep_ms(s->pause_ms);
        if (work_write(w, piece, n) < 0) {
            s->refused = true;
            s->refused_us = clock_mono_us();
            return -1;
        }
        at += n;
    }
    return s->fails ? err_set(err, s->fails, "scripted") : 0;
}

/* Reads to the end; the number of bytes. */
static size_t read_all(struct work *w, enum work_state *state, struct err *err)
{
    size_t at = 0;
    const void *data;
    size_t len;
    while ((*state = work_next(w, 10, &data, &len, err)) == WORK_BYTES || *state == WORK_LATER) {
        const unsigned char *bytes = data;
        for (size_t i = 0; *state == WORK_BYTES && i < len; i++) {
            if (bytes[i] != byte_at(at + i))
                fail_msg("byte %zu is wrong", at + i);
        }
        at += *state == WORK_BYTES ? len : 0;
    }
    return at;
}

static void bytes_come_whole_and_in_order(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct script script;
        enum work_state end;
    } cases[] = {
        {"nothing", {.total = 0, .piece = 1}, WORK_DONE},
        {"one byte", {.total = 1, .piece = 1}, WORK_DONE},
        {"many times the ring", {.total = 9 << 20, .piece = 8191}, WORK_DONE},
        {"the ring to the byte", {.total = WORK_RING_BYTES, .piece = 8192}, WORK_DONE},
        {"one byte more", {.total = WORK_RING_BYTES + 1, .piece = 8192}, WORK_DONE},
        {"slowly", {.total = 5000, .piece = 1000, .pause_ms = 30}, WORK_DONE},
        {"a failure at the end", {.total = 3 << 20, .piece = 7777, .fails = ERR_DRM}, WORK_FAILED},
        {"a failure at once", {.total = 0, .piece = 1, .fails = ERR_DRM}, WORK_FAILED},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_ptr(gate) struct gate *places = open_places(1, 0);
        struct script script = cases[i].script;
        enum work_state end;
        struct err err = {0};
        struct work *w = NULL;
        assert_int_equal(work_start(&w, places, play, &script, NULL, NULL, &err), 0);
        size_t n = read_all(w, &end, &err);
        if (n != script.total || end != cases[i].end || err.code != script.fails)
            fail_msg("%s: %zu bytes, state %d, %s", cases[i].name, n, (int)end, err.text);
        assert_int_equal(work_next(w, 0, &(const void *){NULL}, &(size_t){0}, &err), end); /* and stays so */
        assert_int_equal(active(places), 0); /* its place is free before it is closed */
        work_close(w);
        assert_false(script.refused);
    }
}

/* A job that writes into a ring nobody empties, and one that is just busy. */
static void closing_ends_it_at_once(void **state)
{
    (void)state;
    static const struct script scripts[] = {{.total = 64 << 20, .piece = 8192},
                                            {.total = 64 << 20, .piece = 10, .pause_ms = 20}};
    for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
        auto_ptr(gate) struct gate *places = open_places(1, 0);
        struct script script = scripts[i];
        struct err err = {0};
        struct work *w = NULL;
        assert_int_equal(work_start(&w, places, play, &script, NULL, NULL, &err), 0);
        clock_sleep_ms(50);
        assert_int_equal(active(places), 1);
        int64_t start_us = clock_mono_us();
        work_close(w);
        assert_true(script.refused);
        assert_true(script.refused_us - start_us < 100000);
        assert_int_equal(active(places), 0);
    }
}

static void a_quiet_job_lets_the_consumer_look_around(void **state)
{
    (void)state;
    auto_ptr(gate) struct gate *places = open_places(1, 0);
    struct script script = {.total = 1, .piece = 1, .pause_ms = 300};
    struct err err = {0};
    struct work *w = NULL;
    const void *data;
    size_t len;
    assert_int_equal(work_start(&w, places, play, &script, NULL, NULL, &err), 0);
    int64_t start_us = clock_mono_us();
    assert_int_equal(work_next(w, 50, &data, &len, &err), WORK_LATER);
    int64_t took_us = clock_mono_us() - start_us;
    assert_in_range(took_us, 40000, 250000);
    assert_int_equal(work_next(w, 5000, &data, &len, &err), WORK_BYTES);
    assert_int_equal(len, 1);
    work_close(w);
}

static void no_more_than_there_are_places(void **state)
{
    (void)state;
    auto_ptr(gate) struct gate *places = open_places(2, 0);
    struct script scripts[3] = {{.total = 8 << 20, .piece = 8192},
                                {.total = 8 << 20, .piece = 8192},
                                {.total = 8 << 20, .piece = 8192}};
    struct work *w[3] = {NULL, NULL, NULL};
    struct err err = {0};
    assert_int_equal(work_start(&w[0], places, play, &scripts[0], NULL, NULL, &err), 0);
    assert_int_equal(work_start(&w[1], places, play, &scripts[1], NULL, NULL, &err), 0);
    const void *data = NULL;
    size_t len = 0;
    assert_int_equal(work_next(w[0], 5000, &data, &len, &err), WORK_BYTES); /* both have a place */
    assert_int_equal(work_next(w[1], 5000, &data, &len, &err), WORK_BYTES);
    assert_int_equal(work_start(&w[2], places, play, &scripts[2], NULL, NULL, &err), 0);
    assert_int_equal(work_next(w[2], 5000, &data, &len, &err), WORK_FAILED);
    assert_int_equal(err.code, ERR_BUSY);
    assert_true(err.retry_after_s > 0);
    work_close(steal(&w[2]));
    work_close(w[0]);
    assert_int_equal(work_start(&w[2], places, play, &scripts[2], NULL, NULL, &err), 0);
    work_close(w[1]);
    work_close(w[2]);
    assert_int_equal(active(places), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_come_whole_and_in_order),
        cmocka_unit_test(closing_ends_it_at_once),
        cmocka_unit_test(a_quiet_job_lets_the_consumer_look_around),
        cmocka_unit_test(no_more_than_there_are_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
