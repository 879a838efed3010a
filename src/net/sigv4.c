/* See sigv4.h. */
#include "net/sigv4.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/hash.h"
#include "base/text.h"

enum {
    TEXT_MAX_BYTES = 32768, /* of a request without its body: keys are at most 1024 bytes, URLs 8192 */
    DATE_LEN = 16,          /* 20130524T000000Z */
    DAY_LEN = 8,
    SCOPE_MAX = 160,
    PRESIGN_PAIRS = 6,
};

static const char algorithm[] = "AWS4-HMAC-SHA256";
const char sigv4_unsigned[] = "UNSIGNED-PAYLOAD";
const char sigv4_no_body[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/* When, and for what place. */
struct scope {
    char date[DATE_LEN + 1];
    char text[SCOPE_MAX]; /* day/region/s3/aws4_request */
};

static int set_scope(struct scope *out, const struct sigv4_keys *keys, int64_t now_unix_s, struct err *err)
{
    struct tm tm;
    time_t now = (time_t)now_unix_s;
    if (!gmtime_r(&now, &tm) || strftime(out->date, sizeof out->date, "%Y%m%dT%H%M%SZ", &tm) != DATE_LEN)
        return err_set(err, ERR_INTERNAL, "no date");
    int len = snprintf(out->text, sizeof out->text, "%.*s/%s/s3/aws4_request", DAY_LEN, out->date,
                       keys->region);
    return len > 0 && len < SCOPE_MAX ? 0 : err_set(err, ERR_INTERNAL, "a region's name is too long");
}

/* ---- Canonical texts ---- */

int sigv4_path(struct buf *out, const char *path)
{
    auto_(buf) struct buf part = BUF_INIT(TEXT_MAX_BYTES);
    for (const char *s = path; *s;) {
        size_t len = strcspn(s, "/");
        buf_clear(&part);
        (void)buf_add(&part, s, len);
        (void)text_percent_encode(out, buf_str(&part));
        s += len;
        if (*s) {
            (void)buf_addc(out, '/');
            s++;
        }
    }
    return part.failed || out->failed ? -1 : 0;
}

/* By name. What is sorted are at most a dozen, and names are distinct and plain: encoding them would not
 * change their order. */
static size_t sort(const struct sigv4_pair *in, size_t count, const struct sigv4_pair **out)
{
    for (size_t i = 0; i < count; i++) {
        size_t at = i;
        for (; at > 0 && strcmp(out[at - 1]->name, in[i].name) > 0; at--)
            out[at] = out[at - 1];
        out[at] = &in[i];
    }
    return count;
}

int sigv4_query(struct buf *out, const struct sigv4_pair *query, size_t count)
{
    const struct sigv4_pair *sorted[SIGV4_PAIRS_MAX + PRESIGN_PAIRS];
    if (count > ARRAY_LEN(sorted))
        return -1;
    (void)sort(query, count, sorted);
    for (size_t i = 0; i < count; i++) {
        if (i)
            (void)buf_addc(out, '&');
        (void)text_percent_encode(out, sorted[i]->name);
        (void)buf_addc(out, '=');
        (void)text_percent_encode(out, sorted[i]->value);
    }
    return out->failed ? -1 : 0;
}

static void add_names(struct buf *out, const struct sigv4_pair *const *sorted, size_t count)
{
    for (size_t i = 0; i < count; i++)
        (void)buf_addf(out, "%s%s", i ? ";" : "", sorted[i]->name);
}

/* The hash of all that is signed. */
static int hash_request(const struct sigv4_request *r, const struct sigv4_pair *const *headers, size_t count,
                        const char *payload, char out[HASH_HEX_LEN + 1])
{
    auto_(buf) struct buf text = BUF_INIT(TEXT_MAX_BYTES);
    (void)buf_addf(&text, "%s\n", r->method);
    int rc = sigv4_path(&text, r->path);
    (void)buf_addc(&text, '\n');
    rc |= sigv4_query(&text, r->query, r->query_count);
    (void)buf_addc(&text, '\n');
    for (size_t i = 0; i < count; i++)
        (void)buf_addf(&text, "%s:%s\n", headers[i]->name, headers[i]->value);
    (void)buf_addc(&text, '\n');
    add_names(&text, headers, count);
    (void)buf_addf(&text, "\n%s", payload);
    if (rc < 0 || text.failed)
        return -1;
    hash_sha256_hex(text.data, text.len, out);
    return 0;
}

/* ---- The signature ---- */

static int sign(const struct sigv4_keys *keys, const struct scope *scope, const char *request_hash,
                char out[HASH_HEX_LEN + 1], struct err *err)
{
    uint8_t key[HASH_MAC_BYTES];
    auto_(buf) struct buf secret = BUF_INIT(TEXT_MAX_BYTES);
    auto_(buf) struct buf text = BUF_INIT(TEXT_MAX_BYTES);
    (void)buf_addf(&secret, "AWS4%s", keys->secret);
    (void)buf_addf(&text, "%s\n%s\n%s\n%s", algorithm, scope->date, scope->text, request_hash);
    if (secret.failed || text.failed)
        return err_set(err, ERR_INTERNAL, "a request is too long to be signed");
    hash_hmac_sha256(secret.data, secret.len, scope->text, DAY_LEN, key);
    for (const char *s = scope->text + DAY_LEN + 1; s;) { /* region, service, aws4_request */
        const char *end = strchr(s, '/');
        hash_hmac_sha256(key, sizeof key, s, end ? (size_t)(end - s) : strlen(s), key);
        s = end ? end + 1 : NULL;
    }
    hash_hmac_sha256(key, sizeof key, text.data, text.len, key);
    hash_hex(key, out);
    return 0;
}

void sigv4_fini(struct sigv4_lines *lines)
{
    buf_fini(&lines->text);
}

/* The lines of `text`, each ended by a zero byte. */
static void point(struct sigv4_lines *out)
{
    size_t count = 0;
    for (size_t at = 0; at < out->text.len; at += strlen(out->text.data + at) + 1)
        out->lines[count++] = out->text.data + at;
    out->lines[count] = NULL;
}

int sigv4_sign(const struct sigv4_keys *keys, const struct sigv4_request *request, struct sigv4_lines *out,
               struct err *err)
{
    struct scope scope;
    char hash[HASH_HEX_LEN + 1];
    char signature[HASH_HEX_LEN + 1];
    struct sigv4_pair headers[SIGV4_LINES_MAX];
    const struct sigv4_pair *sorted[SIGV4_LINES_MAX];
    size_t count = 0;
    *out = (struct sigv4_lines){.text = BUF_INIT(TEXT_MAX_BYTES)};
    if (request->header_count > SIGV4_PAIRS_MAX || request->query_count > SIGV4_PAIRS_MAX)
        return err_set(err, ERR_INTERNAL, "too many fields to be signed");
    if (set_scope(&scope, keys, request->now_unix_s, err) < 0)
        return -1;
    headers[count++] = (struct sigv4_pair){"host", request->host};
    headers[count++] = (struct sigv4_pair){"x-amz-content-sha256", request->payload};
    headers[count++] = (struct sigv4_pair){"x-amz-date", scope.date};
    if (*keys->session)
        headers[count++] = (struct sigv4_pair){"x-amz-security-token", keys->session};
    for (size_t i = 0; i < request->header_count; i++)
        headers[count++] = request->headers[i];
    if (hash_request(request, sorted, sort(headers, count, sorted), request->payload, hash) < 0 ||
        sign(keys, &scope, hash, signature, err) < 0)
        return err_set(err, ERR_INTERNAL, "a request is too long to be signed");
    for (size_t i = 1; i < count; i++) { /* Host is sent anyway */
        (void)buf_addf(&out->text, "%s: %s", headers[i].name, headers[i].value);
        (void)buf_addc(&out->text, '\0');
    }
    (void)buf_addf(&out->text, "authorization: %s Credential=%s/%s,SignedHeaders=", algorithm, keys->access,
                   scope.text);
    add_names(&out->text, sorted, count);
    (void)buf_addf(&out->text, ",Signature=%s", signature);
    (void)buf_addc(&out->text, '\0');
    if (out->text.failed)
        return err_set(err, ERR_INTERNAL, "out of memory");
    point(out);
    return 0;
}

int sigv4_presign(const struct sigv4_keys *keys, const struct sigv4_request *request, int64_t expires_s,
                  struct buf *out, struct err *err)
{
    struct scope scope;
    char hash[HASH_HEX_LEN + 1];
    char signature[HASH_HEX_LEN + 1];
    char expires[24];
    char credential[SCOPE_MAX + 256];
    struct sigv4_pair query[SIGV4_PAIRS_MAX + PRESIGN_PAIRS];
    const struct sigv4_pair host = {"host", request->host};
    const struct sigv4_pair *const headers[] = {&host};
    size_t count = 0;
    if (request->query_count > SIGV4_PAIRS_MAX || expires_s < 1 || expires_s > SIGV4_EXPIRES_MAX_S)
        return err_set(err, ERR_INTERNAL, "no such link can be signed");
    if (set_scope(&scope, keys, request->now_unix_s, err) < 0)
        return -1;
    (void)snprintf(expires, sizeof expires, "%lld", (long long)expires_s);
    int len = snprintf(credential, sizeof credential, "%s/%s", keys->access, scope.text);
    if (len < 0 || (size_t)len >= sizeof credential)
        return err_set(err, ERR_INTERNAL, "an access key's name is too long");
    query[count++] = (struct sigv4_pair){"X-Amz-Algorithm", algorithm};
    query[count++] = (struct sigv4_pair){"X-Amz-Credential", credential};
    query[count++] = (struct sigv4_pair){"X-Amz-Date", scope.date};
    query[count++] = (struct sigv4_pair){"X-Amz-Expires", expires};
    if (*keys->session)
        query[count++] = (struct sigv4_pair){"X-Amz-Security-Token", keys->session};
    query[count++] = (struct sigv4_pair){"X-Amz-SignedHeaders", "host"};
    for (size_t i = 0; i < request->query_count; i++)
        query[count++] = request->query[i];
    struct sigv4_request whole = *request;
    whole.query = query;
    whole.query_count = count;
    if (hash_request(&whole, headers, 1, sigv4_unsigned, hash) < 0 ||
        sign(keys, &scope, hash, signature, err) < 0 || sigv4_query(out, query, count) < 0 ||
        buf_addf(out, "&X-Amz-Signature=%s", signature) < 0)
        return err_set(err, ERR_INTERNAL, "a link is too long to be signed");
    return 0;
}
