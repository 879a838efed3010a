/* base/aes_cbc: what `openssl enc -aes-128-cbc` has locked, in pieces of every size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/aes_cbc.h"

static const uint8_t key[] = {0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6,
                              0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c};
static const uint8_t iv[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
static const uint8_t uneven[] = {0x4b, 0xbf, 0x4c, 0x61, 0x9c, 0xa6, 0xf9, 0x43, 0x81, 0x73, 0x5c,
                                 0xf4, 0x0d, 0xd1, 0x00, 0x77, 0xf3, 0x6d, 0xab, 0xdd, 0x53, 0x5f,
                                 0x64, 0xb7, 0xfe, 0x31, 0x8a, 0xbc, 0xb8, 0x6d, 0x38, 0xf6};
static const uint8_t even[] = {0x64, 0x76, 0x85, 0x48, 0x00, 0x7a, 0xef, 0x9f, 0x3d, 0x25, 0x8e,
                               0x5c, 0x34, 0xcd, 0xc2, 0x1b, 0xde, 0x0a, 0x12, 0x68, 0x43, 0x6e,
                               0x15, 0x94, 0x34, 0xfc, 0x21, 0xde, 0x36, 0x96, 0xd9, 0x28};

static int open_all(const void *data, size_t len, size_t step, struct buf *clear, struct err *err)
{
    auto_ptr(aes_cbc) struct aes_cbc *a = NULL;
    if (aes_cbc_new(&a, key, iv, err) < 0)
        return -1;
    for (size_t at = 0; at < len; at += step) {
        size_t n = step < len - at ? step : len - at;
        if (aes_cbc_add(a, (const char *)data + at, n, clear, err) < 0)
            return -1;
    }
    return aes_cbc_end(a, clear, err);
}

static void pieces_of_every_size(void **state)
{
    (void)state;
    for (size_t step = 1; step <= sizeof uneven; step++) {
        struct err err = {0};
        auto_(buf) struct buf first = BUF_INIT(100);
        auto_(buf) struct buf second = BUF_INIT(100);
        assert_int_equal(open_all(uneven, sizeof uneven, step, &first, &err), 0);
        assert_string_equal(buf_str(&first), "Sixteen bytes of.and some more");
        assert_int_equal(open_all(even, sizeof even, step, &second, &err), 0);
        assert_string_equal(buf_str(&second), "0123456789abcdef");
    }
}

static void what_does_not_open(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const uint8_t *data;
        size_t len;
    } cases[] = {{"nothing", even, 0},
                 {"a part of a block", even, 15},
                 {"without its last block", even, 16},
                 {"the blocks of another", uneven, 16}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        auto_(buf) struct buf clear = BUF_INIT(100);
        if (open_all(cases[i].data, cases[i].len, 7, &clear, &err) == 0 || err.code != ERR_UPSTREAM_FAILED)
            fail_msg("%s: %s", cases[i].name, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_of_every_size),
        cmocka_unit_test(what_does_not_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
