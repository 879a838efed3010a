/* Subtitles from hostile servers: whatever is accepted keeps the promises of subtitle.h, reads the same when
 * it is written and read again, and makes a text track without gaps. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "media/mp4_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int truth)
{
    if (!truth)
        abort();
}

static void check_cue(const struct subtitle_cues *cues, size_t i)
{
    const struct subtitle_cue *c = &cues->list[i];
    check(c->start_ms < c->end_ms && (i == 0 || c[-1].start_ms <= c->start_ms));
    check(c->len > 0 && c->len <= SUBTITLE_CUE_TEXT_MAX && c->text + c->len <= cues->text.len);
    for (size_t at = c->text; at < c->text + c->len;) {
        uint32_t code = 0;
        size_t n = text_utf8_next(cues->text.data + at, c->text + c->len - at, &code);
        check(n > 0 && (code >= 0x20 || code == '\n') && (code < 0x7f || code >= 0xa0));
        at += n;
    }
}

static void check_track(const struct subtitle_cues *cues)
{
    struct err err;
    struct mp4_sample s;
    size_t at = 0;
    auto_(mp4_text) struct mp4_text text = {0};
    uint64_t last_ms = cues->count ? cues->list[cues->count - 1].end_ms : 1000;
    struct mp4_text_opts opts = {cues, "en", last_ms / 3, last_ms / 3 * 2 + 1};
    if (mp4_text_make(&text, &opts, &err) < 0)
        return;
    struct mp4_cursor c = mp4_cursor_of(&text.samples);
    check(c.dts == opts.start_ms);
    for (; mp4_cursor_next(&c, &s); at += s.size) {
        const unsigned char *p = (const unsigned char *)text.bytes.data + at;
        check(s.duration > 0 && s.size >= 2 && (uint32_t)(p[0] << 8 | p[1]) + 2 == s.size);
    }
    check(c.dts == opts.end_ms && at == text.bytes.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err;
    auto_(subtitle_cues) struct subtitle_cues cues = {0};
    auto_(subtitle_cues) struct subtitle_cues again = {0};
    auto_(buf) struct buf srt = BUF_INIT(64 << 20);
    auto_(buf) struct buf vtt = BUF_INIT(SUBTITLE_BYTES_MAX);
    if (subtitle_parse_vtt(&cues, data, size, &err) < 0)
        return 0;
    for (size_t i = 0; i < cues.count; i++)
        check_cue(&cues, i);
    check(subtitle_write_srt(&cues, &srt) == 0);
    if (subtitle_write_vtt(&cues, &vtt) == 0) {
        check(subtitle_parse_vtt(&again, vtt.data, vtt.len, &err) == 0);
        check(again.count <= cues.count); /* fewer: what was put in order can roll */
    }
    check_track(&cues);
    return 0;
}
