/* site/youtube/hedge: who is first with a good answer wins, the other one is told to end; a poor one waits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/defs.h"
#include "site/youtube/hedge.h"

/* Answers after so long, or when it is cancelled. */
struct leg {
    struct hedge_leg hedge;
    int after_ms;
    enum hedge_end good;
    bool saw_end;
};

static enum hedge_end run(struct hedge_leg *hedge)
{
    struct leg *leg = (struct leg *)hedge;
    for (int ms = 0; ms < leg->after_ms; ms += 5) {
        if (atomic_load(&hedge->cancelled)) {
            leg->saw_end = true;
            return HEDGE_FAILED;
        }
        clock_sleep_ms(5);
    }
    return leg->good;
}

static void races(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int first_ms, second_ms;
        enum hedge_end first_good, second_good;
        bool began;                 /* the second */
        int winner;                 /* 0, 1; -1 nobody */
        bool first_end, second_end; /* was told to end */
        int most_ms;
    } cases[] = {
        {"a quick one", 0, 0, HEDGE_GOOD, HEDGE_GOOD, false, 0, false, false, 100},
        {"a quick failure", 0, 0, HEDGE_FAILED, HEDGE_GOOD, false, -1, false, false, 100},
        {"a slow one loses", 5000, 50, HEDGE_GOOD, HEDGE_GOOD, true, 1, true, false, 1000},
        {"a slow one wins", 300, 5000, HEDGE_GOOD, HEDGE_GOOD, true, 0, false, true, 1000},
        {"the second fails", 400, 50, HEDGE_GOOD, HEDGE_FAILED, true, 0, false, false, 1000},
        {"the first fails late", 300, 400, HEDGE_FAILED, HEDGE_GOOD, true, 1, false, false, 1500},
        {"both fail", 300, 400, HEDGE_FAILED, HEDGE_FAILED, true, -1, false, false, 1500},
        {"a quick one that is poor", 0, 0, HEDGE_POOR, HEDGE_GOOD, false, 0, false, false, 100},
        {"a poor one waits", 400, 50, HEDGE_GOOD, HEDGE_POOR, true, 0, false, false, 1000},
        {"not for ever", 5000, 50, HEDGE_GOOD, HEDGE_POOR, true, 1, true, false, 1500},
        {"a poor one, and then nothing", 400, 50, HEDGE_FAILED, HEDGE_POOR, true, 1, false, false, 1000},
        {"two poor ones", 300, 50, HEDGE_POOR, HEDGE_POOR, true, 1, false, false, 1000},
        {"the first waits for the second", 250, 300, HEDGE_POOR, HEDGE_GOOD, true, 1, false, false, 1000},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct leg first = {
            .hedge = {.run = run}, .after_ms = cases[i].first_ms, .good = cases[i].first_good};
        struct leg second = {
            .hedge = {.run = run}, .after_ms = cases[i].second_ms, .good = cases[i].second_good};
        int64_t began_us = clock_mono_us();
        hedge_run(&first.hedge, &second.hedge, 150, 400);
        int64_t took_ms = (clock_mono_us() - began_us) / 1000;
        int winner = first.hedge.won ? 0 : second.hedge.won ? 1 : -1;
        if (second.hedge.began != cases[i].began || winner != cases[i].winner ||
            (first.hedge.won && second.hedge.won) || first.saw_end != cases[i].first_end ||
            second.saw_end != cases[i].second_end || took_ms > cases[i].most_ms * 5)
            fail_msg("%s: began %d, winner %d, ends %d %d, %d ms", cases[i].name, second.hedge.began, winner,
                     first.saw_end, second.saw_end, (int)took_ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(races),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
