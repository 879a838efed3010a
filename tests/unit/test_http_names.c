/* http/names.h and http/html.h: what hostile titles become. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "http/html.h"
#include "http/names.h"

static void names(void **state)
{
    (void)state;
    static const struct {
        const char *title, *name;
    } cases[] = {
        {"Plain title", "Plain title.mp4"},
        {"", "media.mp4"},
        {"   ", "media.mp4"},
        {"..", "media.mp4"},
        {". . .", "media.mp4"},
        {"../../etc/passwd", "etc passwd.mp4"},
        {"C:\\Windows\\system32", "C Windows system32.mp4"},
        {"AC/DC: Live?", "AC DC Live.mp4"},
        {"Wait...", "Wait.mp4"},
        {"...hidden", "hidden.mp4"},
        {"-rf *", "rf.mp4"},
        {"He said \"hi\"", "He said 'hi'.mp4"},
        {"a\r\nX-Evil: 1", "a X-Evil 1.mp4"},
        {"a\x01\x1b[31m\x7f", "a[31m.mp4"},
        {"C1 \xc2\x85\xc2\x9b!", "C1 !.mp4"},
        {"evil\xe2\x80\xae"
         "4pm.exe",
         "evil4pm.exe.mp4"},                                /* U+202E */
        {"\xe2\x81\xa6isolate\xe2\x81\xa9", "isolate.mp4"}, /* U+2066, U+2069 */
        {"\xef\xbb\xbf"
         "bom",
         "bom.mp4"},                                     /* U+FEFF */
        {"private \xee\x80\x80 use", "private use.mp4"}, /* U+E000 */
        {"unassigned \xcd\xb8.", "unassigned.mp4"},      /* U+0378 */
        {"non\xc2\xa0"
         "breaking",
         "non breaking.mp4"},
        {"\xe3\x85\xa4\xe3\x85\xa4", "media.mp4"},       /* Hangul fillers */
        {"e\xcc\x81t\xc3\xa9", "\xc3\xa9t\xc3\xa9.mp4"}, /* NFC */
        {"e\xe2\x80\x8b\xcc\x81", "\xc3\xa9.mp4"},       /* NFC after U+200B has gone */
        {"\xd9\x85\xd8\xb1\xd8\xad\xd8\xa8\xd8\xa7", "\xd9\x85\xd8\xb1\xd8\xad\xd8\xa8\xd8\xa7.mp4"},
        {"\xd9\x85\xdb\x8c\xe2\x80\x8c\xd8\xae", "\xd9\x85\xdb\x8c\xe2\x80\x8c\xd8\xae.mp4"}, /* ZWNJ */
        {"\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb!",
         "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb!.mp4"},
        {"\xe2\x80\x8dx\xe2\x80\x8d\xe2\x80\x8c\xe2\x80\x8d", "x.mp4"}, /* joiners with nothing to join */
        {"cut \xe2\x82", "cut \xef\xbf\xbd\xef\xbf\xbd.mp4"},
        {"overlong \xc0\xaf", "overlong \xef\xbf\xbd\xef\xbf\xbd.mp4"},
        {"CON", "_CON.mp4"},
        {"con.tar", "_con.tar.mp4"},
        {"Nul ", "_Nul.mp4"},
        {"LPT1 .x", "_LPT1 .x.mp4"},
        {"com\xc2\xb2", "_com\xc2\xb2.mp4"},
        {"conin$", "_conin$.mp4"},
        {"COM", "COM.mp4"},
        {"COM10", "COM10.mp4"},
        {"Console", "Console.mp4"},
        {"100% legal; really", "100% legal; really.mp4"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_(buf) struct buf b = BUF_INIT(1024);
        assert_int_equal(http_file_name(&b, cases[i].title, "mp4"), 0);
        assert_string_equal(buf_str(&b), cases[i].name);
    }
}

