/* Formats: found by header or by count, read with four prices that all differ, numbers exact to the last bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/rand.h"
#include "market/formats.h"

#define TIME_MS (INT64_C(1554076800) * 1000)

static struct format detect(const char *text)
{
    struct str rest = str_of(text), lines[8];
    struct format format = {.name = NULL};
    size_t count = 0;

    while (rest.ptr != NULL && count < BTCF_LENGTH(lines))
        lines[count++] = str_cut(&rest, '\n');
    if (!format_detect(lines, count, &format))
        format.name = NULL;
    return format;
}

/* The last line of `text`, read in the format that the whole of it has. */
static void reads(const char *text, const char *name, int header_count)
{
    struct format format = detect(text);
    struct candle candle;
    const char *last = strrchr(text, '\n');

    assert_non_null(format.name);
    assert_string_equal(format.name, name);
    assert_int_equal(format.header_count, header_count);
    assert_int_equal(format_parse_row(&format, str_of(last == NULL ? text : last + 1), &candle), ROW_OK);
    assert_int_equal(candle.open_time_ms, TIME_MS);
    assert_true(candle.open == 10.5 && candle.high == 12.25 && candle.low == 9.125 && candle.close == 11.0625);
    assert_true(candle.volume == 5);
}

static void reads_every_format(void **state)
{
    (void)state;
    reads("1554076800,10.5,12.25,9.125,11.0625,5", "file", 0);
    reads("1554076800.0,10.5,12.25,9.125,11.0625,5", "file", 0);
    reads("time,open,high,low,close,volume\n1554076800,10.5,12.25,9.125,11.0625,5", "file", 1);
    reads("Timestamp,Open,High,Low,Close,Volume\n1554076800,10.5,12.25,9.125,11.0625,5", "file", 1);
    reads("volume,close,low,high,open,time\n5,11.0625,9.125,12.25,10.5,1554076800", "file", 1);
    reads("1554076800,10.5,12.25,9.125,11.0625,5,77", "kraken", 0);
    reads("1554076800000,10.5,12.25,9.125,11.0625,5,1,2,3,4,5,0", "binance", 0);
    reads("1554076800000000,10.5,12.25,9.125,11.0625,5,1,2,3,4,5,0", "binance", 0);
    reads("https://x.example\nunix,date,symbol,open,high,low,close,Volume BTC,Volume USD\n"
          "1554076800,2019-04-01 00:00:00,BTC/USD,10.5,12.25,9.125,11.0625,5,55",
          "cryptodatadownload", 2);
    reads("unix,date,symbol,open,high,low,close,Volume BTC,Volume USD\n"
          "1554076800000,2019-04-01,BTC/USD,10.5,12.25,9.125,11.0625,55,5",
          "cryptodatadownload", 1);
    reads("\"1554076800\",\"10.5\", 12.25 ,9.125,11.0625,\"5\"", "file", 0);
}

static void the_majority_decides_where_there_is_no_header(void **state)
{
    (void)state;
    assert_string_equal(detect("1,2,3,4,5,6,7\n1,2,3,4,5,6\n1,2,3,4,5,6").name, "file");
    assert_null(detect("1,2,3\n4,5,6").name);
    assert_null(detect("").name);
    assert_null(detect("time,open,high,low,price,volume\n").name);
}

static void only_columns_that_are_not_used_may_be_cut(void **state)
{
    struct format format = detect("1,2,3,4,5,6");

    (void)state;
    assert_false(format_has_tail(&format));
    format = detect("1,2,3,4,5,6,7");
    assert_true(format_has_tail(&format));
    format = detect("unix,date,symbol,open,high,low,close,Volume BTC,Volume USD");
    assert_false(format_has_tail(&format));
}

static enum row_fault parse(const char *line)
{
    struct format format = detect("1,2,3,4,5,6");
    struct candle candle;

    return format_parse_row(&format, str_of(line), &candle);
}

static void says_what_is_wrong_with_a_row(void **state)
{
    (void)state;
    assert_int_equal(parse("1554076800,1,1,1,1"), ROW_COLUMNS);
    assert_int_equal(parse("1554076800,1,1,1,1,1,1"), ROW_COLUMNS);
    assert_int_equal(parse("1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1"), ROW_COLUMNS);
    assert_int_equal(parse(",1,1,1,1,1"), ROW_TIME);
    assert_int_equal(parse("1554076800.5,1,1,1,1,1"), ROW_TIME);
    assert_int_equal(parse("1554076800000001,1,1,1,1,1"), ROW_TIME);
    assert_int_equal(parse("99999999999999999999,1,1,1,1,1"), ROW_TIME);
    assert_int_equal(parse("1554076800,NaN,1,1,1,1"), ROW_NUMBER);
    assert_int_equal(parse("1554076800,,1,1,1,1"), ROW_NUMBER);
    assert_int_equal(parse("1554076800,1,1,1,1,"), ROW_NUMBER);
    assert_int_equal(parse("1554076800,inf,1,1,1,1"), ROW_NUMBER);
    assert_int_equal(parse("1554076800,0x10,1,1,1,1"), ROW_NUMBER);
    assert_int_equal(parse("1554076800,1.2.3,1,1,1,1"), ROW_NUMBER);
    assert_int_equal(parse("1554076800,.,1,1,1,1"), ROW_NUMBER);
    assert_int_equal(parse("1554076800,1,1,1,1,1e999"), ROW_NUMBER);
}

/* The fast way must give the very double that strtod gives, whatever the number of digits. */
static void numbers_are_read_to_the_last_bit(void **state)
{
    struct format format = detect("1,2,3,4,5,6");
    struct rng rng;

    (void)state;
    rng_init(&rng, 7);
    for (int i = 0; i < 200000; i++) {
        char line[128], number[48];
        struct candle candle;
        int digits = (int)rng_below(&rng, 20);

        snprintf(number, sizeof(number), "%llu.%0*llu",
                 (unsigned long long)rng_below(&rng, 1u << rng_below(&rng, 31)), digits,
                 (unsigned long long)(rng_next(&rng) >> rng_below(&rng, 64)));
        snprintf(line, sizeof(line), "1554076800,%s,1,1,1,1", number);
        assert_int_equal(format_parse_row(&format, str_of(line), &candle), ROW_OK);
        double exact = strtod(number, NULL);
        if (memcmp(&candle.open, &exact, sizeof(exact)) != 0)
            fail_msg("%s is read as %.17g", number, candle.open);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_format),
        cmocka_unit_test(the_majority_decides_where_there_is_no_header),
        cmocka_unit_test(only_columns_that_are_not_used_may_be_cut),
        cmocka_unit_test(says_what_is_wrong_with_a_row),
        cmocka_unit_test(numbers_are_read_to_the_last_bit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
