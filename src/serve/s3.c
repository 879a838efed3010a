/* See s3.h. */
#include "serve/s3.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/text.h"
#include "net/sigv4.h"
#include "serve/s3_settings.h"
#include "site/xml.h"

enum {
    URL_MAX = 8192,
    ANSWER_MAX = 2 << 20,  /* 1000 parts, described */
    TIME_MAX_MS = 3600000, /* of one call; a stall ends it long before */
    UPLOADS_MAX = 100,     /* of one object, thrown away at once */
};

/* One call. */
struct ask {
    const char *method;
    const char *key; /* NULL: the bucket itself */
    struct sigv4_pair query[SIGV4_PAIRS_MAX], headers[SIGV4_PAIRS_MAX];
    size_t query_count, header_count;
    const void *body;
    size_t body_len;
};

static void add_query(struct ask *a, const char *name, const char *value)
{
    a->query[a->query_count++] = (struct sigv4_pair){name, value};
}

static void add_header(struct ask *a, const char *name, const char *value)
{
    a->headers[a->header_count++] = (struct sigv4_pair){name, value};
}

/* ---- Addresses ---- */

const char *s3_place(const struct s3 *s3)
{
    return s3->place;
}

const char *s3_bucket(const struct s3 *s3)
{
    return s3->bucket;
}

const char *s3_prefix(const struct s3 *s3)
{
    return s3->prefix;
}

/* What is signed and sent as the path. */
static int make_path(const struct s3 *s3, const char *key, struct buf *out, struct err *err)
{
    (void)buf_addc(out, '/');
    if (s3->path_style)
        (void)buf_addf(out, "%s%s", s3->bucket, key ? "/" : "");
    if (buf_adds(out, key ? key : "") < 0)
        return err_set(err, ERR_INTERNAL, "an object's name is too long");
    return 0;
}

/* The address without query. */
static int make_url(const struct s3 *s3, const char *path, struct buf *out, struct err *err)
{
    (void)buf_addf(out, "%s://%s", s3->tls ? "https" : "http", s3->host);
    return sigv4_path(out, path) < 0 ? err_set(err, ERR_INTERNAL, "an object's name is too long") : 0;
}

int s3_url(const struct s3 *s3, const char *key, struct buf *out, struct err *err)
{
    auto_(buf) struct buf path = BUF_INIT(URL_MAX);
    return make_path(s3, key, &path, err) < 0 ? -1 : make_url(s3, buf_str(&path), out, err);
}

static struct sigv4_keys keys_of(const struct s3 *s3)
{
    return (struct sigv4_keys){s3->access, s3->secret, s3->session, s3->region};
}

int s3_link(const struct s3 *s3, const char *key, const char *disposition, int64_t ttl_s, struct buf *out,
            struct err *err)
{
    const struct sigv4_keys keys = keys_of(s3);
    const struct sigv4_pair query = {"response-content-disposition", disposition};
    auto_(buf) struct buf path = BUF_INIT(URL_MAX);
    if (make_path(s3, key, &path, err) < 0 || make_url(s3, buf_str(&path), out, err) < 0)
        return -1;
    const struct sigv4_request request = {
        .method = "GET",
        .host = s3->host,
        .path = buf_str(&path),
        .query = &query,
        .query_count = disposition ? 1 : 0,
        .now_unix_s = clock_unix_s(),
    };
    (void)buf_addc(out, '?');
    return sigv4_presign(&keys, &request, ttl_s, out, err);
}

/* ---- Calling ---- */

