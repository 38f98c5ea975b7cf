/* A compact JWS (RFC 7515 section 7.1), read and verified in two steps, without allocating.
 *
 *     verdict = btcf_jws_parse(&jws, token, len);        form only: cheap, before any limiter or key
 *     verdict = btcf_jws_verify(&jws, &verifier);        key, algorithm, signature
 *     jws.payload[0 .. jws.payload_len)                  what was signed: any bytes; claims.h reads it as claims
 *
 * Three rules are kept here and nowhere else. The key is chosen by `kid` alone, and is exactly one. The key's
 * algorithm is used; the token's `alg` is compared with it and chooses nothing. A header that asks for more than we do
 * (crit, b64, zip, enc), or that brings a key of its own (jwk, jku, x5u, x5c), is refused whatever is signed under it.
 */
#ifndef BTCF_JOSE_JWS_H
#define BTCF_JOSE_JWS_H

#include "core/base.h"
#include "jose/jwk.h"
#include "jose/public_key.h"
#include "jose/scan.h"
#include "jose/verdict.h"

#define BTCF_TOKEN_MAX 8192
#define BTCF_HEADER_MAX 1024

/* About 8 KiB; one per worker is enough, each parse begins anew. All texts point into it, or into the token. */
struct btcf_jws {
    const char
        *signed_part; /* of the caller's token, which must outlive this: header and payload as they were sent */
    size_t signed_len;

    struct btcf_text alg;
    bool has_kid, has_typ;
    struct btcf_text kid, typ;

    size_t payload_len, signature_len;
    char header[BTCF_HEADER_MAX];
    char payload[BTCF_TOKEN_MAX / 4 * 3];
    unsigned char signature[BTCF_SIGNATURE_MAX];
};

/* TOO_LONG, NOT_COMPACT, BAD_ENCODING, BAD_HEADER, FORBIDDEN_HEADER; or VALID, which is only about the form here. */
enum btcf_verdict btcf_jws_parse(struct btcf_jws *jws, const char *token, size_t len) BTCF_MUST_CHECK;

/* The contexts of one worker for one key set; 1.5 KiB of pointers. Not for two threads at a time. */
struct btcf_verifier {
    const struct btcf_jwks *set;
    struct btcf_public_verifier contexts[BTCF_JWKS_KEYS_MAX]; /* by key; unused for secrets */
};

/* `set` is borrowed and outlives the verifier. False when OpenSSL has no memory; there is nothing to release then. */
bool btcf_verifier_init(struct btcf_verifier *verifier, const struct btcf_jwks *set) BTCF_MUST_CHECK;
void btcf_verifier_release(struct btcf_verifier *verifier);

/* After a parse that said VALID. UNKNOWN_KEY, WRONG_ALG, BAD_SIGNATURE, or VALID. */
enum btcf_verdict btcf_jws_verify(const struct btcf_jws *jws, struct btcf_verifier *verifier) BTCF_MUST_CHECK;

#endif
