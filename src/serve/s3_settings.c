/* Where the bucket is and who we are there: from the settings, the environment of AWS's own tools, or their
 * file of credentials. See s3.h. */
#include "serve/s3_settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/text.h"

enum { CREDENTIALS_MAX_BYTES = 65536 };

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value ? value : "";
}

static int copy(char **out, const char *text, struct err *err)
{
    char *fresh = strdup(text);
    if (!fresh)
        return err_set(err, ERR_INTERNAL, "out of memory");
    free(*out);
    *out = fresh;
    return 0;
}

/* ---- Credentials ---- */

static char *trim(char *s)
{
    s += strspn(s, " \t");
    size_t n = strlen(s);
    while (n && strchr(" \t\r", s[n - 1]))
        s[--n] = '\0';
    return s;
}

/* One `name = value` of the profile. */
static int take_line(struct s3 *s3, char *line, struct err *err)
{
    char *equals = strchr(line, '=');
    if (!equals)
        return 0;
    *equals = '\0';
    const char *name = trim(line);
    const char *value = trim(equals + 1);
    char **to = strcmp(name, "aws_access_key_id") == 0       ? &s3->access
                : strcmp(name, "aws_secret_access_key") == 0 ? &s3->secret
                : strcmp(name, "aws_session_token") == 0     ? &s3->session
                                                             : NULL;
    return to ? copy(to, value, err) : 0;
}

/* [profile], then lines of it. */
static int read_profile(struct s3 *s3, const char *path, const char *profile, struct err *err)
{
    auto_(buf) struct buf text = BUF_INIT(CREDENTIALS_MAX_BYTES);
    struct err unread = {0};
    bool is_ours = false;
    if (io_read_file(path, &text, &unread) < 0)
        return 0; /* there need not be one */
    for (char *next = text.data; next;) {
        char *line = next;
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        line = trim(line);
        size_t len = strlen(line);
        if (len > 2 && line[0] == '[' && line[len - 1] == ']') {
            line[len - 1] = '\0';
            is_ours = strcmp(trim(line + 1), profile) == 0;
        } else if (is_ours && *line != '#' && *line != ';' && take_line(s3, line, err) < 0) {
            return -1;
        }
    }
    return 0;
}

static int read_file(struct s3 *s3, struct err *err)
{
    const char *profile = environment("AWS_PROFILE");
    const char *file = environment("AWS_SHARED_CREDENTIALS_FILE");
    auto_ptr(char) char *usual = NULL;
    if (!*file && asprintf(&usual, "%s/.aws/credentials", environment("HOME")) < 0)
        return err_set(err, ERR_INTERNAL, "out of memory");
    return read_profile(s3, usual ? usual : file, *profile ? profile : "default", err);
}

/* All of them come from one place. */
static int read_keys(struct s3 *s3, const struct config *c, struct err *err)
{
    const char *access = c->s3_access_key;
    const char *secret = c->s3_secret_key;
    const char *session = "";
    if (!*access != !*secret)
        return err_set(err, ERR_INTERNAL, "s3_access_key and s3_secret_key belong together");
    if (!*access) {
        access = environment("AWS_ACCESS_KEY_ID");
        secret = environment("AWS_SECRET_ACCESS_KEY");
        session = environment("AWS_SESSION_TOKEN");
    }
    if (copy(&s3->access, access, err) < 0 || copy(&s3->secret, secret, err) < 0 ||
        copy(&s3->session, session, err) < 0)
        return -1;
    if ((!*s3->access || !*s3->secret) && read_file(s3, err) < 0)
        return -1;
    if (text_has_control(s3->access) || text_has_control(s3->secret) || text_has_control(s3->session))
        return err_set(err, ERR_INTERNAL, "credentials for S3 with a control character");
    return 0;
}

/* ---- The place ---- */

