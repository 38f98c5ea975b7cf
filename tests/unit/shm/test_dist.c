/* Curves as distributions: the levels themselves, between them, the tails against their formula, and what is refused. */
#include "shm/dist.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Differences of double arithmetic in a handful of operations. */
#define TOLERANCE 1e-12

static void check_near(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance))
        fail_msg("%.17g is not within %g of %.17g", value, tolerance, expected);
}

static struct btcf_dist_curve make_curve(uint32_t count, const double *levels, const double *values)
{
    struct btcf_dist_curve curve = {.level_count = count};

    for (uint32_t i = 0; i < count && i < BTCF_DIST_LEVELS_MAX; i++) {
        curve.level[i] = btcf_dist_bits(levels[i]);
        curve.value[i] = btcf_dist_bits(values[i]);
    }
    return curve;
}

static struct btcf_dist make(uint32_t count, const double *levels, const double *values)
{
    struct btcf_dist_curve curve = make_curve(count, levels, values);
    struct btcf_dist dist;

    assert_true(btcf_dist_init(&dist, &curve));
    return dist;
}

static const double levels5[] = {0.05, 0.25, 0.5, 0.75, 0.9};
static const double values5[] = {80, 90, 100, 115, 140};

static void levels_and_prices_answer_each_other_at_the_points(void **state)
{
    struct btcf_dist dist = make(5, levels5, values5);

    (void)state;
    for (int i = 0; i < 5; i++) {
        check_near(btcf_dist_below(&dist, values5[i]), levels5[i], TOLERANCE);
        check_near(btcf_dist_quantile(&dist, levels5[i]), values5[i], 1e-10);
    }
}

static void probability_is_linear_in_log_price_between_points(void **state)
{
    struct btcf_dist dist = make(5, levels5, values5);

    (void)state;
    check_near(btcf_dist_below(&dist, sqrt(90.0 * 100.0)), 0.375, TOLERANCE);
    check_near(btcf_dist_quantile(&dist, 0.375), sqrt(90.0 * 100.0), 1e-10);
}

static void tails_follow_the_formula_of_the_header(void **state)
{
    struct btcf_dist dist = make(5, levels5, values5);
    double s_low = log(90.0 / 80.0) / log(0.25 / 0.05);
    double s_high = log(140.0 / 115.0) / log(0.25 / 0.1);

    (void)state;
    check_near(btcf_dist_below(&dist, 60), 0.05 * exp(log(60.0 / 80.0) / s_low), TOLERANCE);
    check_near(btcf_dist_below(&dist, 200), 1 - 0.1 * exp(-log(200.0 / 140.0) / s_high), TOLERANCE);
    check_near(btcf_dist_quantile(&dist, 0.001), 80 * pow(0.001 / 0.05, s_low), 1e-9);
    check_near(btcf_dist_quantile(&dist, 0.999), 140 * pow(0.001 / 0.1, -s_high), 1e-9);
}

/* A distribution whose tails are what the rule assumes comes back exactly: exponential in log price. */
static void an_exponential_distribution_is_reproduced_beyond_its_levels(void **state)
{
    const double levels[] = {0.5, 0.9, 0.99};
    double values[3];

    (void)state;
    for (int i = 0; i < 3; i++)
        values[i] = 100 * exp(-0.05 * log(1 - levels[i]));

    struct btcf_dist dist = make(3, levels, values);

    for (double p = 0.991; p < 0.999999; p += 0.0007)
        check_near(btcf_dist_quantile(&dist, p), 100 * exp(-0.05 * log(1 - p)), 1e-9);
}

static void below_ascends_and_joins_without_a_step(void **state)
{
    struct btcf_dist dist = make(5, levels5, values5);
    double previous = 0;

    (void)state;
    for (double price = 40; price < 300; price += 0.01) {
        double p = btcf_dist_below(&dist, price);

        assert_true(p > previous);
        assert_true(p > 0 && p < 1);
        if (price > 40)
            assert_true(p - previous < 0.001);
        previous = p;
    }
}

static void quantile_is_the_inverse_over_the_whole_range(void **state)
{
    struct btcf_dist dist = make(5, levels5, values5);

    (void)state;
    for (double p = 0.0001; p < 1; p += 0.0001)
        check_near(btcf_dist_below(&dist, btcf_dist_quantile(&dist, p)), p, 1e-11);
}

static void two_levels_at_one_price_are_a_jump(void **state)
{
    const double levels[] = {0.1, 0.4, 0.6, 0.9};
    const double values[] = {90, 100, 100, 110};
    struct btcf_dist dist = make(4, levels, values);

    (void)state;
    check_near(btcf_dist_below(&dist, 100), 0.6, TOLERANCE);
    assert_true(btcf_dist_below(&dist, 99.999999) < 0.4);
    check_near(btcf_dist_quantile(&dist, 0.5), 100, 1e-10);
}

