/* Player responses with ciphers: what the site writes, and what solving them leaves behind. Nobody runs
 * scripts here; signatures of a length that is known are solved without. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "site/youtube/challenges/challenges.h"
#include "site/youtube/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds)
        abort();
}

/* Every length of signature is known: its first nine characters backwards (as script strings, see
 * player_script.c). */
static int remembered(void *ctx, const char *key, struct buf *out)
{
    (void)ctx;
    if (!text_starts_with(key, "sig:"))
        return -1;
    for (unsigned i = 9; i-- > 0;) {
        const char bytes[] = {(char)(0xc0 | (0x100 + i) >> 6), (char)(0x80 | ((0x100 + i) & 0x3f))};
        (void)buf_add(out, bytes, sizeof bytes);
    }
    return out->failed ? -1 : 0;
}

/* A URL that is left is a whole one: text without spaces or controls. */
static void check_rows(const json_t *rows)
{
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        const char *url = path_text(row, "url");
        const char *cipher = path_text(row, "signatureCipher");
        for (; cipher && url && *url; url++)
            check(*url > ' ' && *url <= '~');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {.code = ERR_OK};
    const struct site_env env = {.get = remembered};
    const struct player_script script = {.id = "c0ffee42"};
    json_t *player = json_loadb((const char *)data, size, JSON_ALLOW_NUL, NULL);
    (void)challenges_solve(&env, "agent", &script, player, &err);
    check_rows(path_get(player, "streamingData.formats"));
    check_rows(path_get(player, "streamingData.adaptiveFormats"));
    json_decref(player);
    return 0;
}
