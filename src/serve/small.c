/* See small.h; also GET /api/v1/thumbnail?data=TOKEN. */
#include "serve/small.h"

#include <string.h>

#include "base/clock.h"
#include "serve/auth.h"
#include "serve/describe.h"
#include "serve/serve.h"
#include "serve/token.h"
#include "site/header_lines.h"

enum { PICTURE_MAX_BYTES = 4 << 20 };

enum {
    ATTEMPTS = 3,    /* of one call */
    AGAIN_MS = 5000, /* an attempt that took longer is not repeated */
    PAUSE_MS = 100,  /* before the second; twice as long before the third */
};

int small_call(struct app *app, const struct net_call *call, struct net_answer *answer, struct err *err)
{
    for (unsigned attempt = 1;; attempt++) {
        int64_t start_us = clock_mono_us();
        int rc = net_call(app->net, call, answer, err);
        bool hiccup = rc < 0 ? err->code == ERR_UPSTREAM_FAILED
                             : answer->status >= 500 || answer->status == 429;
        if (!hiccup || attempt == ATTEMPTS || clock_mono_us() - start_us > AGAIN_MS * INT64_C(1000))
            return rc;
        if (rc == 0)
            net_answer_fini(answer);
        clock_sleep_ms(PAUSE_MS * attempt);
    }
}

/* Scheme, host and port. */
static bool is_same_place(const char *a, const char *b)
{
    const char *host = strstr(a, "://");
    size_t len = host ? (size_t)(host - a) + 3 + strcspn(host + 3, "/?#") : 0;
    return len > 0 && strncasecmp(a, b, len) == 0 && strchr("/?#", b[len]);
}

int small_get(struct app *app, const char *url, const struct format *as, uint64_t max_bytes,
              struct net_answer *answer, struct err *err)
{
    auto_(header_lines) struct header_lines headers = {.text = NULL};
    struct net_call call = {.url = url, .max_bytes = max_bytes, .compressed = true};
    if (as) {
        call.user_agent = as->user_agent;
        call.egress = as->egress;
    }
    if (as && as->headers && is_same_place(as->url, url)) {
        if (header_lines_init(&headers, as->headers) < 0)
            return err_set(err, ERR_INTERNAL, "out of memory");
        call.headers = headers.lines;
    }
    if (net_call(app->net, &call, answer, err) < 0)
        return -1;
    if (answer->status == 404)
        return err_set(err, ERR_NOT_FOUND, "upstream has none");
    if (answer->status != 200 || answer->body.len == 0)
        return err_set(err, ERR_UPSTREAM_FAILED, "upstream answered %d with %zu bytes", answer->status,
                       answer->body.len);
    return 0;
}

/* By the bytes themselves: what upstream calls it is not trusted. NULL: no picture we pass on. */
static const char *picture_type(const struct buf *b)
{
    const unsigned char *p = (const unsigned char *)buf_str(b);
    if (b->len > 3 && memcmp(p, "\xff\xd8\xff", 3) == 0)
        return "image/jpeg";
    if (b->len > 8 && memcmp(p, "\x89PNG\r\n\x1a\n", 8) == 0)
        return "image/png";
    if (b->len > 12 && memcmp(p, "RIFF", 4) == 0 && memcmp(p + 8, "WEBP", 4) == 0)
        return "image/webp";
    return NULL;
}

int serve_thumbnail(struct app *app, const struct http_request *req, struct http_response *res,
                    struct err *err)
{
    auto_(token) struct token token = {0};
    auto_ptr(description) struct description *d = NULL;
    auto_(net_answer) struct net_answer answer = {0};
    struct auth who;
    char address[CIDR_TEXT_MAX];
    const char *data = http_param(req, "data");
    if (!data)
        return err_set(err, ERR_TOKEN_INVALID, "no data given");
    auth_address(app, req, address);
    if (token_read(app, data, address, &token, err) < 0 ||
        auth_identify(app, req, token.key_id, &who, err) < 0)
        return -1;
    auth_note(res, &who);
    bool is_picture = strcmp(token.choice, SMALL_PICTURE) == 0;
    if (!is_picture && serve_describe_for(app, &who, token.link, res, &d, err) < 0)
        return -1;
    const char *picture = is_picture ? token.link : d->thumbnail;
    if (!picture)
        return err_set(err, ERR_NOT_FOUND, "it has no thumbnail");
    if (small_get(app, picture, NULL, PICTURE_MAX_BYTES, &answer, err) < 0)
        return -1;
    const char *type = picture_type(&answer.body);
    if (!type)
        return err_set(err, ERR_UPSTREAM_FAILED, "the thumbnail is no picture");
    (void)http_set_header(res, "Cache-Control", "private, max-age=3600");
    (void)http_set_header(res, "Content-Security-Policy", "sandbox; default-src 'none'");
    (void)http_send(res, type, buf_str(&answer.body), answer.body.len);
    return 0;
}
