/* See hls.h. The text is copied and cut in place: strings are what lies between the marks of its syntax. */
#include "site/hls.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

struct parser {
    struct hls *h;
    struct err *err;
    /* What the next URI is. */
    bool stream_next;
    struct hls_stream stream;
    struct hls_segment piece;
    uint64_t part_end; /* of the resource of the latest EXT-X-BYTERANGE; a part without offset begins there */
    bool ended;        /* EXT-X-ENDLIST */
    uint32_t key;      /* of the pieces to come, as in struct hls_segment */
    uint64_t number;   /* of the next piece */
    size_t room, key_room; /* of h->segments and h->keys */
};

bool hls_is(const char *text, size_t len)
{
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
        len -= 3;
    }
    return len > 7 && memcmp(text, "#EXTM3U", 7) == 0 && strchr("\r\n\t ", text[7]);
}

void hls_free(struct hls *h)
{
    if (!h)
        return;
    free(h->streams);
    free(h->sounds);
    free(h->segments);
    free(h->keys);
    free(h->text);
    free(h);
}

/* ---- Attribute lists: NAME=value,NAME="value" ---- */

/* The next pair at *at, which moves on; false at the end or where the syntax ends. */
static bool next_attribute(char **at, const char **name, const char **value)
{
    char *p = *at + strspn(*at, " \t,");
    char *equals = strchr(p, '=');
    if (!equals)
        return false;
    *equals = '\0';
    *name = p;
    p = equals + 1;
    bool quoted = *p == '"';
    p += quoted;
    *value = p;
    p += strcspn(p, quoted ? "\"" : ",");
    if (*p)
        *p++ = '\0';
    *at = p;
    return true;
}

/* A whole number, or the whole part of one. 0: none. */
static uint64_t whole(const char *value, uint64_t most)
{
    uint64_t n = 0;
    return text_parse_u64n(value, strspn(value, "0123456789"), 0, most, &n) == 0 ? n : 0;
}

/* Milliseconds of "9.009". 0: none. */
static uint64_t milliseconds(const char *value)
{
    uint64_t ms = whole(value, 1000000) * 1000;
    const char *dot = value + strspn(value, "0123456789");
    for (int digit = 0, scale = 100; digit < 3 && *dot == '.'; digit++, scale /= 10) {
        char c = dot[1 + digit];
        if (c < '0' || c > '9')
            break;
        ms += (uint64_t)((c - '0') * scale);
    }
    return ms;
}

static void read_resolution(struct hls_stream *s, const char *value)
{
    const char *x = strchr(value, 'x');
    s->width = (int)whole(value, 65536);
    s->height = x ? (int)whole(x + 1, 65536) : 0;
}

static void read_stream(struct parser *p, char *list)
{
    const char *name;
    const char *value;
    int64_t average = 0;
    p->stream = (struct hls_stream){0};
    while (next_attribute(&list, &name, &value)) {
        if (strcmp(name, "BANDWIDTH") == 0)
            p->stream.bandwidth = (int64_t)whole(value, 1ULL << 40);
        else if (strcmp(name, "AVERAGE-BANDWIDTH") == 0)
            average = (int64_t)whole(value, 1ULL << 40);
        else if (strcmp(name, "CODECS") == 0)
            p->stream.codecs = value;
        else if (strcmp(name, "AUDIO") == 0)
            p->stream.sound_group = value;
        else if (strcmp(name, "RESOLUTION") == 0)
            read_resolution(&p->stream, value);
        else if (strcmp(name, "FRAME-RATE") == 0)
            p->stream.fps = (double)milliseconds(value) / 1000;
    }
    if (average)
        p->stream.bandwidth = average;
    p->stream_next = true;
}

