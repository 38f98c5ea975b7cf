/* Public keys of every algorithm: what OpenSSL signs with a fresh key we verify, and nothing else; and each key that must
 * not be taken. */
#include "jose/public_key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#include "jose/roca.h"

static const char message[] = "header.payload";
#define MESSAGE_LEN (sizeof message - 1)

static EVP_PKEY *rsa, *ed25519;

static const struct btcf_alg *alg_of(const char *name)
{
    return btcf_alg_find(name, strlen(name));
}

static int make_keys(void **state)
{
    (void)state;
    rsa = EVP_RSA_gen(2048);
    ed25519 = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    return rsa != NULL && ed25519 != NULL ? 0 : -1;
}

static int free_keys(void **state)
{
    (void)state;
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(ed25519);
    return 0;
}

/* A number of a key, big-endian, of at least `size` bytes. */
static struct btcf_bytes number_of(EVP_PKEY *pkey, const char *name, unsigned char *room, int size)
{
    BIGNUM *number = NULL;

    assert_int_equal(EVP_PKEY_get_bn_param(pkey, name, &number), 1);
    int len = BN_num_bytes(number) > size ? BN_num_bytes(number) : size;
    BN_bn2binpad(number, room, len);
    BN_free(number);
    return (struct btcf_bytes){room, (size_t)len};
}

static void load_public(struct btcf_public_key *key, const struct btcf_alg *alg, EVP_PKEY *pkey)
{
    unsigned char rooms[2][1024];
    int size = (int)alg->coordinate_size;

    if (alg->family == BTCF_ED25519) {
        size_t len = sizeof rooms[0];

        assert_int_equal(EVP_PKEY_get_raw_public_key(pkey, rooms[0], &len), 1);
        assert_null(btcf_public_key_init_ed25519(key, alg, (struct btcf_bytes){rooms[0], len}));
    } else if (alg->family == BTCF_ECDSA) {
        assert_null(btcf_public_key_init_ec(key, alg, number_of(pkey, OSSL_PKEY_PARAM_EC_PUB_X, rooms[0], size),
                                            number_of(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, rooms[1], size)));
    } else {
        assert_null(btcf_public_key_init_rsa(key, alg, number_of(pkey, OSSL_PKEY_PARAM_RSA_N, rooms[0], 0),
                                             number_of(pkey, OSSL_PKEY_PARAM_RSA_E, rooms[1], 0)));
    }
}

/* DER to R || S. */
static size_t to_raw(const unsigned char *der, size_t len, unsigned char *raw, size_t coordinate_size)
{
    ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &der, (long)len);

    assert_non_null(signature);
    BN_bn2binpad(ECDSA_SIG_get0_r(signature), raw, (int)coordinate_size);
    BN_bn2binpad(ECDSA_SIG_get0_s(signature), raw + coordinate_size, (int)coordinate_size);
    ECDSA_SIG_free(signature);
    return 2 * coordinate_size;
}

/* Signs with a salt of `salt_len`, which only PSS has. */
static size_t sign(const struct btcf_alg *alg, EVP_PKEY *pkey, int salt_len, unsigned char *signature)
{
    static const struct {
        unsigned bits;
        const char *name;
    } hashes[] = {{0, NULL}, {256, "SHA256"}, {384, "SHA384"}, {512, "SHA512"}};
    unsigned char made[BTCF_SIGNATURE_MAX];
    size_t len = sizeof made, i = 0;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pkey_ctx;

    while (hashes[i].bits != alg->hash_bits)
        i++;
    assert_int_equal(EVP_DigestSignInit_ex(ctx, &pkey_ctx, hashes[i].name, NULL, NULL, pkey, NULL), 1);
    if (alg->family == BTCF_RSA_PSS) {
        assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(pkey_ctx, RSA_PKCS1_PSS_PADDING), 1);
        assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(pkey_ctx, salt_len), 1);
    }
    assert_int_equal(EVP_DigestSign(ctx, made, &len, (const unsigned char *)message, MESSAGE_LEN), 1);
    EVP_MD_CTX_free(ctx);
    if (alg->family == BTCF_ECDSA)
        return to_raw(made, len, signature, alg->coordinate_size);
    memcpy(signature, made, len);
    return len;
}

static EVP_PKEY *pkey_for(const struct btcf_alg *alg)
{
    EVP_PKEY *pkey = alg->family == BTCF_ECDSA ? EVP_EC_gen(alg->group) : alg->family == BTCF_ED25519 ? ed25519 : rsa;

    assert_non_null(pkey);
    if (alg->family != BTCF_ECDSA)
        EVP_PKEY_up_ref(pkey);
    return pkey;
}

/* A pair, ready to use. */
struct pair {
    EVP_PKEY *pkey;
    struct btcf_public_key key;
    struct btcf_public_verifier verifier;
};

static struct pair *make_pair(const struct btcf_alg *alg)
{
    struct pair *pair = calloc(1, sizeof *pair);

    assert_non_null(pair);
    pair->pkey = pkey_for(alg);
    load_public(&pair->key, alg, pair->pkey);
    assert_true(btcf_public_verifier_init(&pair->verifier, &pair->key));
    return pair;
}

