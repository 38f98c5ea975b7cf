/* SHA-256, SHA-384 and SHA-512 as plain values: a state is copied by assignment, needs no release and cannot fail.
 *
 * That is what a worker wants for a token it has never seen: an HMAC key keeps two half-finished states, and a
 * verification starts from copies of them without allocating anything.
 */
#ifndef BTCF_JOSE_HASH_H
#define BTCF_JOSE_HASH_H

#include <openssl/sha.h>

#include "core/base.h"

#define BTCF_HASH_SIZE_MAX 64
#define BTCF_HASH_BLOCK_MAX 128

struct btcf_hash {
    unsigned bits; /* 256, 384 or 512 */
    union {
        SHA256_CTX sha256;
        SHA512_CTX sha512; /* SHA-384, too */
    } state;
};

/* `bits` must be one of the three: it comes from a table, never from input. */
void btcf_hash_init(struct btcf_hash *hash, unsigned bits);
void btcf_hash_update(struct btcf_hash *hash, const void *bytes, size_t len);
/* Writes bits / 8 bytes. The state is spent. */
void btcf_hash_final(struct btcf_hash *hash, unsigned char digest[BTCF_HASH_SIZE_MAX]);

/* Bytes of a digest, and of the block that HMAC fills (FIPS 198-1). */
static inline size_t btcf_hash_size(unsigned bits)
{
    return bits / 8;
}
static inline size_t btcf_hash_block_size(unsigned bits)
{
    return bits == 256 ? 64 : 128;
}

#endif
