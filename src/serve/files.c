/* The tier of whole files on the disk of this host: data_dir/outputs/ab/abcd…, each exactly what was sent, so
 * that the web server can send it by itself where the setting `sendfile` says so. A file is written under
 * another name and then renamed, so there is never half of one; what is over files_bytes is displaced by what
 * was used least recently. Who reads one that is removed meanwhile goes on reading. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/io.h"
#include "base/text.h"
#include "serve/files.h"
#include "serve/jobs.h"
#include "serve/output.h"

enum {
    CHUNK_BYTES = 1 << 20,
    ROWS_AT_ONCE = 32,
    SUM_LEN = 16, /* hex digits: a file's reference is its checksum */
    STRAY_S = 3600,
};

static const char tmp_prefix[] = "output-";

/* ---- Names ---- */

/* free(); NULL: out of memory. */
static char *path_of(const struct app *app, const char *key)
{
    char *path = NULL;
    return asprintf(&path, "%s/outputs/%.2s/%s", app->config.data_dir, key, key) < 0 ? NULL : path;
}

bool files_are_sent_by_server(const struct app *app)
{
    return strcmp(app->config.sendfile, "off") != 0;
}

static bool is_nginx(const struct app *app)
{
    return strcmp(app->config.sendfile, "x-accel-redirect") == 0;
}

bool files_server_wants_range(const struct app *app)
{
    return strcmp(app->config.sendfile, "x-lighttpd-send-file") == 0;
}

/* nginx wants an address of its own, which the snippet maps to the directory; lighttpd's FastCGI has a header
 * for parts of files, as it leaves ranges to the programs it asks. */
int files_server_header(const struct app *app, const char *key, const struct http_range *range,
                        struct files_server_header *out, struct err *err)
{
    auto_ptr(char) char *path = path_of(app, key);
    if (!path)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (is_nginx(app)) {
        out->name = "X-Accel-Redirect";
        out->says_ranges = true;
        return buf_addf(&out->value, FILES_SERVER_PREFIX "%.2s/%s", key, key);
    }
    out->name = files_server_wants_range(app) ? "X-Sendfile2" : "X-Sendfile";
    if (!files_server_wants_range(app))
        return buf_adds(&out->value, path);
    return buf_addf(&out->value, "%s %llu-%llu", path, (unsigned long long)range->offset,
                    (unsigned long long)(range->offset + range->length - 1));
}

/* What another user's web server is to read needs a group's right. */
static int make_dirs(const struct app *app, const char *key, struct err *err)
{
    auto_ptr(char) char *dir = NULL;
    if (asprintf(&dir, "%s/outputs/%.2s", app->config.data_dir, key) < 0)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (io_make_dirs(dir, err) < 0)
        return -1;
    if (!files_are_sent_by_server(app))
        return 0;
    (void)chmod(dir, 0750);
    *strrchr(dir, '/') = '\0';
    (void)chmod(dir, 0750);
    return 0;
}

/* ---- Checksums: of each MiB, and of these ---- */

struct sum {
    uint64_t all, bytes;
};

static void sum_add(struct sum *s, const void *chunk, size_t len)
{
    const uint64_t both[] = {s->all, hash_check64(chunk, len)};
    s->all = hash_check64(both, sizeof both);
    s->bytes += len;
}

