/* The table of jobs, on both engines: every step of a job's life, and many workers at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/clock.h"
#include "both_engines.h"
#include "store/care.h"
#include "store/jobs.h"
#include "store/uploads.h"

enum { MINUTE_MS = 60000 };

static const struct store_job_order usual = {
    .kind = "prepare",
    .owner = "k:0123abcd",
    .input = "{\"url\":\"https://example.org/ä\"}",
    .max_attempts = 3,
    .max_of_owner = 1000,
    .max_of_all = 1000,
};

static void add(struct store *s, char id[STORE_JOB_ID_LEN + 1])
{
    struct err err = {0};
    if (store_job_add(s, &usual, id, &err) < 0)
        fail_msg("add: %s", err.text);
}

static void claim(struct store *s, struct store_job *job)
{
    struct err err = {0};
    int rc = store_job_claim(s, MINUTE_MS, job, &err);
    if (rc != 1)
        fail_msg("claim: %d %s", rc, err.text);
}

static void assert_state(struct store *s, const char *id, enum store_job_state state)
{
    auto_(store_job) struct store_job job = {0};
    struct err err = {0};
    assert_int_equal(store_job_get(s, id, &job, &err), 1);
    assert_string_equal(store_job_state_name(job.state), store_job_state_name(state));
}

static void a_life(void **state)
{
    auto_ptr(store) struct store *s = open_store(*state);
    auto_(store_job) struct store_job job = {0}, seen = {0};
    struct err err = {0};
    char id[STORE_JOB_ID_LEN + 1];
    assert_int_equal(store_job_claim(s, MINUTE_MS, &job, &err), 0);
    assert_int_equal(store_job_get(s, "nonsense", &job, &err), 0);
    add(s, id);
    claim(s, &job);
    assert_string_equal(job.id, id);
    assert_string_equal(job.kind, usual.kind);
    assert_string_equal(job.owner, usual.owner);
    assert_string_equal(job.input, usual.input);
    assert_string_equal(job.result, "");
    assert_int_equal(job.state, STORE_JOB_RUNNING);
    assert_int_equal(job.attempts, 1);
    assert_int_equal(job.max_attempts, 3);
    assert_int_equal(store_job_claim(s, MINUTE_MS, &seen, &err), 0);
    job.done_bytes = UINT64_C(5000000000);
    job.total_bytes = UINT64_C(6000000000);
    (void)snprintf(job.message, sizeof job.message, "half-way");
    assert_int_equal(store_job_progress(s, &job, &err), 1);
    assert_int_equal(store_job_renew(s, &job, 2 * MINUTE_MS, &err), 1);
    assert_int_equal(store_job_get(s, id, &seen, &err), 1);
    assert_int_equal(seen.done_bytes, UINT64_C(5000000000));
    assert_int_equal(seen.total_bytes, UINT64_C(6000000000));
    assert_string_equal(seen.message, "half-way");
    assert_true(seen.lease_unix_ms > job.lease_unix_ms);
    assert_int_equal(store_job_done(s, &job, "{\"size\":1}", &err), 1);
    store_job_fini(&seen);
    assert_int_equal(store_job_get(s, id, &seen, &err), 1);
    assert_int_equal(seen.state, STORE_JOB_DONE);
    assert_string_equal(seen.result, "{\"size\":1}");
    assert_true(seen.updated_unix_ms >= seen.created_unix_ms);
    /* Over is over. */
    assert_int_equal(store_job_done(s, &job, "{}", &err), 0);
    assert_int_equal(store_job_failed(s, &job, "internal", -1, &err), 0);
    assert_int_equal(store_job_release(s, &job, &err), 0);
    assert_int_equal(store_job_cancel(s, id, &err), 0);
    assert_int_equal(store_job_retry(s, id, &err), 0);
    assert_state(s, id, STORE_JOB_DONE);
}

