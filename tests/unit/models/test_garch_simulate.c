/* The bounded fit on returns whose parameters are known, and the simulation against what can be computed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "core/err.h"
#include "core/rand.h"
#include "math/normal.h"
#include "math/student_t.h"
#include "models/garch_simulate.h"
#include "near.h"

#define ARENA_MAX ((size_t)64 << 20)
#define COUNT 8000
#define SIZES 2048
#define STEPS 60

static struct arena *arena;
static double values[COUNT], sizes[SIZES], factors[STEPS];
static const struct garch_data data = {.values = values, .count = COUNT};

static int begin(void **state)
{
    (void)state;
    arena = arena_create("test", ARENA_MAX);
    err_clear();
    for (size_t i = 0; i < SIZES; i++)
        sizes[i] = normal_quantile(0.5 + 0.5 * ((double)i + 0.5) / SIZES);
    for (size_t i = 0; i < STEPS; i++)
        factors[i] = 1.0;
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

/* Returns that follow `truth`, with normal innovations. */
static void make_returns(const struct garch_bounded *truth)
{
    struct rng rng;
    double variance = truth->mean_square;

    rng_init(&rng, 3);
    for (size_t t = 0; t < COUNT; t++) {
        values[t] = sqrt(variance) * rng_normal(&rng);
        double news = values[t] < 0.0 ? truth->alpha + truth->gamma : truth->alpha;
        variance = truth->omega + news * values[t] * values[t] + truth->beta * variance;
    }
}

static void the_fit_finds_the_parameters_that_made_the_returns(void **state)
{
    const struct garch_bounded truth = {
        .omega = 5e-6, .alpha = 0.05, .gamma = 0.1, .beta = 0.85, .mean_square = 1e-4};
    const struct garch_form form = {GARCH_GJR, GARCH_STUDENT};
    struct garch_bounded fit;

    (void)state;
    make_returns(&truth);
    assert_int_equal(garch_bounded_fit(arena, &form, &data, &fit), 0);
    assert_near(fit.alpha, truth.alpha, 0.03);
    assert_near(fit.gamma, truth.gamma, 0.04);
    assert_near(fit.beta, truth.beta, 0.04);
    assert_true(fit.nu > 20.0); /* normal innovations have no fat tails */
    assert_near(fit.omega / (1.0 - fit.alpha - 0.5 * fit.gamma - fit.beta), 1e-4, 1.5e-5);
}

static void the_unit_of_the_returns_does_not_matter(void **state)
{
    const struct garch_bounded truth = {.omega = 1e-5, .alpha = 0.1, .beta = 0.8, .mean_square = 1e-4};
    const struct garch_form form = {GARCH_PLAIN, GARCH_STUDENT};
    struct garch_bounded fit, other;

    (void)state;
    make_returns(&truth);
    assert_int_equal(garch_bounded_fit(arena, &form, &data, &fit), 0);
    for (size_t t = 0; t < COUNT; t++)
        values[t] *= 1024.0; /* a power of two changes no digit */
    assert_int_equal(garch_bounded_fit(arena, &form, &data, &other), 0);
    assert_close(other.alpha, fit.alpha, 1e-12);
    assert_close(other.beta, fit.beta, 1e-12);
    assert_close(other.omega, fit.omega * 1024.0 * 1024.0, 1e-12);
    assert_near(other.loglik, fit.loglik - COUNT * log(1024.0), 1e-6);
}

/* A variance that never comes back is what the bound is for. */
static void persistence_stays_below_its_bound(void **state)
{
    const struct garch_form form = {GARCH_PLAIN, GARCH_NORMAL};
    struct garch_bounded fit;
    struct rng rng;

    (void)state;
    rng_init(&rng, 5);
    for (size_t t = 0; t < COUNT; t++)
        values[t] = exp(3.0 * (double)t / COUNT) * rng_normal(&rng);
    assert_int_equal(garch_bounded_fit(arena, &form, &data, &fit), 0);
    assert_true(fit.alpha + fit.beta > 0.99 && fit.alpha + fit.beta <= GARCH_PERSISTENCE_MAX + 1e-12);
    assert_true(fit.omega > 0.0);
}

