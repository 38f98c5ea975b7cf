/* What holds for every model of the table: a new one is tested by standing in it. Each model is asked at several
 * horizons on hourly and daily steps; the market is a made-up one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/err.h"
#include "models/model.h"
#include "models/series.h"
#include "near.h"
#include "walk.h"

#define ARENA_MAX ((size_t)256 << 20)
#define POINTS 22000
#define ORIGIN 21000 /* points known at the origin */
#define BEYOND 500   /* points more than a model says it uses */

static const size_t steps_tried[] = {1, 4, 24, 30};
static const int64_t step_tried_ms[] = {WALK_HOUR_MS, 24 * WALK_HOUR_MS};
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

static int forecast(const struct model *model, const struct series *series, size_t steps, bool mirrored,
                    struct quantile_curve *curve)
{
    const struct model_params params = {.mirrored = mirrored};

    return model_ask(arena, model, series, &params, steps, curve);
}

/* Calls `check` for each model, step and horizon. */
static void for_each(void (*check)(const struct model *model, int64_t step_ms, size_t steps))
{
    for (size_t m = 0; models[m] != NULL; m++)
        for (size_t s = 0; s < 2; s++)
            for (size_t h = 0; h < BTCF_LENGTH(steps_tried); h++) {
                check(models[m], step_tried_ms[s], steps_tried[h]);
                arena_reset(arena);
            }
}

static void check_curve(const struct model *model, int64_t step_ms, size_t steps)
{
    struct series series = walk_series(arena, walk_closes(arena, ORIGIN, 1), ORIGIN, step_ms);
    struct quantile_curve curve;

    assert_int_equal(forecast(model, &series, steps, false, &curve), 0);
    for (size_t i = 0; i < QUANTILE_COUNT; i++) {
        assert_true(isfinite(curve.log_return[i]));
        assert_true(i == 0 || curve.log_return[i] >= curve.log_return[i - 1]);
    }
    /* The market's scale lies between 0.2% and 1% per step: the 90% width must, too, with room for error. */
    double width = curve.log_return[21] - curve.log_return[3], root = sqrt((double)steps);
    assert_true(width > 2 * 1.6 * 0.001 * root && width < 2 * 1.6 * 0.02 * root);

    assert_int_equal(forecast(model, &series, steps, true, &curve), 0);
    assert_near(curve.log_return[QUANTILE_MEDIAN], 0.0, 0.0);
    assert_near(curve.log_return[0] + curve.log_return[QUANTILE_COUNT - 1], 0.0, 0.0);
}

static void every_model_answers_with_an_ordered_finite_curve_of_sane_width(void **state)
{
    (void)state;
    for_each(check_curve);
}

static void check_future(const struct model *model, int64_t step_ms, size_t steps)
{
    double *closes = walk_closes(arena, POINTS, 1);
    struct series clean = walk_series(arena, closes, POINTS, step_ms);
    struct series clean_head = series_head(&clean, ORIGIN);
    struct quantile_curve before, after;
    struct rng rng;

    assert_int_equal(forecast(model, &clean_head, steps, false, &before), 0);
    rng_init(&rng, 99);
    for (size_t i = ORIGIN; i < POINTS; i++)
        closes[i] = exp(20.0 * rng_normal(&rng));
    struct series garbled = walk_series(arena, closes, POINTS, step_ms);
    struct series garbled_head = series_head(&garbled, ORIGIN);
    assert_int_equal(forecast(model, &garbled_head, steps, false, &after), 0);
    assert_memory_equal(&before, &after, sizeof before);
}

static void garbage_after_the_origin_leaves_every_forecast_bit_identical(void **state)
{
    (void)state;
    for_each(check_future);
}

static void check_need(const struct model *model, int64_t step_ms, size_t steps)
{
    const struct model_params params = {0};
    struct model_need need = model->need(&params, step_ms, steps);
    size_t count = need.used + BEYOND;
    struct series series = walk_series(arena, walk_closes(arena, count, 3), count, step_ms);
    struct quantile_curve whole, used, least;

    assert_true(need.min >= 2 && need.min <= need.used);
    struct series tail = series_tail(&series, need.used);
    assert_int_equal(forecast(model, &series, steps, false, &whole), 0);
    assert_int_equal(forecast(model, &tail, steps, false, &used), 0);
    assert_memory_equal(&whole, &used, sizeof whole);

    tail = series_tail(&series, need.min);
    assert_int_equal(forecast(model, &tail, steps, false, &least), 0);
    tail = series_tail(&series, need.min - 1);
    assert_int_equal(forecast(model, &tail, steps, false, &least), -1);
    assert_int_equal(err_kind(), E_INPUT);
    assert_non_null(strstr(err_text(), "points of history"));
}

static void no_model_uses_more_than_it_says_or_works_with_less(void **state)
{
    (void)state;
    for_each(check_need);
}

static void check_repeat(const struct model *model, int64_t step_ms, size_t steps)
{
    struct series series = walk_series(arena, walk_closes(arena, ORIGIN, 5), ORIGIN, step_ms);
    struct quantile_curve first, second;

    assert_int_equal(forecast(model, &series, steps, false, &first), 0);
    assert_int_equal(forecast(model, &series, steps, false, &second), 0);
    assert_memory_equal(&first, &second, sizeof first);
}

static void the_same_series_gives_the_same_bits(void **state)
{
    (void)state;
    for_each(check_repeat);
}

