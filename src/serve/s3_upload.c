/* See s3_upload.h. The caller's thread reads the output into slots, one for each part; other threads send
 * them. */
#include "serve/s3_upload.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "base/ticker.h"
#include "http/names.h"
#include "store/uploads.h"

enum {
    SLOTS_MAX = S3_UPLOAD_THREADS + 1,
    PART_TRIES = 8,
    PAUSE_MS = 400, /* before the second try; doubled each time */
    PAUSE_MAX_MS = 20000,
    LOOK_MS = 50, /* how often it is seen whether the job is cancelled */
    MIB = 1 << 20,
    ETAGS_AT_FIRST = 64,
};

_Static_assert((int)STORE_UPLOAD_NAME_MAX >= (int)S3_KEY_MAX, "names fit into the table");
_Static_assert((int)STORE_UPLOAD_NAME_MAX >= (int)S3_UPLOAD_MAX, "names fit into the table");

struct slot {
    enum { SLOT_FREE, SLOT_FILLING, SLOT_FULL, SLOT_SENDING } state;
    unsigned number; /* of the part */
    size_t len;
    unsigned char *data;
};

struct upload {
    struct app *app;
    struct job *job;
    struct output *output;
    struct s3_way way; /* cancelled: `stop` */
    struct store_upload row;
    atomic_bool stop; /* nobody wants the rest */
    unsigned thread_count;
    pthread_t threads[S3_UPLOAD_THREADS];

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    struct slot slots[SLOTS_MAX];
    unsigned slot_count;
    char (*etags)[S3_ETAG_MAX]; /* of parts 1… */
    unsigned etag_room, part_count;
    uint64_t done_bytes, total_bytes; /* 0: not known */
    bool ending;                      /* no part follows */
    struct err err;                   /* code != ERR_OK: it has failed */
};

/* ---- Sending parts ---- */

static void nap(const struct upload *u, int64_t ms)
{
    int64_t until_us = clock_mono_us() + ms * 1000;
    while (!atomic_load(&u->stop) && clock_mono_us() < until_us)
        clock_sleep_ms(LOOK_MS);
}

/* What a server that asks to slow down gets: longer and longer pauses, none like another's. */
static int64_t pause_ms(unsigned failures, const struct err *why)
{
    uint16_t random;
    int64_t ms = PAUSE_MS;
    for (unsigned i = 1; i < failures && ms < PAUSE_MAX_MS; i++)
        ms *= 2;
    hash_random(&random, sizeof random);
    ms = ms / 2 + ms * random / UINT16_MAX;
    int64_t asked_ms = (int64_t)why->retry_after_s * 1000;
    return asked_ms > PAUSE_MAX_MS ? PAUSE_MAX_MS : asked_ms > ms ? asked_ms : ms;
}

static int put(struct upload *u, const struct slot *slot, char etag[S3_ETAG_MAX], struct err *err)
{
    const struct s3_part part = {u->row.object, u->row.upload, slot->number, slot->data, slot->len};
    for (unsigned failures = 0;;) {
        if (s3_put(&u->way, &part, etag, err) == 0)
            return 0;
        if (err->code != ERR_UPSTREAM_FAILED || ++failures == PART_TRIES || atomic_load(&u->stop))
            break;
        log_event(LOG_INFO, "part-again", "why", err->text, NULL);
        nap(u, pause_ms(failures, err));
    }
    /* Thrown away by somebody: the next attempt at the job begins anew. */
    if (err->code == ERR_NOT_FOUND)
        err->code = ERR_UPSTREAM_FAILED;
    return -1;
}

/* With the lock: the first failure counts. */
static void fail(struct upload *u, const struct err *why)
{
    if (u->err.code == ERR_OK)
        u->err = *why;
    atomic_store(&u->stop, true);
}

/* With the lock. */
static int keep_etag(struct upload *u, unsigned number, const char *etag, struct err *err)
{
    if (number > u->etag_room) {
        unsigned room = u->etag_room ? u->etag_room * 2 : ETAGS_AT_FIRST;
        while (room < number)
            room *= 2;
        char(*longer)[S3_ETAG_MAX] = reallocarray(u->etags, room, sizeof *u->etags);
        if (!longer)
            return err_set(err, ERR_INTERNAL, "out of memory");
        u->etags = longer;
        u->etag_room = room;
    }
    memcpy(u->etags[number - 1], etag, strlen(etag) + 1);
    return 0;
}

