/* Public keys through EVP.
 *
 * RSA and ECDSA go the way of EVP_PKEY_verify over a digest made by jose/hash.h: its context is set up once and may be
 * used any number of times, while EVP_DigestVerify fetches and sets up for each message. Ed25519 has no digest to
 * take, so its context is set up per message, a microsecond beside the hundred of the signature itself.
 */
#include "jose/public_key.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <string.h>

#include "jose/hash.h"
#include "jose/roca.h"

#define COORDINATE_MAX 66
#define EXPONENT_SIZE_MAX 8
#define ED25519_KEY_SIZE 32
#define ED25519_SIGNATURE_SIZE 64
/* SEQUENCE with a length of up to two bytes; two INTEGERs, each with type, length and a sign byte. */
#define DER_MAX (3 + 2 * (3 + COORDINATE_MAX))

static const char *check_rsa(struct btcf_bytes modulus, struct btcf_bytes exponent);
static EVP_PKEY *make_pkey(const char *type, OSSL_PARAM *params);
static bool set_up(EVP_PKEY_CTX *ctx, const struct btcf_alg *alg);
static size_t to_der(const unsigned char *signature, size_t coordinate_size, unsigned char der[DER_MAX]);

const char *btcf_public_key_init_rsa(struct btcf_public_key *key, const struct btcf_alg *alg,
                                     struct btcf_bytes modulus, struct btcf_bytes exponent)
{
    unsigned char n[BTCF_RSA_BITS_MAX / 8], e[EXPONENT_SIZE_MAX];
    const char *why = check_rsa(modulus, exponent);

    if (why != NULL)
        return why;
    /* Parameters are numbers in the machine's order. */
    for (size_t i = 0; i < modulus.len; i++)
        n[i] = modulus.ptr[modulus.len - 1 - i];
    for (size_t i = 0; i < exponent.len; i++)
        e[i] = exponent.ptr[exponent.len - 1 - i];
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_N, n, modulus.len),
        OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_E, e, exponent.len),
        OSSL_PARAM_construct_end(),
    };
    *key = (struct btcf_public_key){.alg = alg, .pkey = make_pkey("RSA", params), .signature_size = modulus.len};
    return key->pkey != NULL ? NULL : "OpenSSL does not take the RSA key";
}

const char *btcf_public_key_init_ec(struct btcf_public_key *key, const struct btcf_alg *alg, struct btcf_bytes x,
                                    struct btcf_bytes y)
{
    unsigned char point[1 + 2 * COORDINATE_MAX];
    char group[16];
    size_t size = alg->coordinate_size, group_len = strlen(alg->group);

    if (x.len != size || y.len != size)
        return "a coordinate is not of the curve's size";
    point[0] = POINT_CONVERSION_UNCOMPRESSED;
    memcpy(point + 1, x.ptr, size);
    memcpy(point + 1 + size, y.ptr, size);
    memcpy(group, alg->group, group_len + 1);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, group_len),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * size),
        OSSL_PARAM_construct_end(),
    };
    *key = (struct btcf_public_key){.alg = alg, .pkey = make_pkey("EC", params), .signature_size = 2 * size};
    return key->pkey != NULL ? NULL : "the point is not on the curve";
}

const char *btcf_public_key_init_ed25519(struct btcf_public_key *key, const struct btcf_alg *alg, struct btcf_bytes x)
{
    if (x.len != ED25519_KEY_SIZE)
        return "an Ed25519 key has 32 bytes";
    *key = (struct btcf_public_key){
        .alg = alg,
        .pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, x.ptr, x.len),
        .signature_size = ED25519_SIGNATURE_SIZE,
    };
    return key->pkey != NULL ? NULL : "OpenSSL does not take the Ed25519 key";
}

void btcf_public_key_release(struct btcf_public_key *key)
{
    EVP_PKEY_free(key->pkey);
    key->pkey = NULL;
}

bool btcf_public_verifier_init(struct btcf_public_verifier *verifier, const struct btcf_public_key *key)
{
    *verifier = (struct btcf_public_verifier){.key = key};
    if (key->alg->family == BTCF_ED25519) {
        verifier->md_ctx = EVP_MD_CTX_new();
        return verifier->md_ctx != NULL;
    }
    ERR_set_mark();
    verifier->pkey_ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
    bool is_ready = verifier->pkey_ctx != NULL && set_up(verifier->pkey_ctx, key->alg);
    ERR_pop_to_mark();
    if (!is_ready)
        btcf_public_verifier_release(verifier);
    return is_ready;
}

void btcf_public_verifier_release(struct btcf_public_verifier *verifier)
{
    EVP_PKEY_CTX_free(verifier->pkey_ctx);
    EVP_MD_CTX_free(verifier->md_ctx);
    *verifier = (struct btcf_public_verifier){NULL, NULL, NULL};
}

static int verify_message(struct btcf_public_verifier *verifier, const void *message, size_t len,
                          const unsigned char *signature)
{
    int result = EVP_DigestVerifyInit(verifier->md_ctx, NULL, NULL, NULL, verifier->key->pkey);

    return result == 1 ? EVP_DigestVerify(verifier->md_ctx, signature, ED25519_SIGNATURE_SIZE, message, len) : result;
}

