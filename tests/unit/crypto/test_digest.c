/* SHA-256 against FIPS 180-4's examples, HMAC against RFC 4231, hex both ways. */
#include "crypto/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void check_hex(struct digest digest, const char *expected)
{
    char hex[DIGEST_HEX_SIZE];
    digest_to_hex(&digest, hex);
    assert_string_equal(hex, expected);
}

static void sha256_matches_the_standard(void **state)
{
    (void)state;
    check_hex(digest_sha256("", 0), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check_hex(digest_sha256("abc", 3), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    const char *two = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    check_hex(digest_sha256(two, strlen(two)), "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void parts_hash_like_the_whole(void **state)
{
    (void)state;
    struct digest_part parts[] = {{"a", 1}, {NULL, 0}, {"bc", 2}};
    check_hex(digest_sha256_parts(parts, 3), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void hmac_matches_rfc_4231(void **state)
{
    (void)state;
    unsigned char key[131];
    memset(key, 0x0b, 20);
    check_hex(digest_hmac((struct digest_part){key, 20}, "Hi There", 8),
              "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    check_hex(digest_hmac((struct digest_part){"Jefe", 4}, "what do ya want for nothing?", 28),
              "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof(key));
    const char *text = "Test Using Larger Than Block-Size Key - Hash Key First";
    check_hex(digest_hmac((struct digest_part){key, sizeof(key)}, text, strlen(text)),
              "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void an_empty_key_is_a_key(void **state)
{
    (void)state;
    check_hex(digest_hmac((struct digest_part){NULL, 0}, "", 0),
              "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void hex_reads_back_what_it_wrote(void **state)
{
    (void)state;
    struct digest digest = digest_sha256("x", 1), read;
    char hex[DIGEST_HEX_SIZE];
    digest_to_hex(&digest, hex);
    assert_int_equal(digest_parse_hex(str_of(hex), &read), 0);
    assert_true(digest_is_equal(&digest, &read, DIGEST_SIZE));
    hex[0] = (char)(hex[0] == 'a' ? 'A' : hex[0]);
    assert_int_equal(digest_parse_hex(str_of(hex), &read), 0);
}

static void hex_refuses_other_lengths_and_letters(void **state)
{
    (void)state;
    struct digest read;
    char hex[DIGEST_HEX_SIZE];
    memset(hex, '0', 64);
    hex[64] = '\0';
    assert_int_equal(digest_parse_hex((struct str){hex, 63}, &read), -1);
    assert_int_equal(digest_parse_hex((struct str){hex, 0}, &read), -1);
    hex[63] = 'g';
    assert_int_equal(digest_parse_hex(str_of(hex), &read), -1);
}

static void comparison_sees_the_last_byte(void **state)
{
    (void)state;
    assert_true(digest_is_equal("abc", "abc", 3));
    assert_false(digest_is_equal("abc", "abd", 3));
    assert_true(digest_is_equal("abc", "abd", 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_matches_the_standard),   cmocka_unit_test(parts_hash_like_the_whole),
        cmocka_unit_test(hmac_matches_rfc_4231),         cmocka_unit_test(an_empty_key_is_a_key),
        cmocka_unit_test(hex_reads_back_what_it_wrote),  cmocka_unit_test(hex_refuses_other_lengths_and_letters),
        cmocka_unit_test(comparison_sees_the_last_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