static void check_constant(const struct model *model, int64_t step_ms, size_t steps)
{
    double *closes = arena_array(arena, ORIGIN, sizeof *closes);
    struct quantile_curve curve;

    for (size_t i = 0; i < ORIGIN; i++)
        closes[i] = 12345.678;
    struct series series = walk_series(arena, closes, ORIGIN, step_ms);
    assert_int_equal(forecast(model, &series, steps, false, &curve), -1);
    assert_int_equal(err_kind(), E_INPUT);
    assert_non_null(strstr(err_text(), "stand still"));
}

static void a_constant_series_is_refused_with_the_reason(void **state)
{
    (void)state;
    for_each(check_constant);
}

static void check_three_points(const struct model *model, int64_t step_ms, size_t steps)
{
    struct series series = walk_series(arena, walk_closes(arena, 3, 1), 3, step_ms);
    struct quantile_curve curve;

    assert_int_equal(forecast(model, &series, steps, false, &curve), -1);
    assert_int_equal(err_kind(), E_INPUT);
}

static void three_points_are_refused(void **state)
{
    (void)state;
    for_each(check_three_points);
}

/* An answer must be finite and in order, whatever the data; a refusal must have a reason. */
static void assert_answers_or_refuses(const struct model *model, const struct series *series, size_t steps)
{
    struct quantile_curve curve;

    err_clear();
    if (forecast(model, series, steps, false, &curve) < 0) {
        assert_int_equal(err_kind(), E_INPUT);
        assert_true(strlen(err_text()) > 0);
        return;
    }
    for (size_t i = 0; i < QUANTILE_COUNT; i++) {
        assert_true(isfinite(curve.log_return[i]));
        assert_true(i == 0 || curve.log_return[i] >= curve.log_return[i - 1]);
    }
    assert_true(curve.log_return[QUANTILE_COUNT - 1] > curve.log_return[0]);
}

static void check_hostile(const struct model *model, int64_t step_ms, size_t steps)
{
    double *closes = walk_closes(arena, ORIGIN, 8);

    for (size_t i = 0; i < ORIGIN; i++) /* two values in turn */
        closes[i] = i % 2 == 0 ? 100.0 : 101.0;
    struct series two = walk_series(arena, closes, ORIGIN, step_ms);
    assert_answers_or_refuses(model, &two, steps);

    closes = walk_closes(arena, ORIGIN, 8);
    closes[ORIGIN - 5] *= 1000.0; /* one wild tick, near and at the end */
    struct series tick = walk_series(arena, closes, ORIGIN, step_ms);
    assert_answers_or_refuses(model, &tick, steps);
    struct series at_end = series_head(&tick, ORIGIN - 4);
    assert_answers_or_refuses(model, &at_end, steps);

    for (size_t i = ORIGIN / 2; i < ORIGIN; i++) /* a source that died half-way */
        closes[i] = closes[ORIGIN / 2];
    struct series dead = walk_series(arena, closes, ORIGIN, step_ms);
    assert_answers_or_refuses(model, &dead, steps);

    for (size_t i = 0; i < ORIGIN; i++) /* the ends of what a double can be */
        closes[i] = i % 3 == 0 ? 1e-300 : i % 3 == 1 ? 1e300 : 1.0;
    struct series extreme = walk_series(arena, closes, ORIGIN, step_ms);
    assert_answers_or_refuses(model, &extreme, steps);
}

static void hostile_series_get_an_answer_or_a_reason(void **state)
{
    (void)state;
    for_each(check_hostile);
}

static void check_gaps(const struct model *model, int64_t step_ms, size_t steps)
{
    double *closes = walk_closes(arena, ORIGIN, 11), *volumes = arena_array(arena, ORIGIN, sizeof *volumes);
    int64_t *times = arena_array(arena, ORIGIN, sizeof *times), time = 0;
    struct series_source source = {.count = ORIGIN, .open_ms = times, .close = closes, .volume = volumes};
    struct series series;

    for (size_t i = 0; i < ORIGIN; i++) /* a gap of 33 steps in every 500; volume 0 throughout */
        times[i] = time += i % 500 == 499 ? 34 * step_ms : step_ms;
    assert_int_equal(series_make(arena, &source, step_ms, &series), 0);
    assert_answers_or_refuses(model, &series, steps);
}

static void gaps_and_missing_volume_are_no_obstacle(void **state)
{
    (void)state;
    for_each(check_gaps);
}

static void finds_models_by_name_only(void **state)
{
    (void)state;
    for (size_t m = 0; models[m] != NULL; m++) {
        assert_ptr_equal(model_find(models[m]->name), models[m]);
        assert_true(strlen(models[m]->summary) > 0);
    }
    assert_null(model_find("rw"));
    assert_null(model_find(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_model_answers_with_an_ordered_finite_curve_of_sane_width, begin, end),
        cmocka_unit_test_setup_teardown(garbage_after_the_origin_leaves_every_forecast_bit_identical, begin, end),
        cmocka_unit_test_setup_teardown(no_model_uses_more_than_it_says_or_works_with_less, begin, end),
        cmocka_unit_test_setup_teardown(the_same_series_gives_the_same_bits, begin, end),
        cmocka_unit_test_setup_teardown(a_constant_series_is_refused_with_the_reason, begin, end),
        cmocka_unit_test_setup_teardown(three_points_are_refused, begin, end),
        cmocka_unit_test_setup_teardown(hostile_series_get_an_answer_or_a_reason, begin, end),
        cmocka_unit_test_setup_teardown(gaps_and_missing_volume_are_no_obstacle, begin, end),
        cmocka_unit_test(finds_models_by_name_only),
    };
    return cmocka_run_group_tests_name("models/registry", tests, NULL, NULL);
}
