/* site/youtube/extras: what counts as chapters, and what of a storyboard's specification makes sense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "site/youtube/extras.h"

static void chapters(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
        size_t count;
        uint64_t last_ms;
        const char *last_title;
    } cases[] = {
        {"plain", "0:00 A\n0:10 B\n1:00:20 C", 3, 3620000, "C"},
        {"bullets, brackets, dashes", "x\n- 00:00 - A\n* [0:10] B\n\xe2\x80\xa2 (01:00) \xe2\x80\x94 C", 3,
         60000, "C"},
        {"line ends of others", "0:00 A\r\n0:10 B\r\n0:20 C\r\n", 3, 20000, "C"},
        {"two are none", "0:00 A\n0:10 B", 0, 0, ""},
        {"not from the beginning", "0:05 A\n0:10 B\n0:20 C", 0, 0, ""},
        {"not in order", "0:00 A\n0:20 B\n0:10 C", 0, 0, ""},
        {"behind the end", "0:00 A\n0:10 B\n9:59:59 C", 0, 0, ""},
        {"no titles", "0:00\n0:10\n0:20", 0, 0, ""},
        {"no times", "0 A\n:10 B\n0:1 C\n0:60 D\n1:2:03 E", 0, 0, ""},
        {"times in the middle count for nothing", "0:00 A\nsee 0:05\n0:10 B\n0:20 C", 3, 20000, "C"},
        {"control characters", "0:00 A\n0:10 B\n0:20 C\x1b[2J", 3, 20000, "C [2J"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_ptr(description) struct description *d = description_new();
        d->duration_ms = 7200000;
        assert_int_equal(extras_read_chapters(d, cases[i].text), 0);
        const struct chapter *last = d->chapter_count ? &d->chapters[d->chapter_count - 1] : NULL;
        if (d->chapter_count != cases[i].count ||
            (last && (last->start_ms != cases[i].last_ms || strcmp(last->title, cases[i].last_title) != 0)))
            fail_msg("%s: %zu, %s", cases[i].name, d->chapter_count, last ? last->title : "");
    }
}

static void storyboards(void **state)
{
    (void)state;
    static const struct {
        const char *name, *spec;
        size_t count;
        const char *url;
    } cases[] = {
        {"one", "https://i.example/L$L/$N.jpg?a=b|80#45#20#5#2#1000#M$M#s+1", 1,
         "https://i.example/L0/M$M.jpg?a=b&sigh=s%2B1"},
        {"no question", "https://i.example/$N|80#45#20#5#2#0#d#s", 1, "https://i.example/d?sigh=s"},
        {"sizes that are none",
         "https://i.example/$N|0#45#20#5#2#0#d#s|80#x#20#5#2#0#d#s|80#45#20#5#9999#0#d#s", 0, ""},
        {"not over https", "http://i.example/$N|80#45#20#5#2#0#d#s", 0, ""},
        {"what is no address", "https://i.example/<$N|80#45#20#5#2#0#d#s", 0, ""},
        {"cut", "https://i.example/$N|80#45#20", 0, ""},
        {"nothing", "", 0, ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_ptr(description) struct description *d = description_new();
        d->duration_ms = 20000;
        assert_int_equal(extras_read_storyboards(d, cases[i].spec), 0);
        if (d->storyboard_count != cases[i].count ||
            (d->storyboard_count &&
             (strcmp(d->storyboards[0].url, cases[i].url) != 0 || d->storyboards[0].interval_ms != 1000)))
            fail_msg("%s: %zu, %s", cases[i].name, d->storyboard_count,
                     d->storyboard_count ? d->storyboards[0].url : "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(chapters), cmocka_unit_test(storyboards)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
