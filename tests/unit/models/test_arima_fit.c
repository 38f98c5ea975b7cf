/* Estimation: known parameters found again, what must not matter does not, and series that no ARIMA can serve are refused. Also
 * forecasts whose values follow from a line of arithmetic, and the diffuse likelihood where it must be the exact one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/err.h"
#include "core/rand.h"
#include "models/arima.h"
#include "near.h"

#define ARENA_MAX ((size_t)256 << 20)
#define COUNT 2000

static struct arena *arena;
static double noise[COUNT];

static int begin(void **state)
{
    struct rng rng;

    (void)state;
    arena = arena_create("test", ARENA_MAX);
    err_clear();
    rng_init(&rng, 7);
    for (size_t t = 0; t < COUNT; t++)
        noise[t] = rng_normal(&rng);
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

/* y[t] - 5 = .7 (y[t-1] - 5) + e[t] - .4 e[t-1], sigma 2 */
static double *make_mixed(void)
{
    double *values = arena_array(arena, COUNT, sizeof *values);

    for (size_t t = 0; t < COUNT; t++)
        values[t] = 5.0 + (t == 0 ? 0.0 : 0.7 * (values[t - 1] - 5.0) - 0.8 * noise[t - 1]) + 2.0 * noise[t];
    return values;
}

static const struct arima_order mixed = {.p = 1, .q = 1, .period = 1, .has_mean = true};

static void finds_the_parameters_that_a_series_was_made_with(void **state)
{
    const struct arima_data data = {make_mixed(), COUNT};
    struct arima_fit fit;
    double errors[3];

    (void)state;
    assert_int_equal(arima_estimate(arena, &data, &mixed, NULL, 0.0, &fit), 0);
    arima_errors(arena, &data, &fit, errors);
    assert_true(fit.converged);
    assert_int_equal(fit.parameter_count, 4);
    assert_true(errors[0] > 0.02 && errors[0] < 0.08); /* sqrt of (1 - .7 .4)^2 (1 - .49) / (.3^2 n) = .054 */
    assert_near(fit.arima.coefficients[0], 0.7, 3.0 * errors[0]);
    assert_near(fit.arima.coefficients[1], -0.4, 3.0 * errors[1]);
    assert_near(fit.arima.mean, 5.0, 3.0 * errors[2]);
    assert_near(fit.arima.sigma2, 4.0, 0.4);
    /* 2 sigma / sqrt(n) (1 - .4) / (1 - .7), the error of a mean of autocorrelated values. */
    assert_near(errors[2], 2.0 / sqrt(COUNT) * 2.0, 0.02);
}

static void scale_and_shift_change_nothing_but_themselves(void **state)
{
    double *values = make_mixed(), *moved = arena_array(arena, COUNT, sizeof *moved);
    const struct arima_data data = {values, COUNT}, other = {moved, COUNT};
    struct arima_fit plain, scaled;

    (void)state;
    for (size_t t = 0; t < COUNT; t++)
        moved[t] = 1e6 * values[t] + 1e8;
    assert_int_equal(arima_estimate(arena, &data, &mixed, NULL, 0.0, &plain), 0);
    assert_int_equal(arima_estimate(arena, &other, &mixed, NULL, 0.0, &scaled), 0);
    assert_near(scaled.arima.coefficients[0], plain.arima.coefficients[0], 1e-5);
    assert_near(scaled.arima.coefficients[1], plain.arima.coefficients[1], 1e-5);
    assert_close(scaled.arima.mean, 1e6 * plain.arima.mean + 1e8, 1e-8);
    assert_near(scaled.loglik, plain.loglik - COUNT * log(1e6), 1e-5);
}

static void where_the_search_begins_does_not_matter(void **state)
{
    const struct arima_data data = {make_mixed(), COUNT};
    struct arima_fit first, second, far = {.arima = {.order = mixed, .coefficients = {-0.9, 0.9}}};

    (void)state;
    assert_int_equal(arima_estimate(arena, &data, &mixed, NULL, 0.0, &first), 0);
    assert_int_equal(arima_estimate(arena, &data, &mixed, &far, 0.0, &second), 0);
    assert_near(second.loglik, first.loglik, 1e-7);
    assert_near(second.arima.coefficients[0], first.arima.coefficients[0], 1e-5);
}