/* What the codes of its errors mean; all others by the status. */
static const struct {
    const char *name;
    enum err_code code;
} known_errors[] = {
    {"NoSuchBucket", ERR_STORAGE_MISSING},
    {"PermanentRedirect", ERR_STORAGE_MISSING},
    {"InvalidBucketName", ERR_STORAGE_MISSING},
    {"NoSuchKey", ERR_NOT_FOUND},
    {"NoSuchUpload", ERR_NOT_FOUND},
    {"QuotaExceeded", ERR_STORAGE_FULL},
    {"EntityTooLarge", ERR_STORAGE_FULL},
    {"XMinioStorageFull", ERR_STORAGE_FULL},
    {"ServiceQuotaExceeded", ERR_STORAGE_FULL},
    {"RequestTimeout", ERR_UPSTREAM_FAILED},
    {"SlowDown", ERR_UPSTREAM_FAILED},
    {"InternalError", ERR_UPSTREAM_FAILED},
    {"ServiceUnavailable", ERR_UPSTREAM_FAILED},
    {"OperationAborted", ERR_UPSTREAM_FAILED},
    {"BadDigest", ERR_UPSTREAM_FAILED},
    {"XAmzContentSHA256Mismatch", ERR_UPSTREAM_FAILED},
    {"InvalidPart", ERR_UPSTREAM_FAILED},
};

static enum err_code code_of(int status, const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(known_errors); i++) {
        if (strcmp(known_errors[i].name, name) == 0)
            return known_errors[i].code;
    }
    if (status == 404)
        return ERR_NOT_FOUND;
    if (status == 507 || status == 413)
        return ERR_STORAGE_FULL;
    return status >= 500 || status < 400 || status == 408 || status == 429 ? ERR_UPSTREAM_FAILED
                                                                           : ERR_STORAGE_REFUSED;
}

/* Fills *err from an answer that says no; also one of status 200, which an upload may be finished with. */
static int refused(const struct ask *a, const struct net_answer *answer, struct err *err)
{
    auto_ptr(xml) struct xml *x = NULL;
    const char *name = "";
    if (answer->body.len && xml_parse(&x, answer->body.data, answer->body.len, NULL) == 0 &&
        strcmp(xml_root(x)->name, "Error") == 0) {
        const struct xml_node *code = xml_child(xml_root(x), "Code", NULL);
        name = code ? code->text : "";
    }
    err_fill(err, code_of(answer->status, name), "the storage answers %s with %d %s", a->method,
             answer->status, name);
    err->upstream_status = answer->status;
    err->retry_after_s = answer->retry_after_s;
    return -1;
}

static int send(const struct s3_way *way, const struct ask *a, struct net_answer *answer, struct err *err)
{
    const struct s3 *s3 = way->s3;
    const struct sigv4_keys keys = keys_of(s3);
    char hash[HASH_HEX_LEN + 1];
    auto_(buf) struct buf path = BUF_INIT(URL_MAX);
    auto_(buf) struct buf url = BUF_INIT(URL_MAX);
    auto_(sigv4_lines) struct sigv4_lines lines = {0};
    if (make_path(s3, a->key, &path, err) < 0 || make_url(s3, buf_str(&path), &url, err) < 0)
        return -1;
    if (a->query_count && (buf_addc(&url, '?') < 0 || sigv4_query(&url, a->query, a->query_count) < 0))
        return err_set(err, ERR_INTERNAL, "an object's name is too long");
    if (a->body && !s3->tls)
        hash_sha256_hex(a->body, a->body_len, hash);
    const struct sigv4_request request = {
        .method = a->method,
        .host = s3->host,
        .path = buf_str(&path),
        .query = a->query,
        .query_count = a->query_count,
        .headers = a->headers,
        .header_count = a->header_count,
        .payload = !a->body  ? sigv4_no_body
                   : s3->tls ? sigv4_unsigned
                             : hash,
        .now_unix_s = clock_unix_s(),
    };
    if (sigv4_sign(&keys, &request, &lines, err) < 0)
        return -1;
    const struct net_call call = {
        .url = buf_str(&url),
        .method = a->method,
        .headers = lines.lines,
        .body = a->body,
        .body_len = a->body_len,
        .max_bytes = ANSWER_MAX,
        .timeout_ms = TIME_MAX_MS,
        .own = true,
        .cancelled = way->cancelled,
    };
    return net_call(way->net, &call, answer, err);
}

