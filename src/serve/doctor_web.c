/* The doctor's checks of what stands in front: sockets, the web server's answers, its configuration. */
#include <dirent.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/text.h"
#include "net/net.h"
#include "serve/doctor_impl.h"

enum { HEAD_MAX_BYTES = 65536, BODY_MAX_BYTES = 1 << 20 };

/* ---- Asking the web server ---- */

void doctor_page_fini(struct doctor_page *page)
{
    buf_fini(&page->body);
}

/* Waits until something can be done with it. */
static int wait_for(int fd, short events, int64_t until_us, struct err *err)
{
    struct pollfd p = {.fd = fd, .events = events};
    int64_t left_us = until_us - clock_mono_us();
    int n = left_us > 0 ? poll(&p, 1, (int)(left_us / 1000) + 1) : 0;
    return n > 0 ? 0 : err_set(err, ERR_UPSTREAM_FAILED, "no answer within %d s", DOCTOR_ASK_MS / 1000);
}

/* A connection, or -1. */
static int connect_to(const char *host, const char *port, int64_t until_us, struct err *err)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *list = NULL;
    int rc = getaddrinfo(host, port, &hints, &list);
    int fd = -1;
    if (rc != 0)
        return err_set(err, ERR_UPSTREAM_FAILED, "%s: %s", host, gai_strerror(rc));
    for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        int why = 0;
        socklen_t len = sizeof why;
        fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) < 0 && errno != EINPROGRESS)
            why = errno;
        else if (fd >= 0 && wait_for(fd, POLLOUT, until_us, err) < 0)
            why = ETIMEDOUT;
        else if (fd >= 0)
            (void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &len);
        if (fd >= 0 && why) {
            (void)close(fd);
            fd = err_set(err, ERR_UPSTREAM_FAILED, "%s:%s: %s", host, port, strerror(why));
        }
    }
    freeaddrinfo(list);
    return fd;
}

/* After a call that did nothing: waits, unless it failed for another reason than that. */
static int again(int fd, short events, int64_t until_us, struct err *err)
{
    return errno == EAGAIN || errno == EINTR ? wait_for(fd, events, until_us, err)
                                             : err_set(err, ERR_UPSTREAM_FAILED, "%s", strerror(errno));
}

/* The whole exchange, on a connection that ends with it. */
static int exchange(int fd, const struct buf *request, struct buf *answer, int64_t until_us, struct err *err)
{
    for (size_t sent = 0; sent < request->len;) {
        ssize_t n = send(fd, request->data + sent, request->len - sent, MSG_NOSIGNAL);
        if (n > 0)
            sent += (size_t)n;
        else if (again(fd, POLLOUT, until_us, err) < 0)
            return -1;
    }
    for (;;) {
        char part[16384];
        ssize_t n = recv(fd, part, sizeof part, 0);
        if (n == 0)
            return 0;
        if (n > 0 && buf_add(answer, part, (size_t)n) < 0)
            return err_set(err, ERR_UPSTREAM_FAILED, "a longer answer than any of ours");
        if (n < 0 && again(fd, POLLIN, until_us, err) < 0)
            return -1;
    }
}

static int take_apart(const struct buf *answer, struct doctor_page *out, struct err *err)
{
    uint64_t status;
    const char *text = buf_str(answer);
    const char *end = strstr(text, "\r\n\r\n");
    const char *blank = strchr(text, ' ');
    if (!end || !text_starts_with(text, "HTTP/1.") || !blank ||
        text_parse_u64n(blank + 1, strnlen(blank + 1, 3), 100, 599, &status) < 0)
        return err_set(err, ERR_UPSTREAM_FAILED, "that is no web server");
    out->status = (int)status;
    buf_init(&out->body, BODY_MAX_BYTES);
    (void)buf_add(&out->body, end + 4, answer->len - (size_t)(end + 4 - text));
    return 0;
}

