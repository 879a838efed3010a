/* See segments.h. */
#include "serve/segments.h"

#include <string.h>
#include <time.h>

#include "base/aes_cbc.h"
#include "base/clock.h"
#include "base/text.h"
#include "net/fetch.h"
#include "serve/live_list.h"
#include "site/dash.h"
#include "site/header_lines.h"
#include "site/hls.h"

enum { URL_MAX = 8192 };

struct segments {
    struct net *net;
    const char *user_agent;
    const char *egress;
    struct header_lines headers;
    const atomic_bool *cancelled;
    struct buf base;  /* what the addresses of the pieces are relative to */
    struct hls *list; /* one of these two, or a broadcast's: */
    struct live_list live;
    bool is_live;
    int64_t news_us; /* when it last grew */
    const char *url; /* of the list; borrowed */
    struct dash *dash;
    const struct hls_segment *pieces; /* of it */
    size_t count;
    uint64_t *starts; /* of each piece in the whole, as far as they are known */
    size_t known; /* of those: all up to the one being read, and the one behind it when that is at its end */
    /* The piece being read. */
    size_t index;
    size_t again; /* one more than the last piece that was begun anew */
    struct fetch *fetch;
    struct aes_cbc *cipher; /* of a piece that is locked, until its end */
    struct buf clear;       /* what has been deciphered of it last */
    uint32_t key_held;      /* whose `key` is, as in struct hls_segment */
    uint8_t key[AES_CBC_BYTES];
    uint64_t at; /* offset of data[0] in the whole */
    const unsigned char *data;
    size_t len;
};

void segments_free(struct segments *s)
{
    if (!s)
        return;
    fetch_close(s->fetch);
    aes_cbc_free(s->cipher);
    buf_fini(&s->clear);
    if (s->is_live)
        live_list_fini(&s->live); /* which `list` is a part of */
    else
        hls_free(s->list);
    dash_free(s->dash);
    buf_fini(&s->base);
    header_lines_fini(&s->headers);
    free(s->starts);
    free(s);
}

/* All of a small resource. By a fetch, not a net_call: that can be cancelled. `source`, where it is wanted:
 * what answered. */
static int read_whole(struct segments *s, const char *url, struct buf *out, struct buf *source,
                      struct err *err)
{
    const struct fetch_opts opts = {
        .url = url,
        .user_agent = s->user_agent,
        .headers = s->headers.lines,
        .egress = s->egress,
        .cancelled = s->cancelled,
    };
    auto_ptr(fetch) struct fetch *f = NULL;
    const void *data;
    size_t len;
    if (fetch_open(&f, s->net, &opts, err) < 0)
        return -1;
    do {
        if (fetch_next(f, &data, &len, err) < 0)
            return -1;
        if (len && buf_add(out, data, len) < 0)
            return err_set(err, ERR_UPSTREAM_FAILED, "a list or key that is too long");
    } while (len);
    if (source && buf_adds(source, fetch_source(f)) < 0)
        return err_set(err, ERR_BAD_URL, "hls: an address that is too long");
    return 0;
}

/* The track is what is behind '#' in `url`. */
static int read_manifest(struct segments *s, const char *url, const struct buf *text, struct err *err)
{
    uint64_t track = 0;
    const char *mark = strrchr(url, '#');
    if (dash_parse(&s->dash, buf_str(&s->base), buf_str(text), text->len, err) < 0)
        return -1;
    if (!mark || text_parse_u64(mark + 1, 0, DASH_TRACKS_MAX - 1, &track) < 0 ||
        track >= s->dash->track_count)
        return err_set(err, ERR_UPSTREAM_FAILED, "dash: a track that is not there");
    buf_clear(&s->base);
    if (buf_adds(&s->base, s->dash->tracks[track].base) < 0)
        return err_set(err, ERR_BAD_URL, "dash: an address that is too long");
    if (dash_list(s->dash, track, err) < 0)
        return -1;
    s->pieces = s->dash->segments;
    s->count = s->dash->segment_count;
    return 0;
}

/* ---- Broadcasts ---- */

/* What is new of a list just fetched; the tables grow with it. */
static int take_news(struct segments *s, const struct hls *fetched, struct err *err)
{
    size_t added;
    if (live_list_take(&s->live, fetched, &added, err) < 0)
        return -1;
    s->list = &s->live.list;
    s->pieces = s->list->segments;
    if (s->count == s->list->segment_count)
        return 0;
    s->count = s->list->segment_count;
    uint64_t *starts = realloc(s->starts, (s->count + 1) * sizeof *starts);
    if (!starts)
        return err_set(err, ERR_INTERNAL, "out of memory");
    starts[0] = 0;
    s->starts = starts;
    s->news_us = clock_mono_us();
    return 0;
}

