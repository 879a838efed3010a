/* Range and the conditions of a request (RFC 9110 §13, §14), for bodies of known length. Pure.
 *
 * In this order (§13.2.2), each only when those before it let the request through: If-Match, else 412;
 * If-None-Match, else 304; then Range, if If-Range holds. */
#ifndef SLUICE_HTTP_RANGE_H
#define SLUICE_HTTP_RANGE_H

#include <stdbool.h>
#include <stdint.h>

enum http_range_kind {
    HTTP_RANGE_WHOLE, /* no Range, one we do not understand, or several: answer 200 */
    HTTP_RANGE_PART,  /* 206 with [offset, offset + length), length > 0 */
    HTTP_RANGE_BAD,   /* 416 with Content-Range: bytes slash-total */
};

struct http_range {
    enum http_range_kind kind;
    uint64_t offset;
    uint64_t length; /* of what to send; for WHOLE the total */
};

/* `header` may be NULL and is hostile. */
struct http_range http_range_parse(const char *header, uint64_t total);
/* If-Range holds for this strong ETag (quotes included). NULL header: true. A weak tag or a date: false. */
bool http_if_range_holds(const char *header, const char *etag);
/* If-Match lists the ETag (strong comparison) or is "*". NULL header: true. `etag` "": the body has none. */
bool http_if_match_holds(const char *header, const char *etag);
/* If-None-Match lists the ETag (weak comparison) or is "*". NULL header: false. */
bool http_etag_listed(const char *header, const char *etag);

#endif
