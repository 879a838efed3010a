/* net/sigv4: the examples of the S3 API reference ("Examples: Signature Calculations", and "Example of
 * presigned URL"), with the keys, dates and signatures they print. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "net/sigv4.h"

enum { NOW = 1369353600 }; /* 20130524T000000Z */

static const struct sigv4_keys keys = {
    .access = "AKIAIOSFODNN7EXAMPLE",
    .secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    .session = "",
    .region = "us-east-1",
};

static const char host[] = "examplebucket.s3.amazonaws.com";

static void examples(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        struct sigv4_request request;
        struct sigv4_pair query[3], headers[3];
        const char *signed_headers, *signature;
    } cases[] = {
        {"get an object",
         {.method = "GET", .path = "/test.txt", .header_count = 1, .payload = sigv4_no_body},
         {{0}},
         {{"range", "bytes=0-9"}},
         "host;range;x-amz-content-sha256;x-amz-date",
         "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
        {"put an object",
         {.method = "PUT",
          .path = "/test$file.text",
          .header_count = 2,
          .payload = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"},
         {{0}},
         {{"x-amz-storage-class", "REDUCED_REDUNDANCY"}, {"date", "Fri, 24 May 2013 00:00:00 GMT"}},
         "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
         "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
        {"get a bucket's life cycle",
         {.method = "GET", .path = "/", .query_count = 1, .payload = sigv4_no_body},
         {{"lifecycle", ""}},
         {{0}},
         "host;x-amz-content-sha256;x-amz-date",
         "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
        {"list objects",
         {.method = "GET", .path = "/", .query_count = 2, .payload = sigv4_no_body},
         {{"prefix", "J"}, {"max-keys", "2"}},
         {{0}},
         "host;x-amz-content-sha256;x-amz-date",
         "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err;
        char want[512];
        size_t last = 0;
        auto_(sigv4_lines) struct sigv4_lines lines;
        struct sigv4_request request = cases[i].request;
        request.host = host;
        request.query = cases[i].query;
        request.headers = cases[i].headers;
        request.now_unix_s = NOW;
        if (sigv4_sign(&keys, &request, &lines, &err) < 0)
            fail_msg("%s: %s", cases[i].name, err.text);
        (void)snprintf(want, sizeof want,
                       "authorization: AWS4-HMAC-SHA256 "
                       "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
                       "SignedHeaders=%s,Signature=%s",
                       cases[i].signed_headers, cases[i].signature);
        while (lines.lines[last + 1])
            last++;
        assert_string_equal(lines.lines[last], want);
        assert_string_equal(lines.lines[1], "x-amz-date: 20130524T000000Z");
        assert_int_equal(last, 2 + request.header_count);
    }
}

static void presigned(void **state)
{
    (void)state;
    struct err err;
    auto_(buf) struct buf query = BUF_INIT(4096);
    const struct sigv4_request request = {
        .method = "GET", .host = host, .path = "/test.txt", .now_unix_s = NOW};
    assert_int_equal(sigv4_presign(&keys, &request, 86400, &query, &err), 0);
    assert_string_equal(
        buf_str(&query),
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%"
        "2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&"
        "X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
    assert_int_equal(sigv4_presign(&keys, &request, SIGV4_EXPIRES_MAX_S + 1, &query, &err), -1);
    assert_int_equal(sigv4_presign(&keys, &request, 0, &query, &err), -1);
}

/* Temporary keys come with a token, which is signed like any other field. */
static void session_tokens(void **state)
{
    (void)state;
    struct err err;
    struct sigv4_keys temporary = keys;
    auto_(sigv4_lines) struct sigv4_lines lines;
    auto_(buf) struct buf query = BUF_INIT(4096);
    temporary.session = "a token/with=signs";
    const struct sigv4_request request = {
        .method = "PUT", .host = host, .path = "/k", .payload = sigv4_unsigned, .now_unix_s = NOW};
    assert_int_equal(sigv4_sign(&temporary, &request, &lines, &err), 0);
    assert_string_equal(lines.lines[0], "x-amz-content-sha256: UNSIGNED-PAYLOAD");
    assert_string_equal(lines.lines[2], "x-amz-security-token: a token/with=signs");
    assert_non_null(strstr(lines.lines[3], ";x-amz-security-token,Signature="));
    assert_int_equal(sigv4_presign(&temporary, &request, 60, &query, &err), 0);
    assert_non_null(strstr(buf_str(&query), "&X-Amz-Security-Token=a%20token%2Fwith%3Dsigns&"));
}

static void paths(void **state)
{
    (void)state;
    static const struct {
        const char *path, *encoded;
    } cases[] = {
        {"/", "/"},
        {"/bucket/a b/ü+(1).mp4", "/bucket/a%20b/%C3%BC%2B%281%29.mp4"},
        {"/a//b", "/a//b"},
        {"/~-._/", "/~-._/"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_(buf) struct buf out = BUF_INIT(4096);
        assert_int_equal(sigv4_path(&out, cases[i].path), 0);
        assert_string_equal(buf_str(&out), cases[i].encoded);
    }
}

int main(void)
{
    struct err err;
    if (hash_init(&err) < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples),
        cmocka_unit_test(presigned),
        cmocka_unit_test(session_tokens),
        cmocka_unit_test(paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
