/* Lists of videos as clients see them; see list.c. */
#ifndef SLUICE_SERVE_LIST_H
#define SLUICE_SERVE_LIST_H

#include <jansson.h>

#include "serve/app.h"
#include "serve/token.h"
#include "site/youtube/listing.h"

/* One page of a list, with the links that `holder` gets. `cursor`: `next` of the page before; NULL or "": the
 * first page. *out: json_decref(). Errors: ERR_BAD_REQUEST a cursor of another list; listing_get()'s. */
int list_get(struct app *app, const struct token_holder *holder, struct listing_wish *wish,
             const char *cursor, struct http_response *res, json_t **out, struct err *err);
/* What is to be searched for. ERR_BAD_REQUEST: nothing, or too much. */
int list_words(const char *words, struct listing_wish *out, struct err *err);

#endif
