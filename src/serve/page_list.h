/* GET /api/v1/page for what is no single video: a playlist, a channel, or words to search for. */
#ifndef SLUICE_SERVE_PAGE_LIST_H
#define SLUICE_SERVE_PAGE_LIST_H

#include "http/frame.h"
#include "serve/auth.h"
#include "site/youtube/listing.h"

/* Whether a text is one of these: 1 yes, 0 no (whatever else it is), -1: words, but too many. */
int page_list_wish(const char *text, struct listing_wish *out, struct err *err);
int page_list_send(struct app *app, const struct frame *frame, const struct http_request *req,
                   const struct auth *who, struct listing_wish *wish, struct http_response *res,
                   struct err *err);

#endif
