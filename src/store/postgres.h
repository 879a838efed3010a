/* The engine for more than one host: PostgreSQL, or what speaks its protocol, through libpq. Internal to
 * store/. */
#ifndef SLUICE_STORE_POSTGRES_H
#define SLUICE_STORE_POSTGRES_H

#include "store/db.h"
#include "store/store.h"

/* What a postgresql:// URL says. */
struct postgres_url {
    char *where; /* for db_open(): holds the password */
    char *name;  /* for messages: does not */
    struct store_needs needs;
};
/* Does not connect. The user is looked up here where the URL names none, because that needs files which the
 * sandbox takes away. Errors: ERR_INTERNAL, without any of the URL in it. */
int postgres_parse(struct postgres_url *out, const char *url, struct err *err);
void postgres_url_fini(struct postgres_url *url);
/* libpq's: 150003 is 15.3. */
int postgres_library_version(void);

#endif
