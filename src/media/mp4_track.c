/* Header and index of a fragmented file; see mp4_track.h. Section numbers are those of ISO/IEC 14496-12:2020.
 */
#include "media/mp4_track.h"

#include <string.h>

static int unsupported(struct err *err, const char *what)
{
    return err_set(err, ERR_UNSUPPORTED_SITE, "mp4: %s", what);
}

static int broken(struct err *err, const char *what)
{
    return err_set(err, ERR_UPSTREAM_FAILED, "mp4: malformed %s", what);
}

static void read_mvhd(struct mp4_track *t, struct mp4_reader *r) /* 8.2.2 */
{
    uint8_t version;
    (void)mp4_read_full(r, &version);
    mp4_skip(r, version == 1 ? 16 : 8); /* creation_time, modification_time */
    t->movie_timescale = mp4_read_u32(r);
}

static void read_tkhd(struct mp4_track *t, struct mp4_reader *r) /* 8.3.2 */
{
    uint8_t version;
    (void)mp4_read_full(r, &version);
    mp4_skip(r, version == 1 ? 16 : 8);
    t->id = mp4_read_u32(r);
    mp4_skip(r, 4 + (version == 1 ? 8 : 4) + 8); /* reserved, duration, reserved */
    t->layer = mp4_read_u16(r);
    t->alternate_group = mp4_read_u16(r);
    t->volume = mp4_read_u16(r);
    mp4_skip(r, 2);
    const unsigned char *matrix = r->at;
    mp4_skip(r, sizeof t->matrix);
    if (!r->bad)
        memcpy(t->matrix, matrix, sizeof t->matrix);
    t->width = mp4_read_u32(r);
    t->height = mp4_read_u32(r);
}

static void read_mdhd(struct mp4_track *t, struct mp4_reader *r) /* 8.4.2 */
{
    uint8_t version;
    (void)mp4_read_full(r, &version);
    mp4_skip(r, version == 1 ? 16 : 8);
    t->timescale = mp4_read_u32(r);
    mp4_skip(r, version == 1 ? 8 : 4);
    t->language = mp4_read_u16(r);
}

/* 8.6.6. Any number of empty edits, then at most one of media at normal speed, is what fragmented files have.
 */
static int read_elst(struct mp4_track *t, struct mp4_reader *r, struct err *err)
{
    uint8_t version;
    bool media = false;
    (void)mp4_read_full(r, &version);
    uint32_t count = mp4_read_u32(r);
    for (uint32_t i = 0; i < count && !r->bad; i++) {
        uint64_t duration = mp4_read_u32_or_64(r, version);
        uint64_t raw = mp4_read_u32_or_64(r, version);
        uint32_t rate = mp4_read_u32(r);
        int64_t media_time = version == 1 ? (int64_t)raw : (int32_t)raw;
        bool empty = media_time == -1;
        if (media || rate != 0x10000 || media_time < -1 || media_time > INT64_MAX / 4 ||
            (empty && duration > UINT32_MAX))
            return unsupported(err, "an edit list of more than a start");
        if (empty) {
            t->empty_duration += duration;
        } else {
            t->media_time = (uint64_t)media_time;
            media = true;
        }
    }
    if (r->bad)
        return broken(err, "elst");
    t->has_edit = count > 0;
    return 0;
}

/* 8.5.2. Kept as it is, so only what matters to others is looked at: nothing encrypted, and the media in the
 * same file (data_reference_index 1; we write the dref). */
static int check_stsd(struct mp4_reader r, struct err *err)
{
    uint8_t version;
    struct mp4_box entry;
    (void)mp4_read_full(&r, &version);
    uint32_t count = mp4_read_u32(&r);
    for (uint32_t i = 0; i < count; i++) {
        if (!mp4_next(&r, &entry))
            return broken(err, "stsd");
        if (entry.type == MP4_CC('e', 'n', 'c', 'v') || entry.type == MP4_CC('e', 'n', 'c', 'a'))
            return err_set(err, ERR_DRM, "mp4: encrypted");
        mp4_skip(&entry.body, 6);
        if (mp4_read_u16(&entry.body) != 1)
            return broken(err, "sample entry");
    }
    return count && !r.bad ? 0 : broken(err, "stsd");
}

static int read_stbl(struct mp4_track *t, struct mp4_reader r, struct err *err)
{
    struct mp4_box box;
    uint8_t version;
    while (mp4_next(&r, &box)) {
        switch (box.type) {
        case MP4_CC('s', 't', 's', 'd'):
            t->descriptions = box.whole;
            if (check_stsd(box.body, err) < 0)
                return -1;
            break;
        case MP4_CC('s', 't', 't', 's'):
            (void)mp4_read_full(&box.body, &version);
            if (mp4_read_u32(&box.body) != 0)
                return unsupported(err, "samples outside of fragments");
            break;
        default:
            break;
        }
    }
    return r.bad ? broken(err, "stbl") : 0;
}

