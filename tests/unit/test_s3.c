/* serve/s3: where a bucket is, by the settings, and what settings cannot be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/hash.h"
#include "serve/s3.h"

struct place_case {
    const char *name;
    const char *bucket, *endpoint, *region, *prefix, *style, *access, *secret;
    /* expected; url NULL: refused */
    const char *url;
    uint16_t port;
    const char *whole_prefix;
};

static void put(char **setting, const char *value)
{
    free(*setting);
    *setting = strdup(value);
    assert_non_null(*setting);
}

static void run(const struct place_case *c)
{
    struct err err = {0};
    auto_(config) struct config config = {0};
    auto_ptr(s3) struct s3 *s3 = NULL;
    auto_(buf) struct buf url = BUF_INIT(4096);
    if (config_load(&config, "/dev/null", &err) < 0)
        fail_msg("%s", err.text);
    put(&config.s3_bucket, c->bucket);
    put(&config.s3_endpoint, c->endpoint);
    put(&config.s3_region, c->region);
    put(&config.s3_prefix, c->prefix);
    put(&config.s3_path_style, c->style);
    put(&config.s3_access_key, c->access);
    put(&config.s3_secret_key, c->secret);
    int rc = s3_open(&s3, &config, &err);
    if ((rc == 0) != (c->url != NULL))
        fail_msg("%s: %s", c->name, rc == 0 ? "taken" : err.text);
    if (rc < 0) {
        if (*c->secret && strstr(err.text, c->secret))
            fail_msg("%s: the secret is told", c->name);
        return;
    }
    assert_int_equal(s3_url(s3, "a b/ü.mp4", &url, &err), 0);
    assert_string_equal(buf_str(&url), c->url);
    assert_int_equal(s3_port(s3), c->port);
    assert_string_equal(s3_prefix(s3), c->whole_prefix);
}

static void places(void **state)
{
    (void)state;
    static const struct place_case cases[] = {
        {"Amazon", "files", "", "eu-west-1", "", "auto", "a", "b",
         "https://files.s3.eu-west-1.amazonaws.com/a%20b/%C3%BC.mp4", 443, ""},
        {"Amazon, by path", "files", "", "eu-west-1", "", "on", "a", "b",
         "https://s3.eu-west-1.amazonaws.com/files/a%20b/%C3%BC.mp4", 443, ""},
        {"another", "files", "http://127.0.0.1:9000", "us-east-1", "", "auto", "a", "b",
         "http://127.0.0.1:9000/files/a%20b/%C3%BC.mp4", 9000, ""},
        {"another, by host", "files", "https://store.example:8443/", "us-east-1", "x/y/", "off", "a", "b",
         "https://files.store.example:8443/a%20b/%C3%BC.mp4", 8443, "x/y/"},
        {"the usual port", "files", "https://store.example:443", "us-east-1", "/x", "auto", "a", "b",
         "https://store.example/files/a%20b/%C3%BC.mp4", 443, "x/"},
        {"no scheme", "files", "store.example", "us-east-1", "", "auto", "a", "not told", NULL, 0, NULL},
        {"a path", "files", "https://store.example/s3", "us-east-1", "", "auto", "a", "not told", NULL, 0,
         NULL},
        {"a user", "files", "https://me@store.example", "us-east-1", "", "auto", "a", "not told", NULL, 0,
         NULL},
        {"no host", "files", "https://", "us-east-1", "", "auto", "a", "not told", NULL, 0, NULL},
        {"a slash in the bucket", "fi/les", "", "us-east-1", "", "auto", "a", "not told", NULL, 0, NULL},
        {"a short bucket", "f", "", "us-east-1", "", "auto", "a", "not told", NULL, 0, NULL},
        {"no region", "files", "", "", "", "auto", "a", "not told", NULL, 0, NULL},
        {"a region with a slash", "files", "", "us/east", "", "auto", "a", "not told", NULL, 0, NULL},
        {"a prefix that climbs", "files", "", "us-east-1", "a/../b", "auto", "a", "not told", NULL, 0, NULL},
        {"a key without its secret", "files", "", "us-east-1", "", "auto", "a", "", NULL, 0, NULL},
        {"a secret without its key", "files", "", "us-east-1", "", "auto", "", "tell nobody", NULL, 0, NULL},
        {"a line break in the secret", "files", "", "us-east-1", "", "auto", "a", "not\ntold", NULL, 0, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        run(&cases[i]);
}

static void none(void **state)
{
    (void)state;
    struct err err = {0};
    auto_(config) struct config config = {0};
    struct s3 *s3 = (struct s3 *)&err;
    assert_int_equal(config_load(&config, "/dev/null", &err), 0);
    assert_int_equal(s3_open(&s3, &config, &err), 0);
    assert_null(s3);
}

/* A link is for one object, and holds no secret. */
static void links(void **state)
{
    (void)state;
    struct err err = {0};
    auto_(config) struct config config = {0};
    auto_ptr(s3) struct s3 *s3 = NULL;
    auto_(buf) struct buf url = BUF_INIT(4096);
    static const char start[] =
        "https://store.example/files/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=me%2F";
    assert_int_equal(config_load(&config, "/dev/null", &err), 0);
    put(&config.s3_bucket, "files");
    put(&config.s3_endpoint, "https://store.example");
    put(&config.s3_access_key, "me");
    put(&config.s3_secret_key, "tell-nobody");
    assert_int_equal(s3_open(&s3, &config, &err), 0);
    assert_int_equal(s3_link(s3, "k", "attachment; filename=\"a b\"", 60, &url, &err), 0);
    assert_memory_equal(buf_str(&url), start, sizeof start - 1);
    assert_non_null(strstr(buf_str(&url), "&X-Amz-Expires=60&"));
    assert_non_null(
        strstr(buf_str(&url), "&response-content-disposition=attachment%3B%20filename%3D%22a%20b%22&"));
    assert_null(strstr(buf_str(&url), "tell-nobody"));
}

int main(void)
{
    struct err err;
    /* Credentials of whoever runs this. */
    (void)setenv("HOME", "/nonexistent", 1);
    (void)unsetenv("AWS_SHARED_CREDENTIALS_FILE");
    if (hash_init(&err) < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places),
        cmocka_unit_test(none),
        cmocka_unit_test(links),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
