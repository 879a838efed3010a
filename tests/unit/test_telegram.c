/* serve/telegram_api: what is sent to Telegram's Bot API, and what its answers mean. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "serve/telegram_api.h"

static const char token[] = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw";

static void settings(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool token, chat;
    } cases[] = {
        {"110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw", true, false},
        {"1:a", true, false},
        {"", false, false},
        {":a", false, false},
        {"1:", false, false},
        {"1:a/getMe", false, false},
        {"1:a?b", false, false},
        {"123456789012345678901:a", false, false},
        {"-1001234567890", false, true},
        {"12345", false, true},
        {"@sluice_channel", false, true},
        {"@", false, false},
        {"-", false, false},
        {"@a b", false, false},
        {"@a\r\nX: y", false, false},
        {"--1", false, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (telegram_token_is_valid(cases[i].text) != cases[i].token ||
            telegram_chat_is_valid(cases[i].text) != cases[i].chat)
            fail_msg("%s", cases[i].text);
    }
}

/* The boundary of a form, which its type ends with. */
static const char *boundary_of(const struct telegram_form *form)
{
    return strstr(form->type, "boundary=") + strlen("boundary=");
}

static void forms(void **state)
{
    (void)state;
    static const struct {
        struct telegram_upload of;
        const char *method;
        const char *has[6];
        const char *lacks;
    } cases[] = {
        {{.name = "A \"b\".mp4",
          .mime = "video/mp4",
          .duration_ms = 61999,
          .width = 1920,
          .height = 1080,
          .length = 7},
         "sendVideo",
         {"name=\"video\"; filename=\"A %22b%22.mp4\"\r\nContent-Type: video/mp4\r\n\r\n",
          "name=\"duration\"\r\n\r\n61\r\n", "name=\"width\"\r\n\r\n1920\r\n",
          "name=\"height\"\r\n\r\n1080\r\n", "name=\"supports_streaming\"\r\n\r\ntrue\r\n",
          "name=\"chat_id\"\r\n\r\n@c\r\n"},
         "title"},
        {{.name = "a.m4a", .mime = "audio/mp4", .title = "T\xc3\xa4", .performer = "P", .length = 1},
         "sendAudio",
         {"name=\"audio\"; filename=\"a.m4a\"", "name=\"title\"\r\n\r\nT\xc3\xa4\r\n",
          "name=\"performer\"\r\n\r\nP\r\n"},
         "duration"},
        {{.name = "a.mp3", .mime = "audio/mpeg", .length = 1}, "sendAudio", {"name=\"audio\""}, "performer"},
        {{.name = "a.webm", .mime = "video/webm", .duration_ms = 1000, .length = 1},
         "sendDocument",
         {"name=\"document\"; filename=\"a.webm\"", "disable_content_type_detection"},
         "supports_streaming"},
        {{.name = "a\r\nX: y.bin", .mime = "audio/ogg", .length = 0},
         "sendDocument",
         {"filename=\"a%0D%0AX: y.bin\""},
         "width"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        char mark[128];
        auto_(telegram_form) struct telegram_form form = {.method = NULL};
        assert_int_equal(telegram_form_make(&form, &cases[i].of, "@c", &err), 0);
        assert_string_equal(form.method, cases[i].method);
        assert_int_equal(form.length, form.head.len + cases[i].of.length + form.tail.len);
        (void)snprintf(mark, sizeof mark, "--%s\r\n", boundary_of(&form));
        assert_int_equal(strncmp(buf_str(&form.head), mark, strlen(mark)), 0);
        (void)snprintf(mark, sizeof mark, "\r\n--%s--\r\n", boundary_of(&form));
        assert_string_equal(buf_str(&form.tail), mark);
        for (size_t k = 0; k < ARRAY_LEN(cases[i].has) && cases[i].has[k]; k++) {
            if (!strstr(buf_str(&form.head), cases[i].has[k]))
                fail_msg("%s lacks %s", buf_str(&form.head), cases[i].has[k]);
        }
        if (strstr(buf_str(&form.head), cases[i].lacks))
            fail_msg("%s has %s", buf_str(&form.head), cases[i].lacks);
    }
}

static void forms_differ(void **state)
{
    (void)state;
    struct err err;
    const struct telegram_upload upload = {.name = "a", .mime = "video/mp4", .length = UINT64_MAX};
    const struct telegram_upload small = {.name = "a", .mime = "video/mp4", .length = 1};
    auto_(telegram_form) struct telegram_form a = {.method = NULL};
    auto_(telegram_form) struct telegram_form b = {.method = NULL};
    auto_(telegram_form) struct telegram_form c = {.method = NULL};
    assert_int_equal(telegram_form_make(&a, &small, "1", &err), 0);
    assert_int_equal(telegram_form_make(&b, &small, "1", &err), 0);
    assert_string_not_equal(boundary_of(&a), boundary_of(&b));
    assert_int_equal(telegram_form_make(&c, &upload, "1", &err), -1);
}

static struct telegram_answer answer_of(int status, const char *body)
{
    return (struct telegram_answer){.status = status, .body = body, .len = strlen(body)};
}

static void what_was_sent(void **state)
{
    (void)state;
    static const struct {
        const char *body, *id;
        int64_t message;
        uint64_t size;
    } cases[] = {
        {"{\"ok\":true,\"result\":{\"message_id\":5,\"video\":{\"file_id\":\"BQ_-a\",\"file_size\":77}}}",
         "BQ_-a", 5, 77},
        {"{\"ok\":true,\"result\":{\"message_id\":6,\"animation\":{\"file_id\":\"an\"},\"document\":{\"file_id\":\"do\"}}}",
         "an", 6, 0},
        {"{\"ok\":true,\"result\":{\"audio\":{\"file_id\":\"a\",\"file_size\":-1}}}", "a", 0, 0},
        {"{\"ok\":true,\"result\":{\"message_id\":1,\"document\":{\"file_id\":\"d\",\"file_size\":1e99}}}",
         "d", 1, 0},
        {"{\"ok\":true,\"result\":{\"message_id\":1,\"document\":{}}}", NULL, 0, 0},
        {"{\"ok\":true,\"result\":{\"message_id\":1,\"text\":\"x\"}}", NULL, 0, 0},
        {"{\"ok\":true,\"result\":{\"document\":{\"file_id\":\"a/../b\"}}}", NULL, 0, 0},
        {"{\"ok\":true,\"result\":{\"document\":{\"file_id\":\"a\\u0000b\"}}}", NULL, 0, 0},
        {"{\"ok\":true,\"result\":[]}", NULL, 0, 0},
        {"{\"ok\":true}", NULL, 0, 0},
        {"[]", NULL, 0, 0},
        {"", NULL, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        struct telegram_file file = {.message = -1};
        const struct telegram_answer answer = answer_of(200, cases[i].body);
        int rc = telegram_read_sent(&answer, &file, &err);
        if ((rc == 0) != (cases[i].id != NULL) || (rc < 0 && err.code != ERR_UPSTREAM_FAILED))
            fail_msg("%s: %d %s", cases[i].body, rc, err.text);
        if (rc == 0 && (strcmp(file.id, cases[i].id) != 0 || file.message != cases[i].message ||
                        file.size_bytes != cases[i].size))
            fail_msg("%s: %s %lld %llu", cases[i].body, file.id, (long long)file.message,
                     (unsigned long long)file.size_bytes);
    }
}

static void places(void **state)
{
    (void)state;
    static const struct {
        const char *path, *expect;
    } cases[] = {
        {"videos/file_0.mp4", "videos/file_0.mp4"},
        {"/var/lib/telegram-bot-api/110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/videos/file_0.mp4",
         "videos/file_0.mp4"},
        {"/var/lib/telegram-bot-api/1:other/videos/file_0.mp4", NULL},
        {"/etc/passwd", NULL},
        {"110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/x", NULL},
        {"../bot1:a/getMe", NULL},
        {"videos/../../x", NULL},
        {"videos//x", NULL},
        {"a?b", NULL},
        {"a%2e", NULL},
        {"a b", NULL},
        {"", NULL},
        {"http://169.254.169.254/", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        char body[512];
        auto_(buf) struct buf out = BUF_INIT(1024);
        (void)snprintf(body, sizeof body, "{\"ok\":true,\"result\":{\"file_path\":\"%s\"}}", cases[i].path);
        const struct telegram_answer answer = answer_of(200, body);
        int rc = telegram_read_path(&answer, token, &out, &err);
        if ((rc == 0) != (cases[i].expect != NULL) ||
            (rc == 0 && strcmp(buf_str(&out), cases[i].expect) != 0))
            fail_msg("%s: %d %s", cases[i].path, rc, buf_str(&out));
    }
}

static void refusals(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *body;
        enum err_code code;
        int retry_after_s;
    } cases[] = {
        {401, "{\"ok\":false,\"error_code\":401,\"description\":\"Unauthorized\"}", ERR_FORBIDDEN, 0},
        {404, "{\"ok\":false,\"error_code\":404,\"description\":\"Not Found\"}", ERR_FORBIDDEN, 0},
        {400, "{\"ok\":false,\"error_code\":400,\"description\":\"Bad Request: chat not found\"}",
         ERR_FORBIDDEN, 0},
        {403,
         "{\"ok\":false,\"error_code\":403,\"description\":\"Forbidden: bot is not a member of the channel chat\"}",
         ERR_FORBIDDEN, 0},
        {400,
         "{\"ok\":false,\"error_code\":400,\"description\":\"Bad Request: wrong file_id or the file is temporarily unavailable\"}",
         ERR_NOT_FOUND, 0},
        {400, "{\"ok\":false,\"error_code\":400,\"description\":\"Bad Request: invalid file_id\"}",
         ERR_NOT_FOUND, 0},
        {400, "{\"ok\":false,\"error_code\":400,\"description\":\"Bad Request: file is too big\"}",
         ERR_BAD_REQUEST, 0},
        {413, "{\"ok\":false,\"error_code\":413,\"description\":\"Request Entity Too Large\"}",
         ERR_BAD_REQUEST, 0},
        {413, "<html>", ERR_BAD_REQUEST, 0},
        {429,
         "{\"ok\":false,\"error_code\":429,\"description\":\"Too Many Requests: retry after 8\",\"parameters\":{\"retry_after\":8}}",
         ERR_RATE_LIMITED_UPSTREAM, 8},
        {429, "{\"ok\":false,\"error_code\":429,\"parameters\":{\"retry_after\":999999999999}}",
         ERR_RATE_LIMITED_UPSTREAM, 0},
        {429, "", ERR_RATE_LIMITED_UPSTREAM, 0},
        {500, "{\"ok\":false,\"error_code\":500,\"description\":\"Internal Server Error\"}",
         ERR_UPSTREAM_FAILED, 0},
        {502, "<html>", ERR_UPSTREAM_FAILED, 0},
        {200, "<html>", ERR_UPSTREAM_FAILED, 0},
        {200, "{\"ok\":false}", ERR_UPSTREAM_FAILED, 0},
        {206, "{\"ok\":true,\"result\":true}", ERR_UPSTREAM_FAILED, 0},
        {200, "{\"ok\":true,\"result\":true", ERR_UPSTREAM_FAILED, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        const struct telegram_answer answer = answer_of(cases[i].status, cases[i].body);
        if (telegram_read_done(&answer, &err) != -1 || err.code != cases[i].code ||
            err.retry_after_s != cases[i].retry_after_s)
            fail_msg("%d %s: %s, %d s", cases[i].status, cases[i].body, err_info(err.code)->name,
                     err.retry_after_s);
    }
    struct err err = {0};
    const struct telegram_answer page = {.status = 429, .body = "<html>", .len = 6, .retry_after_s = 9};
    assert_int_equal(telegram_read_done(&page, &err), -1);
    assert_int_equal(err.retry_after_s, 9);
    const struct telegram_answer good = answer_of(200, "{\"ok\":true,\"result\":{\"username\":\"my_bot\"}}");
    auto_(buf) struct buf name = BUF_INIT(64);
    assert_int_equal(telegram_read_done(&good, &err), 0);
    assert_int_equal(telegram_read_name(&good, &name, &err), 0);
    assert_string_equal(buf_str(&name), "my_bot");
}

static void rights(void **state)
{
    (void)state;
    static const struct {
        const char *member;
        int rc;
    } cases[] = {
        {"{\"status\":\"administrator\",\"can_post_messages\":true}", 0},
        {"{\"status\":\"administrator\"}", 0}, /* of a group */
        {"{\"status\":\"creator\"}", 0},
        {"{\"status\":\"member\"}", 0},
        {"{\"status\":\"administrator\",\"can_post_messages\":false}", -1},
        {"{\"status\":\"left\"}", -1},
        {"{\"status\":\"kicked\"}", -1},
        {"{}", -1},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char body[256];
        struct err err = {0};
        (void)snprintf(body, sizeof body, "{\"ok\":true,\"result\":%s}", cases[i].member);
        const struct telegram_answer answer = answer_of(200, body);
        if (telegram_read_rights(&answer, &err) != cases[i].rc ||
            (cases[i].rc < 0 && err.code != ERR_FORBIDDEN))
            fail_msg("%s: %s", cases[i].member, err.text);
    }
}

int main(void)
{
    struct err err;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings),      cmocka_unit_test(forms),  cmocka_unit_test(forms_differ),
        cmocka_unit_test(what_was_sent), cmocka_unit_test(places), cmocka_unit_test(refusals),
        cmocka_unit_test(rights),
    };
    return hash_init(&err) < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
