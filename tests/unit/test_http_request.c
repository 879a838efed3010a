/* http/request.h: what meta-variables and bodies become, per server and per attack. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "http/request.h"
#include "serve/app.h"

/* An environment: "NAME=value" strings, ended by NULL. */
static const char *from_list(void *ctx, const char *name)
{
    size_t n = strlen(name);
    for (const char *const *v = ctx; *v; v++) {
        if (strncmp(*v, name, n) == 0 && (*v)[n] == '=')
            return *v + n + 1;
    }
    return NULL;
}

static int build(struct http_request *req, const char *const *vars, const char *body, size_t body_len,
                 struct err *err)
{
    auto_(buf) struct buf b = BUF_INIT(HTTP_BODY_MAX_BYTES);
    if (body)
        (void)buf_add(&b, body, body_len);
    *err = (struct err){0};
    return http_request_init(req, from_list, (void *)(uintptr_t)vars, body ? &b : NULL, err);
}

static void paths(void **state)
{
    (void)state;
    static const struct {
        const char *name, *uri, *script, *info;
        const char *prefix, *path; /* NULL: ERR_BAD_URL */
    } cases[] = {
        {"root", "REQUEST_URI=/api/v1/info?x=1", "", "", "", "/api/v1/info"},
        {"sub-folder", "REQUEST_URI=/media/api/v1/info", "", "", "/media", "/api/v1/info"},
        {"plain CGI", "REQUEST_URI=/cgi-bin/info.cgi/api/v1/info", "SCRIPT_NAME=/cgi-bin/info.cgi",
         "PATH_INFO=/api/v1/info", "/cgi-bin/info.cgi", "/api/v1/info"},
        {"lighttpd, prefix /api", "REQUEST_URI=/api/v1/info?x", "SCRIPT_NAME=/api", "PATH_INFO=/v1/info", "",
         "/api/v1/info"},
        {"no REQUEST_URI", "", "SCRIPT_NAME=/m/info.fcgi", "PATH_INFO=/api/v1/info", "/m/info.fcgi",
         "/api/v1/info"},
        {"rewritten", "REQUEST_URI=/get/abc", "SCRIPT_NAME=/m/info.fcgi", "PATH_INFO=/api/v1/info",
         "/m/info.fcgi", "/api/v1/info"},
        {"SCRIPT_NAME with a space", "", "SCRIPT_NAME=/My Folder%", "PATH_INFO=/livez", "/My%20Folder%25",
         "/livez"},
        {"escaped prefix stays", "REQUEST_URI=/My%20Folder/livez", "", "", "/My%20Folder", "/livez"},
        {"absolute form", "REQUEST_URI=http://h:80/media/livez?x#y", "", "", "/media", "/livez"},
        {"absolute form without path", "REQUEST_URI=http://h?x", "", "", "", ""},
        {"health at the end only", "REQUEST_URI=/health/x", "", "", "", "/health/x"},
        {"health in a folder", "REQUEST_URI=/a/health", "", "", "/a", "/health"},
        {"leftmost root", "REQUEST_URI=/api/v1/api/v1/info", "", "", "", "/api/v1/api/v1/info"},
        {"escaped route", "REQUEST_URI=/api/v1/inf%6f", "", "", "", "/api/v1/info"},
        {"unknown", "REQUEST_URI=/nothing", "", "", "", "/nothing"},
        {"fragment", "REQUEST_URI=/livez#x", "", "", "", "/livez"},
        {"another host", "REQUEST_URI=//evil.example/api/v1/info", "", "", "/evil.example", "/api/v1/info"},
        {"another host, backslash", "REQUEST_URI=/\\evil.example/livez", "", "", "/%5Cevil.example",
         "/livez"},
        {"markup", "REQUEST_URI=/\"><script>&'/livez", "", "", "/%22%3E%3Cscript%3E%26%27", "/livez"},
        {"raw UTF-8", "REQUEST_URI=/\xc3\xa9/livez", "", "", "/%C3%A9", "/livez"},
        {"another scheme", "REQUEST_URI=javascript:x/livez", "", "", NULL, NULL},
        {"relative", "", "SCRIPT_NAME=x", "PATH_INFO=/livez", NULL, NULL},
        {"asterisk", "REQUEST_URI=*", "", "", NULL, NULL},
        {"bad escape", "REQUEST_URI=/api/v1/%zz", "", "", NULL, NULL},
        {"bad escape in prefix", "REQUEST_URI=/%z/api/v1/info", "", "", NULL, NULL},
        {"NUL", "REQUEST_URI=/api/v1/%00", "", "", NULL, NULL},
        {"CR LF", "REQUEST_URI=/%0d%0aX:1/api/v1/info", "", "", NULL, NULL},
        {"raw control", "REQUEST_URI=/\x01/api/v1/info", "", "", NULL, NULL},
        {"nothing at all", "", "", "", "", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err;
        auto_(http_request) struct http_request req;
        const char *vars[] = {"REQUEST_METHOD=GET", cases[i].uri, cases[i].script, cases[i].info, NULL};
        int rc = build(&req, vars, NULL, 0, &err);
        if (rc != (cases[i].path ? 0 : -1) || (rc < 0 && err.code != ERR_BAD_URL))
            fail_msg("%s: %d %s", cases[i].name, rc, err.text);
        if (rc == 0 && (strcmp(req.prefix, cases[i].prefix) != 0 || strcmp(req.path, cases[i].path) != 0))
            fail_msg("%s: prefix %s, path %s", cases[i].name, req.prefix, req.path);
        assert_int_equal(strlen(req.id), 16);
    }
}

/* Whatever the programs answer is found in a sub-folder, too. */
static void every_route_has_a_root(void **state)
{
    (void)state;
    for (size_t i = 0; i < serve_route_count; i++) {
        char uri[256];
        struct err err;
        auto_(http_request) struct http_request req;
        const char *vars[] = {"REQUEST_METHOD=GET", uri, NULL};
        (void)snprintf(uri, sizeof uri, "REQUEST_URI=/my/media%s?url=x", serve_routes[i].path);
        assert_int_equal(build(&req, vars, NULL, 0, &err), 0);
        assert_string_equal(req.prefix, "/my/media");
        assert_string_equal(req.path, serve_routes[i].path);
    }
}

static void queries(void **state)
{
    (void)state;
    static const struct {
        const char *name, *query;
        const char *url; /* the parameter's value */
        enum err_code code;
    } cases[] = {
        {"plain", "url=abc", "abc", ERR_OK},
        {"absent", "", NULL, ERR_OK},
        {"other", "x=1&y=2", NULL, ERR_OK},
        {"no value", "url", "", ERR_OK},
        {"empty value", "url=", "", ERR_OK},
        {"first wins", "url=a&url=b", "a", ERR_OK},
        {"escapes", "url=https%3A%2F%2Fh%2F%3Fa%3Db%26c", "https://h/?a=b&c", ERR_OK},
        {"plus", "url=a+b%2B", "a b+", ERR_OK},
        {"unescaped =", "url=https://h/?v=1", "https://h/?v=1", ERR_OK},
        {"semicolon is no separator", "url=a;b=c", "a;b=c", ERR_OK},
        {"empty pieces", "&&url=a&&", "a", ERR_OK},
        {"escaped name", "%75rl=a", "a", ERR_OK},
        {"pasted with white space", "url=%0D%0A%20+abc%09%0A", "abc", ERR_OK},
        {"only white space", "url=+%0A", "", ERR_OK},
        {"newline inside", "url=a%0Ab", NULL, ERR_BAD_URL},
        {"NUL", "url=a%00", NULL, ERR_BAD_URL},
        {"DEL", "url=a%7Fb", NULL, ERR_BAD_URL},
        {"control in a name", "u%01=1", NULL, ERR_BAD_URL},
        {"raw control", "url=a\x02z", NULL, ERR_BAD_URL},
        {"bad escape", "url=%g0", NULL, ERR_BAD_URL},
        {"cut escape", "url=%4", NULL, ERR_BAD_URL},
        {"not UTF-8 is left to the handler", "url=%ff", "\xff", ERR_OK},
    };
    for (int form = 0; form < 3; form++) { /* QUERY_STRING, REQUEST_URI, POST body */
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
            struct err err;
            auto_(buf) struct buf var = BUF_INIT(1024);
            auto_(http_request) struct http_request req;
            static const char *const starts[] = {"QUERY_STRING=", "REQUEST_URI=/api/v1/info?", "X="};
            (void)buf_addf(&var, "%s%s", starts[form], cases[i].query);
            const char *vars[] = {form == 2 ? "REQUEST_METHOD=POST" : "REQUEST_METHOD=GET",
                                  "CONTENT_TYPE=application/x-www-form-urlencoded; charset=utf-8",
                                  buf_str(&var), NULL};
            int rc = build(&req, vars, form == 2 ? cases[i].query : NULL, strlen(cases[i].query), &err);
            if (rc != (cases[i].code == ERR_OK ? 0 : -1) || err.code != cases[i].code)
                fail_msg("%s (%d): %d %s", cases[i].name, form, rc, err.text);
            const char *url = rc == 0 ? http_param(&req, "url") : NULL;
            if ((url == NULL) != (cases[i].url == NULL) || (url && strcmp(url, cases[i].url) != 0))
                fail_msg("%s (%d): %s", cases[i].name, form, url ? url : "NULL");
        }
    }
}

