/* See books.h. */
#include "serve/books.h"

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/io.h"
#include "base/log.h"
#include "base/text.h"
#include "serve/tier.h"

/* ROWS: different sums between two writes; twice as many places, so that looking for one is short. */
enum { ROWS = 512, PLACES = 2 * ROWS, FORGET_EVERY_S = 3600 };

const int64_t books_duration_ms[BOOKS_BUCKETS - 1] = {1,    5,    10,    50,     100,    500,
                                                      1000, 5000, 30000, 300000, 3600000};

struct books {
    struct store *store;
    struct tally *tally;
    int64_t opened_unix_s;
    _Atomic uint64_t sent; /* that is in no minute yet */
    int64_t hours_kept_s, days_kept_s;
    pthread_mutex_t lock; /* guards what follows */
    struct store_usage_minute minute;
    size_t count;
    uint64_t lost; /* requests for which there was no row */
    struct store_usage_row rows[ROWS];
    uint16_t places[PLACES]; /* number of a row, from 1 */
    /* Of whoever writes, which is one at a time. */
    pthread_mutex_t write_lock;
    int64_t written_mono_us;
    int64_t forgotten_unix_s;
    size_t unwritten_count;
    struct store_usage_row unwritten[ROWS];
};

/* ---- The tally ---- */

static size_t size_of(enum books_kind kind)
{
    static const size_t sizes[] = {[BOOKS_REQUESTS] = ERR_CODE_COUNT,
                                   [BOOKS_DURATION] = BOOKS_BUCKETS,
                                   [BOOKS_TTFB] = STORE_USAGE_BUCKETS,
                                   [BOOKS_DURATION_US] = 1,
                                   [BOOKS_TTFB_US] = 1,
                                   [BOOKS_CACHED] = 1,
                                   [BOOKS_SENT] = TIER_FROM_COUNT,
                                   [BOOKS_CAME] = TIER_FROM_COUNT,
                                   [BOOKS_MISSED] = TIER_FROM_COUNT,
                                   [BOOKS_SLICES] = SLICES_EVENTS};
    return sizes[kind];
}

/* Kind by kind, then route by route. With kind BOOKS_SLICES + 1: how many there are. */
static size_t counter_of(unsigned kind, size_t route, size_t of)
{
    size_t at = 0;
    for (unsigned k = 0; k < kind; k++)
        at += size_of(k) * (serve_route_count + 1);
    return kind > BOOKS_SLICES ? at : at + size_of(kind) * route + of;
}

/* Programs that count the same things share a tally. */
static uint64_t layout(void)
{
    auto_(buf) struct buf text = BUF_INIT(16384);
    for (size_t i = 0; i < serve_route_count; i++)
        (void)buf_addf(&text, "%s ", serve_routes[i].path);
    for (int i = 0; i < ERR_CODE_COUNT; i++)
        (void)buf_addf(&text, "%s ", err_info((enum err_code)i)->name);
    for (unsigned i = 0; i < TIER_FROM_COUNT; i++)
        (void)buf_addf(&text, "%s ", tier_from_name(i));
    (void)buf_addf(&text, "%d slices %d kinds ", SLICES_EVENTS, BOOKS_SLICES + 1);
    (void)buf_add(&text, books_duration_ms, sizeof books_duration_ms);
    (void)buf_add(&text, store_usage_ttfb_ms, sizeof store_usage_ttfb_ms);
    return hash_check64(buf_str(&text), text.len);
}

static size_t bucket_of(int64_t us, const int64_t *ends_ms, size_t ends)
{
    size_t i = 0;
    while (i < ends && us > ends_ms[i] * 1000)
        i++;
    return i;
}

static void count(struct books *b, enum books_kind kind, size_t route, size_t of, uint64_t n)
{
    tally_add(b->tally, counter_of(kind, route, of), n);
}

uint64_t books_get(const struct books *b, enum books_kind kind, size_t route, size_t of)
{
    return tally_get(b->tally, counter_of(kind, route, of));
}