static void free_pair(struct pair *pair)
{
    btcf_public_verifier_release(&pair->verifier);
    btcf_public_key_release(&pair->key);
    EVP_PKEY_free(pair->pkey);
    free(pair);
}

static bool verifies(struct pair *pair, const char *text, const unsigned char *signature, size_t len)
{
    return btcf_public_verifier_verify(&pair->verifier, text, strlen(text), signature, len);
}

/* Signs and verifies until ECDSA's numbers have had leading zeros and high bits of both kinds. */
static void check_algorithm(const struct btcf_alg *alg)
{
    struct pair *pair = make_pair(alg);
    unsigned char signature[BTCF_SIGNATURE_MAX + 1] = {0};
    int rounds = alg->family == BTCF_ECDSA ? 40 : 2;

    for (int i = 0; i < rounds; i++) {
        size_t len = sign(alg, pair->pkey, RSA_PSS_SALTLEN_DIGEST, signature);

        assert_int_equal(len, pair->key.signature_size);
        assert_true(verifies(pair, message, signature, len));
        assert_false(verifies(pair, "header.Payload", signature, len));
        assert_false(verifies(pair, message, signature, len - 1));
        assert_false(verifies(pair, message, signature, len + 1));
        assert_false(verifies(pair, message, signature, 0));
        signature[len / 2] ^= 1;
        assert_false(verifies(pair, message, signature, len));
        signature[len / 2] ^= 1;
        assert_true(verifies(pair, message, signature, len)); /* a refusal leaves the context as it was */
    }
    free_pair(pair);
}

static void verifies_what_openssl_signed_under_every_algorithm(void **state)
{
    (void)state;
    for (size_t i = 0; btcf_alg_at(i) != NULL; i++)
        if (btcf_alg_at(i)->family != BTCF_HMAC)
            check_algorithm(btcf_alg_at(i));
}

static void refuses_a_signature_of_another_algorithm_of_the_same_key(void **state)
{
    (void)state;
    static const char *const names[] = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"};
    unsigned char signature[BTCF_SIGNATURE_MAX];

    for (size_t i = 0; i < BTCF_LENGTH(names); i++) {
        struct pair *pair = make_pair(alg_of(names[i]));

        for (size_t j = 0; j < BTCF_LENGTH(names); j++) {
            size_t len = sign(alg_of(names[j]), rsa, RSA_PSS_SALTLEN_DIGEST, signature);

            assert_int_equal(verifies(pair, message, signature, len), i == j);
        }
        free_pair(pair);
    }
}

static void refuses_a_pss_salt_of_another_length(void **state)
{
    (void)state;
    struct pair *pair = make_pair(alg_of("PS256"));
    unsigned char signature[BTCF_SIGNATURE_MAX];

    assert_true(verifies(pair, message, signature, sign(alg_of("PS256"), rsa, 32, signature)));
    assert_false(verifies(pair, message, signature, sign(alg_of("PS256"), rsa, 31, signature)));
    assert_false(verifies(pair, message, signature, sign(alg_of("PS256"), rsa, 33, signature)));
    assert_false(verifies(pair, message, signature, sign(alg_of("PS256"), rsa, 0, signature)));
    free_pair(pair);
}

static void refuses_zeros_as_a_signature(void **state)
{
    (void)state;
    static const unsigned char zeros[BTCF_SIGNATURE_MAX];

    for (size_t i = 0; btcf_alg_at(i) != NULL; i++) {
        if (btcf_alg_at(i)->family == BTCF_HMAC)
            continue;
        struct pair *pair = make_pair(btcf_alg_at(i));

        assert_false(verifies(pair, message, zeros, pair->key.signature_size));
        free_pair(pair);
    }
}

static void leaves_the_error_queue_as_it_was(void **state)
{
    (void)state;
    struct pair *pair = make_pair(alg_of("RS256"));
    static const unsigned char zeros[256];
    struct btcf_public_key key;
    static const unsigned char point[32] = {1};
    struct btcf_bytes coordinate = {point, sizeof point};

    ERR_clear_error();
    assert_false(verifies(pair, message, zeros, sizeof zeros));
    assert_non_null(btcf_public_key_init_ec(&key, alg_of("ES256"), coordinate, coordinate));
    assert_int_equal(ERR_peek_error(), 0);
    ERR_raise(ERR_LIB_USER, 1);
    assert_false(verifies(pair, message, zeros, sizeof zeros));
    assert_int_equal(ERR_GET_REASON(ERR_get_error()), 1);
    assert_int_equal(ERR_get_error(), 0);
    free_pair(pair);
}

static bool takes_rsa(const unsigned char *modulus, size_t modulus_len, const char *exponent, size_t exponent_len)
{
    struct btcf_public_key key;
    const char *why = btcf_public_key_init_rsa(&key, alg_of("RS256"), (struct btcf_bytes){modulus, modulus_len},
                                               (struct btcf_bytes){(const unsigned char *)exponent, exponent_len});

    if (why == NULL)
        btcf_public_key_release(&key);
    return why == NULL;
}

