/* The scanner: what JSON it takes, what it makes of it, and everything that it refuses. */
#include "jose/scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define TEXT_SIZE 2048

/* The scanner writes into its text. */
static char copy[TEXT_SIZE];
static struct btcf_scan scan;
static struct btcf_member member;

static void begin(const char *text)
{
    assert_true(strlen(text) < sizeof copy);
    memcpy(copy, text, strlen(text) + 1);
    btcf_scan_init(&scan, copy, strlen(text));
}

static bool accepts_bytes(const char *text, size_t len)
{
    memcpy(copy, text, len);
    btcf_scan_init(&scan, copy, len);
    while (btcf_scan_next(&scan, &member))
        continue;
    assert_false(btcf_scan_next(&scan, &member));
    return !scan.failed;
}

static bool accepts(const char *text)
{
    assert_true(strlen(text) < sizeof copy);
    return accepts_bytes(text, strlen(text));
}

/* The text of the only member. */
static struct btcf_text only(const char *text, enum btcf_kind kind)
{
    begin(text);
    assert_true(btcf_scan_next(&scan, &member));
    assert_int_equal(member.kind, kind);
    struct btcf_text found = member.text;
    struct btcf_member another;
    assert_false(btcf_scan_next(&scan, &another));
    assert_false(scan.failed);
    return found;
}

static void gives_members_in_order_with_their_kinds(void **state)
{
    (void)state;
    static const enum btcf_kind kinds[] = {BTCF_JSON_STRING, BTCF_JSON_INTEGER, BTCF_JSON_REAL,  BTCF_JSON_BOOL,
                                           BTCF_JSON_NULL,   BTCF_JSON_ARRAY,   BTCF_JSON_OBJECT};
    static const char *const texts[] = {"x", "-12", "1.50", "false", "null", "[1, [2]]", "{\"a\":\"\\n\"}"};

    begin(" {\"a\" : \"x\",\"b\":-12,\r\n\"c\":1.50,\"d\":false,\"e\":null,\"f\":[1, [2]],\"g\":{\"a\":\"\\n\"}\t} ");
    for (size_t i = 0; i < BTCF_LENGTH(kinds); i++) {
        char name[2] = {(char)('a' + (int)i), '\0'};

        assert_true(btcf_scan_next(&scan, &member));
        assert_true(btcf_text_is(member.name, name));
        assert_int_equal(member.kind, kinds[i]);
        assert_true(btcf_text_is(member.text, texts[i]));
    }
    assert_false(btcf_scan_next(&scan, &member));
    assert_false(scan.failed);
}

static void an_array_it_gave_can_be_scanned_in_turn(void **state)
{
    (void)state;
    struct btcf_scan inner;

    struct btcf_text array = only("{\"aud\": [\"a\\u0062\", \"c\"]}", BTCF_JSON_ARRAY);
    btcf_scan_init(&inner, (char *)array.ptr, array.len);
    assert_true(btcf_scan_next(&inner, &member));
    assert_true(btcf_text_is(member.text, "ab"));
    assert_true(btcf_scan_next(&inner, &member));
    assert_true(btcf_text_is(member.text, "c"));
    assert_false(btcf_scan_next(&inner, &member));
    assert_false(inner.failed);
}

static void strings_mean_what_their_escapes_say(void **state)
{
    (void)state;
    assert_true(btcf_text_is(only("[\"\"]", BTCF_JSON_STRING), ""));
    assert_true(btcf_text_is(only("[\"a\\\"\\\\\\/\\b\\f\\n\\r\\tz\"]", BTCF_JSON_STRING), "a\"\\/\b\f\n\r\tz"));
    assert_true(btcf_text_is(only("[\"\\u0041\\u00e9\\u20AC\\ud83d\\uDE00!\"]", BTCF_JSON_STRING),
                             "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80!"));
    assert_true(
        btcf_text_is(only("[\"\\n\xc3\xa9\xf4\x8f\xbf\xbf\"]", BTCF_JSON_STRING), "\n\xc3\xa9\xf4\x8f\xbf\xbf"));
    assert_true(btcf_text_is(only("[\"\\uffff\\u0080\\u07ff\\u0800\"]", BTCF_JSON_STRING),
                             "\xef\xbf\xbf\xc2\x80\xdf\xbf\xe0\xa0\x80"));
}

