/* The skewed t against fGarch's dsstd, psstd and qsstd, against Hansen's own formula, and against differences. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "math/skew_t.h"
#include "near.h"

static void agrees_with_fgarch(void **state)
{
    struct skew_t law = skew_t_make(5.0, 1.3);

    (void)state;
    assert_close(skew_t_log_density(&law, -3.0, NULL), -5.7514778537607194, 1e-13);
    assert_close(skew_t_log_density(&law, -0.5, NULL), -0.7198700137440514, 1e-13);
    assert_close(skew_t_log_density(&law, 0.0, NULL), -0.7751099346052840, 1e-13);
    assert_close(skew_t_log_density(&law, 2.0, NULL), -3.1168622647816639, 1e-13);
    assert_close(skew_t_cdf(&law, -3.0), 0.00199098781578068, 1e-11);
    assert_close(skew_t_cdf(&law, 0.0), 0.55120482797432135, 1e-11);
    assert_close(skew_t_cdf(&law, 2.0), 0.96569459577256067, 1e-11);
    assert_close(skew_t_quantile(&law, 0.005), -2.4632147666199691, 1e-10);
    assert_close(skew_t_quantile(&law, 0.3), -0.5115357651494298, 1e-10);
    assert_close(skew_t_quantile(&law, 0.9), 1.1994013789818654, 1e-10);
}

/* Hansen 1994, equation 10. */
static double hansen(double z, double eta, double lambda)
{
    double c = exp(lgamma((eta + 1.0) / 2.0) - lgamma(eta / 2.0)) / sqrt(M_PI * (eta - 2.0));
    double a = 4.0 * lambda * c * (eta - 2.0) / (eta - 1.0), b = sqrt(1.0 + 3.0 * lambda * lambda - a * a);
    double part = (b * z + a) / (z < -a / b ? 1.0 - lambda : 1.0 + lambda);

    return log(b * c) - (eta + 1.0) / 2.0 * log1p(part * part / (eta - 2.0));
}

static void is_hansens_law_under_another_name(void **state)
{
    (void)state;
    for (double lambda = -0.8; lambda < 0.9; lambda += 0.2)
        for (double nu = 2.2; nu < 50.0; nu *= 2.0)
            for (double z = -5.0; z <= 5.0; z += 0.37) {
                struct skew_t law = skew_t_make(nu, skew_t_xi(lambda));

                assert_near(skew_t_log_density(&law, z, NULL), hansen(z, nu, lambda), 1e-12);
            }
}

static void without_skew_is_the_symmetric_t(void **state)
{
    struct skew_t law = skew_t_make(3.7, 1.0);

    (void)state;
    for (double z = -4.0; z <= 4.0; z += 0.5)
        assert_near(skew_t_log_density(&law, z, NULL), student_t_log_density(&law.symmetric, z, NULL, NULL), 1e-14);
}

static double moved(double nu, double xi, double z)
{
    struct skew_t law = skew_t_make(nu, xi);

    return skew_t_log_density(&law, z, NULL);
}

static void derivatives_are_those_of_the_density(void **state)
{
    const double step = 1e-5;

    (void)state;
    for (double xi = 0.6; xi < 1.8; xi *= 1.3)
        for (double nu = 2.3; nu < 40.0; nu *= 2.0)
            for (double z = -4.95; z <= 5.0; z += 0.7) {
                struct skew_t law = skew_t_make(nu, xi);
                struct skew_t_gradient by;

                skew_t_log_density(&law, z, &by);
                assert_near(by.z, (moved(nu, xi, z + step) - moved(nu, xi, z - step)) / (2.0 * step), 1e-6);
                assert_near(by.nu, (moved(nu + step, xi, z) - moved(nu - step, xi, z)) / (2.0 * step), 1e-6);
                assert_near(by.xi, (moved(nu, xi + step, z) - moved(nu, xi - step, z)) / (2.0 * step), 1e-6);
            }
}

static void quantiles_invert_the_distribution(void **state)
{
    (void)state;
    for (double xi = 0.5; xi < 2.5; xi *= 1.5)
        for (double p = 0.001; p < 1.0; p += 0.0333) {
            struct skew_t law = skew_t_make(4.0, xi);

            assert_near(skew_t_cdf(&law, skew_t_quantile(&law, p)), p, 1e-12);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_fgarch),
        cmocka_unit_test(is_hansens_law_under_another_name),
        cmocka_unit_test(without_skew_is_the_symmetric_t),
        cmocka_unit_test(derivatives_are_those_of_the_density),
        cmocka_unit_test(quantiles_invert_the_distribution),
    };
    return cmocka_run_group_tests_name("math/skew_t", tests, NULL, NULL);
}
