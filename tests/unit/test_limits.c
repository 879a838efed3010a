/* What rate limits are made of: arithmetic, addresses, rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pthread.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cidr.h"
#include "base/clock.h"
#include "gate/gcra.h"
#include "store/keys.h"
#include "store/rate.h"

enum { US = 1000000 };

static void arithmetic(void **state)
{
    (void)state;
    const struct gcra g = gcra_of(10, 3600);
    assert_int_equal(g.interval_us, INT64_C(360) * US);
    static const struct {
        int64_t full_s, now_s, remaining, retry_s, back_s;
    } cases[] = {
        {0, 5000, 10, -1, 0}, /* nothing is used */
        {5000 + 360, 5000, 9, -1, 360},
        {5000 + 361, 5000, 8, -1, 361},
        {5000 + 3240, 5000, 1, 0, 3240},
        {5000 + 3241, 5000, 0, 1, 3241},
        {5000 + 3600, 5000, 0, 360, 3600},
        {5000 + 9999, 5000, 0, 6759, 9999}, /* after a lower limit */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t full = cases[i].full_s * US;
        int64_t now = cases[i].now_s * US;
        int64_t retry = cases[i].retry_s < 0 ? 0 : cases[i].retry_s;
        assert_int_equal(gcra_remaining(&g, full, now), cases[i].remaining);
        assert_int_equal(gcra_retry_s(&g, full, now), retry);
        assert_int_equal(gcra_full_s(full, now), cases[i].back_s);
    }
    const struct gcra odd = gcra_of(7, 3600); /* does not divide evenly: still seven at once */
    assert_int_equal(gcra_remaining(&odd, 0, US), 7);
    assert_int_equal(odd.capacity_us / odd.interval_us, 7);
    const struct gcra huge = gcra_of(INT64_C(1000000000) * 8, 3600);
    assert_int_equal(huge.interval_us, 1);
}

