/* HMAC under all three hashes, against RFC 4231 section 4.7 (a key longer than each block) and FIPS 180-4's "abc". */
#include "jose/mac_key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

static const struct {
    const char *name;
    const char *abc; /* digest of "abc" */
    const char *mac;
} cases[] = {
    {"HS256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
     "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
    {"HS384", "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
     "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952"},
    {"HS512",
     "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e"
     "2a9ac94fa54ca49f",
     "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec"
     "8b915a985d786598"},
};

static const struct btcf_alg *alg_of(const char *name)
{
    return btcf_alg_find(name, strlen(name));
}

static void parse_hex(const char *hex, unsigned char *bytes)
{
    for (; hex[0] != '\0'; hex += 2) {
        unsigned value;

        assert_int_equal(sscanf(hex, "%2x", &value), 1);
        *bytes++ = (unsigned char)value;
    }
}

static void hashes_match_the_standard(void **state)
{
    (void)state;
    for (size_t i = 0; i < BTCF_LENGTH(cases); i++) {
        unsigned bits = alg_of(cases[i].name)->hash_bits;
        unsigned char digest[BTCF_HASH_SIZE_MAX], expected[BTCF_HASH_SIZE_MAX];
        struct btcf_hash hash, copy;

        parse_hex(cases[i].abc, expected);
        btcf_hash_init(&hash, bits);
        btcf_hash_update(&hash, "a", 1);
        copy = hash;
        btcf_hash_update(&hash, "xx", 2);
        btcf_hash_final(&hash, digest);
        btcf_hash_update(&copy, "bc", 2);
        btcf_hash_final(&copy, digest);
        assert_memory_equal(digest, expected, btcf_hash_size(bits));
    }
}

static void macs_match_rfc_4231_and_can_be_made_again(void **state)
{
    (void)state;
    static const char message[] = "Test Using Larger Than Block-Size Key - Hash Key First";
    unsigned char secret[131], tag[BTCF_HASH_SIZE_MAX];

    memset(secret, 0xaa, sizeof secret);
    for (size_t i = 0; i < BTCF_LENGTH(cases); i++) {
        struct btcf_mac_key key;
        size_t size = btcf_hash_size(alg_of(cases[i].name)->hash_bits);

        assert_null(btcf_mac_key_init(&key, alg_of(cases[i].name), secret, sizeof secret));
        parse_hex(cases[i].mac, tag);
        for (int again = 0; again < 3; again++) {
            assert_true(btcf_mac_key_verify(&key, message, strlen(message), tag, size));
            assert_false(btcf_mac_key_verify(&key, message, strlen(message) - 1, tag, size));
        }
    }
}

static void agrees_with_openssl_at_every_length_around_a_block(void **state)
{
    (void)state;
    unsigned char secret[BTCF_MAC_SECRET_MAX], tag[EVP_MAX_MD_SIZE];
    static const size_t lens[] = {32, 63, 64, 65, 127, 128, 129, BTCF_MAC_SECRET_MAX};

    for (size_t i = 0; i < sizeof secret; i++)
        secret[i] = (unsigned char)(i * 7);
    for (size_t i = 0; i < BTCF_LENGTH(lens); i++) {
        struct btcf_mac_key key;

        assert_null(btcf_mac_key_init(&key, alg_of("HS256"), secret, lens[i]));
        HMAC(EVP_sha256(), secret, (int)lens[i], (const unsigned char *)"m", 1, tag, NULL);
        assert_true(btcf_mac_key_verify(&key, "m", 1, tag, 32));
    }
}

static void refuses_a_tag_that_is_cut_extended_or_changed_anywhere(void **state)
{
    (void)state;
    struct btcf_mac_key key;
    unsigned char secret[32] = {1}, tag[EVP_MAX_MD_SIZE] = {0};

    assert_null(btcf_mac_key_init(&key, alg_of("HS256"), secret, sizeof secret));
    HMAC(EVP_sha256(), secret, sizeof secret, (const unsigned char *)"m", 1, tag, NULL);
    assert_false(btcf_mac_key_verify(&key, "m", 1, tag, 0));
    assert_false(btcf_mac_key_verify(&key, "m", 1, tag, 31));
    assert_false(btcf_mac_key_verify(&key, "m", 1, tag, 33));
    for (size_t i = 0; i < 32; i++) {
        tag[i] ^= 1;
        assert_false(btcf_mac_key_verify(&key, "m", 1, tag, 32));
        tag[i] ^= 1;
    }
    assert_true(btcf_mac_key_verify(&key, "m", 1, tag, 32));
}

static void wants_a_secret_as_long_as_the_hash_and_no_longer_than_the_limit(void **state)
{
    (void)state;
    static const unsigned char secret[BTCF_MAC_SECRET_MAX + 1];
    struct btcf_mac_key key;

    for (size_t i = 0; i < BTCF_LENGTH(cases); i++) {
        const struct btcf_alg *alg = alg_of(cases[i].name);
        size_t size = btcf_hash_size(alg->hash_bits);

        assert_non_null(btcf_mac_key_init(&key, alg, secret, 0));
        assert_non_null(btcf_mac_key_init(&key, alg, secret, size - 1));
        assert_null(btcf_mac_key_init(&key, alg, secret, size));
        assert_null(btcf_mac_key_init(&key, alg, secret, BTCF_MAC_SECRET_MAX));
        assert_non_null(btcf_mac_key_init(&key, alg, secret, BTCF_MAC_SECRET_MAX + 1));
    }
}

static void leaves_nothing_behind(void **state)
{
    (void)state;
    static const struct btcf_mac_key nothing;
    unsigned char secret[32] = {1};
    struct btcf_mac_key key;

    memset(&key, 0, sizeof key);
    assert_null(btcf_mac_key_init(&key, alg_of("HS256"), secret, sizeof secret));
    btcf_mac_key_release(&key);
    assert_memory_equal(&key, &nothing, sizeof key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_match_the_standard),
        cmocka_unit_test(macs_match_rfc_4231_and_can_be_made_again),
        cmocka_unit_test(agrees_with_openssl_at_every_length_around_a_block),
        cmocka_unit_test(refuses_a_tag_that_is_cut_extended_or_changed_anywhere),
        cmocka_unit_test(wants_a_secret_as_long_as_the_hash_and_no_longer_than_the_limit),
        cmocka_unit_test(leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
