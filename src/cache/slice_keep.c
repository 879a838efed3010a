/* The index of slices, room for them, and what is left over; see slices.h. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "cache/slice_fill.h"

enum {
    PAGE = 256,         /* rows at once, so that other writers get between */
    LEFTOVER_S = 86400, /* a temporary file that is no slice, and so old */
    DIRECTORIES = 256,  /* by the first two digits */
};

/* ---- Notes ---- */

void slices_note(struct slices *s, int what, const struct store_slice *slice)
{
    if (!s->notes)
        s->notes = malloc(SLICES_NOTES_MAX * sizeof *s->notes);
    if (s->notes && s->note_count < SLICES_NOTES_MAX) {
        s->notes[s->note_count].what = what;
        s->notes[s->note_count++].slice = *slice;
    } else if (what == STORE_SLICE_PUT) {
        s->begun_bytes -= slice->bytes; /* whoever sweeps will find it */
    }
}

/* They could not be written: back to the others. With the lock held. */
static void keep_notes(struct slices *s, const struct store_slice_note *notes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        slices_note(s, notes[i].what, &notes[i].slice);
}

/* 1: there was something new. */
static int write_notes(struct slices *s, struct err *err)
{
    int64_t bytes = 0;
    (void)pthread_mutex_lock(&s->lock);
    struct store_slice_note *notes = steal(&s->notes);
    size_t count = s->note_count;
    s->note_count = 0;
    (void)pthread_mutex_unlock(&s->lock);
    int rc = count ? store_slices_note(s->opts.store, s->place, notes, count, clock_unix_s(), err) : 0;
    for (size_t i = 0; i < count; i++)
        bytes += notes[i].what == STORE_SLICE_PUT ? notes[i].slice.bytes : 0;
    (void)pthread_mutex_lock(&s->lock);
    if (rc < 0) /* nothing more is begun, then, for long */
        keep_notes(s, notes, count);
    else
        s->begun_bytes -= bytes;
    (void)pthread_mutex_unlock(&s->lock);
    free(notes);
    return rc < 0 ? -1 : bytes > 0;
}

/* ---- Deleting ---- */

/* The files, then their rows. */
static int delete_all(struct slices *s, const struct store_slice *slices, size_t count, struct err *err)
{
    char path[SLICES_PATH_ROOM];
    struct store_slice_note *gone = calloc(count ? count : 1, sizeof *gone);
    if (!gone)
        return err_set(err, ERR_INTERNAL, "out of memory");
    for (size_t i = 0; i < count; i++) {
        gone[i].what = STORE_SLICE_GONE;
        gone[i].slice = slices[i];
        if (slice_is_name(slices[i].name) && slice_path(path, sizeof path, s->dir, slices[i].name) == 0)
            (void)unlink(path);
    }
    int rc = store_slices_note(s->opts.store, s->place, gone, count, clock_unix_s(), err);
    free(gone);
    return rc;
}

/* Deletes the least recently used until no more than `leave` bytes are left. */
static int evict(struct slices *s, int64_t bytes, int64_t leave, struct err *err)
{
    struct store_slice *page = malloc(PAGE * sizeof *page);
    int rc = page ? 0 : err_set(err, ERR_INTERNAL, "out of memory");
    while (rc == 0 && bytes > leave) {
        int64_t found = store_slices_oldest(s->opts.store, s->place, page, PAGE, err);
        int64_t n = 0;
        while (n < found && bytes > leave)
            bytes -= page[n++].bytes;
        rc = found < 0 ? -1 : delete_all(s, page, (size_t)n, err);
        slices_count(s, SLICES_EVICTED, rc == 0 ? (uint64_t)n : 0);
        if (n == 0)
            break;
    }
    free(page);
    return rc;
}

static int make_room(struct slices *s, struct err *err)
{
    struct store_slice_sum sum;
    int64_t max = atomic_load(&s->max_bytes);
    int rc = store_slices_sum(s->opts.store, s->place, &sum, err);
    if (rc < 0 || sum.bytes <= max - max / 8 || !slices_enter(s, SLICES_EVICTING))
        return rc;
    rc = evict(s, sum.bytes, max - max / 4, err);
    slices_leave(s, SLICES_EVICTING);
    return rc;
}

