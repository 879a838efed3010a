/* The operator's account at the site, as the cookies of a browser that is signed in: clients that need them
 * (clients.json) are asked only where there are any. */
#ifndef SLUICE_SITE_YOUTUBE_ACCOUNT_H
#define SLUICE_SITE_YOUTUBE_ACCOUNT_H

#include "site/site.h"
#include "site/youtube/clients.h"

enum { ACCOUNT_PROOF_MAX = 128 };

/* Whether there are cookies of somebody who is signed in, for this client's host. */
bool account_is_there(const struct site_env *env, const struct client *client);

/* What the site's pages send beside the cookies, to show that they can read them:
 * "SAPISIDHASH <time>_<SHA-1 of time, SAPISID and origin>". -1: there is no account. */
int account_proof(const struct site_env *env, const struct client *client, int64_t now_unix_s,
                  char out[ACCOUNT_PROOF_MAX]);

#endif
