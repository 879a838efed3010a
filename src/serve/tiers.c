/* See tier.h. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "serve/tier.h"

static const struct tier *const tiers[] = {&files_tier, &telegram_tier, &s3_tier};
_Static_assert(ARRAY_LEN(tiers) <= TIERS_MAX, "counted by their place in the table");

/* Words of the setting that are no tiers: parts of the source, which is last, and the source. */
static const char slices_word[] = "slices";
static const char source_word[] = "source";
enum { WORD_ROOM = STORE_TIER_MAX + 2 }; /* of longer ones enough to be unknown */

const struct tier *const *tiers_all(size_t *count)
{
    *count = ARRAY_LEN(tiers);
    return tiers;
}

const struct tier *tier_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(tiers); i++) {
        if (strcmp(tiers[i]->name, name) == 0)
            return tiers[i];
    }
    return NULL;
}

const char *tier_from_name(unsigned from)
{
    if (from < TIER_FROM_TIERS)
        return from == TIER_FROM_SOURCE ? source_word : slices_word;
    return from - TIER_FROM_TIERS < ARRAY_LEN(tiers) ? tiers[from - TIER_FROM_TIERS]->name : "";
}

unsigned tier_from_of(const struct tier *tier)
{
    unsigned i = 0;
    while (i + 1 < ARRAY_LEN(tiers) && tiers[i] != tier)
        i++;
    return TIER_FROM_TIERS + i;
}

void tier_way_fini(struct tier_way *way)
{
    free(way->at);
    free(way->headers);
    free(way->egress);
    *way = (struct tier_way){0};
}

const char *tier_place(const struct app *app, const struct tier *tier)
{
    return tier->is_local ? app->place : "";
}

/* ---- The setting ---- */

/* The next word of a list; false: there is none. */
static bool next_word(const char **list, char *out, size_t room)
{
    static const char blanks[] = ", \t";
    const char *p = *list + strspn(*list, blanks);
    size_t len = strcspn(p, blanks);
    *list = p + len;
    if (len == 0)
        return false;
    if (len >= room)
        len = room - 1;
    memcpy(out, p, len);
    out[len] = '\0';
    return true;
}

static unsigned times_listed(const struct config *c, const char *name)
{
    const char *list = c->tiers;
    char word[WORD_ROOM];
    unsigned times = 0;
    while (next_word(&list, word, sizeof word))
        times += strcmp(word, name) == 0;
    return times;
}

int tiers_check(const struct config *c, struct err *err)
{
    const char *list = c->tiers;
    char word[WORD_ROOM];
    bool ends = false;
    while (next_word(&list, word, sizeof word)) {
        if (ends)
            return err_set(err, ERR_INTERNAL, "tiers: nothing is asked after source, so it has to be last");
        ends = strcmp(word, source_word) == 0;
        if (!ends && strcmp(word, slices_word) != 0 && !tier_find(word))
            return err_set(err, ERR_INTERNAL, "tiers: there is no %s", word);
        if (times_listed(c, word) > 1)
            return err_set(err, ERR_INTERNAL, "tiers: %s stands there twice", word);
    }
    return ends ? 0 : err_set(err, ERR_INTERNAL, "tiers: it has to end with source");
}

bool tier_is_used(struct app *app, const struct tier *tier, struct tier_rules *rules)
{
    *rules = (struct tier_rules){0};
    if (!times_listed(&app->config, tier->name))
        return false;
    tier->rules(app, rules);
    return rules->on;
}

bool tiers_are_used(struct app *app)
{
    struct tier_rules rules;
    for (size_t i = 0; i < ARRAY_LEN(tiers); i++) {
        if (tier_is_used(app, tiers[i], &rules))
            return true;
    }
    return false;
}

/* ---- Looking ---- */

void tier_failed(struct app *app, const struct store_content *c, const struct err *why)
{
    struct err err = {0};
    bool gone = why->code == ERR_NOT_FOUND || why->code == ERR_SOURCE_CHANGED ||
                why->upstream_status == 404 || why->upstream_status == 410;
    log_event(LOG_WARN, "tier-failed", "tier", c->tier, "forgotten", gone ? "yes" : "no", "why", why->text,
              NULL);
    if (gone && store_content_gone(app->store, c, &err) < 0)
        log_event(LOG_WARN, "content-not-forgotten", "error", err.text, NULL);
}

static bool try_tier(struct app *app, const struct tier *tier, const struct store_content *c,
                     const struct tier_ask *ask, struct tier_found *out)
{
    struct err err = {0};
    if (tier->find(app, c, ask, &out->way, &err) < 0) {
        tier_way_fini(&out->way);
        tier_failed(app, c, &err);
        return false;
    }
    out->tier = tier;
    out->content = *c;
    return true;
}

/* Whether a tier that is used has no row. */
static bool is_wanted(struct app *app, const struct store_content *rows, int count)
{
    size_t used = 0;
    struct tier_rules rules;
    for (size_t i = 0; i < ARRAY_LEN(tiers); i++)
        used += tier_is_used(app, tiers[i], &rules);
    for (int i = 0; i < count; i++) {
        const struct tier *tier = tier_find(rows[i].tier);
        used -= tier && tier_is_used(app, tier, &rules);
    }
    return used > 0;
}

/* Whether this one gives it. */
static bool ask_tier(struct app *app, const struct tier *tier, const struct store_content *rows, int count,
                     const struct tier_ask *ask, struct tier_found *out)
{
    struct tier_rules rules;
    if (!tier_is_used(app, tier, &rules))
        return false;
    for (int i = 0; i < count; i++) {
        if (strcmp(rows[i].tier, tier->name) == 0 && try_tier(app, tier, &rows[i], ask, out))
            return true;
    }
    out->missed |= 1U << tier_from_of(tier);
    return false;
}

void tiers_look(struct app *app, const char *key, const struct tier_ask *ask, bool (*has_slices)(void *ctx),
                void *ctx, struct tier_found *out)
{
    struct err err = {0};
    struct store_content rows[TIERS_MAX];
    const char *list = app->config.tiers;
    char word[WORD_ROOM];
    *out = (struct tier_found){0};
    if (!tiers_are_used(app))
        return;
    int count = store_content_find(app->store, key, app->place, rows, ARRAY_LEN(rows), &err);
    if (count < 0) /* the source is there all the same */
        log_event(LOG_WARN, "tiers-not-looked-at", "error", err.text, NULL);
    out->is_wanted = is_wanted(app, rows, count);
    while (next_word(&list, word, sizeof word)) {
        const struct tier *tier = tier_find(word);
        bool slices = !tier && strcmp(word, slices_word) == 0 && has_slices;
        if ((tier && ask_tier(app, tier, rows, count, ask, out)) || (slices && has_slices(ctx)))
            return;
    }
}