/* The list becomes one that grows. */
static int begin_live(struct segments *s, struct err *err)
{
    auto_ptr(hls) struct hls *first = steal(&s->list);
    s->is_live = true;
    s->news_us = clock_mono_us();
    return take_news(s, first, err);
}

static int pause_ms(const struct segments *s, int64_t ms, struct err *err)
{
    enum { LOOK_MS = 100 };
    for (; ms > 0 && !atomic_load(s->cancelled); ms -= LOOK_MS)
        (void)nanosleep(&(struct timespec){0, LOOK_MS * 1000000L}, NULL);
    return atomic_load(s->cancelled) ? err_set(err, ERR_UPSTREAM_FAILED, "cancelled") : 0;
}

/* Waits until there is a piece behind the last one, or the broadcast is over: it says so, or has said nothing
 * new for so long that its maker must be gone. A list that cannot be fetched may be there the next time. */
static int await_piece(struct segments *s, struct err *err)
{
    enum { SILENT_TARGETS = 6, SILENT_LEAST_MS = 20000 };
    while (!s->live.over && s->index == s->count) {
        int64_t silent_ms = SILENT_TARGETS * s->live.target_ms;
        struct err why = {.code = ERR_OK};
        auto_(buf) struct buf text = BUF_INIT(HLS_BYTES_MAX);
        auto_ptr(hls) struct hls *fetched = NULL;
        if (silent_ms < SILENT_LEAST_MS)
            silent_ms = SILENT_LEAST_MS;
        if (pause_ms(s, s->live.target_ms / 2, err) < 0)
            return -1;
        if (read_whole(s, s->url, &text, NULL, &why) == 0 &&
            hls_parse_live(&fetched, buf_str(&text), text.len, &why) == 0 && !fetched->is_master &&
            take_news(s, fetched, err) < 0)
            return -1;
        s->live.over |= clock_mono_us() - s->news_us > silent_ms * 1000;
    }
    return 0;
}

static int read_list(struct segments *s, const char *url, struct err *err)
{
    auto_(buf) struct buf text = BUF_INIT(HLS_BYTES_MAX);
    if (read_whole(s, url, &text, &s->base, err) < 0)
        return -1;
    if (dash_is(buf_str(&text), text.len))
        return read_manifest(s, url, &text, err);
    if (hls_parse_live(&s->list, buf_str(&text), text.len, err) < 0)
        return -1;
    if (s->list->is_master)
        return err_set(err, ERR_UPSTREAM_FAILED, "hls: a list of lists where pieces were");
    if (s->list->is_live && begin_live(s, err) < 0)
        return -1;
    s->pieces = s->list->segments;
    s->count = s->list->segment_count;
    return 0;
}

/* The key of a piece: mostly the one of the piece before. */
static int hold_key(struct segments *s, uint32_t key, struct err *err)
{
    auto_(buf) struct buf url = BUF_INIT(URL_MAX);
    auto_(buf) struct buf bytes = BUF_INIT(AES_CBC_BYTES);
    if (s->key_held == key)
        return 0;
    if (net_url_join(buf_str(&s->base), s->list->keys[key - 1].uri, &url, err) < 0 ||
        read_whole(s, buf_str(&url), &bytes, NULL, err) < 0)
        return -1;
    if (bytes.len != sizeof s->key)
        return err_set(err, ERR_UPSTREAM_FAILED, "hls: a key of %zu bytes", bytes.len);
    memcpy(s->key, bytes.data, sizeof s->key);
    s->key_held = key;
    return 0;
}

/* Makes ready to decipher `piece` from its beginning, where that is needed. */
static int begin_cipher(struct segments *s, const struct hls_segment *piece, struct err *err)
{
    uint8_t iv[AES_CBC_BYTES];
    aes_cbc_free(steal(&s->cipher));
    if (!piece->key)
        return 0;
    if (hold_key(s, piece->key, err) < 0)
        return -1;
    hls_iv(s->list, piece, iv);
    return aes_cbc_new(&s->cipher, s->key, iv, err);
}

int segments_open(struct segments **out, struct net *net, const struct segments_opts *opts, struct err *err)
{
    auto_ptr(segments) struct segments *s = calloc(1, sizeof *s);
    if (!s || header_lines_init(&s->headers, opts->headers) < 0)
        return err_set(err, ERR_INTERNAL, "out of memory");
    s->net = net;
    s->user_agent = opts->user_agent;
    s->egress = opts->egress;
    s->cancelled = opts->cancelled;
    s->url = opts->url;
    buf_init(&s->base, URL_MAX);
    buf_init(&s->clear, (size_t)2 * FETCH_RING_BYTES);
    if (read_list(s, opts->url, err) < 0)
        return -1;
    if (!s->starts)
        s->starts = calloc(s->count + 1, sizeof *s->starts);
    if (!s->starts)
        return err_set(err, ERR_INTERNAL, "out of memory");
    s->known = 1;
    *out = steal(&s);
    return 0;
}

