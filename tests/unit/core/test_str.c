/* Slices, strict numbers, the capped buffer, the edit distance. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "core/str.h"

static void compares_slices_by_bytes(void **state)
{
    (void)state;
    assert_true(str_is(STR_LIT("abc"), "abc"));
    assert_false(str_is(STR_LIT("abc"), "abcd"));
    assert_false(str_is(STR_LIT("abc"), "abd"));
    assert_true(str_equal((struct str){NULL, 0}, STR_LIT("")));
    assert_true(str_has_prefix(STR_LIT("abc"), ""));
    assert_true(str_has_prefix(STR_LIT("abc"), "abc"));
    assert_false(str_has_prefix(STR_LIT("ab"), "abc"));
}

static void cut_visits_every_field_empty_ones_too(void **state)
{
    static const char *const fields[] = {"a", "", "bc", ""};
    struct str rest = STR_LIT("a,,bc,");
    size_t count = 0;

    (void)state;
    while (rest.ptr != NULL) {
        struct str field = str_cut(&rest, ',');

        assert_true(count < 4);
        assert_true(str_is(field, fields[count++]));
    }
    assert_int_equal(count, 4);

    rest = STR_LIT("");
    assert_int_equal(str_cut(&rest, ',').len, 0);
    assert_null(rest.ptr);
}

static void reads_integers_strictly(void **state)
{
    static const char *const wrong[] = {"",
                                        "-",
                                        "+1",
                                        " 1",
                                        "1 ",
                                        "1.0",
                                        "0x1",
                                        "1e3",
                                        "--1",
                                        "9223372036854775808",
                                        "-9223372036854775809",
                                        "99999999999999999999"};
    int64_t value = 7;

    (void)state;
    for (size_t i = 0; i < BTCF_LENGTH(wrong); i++)
        assert_int_equal(str_parse_i64(str_of(wrong[i]), &value), -1);
    assert_int_equal(value, 7);
    assert_int_equal(str_parse_i64(STR_LIT("9223372036854775807"), &value), 0);
    assert_true(value == INT64_MAX);
    assert_int_equal(str_parse_i64(STR_LIT("-9223372036854775808"), &value), 0);
    assert_true(value == INT64_MIN);
    assert_int_equal(str_parse_i64(STR_LIT("-007"), &value), 0);
    assert_true(value == -7);
    /* Only the slice counts, not what stands behind it. */
    assert_int_equal(str_parse_i64((struct str){"123456", 3}, &value), 0);
    assert_true(value == 123);
}

static void reads_decimals_strictly(void **state)
{
    static const char *const wrong[] = {"",   "-",     ".",   "-.",  "1e",    "1e+",    "e5",  "1.2.3", " 1",
                                        "1 ", "0x1p3", "nan", "inf", "1e999", "-1e999", "1,5", "+1"};
    static const struct {
        const char *text;
        double value;
    } right[] = {{"0", 0},      {"-1", -1},         {"1.", 1}, {".5", 0.5}, {"61234.56", 61234.56},
                 {"1e3", 1000}, {"-2.5E-2", -0.025}};
    double value = 7;

    (void)state;
    for (size_t i = 0; i < BTCF_LENGTH(wrong); i++)
        assert_int_equal(str_parse_double(str_of(wrong[i]), &value), -1);
    assert_true(value == 7);
    for (size_t i = 0; i < BTCF_LENGTH(right); i++) {
        assert_int_equal(str_parse_double(str_of(right[i].text), &value), 0);
        assert_true(value == right[i].value); /* both are the nearest double to the same text */
    }
}

static void a_number_of_63_characters_is_the_longest(void **state)
{
    char text[65];
    double value;

    (void)state;
    memset(text, '1', sizeof text);
    assert_int_equal(str_parse_double((struct str){text, 63}, &value), 0);
    assert_int_equal(str_parse_double((struct str){text, 64}, &value), -1);
}

static void a_buffer_grows_and_ends_in_nul(void **state)
{
    struct strbuf buf;

    (void)state;
    strbuf_init(&buf, 100000);
    assert_string_equal(buf.ptr, "");
    for (int i = 0; i < 9999; i++)
        strbuf_printf(&buf, "%d,", i % 10);
    assert_int_equal(buf.len, 19998);
    assert_int_equal(strlen(buf.ptr), 19998);
    assert_false(strbuf_failed(&buf));
    strbuf_reset(&buf);
    assert_string_equal(buf.ptr, "");
    strbuf_add(&buf, "a\0b", 3);
    assert_memory_equal(buf.ptr, "a\0b", 4);
    strbuf_release(&buf);
}

static void a_buffer_never_passes_its_cap_and_remembers(void **state)
{
    struct strbuf buf;

    (void)state;
    strbuf_init(&buf, 8);
    strbuf_add_text(&buf, "1234567"); /* seven and the NUL */
    assert_false(strbuf_failed(&buf));
    strbuf_add_char(&buf, '8');
    assert_true(strbuf_failed(&buf));
    assert_string_equal(buf.ptr, "1234567");
    strbuf_printf(&buf, "%d", 9);
    assert_string_equal(buf.ptr, "1234567");
    strbuf_reset(&buf);
    assert_false(strbuf_failed(&buf));
    strbuf_printf(&buf, "%s", "12345678");
    assert_true(strbuf_failed(&buf));
    assert_int_equal(buf.len, 0);
    strbuf_release(&buf);
}

static void distance_counts_slips(void **state)
{
    char longest[65];

    (void)state;
    assert_int_equal(str_distance("", ""), 0);
    assert_int_equal(str_distance("config", "config"), 0);
    assert_int_equal(str_distance("confg", "config"), 1);
    assert_int_equal(str_distance("ocnfig", "config"), 2);
    assert_int_equal(str_distance("kitten", "sitting"), 3);
    assert_int_equal(str_distance("", "abc"), 3);
    memset(longest, 'a', sizeof longest);
    longest[63] = '\0';
    assert_int_equal(str_distance(longest, ""), 63);
    longest[63] = 'a';
    longest[64] = '\0';
    assert_true(str_distance(longest, "a") == SIZE_MAX);
    assert_true(str_distance("a", longest) == SIZE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compares_slices_by_bytes),
        cmocka_unit_test(cut_visits_every_field_empty_ones_too),
        cmocka_unit_test(reads_integers_strictly),
        cmocka_unit_test(reads_decimals_strictly),
        cmocka_unit_test(a_number_of_63_characters_is_the_longest),
        cmocka_unit_test(a_buffer_grows_and_ends_in_nul),
        cmocka_unit_test(a_buffer_never_passes_its_cap_and_remembers),
        cmocka_unit_test(distance_counts_slips),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