static void clients(void **state)
{
    (void)state;
    static const struct {
        const char *peer, *forwarded, *trusted, *subscriber; /* NULL: none */
    } cases[] = {
        {"192.0.2.1", NULL, "", "192.0.2.1"},
        {"192.0.2.1", "198.51.100.1", "", "192.0.2.1"},
        {"192.0.2.1", "198.51.100.1", "10.0.0.0/8", "192.0.2.1"},
        {"10.1.1.1", "198.51.100.1", "10.0.0.0/8", "198.51.100.1"},
        {"10.1.1.1", "1.1.1.1, 198.51.100.1", "10.0.0.0/8", "198.51.100.1"},
        {"10.1.1.1", "198.51.100.1,10.2.2.2", "10.0.0.0/8", "198.51.100.1"},
        {"10.1.1.1", "10.3.3.3,10.2.2.2", "10.0.0.0/8", "10.3.3.3"},
        {"10.1.1.1", "198.51.100.1, ", "10.0.0.0/8", "10.1.1.1"},
        {"10.1.1.1", "", "10.0.0.0/8", "10.1.1.1"},
        {"10.1.1.1", "8.8.8.8, unknown", "10.0.0.0/8", "10.1.1.1"},
        {"::1", "198.51.100.1:1234", "::1", "198.51.100.1"},
        {"::1", "[2001:db8:1:2:3:4:5:6]:1234", "127.0.0.1, ::1/128", "2001:db8:1:2::/64"},
        {"::ffff:10.0.0.1", "198.51.100.1", "10.0.0.1", "198.51.100.1"},
        {"2001:db8::ff", NULL, "", "2001:db8::/64"},
        {"", NULL, "", NULL},
        {NULL, NULL, "", NULL},
        {"unix:", NULL, "", NULL},
        {"192.0.2.1.1", NULL, "", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct cidr_address a;
        char text[CIDR_TEXT_MAX] = "";
        int rc = cidr_client(cases[i].peer, cases[i].forwarded, cases[i].trusted, &a);
        assert_int_equal(rc, cases[i].subscriber ? 0 : -1);
        if (rc == 0)
            cidr_subscriber(&a, text);
        assert_string_equal(text, cases[i].subscriber ? cases[i].subscriber : "");
    }
}

static void blocks(void **state)
{
    (void)state;
    static const struct {
        const char *list;
        int valid;
        const char *address;
        int has;
    } cases[] = {
        {"", 1, "10.0.0.1", 0},
        {"10.0.0.0/8", 1, "10.255.0.1", 1},
        {"10.0.0.0/8", 1, "11.0.0.1", 0},
        {"10.0.0.0/9", 1, "10.128.0.1", 0},
        {"192.0.2.1", 1, "192.0.2.1", 1},
        {"192.0.2.0/31", 1, "192.0.2.2", 0},
        {"0.0.0.0/0", 1, "192.0.2.2", 1},
        {"0.0.0.0/0", 1, "::1", 0},
        {"::/0", 1, "192.0.2.2", 0},
        {"2001:db8::/33", 1, "2001:db8:7fff::1", 1},
        {"2001:db8::/33", 1, "2001:db8:8000::1", 0},
        {" 10.0.0.1 , ::1", 1, "::1", 1},
        {"10.0.0.0/33", 0, "10.0.0.1", 0},
        {"10.0.0.0/", 0, "10.0.0.1", 0},
        {"10.0.0.0/-1", 0, "10.0.0.1", 0},
        {"10.0.0.1,,::1", 0, "::1", 1},
        {"localhost", 0, "127.0.0.1", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct cidr_address a;
        assert_int_equal(cidr_parse_address(cases[i].address, strlen(cases[i].address), &a), 0);
        assert_int_equal(cidr_list_is_valid(cases[i].list), cases[i].valid);
        assert_int_equal(cidr_list_has(cases[i].list, &a), cases[i].has);
    }
}

/* ---- Rows ---- */

static char dir[] = "/tmp/sluice-limits-XXXXXX";

static int open_store(void **state)
{
    struct err err = {0};
    struct store *s = NULL;
    memcpy(dir + sizeof dir - 7, "XXXXXX", 6);
    if (!mkdtemp(dir) || hash_init(&err) < 0 || store_open(&s, dir, &err) < 0)
        return -1;
    *state = s;
    return 0;
}

static int close_store(void **state)
{
    char command[128];
    store_close(*state);
    (void)snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command); // NOLINT(cert-env33-c): a path of ours
}

static void keys(void **state)
{
    struct store *s = *state;
    struct err err = {0};
    struct store_api_key made = {.label = "one", .rate_per_hour = 5, .addresses = "10.0.0.0/8"};
    struct store_api_key read;
    char text[STORE_KEY_TEXT_LEN + 1];
    assert_int_equal(store_key_create(s, &made, text, &err), 0);
    assert_int_equal(strlen(text), STORE_KEY_TEXT_LEN);
    assert_int_equal(store_key_check(s, text, &read, &err), 1);
    assert_string_equal(read.id, made.id);
    assert_string_equal(read.addresses, "10.0.0.0/8");
    assert_int_equal(read.rate_per_hour, 5);
    for (size_t i = 0; i < STORE_KEY_TEXT_LEN; i++) { /* a change anywhere makes it another key */
        char changed[STORE_KEY_TEXT_LEN + 1];
        memcpy(changed, text, sizeof changed);
        changed[i] = changed[i] == 'x' ? 'y' : 'x';
        assert_int_equal(store_key_check(s, changed, &read, &err), 0);
    }
    assert_int_equal(store_key_check(s, "", &read, &err), 0);
    assert_int_equal(store_key_set_state(s, made.id, STORE_KEY_REVOKED, &err), 1);
    assert_int_equal(store_key_set_state(s, made.id, STORE_KEY_ACTIVE, &err), 0);
    assert_int_equal(store_key_check(s, text, &read, &err), 1);
    assert_int_equal(read.state, STORE_KEY_REVOKED);
    assert_int_equal(store_key_get(s, "nothing", &read, &err), 0);
}

/* The least time that one of many batches takes: what else runs here makes others longer, never this one. */
static int64_t least_us(struct store *s, const char *text)
{
    enum { BATCHES = 200, BATCH = 100 };
    struct store_api_key key;
    struct err err = {0};
    int64_t least = INT64_MAX;
    for (int i = 0; i < BATCHES; i++) {
        int64_t began_us = clock_mono_us();
        for (int k = 0; k < BATCH; k++)
            assert_int_equal(store_key_check(s, text, &key, &err), 0);
        int64_t took_us = clock_mono_us() - began_us;
        least = took_us < least ? took_us : least;
    }
    return least;
}

/* How long a wrong secret takes to be refused does not tell how much of it was right. */
static void wrong_in_constant_time(void **state)
{
    struct err err = {0};
    struct store_api_key made = {.label = "one"};
    char text[STORE_KEY_TEXT_LEN + 1], early[sizeof text], late[sizeof text];
    assert_int_equal(store_key_create(*state, &made, text, &err), 0);
    memcpy(early, text, sizeof text);
    memcpy(late, text, sizeof text);
    size_t first = 4 + STORE_KEY_ID_LEN + 1, last = STORE_KEY_TEXT_LEN - 1;
    early[first] = early[first] == 'x' ? 'y' : 'x';
    late[last] = late[last] == 'x' ? 'y' : 'x';
    int64_t a = least_us(*state, early), b = least_us(*state, late);
    if (a > b + b / 4 + 5 || b > a + a / 4 + 5)
        fail_msg("wrong at the start %lld us, at the end %lld us", (long long)a, (long long)b);
}

static void rows(void **state)
{
    struct store *s = *state;
    struct err err = {0};
    int64_t now = clock_unix_us();
    int64_t full = 0;
    const struct gcra g = gcra_of(3, 3600);
    struct store_rate r = {"k:a", now, g.interval_us, g.capacity_us};
    struct store_rate other = {"k:b", now, g.interval_us, g.capacity_us};
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(store_rate_admit(s, &r, &full, &err), 1);
        assert_int_equal(full, now + i * g.interval_us);
    }
    assert_int_equal(store_rate_admit(s, &r, &full, &err), 0);
    assert_int_equal(full, now + 3 * g.interval_us);
    assert_int_equal(store_rate_admit(s, &other, &full, &err), 1);
    r.now_unix_us += g.interval_us - 1;
    assert_int_equal(store_rate_admit(s, &r, &full, &err), 0);
    r.now_unix_us += 1;
    assert_int_equal(store_rate_admit(s, &r, &full, &err), 1);
    assert_int_equal(store_rate_refund(s, &r, 1, &err), 0);
    assert_int_equal(store_rate_look(s, &r, &full, &err), 0);
    assert_int_equal(full, now + 3 * g.interval_us);
    r.capacity_us = r.interval_us / 2; /* a limit below one admits nobody, also where there is no row */
    r.subject = "k:c";
    assert_int_equal(store_rate_admit(s, &r, &full, &err), 0);
    assert_int_equal(store_rate_note(s, "o:x", now, now + 10, &err), 1);
    assert_int_equal(store_rate_note(s, "o:x", now + 9, now + 20, &err), 0);
    assert_int_equal(store_rate_noted(s, "o:x", now + 9, &err), 1);
    assert_int_equal(store_rate_noted(s, "o:x", now + 10, &err), 0);
    assert_int_equal(store_rate_note(s, "o:x", now + 10, now + 20, &err), 1);
    assert_int_equal(store_prune(s, now / US + 7200, &err), 0);
    assert_int_equal(store_rate_look(s, &other, &full, &err), 0);
    assert_int_equal(full, now);
}

