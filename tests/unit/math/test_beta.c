/* The incomplete beta function and its relatives against reference software (SciPy 1.10). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "core/base.h"
#include "math/beta.h"
#include "near.h"

static void agrees_with_reference_values_of_the_incomplete_beta_function(void **state)
{
    static const struct {
        double x, a, b, wanted;
    } cases[] = {
        {0.5, 2, 3, 0.6875},
        {0.1, 0.5, 0.5, 0.2048327646991335},
        {0.99, 50, 2, 0.9075091007063049},
        {0.3, 200, 500, 0.7996208251733241},
        {1e-5, 0.3, 7, 0.06222021294753876},
    };

    (void)state;
    for (size_t i = 0; i < BTCF_LENGTH(cases); i++) {
        assert_close(beta_cdf(cases[i].x, cases[i].a, cases[i].b), cases[i].wanted, 1e-11);
        assert_close(beta_cdf(1.0 - cases[i].x, cases[i].b, cases[i].a), 1.0 - cases[i].wanted, 1e-11);
        assert_close(beta_quantile(cases[i].wanted, cases[i].a, cases[i].b), cases[i].x, 1e-9);
    }
    assert_near(beta_cdf(0.0, 2, 3), 0.0, 0.0);
    assert_near(beta_cdf(1.0, 2, 3), 1.0, 0.0);
    assert_near(beta_cdf(-1.0, 2, 3), 0.0, 0.0);
    assert_true(isnan(beta_cdf(NAN, 2, 3)));
}

static void agrees_with_reference_tails_of_students_t(void **state)
{
    (void)state;
    assert_close(student_tail(2.0, 10.0), 0.036694017385370196, 1e-11);
    assert_close(student_tail(-1.0, 3.0), 0.8044988905221148, 1e-11);
    assert_close(student_tail(0.0, 5.0), 0.5, 1e-12);
    assert_close(student_tail(4.5, 730.0), 3.9527676199212415e-06, 1e-9);
    assert_close(student_quantile_upper(0.025, 10.0), 2.2281388519649385, 1e-9);
    assert_close(student_quantile_upper(0.025, 2.0), 4.3026527299112765, 1e-9);
    assert_close(student_quantile_upper(0.6, 7.0), -0.2631668613520166, 1e-9);
}

static void binomial_interval_is_clopper_and_pearsons(void **state)
{
    double low, high;

    (void)state;
    binomial_interval(5, 10, 0.95, &low, &high);
    assert_close(low, 0.18708602844739855, 1e-9);
    assert_close(high, 0.8129139715526015, 1e-9);
    binomial_interval(0, 10, 0.95, &low, &high);
    assert_near(low, 0.0, 0.0);
    assert_close(high, 0.3084971078187608, 1e-9);
    binomial_interval(10, 10, 0.95, &low, &high);
    assert_close(low, 0.6915028921812392, 1e-9);
    assert_near(high, 1.0, 0.0);
    binomial_interval(7.5, 12.5, 0.95, &low, &high);
    assert_close(low, 0.29668080177214284, 1e-9);
    assert_close(high, 0.8551817837009881, 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_reference_values_of_the_incomplete_beta_function),
        cmocka_unit_test(agrees_with_reference_tails_of_students_t),
        cmocka_unit_test(binomial_interval_is_clopper_and_pearsons),
    };
    return cmocka_run_group_tests_name("math/beta", tests, NULL, NULL);
}