void books_sent(struct books *b, unsigned from, size_t bytes)
{
    count(b, BOOKS_SENT, 0, from, bytes);
    (void)atomic_fetch_add_explicit(&b->sent, bytes, memory_order_relaxed);
}

void books_came(struct books *b, unsigned from)
{
    count(b, BOOKS_CAME, 0, from, 1);
}

void books_missed(struct books *b, unsigned from)
{
    count(b, BOOKS_MISSED, 0, from, 1);
}

void books_slices(struct books *b, enum slices_event event, uint64_t n)
{
    count(b, BOOKS_SLICES, 0, event, n);
}

/* How many entries it has, "." and ".." not counted. */
static uint64_t entries(const char *path)
{
    uint64_t count = 0;
    DIR *dir = opendir(path);
    while (dir && readdir(dir))
        count++;
    if (dir)
        (void)closedir(dir);
    return count > 2 ? count - 2 : 0;
}

/* Of this process, whose own part of /proc the sandbox leaves it; so nobody has to read another's. */
static void report(struct books *b)
{
    uint64_t pages[2] = {0, 0}; /* all, resident: the first two numbers */
    struct rusage used = {0};
    struct rlimit files = {0};
    struct err ignored;
    auto_(buf) struct buf text = BUF_INIT(4096);
    if (io_read_file("/proc/self/statm", &text, &ignored) < 0)
        return;
    const char *p = buf_str(&text);
    for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
        size_t len = strcspn(p, " \n");
        (void)text_parse_u64n(p, len, 0, UINT64_MAX, &pages[i]);
        p += len + (p[len] != '\0');
    }
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    (void)getrusage(RUSAGE_SELF, &used);
    (void)getrlimit(RLIMIT_NOFILE, &files);
    struct tally_process mine = {
        .rss_bytes = pages[1] * page,
        .vms_bytes = pages[0] * page,
        .pid = getpid(),
        .started_unix_s = b->opened_unix_s,
        .cpu_us = (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 +
                  (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec),
        .threads = entries("/proc/self/task"),
        .files = entries("/proc/self/fd"),
        .files_max = files.rlim_cur < INT64_MAX ? (uint64_t)files.rlim_cur : INT64_MAX,
    };
    (void)snprintf(mine.program, sizeof mine.program, "%s", log_program());
    tally_report(b->tally, &mine);
}

size_t books_list_processes(struct books *b, struct tally_process *out, size_t room)
{
    report(b);
    return tally_list(b->tally, out, room);
}

size_t books_processes(struct books *b, struct tally_process *sum)
{
    report(b);
    return tally_processes(b->tally, sum);
}

/* ---- Few choices ---- */

/* Ids hold heights and numbers that sites make up; the books have the usual ones. */
static void name_choice(const char *id, char *out, size_t room)
{
    static const struct {
        const char *prefix, *name;
    } kinds[] = {{"format-", "format"}, {"muxed-", "muxed"}, {"subtitle-", "subtitles"}};
    static const unsigned heights[] = {144, 240, 360, 480, 720, 1080, 1440, 2160, 4320};
    static const char *const whole[] = {"audio-m4a",     "audio-opus",    "audio-ogg",    "audio-mp3-320",
                                        "audio-mp3-256", "audio-mp3-192", "audio-mp3-128"};
    uint64_t height;
    size_t digits = strspn(id, "0123456789");
    const char *name = *id ? "other" : "";
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        name = text_starts_with(id, kinds[i].prefix) ? kinds[i].name : name;
    for (size_t i = 0; i < ARRAY_LEN(whole); i++)
        name = strcmp(id, whole[i]) == 0 ? whole[i] : name;
    (void)snprintf(out, room, "%s", name);
    if (text_parse_u64n(id, digits, 1, 100000, &height) < 0 || id[digits] != 'p')
        return;
    size_t i = 0;
    while (i + 1 < ARRAY_LEN(heights) && height > heights[i])
        i++;
    (void)snprintf(out, room, "%up-%s", heights[i], text_ends_with(id, "-webm") ? "webm" : "mp4");
}

/* ---- Sums of usage ---- */

