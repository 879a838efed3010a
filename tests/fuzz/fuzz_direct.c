/* A link to somewhere: a file of any kind, a playlist, a manifest, or nonsense. The first byte says how the
 * server answers (ranges, type), the rest is what it has, for every address that is asked. What is accepted
 * can be remembered. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"
#include "site/direct.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct server {
    const uint8_t *data;
    size_t size;
    uint8_t how;
};

static int answer(void *ctx, const struct net_call *call, struct net_answer *out, struct err *err)
{
    static const char *const types[] = {
        "",           "video/mp4",  "application/vnd.apple.mpegurl", "application/dash+xml", "text/html",
        "audio/mpeg", "text/plain", "application/octet-stream"};
    const struct server *s = ctx;
    bool part = call->range_length && s->how & 1 && call->range_offset < s->size;
    size_t from = part ? (size_t)call->range_offset : 0;
    size_t len = s->size - from;
    if (part && call->range_length < len)
        len = (size_t)call->range_length;
    (void)err;
    *out = (struct net_answer){.status = part ? 206 : 200};
    if (call->range_length && s->how & 1 && !part)
        out->status = 416;
    out->range_start = from;
    out->total_size = s->how & 2 ? s->size : 0;
    (void)text_copy(out->content_type, sizeof out->content_type, types[s->how >> 2 & 7]);
    buf_init(&out->body, call->max_bytes);
    (void)buf_add(&out->body, s->data + from, len < call->max_bytes ? len : (size_t)call->max_bytes);
    if (s->how & 32)
        out->final_url = strdup("https://other.example/moved/here.bin");
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err;
    if (size == 0)
        return 0;
    struct server server = {data + 1, size - 1, data[0]};
    struct site_env env = {.call = answer, .call_ctx = &server};
    auto_ptr(description) struct description *d = NULL;
    auto_ptr(description) struct description *back = NULL;
    auto_(buf) struct buf form = BUF_INIT(64 << 20);
    log_init("fuzz", LOG_ERROR);
    (void)hash_init(&err);
    if (direct_describe(&env, "https://files.example/a/b.mp4", &d, &err) < 0)
        return 0;
    if (d->format_count == 0 || description_serialise(d, &form) < 0 ||
        description_parse(&back, buf_str(&form), form.len, &err) < 0 || back->format_count != d->format_count)
        abort();
    return 0;
}
