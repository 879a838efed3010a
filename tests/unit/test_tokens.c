/* The key ring of `data` links as it turns, and what is remembered of single links; on both engines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <pthread.h>

#include <cmocka.h>

#include "base/clock.h"
#include "both_engines.h"
#include "store/token_mark.h"

enum { DAY_S = 86400, HOUR_S = 3600 };

static void a_new_key_seals_and_old_ones_open(void **state)
{
    auto_ptr(store) struct store *s = open_store(*state);
    auto_ptr(store) struct store *other = open_store(*state);
    struct store_token_key first, second, k;
    struct store_token_key *list = NULL;
    size_t count = 0;
    struct err err = {0};
    assert_int_equal(store_token_key_current(other, &first, &err), 0);
    assert_int_equal(store_token_key_rotate(s, false, &second, &err), 0);
    assert_int_equal(second.id, first.id + 1);
    assert_memory_not_equal(second.key, first.key, sizeof first.key);
    assert_int_equal(store_token_key_current(s, &k, &err), 0);
    assert_int_equal(k.id, second.id);
    assert_int_equal(store_token_key_find(s, first.id, &k, &err), 1);
    assert_memory_equal(k.key, first.key, sizeof k.key);
    assert_int_equal(store_token_key_find(other, second.id, &k, &err), 1); /* at the first link that has it */
    assert_memory_equal(k.key, second.key, sizeof k.key);
    assert_int_equal(store_token_key_list(other, &list, &count, &err), 0);
    assert_int_equal(count, 2);
    assert_int_equal(list[0].id, second.id);
    free(list);
    assert_int_equal(store_token_key_rotate(s, true, &k, &err), 0);
    assert_int_equal(k.id, second.id + 1);
    assert_int_equal(store_token_key_find(s, second.id, &k, &err), 0);
    assert_string_equal(sql(*state, "SELECT count(*) FROM token_key"), "1");
}

static void a_key_is_replaced_at_its_age(void **state)
{
    auto_ptr(store) struct store *s = open_store(*state);
    struct store_token_key first, k;
    struct err err = {0};
    char text[200];
    assert_int_equal(store_token_key_current(s, &first, &err), 0);
    for (int round = 0; round < 2; round++) { /* first nobody asks for it */
        auto_ptr(store) struct store *later = open_store(*state);
        store_token_keys_rotate(later, HOUR_S, round ? DAY_S : 0);
        (void)snprintf(text, sizeof text, "UPDATE token_key SET created_unix_s = %lld",
                       (long long)clock_unix_s() - DAY_S);
        (void)sql(*state, text);
        assert_int_equal(store_token_key_current(later, &k, &err), 0);
        assert_int_equal(k.id, first.id + (unsigned)round);
    }
    /* One second too young. */
    auto_ptr(store) struct store *later = open_store(*state);
    store_token_keys_rotate(later, HOUR_S, DAY_S);
    (void)snprintf(text, sizeof text, "UPDATE token_key SET created_unix_s = %lld",
                   (long long)clock_unix_s() - DAY_S + 60);
    (void)sql(*state, text);
    assert_int_equal(store_token_key_current(later, &k, &err), 0);
    assert_int_equal(k.id, first.id + 1);
}

static void keys_go_when_their_links_have(void **state)
{
    auto_ptr(store) struct store *s = open_store(*state);
    struct store_token_key k;
    struct err err = {0};
    char text[300];
    assert_int_equal(store_token_key_current(s, &k, &err), 0);
    assert_int_equal(store_token_key_rotate(s, false, &k, &err), 0);
    assert_int_equal(store_token_key_rotate(s, false, &k, &err), 0);
    /* 1 and 2 are old; 2 took over from 1 two hours ago, 3 from 2 half an hour ago. */
    (void)snprintf(text, sizeof text,
                   "UPDATE token_key SET created_unix_s = %lld - CASE WHEN id = 1 THEN 90000 "
                   "WHEN id = 2 THEN 7200 ELSE 1800 END",
                   (long long)clock_unix_s());
    (void)sql(*state, text);
    assert_int_equal(store_prune(s, clock_unix_s(), &err), 0); /* nobody said how long tokens live */
    assert_string_equal(sql(*state, "SELECT count(*) FROM token_key"), "3");
    store_token_keys_rotate(s, HOUR_S, 0);
    assert_int_equal(store_prune(s, clock_unix_s(), &err), 0);
    assert_string_equal(sql(*state, "SELECT min(id) FROM token_key"), "2");
    assert_string_equal(sql(*state, "SELECT max(id) FROM token_key"), "3");
}

struct racer {
    struct store *s;
    struct store_token_key made[5];
};

static void *rotate_often(void *ctx)
{
    struct racer *r = ctx;
    struct err err = {0};
    for (size_t i = 0; i < ARRAY_LEN(r->made); i++) {
        if (store_token_key_rotate(r->s, false, &r->made[i], &err) < 0)
            return strdup(err.text);
    }
    return NULL;
}

