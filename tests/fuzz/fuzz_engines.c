/* Answers of servers that are not the site: the first byte says whose. What is accepted can be remembered. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "site/engines/invidious.h"
#include "site/engines/resolver.h"
#include "site/engines/ytdlp.h"
#include "site/tiktok.h"
#include "site/youtube/listing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever manifests an answer names. */
static int no_call(void *ctx, const struct net_call *call, struct net_answer *answer, struct err *err)
{
    (void)ctx;
    (void)call;
    *answer = (struct net_answer){.status = 0};
    return err_set(err, ERR_UPSTREAM_FAILED, "not here");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct link link = {LINK_YOUTUBE_VIDEO, "dQw4w9WgXcQ",
                                     "https://www.youtube.com/watch?v=dQw4w9WgXcQ"};
    struct engine_settings settings = {
        .resolver_fields = "formats=data.list,format.url=link,sealed=a.0",
        .resolver_key = "",
        .resolver_iv = "",
    };
    const struct site_env env = {.call = no_call};
    struct err err = {.code = ERR_OK};
    auto_ptr(description) struct description *d = NULL;
    auto_ptr(description) struct description *back = NULL;
    auto_(buf) struct buf kept = BUF_INIT(64 << 20);
    (void)hash_init(&err);
    const char *text = size ? (const char *)data + 1 : "";
    size_t len = size ? size - 1 : 0;
    int rc;
    if (size && data[0] == 'l') {
        auto_(listing) struct listing list = {.title = NULL};
        json_t *answer = json_loadb(text, len, 0, NULL);
        rc = answer ? listing_read(answer, &list, &err) : -1;
        if (rc == 0 && json_array_size(list.items) > LISTING_ITEMS_MAX)
            abort();
        json_decref(answer);
        return 0;
    }
    switch (size ? data[0] : 0) {
    case 's':
        settings.resolver_key = "000102030405060708090a0b0c0d0e0f";
        rc = resolver_read(&settings, &link, text, len, &d, &err);
        break;
    case 'r':
        rc = resolver_read(&settings, &link, text, len, &d, &err);
        break;
    case 't':
        rc = tiktok_read(text, len, "a=b", &d, &err);
        break;
    case 'y':
        rc = ytdlp_read(&env, &link, text, len, &d, &err);
        break;
    default:
        rc = invidious_read("https://inv.example", link.id, text, len, &d, &err);
        break;
    }
    if (rc < 0)
        return 0;
    if (d->format_count == 0 || description_serialise(d, &kept) < 0 ||
        description_parse(&back, buf_str(&kept), kept.len, &err) < 0 || back->format_count != d->format_count)
        abort();
    return 0;
}