int64_t slices_purge(struct slices *s, const struct slices_which *which, struct err *err)
{
    int64_t purged = 0;
    int64_t found = 1;
    if (slices_prepare(s, false, err) < 0)
        return err->code == ERR_NOT_FOUND ? 0 : -1;
    struct store_slice *page = malloc(PAGE * sizeof *page);
    char after[STORE_SLICE_NAME_MAX] = "";
    const struct store_slice_which of = {which->site ? which->site : "", which->id ? which->id : "",
                                         which->used_before_unix_s, after};
    if (!page)
        return err_set(err, ERR_INTERNAL, "out of memory");
    int rc = write_notes(s, err) < 0 ? -1 : 0;
    while (rc == 0 && found > 0) {
        found = store_slices_list(s->opts.store, s->place, &of, page, PAGE, err);
        rc = found < 0 ? -1 : delete_all(s, page, (size_t)found, err);
        if (rc == 0 && found > 0)
            memcpy(after, page[found - 1].name, sizeof after);
        purged += rc == 0 ? found : 0;
    }
    free(page);
    return rc < 0 ? -1 : purged;
}

void slices_forget(struct slices *s, const struct slice_content *c)
{
    char path[SLICES_PATH_ROOM];
    struct store_slice gone = {.bytes = 0};
    for (uint64_t n = 0; n * SLICE_BYTES < c->size; n++) {
        slice_name(gone.name, c, n);
        if (slice_path(path, sizeof path, s->dir, gone.name) < 0 || unlink(path) < 0)
            continue;
        (void)pthread_mutex_lock(&s->lock);
        slices_note(s, STORE_SLICE_GONE, &gone);
        (void)pthread_mutex_unlock(&s->lock);
    }
}

/* ---- Comparing disk and index ---- */

/* Calls each(ctx, directory, name) for all files of a directory. */
static void for_files(const char *dir, void (*each)(void *ctx, const char *dir, const char *name), void *ctx)
{
    DIR *d = opendir(dir);
    for (const struct dirent *e; d && (e = readdir(d));) {
        if (e->d_name[0] != '.')
            each(ctx, dir, e->d_name);
    }
    if (d)
        (void)closedir(d);
}

struct check {
    struct slices *s;
    bool quick;
    struct slices_findings *found;
    struct store_slice_note *notes; /* PAGE of them */
    size_t count;
    int rc;
    struct err *err;
};

static void flush(struct check *c)
{
    if (c->count && c->rc == 0)
        c->rc = store_slices_note(c->s->opts.store, c->s->place, c->notes, c->count, clock_unix_s(), c->err);
    c->count = 0;
}

static void note(struct check *c, int what, const struct store_slice *slice)
{
    c->notes[c->count].what = what;
    c->notes[c->count++].slice = *slice;
    if (c->count == PAGE)
        flush(c);
}

static bool head_is_good(const char *path, const char *name, struct slice_head *head)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    bool good = fd >= 0 && slice_head_read(fd, name, head) == 0;
    if (fd >= 0)
        (void)close(fd);
    return good;
}

static void check_file(void *ctx, const char *dir, const char *name)
{
    struct check *c = ctx;
    struct slice_head head;
    struct store_slice row = {.bytes = 0};
    char path[SLICES_PATH_ROOM];
    if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path)
        return;
    bool ours = slice_is_name(name);
    if (!ours || !(c->quick ? head_is_good(path, name, &head) : slice_file_is_good(path, name, &head))) {
        c->found->damaged++;
        if (ours)
            slices_throw_away(c->s, name);
        else
            (void)unlink(path);
        return;
    }
    c->found->good++;
    if (store_slices_knows(c->s->opts.store, c->s->place, name, c->err) != 0)
        return;
    c->found->unlisted++;
    memcpy(row.name, head.name, sizeof row.name);
    memcpy(row.site, head.site, sizeof row.site);
    memcpy(row.id, head.id, sizeof row.id);
    row.bytes = (int64_t)head.length + SLICE_HEAD_BYTES;
    note(c, STORE_SLICE_PUT, &row);
}

/* Rows whose files are not there. */
static void check_rows(struct check *c)
{
    char path[SLICES_PATH_ROOM];
    char after[STORE_SLICE_NAME_MAX] = "";
    const struct store_slice_which all = {"", "", INT64_MAX, after};
    struct store_slice *page = malloc(PAGE * sizeof *page);
    int64_t found = page ? 1 : err_set(c->err, ERR_INTERNAL, "out of memory");
    while (found > 0 && c->rc == 0) {
        found = store_slices_list(c->s->opts.store, c->s->place, &all, page, PAGE, c->err);
        for (int64_t i = 0; i < found; i++) {
            if (slice_path(path, sizeof path, c->s->dir, page[i].name) == 0 && access(path, F_OK) == 0)
                continue;
            c->found->missing++;
            note(c, STORE_SLICE_GONE, &page[i]);
        }
        if (found > 0)
            memcpy(after, page[found - 1].name, sizeof after);
    }
    if (found < 0)
        c->rc = -1;
    free(page);
}

