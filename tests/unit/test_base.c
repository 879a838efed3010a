/* base/: buffers, parsers, config, tokens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/io.h"
#include "base/locale.h"
#include "base/text.h"

static void buf_failure_is_sticky(void **state)
{
    (void)state;
    auto_(buf) struct buf b = BUF_INIT(8);
    assert_int_equal(buf_adds(&b, "12345678"), 0);
    assert_string_equal(buf_str(&b), "12345678");
    assert_int_equal(buf_addc(&b, '9'), -1);
    assert_true(b.failed);
    assert_string_equal(buf_str(&b), "");
    assert_int_equal(buf_adds(&b, ""), -1);
    assert_null(buf_steal(&b));
    buf_clear(&b);
    assert_int_equal(buf_addf(&b, "%d-%s", 42, "ab"), 0);
    char *s = buf_steal(&b);
    assert_string_equal(s, "42-ab");
    free(s);
}

static void every_code_has_a_row(void **state)
{
    (void)state;
    for (int i = 0; i < ERR_CODE_COUNT; i++) {
        const struct err_info *info = err_info((enum err_code)i);
        assert_non_null(info->name);
        assert_in_range(info->status, 200, 599);
        assert_int_equal(err_code_of(info->name), i);
    }
    assert_ptr_equal(err_info((enum err_code)9999), err_info(ERR_INTERNAL));
}

static void locales_are_built_in(void **state)
{
    (void)state;
    assert_string_equal(locale_find("pt-BR")->tag, "pt");
    assert_string_equal(locale_find("DE")->tag, "de");
    assert_null(locale_find("deu"));
    assert_null(locale_find(""));
    assert_string_equal(locale_text(locale_find("en"), "error.private.text"), err_info(ERR_PRIVATE)->text);
    assert_string_equal(locale_text(locale_find("fr"), "units.size"), "o ko Mo Go To");
    assert_string_equal(locale_text(locale_find("fr"), "no.such.text"), "");
    for (const struct locale *l = locales; l->tag; l++) {
        for (int i = 1; i < ERR_CODE_COUNT; i++) {
            char key[64];
            (void)snprintf(key, sizeof key, "error.%s.title", err_info((enum err_code)i)->name);
            assert_true(*locale_text(l, key));
        }
    }
    /* a language that lacks a text says it in English */
    static const struct locale_text none[] = {{NULL, NULL}};
    const struct locale empty = {"xx", none};
    assert_string_equal(locale_text(&empty, "lang.name"), "English");
}

static void numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int rc;
        uint64_t value;
    } cases[] = {
        {"0", 0, 0},
        {"18446744073709551615", 0, UINT64_MAX},
        {"18446744073709551616", -1, 0},
        {"", -1, 0},
        {"-1", -1, 0},
        {"+1", -1, 0},
        {" 1", -1, 0},
        {"1 ", -1, 0},
        {"0x1", -1, 0},
        {"007", 0, 7},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t v = 0;
        assert_int_equal(text_parse_u64(cases[i].text, 0, UINT64_MAX, &v), cases[i].rc);
        assert_int_equal(v, cases[i].value);
    }
    uint64_t v;
    assert_int_equal(text_parse_u64("5", 6, 9, &v), -1);
    assert_int_equal(text_parse_u64("10", 6, 9, &v), -1);
}

static void utf8(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"plain", "plain"},
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x8e\xb5", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x8e\xb5"},
        {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},                                 /* overlong slash */
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},                 /* surrogate */
        {"a\xe2\x82", "a\xef\xbf\xbd\xef\xbf\xbd"},                               /* cut short */
        {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* over U+10FFFF */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_(buf) struct buf b = BUF_INIT(64);
        assert_int_equal(text_utf8_clean(&b, cases[i].in, strlen(cases[i].in)), 0);
        assert_string_equal(buf_str(&b), cases[i].out);
    }
}

static void percent(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        bool form;
        const char *out; /* NULL: refused */
    } cases[] = {
        {"a%20b+c", false, "a b+c"},   {"a%20b+c", true, "a b c"}, {"%", false, NULL},
        {"%2", false, NULL},           {"%zz", false, NULL},       {"%00", false, NULL},
        {"%C3%a9", false, "\xc3\xa9"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_(buf) struct buf b = BUF_INIT(64);
        int rc = text_percent_decode(&b, cases[i].in, strlen(cases[i].in), cases[i].form);
        assert_int_equal(rc, cases[i].out ? 0 : -1);
        if (cases[i].out)
            assert_string_equal(buf_str(&b), cases[i].out);
    }
    auto_(buf) struct buf b = BUF_INIT(64);
    assert_int_equal(text_percent_encode(&b, "a b/\xc3\xa9~"), 0);
    assert_string_equal(buf_str(&b), "a%20b%2F%C3%A9~");
}

