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
        (void)strncat(out, ladder_name(ladder_next(&l, why, at[i])), room - strlen(out) - 1);
    }
}

static void test_orders(void **state)
{
    (void)state;
    static const uint64_t nowhere[6] = {500, 500, 500, 500, 500, 500};
    static const uint64_t creeping[6] = {500, 600, 700, MIB - 1, MIB, MIB + 1};
    static const uint64_t moving[6] = {0, 2 * MIB, 4 * MIB, 6 * MIB, 6 * MIB, 7 * MIB};
    static const struct {
        const char *name;
        struct err why;
        const uint64_t *at;
        const char *steps;
    } cases[] = {
        {"403",
         {.code = ERR_UPSTREAM_FAILED, .upstream_status = 403},
         nowhere,
         "other-host again other-host other-client once-more end"},
        {"404",
         {.code = ERR_UPSTREAM_FAILED, .upstream_status = 404},
         nowhere,
         "other-host again other-host other-client once-more end"},
        {"410, a little each time",
         {.code = ERR_UPSTREAM_FAILED, .upstream_status = 410},
         creeping,
         "other-host again other-host other-client once-more end"},
        {"a stall",
         {.code = ERR_UPSTREAM_FAILED, .upstream_status = 0},
         nowhere,
         "other-host again end end end end"},
        {"a wrong range",
         {.code = ERR_UPSTREAM_FAILED, .upstream_status = 206},
         nowhere,
         "other-host again end end end end"},
        {"429 for good",
         {.code = ERR_RATE_LIMITED_UPSTREAM, .upstream_status = 429},
         nowhere,
         "other-host again end end end end"},
        {"403 after progress",
         {.code = ERR_UPSTREAM_FAILED, .upstream_status = 403},
         moving,
         "other-host other-host other-host other-host again other-host"},
        {"a refused address",
         {.code = ERR_REFUSED_ADDRESS, .upstream_status = 0},
         nowhere,
         "end end end end end end"},
        {"our own fault", {.code = ERR_INTERNAL, .upstream_status = 0}, nowhere, "end end end end end end"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char steps[256];
        climb(&cases[i].why, cases[i].at, 6, steps, sizeof steps);
        if (strcmp(steps, cases[i].steps) != 0)
            fail_msg("%s: %s", cases[i].name, steps);
    }
}

/* A source that gives a mebibyte at a time is not asked for ever. */
static void test_bounded(void **state)
{
    (void)state;
    const struct err why = {.code = ERR_UPSTREAM_FAILED, .upstream_status = 403};
    struct ladder l = {0};
    unsigned steps = 0;
    for (uint64_t i = 1; i < 1000; i++)
        steps += ladder_next(&l, &why, i * MIB) != LADDER_END;
    assert_int_equal(steps, LADDER_STEPS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_orders),
        cmocka_unit_test(test_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