/* `rest`: what follows "http://". */
static int get_plain(const char *rest, const char *header, struct doctor_page *out, struct err *err)
{
    char host[256];
    char port[16] = "80";
    int64_t until_us = clock_mono_us() + DOCTOR_ASK_MS * INT64_C(1000);
    auto_(buf) struct buf request = BUF_INIT(HEAD_MAX_BYTES);
    auto_(buf) struct buf answer = BUF_INIT(HEAD_MAX_BYTES + BODY_MAX_BYTES);
    size_t len = strcspn(rest, "/");
    bool literal = *rest == '[';
    const char *from = rest + literal;
    size_t host_len = literal ? strcspn(from, "]") : strcspn(from, ":/");
    const char *after = from + host_len + literal;
    if (host_len >= sizeof host || (literal && from[host_len] != ']') || text_has_control(rest))
        return err_set(err, ERR_BAD_URL, "no usable address: http://%s", rest);
    (void)snprintf(host, sizeof host, "%.*s", (int)host_len, from);
    if (*after == ':')
        (void)snprintf(port, sizeof port, "%.*s", (int)strcspn(after + 1, "/"), after + 1);
    /* 1.0: an answer that ends with the connection, without chunks */
    (void)buf_addf(&request, "GET %s HTTP/1.0\r\nHost: %.*s\r\nUser-Agent: sluice-doctor\r\n", rest + len,
                   (int)len, rest);
    (void)buf_addf(&request, "%s%s\r\n", header ? header : "", header ? "\r\n" : "");
    if (request.failed)
        return err_set(err, ERR_BAD_URL, "an address longer than allowed");
    int fd = connect_to(host, port, until_us, err);
    if (fd < 0)
        return -1;
    int rc = exchange(fd, &request, &answer, until_us, err);
    (void)close(fd);
    return rc < 0 ? -1 : take_apart(&answer, out, err);
}

static int get_far(struct doctor *d, const char *address, const char *header, struct doctor_page *out,
                   struct err *err)
{
    auto_(net_answer) struct net_answer answer = {0};
    const char *headers[] = {header, NULL};
    const struct net_call call = {.url = address, .headers = headers, .max_bytes = BODY_MAX_BYTES};
    struct net *net = doctor_net(d, err);
    if (!net || net_call(net, &call, &answer, err) < 0)
        return -1;
    out->status = answer.status;
    out->body = answer.body;
    answer.body = (struct buf)BUF_INIT(0);
    return 0;
}

int doctor_get(struct doctor *d, const char *address, const char *header, struct doctor_page *out,
               struct err *err)
{
    static const char plain[] = "http://";
    *out = (struct doctor_page){0};
    return text_starts_with(address, plain) ? get_plain(address + strlen(plain), header, out, err)
                                            : get_far(d, address, header, out, err);
}

/* ---- Sockets ---- */

/* 0: somebody listens; else errno. */
static int try_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (text_copy(address.sun_path, sizeof address.sun_path, path) < 0)
        return ENAMETOOLONG;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int why = fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0 ? errno : 0;
    if (fd >= 0)
        (void)close(fd);
    return why;
}

struct sockets {
    struct doctor *d;
    int found, bad;
};

/* Both of a directory, if they are there. */
static void try_directory(struct sockets *s, const char *dir)
{
    static const char *const names[] = {"info.sock", "stream.sock", "admin.sock"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char path[512];
        char text[700];
        struct stat st;
        if (snprintf(path, sizeof path, "%s/%s", dir, names[i]) >= (int)sizeof path || stat(path, &st) < 0 ||
            !S_ISSOCK(st.st_mode))
            continue;
        s->found++;
        int why = try_socket(path);
        if (!why)
            continue;
        s->bad++;
        (void)snprintf(text, sizeof text, "%s: %s", path,
                       why == ECONNREFUSED ? "nobody listens there any more" : strerror(why));
        if (why == ECONNREFUSED)
            doctor_say_fix(s->d, DOCTOR_FAIL, text, "rm %s, and start %.*s.fcgi again", path,
                           (int)strcspn(names[i], "."), names[i]);
        else
            doctor_say_fix(s->d, DOCTOR_FAIL, text, "chmod 660 %s; the web server's user in its group", path);
    }
}

/* `sluice serve` names the directory of its sockets by its address: "run-127.0.0.1-8080". */
static void note_url(struct doctor *d, const char *name)
{
    const char *address = name + strlen("run-");
    const char *dash = strrchr(address, '-');
    if (!*d->url && dash && !d->opts->confined)
        (void)snprintf(d->url, sizeof d->url, "http://%.*s:%.8s", (int)(dash - address), address, dash + 1);
}

void doctor_sockets(struct doctor *d)
{
    struct sockets s = {.d = d};
    DIR *dir = opendir(d->config->data_dir);
    for (const struct dirent *e; dir && (e = readdir(dir));) {
        char path[512];
        int before = s.found - s.bad;
        if (!text_starts_with(e->d_name, "run-") ||
            snprintf(path, sizeof path, "%s/%s", d->config->data_dir, e->d_name) >= (int)sizeof path)
            continue;
        try_directory(&s, path);
        if (s.found - s.bad > before)
            note_url(d, e->d_name);
    }
    if (dir)
        (void)closedir(dir);
    try_directory(&s, "/run/sluice");
    if (s.found == 0)
        doctor_say(d, DOCTOR_OK, NULL,
                   "none in the usual places: the web server starts the programs, or nobody yet");
    else if (s.bad == 0)
        doctor_say(d, DOCTOR_OK, NULL, "%d, and somebody listens at each", s.found);
}