/* net_answer_fini() either way. */
static int ask(const struct s3_way *way, const struct ask *a, struct net_answer *answer, struct err *err)
{
    *answer = (struct net_answer){0};
    if (!*way->s3->access || !*way->s3->secret)
        return err_set(err, ERR_STORAGE_REFUSED, "there are no credentials for S3");
    if (send(way, a, answer, err) < 0)
        return -1;
    return answer->status / 100 == 2 ? 0 : refused(a, answer, err);
}

int s3_try(const struct s3_way *way, struct err *err)
{
    struct ask a = {.method = "GET"};
    auto_(net_answer) struct net_answer answer = {0};
    add_query(&a, "uploads", "");
    add_query(&a, "max-uploads", "1");
    return ask(way, &a, &answer, err);
}

/* ---- Objects ---- */

int s3_head(const struct s3_way *way, const char *key, uint64_t *size, struct err *err)
{
    const struct ask a = {.method = "HEAD", .key = key};
    auto_(net_answer) struct net_answer answer = {0};
    if (ask(way, &a, &answer, err) < 0)
        return err->code == ERR_NOT_FOUND ? 0 : -1;
    *size = answer.total_size;
    return 1;
}

int s3_delete(const struct s3_way *way, const char *key, struct err *err)
{
    const struct ask a = {.method = "DELETE", .key = key};
    auto_(net_answer) struct net_answer answer = {0};
    return ask(way, &a, &answer, err) < 0 && err->code != ERR_NOT_FOUND ? -1 : 0;
}

/* ---- Uploads ---- */

static const char *text_of(const struct xml_node *parent, const char *name)
{
    const struct xml_node *n = xml_child(parent, name, NULL);
    return n ? n->text : "";
}

/* The root of an answer, which has to be of that name. */
static int parse(const struct ask *a, const struct net_answer *answer, const char *root, struct xml **out,
                 struct err *err)
{
    if (xml_parse(out, answer->body.data ? answer->body.data : "", answer->body.len, NULL) == 0 &&
        strcmp(xml_root(*out)->name, root) == 0)
        return 0;
    return err_set(err, ERR_UPSTREAM_FAILED, "the storage's answer to %s is no %s", a->method, root);
}

int s3_begin(const struct s3_way *way, const struct s3_object *object, char upload[S3_UPLOAD_MAX + 1],
             struct err *err)
{
    struct ask a = {.method = "POST", .key = object->key, .body = ""};
    auto_(net_answer) struct net_answer answer = {0};
    auto_ptr(xml) struct xml *x = NULL;
    add_query(&a, "uploads", "");
    add_header(&a, "content-type", object->mime);
    add_header(&a, "content-disposition", object->disposition);
    if (ask(way, &a, &answer, err) < 0 || parse(&a, &answer, "InitiateMultipartUploadResult", &x, err) < 0)
        return -1;
    const char *id = text_of(xml_root(x), "UploadId");
    return *id && text_copy(upload, S3_UPLOAD_MAX + 1, id) == 0
               ? 0
               : err_set(err, ERR_UPSTREAM_FAILED, "the storage gave an upload no usable name");
}

int s3_put(const struct s3_way *way, const struct s3_part *part, char etag[S3_ETAG_MAX], struct err *err)
{
    char number[12];
    struct ask a = {.method = "PUT", .key = part->key, .body = part->data, .body_len = part->len};
    auto_(net_answer) struct net_answer answer = {0};
    (void)snprintf(number, sizeof number, "%u", part->number);
    add_query(&a, "partNumber", number);
    add_query(&a, "uploadId", part->upload);
    add_header(&a, "content-type", "application/octet-stream");
    if (ask(way, &a, &answer, err) < 0)
        return -1;
    return *answer.etag && !text_has_control(answer.etag) && !strpbrk(answer.etag, "<&>") &&
                   text_copy(etag, S3_ETAG_MAX, answer.etag) == 0
               ? 0
               : err_set(err, ERR_UPSTREAM_FAILED, "the storage gave a part no usable ETag");
}

