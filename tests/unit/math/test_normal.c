/* The normal distribution against the values of the paper and of reference software. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "core/base.h"
#include "math/normal.h"
#include "near.h"

static void finds_the_percentage_points_that_the_paper_prints(void **state)
{
    (void)state;
    assert_close(normal_quantile(0.25), -0.6744897501960817, 1e-15);
    assert_close(normal_quantile(0.001), -3.090232306167814, 1e-15);
    assert_close(normal_quantile(1e-20), -9.262340089798408, 1e-15);
}

static void agrees_with_reference_values_of_the_distribution_function(void **state)
{
    (void)state;
    assert_close(normal_cdf(-10.0), 7.61985302416047e-24, 1e-12);
    assert_close(normal_cdf(-1.0), 0.15865525393145707, 1e-15);
    assert_close(normal_cdf(0.0), 0.5, 1e-15);
    assert_close(normal_cdf(1.5), 0.9331927987311419, 1e-15);
}

static void quantile_undoes_the_distribution_function_from_tail_to_tail(void **state)
{
    (void)state;
    for (double x = -37.0; x <= 8.0; x += 0.0137) {
        /* Near 1 the probability itself has no digits left to tell x: the spacing of doubles there over the density. */
        double lost = 1.2e-16 / (exp(-x * x / 2.0) / sqrt(2.0 * M_PI));

        assert_true(fabs(normal_quantile(normal_cdf(x)) - x) <
                    1e-13 * (1.0 + fabs(x)) + (x > 0.0 ? 2.0 * lost : 0.0));
    }
}

static void is_antisymmetric_where_levels_are_exact(void **state)
{
    static const double levels[] = {0.5, 0.25, 0.125, 0.0625, 0.03125, 0.4375};

    (void)state;
    for (size_t i = 0; i < BTCF_LENGTH(levels); i++)
        assert_true(fabs(normal_quantile(levels[i]) + normal_quantile(1.0 - levels[i])) <= 0.0);
}

static void answers_the_ends_with_infinities_and_nonsense_with_nan(void **state)
{
    (void)state;
    assert_true(isinf(normal_quantile(0.0)) && normal_quantile(0.0) < 0.0);
    assert_true(isinf(normal_quantile(1.0)) && normal_quantile(1.0) > 0.0);
    assert_true(isnan(normal_quantile(-0.1)));
    assert_true(isnan(normal_quantile(1.1)));
    assert_true(isnan(normal_quantile(NAN)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_percentage_points_that_the_paper_prints),
        cmocka_unit_test(agrees_with_reference_values_of_the_distribution_function),
        cmocka_unit_test(quantile_undoes_the_distribution_function_from_tail_to_tail),
        cmocka_unit_test(is_antisymmetric_where_levels_are_exact),
        cmocka_unit_test(answers_the_ends_with_infinities_and_nonsense_with_nan),
    };
    return cmocka_run_group_tests_name("math/normal", tests, NULL, NULL);
}
