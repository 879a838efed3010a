/* See totp.h. */
#include "base/totp.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"

enum { SHA1_BYTES = 20, BITS_OF_CHARACTER = 5 };

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

void totp_secret_text(const uint8_t secret[TOTP_SECRET_BYTES], char out[TOTP_SECRET_TEXT_LEN + 1])
{
    uint32_t bits = 0;
    unsigned have = 0;
    size_t at = 0;
    for (size_t i = 0; i < TOTP_SECRET_BYTES; i++) {
        bits = bits << 8 | secret[i];
        for (have += 8; have >= BITS_OF_CHARACTER; have -= BITS_OF_CHARACTER)
            out[at++] = alphabet[bits >> (have - BITS_OF_CHARACTER) & 31];
    }
    out[at] = '\0';
}

int totp_secret_read(const char *text, uint8_t secret[TOTP_SECRET_BYTES])
{
    uint32_t bits = 0;
    unsigned have = 0;
    size_t at = 0;
    if (strnlen(text, TOTP_SECRET_TEXT_LEN + 1) != TOTP_SECRET_TEXT_LEN)
        return -1;
    for (; *text; text++) {
        const char *digit = strchr(alphabet, *text);
        if (!digit)
            return -1;
        bits = bits << BITS_OF_CHARACTER | (uint32_t)(digit - alphabet);
        have += BITS_OF_CHARACTER;
        if (have >= 8) {
            have -= 8;
            secret[at++] = (uint8_t)(bits >> have);
        }
    }
    return 0;
}

int totp_code(const uint8_t secret[TOTP_SECRET_BYTES], int64_t step, char out[TOTP_DIGITS + 1])
{
    uint8_t message[8];
    uint8_t mac[SHA1_BYTES];
    size_t len = 0;
    for (size_t i = 0; i < sizeof message; i++)
        message[i] = (uint8_t)((uint64_t)step >> (56 - 8 * i));
    if (!EVP_Q_mac(NULL, "HMAC", NULL, "SHA1", NULL, secret, TOTP_SECRET_BYTES, message, sizeof message, mac,
                   sizeof mac, &len) ||
        len != sizeof mac)
        return -1;
    const uint8_t *at = mac + (mac[SHA1_BYTES - 1] & 15); /* RFC 4226 §5.3 */
    uint32_t number = (uint32_t)(at[0] & 0x7f) << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
    (void)snprintf(out, TOTP_DIGITS + 1, "%06u", (unsigned)(number % 1000000));
    return 0;
}

int64_t totp_find(const uint8_t secret[TOTP_SECRET_BYTES], const char *code, int64_t now_unix_s)
{
    char right[TOTP_DIGITS + 1];
    int64_t found = -1;
    if (strnlen(code, TOTP_DIGITS + 1) != TOTP_DIGITS)
        return -1;
    for (int64_t step = now_unix_s / TOTP_STEP_S - 1; step <= now_unix_s / TOTP_STEP_S + 1; step++) {
        if (totp_code(secret, step, right) == 0 && hash_equal(code, right, TOTP_DIGITS))
            found = step;
    }
    return found;
}
