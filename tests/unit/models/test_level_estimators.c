/* The models without a likelihood as `btcf fit` runs them: they say on a plain series what they say in forecasts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "core/arena.h"
#include "core/err.h"
#include "models/estimate.h"
#include "models/model.h"
#include "models/series.h"
#include "walk.h"

#define ARENA_MAX ((size_t)256 << 20)
#define POINTS 3500
#define DAY_MS (24 * WALK_HOUR_MS)

static const char *const names[] = {"rw-gauss", "rw-emp", "ewma-emp", "garch-fhs", "qr-vol", "qgb"};
static struct arena *arena;
static struct estimate estimate;

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

static int run(const char *name, const double *values, size_t count, struct estimate_options options)
{
    const struct estimator *estimator = estimator_find(name);

    assert_non_null(estimator);
    return estimator->run(arena, values, count, &options, &estimate);
}

/* One value a day from the first day of 1970 on, as an estimator takes them. */
static struct series days_of(const double *closes)
{
    int64_t *times = arena_array(arena, POINTS, sizeof *times);
    struct series_source source = {.count = POINTS, .open_ms = times, .close = closes};
    struct series series;

    for (size_t i = 0; i < POINTS; i++)
        times[i] = (int64_t)i * DAY_MS;
    assert_int_equal(series_make(arena, &source, DAY_MS, &series), 0);
    return series;
}

static void forecasts_are_those_of_the_model(void **state)
{
    double *closes = walk_closes(arena, POINTS, 5);
    const struct model_params params = {.seed = 3};

    (void)state;
    for (size_t i = 0; i < BTCF_LENGTH(names); i++) {
        struct series series = days_of(closes);
        struct quantile_curve curve;

        assert_int_equal(
            run(names[i], closes, POINTS, (struct estimate_options){.horizon = 1, .period = 1, .seed = 3}), 0);
        assert_int_equal(model_ask(arena, model_find(names[i]), &series, &params, 1, &curve), 0);
        assert_int_equal(estimate.n, POINTS);
        assert_int_equal(estimate.forecast_count, 1);
        double last = closes[POINTS - 1];
        assert_true(fabs(estimate.low_80[0] / (last * exp(curve.log_return[4])) - 1) < 1e-12);
        assert_true(fabs(estimate.high_95[0] / (last * exp(curve.log_return[22])) - 1) < 1e-12);
        assert_true(estimate.low_95[0] < estimate.low_80[0] && estimate.low_80[0] < estimate.mean[0]);
        assert_true(estimate.mean[0] < estimate.high_80[0] && estimate.high_80[0] < estimate.high_95[0]);
    }
}

static void what_was_learned_has_names_and_finite_values(void **state)
{
    double *closes = walk_closes(arena, POINTS, 5);

    (void)state;
    assert_int_equal(run("qr-vol", closes, POINTS, (struct estimate_options){.horizon = 16, .period = 1}), 0);
    assert_true(estimate.parameter_count > 0);
    for (size_t i = 0; i < estimate.parameter_count; i++) {
        assert_true(strlen(estimate.parameters[i].name) > 0);
        assert_true(isfinite(estimate.parameters[i].value));
    }
    assert_int_equal(estimate.forecast_count, 16);
    assert_true(isnan(estimate.loglik));
}

static void refuse(const char *name, const double *values, size_t count, struct estimate_options options,
                   const char *why)
{
    err_clear();
    assert_int_equal(run(name, values, count, options), -1);
    assert_int_equal(err_kind(), E_INPUT);
    assert_non_null(strstr(err_text(), why));
}

static void what_cannot_serve_is_refused_with_the_reason(void **state)
{
    double *closes = walk_closes(arena, POINTS, 5);
    const struct estimate_options plain = {.period = 1};

    (void)state;
    for (size_t i = 0; i < BTCF_LENGTH(names); i++) {
        refuse(names[i], closes, 0, plain, "no values");
        refuse(names[i], closes, 3, plain, "points of history");
        refuse(names[i], closes, POINTS, (struct estimate_options){.period = 1, .horizon = 17}, "at most 16");
        refuse(names[i], closes, POINTS, (struct estimate_options){.period = 7}, "period");
        refuse(names[i], closes, POINTS, (struct estimate_options){.period = 1, .order = "1,1"}, "order");
    }
    closes[10] = -1;
    refuse("qgb", closes, POINTS, plain, "value 11 is -1");
    closes[10] = (double)NAN;
    refuse("qgb", closes, POINTS, plain, "value 11");
    for (size_t i = 0; i < POINTS; i++)
        closes[i] = 7;
    for (size_t i = 0; i < BTCF_LENGTH(names); i++)
        refuse(names[i], closes, POINTS, plain, "stand still");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(forecasts_are_those_of_the_model, begin, end),
        cmocka_unit_test_setup_teardown(what_was_learned_has_names_and_finite_values, begin, end),
        cmocka_unit_test_setup_teardown(what_cannot_serve_is_refused_with_the_reason, begin, end),
    };
    return cmocka_run_group_tests_name("models/level_estimators", tests, NULL, NULL);
}
