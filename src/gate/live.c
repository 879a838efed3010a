/* See live.h. The file: an entry for each slot, then a record for each. The lock on byte 0 is the mutex of
 * the table, the one on byte n stands for process number n; locks need no bytes behind them. */
#include "gate/live.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/io.h"

enum { RETRY_AFTER_S = 5, MUTEX_BYTE = 0, BLOCK_SLOTS = 250 };
_Static_assert(LIVE_SLOTS % BLOCK_SLOTS == 0, "blocks fill the table");

/* What decides about a slot. Written by its owner, `stop` by anybody. */
struct entry {
    uint64_t client; /* hash, 0: nobody counts */
    uint16_t owner;  /* process number, 0: free */
    uint8_t state;
    uint8_t stop;
    uint32_t unused;
};

/* What is only shown. */
struct record {
    struct live_stream stream;
    uint64_t check; /* of the above: one that is being written does not match */
};

#define RECORDS_START (LIVE_SLOTS * sizeof(struct entry))

struct live {
    int fd;
    unsigned mine;         /* our process number; 0: none */
    pthread_mutex_t lock;  /* guards `mine` and `entries`; taken before the table's mutex */
    struct entry *entries; /* LIVE_SLOTS, as read last */
    size_t block;          /* first slot of the block in which one was free last */
};

/* Which process numbers live, asked of the kernel once each. */
struct owners {
    const struct live *live;
    enum { UNKNOWN, GONE, ALIVE } of[LIVE_PROCESSES_MAX + 1];
};

static int lock_byte(const struct live *l, int command, short type, unsigned byte)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)byte, .l_len = 1};
    int rc;
    do
        rc = fcntl(l->fd, command, &lock);
    while (rc < 0 && errno == EINTR);
    return rc < 0 ? -1 : lock.l_type;
}

static int fail(struct err *err, const char *what)
{
    return err_set(err, ERR_INTERNAL, "cannot %s the live table: %s", what, strerror(errno));
}

int live_open(struct live **out, const char *data_dir, struct err *err)
{
    char path[4096];
    if (io_make_dirs(data_dir, err) < 0)
        return -1;
    if (snprintf(path, sizeof path, "%s/live", data_dir) >= (int)sizeof path)
        return err_set(err, ERR_INTERNAL, "data_dir is too long");
    struct live *l = calloc(1, sizeof *l);
    struct entry *entries = calloc(LIVE_SLOTS, sizeof *entries);
    if (!l || !entries || pthread_mutex_init(&l->lock, NULL) != 0) {
        free(entries);
        free(l);
        return err_set(err, ERR_INTERNAL, "out of memory");
    }
    l->entries = entries;
    l->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (l->fd < 0) {
        int why = errno;
        live_close(l);
        return err_set(err, ERR_INTERNAL, "cannot open %s: %s", path, strerror(why));
    }
    *out = l;
    return 0;
}

void live_close(struct live *l)
{
    if (!l)
        return;
    if (l->fd >= 0)
        (void)close(l->fd); /* the locks go with it */
    (void)pthread_mutex_destroy(&l->lock);
    free(l->entries);
    free(l);
}

/* ---- The file ---- */

/* What lies beyond its end is free. */
static int read_entries(struct live *l, struct err *err)
{
    ssize_t n = pread(l->fd, l->entries, RECORDS_START, 0);
    if (n < 0)
        return fail(err, "read");
    memset((char *)l->entries + n, 0, RECORDS_START - (size_t)n);
    return 0;
}

static int write_entry(const struct live *l, size_t slot, const struct entry *e)
{
    return pwrite(l->fd, e, sizeof *e, (off_t)(slot * sizeof *e)) == (ssize_t)sizeof *e ? 0 : -1;
}

static off_t record_at(size_t slot)
{
    return (off_t)(RECORDS_START + slot * sizeof(struct record));
}

static int write_record(const struct live *l, size_t slot, const struct live_stream *s)
{
    struct record r;
    memset(&r, 0, sizeof r); /* the padding, too */
    r.stream = *s;
    r.check = hash_check64(&r.stream, sizeof r.stream);
    return pwrite(l->fd, &r, sizeof r, record_at(slot)) == (ssize_t)sizeof r ? 0 : -1;
}

static void clean(char *text, size_t room)
{
    text[room - 1] = '\0';
    for (; *text; text++) {
        if (*text < 0x20 || *text > 0x7e)
            *text = '?';
    }
}

static void clean_texts(struct live_stream *s)
{
    clean(s->request, sizeof s->request);
    clean(s->key, sizeof s->key);
    clean(s->choice, sizeof s->choice);
    clean(s->site, sizeof s->site);
}

/* A record that is no record, or half of one, is no error: false. */
static bool read_record(const struct live *l, size_t slot, struct live_stream *out)
{
    struct record r;
    for (int attempt = 0; attempt < 3; attempt++) {
        if (pread(l->fd, &r, sizeof r, record_at(slot)) != (ssize_t)sizeof r)
            return false;
        if (hash_check64(&r.stream, sizeof r.stream) != r.check)
            continue;
        *out = r.stream;
        clean_texts(out);
        return true;
    }
    return false;
}

