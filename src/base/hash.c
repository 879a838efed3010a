/* See hash.h. */
#include "base/hash.h"

#include <endian.h>
#include <sodium.h>
#include <string.h>

enum {
    TOKEN_VERSION = 1,
    TOKEN_HEAD = 5,
    TOKEN_NONCE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
    TOKEN_TAG = crypto_aead_xchacha20poly1305_ietf_ABYTES,
    TOKEN_MAX_BYTES = 16384,
};

int hash_init(struct err *err)
{
    return sodium_init() < 0 ? err_set(err, ERR_INTERNAL, "libsodium cannot start") : 0;
}

void hash_sha256_hex(const void *data, size_t len, char out[HASH_HEX_LEN + 1])
{
    unsigned char digest[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(digest, data, len);
    sodium_bin2hex(out, HASH_HEX_LEN + 1, digest, sizeof digest);
}

void hash_hmac_sha256(const void *key, size_t key_len, const void *data, size_t len,
                      uint8_t out[HASH_MAC_BYTES])
{
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, key, key_len);
    crypto_auth_hmacsha256_update(&state, data, len);
    crypto_auth_hmacsha256_final(&state, out);
    sodium_memzero(&state, sizeof state);
}
_Static_assert((int)HASH_MAC_BYTES == (int)crypto_auth_hmacsha256_BYTES, "as libsodium has it");

void hash_hex(const uint8_t bytes[HASH_MAC_BYTES], char out[HASH_HEX_LEN + 1])
{
    sodium_bin2hex(out, HASH_HEX_LEN + 1, bytes, HASH_MAC_BYTES);
}

bool hash_equal(const void *a, const void *b, size_t len)
{
    return sodium_memcmp(a, b, len) == 0;
}

uint64_t hash_check64(const void *data, size_t len)
{
    static const unsigned char key[crypto_shorthash_KEYBYTES] = "sluice:no secret";
    uint64_t check;
    crypto_shorthash((unsigned char *)&check, data, len, key);
    return check;
}

/* ---- XXH64: the names are the specification's ---- */

#define XXH_P1 0x9e3779b185ebca87ULL
#define XXH_P2 0xc2b2ae3d27d4eb4fULL
#define XXH_P3 0x165667b19e3779f9ULL
#define XXH_P4 0x85ebca77c2b2ae63ULL
#define XXH_P5 0x27d4eb2f165667c5ULL

enum { XXH_STRIPE = 32 };

static uint64_t rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static uint64_t lane_at(const unsigned char *p)
{
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return le64toh(x);
}

static uint64_t xxh_round(uint64_t acc, uint64_t lane)
{
    return rotate(acc + lane * XXH_P2, 31) * XXH_P1;
}

static uint64_t xxh_merge(uint64_t acc, uint64_t lane)
{
    return (acc ^ xxh_round(0, lane)) * XXH_P1 + XXH_P4;
}

/* The whole stripes of the input. */
static uint64_t xxh_stripes(const unsigned char *p, size_t stripes)
{
    uint64_t a = XXH_P1 + XXH_P2;
    uint64_t b = XXH_P2;
    uint64_t c = 0;
    uint64_t d = 0 - XXH_P1;
    for (; stripes; stripes--, p += XXH_STRIPE) {
        a = xxh_round(a, lane_at(p));
        b = xxh_round(b, lane_at(p + 8));
        c = xxh_round(c, lane_at(p + 16));
        d = xxh_round(d, lane_at(p + 24));
    }
    uint64_t acc = rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18);
    return xxh_merge(xxh_merge(xxh_merge(xxh_merge(acc, a), b), c), d);
}

uint64_t hash_fast64(const void *data, size_t len)
{
    const unsigned char *p = data;
    size_t stripes = len / XXH_STRIPE;
    size_t left = len % XXH_STRIPE;
    uint64_t acc = (stripes ? xxh_stripes(p, stripes) : XXH_P5) + len;
    for (p += stripes * XXH_STRIPE; left >= 8; left -= 8, p += 8)
        acc = rotate(acc ^ xxh_round(0, lane_at(p)), 27) * XXH_P1 + XXH_P4;
    if (left >= 4) {
        uint32_t half;
        memcpy(&half, p, sizeof half);
        acc = rotate(acc ^ le32toh(half) * XXH_P1, 23) * XXH_P2 + XXH_P3;
        left -= 4;
        p += 4;
    }
    for (; left; left--, p++)
        acc = rotate(acc ^ *p * XXH_P5, 11) * XXH_P1;
    acc = (acc ^ acc >> 33) * XXH_P2;
    acc = (acc ^ acc >> 29) * XXH_P3;
    return acc ^ acc >> 32;
}