static void failing(void **state)
{
    auto_ptr(store) struct store *s = open_store(*state);
    struct store_job job = {0};
    struct err err = {0};
    char id[STORE_JOB_ID_LEN + 1];
    add(s, id);
    claim(s, &job);
    assert_int_equal(store_job_failed(s, &job, "upstream_failed", MINUTE_MS, &err), 1);
    store_job_fini(&job);
    assert_state(s, id, STORE_JOB_WAITING);
    assert_int_equal(store_job_claim(s, MINUTE_MS, &job, &err), 0); /* not yet */
    (void)sql(*state, "UPDATE job SET run_unix_ms = run_unix_ms - 60001");
    claim(s, &job);
    assert_int_equal(job.attempts, 2);
    assert_string_equal(job.error, "upstream_failed");
    assert_int_equal(store_job_failed(s, &job, "private", -1, &err), 1);
    store_job_fini(&job);
    assert_state(s, id, STORE_JOB_FAILED);
    assert_int_equal(store_job_claim(s, MINUTE_MS, &job, &err), 0);
    assert_int_equal(store_job_retry(s, id, &err), 1);
    claim(s, &job);
    assert_int_equal(job.attempts, 1);
    assert_string_equal(job.error, "");
    assert_int_equal(store_job_release(s, &job, &err), 1);
    store_job_fini(&job);
    assert_state(s, id, STORE_JOB_QUEUED);
    claim(s, &job); /* as if it had not been claimed */
    assert_int_equal(job.attempts, 1);
    assert_int_equal(store_job_cancel(s, id, &err), 1);
    assert_int_equal(store_job_renew(s, &job, MINUTE_MS, &err), 0);
    assert_int_equal(store_job_progress(s, &job, &err), 0);
    assert_int_equal(store_job_done(s, &job, "{}", &err), 0);
    store_job_fini(&job);
    assert_state(s, id, STORE_JOB_CANCELLED);
    assert_int_equal(store_job_retry(s, id, &err), 1);
    assert_state(s, id, STORE_JOB_QUEUED);
}

static void a_lease_ends(void **state)
{
    auto_ptr(store) struct store *s = open_store(*state);
    auto_(store_job) struct store_job former = {0}, next = {0};
    struct err err = {0};
    char id[STORE_JOB_ID_LEN + 1];
    add(s, id);
    assert_int_equal(store_job_claim(s, 60, &former, &err), 1);
    assert_int_equal(store_job_claim(s, MINUTE_MS, &next, &err), 0);
    clock_sleep_ms(80);
    claim(s, &next);
    assert_string_equal(next.id, id);
    assert_int_equal(next.attempts, 2);
    assert_int_equal(store_job_renew(s, &former, MINUTE_MS, &err), 0);
    assert_int_equal(store_job_progress(s, &former, &err), 0);
    assert_int_equal(store_job_failed(s, &former, "internal", -1, &err), 0);
    assert_int_equal(store_job_release(s, &former, &err), 0);
    assert_int_equal(store_job_done(s, &former, "{\"by\":\"the former\"}", &err), 0);
    assert_int_equal(store_job_done(s, &next, "{\"by\":\"the next\"}", &err), 1);
    assert_string_equal(sql(*state, "SELECT result FROM job"), "{\"by\":\"the next\"}");
}

struct seen {
    char ids[16][STORE_JOB_ID_LEN + 1];
    int64_t created[16];
    size_t count;
};

static void note(void *ctx, const struct store_job *job)
{
    struct seen *seen = ctx;
    assert_true(seen->count < ARRAY_LEN(seen->ids));
    (void)snprintf(seen->ids[seen->count], sizeof seen->ids[0], "%s", job->id);
    seen->created[seen->count++] = job->created_unix_ms;
}

