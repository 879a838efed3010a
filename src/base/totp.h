/* Codes that an authenticator shows: TOTP (RFC 6238) over HMAC-SHA-1, six digits, a new one every 30 s, which
 * is what all of them can do. By OpenSSL's libcrypto; libsodium has no SHA-1. Threads: none of its own. */
#ifndef SLUICE_BASE_TOTP_H
#define SLUICE_BASE_TOTP_H

#include <stddef.h>
#include <stdint.h>

enum {
    TOTP_SECRET_BYTES = 20, /* as long as a SHA-1, which RFC 4226 §4 recommends */
    TOTP_SECRET_TEXT_LEN = 32,
    TOTP_DIGITS = 6,
    TOTP_STEP_S = 30,
};

/* The secret as authenticators take it typed or in a picture: base32 (RFC 4648) without padding. */
void totp_secret_text(const uint8_t secret[TOTP_SECRET_BYTES], char out[TOTP_SECRET_TEXT_LEN + 1]);
/* Strict inverse; -1: it is none. */
int totp_secret_read(const char *text, uint8_t secret[TOTP_SECRET_BYTES]);

/* The code of a step (a time in TOTP_STEP_S). -1 without memory. */
int totp_code(const uint8_t secret[TOTP_SECRET_BYTES], int64_t step, char out[TOTP_DIGITS + 1]);
/* The step that `code` is of: the one of `now_unix_s` or a neighbour, since clocks differ and people take
 * their time (RFC 6238 §5.2); -1: of none of them. In a time that does not depend on where it differs. */
int64_t totp_find(const uint8_t secret[TOTP_SECRET_BYTES], const char *code, int64_t now_unix_s);

#endif
