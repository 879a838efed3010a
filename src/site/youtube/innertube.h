/* One call of the site's internal API, as one client: request from the profile, visitorData, answer as JSON.
 * `err` is never NULL here: its upstream_status tells an answer from none. */
#ifndef SLUICE_SITE_YOUTUBE_INNERTUBE_H
#define SLUICE_SITE_YOUTUBE_INNERTUBE_H

#include <jansson.h>

#include "site/site.h"
#include "site/youtube/fill.h"

enum {
    INNERTUBE_ANSWER_MAX = 8 * 1024 * 1024,
    PAGE_VALUE_MAX = 4096,
    VISITOR_MAX_BYTES = 4096,
    VISITOR_ROTATE_S = 600
};

/* One family's visitorData: what the site recognises a (nameless) visitor by. "" while unknown. */
struct visitor {
    char data[VISITOR_MAX_BYTES];
};

/* Asks for the player response of ask->video_id as ask->client; *player (json_decref()) is NULL where the
 * answer is empty: the site knows no such video. Errors: the transport's; ERR_UPSTREAM_FAILED (status, not
 * JSON), ERR_RATE_LIMITED_UPSTREAM. */
int innertube_player(const struct site_env *env, const struct fill *ask, json_t **player, struct err *err);

/* Appends what the client's page says (clients.h), to be said again; nothing where it does not: an answer may
 * be had all the same. */
void innertube_page_value(const struct site_env *env, const struct fill *ask, struct buf *out);

/* Posts {context} and `more` to a path, as the client with its visitorData; *answer is an object, the
 * caller's. Nothing in `more` is a template. Errors as above; ERR_RATE_LIMITED_UPSTREAM. */
int innertube_ask(const struct site_env *env, const struct clients *clients, const struct client *client,
                  const char *path, const json_t *more, json_t **answer, struct err *err);

/* Finds the family's visitorData: remembered, else asked for; "" where the site does not give one (the first
 * answer to a question then brings it). Errors: the transport's, so that a dead host is not waited for twice.
 */
int innertube_visitor_get(const struct site_env *env, const struct clients *clients,
                          const struct client *client, struct visitor *visitor, struct err *err);
/* Takes the visitorData an answer carries; false where it has none, or the one we have. */
bool innertube_visitor_adopt(struct visitor *visitor, const json_t *player);
/* A visitor of whom the site has had enough: another one is made for the next call, at most every
 * VISITOR_ROTATE_S. */
void innertube_visitor_forget(const struct site_env *env, const struct client *client);
/* Remembers it for the other calls of this family. */
void innertube_visitor_put(const struct site_env *env, const struct clients *clients,
                           const struct client *client, const struct visitor *visitor);

#endif
