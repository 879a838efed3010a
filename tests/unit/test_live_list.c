/* serve/live_list: what a broadcast's list adds each time it is fetched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "serve/live_list.h"

#define M3U "#EXTM3U\n#EXT-X-TARGETDURATION:4\n"

static size_t take(struct live_list *l, const char *text)
{
    struct err err;
    size_t added = 0;
    auto_ptr(hls) struct hls *h = NULL;
    if (hls_parse_live(&h, text, strlen(text), &err) < 0 || live_list_take(l, h, &added, &err) < 0)
        fail_msg("%s", err.text);
    return added;
}

static const char *uri(const struct live_list *l, size_t i)
{
    return l->list.segments[i].uri;
}

static void begins_near_the_end_and_takes_what_is_new(void **state)
{
    (void)state;
    struct live_list l = {0};
    assert_int_equal(
        take(&l, M3U "#EXT-X-MEDIA-SEQUENCE:7\n#EXTINF:4,\na\n#EXTINF:4,\nb\n#EXTINF:4,\nc\n#EXTINF:4,\nd\n"),
        3);
    assert_string_equal(uri(&l, 0), "b");
    assert_int_equal(l.target_ms, 4000);
    assert_int_equal(take(&l, M3U "#EXT-X-MEDIA-SEQUENCE:8\n#EXTINF:4,\nb\n#EXTINF:4,\nc\n#EXTINF:4,\nd\n"),
                     0);
    assert_false(l.over);
    assert_int_equal(take(&l, M3U "#EXT-X-MEDIA-SEQUENCE:10\n#EXTINF:4,\nd\n#EXTINF:4,\ne\n#EXT-X-ENDLIST\n"),
                     1);
    assert_string_equal(uri(&l, 3), "e");
    assert_true(l.over);
    /* far behind: another broadcast at the same address */
    assert_int_equal(take(&l, M3U "#EXT-X-MEDIA-SEQUENCE:900\n#EXTINF:4,\nx\n"), 1);
    assert_int_equal(take(&l, M3U "#EXT-X-MEDIA-SEQUENCE:1\n#EXTINF:4,\ny\n"), 1);
    assert_string_equal(uri(&l, 5), "y");
    live_list_fini(&l);
}

static void maps_and_keys_are_taken_once(void **state)
{
    (void)state;
#define LIST(n, map, key)                                                                                    \
    M3U "#EXT-X-MEDIA-SEQUENCE:" n "\n#EXT-X-MAP:URI=\"" map "\"\n#EXT-X-KEY:METHOD=AES-128,URI=\"" key      \
        "\"\n#EXTINF:4,\np" n "\n"
    struct live_list l = {0};
    assert_int_equal(take(&l, LIST("1", "m", "k")), 2);
    assert_true(l.list.segments[0].is_map && l.list.segments[1].key == 1);
    assert_int_equal(take(&l, LIST("2", "m", "k")), 1);
    assert_int_equal(l.list.key_count, 1);
    assert_int_equal(take(&l, LIST("3", "m2", "k2")), 2);
    assert_int_equal(l.list.key_count, 2);
    assert_string_equal(uri(&l, 3), "m2");
    assert_int_equal(l.list.segments[4].key, 2);
    live_list_fini(&l);
}

static void what_has_been_read_is_forgotten(void **state)
{
    (void)state;
    struct live_list l = {0};
    for (int i = 0; i < 3 * LIVE_LIST_KEEP; i++) {
        auto_(buf) struct buf text = BUF_INIT(4096);
        (void)buf_addf(&text, M3U "#EXT-X-MEDIA-SEQUENCE:%d\n#EXTINF:4,\np%d\n", i, i);
        assert_int_equal(take(&l, buf_str(&text)), 1);
        live_list_forget(&l, l.list.segment_count - 1);
    }
    assert_null(uri(&l, 0));
    assert_null(uri(&l, 2 * LIVE_LIST_KEEP - 2));
    assert_string_equal(uri(&l, 3 * LIVE_LIST_KEEP - 1), "p191");
    live_list_fini(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(begins_near_the_end_and_takes_what_is_new),
        cmocka_unit_test(maps_and_keys_are_taken_once),
        cmocka_unit_test(what_has_been_read_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
