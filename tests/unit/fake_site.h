/* The outside world for tests of site/: scripted answers, a log of what was asked, a memory. Included by one
 * program each, so everything is static. */
#ifndef SLUICE_TESTS_FAKE_SITE_H
#define SLUICE_TESTS_FAKE_SITE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "site/site.h"

/* The first row whose texts all occur answers. */
struct fake_answer {
    const char *url;     /* in the URL */
    const char *sent;    /* in the body or the headers; NULL: anything */
    const char *lacking; /* not there; NULL: no matter */
    int status;          /* 0: the transport fails with `fails` */
    const char *body;
    enum err_code fails;
};

struct fake_site {
    const struct fake_answer *answers;
    size_t count;
    int calls;
    char log[8][256]; /* URLs asked for */
    struct buf sent;  /* headers and bodies of all calls, one per line */
    char memo_key[64], memo_value[512];
    int64_t memo_expires_unix_s;
};

static int fake_call(void *ctx, const struct net_call *call, struct net_answer *answer, struct err *err)
{
    struct fake_site *f = ctx;
    auto_(buf) struct buf sent = BUF_INIT(1 << 20);
    for (size_t i = 0; call->headers && call->headers[i]; i++)
        (void)buf_addf(&sent, "%s\n", call->headers[i]);
    (void)buf_addf(&sent, "User-Agent: %s\n", call->user_agent ? call->user_agent : "");
    if (call->body)
        (void)buf_add(&sent, call->body, call->body_len);
    (void)buf_addf(&f->sent, "%s\n", buf_str(&sent));
    (void)snprintf(f->log[f->calls % 8], sizeof f->log[0], "%s", call->url);
    f->calls++;
    *answer = (struct net_answer){.status = 404};
    for (size_t i = 0; i < f->count; i++) {
        const struct fake_answer *a = &f->answers[i];
        if (!strstr(call->url, a->url) || (a->sent && !strstr(buf_str(&sent), a->sent)) ||
            (a->lacking && strstr(buf_str(&sent), a->lacking)))
            continue;
        if (a->status == 0)
            return err_set(err, a->fails, "scripted");
        answer->status = a->status;
        buf_init(&answer->body, call->max_bytes);
        if (buf_adds(&answer->body, a->body ? a->body : "") < 0)
            return err_set(err, ERR_UPSTREAM_FAILED, "longer than allowed");
        return 0;
    }
    return 0;
}

static int fake_get(void *ctx, const char *key, struct buf *out)
{
    const struct fake_site *f = ctx;
    return strcmp(key, f->memo_key) == 0 ? buf_adds(out, f->memo_value) : -1;
}

static void fake_put(void *ctx, const char *key, const char *value, int64_t expires_unix_s)
{
    struct fake_site *f = ctx;
    (void)snprintf(f->memo_key, sizeof f->memo_key, "%s", key);
    (void)snprintf(f->memo_value, sizeof f->memo_value, "%s", value);
    f->memo_expires_unix_s = expires_unix_s;
}

#endif
