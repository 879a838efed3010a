/* Hashes, random bytes, text forms of bytes, and sealed tokens; all by libsodium.
 * Call hash_init() once per process before anything else here. Threads: all others are safe from any thread.
 */
#ifndef SLUICE_BASE_HASH_H
#define SLUICE_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum { HASH_HEX_LEN = 64, HASH_MAC_BYTES = 32, SEAL_KEY_BYTES = 32 };

int hash_init(struct err *err);
/* SHA-256 as 64 lower-case hex digits and a zero byte. */
void hash_sha256_hex(const void *data, size_t len, char out[HASH_HEX_LEN + 1]);
/* HMAC-SHA-256 (RFC 2104), with a key of any length. */
void hash_hmac_sha256(const void *key, size_t key_len, const void *data, size_t len,
                      uint8_t out[HASH_MAC_BYTES]);
void hash_hex(const uint8_t bytes[HASH_MAC_BYTES], char out[HASH_HEX_LEN + 1]);
/* In a time that does not depend on where they differ. */
bool hash_equal(const void *a, const void *b, size_t len);
/* A checksum at 2 GB/s (SipHash): finds damage, is no proof against malice. In the byte order of the machine.
 */
uint64_t hash_check64(const void *data, size_t len);
/* XXH64 with seed 0 (the xxHash specification, version 0.1.1), at 10 GB/s: the same for what is read often.
 * The same on all machines. */
uint64_t hash_fast64(const void *data, size_t len);
void hash_random(void *out, size_t len);
/* base64url without padding, appended. */
int hash_base64url(struct buf *out, const void *data, size_t len);
/* Strict inverse; -1 on any other character, padding or non-canonical tail. */
int hash_base64url_decode(struct buf *out, const char *text, size_t len);

/* A token: base64url of (version 1 byte, key id 4 bytes big-endian, nonce 24, XChaCha20-Poly1305 of the
 * text). Version and key id are authenticated. Flipping any bit makes it ERR_TOKEN_INVALID. */
int seal_token(struct buf *out, uint32_t key_id, const uint8_t key[SEAL_KEY_BYTES], const void *text,
               size_t len, struct err *err);
/* The key id a token claims, to look its key up; -1 when the text is no token at all. */
int seal_key_id(const char *token, uint32_t *key_id);
int seal_open(struct buf *out, const char *token, const uint8_t key[SEAL_KEY_BYTES], struct err *err);

#endif