static void equal_outermost_prices_mean_no_tail(void **state)
{
    const double levels[] = {0.1, 0.2, 0.8, 0.9};
    const double values[] = {90, 90, 110, 110};
    struct btcf_dist dist = make(4, levels, values);

    (void)state;
    check_near(btcf_dist_below(&dist, 89.99), 0, 0);
    check_near(btcf_dist_below(&dist, 90), 0.2, TOLERANCE);
    check_near(btcf_dist_below(&dist, 110), 1, 0);
    check_near(btcf_dist_quantile(&dist, 0.001), 90, 1e-10);
    check_near(btcf_dist_quantile(&dist, 0.999), 110, 1e-10);
}

static void prices_at_and_beyond_the_ends_of_the_line(void **state)
{
    struct btcf_dist dist = make(5, levels5, values5);

    (void)state;
    check_near(btcf_dist_below(&dist, 0), 0, 0);
    check_near(btcf_dist_below(&dist, -1), 0, 0);
    check_near(btcf_dist_below(&dist, (double)INFINITY), 1, 0);
    assert_true(isnan(btcf_dist_below(&dist, (double)NAN)));
    assert_true(btcf_dist_below(&dist, 1e-300) >= 0);
}

static void probabilities_outside_the_open_interval_have_no_quantile(void **state)
{
    struct btcf_dist dist = make(5, levels5, values5);
    const double outside[] = {0, 1, -0.1, 1.1, (double)NAN};

    (void)state;
    for (size_t i = 0; i < BTCF_LENGTH(outside); i++)
        assert_true(isnan(btcf_dist_quantile(&dist, outside[i])));
}

/* Against the midpoint rule on E[P; P <= x] = integral of Q(p) dp from 0 to F(x). */
static void check_mean(const struct btcf_dist *dist, double price)
{
    const int steps = 2000000;
    double mass = btcf_dist_below(dist, price), sum = 0;

    for (int i = 0; i < steps; i++)
        sum += btcf_dist_quantile(dist, mass * (i + 0.5) / steps);
    check_near(btcf_dist_mean_below(dist, price), sum * mass / steps, 2e-4);
}

static void the_mean_below_a_price_is_the_integral_of_the_quantiles(void **state)
{
    struct btcf_dist dist = make(5, levels5, values5);
    const double prices[] = {50, 80, 85, 100, 130, 140, 190, (double)INFINITY};

    (void)state;
    for (size_t i = 0; i < BTCF_LENGTH(prices); i++)
        check_mean(&dist, prices[i]);
    check_near(btcf_dist_mean_below(&dist, 0), 0, 0);
    assert_true(isnan(btcf_dist_mean_below(&dist, (double)NAN)));
}

static void a_jump_brings_its_whole_mass_to_the_mean_at_once(void **state)
{
    const double levels[] = {0.1, 0.2, 0.8, 0.9};
    const double values[] = {90, 90, 110, 110};
    struct btcf_dist dist = make(4, levels, values);

    (void)state;
    check_near(btcf_dist_mean_below(&dist, 89.99), 0, 0);
    check_near(btcf_dist_mean_below(&dist, 90), 0.2 * 90, 1e-10);
    check_near(btcf_dist_mean_below(&dist, 110), 0.2 * 90 + 0.6 * 20 / log(110.0 / 90.0) + 0.2 * 110, 1e-9);
}

static void risk_is_the_quantile_and_the_mean_beyond_it(void **state)
{
    struct btcf_dist dist = make(5, levels5, values5);
    struct btcf_dist_risk held = btcf_dist_risk(&dist, 100, 0.95, true),
                          owed = btcf_dist_risk(&dist, 100, 0.75, false);

    (void)state;
    check_near(held.at_risk, 20, 1e-9);
    check_near(held.shortfall, 100 - btcf_dist_mean_below(&dist, 80) / 0.05, 1e-9);
    check_near(owed.at_risk, 15, 1e-9);
    assert_true(owed.shortfall > owed.at_risk);
    assert_false(held.in_tail || owed.in_tail);
    assert_true(btcf_dist_risk(&dist, 100, 0.99, true).in_tail);

    dist = make(4, (const double[]){0.1, 0.2, 0.8, 0.9}, (const double[]){90, 90, 110, 110}); /* nothing beyond 110 */
    owed = btcf_dist_risk(&dist, 100, 0.95, false);
    check_near(owed.at_risk, 10, 1e-9);
    check_near(owed.shortfall, 10, 1e-9);
}