static void returns_that_are_all_zero_are_refused(void **state)
{
    const struct garch_form form = {GARCH_PLAIN, GARCH_NORMAL};
    struct garch_bounded fit;

    (void)state;
    memset(values, 0, sizeof values);
    assert_int_equal(garch_bounded_fit(arena, &form, &data, &fit), -1);
    assert_int_equal(err_kind(), E_INPUT);
}

static struct garch_outlook outlook_of(const struct garch_bounded *fit, double variance)
{
    return (struct garch_outlook){.fit = fit,
                                  .variance = variance,
                                  .sizes = sizes,
                                  .size_count = SIZES,
                                  .factors = factors,
                                  .seed = 42,
                                  .stream = 7};
}

static void one_step_is_the_law_itself(void **state)
{
    const struct garch_bounded fit = {.omega = 1e-5, .alpha = 0.1, .beta = 0.8};
    struct garch_outlook outlook = outlook_of(&fit, 4e-4);
    const size_t steps[] = {1};
    struct quantile_curve curve;

    (void)state;
    factors[0] = 1.5;
    garch_simulate(arena, &outlook, steps, 1, &curve);
    for (size_t i = 0; i < QUANTILE_COUNT; i++) /* 1.5 x 2% */
        assert_near(curve.log_return[i], 0.03 * normal_quantile(quantile_levels[i]), 5e-4);
}

/* Variances of constant size: the sum of h normal returns is normal. */
static void without_news_the_sum_is_normal(void **state)
{
    const struct garch_bounded fit = {.omega = 1e-4, .alpha = 0.0, .beta = 0.0};
    struct garch_outlook outlook = outlook_of(&fit, 1e-4);
    const size_t steps[] = {4, 24, STEPS};
    struct quantile_curve curves[3];

    (void)state;
    garch_simulate(arena, &outlook, steps, 3, curves);
    for (size_t h = 0; h < 3; h++)
        for (size_t i = QUANTILE_MEDIAN + 1; i < QUANTILE_COUNT; i++) {
            double spread =
                0.01 * sqrt((double)steps[h]); /* the outermost quantiles of 4096 draws are known to 0.05 */

            assert_near(curves[h].log_return[i], spread * normal_quantile(quantile_levels[i]),
                        (steps[h] > 48 ? 0.25 : 0.12) * spread);
        }
}

/* E h_k = usual + (alpha + beta)^(k-1) (h_1 - usual): the spread of the sum follows, and fat tails come with alpha. */
static void volatility_reverts_at_the_rate_of_the_persistence(void **state)
{
    const struct garch_bounded fit = {.omega = 1e-5, .alpha = 0.05, .beta = 0.85};
    struct garch_outlook outlook = outlook_of(&fit, 9e-4);
    const size_t steps[] = {24};
    struct quantile_curve curve;
    double expected = 0.0, variance = 9e-4;

    (void)state;
    for (size_t k = 0; k < 24; k++, variance = 1e-5 + 0.9 * variance)
        expected += variance;
    garch_simulate(arena, &outlook, steps, 1, &curve);
    assert_near(curve.log_return[20] / normal_quantile(0.9), sqrt(expected), 0.06 * sqrt(expected));
    assert_true(curve.log_return[24] / curve.log_return[17] > normal_quantile(0.995) / normal_quantile(0.75));
}

static void without_leverage_the_curve_is_symmetric_to_the_bit(void **state)
{
    const struct garch_bounded fit = {.omega = 1e-5, .alpha = 0.1, .beta = 0.85};
    struct garch_outlook outlook = outlook_of(&fit, 1e-4);
    const size_t steps[] = {2, STEPS};
    struct quantile_curve curves[2];

    (void)state;
    garch_simulate(arena, &outlook, steps, 2, curves);
    for (size_t h = 0; h < 2; h++)
        for (size_t i = 0; i < QUANTILE_COUNT; i++)
            assert_near(curves[h].log_return[i] + curves[h].log_return[QUANTILE_COUNT - 1 - i], 0.0, 0.0);
}

