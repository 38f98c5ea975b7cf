/* A set of keys from a JWK Set file (RFC 7517), every key parsed once and for one algorithm.
 *
 *     why = btcf_jwks_load(path, NULL, &set);       NULL, or why there is no set
 *     key = btcf_jwks_find(set, kid, kid_len);      exactly one key, or NULL
 *     btcf_jwks_free(&set);
 *
 * Rules:
 * - One algorithm per key: its `alg`, or the one that follows from its kind (ES256 from P-256, EdDSA from Ed25519; RSA
 *   without `alg` is RS256 and a secret without `alg` is HS256). A caller that says `only` takes all keys of the set as
 *   keys for that algorithm, where their kind and family allow it.
 * - Keys that we cannot or may not use are left out, and counted with a reason: another `use` than sig, `key_ops` without
 *   verify, unknown kinds, curves and algorithms, an `alg` that does not fit the curve, weak RSA, secrets shorter than
 *   the hash. So an issuer may publish a new kind of key without locking everybody out.
 * - The set as a whole is refused when it is not JSON or names a member twice, has more than BTCF_JWKS_KEYS_MAX keys, two
 *   usable keys of the same kid, secrets beside public keys, or no usable key.
 * - Private parts are never looked at; has_private says that the file has some, which is worth a warning.
 *
 * A set does not change after it was made, and may be used by any number of verifiers and threads.
 */
#ifndef BTCF_JOSE_JWK_H
#define BTCF_JOSE_JWK_H

#include "core/base.h"
#include "jose/alg.h"

#define BTCF_JWKS_KEYS_MAX 64
#define BTCF_JWKS_FILE_MAX (256 * 1024)
#define BTCF_KID_MAX 128

struct btcf_mac_key;
struct btcf_public_key;

struct btcf_jwk {
    const struct btcf_alg *alg;
    struct btcf_mac_key *mac_key;       /* exactly one of these two: */
    struct btcf_public_key *public_key; /* never both, never none */
    bool has_kid;
    size_t kid_len;
    char kid[BTCF_KID_MAX];
};

struct btcf_jwks {
    size_t count; /* at least 1 */
    struct btcf_jwk keys[BTCF_JWKS_KEYS_MAX];
    size_t skipped_count;
    const char *first_skipped; /* why the first of them was left out, NULL when none was */
    bool has_private;
};

/* Parses a JWK Set, or one JWK alone. NULL and *set, which the caller frees; or a sentence for the log, and *set is
 * untouched. The sentence never has anything of the text in it. Allocates; for start-up and key changes, not for requests. */
const char *btcf_jwks_parse(const char *text, size_t len, const struct btcf_alg *only,
                            struct btcf_jwks **set) BTCF_MUST_CHECK;
/* The same of a file of at most BTCF_JWKS_FILE_MAX bytes, read in one go. */
const char *btcf_jwks_load(const char *path, const struct btcf_alg *only, struct btcf_jwks **set) BTCF_MUST_CHECK;
/* Wipes secrets. NULL inside is fine. */
void btcf_jwks_free(struct btcf_jwks **set);

/* The key of that kid. Without a kid (NULL) the key of a set that has just one; else NULL. */
const struct btcf_jwk *btcf_jwks_find(const struct btcf_jwks *set, const char *kid, size_t kid_len);

#endif
