/* See engines.h. */
#include "site/engines/engines.h"

#include <string.h>

#include "base/log.h"
#include "site/engines/invidious.h"
#include "site/engines/resolver.h"
#include "site/engines/ytdlp.h"

static bool takes_all(const struct site_env *env, const struct link *link)
{
    (void)env;
    (void)link;
    return true;
}

static const struct engine engines[] = {
    {"native", takes_all, native_describe},
    {"yt-dlp", ytdlp_takes, ytdlp_describe},
    {"invidious", invidious_takes, invidious_describe},
    {"resolver", resolver_takes, resolver_describe},
};

/* The engine whose name is the first of a comma-separated list; *rest is what follows. NULL: no such name. */
static const struct engine *next_engine(const char *list, const char **rest)
{
    list += strspn(list, " ,");
    size_t len = strcspn(list, " ,");
    *rest = list + len + strspn(list + len, " ,");
    for (size_t i = 0; i < ARRAY_LEN(engines); i++) {
        if (len == strlen(engines[i].name) && memcmp(engines[i].name, list, len) == 0)
            return &engines[i];
    }
    return NULL;
}

/* Certain news of what the link leads to, or an address where we do not go: asking somebody else would not
 * change the first, and must not change the second. Of a link that is no known site's, a refusal is no news:
 * its page may be closed to us and open to who knows the site. */
static bool is_final(enum err_code code, const struct link *link)
{
    switch (code) {
    case ERR_BAD_URL:
    case ERR_REFUSED_ADDRESS:
    case ERR_BUSY:
    case ERR_UPCOMING:
    case ERR_MEMBERS_ONLY:
    case ERR_PAID:
    case ERR_PREMIUM:
    case ERR_DRM:
        return true;
    case ERR_NOT_FOUND:
    case ERR_PRIVATE:
        return link->kind != LINK_DIRECT;
    default:
        return false;
    }
}

/* How much an error tells whoever asked. */
static int weight(enum err_code code)
{
    switch (code) {
    case ERR_OK:
        return -1;
    case ERR_UNSUPPORTED_SITE:
        return 0;
    case ERR_INTERNAL:
        return 1;
    case ERR_UPSTREAM_FAILED:
        return 2;
    case ERR_RATE_LIMITED_UPSTREAM:
        return 3;
    case ERR_BOT_CHECK:
        return 4;
    default:
        return 5;
    }
}

/* Why one could not: for the log, and for who looks into it. */
static void keep_reason(const struct site_env *env, const struct engine *e, const struct err *why)
{
    const struct site_note note = {
        .step = SITE_SAID, .client = e->name, .kind = "", .outcome = "", .why = why->text};
    log_event(LOG_INFO, "engine", "name", e->name, "code", err_info(why->code)->name, "why", why->text, NULL);
    if (env->note)
        env->note(env->note_ctx, &note);
}

int engines_describe(const struct site_env *env, const struct link *link, struct description **out,
                     struct err *err)
{
    struct err best = {.code = ERR_OK};
    bool native_only = !env->engines || !env->engines->order || env->only_client;
    const char *rest = native_only ? "native" : env->engines->order;
    while (*rest) {
        struct err now = {.code = ERR_OK};
        const struct engine *e = next_engine(rest, &rest);
        if (!e || !e->takes(env, link))
            continue;
        if (e->describe(env, link, &best, out, &now) == 0)
            return 0;
        keep_reason(env, e, &now);
        if (weight(now.code) > weight(best.code))
            best = now;
        if (is_final(now.code, link))
            break;
    }
    if (best.code == ERR_OK)
        return err_set(err, ERR_UNSUPPORTED_SITE, "no engine takes this link");
    if (err)
        *err = best;
    return -1;
}

size_t engines_look(const struct engine_settings *settings, struct engine_state out[ENGINES_MAX])
{
    const bool ready[] = {true, settings->ytdlp != NULL, settings->invidious && *settings->invidious,
                          settings->resolver_url && *settings->resolver_url};
    _Static_assert(ARRAY_LEN(engines) == ENGINES_MAX && ARRAY_LEN(ready) == ENGINES_MAX, "a row for each");
    const char *rest = settings->order ? settings->order : engines[0].name;
    for (size_t i = 0; i < ENGINES_MAX; i++)
        out[i] = (struct engine_state){engines[i].name, 0, ready[i]};
    for (int place = 1; *rest;) {
        const struct engine *e = next_engine(rest, &rest);
        if (e && out[e - engines].place == 0)
            out[e - engines].place = place++;
    }
    return ENGINES_MAX;
}

int engines_check(const struct engine_settings *settings, struct err *err)
{
    const char *rest = settings->order;
    while (*rest) {
        const char *at = rest;
        if (!next_engine(at, &rest))
            return err_set(err, ERR_INTERNAL, "engines: there is no engine called %.*s",
                           (int)strcspn(at, " ,"), at);
    }
    return invidious_check(settings, err) < 0 || resolver_check(settings, err) < 0 ? -1 : 0;
}