/* "https://host:port", maybe with a slash behind. */
static int read_endpoint(struct s3 *s3, const char *endpoint, struct err *err)
{
    s3->tls = text_starts_with(endpoint, "https://");
    if (!s3->tls && !text_starts_with(endpoint, "http://"))
        return err_set(err, ERR_INTERNAL, "s3_endpoint must begin with https:// or http://");
    const char *host = endpoint + (s3->tls ? 8 : 7);
    size_t len = strcspn(host, "/");
    if (len == 0 || host[len + (host[len] == '/')] || strpbrk(host, "?#@ \"'"))
        return err_set(err, ERR_INTERNAL, "s3_endpoint must be a host, with or without a port");
    s3->port = net_url_port(endpoint);
    if (!s3->port)
        return err_set(err, ERR_INTERNAL, "s3_endpoint is no usable address");
    /* The usual port is not in the field Host. */
    char usual[8];
    (void)snprintf(usual, sizeof usual, ":%d", s3->tls ? 443 : 80);
    size_t cut = len > strlen(usual) && strncmp(host + len - strlen(usual), usual, strlen(usual)) == 0
                     ? strlen(usual)
                     : 0;
    s3->host = strndup(host, len - cut);
    return s3->host ? 0 : err_set(err, ERR_INTERNAL, "out of memory");
}

/* Names of buckets: 3 to 63 of them; letters of both cases and underscores for old ones and compatibles. */
static bool is_bucket(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    size_t len = strlen(name);
    return len >= 3 && len <= 63 && strspn(name, letters) == len && *name != '.' && *name != '-';
}

static int read_place(struct s3 *s3, const struct config *c, struct err *err)
{
    const char *style = c->s3_path_style;
    if (!is_bucket(c->s3_bucket))
        return err_set(err, ERR_INTERNAL, "s3_bucket is no name of a bucket");
    if (!*c->s3_region || strpbrk(c->s3_region, "/ ") || text_has_control(c->s3_region))
        return err_set(err, ERR_INTERNAL, "s3_region is no name of a region");
    auto_ptr(char) char *amazon = NULL;
    if (asprintf(&amazon, "https://s3.%s.amazonaws.com", c->s3_region) < 0)
        return err_set(err, ERR_INTERNAL, "out of memory");
    s3->path_style = strcmp(style, "auto") == 0 ? *c->s3_endpoint : strcmp(style, "on") == 0;
    if (read_endpoint(s3, *c->s3_endpoint ? c->s3_endpoint : amazon, err) < 0)
        return -1;
    int len = snprintf(s3->place, sizeof s3->place, "%s://%s/%s", s3->tls ? "https" : "http", s3->host,
                       c->s3_bucket);
    if (len < 0 || (size_t)len >= sizeof s3->place)
        return err_set(err, ERR_INTERNAL, "s3_endpoint is too long");
    if (s3->path_style)
        return 0;
    char *whole = NULL;
    if (asprintf(&whole, "%s.%s", c->s3_bucket, s3->host) < 0)
        return err_set(err, ERR_INTERNAL, "out of memory");
    free(s3->host);
    s3->host = whole;
    return 0;
}

/* Without a slash in front, with one behind. */
static int read_prefix(struct s3 *s3, const char *prefix, struct err *err)
{
    prefix += strspn(prefix, "/");
    size_t len = strlen(prefix);
    while (len && prefix[len - 1] == '/')
        len--;
    if (len > S3_KEY_MAX / 2 || text_has_control(prefix) || strstr(prefix, "//") || strstr(prefix, ".."))
        return err_set(err, ERR_INTERNAL, "s3_prefix is no usable beginning of a name");
    if (asprintf(&s3->prefix, "%.*s%s", (int)len, prefix, len ? "/" : "") < 0) {
        s3->prefix = NULL;
        return err_set(err, ERR_INTERNAL, "out of memory");
    }
    return 0;
}

int s3_open(struct s3 **out, const struct config *c, struct err *err)
{
    *out = NULL;
    if (!*c->s3_bucket)
        return 0;
    struct s3 *s3 = calloc(1, sizeof *s3);
    if (!s3)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (read_place(s3, c, err) < 0 || read_prefix(s3, c->s3_prefix, err) < 0 || read_keys(s3, c, err) < 0 ||
        copy(&s3->bucket, c->s3_bucket, err) < 0 || copy(&s3->region, c->s3_region, err) < 0) {
        s3_close(s3);
        return -1;
    }
    *out = s3;
    return 0;
}

void s3_close(struct s3 *s3)
{
    if (!s3)
        return;
    char *const texts[] = {s3->bucket, s3->prefix, s3->region, s3->access, s3->secret, s3->session, s3->host};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        free(texts[i]);
    free(s3);
}

uint16_t s3_port(const struct s3 *s3)
{
    return s3->port;
}
