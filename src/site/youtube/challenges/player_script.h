/* The player script that solves: where it comes from, and asking it. */
#ifndef SLUICE_SITE_YOUTUBE_CHALLENGES_PLAYER_SCRIPT_H
#define SLUICE_SITE_YOUTUBE_CHALLENGES_PLAYER_SCRIPT_H

#include "site/youtube/challenges/challenges.h"

/* Solves [[sig|null, n|null], …]; the answer (json_decref()) has the same shape, in printable ASCII, null
 * where something was not solved. NULL: nothing was. Signatures of a length that was seen before need no
 * script. */
json_t *player_script_solve(const struct site_env *env, const char *user_agent,
                            const struct player_script *script, const json_t *questions, struct err *err);

#endif
