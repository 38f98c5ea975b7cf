/* Moments against sums done by hand and by reference software. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "core/base.h"
#include "math/moments.h"
#include "near.h"

static const double values[] = {1.0, 3.0, 2.0, 5.0, 4.0, 6.0, 8.0, 7.0};

static void takes_mean_and_population_deviation(void **state)
{
    static const double one[] = {3.0};

    (void)state;
    assert_near(mean_of(values, 8), 4.5, 1e-15);
    assert_near(deviation_of(values, 8), 2.29128784747792, 1e-14);
    assert_near(deviation_of(one, 1), 0.0, 0.0);
}

static void keeps_the_digits_of_small_moves_on_a_large_level(void **state)
{
    static const double level[] = {60000.0001, 60000.0002, 60000.0003};

    (void)state;
    assert_near(deviation_of(level, 3), sqrt(2.0 / 3.0) * 1e-4, 1e-11);
}

static void weighs_autocovariances_as_bartlett_does(void **state)
{
    (void)state;
    /* overlap 2 gives the lag max(3, 2) = 3. */
    assert_near(mean_variance_overlapping(values, 8, 2.0), 1.296875, 1e-12);
}

static void never_gives_a_negative_variance(void **state)
{
    double alternating[50];

    (void)state;
    for (size_t i = 0; i < BTCF_LENGTH(alternating); i++)
        alternating[i] = i % 2 == 0 ? 1.0 : -1.0;
    for (double overlap = 1.0; overlap < 60.0; overlap += 1.0)
        assert_true(mean_variance_overlapping(alternating, 50, overlap) >= 0.0);
    assert_near(mean_variance_overlapping(alternating, 1, 5.0), 0.0, 0.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_mean_and_population_deviation),
        cmocka_unit_test(keeps_the_digits_of_small_moves_on_a_large_level),
        cmocka_unit_test(weighs_autocovariances_as_bartlett_does),
        cmocka_unit_test(never_gives_a_negative_variance),
    };
    return cmocka_run_group_tests_name("math/moments", tests, NULL, NULL);
}
