/* The table of contents, on both engines: who may store what, what is found where, and how it leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "both_engines.h"
#include "store/contents.h"
#include "store/jobs.h"

enum { LEASE_S = 600, PERIOD_S = 3600 };

#define KEY   "00112233445566778899aabbccddeeff"
#define HERE  "here"
#define THERE "there"

static struct store_content content(const char *tier, const char *place)
{
    struct store_content c = {.key = KEY, .site = "youtube", .id = "abc", .bytes = 1000};
    (void)snprintf(c.tier, sizeof c.tier, "%s", tier);
    (void)snprintf(c.place, sizeof c.place, "%s", place);
    return c;
}

static int claim(struct store *s, struct store_content *c)
{
    struct err err = {0};
    int rc = store_content_claim(s, c, LEASE_S, &err);
    if (rc < 0)
        fail_msg("claim: %s", err.text);
    return rc;
}

static int found(struct store *s, const char *place, struct store_content *out)
{
    struct err err = {0};
    int count = store_content_find(s, KEY, place, out, 8, &err);
    if (count < 0)
        fail_msg("find: %s", err.text);
    return count;
}

static void store_it(struct store *s, struct store_content *c, const char *reference)
{
    struct err err = {0};
    assert_int_equal(claim(s, c), 1);
    (void)snprintf(c->reference, sizeof c->reference, "%s", reference);
    assert_int_equal(store_content_stored(s, c, &err), 1);
}

static void storing(void **state)
{
    auto_ptr(store) struct store *s = open_store(*state);
    struct store_content first = content("s3", ""), second = first, rows[8];
    struct err err = {0};
    assert_int_equal(claim(s, &first), 1);
    assert_int_equal(claim(s, &second), 0); /* one at a time */
    assert_int_equal(found(s, HERE, rows), 0);
    assert_int_equal(store_content_renew(s, &first, LEASE_S, &err), 1);
    assert_int_equal(store_content_renew(s, &second, LEASE_S, &err), 0);
    (void)snprintf(second.reference, sizeof second.reference, "wrong");
    assert_int_equal(store_content_stored(s, &second, &err), 0);
    (void)snprintf(first.reference, sizeof first.reference, "bücket/key");
    first.bytes = 1001;
    assert_int_equal(store_content_stored(s, &first, &err), 1);
    assert_int_equal(claim(s, &second), 0); /* it is there */
    assert_int_equal(found(s, HERE, rows), 1);
    assert_string_equal(rows[0].reference, "bücket/key");
    assert_string_equal(rows[0].tier, "s3");
    assert_string_equal(rows[0].site, "youtube");
    assert_string_equal(rows[0].id, "abc");
    assert_int_equal(rows[0].bytes, 1001);
    assert_int_equal(store_content_used(s, &rows[0], 3, &err), 0);
    assert_int_equal(found(s, THERE, rows), 1); /* everybody's */
    assert_int_equal(rows[0].hits, 3);
}

static void a_lease_ends(void **state)
{
    auto_ptr(store) struct store *s = open_store(*state);
    struct store_content first = content("s3", ""), second = first;
    struct err err = {0};
    assert_int_equal(claim(s, &first), 1);
    (void)sql(*state, "UPDATE content_cache SET expires_unix_s = 1");
    assert_int_equal(claim(s, &second), 1);
    assert_int_equal(store_content_renew(s, &first, LEASE_S, &err), 0);
    assert_int_equal(store_content_stored(s, &first, &err), 0);
    assert_int_equal(store_content_refused(s, &first, 0, &err), 0);
    assert_int_equal(store_content_stored(s, &second, &err), 1);
}

static void refusing(void **state)
{
    auto_ptr(store) struct store *s = open_store(*state);
    struct store_content c = content("telegram", ""), again = c, rows[8];
    struct err err = {0};
    assert_int_equal(claim(s, &c), 1);
    assert_int_equal(store_content_refused(s, &c, PERIOD_S, &err), 1);
    assert_int_equal(claim(s, &again), 0);
    assert_int_equal(found(s, HERE, rows), 0);
    (void)sql(*state, "UPDATE content_cache SET expires_unix_s = 1");
    assert_int_equal(claim(s, &again), 1);
    assert_int_equal(store_content_refused(s, &again, 0, &err), 1); /* nobody's fault: at once */
    assert_int_equal(claim(s, &again), 1);
}