static int read_minf(struct mp4_track *t, struct mp4_reader r, struct err *err)
{
    struct mp4_box box;
    while (mp4_next(&r, &box)) {
        switch (box.type) {
        case MP4_CC('v', 'm', 'h', 'd'):
        case MP4_CC('s', 'm', 'h', 'd'):
        case MP4_CC('n', 'm', 'h', 'd'):
        case MP4_CC('s', 't', 'h', 'd'):
            t->media_header = box.whole;
            break;
        case MP4_CC('s', 't', 'b', 'l'):
            if (read_stbl(t, box.body, err) < 0)
                return -1;
            break;
        default: /* dinf is written anew: a reference to other files is not carried over */
            break;
        }
    }
    return r.bad ? broken(err, "minf") : 0;
}

static int read_mdia(struct mp4_track *t, struct mp4_reader r, struct err *err)
{
    struct mp4_box box;
    while (mp4_next(&r, &box)) {
        switch (box.type) {
        case MP4_CC('m', 'd', 'h', 'd'):
            read_mdhd(t, &box.body);
            break;
        case MP4_CC('h', 'd', 'l', 'r'): /* 8.4.3 */
            t->handler_box = box.whole;
            mp4_skip(&box.body, 8);
            t->handler = mp4_read_u32(&box.body);
            break;
        case MP4_CC('m', 'i', 'n', 'f'):
            if (read_minf(t, box.body, err) < 0)
                return -1;
            break;
        default:
            break;
        }
        if (box.body.bad)
            return broken(err, "mdia");
    }
    return r.bad ? broken(err, "mdia") : 0;
}

static int read_trak(struct mp4_track *t, struct mp4_reader r, struct err *err)
{
    struct mp4_box box;
    struct mp4_box list;
    while (mp4_next(&r, &box)) {
        switch (box.type) {
        case MP4_CC('t', 'k', 'h', 'd'):
            read_tkhd(t, &box.body);
            break;
        case MP4_CC('e', 'd', 't', 's'):
            if (mp4_find(&box.body, MP4_CC('e', 'l', 's', 't'), &list) && read_elst(t, &list.body, err) < 0)
                return -1;
            break;
        case MP4_CC('m', 'd', 'i', 'a'):
            if (read_mdia(t, box.body, err) < 0)
                return -1;
            break;
        default:
            break;
        }
        if (box.body.bad)
            return broken(err, "trak");
    }
    return r.bad ? broken(err, "trak") : 0;
}

/* 8.8.3: the defaults of our track; there may be those of others. */
static int read_mvex(struct mp4_track *t, struct mp4_reader r, struct err *err)
{
    struct mp4_box box;
    uint8_t version;
    while (mp4_next(&r, &box)) {
        if (box.type != MP4_CC('t', 'r', 'e', 'x'))
            continue;
        (void)mp4_read_full(&box.body, &version);
        uint32_t id = mp4_read_u32(&box.body);
        t->defaults.description = mp4_read_u32(&box.body);
        t->defaults.duration = mp4_read_u32(&box.body);
        t->defaults.size = mp4_read_u32(&box.body);
        t->defaults.flags = mp4_read_u32(&box.body);
        if (id == t->id)
            return box.body.bad ? broken(err, "trex") : 0;
    }
    return broken(err, "mvex");
}

static int read_moov(struct mp4_track *t, struct mp4_span moov, struct err *err)
{
    struct mp4_reader r = mp4_reader_of(moov.data, moov.len);
    struct mp4_box box;
    struct mp4_box trak;
    struct mp4_box mvex;
    unsigned traks = 0;
    bool fragmented = false;
    if (!mp4_next(&r, &box))
        return broken(err, "moov");
    r = box.body;
    while (mp4_next(&r, &box)) {
        if (box.type == MP4_CC('m', 'v', 'h', 'd')) {
            read_mvhd(t, &box.body);
        } else if (box.type == MP4_CC('t', 'r', 'a', 'k')) {
            trak = box;
            traks++;
        } else if (box.type == MP4_CC('m', 'v', 'e', 'x')) {
            mvex = box;
            fragmented = true;
        } else if (box.type == MP4_CC('p', 's', 's', 'h')) {
            return err_set(err, ERR_DRM, "mp4: encrypted");
        }
    }
    if (r.bad || t->movie_timescale == 0)
        return broken(err, "moov");
    if (!fragmented)
        return unsupported(err, "not fragmented");
    if (traks != 1)
        return unsupported(err, "not exactly one track");
    if (read_trak(t, trak.body, err) < 0 || read_mvex(t, mvex.body, err) < 0)
        return -1;
    if (t->timescale == 0 || t->id == 0 || !t->handler_box.data || !t->media_header.data ||
        !t->descriptions.data)
        return broken(err, "trak");
    return 0;
}

