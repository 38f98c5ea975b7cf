/* The JSON writer, judged by jansson and by the bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <float.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "core/json.h"
#include "death.h"

static struct strbuf buf;
static struct json json;

static int set_up(void **state)
{
    (void)state;
    strbuf_init(&buf, 100000);
    json_init(&json, &buf);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    strbuf_release(&buf);
    return 0;
}

static void commas_and_colons_stand_where_they_belong(void **state)
{
    (void)state;
    json_open(&json, '{');
    json_key(&json, "a");
    json_open(&json, '[');
    json_i64(&json, 1);
    json_open(&json, '[');
    json_close(&json, ']');
    json_open(&json, '{');
    json_close(&json, '}');
    json_bool(&json, false);
    json_none(&json);
    json_close(&json, ']');
    json_key(&json, "b");
    json_text(&json, NULL);
    json_key(&json, "c");
    json_raw(&json, "{\"x\":1}", 7);
    json_key(&json, "d");
    json_time(&json, 0);
    json_close(&json, '}');
    assert_string_equal(buf.ptr,
                        "{\"a\":[1,[],{},false,null],\"b\":null,\"c\":{\"x\":1},\"d\":\"1970-01-01T00:00:00Z\"}");
}

static void numbers_have_fixed_decimals_without_idle_zeros(void **state)
{
    static const struct {
        double value;
        int decimals;
        const char *text;
    } cases[] = {
        {61234.5, 2, "61234.5"}, {61234, 2, "61234.0"}, {0.005, 3, "0.005"},
        {-0.001, 2, "0.0"},      {-0.0, 2, "0.0"},      {1e21, 1, "1000000000000000000000.0"},
        {2.5, 0, "2"},           {3.5, 0, "4"},         {-12.25, 2, "-12.25"},
        {NAN, 2, "null"},        {INFINITY, 2, "null"}, {-INFINITY, 0, "null"},
        {-0.0, 0, "0"},
    };

    (void)state;
    for (size_t i = 0; i < BTCF_LENGTH(cases); i++) {
        strbuf_reset(&buf);
        json_number(&json, cases[i].value, cases[i].decimals);
        assert_string_equal(buf.ptr, cases[i].text);
    }
    strbuf_reset(&buf);
    json_number(&json, -DBL_MAX, 17);
    assert_int_equal(strncmp(buf.ptr, "-179769313486231", 16), 0);
    assert_false(strbuf_failed(&buf));
}

static void significant_numbers_come_back_bit_for_bit_with_17_digits(void **state)
{
    static const double values[] = {0.1, 1.0 / 3, DBL_MIN, DBL_MAX, -1e-300, 5e-324, 123456789.123456789};

    (void)state;
    for (size_t i = 0; i < BTCF_LENGTH(values); i++) {
        double back;

        strbuf_reset(&buf);
        json_number_significant(&json, values[i], 17);
        assert_int_equal(str_parse_double((struct str){buf.ptr, buf.len}, &back), 0);
        assert_memory_equal(&back, &values[i], sizeof back);
    }
    strbuf_reset(&buf);
    json_number_significant(&json, -0.0, 5);
    assert_string_equal(buf.ptr, "0");
    strbuf_reset(&buf);
    json_number_significant(&json, NAN, 5);
    assert_string_equal(buf.ptr, "null");
}

/* Every byte sequence of up to three bytes with the ends of all UTF-8 ranges among them: jansson, which refuses
 * anything that is not UTF-8, must be able to read what was written. */
static void any_bytes_become_valid_json(void **state)
{
    static const unsigned char edges[] = {0x00, 0x1f, 0x20, '"',  '\\', 0x7e, 0x7f, 0x80, 0x8f,
                                          0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0,
                                          0xed, 0xee, 0xef, 0xf0, 0xf3, 0xf4, 0xf5, 0xff};
    size_t n = sizeof edges;

    (void)state;
    for (size_t i = 0; i < n * n * n * n; i++) {
        char bytes[4] = {(char)edges[i % n], (char)edges[i / n % n], (char)edges[i / n / n % n],
                         (char)edges[i / n / n / n]};

        strbuf_reset(&buf);
        json_text_len(&json, bytes, sizeof bytes);
        json_t *read = json_loadb(buf.ptr, buf.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        assert_non_null(read);
        json_decref(read);
    }
}

static void good_utf8_stays_and_bad_bytes_are_replaced_one_by_one(void **state)
{
    (void)state;
    json_text(&json, "\xe2\x82\xbf \xf0\x9f\x98\x80 \"\\\n\t\x01");
    assert_string_equal(buf.ptr, "\"\xe2\x82\xbf \xf0\x9f\x98\x80 \\\"\\\\\\n\\u0009\\u0001\"");
    strbuf_reset(&buf);
    json_text(&json, "a\xff\xc3z");
    assert_string_equal(buf.ptr, "\"a\\ufffd\\ufffdz\"");
    strbuf_reset(&buf);
    json_text(&json, "\xed\xa0\x80"); /* a surrogate */
    assert_string_equal(buf.ptr, "\"\\ufffd\\ufffd\\ufffd\"");
}

static void writes_a_value_without_a_key(void)
{
    json_open(&json, '{');
    json_i64(&json, 1);
}

static void closes_with_the_wrong_bracket(void)
{
    json_open(&json, '{');
    json_close(&json, ']');
}

static void closes_behind_a_key(void)
{
    json_open(&json, '{');
    json_key(&json, "k");
    json_close(&json, '}');
}

static void opens_one_level_too_many(void)
{
    for (int i = 0; i <= JSON_DEPTH_MAX; i++)
        json_open(&json, '[');
}

static void writes_a_key_into_an_array(void)
{
    json_open(&json, '[');
    json_key(&json, "k");
}

static void misuse_is_an_assertion(void **state)
{
    (void)state;
    assert_true(dies(writes_a_value_without_a_key));
    assert_true(dies(closes_with_the_wrong_bracket));
    assert_true(dies(closes_behind_a_key));
    assert_true(dies(opens_one_level_too_many));
    assert_true(dies(writes_a_key_into_an_array));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(commas_and_colons_stand_where_they_belong),
        TEST(numbers_have_fixed_decimals_without_idle_zeros),
        TEST(significant_numbers_come_back_bit_for_bit_with_17_digits),
        TEST(any_bytes_become_valid_json),
        TEST(good_utf8_stays_and_bad_bytes_are_replaced_one_by_one),
        TEST(misuse_is_an_assertion),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
