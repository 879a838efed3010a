/* See player.h. */
#include "site/youtube/player.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "site/youtube/extras.h"
#include "site/youtube/listing.h"
#include "site/youtube/path.h"

enum { REFUSAL_TEXT_MAX = 4096, DURATION_MAX_S = 10 * 365 * 86400, EXPIRES_MAX_S = 7 * 86400 };

/* ------------------------------------------------------------------------------------------------ */
/* Refusals */

/* Appends text in any of the site's forms: "…", {"simpleText": "…"}, {"runs": [{"text": "…"}]}, lists of
 * these.
 */
static void add_text(struct buf *out, const json_t *value)
{
    const char *text = json_is_string(value) ? json_string_value(value) : path_text(value, "simpleText");
    const json_t *list = json_is_array(value) ? value : path_get(value, "runs");
    if (text)
        (void)buf_adds(out, text);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        const char *part = json_is_string(item) ? json_string_value(item) : path_text(item, "text");
        if (part)
            (void)buf_adds(out, part);
    }
}

static bool matches(const struct client_reason *r, const json_t *playability, const char *status,
                    const char *words)
{
    const char *reason = path_text(playability, "reason");
    return (!r->status || strcmp(r->status, status) == 0) &&
           (!r->has || path_get(playability, r->has) != NULL) &&
           (!r->equals || strcmp(r->equals, reason ? reason : "") == 0) &&
           (!r->contains || strcasestr(words, r->contains) != NULL);
}

static enum youtube_class classify(const struct clients *clients, const json_t *playability,
                                   const char *status, char why[PLAYER_WHY_MAX])
{
    static const char *const places[] = {"reason", "errorScreen.playerErrorMessageRenderer.subreason",
                                         "messages"};
    auto_(buf) struct buf words = BUF_INIT(REFUSAL_TEXT_MAX);
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        const json_t *value = path_get(playability, places[i]);
        if (value && words.len > 0)
            (void)buf_addc(&words, ' ');
        add_text(&words, value);
    }
    (void)snprintf(why, PLAYER_WHY_MAX, "%.40s: %s", status, buf_str(&words));
    for (size_t i = 0; i < clients->reason_count; i++) {
        if (matches(&clients->reasons[i], playability, status, buf_str(&words)))
            return clients->reasons[i].class;
    }
    return CLASS_FAILED;
}

/* ------------------------------------------------------------------------------------------------ */
/* Details */

static bool is_https(const char *url)
{
    return text_starts_with(url, "https://") && strlen(url) <= PLAYER_URL_MAX;
}

/* The largest picture that comes over https. */
static int read_thumbnail(const json_t *details, struct description *d)
{
    const json_t *list = path_get(details, "thumbnail.thumbnails");
    const char *best = NULL;
    uint64_t best_area = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        const char *url = path_text(item, "url");
        uint64_t area = path_number(item, "width", 100000) * path_number(item, "height", 100000);
        if (url && is_https(url) && (!best || area > best_area)) {
            best = url;
            best_area = area;
        }
    }
    return best ? description_set_text(&d->thumbnail, best, strlen(best), PLAYER_URL_MAX) : 0;
}

/* The track's URL, asking for WebVTT: `fmt` and `xosf` (a styling the site adds for its own player) replaced.
 */
static int subtitle_url(const char *base, struct buf *out)
{
    size_t path = strcspn(base, "?");
    (void)buf_add(out, base, path);
    (void)buf_addc(out, '?');
    for (const char *p = base + path + (base[path] == '?'); *p;) {
        size_t len = strcspn(p, "&");
        if (!text_starts_with(p, "fmt=") && !text_starts_with(p, "xosf=") && len > 0) {
            (void)buf_add(out, p, len);
            (void)buf_addc(out, '&');
        }
        p += len + (p[len] == '&');
    }
    return buf_adds(out, "fmt=vtt");
}

static int read_subtitle(const json_t *track, struct description *d)
{
    const char *base = path_text(track, "baseUrl");
    const char *language = path_text(track, "languageCode");
    const char *kind = path_text(track, "kind");
    auto_(buf) struct buf url = BUF_INIT(PLAYER_URL_MAX);
    auto_(buf) struct buf label = BUF_INIT(PLAYER_AUTHOR_MAX * 4);
    if (!base || !language || !*language || !is_https(base) || subtitle_url(base, &url) < 0)
        return 0;
    add_text(&label, path_get(track, "name"));
    if (label.len == 0)
        (void)buf_adds(&label, language);
    struct subtitle *s = description_add_subtitle(d);
    if (!s)
        return -1;
    s->is_auto = kind && strcmp(kind, "asr") == 0;
    return description_set_text(&s->language, language, strlen(language), 64) |
           description_set_line(&s->label, buf_str(&label), label.len, PLAYER_AUTHOR_MAX) |
           description_set_text(&s->url, buf_str(&url), url.len, PLAYER_URL_MAX);
}

static int read_subtitles(const json_t *player, struct description *d)
{
    const json_t *list = path_get(player, "captions.playerCaptionsTracklistRenderer.captionTracks");
    for (size_t i = 0; i < json_array_size(list) && i < PLAYER_SUBTITLES_MAX; i++) {
        if (read_subtitle(json_array_get(list, i), d) < 0)
            return -1;
    }
    return 0;
}