static void pages(void **state)
{
    enum { JOBS = 7, AT_ONCE = 3 };
    auto_ptr(store) struct store *s = open_store(*state);
    struct err err = {0};
    struct store_job job = {0};
    char ids[JOBS][STORE_JOB_ID_LEN + 1];
    int64_t counts[STORE_JOB_STATES];
    for (int i = 0; i < JOBS; i++)
        add(s, ids[i]);
    claim(s, &job); /* the one that waits longest, or one of its millisecond */
    struct store_job_order other = usual;
    other.owner = "k:other";
    char id[STORE_JOB_ID_LEN + 1];
    assert_int_equal(store_job_add(s, &other, id, &err), 0);
    (void)sql(*state, "UPDATE job SET created_unix_ms = 5"); /* order is total also then */
    struct seen all = {0};
    struct store_job_page page = {.owner = usual.owner, .limit = AT_ONCE};
    for (size_t before = 1; before != all.count;) {
        before = all.count;
        assert_int_equal(store_job_list(s, &page, note, &all, &err), 0);
        page.before_unix_ms = all.created[all.count - 1];
        page.before_id = all.ids[all.count - 1];
    }
    assert_int_equal(all.count, JOBS);
    for (size_t i = 1; i < all.count; i++)
        assert_true(strcmp(all.ids[i - 1], all.ids[i]) > 0);
    const enum store_job_state running = STORE_JOB_RUNNING;
    struct seen some = {0};
    assert_int_equal(
        store_job_list(s, &(struct store_job_page){.in = &running, .limit = 10}, note, &some, &err), 0);
    assert_int_equal(some.count, 1);
    assert_string_equal(some.ids[0], job.id);
    some.count = 0;
    assert_int_equal(store_job_list(s, &(struct store_job_page){.limit = 10}, note, &some, &err), 0);
    assert_int_equal(some.count, JOBS + 1);
    assert_int_equal(store_job_count(s, counts, &err), 0);
    assert_int_equal(counts[STORE_JOB_RUNNING], 1);
    assert_int_equal(counts[STORE_JOB_QUEUED], JOBS);
    assert_int_equal(counts[STORE_JOB_DONE], 0);
    store_job_fini(&job);
}

static void kept_for_a_while(void **state)
{
    auto_ptr(store) struct store *s = open_store(*state);
    struct err err = {0};
    struct store_job job = {0};
    char ids[3][STORE_JOB_ID_LEN + 1];
    for (int i = 0; i < 3; i++)
        add(s, ids[i]);
    claim(s, &job);
    assert_int_equal(store_job_done(s, &job, "{}", &err), 1);
    store_job_fini(&job);
    claim(s, &job);
    assert_int_equal(store_prune(s, clock_unix_s() + 1000, &err), 0);
    assert_string_equal(sql(*state, "SELECT count(*) FROM job"), "3");
    store_jobs_keep(s, 900);
    assert_int_equal(store_prune(s, clock_unix_s() + 800, &err), 0);
    assert_string_equal(sql(*state, "SELECT count(*) FROM job"), "3");
    struct store_swept swept;
    assert_int_equal(store_sweep(s, clock_unix_s() + 1000, &swept, &err), 0);
    assert_int_equal(swept.jobs, 1);
    assert_string_equal(sql(*state, "SELECT count(*) FROM job"), "2"); /* what is in hand stays */
    store_job_fini(&job);
}

/* ---- Many at once ---- */

struct crowd {
    const char *where;
    int64_t limit;
    atomic_int added, refused, done, wrong;
};

static void *add_many(void *ctx)
{
    struct crowd *c = ctx;
    auto_ptr(store) struct store *s = open_store(c->where);
    struct store_job_order order = usual;
    order.max_of_owner = c->limit;
    for (int i = 0; i < 10; i++) {
        struct err err = {0};
        char id[STORE_JOB_ID_LEN + 1];
        if (store_job_add(s, &order, id, &err) == 0)
            (void)atomic_fetch_add(&c->added, 1);
        else if (err.code == ERR_QUOTA_EXCEEDED && err.retry_after_s > 0)
            (void)atomic_fetch_add(&c->refused, 1);
        else
            (void)atomic_fetch_add(&c->wrong, 1);
    }
    return NULL;
}

