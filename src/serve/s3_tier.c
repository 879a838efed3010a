/* The tier "s3": finished outputs in the bucket that uploads go to (s3.h), under the key of their content,
 * for all hosts that share the database. Who asks for one is sent to the storage by a link, or gets it
 * through us, as the settings say. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/text.h"
#include "http/names.h"
#include "net/egress.h"
#include "serve/output.h"
#include "serve/s3_upload.h"
#include "serve/tier.h"

enum {
    PLACE_DIGITS = 16,
    LINK_MAX = 16384,
    OWN_LINK_TTL_S = 86400, /* our own reading: the longest download */
};

static void rules(struct app *app, struct tier_rules *out)
{
    int64_t after = app->config.s3_tier_after;
    *out = (struct tier_rules){
        .on = app->s3 && after > 0, .after = after > 0 ? after : 1, .ttl_s = app->config.s3_tier_ttl_s};
}

/* ---- References: "PLACE KEY", the bucket by a hash ---- */

static void name_place(const struct s3 *s3, char out[PLACE_DIGITS + 1])
{
    char hex[HASH_HEX_LEN + 1];
    hash_sha256_hex(s3_place(s3), strlen(s3_place(s3)), hex);
    memcpy(out, hex, PLACE_DIGITS);
    out[PLACE_DIGITS] = '\0';
}

/* NULL: it is in another bucket than that of the settings. Borrowed. */
static const char *read_reference(const struct s3 *s3, const char *reference)
{
    char place[PLACE_DIGITS + 1];
    name_place(s3, place);
    return text_starts_with(reference, place) && reference[PLACE_DIGITS] == ' ' ? reference + PLACE_DIGITS + 1
                                                                                : NULL;
}

/* ---- What a tier does ---- */

/* A link says nothing of whether the object is there, and a client that was sent to nothing is lost; what we
 * read ourselves we can get elsewhere, and look only when it was not there. */
static int check(const struct s3_way *way, const char *key, uint64_t bytes, struct err *err)
{
    uint64_t size = 0;
    int found = s3_head(way, key, &size, err);
    if (found < 0)
        return -1;
    return found && size == bytes ? 0 : err_set(err, ERR_NOT_FOUND, "it is not in the bucket any more");
}

static int find(struct app *app, const struct store_content *c, const struct tier_ask *ask,
                struct tier_way *out, struct err *err)
{
    auto_(buf) struct buf url = BUF_INIT(LINK_MAX);
    auto_(buf) struct buf disposition = BUF_INIT(4096);
    if (!app->s3)
        return err_set(err, ERR_BUSY, "there is no bucket in the settings");
    const struct s3_way way = {app->s3, app->net, NULL};
    const char *key = read_reference(app->s3, c->reference);
    bool redirects = ask->may_redirect && strcmp(app->config.s3_redirect, "on") == 0;
    if (!key)
        return err_set(err, ERR_NOT_FOUND, "it is in another bucket");
    if ((redirects || ask->stale) && check(&way, key, c->bytes, err) < 0)
        return -1;
    if (redirects && http_content_disposition(&disposition, ask->name) < 0)
        return err_set(err, ERR_INTERNAL, "out of memory");
    int64_t ttl_s = redirects ? app->config.s3_link_ttl_s : OWN_LINK_TTL_S;
    if (s3_link(app->s3, key, redirects ? buf_str(&disposition) : NULL, ttl_s, &url, err) < 0)
        return -1;
    *out = (struct tier_way){.kind = redirects ? TIER_REDIRECT : TIER_URL, .at = buf_steal(&url)};
    out->egress = redirects ? NULL : strdup(EGRESS_OWN);
    if (out->at && (redirects || out->egress))
        return 0;
    tier_way_fini(out);
    return err_set(err, ERR_INTERNAL, "out of memory");
}

static int keep(const struct tier_keep *k, struct buf *reference, struct err *err)
{
    char place[PLACE_DIGITS + 1];
    char key[S3_KEY_MAX + 1];
    uint64_t bytes = 0;
    const struct s3 *s3 = k->app->s3;
    if (!s3)
        return err_set(err, ERR_STORAGE_MISSING, "there is no bucket in the settings");
    int len = snprintf(key, sizeof key, "%scontents/%s.%s", s3_prefix(s3), k->content->key,
                       output_choice(k->output)->container);
    if (len < 0 || len > S3_KEY_MAX)
        return err_set(err, ERR_INTERNAL, "an object's name is too long");
    const struct s3_upload upload = {k->job, k->output, key};
    if (s3_upload_run(&upload, key, &bytes, err) < 0)
        return -1;
    if (bytes != k->content->bytes)
        return err_set(err, ERR_SOURCE_CHANGED, "it came out as another file");
    name_place(s3, place);
    return buf_addf(reference, "%s %s", place, key) < 0 ? err_set(err, ERR_INTERNAL, "out of memory") : 0;
}

static int drop(struct app *app, const struct store_content *c, struct err *err)
{
    const char *key = app->s3 ? read_reference(app->s3, c->reference) : NULL;
    if (!key)
        return 0; /* out of our reach */
    const struct s3_way way = {app->s3, app->net, NULL};
    return s3_delete(&way, key, err);
}

const struct tier s3_tier = {
    .name = "s3",
    .rules = rules,
    .find = find,
    .keep = keep,
    .drop = drop,
};
