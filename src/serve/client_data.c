/* See client_data.h. */
#include "serve/client_data.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "base/text.h"
#include "site/youtube/clients.h"
#include "store/client_versions.h"

enum { CHANGE_TEXT_MAX = 24 };

bool client_data_is_editable(const struct app *app)
{
    return !*app->config.clients_file;
}

int client_data_read(const struct app *app, struct buf *text, bool *built_in, struct err *err)
{
    *built_in = access(app->clients_file, F_OK) < 0;
    if (!*built_in)
        return io_read_file(app->clients_file, text, err);
    return buf_adds(text, clients_built_in()) < 0 ? err_set(err, ERR_INTERNAL, "out of memory") : 0;
}

/* ---- On this host ---- */

/* One process at a time changes the file. In what is locked stands which change was taken up last. The
 * descriptor; close it. */
static int lock(const struct app *app, struct err *err)
{
    auto_ptr(char) char *path = NULL;
    if (asprintf(&path, "%s.lock", app->clients_file) < 0) {
        path = NULL;
        return err_set(err, ERR_INTERNAL, "out of memory");
    }
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0 && flock(fd, LOCK_EX) == 0)
        return fd;
    if (fd >= 0)
        (void)close(fd);
    return err_set(err, ERR_INTERNAL, "%s: %s", path, strerror(errno));
}

static int64_t taken_up(int fd)
{
    char text[CHANGE_TEXT_MAX];
    uint64_t change = 0;
    ssize_t len = pread(fd, text, sizeof text, 0);
    if (len > 0)
        (void)text_parse_u64n(text, (size_t)len, 0, INT64_MAX, &change);
    return (int64_t)change;
}

static int note_taken_up(int fd, int64_t change, struct err *err)
{
    char text[CHANGE_TEXT_MAX];
    int len = snprintf(text, sizeof text, "%lld", (long long)change);
    if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)len, 0) != len)
        return err_set(err, ERR_INTERNAL, "clients.json.lock: %s", strerror(errno));
    return 0;
}

/* With the lock. `text` "": the built-in ones. */
static int put_in_force(const struct app *app, int fd, int64_t change, const char *text, struct err *err)
{
    if (*text && io_write_file(app->clients_file, text, strlen(text), err) < 0)
        return -1;
    if (!*text && unlink(app->clients_file) < 0 && errno != ENOENT)
        return err_set(err, ERR_INTERNAL, "%s: %s", app->clients_file, strerror(errno));
    return note_taken_up(fd, change, err);
}

/* ---- Saving ---- */

/* With the lock: whether it is what somebody has seen; and it is not lost. */
static int keep_old(struct app *app, const char *by, const char *base, struct err *err)
{
    bool built_in;
    char hash[HASH_HEX_LEN + 1];
    auto_(buf) struct buf old = BUF_INIT(CLIENTS_MAX_BYTES);
    auto_(buf) struct buf clean = BUF_INIT((size_t)3 * CLIENTS_MAX_BYTES); /* it may be no UTF-8 */
    if (client_data_read(app, &old, &built_in, err) < 0)
        return -1;
    hash_sha256_hex(buf_str(&old), old.len, hash);
    if (strcmp(base, hash) != 0)
        return err_set(err, ERR_PRECONDITION_FAILED, "somebody else has saved meanwhile");
    if (built_in)
        return 0;
    if (text_utf8_clean(&clean, buf_str(&old), old.len) < 0)
        return err_set(err, ERR_INTERNAL, "out of memory");
    return store_client_version_add(app->store, by, buf_str(&clean), err);
}

int client_data_save(struct app *app, const char *by, const char *text, const char *base, struct err *err)
{
    int64_t change = 0;
    const char *fresh = text ? text : "";
    int fd = lock(app, err);
    if (fd < 0)
        return -1;
    int rc = keep_old(app, by, base, err);
    if (rc == 0)
        rc = store_client_data_put(app->store, fresh, &change, err);
    if (rc == 0)
        rc = put_in_force(app, fd, change, fresh, err);
    (void)close(fd);
    return rc;
}

/* ---- Saved elsewhere ---- */

static int take_up(struct app *app, struct err *err)
{
    int64_t change = 0;
    auto_(buf) struct buf text = BUF_INIT(CLIENTS_MAX_BYTES);
    int fd = lock(app, err);
    if (fd < 0)
        return -1;
    int rc = store_client_data_get(app->store, &change, &text, err);
    if (rc == 1 && change != taken_up(fd))
        rc = put_in_force(app, fd, change, buf_str(&text), err);
    (void)close(fd);
    return rc < 0 ? -1 : 0;
}

void client_data_tick(struct app *app)
{
    struct err err;
    int64_t change = 0;
    if (!client_data_is_editable(app) || store_client_data_get(app->store, &change, NULL, &err) != 1 ||
        change == app->client_change)
        return;
    app->client_change = change; /* also where it cannot be: once is enough to hear of it */
    if (take_up(app, &err) < 0)
        log_event(LOG_WARN, "client-data-not-taken", "error", err.text, NULL);
}