static const uint8_t key[SEAL_KEY_BYTES] = {1, 2, 3};

static void token_survives_no_change(void **state)
{
    (void)state;
    struct err err;
    auto_(buf) struct buf token = BUF_INIT(1024);
    auto_(buf) struct buf text = BUF_INIT(1024);
    uint32_t id = 0;
    assert_int_equal(seal_token(&token, 0x01020304, key, "hello", 5, &err), 0);
    assert_int_equal(seal_key_id(buf_str(&token), &id), 0);
    assert_int_equal(id, 0x01020304);
    assert_int_equal(seal_open(&text, buf_str(&token), key, &err), 0);
    assert_string_equal(buf_str(&text), "hello");
    for (size_t i = 0; i < token.len; i++) {
        for (int c = 0; c < 256; c++) {
            auto_(buf) struct buf out = BUF_INIT(1024);
            char kept = token.data[i];
            if ((char)c == kept)
                continue;
            token.data[i] = (char)c;
            assert_int_equal(seal_open(&out, buf_str(&token), key, &err), -1);
            assert_int_equal(err.code, ERR_TOKEN_INVALID);
            token.data[i] = kept;
        }
    }
    token.data[token.len - 1] = '\0';
    assert_int_equal(seal_open(&text, buf_str(&token), key, &err), -1);
    assert_int_equal(seal_open(&text, "", key, &err), -1);
}

static void config_names_the_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says; /* NULL: loads */
    } cases[] = {
        {"# nothing\n\n", NULL},
        {"data_dir = /tmp/x\n token_ttl_s=60 \n", NULL},
        {"data_dir = /tmp/x\nnonsense\n", ":2: expected"},
        {"colour = red\n", ":1: unknown key `colour`"},
        {"\n\ntoken_ttl_s = 5\n", ":3: token_ttl_s must be"},
        {"token_ttl_s = 99999999999999999999\n", ":1: token_ttl_s must be"},
        {"data_dir = relative\n", "absolute"},
        {"proxy_url = ftp://x\n", "proxy_url must begin"},
        {"\nlog_level = deb\n", ":2: log_level must be one of: debug info warn error"},
        {"maintenance = on\nanonymous = off\n", NULL},
        {"maintenance = yes\n", "maintenance must be one of: on off"},
        {"maintenance_message = \xff\n", "maintenance_message must be one line"},
        {"upstream_ports = 80,,443\n", "upstream_ports must"},
        {"upstream_ca_file = /nowhere/ca.pem\n", "/nowhere/ca.pem"},
    };
    char path[] = "/tmp/sluice-config-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)close(fd);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        auto_(config) struct config c;
        assert_int_equal(io_write_file(path, cases[i].text, strlen(cases[i].text), &err), 0);
        int rc = config_load(&c, path, &err);
        assert_int_equal(rc, cases[i].says ? -1 : 0);
        if (cases[i].says && !strstr(err.text, cases[i].says))
            fail_msg("%s: %s", cases[i].text, err.text);
    }
    struct err err = {0};
    auto_(config) struct config c;
    assert_int_equal(setenv("SLUICE_TOKEN_TTL_S", "120", 1), 0);
    assert_int_equal(setenv("PROXY_URL", "socks5h://127.0.0.1:9", 1), 0);
    assert_int_equal(config_load(&c, path + strlen(path), &err), 0); /* "": no file */
    assert_int_equal(c.token_ttl_s, 120);
    assert_string_equal(c.proxy_url, "socks5h://127.0.0.1:9");
    assert_int_equal(setenv("SLUICE_TOKEN_TTL_S", "x", 1), 0);
    struct config bad;
    assert_int_equal(config_load(&bad, "", &err), -1);
    assert_non_null(strstr(err.text, "SLUICE_TOKEN_TTL_S"));
    (void)unsetenv("SLUICE_TOKEN_TTL_S");
    static const char with_proxy[] = "proxy_url = http://127.0.0.1:3128\n";
    auto_(config) struct config kept;
    assert_int_equal(io_write_file(path, with_proxy, strlen(with_proxy), &err), 0);
    assert_int_equal(setenv("PROXY_URL", "", 1), 0);
    assert_int_equal(config_load(&kept, path, &err), 0);
    assert_string_equal(kept.proxy_url, "http://127.0.0.1:3128");
    (void)unsetenv("PROXY_URL");
    (void)unlink(path);
}

