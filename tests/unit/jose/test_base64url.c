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

/* Short texts are decoded in one way, long ones in another where the processor can. */
static void a_long_text_means_what_its_groups_of_four_mean(void **state)
{
    (void)state;
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    char text[sizeof alphabet - 1];

    for (int c = 0; c < 256; c++)
        for (size_t place = 0; place < sizeof text; place++) {
            unsigned char whole[48], groups[48];
            size_t whole_len, len;
            bool is_good = true;

            memcpy(text, alphabet, sizeof text);
            text[place] = (char)c;
            for (size_t i = 0; i < sizeof text / 4 && is_good; i++)
                is_good = btcf_base64url_decode(text + 4 * i, 4, groups + 3 * i, 3, &len);
            assert_int_equal(btcf_base64url_decode(text, sizeof text, whole, sizeof whole, &whole_len), is_good);
            if (is_good) {
                assert_int_equal(whole_len, sizeof groups);
                assert_memory_equal(whole, groups, sizeof groups);
            }
        }
}

static void a_long_text_is_written_within_its_room(void **state)
{
    (void)state;
    static const char text[] = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB"; /* 24 times A */

    for (size_t len = 0; len <= 32; len++)
        for (size_t room = 0; room <= 32; room++) {
            unsigned char bytes[48];
            size_t count;

            memset(bytes, 'x', sizeof bytes);
            if (btcf_base64url_decode(text, len, bytes, room, &count)) {
                assert_true(count <= room && count == len * 3 / 4);
                for (size_t i = 0; i < count; i++)
                    assert_int_equal(bytes[i], 'A');
            }
            for (size_t i = room; i < sizeof bytes; i++)
                assert_int_equal(bytes[i], 'x');
        }
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
        cmocka_unit_test(a_long_text_means_what_its_groups_of_four_mean),
        cmocka_unit_test(a_long_text_is_written_within_its_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