static void refuses_strings_that_are_not_strict(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "[\"]",
        "[\"\\\"]",
        "[\"\\x\"]",
        "[\"\\u00\"]",
        "[\"\\u00g0\"]",
        "[\"\\u0000\"]",
        "[\"\\ud800\"]",
        "[\"\\ud800x\"]",
        "[\"\\ud800\\n\"]",
        "[\"\\ud800\\u0041\"]",
        "[\"\\udc00\"]",
        "[\"\n\"]",
        "[\"\x1f\"]",
        "[\"\x80\"]",
        "[\"\xc1\xbf\"]",
        "[\"\xc3\"]",
        "[\"\xe0\x9f\xbf\"]",
        "[\"\xed\xa0\x80\"]",
        "[\"\xf0\x8f\xbf\xbf\"]",
        "[\"\xf4\x90\x80\x80\"]",
        "[\"\xf5\x80\x80\x80\"]",
        "[\"\xe2\x82\"]",
        "['a']",
        "[\"\xff\"]",
    };

    for (size_t i = 0; i < BTCF_LENGTH(bad); i++)
        if (accepts(bad[i]))
            fail_msg("accepted case %zu: %s", i, bad[i]);
    assert_true(accepts("[\"\x7f\"]"));
    assert_false(accepts_bytes("[\"\0\"]", 5));
}