static void without_differences_the_diffuse_likelihood_is_the_exact_one(void **state)
{
    const struct arima_data data = {make_mixed(), 200};
    const struct arima_order season = {.p = 1, .P = 1, .Q = 1, .period = 4, .has_mean = true};
    struct arima_fit fit;

    (void)state;
    assert_int_equal(arima_estimate(arena, &data, &mixed, NULL, 0.0, &fit), 0);
    assert_near(arima_diffuse_likelihood(arena, &data, &fit.arima), fit.loglik, 1e-7);
    assert_int_equal(arima_estimate(arena, &data, &season, NULL, 0.0, &fit), 0);
    assert_near(arima_diffuse_likelihood(arena, &data, &fit.arima), fit.loglik, 1e-7);
}

static void one_difference_hardly_depends_on_how_the_first_value_counts(void **state)
{
    const struct arima_order order = {.d = 1, .q = 1, .period = 1, .has_mean = true};
    const struct arima_data data = {make_mixed(), 200};
    struct arima_fit fit;

    (void)state;
    assert_int_equal(arima_estimate(arena, &data, &order, NULL, 0.0, &fit), 0);
    assert_near(arima_diffuse_likelihood(arena, &data, &fit.arima), fit.loglik, 1e-3);
}

static void forecasts_of_a_walk_with_drift_follow_from_arithmetic(void **state)
{
    const struct arima arima = {.order = {.d = 1, .period = 1, .has_mean = true}, .mean = 0.5, .sigma2 = 4.0};
    const double values[] = {1.0, 3.0, 2.0, 7.0};
    const struct arima_data data = {values, 4};
    double means[3], variances[3];

    (void)state;
    assert_int_equal(arima_forecast(arena, &data, &arima, 3, means, variances), 0);
    for (size_t h = 0; h < 3; h++) {
        assert_near(means[h], 7.0 + 0.5 * (double)(h + 1), 1e-12);
        assert_near(variances[h], 4.0 * (double)(h + 1), 1e-12);
    }
}

static void forecasts_of_two_kinds_of_differences_continue_both(void **state)
{
    /* (1-B)(1-B^2) y = e: y[t] = y[t-1] + y[t-2] - y[t-3] */
    const struct arima arima = {.order = {.d = 1, .D = 1, .period = 2}, .sigma2 = 1.0};
    const double values[] = {1.0, 5.0, 2.0, 6.5, 3.0};
    const struct arima_data data = {values, 5};
    const double psi[] = {1.0, 1.0, 2.0, 2.0};
    double means[4], variances[4], sum = 0.0;

    (void)state;
    assert_int_equal(arima_forecast(arena, &data, &arima, 4, means, variances), 0);
    assert_near(means[0], 3.0 + 6.5 - 2.0, 1e-12);
    assert_near(means[1], 7.5 + 3.0 - 6.5, 1e-12);
    assert_near(means[2], 4.0 + 7.5 - 3.0, 1e-12);
    for (size_t h = 0; h < 4; h++)
        assert_near(variances[h], sum += psi[h] * psi[h], 1e-12);
}

static void roots_are_judged_with_the_season_in_mind(void **state)
{
    const struct arima near_one = {.order = {.q = 1, .period = 1}, .coefficients = {-0.995}};
    const struct arima far = {.order = {.q = 1, .period = 1}, .coefficients = {-0.98}};
    const struct arima season = {.order = {.P = 1, .period = 12},
                                 .coefficients = {0.9}}; /* root .9^(-1/12) = 1.0088 */

    (void)state;
    assert_false(arima_roots_beyond(&near_one, 1.01));
    assert_true(arima_roots_beyond(&near_one, 1.001));
    assert_true(arima_roots_beyond(&far, 1.01));
    assert_false(arima_roots_beyond(&season, 1.01));
    assert_true(arima_roots_beyond(&season, 1.005));
}

