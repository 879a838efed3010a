/* See account.h. */
#include "site/youtube/account.h"

#include <stdio.h>
#include <string.h>

#include "base/sha1.h"

enum { NAME_FIELD = 5, FIELDS_ROOM = 512, LINES_MAX_BYTES = 64 * 1024 };

/* The value of a cookie in lines as net_cookies() writes them; NULL: there is none. */
static const char *value_of(const char *lines, const char *name, size_t *len)
{
    for (const char *line = lines; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        const char *field = line;
        for (int i = 0; i < NAME_FIELD && *field; i++)
            field += strcspn(field, "\t\n"), field += *field == '\t';
        size_t name_len = strcspn(field, "\t\n");
        if (name_len == strlen(name) && memcmp(field, name, name_len) == 0 && field[name_len] == '\t') {
            *len = strcspn(field + name_len + 1, "\n");
            return field + name_len + 1;
        }
    }
    return NULL;
}

int account_proof(const struct site_env *env, const struct client *client, int64_t now_unix_s,
                  char out[ACCOUNT_PROOF_MAX])
{
    /* Browsers have both, with one value; in some modes only the second. */
    static const char *const names[] = {"SAPISID", "__Secure-3PAPISID"};
    char url[300];
    char hash[SHA1_HEX_LEN + 1];
    auto_(buf) struct buf lines = BUF_INIT(LINES_MAX_BYTES);
    auto_(buf) struct buf text = BUF_INIT(FIELDS_ROOM + sizeof url);
    const char *value = NULL;
    size_t len = 0;
    (void)snprintf(url, sizeof url, "https://%s/", client->host);
    if (!env->cookies || env->cookies(env->cookies_ctx, url, &lines) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(names) && !value; i++)
        value = value_of(buf_str(&lines), names[i], &len);
    if (!value || len == 0 || len > FIELDS_ROOM / 2 ||
        buf_addf(&text, "%lld %.*s https://%s", (long long)now_unix_s, (int)len, value, client->host) < 0 ||
        sha1_hex(text.data, text.len, hash) < 0)
        return -1;
    (void)snprintf(out, ACCOUNT_PROOF_MAX, "SAPISIDHASH %lld_%s", (long long)now_unix_s, hash);
    return 0;
}

bool account_is_there(const struct site_env *env, const struct client *client)
{
    char ignored[ACCOUNT_PROOF_MAX];
    return account_proof(env, client, 0, ignored) == 0;
}
