/* API keys: what is made is read back, every single typing error is refused, and one key has one text. */
#include "crypto/api_key.h"

#include <openssl/sha.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#define CHECKED_LEN (BTCF_API_KEY_LEN - BTCF_API_KEY_CHECK_LEN)

static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/* Whether the text is taken, in a buffer of exactly its size, so that a sanitizer sees reading beyond. */
static bool parses(const char *text, size_t len)
{
    struct btcf_api_key key;
    char *copy = len > 0 ? malloc(len) : NULL;

    if (len > 0)
        memcpy(copy, text, len);
    bool ok = btcf_api_key_parse(copy, len, &key);
    free(copy);
    return ok;
}

/* Writes the checksum that belongs to the text in front of it; the CRC is zlib's, not ours. */
static void seal(char text[BTCF_API_KEY_LEN + 1])
{
    uint64_t crc = crc32(0, (const unsigned char *)text, CHECKED_LEN);

    for (size_t i = BTCF_API_KEY_LEN; i > CHECKED_LEN; crc /= 62)
        text[--i] = digits[crc % 62];
    text[BTCF_API_KEY_LEN] = '\0';
}

static void reads_back_what_it_made(void **state)
{
    (void)state;
    for (int round = 0; round < 200; round++) {
        char text[BTCF_API_KEY_LEN + 1];
        unsigned char digest[32];
        struct btcf_api_key key;
        bool is_test = round % 2 == 1;

        assert_true(btcf_api_key_make(is_test, text));
        assert_int_equal(strlen(text), BTCF_API_KEY_LEN);
        assert_true(btcf_api_key_parse(text, BTCF_API_KEY_LEN, &key));
        assert_int_equal(key.is_test, is_test);
        assert_ptr_equal(key.id, text + BTCF_API_KEY_PREFIX_LEN);
        SHA256((const unsigned char *)text, BTCF_API_KEY_LEN, digest);
        assert_memory_equal(key.digest, digest, sizeof(digest));
    }
}

static void has_the_form_of_the_header(void **state)
{
    (void)state;
    char live[BTCF_API_KEY_LEN + 1], test[BTCF_API_KEY_LEN + 1];

    assert_int_equal(BTCF_API_KEY_LEN, 72);
    assert_true(btcf_api_key_make(false, live) && btcf_api_key_make(true, test));
    assert_memory_equal(live, "btcf_live_", 10);
    assert_memory_equal(test, "btcf_test_", 10);
    assert_int_equal(live[22], '_');
    assert_int_equal(strspn(live + 10, digits), 12);
    assert_int_equal(strspn(live + 23, digits), 49);
}

/* A key written down by hand from the description, its checksum computed with other software. */
static void takes_a_key_that_was_made_elsewhere(void **state)
{
    (void)state;
    static const char text[] = "btcf_live_0123456789AB_"
                               "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg"
                               "1g1hLE";
    struct btcf_api_key key;

    assert_int_equal(sizeof(text) - 1, BTCF_API_KEY_LEN);
    assert_true(btcf_api_key_parse(text, BTCF_API_KEY_LEN, &key));
    assert_memory_equal(key.id, "0123456789AB", 12);
}

static void agrees_with_zlib_on_any_text(void **state)
{
    (void)state;
    unsigned at = 1;

    for (int round = 0; round < 2000; round++) {
        char text[BTCF_API_KEY_LEN + 1] = "btcf_live_";

        for (size_t i = BTCF_API_KEY_PREFIX_LEN; i < CHECKED_LEN; i++, at = at * 1103515245u + 12345u)
            text[i] = digits[(at >> 16) % 62];
        text[22] = '_';
        seal(text);
        assert_true(parses(text, BTCF_API_KEY_LEN));
    }
}

static void refuses_every_wrong_character_in_every_place(void **state)
{
    (void)state;
    char text[BTCF_API_KEY_LEN + 1];

    assert_true(btcf_api_key_make(false, text));
    for (size_t place = 0; place < BTCF_API_KEY_LEN; place++)
        for (int c = 0; c < 256; c++) {
            char right = text[place];

            text[place] = (char)c;
            assert_int_equal(parses(text, BTCF_API_KEY_LEN), text[place] == right);
            text[place] = right;
        }
}