static void assert_refused(const double *values, size_t count, const struct arima_order *order, const char *reason)
{
    const struct arima_data data = {values, count};
    struct arima_fit fit;

    err_clear();
    assert_int_equal(arima_estimate(arena, &data, order, NULL, 0.0, &fit), -1);
    assert_int_equal(err_kind(), E_INPUT);
    if (strstr(err_text(), reason) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err_text(), reason);
}

static void refuses_what_it_cannot_serve_and_says_why(void **state)
{
    double *flat = arena_array(arena, 50, sizeof *flat), *line = arena_array(arena, 50, sizeof *line);
    double *huge = arena_array(arena, 50, sizeof *huge), *hole = arena_array(arena, 50, sizeof *hole);
    const struct arima_order drift = {.p = 1, .d = 1, .period = 1, .has_mean = true};

    (void)state;
    for (size_t t = 0; t < 50; t++) {
        flat[t] = 3.0;
        line[t] = (double)t;
        huge[t] = t % 2 == 0 ? 1.7e308 : -1.7e308;
        hole[t] = t == 20 ? NAN : noise[t];
    }
    assert_refused(flat, 50, &mixed, "stand still");
    assert_refused(line, 50, &drift, "stand still");
    assert_refused(huge, 50, &drift, "not finite");
    assert_refused(hole, 50, &mixed, "not finite");
    assert_refused(noise, 3, &mixed, "needs");
    assert_refused(noise, 0, &mixed, "needs");
    assert_refused(noise, 50, &(struct arima_order){.p = ARIMA_LAGS_MAX + 1, .period = 1}, "lags");
    assert_refused(noise, 50, &(struct arima_order){.P = 1, .period = 1}, "period above 1");
    assert_refused(noise, 50, &(struct arima_order){.P = 1, .period = ARIMA_EXPANDED_MAX + 1}, "reach back");
    assert_refused(noise, 50, &(struct arima_order){.d = 4, .period = 1}, "three times");
    assert_refused(noise, 50, &(struct arima_order){.d = 2, .period = 1, .has_mean = true}, "mean");
}

static void large_and_small_values_are_no_obstacle(void **state)
{
    double *values = arena_array(arena, 300, sizeof *values);
    struct arima_fit fit;

    (void)state;
    for (int power = -150; power <= 150; power += 300) { /* sigma^2 must still be a number */
        const struct arima_data data = {values, 300};

        for (size_t t = 0; t < 300; t++)
            values[t] = noise[t] * pow(10.0, power);
        assert_int_equal(arima_estimate(arena, &data, &mixed, NULL, 0.0, &fit), 0);
        assert_true(isfinite(fit.loglik) && isfinite(fit.arima.sigma2) && fit.arima.sigma2 > 0.0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(finds_the_parameters_that_a_series_was_made_with, begin, end),
        cmocka_unit_test_setup_teardown(scale_and_shift_change_nothing_but_themselves, begin, end),
        cmocka_unit_test_setup_teardown(where_the_search_begins_does_not_matter, begin, end),
        cmocka_unit_test_setup_teardown(without_differences_the_diffuse_likelihood_is_the_exact_one, begin, end),
        cmocka_unit_test_setup_teardown(one_difference_hardly_depends_on_how_the_first_value_counts, begin, end),
        cmocka_unit_test_setup_teardown(forecasts_of_a_walk_with_drift_follow_from_arithmetic, begin, end),
        cmocka_unit_test_setup_teardown(forecasts_of_two_kinds_of_differences_continue_both, begin, end),
        cmocka_unit_test_setup_teardown(roots_are_judged_with_the_season_in_mind, begin, end),
        cmocka_unit_test_setup_teardown(refuses_what_it_cannot_serve_and_says_why, begin, end),
        cmocka_unit_test_setup_teardown(large_and_small_values_are_no_obstacle, begin, end),
    };
    return cmocka_run_group_tests_name("models/arima_fit", tests, NULL, NULL);
}
