/* A public key for one algorithm, RSA, ECDSA or Ed25519, parsed once; and the contexts that verify with it.
 *
 * The key is shared and constant. Contexts are not: each worker (or thread) has a struct btcf_public_verifier of its
 * own per key, in which OpenSSL's algorithms are already fetched and set, so that a verification costs the primitive
 * and hardly more.
 */
#ifndef BTCF_JOSE_PUBLIC_KEY_H
#define BTCF_JOSE_PUBLIC_KEY_H

#include <openssl/evp.h>

#include "core/base.h"
#include "jose/alg.h"

/* NIST SP 800-131A asks for 2048; above 8192 a verification takes longer than a worker has. */
#define BTCF_RSA_BITS_MIN 2048
#define BTCF_RSA_BITS_MAX 8192
#define BTCF_SIGNATURE_MAX (BTCF_RSA_BITS_MAX / 8)

struct btcf_bytes {
    const unsigned char *ptr;
    size_t len;
};

struct btcf_public_key {
    const struct btcf_alg *alg;
    EVP_PKEY *pkey;
    size_t signature_size; /* every signature has exactly this many bytes */
};

/* Each makes a key of big-endian numbers as a JWK has them, and returns NULL or why it cannot be (a sentence for the
 * log); there is nothing to release then. `alg` belongs to the family. Refused: RSA outside of the limits, an even or
 * small exponent, a modulus with leading zeros or of the flawed generator known as ROCA (CVE-2017-15361);
 * coordinates of another size than the curve's (RFC 7518 section 6.2.1.2), a point that is not on the curve. */
const char *btcf_public_key_init_rsa(struct btcf_public_key *key, const struct btcf_alg *alg,
                                     struct btcf_bytes modulus, struct btcf_bytes exponent) BTCF_MUST_CHECK;
const char *btcf_public_key_init_ec(struct btcf_public_key *key, const struct btcf_alg *alg, struct btcf_bytes x,
                                    struct btcf_bytes y) BTCF_MUST_CHECK;
const char *btcf_public_key_init_ed25519(struct btcf_public_key *key, const struct btcf_alg *alg,
                                         struct btcf_bytes x) BTCF_MUST_CHECK;
void btcf_public_key_release(struct btcf_public_key *key);

struct btcf_public_verifier {
    const struct btcf_public_key *key; /* borrowed: outlives this */
    EVP_PKEY_CTX *pkey_ctx;            /* RSA and ECDSA: takes a digest; used again and again */
    EVP_MD_CTX *md_ctx;                /* Ed25519: takes the message */
};

/* False when OpenSSL has no memory; there is nothing to release then. */
bool btcf_public_verifier_init(struct btcf_public_verifier *verifier,
                               const struct btcf_public_key *key) BTCF_MUST_CHECK;
void btcf_public_verifier_release(struct btcf_public_verifier *verifier);

/* True only when OpenSSL says that the signature, in the form that JWS gives it (RFC 7518 sections 3.3 to 3.5,
 * RFC 8037), is that of the message. The thread's OpenSSL error queue is as it was before. */
bool btcf_public_verifier_verify(struct btcf_public_verifier *verifier, const void *message, size_t len,
                                 const unsigned char *signature, size_t signature_len) BTCF_MUST_CHECK;

#endif