static void *work_all(void *ctx)
{
    struct crowd *c = ctx;
    auto_ptr(store) struct store *s = open_store(c->where);
    for (int idle = 0; idle < 20;) {
        auto_(store_job) struct store_job job = {0};
        struct err err = {0};
        int rc = store_job_claim(s, MINUTE_MS, &job, &err);
        if (rc == 1 && job.attempts == 1 && store_job_done(s, &job, "{}", &err) == 1)
            (void)atomic_fetch_add(&c->done, 1);
        else if (rc == 1)
            (void)atomic_fetch_add(&c->wrong, 1);
        else if (rc < 0 && err.code != ERR_BUSY)
            (void)atomic_fetch_add(&c->wrong, 1);
        idle = rc == 1 ? 0 : idle + 1;
        if (rc != 1)
            clock_sleep_ms(5);
    }
    return NULL;
}

static void run_crowd(struct crowd *c, void *(*what)(void *ctx))
{
    pthread_t threads[8];
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, what, c), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        (void)pthread_join(threads[i], NULL);
}

static void many_workers(void **state)
{
    auto_ptr(store) struct store *s = open_store(*state);
    struct crowd c = {.where = *state, .limit = 61};
    run_crowd(&c, add_many);
    assert_int_equal(atomic_load(&c.wrong), 0);
    assert_int_equal(atomic_load(&c.added), 61);
    assert_int_equal(atomic_load(&c.refused), 80 - 61);
    run_crowd(&c, work_all);
    assert_int_equal(atomic_load(&c.wrong), 0);
    assert_int_equal(atomic_load(&c.done), 61);
    assert_string_equal(sql(*state, "SELECT count(*) FROM job WHERE state = 'done' AND attempts = 1"), "61");
}

/* ---- Workers that are killed ---- */

enum { SHORT_LEASE_MS = 150, WORKERS = 4, ROUNDS = 40, TO_DO = 60 };

/* In a child: tells by the pipe which jobs it has done. */
static void work_until_killed(const char *where, int out)
{
    struct store *s = NULL;
    struct err err = {0};
    while (store_open(&s, where, &err) < 0)
        clock_sleep_ms(5);
    for (;;) {
        struct store_job job = {0};
        uint8_t ms;
        if (store_job_claim(s, SHORT_LEASE_MS, &job, &err) != 1) {
            clock_sleep_ms(5);
            continue;
        }
        hash_random(&ms, sizeof ms);
        clock_sleep_ms(ms / 8); /* its work */
        if (store_job_done(s, &job, "{}", &err) == 1 && write(out, job.id, STORE_JOB_ID_LEN) < 0)
            _exit(1);
        store_job_fini(&job);
    }
}

static pid_t start_worker(const char *where, int out)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        work_until_killed(where, out);
    return pid;
}

static void killed_workers(void **state)
{
    int told[2];
    pid_t workers[WORKERS];
    char ids[TO_DO][STORE_JOB_ID_LEN + 1];
    int done[TO_DO] = {0};
    assert_int_equal(pipe(told), 0);
    struct store *s = open_store(*state);
    for (int i = 0; i < TO_DO; i++)
        add(s, ids[i]);
    store_close(s); /* before fork() */
    for (int i = 0; i < WORKERS; i++)
        workers[i] = start_worker(*state, told[1]);
    for (int round = 0; round < ROUNDS; round++) {
        uint8_t random[2];
        hash_random(random, sizeof random);
        pid_t *victim = &workers[random[0] % WORKERS];
        clock_sleep_ms(random[1] / 8);
        assert_int_equal(kill(*victim, SIGKILL), 0);
        (void)waitpid(*victim, NULL, 0);
        *victim = start_worker(*state, told[1]);
    }
    for (int tries = 0; tries < 200; tries++) {
        if (strcmp(sql(*state, "SELECT count(*) FROM job WHERE state = 'done'"), "60") == 0)
            break;
        clock_sleep_ms(50);
    }
    for (int i = 0; i < WORKERS; i++) {
        (void)kill(workers[i], SIGKILL);
        (void)waitpid(workers[i], NULL, 0);
    }
    (void)close(told[1]);
    assert_string_equal(sql(*state, "SELECT count(*) FROM job WHERE state = 'done'"), "60");
    char id[STORE_JOB_ID_LEN + 1] = "";
    while (read(told[0], id, STORE_JOB_ID_LEN) == STORE_JOB_ID_LEN) {
        for (int i = 0; i < TO_DO; i++)
            done[i] += strcmp(ids[i], id) == 0;
    }
    (void)close(told[0]);
    for (int i = 0; i < TO_DO; i++)
        assert_true(done[i] <= 1); /* one that died with the word on its lips told nobody */
}

