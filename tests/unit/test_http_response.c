/* http/response.h: what leaves, byte for byte, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/hash.h"
#include "base/text.h"
#include "http/problem.h"
#include "http/response.h"

/* What the client gets; fails after `room` bytes. */
struct client {
    struct buf got;
    int writes, finishes;
    size_t room;
    bool gone; /* and that can be seen */
};

static int client_write(void *ctx, const void *data, size_t len)
{
    struct client *c = ctx;
    c->writes++;
    if (c->got.len + len > c->room)
        return -1;
    return buf_add(&c->got, data, len);
}

static int client_finish(void *ctx, const void *data, size_t len)
{
    struct client *c = ctx;
    c->finishes++;
    return client_write(ctx, data, len);
}

static bool client_gone(void *ctx)
{
    const struct client *c = ctx;
    return c->gone;
}

static void client_fini(struct client *c)
{
    buf_fini(&c->got);
}
DEFINE_AUTO(client, client_fini)

#define CLIENT_INIT                                                                                          \
    {                                                                                                        \
        .got = BUF_INIT(1 << 20), .room = 1 << 20                                                            \
    }

static struct http_response *open_to(struct client *c, bool head)
{
    const struct http_sink sink = {
        .write = client_write, .ctx = c, .finish = client_finish, .gone = client_gone};
    struct http_response *res = http_response_new(&sink, head);
    assert_non_null(res);
    return res;
}

static void whole_answer(void **state)
{
    (void)state;
    auto_(client) struct client c = CLIENT_INIT;
    auto_ptr(http_response) struct http_response *res = open_to(&c, false);
    assert_int_equal(http_set_header(res, "ETag", "\"a\""), 0);
    assert_int_equal(http_set_header(res, "X-A", "1"), 0);
    assert_int_equal(http_set_header(res, "etag", "\"b\""), 0); /* replaces */
    assert_int_equal(http_set_headerf(res, "X-B", "%d", 7), 0);
    assert_int_equal(http_send(res, "text/plain", "hello", 5), 0);
    assert_string_equal(buf_str(&c.got), "Status: 200 OK\r\nX-A: 1\r\netag: \"b\"\r\nX-B: 7\r\n"
                                         "Content-Type: text/plain\r\nX-Content-Type-Options: nosniff\r\n"
                                         "Content-Length: 5\r\n\r\nhello");
    assert_int_equal(c.writes, 1);
    assert_int_equal(c.finishes, 1);
    assert_int_equal(http_bytes_sent(res), 5);
    assert_int_equal(http_response_end(res), 0);
    assert_int_equal(http_response_end(res), 0);
    assert_int_equal(c.finishes, 1);
}

static void streamed_answer(void **state)
{
    (void)state;
    auto_(client) struct client c = CLIENT_INIT;
    auto_ptr(http_response) struct http_response *res = open_to(&c, false);
    assert_int_equal(http_set_status(res, 206), 0);
    assert_false(http_begun(res));
    assert_int_equal(http_begin(res, 6), 0);
    assert_true(http_begun(res));
    assert_string_equal(buf_str(&c.got), "Status: 206 Partial Content\r\nX-Content-Type-Options: nosniff\r\n"
                                         "Content-Length: 6\r\n\r\n");
    assert_int_equal(http_write(res, "abc", 3), 0);
    assert_int_equal(http_write(res, "", 0), 0);
    assert_int_equal(c.finishes, 0);
    assert_int_equal(http_write(res, "def", 3), 0);
    assert_int_equal(c.finishes, 1); /* with the last byte, not after it */
    assert_true(text_ends_with(buf_str(&c.got), "\r\n\r\nabcdef"));
    assert_int_equal(http_response_end(res), 0);
    assert_int_equal(http_bytes_sent(res), 6);
}

static void unknown_length(void **state)
{
    (void)state;
    auto_(client) struct client c = CLIENT_INIT;
    auto_ptr(http_response) struct http_response *res = open_to(&c, false);
    assert_int_equal(http_begin(res, HTTP_LENGTH_UNKNOWN), 0);
    assert_null(strstr(buf_str(&c.got), "Content-Length"));
    assert_int_equal(http_write(res, "abc", 3), 0);
    assert_int_equal(c.finishes, 0);
    assert_int_equal(http_response_end(res), 0);
    assert_int_equal(c.finishes, 1);
}

