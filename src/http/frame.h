/* What stands around the answers for browsers without JavaScript: the box above, the languages and the foot
 * below, as in www/index.html and in the reader's language. */
#ifndef SLUICE_HTTP_FRAME_H
#define SLUICE_HTTP_FRAME_H

#include "base/locale.h"
#include "http/request.h"
#include "http/response.h"

enum { FRAME_MAX_BYTES = 8 << 20 };

enum { FRAME_UP_MAX = 64 };

struct frame {
    struct buf *out;
    const struct locale *locale;
    bool chosen;           /* the language was asked for by name: links keep it */
    const char *link;      /* what is in the box; "": nothing */
    char up[FRAME_UP_MAX]; /* the way from the route to the pages' folder. Relative, so that it is right in
                              any folder, whether or not the web server tells us its name */
    int refresh_s;         /* the browser asks again after so long; 0: it does not */
};

/* Around an answer to `req` (may be NULL), which goes to `out`; both are borrowed. */
struct frame frame_of(const struct http_request *req, struct buf *out);

/* The words called `key`. */
const char *frame_words(const struct frame *f, const char *key);
/* `before`, the text escaped, `after`. Our own words have no quotes in them: they may stand in attributes. */
void frame_element(const struct frame *f, const char *before, const char *text, const char *after);
/* The page for another link, as an attribute's value. */
void frame_page_url(const struct frame *f, const char *link);

/* Up to where the answer stands. `title` is text of the outside; NULL: there is no answer. */
void frame_begin(const struct frame *f, const char *title);
/* From there on. */
void frame_end(const struct frame *f);
/* The same, and sends it all. */
int frame_send(const struct frame *f, struct http_response *res, struct err *err);

#endif
