/* site/youtube/hosts: which other host a media URL names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/defs.h"
#include "site/youtube/hosts.h"

#define A "https://rr4---sn-aaa.googlevideo.com/videoplayback?"
#define B "https://rr3---sn-bbb.googlevideo.com/videoplayback?"
#define LONG                                                                                                 \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void test_others(void **state)
{
    (void)state;
    static const struct {
        const char *name, *url, *other;
    } cases[] = {
        {"as the site writes it", A "expire=1&mn=sn-aaa%2Csn-bbb&fvip=3&sig=x%3D%3D",
         B "expire=1&mn=sn-aaa%2Csn-bbb&fvip=3&sig=x%3D%3D"},
        {"not encoded", A "mn=sn-aaa,sn-bbb&fvip=3", B "mn=sn-aaa,sn-bbb&fvip=3"},
        {"in the other order", A "fvip=3&mn=sn-bbb,sn-aaa", B "fvip=3&mn=sn-bbb,sn-aaa"},
        {"one name: another number", A "fvip=3&mn=sn-aaa",
         "https://rr3---sn-aaa.googlevideo.com/videoplayback?fvip=3&mn=sn-aaa"},
        {"the same after all", A "fvip=4&mn=sn-aaa", NULL},
        {"no mn", A "fvip=3", NULL},
        {"no fvip", A "mn=sn-aaa,sn-bbb", NULL},
        {"an empty list", A "mn=&fvip=3", NULL},
        {"no query", "https://rr4---sn-aaa.googlevideo.com/videoplayback", NULL},
        {"another site", "https://media.example/x?mn=sn-a,sn-b&fvip=3", NULL},
        {"a site that only ends so", "https://evilgooglevideo.com/x?mn=sn-a,sn-b&fvip=3", NULL},
        {"a site in the path", "https://media.example/.googlevideo.com?mn=sn-a,sn-b&fvip=3", NULL},
        {"a port", "https://rr4---sn-aaa.googlevideo.com:8443/v?mn=sn-aaa,sn-bbb&fvip=3", NULL},
        {"user info", "https://rr4---sn-aaa.googlevideo.com@media.example/?mn=sn-aaa,sn-bbb&fvip=3", NULL},
        {"not over TLS", "http://rr4---sn-aaa.googlevideo.com/v?mn=sn-aaa,sn-bbb&fvip=3", NULL},
        {"a host in the name", A "mn=sn-aaa,media.example%2F&fvip=3", NULL},
        {"a host in the number", A "mn=sn-aaa,sn-bbb&fvip=media.example%2F%3F", NULL},
        {"the end of a line in it", A "mn=sn-aaa,sn-b%0D%0Ab&fvip=3", NULL},
        {"a zero byte", A "mn=sn-aaa,sn-bbb%00&fvip=3", NULL},
        {"a bad escape", A "mn=sn-aaa,sn-bbb%&fvip=3", NULL},
        {"a name too long", A "mn=sn-aaa," LONG "&fvip=3", NULL},
        {"nothing", "", NULL},
        {"a scheme", "https://", NULL},
    };
    const struct client_media_hosts rules = {".googlevideo.com", "rr{fvip}---{mn}.googlevideo.com"};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_(buf) struct buf out = BUF_INIT(8192);
        int rc = hosts_other(&rules, cases[i].url, &out);
        if (rc == 0 ? !cases[i].other || strcmp(buf_str(&out), cases[i].other) != 0 : cases[i].other != NULL)
            fail_msg("%s: %d %s", cases[i].name, rc, buf_str(&out));
    }
}

/* Patterns are an operator's, and may be anything that clients.json lets pass. */
static void test_patterns(void **state)
{
    (void)state;
    static const char *const patterns[] = {"{.googlevideo.com", "{}.googlevideo.com", "}{.googlevideo.com",
                                           "{none}.googlevideo.com", "{{fvip}}.googlevideo.com"};
    for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
        auto_(buf) struct buf out = BUF_INIT(8192);
        const struct client_media_hosts rules = {".googlevideo.com", patterns[i]};
        assert_int_equal(hosts_other(&rules, A "mn=sn-aaa,sn-bbb&fvip=3", &out), -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_others),
        cmocka_unit_test(test_patterns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