static void json_bodies(void **state)
{
    (void)state;
    static const struct {
        const char *body, *type;
        const char *url;
        enum err_code code;
    } cases[] = {
        {"{\"url\":\" https://h/\\u00e9\\n\"}", "application/json", "https://h/\xc3\xa9", ERR_OK},
        {"{\"url\":\"a\"}", "Application/JSON;charset=utf-8", "a", ERR_OK},
        {"{\"url\":-12}", "application/json", "-12", ERR_OK},
        {"{\"url\":1.5}", "application/json", "1.5", ERR_OK},
        {"{\"url\":true,\"x\":false}", "application/json", "true", ERR_OK},
        {"{\"url\":null}", "application/json", NULL, ERR_OK},
        {"{}", "application/json", NULL, ERR_OK},
        {"{\"url\":{}}", "application/json", NULL, ERR_BAD_REQUEST},
        {"{\"url\":[1]}", "application/json", NULL, ERR_BAD_REQUEST},
        {"{\"url\":\"a\",\"url\":\"b\"}", "application/json", NULL, ERR_BAD_REQUEST},
        {"{\"url\":\"a\\u0000b\"}", "application/json", NULL, ERR_BAD_REQUEST},
        {"{\"url\":\"a\\nb\"}", "application/json", NULL, ERR_BAD_URL},
        {"{\"url\":\"a\"} x", "application/json", NULL, ERR_BAD_REQUEST},
        {"[]", "application/json", NULL, ERR_BAD_REQUEST},
        {"\"x\"", "application/json", NULL, ERR_BAD_REQUEST},
        {"{", "application/json", NULL, ERR_BAD_REQUEST},
        {"url=a", "text/plain", NULL, ERR_BAD_REQUEST},
        {"url=a", "", NULL, ERR_BAD_REQUEST},
        {"", "text/plain", NULL, ERR_OK},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err;
        auto_(buf) struct buf type = BUF_INIT(256);
        auto_(http_request) struct http_request req;
        (void)buf_addf(&type, "CONTENT_TYPE=%s", cases[i].type);
        const char *vars[] = {"REQUEST_METHOD=POST", buf_str(&type), "REQUEST_URI=/api/v1/info", NULL};
        int rc = build(&req, vars, cases[i].body, strlen(cases[i].body), &err);
        if (rc != (cases[i].code == ERR_OK ? 0 : -1) || err.code != cases[i].code)
            fail_msg("%s: %d %s", cases[i].body, rc, err.text);
        const char *url = rc == 0 ? http_param(&req, "url") : NULL;
        if ((url == NULL) != (cases[i].url == NULL) || (url && strcmp(url, cases[i].url) != 0))
            fail_msg("%s: %s", cases[i].body, url ? url : "NULL");
    }
    struct err err;
    auto_(http_request) struct http_request req;
    const char *vars[] = {"REQUEST_METHOD=POST", "CONTENT_TYPE=application/x-www-form-urlencoded", NULL};
    assert_int_equal(build(&req, vars, "url=a\0b", 7, &err), -1);
    assert_int_equal(err.code, ERR_BAD_URL);
}

