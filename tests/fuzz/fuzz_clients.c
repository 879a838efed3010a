/* Client profiles. Whatever is accepted can be filled into a request. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "site/youtube/fill.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err;
    auto_ptr(clients) struct clients *c = NULL;
    check(hash_init(&err) == 0);
    if (clients_parse(&c, (const char *)data, size, &err) < 0)
        return 0;
    for (size_t i = 0; i < c->count; i++) {
        auto_(buf) struct buf path = BUF_INIT(1 << 20);
        struct fill f;
        check(fill_init(&f, &c->list[i], "dQw4w9WgXcQ", "Cgt2aXNpdG9y") == 0);
        check(fill_text(&f, c->list[i].path, &path) == 0);
        json_t *body = fill_json(&f, c->list[i].body);
        check(json_is_object(body));
        json_decref(body);
    }
    return 0;
}
