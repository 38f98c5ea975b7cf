/* The last step of every model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "core/err.h"
#include "models/model.h"
#include "near.h"

static void levels_ascend_and_are_symmetric_about_the_median(void **state)
{
    (void)state;
    assert_near(quantile_levels[QUANTILE_MEDIAN], 0.5, 0.0);
    for (size_t i = 0; i < QUANTILE_COUNT; i++) {
        assert_near(quantile_levels[i] + quantile_levels[QUANTILE_COUNT - 1 - i], 1.0, 1e-15);
        assert_true(i == 0 || quantile_levels[i] > quantile_levels[i - 1]);
    }
}

static void sorts_a_curve_that_crosses(void **state)
{
    struct quantile_curve curve;

    (void)state;
    for (size_t i = 0; i < QUANTILE_COUNT; i++)
        curve.log_return[i] = (double)((i * 7) % QUANTILE_COUNT);
    assert_int_equal(quantile_curve_finish(&curve, false), 0);
    for (size_t i = 0; i < QUANTILE_COUNT; i++)
        assert_near(curve.log_return[i], (double)i, 0.0);
}

static void mirroring_removes_the_drift_and_keeps_the_widths(void **state)
{
    struct quantile_curve curve, before;

    (void)state;
    for (size_t i = 0; i < QUANTILE_COUNT; i++)
        curve.log_return[i] = 0.3 + 0.01 * (double)(i * i);
    before = curve;
    assert_int_equal(quantile_curve_finish(&curve, true), 0);
    assert_near(curve.log_return[QUANTILE_MEDIAN], 0.0, 0.0);
    for (size_t i = 0; i < QUANTILE_COUNT; i++) {
        size_t other = QUANTILE_COUNT - 1 - i;

        assert_near(curve.log_return[i] + curve.log_return[other], 0.0, 0.0);
        assert_near(curve.log_return[other] - curve.log_return[i], before.log_return[other] - before.log_return[i],
                    1e-15);
    }
}

static void refuses_values_that_are_not_finite(void **state)
{
    const double wrong[] = {NAN, INFINITY, -INFINITY};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct quantile_curve curve = {{0.0}};

        curve.log_return[3] = wrong[i];
        assert_int_equal(quantile_curve_finish(&curve, true), -1);
        assert_int_equal(err_kind(), E_INPUT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_ascend_and_are_symmetric_about_the_median),
        cmocka_unit_test(sorts_a_curve_that_crosses),
        cmocka_unit_test(mirroring_removes_the_drift_and_keeps_the_widths),
        cmocka_unit_test(refuses_values_that_are_not_finite),
    };
    return cmocka_run_group_tests_name("models/curve", tests, NULL, NULL);
}
