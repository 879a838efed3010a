/* The second factor of users of the admin pages: an authenticator's codes (base/totp.h), and ten recovery
 * codes for who has lost it. Threads and errors as in store.h. */
#ifndef SLUICE_STORE_SECOND_FACTOR_H
#define SLUICE_STORE_SECOND_FACTOR_H

#include "base/totp.h"
#include "store/store.h"

enum {
    STORE_RECOVERY_CODES = 10,
    STORE_RECOVERY_TEXT_LEN = 14, /* "k3bq-7xw2-m9fh": 60 random bits */
};

/* 1 this user has one, 0 not. */
int store_totp_is_on(struct store *s, const char *name, struct err *err);
/* Keeps a new secret that has not been confirmed, in the place of one like it. 1; 0: there is one in force.
 */
int store_totp_begin(struct store *s, const char *name, char text[TOTP_SECRET_TEXT_LEN + 1], struct err *err);
/* Puts it in force, if the code is one of its, and makes the recovery codes. 1; 0: it is not, or there is
 * none to be confirmed. */
int store_totp_confirm(struct store *s, const char *name, const char *code, int64_t now_unix_s,
                       char recovery[STORE_RECOVERY_CODES][STORE_RECOVERY_TEXT_LEN + 1], struct err *err);
/* Uses up a code, an authenticator's or a recovery code. 1 it was right (*left: recovery codes that remain),
 * 0 it is wrong or has been used. */
int store_totp_use(struct store *s, const char *name, const char *code, int64_t now_unix_s, int *left,
                   struct err *err);
/* 1 there is none any more, 0 there was none. */
int store_totp_off(struct store *s, const char *name, struct err *err);

#endif