/* A fall makes the next steps louder: the lower tail is the longer one. */
static void leverage_skews_the_sum_downwards(void **state)
{
    const struct garch_bounded fit = {.omega = 1e-5, .alpha = 0.0, .gamma = 0.3, .beta = 0.75};
    struct garch_outlook outlook = outlook_of(&fit, 1e-4);
    const size_t steps[] = {24};
    struct quantile_curve curve;

    (void)state;
    garch_simulate(arena, &outlook, steps, 1, &curve);
    assert_true(-curve.log_return[1] > 1.1 * curve.log_return[QUANTILE_COUNT - 2]);
}

static void a_horizons_answer_does_not_depend_on_the_others(void **state)
{
    const struct garch_bounded fit = {.omega = 1e-5, .alpha = 0.1, .gamma = 0.05, .beta = 0.8};
    struct garch_outlook outlook = outlook_of(&fit, 1e-4);
    const size_t all[] = {1, 4, 24, 50, STEPS};
    struct quantile_curve curves[5], alone;

    (void)state;
    garch_simulate(arena, &outlook, all, 5, curves);
    for (size_t h = 0; h < 5; h++) {
        garch_simulate(arena, &outlook, &all[h], 1, &alone);
        assert_memory_equal(&alone, &curves[h], sizeof alone);
    }
    outlook.stream++;
    garch_simulate(arena, &outlook, &all[2], 1, &alone);
    assert_memory_not_equal(&alone, &curves[2], sizeof alone);
}

/* Near-infinite variance, t innovations with nu = 2.1: the walk must stay finite for as long as it is asked to. */
static void the_wildest_walk_stays_finite(void **state)
{
    const struct garch_bounded fit = {.omega = 1e-9, .alpha = 0.9, .gamma = 0.1, .beta = 0.0495};
    struct garch_outlook outlook = outlook_of(&fit, 1.0);
    const size_t steps[] = {720};
    double *ones = arena_array(arena, 720, sizeof *ones);
    struct quantile_curve curve;

    (void)state;
    for (size_t i = 0; i < 720; i++)
        ones[i] = 1.0;
    student_t_halves(2.1, sizes, SIZES);
    outlook.factors = ones;
    garch_simulate(arena, &outlook, steps, 1, &curve);
    for (size_t i = 0; i < QUANTILE_COUNT; i++)
        assert_true(isfinite(curve.log_return[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_fit_finds_the_parameters_that_made_the_returns, begin, end),
        cmocka_unit_test_setup_teardown(the_unit_of_the_returns_does_not_matter, begin, end),
        cmocka_unit_test_setup_teardown(persistence_stays_below_its_bound, begin, end),
        cmocka_unit_test_setup_teardown(returns_that_are_all_zero_are_refused, begin, end),
        cmocka_unit_test_setup_teardown(one_step_is_the_law_itself, begin, end),
        cmocka_unit_test_setup_teardown(without_news_the_sum_is_normal, begin, end),
        cmocka_unit_test_setup_teardown(volatility_reverts_at_the_rate_of_the_persistence, begin, end),
        cmocka_unit_test_setup_teardown(without_leverage_the_curve_is_symmetric_to_the_bit, begin, end),
        cmocka_unit_test_setup_teardown(leverage_skews_the_sum_downwards, begin, end),
        cmocka_unit_test_setup_teardown(a_horizons_answer_does_not_depend_on_the_others, begin, end),
        cmocka_unit_test_setup_teardown(the_wildest_walk_stays_finite, begin, end),
    };
    return cmocka_run_group_tests_name("models/garch_simulate", tests, NULL, NULL);
}