/* ---- What the web server answers ---- */

struct question {
    const char *path, *header;
    int status;        /* 0: any, as long as the body is ours */
    const char *holds; /* in the body */
    enum doctor_grade grade;
    const char *wrong, *fix;
};

static const char take_snippet[] =
    "sluice snippet (lists configurations), then: sluice snippet NAME --prefix /FOLDER";

static const struct question questions[] = {
    {"/livez", NULL, 200, "\"status\"", DOCTOR_FAIL, "requests do not reach info.fcgi", take_snippet},
    {"/readyz", NULL, 200, "\"ok\"", DOCTOR_FAIL, "info.fcgi is not ready to work",
     "see the database, disk and settings lines here, and the programs' log"},
    {"/health", NULL, 200, "\"workers\"", DOCTOR_WARN, "the programs do not report their health",
     take_snippet},
    {"/api/v1/usage", NULL, 0, "\"requests\"", DOCTOR_FAIL, "/api/ does not reach info.fcgi", take_snippet},
    {"/api/v1/stream", NULL, 0, "\"code\"", DOCTOR_FAIL, "/api/v1/stream does not reach stream.fcgi",
     take_snippet},
    {"/api/v1/admin/session", NULL, 0, "\"code\"", DOCTOR_WARN,
     "/api/v1/admin/ does not reach admin.fcgi: the admin pages do not work", take_snippet},
    {"/download", NULL, 0, "\"code\"", DOCTOR_WARN, "the routes of older clients are not passed on",
     take_snippet},
    {"/api/v1/usage", "Authorization: Bearer doctor", 401, "bad_key", DOCTOR_WARN,
     "the Authorization header does not arrive: keys work as X-API-Key only",
     "Apache: CGIPassAuth On; as in: sluice snippet apache-cgi.conf"},
    {"/", NULL, 200, "<title>Sluice", DOCTOR_WARN, "the pages are not shown",
     "the document root is share/sluice/www of the installation"},
};

/* Of the answer to one of them; "" fine. An answer with `anonymous = off` is as good: it is ours. */
static bool is_right(const struct question *q, const struct doctor_page *page)
{
    const char *body = buf_str(&page->body);
    if (q->status == 0)
        return strstr(body, q->holds) || (page->status == 401 && strstr(body, "auth_required"));
    return page->status == q->status && strstr(body, q->holds);
}

/* Who listens on the way would have the password of the admin pages, and keys. */
static bool is_open_way(const char *url)
{
    static const char *const inside[] = {"http://127.", "http://localhost", "http://[::1]"};
    bool is_open = text_starts_with(url, "http://");
    for (size_t i = 0; i < ARRAY_LEN(inside); i++)
        is_open = is_open && !text_starts_with(url, inside[i]);
    return is_open;
}

void doctor_web(struct doctor *d)
{
    int wrong = 0;
    if (!*d->url) {
        doctor_say(d, DOCTOR_OK, NULL,
                   "not asked: where it is can be said with --url http://ADDRESS/FOLDER/");
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(questions); i++) {
        const struct question *q = &questions[i];
        struct err err = {0};
        char address[sizeof d->url + 64];
        auto_(doctor_page) struct doctor_page page = {0};
        (void)snprintf(address, sizeof address, "%s%s", d->url, q->path);
        if (doctor_get(d, address, q->header, &page, &err) < 0) {
            bool inside = err.code == ERR_REFUSED_ADDRESS;
            doctor_say(d, inside ? DOCTOR_WARN : DOCTOR_FAIL,
                       inside ? "sluice doctor --url http://127.0.0.1/FOLDER/" : take_snippet, "%s%s: %s",
                       d->url, q->path,
                       inside ? "an https address that is not public is not asked" : err.text);
            return; /* the others would say the same */
        }
        if (is_right(q, &page))
            continue;
        wrong++;
        doctor_say(d, q->grade, q->fix, "%s%s answers %d: %s", d->url, q->path, page.status, q->wrong);
    }
    if (is_open_way(d->url))
        doctor_say(d, DOCTOR_WARN,
                   "a certificate for it (certbot, acme.sh), and https alone for who is not here",
                   "%s/ is not https: passwords and keys can be read on the way", d->url);
    else if (wrong == 0)
        doctor_say(d, DOCTOR_OK, NULL, "%s/: all routes answer", d->url);
}

/* ---- Its configuration ---- */

enum { FILE_MAX_BYTES = 1 << 18, FILES_MAX = 500, DEPTH_MAX = 3 };

