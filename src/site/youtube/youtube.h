/* A video of the site, described: clients asked in the order and by the rules of clients.json, until one of
 * them names formats that can be fetched, or says for certain why there are none. */
#ifndef SLUICE_SITE_YOUTUBE_YOUTUBE_H
#define SLUICE_SITE_YOUTUBE_YOUTUBE_H

#include "site/site.h"

/* `id`: 11 characters, as link_parse() gives them. Errors: of all clients asked, the one that says most;
 * err->text names client, class and the site's words. */
int youtube_describe(const struct site_env *env, const char *id, struct description **out, struct err *err);

#endif
