/* AES-CBC with PKCS#7 padding, deciphered as it comes: how the pieces of an HLS recording may be locked
 * (RFC 8216 §4.3.2.4). By OpenSSL's libcrypto, which libcurl brings; libsodium has no CBC. Threads: none of
 * its own. */
#ifndef SLUICE_BASE_AES_CBC_H
#define SLUICE_BASE_AES_CBC_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/defs.h"
#include "base/err.h"

enum { AES_CBC_BYTES = 16 }; /* of a key, a block, an initialisation vector */

struct aes_cbc;

/* *out: aes_cbc_free(). Key and vector are copied. */
int aes_cbc_new(struct aes_cbc **out, const uint8_t key[AES_CBC_BYTES], const uint8_t iv[AES_CBC_BYTES],
                struct err *err);
/* The same with a key of 16 or 32 bytes: AES-128 or AES-256. */
int aes_cbc_new_sized(struct aes_cbc **out, const uint8_t *key, size_t key_len,
                      const uint8_t iv[AES_CBC_BYTES], struct err *err);
/* Appends to `clear` what can be told so far: all but the last block. At most INT_MAX - 16 bytes. */
int aes_cbc_add(struct aes_cbc *a, const void *data, size_t len, struct buf *clear, struct err *err);
/* Appends the last block without its padding. ERR_UPSTREAM_FAILED: cut short, or locked by another key. */
int aes_cbc_end(struct aes_cbc *a, struct buf *clear, struct err *err);
void aes_cbc_free(struct aes_cbc *a); /* NULL is fine */

DEFINE_AUTO_PTR(aes_cbc, aes_cbc_free)

#endif