static ssize_t read_full(int fd, unsigned char *chunk, size_t room)
{
    size_t len = 0;
    while (len < room) {
        ssize_t n = read(fd, chunk + len, room - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        len += (size_t)n;
    }
    return (ssize_t)len;
}

/* Whether what is read there is what was stored: 1, 0, -1 with errno. */
static int check(int fd, unsigned char *chunk, const struct store_content *c)
{
    struct sum sum = {0};
    char text[SUM_LEN + 1];
    ssize_t n;
    while ((n = read_full(fd, chunk, CHUNK_BYTES)) > 0)
        sum_add(&sum, chunk, (size_t)n);
    (void)snprintf(text, sizeof text, "%016llx", (unsigned long long)sum.all);
    return n < 0 ? -1 : sum.bytes == c->bytes && strcmp(text, c->reference) == 0;
}

/* The same; what is not there is not what was stored. `chunk`: CHUNK_BYTES to read into. */
static int verify(struct app *app, const struct store_content *c, unsigned char *chunk, struct err *err)
{
    auto_ptr(char) char *path = path_of(app, c->key);
    if (!path)
        return err_set(err, ERR_INTERNAL, "out of memory");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc = fd < 0 ? -(errno != ENOENT) : check(fd, chunk, c);
    if (rc < 0)
        (void)err_set(err, ERR_INTERNAL, "%s: %s", path, strerror(errno));
    if (fd >= 0)
        (void)close(fd);
    return rc;
}

/* ---- The tier ---- */

static void rules(struct app *app, struct tier_rules *out)
{
    const struct config *c = &app->config;
    *out = (struct tier_rules){
        .on = c->files_bytes > 0,
        .max_bytes = (uint64_t)c->files_bytes,
        .after = c->files_after,
        .ttl_s = c->files_ttl_s,
    };
}

static int find(struct app *app, const struct store_content *c, const struct tier_ask *ask,
                struct tier_way *out, struct err *err)
{
    struct stat st;
    out->kind = TIER_FILE;
    out->at = path_of(app, c->key);
    if (!out->at)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (ask->stale || stat(out->at, &st) < 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size != c->bytes)
        return err_set(err, ERR_NOT_FOUND, "a kept file is not there, or of another size");
    return 0;
}

static int drop(struct app *app, const struct store_content *c, struct err *err)
{
    auto_ptr(char) char *path = path_of(app, c->key);
    if (!path)
        return err_set(err, ERR_INTERNAL, "out of memory");
    return unlink(path) < 0 && errno != ENOENT ? err_set(err, ERR_INTERNAL, "%s: %s", path, strerror(errno))
                                               : 0;
}

/* ---- Room ---- */

/* What those take that are being written, all of which they have from the start. */
static uint64_t writing_bytes(const struct app *app)
{
    uint64_t bytes = 0;
    auto_ptr(char) char *dir = NULL;
    DIR *d = asprintf(&dir, "%s/tmp", app->config.data_dir) < 0 ? NULL : opendir(dir);
    for (const struct dirent *e; d && (e = readdir(d));) {
        struct stat st;
        if (text_starts_with(e->d_name, tmp_prefix) &&
            fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
            bytes += (uint64_t)st.st_size;
    }
    if (d)
        (void)closedir(d);
    return bytes;
}

static int sum_up(struct app *app, uint64_t *bytes, struct err *err)
{
    enum { SUMS = 64 };
    struct store_content_sum sums[SUMS];
    int count = store_content_sums(app->store, sums, SUMS, err);
    *bytes = writing_bytes(app);
    for (int i = 0; i < count; i++) {
        if (strcmp(sums[i].tier, files_tier.name) == 0 && strcmp(sums[i].place, app->place) == 0 &&
            strcmp(sums[i].state, "stored") == 0)
            *bytes += (uint64_t)sums[i].bytes;
    }
    return count < 0 ? -1 : 0;
}

/* One leaves: at once, unless web servers may just have been told of it. */
static int displace(struct app *app, const struct store_content *c, struct err *err)
{
    const struct store_content_which which = {.tier = c->tier, .place = c->place, .key = c->key};
    if (store_content_leave(app->store, &which, err) < 0)
        return -1;
    if (files_are_sent_by_server(app))
        return 0;
    return drop(app, c, err) < 0 || store_content_gone(app->store, c, err) < 0 ? -1 : 0;
}

/* Until they, those that are being written included, are no more than files_bytes. */
static int make_room(struct app *app, struct err *err)
{
    struct store_content oldest[ROWS_AT_ONCE];
    uint64_t bytes;
    const uint64_t most = (uint64_t)app->config.files_bytes;
    if (sum_up(app, &bytes, err) < 0)
        return -1;
    while (bytes > most) {
        int count = store_content_oldest(app->store, files_tier.name, app->place, oldest, ROWS_AT_ONCE, err);
        if (count <= 0)
            return count < 0 ? -1 : err_set(err, ERR_BUSY, "other files are being stored");
        for (int i = 0; i < count && bytes > most; i++) {
            if (displace(app, &oldest[i], err) < 0)
                return -1;
            bytes -= oldest[i].bytes < bytes ? oldest[i].bytes : bytes;
        }
    }
    return 0;
}

/* ---- Looking after them ---- */

/* A file that was put there a moment ago may get its row yet. */
static bool is_stray(struct app *app, const char *path, const char *name)
{
    struct stat st;
    struct err ignored;
    struct store_content c = {.bytes = 0};
    if (strlen(name) != STORE_CONTENT_KEY_LEN || lstat(path, &st) < 0 || !S_ISREG(st.st_mode) ||
        clock_unix_s() - (int64_t)st.st_mtime < STRAY_S)
        return false;
    (void)snprintf(c.key, sizeof c.key, "%s", name);
    (void)snprintf(c.tier, sizeof c.tier, "%s", files_tier.name);
    (void)snprintf(c.place, sizeof c.place, "%s", app->place);
    return store_content_known(app->store, &c, &ignored) == 0;
}

static int64_t remove_strays_in(struct app *app, const char *dir)
{
    int64_t count = 0;
    DIR *d = opendir(dir);
    for (const struct dirent *e; d && (e = readdir(d));) {
        auto_ptr(char) char *path = NULL;
        if (asprintf(&path, "%s/%s", dir, e->d_name) >= 0 && is_stray(app, path, e->d_name))
            count += unlink(path) == 0;
    }
    if (d)
        (void)closedir(d);
    return count;
}

int64_t files_remove_strays(struct app *app, struct err *err)
{
    int64_t count = 0;
    for (unsigned i = 0; i <= UINT8_MAX; i++) {
        auto_ptr(char) char *dir = NULL;
        if (asprintf(&dir, "%s/outputs/%02x", app->config.data_dir, i) < 0)
            return err_set(err, ERR_INTERNAL, "out of memory");
        count += remove_strays_in(app, dir);
    }
    return count;
}

/* Of these, as files_verify(). */
static int verify_some(struct app *app, const struct store_content *rows, int count, unsigned char *chunk,
                       struct files_findings *out, struct err *err)
{
    for (int i = 0; i < count; i++) {
        int good = verify(app, &rows[i], chunk, err);
        if (good < 0)
            return -1;
        out->good += good;
        out->damaged += !good;
        if (!good && (store_content_gone(app->store, &rows[i], err) < 0 || drop(app, &rows[i], err) < 0))
            return -1;
    }
    return 0;
}

int files_verify(struct app *app, struct files_findings *out, struct err *err)
{
    struct store_content rows[ROWS_AT_ONCE];
    const struct store_content_which here = {.tier = files_tier.name, .place = app->place};
    char after[STORE_CONTENT_KEY_LEN + 1] = "";
    int count = ROWS_AT_ONCE;
    int rc = 0;
    unsigned char *chunk = malloc(CHUNK_BYTES);
    *out = (struct files_findings){0};
    if (!chunk)
        return err_set(err, ERR_INTERNAL, "out of memory");
    while (rc == 0 && count == ROWS_AT_ONCE) {
        count = store_content_list(app->store, &here, after, rows, ROWS_AT_ONCE, err);
        rc = count < 0 ? -1 : verify_some(app, rows, count, chunk, out, err);
        if (count > 0)
            memcpy(after, rows[count - 1].key, sizeof after);
    }
    free(chunk);
    return rc;
}

/* ---- Keeping ---- */

/* Fills a chunk, so that checksums are of the same pieces when the file is read again. */
static int next_chunk(struct output *o, unsigned char *chunk, size_t *len, struct err *err)
{
    size_t got = 1;
    for (*len = 0; *len < CHUNK_BYTES && got; *len += got) {
        if (output_read(o, chunk + *len, CHUNK_BYTES - *len, &got, err) < 0)
            return -1;
    }
    return 0;
}

static int copy(const struct tier_keep *k, int fd, unsigned char *chunk, struct sum *sum, struct err *err)
{
    const uint64_t total = k->content->bytes;
    size_t len = 1;
    if (output_begin(k->output, 0, err) < 0)
        return -1;
    while (len) {
        if (next_chunk(k->output, chunk, &len, err) < 0)
            return -1;
        if (io_write_all(fd, chunk, len) < 0)
            return err_set(err, ERR_BUSY, "cannot be written: %s", strerror(errno));
        if (len)
            sum_add(sum, chunk, len);
        job_progress(k->job, sum->bytes, total, "storing a file");
    }
    return sum->bytes == total ? 0
                               : err_set(err, ERR_SOURCE_CHANGED, "it is not as long as it was said to be");
}

/* All of its room at once, which counts from now on. */
static int reserve(const struct tier_keep *k, int fd, struct err *err)
{
    const off_t total = (off_t)k->content->bytes;
    int full = posix_fallocate(fd, 0, total);
    if (full == ENOSPC || full == EDQUOT || full == EFBIG || (full != 0 && ftruncate(fd, total) < 0))
        return err_set(err, ERR_BUSY, "no room on the disk");
    return make_room(k->app, err);
}

static int store(const struct tier_keep *k, const char *path, const char *tmp, struct buf *reference,
                 struct err *err)
{
    struct sum sum = {0};
    int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set(err, ERR_BUSY, "%s: %s", tmp, strerror(errno));
    unsigned char *chunk = malloc(CHUNK_BYTES);
    int rc = !chunk                     ? err_set(err, ERR_INTERNAL, "out of memory")
             : reserve(k, fd, err) == 0 ? copy(k, fd, chunk, &sum, err)
                                        : -1;
    free(chunk);
    if (rc == 0 && files_are_sent_by_server(k->app) && fchmod(fd, 0640) < 0)
        rc = err_set(err, ERR_BUSY, "%s: %s", tmp, strerror(errno));
    /* The row must not be there before the bytes, whatever happens to the machine. */
    if (rc == 0 && fsync(fd) < 0)
        rc = err_set(err, ERR_BUSY, "%s: %s", tmp, strerror(errno));
    if (close(fd) < 0 && rc == 0)
        rc = err_set(err, ERR_BUSY, "%s: %s", tmp, strerror(errno));
    if (rc == 0 && rename(tmp, path) < 0)
        rc = err_set(err, ERR_BUSY, "%s: %s", path, strerror(errno));
    if (rc < 0)
        (void)unlink(tmp);
    else
        (void)buf_addf(reference, "%016llx", (unsigned long long)sum.all);
    return rc;
}

static int keep(const struct tier_keep *k, struct buf *reference, struct err *err)
{
    struct app *app = k->app;
    auto_ptr(char) char *path = path_of(app, k->content->key);
    auto_ptr(char) char *tmp = NULL;
    auto_ptr(char) char *dir = NULL;
    if (!path || asprintf(&dir, "%s/tmp", app->config.data_dir) < 0 ||
        asprintf(&tmp, "%s/%s%s", dir, tmp_prefix, k->content->lease) < 0)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (io_make_dirs(dir, err) < 0 || make_dirs(app, k->content->key, err) < 0)
        return -1;
    (void)unlink(tmp); /* of a worker that was killed */
    return store(k, path, tmp, reference, err);
}

const struct tier files_tier = {
    .name = "files",
    .is_local = true,
    .rules = rules,
    .find = find,
    .keep = keep,
    .drop = drop,
};