static void refuses_neighbours_in_the_wrong_order(void **state)
{
    (void)state;
    char text[BTCF_API_KEY_LEN + 1];

    assert_true(btcf_api_key_make(true, text));
    for (size_t i = 0; i + 1 < BTCF_API_KEY_LEN; i++) {
        char first = text[i], second = text[i + 1];

        text[i] = second;
        text[i + 1] = first;
        assert_int_equal(parses(text, BTCF_API_KEY_LEN), first == second);
        text[i] = first;
        text[i + 1] = second;
    }
}

static void refuses_every_other_length(void **state)
{
    (void)state;
    char text[2 * BTCF_API_KEY_LEN];

    memset(text, '0', sizeof(text));
    assert_true(btcf_api_key_make(false, text));
    text[BTCF_API_KEY_LEN] = '0';
    for (size_t len = 0; len < sizeof(text); len++)
        assert_int_equal(parses(text, len), len == BTCF_API_KEY_LEN);
}

/* The checksum is right in all of these, so it is the form that is refused. */
static void refuses_other_forms_under_a_right_checksum(void **state)
{
    (void)state;
    static const struct {
        size_t place;
        char c;
    } wrong[] = {{5, 'x'}, {9, '-'}, {10, '_'}, {21, '-'}, {22, '0'}, {23, '_'}, {40, '\0'}, {65, '\x80'}};

    for (size_t i = 0; i < BTCF_LENGTH(wrong); i++) {
        char text[BTCF_API_KEY_LEN + 1];

        assert_true(btcf_api_key_make(false, text));
        text[wrong[i].place] = wrong[i].c;
        seal(text);
        assert_false(parses(text, BTCF_API_KEY_LEN));
    }
}

/* 62^6 is thirteen times 2^32, so every checksum has other texts of six digits that are equal to it in 32 bits. */
static void refuses_a_checksum_that_is_right_but_for_an_overflow(void **state)
{
    (void)state;
    char text[BTCF_API_KEY_LEN + 1];

    assert_true(btcf_api_key_make(false, text));
    uint64_t crc = crc32(0, (const unsigned char *)text, CHECKED_LEN) + (1ull << 32);
    for (size_t i = BTCF_API_KEY_LEN; i > CHECKED_LEN; crc /= 62)
        text[--i] = digits[crc % 62];
    assert_false(parses(text, BTCF_API_KEY_LEN));
}

/* Of 430,000 draws each of 62 digits is expected 6,935 times, with a standard deviation of 83. Seven of them away
 * happens by chance once in thousands of millions of runs; taking the remainder of a plain byte would put the first
 * eight digits seventeen away. */
static void draws_every_digit_alike(void **state)
{
    (void)state;
    int count[62] = {0};

    for (int round = 0; round < 10000; round++) {
        char text[BTCF_API_KEY_LEN + 1];

        assert_true(btcf_api_key_make(false, text));
        for (size_t i = 0; i < BTCF_API_KEY_SECRET_LEN; i++)
            count[strchr(digits, text[23 + i]) - digits]++;
    }
    for (size_t i = 0; i < 62; i++)
        assert_in_range(count[i], 6935 - 7 * 83, 6935 + 7 * 83);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_back_what_it_made),
        cmocka_unit_test(has_the_form_of_the_header),
        cmocka_unit_test(takes_a_key_that_was_made_elsewhere),
        cmocka_unit_test(agrees_with_zlib_on_any_text),
        cmocka_unit_test(refuses_every_wrong_character_in_every_place),
        cmocka_unit_test(refuses_neighbours_in_the_wrong_order),
        cmocka_unit_test(refuses_every_other_length),
        cmocka_unit_test(refuses_other_forms_under_a_right_checksum),
        cmocka_unit_test(refuses_a_checksum_that_is_right_but_for_an_overflow),
        cmocka_unit_test(draws_every_digit_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
