/* Forgetting what is remembered: descriptions and the answers made of them, plans of merged files, finished
 * outputs in tiers, slices of sources. Streams that run go on; the next requests ask the source again. */
#ifndef SLUICE_SERVE_PURGE_H
#define SLUICE_SERVE_PURGE_H

#include "serve/app.h"

/* NULL or "": not given. Without both: everything. */
struct purge_what {
    const char *link;
    const char *site; /* "youtube", or the host that links lead to, or another name that contents have */
};

struct purged {
    int64_t descriptions; /* and answers; only of everything are they counted */
    int64_t contents;     /* that are leaving their tiers */
    int64_t slices;       /* of sources */
};

/* Errors: ERR_BAD_URL, ERR_UNSUPPORTED_SITE the link is none. */
int purge(struct app *app, const struct purge_what *what, struct purged *out, struct err *err);

#endif
