/* YouTube by way of Invidious servers: other people's machines, with addresses of their own, for the day when
 * the site does not answer ours. Their media go through them as well (`local=true`), as the site signs its
 * URLs for the address that asked.
 *
 * A server that failed is asked last for INVIDIOUS_REST_S, in all processes; each answers within its share of
 * the time. What a server says about a video is no certain news: only its formats count. */
#ifndef SLUICE_SITE_ENGINES_INVIDIOUS_H
#define SLUICE_SITE_ENGINES_INVIDIOUS_H

#include "site/engines/engines.h"

enum {
    INVIDIOUS_INSTANCES_MAX = 16,
    INVIDIOUS_ASK_MAX = 3, /* servers for one description */
    INVIDIOUS_TIMEOUT_MS = 8000,
    INVIDIOUS_REST_S = 300,
    INVIDIOUS_ANSWER_MAX = 4 << 20,
};

bool invidious_takes(const struct site_env *env, const struct link *link);
int invidious_describe(const struct site_env *env, const struct link *link, const struct err *before,
                       struct description **out, struct err *err);
int invidious_check(const struct engine_settings *settings, struct err *err);

/* An answer of /api/v1/videos/`id` from `instance`. Errors: ERR_UPSTREAM_FAILED it is none, or of another
 * video, or has nothing that can be fetched; ERR_LIVE. */
int invidious_read(const char *instance, const char *id, const char *text, size_t len,
                   struct description **out, struct err *err);

#endif