/* Every byte, at every distance from both ends: strings are read eight bytes at a time. */
static void judges_each_byte_of_a_string_wherever_it_stands(void **state)
{
    (void)state;
    for (size_t len = 1; len <= 20; len++)
        for (size_t at = 0; at < len; at++)
            for (unsigned byte = 0; byte < 256; byte++) {
                char text[40] = "{\"a\":\"";

                memset(text + 6, 'x', len);
                text[6 + at] = (char)byte;
                memcpy(text + 6 + len, "\"}", 2);
                /* Before the last quote a backslash, and anywhere a quote, end the string too late or too early. */
                assert_true(accepts_bytes(text, len + 8) ==
                            (byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\'));
            }
}

static void integers_fit_64_bits_exactly(void **state)
{
    (void)state;
    only("[9223372036854775807]", BTCF_JSON_INTEGER);
    assert_true(member.integer == INT64_MAX);
    only("[-9223372036854775808]", BTCF_JSON_INTEGER);
    assert_true(member.integer == INT64_MIN);
    only("[-0]", BTCF_JSON_INTEGER);
    assert_int_equal(member.integer, 0);
    only("[12.99]", BTCF_JSON_REAL);
    assert_int_equal(member.integer, 12);
    assert_false(member.has_exponent);
    only("[1e2]", BTCF_JSON_REAL);
    assert_true(member.has_exponent);
    assert_false(accepts("[9223372036854775808]"));
    assert_false(accepts("[-9223372036854775809]"));
    assert_false(accepts("[10000000000000000000]"));
}

static void refuses_numbers_that_json_does_not_know(void **state)
{
    (void)state;
    static const char *const bad[] = {"[01]",  "[-]",   "[+1]",  "[.5]",    "[1.]",      "[1.e2]",  "[1e]",
                                      "[1e+]", "[0x1]", "[1_0]", "[NaN]",   "[-01]",     "[1e999]", "[1e100]",
                                      "[--1]", "[1 2]", "[1-2]", "[1.2.3]", "[Infinity]"};

    for (size_t i = 0; i < BTCF_LENGTH(bad); i++)
        if (accepts(bad[i]))
            fail_msg("accepted %s", bad[i]);
    assert_true(accepts("[0, -0.0, 1E+99, 1e-99]"));
}

static void refuses_what_is_not_one_object_or_array(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",           " ",
        "{",          "}",
        "[",          "]",
        "\"a\"",      "1",
        "null",       "{]",
        "[}",         "{}{}",
        "{} x",       "[] ]",
        "{,}",        "[,]",
        "[1,]",       "{\"a\":1,}",
        "{\"a\"}",    "{\"a\":}",
        "{a:1}",      "{\"a\" 1}",
        "{\"a\"::1}", "[1,,2]",
        "[tru]",      "[truee]",
        "[True]",     "[nul",
        "{\"a\":1",   "[[]",
        "[{]",        "{1:2}",
        "[1]//",      "\xef\xbb\xbf{}",
        "[\v1]",
    };

    for (size_t i = 0; i < BTCF_LENGTH(bad); i++)
        if (accepts(bad[i]))
            fail_msg("accepted %s", bad[i]);
    assert_true(accepts("{}"));
    assert_true(accepts("\t[\n]\r "));
    assert_false(accepts_bytes("{}\0", 3));
}

static void no_name_stands_twice_in_one_object(void **state)
{
    (void)state;
    assert_false(accepts("{\"a\":1,\"b\":2,\"a\":1}"));
    assert_false(accepts("{\"\":1,\"\":1}"));
    assert_false(accepts("{\"x\":{\"a\":1,\"a\":2}}"));
    assert_false(accepts("[{\"a\":1,\"a\":2}]"));
    assert_true(accepts("{\"a\":{\"a\":{\"a\":1}},\"b\":{\"a\":1},\"c\":[{\"a\":1},{\"a\":1}]}"));
}

static void names_have_no_backslash(void **state)
{
    (void)state;
    assert_false(accepts("{\"\\u0061\":1}"));
    assert_false(accepts("{\"a\\n\":1}"));
    assert_false(accepts("{\"x\":{\"\\/\":1}}"));
}

static bool accepts_depth(unsigned depth)
{
    char text[64];
    size_t len = 0;

    for (unsigned i = 0; i < depth; i++)
        text[len++] = '[';
    for (unsigned i = 0; i < depth; i++)
        text[len++] = ']';
    return accepts_bytes(text, len);
}

static void nests_to_its_limit_and_no_deeper(void **state)
{
    (void)state;
    assert_true(accepts_depth(1));
    assert_true(accepts_depth(BTCF_SCAN_DEPTH_MAX));
    assert_false(accepts_depth(BTCF_SCAN_DEPTH_MAX + 1));
    assert_false(accepts_depth(30));
}

/* An object of `count` members, with `inside` as the value of the last. */
static bool accepts_names(unsigned count, const char *inside)
{
    char text[TEXT_SIZE] = "{";
    size_t len = 1;

    for (unsigned i = 0; i < count; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s\"n%u\":%s", i > 0 ? "," : "", i,
                                i + 1 == count ? inside : "1");
    text[len++] = '}';
    return accepts_bytes(text, len);
}

static void has_as_many_names_open_as_its_limit(void **state)
{
    (void)state;
    assert_true(accepts_names(BTCF_SCAN_NAMES_MAX, "1"));
    assert_false(accepts_names(BTCF_SCAN_NAMES_MAX + 1, "1"));
    assert_false(accepts_names(BTCF_SCAN_NAMES_MAX - 2, "{\"a\":1,\"b\":[{\"c\":1}]}"));
    assert_true(accepts_names(BTCF_SCAN_NAMES_MAX - 2, "[{\"a\":1,\"b\":1},{\"a\":1,\"b\":1}]"));
}

static void says_nothing_more_after_a_fault(void **state)
{
    (void)state;
    begin("{\"a\":1,\"b\":x,\"c\":3}");
    assert_true(btcf_scan_next(&scan, &member));
    assert_false(btcf_scan_next(&scan, &member));
    assert_true(scan.failed);
    assert_false(btcf_scan_next(&scan, &member));
    assert_true(scan.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_members_in_order_with_their_kinds),
        cmocka_unit_test(an_array_it_gave_can_be_scanned_in_turn),
        cmocka_unit_test(strings_mean_what_their_escapes_say),
        cmocka_unit_test(refuses_strings_that_are_not_strict),
        cmocka_unit_test(judges_each_byte_of_a_string_wherever_it_stands),
        cmocka_unit_test(integers_fit_64_bits_exactly),
        cmocka_unit_test(refuses_numbers_that_json_does_not_know),
        cmocka_unit_test(refuses_what_is_not_one_object_or_array),
        cmocka_unit_test(no_name_stands_twice_in_one_object),
        cmocka_unit_test(names_have_no_backslash),
        cmocka_unit_test(nests_to_its_limit_and_no_deeper),
        cmocka_unit_test(has_as_many_names_open_as_its_limit),
        cmocka_unit_test(says_nothing_more_after_a_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