/* Opens the piece in which `offset` lies, or the next one, whose end is not known yet. 1: that one is
 * gone. */
static int open_piece(struct segments *s, uint64_t offset, struct err *err)
{
    size_t index = s->known - 1;
    while (index > 0 && s->starts[index] > offset)
        index--;
    fetch_close(steal(&s->fetch));
    s->index = index;
    s->len = 0;
    s->at = s->starts[index];
    if (s->is_live && index == s->count && await_piece(s, err) < 0)
        return -1;
    if (index == s->count)
        return 0; /* the end */
    if (s->is_live)
        live_list_forget(&s->live, index);
    const struct hls_segment *piece = &s->pieces[index];
    if (!piece->uri)
        return err_set(err, ERR_UPSTREAM_FAILED, "live: too far back");
    auto_(buf) struct buf url = BUF_INIT(URL_MAX);
    if (net_url_join(buf_str(&s->base), piece->uri, &url, err) < 0)
        return -1;
    const struct fetch_opts opts = {
        .url = buf_str(&url),
        .user_agent = s->user_agent,
        .headers = s->headers.lines,
        .egress = s->egress,
        .offset = piece->offset,
        .length = piece->length,
        .cancelled = s->cancelled,
    };
    if (begin_cipher(s, piece, err) < 0)
        return -1;
    if (fetch_open(&s->fetch, s->net, &opts, err) == 0)
        return 0;
    /* of a broadcast, a piece that is gone is passed over */
    if (s->is_live && err->upstream_status && s->known == index + 1) {
        s->starts[s->known++] = s->at;
        return 1;
    }
    if (!s->dash || !s->dash->last_may_lack || index + 1 != s->count || err->upstream_status != 404)
        return -1;
    s->count = index; /* there was one less than reckoned */
    *err = (struct err){0};
    return 0;
}

static int go(struct segments *s, uint64_t offset, struct err *err)
{
    int rc;
    while ((rc = open_piece(s, offset, err)) > 0)
        *err = (struct err){0};
    return rc;
}

/* The next bytes of the piece, in s->data and s->len; none: it ends. */
static int next(struct segments *s, struct err *err)
{
    const void *data;
    size_t len;
    do {
        if (fetch_next(s->fetch, &data, &len, err) < 0)
            return -1;
        s->data = data;
        s->len = len;
        if (!s->cipher)
            return 0;
        buf_clear(&s->clear);
        if ((len ? aes_cbc_add(s->cipher, data, len, &s->clear, err)
                 : aes_cbc_end(s->cipher, &s->clear, err)) < 0)
            return -1;
        if (len == 0)
            aes_cbc_free(steal(&s->cipher));
        s->data = (const unsigned char *)buf_str(&s->clear);
        s->len = s->clear.len;
    } while (len && s->len == 0);
    return 0;
}

/* Has bytes at `offset` in hand; none (s->len 0): the end of the last piece. */
static int fill(struct segments *s, uint64_t offset, struct err *err)
{
    if (!s->fetch || offset < s->at) {
        if (go(s, offset, err) < 0)
            return -1;
    }
    while (s->fetch && s->at + s->len <= offset) {
        s->at += s->len;
        s->len = 0;
        if (next(s, err) < 0) {
            s->len = 0;
            /* Its server may not know ranges: from its beginning, once. */
            if (atomic_load(s->cancelled) || s->again == s->index + 1)
                return -1;
            s->again = s->index + 1;
            if (go(s, s->at, err) < 0)
                return -1;
            continue;
        }
        if (s->len)
            continue;
        if (s->known == s->index + 1)
            s->starts[s->known++] = s->at;
        if (go(s, s->at, err) < 0)
            return -1;
    }
    size_t skip = s->len ? (size_t)(offset - s->at) : 0;
    s->data += skip;
    s->len -= skip;
    s->at += skip;
    return 0;
}

int segments_read_at(struct segments *s, uint64_t offset, void *to, size_t len, size_t *got, struct err *err)
{
    for (*got = 0; *got < len;) {
        if (fill(s, offset + *got, err) < 0)
            return -1;
        if (s->len == 0)
            break;
        size_t n = s->len < len - *got ? s->len : len - *got;
        memcpy((char *)to + *got, s->data, n);
        *got += n;
    }
    return 0;
}
