/* serve/ladder: which step follows which failure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/defs.h"
#include "serve/ladder.h"

enum { MIB = 1 << 20 };

/* Names of the steps that follow one another, the n-th failure after at[n] bytes; "" at the end. */
static void climb(const struct err *why, const uint64_t *at, size_t count, char *out, size_t room)
{
    struct ladder l = {0};
    out[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        (void)strncat(out, i ? " " : "", room - strlen(out) - 1);
        (void)strncat(out, ladder_name(ladder_next(&l, 0, why, at[i])), room - strlen(out) - 1);
    }
}

static void test_orders(void **state)
{
    (void)state;
    static const uint64_t nowhere[12] = {500, 500, 500, 500, 500, 500, 500, 500, 500, 500, 500, 500};
    static const uint64_t creeping[12] = {500,  600,  700,     800, 900,     1000,
                                          1100, 1200, MIB - 1, MIB, MIB + 1, MIB + 2};
    static const uint64_t moving[12] = {0,       2 * MIB, 2 * MIB, 2 * MIB, 4 * MIB, 4 * MIB,
                                        5 * MIB, 5 * MIB, 5 * MIB, 5 * MIB, 6 * MIB, 6 * MIB};
    static const struct {
        const char *name;
        struct err why;
        const uint64_t *at;
        const char *steps;
    } cases[] = {
        {"403",
         {.code = ERR_UPSTREAM_FAILED, .upstream_status = 403},
         nowhere,
         "same other-host same again same other-host same other-client same once-more same end"},
        {"404",
         {.code = ERR_UPSTREAM_FAILED, .upstream_status = 404},
         nowhere,
         "same other-host same again same other-host same other-client same once-more same end"},
        {"410, a little each time",
         {.code = ERR_UPSTREAM_FAILED, .upstream_status = 410},
         creeping,
         "same other-host same again same other-host same other-client same once-more same end"},
        {"a stall",
         {.code = ERR_UPSTREAM_FAILED, .upstream_status = 0},
         nowhere,
         "other-host again end end end end end end end end end end"},
        {"a wrong range",
         {.code = ERR_UPSTREAM_FAILED, .upstream_status = 206},
         nowhere,
         "same other-host same again same end same end same end same end"},
        {"429 for good",
         {.code = ERR_RATE_LIMITED_UPSTREAM, .upstream_status = 429},
         nowhere,
         "other-host again end end end end end end end end end end"},
        {"403 after progress",
         {.code = ERR_UPSTREAM_FAILED, .upstream_status = 403},
         moving,
         "same same other-host same same other-host same other-host same again same other-host"},
        {"a refused address",
         {.code = ERR_REFUSED_ADDRESS, .upstream_status = 0},
         nowhere,
         "end end end end end end end end end end end end"},
        {"our own fault",
         {.code = ERR_INTERNAL, .upstream_status = 0},
         nowhere,
         "end end end end end end end end end end end end"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char steps[256];
        climb(&cases[i].why, cases[i].at, 12, steps, sizeof steps);
        if (strcmp(steps, cases[i].steps) != 0)
            fail_msg("%s: %s", cases[i].name, steps);
    }
}

/* One source's troubles are not the other's. */
static void test_each(void **state)
{
    (void)state;
    const struct err why = {.code = ERR_UPSTREAM_FAILED};
    struct ladder l = {0};
    assert_int_equal(ladder_next(&l, 0, &why, 500), LADDER_HOST);
    assert_int_equal(ladder_next(&l, 1, &why, 500), LADDER_HOST);
    assert_int_equal(ladder_next(&l, 0, &why, 600), LADDER_AGAIN);
    assert_int_equal(ladder_next(&l, 0, &why, 700), LADDER_END);
    assert_int_equal(ladder_next(&l, 1, &why, 700), LADDER_AGAIN);
}

/* A source that gives a mebibyte at a time is not asked for ever. */
static void test_bounded(void **state)
{
    (void)state;
    const struct err why = {.code = ERR_UPSTREAM_FAILED, .upstream_status = 403};
    struct ladder l = {0};
    unsigned steps = 0;
    for (uint64_t i = 1; i < 1000; i++) {
        enum ladder_step step = ladder_next(&l, 0, &why, i / 2 * MIB);
        steps += step != LADDER_END && step != LADDER_SAME;
    }
    assert_int_equal(steps, LADDER_STEPS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_orders),
        cmocka_unit_test(test_each),
        cmocka_unit_test(test_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
