/* The profiles in force, per process: the built-in ones or an operator's file, read again when it changes. */
#include "site/youtube/clients.h"

#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#include "base/embed.h"
#include "base/io.h"
#include "base/log.h"

/* What tells one state of a file from another; all zero: there is none. */
struct stamp {
    dev_t device;
    ino_t inode;
    off_t size_bytes;
    struct timespec changed;
};

/* Guarded by `lock`. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct clients *built_in;
static struct clients *of_file;
static char file_name[4096]; /* the file that `stamp` and `of_file` are of */
static struct stamp stamp;

static struct clients *hold(struct clients *c)
{
    if (c)
        (void)__atomic_add_fetch(&c->references, 1, __ATOMIC_RELAXED);
    return c;
}

void clients_release(struct clients *c)
{
    if (!c || __atomic_sub_fetch(&c->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    json_decref(c->root);
    free(c);
}

const char *clients_built_in(void)
{
    for (const struct embed_file *f = embed_files; f->name; f++) {
        if (strcmp(f->name, "clients.json") == 0)
            return f->text;
    }
    return "";
}

static struct clients *acquire_built_in(void)
{
    struct err err = {.code = ERR_OK};
    const char *text = clients_built_in();
    if (!built_in && clients_parse(&built_in, text, strlen(text), &err) < 0)
        log_event(LOG_ERROR, "clients", "file", "built-in", "error", err.text, NULL);
    return hold(built_in);
}

static struct stamp stamp_of(const char *file, bool *exists)
{
    struct stat st;
    *exists = stat(file, &st) == 0;
    if (!*exists)
        return (struct stamp){.size_bytes = 0};
    return (struct stamp){st.st_dev, st.st_ino, st.st_size, st.st_mtim};
}

static bool same_stamp(const struct stamp *a, const struct stamp *b)
{
    return a->device == b->device && a->inode == b->inode && a->size_bytes == b->size_bytes &&
           a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

/* No file is no slip: whoever takes his away wants the built-in ones back. */
static void read_file(const char *file, bool exists)
{
    struct err err;
    struct clients *fresh = NULL;
    auto_(buf) struct buf text = BUF_INIT(CLIENTS_MAX_BYTES);
    if (!exists) {
        if (of_file)
            log_event(LOG_INFO, "clients", "file", file, "state", "gone", NULL);
        clients_release(steal(&of_file));
        return;
    }
    if (io_read_file(file, &text, &err) < 0 || clients_parse(&fresh, buf_str(&text), text.len, &err) < 0) {
        log_event(of_file ? LOG_WARN : LOG_ERROR, "clients", "file", file, "error", err.text, "kept",
                  of_file ? "last good file" : "built-in", NULL);
        return;
    }
    clients_release(of_file);
    of_file = fresh;
    log_event(LOG_INFO, "clients", "file", file, "state", "loaded", NULL);
}

struct clients *clients_acquire(const char *file)
{
    bool use_file = file && *file && strlen(file) < sizeof file_name;
    struct clients *c = NULL;
    (void)pthread_mutex_lock(&lock);
    if (use_file) {
        bool exists;
        struct stamp now = stamp_of(file, &exists);
        bool other_file = strcmp(file, file_name) != 0;
        if (other_file) {
            clients_release(steal(&of_file));
            memcpy(file_name, file, strlen(file) + 1);
        }
        if (other_file || !same_stamp(&now, &stamp)) {
            stamp = now;
            read_file(file, exists);
        }
        c = hold(of_file);
    }
    if (!c)
        c = acquire_built_in();
    (void)pthread_mutex_unlock(&lock);
    return c;
}
