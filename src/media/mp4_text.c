/* See mp4_text.h. */
#include "media/mp4_text.h"

#include <string.h>

enum {
    SHOWN_MAX = 4, /* cues at once; of more the earliest give way, which bounds how often one is repeated */
    SAMPLE_MAX = 2 + SHOWN_MAX * (SUBTITLE_CUE_TEXT_MAX + 1),
    SUBTITLE_GROUP = 3, /* of tracks of which one is shown: a number that sources do not use */
    FONT_SIZE = 16,
};

/* ISO 639-1 and, behind it, ISO 639-2/T; also the codes that were replaced and are still used. */
static const char languages[][6] = {
    "aaaar", "ababk", "aeave", "afafr", "akaka", "amamh", "anarg", "arara", "asasm", "avava", "ayaym",
    "azaze", "babak", "bebel", "bgbul", "bhbih", "bibis", "bmbam", "bnben", "bobod", "brbre", "bsbos",
    "cacat", "ceche", "chcha", "cocos", "crcre", "csces", "cuchu", "cvchv", "cycym", "dadan", "dedeu",
    "dvdiv", "dzdzo", "eeewe", "elell", "eneng", "eoepo", "esspa", "etest", "eueus", "fafas", "ffful",
    "fifin", "fjfij", "fofao", "frfra", "fyfry", "gagle", "gdgla", "glglg", "gngrn", "guguj", "gvglv",
    "hahau", "heheb", "hihin", "hohmo", "hrhrv", "hthat", "huhun", "hyhye", "hzher", "iaina", "idind",
    "ieile", "igibo", "iiiii", "ikipk", "inind", "ioido", "isisl", "itita", "iuiku", "iwheb", "jajpn",
    "jiyid", "jvjav", "kakat", "kgkon", "kikik", "kjkua", "kkkaz", "klkal", "kmkhm", "knkan", "kokor",
    "krkau", "kskas", "kukur", "kvkom", "kwcor", "kykir", "lalat", "lbltz", "lglug", "lilim", "lnlin",
    "lolao", "ltlit", "lulub", "lvlav", "mgmlg", "mhmah", "mimri", "mkmkd", "mlmal", "mnmon", "moron",
    "mrmar", "msmsa", "mtmlt", "mymya", "nanau", "nbnob", "ndnde", "nenep", "ngndo", "nlnld", "nnnno",
    "nonor", "nrnbl", "nvnav", "nynya", "ococi", "ojoji", "omorm", "orori", "ososs", "papan", "pipli",
    "plpol", "pspus", "ptpor", "quque", "rmroh", "rnrun", "roron", "rurus", "rwkin", "sasan", "scsrd",
    "sdsnd", "sesme", "sgsag", "shhbs", "sisin", "skslk", "slslv", "smsmo", "snsna", "sosom", "sqsqi",
    "srsrp", "ssssw", "stsot", "susun", "svswe", "swswa", "tatam", "tetel", "tgtgk", "ththa", "titir",
    "tktuk", "tltgl", "tntsn", "toton", "trtur", "tstso", "tttat", "twtwi", "tytah", "uguig", "ukukr",
    "ururd", "uzuzb", "veven", "vivie", "vovol", "wawln", "wowol", "xhxho", "yiyid", "yoyor", "zazha",
    "zhzho", "zuzul",
};

static uint16_t pack(const char code[3])
{
    return (uint16_t)((code[0] & 31) << 10 | (code[1] & 31) << 5 | (code[2] & 31));
}

uint16_t mp4_language(const char *tag)
{
    char code[4] = "";
    size_t n = strcspn(tag, "-_");
    for (size_t i = 0; i < n && n <= 3; i++) {
        code[i] = (char)(tag[i] | 0x20);
        if (code[i] < 'a' || code[i] > 'z')
            return pack("und");
    }
    for (size_t i = 0; n == 2 && i < ARRAY_LEN(languages); i++)
        if (memcmp(languages[i], code, 2) == 0)
            return pack(languages[i] + 2);
    return pack(n == 3 ? code : "und");
}

void mp4_text_fini(struct mp4_text *t)
{
    mp4_track_fini(&t->head);
    mp4_samples_fini(&t->samples);
    buf_fini(&t->bytes);
}

static struct mp4_span written_since(const struct mp4_writer *w, uint64_t from)
{
    return (struct mp4_span){w->to + from, (size_t)(w->len - from)};
}

/* TS 26.245, 5.16: centred, at the bottom, white. Without sizes, and in the style that ffmpeg writes and
 * takes for its usual one: players scale that to the picture, and it comes out of ffmpeg as text without
 * markup. */
static void write_description(struct mp4_writer *w)
{
    static const unsigned char white[4] = {0xff, 0xff, 0xff, 0xff};
    static const char font[] = "Arial";
    uint64_t stsd = mp4_begin_full(w, MP4_CC('s', 't', 's', 'd'), 0, 0);
    mp4_write_u32(w, 1);
    uint64_t tx3g = mp4_begin(w, MP4_CC('t', 'x', '3', 'g'));
    mp4_write_zeros(w, 6);
    mp4_write_u16(w, 1);           /* data_reference_index */
    mp4_write_u32(w, 0);           /* displayFlags */
    mp4_write_u8(w, 1);            /* horizontal-justification: centre */
    mp4_write_u8(w, 0xff);         /* vertical-justification -1: bottom */
    mp4_write_zeros(w, 4 + 8 + 4); /* no background, no box, a style of no character in particular */
    mp4_write_u16(w, 1);           /* font-ID */
    mp4_write_u8(w, 0);            /* face-style-flags */
    mp4_write_u8(w, FONT_SIZE);
    mp4_write(w, white, sizeof white);
    uint64_t ftab = mp4_begin(w, MP4_CC('f', 't', 'a', 'b'));
    mp4_write_u16(w, 1);
    mp4_write_u16(w, 1); /* font-ID */
    mp4_write_u8(w, sizeof font - 1);
    mp4_write(w, font, sizeof font - 1);
    mp4_end(w, ftab);
    mp4_end(w, tx3g);
    mp4_end(w, stsd);
}

