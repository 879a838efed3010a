/* See cookies.h. */
#include "net/cookies.h"

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/text.h"
#include "net/egress.h"

enum { FIELDS = 7, PATH_MAX_BYTES = 4096 };

/* Texts are borrowed from the file it is of. */
struct cookie {
    const char *domain; /* without a dot in front */
    bool subdomains, tls;
    const char *path, *name, *value;
    int64_t expires_unix_s; /* 0: with the session, which is ours */
};

struct cookies {
    char *directory;
    pthread_mutex_t lock; /* guards what follows */
    int64_t looked_us;
    uint64_t stamp; /* of the directory's files, as they were read */
    char **files;
    size_t file_count;
    struct cookie *list;
    size_t count;
};

/* ---- Reading ---- */

static void forget(struct cookies *c)
{
    for (size_t i = 0; i < c->file_count; i++)
        free(c->files[i]);
    free(c->files);
    free(c->list);
    c->files = NULL;
    c->list = NULL;
    c->file_count = c->count = 0;
}

/* What goes into a header must not end it. */
static bool is_plain(const char *s)
{
    for (; *s; s++) {
        if ((unsigned char)*s < ' ' || *s == 0x7f || *s == ';')
            return false;
    }
    return true;
}

/* A line, cut into its fields in place; false: it is none, or a remark. */
static bool read_line(char *line, struct cookie *out)
{
    char *fields[FIELDS];
    size_t count = 0;
    uint64_t expires = 0;
    if (text_starts_with(line, "#HttpOnly_"))
        line += strlen("#HttpOnly_");
    if (*line == '#')
        return false;
    for (char *p = line; p && count < FIELDS; count++) {
        fields[count] = p;
        p = strchr(p, '\t');
        if (p && count + 1 < FIELDS)
            *p++ = '\0';
    }
    if (count < FIELDS || !is_plain(fields[5]) || !is_plain(fields[6]) || !*fields[5] || fields[2][0] != '/')
        return false;
    (void)text_parse_u64(fields[4], 0, INT64_MAX, &expires);
    *out = (struct cookie){
        .domain = fields[0] + (fields[0][0] == '.'),
        .subdomains = fields[0][0] == '.' || strcasecmp(fields[1], "TRUE") == 0,
        .path = fields[2],
        .tls = strcasecmp(fields[3], "TRUE") == 0,
        .expires_unix_s = (int64_t)expires,
        .name = fields[5],
        .value = fields[6],
    };
    return strchr(out->domain, '.') != NULL; /* not all of "com" */
}

static int add_text(struct cookies *c, char *text)
{
    for (char *next = text; next;) {
        char *line = next;
        struct cookie cookie;
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        size_t len = strlen(line);
        if (len > 0 && line[len - 1] == '\r')
            line[len - 1] = '\0';
        if (!read_line(line, &cookie) || c->count == COOKIES_MAX)
            continue;
        if ((c->count & (c->count - 1)) == 0) { /* doubled at each power of two */
            struct cookie *more = realloc(c->list, (c->count ? c->count * 2 : 1) * sizeof *more);
            if (!more)
                return -1;
            c->list = more;
        }
        c->list[c->count++] = cookie;
    }
    return 0;
}

int cookies_add(struct cookies *c, const char *text, size_t len)
{
    char **more = realloc(c->files, (c->file_count + 1) * sizeof *more);
    if (!more)
        return -1;
    c->files = more;
    char *copy = strndup(text, len);
    if (!copy)
        return -1;
    c->files[c->file_count++] = copy;
    return add_text(c, copy);
}

static void add_file(struct cookies *c, const char *path)
{
    struct err err;
    auto_(buf) struct buf text = BUF_INIT(COOKIES_FILE_MAX);
    if (io_read_file(path, &text, &err) < 0)
        log_event(LOG_WARN, "cookies", "error", err.text, NULL);
    else
        (void)cookies_add(c, buf_str(&text), text.len);
}