void hash_random(void *out, size_t len)
{
    randombytes_buf(out, len);
}

int hash_base64url(struct buf *out, const void *data, size_t len)
{
    size_t room = sodium_base64_encoded_len(len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    char *to = buf_reserve(out, room);
    if (!to)
        return -1;
    sodium_bin2base64(to, room, data, len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    out->len += room - 1; /* room counts the zero byte */
    return 0;
}

/* sodium_base642bin() takes some bytes over 0x7f for letters, by their sign (1.0.18, where char has one). */
static bool is_base64url(const char *text, size_t len)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (size_t i = 0; i < len; i++) {
        if (!memchr(letters, text[i], sizeof letters - 1))
            return false;
    }
    return true;
}

int hash_base64url_decode(struct buf *out, const char *text, size_t len)
{
    size_t n = 0;
    if (!is_base64url(text, len))
        return -1;
    char *to = buf_reserve(out, len / 4 * 3 + 3);
    if (!to || sodium_base642bin((unsigned char *)to, len / 4 * 3 + 3, text, len, NULL, &n, NULL,
                                 sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0)
        return -1;
    out->len += n;
    out->data[out->len] = '\0';
    return 0;
}

int seal_token(struct buf *out, uint32_t key_id, const uint8_t key[SEAL_KEY_BYTES], const void *text,
               size_t len, struct err *err)
{
    unsigned char raw[TOKEN_MAX_BYTES];
    if (len > sizeof raw - TOKEN_HEAD - TOKEN_NONCE - TOKEN_TAG)
        return err_set(err, ERR_INTERNAL, "token content of %zu bytes is too long", len);
    raw[0] = TOKEN_VERSION;
    for (int i = 0; i < 4; i++)
        raw[1 + i] = (unsigned char)(key_id >> (24 - 8 * i));
    unsigned char *nonce = raw + TOKEN_HEAD;
    randombytes_buf(nonce, TOKEN_NONCE);
    unsigned long long sealed = 0;
    crypto_aead_xchacha20poly1305_ietf_encrypt(nonce + TOKEN_NONCE, &sealed, text, len, raw, TOKEN_HEAD, NULL,
                                               nonce, key);
    if (hash_base64url(out, raw, TOKEN_HEAD + TOKEN_NONCE + (size_t)sealed) < 0)
        return err_set(err, ERR_INTERNAL, "token does not fit its buffer");
    return 0;
}

int seal_key_id(const char *token, uint32_t *key_id)
{
    unsigned char head[6]; /* 8 characters hold the version and the key id */
    if (strnlen(token, 8) < 8 || sodium_base642bin(head, sizeof head, token, 8, NULL, NULL, NULL,
                                                   sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0)
        return -1;
    if (head[0] != TOKEN_VERSION)
        return -1;
    *key_id = (uint32_t)head[1] << 24 | (uint32_t)head[2] << 16 | (uint32_t)head[3] << 8 | head[4];
    return 0;
}

int seal_open(struct buf *out, const char *token, const uint8_t key[SEAL_KEY_BYTES], struct err *err)
{
    auto_(buf) struct buf raw = BUF_INIT(TOKEN_MAX_BYTES);
    size_t len = strnlen(token, TOKEN_MAX_BYTES);
    if (len >= TOKEN_MAX_BYTES || hash_base64url_decode(&raw, token, len) < 0 ||
        raw.len < TOKEN_HEAD + TOKEN_NONCE + TOKEN_TAG || raw.data[0] != TOKEN_VERSION)
        return err_set(err, ERR_TOKEN_INVALID, "not a token");
    const unsigned char *nonce = (const unsigned char *)raw.data + TOKEN_HEAD;
    size_t sealed = raw.len - TOKEN_HEAD - TOKEN_NONCE;
    char *to = buf_reserve(out, sealed - TOKEN_TAG);
    unsigned long long n = 0;
    if (!to || crypto_aead_xchacha20poly1305_ietf_decrypt((unsigned char *)to, &n, NULL, nonce + TOKEN_NONCE,
                                                          sealed, (const unsigned char *)raw.data, TOKEN_HEAD,
                                                          nonce, key) != 0)
        return err_set(err, ERR_TOKEN_INVALID, "token does not authenticate");
    out->len += (size_t)n;
    return 0;
}