static int read_sound(struct parser *p, char *list)
{
    const char *name;
    const char *value;
    bool is_sound = false;
    struct hls_sound sound = {0};
    while (next_attribute(&list, &name, &value)) {
        if (strcmp(name, "TYPE") == 0)
            is_sound = strcmp(value, "AUDIO") == 0;
        else if (strcmp(name, "URI") == 0)
            sound.uri = value;
        else if (strcmp(name, "GROUP-ID") == 0)
            sound.group = value;
        else if (strcmp(name, "LANGUAGE") == 0)
            sound.language = value;
        else if (strcmp(name, "NAME") == 0)
            sound.name = value;
        else if (strcmp(name, "DEFAULT") == 0)
            sound.is_default = strcmp(value, "YES") == 0;
    }
    p->h->is_master = true;
    if (!is_sound || !sound.group || p->h->sound_count == HLS_SOUNDS_MAX)
        return 0;
    if (!p->h->sounds && !(p->h->sounds = calloc(HLS_SOUNDS_MAX, sizeof *p->h->sounds)))
        return err_set(p->err, ERR_INTERNAL, "out of memory");
    p->h->sounds[p->h->sound_count++] = sound;
    return 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "0x…": a number of up to 128 bits. */
static bool read_iv(const char *value, struct hls_key *key)
{
    size_t digits = strlen(value);
    if (digits < 3 || digits > 2 + 2 * sizeof key->iv || value[0] != '0' || (value[1] | 0x20) != 'x')
        return false;
    for (size_t i = 0; i < digits - 2; i++) {
        int digit = hex_digit(value[digits - 1 - i]);
        if (digit < 0)
            return false;
        key->iv[sizeof key->iv - 1 - i / 2] |= (uint8_t)(digit << (i % 2 * 4));
    }
    return key->has_iv = true;
}

static int add_key(struct parser *p, const struct hls_key *key)
{
    struct hls *h = p->h;
    if (!key->uri || !*key->uri || h->key_count == HLS_SEGMENTS_MAX)
        return err_set(p->err, ERR_UNSUPPORTED_SITE, "hls: no key, or too many");
    if (h->key_count == p->key_room) {
        size_t room = p->key_room ? p->key_room * 2 : 1;
        struct hls_key *more = realloc(h->keys, room * sizeof *more);
        if (!more)
            return err_set(p->err, ERR_INTERNAL, "out of memory");
        h->keys = more;
        p->key_room = room;
    }
    h->keys[h->key_count++] = *key;
    p->key = (uint32_t)h->key_count;
    return 0;
}

/* `session`: of a master playlist, whose streams name their keys again. */
static int read_key(struct parser *p, char *list, bool session)
{
    const char *name;
    const char *value;
    const char *method = "NONE";
    struct hls_key key = {0};
    while (next_attribute(&list, &name, &value)) {
        if (strcmp(name, "METHOD") == 0)
            method = value;
        else if (strcmp(name, "URI") == 0)
            key.uri = value;
        else if (strcmp(name, "IV") == 0 && !read_iv(value, &key))
            return err_set(p->err, ERR_UNSUPPORTED_SITE, "hls: a vector that is none");
        else if (strcmp(name, "KEYFORMAT") == 0 && strcmp(value, "identity") != 0)
            return err_set(p->err, ERR_DRM, "hls: a key that is not given to all");
    }
    p->key = 0;
    if (strcmp(method, "NONE") == 0)
        return 0;
    if (strcmp(method, "AES-128") != 0)
        return err_set(p->err, ERR_DRM, "hls: encrypted");
    return session ? 0 : add_key(p, &key);
}

void hls_iv(const struct hls *h, const struct hls_segment *s, uint8_t iv[AES_CBC_BYTES])
{
    const struct hls_key *key = &h->keys[s->key - 1];
    memcpy(iv, key->iv, AES_CBC_BYTES);
    for (int i = 0; i < 8 && !key->has_iv; i++)
        iv[AES_CBC_BYTES - 1 - i] = (uint8_t)(s->number >> (8 * i));
}

/* "length[@offset]" */
static int read_part(struct parser *p, const char *value, struct hls_segment *s, uint64_t follows)
{
    const char *at = strchr(value, '@');
    size_t digits = at ? (size_t)(at - value) : strcspn(value, " \t");
    s->offset = follows;
    if (text_parse_u64n(value, digits, 1, INT64_MAX, &s->length) < 0 ||
        (at && text_parse_u64n(at + 1, strcspn(at + 1, " \t"), 0, INT64_MAX, &s->offset) < 0) ||
        s->offset > INT64_MAX - s->length)
        return err_set(p->err, ERR_UNSUPPORTED_SITE, "hls: a part that is none");
    return 0;
}

/* ---- Pieces ---- */

static int add_segment(struct parser *p, const struct hls_segment *s)
{
    struct hls *h = p->h;
    if (h->segment_count == HLS_SEGMENTS_MAX)
        return err_set(p->err, ERR_UNSUPPORTED_SITE, "hls: too many pieces");
    if (h->segment_count == p->room) {
        size_t room = p->room ? p->room * 2 : 64;
        struct hls_segment *more = realloc(h->segments, room * sizeof *more);
        if (!more)
            return err_set(p->err, ERR_INTERNAL, "out of memory");
        h->segments = more;
        p->room = room;
    }
    h->segments[h->segment_count] = *s;
    h->segments[h->segment_count].key = p->key;
    h->segments[h->segment_count++].number = p->number;
    return 0;
}

static int read_map(struct parser *p, char *list)
{
    const char *name;
    const char *value;
    struct hls_segment map = {.is_map = true};
    while (next_attribute(&list, &name, &value)) {
        if (strcmp(name, "URI") == 0)
            map.uri = value;
        else if (strcmp(name, "BYTERANGE") == 0 && read_part(p, value, &map, 0) < 0)
            return -1;
    }
    if (!map.uri || !*map.uri)
        return err_set(p->err, ERR_UNSUPPORTED_SITE, "hls: a map without address");
    p->h->is_mp4 = true;
    return add_segment(p, &map);
}

static int read_uri(struct parser *p, const char *uri)
{
    struct hls *h = p->h;
    if (p->stream_next) {
        p->stream_next = false;
        p->stream.uri = uri;
        h->is_master = true;
        if (!h->streams && !(h->streams = calloc(HLS_STREAMS_MAX, sizeof *h->streams)))
            return err_set(p->err, ERR_INTERNAL, "out of memory");
        if (h->stream_count < HLS_STREAMS_MAX)
            h->streams[h->stream_count++] = p->stream;
        return 0;
    }
    p->piece.uri = uri;
    p->part_end = p->piece.offset + p->piece.length;
    int rc = add_segment(p, &p->piece);
    p->number++;
    p->piece = (struct hls_segment){0};
    return rc;
}

/* ---- Lines ---- */

static int read_tag(struct parser *p, char *tag)
{
    char *value = tag + strcspn(tag, ":");
    if (*value)
        *value++ = '\0';
    if (strcmp(tag, "#EXTINF") == 0)
        p->h->duration_ms += milliseconds(value);
    else if (strcmp(tag, "#EXT-X-TARGETDURATION") == 0)
        p->h->target_ms = (int64_t)whole(value, 3600) * 1000;
    else if (strcmp(tag, "#EXT-X-ENDLIST") == 0)
        p->ended = true;
    else if (strcmp(tag, "#EXT-X-STREAM-INF") == 0)
        read_stream(p, value);
    else if (strcmp(tag, "#EXT-X-MEDIA") == 0)
        return read_sound(p, value);
    else if (strcmp(tag, "#EXT-X-MEDIA-SEQUENCE") == 0)
        p->number = whole(value, INT64_MAX);
    else if (strcmp(tag, "#EXT-X-KEY") == 0 || strcmp(tag, "#EXT-X-SESSION-KEY") == 0)
        return read_key(p, value, tag[7] == 'S');
    else if (strcmp(tag, "#EXT-X-MAP") == 0)
        return read_map(p, value);
    else if (strcmp(tag, "#EXT-X-BYTERANGE") == 0)
        return read_part(p, value, &p->piece, p->part_end);
    return 0;
}

static int read_lines(struct parser *p, char *text)
{
    for (char *next = text; next;) {
        char *line = next;
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        line += strspn(line, " \t");
        size_t len = strlen(line);
        while (len && (line[len - 1] == '\r' || line[len - 1] == ' ' || line[len - 1] == '\t'))
            line[--len] = '\0';
        if (len && (*line == '#' ? read_tag(p, line) : read_uri(p, line)) < 0)
            return -1;
    }
    return 0;
}

static int read_playlist(struct hls *h, const char *text, size_t len, struct err *err)
{
    struct parser p = {.h = h, .err = err};
    h->text = strndup(text, len);
    if (!h->text)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (read_lines(&p, strchr(h->text, '#')) < 0)
        return -1;
    if (h->is_master ? h->stream_count == 0 : h->segment_count == 0)
        return err_set(err, ERR_UNSUPPORTED_SITE, "hls: nothing in it");
    h->is_live = !h->is_master && !p.ended;
    return 0;
}

int hls_parse_live(struct hls **out, const char *text, size_t len, struct err *err)
{
    if (!hls_is(text, len) || len > HLS_BYTES_MAX || memchr(text, '\0', len))
        return err_set(err, ERR_UNSUPPORTED_SITE, "hls: no playlist");
    struct hls *h = calloc(1, sizeof *h);
    int rc = h ? read_playlist(h, text, len, err) : err_set(err, ERR_INTERNAL, "out of memory");
    if (rc < 0)
        hls_free(steal(&h));
    *out = h;
    return rc;
}

int hls_parse(struct hls **out, const char *text, size_t len, struct err *err)
{
    if (hls_parse_live(out, text, len, err) < 0)
        return -1;
    if (!(*out)->is_live)
        return 0;
    hls_free(steal(out));
    return err_set(err, ERR_LIVE, "hls: it has no end");
}
