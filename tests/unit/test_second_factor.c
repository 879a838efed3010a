/* base/totp against the RFC's values; store/second_factor and store/client_versions on both engines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/hash.h"
#include "both_engines.h"
#include "store/client_versions.h"
#include "store/second_factor.h"

static struct err err;

/* ---- Codes ---- */

static const uint8_t rfc_secret[] = "12345678901234567890";

/* RFC 6238, appendix B; the last six of its eight digits. */
static void codes_of_the_rfc(void **state)
{
    (void)state;
    static const struct {
        int64_t unix_s;
        const char *code;
    } cases[] = {
        {59, "287082"},         {1111111109, "081804"}, {1111111111, "050471"},
        {1234567890, "005924"}, {2000000000, "279037"}, {20000000000, "353130"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char code[TOTP_DIGITS + 1];
        int64_t step = cases[i].unix_s / TOTP_STEP_S;
        assert_int_equal(totp_code(rfc_secret, step, code), 0);
        assert_string_equal(code, cases[i].code);
        for (int off = -2; off <= 2; off++)
            assert_int_equal(totp_find(rfc_secret, code, (step + off) * TOTP_STEP_S),
                             off == -2 || off == 2 ? -1 : step);
    }
    static const char *const none[] = {"", "28708", "2870820", "28708x", "287083"};
    for (size_t i = 0; i < ARRAY_LEN(none); i++)
        assert_int_equal(totp_find(rfc_secret, none[i], 59), -1);
}

static void secrets_as_text(void **state)
{
    (void)state;
    char text[TOTP_SECRET_TEXT_LEN + 1];
    uint8_t back[TOTP_SECRET_BYTES];
    totp_secret_text(rfc_secret, text);
    assert_string_equal(text, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    assert_int_equal(totp_secret_read(text, back), 0);
    assert_memory_equal(back, rfc_secret, sizeof back);
    assert_int_equal(totp_secret_read("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ", back), -1);
    assert_int_equal(totp_secret_read("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQQ", back), -1);
    assert_int_equal(totp_secret_read("gEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", back), -1);
    assert_int_equal(totp_secret_read("0EZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", back), -1);
}

/* ---- In the store ---- */

static void code_of(const char *secret_text, int64_t now, char out[TOTP_DIGITS + 1])
{
    uint8_t secret[TOTP_SECRET_BYTES];
    assert_int_equal(totp_secret_read(secret_text, secret), 0);
    assert_int_equal(totp_code(secret, now / TOTP_STEP_S, out), 0);
}

static void a_second_factor(void **state)
{
    enum { NOW = 1700000000 };
    struct store *s = open_store(*state);
    char secret[TOTP_SECRET_TEXT_LEN + 1];
    char again[TOTP_SECRET_TEXT_LEN + 1];
    char recovery[STORE_RECOVERY_CODES][STORE_RECOVERY_TEXT_LEN + 1];
    char code[TOTP_DIGITS + 1];
    int left = 0;
    assert_int_equal(store_totp_is_on(s, "ada", &err), 0);
    assert_int_equal(store_totp_confirm(s, "ada", "123456", NOW, recovery, &err), 0); /* none was begun */
    assert_int_equal(store_totp_begin(s, "ada", again, &err), 1);
    assert_int_equal(store_totp_begin(s, "ada", secret, &err), 1); /* who lost the picture gets another */
    assert_string_not_equal(secret, again);
    assert_int_equal(store_totp_is_on(s, "ada", &err), 0);
    code_of(secret, NOW, code);
    assert_int_equal(store_totp_use(s, "ada", code, NOW, &left, &err), 0); /* not in force */
    assert_int_equal(store_totp_confirm(s, "eve", code, NOW, recovery, &err), 0);
    assert_int_equal(store_totp_confirm(s, "ada", code, NOW + 300, recovery, &err), 0);
    assert_int_equal(store_totp_confirm(s, "ada", code, NOW, recovery, &err), 1);
    assert_int_equal(store_totp_is_on(s, "ada", &err), 1);
    assert_int_equal(store_totp_begin(s, "ada", again, &err), 0);
    assert_int_equal(store_totp_confirm(s, "ada", code, NOW, recovery, &err), 0);

    assert_int_equal(store_totp_use(s, "ada", code, NOW, &left, &err), 0); /* it has confirmed */
    code_of(secret, NOW + 30, code);
    assert_int_equal(store_totp_use(s, "eve", code, NOW, &left, &err), 0);
    assert_int_equal(store_totp_use(s, "ada", code, NOW, &left, &err), 1); /* a clock that is fast */
    assert_int_equal(left, STORE_RECOVERY_CODES);
    assert_int_equal(store_totp_use(s, "ada", code, NOW, &left, &err), 0);
    code_of(secret, NOW, code);
    assert_int_equal(store_totp_use(s, "ada", code, NOW + 30, &left, &err), 0); /* older than one used */

    assert_int_equal(store_totp_use(s, "eve", recovery[0], NOW, &left, &err), 0);
    for (int i = 0; i < STORE_RECOVERY_CODES; i++) {
        assert_int_equal(strlen(recovery[i]), STORE_RECOVERY_TEXT_LEN);
        assert_int_equal(store_totp_use(s, "ada", recovery[i], NOW, &left, &err), 1);
        assert_int_equal(left, STORE_RECOVERY_CODES - 1 - i);
        assert_int_equal(store_totp_use(s, "ada", recovery[i], NOW, &left, &err), 0);
    }
    assert_int_equal(store_totp_off(s, "ada", &err), 1);
    assert_int_equal(store_totp_off(s, "ada", &err), 0);
    assert_int_equal(store_totp_is_on(s, "ada", &err), 0);
    store_close(s);
    assert_string_equal(sql(*state, "SELECT count(*) FROM admin_recovery"), "0");
}

/* ---- Client data ---- */

static void take_version(void *ctx, const struct store_client_version *v)
{
    struct store_client_version *list = ctx;
    while (list->at_unix_us)
        list++;
    *list = *v;
}

static void versions_of_client_data(void **state)
{
    struct store *s = open_store(*state);
    struct store_client_version list[STORE_CLIENT_VERSIONS_MAX + 2] = {{0}};
    char text[32];
    auto_(buf) struct buf got = BUF_INIT(1000);
    for (int i = 0; i < STORE_CLIENT_VERSIONS_MAX + 5; i++) {
        (void)snprintf(text, sizeof text, "{\"version\": %d}", i);
        assert_int_equal(store_client_version_add(s, "ada", text, &err), 0);
        assert_int_equal(store_client_version_add(s, "ada", text, &err), 0); /* nothing new */
    }
    assert_int_equal(store_client_version_list(s, take_version, list, &err), 0);
    assert_int_not_equal(list[STORE_CLIENT_VERSIONS_MAX - 1].at_unix_us, 0);
    assert_int_equal(list[STORE_CLIENT_VERSIONS_MAX].at_unix_us, 0);
    assert_true(list[0].at_unix_us > list[1].at_unix_us);
    assert_string_equal(list[0].name, "ada");
    assert_int_equal(list[0].bytes, (int64_t)strlen(text));
    assert_int_equal(store_client_version_get(s, list[0].at_unix_us, &got, &err), 1);
    assert_string_equal(buf_str(&got), text);
    assert_int_equal(store_client_version_get(s, 1, &got, &err), 0);
    store_close(s);
}

static void client_data_saved_last(void **state)
{
    struct store *s = open_store(*state);
    auto_(buf) struct buf got = BUF_INIT(1000);
    int64_t first = 0;
    int64_t second = 0;
    int64_t now = 0;
    assert_int_equal(store_client_data_get(s, &now, &got, &err), 0);
    assert_int_equal(store_client_data_put(s, "{\"version\": 1}", &first, &err), 0);
    assert_int_equal(store_client_data_get(s, &now, &got, &err), 1);
    assert_int_equal(now, first);
    assert_string_equal(buf_str(&got), "{\"version\": 1}");
    (void)sql(*state,
              "UPDATE client_data SET at_unix_us = at_unix_us + 3600000000"); /* a clock that is fast */
    assert_int_equal(store_client_data_put(s, "", &second, &err), 0);
    assert_true(second > first + 3600000000);
    buf_clear(&got);
    assert_int_equal(store_client_data_get(s, &now, &got, &err), 1);
    assert_int_equal(got.len, 0);
    assert_int_equal(store_client_data_get(s, &now, NULL, &err), 1);
    assert_int_equal(now, second);
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_of_the_rfc), cmocka_unit_test(secrets_as_text), ON_BOTH(a_second_factor),
        ON_BOTH(versions_of_client_data),   ON_BOTH(client_data_saved_last),
    };
    main_process = getpid();
    if (hash_init(&err) < 0)
        return 1;
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