static void two_that_rotate_get_two_keys(void **state)
{
    enum { RACERS = 4 };
    struct racer racers[RACERS];
    pthread_t threads[RACERS];
    for (int i = 0; i < RACERS; i++) {
        racers[i] = (struct racer){.s = open_store(*state)};
        assert_int_equal(pthread_create(&threads[i], NULL, rotate_often, &racers[i]), 0);
    }
    for (int i = 0; i < RACERS; i++) {
        void *failure = NULL;
        (void)pthread_join(threads[i], &failure);
        if (failure)
            fail_msg("%s", (char *)failure);
        store_close(racers[i].s);
    }
    assert_string_equal(sql(*state, "SELECT count(*) FROM token_key"), "20");
    assert_string_equal(sql(*state, "SELECT max(id) FROM token_key"), "20");
}

static void revoked_links(void **state)
{
    auto_ptr(store) struct store *s = open_store(*state);
    struct store_token_mark mark;
    struct err err = {0};
    char id[STORE_TOKEN_ID_LEN + 1];
    store_token_id("a token", id);
    assert_int_equal(strlen(id), STORE_TOKEN_ID_LEN);
    assert_int_equal(store_token_look(s, id, &mark, &err), 0);
    assert_false(mark.revoked);
    assert_int_equal(store_token_revoke(s, id, 1000, &err), 0);
    assert_int_equal(store_token_revoke(s, id, 1000, &err), 0);
    assert_int_equal(store_token_look(s, id, &mark, &err), 0);
    assert_true(mark.revoked);
    assert_int_equal(store_prune(s, 999, &err), 0);
    assert_string_equal(sql(*state, "SELECT count(*) FROM token_mark"), "1");
    assert_int_equal(store_prune(s, 1000, &err), 0);
    assert_string_equal(sql(*state, "SELECT count(*) FROM token_mark"), "0");
}

static void one_delivery(void **state)
{
    auto_ptr(store) struct store *s = open_store(*state);
    struct store_token_mark mark;
    struct err err = {0};
    assert_int_equal(store_token_sent(s, "t", 100, 100, true, &err), 0); /* of a link nobody counts */
    assert_string_equal(sql(*state, "SELECT count(*) FROM token_mark"), "0");
    assert_int_equal(store_token_claim(s, "t", 1000, "ada", &mark, &err), 1);
    assert_int_equal(store_token_claim(s, "t", 1000, "bob", &mark, &err), 0);
    assert_int_equal(store_token_claim(s, "t", 1000, "ada", &mark, &err), 1);
    assert_int_equal(mark.done_unix_s, 0);
    static const struct {
        const char *name;
        uint64_t bytes, of_bytes;
        bool at_end, done;
    } cases[] = {
        {"the last part first", 30, 100, true, false},
        {"a part", 30, 100, false, false},
        {"not quite", 39, 100, false, false},
        {"the missing byte", 1, 100, false, true},
        {"and more", 100, 100, true, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(store_token_sent(s, "t", cases[i].bytes, cases[i].of_bytes, cases[i].at_end, &err),
                         0);
        assert_int_equal(store_token_look(s, "t", &mark, &err), 0);
        if ((mark.done_unix_s != 0) != cases[i].done)
            fail_msg("%s", cases[i].name);
    }
    /* Overlapping attempts that never reach the end add up to nothing. */
    assert_int_equal(store_token_claim(s, "u", 1000, "ada", &mark, &err), 1);
    assert_int_equal(store_token_sent(s, "u", 90, 100, false, &err), 0);
    assert_int_equal(store_token_sent(s, "u", 90, 100, false, &err), 0);
    assert_int_equal(store_token_look(s, "u", &mark, &err), 0);
    assert_int_equal(mark.done_unix_s, 0);
    assert_int_equal(store_token_sent(s, "u", 5, 100, true, &err), 0);
    assert_int_equal(store_token_look(s, "u", &mark, &err), 0);
    assert_true(mark.done_unix_s != 0);
    /* Of unknown length: the end is the end. */
    assert_int_equal(store_token_claim(s, "v", 1000, "ada", &mark, &err), 1);
    assert_int_equal(store_token_sent(s, "v", 5, 0, true, &err), 0);
    assert_int_equal(store_token_look(s, "v", &mark, &err), 0);
    assert_true(mark.done_unix_s != 0);
}

static void holders_of_yesterday_give_way(void **state)
{
    auto_ptr(store) struct store *s = open_store(*state);
    struct store_token_mark mark;
    struct err err = {0};
    assert_int_equal(store_token_claim(s, "t", 1000, "ada", &mark, &err), 1);
    (void)sql(*state, "UPDATE token_mark SET holder_day = holder_day - 1");
    assert_int_equal(store_token_claim(s, "t", 1000, "ada of today", &mark, &err), 1);
    assert_int_equal(store_token_claim(s, "t", 1000, "ada", &mark, &err), 0);
    /* Revoked before anybody came. */
    assert_int_equal(store_token_revoke(s, "r", 1000, &err), 0);
    assert_int_equal(store_token_claim(s, "r", 1000, "ada", &mark, &err), 1);
    assert_true(mark.revoked);
}

int main(void)
{
    main_process = getpid();
    static const struct CMUnitTest tests[] = {
        ON_BOTH(a_new_key_seals_and_old_ones_open),
        ON_BOTH(a_key_is_replaced_at_its_age),
        ON_BOTH(keys_go_when_their_links_have),
        ON_BOTH(two_that_rotate_get_two_keys),
        ON_BOTH(revoked_links),
        ON_BOTH(one_delivery),
        ON_BOTH(holders_of_yesterday_give_way),
    };
    return hash_init(NULL) < 0 ? 1 : cmocka_run_group_tests(tests, start_server, stop_server);
}
