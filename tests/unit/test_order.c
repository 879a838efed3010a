/* site/youtube/order: which client comes first, given how they fared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "site/youtube/order.h"

/* Three clients, "a", "b", "c", in this order. */
static void make(struct clients *c)
{
    static const char *const keys[] = {"a", "b", "c"};
    *c = (struct clients){
        .count = 3,
        .order_count = 3,
        .adaptive = {.explore_percent = 10, .failing_below_percent = 50, .half_life_s = 900},
    };
    for (size_t i = 0; i < 3; i++) {
        c->list[i].key = keys[i];
        c->order[i] = &c->list[i];
    }
}

static void text_of(const struct clients *c, const struct site_score *scores, uint64_t random, char out[4])
{
    const struct client *order[CLIENTS_MAX];
    order_clients(c, scores, random, order);
    for (size_t i = 0; i < 3; i++)
        out[i] = order[i]->key[0];
    out[3] = '\0';
}

static void orders(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct site_score scores[3];
        uint64_t random;
        const char *order;
    } cases[] = {
        {"nothing is known", {{0, 0, 0}}, 0, "abc"},
        {"all are well", {{90, 1, 0}, {100, 0, 0}, {5, 0, 0}}, 0, "abc"},
        {"one failure is none", {{0, 1, 0}}, 99, "abc"},
        {"two are", {{0, 2, 0}}, 99, "bca"},
        {"half of many", {{50, 50, 0}}, 99, "abc"},
        {"less than half", {{40, 60, 0}}, 99, "bca"},
        {"two fail, the better one first", {{1, 50, 0}, {20, 50, 0}}, 99, "cba"},
        {"the better one first, the other way", {{20, 50, 0}, {1, 50, 0}}, 99, "cab"},
        {"all fail, the best first", {{1, 50, 0}, {20, 50, 0}, {5, 50, 0}}, 99, "bca"},
        {"exploring", {{0, 9, 0}}, 9, "abc"},
        {"exploring one of two", {{0, 9, 0}, {0, 9, 0}}, 100, "bca"},
        {"exploring the other of two", {{0, 9, 0}, {0, 9, 0}}, 0, "acb"},
        {"where all fail there is nothing to explore", {{1, 50, 0}, {20, 50, 0}, {5, 50, 0}}, 0, "bca"},
        {"faded", {{0, 0.4, 0}}, 99, "abc"},
    };
    struct clients c;
    make(&c);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char got[4];
        text_of(&c, cases[i].scores, cases[i].random, got);
        if (strcmp(got, cases[i].order) != 0)
            fail_msg("%s: %s, not %s", cases[i].name, got, cases[i].order);
    }
}

/* A client fails and works again, in a world of 1000 extractions with a generator of its own: while it fails
 * it is asked first hardly more often than exploring asks it, and afterwards it is the first one again. */
static void failing_and_recovering(void **state)
{
    (void)state;
    struct clients c;
    struct site_score scores[3] = {{20, 0, 0}, {20, 0, 0}, {20, 0, 0}};
    uint64_t random = 1;
    int first_while_failing = 0;
    int until_back = 0;
    make(&c);
    for (int i = 0; i < 1000; i++) {
        char got[4];
        bool works = i >= 500;
        random = random * 6364136223846793005ULL + 1442695040888963407ULL;
        text_of(&c, scores, random >> 33, got);
        for (size_t k = 0; k < 3; k++) { /* half as much after about 70 */
            scores[k].good *= 0.99;
            scores[k].bad *= 0.99;
        }
        size_t asked = (size_t)(got[0] - 'a');
        if (asked == 0 && !works)
            scores[0].bad++;
        else
            scores[asked].good++;
        if (i >= 100 && !works)
            first_while_failing += got[0] == 'a';
        if (works && got[0] != 'a')
            until_back = i - 500;
    }
    assert_in_range(first_while_failing, 20, 120); /* of 400; a tenth is 40, and fading asks now and then */
    assert_in_range(until_back, 1, 150);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orders),
        cmocka_unit_test(failing_and_recovering),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