static void long_names(void **state)
{
    (void)state;
    static const char *const units[] = {"x",
                                        "\xc3\xa9",
                                        "\xe2\x82\xac",
                                        "\xf0\x9f\x8e\xb5",
                                        "e\xcc\x81\xcc\xa3",
                                        "a ",
                                        "a.",
                                        "\xf0\x9f\x91\xa9\xe2\x80\x8d"};
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        for (size_t count = 100; count < 9000; count += 997) {
            auto_(buf) struct buf title = BUF_INIT(1 << 20);
            auto_(buf) struct buf b = BUF_INIT(1024);
            auto_(buf) struct buf valid = BUF_INIT(1024);
            for (size_t n = 0; n < count; n++)
                assert_int_equal(buf_adds(&title, units[i]), 0);
            assert_int_equal(http_file_name(&b, buf_str(&title), "webm"), 0);
            assert_in_range(b.len, count < 180 ? 100 : 165, 180);
            assert_int_equal(text_utf8_clean(&valid, b.data, b.len), 0);
            assert_string_equal(buf_str(&valid), buf_str(&b)); /* cut on a code point */
            assert_true(text_ends_with(b.data, ".webm"));
            assert_false(text_ends_with(b.data, " .webm"));
            assert_false(text_ends_with(b.data, "..webm"));
            assert_false(text_ends_with(b.data, "\xe2\x80\x8d.webm"));
        }
    }
}

static void small_buffer_fails(void **state)
{
    (void)state;
    auto_(buf) struct buf b = BUF_INIT(4);
    assert_int_equal(http_file_name(&b, "long enough", "mp4"), -1);
    assert_true(b.failed);
}

static void dispositions(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value;
    } cases[] = {
        {"plain.mp4", "attachment; filename=\"plain.mp4\"; filename*=UTF-8''plain.mp4"},
        {"a b.mp4", "attachment; filename=\"a b.mp4\"; filename*=UTF-8''a%20b.mp4"},
        {"\xc3\xa9\xf0\x9f\x8e\xb5.mp4",
         "attachment; filename=\"__.mp4\"; filename*=UTF-8''%C3%A9%F0%9F%8E%B5.mp4"},
        {"100%'(x)*;,.mp4",
         "attachment; filename=\"100_'(x)*;,.mp4\"; filename*=UTF-8''100%25%27%28x%29%2A%3B%2C.mp4"},
        {"q\"\\\r\n.mp4", "attachment; filename=\"q____.mp4\"; filename*=UTF-8''q%22%5C%0D%0A.mp4"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_(buf) struct buf b = BUF_INIT(1024);
        assert_int_equal(http_content_disposition(&b, cases[i].name), 0);
        assert_string_equal(buf_str(&b), cases[i].value);
    }
}

static void html(void **state)
{
    (void)state;
    static const struct {
        const char *in, *text, *url_arg;
    } cases[] = {
        {"plain", "plain", "plain"},
        {"<b>&\"'", "&lt;b&gt;&amp;&quot;&#39;", "%3Cb%3E%26%22%27"},
        {"a\x01\x1f\x7f\xc2\x80z", "az", "a%01%1F%7F%C2%80z"},
        {"tab\tand\nline", "tab\tand\nline", "tab%09and%0Aline"},
        {"\xff<", "\xef\xbf\xbd&lt;", "%EF%BF%BD%3C"},
        {"\xf0\x9f\x8e\xb5", "\xf0\x9f\x8e\xb5", "%F0%9F%8E%B5"},
        {"\xe2\x80\xaegpj\xe2\x81\xa6", "gpj", "%E2%80%AEgpj%E2%81%A6"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_(buf) struct buf text = BUF_INIT(256);
        auto_(buf) struct buf attr = BUF_INIT(256);
        auto_(buf) struct buf url = BUF_INIT(256);
        assert_int_equal(html_text(&text, cases[i].in), 0);
        assert_int_equal(html_attr(&attr, cases[i].in), 0);
        assert_int_equal(html_url_arg(&url, cases[i].in), 0);
        assert_string_equal(buf_str(&text), cases[i].text);
        assert_string_equal(buf_str(&attr), cases[i].text);
        assert_string_equal(buf_str(&url), cases[i].url_arg);
    }
    auto_(buf) struct buf small = BUF_INIT(3);
    assert_int_equal(html_text(&small, "<"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),        cmocka_unit_test(long_names), cmocka_unit_test(small_buffer_fails),
        cmocka_unit_test(dispositions), cmocka_unit_test(html),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
