/* The ways from a link to a description, and the order in which they are tried.
 *
 * native     our own extractors, and files and lists of pieces that a link leads to directly
 * yt-dlp     the program, where it is installed: every other site (ytdlp.h)
 * invidious  servers that answer for YouTube (invidious.h)
 * resolver   a server of the operator's that answers with JSON (resolver.h)
 *
 * A link that one engine cannot do goes on to the next one; one that an engine has certain news of (private,
 * paid, removed, …) does not, and neither does one that leads where this server does not go. When none can,
 * the most telling of their errors is given, and the log has all of them. */
#ifndef SLUICE_SITE_ENGINES_ENGINES_H
#define SLUICE_SITE_ENGINES_ENGINES_H

#include "site/site.h"

/* What the operator has set; all borrowed, NULL or "" where there is nothing. */
struct engine_settings {
    const char *order;     /* names, comma-separated */
    const char *invidious; /* base addresses of servers, comma-separated */
    const char *resolver_url;
    const char *resolver_fields;
    const char *resolver_key;
    const char *resolver_iv;
    struct ytdlp *ytdlp; /* NULL: not there */
};

/* One engine. */
struct engine {
    const char *name;
    /* Whether it is set up, and for links like this. */
    bool (*takes)(const struct site_env *env, const struct link *link);
    /* `before`: why the engines before could not, or ERR_OK. *out: description_free(). */
    int (*describe)(const struct site_env *env, const struct link *link, const struct err *before,
                    struct description **out, struct err *err);
};

/* In the order of env->engines (NULL: native alone). Errors: as site_describe(). */
int engines_describe(const struct site_env *env, const struct link *link, struct description **out,
                     struct err *err);

/* Whether the settings can be meant. Error: ERR_INTERNAL naming the one that cannot. */
int engines_check(const struct engine_settings *settings, struct err *err);

/* How an engine stands, for operators. */
struct engine_state {
    const char *name; /* static */
    int place;        /* in the order, from 1; 0: it is not asked */
    bool ready;       /* it has what it needs */
};
enum { ENGINES_MAX = 4 };
/* All there are; how many. */
size_t engines_look(const struct engine_settings *settings, struct engine_state out[ENGINES_MAX]);

/* Our own extractors (site.c). */
int native_describe(const struct site_env *env, const struct link *link, const struct err *before,
                    struct description **out, struct err *err);

#endif
