/* The head of an HTTP answer: the few fields the gate acts on. Private to net/. Every byte is hostile. */
#ifndef SLUICE_NET_HEAD_H
#define SLUICE_NET_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/defs.h"
#include "base/err.h"

enum { HEAD_BYTES_MAX = 64 * 1024 }; /* all header lines of an answer and of the 1xx before it */

struct head {
    int status;
    bool complete; /* the empty line of the final answer was seen */
    size_t bytes;
    bool encoded; /* Content-Encoding or -Type multipart: the body is not the resource's own bytes */
    bool has_length;
    uint64_t length; /* Content-Length */
    bool chunked;
    unsigned ranges; /* Content-Range fields seen; the values below are valid when it is 1 */
    uint64_t range_first, range_last;
    uint64_t range_total; /* 0: unknown ("*") */
    char content_type[128];
    char etag[128];
    char last_modified[64];
    bool closes; /* the connection serves no further request */
    int retry_after_s;
    char *location; /* owned: head_clear() */
    char *cookies;  /* owned likewise: what Set-Cookie gave, "a=1; b=2"; NULL: nothing */
    char date[64];  /* of the server's clock */
};

void head_clear(struct head *h);
/* Takes one line; a CURLOPT_HEADERFUNCTION with a struct head as its argument. 0: refused. */
size_t head_line(char *line, size_t size, size_t count, void *head);
/* Whether a 206 answers a request for the bytes first…last (inclusive): it begins there, ends there or
 * earlier, and all lengths agree. */
int head_check_range(const struct head *h, uint64_t first, uint64_t last, struct err *err);
/* 301, 302, 303, 307, 308. */
bool head_redirects(const struct head *h);
/* The size of the whole resource, as far as this answer tells; 0: unknown. */
uint64_t head_total(const struct head *h);

DEFINE_AUTO(head, head_clear)

#endif