static const struct {
    const char *sign; /* of the server; all without white space */
    const char *line, *written, *lacking;
} lines[] = {
    {"fastcgi_pass", "fastcgi_bufferingoff", "fastcgi_buffering off;",
     "whole files are written to disk on the way"},
    {"fastcgi_pass", "gzipoff", "gzip off;", "files would lose their length"},
    {"fastcgi_pass", "access_logoff", "access_log off;", "the access log names what people fetch"},
    {"fastcgi_pass", "large_client_header_buffers", "large_client_header_buffers 4 64k;",
     "long links are refused"},
    {"fastcgi.server", "server.stream-response-body=2", "server.stream-response-body = 2",
     "whole files are written to disk on the way"},
    {"fastcgi.server", "server.max-write-idle", "server.max-write-idle = 300",
     "slow clients are cut after 360 s"},
    {"fastcgi.server", "server.max-fds", "server.max-fds = 20000", "1024 descriptors are few downloads"},
    {"SetHandler\"proxy:unix:", "CGIPassAuthOn", "CGIPassAuth On", "keys do not arrive in Authorization"},
    {"SetHandler\"proxy:unix:", "flushpackets=on", "ProxySet flushpackets=on", "bytes wait for more bytes"},
    {"SetHandler\"proxy:unix:", "ap_trust_cgilike_cl", "SetEnv ap_trust_cgilike_cl 1",
     "a torn download looks whole"},
    {"fcgid-script", "FcgidBusyTimeout", "FcgidBusyTimeout 86400", "downloads end after 300 s"},
};

/* The text without comments and white space. */
static void squeeze(const char *text, struct buf *out)
{
    while (*text) {
        size_t len = strcspn(text, "\n");
        const char *start = text + strspn(text, " \t");
        for (const char *p = start; *start != '#' && p < text + len; p++) {
            if (*p != ' ' && *p != '\t' && *p != '\r')
                (void)buf_addc(out, *p);
        }
        text += len + (text[len] == '\n');
    }
}

struct files {
    struct doctor *d;
    int seen, ours, bad;
};

static void look_at_file(struct files *f, const char *path)
{
    struct err ignored;
    auto_(buf) struct buf text = BUF_INIT(FILE_MAX_BYTES);
    auto_(buf) struct buf dense = BUF_INIT(FILE_MAX_BYTES);
    if (++f->seen > FILES_MAX || io_read_file(path, &text, &ignored) < 0)
        return;
    squeeze(buf_str(&text), &dense);
    const char *all = buf_str(&dense);
    if (!strstr(all, "stream.sock") && !strstr(all, "stream.fcgi"))
        return;
    f->ours++;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        char what[512];
        if (!strstr(all, lines[i].sign) || strstr(all, lines[i].line))
            continue;
        f->bad++;
        (void)snprintf(what, sizeof what, "%s: %s", path, lines[i].lacking);
        doctor_say_fix(f->d, DOCTOR_WARN, what, "%s", lines[i].written);
    }
}

static void look_below(struct files *f, const char *path, int depth)
{
    DIR *dir = opendir(path);
    for (const struct dirent *e; dir && (e = readdir(dir));) {
        char child[512];
        struct stat st;
        if (e->d_name[0] == '.' ||
            snprintf(child, sizeof child, "%s/%s", path, e->d_name) >= (int)sizeof child ||
            lstat(child, &st) < 0) /* what is enabled is a link to a file that is there as well */
            continue;
        if (S_ISREG(st.st_mode))
            look_at_file(f, child);
        else if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX)
            look_below(f, child, depth + 1);
    }
    if (dir)
        (void)closedir(dir);
}

void doctor_server_file(struct doctor *d)
{
    static const char *const places[] = {"/etc/lighttpd", "/etc/nginx", "/etc/apache2", "/etc/httpd"};
    struct files f = {.d = d};
    if (d->opts->server_file)
        look_at_file(&f, d->opts->server_file);
    for (size_t i = 0; !d->opts->server_file && i < ARRAY_LEN(places); i++)
        look_below(&f, places[i], 0);
    if (f.ours == 0 && d->opts->server_file)
        doctor_say(d, DOCTOR_WARN, take_snippet, "%s names no stream.fcgi and no stream.sock",
                   d->opts->server_file);
    else if (f.ours == 0)
        doctor_say(d, DOCTOR_OK, NULL,
                   "no configuration below /etc names the programs; another one can be given "
                   "with --server-config FILE");
    else if (f.bad == 0)
        doctor_say(d, DOCTOR_OK, NULL, "%d, with all lines that matter", f.ours);
}
