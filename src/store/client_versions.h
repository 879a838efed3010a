/* Client data of the site (site/youtube/clients.h) as they were before somebody saved others: the way back
 * from a mistake. Threads and errors as in store.h. */
#ifndef SLUICE_STORE_CLIENT_VERSIONS_H
#define SLUICE_STORE_CLIENT_VERSIONS_H

#include "base/buf.h"
#include "base/hash.h"
#include "store/admin.h"

enum { STORE_CLIENT_VERSIONS_MAX = 20 };

struct store_client_version {
    int64_t at_unix_us; /* when it was replaced; also its name */
    int64_t bytes;
    char name[STORE_ADMIN_NAME_MAX + 1]; /* by whom */
    char sha256[HASH_HEX_LEN + 1];
};

/* Keeps a text that is about to be replaced by `name`; the oldest goes where there are too many. One that is
 * the newest already is not kept twice. */
int store_client_version_add(struct store *s, const char *name, const char *text, struct err *err);
/* The newest first. */
int store_client_version_list(struct store *s,
                              void (*each)(void *ctx, const struct store_client_version *version), void *ctx,
                              struct err *err);
/* Appends its text. 1; 0: there is none. */
int store_client_version_get(struct store *s, int64_t at_unix_us, struct buf *text, struct err *err);

/* What was saved last ("": back to the built-in ones), for hosts that share the database. *change: greater
 * each time. */
int store_client_data_put(struct store *s, const char *text, int64_t *change, struct err *err);
/* Appends it to `text` (NULL: only the change is asked for). 1; 0: nothing was ever saved. */
int store_client_data_get(struct store *s, int64_t *change, struct buf *text, struct err *err);

#endif