/* With the lock. NULL: there is no room. */
static struct store_usage_counts *find(struct books *b, const struct store_usage_what *what)
{
    size_t at = hash_check64(what, sizeof *what) % PLACES;
    for (; b->places[at]; at = (at + 1) % PLACES) {
        struct store_usage_row *row = &b->rows[b->places[at] - 1];
        if (memcmp(&row->what, what, sizeof *what) == 0)
            return &row->counts;
    }
    if (b->count == ROWS)
        return NULL;
    b->rows[b->count] = (struct store_usage_row){.what = *what};
    b->places[at] = (uint16_t)++b->count;
    return &b->rows[b->count - 1].counts;
}

static void add(struct books *b, const struct store_usage_what *what, const struct store_usage_counts *c)
{
    (void)pthread_mutex_lock(&b->lock);
    struct store_usage_counts *sum = find(b, what);
    if (sum) {
        sum->requests += c->requests;
        sum->bytes += c->bytes;
        sum->cached += c->cached;
        for (size_t i = 0; i < STORE_USAGE_BUCKETS; i++)
            sum->ttfb[i] += c->ttfb[i];
    } else {
        b->lost++;
    }
    (void)pthread_mutex_unlock(&b->lock);
}

/* What monitors, progress bars and the admin pages ask for all day long is no usage. */
static bool is_usage(const struct http_route *route)
{
    static const char *const polled[] = {"/livez", "/readyz", "/health", "/metrics", "/progress"};
    bool is = !(route->flags & HTTP_ROUTE_ADMIN);
    for (size_t i = 0; is && i < ARRAY_LEN(polled); i++)
        is = strcmp(route->path, polled[i]) != 0;
    return is;
}

static void note_minute(struct books *b, enum err_code code, bool cached)
{
    (void)pthread_mutex_lock(&b->lock);
    b->minute.requests++;
    b->minute.errors += code != ERR_OK;
    b->minute.quota += code == ERR_QUOTA_EXCEEDED;
    b->minute.cached += cached;
    (void)pthread_mutex_unlock(&b->lock);
}

void books_note(struct app *app, const struct http_route *route, struct http_response *res,
                int64_t started_mono_us)
{
    struct books *b = app->books;
    const struct http_notes *notes = http_notes(res);
    int64_t begun = http_begun_mono_us(res);
    int64_t took_us = clock_mono_us() - started_mono_us;
    int64_t ttfb_us = begun ? begun - started_mono_us : took_us;
    size_t ttfb = bucket_of(ttfb_us, store_usage_ttfb_ms, ARRAY_LEN(store_usage_ttfb_ms));
    size_t r = route ? (size_t)(route - serve_routes) : serve_route_count;
    count(b, BOOKS_REQUESTS, r, http_error(res), 1);
    count(b, BOOKS_DURATION, r, bucket_of(took_us, books_duration_ms, ARRAY_LEN(books_duration_ms)), 1);
    count(b, BOOKS_DURATION_US, r, 0, (uint64_t)took_us);
    count(b, BOOKS_TTFB, r, ttfb, 1);
    count(b, BOOKS_TTFB_US, r, 0, (uint64_t)ttfb_us);
    if (notes->cached)
        count(b, BOOKS_CACHED, r, 0, 1);
    if (!route || !is_usage(route))
        return;
    int64_t now = clock_unix_s();
    struct store_usage_what what = {.hour_unix_s = now - now % STORE_HOUR_S};
    struct store_usage_counts counts = {
        .requests = 1, .bytes = (int64_t)http_bytes_sent(res), .cached = notes->cached};
    counts.ttfb[ttfb] = 1;
    (void)text_copy(what.key, sizeof what.key, notes->key);
    (void)text_copy(what.route, sizeof what.route, route->path);
    (void)text_copy(what.site, sizeof what.site, notes->site);
    (void)text_copy(what.code, sizeof what.code, err_info(http_error(res))->name);
    name_choice(notes->choice, what.choice, sizeof what.choice);
    add(b, &what, &counts);
    note_minute(b, http_error(res), notes->cached);
}

/* ---- Writing ---- */

