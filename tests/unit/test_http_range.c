/* http/range.h: RFC 9110 §13, §14 as tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/defs.h"
#include "http/range.h"

static void ranges(void **state)
{
    (void)state;
    enum { WHOLE = HTTP_RANGE_WHOLE, PART = HTTP_RANGE_PART, BAD = HTTP_RANGE_BAD };
    static const struct {
        const char *name, *header;
        uint64_t total;
        int kind;
        uint64_t offset, length;
    } cases[] = {
        {"none", NULL, 100, WHOLE, 0, 100},
        {"empty", "", 100, WHOLE, 0, 100},
        {"first", "bytes=0-9", 100, PART, 0, 10},
        {"one byte", "bytes=99-99", 100, PART, 99, 1},
        {"middle", "bytes=10-19", 100, PART, 10, 10},
        {"open end", "bytes=10-", 100, PART, 10, 90},
        {"all", "bytes=0-", 100, PART, 0, 100},
        {"last beyond the end", "bytes=90-1000", 100, PART, 90, 10},
        {"suffix", "bytes=-10", 100, PART, 90, 10},
        {"suffix longer than all", "bytes=-1000", 100, PART, 0, 100},
        {"suffix 0", "bytes=-0", 100, BAD, 0, 0},
        {"first at the end", "bytes=100-", 100, BAD, 0, 0},
        {"first beyond the end", "bytes=200-300", 100, BAD, 0, 0},
        {"backwards", "bytes=5-3", 100, WHOLE, 0, 100},
        {"several", "bytes=0-1,5-6", 100, WHOLE, 0, 100},
        {"list of one", "bytes=0-1,", 100, WHOLE, 0, 100},
        {"other unit", "seconds=0-1", 100, WHOLE, 0, 100},
        {"unit in capitals", "Bytes=0-1", 100, PART, 0, 2},
        {"no unit", "0-1", 100, WHOLE, 0, 100},
        {"no numbers", "bytes=-", 100, WHOLE, 0, 100},
        {"no dash", "bytes=5", 100, WHOLE, 0, 100},
        {"unit only", "bytes", 100, WHOLE, 0, 100},
        {"negative", "bytes=--5", 100, WHOLE, 0, 100},
        {"plus", "bytes=+1-2", 100, WHOLE, 0, 100},
        {"hexadecimal", "bytes=0x1-0x2", 100, WHOLE, 0, 100},
        {"trailing text", "bytes=0-1x", 100, WHOLE, 0, 100},
        {"space around", "  bytes= 0-1 \t", 100, PART, 0, 2},
        {"space inside", "bytes=0 - 1", 100, WHOLE, 0, 100},
        {"space before =", "bytes =0-1", 100, WHOLE, 0, 100},
        {"leading zeros", "bytes=0000-0001", 100, PART, 0, 2},
        {"first over 64 bits", "bytes=99999999999999999999-", 100, BAD, 0, 0},
        {"last over 64 bits", "bytes=1-99999999999999999999", 100, PART, 1, 99},
        {"suffix over 64 bits", "bytes=-99999999999999999999", 100, PART, 0, 100},
        {"last is 2^64-1", "bytes=0-18446744073709551615", 100, PART, 0, 100},
        {"largest total", "bytes=18446744073709551613-", UINT64_MAX, PART, UINT64_MAX - 2, 2},
        {"beyond 4 GiB", "bytes=5000000000-5000000001", 6000000000, PART, 5000000000, 2},
        {"nothing there, open", "bytes=0-", 0, BAD, 0, 0},
        {"nothing there, suffix", "bytes=-5", 0, WHOLE, 0, 0},
        {"nothing there, no header", NULL, 0, WHOLE, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct http_range r = http_range_parse(cases[i].header, cases[i].total);
        if ((int)r.kind != cases[i].kind || r.offset != cases[i].offset || r.length != cases[i].length)
            fail_msg("%s: kind %d, [%llu, +%llu)", cases[i].name, (int)r.kind, (unsigned long long)r.offset,
                     (unsigned long long)r.length);
    }
}

static void conditions(void **state)
{
    (void)state;
    static const struct {
        const char *header, *etag;
        bool holds, listed, matches;
    } cases[] = {
        {NULL, "\"a\"", true, false, true},
        {"", "\"a\"", false, false, false},
        {"\"a\"", "\"a\"", true, true, true},
        {" \"a\"\t", "\"a\"", true, true, true},
        {"\"b\"", "\"a\"", false, false, false},
        {"W/\"a\"", "\"a\"", false, true, false},
        {"\"a\"", "W/\"a\"", false, true, false},
        {"a", "\"a\"", false, false, false},
        {"\"a", "\"a\"", false, false, false},
        {"*", "\"a\"", false, true, true},
        {"*, \"a\"", "\"a\"", false, false, false},
        {"\"b\", \"a\"", "\"a\"", false, true, true},
        {"\"b\",W/\"c\" ,, \"a\"", "\"a\"", false, true, true},
        {"\"b\" \"a\"", "\"a\"", false, false, false},
        {"\"x,\\\"a\", \"a\"", "\"a\"", false, false,
         false}, /* no escapes in entity tags: a malformed list */
        {"\"a,b\", \"c\"", "\"a,b\"", false, true, true},
        {"Wed, 21 Oct 2015 07:28:00 GMT", "\"a\"", false, false, false},
        {"W/\"a\", \"a\"", "\"a\"", false, true, true},
        {"\"\"", "", false, false, false},
        {"*", "", false, true, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (http_if_range_holds(cases[i].header, cases[i].etag) != cases[i].holds)
            fail_msg("If-Range %s for %s", cases[i].header, cases[i].etag);
        if (http_etag_listed(cases[i].header, cases[i].etag) != cases[i].listed)
            fail_msg("If-None-Match %s for %s", cases[i].header, cases[i].etag);
        if (http_if_match_holds(cases[i].header, cases[i].etag) != cases[i].matches)
            fail_msg("If-Match %s for %s", cases[i].header, cases[i].etag);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges),
        cmocka_unit_test(conditions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