static void limits(void **state)
{
    (void)state;
    struct err err;
    for (int over = 0; over < 2; over++) {
        auto_(buf) struct buf uri = BUF_INIT(100000);
        auto_(http_request) struct http_request req;
        (void)buf_adds(&uri, "REQUEST_URI=/livez?u=");
        while (uri.len < strlen("REQUEST_URI=") + HTTP_TARGET_MAX_BYTES + (size_t)over)
            (void)buf_addc(&uri, 'x');
        const char *vars[] = {buf_str(&uri), NULL};
        assert_int_equal(build(&req, vars, NULL, 0, &err), over ? -1 : 0);
        assert_int_equal(err.code, over ? ERR_BAD_URL : ERR_OK);
    }
    for (int over = 0; over < 2; over++) {
        auto_(buf) struct buf query = BUF_INIT(1000);
        auto_(http_request) struct http_request req;
        (void)buf_adds(&query, "QUERY_STRING=");
        for (int i = 0; i < HTTP_PARAMS_MAX + over; i++)
            (void)buf_addf(&query, "p%d=1&", i);
        const char *vars[] = {buf_str(&query), NULL};
        assert_int_equal(build(&req, vars, NULL, 0, &err), over ? -1 : 0);
        assert_int_equal(err.code, over ? ERR_BAD_REQUEST : ERR_OK);
        assert_int_equal(req.param_count, HTTP_PARAMS_MAX);
    }
    static const struct {
        const char *start, *end;
        size_t quotes; /* a byte that becomes three */
        int rc;
    } paths[] = {
        {"REQUEST_URI=/api/v1/", "", HTTP_TARGET_MAX_BYTES - 8, 0},
        {"REQUEST_URI=/", "/livez", 341, 0},
        {"REQUEST_URI=/", "/livez", 342, -1}, /* a prefix over 1024 bytes */
        {"REQUEST_URI=/", "/livez", HTTP_TARGET_MAX_BYTES - 7, -1},
    };
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        auto_(buf) struct buf uri = BUF_INIT(100000);
        auto_(http_request) struct http_request req;
        (void)buf_adds(&uri, paths[i].start);
        for (size_t n = 0; n < paths[i].quotes; n++)
            (void)buf_addc(&uri, '"');
        (void)buf_adds(&uri, paths[i].end);
        const char *vars[] = {buf_str(&uri), NULL};
        assert_int_equal(build(&req, vars, NULL, 0, &err), paths[i].rc);
        assert_int_equal(err.code, paths[i].rc < 0 ? ERR_BAD_URL : ERR_OK);
    }
    auto_(buf) struct buf over = BUF_INIT(4);
    (void)buf_adds(&over, "12345");
    auto_(http_request) struct http_request req;
    const char *vars[] = {"REQUEST_METHOD=POST", "CONTENT_TYPE=application/json", NULL};
    assert_int_equal(http_request_init(&req, from_list, (void *)vars, &over, &err), -1);
    assert_int_equal(err.code, ERR_BAD_REQUEST);
}

