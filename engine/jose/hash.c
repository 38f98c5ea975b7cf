/* OpenSSL's low-level SHA-2, which version 3 calls deprecated in favour of EVP.
 *
 * We keep to it knowingly: an EVP context lives behind a pointer, so starting from a half-finished state means
 * allocating and copying provider objects for each token (HMAC-SHA-256 over 300 bytes: 315 ns with EVP_MAC, 270 ns with
 * EVP_MD_CTX_copy_ex, 222 ns this way), can fail, and needs an error path in the worker. The same assembly hashes in
 * all three. Nothing outside of this file and crypto/api_key.c calls these functions.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "jose/hash.h"

void btcf_hash_init(struct btcf_hash *hash, unsigned bits)
{
    hash->bits = bits;
    if (bits == 256)
        SHA256_Init(&hash->state.sha256);
    else if (bits == 384)
        SHA384_Init(&hash->state.sha512);
    else
        SHA512_Init(&hash->state.sha512);
}

void btcf_hash_update(struct btcf_hash *hash, const void *bytes, size_t len)
{
    if (hash->bits == 256)
        SHA256_Update(&hash->state.sha256, bytes, len);
    else if (hash->bits == 384)
        SHA384_Update(&hash->state.sha512, bytes, len);
    else
        SHA512_Update(&hash->state.sha512, bytes, len);
}

void btcf_hash_final(struct btcf_hash *hash, unsigned char digest[BTCF_HASH_SIZE_MAX])
{
    if (hash->bits == 256)
        SHA256_Final(digest, &hash->state.sha256);
    else if (hash->bits == 384)
        SHA384_Final(digest, &hash->state.sha512);
    else
        SHA512_Final(digest, &hash->state.sha512);
}