/* With the lock, which it lets go meanwhile. */
static void send_slot(struct upload *u, struct slot *slot)
{
    char etag[S3_ETAG_MAX];
    struct err err = {0};
    slot->state = SLOT_SENDING;
    (void)pthread_mutex_unlock(&u->lock);
    int rc = put(u, slot, etag, &err);
    (void)pthread_mutex_lock(&u->lock);
    if (rc == 0)
        rc = keep_etag(u, slot->number, etag, &err);
    if (rc < 0)
        fail(u, &err);
    else
        u->done_bytes += slot->len;
    slot->state = SLOT_FREE;
    if (rc == 0)
        job_progress(u->job, u->done_bytes, u->total_bytes, "uploading");
    (void)pthread_cond_broadcast(&u->changed);
}

static struct slot *find_slot(struct upload *u, int state)
{
    struct slot *found = NULL;
    for (unsigned i = 0; i < u->slot_count; i++) {
        struct slot *s = &u->slots[i];
        if ((int)s->state == state && (!found || s->number < found->number))
            found = s;
    }
    return found;
}

static void *send_parts(void *ctx)
{
    struct upload *u = ctx;
    (void)pthread_mutex_lock(&u->lock);
    while (u->err.code == ERR_OK) {
        struct slot *slot = find_slot(u, SLOT_FULL);
        if (slot)
            send_slot(u, slot);
        else if (u->ending)
            break;
        else
            (void)pthread_cond_wait(&u->changed, &u->lock);
    }
    (void)pthread_mutex_unlock(&u->lock);
    return NULL;
}

/* ---- Reading parts ---- */

/* A slot to be filled; NULL: it has failed. */
static struct slot *wait_for_slot(struct upload *u)
{
    struct slot *slot = NULL;
    (void)pthread_mutex_lock(&u->lock);
    while (u->err.code == ERR_OK && !(slot = find_slot(u, SLOT_FREE))) {
        struct timespec until;
        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += LOOK_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        (void)pthread_cond_timedwait(&u->changed, &u->lock, &until);
        if (atomic_load(job_cancelled(u->job)))
            fail(u, &(struct err){.code = ERR_BUSY, .text = "cancelled"});
    }
    if (slot)
        slot->state = SLOT_FILLING;
    (void)pthread_mutex_unlock(&u->lock);
    return slot;
}

static int fill(struct upload *u, struct slot *slot, struct err *err)
{
    for (slot->len = 0; slot->len < u->row.part_bytes && !atomic_load(&u->stop);) {
        size_t got = 0;
        if (output_read(u->output, slot->data + slot->len, u->row.part_bytes - slot->len, &got, err) < 0)
            return -1;
        if (got == 0)
            break;
        slot->len += got;
    }
    return 0;
}

/* Reads all of it into parts. */
static int read_parts(struct upload *u, struct err *err)
{
    for (bool more = true; more;) {
        struct slot *slot = wait_for_slot(u);
        if (!slot)
            return 0; /* the reason is known */
        if (u->part_count == S3_PARTS_MAX)
            return err_set(err, ERR_STORAGE_FULL, "more than %d parts", S3_PARTS_MAX);
        if (fill(u, slot, err) < 0)
            return -1;
        more = slot->len == u->row.part_bytes;
        bool is_part = slot->len > 0 || u->part_count == 0; /* an empty file is one empty part */
        (void)pthread_mutex_lock(&u->lock);
        slot->number = is_part ? ++u->part_count : 0;
        slot->state = is_part ? SLOT_FULL : SLOT_FREE;
        u->total_bytes = output_length(u->output);
        (void)pthread_cond_broadcast(&u->changed);
        (void)pthread_mutex_unlock(&u->lock);
    }
    return 0;
}

static int make_slots(struct upload *u, struct err *err)
{
    uint64_t slots = S3_UPLOAD_MEMORY_BYTES / u->row.part_bytes;
    u->slot_count = slots < 2 ? 2 : slots > SLOTS_MAX ? SLOTS_MAX : (unsigned)slots;
    for (unsigned i = 0; i < u->slot_count; i++) {
        u->slots[i].data = malloc(u->row.part_bytes);
        if (!u->slots[i].data)
            return err_set(err, ERR_INTERNAL, "out of memory");
    }
    for (unsigned i = 0; i < u->slot_count - 1; i++) {
        if (pthread_create(&u->threads[i], NULL, send_parts, u) != 0)
            return u->thread_count ? 0 : err_set(err, ERR_INTERNAL, "cannot start a thread");
        u->thread_count++;
    }
    return 0;
}

