/* What outcomes teach: the width that covers as often as it says, steps that depend on time, quarantine and return, and
 * a state that survives being stored.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "core/err.h"
#include "core/rand.h"
#include "eval/calibrate.h"
#include "math/normal.h"
#include "near.h"

#define HOUR_MS INT64_C(3600000)
#define DAY_S INT64_C(86400)
#define SCALE 0.01

static const char *const names[] = {"rw-gauss", "har-log", "qr-vol", "garch"};

/* A Gaussian curve whose deviation is `factor` times the market's. */
static struct quantile_curve curve_of(double factor)
{
    struct quantile_curve curve;

    for (size_t i = 0; i < QUANTILE_COUNT; i++)
        curve.log_return[i] = factor * SCALE * normal_quantile(quantile_levels[i]);
    return curve;
}

/* All models `factor` times as wide as the market, garch `garch` times. */
static struct calibration_outcome outcome_of(struct quantile_curve curves[4], double factor, double garch)
{
    for (size_t i = 0; i < 3; i++)
        curves[i] = curve_of(factor);
    curves[3] = curve_of(garch);
    return (struct calibration_outcome){.count = 4, .models = names, .curves = curves};
}

/* Learns `count` outcomes of a Gaussian market at origins `stride_ms` apart, the first at `*origin_ms`. */
static void learn_many(struct calibration *calibration, struct calibration_outcome outcome, int64_t *origin_ms,
                       int64_t stride_ms, int count)
{
    struct rng rng;

    rng_init(&rng, 7);
    for (int i = 0; i < count; i++, *origin_ms += stride_ms) {
        outcome.origin_ms = *origin_ms;
        outcome.log_return = SCALE * rng_normal(&rng);
        assert_int_equal(calibration_learn(calibration, &outcome), 0);
    }
}

static void curves_too_narrow_or_too_wide_come_back_to_the_markets_width(void **state)
{
    static const double factors[] = {0.8, 1.0, 1.25};

    (void)state;
    for (size_t i = 0; i < BTCF_LENGTH(factors); i++) {
        struct quantile_curve curves[4];
        struct calibration_outcome outcome = outcome_of(curves, factors[i], 1.0);
        struct calibration calibration;
        int64_t origin_ms = 0;

        calibration_init(&calibration, DAY_S);
        learn_many(&calibration, outcome, &origin_ms, DAY_S * 1000, 2000);
        /* The gain leaves a noise of about sqrt(gain) x 0.3 in the logarithm. */
        assert_near(factors[i] * exp(calibration.log_width), 1.0, 0.12);
        struct quantile_curve applied = curves[0];
        calibration_apply(&calibration, &applied);
        assert_close(applied.log_return[21], curves[0].log_return[21] * exp(calibration.log_width), 1e-12);
    }
}

static void the_width_stays_within_its_limits_whatever_comes(void **state)
{
    struct quantile_curve curves[4];
    struct calibration_outcome outcome = outcome_of(curves, 1e-6, 1.0);
    struct calibration calibration;
    int64_t origin_ms = 0;

    (void)state;
    calibration_init(&calibration, DAY_S);
    learn_many(&calibration, outcome, &origin_ms, DAY_S * 1000, 500);
    assert_near(calibration.log_width, CALIBRATION_WIDTH_MAX, 0.0);
    outcome = outcome_of(curves, 1e6, 1.0);
    learn_many(&calibration, outcome, &origin_ms, DAY_S * 1000, 500);
    assert_near(calibration.log_width, -CALIBRATION_WIDTH_MAX, 0.0);
}

/* One miss, then hits only: how far the width moves depends on the time that passes, not on the number of origins. */
static void steps_depend_on_time_and_not_on_how_often_somebody_forecasts(void **state)
{
    struct quantile_curve curves[4];
    struct calibration_outcome outcome = outcome_of(curves, 1.0, 1.0);
    struct calibration daily, hourly;

    (void)state;
    calibration_init(&daily, 3 * DAY_S);
    calibration_init(&hourly, 3 * DAY_S);
    for (int hour = 0; hour <= 24 * 60; hour++) {
        outcome.origin_ms = hour * HOUR_MS;
        outcome.log_return = 0.0;
        assert_int_equal(calibration_learn(&hourly, &outcome), 0);
        if (hour % 24 == 0)
            assert_int_equal(calibration_learn(&daily, &outcome), 0);
    }
    assert_int_equal(hourly.outcome_count, 24 * 60 + 1);
    assert_int_equal(daily.outcome_count, 61);
    assert_close(hourly.log_width, daily.log_width, 1e-9);
    assert_close(daily.log_width, -CALIBRATION_GAIN * 0.75 * (1.0 + 60.0 / 3.0), 1e-9);
}