/* Takes what was counted aside, unless something is there that could not be written. */
static void set_aside(struct books *b)
{
    if (b->unwritten_count)
        return;
    (void)pthread_mutex_lock(&b->lock);
    b->unwritten_count = b->count;
    memcpy(b->unwritten, b->rows, b->count * sizeof b->rows[0]);
    memset(b->places, 0, sizeof b->places);
    b->count = 0;
    uint64_t lost = b->lost;
    b->lost = 0;
    (void)pthread_mutex_unlock(&b->lock);
    if (lost) {
        char text[24];
        (void)snprintf(text, sizeof text, "%llu", (unsigned long long)lost);
        log_event(LOG_WARN, "usage-lost", "requests", text, NULL);
    }
}

/* With the write lock. What cannot be written goes into a later minute. */
static void write_minute(struct books *b)
{
    struct err err = {0};
    int64_t now = clock_unix_s();
    (void)pthread_mutex_lock(&b->lock);
    struct store_usage_minute m = b->minute;
    b->minute = (struct store_usage_minute){0};
    (void)pthread_mutex_unlock(&b->lock);
    m.start_unix_s = now - now % 60;
    m.bytes = (int64_t)atomic_exchange(&b->sent, 0);
    if ((m.requests == 0 && m.bytes == 0) || store_usage_minute_add(b->store, &m, &err) == 0)
        return;
    (void)atomic_fetch_add(&b->sent, (uint64_t)m.bytes);
    (void)pthread_mutex_lock(&b->lock);
    b->minute.requests += m.requests;
    b->minute.errors += m.errors;
    b->minute.quota += m.quota;
    b->minute.cached += m.cached;
    (void)pthread_mutex_unlock(&b->lock);
}

/* With the write lock. */
static void write_all(struct books *b)
{
    struct err err = {0};
    write_minute(b);
    set_aside(b);
    if (b->unwritten_count && store_usage_add(b->store, b->unwritten, b->unwritten_count, &err) < 0)
        log_event(LOG_WARN, "usage-not-written", "error", err.text, NULL); /* next time */
    else
        b->unwritten_count = 0;
}

static void forget(struct books *b)
{
    struct err err = {0};
    int64_t now = clock_unix_s();
    if (now - b->forgotten_unix_s < FORGET_EVERY_S)
        return;
    b->forgotten_unix_s = now;
    if (store_usage_forget(b->store, now - b->hours_kept_s, now - b->days_kept_s, &err) < 0)
        log_event(LOG_WARN, "usage-not-forgotten", "error", err.text, NULL);
}

void books_tick(struct books *b)
{
    (void)pthread_mutex_lock(&b->write_lock);
    int64_t now_us = clock_mono_us();
    if (now_us - b->written_mono_us >= BOOKS_WRITE_S * INT64_C(1000000)) {
        b->written_mono_us = now_us;
        report(b);
        write_all(b);
        forget(b);
    }
    (void)pthread_mutex_unlock(&b->write_lock);
}

/* ---- Opening ---- */

int books_open(struct books **out, struct store *store, const struct config *c, struct err *err)
{
    struct books *b = calloc(1, sizeof *b);
    if (!b || pthread_mutex_init(&b->lock, NULL) != 0 || pthread_mutex_init(&b->write_lock, NULL) != 0) {
        free(b);
        return err_set(err, ERR_INTERNAL, "out of memory");
    }
    b->store = store;
    b->hours_kept_s = c->usage_hours_days * STORE_DAY_S;
    b->days_kept_s = c->usage_days * STORE_DAY_S;
    if (tally_open(&b->tally, c->data_dir, layout(), counter_of(BOOKS_SLICES + 1, 0, 0), err) < 0) {
        free(b);
        return -1;
    }
    b->opened_unix_s = clock_unix_s();
    report(b);
    *out = b;
    return 0;
}

void books_close(struct books *b)
{
    if (!b)
        return;
    write_all(b); /* what could not be written before, */
    write_all(b); /* and what came since */
    tally_close(b->tally);
    (void)pthread_mutex_destroy(&b->lock);
    (void)pthread_mutex_destroy(&b->write_lock);
    free(b);
}