/* Sends all that is missing. */
static int send_rest(struct upload *u, struct err *err)
{
    uint64_t offset = u->done_bytes;
    job_progress(u->job, offset, u->total_bytes, offset ? "going on with the upload" : "uploading");
    int rc = output_begin(u->output, offset, err) < 0 || make_slots(u, err) < 0 ? -1 : 0;
    if (rc == 0 && (!u->part_count || offset < u->total_bytes))
        rc = read_parts(u, err);
    (void)pthread_mutex_lock(&u->lock);
    if (rc < 0)
        fail(u, err);
    u->ending = true;
    (void)pthread_cond_broadcast(&u->changed);
    (void)pthread_mutex_unlock(&u->lock);
    for (unsigned i = 0; i < u->thread_count; i++)
        (void)pthread_join(u->threads[i], NULL);
    u->thread_count = 0;
    if (u->err.code == ERR_OK)
        return 0;
    *err = u->err;
    return -1;
}

/* ---- Beginning, or going on ---- */

/* Of a file whose length is known as few as the service allows; each at least 5 MiB. */
static int choose_part_size(struct upload *u, struct err *err)
{
    const uint64_t most = 5368709120; /* 5 GiB: the service's limit */
    uint64_t bytes = u->total_bytes / S3_PARTS_MAX + 1;
    bytes = (bytes + MIB - 1) / MIB * MIB;
    u->row.part_bytes = bytes > S3_PART_MIN_BYTES ? bytes : S3_PART_MIN_BYTES;
    return bytes <= most ? 0 : err_set(err, ERR_STORAGE_FULL, "a file of more than 50 TB");
}

static uint64_t size_of_part(const struct upload *u, unsigned number)
{
    uint64_t before = (number - 1) * u->row.part_bytes;
    uint64_t left = u->total_bytes > before ? u->total_bytes - before : 0;
    return left < u->row.part_bytes ? left : u->row.part_bytes;
}

/* Of s3_list_parts(): counts from the first one on, as long as none is missing. */
static void take_part(void *ctx, unsigned number, const char *etag, uint64_t size)
{
    struct upload *u = ctx;
    struct err err;
    if (number != u->part_count + 1 || size == 0 || size != size_of_part(u, number) ||
        keep_etag(u, number, etag, &err) < 0)
        return;
    u->part_count = number;
    u->done_bytes += size;
}

/* The object is there, as long as it should be: the worker was killed right after it had made it, or did not
 * hear that it was made. */
static int is_finished(struct upload *u, struct err *err)
{
    uint64_t size = 0;
    int found = s3_head(&u->way, u->row.object, &size, err);
    return found <= 0 ? found : u->total_bytes && size == u->total_bytes;
}

enum went { ANEW, GOES_ON, FINISHED };

/* What has become of the upload in the table. */
static int look_back(struct upload *u, enum went *went, struct err *err)
{
    unsigned next = 0;
    *went = GOES_ON;
    do {
        if (s3_list_parts(&u->way, u->row.object, u->row.upload, next, take_part, u, &next, err) == 0)
            continue;
        if (err->code != ERR_NOT_FOUND)
            return -1;
        int finished = is_finished(u, err);
        *went = finished ? FINISHED : ANEW;
        u->part_count = 0;
        u->done_bytes = 0;
        return finished < 0 ? -1 : 0;
    } while (next);
    return 0;
}

/* Throws an upload away, or all of that object where nobody knows what it is called. */
static int discard(const struct s3_way *way, const struct store_upload *row, struct err *err)
{
    return *row->upload ? s3_abort(way, row->object, row->upload, err) : s3_abort_all(way, row->object, err);
}

static int begin_anew(struct upload *u, const char *key, struct err *err)
{
    struct store *store = u->app->store;
    const struct choice *c = output_choice(u->output);
    auto_(buf) struct buf name = BUF_INIT(1024);
    auto_(buf) struct buf disposition = BUF_INIT(4096);
    if (http_file_name(&name, output_description(u->output)->title, c->container) < 0 ||
        http_content_disposition(&disposition, buf_str(&name)) < 0)
        return err_set(err, ERR_INTERNAL, "out of memory");
    const struct s3_object object = {u->row.object, c->mime, buf_str(&disposition)};
    (void)text_copy(u->row.object, sizeof u->row.object, key);
    u->row.upload[0] = '\0';
    if (store_upload_put(store, &u->row, err) < 0)
        return -1;
    if (s3_begin(&u->way, &object, u->row.upload, err) < 0) {
        struct err ignored;
        if (err->upstream_status / 100 == 4) /* then nothing has begun */
            (void)store_upload_drop(store, u->row.job, &ignored);
        return -1;
    }
    return store_upload_put(store, &u->row, err);
}

