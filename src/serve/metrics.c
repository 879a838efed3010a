/* GET /metrics: what the programs of this host count, in the text format of Prometheus (0.0.4). For who knows
 * metrics_token, and for clients on this machine. No label tells of a link, an address or a key. */
#include <string.h>
#include <strings.h>

#include "base/cidr.h"
#include "base/clock.h"
#include "base/hash.h"
#include "serve/books.h"
#include "serve/canary.h"
#include "serve/outcomes.h"
#include "serve/serve.h"
#include "serve/settings.h"
#include "serve/telegram.h"
#include "serve/tier.h"
#include "store/jobs.h"

enum { METRICS_MAX_BYTES = 1 << 20, US_PER_S = 1000000 };

/* ---- Who may ---- */

/* The client itself: where somebody passes requests on who is not trusted to say for whom, nobody is. */
static bool is_local(const struct app *app, const struct http_request *req)
{
    struct cidr_address client, peer;
    return cidr_client(req->remote_addr, req->forwarded_for, app->config.trusted_proxies, &client) == 0 &&
           cidr_parse_address(req->remote_addr, strlen(req->remote_addr), &peer) == 0 &&
           cidr_list_has("127.0.0.0/8,::1", &client) &&
           (!req->forwarded_for ||
            (*app->config.trusted_proxies && cidr_list_has(app->config.trusted_proxies, &peer)));
}

static int may(const struct app *app, const struct http_request *req, struct err *err)
{
    static const char scheme[] = "Bearer ";
    const char *wanted = app->config.metrics_token;
    const char *sent = req->authorization;
    char hashes[2][HASH_HEX_LEN + 1];
    if (is_local(app, req))
        return 0;
    if (!sent || strlen(sent) < sizeof scheme || strncasecmp(sent, scheme, sizeof scheme - 1) != 0)
        return err_set(err, ERR_AUTH_REQUIRED, "metrics are for whoever has metrics_token");
    sent += sizeof scheme - 1;
    hash_sha256_hex(sent, strlen(sent), hashes[0]); /* of one length, and compared in constant time */
    hash_sha256_hex(wanted, strlen(wanted), hashes[1]);
    if (!*wanted || !hash_equal(hashes[0], hashes[1], HASH_HEX_LEN))
        return err_set(err, ERR_BAD_KEY, "not the metrics_token");
    return 0;
}

/* ---- The text ---- */

static void head(struct buf *out, const char *name, const char *type, const char *help)
{
    (void)buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void gauge(struct buf *out, const char *name, const char *help, int64_t value)
{
    head(out, name, "gauge", help);
    (void)buf_addf(out, "%s %lld\n", name, (long long)value);
}

static const char *path_of(size_t route)
{
    return route < serve_route_count ? serve_routes[route].path : "other";
}

/* Exactly, as a double could not say microseconds of years. */
static void seconds(struct buf *out, uint64_t us)
{
    (void)buf_addf(out, "%llu.%06llu\n", (unsigned long long)(us / US_PER_S),
                   (unsigned long long)(us % US_PER_S));
}

static void requests(struct buf *out, const struct books *b)
{
    head(out, "sluice_http_requests_total", "counter", "Requests answered, by route and code.");
    for (size_t r = 0; r <= serve_route_count; r++) {
        for (int code = 0; code < ERR_CODE_COUNT; code++) {
            uint64_t n = books_get(b, BOOKS_REQUESTS, r, (size_t)code);
            if (n)
                (void)buf_addf(out, "sluice_http_requests_total{route=\"%s\",code=\"%s\"} %llu\n", path_of(r),
                               err_info((enum err_code)code)->name, (unsigned long long)n);
        }
    }
    head(out, "sluice_cache_hits_total", "counter", "Requests answered from memory, by route.");
    for (size_t r = 0; r < serve_route_count; r++) {
        uint64_t n = books_get(b, BOOKS_CACHED, r, 0);
        if (n)
            (void)buf_addf(out, "sluice_cache_hits_total{route=\"%s\"} %llu\n", path_of(r),
                           (unsigned long long)n);
    }
}

/* Always all of them, so that a first failure is seen to rise from 0. */
static void upstream_errors(struct buf *out, const struct books *b)
{
    static const enum err_code codes[] = {ERR_UPSTREAM_FAILED, ERR_RATE_LIMITED_UPSTREAM, ERR_BOT_CHECK,
                                          ERR_GEO_BLOCKED, ERR_SOURCE_CHANGED};
    head(out, "sluice_upstream_errors_total", "counter", "Requests that failed because of a site.");
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        uint64_t n = 0;
        for (size_t r = 0; r <= serve_route_count; r++)
            n += books_get(b, BOOKS_REQUESTS, r, codes[i]);
        (void)buf_addf(out, "sluice_upstream_errors_total{reason=\"%s\"} %llu\n", err_info(codes[i])->name,
                       (unsigned long long)n);
    }
}