/* ---- Who lives ---- */

static bool is_used(struct owners *o, const struct entry *e)
{
    if (e->owner == 0 || e->owner > LIVE_PROCESSES_MAX)
        return false;
    if (e->owner == o->live->mine) /* our own lock does not stand in our way, so asking would not show it */
        return true;
    if (o->of[e->owner] == UNKNOWN)
        o->of[e->owner] = lock_byte(o->live, F_OFD_GETLK, F_WRLCK, e->owner) == F_UNLCK ? GONE : ALIVE;
    return o->of[e->owner] == ALIVE;
}

/* With both mutexes, entries read. Clears what the number's last owner left. Without a number: `mine` is 0.
 */
static void claim(struct live *l)
{
    for (unsigned number = 1; number <= LIVE_PROCESSES_MAX; number++) {
        if (lock_byte(l, F_OFD_SETLK, F_WRLCK, number) < 0)
            continue;
        for (size_t i = 0; i < LIVE_SLOTS; i++) {
            if (l->entries[i].owner != number)
                continue;
            l->entries[i] = (struct entry){0};
            if (write_entry(l, i, &l->entries[i]) < 0) {
                (void)lock_byte(l, F_OFD_SETLK, F_UNLCK, number);
                return;
            }
        }
        l->mine = number;
        return;
    }
}

/* Both mutexes. */
static int begin(struct live *l, struct err *err)
{
    (void)pthread_mutex_lock(&l->lock);
    return lock_byte(l, F_OFD_SETLKW, F_WRLCK, MUTEX_BYTE) < 0 ? fail(err, "lock") : 0;
}

static void end(struct live *l)
{
    (void)lock_byte(l, F_OFD_SETLK, F_UNLCK, MUTEX_BYTE);
    (void)pthread_mutex_unlock(&l->lock);
}

/* ---- Owners ---- */

static uint64_t hash_client(const char *client)
{
    uint64_t hash = client && *client ? hash_check64(client, strlen(client)) : 0;
    return hash || !client || !*client ? hash : 1;
}

/* With both mutexes. LIVE_SLOTS: there is none. To read all of the table takes 30 us: it begins where there
 * was one before. */
static size_t find_free(struct live *l)
{
    struct owners owners = {.live = l};
    struct entry block[BLOCK_SLOTS];
    for (size_t n = 0; n < LIVE_SLOTS; n += BLOCK_SLOTS) {
        size_t first = (l->block + n) % LIVE_SLOTS;
        ssize_t got = pread(l->fd, block, sizeof block, (off_t)(first * sizeof block[0]));
        if (got < 0)
            break;
        memset((char *)block + got, 0, sizeof block - (size_t)got);
        for (size_t i = 0; i < BLOCK_SLOTS; i++) {
            if (!is_used(&owners, &block[i])) {
                l->block = first;
                return first + i;
            }
        }
    }
    return LIVE_SLOTS;
}

/* With both mutexes, entries read. */
static int64_t count_of(struct live *l, uint64_t client)
{
    struct owners owners = {.live = l};
    int64_t same = 0;
    for (size_t i = 0; i < LIVE_SLOTS; i++)
        same += l->entries[i].client == client && is_used(&owners, &l->entries[i]);
    return same;
}

/* With both mutexes. */
static int take(struct live *l, struct live_slot *slot, uint64_t client, int64_t max_per_client,
                struct err *err)
{
    struct err ignored;
    const bool limited = client && max_per_client;
    if ((limited || !l->mine) && read_entries(l, &ignored) < 0)
        return 0;
    if (!l->mine)
        claim(l);
    int64_t same = limited ? count_of(l, client) : 0;
    if (limited && same >= max_per_client) {
        (void)err_set(err, ERR_QUOTA_EXCEEDED, "%lld streams of one client", (long long)same);
        if (err)
            err->retry_after_s = RETRY_AFTER_S;
        return -1;
    }
    const size_t free_slot = l->mine ? find_free(l) : LIVE_SLOTS;
    const struct entry mine = {.client = client, .owner = (uint16_t)l->mine, .state = LIVE_WAITING};
    if (free_slot < LIVE_SLOTS && write_record(l, free_slot, &slot->stream) == 0 &&
        write_entry(l, free_slot, &mine) == 0)
        slot->number = (uint32_t)free_slot + 1;
    return 0;
}

int live_take(struct live *l, struct live_slot *slot, const struct live_stream *stream, const char *client,
              int64_t max_per_client, struct err *err)
{
    struct err ignored;
    *slot = (struct live_slot){.updated_mono_us = clock_mono_us(), .stream = *stream};
    slot->stream.state = LIVE_WAITING;
    clean_texts(&slot->stream);
    int rc = begin(l, &ignored) < 0 ? 0 : take(l, slot, hash_client(client), max_per_client, err);
    end(l);
    return rc;
}