/* A temporary file: of a slice that nobody writes, or old. */
static void check_temporary(void *ctx, const char *dir, const char *name)
{
    struct check *c = ctx;
    struct stat st;
    char path[SLICES_PATH_ROOM];
    if (snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path || lstat(path, &st) < 0 ||
        !S_ISREG(st.st_mode))
        return;
    bool kept = clock_unix_s() - (int64_t)st.st_mtime < LEFTOVER_S;
    if (slice_is_name(name)) {
        (void)pthread_mutex_lock(&c->s->lock); /* nobody here begins it meanwhile */
        kept = slice_fill_of(c->s, name) || !slice_lock(c->s, name);
        if (!kept) {
            c->found->leftovers += unlink(path) == 0;
            slice_unlock(c->s, name);
        }
        (void)pthread_mutex_unlock(&c->s->lock);
    } else if (!kept) {
        c->found->leftovers += unlink(path) == 0;
    }
}

int slices_verify(struct slices *s, bool quick, struct slices_findings *out, struct err *err)
{
    char dir[SLICES_PATH_ROOM];
    struct check c = {.s = s, .quick = quick, .found = out, .err = err};
    *out = (struct slices_findings){0};
    if (slices_prepare(s, false, err) < 0)
        return err->code == ERR_NOT_FOUND ? 0 : -1;
    c.notes = malloc(PAGE * sizeof *c.notes);
    if (!c.notes)
        return err_set(err, ERR_INTERNAL, "out of memory");
    for (unsigned i = 0; i < DIRECTORIES; i++) {
        if (snprintf(dir, sizeof dir, "%s/%02x", s->dir, i) < (int)sizeof dir)
            for_files(dir, check_file, &c);
    }
    flush(&c);
    check_rows(&c);
    for_files(s->tmp, check_temporary, &c);
    flush(&c);
    free(c.notes);
    return c.rc < 0 || write_notes(s, err) < 0 ? -1 : 0; /* of those that were damaged */
}

/* ---- Now and then ---- */

static int sweep(struct slices *s, struct err *err)
{
    struct slices_findings found = {0};
    bool kept = atomic_load(&s->max_bytes) > 0;
    const struct slices_which old = {.used_before_unix_s = kept ? clock_unix_s() - atomic_load(&s->ttl_s)
                                                                : INT64_MAX};
    struct check c = {.s = s, .found = &found, .err = err};
    if (!s->swept && slices_verify(s, true, &found, err) < 0)
        return -1;
    s->swept = true;
    for_files(s->tmp, check_temporary, &c);
    return slices_purge(s, &old, err) < 0 ? -1 : 0;
}

void slices_tick(struct slices *s)
{
    struct err err = {0};
    int64_t now_us = clock_mono_us();
    if (slices_prepare(s, atomic_load(&s->max_bytes) > 0, &err) < 0)
        return;
    int fresh = write_notes(s, &err);
    if (fresh > 0)
        fresh = make_room(s, &err);
    if (fresh >= 0 && now_us >= s->next_sweep_us && slices_enter(s, SLICES_SWEEPING)) {
        s->next_sweep_us = now_us + (int64_t)SLICES_SWEEP_S * 1000000;
        fresh = sweep(s, &err);
        slices_leave(s, SLICES_SWEEPING);
    }
    if (fresh < 0)
        log_event(LOG_WARN, "slices-not-kept-in-order", "error", err.text, NULL);
}

static void add_size(void *ctx, const char *dir, const char *name)
{
    struct stat st;
    char path[SLICES_PATH_ROOM];
    if (snprintf(path, sizeof path, "%s/%s", dir, name) < (int)sizeof path && lstat(path, &st) == 0)
        *(int64_t *)ctx += (int64_t)st.st_size;
}

int slices_stat(struct slices *s, struct slices_stat *out, struct err *err)
{
    struct store_slice_sum sum;
    *out = (struct slices_stat){.max_bytes = atomic_load(&s->max_bytes)};
    if (slices_prepare(s, false, err) < 0)
        return err->code == ERR_NOT_FOUND ? 0 : -1;
    if (store_slices_sum(s->opts.store, s->place, &sum, err) < 0)
        return -1;
    out->count = sum.count;
    out->bytes = sum.bytes;
    out->oldest_unix_s = sum.oldest_unix_s;
    for_files(s->tmp, add_size, &out->writing_bytes);
    return 0;
}

void slices_close(struct slices *s)
{
    struct err ignored;
    if (!s)
        return;
    if (write_notes(s, &ignored) > 0) /* a program for one request has nobody else to do it */
        (void)make_room(s, &ignored);
    free(s->notes);
    if (s->lock_fd >= 0)
        (void)close(s->lock_fd);
    (void)pthread_mutex_destroy(&s->lock);
    free(s->dir);
    free(s->tmp);
    free(s->place);
    free(s);
}
