/* The standardised t against fGarch's dstd, pstd and qstd, derivatives against differences. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "math/student_t.h"
#include "near.h"

#define HALVES 2048

static void agrees_with_fgarch(void **state)
{
    struct student_t law = student_t_make(4.2);

    (void)state;
    assert_close(student_t_log_density(&law, -3.0, NULL, NULL), -4.8860061847379646, 1e-14);
    assert_close(student_t_log_density(&law, -0.5, NULL, NULL), -0.9344592250024903, 1e-14);
    assert_close(student_t_log_density(&law, 0.0, NULL, NULL), -0.6546194981023401, 1e-14);
    assert_close(student_t_log_density(&law, 2.0, NULL, NULL), -3.3484585204879576, 1e-14);
    assert_close(student_t_cdf(-3.0, 4.2), 0.006468991286038053, 1e-12);
    assert_close(student_t_cdf(0.5, 4.2), 0.737024161579788339, 1e-12);
    assert_close(student_t_quantile(0.005, 4.2), -3.2262972809384722, 1e-11);
    assert_close(student_t_quantile(0.3, 4.2), -0.4099579671061128, 1e-11);
    assert_close(student_t_quantile(0.975, 4.2), 1.9722628383901133, 1e-11);
    assert_close(student_t_quantile(0.005, 2.3), -2.8906131055003912, 1e-11);
    assert_close(student_t_quantile(0.975, 2.3), 1.3749857719793368, 1e-11);
}

static void derivatives_are_those_of_the_density(void **state)
{
    (void)state;
    for (double nu = 2.05; nu < 200.0; nu *= 1.7)
        for (double z = -6.0; z <= 6.0; z += 0.7) {
            struct student_t law = student_t_make(nu), more = student_t_make(nu * (1.0 + 1e-5));
            struct student_t less = student_t_make(nu * (1.0 - 1e-5));
            double by_z, by_nu, step = 1e-5;

            student_t_log_density(&law, z, &by_z, &by_nu);
            double slope = student_t_log_density(&law, z + step, NULL, NULL);
            slope = (slope - student_t_log_density(&law, z - step, NULL, NULL)) / (2.0 * step);
            assert_near(by_z, slope, 1e-8 * (1.0 + fabs(slope) / (nu - 2.0)));
            slope = student_t_log_density(&more, z, NULL, NULL) - student_t_log_density(&less, z, NULL, NULL);
            assert_near(by_nu, slope / (2e-5 * nu), 1e-5 * (1.0 + fabs(by_nu)));
        }
}

static void halves_are_the_quantiles_of_the_size(void **state)
{
    static double values[HALVES];

    (void)state;
    for (double nu = 2.1; nu < 120.0; nu *= 2.0) {
        student_t_halves(nu, values, HALVES);
        for (size_t i = 0; i < HALVES; i += 89) /* near 0 the bisection behind the right side has 1e-10 at best */
            assert_near(values[i], student_t_quantile(0.5 + 0.5 * ((double)i + 0.5) / HALVES, nu),
                        1e-10 + 1e-8 * values[i]);
        assert_close(values[HALVES - 1], student_t_quantile(1.0 - 0.25 / HALVES, nu), 1e-8);
        for (size_t i = 1; i < HALVES; i++)
            assert_true(values[i] > values[i - 1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_fgarch),
        cmocka_unit_test(derivatives_are_those_of_the_density),
        cmocka_unit_test(halves_are_the_quantiles_of_the_size),
    };
    return cmocka_run_group_tests_name("math/student_t", tests, NULL, NULL);
}
