/* Secrets at rest: AES-256-GCM under the installation's secret, which is never in the database.
 *
 *     sealed = 1 | nonce, 12 random bytes | ciphertext | tag, 16 bytes          (the first byte is the version)
 *
 * `context` says what is sealed ("signing-key:<kid>"). It is authenticated, not stored: bytes that were moved to
 * another row do not open there. A nonce is random, so one secret must not seal more than 2^32 things (NIST SP
 * 800-38D, 8.3); ours seals a few each month.
 */
#ifndef CRYPTO_SEAL_H
#define CRYPTO_SEAL_H

#include "core/base.h"

#define SEAL_KEY_SIZE 32
#define SEAL_VERSION 1
#define SEAL_NONCE_SIZE 12
#define SEAL_TAG_SIZE 16
/* How much longer a thing becomes by being sealed. */
#define SEAL_OVERHEAD (1 + SEAL_NONCE_SIZE + SEAL_TAG_SIZE)
#define SEAL_PLAIN_MAX (1 << 20)

struct seal_key {
    unsigned char bytes[SEAL_KEY_SIZE];
};

/* Writes plain_len + SEAL_OVERHEAD bytes. Ends the process when OpenSSL cannot encrypt, as crypto/digest.h does. */
void seal_close(const struct seal_key *key, const char *context, const void *plain, size_t plain_len,
                unsigned char *sealed);

/* Writes sealed_len - SEAL_OVERHEAD bytes, at least 0. E_CORRUPT, and nothing in `plain`, for what was not sealed
 * with this key and this context, or was changed since. */
int seal_open(const struct seal_key *key, const char *context, const unsigned char *sealed, size_t sealed_len,
              void *plain) BTCF_MUST_CHECK;

#endif
