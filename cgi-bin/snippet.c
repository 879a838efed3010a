/* See snippet.h. */
#include "snippet.h"

#include <stdbool.h>
#include <string.h>

#include "base/embed.h"
#include "base/text.h"
#include "serve/app.h"
#include "serve/files.h"

/* The name under which a variant is known, its template, and the value that only this variant has. */
static const struct {
    const char *name, *file, *variant;
} snippets[] = {
    {"lighttpd.conf", "lighttpd.conf", "EXTERNAL"},
    {"lighttpd-spawned.conf", "lighttpd.conf", "SPAWNED"},
    {"lighttpd-cgi.conf", "lighttpd.conf", "CGI"},
    {"nginx.conf", "nginx.conf", ""},
    {"apache-proxy.conf", "apache.conf", "PROXY"},
    {"apache-fcgid.conf", "apache.conf", "FCGID"},
    {"apache-cgi.conf", "apache.conf", "CGI"},
    {"shared.htaccess", "shared.htaccess", ""},
    {"shared.fcgi", "shared.fcgi", ""},
    {"sluice-info.socket", "sluice.socket", "INFO"},
    {"sluice-stream.socket", "sluice.socket", "STREAM"},
    {"sluice-admin.socket", "sluice.socket", "ADMIN"},
    {"sluice-info.service", "sluice.service", "INFO"},
    {"sluice-stream.service", "sluice.service", "STREAM"},
    {"sluice-admin.service", "sluice.service", "ADMIN"},
};

/* What the pages may do: they need nothing but themselves. Programs send their own. */
static const char page_policy[] =
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; media-src 'self'; manifest-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'";

struct value {
    const char *name, *text;
};

static const char *find(const struct value *values, const char *name, size_t len)
{
    for (; values->name; values++) {
        if (strlen(values->name) == len && memcmp(values->name, name, len) == 0)
            return values->text;
    }
    return NULL;
}

/* Ends quoted text or means something in it: in lighttpd, nginx, Apache, a shell or systemd. */
static int check_value(const struct value *value, struct err *err)
{
    if (text_has_control(value->text) || strpbrk(value->text, "\"\\$%`@"))
        return err_set(err, ERR_INTERNAL, "a character that cannot be quoted everywhere: %s", value->text);
    return 0;
}

/* Prefixes stand in regular expressions and in addresses as well. */
static int check_prefix(const char *prefix, struct err *err)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_/";
    size_t len = strlen(prefix);
    if (len &&
        (*prefix != '/' || prefix[len - 1] == '/' || strstr(prefix, "//") || strspn(prefix, plain) != len))
        return err_set(err, ERR_INTERNAL, "not a folder of the form /media: %s", prefix);
    return 0;
}

/* Appends one line with its values filled in; a lone @ stays. */
static void fill_line(struct buf *out, const char *line, size_t len, const struct value *values)
{
    const char *end = line + len;
    const char *name_end;
    while (end - line > 2 && line[0] == '@' && line[1] == '?' &&
           (name_end = memchr(line + 2, '@', (size_t)(end - line - 2))) != NULL) {
        const char *text = find(values, line + 2, (size_t)(name_end - line - 2));
        if (!text || !*text)
            return;
        line = name_end + 1;
    }
    while (line < end) {
        const char *text = NULL;
        if (*line == '@' && (name_end = memchr(line + 1, '@', (size_t)(end - line - 1))) != NULL)
            text = find(values, line + 1, (size_t)(name_end - line - 1));
        if (text) {
            (void)buf_adds(out, text);
            line = name_end + 1;
        } else {
            (void)buf_addc(out, *line++);
        }
    }
    (void)buf_addc(out, '\n');
}

static void fill(struct buf *out, const char *text, const struct value *values)
{
    while (*text) {
        size_t len = strcspn(text, "\n");
        fill_line(out, text, len, values);
        text += len + (text[len] == '\n');
    }
}

static const char *embedded(const char *name)
{
    for (const struct embed_file *f = embed_files; f->name; f++) {
        if (strcmp(f->name, name) == 0)
            return f->text;
    }
    return "";
}

/* Alternatives of a regular expression: the routes of a program that lie outside /api/, which is told apart
 * by /api/v1/stream. */
static int list_routes(struct buf *out, unsigned program)
{
    for (size_t i = 0; i < serve_route_count; i++) {
        const struct http_route *r = &serve_routes[i];
        bool answered_first = program == HTTP_ROUTE_INFO || !(r->flags & HTTP_ROUTE_INFO);
        if ((r->flags & program) && answered_first && !text_starts_with(r->path, "/api/"))
            (void)buf_addf(out, "%s%s", out->len ? "|" : "", r->path + 1);
    }
    return out->failed ? -1 : 0;
}

int snippet_list(struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(snippets); i++)
        (void)buf_addf(out, "%s\n", snippets[i].name);
    return out->failed ? -1 : 0;
}

int snippet_print(struct buf *out, const char *name, const struct snippet_values *v, struct err *err)
{
    size_t i = 0;
    while (i < ARRAY_LEN(snippets) && strcmp(snippets[i].name, name) != 0)
        i++;
    if (i == ARRAY_LEN(snippets))
        return err_set(err, ERR_NOT_FOUND, "no snippet is called %s", name);
    const bool stream = strcmp(snippets[i].variant, "STREAM") == 0;
    const bool admin = strcmp(snippets[i].variant, "ADMIN") == 0;
    auto_(buf) struct buf info_routes = BUF_INIT(4096);
    auto_(buf) struct buf stream_routes = BUF_INIT(4096);
    if (list_routes(&info_routes, HTTP_ROUTE_INFO) < 0 || list_routes(&stream_routes, HTTP_ROUTE_STREAM) < 0)
        return err_set(err, ERR_INTERNAL, "out of memory");
    const struct value values[] = {
        {"PREFIX", v->prefix},
        {"DOCROOT", v->docroot},
        {"PROGRAMS", v->programs},
        {"SLUICE", v->sluice},
        {"RUN_DIR", v->run_dir},
        {"ADDRESS", v->address},
        {"PORT", v->port},
        {"CONFIG", v->config},
        {"OUTPUTS", v->outputs},
        {"OUTPUTS_PREFIX", FILES_SERVER_PREFIX},
        {"PROGRAM", stream  ? "stream"
                    : admin ? "admin"
                            : "info"},
        {"POLICY", page_policy},
        {"INFO_ROUTES", buf_str(&info_routes)},
        {"STREAM_ROUTES", buf_str(&stream_routes)},
        {"FASTCGI", strcmp(snippets[i].variant, "CGI") == 0 ? "" : "yes"},
        {"STARTED", strcmp(snippets[i].variant, "PROXY") == 0 ? "" : "yes"}, /* by Apache */
        {snippets[i].variant, "yes"},
        {NULL, NULL},
    };
    for (const struct value *one = values; one->name; one++) {
        if (check_value(one, err) < 0)
            return -1;
    }
    if (check_prefix(v->prefix, err) < 0)
        return -1;
    fill(out, embedded(snippets[i].file), values);
    return out->failed ? err_set(err, ERR_INTERNAL, "out of memory") : 0;
}
