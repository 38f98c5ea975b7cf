/* One EVP context per call: sealing happens when keys are made and when a process begins to sign. */
#include "crypto/seal.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#include "core/err.h"
#include "core/rand.h"

/* The version is authenticated with the context, or somebody could have a later format read as this one. */
static bool begin(EVP_CIPHER_CTX *ctx, const struct seal_key *key, const unsigned char *sealed, const char *context)
{
    int unused;

    return EVP_CipherInit_ex(ctx, NULL, NULL, key->bytes, sealed + 1, -1) == 1 &&
           EVP_CipherUpdate(ctx, NULL, &unused, sealed, 1) == 1 &&
           EVP_CipherUpdate(ctx, NULL, &unused, (const unsigned char *)context, (int)strlen(context)) == 1;
}

static EVP_CIPHER_CTX *create(bool encrypts)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

    assert(ctx != NULL);
    int ok = EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, NULL, NULL, encrypts ? 1 : 0);
    assert(ok == 1);
    return ctx;
}

void seal_close(const struct seal_key *key, const char *context, const void *plain, size_t plain_len,
                unsigned char *sealed)
{
    unsigned char *body = sealed + 1 + SEAL_NONCE_SIZE;
    EVP_CIPHER_CTX *ctx = create(true);
    int len = 0, rest = 0;

    assert(plain_len <= SEAL_PLAIN_MAX);
    sealed[0] = SEAL_VERSION;
    rand_bytes(sealed + 1, SEAL_NONCE_SIZE);
    bool ok = begin(ctx, key, sealed, context) && EVP_CipherUpdate(ctx, body, &len, plain, (int)plain_len) == 1 &&
              EVP_CipherFinal_ex(ctx, body + len, &rest) == 1 &&
              EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, SEAL_TAG_SIZE, body + plain_len) == 1;
    EVP_CIPHER_CTX_free(ctx);
    assert(ok);
    assert((size_t)(len + rest) == plain_len);
}

int seal_open(const struct seal_key *key, const char *context, const unsigned char *sealed, size_t sealed_len,
              void *plain)
{
    if (sealed_len < SEAL_OVERHEAD || sealed_len > SEAL_OVERHEAD + SEAL_PLAIN_MAX || sealed[0] != SEAL_VERSION)
        return err_set(E_CORRUPT, "%s is not sealed in a form that this btcf knows", context);

    const unsigned char *body = sealed + 1 + SEAL_NONCE_SIZE;
    size_t plain_len = sealed_len - SEAL_OVERHEAD;
    unsigned char tag[SEAL_TAG_SIZE];
    EVP_CIPHER_CTX *ctx = create(false);
    int len = 0, rest = 0;

    memcpy(tag, body + plain_len, SEAL_TAG_SIZE);
    bool ok = begin(ctx, key, sealed, context) && EVP_CipherUpdate(ctx, plain, &len, body, (int)plain_len) == 1 &&
              EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, SEAL_TAG_SIZE, tag) == 1 &&
              EVP_CipherFinal_ex(ctx, (unsigned char *)plain + len, &rest) == 1;
    EVP_CIPHER_CTX_free(ctx);
    if (ok)
        return 0;
    OPENSSL_cleanse(plain, plain_len); /* decrypted, but by nobody who knew the key */
    return err_set(E_CORRUPT, "%s does not open: it was sealed with another secret, or changed since", context);
}
