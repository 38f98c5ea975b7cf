/* The order: series whose order is known, the tests that d and D rest on, and hostile series, which get an answer or a reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/err.h"
#include "core/rand.h"
#include "models/arima.h"
#include "models/stationarity.h"
#include "near.h"

#define ARENA_MAX ((size_t)512 << 20)
#define COUNT 240

static struct arena *arena;
static double noise[COUNT], walk[COUNT], season[COUNT];

static int begin(void **state)
{
    struct rng rng;

    (void)state;
    arena = arena_create("test", ARENA_MAX);
    err_clear();
    rng_init(&rng, 3);
    for (size_t t = 0; t < COUNT; t++) {
        noise[t] = rng_normal(&rng);
        walk[t] = noise[t] + (t > 0 ? walk[t - 1] : 100.0);
        season[t] = 10.0 * sin((double)(t % 12) * 0.5235987755982988) + 0.05 * (double)t + noise[t];
    }
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static struct arima_fit choose(const double *values, size_t count, size_t period)
{
    const struct arima_data data = {values, count};
    struct arima_fit fit;

    assert_int_equal(arima_choose(arena, &data, period, &arima_limits_default, &fit), 0);
    return fit;
}

static void a_random_walk_is_differenced_once_and_noise_never(void **state)
{
    struct arima_fit fit = choose(walk, COUNT, 1);

    (void)state;
    assert_int_equal(fit.arima.order.d, 1);
    fit = choose(noise, COUNT, 1);
    assert_int_equal(fit.arima.order.d, 0);
    assert_near(fit.arima.sigma2, 1.0, 0.25);
}

static void a_strong_season_is_differenced_at_its_period(void **state)
{
    struct arima_fit fit = choose(season, COUNT, 12);

    (void)state;
    assert_int_equal(fit.arima.order.D, 1);
    assert_int_equal(fit.arima.order.period, 12);
    assert_near(seasonal_strength(arena, season, COUNT, 12), 1.0, 0.05);
    assert_true(seasonal_strength(arena, noise, COUNT, 12) < SEASONAL_STRENGTH_LIMIT);
}

static void the_choice_is_not_worse_than_the_orders_beside_it(void **state)
{
    struct arima_fit chosen = choose(walk, COUNT, 1), other;
    const struct arima_data data = {walk, COUNT};

    (void)state;
    for (size_t p = 0; p <= 2; p++)
        for (size_t q = 0; q <= 2; q++) {
            const struct arima_order order = {.p = p, .d = 1, .q = q, .period = 1};

            assert_int_equal(arima_estimate(arena, &data, &order, NULL, 0.0, &other), 0);
            if (arima_roots_beyond(&other.arima, 1.01))
                assert_true(chosen.aicc <= other.aicc + 0.5); /* stepwise: near the best, not always it */
        }
}

static void limits_hold(void **state)
{
    const struct arima_limits narrow = {.p_max = 1, .q_max = 0};
    const struct arima_data data = {walk, COUNT};
    struct arima_fit fit;

    (void)state;
    assert_int_equal(arima_choose(arena, &data, 1, &narrow, &fit), 0);
    assert_true(fit.arima.order.p <= 1 && fit.arima.order.q == 0 && fit.arima.order.d == 0);
    assert_false(fit.arima.order.has_mean);
}

static void the_same_values_give_the_same_bits(void **state)
{
    struct arima_fit first = choose(season, COUNT, 12), second = choose(season, COUNT, 12);

    (void)state;
    assert_memory_equal(&first.arima, &second.arima, sizeof first.arima);
}

/* By hand, lags trunc(3 sqrt(4) / 13) = 0: mean 2.5, partial sums -1.5 -2 -1.5 0, squares 8.5; variance 5. */
static void the_kpss_statistic_follows_from_its_definition(void **state)
{
    const double values[] = {1.0, 2.0, 3.0, 4.0};

    (void)state;
    assert_near(kpss_statistic(values, 4), 8.5 / (4.0 * 5.0), 1e-15);
    assert_true(kpss_statistic(walk, COUNT) > KPSS_LIMIT);
    assert_true(kpss_statistic(noise, COUNT) < KPSS_LIMIT);
}

static void a_straight_line_is_differenced_until_it_stands_still(void **state)
{
    double line[50];

    (void)state;
    for (size_t t = 0; t < 50; t++)
        line[t] = 2.0 * (double)t;
    assert_int_equal(differences_needed(arena, line, 50, 2), 1);
    assert_int_equal(differences_needed(arena, line, 50, 0), 0);
}

static void answers_or_refuses(const double *values, size_t count, size_t period)
{
    const struct arima_data data = {values, count};
    struct arima_fit fit;

    err_clear();
    if (arima_choose(arena, &data, period, &arima_limits_default, &fit) < 0) {
        assert_int_equal(err_kind(), E_INPUT);
        assert_true(strlen(err_text()) > 0);
        return;
    }
    assert_true(isfinite(fit.loglik) && isfinite(fit.arima.sigma2) && fit.arima.sigma2 > 0.0);
    double means[24], variances[24];
    if (arima_forecast(arena, &data, &fit.arima, 24, means, variances) == 0)
        for (size_t h = 0; h < 24; h++)
            assert_true(isfinite(means[h]) && isfinite(variances[h]) && variances[h] > 0.0);
}

static void hostile_series_get_an_answer_or_a_reason(void **state)
{
    double *values = arena_array(arena, COUNT, sizeof *values);

    (void)state;
    for (size_t kind = 0; kind < 8; kind++) {
        for (size_t t = 0; t < COUNT; t++) {
            const double made[] = {5.0,
                                   t % 2 == 0 ? 1.0 : 2.0,
                                   t == 100 ? NAN : noise[t],
                                   t == 100 ? 1e300 : noise[t],
                                   t == COUNT - 1 ? 1000.0 * walk[t] : walk[t],
                                   (double)t * (double)t,
                                   exp(0.5 * (double)t),
                                   t < COUNT / 2 ? walk[t] : walk[COUNT / 2]};
            values[t] = made[kind];
        }
        for (size_t period = 1; period <= 12; period += 11)
            answers_or_refuses(values, COUNT, period);
        for (size_t count = 0; count < 8; count++)
            answers_or_refuses(values, count, 4);
        arena_reset(arena);
        values = arena_array(arena, COUNT, sizeof *values);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_random_walk_is_differenced_once_and_noise_never, begin, end),
        cmocka_unit_test_setup_teardown(a_strong_season_is_differenced_at_its_period, begin, end),
        cmocka_unit_test_setup_teardown(the_choice_is_not_worse_than_the_orders_beside_it, begin, end),
        cmocka_unit_test_setup_teardown(limits_hold, begin, end),
        cmocka_unit_test_setup_teardown(the_same_values_give_the_same_bits, begin, end),
        cmocka_unit_test_setup_teardown(the_kpss_statistic_follows_from_its_definition, begin, end),
        cmocka_unit_test_setup_teardown(a_straight_line_is_differenced_until_it_stands_still, begin, end),
        cmocka_unit_test_setup_teardown(hostile_series_get_an_answer_or_a_reason, begin, end),
    };
    return cmocka_run_group_tests_name("models/arima_auto", tests, NULL, NULL);
}