static void wants_rsa_of_2048_to_8192_bits_with_an_odd_exponent_of_at_least_3(void **state)
{
    (void)state;
    unsigned char n[1025];

    memset(n, 0xff, sizeof n);
    assert_true(takes_rsa(n, 256, "\1\0\1", 3));
    assert_true(takes_rsa(n, 1024, "\1\0\1", 3));
    assert_false(takes_rsa(n, 1025, "\1\0\1", 3));
    assert_false(takes_rsa(n, 255, "\1\0\1", 3));
    assert_false(takes_rsa(n, 0, "\1\0\1", 3));
    assert_true(takes_rsa(n, 256, "\3", 1));
    assert_true(takes_rsa(n, 256, "\377\377\377\377\377\377\377\377", 8));
    assert_false(takes_rsa(n, 256, "\1\377\377\377\377\377\377\377\377", 9));
    assert_false(takes_rsa(n, 256, "\1", 1));
    assert_false(takes_rsa(n, 256, "\2", 1));
    assert_false(takes_rsa(n, 256, "\1\0", 2));
    assert_false(takes_rsa(n, 256, "\0\1\0\1", 4));
    assert_false(takes_rsa(n, 256, "", 0));
    n[0] = 0x7f; /* 2047 bits */
    assert_false(takes_rsa(n, 256, "\1\0\1", 3));
    assert_true(takes_rsa(n, 257, "\1\0\1", 3));
    n[0] = 0;
    assert_false(takes_rsa(n, 257, "\1\0\1", 3));
    memset(n, 0xff, sizeof n);
    n[255] = 0xfe;
    assert_false(takes_rsa(n, 256, "\1\0\1", 3));
}

static void knows_the_flawed_generator_by_its_fingerprint(void **state)
{
    (void)state;
    static const unsigned char power[] = {1, 0, 1}, squared[] = {1, 0, 2, 0, 1}, one[] = {1}, two[] = {2};
    unsigned char honest[256];

    assert_true(btcf_roca_is_weak(power, sizeof power));
    assert_true(btcf_roca_is_weak(squared, sizeof squared));
    assert_true(btcf_roca_is_weak(one, sizeof one));
    assert_false(btcf_roca_is_weak(two, sizeof two));
    struct btcf_bytes n = number_of(rsa, OSSL_PKEY_PARAM_RSA_N, honest, 256);
    assert_false(btcf_roca_is_weak(n.ptr, n.len));
}

static void wants_a_point_of_the_right_curve_and_size(void **state)
{
    (void)state;
    const struct btcf_alg *alg = alg_of("ES256");
    EVP_PKEY *pkey = EVP_EC_gen(alg->group);
    unsigned char rooms[2][64] = {{0}};
    struct btcf_public_key key;
    struct btcf_bytes x = number_of(pkey, OSSL_PKEY_PARAM_EC_PUB_X, rooms[0], 32);
    struct btcf_bytes y = number_of(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, rooms[1], 32);

    assert_non_null(btcf_public_key_init_ec(&key, alg, (struct btcf_bytes){x.ptr, 31}, y));
    assert_non_null(btcf_public_key_init_ec(&key, alg, x, (struct btcf_bytes){y.ptr, 33}));
    assert_non_null(btcf_public_key_init_ec(&key, alg_of("ES384"), x, y));
    rooms[1][31] ^= 1;
    assert_non_null(btcf_public_key_init_ec(&key, alg, x, y));
    rooms[1][31] ^= 1;
    assert_null(btcf_public_key_init_ec(&key, alg, x, y));
    btcf_public_key_release(&key);
    EVP_PKEY_free(pkey);
}

static void wants_32_bytes_for_ed25519(void **state)
{
    (void)state;
    static const unsigned char x[33] = {9};
    struct btcf_public_key key;

    assert_non_null(btcf_public_key_init_ed25519(&key, alg_of("EdDSA"), (struct btcf_bytes){x, 31}));
    assert_non_null(btcf_public_key_init_ed25519(&key, alg_of("EdDSA"), (struct btcf_bytes){x, 33}));
    assert_null(btcf_public_key_init_ed25519(&key, alg_of("EdDSA"), (struct btcf_bytes){x, 32}));
    btcf_public_key_release(&key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verifies_what_openssl_signed_under_every_algorithm),
        cmocka_unit_test(refuses_a_signature_of_another_algorithm_of_the_same_key),
        cmocka_unit_test(refuses_a_pss_salt_of_another_length),
        cmocka_unit_test(refuses_zeros_as_a_signature),
        cmocka_unit_test(leaves_the_error_queue_as_it_was),
        cmocka_unit_test(wants_rsa_of_2048_to_8192_bits_with_an_odd_exponent_of_at_least_3),
        cmocka_unit_test(knows_the_flawed_generator_by_its_fingerprint),
        cmocka_unit_test(wants_a_point_of_the_right_curve_and_size),
        cmocka_unit_test(wants_32_bytes_for_ed25519),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