struct histogram {
    const char *name, *help;
    enum books_kind buckets, sum;
    const int64_t *ends_ms;
    size_t ends;
};

static void histogram_of(struct buf *out, const struct books *b, const struct histogram *h, size_t r)
{
    uint64_t n = 0;
    for (size_t i = 0; i <= h->ends; i++)
        n += books_get(b, h->buckets, r, i);
    if (n == 0)
        return;
    n = 0;
    for (size_t i = 0; i < h->ends; i++) {
        n += books_get(b, h->buckets, r, i);
        (void)buf_addf(out, "%s_bucket{route=\"%s\",le=\"%g\"} %llu\n", h->name, path_of(r),
                       (double)h->ends_ms[i] / 1000, (unsigned long long)n);
    }
    n += books_get(b, h->buckets, r, h->ends);
    (void)buf_addf(
        out, "%s_bucket{route=\"%s\",le=\"+Inf\"} %llu\n%s_count{route=\"%s\"} %llu\n%s_sum{route=\"%s\"} ",
        h->name, path_of(r), (unsigned long long)n, h->name, path_of(r), (unsigned long long)n, h->name,
        path_of(r));
    seconds(out, books_get(b, h->sum, r, 0));
}

static void histograms(struct buf *out, const struct books *b)
{
    const struct histogram all[] = {
        {"sluice_request_duration_seconds", "From the request to the end of its answer, by route.",
         BOOKS_DURATION, BOOKS_DURATION_US, books_duration_ms, BOOKS_BUCKETS - 1},
        {"sluice_time_to_first_byte_seconds", "From the request to the first byte of its answer, by route.",
         BOOKS_TTFB, BOOKS_TTFB_US, store_usage_ttfb_ms, STORE_USAGE_BUCKETS - 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        head(out, all[i].name, "histogram", all[i].help);
        for (size_t r = 0; r < serve_route_count; r++)
            histogram_of(out, b, &all[i], r);
    }
}

static void places(struct buf *out, const struct app *app)
{
    static const char *const states[] = {"max", "active", "waiting"};
    struct gate *const gates[] = {app->gate, app->workers, app->plans};
    static const char *const names[] = {"sluice_workers", "sluice_conversions", "sluice_plans"};
    static const char *const helps[] = {"Places for streams.", "Places for files that are converted.",
                                        "Places for plans being made."};
    struct err ignored;
    for (size_t i = 0; i < ARRAY_LEN(gates); i++) {
        struct gate_counts c = {0};
        (void)gate_count(gates[i], &c, &ignored);
        const int64_t values[] = {c.max, c.active, c.waiting};
        head(out, names[i], "gauge", helps[i]);
        for (size_t k = 0; k < ARRAY_LEN(states); k++)
            (void)buf_addf(out, "%s{state=\"%s\"} %lld\n", names[i], states[k], (long long)values[k]);
    }
}

/* Where streams came from. What a web server or another one sent for us is not among the bytes. */
static void came_from(struct buf *out, const struct books *b)
{
    uint64_t bytes = 0;
    for (unsigned i = 0; i < TIER_FROM_COUNT; i++)
        bytes += books_get(b, BOOKS_SENT, 0, i);
    head(out, "sluice_stream_bytes_total", "counter", "Bytes of streams sent.");
    (void)buf_addf(out, "sluice_stream_bytes_total %llu\n", (unsigned long long)bytes);
    head(out, "sluice_tier_answers_total", "counter", "Streams, by where their bytes came from.");
    for (unsigned i = 0; i < TIER_FROM_COUNT && *tier_from_name(i); i++)
        (void)buf_addf(out, "sluice_tier_answers_total{tier=\"%s\"} %llu\n", tier_from_name(i),
                       (unsigned long long)books_get(b, BOOKS_CAME, 0, i));
    head(out, "sluice_tier_misses_total", "counter",
         "Streams of files that a tier could have had, and had not when it was asked.");
    for (unsigned i = TIER_FROM_TIERS; i < TIER_FROM_COUNT && *tier_from_name(i); i++)
        (void)buf_addf(out, "sluice_tier_misses_total{tier=\"%s\"} %llu\n", tier_from_name(i),
                       (unsigned long long)books_get(b, BOOKS_MISSED, 0, i));
    head(out, "sluice_tier_bytes_total", "counter", "Bytes of streams sent, by where they came from.");
    for (unsigned i = 0; i < TIER_FROM_COUNT && *tier_from_name(i); i++)
        (void)buf_addf(out, "sluice_tier_bytes_total{tier=\"%s\"} %llu\n", tier_from_name(i),
                       (unsigned long long)books_get(b, BOOKS_SENT, 0, i));
}

/* What tiers keep, of this host and of all. */
static void contents(struct buf *out, struct app *app)
{
    enum { SUMS_MAX = 64 };
    struct err ignored;
    struct store_content_sum sums[SUMS_MAX];
    int count = tiers_are_used(app) ? store_content_sums(app->store, sums, SUMS_MAX, &ignored) : 0;
    for (int bytes = 0; count > 0 && bytes < 2; bytes++) {
        const char *name = bytes ? "sluice_contents_bytes" : "sluice_contents";
        head(out, name, "gauge", bytes ? "Their bytes." : "Contents that tiers keep.");
        for (int i = 0; i < count; i++) {
            if (!*sums[i].place || strcmp(sums[i].place, app->place) == 0)
                (void)buf_addf(out, "%s{tier=\"%s\",state=\"%s\"} %lld\n", name, sums[i].tier, sums[i].state,
                               (long long)(bytes ? sums[i].bytes : sums[i].count));
        }
    }
}

/* Of all hosts that share the database. */
static void jobs(struct buf *out, struct store *store)
{
    struct err ignored;
    int64_t counts[STORE_JOB_STATES];
    if (store_job_count(store, counts, &ignored) < 0)
        return;
    head(out, "sluice_jobs", "gauge", "Jobs in the table.");
    for (int i = 0; i < STORE_JOB_STATES; i++)
        (void)buf_addf(out, "sluice_jobs{state=\"%s\"} %lld\n", store_job_state_name((enum store_job_state)i),
                       (long long)counts[i]);
}

/* How the site's clients fared in the last hour, and the links of the canary. */
static void extraction(struct buf *out, struct app *app)
{
    static const struct {
        const char *name, *member, *help;
    } rows[] = {
        {"sluice_client_succeeded", "succeeded",
         "Answers of a client of the site that could be used, of the last hour."},
        {"sluice_client_failed", "failed", "Answers that could not, of the last hour."},
    };
    struct err ignored;
    struct canary_summary canary;
    json_t *root = outcomes_json(app->store, clock_unix_s(), &ignored);
    const json_t *clients = json_object_get(root, "clients");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        head(out, rows[i].name, "gauge", rows[i].help);
        for (size_t k = 0; k < json_array_size(clients); k++) {
            const json_t *c = json_array_get(clients, k);
            (void)buf_addf(out, "%s{client=\"%s\",kind=\"%s\"} %lld\n", rows[i].name,
                           json_string_value(json_object_get(c, "client")),
                           json_string_value(json_object_get(c, "kind")),
                           (long long)json_integer_value(
                               json_object_get(json_object_get(c, "last_hour"), rows[i].member)));
        }
    }
    json_decref(root);
    canary_look(app, &canary);
    if (canary.state == CANARY_NONE)
        return;
    gauge(out, "sluice_canary_links", "Links that are looked at on a schedule.", canary.links);
    gauge(out, "sluice_canary_failed", "Those that could not be had the last time.", canary.failed);
    gauge(out, "sluice_canary_time_seconds", "When that was.", canary.at_unix_s);
}

