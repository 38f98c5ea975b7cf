/* Theta: what it is on a line, on seasons, on noise; what it refuses. Its digits are held to R's in tests/reference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "core/arena.h"
#include "core/err.h"
#include "core/rand.h"
#include "models/theta.h"
#include "near.h"

#define ARENA_MAX ((size_t)16 << 20)
#define POINTS 120
#define PERIOD 6
#define AHEAD 12

static struct arena *arena;

static int begin(void **state)
{
    (void)state;
    arena = arena_create("test", ARENA_MAX);
    err_clear();
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static void drift_is_half_the_slope_of_the_line(void **state)
{
    double values[POINTS], means[AHEAD], variances[AHEAD];
    struct theta theta;

    (void)state;
    for (size_t t = 0; t < POINTS; t++)
        values[t] = 50.0 + 3.0 * (double)t + (t % 2 == 0 ? 0.5 : -0.5);
    assert_int_equal(theta_estimate(arena, values, POINTS, 1, &theta), 0);
    assert_near(theta.drift, 1.5, 1e-3);
    assert_int_equal(theta.period, 1);
    theta_forecast(&theta, AHEAD, means, variances);
    for (size_t h = 1; h < AHEAD; h++)
        assert_near(means[h] - means[h - 1], theta.drift, 1e-9);
}

static void variance_grows_with_the_square_of_alpha(void **state)
{
    double values[POINTS], means[AHEAD], variances[AHEAD], level = 100.0;
    struct theta theta;
    struct rng rng;

    (void)state;
    rng_init(&rng, 2);
    for (size_t t = 0; t < POINTS; t++)
        values[t] = (level += rng_normal(&rng)) + rng_normal(&rng);
    assert_int_equal(theta_estimate(arena, values, POINTS, 1, &theta), 0);
    theta_forecast(&theta, AHEAD, means, variances);
    double alpha = theta.smoothing.alpha;
    assert_true(alpha > 0.2 && alpha < 0.95);
    assert_close(variances[0], theta.sigma2, 1e-12);
    assert_close(variances[AHEAD - 1], theta.sigma2 * (1.0 + (AHEAD - 1) * alpha * alpha), 1e-12);
}

static void a_season_is_found_and_carried_on_and_noise_is_none(void **state)
{
    static const double season[PERIOD] = {0.7, 0.9, 1.0, 1.1, 1.2, 1.1};
    double values[POINTS], means[AHEAD], variances[AHEAD];
    struct theta theta;
    struct rng rng;

    (void)state;
    rng_init(&rng, 4);
    for (size_t t = 0; t < POINTS; t++)
        values[t] = (200.0 + rng_normal(&rng)) * season[t % PERIOD];
    assert_int_equal(theta_estimate(arena, values, POINTS, PERIOD, &theta), 0);
    assert_int_equal(theta.period, PERIOD);
    theta_forecast(&theta, AHEAD, means, variances);
    for (size_t h = 0; h < AHEAD; h++)
        assert_close(means[h], 200.0 * season[(POINTS + h) % PERIOD], 0.02);

    for (size_t t = 0; t < POINTS; t++)
        values[t] = 200.0 + rng_normal(&rng);
    assert_int_equal(theta_estimate(arena, values, POINTS, PERIOD, &theta), 0);
    assert_int_equal(theta.period, 1);
}

/* The season stands out, but cannot be divided by: ratios to a trend about zero are no indices. */
static void a_season_about_zero_is_left_alone_or_gives_finite_forecasts(void **state)
{
    double values[POINTS], means[AHEAD], variances[AHEAD];
    struct theta theta;

    (void)state;
    for (size_t t = 0; t < POINTS; t++)
        values[t] = t % 2 == 0 ? 1.0 : -1.0;
    assert_int_equal(theta_estimate(arena, values, POINTS, 2, &theta), 0);
    theta_forecast(&theta, AHEAD, means, variances);
    for (size_t h = 0; h < AHEAD; h++)
        assert_true(isfinite(means[h]) && isfinite(variances[h]));
}

static void refuses_values_that_stand_still_or_are_too_few(void **state)
{
    double values[POINTS];
    struct theta theta;

    (void)state;
    for (size_t t = 0; t < POINTS; t++)
        values[t] = 3.0;
    assert_int_equal(theta_estimate(arena, values, POINTS, 1, &theta), -1);
    assert_non_null(strstr(err_text(), "stand still"));
    values[1] = 4.0;
    assert_int_equal(theta_estimate(arena, values, 3, 1, &theta), -1);
    assert_int_equal(err_kind(), E_INPUT);
    err_clear();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(drift_is_half_the_slope_of_the_line, begin, end),
        cmocka_unit_test_setup_teardown(variance_grows_with_the_square_of_alpha, begin, end),
        cmocka_unit_test_setup_teardown(a_season_is_found_and_carried_on_and_noise_is_none, begin, end),
        cmocka_unit_test_setup_teardown(a_season_about_zero_is_left_alone_or_gives_finite_forecasts, begin, end),
        cmocka_unit_test_setup_teardown(refuses_values_that_stand_still_or_are_too_few, begin, end),
    };
    return cmocka_run_group_tests_name("models/theta", tests, NULL, NULL);
}