static void headers(void **state)
{
    (void)state;
    struct err err;
    auto_(http_request) struct http_request req;
    const char *vars[] = {"REQUEST_METHOD=HEAD",
                          "HTTP_RANGE=bytes=0-1",
                          "HTTP_IF_RANGE=\"a\"",
                          "HTTP_IF_NONE_MATCH=\"b\"",
                          "HTTP_IF_MATCH=\"c\"",
                          "HTTP_ACCEPT=text/html,\tx/y",
                          "HTTP_AUTHORIZATION=",
                          "REDIRECT_HTTP_AUTHORIZATION=Bearer k",
                          "HTTP_X_API_KEY=key",
                          "CONTENT_TYPE=",
                          "HTTP_HOST=h:1",
                          "HTTP_ORIGIN=http://o",
                          "REMOTE_ADDR=127.0.0.1",
                          "HTTPS=on",
                          NULL};
    assert_int_equal(build(&req, vars, NULL, 0, &err), 0);
    assert_int_equal(req.method, HTTP_HEAD);
    assert_string_equal(req.range, "bytes=0-1");
    assert_string_equal(req.if_range, "\"a\"");
    assert_string_equal(req.if_none_match, "\"b\"");
    assert_string_equal(req.if_match, "\"c\"");
    assert_string_equal(req.accept, "text/html,\tx/y");
    assert_string_equal(req.authorization, "Bearer k");
    assert_string_equal(req.api_key, "key");
    assert_null(req.content_type);
    assert_string_equal(req.host, "h:1");
    assert_string_equal(req.origin, "http://o");
    assert_string_equal(req.remote_addr, "127.0.0.1");
    assert_true(req.https);

    static const struct {
        const char *var;
        int method;
        bool https;
        enum err_code code;
    } cases[] = {
        {"REQUEST_METHOD=POST", HTTP_POST, false, ERR_OK},
        {"REQUEST_METHOD=DELETE", HTTP_DELETE, false, ERR_OK},
        {"REQUEST_METHOD=OPTIONS", HTTP_OPTIONS, false, ERR_OK},
        {"REQUEST_METHOD=get", HTTP_OTHER, false, ERR_OK},
        {"REQUEST_METHOD=", HTTP_OTHER, false, ERR_OK},
        {"HTTPS=off", HTTP_OTHER, false, ERR_OK},
        {"HTTPS=1", HTTP_OTHER, true, ERR_OK},
        {"REQUEST_SCHEME=https", HTTP_OTHER, true, ERR_OK},
        {"REQUEST_SCHEME=http", HTTP_OTHER, false, ERR_OK},
        {"HTTP_RANGE=a\r\nb", HTTP_OTHER, false, ERR_BAD_REQUEST},
        {"HTTP_AUTHORIZATION=\x01", HTTP_OTHER, false, ERR_BAD_REQUEST},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_(http_request) struct http_request r;
        const char *one[] = {cases[i].var, NULL};
        int rc = build(&r, one, NULL, 0, &err);
        if (rc != (cases[i].code == ERR_OK ? 0 : -1) || err.code != cases[i].code ||
            (int)r.method != cases[i].method || r.https != cases[i].https)
            fail_msg("%s: %d %s", cases[i].var, rc, err.text);
    }
    auto_(buf) struct buf long_value = BUF_INIT(10000);
    (void)buf_adds(&long_value, "HTTP_RANGE=");
    while (long_value.len < 9000)
        (void)buf_addc(&long_value, 'x');
    auto_(http_request) struct http_request r;
    const char *one[] = {buf_str(&long_value), NULL};
    assert_int_equal(build(&r, one, NULL, 0, &err), -1);
    assert_int_equal(err.code, ERR_BAD_REQUEST);
}