/* The track's boxes, as those of a source are kept. 14496-12: 8.4.3 hdlr, 12.6.2 nmhd. */
static int write_boxes(struct mp4_text *t, struct err *err)
{
    static const char name[] = "Subtitles";
    struct mp4_writer w = {.to = t->boxes, .cap = sizeof t->boxes};
    uint64_t hdlr = mp4_begin_full(&w, MP4_CC('h', 'd', 'l', 'r'), 0, 0);
    mp4_write_u32(&w, 0);
    mp4_write_u32(&w, MP4_SBTL);
    mp4_write_zeros(&w, 12);
    mp4_write(&w, name, sizeof name);
    mp4_end(&w, hdlr);
    t->head.handler_box = written_since(&w, 0);
    uint64_t at = w.len;
    mp4_end(&w, mp4_begin_full(&w, MP4_CC('n', 'm', 'h', 'd'), 0, 0));
    t->head.media_header = written_since(&w, at);
    at = w.len;
    write_description(&w);
    t->head.descriptions = written_since(&w, at);
    return w.len <= w.cap ? 0 : err_set(err, ERR_INTERNAL, "mp4: boxes larger than their room");
}

/* The cues shown at one time. */
struct shown {
    const struct subtitle_cue *cues[SHOWN_MAX];
    size_t count;
};

static void drop_cue(struct shown *s, size_t i)
{
    s->count--;
    for (; i < s->count; i++)
        s->cues[i] = s->cues[i + 1];
}

/* From `now` until `until` these are shown, or nothing. */
static int add_sample(struct mp4_text *t, const struct subtitle_cues *cues, const struct shown *shown,
                      uint64_t duration, struct err *err)
{
    unsigned char text[SAMPLE_MAX];
    struct mp4_writer w = {.to = text, .cap = sizeof text};
    mp4_write_u16(&w, 0);
    for (size_t i = 0; i < shown->count; i++) {
        if (i > 0)
            mp4_write_u8(&w, '\n');
        mp4_write(&w, cues->text.data + shown->cues[i]->text, shown->cues[i]->len);
    }
    size_t len = (size_t)w.len;
    text[0] = (unsigned char)((len - 2) >> 8);
    text[1] = (unsigned char)(len - 2);
    struct mp4_sample sample = {.size = (uint32_t)len, .duration = (uint32_t)duration, .sync = true};
    if (buf_add(&t->bytes, text, len) < 0)
        return err_set(err, ERR_UNSUPPORTED_SITE, "mp4: too much text, or no memory");
    return mp4_samples_add(&t->samples, &sample, err);
}

/* Walks through time from one change of what is shown to the next. */
static int add_samples(struct mp4_text *t, const struct mp4_text_opts *o, struct err *err)
{
    const struct subtitle_cues *cues = o->cues;
    struct shown shown = {.count = 0};
    size_t next = 0;
    for (uint64_t now = o->start_ms; now < o->end_ms;) {
        uint64_t until = o->end_ms;
        for (size_t i = shown.count; i-- > 0;)
            if (shown.cues[i]->end_ms <= now)
                drop_cue(&shown, i);
        for (; next < cues->count && cues->list[next].start_ms <= now; next++) {
            if (cues->list[next].end_ms <= now)
                continue;
            if (shown.count == SHOWN_MAX)
                drop_cue(&shown, 0);
            shown.cues[shown.count++] = &cues->list[next];
        }
        for (size_t i = 0; i < shown.count; i++)
            until = shown.cues[i]->end_ms < until ? shown.cues[i]->end_ms : until;
        if (next < cues->count && cues->list[next].start_ms < until)
            until = cues->list[next].start_ms;
        if (add_sample(t, cues, &shown, until - now, err) < 0)
            return -1;
        now = until;
    }
    return 0;
}

int mp4_text_make(struct mp4_text *t, const struct mp4_text_opts *o, struct err *err)
{
    *t = (struct mp4_text){.bytes = BUF_INIT(MP4_TEXT_BYTES_MAX)};
    t->head = (struct mp4_track){
        .handler = MP4_SBTL,
        .timescale = MP4_TEXT_TIMESCALE,
        .language = mp4_language(o->language),
        .layer = (uint16_t)-1, /* in front of the picture */
        .alternate_group = SUBTITLE_GROUP,
        .matrix = {[1] = 1, [17] = 1, [32] = 0x40}, /* as it is: 16.16, 16.16, 2.30 */
    };
    if (o->end_ms <= o->start_ms || o->end_ms - o->start_ms > UINT32_MAX)
        return err_set(err, ERR_UNSUPPORTED_SITE, "mp4: text for no time, or for too long");
    if (write_boxes(t, err) < 0 || mp4_samples_seek(&t->samples, o->start_ms, err) < 0)
        return -1;
    return add_samples(t, o, err);
}