static void big_body_is_not_copied(void **state)
{
    (void)state;
    auto_(client) struct client c = CLIENT_INIT;
    auto_ptr(http_response) struct http_response *res = open_to(&c, false);
    char *body = calloc(1, 100000);
    assert_int_equal(http_send(res, "x/y", body, 100000), 0);
    free(body);
    assert_int_equal(c.writes, 2);
    assert_int_equal(http_bytes_sent(res), 100000);
    assert_int_equal(http_response_end(res), 0);
}

static void answers_without_body(void **state)
{
    (void)state;
    static const struct {
        bool head;
        int status;
        const char *length;
    } cases[] = {{true, 200, "Content-Length: 5\r\n"}, {false, 204, NULL}, {false, 304, NULL}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (int send = 0; send < 2; send++) {
            auto_(client) struct client c = CLIENT_INIT;
            auto_ptr(http_response) struct http_response *res = open_to(&c, cases[i].head);
            assert_int_equal(http_set_status(res, cases[i].status), 0);
            if (send) {
                assert_int_equal(http_send(res, "text/plain", "hello", 5), 0);
            } else {
                assert_int_equal(http_begin(res, 5), 0);
                assert_int_equal(http_write(res, "hello", 5), 0);
            }
            assert_true(text_ends_with(buf_str(&c.got), "\r\n\r\n"));
            assert_int_equal(strstr(buf_str(&c.got), "Content-Length") != NULL, cases[i].length != NULL);
            if (cases[i].length)
                assert_non_null(strstr(buf_str(&c.got), cases[i].length));
            assert_int_equal(http_bytes_sent(res), 0);
            assert_int_equal(c.finishes, 1);
            assert_int_equal(http_response_end(res), 0);
        }
    }
}

static void wrong_order_is_refused(void **state)
{
    (void)state;
    auto_(client) struct client c = CLIENT_INIT;
    auto_ptr(http_response) struct http_response *res = open_to(&c, false);
    assert_int_equal(http_write(res, "x", 1), -1);
    assert_int_equal(http_set_status(res, 199), -1);
    assert_int_equal(http_set_status(res, 600), -1);
    assert_int_equal(http_begin(res, 3), 0);
    assert_int_equal(http_begin(res, 3), -1);
    assert_int_equal(http_set_header(res, "X-A", "1"), -1);
    assert_int_equal(http_set_status(res, 404), -1);
    assert_int_equal(http_send(res, "text/plain", "abc", 3), -1);
    assert_int_equal(http_write(res, "abc", 3), 0);
    assert_int_equal(http_response_end(res), 0);
    assert_int_equal(http_write(res, "d", 1), -1);
}

static void hostile_headers_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value;
        int rc;
    } cases[] = {
        {"X-A", "fine; q=\"1\" \xc3\xa9", 0},
        {"X-A", "a\r\nSet-Cookie: b", -1},
        {"X-A", "a\nb", -1},
        {"X-A", "a\rb", -1},
        {"X-A", "a\tb", -1},
        {"X-A", "\x7f", -1},
        {"X A", "1", -1},
        {"X-A:", "1", -1},
        {"", "1", -1},
        {"content-length", "1", -1},
        {"Status", "200", -1},
        {"Transfer-Encoding", "chunked", -1},
        {"Connection", "close", -1},
    };
    auto_(client) struct client c = CLIENT_INIT;
    auto_ptr(http_response) struct http_response *res = open_to(&c, false);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(http_set_header(res, cases[i].name, cases[i].value), cases[i].rc);
    assert_int_equal(http_set_headerf(res, "X-B", "%s", "a\r\nb"), -1);
    char big[9000];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    assert_int_equal(http_set_header(res, "X-B", big), -1);
    assert_int_equal(http_set_headerf(res, "X-B", "%s", big), -1);
    big[8000] = '\0';
    assert_int_equal(http_set_header(res, "X-B", big), 0);
    assert_int_equal(http_set_header(res, "X-C", big), 0);
    assert_int_equal(http_set_header(res, "X-D", big), -1); /* over the whole limit, and nothing is lost */
    assert_int_equal(http_send(res, "text/plain", "", 0), 0);
    assert_non_null(strstr(buf_str(&c.got), "X-A: fine; q=\"1\" \xc3\xa9\r\n"));
    assert_non_null(strstr(buf_str(&c.got), "\r\nX-C: xxx"));
    assert_null(strstr(buf_str(&c.got), "Set-Cookie"));
}

