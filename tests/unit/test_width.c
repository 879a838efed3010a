/* serve/width: how many connections a source gets, played on a clock of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/defs.h"
#include "serve/width.h"

enum { STEP_US = 10000, SECOND_US = 1000000, MB = 1000000 };

/* A client that takes so much, of a source that gives so much per connection and so much in all. */
struct world {
    uint64_t client, each, all; /* bytes per second */
    struct width w;
    int64_t now_us;
    unsigned most;
};

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Plays `ms`; the number of connections at the end. */
static unsigned play(struct world *x, int ms)
{
    for (int i = 0; i < ms * 1000 / STEP_US; i++) {
        uint64_t given = least(x->all, x->each * x->w.now);
        bool waits = x->client > given;
        x->now_us += STEP_US;
        width_wait(&x->w, x->now_us, waits);
        width_came(&x->w, (size_t)(least(given, x->client) * STEP_US / SECOND_US));
        unsigned now = width_decide(&x->w, x->now_us);
        x->most = now > x->most ? now : x->most;
    }
    return x->w.now;
}

/* The same; a trial that is then under way is not counted. */
static unsigned settle(struct world *x, int ms)
{
    unsigned now = play(x, ms);
    for (int i = 0; i < 100 && x->w.state != WIDTH_STEADY; i++)
        now = play(x, 100);
    return now;
}

static struct world world(uint64_t client, uint64_t each, uint64_t all, unsigned max)
{
    struct world x = {.client = client, .each = each, .all = all, .now_us = 77 * SECOND_US};
    width_init(&x.w, max);
    width_turn(&x.w, x.now_us, true);
    return x;
}

static void test_courses(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t client, each, all;
        unsigned max, after_10s, after_60s, most;
    } cases[] = {
        {"fast client, each connection limited", 100 * MB, 2 * MB, 100 * MB, 4, 4, 4, 4},
        {"the setting is the limit", 100 * MB, 2 * MB, 100 * MB, 2, 2, 2, 2},
        {"one is all that is allowed", 100 * MB, 2 * MB, 100 * MB, 1, 1, 1, 1},
        {"slow client", 200 * 1000, 2 * MB, 100 * MB, 4, 1, 1, 1},
        {"client as fast as one connection", 2 * MB, 2 * MB, 100 * MB, 4, 1, 1, 1},
        {"client a little faster: one more brings too little", 2200 * 1000, 2 * MB, 100 * MB, 4, 1, 1, 2},
        {"client twice as fast", 4 * MB, 2 * MB, 100 * MB, 4, 2, 2, 2},
        {"client as fast as two and a half", 5 * MB, 2 * MB, 100 * MB, 4, 3, 3, 3},
        {"the host is the limit, not the connection", 100 * MB, 20 * MB, 20 * MB, 4, 1, 1, 2},
        {"the host gives two and no more", 100 * MB, 2 * MB, 4 * MB, 4, 2, 2, 3},
        {"a source throttled to a crawl", 100 * MB, 50 * 1000, 100 * MB, 4, 1, 4, 4},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct world x = world(cases[i].client, cases[i].each, cases[i].all, cases[i].max);
        unsigned early = settle(&x, 10000);
        unsigned late = settle(&x, 50000);
        if (early != cases[i].after_10s || late != cases[i].after_60s || x.most != cases[i].most)
            fail_msg("%s: %u after 10 s, %u after 60 s, at most %u", cases[i].name, early, late, x.most);
    }
}

static void test_client_slows_down(void **state)
{
    (void)state;
    struct world x = world(100 * MB, 2 * MB, 100 * MB, 4);
    assert_int_equal(play(&x, 10000), 4);
    x.client = 100 * 1000;
    assert_int_equal(play(&x, 4000), 1);
    x.client = 100 * MB;
    assert_int_equal(play(&x, 10000), 4);
}

/* Web servers and kernels take some megabytes before a slow client is seen to be one. */
static void test_nothing_before_it_is_known(void **state)
{
    (void)state;
    struct world x = world(100 * MB, 5 * MB, 100 * MB, 4);
    assert_int_equal(play(&x, 800), 1);
    x.client = 8000;
    assert_int_equal(play(&x, 60000), 1);
    assert_int_equal(x.most, 1);
}

static void test_fruitless_trials_become_rare(void **state)
{
    (void)state;
    struct world x = world(100 * MB, 20 * MB, 20 * MB, 4);
    int trials = 0;
    for (int i = 0; i < 3000; i++) {
        unsigned before = x.w.now;
        trials += play(&x, 100) > before;
    }
    assert_in_range(trials, 5, 9); /* in five minutes: after 5, 10, 20, 40, 80, 80 s */
}

static void test_failures(void **state)
{
    (void)state;
    struct world x = world(100 * MB, 2 * MB, 100 * MB, 4);
    assert_int_equal(play(&x, 10000), 4);
    width_fail(&x.w);
    assert_int_equal(play(&x, 4900), 1);
    assert_int_equal(play(&x, 5000), 4);
}

/* Only time at its turn counts: 100 ms of every second do not starve it the other 900. */
static void test_turns(void **state)
{
    (void)state;
    struct world x = world(100 * MB, 2 * MB, 100 * MB, 4);
    for (int i = 0; i < 18; i++) {
        width_turn(&x.w, x.now_us, true);
        (void)play(&x, 100);
        width_turn(&x.w, x.now_us, false);
        x.now_us += 900000;
        (void)width_decide(&x.w, x.now_us);
    }
    assert_int_equal(x.w.now, 1); /* 1.8 s of turns: not even what it takes to begin */
    for (int i = 0; i < 80; i++) {
        width_turn(&x.w, x.now_us, true);
        (void)play(&x, 100);
        width_turn(&x.w, x.now_us, false);
        x.now_us += 900000;
    }
    assert_int_equal(x.w.now, 4);
    assert_in_range(x.w.each, 2 * MB * 8 / 10, 2 * MB * 12 / 10);
}

/* A clock that stands still or steps back (one round of the loop) divides nothing by zero. */
static void test_odd_clocks(void **state)
{
    (void)state;
    struct width w;
    width_init(&w, 8);
    width_turn(&w, 1000, true);
    for (int i = 0; i < 1000; i++) {
        width_wait(&w, 1000 - i, true);
        width_came(&w, 1 << 20);
        assert_int_equal(width_decide(&w, 1000), 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_courses),
        cmocka_unit_test(test_client_slows_down),
        cmocka_unit_test(test_nothing_before_it_is_known),
        cmocka_unit_test(test_fruitless_trials_become_rare),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_turns),
        cmocka_unit_test(test_odd_clocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
