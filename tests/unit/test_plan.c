/* media/plan: building, entering at any offset, and the serialised form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "media/plan.h"

static struct plan *sample_plan(void)
{
    struct err err;
    struct plan *p = plan_new();
    assert_non_null(p);
    assert_int_equal(plan_add_literal(p, "head", 4, &err), 0);
    assert_int_equal(plan_add_literal(p, "er", 2, &err), 0);
    assert_int_equal(plan_add_source(p, 0, 100, 10, &err), 0);
    assert_int_equal(plan_add_source(p, 1, 0, 5, &err), 0);
    assert_int_equal(plan_add_source(p, 1, 5, 0, &err), 0);
    assert_int_equal(plan_add_literal(p, "", 0, &err), 0);
    assert_int_equal(plan_add_source(p, 1, 5, 7, &err), 0);
    assert_int_equal(plan_add_literal(p, "tail", 4, &err), 0);
    assert_int_equal(plan_add_source(p, 0, 120, 1, &err), 0);
    return p;
}

static void neighbours_join(void **state)
{
    static const struct plan_segment want[] = {
        {0, 0, 6, PLAN_LITERAL, 0},  {6, 100, 10, 0, 0}, {16, 0, 12, 1, 0},
        {28, 6, 4, PLAN_LITERAL, 0}, {32, 120, 1, 0, 0},
    };
    (void)state;
    auto_ptr(plan) struct plan *p = sample_plan();
    assert_int_equal(plan_length(p), 33);
    assert_int_equal(plan_segment_count(p), ARRAY_LEN(want));
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        assert_memory_equal(plan_segment(p, i), &want[i], sizeof want[i]);
    assert_memory_equal(plan_literal(p, plan_segment(p, 0)), "header", 6);
    assert_memory_equal(plan_literal(p, plan_segment(p, 3)), "tail", 4);
}

static void any_offset_is_found(void **state)
{
    (void)state;
    auto_ptr(plan) struct plan *p = sample_plan();
    for (uint64_t at = 0; at < plan_length(p); at++) {
        const struct plan_segment *s = plan_segment(p, plan_find(p, at));
        assert_true(s->out <= at && at < s->out + s->length);
    }
}

static void bad_building_is_refused(void **state)
{
    static const struct {
        const char *name;
        unsigned source;
        uint64_t offset, length;
        int rc;
    } cases[] = {
        {"follows", 0, 121, 1, 0},
        {"a gap", 1, 50, 1, 0},
        {"backwards", 0, 120, 1, -1},
        {"another source from its start", 2, 0, 1, 0},
        {"no such source", PLAN_SOURCES_MAX, 0, 1, -1},
        {"literal is no source", PLAN_LITERAL, 0, 1, -1},
        {"the end overflows", 2, UINT64_MAX, 1, -1},
        {"the plan overflows", 2, 0, (uint64_t)INT64_MAX, -1},
        {"as large as it gets", 2, 0, (uint64_t)INT64_MAX - 33, 0},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err;
        auto_ptr(plan) struct plan *p = sample_plan();
        int rc = plan_add_source(p, cases[i].source, cases[i].offset, cases[i].length, &err);
        if (rc != cases[i].rc)
            fail_msg("%s", cases[i].name);
        assert_int_equal(plan_length(p), rc ? 33 : 33 + cases[i].length);
    }
    struct err err;
    auto_ptr(plan) struct plan *p = sample_plan();
    assert_null(plan_reserve_literal(p, (size_t)PLAN_LITERAL_MAX + 1, &err));
}

static void the_serialised_form_comes_back(void **state)
{
    (void)state;
    struct err err;
    auto_(buf) struct buf bytes = BUF_INIT(4096);
    auto_(buf) struct buf again = BUF_INIT(4096);
    auto_ptr(plan) struct plan *p = sample_plan();
    assert_int_equal(plan_serialise(p, &bytes), 0);

    struct plan *made[2] = {NULL, NULL};
    assert_int_equal(plan_parse(&made[0], bytes.data, bytes.len, &err), 0);
    assert_int_equal(plan_view(&made[1], bytes.data, bytes.len, &err), 0);
    for (size_t i = 0; i < ARRAY_LEN(made); i++) {
        assert_int_equal(plan_length(made[i]), plan_length(p));
        assert_memory_equal(plan_literal(made[i], plan_segment(made[i], 3)), "tail", 4);
        buf_clear(&again);
        assert_int_equal(plan_serialise(made[i], &again), 0);
        assert_int_equal(again.len, bytes.len);
        assert_memory_equal(again.data, bytes.data, bytes.len);
        assert_int_equal(plan_add_source(made[i], 0, 1000, 1, &err), -1);
        assert_int_equal(plan_add_literal(made[i], "x", 1, &err), -1);
        plan_free(made[i]);
    }
}

static void damaged_forms_are_refused(void **state)
{
    /* Offsets into the form: 32 bytes of header, then segments of 32 bytes. */
    static const struct {
        const char *name;
        size_t at;
        unsigned char value;
    } cases[] = {
        {"magic", 0, 'x'},
        {"byte order", 8, 1},
        {"one segment more", 16, 6},
        {"one segment fewer", 16, 4},
        {"huge count", 23, 0x80},
        {"literal length", 24, 9},
        {"a hole in the output", 32 + 32, 7},
        {"literal out of bounds", 32 + 8, 5},
        {"empty segment", 32 + 64 + 16, 0},
        {"source number", 32 + 32 + 24, PLAN_SOURCES_MAX},
        {"padding", 32 + 28, 1},
        {"source goes back", 32 + 4 * 32 + 8, 109},
        {"offset overflows", 32 + 32 + 15, 0xff},
    };
    (void)state;
    struct err err;
    struct plan *out = NULL;
    auto_(buf) struct buf bytes = BUF_INIT(4096);
    auto_ptr(plan) struct plan *p = sample_plan();
    assert_int_equal(plan_serialise(p, &bytes), 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char kept = bytes.data[cases[i].at];
        bytes.data[cases[i].at] = (char)cases[i].value;
        if (plan_parse(&out, bytes.data, bytes.len, &err) == 0)
            fail_msg("%s", cases[i].name);
        bytes.data[cases[i].at] = kept;
    }
    for (size_t len = 0; len < bytes.len; len++)
        assert_int_equal(plan_parse(&out, bytes.data, len, &err), -1);
    assert_int_equal(plan_view(&out, bytes.data + 1, bytes.len - 1, &err), -1);
    assert_null(out);
}

static void an_empty_plan_is_a_plan(void **state)
{
    (void)state;
    struct err err;
    auto_(buf) struct buf bytes = BUF_INIT(4096);
    auto_ptr(plan) struct plan *p = plan_new();
    auto_ptr(plan) struct plan *again = NULL;
    assert_int_equal(plan_serialise(p, &bytes), 0);
    assert_int_equal(plan_parse(&again, bytes.data, bytes.len, &err), 0);
    assert_int_equal(plan_length(again), 0);
    assert_int_equal(plan_segment_count(again), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(neighbours_join),           cmocka_unit_test(any_offset_is_found),
        cmocka_unit_test(bad_building_is_refused),   cmocka_unit_test(the_serialised_form_comes_back),
        cmocka_unit_test(damaged_forms_are_refused), cmocka_unit_test(an_empty_plan_is_a_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
