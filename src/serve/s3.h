/* A bucket of an S3-compatible storage: the few calls that uploads need, signed (net/sigv4.h). Source: the S3
 * API reference; what is said of errors holds for its compatibles, too.
 *
 * Credentials come from the settings, else from AWS_ACCESS_KEY_ID and its like, else from a profile in
 * ~/.aws/credentials, once, when the program starts. They stand in no message and no answer.
 * Over TLS the body is not hashed, for TLS watches over it; else every body's hash is signed, so that nobody
 * in between can change it.
 *
 * Errors: ERR_STORAGE_REFUSED credentials or rights, or the region; ERR_STORAGE_MISSING the bucket;
 * ERR_STORAGE_FULL no room; ERR_NOT_FOUND the object or the upload; ERR_UPSTREAM_FAILED anything that may go
 * well later, with upstream_status and retry_after_s where the server answered. Threads: a struct s3 is
 * shared by all. */
#ifndef SLUICE_SERVE_S3_H
#define SLUICE_SERVE_S3_H

#include <stdatomic.h>

#include "base/config.h"
#include "net/net.h"

enum {
    S3_KEY_MAX = 1024, /* bytes of an object's name: the service's own limit */
    S3_UPLOAD_MAX = 1024,
    S3_ETAG_MAX = 96,
    S3_PLACE_MAX = 512,
    S3_PARTS_MAX = 10000,        /* the service's own limits */
    S3_PART_MIN_BYTES = 5 << 20, /* but of the last one */
};

struct s3;

/* *out NULL: there is no bucket in the settings. Error: what they say cannot be used. */
int s3_open(struct s3 **out, const struct config *c, struct err *err);
void s3_close(struct s3 *s3); /* NULL is fine */
/* The TCP port it is at. */
uint16_t s3_port(const struct s3 *s3);
/* Which bucket it is: "https://host/bucket". Borrowed. */
const char *s3_place(const struct s3 *s3);
const char *s3_bucket(const struct s3 *s3);
const char *s3_prefix(const struct s3 *s3); /* ends with a slash, or is empty */

/* Appends the object's address, which leads nowhere without a signature. */
int s3_url(const struct s3 *s3, const char *key, struct buf *out, struct err *err);
/* Appends an address that whoever has it can download from, for `ttl_s`; `disposition` (may be NULL): the
 * Content-Disposition it is given with. */
int s3_link(const struct s3 *s3, const char *key, const char *disposition, int64_t ttl_s, struct buf *out,
            struct err *err);

/* How to reach it. Borrowed. */
struct s3_way {
    const struct s3 *s3;
    struct net *net;
    const atomic_bool *cancelled; /* NULL: nobody does */
};

/* Whether the bucket is there and lets us in. */
int s3_try(const struct s3_way *way, struct err *err);

/* ---- Objects ---- */

/* 1 it is there, 0 it is not. */
int s3_head(const struct s3_way *way, const char *key, uint64_t *size, struct err *err);
int s3_delete(const struct s3_way *way, const char *key, struct err *err);

/* ---- An upload in parts ---- */

struct s3_object {
    const char *key, *mime, *disposition;
};

struct s3_part {
    const char *key, *upload;
    unsigned number; /* from 1 */
    const void *data;
    size_t len;
};

int s3_begin(const struct s3_way *way, const struct s3_object *object, char upload[S3_UPLOAD_MAX + 1],
             struct err *err);
int s3_put(const struct s3_way *way, const struct s3_part *part, char etag[S3_ETAG_MAX], struct err *err);
/* Makes the object of parts 1…count. */
int s3_finish(const struct s3_way *way, const char *key, const char *upload, const char (*etags)[S3_ETAG_MAX],
              unsigned count, struct err *err);
/* Throws all parts away. What is not there (any more) is no error. */
int s3_abort(const struct s3_way *way, const char *key, const char *upload, struct err *err);
/* Some of the parts that are there, behind number `after`; *next: where to go on, 0: these were the last. */
int s3_list_parts(const struct s3_way *way, const char *key, const char *upload, unsigned after,
                  void (*each)(void *ctx, unsigned number, const char *etag, uint64_t size), void *ctx,
                  unsigned *next, struct err *err);
/* Throws away all uploads of this object. */
int s3_abort_all(const struct s3_way *way, const char *key, struct err *err);

DEFINE_AUTO_PTR(s3, s3_close)

#endif
