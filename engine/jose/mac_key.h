/* A secret for HS256, HS384 or HS512 (RFC 2104), made ready: the states of the inner and the outer hash after the
 * padded secret went in. The secret itself is not kept.
 *
 * A type of its own, apart from public keys: no function takes both, so the bytes of a public key can never serve as
 * the secret of a forged token.
 */
#ifndef BTCF_JOSE_MAC_KEY_H
#define BTCF_JOSE_MAC_KEY_H

#include "core/base.h"
#include "jose/alg.h"
#include "jose/hash.h"

/* RFC 7518 section 3.2 asks for a secret of at least the size of the hash; nobody needs a longer one than this. */
#define BTCF_MAC_SECRET_MAX 1024

struct btcf_mac_key {
    const struct btcf_alg *alg;
    struct btcf_hash inner, outer;
};

/* NULL, or why the secret does not serve `alg`: a sentence for the log, without anything of the secret. `alg` is of
 * the family BTCF_HMAC. Nothing is allocated. */
const char *btcf_mac_key_init(struct btcf_mac_key *key, const struct btcf_alg *alg, const unsigned char *secret,
                              size_t secret_len) BTCF_MUST_CHECK;
/* Wipes it. */
void btcf_mac_key_release(struct btcf_mac_key *key);

/* True when `tag` is the whole MAC of the message; takes the same time wherever they differ. */
bool btcf_mac_key_verify(const struct btcf_mac_key *key, const void *message, size_t len, const unsigned char *tag,
                         size_t tag_len) BTCF_MUST_CHECK;

#endif
