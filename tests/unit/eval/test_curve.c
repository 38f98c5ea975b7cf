/* Integrals over a curve against the laws that the curve was made from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "eval/curve.h"
#include "math/normal.h"
#include "near.h"

static struct quantile_curve normal_curve(double mean, double deviation)
{
    struct quantile_curve curve;

    for (size_t i = 0; i < QUANTILE_COUNT; i++)
        curve.log_return[i] = mean + deviation * normal_quantile(quantile_levels[i]);
    return curve;
}

static void mean_and_deviation_of_a_normal_curve_are_nearly_the_laws(void **state)
{
    (void)state;
    for (double deviation = 0.001; deviation < 0.3; deviation *= 3.0) {
        struct quantile_curve curve = normal_curve(0.02, deviation);

        assert_close(curve_deviation(&curve), deviation, 0.01);
        assert_close(curve_mean_factor(&curve), exp(0.02 + deviation * deviation / 2.0), 0.002);
    }
}

static void a_curve_without_width_is_a_point(void **state)
{
    struct quantile_curve curve;

    (void)state;
    for (size_t i = 0; i < QUANTILE_COUNT; i++)
        curve.log_return[i] = 0.1;
    assert_near(curve_mean_factor(&curve), exp(0.1), 1e-12);
    assert_near(curve_deviation(&curve), 0.0, 1e-8);
    assert_near(curve_probability_above(&curve, 0.0), 1.0, 0.0);
    assert_near(curve_probability_above(&curve, 0.1), 0.0, 0.0);
    assert_near(curve_probability_above(&curve, 0.2), 0.0, 0.0);
}

static void probabilities_fall_from_one_to_zero_and_meet_the_levels(void **state)
{
    struct quantile_curve curve = normal_curve(0.0, 0.05);
    double last = 1.0;

    (void)state;
    for (size_t i = 0; i < QUANTILE_COUNT; i++)
        assert_near(curve_probability_above(&curve, curve.log_return[i]), 1.0 - quantile_levels[i], 1e-12);
    for (double x = -1.0; x <= 1.0; x += 0.001) {
        double p = curve_probability_above(&curve, x);

        assert_true(p >= 0.0 && p <= 1.0 && p <= last);
        last = p;
    }
    assert_true(curve_probability_above(&curve, -1.0) > 0.999999);
    assert_true(curve_probability_above(&curve, 1.0) < 0.000001);
}

static void a_mirrored_curve_rises_with_probability_one_half(void **state)
{
    struct quantile_curve curve = normal_curve(0.3, 0.05);

    (void)state;
    assert_int_equal(quantile_curve_finish(&curve, true), 0);
    assert_near(curve_probability_above(&curve, 0.0), 0.5, 0.0);
}

static void the_mean_exists_however_fat_the_tail(void **state)
{
    struct quantile_curve curve = normal_curve(0.0, 0.05);

    (void)state;
    curve.log_return[QUANTILE_COUNT - 1] = 3.0; /* a tail scale of 4 without the cap */
    assert_true(isfinite(curve_mean_factor(&curve)) && curve_mean_factor(&curve) > 1.0);
}

/* The same figures by brute force out of the probabilities: E[exp R] is the integral of P(exp R > y) over y, E[R^2] that
 * of 2 x (P(R > x) + P(R < -x)) over x, E[R] that of P(R > x) - P(R < -x). */
static void figures_are_the_integrals_of_the_probabilities(void **state)
{
    struct quantile_curve curve = normal_curve(0.05, 0.4);
    const double step = 1e-4;
    double factor = 0.0, mean = 0.0, square = 0.0;

    (void)state;
    curve.log_return[0] -= 0.3; /* tails of different weight */
    curve.log_return[QUANTILE_COUNT - 1] += 0.1;
    for (double y = step / 2.0; y < 500.0; y += step)
        factor += step * curve_probability_above(&curve, log(y));
    for (double x = step / 2.0; x < 30.0; x += step) {
        double above = curve_probability_above(&curve, x), below = 1.0 - curve_probability_above(&curve, -x);

        mean += step * (above - below);
        square += step * 2.0 * x * (above + below);
    }
    assert_close(curve_mean_factor(&curve), factor, 1e-6);
    assert_close(curve_deviation(&curve), sqrt(square - mean * mean), 1e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mean_and_deviation_of_a_normal_curve_are_nearly_the_laws),
        cmocka_unit_test(a_curve_without_width_is_a_point),
        cmocka_unit_test(probabilities_fall_from_one_to_zero_and_meet_the_levels),
        cmocka_unit_test(a_mirrored_curve_rises_with_probability_one_half),
        cmocka_unit_test(figures_are_the_integrals_of_the_probabilities),
        cmocka_unit_test(the_mean_exists_however_fat_the_tail),
    };
    return cmocka_run_group_tests_name("eval/curve", tests, NULL, NULL);
}
