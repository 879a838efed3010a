/* Movie fragments; see mp4_fragment.h. Section numbers are those of ISO/IEC 14496-12:2020. */
#include "media/mp4_fragment.h"

/* Flags of tfhd (8.8.7) and trun (8.8.8), and of a sample (8.8.3). */
enum {
    TFHD_BASE_DATA_OFFSET = 0x1,
    TFHD_DESCRIPTION = 0x2,
    TFHD_DURATION = 0x8,
    TFHD_SIZE = 0x10,
    TFHD_FLAGS = 0x20,
    TFHD_BASE_IS_MOOF = 0x20000,
    TRUN_DATA_OFFSET = 0x1,
    TRUN_FIRST_FLAGS = 0x4,
    TRUN_DURATION = 0x100,
    TRUN_SIZE = 0x200,
    TRUN_FLAGS = 0x400,
    TRUN_CTS = 0x800,
    SAMPLE_IS_NOT_SYNC = 0x10000,
};

/* What is known while one moof is read. */
struct fragment {
    struct mp4_samples *to;
    const struct mp4_track *track;
    const struct mp4_moof *moof;
    struct mp4_defaults defaults; /* of the current traf */
    uint64_t base;                /* what its data offsets count from */
    uint64_t data_at;             /* where the next trun's data begins if it does not say */
};

static int broken(struct err *err, const char *what)
{
    return err_set(err, ERR_UPSTREAM_FAILED, "mp4: malformed %s", what);
}

static int read_tfhd(struct fragment *f, struct mp4_reader r, uint32_t *flags, struct err *err)
{
    uint8_t version;
    *flags = mp4_read_full(&r, &version);
    uint32_t id = mp4_read_u32(&r);
    f->defaults = f->track->defaults;
    if (*flags & TFHD_BASE_DATA_OFFSET)
        f->base = mp4_read_u64(&r);
    else if (*flags & TFHD_BASE_IS_MOOF)
        f->base = f->moof->offset;
    else /* the moof for the first traf, the end of the data before for others */
        f->base = f->data_at;
    if (*flags & TFHD_DESCRIPTION)
        f->defaults.description = mp4_read_u32(&r);
    if (*flags & TFHD_DURATION)
        f->defaults.duration = mp4_read_u32(&r);
    if (*flags & TFHD_SIZE)
        f->defaults.size = mp4_read_u32(&r);
    if (*flags & TFHD_FLAGS)
        f->defaults.flags = mp4_read_u32(&r);
    f->data_at = f->base;
    if (r.bad || f->base > f->moof->end)
        return broken(err, "tfhd");
    if (id != f->track->id || f->defaults.description != 1)
        return err_set(err, ERR_UNSUPPORTED_SITE, "mp4: several tracks or sample descriptions");
    return 0;
}

