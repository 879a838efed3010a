/* Answers of the site: the input answers every call, as any client's. What is accepted can be remembered. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "site/youtube/youtube.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *data;
    size_t size;
};

static int answer_all(void *ctx, const struct net_call *call, struct net_answer *answer, struct err *err)
{
    const struct input *in = ctx;
    (void)err;
    *answer = (struct net_answer){.status = call->range_length ? 206 : 200, .total_size = in->size};
    buf_init(&answer->body, call->max_bytes);
    if (!call->range_length)
        (void)buf_add(&answer->body, in->data, in->size);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err;
    struct input input = {data, size};
    struct site_env env = {.call = answer_all, .call_ctx = &input};
    auto_ptr(description) struct description *d = NULL;
    auto_ptr(description) struct description *back = NULL;
    auto_(buf) struct buf json = BUF_INIT(64 << 20);
    log_init("fuzz", LOG_ERROR);
    (void)hash_init(&err);
    if (youtube_describe(&env, "dQw4w9WgXcQ", &d, &err) < 0)
        return 0;
    if (d->format_count == 0 || description_serialise(d, &json) < 0 ||
        description_parse(&back, buf_str(&json), json.len, &err) < 0 || back->format_count != d->format_count)
        abort();
    return 0;
}
