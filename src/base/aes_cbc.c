/* See aes_cbc.h. */
#include "base/aes_cbc.h"

#include <limits.h>
#include <openssl/evp.h>

struct aes_cbc {
    EVP_CIPHER_CTX *context;
};

void aes_cbc_free(struct aes_cbc *a)
{
    if (!a)
        return;
    EVP_CIPHER_CTX_free(a->context); /* wipes the key */
    free(a);
}

int aes_cbc_new(struct aes_cbc **out, const uint8_t key[AES_CBC_BYTES], const uint8_t iv[AES_CBC_BYTES],
                struct err *err)
{
    return aes_cbc_new_sized(out, key, AES_CBC_BYTES, iv, err);
}

int aes_cbc_new_sized(struct aes_cbc **out, const uint8_t *key, size_t key_len,
                      const uint8_t iv[AES_CBC_BYTES], struct err *err)
{
    const EVP_CIPHER *cipher = key_len == 2 * (size_t)AES_CBC_BYTES ? EVP_aes_256_cbc() : EVP_aes_128_cbc();
    struct aes_cbc *a = calloc(1, sizeof *a);
    if (!a || !(a->context = EVP_CIPHER_CTX_new()) ||
        EVP_DecryptInit_ex(a->context, cipher, NULL, key, iv) != 1) {
        aes_cbc_free(a);
        return err_set(err, ERR_INTERNAL, "aes: cannot begin");
    }
    *out = a;
    return 0;
}

int aes_cbc_add(struct aes_cbc *a, const void *data, size_t len, struct buf *clear, struct err *err)
{
    int made = 0;
    char *to = len <= INT_MAX - AES_CBC_BYTES ? buf_reserve(clear, len + AES_CBC_BYTES) : NULL;
    if (!to || EVP_DecryptUpdate(a->context, (unsigned char *)to, &made, data, (int)len) != 1)
        return err_set(err, ERR_INTERNAL, "aes: cannot go on");
    clear->len += (size_t)made;
    clear->data[clear->len] = '\0';
    return 0;
}

int aes_cbc_end(struct aes_cbc *a, struct buf *clear, struct err *err)
{
    int made = 0;
    char *to = buf_reserve(clear, AES_CBC_BYTES);
    if (!to)
        return err_set(err, ERR_INTERNAL, "out of memory");
    if (EVP_DecryptFinal_ex(a->context, (unsigned char *)to, &made) != 1)
        return err_set(err, ERR_UPSTREAM_FAILED, "a piece that its key does not open");
    clear->len += (size_t)made;
    clear->data[clear->len] = '\0';
    return 0;
}