static void accepts(void **state)
{
    (void)state;
    static const struct {
        const char *accept;
        bool html;
    } cases[] = {
        {NULL, false},
        {"*/*", false},
        {"text/html", true},
        {"TEXT/HTML", true},
        {"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true},
        {"application/json", false},
        {"application/json, text/html", false},
        {"application/json;q=0.5, text/html", true},
        {"application/json;q=0.89, text/html;q=0.9", true},
        {"application/json;q=0.9, text/html;q=0.89", false},
        {"application/json, text/html;q=0.9", false},
        {"text/*, application/json;q=0.1", true},
        {"text/*;q=0.3, */*;q=0.4", false},
        {"text/html;q=0, */*", false},
        {"text/html;level=1;q=0.2, application/*;q=0.1", true},
        {"text/html; q=0.2, application/*;q=0.3", false},
        {"text/htmlx", false},
        {";;;,,q=;q", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err;
        auto_(buf) struct buf var = BUF_INIT(256);
        auto_(http_request) struct http_request req;
        if (cases[i].accept)
            (void)buf_addf(&var, "HTTP_ACCEPT=%s", cases[i].accept);
        const char *vars[] = {buf_str(&var), NULL};
        assert_int_equal(build(&req, vars, NULL, 0, &err), 0);
        if (http_wants_html(&req) != cases[i].html)
            fail_msg("%s", cases[i].accept);
    }
}

static void languages(void **state)
{
    (void)state;
    static const struct {
        const char *uri, *header, *tag;
    } cases[] = {
        {"/api/v1/page", NULL, "en"},
        {"/api/v1/page", "de", "de"},
        {"/api/v1/page", "de-CH, en;q=0.5", "de"},
        {"/api/v1/page", "xx, tr;q=0.8, en;q=0.7", "tr"},
        {"/api/v1/page", "en;q=0.3, ja ;q=0.9,ru;q=0.4", "ja"},
        {"/api/v1/page", "fr;q=0, en;q=0.1", "en"},
        {"/api/v1/page", "*", "en"},
        {"/api/v1/page", ",;,q=;--,;q=1", "en"},
        {"/api/v1/page?lang=hi", "de", "hi"},
        {"/api/v1/page?lang=ZH-hant", "de", "zh"},
        {"/api/v1/page?lang=xx", "de", "de"},
        {"/api/v1/page?lang=", NULL, "en"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err;
        auto_(buf) struct buf uri = BUF_INIT(256);
        auto_(buf) struct buf header = BUF_INIT(256);
        auto_(http_request) struct http_request req;
        (void)buf_addf(&uri, "REQUEST_URI=%s", cases[i].uri);
        (void)buf_addf(&header, "HTTP_ACCEPT_LANGUAGE=%s", cases[i].header ? cases[i].header : "");
        const char *query = strchr(cases[i].uri, '?');
        auto_(buf) struct buf string = BUF_INIT(256);
        (void)buf_addf(&string, "QUERY_STRING=%s", query ? query + 1 : "");
        const char *vars[] = {buf_str(&uri), buf_str(&header), buf_str(&string), NULL};
        assert_int_equal(build(&req, vars, NULL, 0, &err), 0);
        if (strcmp(http_locale(&req)->tag, cases[i].tag) != 0)
            fail_msg("%s, %s: %s", cases[i].uri, cases[i].header, http_locale(&req)->tag);
    }
    assert_string_equal(http_locale(NULL)->tag, "en");
}

int main(void)
{
    struct err err;
    if (hash_init(&err) < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths),   cmocka_unit_test(every_route_has_a_root),
        cmocka_unit_test(queries), cmocka_unit_test(json_bodies),
        cmocka_unit_test(limits),  cmocka_unit_test(headers),
        cmocka_unit_test(accepts), cmocka_unit_test(languages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
