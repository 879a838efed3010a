/* What the site's own player computes before it fetches media: the parameter `n` of every URL, and signatures
 * in place of finished URLs (`signatureCipher`). The player's own script does it, in a child (js.h).
 *
 * Remembered between calls and processes: which player is in use (env->put, for hours), the script prepared
 * for solving (a file of env->players_dir; it never changes), and the permutation that signatures of one
 * length undergo (env->put): those need no script any more. */
#ifndef SLUICE_SITE_YOUTUBE_CHALLENGES_CHALLENGES_H
#define SLUICE_SITE_YOUTUBE_CHALLENGES_CHALLENGES_H

#include <jansson.h>

#include "site/site.h"

enum {
    CHALLENGES_ID_MAX = 32,
    CHALLENGES_VERSION = 1, /* of what solver.js prepares; part of the files' names */
    CHALLENGES_MAX = 256,   /* formats of one answer that are looked at */
};

struct player_script {
    char id[CHALLENGES_ID_MAX];
    int signature_timestamp; /* clients that run this player have to say so */
};

/* The player in use now, found, fetched and prepared where that was not done yet. Errors: the transport's;
 * ERR_UPSTREAM_FAILED: no player to be found, or one that we cannot read. */
int challenges_player(const struct site_env *env, const char *user_agent, struct player_script *out,
                      struct err *err);

/* Replaces in a player response, format by format, `signatureCipher` by a `url`, and the `n` of every URL.
 * What cannot be solved loses its `url`: it could not be fetched. Error: nothing could be solved. */
int challenges_solve(const struct site_env *env, const char *user_agent, const struct player_script *script,
                     json_t *player, struct err *err);

#endif