int s3_finish(const struct s3_way *way, const char *key, const char *upload, const char (*etags)[S3_ETAG_MAX],
              unsigned count, struct err *err)
{
    struct ask a = {.method = "POST", .key = key};
    auto_(net_answer) struct net_answer answer = {0};
    auto_(buf) struct buf body = BUF_INIT(ANSWER_MAX);
    auto_ptr(xml) struct xml *x = NULL;
    add_query(&a, "uploadId", upload);
    add_header(&a, "content-type", "application/xml");
    (void)buf_adds(&body, "<CompleteMultipartUpload>");
    for (unsigned i = 0; i < count; i++)
        (void)buf_addf(&body, "<Part><PartNumber>%u</PartNumber><ETag>%s</ETag></Part>", i + 1, etags[i]);
    if (buf_adds(&body, "</CompleteMultipartUpload>") < 0)
        return err_set(err, ERR_INTERNAL, "out of memory");
    a.body = body.data;
    a.body_len = body.len;
    if (ask(way, &a, &answer, err) < 0)
        return -1;
    /* The status is sent before the parts are put together: what came of it stands in the body. */
    return parse(&a, &answer, "CompleteMultipartUploadResult", &x, NULL) < 0 ? refused(&a, &answer, err) : 0;
}

int s3_abort(const struct s3_way *way, const char *key, const char *upload, struct err *err)
{
    struct ask a = {.method = "DELETE", .key = key};
    auto_(net_answer) struct net_answer answer = {0};
    add_query(&a, "uploadId", upload);
    return ask(way, &a, &answer, err) < 0 && err->code != ERR_NOT_FOUND ? -1 : 0;
}

int s3_list_parts(const struct s3_way *way, const char *key, const char *upload, unsigned after,
                  void (*each)(void *ctx, unsigned number, const char *etag, uint64_t size), void *ctx,
                  unsigned *next, struct err *err)
{
    char marker[12];
    struct ask a = {.method = "GET", .key = key};
    auto_(net_answer) struct net_answer answer = {0};
    auto_ptr(xml) struct xml *x = NULL;
    (void)snprintf(marker, sizeof marker, "%u", after);
    add_query(&a, "uploadId", upload);
    if (after)
        add_query(&a, "part-number-marker", marker);
    *next = 0;
    if (ask(way, &a, &answer, err) < 0 || parse(&a, &answer, "ListPartsResult", &x, err) < 0)
        return -1;
    unsigned last = after;
    for (const struct xml_node *p = NULL; (p = xml_child(xml_root(x), "Part", p));) {
        uint64_t number;
        uint64_t size;
        const char *etag = text_of(p, "ETag");
        if (text_parse_u64(text_of(p, "PartNumber"), last + 1, S3_PARTS_MAX, &number) < 0 ||
            text_parse_u64(text_of(p, "Size"), 0, INT64_MAX, &size) < 0 || strlen(etag) >= S3_ETAG_MAX)
            return err_set(err, ERR_UPSTREAM_FAILED, "the storage's list of parts does not read");
        last = (unsigned)number;
        each(ctx, last, etag, size);
    }
    if (last > after && strcmp(text_of(xml_root(x), "IsTruncated"), "true") == 0)
        *next = last;
    return 0;
}

int s3_abort_all(const struct s3_way *way, const char *key, struct err *err)
{
    struct ask a = {.method = "GET"};
    auto_(net_answer) struct net_answer answer = {0};
    auto_ptr(xml) struct xml *x = NULL;
    unsigned count = 0;
    add_query(&a, "uploads", "");
    add_query(&a, "prefix", key);
    if (ask(way, &a, &answer, err) < 0 || parse(&a, &answer, "ListMultipartUploadsResult", &x, err) < 0)
        return -1;
    for (const struct xml_node *u = NULL; count < UPLOADS_MAX && (u = xml_child(xml_root(x), "Upload", u));) {
        if (strcmp(text_of(u, "Key"), key) != 0)
            continue;
        count++;
        if (s3_abort(way, key, text_of(u, "UploadId"), err) < 0)
            return -1;
    }
    return 0;
}
