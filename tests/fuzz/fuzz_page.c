/* Pages in which a value is looked for that a request says again: whatever they hold, it is fit for one. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "site/youtube/innertube.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct page {
    const uint8_t *data;
    size_t size;
};

static int answer_page(void *ctx, const struct net_call *call, struct net_answer *answer, struct err *err)
{
    const struct page *page = ctx;
    (void)err;
    *answer = (struct net_answer){.status = 200};
    buf_init(&answer->body, call->max_bytes);
    return buf_add(&answer->body, page->data, page->size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char fit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_%=+/.";
    const struct client client = {
        .key = "x", .host = "x.example", .user_agent = "x", .page = "/", .page_value = "encryptedHostFlags"};
    struct page page = {data, size};
    const struct site_env env = {.call = answer_page, .call_ctx = &page};
    struct fill fill;
    auto_(buf) struct buf out = BUF_INIT(PAGE_VALUE_MAX);
    if (fill_init(&fill, &client, "dQw4w9WgXcQ", "") < 0)
        abort();
    innertube_page_value(&env, &fill, &out);
    const char *text = buf_str(&out);
    if (out.failed || text[strspn(text, fit)] != '\0')
        abort();
    return 0;
}
