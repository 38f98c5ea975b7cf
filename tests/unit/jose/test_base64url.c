/* Strict base64url: the vectors of RFC 4648 section 10, and each way of not being strict. */
#include "jose/base64url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static bool decodes(const char *text, size_t room, const char *expected)
{
    unsigned char bytes[16];
    size_t len;

    assert_true(room <= sizeof bytes);
    if (!btcf_base64url_decode(text, strlen(text), bytes, room, &len))
        return false;
    assert_int_equal(len, strlen(expected));
    assert_memory_equal(bytes, expected, len);
    return true;
}

static void decodes_the_vectors_of_the_rfc(void **state)
{
    (void)state;
    assert_true(decodes("", 0, ""));
    assert_true(decodes("Zg", 1, "f"));
    assert_true(decodes("Zm8", 2, "fo"));
    assert_true(decodes("Zm9v", 3, "foo"));
    assert_true(decodes("Zm9vYg", 4, "foob"));
    assert_true(decodes("Zm9vYmE", 5, "fooba"));
    assert_true(decodes("Zm9vYmFy", 6, "foobar"));
    assert_true(decodes("--__", 3, "\xfb\xef\xff"));
}

static void refuses_what_does_not_fit_by_one_byte(void **state)
{
    (void)state;
    assert_false(decodes("Zg", 0, ""));
    assert_false(decodes("Zm8", 1, ""));
    assert_false(decodes("Zm9v", 2, ""));
    assert_false(decodes("Zm9vYmFy", 5, ""));
}

static void refuses_padding(void **state)
{
    (void)state;
    assert_false(decodes("Zg==", 16, ""));
    assert_false(decodes("Zm8=", 16, ""));
    assert_false(decodes("Zm9v====", 16, ""));
}

static void refuses_foreign_characters_in_every_place(void **state)
{
    (void)state;
    static const char foreign[] = "+/=. \n\r\t\"!\x7f\x80\xff@[`{";

    for (const char *c = foreign; *c != '\0'; c++)
        for (size_t place = 0; place < 7; place++) {
            char text[] = "AAAAAAA";

            text[place] = *c;
            assert_false(decodes(text, 16, ""));
        }
    unsigned char bytes[3];
    size_t len;
    assert_false(btcf_base64url_decode("A\0AA", 4, bytes, sizeof bytes, &len));
}

static void refuses_a_single_character_left_over(void **state)
{
    (void)state;
    assert_false(decodes("Z", 16, ""));
    assert_false(decodes("Zm9vY", 16, ""));
}

static void refuses_bits_that_carry_nothing(void **state)
{
    (void)state;
    assert_true(decodes("QQ", 16, "A"));
    assert_false(decodes("QR", 16, ""));
    assert_false(decodes("QX", 16, ""));
    assert_true(decodes("QUE", 16, "AA"));
    assert_false(decodes("QUF", 16, ""));
    assert_false(decodes("QUG", 16, ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_the_vectors_of_the_rfc),
        cmocka_unit_test(refuses_what_does_not_fit_by_one_byte),
        cmocka_unit_test(refuses_padding),
        cmocka_unit_test(refuses_foreign_characters_in_every_place),
        cmocka_unit_test(refuses_a_single_character_left_over),
        cmocka_unit_test(refuses_bits_that_carry_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
