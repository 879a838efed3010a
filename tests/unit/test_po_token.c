/* site/youtube/po_token: what a provider is asked, and where tokens go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "site/youtube/path.h"
#include "site/youtube/po_token.h"

static const struct client both = {.po_protocols = PO_HTTPS | PO_HLS};

static void goes_where_it_is_needed(void **state)
{
    (void)state;
    static const struct {
        unsigned protocols;
        const char *file, *list;
    } cases[] = {
        {PO_HTTPS, "https://a.example/v?pot=TOK", "https://m.example/hls"},
        {PO_HLS, "https://a.example/v", "https://m.example/hls/pot/TOK"},
        {0, "https://a.example/v", "https://m.example/hls"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct client client = {.po_protocols = cases[i].protocols};
        json_t *player = json_pack("{s:{s:s, s:[{s:s}]}}", "streamingData", "hlsManifestUrl",
                                   "https://m.example/hls", "formats", "url", "https://a.example/v");
        po_token_apply(player, &client, PO_GVS, "TOK");
        const json_t *streaming = json_object_get(player, "streamingData");
        assert_string_equal(path_text(streaming, "hlsManifestUrl"), cases[i].list);
        assert_string_equal(path_text(json_array_get(path_get(streaming, "formats"), 0), "url"),
                            cases[i].file);
        json_decref(player);
    }
}

static void goes_into_lists(void **state)
{
    (void)state;
    static const struct {
        const char *name, *url, *with;
    } cases[] = {
        {"a manifest", "https://m.example/api/manifest/hls_variant/expire/1/id/x.1/file/index.m3u8",
         "https://m.example/api/manifest/hls_variant/expire/1/id/x.1/pot/TOK/file/index.m3u8"},
        {"another end", "https://m.example/api/manifest/hls_variant/expire/1",
         "https://m.example/api/manifest/hls_variant/expire/1/pot/TOK"},
        {"a slash at the end", "https://m.example/hls/", "https://m.example/hls/pot/TOK"},
        {"not by its path", "https://m.example/list.m3u8?a=b", "https://m.example/list.m3u8?a=b"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *player = json_pack("{s:{s:s}}", "streamingData", "hlsManifestUrl", cases[i].url);
        po_token_apply(player, &both, PO_SUBS, "SUB");
        po_token_apply(player, &both, PO_GVS, "TOK");
        const char *got = path_text(player, "streamingData.hlsManifestUrl");
        if (!got || strcmp(got, cases[i].with) != 0)
            fail_msg("%s: %s", cases[i].name, got);
        json_decref(player);
    }
    json_t *none = json_pack("{s:{}}", "streamingData");
    po_token_apply(none, &both, PO_GVS, "TOK");
    assert_null(path_get(none, "streamingData.hlsManifestUrl"));
    json_decref(none);
}

static void goes_into_media_and_subtitles(void **state)
{
    (void)state;
    json_t *player = json_pack(
        "{s:{s:[{s:s}], s:[{s:s}, {s:s}]}, s:{s:{s:[{s:s}]}}}", "streamingData", "formats", "url",
        "https://a.example/v?x=1", "adaptiveFormats", "url", "https://a.example/v", "itag", "no url",
        "captions", "playerCaptionsTracklistRenderer", "captionTracks", "baseUrl", "https://a.example/t?v=x");
    po_token_apply(player, &both, PO_GVS, "TOK");
    po_token_apply(player, &both, PO_SUBS, "SUB");
    po_token_apply(player, &both, PO_SUBS, "");
    char *text = json_dumps(player, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(
        text,
        "{\"captions\":{\"playerCaptionsTracklistRenderer\":{\"captionTracks\":[{\"baseUrl\":"
        "\"https://a.example/t?v=x&potc=1&pot=SUB\"}]}},\"streamingData\":{\"adaptiveFormats\":[{\"url\":"
        "\"https://a.example/v?pot=TOK\"},{\"itag\":\"no url\"}],\"formats\":[{\"url\":"
        "\"https://a.example/v?x=1&pot=TOK\"}]}}");
    free(text);
    json_decref(player);
}

static int provide(void *ctx, const struct net_call *call, struct net_answer *answer, struct err *err)
{
    (void)err;
    assert_true(call->own);
    assert_string_equal(call->url, "http://127.0.0.1:4416/get_pot");
    *(json_t **)ctx = json_loadb(call->body, call->body_len, 0, NULL);
    *answer = (struct net_answer){.status = 200};
    buf_init(&answer->body, 4096);
    return buf_adds(&answer->body, "{\"poToken\":\"made_for-you\"}");
}

static void provider_is_told_the_way(void **state)
{
    (void)state;
    static const struct {
        const char *proxy, *told; /* NULL: null */
    } cases[] = {
        {"http://u:p@proxy.example:8080", "http://u:p@proxy.example:8080"},
        {"", NULL},
        {NULL, NULL},
    };
    const struct client client = {.key = "mweb", .po_contexts = 1U << PO_GVS | 1U << PO_PLAYER};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *asked = NULL;
        struct err err = {.code = ERR_OK};
        auto_(buf) struct buf token = BUF_INIT(PO_TOKEN_MAX);
        const struct site_env env = {.call = provide,
                                     .call_ctx = &asked,
                                     .pot_provider_url = "http://127.0.0.1:4416",
                                     .proxy = cases[i].proxy};
        assert_int_equal(po_token_get(&env, &client, PO_GVS, "visitor", "video", &token, &err), 0);
        assert_string_equal(buf_str(&token), "made_for-you");
        assert_string_equal(path_text(asked, "content_binding"), "visitor");
        const char *told = path_text(asked, "proxy");
        assert_true(cases[i].told ? told && strcmp(told, cases[i].told) == 0
                                  : json_is_null(path_get(asked, "proxy")));
        json_decref(asked);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_into_lists),
        cmocka_unit_test(goes_where_it_is_needed),
        cmocka_unit_test(goes_into_media_and_subtitles),
        cmocka_unit_test(provider_is_told_the_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
