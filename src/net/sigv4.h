/* AWS Signature Version 4, as S3 and what is compatible with it want it: who asks, proven by a secret that is
 * not sent. Source: "Authenticating Requests (AWS Signature Version 4)" of the S3 API reference, whose
 * examples are the unit test. Pure functions, no I/O; threads: any. */
#ifndef SLUICE_NET_SIGV4_H
#define SLUICE_NET_SIGV4_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum {
    SIGV4_PAIRS_MAX = 12, /* of a query, or header fields, that a caller has */
    SIGV4_LINES_MAX = SIGV4_PAIRS_MAX + 4,
    SIGV4_EXPIRES_MAX_S = 7 * 24 * 3600, /* of a presigned URL: the service's own limit */
};

struct sigv4_pair {
    const char *name, *value; /* header fields' names in lower case */
};

/* Borrowed. */
struct sigv4_keys {
    const char *access, *secret;
    const char *session; /* of temporary keys; "": none */
    const char *region;
};

struct sigv4_request {
    const char *method;
    const char *host; /* as the field Host has it: with the port, unless that is the usual one */
    const char *path; /* "/bucket/a key", not encoded */
    const struct sigv4_pair *query;
    size_t query_count;
    const struct sigv4_pair *headers; /* sent beside those that are added */
    size_t header_count;
    const char *payload; /* SHA-256 of the body in hex; or sigv4_unsigned, where TLS watches over it */
    int64_t now_unix_s;
};

extern const char sigv4_unsigned[]; /* "UNSIGNED-PAYLOAD" */
extern const char sigv4_no_body[];  /* the hash of nothing */

/* Header lines, "name: value", as net_call.headers wants them: sigv4_fini(). */
struct sigv4_lines {
    const char *lines[SIGV4_LINES_MAX + 1]; /* ended by NULL */
    struct buf text;                        /* what they point into */
};

/* The caller's fields, and what proves them. Secret: not to be logged. */
int sigv4_sign(const struct sigv4_keys *keys, const struct sigv4_request *request, struct sigv4_lines *out,
               struct err *err);
void sigv4_fini(struct sigv4_lines *lines);
/* Appends the query of a URL that does the same for whoever has it, for `expires_s`, without any header. */
int sigv4_presign(const struct sigv4_keys *keys, const struct sigv4_request *request, int64_t expires_s,
                  struct buf *out, struct err *err);
/* Appends what stands in the URL: the path encoded, and the query in the order it is signed in. */
int sigv4_path(struct buf *out, const char *path);
int sigv4_query(struct buf *out, const struct sigv4_pair *query, size_t count);

DEFINE_AUTO(sigv4_lines, sigv4_fini)

#endif
