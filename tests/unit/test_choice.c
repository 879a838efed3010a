/* serve/choice: what can be asked for, and what each wish leads to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "serve/choice.h"

static char *copy(const char *s)
{
    char *c = strdup(s);
    assert_non_null(c);
    return c;
}

static void add(struct description *d, const char *id, enum format_kind kind, int height, uint64_t size)
{
    struct format *f = description_add_format(d);
    assert_non_null(f);
    f->id = copy(id);
    f->kind = kind;
    f->container = copy(kind == FORMAT_AUDIO ? "m4a" : "mp4");
    f->mime = copy(kind == FORMAT_AUDIO ? "audio/mp4" : "video/mp4");
    f->codecs = copy(kind == FORMAT_AUDIO ? "mp4a.40.2" : "avc1.640028");
    f->label = copy("");
    f->height = height;
    f->size_bytes = size;
}

static struct description *sample(void)
{
    struct description *d = description_new();
    assert_non_null(d);
    add(d, "137", FORMAT_VIDEO, 1080, 1000);
    add(d, "18", FORMAT_MUXED, 360, 500);
    add(d, "22", FORMAT_MUXED, 720, 800);
    add(d, "140", FORMAT_AUDIO, 0, 100);
    return d;
}

static void wishes(void **state)
{
    (void)state;
    static const struct {
        const char *wanted, *id; /* NULL: no such choice */
    } cases[] = {
        {"muxed-18", "muxed-18"},
        {"format-137", "format-137"},
        {"format-140", "format-140"},
        {"format-18", "muxed-18"},
        {"best", "muxed-22"},
        {"<=720p", "muxed-22"},
        {"<=719p", "muxed-18"},
        {"<=360p", "muxed-18"},
        {"<=359p", NULL},
        {"<=p", NULL},
        {"<=", NULL},
        {"<=-1p", NULL},
        {"<=99999999999999p", NULL},
        {"", NULL},
        {"137", NULL},
        {"format-", NULL},
        {"muxed-137", NULL},
        {"Best", NULL},
        {"<=720", NULL},
        {"format-137 ", NULL},
    };
    auto_ptr(description) struct description *d = sample();
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct choice c;
        struct err err = {0};
        int rc = choice_find(d, cases[i].wanted, NULL, &c, &err);
        if (rc != (cases[i].id ? 0 : -1))
            fail_msg("%s: %d", cases[i].wanted, rc);
        if (cases[i].id)
            assert_string_equal(c.id, cases[i].id);
        else
            assert_int_equal(err.code, ERR_NO_SUCH_CHOICE);
    }
}

static void never_silently_higher(void **state)
{
    (void)state;
    auto_ptr(description) struct description *d = sample();
    for (int most = 1; most <= 1100; most++) {
        char wanted[16];
        struct choice c;
        struct err err = {0};
        (void)snprintf(wanted, sizeof wanted, "<=%dp", most);
        if (choice_find(d, wanted, NULL, &c, &err) == 0)
            assert_in_range(c.height, 1, most);
    }
}

static void list_has_complete_files_first(void **state)
{
    (void)state;
    auto_ptr(description) struct description *d = sample();
    struct choice *list = NULL;
    size_t count = 0;
    struct err err = {0};
    assert_int_equal(choice_list(d, &list, &count, &err), 0);
    assert_int_equal(count, 4);
    assert_int_equal(list[0].kind, FORMAT_MUXED);
    assert_int_equal(list[1].kind, FORMAT_MUXED);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = i + 1; k < count; k++)
            assert_string_not_equal(list[i].id, list[k].id);
    }
    free(list);
}

static void a_sound_file_is_its_own_best(void **state)
{
    (void)state;
    auto_ptr(description) struct description *d = description_new();
    struct choice c;
    struct err err = {0};
    add(d, "source", FORMAT_AUDIO, 0, 0);
    assert_int_equal(choice_find(d, "best", NULL, &c, &err), 0);
    assert_string_equal(c.id, "format-source");
    assert_int_equal(choice_find(d, "<=720p", NULL, &c, &err), -1);
    auto_ptr(description) struct description *empty = description_new();
    assert_int_equal(choice_find(empty, "best", NULL, &c, &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wishes),
        cmocka_unit_test(never_silently_higher),
        cmocka_unit_test(list_has_complete_files_first),
        cmocka_unit_test(a_sound_file_is_its_own_best),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