static int add_samples(struct fragment *f, struct mp4_reader *r, uint32_t flags, uint8_t version,
                       struct err *err)
{
    uint64_t before = f->to->bytes;
    uint32_t count = mp4_read_u32(r);
    if (flags & TRUN_DATA_OFFSET) {
        int32_t offset = (int32_t)mp4_read_u32(r);
        if (offset < 0 && f->base < (uint64_t) - (int64_t)offset)
            return broken(err, "trun");
        f->data_at = f->base + (uint64_t)(int64_t)offset;
    }
    uint32_t first_flags = flags & TRUN_FIRST_FLAGS ? mp4_read_u32(r) : f->defaults.flags;
    /* A few bytes must not claim millions of samples that no data could be for. */
    if (!(flags & TRUN_SIZE) && count > 0 &&
        (f->defaults.size == 0 || f->data_at > f->moof->end ||
         count > (f->moof->end - f->data_at) / f->defaults.size))
        return broken(err, "trun");
    for (uint32_t i = 0; i < count && !r->bad; i++) {
        struct mp4_sample s;
        s.duration = flags & TRUN_DURATION ? mp4_read_u32(r) : f->defaults.duration;
        s.size = flags & TRUN_SIZE ? mp4_read_u32(r) : f->defaults.size;
        uint32_t sample_flags = i == 0 ? first_flags : f->defaults.flags;
        if (flags & TRUN_FLAGS)
            sample_flags = mp4_read_u32(r);
        uint32_t cts = flags & TRUN_CTS ? mp4_read_u32(r) : 0;
        s.cts = (int32_t)cts;
        s.sync = !(sample_flags & SAMPLE_IS_NOT_SYNC);
        if (version == 0 && s.cts < 0) /* unsigned there */
            return err_set(err, ERR_UNSUPPORTED_SITE, "mp4: a composition offset out of range");
        if (mp4_samples_add(f->to, &s, err) < 0)
            return -1;
    }
    uint64_t bytes = f->to->bytes - before;
    if (r->bad || f->data_at > f->moof->end || bytes > f->moof->end - f->data_at)
        return broken(err, "trun");
    if (mp4_samples_add_payload(f->to, f->data_at, bytes, err) < 0)
        return -1;
    f->data_at += bytes;
    return 0;
}

static int read_traf(struct fragment *f, struct mp4_reader r, struct mp4_patch_points *patch, struct err *err)
{
    struct mp4_box box;
    uint32_t flags;
    uint8_t version;
    if (!mp4_find(&r, MP4_CC('t', 'f', 'h', 'd'), &box))
        return broken(err, "traf");
    if (read_tfhd(f, box.body, &flags, err) < 0)
        return -1;
    if (!(flags & TFHD_BASE_DATA_OFFSET))
        patch->track_id = (uint32_t)(box.body.at + 4 - f->moof->box.data);
    if (mp4_find(&r, MP4_CC('t', 'f', 'd', 't'), &box)) { /* 8.8.12 */
        (void)mp4_read_full(&box.body, &version);
        uint64_t dts = mp4_read_u32_or_64(&box.body, version);
        if (box.body.bad)
            return broken(err, "tfdt");
        if (mp4_samples_seek(f->to, dts, err) < 0)
            return -1;
    }
    while (mp4_next(&r, &box)) {
        if (box.type == MP4_CC('s', 'e', 'n', 'c'))
            return err_set(err, ERR_DRM, "mp4: encrypted");
        if (box.type != MP4_CC('t', 'r', 'u', 'n'))
            continue;
        flags = mp4_read_full(&box.body, &version);
        if (add_samples(f, &box.body, flags, version, err) < 0)
            return -1;
    }
    return r.bad ? broken(err, "traf") : 0;
}

int mp4_fragment_read(struct mp4_samples *to, const struct mp4_track *track, const struct mp4_moof *moof,
                      struct mp4_patch_points *patch, struct err *err)
{
    struct fragment f = {.to = to, .track = track, .moof = moof, .data_at = moof->offset};
    struct mp4_reader r = mp4_reader_of(moof->box.data, moof->box.len);
    struct mp4_box box;
    unsigned trafs = 0;
    *patch = (struct mp4_patch_points){0};
    if (!mp4_next(&r, &box) || box.type != MP4_CC('m', 'o', 'o', 'f'))
        return broken(err, "moof");
    r = box.body;
    while (mp4_next(&r, &box)) {
        if (box.type == MP4_CC('m', 'f', 'h', 'd') && mp4_left(&box.body) >= 8) { /* 8.8.5 */
            patch->sequence_number = (uint32_t)(box.body.at + 4 - moof->box.data);
        } else if (box.type == MP4_CC('t', 'r', 'a', 'f')) {
            if (read_traf(&f, box.body, patch, err) < 0)
                return -1;
            trafs++;
        }
    }
    if (r.bad || trafs == 0)
        return broken(err, "moof");
    if (trafs > 1)
        patch->track_id = 0;
    return 0;
}