int live_update(struct live *l, struct live_slot *slot, enum live_state state, uint64_t sent_bytes)
{
    struct live_stream *s = &slot->stream;
    uint8_t stop = 0;
    if (!slot->number)
        return 0;
    size_t i = slot->number - 1;
    int64_t now_us = clock_mono_us();
    uint64_t took_us = now_us > slot->updated_mono_us ? (uint64_t)(now_us - slot->updated_mono_us) : 1;
    uint64_t more = sent_bytes - s->sent_bytes;
    s->bytes_per_s = more < UINT64_MAX / 1000000 ? more * 1000000 / took_us : 0;
    s->sent_bytes = sent_bytes;
    slot->updated_mono_us = now_us;
    off_t at = (off_t)(i * sizeof(struct entry));
    if (s->state != state) {
        uint8_t byte = (uint8_t)state;
        s->state = state;
        (void)!pwrite(l->fd, &byte, 1, at + (off_t)offsetof(struct entry, state));
    }
    (void)write_record(l, i, s); /* the next update says it, if this could not */
    ssize_t n = pread(l->fd, &stop, 1, at + (off_t)offsetof(struct entry, stop));
    return n == 1 && stop == 1;
}

void live_release(struct live *l, struct live_slot *slot)
{
    if (slot->number)
        (void)write_entry(l, slot->number - 1, &(struct entry){0});
    slot->number = 0;
}

/* ---- Lookers ---- */

static bool has_state(const struct entry *e)
{
    return e->state > 0 && e->state < LIVE_STATE_END;
}

static int compare(const void *a, const void *b)
{
    const struct live_stream *x = a, *y = b;
    if (x->started_unix_s != y->started_unix_s)
        return x->started_unix_s < y->started_unix_s ? -1 : 1;
    return strcmp(x->request, y->request);
}

/* With our mutex. */
static int list(struct live *l, struct live_stream **out, size_t *count, struct err *err)
{
    struct owners owners = {.live = l};
    size_t used = 0;
    *count = 0;
    if (read_entries(l, err) < 0)
        return -1;
    for (size_t i = 0; i < LIVE_SLOTS; i++)
        used += is_used(&owners, &l->entries[i]);
    if (!(*out = calloc(used + 1, sizeof **out)))
        return err_set(err, ERR_INTERNAL, "out of memory");
    for (size_t i = 0; i < LIVE_SLOTS; i++) {
        const struct entry *e = &l->entries[i];
        struct live_stream *s = &(*out)[*count];
        if (!is_used(&owners, e) || !has_state(e) || !read_record(l, i, s))
            continue;
        s->state = (enum live_state)e->state;
        ++*count;
    }
    qsort(*out, *count, sizeof **out, compare);
    return 0;
}

int live_list(struct live *l, struct live_stream **out, size_t *count, struct err *err)
{
    (void)pthread_mutex_lock(&l->lock);
    int rc = list(l, out, count, err);
    (void)pthread_mutex_unlock(&l->lock);
    return rc;
}

int live_count(struct live *l, struct live_counts *out, struct err *err)
{
    int64_t counts[LIVE_STATE_END] = {0};
    struct owners owners = {.live = l};
    (void)pthread_mutex_lock(&l->lock);
    int rc = read_entries(l, err);
    for (size_t i = 0; rc == 0 && i < LIVE_SLOTS; i++) {
        const struct entry *e = &l->entries[i];
        if (is_used(&owners, e) && has_state(e))
            counts[e->state]++;
    }
    (void)pthread_mutex_unlock(&l->lock);
    *out = (struct live_counts){counts[LIVE_WAITING], counts[LIVE_STREAMING], counts[LIVE_MAKING]};
    return rc;
}

/* With both mutexes: nobody takes a slot meanwhile, so what is marked is what was meant. */
static int stop(const struct live *l, const char *request, struct err *err)
{
    struct owners owners = {.live = l};
    const uint8_t yes = 1;
    struct live_stream s;
    for (size_t i = 0; i < LIVE_SLOTS; i++) {
        const struct entry *e = &l->entries[i];
        if (!is_used(&owners, e) || !read_record(l, i, &s) || strcmp(s.request, request) != 0)
            continue;
        off_t at = (off_t)(i * sizeof *e + offsetof(struct entry, stop));
        return pwrite(l->fd, &yes, 1, at) == 1 ? 1 : fail(err, "write");
    }
    return 0;
}

int live_stop(struct live *l, const char *request, struct err *err)
{
    int rc = begin(l, err) < 0 || read_entries(l, err) < 0 ? -1 : stop(l, request, err);
    end(l);
    return rc;
}

const char *live_state_name(enum live_state state)
{
    static const char *const names[LIVE_STATE_END] = {"", "waiting", "streaming", "making"};
    return state > 0 && state < LIVE_STATE_END ? names[state] : "unknown";
}