/* Chapters are in the author's own words about the video. */
static int read_extras(const json_t *player, struct description *d)
{
    const char *about = path_text(player, "videoDetails.shortDescription");
    const char *spec = path_text(player, "storyboards.playerStoryboardSpecRenderer.spec");
    return (about && extras_read_chapters(d, about) < 0) || (spec && extras_read_storyboards(d, spec) < 0)
               ? -1
               : 0;
}

static int read_details(const struct fill *asked, const json_t *details, struct description *d)
{
    const char *id = asked->video_id;
    const char *title = path_text(details, "title");
    const char *author = path_text(details, "author");
    char url[64];
    char engine[48];
    char channel[LISTING_CHANNEL_URL_MAX];
    (void)snprintf(url, sizeof url, "https://www.youtube.com/watch?v=%s", id);
    (void)snprintf(engine, sizeof engine, "youtube:%s", asked->client->key);
    if (title && description_set_line(&d->title, title, strlen(title), PLAYER_TITLE_MAX) < 0)
        return -1;
    if ((!d->title || !*d->title) && description_set_text(&d->title, id, strlen(id), 16) < 0)
        return -1;
    d->duration_ms = path_number(details, "lengthSeconds", DURATION_MAX_S) * 1000;
    d->live = json_is_true(path_get(details, "isLive"));
    if (author && description_set_line(&d->author, author, strlen(author), PLAYER_AUTHOR_MAX) < 0)
        return -1;
    if (listing_channel_url(path_text(details, "channelId"), channel) == 0 &&
        description_set_text(&d->author_url, channel, strlen(channel), sizeof channel) < 0)
        return -1;
    return description_set_text(&d->site, "youtube", 7, 16) |
           description_set_text(&d->id, id, strlen(id), 16) |
           description_set_text(&d->url, url, strlen(url), sizeof url) |
           description_set_text(&d->engine, engine, strlen(engine), sizeof engine) |
           read_thumbnail(details, d);
}

int player_read_day(const json_t *player, struct description *d)
{
    /* One client alone tells it: the day it came out, and if not, when it was brought there. */
    static const char *const places[] = {"microformat.playerMicroformatRenderer.publishDate",
                                         "microformat.playerMicroformatRenderer.uploadDate"};
    for (size_t i = 0; i < ARRAY_LEN(places) && !d->published; i++) {
        if (description_set_day(d, path_text(player, places[i])) < 0)
            return -1;
    }
    return 0;
}

/* A playable video without a single format: why. */
static enum youtube_class class_of_nothing(const json_t *details, const struct player_tally *tally)
{
    if (json_is_true(path_get(details, "isUpcoming")))
        return CLASS_UPCOMING;
    if (tally->live > 0 || json_is_true(path_get(details, "isLive")))
        return CLASS_LIVE;
    return tally->drm > 0 ? CLASS_DRM : CLASS_NO_FORMATS;
}

enum youtube_class player_read(const struct clients *clients, const struct fill *asked, const json_t *player,
                               struct description **out, char why[PLAYER_WHY_MAX])
{
    const json_t *details = path_get(player, "videoDetails");
    const char *status = path_text(player, "playabilityStatus.status");
    const char *id = path_text(details, "videoId");
    struct player_tally tally = {0, 0, 0};
    why[0] = '\0';
    if (id && strcmp(id, asked->video_id) != 0) {
        (void)snprintf(why, PLAYER_WHY_MAX, "the answer is of another video");
        return CLASS_SUBSTITUTED;
    }
    if (!status || strcmp(status, "OK") != 0)
        return classify(clients, path_get(player, "playabilityStatus"), status ? status : "no status", why);
    if (!id) {
        (void)snprintf(why, PLAYER_WHY_MAX, "no video details");
        return CLASS_FAILED;
    }
    auto_ptr(description) struct description *d = description_new();
    uint64_t lives_s = path_number(player, "streamingData.expiresInSeconds", EXPIRES_MAX_S);
    if (!d || read_details(asked, details, d) < 0 || read_subtitles(player, d) < 0 ||
        read_extras(player, d) < 0 || player_read_day(player, d) < 0) {
        (void)snprintf(why, PLAYER_WHY_MAX, "out of memory");
        return CLASS_FAILED;
    }
    d->expires_unix_s = lives_s ? clock_unix_s() + (int64_t)lives_s : 0;
    if (player_read_formats(player, asked->user_agent, d, &tally) < 0) {
        (void)snprintf(why, PLAYER_WHY_MAX, "out of memory");
        return CLASS_FAILED;
    }
    if (d->format_count > 0) {
        *out = steal(&d);
        return CLASS_OK;
    }
    (void)snprintf(why, PLAYER_WHY_MAX, "no format of use: %d live, %d protected, %d without URL", tally.live,
                   tally.drm, tally.unreachable);
    return class_of_nothing(details, &tally);
}

const char *player_read_live(const struct fill *asked, const json_t *player, struct description **out)
{
    const json_t *details = path_get(player, "videoDetails");
    const char *url = path_text(player, "streamingData.hlsManifestUrl");
    auto_ptr(description) struct description *d = description_new();
    if (!url || !is_https(url) || text_has_control(url) || !json_is_true(path_get(details, "isLive")) || !d ||
        read_details(asked, details, d) < 0 || read_subtitles(player, d) < 0)
        return NULL;
    uint64_t lives_s = path_number(player, "streamingData.expiresInSeconds", EXPIRES_MAX_S);
    d->duration_ms = 0;
    d->expires_unix_s = lives_s ? clock_unix_s() + (int64_t)lives_s : 0;
    *out = steal(&d);
    return url;
}
