/* What makes a candle acceptable, and the names of intervals and horizons. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "core/clock.h"
#include "core/err.h"
#include "market/candle.h"

#define NOW_MS (INT64_C(1700002800) * MS_PER_S) /* a whole hour */

static const struct candle good = {
    .open_time_ms = NOW_MS - MS_PER_HOUR, .open = 10, .high = 12, .low = 9, .close = 11, .volume = 1};

static enum candle_fault check(struct candle candle)
{
    return candle_check(&candle, MS_PER_HOUR, NOW_MS);
}

static void accepts_a_candle_that_has_just_closed(void **state)
{
    (void)state;
    assert_int_equal(check(good), CANDLE_OK);
}

static void accepts_an_hour_without_a_trade(void **state)
{
    struct candle flat = {.open_time_ms = good.open_time_ms, .open = 5, .high = 5, .low = 5, .close = 5};

    (void)state;
    assert_int_equal(check(flat), CANDLE_OK);
}

static void refuses_the_hour_that_is_still_open(void **state)
{
    struct candle candle = good;

    (void)state;
    candle.open_time_ms = NOW_MS;
    assert_int_equal(check(candle), CANDLE_IN_FUTURE);
    candle.open_time_ms = NOW_MS - MS_PER_HOUR;
    assert_int_equal(candle_check(&candle, MS_PER_HOUR, NOW_MS - 1), CANDLE_IN_FUTURE);
}

static void names_the_first_fault_a_person_would_name(void **state)
{
    (void)state;
#define BROKEN(field, value, fault)                                                                                  \
    do {                                                                                                             \
        struct candle candle = good;                                                                                 \
        candle.field = (value);                                                                                      \
        assert_int_equal(check(candle), fault);                                                                      \
    } while (0)
    BROKEN(open, NAN, CANDLE_NOT_FINITE);
    BROKEN(volume, INFINITY, CANDLE_NOT_FINITE);
    BROKEN(low, 0, CANDLE_NOT_POSITIVE);
    BROKEN(close, -1, CANDLE_NOT_POSITIVE);
    BROKEN(volume, -0.001, CANDLE_NEGATIVE_VOLUME);
    BROKEN(high, 8, CANDLE_HIGH_BELOW_LOW);
    BROKEN(open, 12.01, CANDLE_OUTSIDE_RANGE);
    BROKEN(close, 8.99, CANDLE_OUTSIDE_RANGE);
    BROKEN(open_time_ms, good.open_time_ms - 1, CANDLE_OFF_GRID);
    BROKEN(open_time_ms, INT64_C(1230937200000), CANDLE_TOO_OLD);
    BROKEN(open_time_ms, INT64_C(1230940800000), CANDLE_OK);
#undef BROKEN
}

static void every_fault_has_a_text(void **state)
{
    (void)state;
    for (int fault = CANDLE_OK; fault <= CANDLE_TOO_OLD; fault++)
        assert_true(candle_fault_text((enum candle_fault)fault)[0] != '\0');
}

static void intervals_have_one_name_each(void **state)
{
    static const char *const names[] = {"1m", "5m", "15m", "1h", "4h", "1d"};
    int64_t seconds;

    (void)state;
    for (size_t i = 0; i < BTCF_LENGTH(names); i++) {
        assert_int_equal(interval_parse(str_of(names[i]), &seconds), 0);
        assert_string_equal(interval_name(seconds), names[i]);
    }
    assert_null(interval_name(61));
    assert_int_equal(interval_parse(STR_LIT("2h"), &seconds), -1);
    assert_int_equal(err_kind(), E_INPUT);
}

static void horizons_ascend_and_are_found_by_name(void **state)
{
    (void)state;
    for (size_t i = 1; i < HORIZON_COUNT; i++)
        assert_true(horizons[i].seconds > horizons[i - 1].seconds);
    assert_int_equal(horizon_find(STR_LIT("30d"))->seconds, 30 * 86400);
    assert_null(horizon_find(STR_LIT("2d")));
    assert_null(horizon_find(STR_LIT("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_a_candle_that_has_just_closed),
        cmocka_unit_test(accepts_an_hour_without_a_trade),
        cmocka_unit_test(refuses_the_hour_that_is_still_open),
        cmocka_unit_test(names_the_first_fault_a_person_would_name),
        cmocka_unit_test(every_fault_has_a_text),
        cmocka_unit_test(intervals_have_one_name_each),
        cmocka_unit_test(horizons_ascend_and_are_found_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