static void weeks_are_too_few_to_teach_a_width(void **state)
{
    struct quantile_curve curves[4];
    struct calibration_outcome outcome = outcome_of(curves, 0.5, 1.0);
    struct calibration calibration;
    int64_t origin_ms = 0;

    (void)state;
    calibration_init(&calibration, 7 * DAY_S);
    learn_many(&calibration, outcome, &origin_ms, DAY_S * 1000, 500);
    assert_near(calibration.log_width, 0.0, 0.0);
    assert_true(calibration_standing(&calibration, "garch")->outcomes > 10.0);
}

static void a_model_clearly_worse_than_the_random_walk_is_quarantined_and_may_return(void **state)
{
    struct quantile_curve curves[4];
    struct calibration_outcome outcome = outcome_of(curves, 1.0, 8.0);
    struct calibration calibration;
    int64_t origin_ms = 0;

    (void)state;
    calibration_init(&calibration, DAY_S);
    learn_many(&calibration, outcome, &origin_ms, DAY_S * 1000, (int)CALIBRATION_JUDGED_MIN);
    assert_false(calibration_is_quarantined(&calibration, "garch")); /* forgetting has begun: not yet enough */
    learn_many(&calibration, outcome, &origin_ms, DAY_S * 1000, 5);
    assert_true(calibration_is_quarantined(&calibration, "garch"));
    assert_false(calibration_is_quarantined(&calibration, "har-log"));
    assert_false(calibration_is_quarantined(&calibration, "rw-gauss"));
    assert_false(calibration_is_quarantined(&calibration, "never-seen"));
    outcome = outcome_of(curves, 1.0, 1.0);
    learn_many(&calibration, outcome, &origin_ms, DAY_S * 1000, 1000);
    assert_false(calibration_is_quarantined(&calibration, "garch"));
}

static void forecasts_that_overlap_do_not_hurry_a_quarantine(void **state)
{
    struct quantile_curve curves[4];
    struct calibration_outcome outcome = outcome_of(curves, 1.0, 8.0);
    struct calibration calibration;
    int64_t origin_ms = 0;

    (void)state;
    calibration_init(&calibration, 30 * DAY_S);
    learn_many(&calibration, outcome, &origin_ms, HOUR_MS, 24 * 60); /* two months: two independent outcomes */
    assert_false(calibration_is_quarantined(&calibration, "garch"));
    assert_true(calibration_standing(&calibration, "garch")->outcomes < 4.0);
}

static void learning_an_outcome_twice_changes_nothing(void **state)
{
    struct quantile_curve curves[4];
    struct calibration_outcome outcome = outcome_of(curves, 1.0, 1.0);
    struct calibration calibration, before;
    int64_t origin_ms = 0;

    (void)state;
    calibration_init(&calibration, DAY_S);
    learn_many(&calibration, outcome, &origin_ms, DAY_S * 1000, 50);
    before = calibration;
    outcome.origin_ms = origin_ms - DAY_S * 1000;
    outcome.log_return = 0.5;
    assert_int_equal(calibration_learn(&calibration, &outcome), 0);
    assert_memory_equal(&calibration, &before, sizeof before);
}

static void figures_that_are_not_finite_are_refused_and_teach_nothing(void **state)
{
    struct quantile_curve curves[4];
    struct calibration_outcome outcome = outcome_of(curves, 1.0, 1.0);
    struct calibration calibration, before;

    (void)state;
    calibration_init(&calibration, DAY_S);
    before = calibration;
    outcome.log_return = NAN;
    assert_int_equal(calibration_learn(&calibration, &outcome), -1);
    outcome.log_return = 0.0;
    curves[2].log_return[7] = INFINITY;
    assert_int_equal(calibration_learn(&calibration, &outcome), -1);
    assert_int_equal(err_kind(), E_INPUT);
    assert_memory_equal(&calibration, &before, sizeof before);
}

