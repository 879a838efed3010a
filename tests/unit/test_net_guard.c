/* net/: which addresses and URLs the fetch gate refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "net/guard.h"
#include "net/net.h"

/* Each range with its last address before, first, last, and first after. */
static void addresses(void **state)
{
    (void)state;
    static const struct {
        const char *address;
        bool refused;
    } cases[] = {
        {"0.0.0.0", true},
        {"0.255.255.255", true},
        {"1.0.0.0", false},
        {"9.255.255.255", false},
        {"10.0.0.0", true},
        {"10.255.255.255", true},
        {"11.0.0.0", false},
        {"100.63.255.255", false},
        {"100.64.0.0", true},
        {"100.100.100.200", true},
        {"100.127.255.255", true},
        {"100.128.0.0", false},
        {"126.255.255.255", false},
        {"127.0.0.0", true},
        {"127.255.255.255", true},
        {"128.0.0.0", false},
        {"168.63.129.15", false},
        {"168.63.129.16", true},
        {"168.63.129.17", false},
        {"169.253.255.255", false},
        {"169.254.0.0", true},
        {"169.254.169.254", true},
        {"169.254.255.255", true},
        {"169.255.0.0", false},
        {"172.15.255.255", false},
        {"172.16.0.0", true},
        {"172.31.255.255", true},
        {"172.32.0.0", false},
        {"191.255.255.255", false},
        {"192.0.0.0", true},
        {"192.0.0.255", true},
        {"192.0.1.0", false},
        {"192.0.1.255", false},
        {"192.0.2.0", true},
        {"192.0.2.255", true},
        {"192.0.3.0", false},
        {"192.88.98.255", false},
        {"192.88.99.0", true},
        {"192.88.99.255", true},
        {"192.88.100.0", false},
        {"192.167.255.255", false},
        {"192.168.0.0", true},
        {"192.168.255.255", true},
        {"192.169.0.0", false},
        {"198.17.255.255", false},
        {"198.18.0.0", true},
        {"198.19.255.255", true},
        {"198.20.0.0", false},
        {"198.51.99.255", false},
        {"198.51.100.0", true},
        {"198.51.100.255", true},
        {"198.51.101.0", false},
        {"203.0.112.255", false},
        {"203.0.113.0", true},
        {"203.0.113.255", true},
        {"203.0.114.0", false},
        {"223.255.255.255", false},
        {"224.0.0.0", true},
        {"239.255.255.255", true},
        {"240.0.0.0", true},
        {"255.255.255.255", true},
        {"8.8.8.8", false},
        /* other notations of 127.0.0.1, 10.0.0.1, 169.254.169.254 */
        {"2130706433", true},
        {"0x7f000001", true},
        {"0X7F.0.0.1", true},
        {"0177.0.0.1", true},
        {"017700000001", true},
        {"127.1", true},
        {"127.0.1", true},
        {"0x7f.1", true},
        {"127.0.0.1.", true},
        {"10.1", true},
        {"012.1", true},
        {"0xa9fea9fe", true},
        {"169.16689662", true},
        {"0", true},
        {"0x", true},
        /* and of 8.8.8.8 */
        {"134744072", false},
        {"8.8.2056", false},
        {"010.010.010.010", false},
        /* no address though it ends in a number */
        {"256.1.1.1", true},
        {"1.2.3.4.5", true},
        {"1..1", true},
        {"08.8.8.8", true},
        {"4294967296", true},
        {"18446744073709551617", true},
        {"1.0x1ffffffff", true},
        {"a.b.1", true},
        {"1.2.3.256", true},
        {"1.2.65536", true},
        /* IPv6 */
        {"::", true},
        {"::1", true},
        {"::7f00:1", true},
        {"::127.0.0.1", true},
        {"::8.8.8.8", true},
        {"::ffff:127.0.0.1", true},
        {"::ffff:8.8.8.8", true},
        {"[::ffff:7f00:1]", true},
        {"0:0:0:0:0:ffff:7f00:0001", true},
        {"64:ff9b::8.8.8.8", true},
        {"64:ff9b:1::1", true},
        {"100::1", true},
        {"1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true},
        {"2000::", false},
        {"2000:ffff::", false},
        {"2001::", true},
        {"2001:0:7f00:1::", true},
        {"2001:1ff:ffff::", true},
        {"2001:200::", false},
        {"2001:db7:ffff::", false},
        {"2001:db8::1", true},
        {"2001:db8:ffff:ffff::", true},
        {"2001:db9::", false},
        {"2001:4860:4860::8888", false},
        {"2002::1", true},
        {"2002:7f00:1::", true},
        {"2002:ffff:ffff::", true},
        {"2003::", false},
        {"3ffe:ffff::", false},
        {"3fff::", true},
        {"3fff:fff:ffff::", true},
        {"3fff:1000::", false},
        {"4000::", true},
        {"5f00::1", true},
        {"fc00::1", true},
        {"fd00:ec2::254", true},
        {"fe80::1", true},
        {"fe80::1%eth0", true},
        {"fec0::1", true},
        {"ff02::1", true},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true},
        {"[2606:4700::1111]", false},
        {"2606:4700::1111", false},
        {"1:2:3", true},
        {"[::1", true},
        /* names are not addresses */
        {"example.com", false},
        {"1.example.com", false},
        {"0x7f.example", false},
        {"", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (net_address_refused(cases[i].address) != cases[i].refused)
            fail_msg("%s must%s be refused", cases[i].address, cases[i].refused ? "" : " not");
    }
}

static void urls(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        enum err_code code;
        const char *text; /* of ERR_OK */
    } cases[] = {
        {"https://example.com/a?b=c", ERR_OK, "https://example.com/a?b=c"},
        {"HTTPS://EXAMPLE.com/A", ERR_OK, "https://example.com/A"},
        {"http://example.com", ERR_OK, "http://example.com/"},
        {"http://example.com.:80/#top", ERR_OK, "http://example.com/"},
        {"http://example.com:/x", ERR_OK, "http://example.com/x"},
        {"http://example.com:0443/x", ERR_OK, "http://example.com:443/x"},
        {"http://a_b.example.com/%41%2f", ERR_OK, "http://a_b.example.com/%41%2f"},
        {"http://example.com/a/../b", ERR_OK, "http://example.com/b"},
        {"http://example.com/\xc3\xa4 b?\xc3\xbc", ERR_OK, "http://example.com/%c3%a4%20b?%c3%bc"},
        {"http://m\xc3\xbcnchen.example/", ERR_OK, "http://xn--mnchen-3ya.example/"},
        {"http://8.8.8.8/", ERR_OK, "http://8.8.8.8/"},
        {"http://134744072/", ERR_OK, "http://8.8.8.8/"},
        {"http://010.8.2056./", ERR_OK, "http://8.8.8.8/"},
        {"http://[2606:4700::1111]/", ERR_OK, "http://[2606:4700::1111]/"},
        {"http://localhost.example.com/", ERR_OK, "http://localhost.example.com/"},
        {"http://notlocal/", ERR_REFUSED_ADDRESS, NULL},

        {"", ERR_BAD_URL, NULL},
        {"example.com/x", ERR_BAD_URL, NULL},
        {"//example.com/x", ERR_BAD_URL, NULL},
        {"ftp://example.com/", ERR_BAD_URL, NULL},
        {"file:///etc/passwd", ERR_BAD_URL, NULL},
        {"gopher://example.com/", ERR_BAD_URL, NULL},
        {"javascript:alert(1)", ERR_BAD_URL, NULL},
        {"http:example.com", ERR_BAD_URL, NULL},
        {"http:/example.com", ERR_BAD_URL, NULL},
        {"http:///example.com", ERR_BAD_URL, NULL},
        {"http:////example.com", ERR_BAD_URL, NULL},
        {"http://", ERR_BAD_URL, NULL},
        {"http://?x", ERR_BAD_URL, NULL},
        {" http://example.com/", ERR_BAD_URL, NULL},
        {"http://example.com/\r\nX: y", ERR_BAD_URL, NULL},
        {"http://example.com/\tx", ERR_BAD_URL, NULL},
        {"http://example.com/\x7f", ERR_BAD_URL, NULL},
        {"http://user@example.com/", ERR_BAD_URL, NULL},
        {"http://user:word@example.com/", ERR_BAD_URL, NULL},
        {"http://@example.com/", ERR_BAD_URL, NULL},
        {"http://:@example.com/", ERR_BAD_URL, NULL},
        {"http://example.com@10.0.0.1/", ERR_BAD_URL, NULL},
        {"http://example.com\\@10.0.0.1/", ERR_BAD_URL, NULL},
        {"http://example.com\\x/", ERR_BAD_URL, NULL},
        {"http://example.com%2f@10.0.0.1/", ERR_BAD_URL, NULL},
        {"http://example.com%00.example/", ERR_BAD_URL, NULL},
        {"http://exa mple.com/", ERR_BAD_URL, NULL},
        {"http://a..example.com/", ERR_BAD_URL, NULL},
        {"http://.example.com/", ERR_BAD_URL, NULL},
        {"http://example.com../", ERR_BAD_URL, NULL},
        {"http://example.com:80:80/", ERR_BAD_URL, NULL},
        {"http://example.com:99999/", ERR_BAD_URL, NULL},
        {"http://example.com:-80/", ERR_BAD_URL, NULL},
        {"http://256.0.0.1/", ERR_BAD_URL, NULL},
        {"http://1.2.3.4.5/", ERR_BAD_URL, NULL},
        {"http://[::1/", ERR_BAD_URL, NULL},
        {"http://[v1.x]/", ERR_BAD_URL, NULL},

        {"http://example.com:22/", ERR_REFUSED_ADDRESS, NULL},
        {"https://example.com:8443/", ERR_REFUSED_ADDRESS, NULL},
        {"http://example.com:0/", ERR_REFUSED_ADDRESS, NULL},
        {"http://localhost/", ERR_REFUSED_ADDRESS, NULL},
        {"http://LOCALHOST./", ERR_REFUSED_ADDRESS, NULL},
        {"http://a.localhost/", ERR_REFUSED_ADDRESS, NULL},
        {"http://printer.local/", ERR_REFUSED_ADDRESS, NULL},
        {"http://metadata.google.internal/", ERR_REFUSED_ADDRESS, NULL},
        {"http://nas.home.arpa/", ERR_REFUSED_ADDRESS, NULL},
        {"http://intranet/", ERR_REFUSED_ADDRESS, NULL},
        {"http://loc\xc2\xad"
         "alhost/",
         ERR_REFUSED_ADDRESS, NULL},
        {"http://127.0.0.1/", ERR_REFUSED_ADDRESS, NULL},
        {"http://127.0.0.1./", ERR_REFUSED_ADDRESS, NULL},
        {"http://2130706433/", ERR_REFUSED_ADDRESS, NULL},
        {"http://0177.0.0.1/", ERR_REFUSED_ADDRESS, NULL},
        {"http://0x7f.1/", ERR_REFUSED_ADDRESS, NULL},
        {"http://127.1/", ERR_REFUSED_ADDRESS, NULL},
        {"http://0/", ERR_REFUSED_ADDRESS, NULL},
        {"http://%31%32%37.0.0.1/", ERR_REFUSED_ADDRESS, NULL},
        {"http://127%2e0%2e0%2e1/", ERR_REFUSED_ADDRESS, NULL},
        {"http://\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1/", ERR_REFUSED_ADDRESS, NULL}, /* full width */
        {"http://\xe2\x91\xa0\xe2\x91\xa1\xe2\x91\xa6.1/", ERR_REFUSED_ADDRESS, NULL},     /* in circles */
        {"http://127\xe3\x80\x82"
         "0\xe3\x80\x82"
         "0\xe3\x80\x82"
         "1/",
         ERR_REFUSED_ADDRESS, NULL},
        {"http://%EF%BC%91%EF%BC%92%EF%BC%97.0.0.1/", ERR_REFUSED_ADDRESS, NULL},
        {"http://169.254.169.254/latest/meta-data/", ERR_REFUSED_ADDRESS, NULL},
        {"http://[::1]/", ERR_REFUSED_ADDRESS, NULL},
        {"http://[::ffff:127.0.0.1]/", ERR_REFUSED_ADDRESS, NULL},
        {"http://[0:0:0:0:0:ffff:a00:1]/", ERR_REFUSED_ADDRESS, NULL},
        {"http://[64:ff9b::a00:1]/", ERR_REFUSED_ADDRESS, NULL},
        {"http://[2002:a00:1::]/", ERR_REFUSED_ADDRESS, NULL},
        {"http://[fe80::1%25eth0]/", ERR_REFUSED_ADDRESS, NULL},
        {"http://[2606:4700::1111%25eth0]/", ERR_REFUSED_ADDRESS, NULL},
    };
    struct err err = {0};
    auto_(guard) struct guard g;
    assert_int_equal(guard_init(&g, "80, 443", &err), 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_(guard_url) struct guard_url u;
        int rc = guard_url_check(&g, cases[i].url, &u, &err);
        if (rc != (cases[i].code == ERR_OK ? 0 : -1) || (rc < 0 && err.code != cases[i].code))
            fail_msg("%s: %s, %s", cases[i].url, rc ? err_info(err.code)->name : "passed",
                     rc ? err.text : u.text);
        if (rc == 0)
            assert_string_equal(u.text, cases[i].text);
        else
            assert_null(u.text);
    }
}

