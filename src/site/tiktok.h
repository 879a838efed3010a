/* TikTok: public videos, out of the data that their pages carry for their own scripts.
 *
 * Media are given only to who comes from the page: with its address as Referer, and the cookie that it set.
 * Where the page is a riddle instead (or asks to sign in), that is ERR_BOT_CHECK, and another engine's turn.
 */
#ifndef SLUICE_SITE_TIKTOK_H
#define SLUICE_SITE_TIKTOK_H

#include "site/site.h"

enum { TIKTOK_PAGE_MAX = 4 << 20 };

/* A link of theirs that may lead to a video: of a page, or short (resolved by fetching it). */
bool tiktok_is_link(const char *url);

/* Errors: ERR_NOT_FOUND, ERR_PRIVATE, ERR_BOT_CHECK, ERR_RATE_LIMITED_UPSTREAM, ERR_UNSUPPORTED_SITE (no
 * video: pictures, a profile), ERR_UPSTREAM_FAILED; the transport's. */
int tiktok_describe(const struct site_env *env, const char *url, struct description **out, struct err *err);

/* A page. `cookies`: as of net_answer; NULL: none. */
int tiktok_read(const char *text, size_t len, const char *cookies, struct description **out, struct err *err);

#endif
