/* The table of algorithms. */
#include "jose/alg.h"

#include <string.h>

static const struct btcf_alg algs[] = {
    {.name = "HS256", .family = BTCF_HMAC, .hash_bits = 256},
    {.name = "HS384", .family = BTCF_HMAC, .hash_bits = 384},
    {.name = "HS512", .family = BTCF_HMAC, .hash_bits = 512},
    {.name = "RS256", .family = BTCF_RSA_PKCS1, .hash_bits = 256},
    {.name = "RS384", .family = BTCF_RSA_PKCS1, .hash_bits = 384},
    {.name = "RS512", .family = BTCF_RSA_PKCS1, .hash_bits = 512},
    {.name = "PS256", .family = BTCF_RSA_PSS, .hash_bits = 256},
    {.name = "PS384", .family = BTCF_RSA_PSS, .hash_bits = 384},
    {.name = "PS512", .family = BTCF_RSA_PSS, .hash_bits = 512},
    {"ES256", NULL, BTCF_ECDSA, 256, "P-256", "prime256v1", 32},
    {"ES384", NULL, BTCF_ECDSA, 384, "P-384", "secp384r1", 48},
    {"ES512", NULL, BTCF_ECDSA, 512, "P-521", "secp521r1", 66},
    /* RFC 8037 named the family, RFC 9864 its members; we have the one. */
    {"EdDSA", "Ed25519", BTCF_ED25519, 0, "Ed25519", NULL, 0},
};

static bool is_equal(const char *name, const char *other, size_t other_len)
{
    return strlen(name) == other_len && memcmp(name, other, other_len) == 0;
}

bool btcf_alg_is_named(const struct btcf_alg *alg, const char *name, size_t len)
{
    return is_equal(alg->name, name, len) || (alg->other_name != NULL && is_equal(alg->other_name, name, len));
}

const struct btcf_alg *btcf_alg_find(const char *name, size_t len)
{
    for (size_t i = 0; i < BTCF_LENGTH(algs); i++)
        if (btcf_alg_is_named(&algs[i], name, len))
            return &algs[i];
    return NULL;
}

const struct btcf_alg *btcf_alg_at(size_t i)
{
    return i < BTCF_LENGTH(algs) ? &algs[i] : NULL;
}
