/* See sha1.h. */
#include "base/sha1.h"

#include <openssl/evp.h>
#include <stdio.h>

int sha1_hex(const void *data, size_t len, char out[SHA1_HEX_LEN + 1])
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (EVP_Digest(data, len, hash, &size, EVP_sha1(), NULL) != 1 || 2 * size != SHA1_HEX_LEN)
        return -1;
    for (unsigned i = 0; i < size; i++)
        (void)snprintf(out + 2UL * i, 3, "%02x", hash[i]);
    return 0;
}