static void places(void **state)
{
    auto_ptr(store) struct store *s = open_store(*state);
    struct store_content here = content("files", HERE), there = content("files", THERE), rows[8];
    store_it(s, &here, "1");
    assert_int_equal(found(s, THERE, rows), 0);
    store_it(s, &there, "2");
    assert_int_equal(found(s, HERE, rows), 1);
    assert_string_equal(rows[0].reference, "1");
    assert_string_equal(rows[0].place, HERE);
}

static void counting(void **state)
{
    auto_ptr(store) struct store *s = open_store(*state);
    struct store_content c = content("", ""), rows[8];
    struct err err = {0};
    for (int i = 1; i <= 3; i++)
        assert_int_equal(store_content_seen(s, &c, PERIOD_S, &err), i);
    assert_int_equal(found(s, HERE, rows), 0);
    (void)sql(*state, "UPDATE content_cache SET expires_unix_s = 1");
    assert_int_equal(store_content_seen(s, &c, PERIOD_S, &err), 1); /* another period */
    assert_int_equal(store_content_seen(s, &c, PERIOD_S, &err), 2);
}

static void leaving(void **state)
{
    auto_ptr(store) struct store *s = open_store(*state);
    struct store_content c = content("files", HERE), rows[8];
    struct err err = {0};
    store_it(s, &c, "1");
    const struct store_content_which others[] = {
        {.tier = "s3"},
        {.place = THERE},
        {.key = "ffff"},
        {.site = "other"},
        {.site = "youtube", .id = "other"},
        {.used_until_unix_s = 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        assert_int_equal(store_content_leave(s, &others[i], &err), 0);
    assert_int_equal(
        store_content_leave(s, &(struct store_content_which){.site = "youtube", .id = "abc"}, &err), 1);
    assert_int_equal(found(s, HERE, rows), 0);
    assert_int_equal(store_content_left(s, HERE, rows, 8, &err), 0); /* somebody may be reading */
    (void)sql(*state, "UPDATE content_cache SET expires_unix_s = 1");
    assert_int_equal(store_content_left(s, THERE, rows, 8, &err), 0);
    assert_int_equal(store_content_left(s, HERE, rows, 8, &err), 1);
    rows[1] = rows[0];
    (void)snprintf(rows[1].reference, sizeof rows[1].reference, "2");
    assert_int_equal(store_content_gone(s, &rows[1], &err), 0); /* another one by that key */
    assert_int_equal(store_content_gone(s, &rows[0], &err), 1);
    assert_string_equal(sql(*state, "SELECT count(*) FROM content_cache"), "0");
}

static void expiring(void **state)
{
    auto_ptr(store) struct store *s = open_store(*state);
    struct store_content c = content("s3", ""), seen = content("", ""), refused = content("telegram", "");
    struct store_content rows[8];
    struct err err = {0};
    store_it(s, &c, "1");
    assert_int_equal(store_content_seen(s, &seen, PERIOD_S, &err), 1);
    assert_int_equal(claim(s, &refused), 1);
    assert_int_equal(store_content_expire(s, &err), 0); /* it stays for ever */
    assert_string_equal(sql(*state, "SELECT count(*) FROM content_cache"), "3");
    (void)sql(*state, "UPDATE content_cache SET expires_unix_s = 1");
    assert_int_equal(found(s, HERE, rows), 0);
    assert_int_equal(store_content_expire(s, &err), 1);
    assert_string_equal(sql(*state, "SELECT state FROM content_cache"), "leaving");
}

static void oldest_first(void **state)
{
    auto_ptr(store) struct store *s = open_store(*state);
    struct store_content rows[8];
    struct store_content_sum sums[8];
    struct err err = {0};
    for (int i = 0; i < 5; i++) {
        char text[128];
        struct store_content c = content("files", HERE);
        c.key[0] = (char)('0' + i);
        store_it(s, &c, "1");
        (void)snprintf(text, sizeof text, "UPDATE content_cache SET used_unix_s = %d WHERE content = '%s'",
                       100 - i, c.key);
        (void)sql(*state, text);
    }
    assert_int_equal(store_content_oldest(s, "files", THERE, rows, 8, &err), 0);
    assert_int_equal(store_content_oldest(s, "files", HERE, rows, 2, &err), 2);
    assert_int_equal(rows[0].key[0], '4');
    assert_int_equal(rows[1].key[0], '3');
    const struct store_content_which here = {.tier = "files", .place = HERE};
    assert_int_equal(store_content_list(s, &here, "", rows, 3, &err), 3);
    assert_int_equal(rows[0].key[0], '0');
    assert_int_equal(store_content_list(s, &here, rows[2].key, rows, 3, &err), 2);
    assert_int_equal(rows[1].key[0], '4');
    assert_int_equal(store_content_sums(s, sums, 8, &err), 1);
    assert_string_equal(sums[0].tier, "files");
    assert_string_equal(sums[0].place, HERE);
    assert_string_equal(sums[0].state, "stored");
    assert_int_equal(sums[0].count, 5);
    assert_int_equal(sums[0].bytes, 5000);
}

/* A text longer than its room is cut between characters, so that a server takes it. */
static void long_texts(void **state)
{
    auto_ptr(store) struct store *s = open_store(*state);
    struct store_content c = content("s3", ""), rows[8];
    struct err err = {0};
    char id[300];
    id[0] = 'x';
    for (size_t i = 1; i + 2 < sizeof id; i += 2)
        memcpy(id + i, "ä", 3);
    store_content_name(&c, "youtube", id);
    store_it(s, &c, "1");
    assert_int_equal(found(s, HERE, rows), 1);
    assert_int_equal(strlen(rows[0].id), STORE_CONTENT_ID_MAX - 1);
    assert_int_equal(store_content_leave(s, &(struct store_content_which){.site = "youtube", .id = id}, &err),
                     1);
}

static atomic_int winners;

static void *race(void *ctx)
{
    struct store_content c = content("telegram", "");
    struct err err = {0};
    if (store_content_claim(ctx, &c, LEASE_S, &err) == 1)
        (void)atomic_fetch_add(&winners, 1);
    return NULL;
}

static void one_of_many(void **state)
{
    enum { THREADS = 12 };
    auto_ptr(store) struct store *s = open_store(*state);
    pthread_t threads[THREADS];
    atomic_store(&winners, 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, race, s), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(atomic_load(&winners), 1);
}

/* Work for one host is not taken by another, and what can wait waits. */
static void jobs_of_places(void **state)
{
    auto_ptr(store) struct store *s = open_store(*state);
    auto_(store_job) struct store_job job = {0}, next = {0};
    struct store_job_order order = {
        .kind = "keep", .owner = "s:", .input = "{}", .max_attempts = 1, .max_of_owner = 9, .max_of_all = 9};
    char ids[2][STORE_JOB_ID_LEN + 1];
    struct err err = {0};
    order.place = THERE;
    assert_int_equal(store_job_add(s, &order, ids[0], &err), 0);
    assert_int_equal(store_job_claim(s, 1000, &job, &err), 0);
    store_jobs_here(s, HERE);
    assert_int_equal(store_job_claim(s, 1000, &job, &err), 0);
    order.place = HERE;
    order.later = true;
    assert_int_equal(store_job_add(s, &order, ids[0], &err), 0);
    (void)sql(*state, "UPDATE job SET run_unix_ms = run_unix_ms - 1000");
    order.place = NULL;
    order.later = false;
    assert_int_equal(store_job_add(s, &order, ids[1], &err), 0);
    assert_int_equal(store_job_claim(s, 1000, &job, &err), 1);
    assert_string_equal(job.id, ids[1]);
    assert_int_equal(store_job_claim_urgent(s, 1000, &next, &err), 0);
    assert_int_equal(store_job_claim(s, 1000, &next, &err), 1);
    assert_string_equal(next.id, ids[0]);
}

int main(void)
{
    main_process = getpid();
    static const struct CMUnitTest tests[] = {
        ON_BOTH(storing),    ON_BOTH(a_lease_ends), ON_BOTH(refusing),       ON_BOTH(places),
        ON_BOTH(counting),   ON_BOTH(leaving),      ON_BOTH(expiring),       ON_BOTH(oldest_first),
        ON_BOTH(long_texts), ON_BOTH(one_of_many),  ON_BOTH(jobs_of_places),
    };
    return hash_init(NULL) < 0 ? 1 : cmocka_run_group_tests(tests, start_server, stop_server);
}