static void stored_bytes_go_on_as_if_nothing_had_happened(void **state)
{
    struct quantile_curve curves[4];
    struct calibration_outcome outcome = outcome_of(curves, 0.9, 1.1);
    struct calibration whole, first, second;
    int64_t origin_ms = 0;

    (void)state;
    calibration_init(&whole, DAY_S);
    calibration_init(&first, DAY_S);
    learn_many(&whole, outcome, &origin_ms, DAY_S * 1000, 100);
    learn_many(&whole, outcome, &origin_ms, DAY_S * 1000, 100);
    origin_ms = 0;
    learn_many(&first, outcome, &origin_ms, DAY_S * 1000, 100);
    assert_int_equal(calibration_load(&second, DAY_S, &first, sizeof first), 0);
    learn_many(&second, outcome, &origin_ms, DAY_S * 1000, 100);
    assert_memory_equal(&second, &whole, sizeof whole);
}

static void refuse_bytes(const struct calibration *bytes, size_t len, int64_t horizon_s)
{
    struct calibration loaded;

    assert_int_equal(calibration_load(&loaded, horizon_s, bytes, len), -1);
    assert_int_equal(err_kind(), E_INPUT);
    assert_int_equal(loaded.outcome_count, 0); /* usable all the same */
}

static void damaged_bytes_are_refused(void **state)
{
    struct calibration good, bad;

    (void)state;
    calibration_init(&good, DAY_S);
    refuse_bytes(&good, sizeof good - 1, DAY_S);
    refuse_bytes(&good, sizeof good, 2 * DAY_S);
    bad = good, bad.version++;
    refuse_bytes(&bad, sizeof bad, DAY_S);
    bad = good, bad.log_width = NAN;
    refuse_bytes(&bad, sizeof bad, DAY_S);
    bad = good, bad.log_width = 1.0;
    refuse_bytes(&bad, sizeof bad, DAY_S);
    bad = good, bad.standing_count = CALIBRATION_MODELS_MAX + 1;
    refuse_bytes(&bad, sizeof bad, DAY_S);
    bad = good, bad.standing_count = 1, bad.standings[0].crps = INFINITY;
    refuse_bytes(&bad, sizeof bad, DAY_S);
    bad = good, bad.standing_count = 1;
    memset(bad.standings[0].model, 'x', CALIBRATION_NAME_SIZE);
    refuse_bytes(&bad, sizeof bad, DAY_S);
}

static void the_one_for_a_horizon_is_found(void **state)
{
    struct calibration two[2];

    (void)state;
    calibration_init(&two[0], 3600);
    calibration_init(&two[1], DAY_S);
    assert_ptr_equal(calibration_find(two, 2, DAY_S), &two[1]);
    assert_null(calibration_find(two, 2, 7200));
    assert_null(calibration_find(NULL, 0, 3600));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(curves_too_narrow_or_too_wide_come_back_to_the_markets_width),
        cmocka_unit_test(the_width_stays_within_its_limits_whatever_comes),
        cmocka_unit_test(steps_depend_on_time_and_not_on_how_often_somebody_forecasts),
        cmocka_unit_test(weeks_are_too_few_to_teach_a_width),
        cmocka_unit_test(a_model_clearly_worse_than_the_random_walk_is_quarantined_and_may_return),
        cmocka_unit_test(forecasts_that_overlap_do_not_hurry_a_quarantine),
        cmocka_unit_test(learning_an_outcome_twice_changes_nothing),
        cmocka_unit_test(figures_that_are_not_finite_are_refused_and_teach_nothing),
        cmocka_unit_test(stored_bytes_go_on_as_if_nothing_had_happened),
        cmocka_unit_test(damaged_bytes_are_refused),
        cmocka_unit_test(the_one_for_a_horizon_is_found),
    };
    return cmocka_run_group_tests_name("eval/calibrate", tests, NULL, NULL);
}
