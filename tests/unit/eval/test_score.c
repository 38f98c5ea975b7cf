/* One forecast against its actual, by hand. tests/reference compares with the project's scorer on real forecasts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "core/err.h"
#include "eval/score.h"
#include "near.h"

/* Prices 90 + 20 p: the uniform law on 90..110, origin price 100. */
static void uniform_prices(double price[QUANTILE_COUNT])
{
    for (size_t i = 0; i < QUANTILE_COUNT; i++)
        price[i] = 90.0 + 20.0 * quantile_levels[i];
}

static void names_the_levels_that_the_definitions_name(void **state)
{
    static const double scored[] = {.025, .05, .1, .2, .3, .4, .5, .6, .7, .8, .9, .95, .975};

    (void)state;
    for (size_t i = 0; i < SCORE_LEVEL_COUNT; i++)
        assert_near(quantile_levels[score_levels[i]], scored[i], 1e-12);
    for (size_t i = 0; i < SCORE_INTERVAL_COUNT; i++) {
        double low = quantile_levels[score_interval_ends[i][0]], high = quantile_levels[score_interval_ends[i][1]];

        assert_near(high - low, score_interval_levels[i], 1e-12);
        assert_near(high + low, 1.0, 1e-12);
    }
    assert_near(score_interval_levels[SCORE_INTERVAL_90], 0.9, 0.0);
}

static void crps_is_twice_the_mean_pinball_loss_in_percent(void **state)
{
    double price[QUANTILE_COUNT], sum = 0.0;
    struct score score;

    (void)state;
    uniform_prices(price);
    assert_int_equal(score_make(price, 100.0, 103.0, &score), 0);
    for (size_t i = 0; i < SCORE_LEVEL_COUNT; i++) {
        double level = quantile_levels[score_levels[i]], quantile = -10.0 + 20.0 * level;
        double loss = 3.0 > quantile ? level * (3.0 - quantile) : (1.0 - level) * (quantile - 3.0);

        assert_near(score.pinball[i], loss, 1e-12);
        sum += loss;
    }
    assert_near(score.crps, 2.0 * sum / 13.0, 1e-12);
    assert_near(score.move, 3.0, 1e-12);
    assert_near(score.median_error, 3.0, 1e-12);
    assert_near(score.width[SCORE_INTERVAL_90], 18.0, 1e-12);
    assert_near(score.pit, 0.65, 1e-6);
}

static void the_interval_score_is_the_width_and_a_fine_for_what_falls_outside(void **state)
{
    double price[QUANTILE_COUNT];
    struct score score;

    (void)state;
    uniform_prices(price);
    assert_int_equal(score_make(price, 100.0, 103.0, &score), 0);
    assert_near(score.interval[SCORE_INTERVAL_90], 18.0, 1e-12);
    assert_int_equal(score_make(price, 100.0, 109.5, &score), 0); /* 0.5 above the 95% quantile */
    assert_near(score.interval[SCORE_INTERVAL_90], 18.0 + 20.0 * 0.5, 1e-9);
    assert_int_equal(score_make(price, 100.0, 89.0, &score), 0); /* 2 below the 5% quantile */
    assert_near(score.interval[SCORE_INTERVAL_90], 18.0 + 20.0 * 2.0, 1e-9);
}

static void coverage_bits_include_the_ends(void **state)
{
    static const struct {
        double actual;
        unsigned covered;
    } cases[] = {{100.0, 15}, {105.0, 15}, {105.1, 14}, {108.0, 14}, {108.1, 12}, {109.0, 12},
                 {109.1, 8},  {109.5, 8},  {109.6, 0},  {95.0, 15},  {94.9, 14},  {80.0, 0}};
    double price[QUANTILE_COUNT];
    struct score score;

    (void)state;
    for (size_t i = 0; i < QUANTILE_COUNT; i++)
        price[i] = 100.0 + round(2000.0 * (quantile_levels[i] - 0.5)) / 100.0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(score_make(price, 100.0, cases[i].actual, &score), 0);
        assert_int_equal(score.covered, cases[i].covered);
    }
}

static void pit_reaches_zero_and_one_a_quarter_of_the_curve_beyond_its_ends(void **state)
{
    double price[QUANTILE_COUNT];
    struct score score;

    (void)state;
    uniform_prices(price); /* from 90.1 to 109.9: 19.8 wide, tails of 4.95 */
    assert_int_equal(score_make(price, 100.0, 85.0, &score), 0);
    assert_near(score.pit, 0.0, 0.0);
    assert_int_equal(score_make(price, 100.0, 90.1 - 4.95 / 2.0, &score), 0);
    assert_near(score.pit, 0.0025, 1e-9);
    assert_int_equal(score_make(price, 100.0, 109.9 + 4.95 / 2.0, &score), 0);
    assert_near(score.pit, 0.9975, 1e-6);
    assert_int_equal(score_make(price, 100.0, 120.0, &score), 0);
    assert_near(score.pit, 1.0, 0.0);
}

static void refuses_prices_that_are_none(void **state)
{
    double price[QUANTILE_COUNT];
    struct score score;

    (void)state;
    uniform_prices(price);
    assert_int_equal(score_make(price, 0.0, 100.0, &score), -1);
    assert_int_equal(score_make(price, 100.0, NAN, &score), -1);
    price[3] = NAN;
    assert_int_equal(score_make(price, 100.0, 100.0, &score), -1);
    uniform_prices(price);
    price[3] = 120.0;
    assert_int_equal(score_make(price, 100.0, 100.0, &score), -1);
    assert_int_equal(err_kind(), E_INPUT);
    assert_non_null(strstr(err_text(), "cross"));
    uniform_prices(price);
    price[0] = 0.0;
    assert_int_equal(score_make(price, 100.0, 100.0, &score), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_the_levels_that_the_definitions_name),
        cmocka_unit_test(crps_is_twice_the_mean_pinball_loss_in_percent),
        cmocka_unit_test(the_interval_score_is_the_width_and_a_fine_for_what_falls_outside),
        cmocka_unit_test(coverage_bits_include_the_ends),
        cmocka_unit_test(pit_reaches_zero_and_one_a_quarter_of_the_curve_beyond_its_ends),
        cmocka_unit_test(refuses_prices_that_are_none),
    };
    return cmocka_run_group_tests_name("eval/score", tests, NULL, NULL);
}