enum { THREADS = 16, EACH = 40, LIMIT = 123 };

struct crowd {
    struct store *store;
    const char *subject;
    int admitted, failed;
};

static void *ask(void *ctx)
{
    struct crowd *c = ctx;
    const struct gcra g = gcra_of(LIMIT, 36000);
    for (int i = 0; i < EACH; i++) {
        struct err err;
        int64_t full;
        const struct store_rate r = {c->subject, clock_unix_us(), g.interval_us, g.capacity_us};
        int rc = store_rate_admit(c->store, &r, &full, &err);
        c->admitted += rc == 1;
        c->failed += rc < 0;
    }
    return NULL;
}

/* Two stores stand for two processes; two subjects for batches of several kinds. */
static void a_crowd(void **state)
{
    struct store *second = NULL;
    struct err err = {0};
    struct crowd crowd[THREADS];
    pthread_t threads[THREADS];
    int admitted[2] = {0};
    assert_int_equal(store_open(&second, dir, &err), 0);
    for (int i = 0; i < THREADS; i++) {
        crowd[i] = (struct crowd){i & 1 ? second : *state, i & 2 ? "k:d" : "k:e", 0, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, ask, &crowd[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(crowd[i].failed, 0);
        admitted[i & 2 ? 1 : 0] += crowd[i].admitted;
    }
    store_close(second);
    int most = THREADS / 2 * EACH < LIMIT ? THREADS / 2 * EACH : LIMIT;
    assert_int_equal(admitted[0], most);
    assert_int_equal(admitted[1], most);
}

static void hashes(void **state)
{
    struct err err = {0};
    struct store *second = NULL;
    char a[STORE_ADDRESS_HASH_LEN + 1], b[STORE_ADDRESS_HASH_LEN + 1];
    assert_int_equal(store_open(&second, dir, &err), 0);
    assert_int_equal(store_address_hash(*state, "192.0.2.1", a, &err), 0);
    assert_int_equal(strlen(a), STORE_ADDRESS_HASH_LEN);
    assert_int_equal(store_address_hash(second, "192.0.2.1", b, &err), 0);
    assert_string_equal(a, b); /* every process finds the same */
    assert_int_equal(store_address_hash(second, "192.0.2.2", b, &err), 0);
    assert_string_not_equal(a, b);
    store_close(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arithmetic),
        cmocka_unit_test(clients),
        cmocka_unit_test(blocks),
        cmocka_unit_test_setup_teardown(keys, open_store, close_store),
        cmocka_unit_test_setup_teardown(wrong_in_constant_time, open_store, close_store),
        cmocka_unit_test_setup_teardown(rows, open_store, close_store),
        cmocka_unit_test_setup_teardown(a_crowd, open_store, close_store),
        cmocka_unit_test_setup_teardown(hashes, open_store, close_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