static int begin(struct upload *u, const char *key, enum went *went, struct err *err)
{
    struct store_upload before;
    const char *etag = output_etag(u->output);
    u->total_bytes = output_length(u->output);
    *went = ANEW;
    (void)text_copy(u->row.job, sizeof u->row.job, job_row(u->job)->id);
    (void)text_copy(u->row.place, sizeof u->row.place, s3_place(u->way.s3));
    (void)text_copy(u->row.etag, sizeof u->row.etag, etag);
    if (choose_part_size(u, err) < 0)
        return -1;
    int found = store_upload_get(u->app->store, u->row.job, &before, err);
    if (found < 0)
        return -1;
    bool is_here = found && strcmp(before.place, u->row.place) == 0;
    if (is_here && *before.upload && *etag && u->total_bytes && strcmp(before.etag, etag) == 0 &&
        before.part_bytes == u->row.part_bytes) {
        u->row = before;
        if (look_back(u, went, err) < 0)
            return -1;
    } else if (is_here && discard(&u->way, &before, err) < 0) {
        return -1;
    }
    return *went == ANEW ? begin_anew(u, key, err) : 0;
}

static int finish(struct upload *u, struct err *err)
{
    if (s3_finish(&u->way, u->row.object, u->row.upload, (const char(*)[S3_ETAG_MAX])u->etags, u->part_count,
                  err) == 0)
        return 0;
    if (err->code != ERR_NOT_FOUND)
        return -1;
    err->code = ERR_UPSTREAM_FAILED;
    struct err ignored;
    return is_finished(u, &ignored) == 1 ? 0 : -1;
}

static int run(struct upload *u, const char *key, struct err *err)
{
    enum went went;
    if (begin(u, key, &went, err) < 0)
        return -1;
    if (went != FINISHED && (send_rest(u, err) < 0 || finish(u, err) < 0)) {
        /* What was sent is of another file: not to be gone on with. */
        struct err ignored;
        u->row.etag[0] = '\0';
        if (err->code == ERR_SOURCE_CHANGED)
            (void)store_upload_put(u->app->store, &u->row, &ignored);
        return -1;
    }
    if (went == FINISHED)
        u->done_bytes = u->total_bytes;
    return store_upload_drop(u->app->store, u->row.job, err);
}

int s3_upload_run(const struct s3_upload *wanted, char key[S3_KEY_MAX + 1], uint64_t *bytes, struct err *err)
{
    struct app *app = job_app(wanted->job);
    pthread_condattr_t monotonic;
    if (!app->s3)
        return err_set(err, ERR_STORAGE_MISSING, "there is no bucket in the settings");
    struct upload *u = calloc(1, sizeof *u);
    if (!u || pthread_condattr_init(&monotonic) != 0) {
        free(u);
        return err_set(err, ERR_INTERNAL, "out of memory");
    }
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&u->lock, NULL);
    (void)pthread_cond_init(&u->changed, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    u->app = app;
    u->job = wanted->job;
    u->output = wanted->output;
    u->way = (struct s3_way){app->s3, app->net, &u->stop};
    int rc = run(u, wanted->key, err);
    (void)text_copy(key, S3_KEY_MAX + 1, u->row.object);
    *bytes = u->done_bytes;
    (void)pthread_cond_destroy(&u->changed);
    (void)pthread_mutex_destroy(&u->lock);
    for (unsigned i = 0; i < u->slot_count; i++)
        free(u->slots[i].data);
    free(u->etags);
    free(u);
    return rc;
}

/* ---- What is left behind ---- */

static void sweep(void *ctx)
{
    struct app *app = ctx;
    const struct s3_way way = {app->s3, app->net, &app->ending};
    struct err err = {0};
    struct store_upload row;
    int found = 0;
    while ((found = store_upload_left(app->store, s3_place(app->s3), S3_UPLOAD_OVER_MS, &row, &err)) == 1 &&
           (found = discard(&way, &row, &err)) == 0 && store_upload_drop(app->store, row.job, &err) == 0)
        log_event(LOG_INFO, "upload-discarded", NULL);
    if (found < 0)
        log_event(LOG_WARN, "upload-not-discarded", "error", err.text, NULL);
}

int s3_upload_sweep_start(struct app *app, struct err *err)
{
    return app->s3 ? ticker_start(&app->s3_sweep, S3_UPLOAD_SWEEP_MS, sweep, app, err) : 0;
}

void s3_upload_sweep_stop(struct app *app)
{
    atomic_store(&app->ending, true);
    ticker_stop(steal(&app->s3_sweep));
}