static void bounds(void **state)
{
    auto_ptr(store) struct store *s = open_store(*state);
    struct store_job_order order = usual;
    struct err err = {0};
    char id[STORE_JOB_ID_LEN + 1];
    order.max_of_all = 1;
    assert_int_equal(store_job_add(s, &order, id, &err), 0);
    order.owner = "k:another";
    assert_int_equal(store_job_add(s, &order, id, &err), -1);
    assert_int_equal(err.code, ERR_BUSY);
    auto_(buf) struct buf long_text = BUF_INIT(STORE_JOB_JSON_MAX_BYTES + 16);
    while (long_text.len <= STORE_JOB_JSON_MAX_BYTES)
        (void)buf_addc(&long_text, 'x');
    order.max_of_all = 10;
    order.input = buf_str(&long_text);
    assert_int_equal(store_job_add(s, &order, id, &err), -1);
    assert_int_equal(err.code, ERR_BAD_REQUEST);
    auto_(store_job) struct store_job job = {0};
    claim(s, &job);
    assert_int_equal(store_job_done(s, &job, buf_str(&long_text), &err), -1);
    enum store_job_state state_of;
    assert_int_equal(store_job_state_of("waiting", &state_of), 0);
    assert_int_equal(state_of, STORE_JOB_WAITING);
    assert_int_equal(store_job_state_of("Waiting", &state_of), -1);
}

/* What a job has begun to upload is somebody's to throw away once it is over, and not before. */
static void uploads(void **state)
{
    auto_ptr(store) struct store *s = open_store(*state);
    struct store_upload upload = {.place = "https://store/files", .object = "a/ü.mp4", .part_bytes = 5 << 20};
    struct store_upload seen;
    struct err err = {0};
    assert_int_equal(store_upload_get(s, "nobody", &seen, &err), 0);
    add(s, upload.job);
    assert_int_equal(store_upload_put(s, &upload, &err), 0);
    (void)snprintf(upload.upload, sizeof upload.upload, "its name");
    (void)snprintf(upload.etag, sizeof upload.etag, "\"0123\"");
    assert_int_equal(store_upload_put(s, &upload, &err), 0);
    assert_int_equal(store_upload_get(s, upload.job, &seen, &err), 1);
    assert_memory_equal(&seen, &upload, sizeof seen);
    assert_int_equal(store_upload_left(s, upload.place, 0, &seen, &err), 0); /* it is queued */
    assert_int_equal(store_job_cancel(s, upload.job, &err), 1);
    assert_int_equal(store_upload_left(s, upload.place, MINUTE_MS, &seen, &err), 0); /* just now */
    clock_sleep_ms(5);
    assert_int_equal(store_upload_left(s, "https://store/others", 0, &seen, &err), 0);
    assert_int_equal(store_upload_left(s, upload.place, 0, &seen, &err), 1);
    assert_string_equal(seen.upload, "its name");
    assert_int_equal(store_upload_drop(s, upload.job, &err), 0);
    assert_int_equal(store_upload_left(s, upload.place, 0, &seen, &err), 0);
    (void)snprintf(upload.job, sizeof upload.job, "a job that was deleted");
    assert_int_equal(store_upload_put(s, &upload, &err), 0);
    assert_int_equal(store_upload_left(s, upload.place, MINUTE_MS, &seen, &err), 1);
}

int main(void)
{
    main_process = getpid();
    static const struct CMUnitTest tests[] = {
        ON_BOTH(a_life),         ON_BOTH(failing),          ON_BOTH(a_lease_ends),
        ON_BOTH(pages),          ON_BOTH(kept_for_a_while), ON_BOTH(many_workers),
        ON_BOTH(killed_workers), ON_BOTH(bounds),           ON_BOTH(uploads),
    };
    return hash_init(NULL) < 0 ? 1 : cmocka_run_group_tests(tests, start_server, stop_server);
}