/* Whatever reads a setting while it is changed reads the one or the other; a text stays where it was. */
static void some_settings_change(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value;
        int rc;
    } cases[] = {
        {"max_active", "7", 0},      {"max_active", "0", -1},
        {"max_active", "seven", -1}, {"max_active", "", -1},
        {"anonymous", "off", 0},     {"anonymous", "of", -1},
        {"anonymous", "on off", -1}, {"maintenance_message", "at 18:00 \xe2\x82\xac", 0},
        {"data_dir", "/tmp", -1},    {"maintenance_message", "two\nlines", -1},
        {"token_ttl_s", "3600", -1}, {"maintenance_message", "\xe2\x82", -1},
    };
    struct err err = {0};
    auto_(config) struct config c;
    assert_int_equal(config_load(&c, "", &err), 0);
    const char *before = c.anonymous;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct config_key *k = config_find(cases[i].name);
        auto_(buf) struct buf value = BUF_INIT(CONFIG_VALUE_MAX_BYTES);
        assert_non_null(k);
        int rc = config_change(&c, k, cases[i].value, CONFIG_SETTING, &err);
        if (rc != cases[i].rc)
            fail_msg("%s = %s: %d", cases[i].name, cases[i].value, rc);
        assert_int_equal(config_value(&c, k, &value), 0);
        if (rc < 0) {
            assert_int_equal(err.code, ERR_BAD_REQUEST);
            assert_string_not_equal(buf_str(&value), cases[i].value);
        } else {
            assert_string_equal(buf_str(&value), cases[i].value);
            assert_int_equal(config_source_of(&c, k), CONFIG_SETTING);
        }
    }
    assert_string_equal(before, "on");
    assert_string_equal(c.anonymous, "off");
    assert_int_equal(c.max_active, 7);
    assert_int_equal(config_source_of(&c, config_find("max_workers")), CONFIG_DEFAULT);
    char longer[202];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_int_equal(config_change(&c, config_find("maintenance_message"), longer, CONFIG_SETTING, &err), -1);
    assert_int_equal(config_change(&c, config_find("maintenance_message"), longer + 1, CONFIG_SETTING, &err),
                     0);
    assert_null(config_find("max_activ"));
}

static void example_file_loads(void **state)
{
    (void)state;
    struct err err = {0};
    char path[] = "/tmp/sluice-config-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)close(fd);
    auto_(buf) struct buf text = BUF_INIT(65536);
    assert_int_equal(config_describe(&text), 0);
    for (size_t i = 0; i + 1 < text.len; i++) { /* switch every setting on: "#key" → " key" */
        if (text.data[i] == '#' && text.data[i + 1] != ' ')
            text.data[i] = ' ';
    }
    assert_int_equal(io_write_file(path, text.data, text.len, &err), 0);
    auto_(config) struct config c;
    if (config_load(&c, path, &err) < 0)
        fail_msg("%s", err.text);
    (void)unlink(path);
}

/* The specification's own values, and those of its reference implementation. */
static void fast_hash(void **state)
{
    static const struct {
        const char *text;
        uint64_t hash;
    } rows[] = {
        {"", 0xef46db3751d8e999},
        {"a", 0xd24ec4f1a98c6e5b},
        {"abc", 0x44bc2cf5ad770999},
        {"Nobody inspects the spammish repetition", 0xfbcea83c8a378bf1},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_true(hash_fast64(rows[i].text, strlen(rows[i].text)) == rows[i].hash);
}

int main(void)
{
    struct err err;
    if (hash_init(&err) < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buf_failure_is_sticky),
        cmocka_unit_test(every_code_has_a_row),
        cmocka_unit_test(locales_are_built_in),
        cmocka_unit_test(fast_hash),
        cmocka_unit_test(numbers),
        cmocka_unit_test(utf8),
        cmocka_unit_test(percent),
        cmocka_unit_test(token_survives_no_change),
        cmocka_unit_test(config_names_the_line),
        cmocka_unit_test(some_settings_change),
        cmocka_unit_test(example_file_loads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
