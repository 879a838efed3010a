/* The order of tiers as settings say it, and which outputs may be kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "serve/keep.h"
#include "serve/subtitles.h"

static void orders(void **state)
{
    static const struct {
        const char *tiers;
        const char *error; /* NULL: fine */
    } cases[] = {
        {"source", NULL},
        {"files,slices,telegram,s3,source", NULL},
        {" s3 ,\tfiles, source ", NULL},
        {"", "tiers: it has to end with source"},
        {"files", "tiers: it has to end with source"},
        {"source,files", "tiers: nothing is asked after source, so it has to be last"},
        {"files,files,source", "tiers: files stands there twice"},
        {"file,source", "tiers: there is no file"},
        {"FILES,source", "tiers: there is no FILES"},
        {"filesfilesfilesfilesfiles,source", "tiers: there is no filesfilesfilesfi"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        const struct config c = {.tiers = (char *)(uintptr_t)cases[i].tiers};
        int rc = tiers_check(&c, &err);
        if ((rc < 0) != (cases[i].error != NULL))
            fail_msg("%s: %s", cases[i].tiers, err.text);
        if (cases[i].error)
            assert_true(strncmp(err.text, cases[i].error, strlen(cases[i].error)) == 0);
    }
}

static void names(void **state)
{
    size_t count;
    const struct tier *const *all = tiers_all(&count);
    (void)state;
    assert_string_equal(tier_from_name(TIER_FROM_SOURCE), "source");
    assert_string_equal(tier_from_name(TIER_FROM_SLICES), "slices");
    for (size_t i = 0; i < count; i++) {
        assert_true(strlen(all[i]->name) <= STORE_TIER_MAX);
        assert_ptr_equal(tier_find(all[i]->name), all[i]);
        assert_string_equal(tier_from_name(tier_from_of(all[i])), all[i]->name);
    }
    assert_string_equal(tier_from_name((unsigned)(TIER_FROM_TIERS + count)), "");
    assert_null(tier_find("source"));
}

static void keys(void **state)
{
    static const char etag[] = "\"0123456789abcdef0123456789abcdef\"";
    static const struct {
        const char *name, *etag;
        uint64_t length, versions[2], start_ms, end_ms;
        size_t subtitles;
        bool may;
    } cases[] = {
        {"a merged file", etag, 10, {1, 2}, 0, 0, 0, true},
        {"no length", etag, 0, {1, 2}, 0, 0, 0, false},
        {"one of no version", etag, 10, {1, 0}, 0, 0, 0, false},
        {"a clip", etag, 10, {1, 2}, 5, 0, 0, false},
        {"a clip from the beginning", etag, 10, {1, 2}, 0, 5, 0, false},
        {"with subtitles", etag, 10, {1, 2}, 0, 0, 1, false},
        {"no tag", "", 10, {1, 2}, 0, 0, 0, false},
        {"a short tag", "\"0123\"", 10, {1, 2}, 0, 0, 0, false},
        {"a tag of another kind", "\"0123456789abcdef0123456789abcde/\"", 10, {1, 2}, 0, 0, 0, false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct format formats[] = {{.last_modified = cases[i].versions[0]},
                                         {.last_modified = cases[i].versions[1]}};
        const struct choice choice = {.formats = {&formats[0], &formats[1]}, .format_count = 2};
        const struct subtitle_set subtitles = {.count = cases[i].subtitles};
        const struct merge_opts opts = {
            .start_ms = cases[i].start_ms, .end_ms = cases[i].end_ms, .subtitles = &subtitles};
        const struct keep_what what = {
            .choice = &choice, .opts = &opts, .etag = cases[i].etag, .length = cases[i].length};
        char key[STORE_CONTENT_KEY_LEN + 1];
        if (keep_key(&what, key) != cases[i].may)
            fail_msg("%s", cases[i].name);
        if (cases[i].may)
            assert_string_equal(key, "0123456789abcdef0123456789abcdef");
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(orders),
        cmocka_unit_test(names),
        cmocka_unit_test(keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