/* Calls `each` with every file of cookies; the sum of what tells one state of them from another. */
static uint64_t walk(struct cookies *c, void (*each)(struct cookies *c, const char *path))
{
    uint64_t sum = 1;
    DIR *dir = opendir(c->directory);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        char path[PATH_MAX_BYTES];
        struct stat st;
        if (!text_ends_with(e->d_name, ".txt") ||
            snprintf(path, sizeof path, "%s/%s", c->directory, e->d_name) >= (int)sizeof path ||
            stat(path, &st) < 0 || !S_ISREG(st.st_mode))
            continue;
        /* In no order, as the directory has none. */
        sum += (uint64_t)st.st_ino * 31 + (uint64_t)st.st_size * 17 + (uint64_t)st.st_mtim.tv_sec * 7919 +
               (uint64_t)st.st_mtim.tv_nsec;
        if (each)
            each(c, path);
    }
    if (dir)
        (void)closedir(dir);
    return sum;
}

static void look(struct cookies *c)
{
    int64_t now_us = clock_mono_us();
    if (c->looked_us && now_us - c->looked_us < COOKIES_LOOK_US)
        return;
    c->looked_us = now_us;
    uint64_t stamp = walk(c, NULL);
    if (stamp == c->stamp)
        return;
    forget(c);
    c->stamp = walk(c, add_file);
    char count[24];
    (void)snprintf(count, sizeof count, "%zu", c->count);
    log_event(LOG_INFO, "cookies", "count", count, "state", "loaded", NULL);
}

int cookies_open(struct cookies **out, const char *directory, struct err *err)
{
    *out = NULL;
    if (!directory || !*directory)
        return 0;
    DIR *dir = opendir(directory);
    if (!dir)
        return err_set(err, ERR_INTERNAL, "cookies_dir %s cannot be read", directory);
    (void)closedir(dir);
    struct cookies *c = calloc(1, sizeof *c);
    char *copy = strdup(directory);
    if (!c || !copy) {
        free(c);
        free(copy);
        return err_set(err, ERR_INTERNAL, "no memory");
    }
    c->directory = copy;
    (void)pthread_mutex_init(&c->lock, NULL);
    *out = c;
    return 0;
}

void cookies_close(struct cookies *c)
{
    if (!c)
        return;
    forget(c);
    (void)pthread_mutex_destroy(&c->lock);
    free(c->directory);
    free(c);
}

/* ---- Using (RFC 6265, 5.1.3 and 5.1.4) ---- */

static bool host_matches(const struct cookie *cookie, const char *host)
{
    size_t len = strlen(host);
    size_t domain = strlen(cookie->domain);
    if (len == domain)
        return strcasecmp(host, cookie->domain) == 0;
    return cookie->subdomains && len > domain && host[len - domain - 1] == '.' &&
           strcasecmp(host + len - domain, cookie->domain) == 0;
}

static bool path_matches(const char *pattern, const char *path, size_t len)
{
    size_t n = strlen(pattern);
    return len >= n && memcmp(pattern, path, n) == 0 && (n == len || pattern[n - 1] == '/' || path[n] == '/');
}

/* Whether "a=1; b=2" has it already. */
static bool has_name(const struct buf *cookies, size_t len, const char *name)
{
    size_t name_len = strlen(name);
    const char *text = len ? buf_str(cookies) : "";
    for (const char *p = text; p < text + len; p += strcspn(p, ";") + 1) {
        p += strspn(p, " ");
        if (strncmp(p, name, name_len) == 0 && p[name_len] == '=')
            return true;
    }
    return false;
}