static void telegram(struct buf *out, struct app *app)
{
    struct telegram t;
    struct err ignored;
    if (telegram_init(&t, &app->config, app->net, app->store, app->cache, &ignored) == 1)
        gauge(out, "sluice_telegram_up", "1: no pause is kept in asking the channel that keeps files.",
              strcmp(telegram_state(&t), "ok") == 0);
}

static void slices(struct buf *out, struct app *app)
{
    static const struct {
        enum slices_event event;
        const char *name, *help;
    } rows[] = {
        {SLICES_HIT, "sluice_slice_hits_total", "Slices of sources found on the disk."},
        {SLICES_SHARED, "sluice_slice_shared_total", "Slices read while another stream had them written."},
        {SLICES_MISS, "sluice_slice_misses_total", "Slices read from a source."},
        {SLICES_READ, "sluice_slice_read_bytes_total", "Bytes of streams that came out of slices."},
        {SLICES_WRITTEN, "sluice_slice_written_bytes_total", "Bytes written to slices."},
        {SLICES_EVICTED, "sluice_slice_evictions_total", "Slices deleted for others."},
        {SLICES_DAMAGED, "sluice_slice_damaged_total", "Slices that did not check, and were deleted."},
        {SLICES_SWITCHED_OFF, "sluice_slice_off_total",
         "Times a program went on without slices, because of a full or slow disk."},
    };
    struct err ignored;
    struct slices_stat stat;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        head(out, rows[i].name, "counter", rows[i].help);
        (void)buf_addf(out, "%s %llu\n", rows[i].name,
                       (unsigned long long)books_get(app->books, BOOKS_SLICES, 0, rows[i].event));
    }
    if (slices_stat(app->slices, &stat, &ignored) < 0)
        return;
    gauge(out, "sluice_slices", "Slices on this host.", stat.count);
    gauge(out, "sluice_slice_bytes", "What they take on disk.", stat.bytes);
    gauge(out, "sluice_slice_max_bytes", "What they may take: cache_bytes.", stat.max_bytes);
}

