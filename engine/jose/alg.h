/* The signature algorithms we know, RFC 7518 section 3 and RFC 8037: one row each.
 *
 * A row belongs to a key, never to a token: a key is loaded for one algorithm, and what a token says of itself is only
 * compared with that (btcf_alg_is_named). "none" is not in the table and so cannot be meant.
 */
#ifndef BTCF_JOSE_ALG_H
#define BTCF_JOSE_ALG_H

#include "core/base.h"

enum btcf_family { BTCF_HMAC, BTCF_RSA_PKCS1, BTCF_RSA_PSS, BTCF_ECDSA, BTCF_ED25519 };

struct btcf_alg {
    const char *name;
    const char *other_name; /* NULL: it has one name */
    enum btcf_family family;
    unsigned hash_bits;     /* 256, 384 or 512 of SHA-2; 0 for Ed25519, which hashes for itself */
    const char *curve;      /* `crv` of its keys, NULL when they have none */
    const char *group;      /* OpenSSL's name of that curve, for ECDSA */
    size_t coordinate_size; /* bytes of x, y, R and S, for ECDSA */
};

/* By any of its names, exactly; NULL when there is none. */
const struct btcf_alg *btcf_alg_find(const char *name, size_t len);

bool btcf_alg_is_named(const struct btcf_alg *alg, const char *name, size_t len);

/* The i-th, or NULL behind the last: for who wants them all. */
const struct btcf_alg *btcf_alg_at(size_t i);

#endif