static void a_tail_too_heavy_for_a_mean_counts_at_the_most_that_has_one(void **state)
{
    struct btcf_dist dist = make(3, (const double[]){0.4, 0.5, 0.6}, (const double[]){1, 10, 100});

    (void)state;
    check_near(dist.scale_low, BTCF_DIST_TAIL_SCALE_MAX, 0);
    check_near(dist.scale_high, BTCF_DIST_TAIL_SCALE_MAX, 0);
    assert_true(isfinite(btcf_dist_mean_below(&dist, (double)INFINITY)));
}

static void refuse(uint32_t count, const double *levels, const double *values)
{
    struct btcf_dist_curve curve = make_curve(count, levels, values);
    struct btcf_dist dist;

    assert_false(btcf_dist_init(&dist, &curve));
}

static void refuses_what_is_not_a_curve(void **state)
{
    double many[BTCF_DIST_LEVELS_MAX + 1], rising[BTCF_DIST_LEVELS_MAX + 1];

    (void)state;
    for (int i = 0; i <= BTCF_DIST_LEVELS_MAX; i++) {
        many[i] = (i + 1) / (BTCF_DIST_LEVELS_MAX + 2.0);
        rising[i] = i + 1;
    }
    refuse(1, levels5, values5);
    refuse(0, levels5, values5);
    refuse(BTCF_DIST_LEVELS_MAX + 1, many, rising);
    refuse(2, (const double[]){0.5, 0.5}, (const double[]){1, 2});
    refuse(2, (const double[]){0.5, 0.4}, (const double[]){1, 2});
    refuse(2, (const double[]){0, 0.5}, (const double[]){1, 2});
    refuse(2, (const double[]){0.5, 1}, (const double[]){1, 2});
    refuse(2, (const double[]){0.4, (double)NAN}, (const double[]){1, 2});
    refuse(2, (const double[]){0.4, 0.6}, (const double[]){2, 1});
    refuse(2, (const double[]){0.4, 0.6}, (const double[]){0, 1});
    refuse(2, (const double[]){0.4, 0.6}, (const double[]){-1, 1});
    refuse(2, (const double[]){0.4, 0.6}, (const double[]){1, (double)INFINITY});
    refuse(2, (const double[]){0.4, 0.6}, (const double[]){1, (double)NAN});
}

/* Found by tests/fuzz/fuzz_reader.c: 0/0 as a tail's scale made every probability NaN. */
static void refuses_levels_that_differ_by_less_than_arithmetic_can_tell(void **state)
{
    (void)state;
    refuse(2, (const double[]){1e-300, 2e-300}, (const double[]){100, 100});
    refuse(2, (const double[]){1e-300, 2e-300}, (const double[]){100, 101});
}

static void takes_the_fewest_and_the_most_levels(void **state)
{
    double levels[BTCF_DIST_LEVELS_MAX], values[BTCF_DIST_LEVELS_MAX];

    (void)state;
    for (int i = 0; i < BTCF_DIST_LEVELS_MAX; i++) {
        levels[i] = (i + 0.5) / BTCF_DIST_LEVELS_MAX;
        values[i] = 100 + i;
    }
    make(2, levels, values);

    struct btcf_dist dist = make(BTCF_DIST_LEVELS_MAX, levels, values);

    check_near(btcf_dist_below(&dist, 100 + BTCF_DIST_LEVELS_MAX - 1), levels[BTCF_DIST_LEVELS_MAX - 1], TOLERANCE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_and_prices_answer_each_other_at_the_points),
        cmocka_unit_test(probability_is_linear_in_log_price_between_points),
        cmocka_unit_test(tails_follow_the_formula_of_the_header),
        cmocka_unit_test(an_exponential_distribution_is_reproduced_beyond_its_levels),
        cmocka_unit_test(below_ascends_and_joins_without_a_step),
        cmocka_unit_test(quantile_is_the_inverse_over_the_whole_range),
        cmocka_unit_test(two_levels_at_one_price_are_a_jump),
        cmocka_unit_test(equal_outermost_prices_mean_no_tail),
        cmocka_unit_test(prices_at_and_beyond_the_ends_of_the_line),
        cmocka_unit_test(probabilities_outside_the_open_interval_have_no_quantile),
        cmocka_unit_test(the_mean_below_a_price_is_the_integral_of_the_quantiles),
        cmocka_unit_test(a_jump_brings_its_whole_mass_to_the_mean_at_once),
        cmocka_unit_test(risk_is_the_quantile_and_the_mean_beyond_it),
        cmocka_unit_test(a_tail_too_heavy_for_a_mean_counts_at_the_most_that_has_one),
        cmocka_unit_test(refuses_what_is_not_a_curve),
        cmocka_unit_test(refuses_levels_that_differ_by_less_than_arithmetic_can_tell),
        cmocka_unit_test(takes_the_fewest_and_the_most_levels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