static int verify_digest(struct btcf_public_verifier *verifier, const void *message, size_t len,
                         const unsigned char *signature)
{
    const struct btcf_alg *alg = verifier->key->alg;
    unsigned char digest[BTCF_HASH_SIZE_MAX], der[DER_MAX];
    size_t signature_len = verifier->key->signature_size;
    struct btcf_hash hash;

    btcf_hash_init(&hash, alg->hash_bits);
    btcf_hash_update(&hash, message, len);
    btcf_hash_final(&hash, digest);
    if (alg->family == BTCF_ECDSA) {
        signature_len = to_der(signature, alg->coordinate_size, der);
        signature = der;
    }
    return EVP_PKEY_verify(verifier->pkey_ctx, signature, signature_len, digest, btcf_hash_size(alg->hash_bits));
}

bool btcf_public_verifier_verify(struct btcf_public_verifier *verifier, const void *message, size_t len,
                                 const unsigned char *signature, size_t signature_len)
{
    int result;

    if (signature_len != verifier->key->signature_size)
        return false;
    /* nginx reports whatever it finds in the queue as an error of the next TLS connection. */
    ERR_set_mark();
    if (verifier->md_ctx != NULL)
        result = verify_message(verifier, message, len, signature);
    else
        result = verify_digest(verifier, message, len, signature);
    ERR_pop_to_mark();
    return result == 1; /* it may be 0 or negative */
}

static const char *check_rsa(struct btcf_bytes modulus, struct btcf_bytes exponent)
{
    if (modulus.len == 0 || modulus.ptr[0] == 0 || exponent.len == 0 || exponent.ptr[0] == 0)
        return "an RSA number is empty or begins with zero";
    if (modulus.len > BTCF_RSA_BITS_MAX / 8)
        return "the RSA modulus has more than 8192 bits";
    if (modulus.len < BTCF_RSA_BITS_MIN / 8 || (modulus.len == BTCF_RSA_BITS_MIN / 8 && modulus.ptr[0] < 0x80))
        return "the RSA modulus has fewer than 2048 bits";
    if (modulus.ptr[modulus.len - 1] % 2 == 0)
        return "the RSA modulus is even";
    if (exponent.len > EXPONENT_SIZE_MAX || exponent.ptr[exponent.len - 1] % 2 == 0 ||
        (exponent.len == 1 && exponent.ptr[0] < 3))
        return "the RSA exponent is even, 1, or has more than 64 bits";
    if (btcf_roca_is_weak(modulus.ptr, modulus.len))
        return "the RSA modulus is of the flawed generator ROCA";
    return NULL;
}

static EVP_PKEY *make_pkey(const char *type, OSSL_PARAM *params)
{
    EVP_PKEY *pkey = NULL;

    ERR_set_mark();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1 &&
        EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1) {
        EVP_PKEY_free(pkey);
        pkey = NULL;
    }
    EVP_PKEY_CTX_free(ctx);
    ERR_pop_to_mark();
    return pkey;
}

static const EVP_MD *sha2(unsigned bits)
{
    return bits == 256 ? EVP_sha256() : bits == 384 ? EVP_sha384() : EVP_sha512();
}

static bool set_up(EVP_PKEY_CTX *ctx, const struct btcf_alg *alg)
{
    if (EVP_PKEY_verify_init(ctx) != 1 || EVP_PKEY_CTX_set_signature_md(ctx, sha2(alg->hash_bits)) != 1)
        return false;
    if (alg->family == BTCF_RSA_PKCS1)
        return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1;
    if (alg->family ==
        BTCF_RSA_PSS) /* RFC 7518 section 3.5: the salt is as long as the hash, MGF1 has the same hash */
        return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
               EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1 &&
               EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, sha2(alg->hash_bits)) == 1;
    return true;
}

/* An unsigned number as INTEGER: no leading zeros, but one when the highest bit is set. */
static unsigned char *put_integer(unsigned char *out, const unsigned char *number, size_t len)
{
    while (len > 1 && *number == 0) {
        number++;
        len--;
    }
    bool has_sign_byte = *number >= 0x80;

    *out++ = 0x02;
    *out++ = (unsigned char)(len + has_sign_byte);
    if (has_sign_byte)
        *out++ = 0;
    memcpy(out, number, len);
    return out + len;
}

/* JWS writes R and S side by side; OpenSSL wants SEQUENCE { INTEGER R, INTEGER S }. */
static size_t to_der(const unsigned char *signature, size_t coordinate_size, unsigned char der[DER_MAX])
{
    unsigned char body[DER_MAX], *out = der;
    unsigned char *end = put_integer(body, signature, coordinate_size);
    size_t len = (size_t)(put_integer(end, signature + coordinate_size, coordinate_size) - body);

    *out++ = 0x30;
    if (len >= 0x80)
        *out++ = 0x81;
    *out++ = (unsigned char)len;
    memcpy(out, body, len);
    return (size_t)(out - der) + len;
}