static void long_urls(void **state)
{
    (void)state;
    struct err err = {0};
    auto_(guard) struct guard g;
    assert_int_equal(guard_init(&g, "80,443", &err), 0);
    static const struct {
        const char *before, *after;
        size_t repeat;
        enum err_code code;
    } cases[] = {
        {"http://example.com/", "", GUARD_URL_MAX - 19, ERR_OK},
        {"http://example.com/", "", GUARD_URL_MAX - 18, ERR_BAD_URL},
        {"http://", ".example.com/", 63, ERR_OK},
        {"http://", ".example.com/", 64, ERR_BAD_URL},
        {"http://", ".example.com/", 300, ERR_BAD_URL},
        {"http://", "1/", 5000, ERR_BAD_URL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_(buf) struct buf url = BUF_INIT(65536);
        auto_(guard_url) struct guard_url u;
        (void)buf_adds(&url, cases[i].before);
        for (size_t n = 0; n < cases[i].repeat; n++)
            (void)buf_addc(&url, 'x');
        (void)buf_adds(&url, cases[i].after);
        int rc = guard_url_check(&g, buf_str(&url), &u, &err);
        assert_int_equal(rc < 0 ? err.code : ERR_OK, cases[i].code);
    }
}

static void peers_tell_hosts_apart(void **state)
{
    (void)state;
    struct err err = {0};
    auto_(guard) struct guard g;
    assert_int_equal(guard_init(&g, "80,443,8080", &err), 0);
    static const struct {
        const char *url, *peer;
        bool tls;
    } cases[] = {
        {"http://Example.com/x", "http://example.com:80", false},
        {"https://example.com./x", "https://example.com:443", true},
        {"https://example.com:8080/x", "https://example.com:8080", true},
        {"http://[2606:4700:0::1111]/x", "http://[2606:4700::1111]:80", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_(guard_url) struct guard_url u;
        assert_int_equal(guard_url_check(&g, cases[i].url, &u, &err), 0);
        assert_string_equal(u.peer, cases[i].peer);
        assert_int_equal(u.tls, cases[i].tls);
    }
}

static void port_lists(void **state)
{
    (void)state;
    static const struct {
        const char *ports;
        int rc;
        size_t count;
    } cases[] = {
        {"80", 0, 1},
        {"80,443", 0, 2},
        {" 80 , 443 ", 0, 2},
        {"", -1, 0},
        {"80,", -1, 0},
        {"80;443", -1, 0},
        {"0", -1, 0},
        {"65536", -1, 0},
        {"80 443", -1, 0},
        {"http", -1, 0},
        {"1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33", -1, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err;
        auto_(guard) struct guard g;
        assert_int_equal(guard_init(&g, cases[i].ports, &err), cases[i].rc);
        if (cases[i].rc == 0)
            assert_int_equal(g.port_count, cases[i].count);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses),  cmocka_unit_test(urls),
        cmocka_unit_test(long_urls),  cmocka_unit_test(peers_tell_hosts_apart),
        cmocka_unit_test(port_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