size_t cookies_of(struct cookies *c, const struct guard_url *url, struct buf *out)
{
    size_t count = 0;
    size_t given = out->len;
    if (!c)
        return 0;
    const char *authority = strstr(url->text, "://") + 3;
    const char *path = authority + strcspn(authority, "/?#");
    size_t path_len = strcspn(path, "?#");
    if (path_len == 0) {
        path = "/";
        path_len = 1;
    }
    int64_t now = clock_unix_s();
    (void)pthread_mutex_lock(&c->lock);
    look(c);
    /* The longest paths first, as the RFC would have it. There are few cookies of a host. */
    for (size_t longest = path_len; longest > 0; longest--) {
        for (size_t i = 0; i < c->count; i++) {
            const struct cookie *k = &c->list[i];
            if (strlen(k->path) != longest || !host_matches(k, url->host) || (k->tls && !url->tls) ||
                (k->expires_unix_s && k->expires_unix_s < now) || !path_matches(k->path, path, path_len) ||
                has_name(out, given, k->name))
                continue;
            size_t before = out->len;
            if (before + strlen(k->name) + strlen(k->value) + 3 > out->max)
                continue;
            (void)buf_addf(out, "%s%s=%s", before ? "; " : "", k->name, k->value);
            count++;
        }
    }
    (void)pthread_mutex_unlock(&c->lock);
    return count;
}

/* Others shall read them: no line may be taken for two, and all of it is text. */
static bool is_printable(const char *s)
{
    for (; *s; s++) {
        if (*s < ' ' || *s > '~')
            return false;
    }
    return true;
}

size_t cookies_lines_of(struct cookies *c, const struct guard_url *url, struct buf *out)
{
    size_t count = 0;
    if (!c)
        return 0;
    int64_t now = clock_unix_s();
    (void)pthread_mutex_lock(&c->lock);
    look(c);
    for (size_t i = 0; i < c->count; i++) {
        const struct cookie *k = &c->list[i];
        const char *dot = k->subdomains ? "." : "";
        const char *subdomains = k->subdomains ? "TRUE" : "FALSE";
        size_t room = out->max - out->len;
        if (!host_matches(k, url->host) || (k->tls && !url->tls) ||
            (k->expires_unix_s && k->expires_unix_s < now) || !is_printable(k->path) ||
            !is_printable(k->name) || !is_printable(k->value) ||
            strlen(k->domain) + strlen(k->path) + strlen(k->name) + strlen(k->value) + 48 > room)
            continue;
        (void)buf_addf(out, "%s%s\t%s\t%s\t%s\t%lld\t%s\t%s\n", dot, k->domain, subdomains, k->path,
                       k->tls ? "TRUE" : "FALSE", (long long)k->expires_unix_s, k->name, k->value);
        count++;
    }
    (void)pthread_mutex_unlock(&c->lock);
    return count;
}

/* ---- For operators ---- */

static struct egress_cookies *row_of(struct egress_cookies *rows, size_t *count, size_t room,
                                     const char *host)
{
    for (size_t i = 0; i < *count; i++) {
        if (strcasecmp(rows[i].host, host) == 0)
            return &rows[i];
    }
    if (*count == room || strlen(host) >= EGRESS_HOST_MAX)
        return NULL;
    rows[*count] = (struct egress_cookies){.count = 0};
    (void)text_copy(rows[*count].host, EGRESS_HOST_MAX, host);
    return &rows[(*count)++];
}

size_t cookies_hosts(struct cookies *c, struct egress_cookies *out, size_t room)
{
    size_t count = 0;
    int64_t now = clock_unix_s();
    if (!c)
        return 0;
    (void)pthread_mutex_lock(&c->lock);
    look(c);
    for (size_t i = 0; i < c->count; i++) {
        const struct cookie *k = &c->list[i];
        struct egress_cookies *row = row_of(out, &count, room, k->domain);
        if (!row)
            continue;
        row->count++;
        if (k->expires_unix_s && k->expires_unix_s < now)
            row->expired++;
        else if (k->expires_unix_s && (!row->expires_unix_s || k->expires_unix_s < row->expires_unix_s))
            row->expires_unix_s = k->expires_unix_s;
    }
    (void)pthread_mutex_unlock(&c->lock);
    return count;
}