static void short_answers_are_no_success(void **state)
{
    (void)state;
    { /* too little */
        auto_(client) struct client c = CLIENT_INIT;
        auto_ptr(http_response) struct http_response *res = open_to(&c, false);
        assert_int_equal(http_begin(res, 6), 0);
        assert_int_equal(http_write(res, "abc", 3), 0);
        assert_int_equal(http_response_end(res), -1);
        assert_int_equal(http_response_end(res), -1);
        assert_int_equal(c.finishes, 0);
    }
    { /* too much: nothing of it leaves */
        auto_(client) struct client c = CLIENT_INIT;
        auto_ptr(http_response) struct http_response *res = open_to(&c, false);
        assert_int_equal(http_begin(res, 6), 0);
        assert_int_equal(http_write(res, "abc", 3), 0);
        assert_int_equal(http_write(res, "defg", 4), -1);
        assert_int_equal(http_write(res, "def", 3), -1);
        assert_int_equal(http_bytes_sent(res), 3);
        assert_int_equal(http_response_end(res), -1);
    }
    { /* an error in the middle, length known or not */
        static const uint64_t lengths[] = {6, HTTP_LENGTH_UNKNOWN};
        for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
            const struct err err = {.code = ERR_UPSTREAM_FAILED};
            auto_(client) struct client c = CLIENT_INIT;
            auto_ptr(http_response) struct http_response *res = open_to(&c, false);
            assert_int_equal(http_begin(res, lengths[i]), 0);
            assert_int_equal(http_write(res, "abc", 3), 0);
            size_t before = c.got.len;
            http_problem(res, NULL, &err);
            assert_int_equal(http_error(res), ERR_UPSTREAM_FAILED);
            assert_int_equal(c.got.len, before);
            assert_int_equal(http_write(res, "def", 3), -1);
            assert_int_equal(http_response_end(res), -1);
            assert_int_equal(c.finishes, 0);
        }
    }
    { /* an error after the last byte changes nothing for the client */
        const struct err err = {.code = ERR_INTERNAL};
        auto_(client) struct client c = CLIENT_INIT;
        auto_ptr(http_response) struct http_response *res = open_to(&c, false);
        assert_int_equal(http_send(res, "text/plain", "abc", 3), 0);
        http_problem(res, NULL, &err);
        assert_int_equal(http_response_end(res), 0);
    }
}

static void client_that_left(void **state)
{
    (void)state;
    for (size_t room = 0; room < 120; room += 119) {
        auto_(client) struct client c = CLIENT_INIT;
        c.room = room;
        auto_ptr(http_response) struct http_response *res = open_to(&c, false);
        int rc = http_begin(res, 1000);
        for (int i = 0; i < 10; i++)
            rc = http_write(res, "0123456789", 10);
        assert_int_equal(rc, -1);
        int writes = c.writes;
        assert_int_equal(http_write(res, "x", 1), -1);
        assert_int_equal(c.writes, writes); /* a dead connection is not written to again */
        assert_int_equal(http_response_end(res), -1);
    }
}

/* A handler that has nothing to say for a while looks, and then says nothing more. */
static void client_that_is_seen_to_leave(void **state)
{
    (void)state;
    auto_(client) struct client c = CLIENT_INIT;
    auto_ptr(http_response) struct http_response *res = open_to(&c, false);
    assert_int_equal(http_begin(res, HTTP_LENGTH_UNKNOWN), 0);
    assert_false(http_look(res));
    assert_int_equal(http_write(res, "x", 1), 0);
    c.gone = true;
    assert_false(http_left(res)); /* nobody has looked yet */
    assert_true(http_look(res));
    assert_true(http_left(res));
    int writes = c.writes;
    assert_int_equal(http_write(res, "y", 1), -1);
    assert_int_equal(http_response_end(res), -1);
    assert_int_equal(c.writes, writes);
}

static void forgotten_answer_is_500(void **state)
{
    (void)state;
    auto_(client) struct client c = CLIENT_INIT;
    auto_ptr(http_response) struct http_response *res = open_to(&c, false);
    assert_int_equal(http_response_end(res), 0);
    assert_int_equal(http_status(res), 500);
    assert_non_null(strstr(buf_str(&c.got), "Status: 500 Internal Server Error\r\n"));
    assert_non_null(strstr(buf_str(&c.got), "\"code\":\"internal\""));
    assert_int_equal(c.finishes, 1);
}

static char no_prefix[] = "";
static char some_prefix[] = "/a%20b";
static char some_path[] = "/api/v1/page";
static const char browser[] = "text/html,*/*;q=0.8";

