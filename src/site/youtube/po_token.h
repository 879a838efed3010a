/* Proof-of-origin tokens: what some clients have to show before their media go on beyond the first megabyte.
 *
 * They are not made here. Either the operator has some (po_tokens), or a server of his makes them
 * (pot_provider_url; the protocol of the bgutil provider: POST /get_pot {"content_binding"} → {"poToken"}). A
 * token is bound to the visitor or the video, and kept for PO_TOKEN_TTL_S, for each binding and way out.
 * Which client needs which is in clients.json. */
#ifndef SLUICE_SITE_YOUTUBE_PO_TOKEN_H
#define SLUICE_SITE_YOUTUBE_PO_TOKEN_H

#include <jansson.h>

#include "site/site.h"
#include "site/youtube/clients.h"

enum po_context {
    PO_GVS,    /* media */
    PO_PLAYER, /* asking for a video */
    PO_SUBS,   /* subtitles */
    PO_CONTEXT_COUNT
};

/* How media come; bits. */
enum po_protocol { PO_HTTPS = 1, PO_HLS = 2 };

enum { PO_TOKEN_MAX = 2048, PO_TOKEN_TTL_S = 6 * 3600, PO_TOKEN_TIMEOUT_MS = 20000 };

/* "gvs"; -1: no such context. */
int po_context_of(const char *name, size_t len);

/* Whether the settings can be meant. Error: ERR_INTERNAL naming the one that cannot. */
int po_token_check(const char *provider_url, const char *tokens, struct err *err);

/* Whether all tokens that this client needs may be had. */
bool po_token_obtainable(const struct site_env *env, const struct client *client);

/* The token, appended; nothing where the client needs none for that. `visitor` may be "". Errors:
 * ERR_UPSTREAM_FAILED: there is none to be had. */
int po_token_get(const struct site_env *env, const struct client *client, enum po_context context,
                 const char *visitor, const char *video_id, struct buf *out, struct err *err);

/* Puts a token into the URLs of a player response: of media, as the client needs it (files, a broadcast's
 * list), or of subtitles. */
void po_token_apply(json_t *player, const struct client *client, enum po_context context, const char *token);

#endif
