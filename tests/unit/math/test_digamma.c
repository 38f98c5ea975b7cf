/* psi against R's digamma, and its recurrence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "math/digamma.h"
#include "near.h"

static void agrees_with_r(void **state)
{
    (void)state;
    assert_close(digamma(0.1), -10.4237549404110759, 1e-14);
    assert_close(digamma(1.0), -0.5772156649015323, 1e-14);
    assert_close(digamma(2.35), 0.6268127280576523, 1e-14);
    assert_close(digamma(11.9), 2.4339335368825377, 1e-14);
    assert_close(digamma(100.0), 4.6001618527380881, 1e-14);
}

static void rises_by_one_over_x_per_unit(void **state)
{
    (void)state;
    for (double x = 0.05; x < 40.0; x *= 1.1)
        assert_near(digamma(x + 1.0) - digamma(x), 1.0 / x, 1e-13 / x);
}

static void knows_no_value_at_zero_and_below(void **state)
{
    (void)state;
    assert_true(isnan(digamma(0.0)));
    assert_true(isnan(digamma(-1.5)));
    assert_true(isnan(digamma(NAN)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_r),
        cmocka_unit_test(rises_by_one_over_x_per_unit),
        cmocka_unit_test(knows_no_value_at_zero_and_below),
    };
    return cmocka_run_group_tests_name("math/digamma", tests, NULL, NULL);
}