/* What the operator has written, where clients are to read it; else nobody's text. */
static void words_of_the_operator(void **state)
{
    (void)state;
    static const struct {
        struct err err;
        const char *detail, *page;
    } cases[] = {
        {{.code = ERR_MAINTENANCE, .is_public = true, .text = "new <disks> till 18:00"},
         "new <disks> till 18:00",
         "<p>new &lt;disks&gt; till 18:00</p>"},
        {{.code = ERR_MAINTENANCE, .is_public = true},
         "This server begins no new downloads just now. Try again in a while.",
         "<p>This server begins no new downloads just now. Try again in a while.</p>"},
        {{.code = ERR_MAINTENANCE, .text = "new <disks>"},
         "This server begins no new downloads just now. Try again in a while.",
         "<p>This server begins no new downloads just now. Try again in a while.</p>"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_(buf) struct buf json = BUF_INIT(4096);
        auto_(buf) struct buf html = BUF_INIT(65536);
        assert_int_equal(problem_json(&json, NULL, &cases[i].err), 0);
        assert_int_equal(problem_html(&html, NULL, &cases[i].err), 0);
        json_t *root = json_loads(buf_str(&json), 0, NULL);
        assert_string_equal(json_string_value(json_object_get(root, "detail")), cases[i].detail);
        json_decref(root);
        assert_non_null(strstr(buf_str(&html), cases[i].page));
    }
}

static void problems(void **state)
{
    (void)state;
    const struct http_request req = {.prefix = no_prefix, .path = no_prefix, .id = "0123456789abcdef"};
    for (int code = ERR_BAD_REQUEST; code < ERR_CODE_COUNT; code++) {
        const struct err_info *info = err_info((enum err_code)code);
        const struct err err = {.code = (enum err_code)code,
                                .retry_after_s = code == ERR_QUOTA_EXCEEDED ? 17 : 0,
                                .text = "SECRET"};
        auto_(client) struct client c = CLIENT_INIT;
        auto_ptr(http_response) struct http_response *res = open_to(&c, false);
        (void)http_set_header(res, "RateLimit", "kept");
        (void)http_set_header(res, "ETag", "dropped");
        (void)http_set_header(res, "Content-Disposition", "dropped");
        (void)http_set_header(res, "Content-Range", "bytes */5");
        http_problem(res, &req, &err);
        assert_int_equal(http_response_end(res), 0);
        assert_int_equal(http_status(res), info->status);
        assert_int_equal(http_error(res), code);
        const char *got = buf_str(&c.got);
        const char *body = strstr(got, "\r\n\r\n") + 4;
        json_t *root = json_loads(body, JSON_REJECT_DUPLICATES, NULL);
        assert_true(json_is_object(root));
        assert_string_equal(json_string_value(json_object_get(root, "title")), info->title);
        assert_string_equal(json_string_value(json_object_get(root, "detail")), info->text);
        assert_string_equal(json_string_value(json_object_get(root, "code")), info->name);
        assert_string_equal(json_string_value(json_object_get(root, "type")), "about:blank");
        assert_string_equal(json_string_value(json_object_get(root, "instance")),
                            "urn:sluice:request:0123456789abcdef");
        assert_int_equal(json_integer_value(json_object_get(root, "status")), info->status);
        assert_true(json_is_boolean(json_object_get(root, "retryable")));
        assert_int_equal(json_is_true(json_object_get(root, "retryable")), info->retryable);
        int wait_s = code == ERR_QUOTA_EXCEEDED ? 17 : info->status == 503 ? 5 : 0;
        assert_int_equal(json_integer_value(json_object_get(root, "retry_after_s")), wait_s);
        json_decref(root);
        assert_int_equal(strstr(got, "\r\nRetry-After: ") != NULL, wait_s > 0);
        assert_int_equal(strstr(got, "\r\nWWW-Authenticate: ") != NULL, info->status == 401);
        assert_int_equal(strstr(got, "\r\nContent-Range: bytes */5\r\n") != NULL, info->status == 416);
        assert_non_null(strstr(got, "\r\nContent-Type: application/problem+json\r\n"));
        assert_non_null(strstr(got, "\r\nCache-Control: no-store\r\n"));
        assert_non_null(strstr(got, "\r\nRateLimit: kept\r\n"));
        assert_null(strstr(got, "dropped"));
        assert_null(strstr(got, "SECRET"));
    }
}

static void problem_pages(void **state)
{
    (void)state;
    const struct err err = {.code = ERR_BAD_URL, .text = "SECRET"};
    struct http_request req = {.prefix = some_prefix, .path = some_path, .id = "0123456789abcdef"};
    for (int allowed = 0; allowed < 2; allowed++) {
        for (int wanted = 0; wanted < 2; wanted++) {
            auto_(client) struct client c = CLIENT_INIT;
            auto_ptr(http_response) struct http_response *res = open_to(&c, false);
            req.accept = wanted ? browser : NULL;
            if (allowed)
                http_allow_html(res);
            http_problem(res, &req, &err);
            const char *got = buf_str(&c.got);
            assert_int_equal(strstr(got, "Content-Type: text/html; charset=utf-8\r\n") != NULL,
                             allowed && wanted);
            assert_null(strstr(got, "SECRET"));
            if (!allowed || !wanted)
                continue;
            assert_non_null(strstr(got, "Content-Security-Policy: default-src 'none'"));
            assert_non_null(strstr(got, "href=\"./../../vendor/bootstrap.min.css\""));
            assert_non_null(strstr(got, "href=\"./../../sluice.css\""));
            assert_non_null(strstr(got, "href=\"./../../\""));
            assert_non_null(strstr(got, err_info(ERR_BAD_URL)->text));
            assert_non_null(strstr(got, "<html lang=\"en\" dir=\"ltr\">"));
            assert_true(text_ends_with(got, "</html>\n"));
        }
    }
}

static void problem_pages_in_the_readers_language(void **state)
{
    (void)state;
    const struct err err = {.code = ERR_PRIVATE};
    struct http_request req = {.prefix = some_prefix,
                               .path = some_path,
                               .accept = browser,
                               .accept_language = "ar",
                               .id = "0123456789abcdef"};
    auto_(client) struct client c = CLIENT_INIT;
    auto_ptr(http_response) struct http_response *res = open_to(&c, false);
    http_allow_html(res);
    http_problem(res, &req, &err);
    const char *got = buf_str(&c.got);
    assert_non_null(strstr(got, "<html lang=\"ar\" dir=\"rtl\">"));
    assert_non_null(strstr(got, "Vary: Accept, Accept-Language\r\n"));
    assert_non_null(strstr(got, locale_text(locale_find("ar"), "error.private.text")));
    assert_null(strstr(got, err_info(ERR_PRIVATE)->text));
}

/* Who stands in line for a place is let in without a script: the page asks again, if asking changes nothing.
 */
static void a_busy_page_asks_again(void **state)
{
    (void)state;
    const struct err err = {.code = ERR_BUSY, .retry_after_s = 7, .queue_position = 3};
    for (int get = 0; get < 2; get++) {
        struct http_request req = {.method = get ? HTTP_GET : HTTP_POST,
                                   .prefix = some_prefix,
                                   .path = some_path,
                                   .accept = browser,
                                   .accept_language = "de",
                                   .id = "0123456789abcdef"};
        auto_(client) struct client c = CLIENT_INIT;
        auto_ptr(http_response) struct http_response *res = open_to(&c, false);
        http_allow_html(res);
        http_problem(res, &req, &err);
        const char *got = buf_str(&c.got);
        assert_int_equal(strstr(got, "<meta http-equiv=\"refresh\" content=\"7\">") != NULL, get);
        assert_non_null(strstr(got, "Du bist Nummer 3 in der Schlange."));
        assert_non_null(strstr(got, "Retry-After: 7\r\n"));
    }
}

int main(void)
{
    struct err err;
    if (hash_init(&err) < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_answer),
        cmocka_unit_test(streamed_answer),
        cmocka_unit_test(unknown_length),
        cmocka_unit_test(big_body_is_not_copied),
        cmocka_unit_test(answers_without_body),
        cmocka_unit_test(wrong_order_is_refused),
        cmocka_unit_test(hostile_headers_are_refused),
        cmocka_unit_test(short_answers_are_no_success),
        cmocka_unit_test(client_that_left),
        cmocka_unit_test(client_that_is_seen_to_leave),
        cmocka_unit_test(forgotten_answer_is_500),
        cmocka_unit_test(problems),
        cmocka_unit_test(words_of_the_operator),
        cmocka_unit_test(problem_pages),
        cmocka_unit_test(problem_pages_in_the_readers_language),
        cmocka_unit_test(a_busy_page_asks_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
