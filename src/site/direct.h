/* A link to a media file, or a list of pieces (HLS, DASH), of any other host: looked at through a few bounded
 * ranges, never fetched whole. */
#ifndef SLUICE_SITE_DIRECT_H
#define SLUICE_SITE_DIRECT_H

#include "site/site.h"

enum {
    DIRECT_HEAD_BYTES = 64 * 1024, /* of the first look */
    DIRECT_CALLS_MAX = 16,         /* ranges asked for, in all */
    DIRECT_TIME_MAX_MS = 30000,    /* looking, in all */
};

/* A number that changes when the file does, as far as what its server answered tells; 0: it does not. */
uint64_t direct_version(const struct net_answer *answer);

/* Of a file one format, id "source": muxed, or audio where there is no picture. `url`: as link_parse() gives
 * it. Errors: ERR_UNSUPPORTED_SITE what is there is no media file we know; ERR_NOT_FOUND 404, 410;
 * ERR_PRIVATE 401, 403 (the owner's server lets us not in; asking again does not help); ERR_GEO_BLOCKED 451;
 * ERR_RATE_LIMITED_UPSTREAM 429; ERR_UPSTREAM_FAILED any other status; the transport's. */
int direct_describe(const struct site_env *env, const char *url, struct description **out, struct err *err);

#endif
