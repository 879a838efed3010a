/* Reading a postgresql:// URL; see postgres.h. */
#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"
#include "store/postgres.h"

enum { WHERE_MAX_BYTES = 16384 };

static const char *value_of(const PQconninfoOption *options, const char *keyword)
{
    for (; options && options->keyword; options++) {
        if (strcmp(options->keyword, keyword) == 0)
            return options->val && *options->val ? options->val : NULL;
    }
    return NULL;
}

/* keyword='value', as libpq reads it: quote and backslash take a backslash. */
static void put_option(struct buf *out, const char *keyword, const char *value)
{
    (void)buf_addf(out, "%s='", keyword);
    for (; *value; value++) {
        if (*value == '\'' || *value == '\\')
            (void)buf_addc(out, '\\');
        (void)buf_addc(out, *value);
    }
    (void)buf_adds(out, "' ");
}

static void need_path(struct store_needs *needs, const char *path)
{
    if (path && needs->path_count < ARRAY_LEN(needs->paths)) {
        char *copy = strdup(path);
        if (copy)
            needs->paths[needs->path_count++] = copy;
    }
}

/* "5432", or one for each of several hosts, an empty one being the usual one. */
static void need_ports(struct store_needs *needs, const char *list)
{
    static const uint16_t usual = 5432;
    for (const char *p = list; p && needs->port_count < ARRAY_LEN(needs->ports);) {
        uint64_t port;
        size_t len = strcspn(p, ",");
        bool ok = text_parse_u64n(p, len, 1, UINT16_MAX, &port) == 0;
        needs->ports[needs->port_count++] = ok ? (uint16_t)port : usual;
        p = p[len] ? p + len + 1 : NULL;
    }
}

static void fill_needs(struct store_needs *needs, const PQconninfoOption *said, const PQconninfoOption *usual)
{
    static const char *const files[] = {"sslrootcert", "sslcert",   "sslkey",
                                        "sslcrl",      "sslcrldir", "passfile"};
    const char *port = value_of(said, "port");
    need_ports(needs, port ? port : value_of(usual, "port"));
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        const char *file = value_of(said, files[i]);
        need_path(needs, file ? file : value_of(usual, files[i]));
    }
    /* Where libpq looks for certificates and passwords that nothing names. */
    static const char *const at_home[] = {".postgresql", ".pgpass"};
    const char *home = getenv("HOME");
    for (size_t i = 0; home && i < ARRAY_LEN(at_home); i++) {
        auto_ptr(char) char *path = NULL;
        if (asprintf(&path, "%s/%s", home, at_home[i]) > 0)
            need_path(needs, path);
    }
}

static int fill(struct postgres_url *out, const PQconninfoOption *said, const PQconninfoOption *usual)
{
    auto_(buf) struct buf where = BUF_INIT(WHERE_MAX_BYTES);
    for (const PQconninfoOption *o = said; o->keyword; o++) {
        if (o->val)
            put_option(&where, o->keyword, o->val);
    }
    const char *user = value_of(usual, "user");
    if (!value_of(said, "user") && user)
        put_option(&where, "user", user);
    const char *host = value_of(said, "host");
    const char *port = value_of(said, "port");
    const char *database = value_of(said, "dbname");
    if (asprintf(&out->name, "postgresql://%s%s%s/%s", host ? host : "", port ? ":" : "", port ? port : "",
                 database ? database : "") < 0)
        out->name = NULL;
    if (where.failed || where.len == 0)
        return -1;
    out->where = strdup(buf_str(&where));
    fill_needs(&out->needs, said, usual);
    return out->where && out->name ? 0 : -1;
}

int postgres_parse(struct postgres_url *out, const char *url, struct err *err)
{
    *out = (struct postgres_url){0};
    /* Its words would repeat the part it stumbled over, which may be the password. */
    char *words = NULL;
    PQconninfoOption *said = PQconninfoParse(url, &words);
    PQfreemem(words);
    if (!said)
        return err_set(err, ERR_INTERNAL,
                       "database is not a URL libpq understands: write postgresql://user:password@host/name, "
                       "with %%XX for what is no letter or digit in the password");
    PQconninfoOption *usual = PQconndefaults();
    int rc = fill(out, said, usual);
    PQconninfoFree(said);
    PQconninfoFree(usual);
    if (rc < 0) {
        postgres_url_fini(out);
        return err_set(err, ERR_INTERNAL, "database: out of memory, or too long a URL");
    }
    return 0;
}

void postgres_url_fini(struct postgres_url *url)
{
    free(url->where);
    free(url->name);
    for (size_t i = 0; i < url->needs.path_count; i++)
        free(url->needs.paths[i]);
    free(url->needs.directory);
    *url = (struct postgres_url){0};
}

int postgres_library_version(void)
{
    return PQlibVersion();
}
