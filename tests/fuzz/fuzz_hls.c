/* Playlists from hostile servers. What is accepted has to be what hls.h says: every string lies in the text,
 * numbers do not overflow. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "serve/live_list.h"
#include "site/hls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct hls *h, size_t size, const char *s)
{
    if (s && (s < h->text || s + strlen(s) > h->text + size))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hls *h = NULL;
    struct err err = {0};
    if (hls_parse_live(&h, (const char *)data, size, &err) < 0)
        return 0;
    if (h->is_master ? h->stream_count == 0 : h->segment_count == 0)
        abort();
    for (size_t i = 0; i < h->segment_count; i++) {
        check(h, size, h->segments[i].uri);
        if (!h->segments[i].uri || h->segments[i].offset > INT64_MAX - h->segments[i].length)
            abort();
        uint8_t iv[AES_CBC_BYTES];
        if (h->segments[i].key > h->key_count)
            abort();
        if (h->segments[i].key) {
            check(h, size, h->keys[h->segments[i].key - 1].uri);
            hls_iv(h, &h->segments[i], iv);
        }
    }
    for (size_t i = 0; i < h->stream_count; i++) {
        check(h, size, h->streams[i].uri);
        check(h, size, h->streams[i].codecs);
        check(h, size, h->streams[i].sound_group);
        if (!h->streams[i].uri || h->streams[i].bandwidth < 0 || h->streams[i].height < 0)
            abort();
    }
    for (size_t i = 0; i < h->sound_count; i++) {
        check(h, size, h->sounds[i].uri);
        check(h, size, h->sounds[i].name);
        if (!h->sounds[i].group)
            abort();
    }
    /* The same list again has nothing new. */
    struct live_list live = {0};
    size_t added;
    if (!h->is_master && live_list_take(&live, h, &added, &err) == 0 &&
        live_list_take(&live, h, &added, &err) == 0) {
        for (size_t i = 0; i < live.list.segment_count; i++) {
            if (live.list.segments[i].key > live.list.key_count)
                abort();
        }
    }
    live_list_fini(&live);
    hls_free(h);
    return 0;
}