/* 8.16.3. `end` is the file offset behind the sidx box, which first_offset counts from. */
static int read_sidx(struct mp4_index *x, struct mp4_reader r, uint64_t end, struct err *err)
{
    uint8_t version;
    (void)mp4_read_full(&r, &version);
    mp4_skip(&r, 4); /* reference_ID: there is only one track */
    x->timescale = mp4_read_u32(&r);
    uint64_t time = mp4_read_u32_or_64(&r, version);
    uint64_t first_offset = mp4_read_u32_or_64(&r, version);
    mp4_skip(&r, 2);
    x->count = mp4_read_u16(&r);
    if (r.bad || version > 1 || x->timescale == 0 || x->count == 0 || mp4_left(&r) < x->count * 12 ||
        first_offset > INT64_MAX / 2 || time > INT64_MAX / 2)
        return broken(err, "sidx");
    x->references = calloc(x->count, sizeof *x->references);
    if (!x->references)
        return err_set(err, ERR_INTERNAL, "mp4: out of memory");
    x->end = end + first_offset;
    for (size_t i = 0; i < x->count; i++) {
        uint32_t size = mp4_read_u32(&r);
        if (size >> 31)
            return unsupported(err, "a hierarchical sidx");
        x->references[i] = (struct mp4_reference){.offset = x->end, .start = time, .size = size};
        x->references[i].duration = mp4_read_u32(&r);
        x->references[i].sap = mp4_read_u32(&r);
        if (size == 0)
            return broken(err, "sidx");
        x->end += size; /* 65,535 times 2^31 at most */
        time += x->references[i].duration;
    }
    return 0;
}

int mp4_track_parse(struct mp4_track *t, const void *head, size_t len, struct err *err)
{
    struct mp4_reader r = mp4_reader_of(head, len);
    struct mp4_box box;
    *t = (struct mp4_track){0};
    if (len > MP4_HEAD_MAX)
        return unsupported(err, "a very large header");
    while (!t->index.count && mp4_next(&r, &box)) {
        switch (box.type) {
        case MP4_CC('m', 'o', 'o', 'v'):
            if (t->moov)
                return broken(err, "file: two moov");
            t->moov = malloc(box.whole.len);
            if (!t->moov)
                return err_set(err, ERR_INTERNAL, "mp4: out of memory");
            memcpy(t->moov, box.whole.data, box.whole.len);
            if (read_moov(t, (struct mp4_span){t->moov, box.whole.len}, err) < 0)
                return -1;
            break;
        case MP4_CC('s', 'i', 'd', 'x'):
            if (read_sidx(&t->index, box.body, (uint64_t)(r.at - (const unsigned char *)head), err) < 0)
                return -1;
            break;
        case MP4_CC('m', 'o', 'o', 'f'):
        case MP4_CC('m', 'd', 'a', 't'):
            return unsupported(err, "no sidx in front of the media");
        default:
            break;
        }
    }
    if (r.bad)
        return broken(err, "or truncated header");
    if (!t->moov || !t->index.count)
        return unsupported(err, t->moov ? "no sidx" : "no moov");
    return 0;
}

void mp4_track_fini(struct mp4_track *t)
{
    free(t->moov);
    free(t->index.references);
    *t = (struct mp4_track){0};
}

uint64_t mp4_head_bytes(const void *head, size_t len)
{
    const unsigned char *bytes = head;
    uint64_t at = 0;
    for (;;) {
        struct mp4_header h;
        size_t have = at < len ? len - (size_t)at : 0;
        int rc = mp4_read_header(bytes + (have ? at : 0), have, &h);
        if (rc == 0)
            return at + MP4_HEADER_MAX;
        if (rc < 0 || h.size == 0 || h.size > MP4_HEAD_MAX - at || h.type == MP4_CC('m', 'o', 'o', 'f') ||
            h.type == MP4_CC('m', 'd', 'a', 't'))
            return 0;
        at += h.size;
        if (h.type == MP4_CC('s', 'i', 'd', 'x'))
            return at;
    }
}