static void write_all(struct buf *out, struct app *app)
{
    struct err ignored = {0};
    struct live_counts streams = {0};
    struct tally_process memory;
    size_t processes = books_processes(app->books, &memory);
    (void)live_count(app->live, &streams, &ignored);
    head(out, "sluice_build_info", "gauge", "The version that answers.");
    (void)buf_adds(out, "sluice_build_info{version=\"" SLUICE_VERSION "\"} 1\n");
    requests(out, app->books);
    upstream_errors(out, app->books);
    came_from(out, app->books);
    gauge(out, "sluice_streams_active", "Streams that move.", streams.streaming + streams.making);
    gauge(out, "sluice_streams_waiting", "Streams that wait for a place.", streams.waiting);
    gauge(out, "sluice_maintenance", "1: new streams are refused.", settings_maintenance(app));
    slices(out, app);
    telegram(out, app);
    places(out, app);
    contents(out, app);
    jobs(out, app->store);
    histograms(out, app->books);
    extraction(out, app);
    gauge(out, "sluice_database_up", "1: the database can be written.",
          store_check(app->store, &ignored) == 0);
    gauge(out, "sluice_processes", "Programs of this host that answer.", (int64_t)processes);
    gauge(out, "sluice_resident_memory_bytes", "Their memory, shared pages counted for each.",
          (int64_t)memory.rss_bytes);
}

int serve_metrics(struct app *app, const struct http_request *req, struct http_response *res, struct err *err)
{
    auto_(buf) struct buf out = BUF_INIT(METRICS_MAX_BYTES);
    if (may(app, req, err) < 0)
        return -1;
    write_all(&out, app);
    if (out.failed)
        return err_set(err, ERR_INTERNAL, "out of memory");
    (void)http_set_header(res, "Cache-Control", "no-store");
    (void)http_send(res, "text/plain; version=0.0.4; charset=utf-8", buf_str(&out), out.len);
    return 0;
}
